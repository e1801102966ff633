"""Which loss errs least: the errors of networks that differ in their training alone, in the Tables tab."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import models
from core.data import DATASETS
from core.evaluate.tables import percent
from core.models import Card
from core.papers.graph_smoothness import errors
from core.papers.graph_smoothness.errors import ERRORS, ErrorRecord
from core.papers.mmc import claims
from core.train import against
from pages.parts.views import results, verdicts
from pages.parts.views.mmc import shared

CLASSIFIERS = {"nearest-center": "nearest centre", "10-nn": "10-NN", "rbf-svc": "RBF SVC", "1-nn": "1-NN"}
"""What classifiers of the features are called, beside the logits' own."""


def draw() -> None:
    """A table for each group of such networks, and what they say to the report's two sentences on accuracy."""
    st.markdown("##### Which loss errs least on clean images?")
    found = results.stored(ERRORS)
    if not found:
        return
    groups = sorted(errors.alike(found), key=len, reverse=True)
    for column, mine in zip(st.columns(2, gap="large"), (groups[::2], groups[1::2]), strict=True):
        with column:
            for cards in mine:
                _group(found, cards)
    shown = {card.name for cards in groups for card in cards}
    used = [record for record in found if record.network is not None and record.network.name in shown]
    results.origin(
        used,
        f"All {used[0].data.n:,} test images; in brackets Wilson's 95 % interval, of this one network and not of its "
        "kind. The papers' networks are larger and trained for longer.",
    )


def _group(found: Sequence[ErrorRecord], cards: Sequence[Card]) -> None:
    first = cards[0]
    flat = ", features in the plane" if first.embedding == 2 else ""
    st.markdown(f"**{models.TITLES[first.network]} on {DATASETS[first.dataset].title}**{flat}")
    st.html(_table(found, cards))
    plain = [card for card in cards if not against(card.recipe)]
    for mmc in (card for card in plain if shared.called(card) == "MMC"):
        for other in plain:
            if other.loss == "cross-entropy":
                verdicts.draw(claims.AS_ACCURATE, claims.AS_ACCURATE.decide(found, other.name, mmc.name))
            elif shared.called(other) == "HMMC":
                verdicts.draw(claims.NOT_BEATEN, claims.NOT_BEATEN.decide(found, mmc.name, other.name))


def _table(found: Sequence[ErrorRecord], cards: Sequence[Card]) -> str:
    """The least error first, as HTML that scrolls in a narrow window."""
    by_name = {card.name: {r.classifier: r for r in results.of(found, card)} for card in cards}
    lines = []
    for card in sorted(cards, key=lambda card: by_name[card.name]["argmax"].wrong):
        mine = by_name[card.name]
        others = [f"{CLASSIFIERS[name]} {100 * r.error.value:.2f}" for name, r in mine.items() if name != "argmax"]
        published = [
            f"{100 * r.published:.2f} %" + ("" if name == "argmax" else f" ({CLASSIFIERS[name]})")
            for name, r in mine.items()
            if r.published is not None and not against(card.recipe)
        ]
        cells = [shared.called(card), percent(mine["argmax"].error, 2), ", ".join(others), ", ".join(published)]
        lines.append(cells)
    heads = ("", "error of the logits", "of other classifiers, %", "the papers'")
    return results.table(heads, lines)
