"""The Attacks tab: accuracy under attack, and where attacks push features relative to the centres."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import models
from core.data import DATASETS
from core.losses import LOSSES
from core.models import Card
from core.papers.mmc import attacks as mmc_attacks
from core.papers.mmc import claims
from core.papers.mmc.attacks import ACCURACIES, AccuracyRecord, Trial
from core.train import against
from pages.parts.charts import evidence_plots, plots
from pages.parts.shell import links, page
from pages.parts.views import results, verdicts
from pages.parts.views.mmc import shared

DRAWN = 40
"""Images whose features are drawn, before and after."""


def draw(sce: Card, mmc: Card) -> None:
    """Moves of features under one attack, accuracy under all, and what that says to the report's claims."""
    if sce.dataset not in mmc_attacks.EPSILONS:
        known = " and ".join(DATASETS[name].title for name in mmc_attacks.EPSILONS)
        st.info(f"Attacks are measured on networks for {known} only; choose such a pair.")
        return
    found = [record for record in results.stored(ACCURACIES) if record.data.name == sce.dataset]
    results.lacking(found, (sce, mmc), AccuracyRecord.kind)
    if not found:
        return
    cards = _cards(found, mmc)
    _moves(found, sce, mmc)
    st.markdown("##### Accuracy under attack")
    _table(found, cards)
    for claim in (claims.PLAIN_ABOVE_ADAPTIVE, claims.TARGETED):
        verdicts.draw(claim, claim.decide(found, mmc.name))
    for other in (claims.MORE_ROBUST, claims.RELIABLE):
        verdicts.draw(other, other.decide(found, sce.name, mmc.name))
    _hardened(found, cards)
    sizes = sorted({record.data.n for record in found})
    results.origin(
        found,
        f"CPU-sized run: {sizes[0]} to {sizes[-1]} test images an attack, in brackets Wilson's 95 % interval; an image "
        "that is named wrongly when clean counts as wrong. On cross-entropy an adaptive attack is the plain one.",
    )


def _cards(found: Sequence[AccuracyRecord], like: Card) -> list[Card]:
    """The networks of the table, those of the architecture of `like`: cross-entropy first, hardened ones last."""
    names = dict.fromkeys(record.network.name for record in found if record.network is not None)
    alike = (card for name in names if (card := models.card(name)).network == like.network)
    return sorted(
        alike,
        key=lambda card: (against(card.recipe) != "", card.loss != "cross-entropy", card.name),
    )


def _record(found: Sequence[AccuracyRecord], card: Card, trial: Trial) -> AccuracyRecord | None:
    """What a network keeps under an attack; under the plain one where its adaptive attack is no other."""
    if not LOSSES[card.loss].adaptive:
        trial = mmc_attacks.plain(trial, card.dataset)
    return next((record for record in results.of(found, card) if record.protocol.is_of(trial.attack)), None)


def _moves(found: Sequence[AccuracyRecord], sce: Card, mmc: Card) -> None:
    """Where one attack pushes the features of both networks."""
    trials = {trial.key: trial for trial in mmc_attacks.trials(sce.dataset)}
    st.markdown("##### Where does an attack push the features?")
    page.tell(
        "**Look for:** with MMC an image falls the moment its feature crosses the dotted line, where two centres are "
        "equally near. Adaptive attacks push straight away from the own centre; the plain one often finds no slope "
        "and moves nothing."
    )
    state = f"{shared.SCOPE}.attack.{sce.dataset}"
    links.choice("attack", state, list(trials)[1], trials)
    key = st.selectbox(
        "Attack", list(trials), key=state, format_func=lambda k: trials[k].title, persist_state="session"
    )
    both = [(card, _record(found, card, trials[key])) for card in (sce, mmc)]
    drawn = [(card, record) for card, record in both if record is not None]
    if not drawn:
        return
    reach = 1.05 * max(float(record.moves[:DRAWN].max()) for _, record in drawn)
    for index, (column, (card, record)) in enumerate(zip(st.columns(2, gap="medium"), drawn, strict=False)):
        assert record.rows is not None
        rows, right = record.moves[:DRAWN], record.rows["right"][:DRAWN].tolist()
        trial = mmc_attacks.trial_of(record)
        with column:
            st.plotly_chart(
                evidence_plots.moved(
                    rows, right, f"{shared.called(card)}: {trial.title if trial else ''}", reach, f"moved.{reach:.2f}"
                ),
                key=f"evidence.moved.{index}",
                config=plots.CONFIG,
            )
            own, other, own_after, other_after = (float(values.median()) for values in rows.T)
            st.caption(
                f"{len(rows)} images. Median distance to the own centre {own:.2f} before, {own_after:.2f} after; to "
                f"the nearest other {other:.2f} and {other_after:.2f}. {int((rows[:, 2] > rows[:, 3]).sum())} end "
                f"nearer to another centre, {right.count(False)} are named wrongly. Accuracy "
                f"{verdicts.share(record.accuracy)} of {record.data.n}."
            )
    page.note(
        "The unit is the mean distance between two centres, in each network its own. Cross-entropy has no centres: the "
        f"mean feature of each class over {mmc_attacks.TRAIN_N:,} training images stands for one, and the dotted line "
        "is not its boundary."
    )


def _table(found: Sequence[AccuracyRecord], cards: Sequence[Card]) -> None:
    """Accuracy under every attack, a column a network."""
    if not cards:
        return
    trials = mmc_attacks.trials(cards[0].dataset)
    cells, words = {}, {}
    for row, trial in enumerate(trials):
        for column, card in enumerate(cards):
            if trial.adaptive and not LOSSES[card.loss].adaptive:
                words[row, column] = "as plain"
            for record in results.of(found, card):
                if record.protocol.is_of(trial.attack):
                    cells[row, column] = record.accuracy
    headings = [shared.called(card) for card in cards]
    if len(set(headings)) < len(cards):
        headings = [f"{heading}: {card.name}" for heading, card in zip(headings, cards, strict=True)]
    st.html(evidence_plots.accuracies([trial.title for trial in trials], headings, cells, words))


def _hardened(found: Sequence[AccuracyRecord], cards: Sequence[Card]) -> None:
    """What adversarial training brought each loss."""
    hardened = [card for card in cards if against(card.recipe)]
    pairs = [(plain, card) for card in hardened for plain in cards if _twin(plain, card)]
    if not pairs:
        return
    st.markdown("##### Adversarial training")
    for plain, card in pairs:
        told = f"{shared.called(plain)}, {shared.against_what(card)}"
        page.tell(f"{told}, under the strongest gradient attack of each ball:")
        verdicts.draw(claims.HARDENED, claims.HARDENED.decide(found, plain.name, card.name))
    lengths = {card.name: _length(card) for card in hardened}
    if len(set(lengths.values())) > 1:
        told = "; ".join(f"{page.plain(name)} saw {length}" for name, length in lengths.items())
        st.markdown(f"Not quite like for like: {told}.")


def _twin(plain: Card, hardened: Card) -> bool:
    """Whether a network is what another would be without its adversarial training."""
    same = (plain.network, plain.network_arguments, plain.loss) == (
        hardened.network,
        hardened.network_arguments,
        hardened.loss,
    )
    return same and not against(plain.recipe)


def _length(card: Card) -> str:
    """For how long a network was trained."""
    n = card.recipe.get("n") or DATASETS[card.dataset].splits["train"]
    return f"{n:,} images, {card.recipe.get('epochs', 'unknown')} epochs"
