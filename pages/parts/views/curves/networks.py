"""Which network is harder to fool: of every image the shortest that several attacks found, network by network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from core import models
from core.attacks import Attack
from core.evaluate import nearest_known, records
from core.evaluate.claims import Claim
from core.evaluate.curves import CurveRecord
from core.evaluate.nearest_known import NearestKnown
from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.models import Card
from core.papers import smooth_curves
from core.papers.mmc.nearest import NEAREST, NearestRecord, Search
from pages.parts.charts import curve_plots
from pages.parts.inputs import choose
from pages.parts.shell import page
from pages.parts.views import results, verdicts
from pages.parts.views.curves import session, wall
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.curves.wall import Behind

LOOK_FOR = (
    "the further right a curve rises, the longer a perturbation has to be. Each image counts with the **shortest that "
    "any of these attacks found**, so that no network looks robust because one attack loses its way in it; a nearer "
    "one may still be there."
)
MMC, OURS = ("MMC reproducibility report", "section 4.1, in L2"), ("Smoothscope", "our own question")
_VIEW = "networks"
KINDS = ("cw", "ddn", "sddn-rho")
"""Entries of which the shortest is taken: those that look for the shortest, and do not need long."""


def found(card: Card) -> dict[str, NearestKnown[Any]]:
    """By network, those of the data set of `card` of which the same attacks were measured; `card`'s own is the first.

    Empty where there is nothing to compare.
    """
    cards, _ = models.survey()
    names = [card.name, *(name for name in sorted(cards) if name != card.name)]
    same = [cards[name] for name in names if name in cards and cards[name].dataset == card.dataset]
    searched = _searched(card, same, results.stored(NEAREST) if NEAREST.path.exists() else [])
    if searched:
        return searched
    measured: dict[str, Sequence[CurveRecord]] = {}
    for one in same:
        mine = [r for r in session.one_data(session.stored(one)) if r.protocol.name in KINDS]
        if mine:
            measured[one.name] = mine
    if card.name not in measured:
        return {}
    keys = set(nearest_known.alike(measured))
    if not keys:
        return {}
    return {
        name: NearestKnown[CurveRecord](tuple(r for r in records if nearest_known.key(r) in keys))
        for name, records in measured.items()
    }


def _searched(
    card: Card, same: Sequence[Card], stored: Sequence[NearestRecord], alike: bool = True
) -> dict[str, NearestKnown[Any]]:
    """Those of the architecture of `card`, or of others, whose nearest known was looked for by five searches, if it is
    among those."""
    mine = {record.network.name: record for record in stored if record.network is not None}
    if card.name not in mine:
        return {}
    return {
        one.name: mine[one.name].nearest()
        for one in same
        if (one.network == card.network) == alike
        and one.name in mine
        and mine[one.name].protocol == mine[card.name].protocol
    }


def beside(card: Card) -> dict[str, NearestKnown[Any]]:
    """By network, those of other architectures whose images are the same and that five searches were made of, if they
    were of `card`."""
    cards, _ = models.survey()
    kept, _ = records.sound(results.read(NEAREST))
    return _searched(card, [one for one in cards.values() if one.dataset == card.dataset], kept, alike=False)


def _titled(record: CurveRecord | Search) -> str:
    return record.title if isinstance(record, Search) else session.titled(record)


def draw(networks: Mapping[str, NearestKnown[Any]], card: Card) -> None:
    """The chart and the table, or what to do where there is none."""
    if len(networks) < 2:
        st.info("Two networks of the same pictures are needed, each measured by the same attacks; make one so:")
        st.code(
            f"python -m core evaluate curves --model {card.name} --n 100 --entries {' '.join(KINDS)}",
            None,
            wrap_lines=True,
        )
        return
    titles = choose.menu(models.survey()[0])
    lines = {titles[name]: (name, one.characteristic()) for name, one in networks.items()}
    behind, point = _behind(networks, titles), _pointed()
    wall.open_lab(behind)
    page.tell(f"**Look for:** {LOOK_FOR}{wall.CLICK}")
    chart = f"{SCOPE}.networks"
    figure = curve_plots.networks(lines, point if behind else None, chart)
    wall.beside(
        behind,
        figure,
        _VIEW,
        chart,
        "Share of images that any of several attacks fools within an L2, a curve a network.",
    )
    st.html(_table({**networks, **beside(card)}, titles, card))
    counts = ", ".join(str(n) for n in sorted({len(one.shortest) for one in networks.values()}))
    page.note(
        f"n = {counts} images that each network names rightly. Bands and brackets: 95 % intervals, Wilson's of shares, "
        "bootstrapped of medians."
    )
    first = next(iter(networks.values()))
    attacks = ", ".join(_titled(record) for record in first.records)
    page.note(
        page.plain(
            f"The shortest of: {attacks}. Medians over the images that any fools; 95 % intervals (Wilson, bootstrap). "
            "Alone: how many times as long the attack that ends farthest from the shortest leaves its perturbations."
        )
    )


def origin(networks: Mapping[str, NearestKnown[Any]]) -> bool:
    """How it was made, where it is of the five searches; False where it is of the page's curves."""
    found = [one.records[0].record for one in networks.values() if isinstance(one.records[0], Search)]
    if not found:
        return False
    results.made(
        found,
        "Five searches of every image, each stopped by something else: DDN, C&W on the margins, PGD up the loss that "
        "the network was trained with, PGD up the log odds from five starts, and what DDN found on cross-entropy's "
        "network, followed to where this one is fooled. What each finds is drawn back along its line to the boundary. "
        "The commands go on with what is there:",
    )
    results.files(found, f"nearest-{models.card(_name(found[0])).dataset}", f"{SCOPE}.networks", _about)
    return True


def _pointed() -> tuple[str, int] | None:
    """Network and rank of the point that is looked at, if it is of this view."""
    name, rank = wall.pointed(_VIEW) or ("", "")
    return (name, int(rank)) if rank.isascii() and rank.isdigit() and len(rank) < 9 else None


def _behind(networks: Mapping[str, NearestKnown[Any]], titles: Mapping[str, str]) -> Behind | None:
    """The images of that point, if it is drawn: those up to its rank, the nearest to it first, those beyond it, and
    those that none of the attacks fools. A click opens one with the attack that found the shortest."""
    name, rank = _pointed() or ("", 0)
    one = networks.get(name)
    if one is None or not 1 <= rank <= int(np.isfinite(one.shortest).sum()):
        return None
    first: CurveRecord | Search = one.records[0]
    record = first.record if isinstance(first, Search) else first
    shortest, winners = one.shortest, np.argmin([one.lengths(each) for each in one.records], axis=0)
    index = first.column("index")
    places = np.argsort(index, kind="stable")[np.searchsorted(np.sort(index), one.indices)]
    of = {int(row): place for place, row in enumerate(places)}
    order = np.argsort(shortest, kind="stable")
    fooled = order[np.isfinite(shortest[order])]

    def attack(index: int) -> Attack:
        winner = one.records[winners[int(np.flatnonzero(one.indices == index)[0])]]
        return winner.attack if isinstance(winner, Search) else winner.attacks[-1]

    def label(row: int) -> str:
        place = of[row]
        found = shortest[place]
        return f"L2 {found:.3g}, {_titled(one.records[winners[place]])}" if np.isfinite(found) else "not fooled"

    groups = {
        "Within": places[fooled[:rank][::-1]],
        "Beyond": places[fooled[rank:]],
        "Not fooled": places[order[~np.isfinite(shortest[order])]],
    }
    return Behind(
        record,
        f"**{page.plain(titles[name])}**, L2 ≤ {shortest[fooled[rank - 1]]:.3g}",
        groups,
        label,
        lambda images, index: wall.link(name, images, index, attack(index)),
        note="Those nearest to the point first. A click opens the image in the Attack lab, with the attack that found "
        "the shortest.",
    )


def _name(record: NearestRecord) -> str:
    return "" if record.network is None else record.network.name


def _about(record: NearestRecord) -> dict[str, object]:
    return {"attacked": _name(record)}


def _table(networks: Mapping[str, NearestKnown[Any]], titles: Mapping[str, str], card: Card) -> str:
    bound = smooth_curves.norm(card) / 2
    heads = ["", "n", "clean", "median L2", f"not fooled within L2 = {bound:g}", "farthest alone"]
    lines = []
    for name, one in networks.items():
        robust, accuracy = one.robust(bound), models.card(name).accuracy
        cells = [titles[name], str(len(one.shortest)), "-" if accuracy is None else f"{100 * accuracy.value:.1f} %"]
        cells += [_number(one.median(), ".2f"), percent(robust, 0), _farthest(one)]
        lines.append(cells)
    return results.table(heads, lines)


def _farthest(one: NearestKnown[Any]) -> str:
    """The attack that by itself makes the network look hardest to fool."""
    ratios = [(record, ratio) for record in one.records if (ratio := one.alone(record)) is not None]
    if not ratios:
        return "-"
    record, ratio = max(ratios, key=lambda pair: pair[1].value)
    missed = len(one.shortest) - one.fooled(record)
    return f"{_titled(record)}: × {_number(ratio, '.2f')}" + (f", {missed} not fooled" if missed else "")


def _number(estimate: Estimate | None, form: str) -> str:
    return "-" if estimate is None else f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def claims(networks: Mapping[str, NearestKnown[Any]], card: Card) -> None:
    """Each other network against this one."""
    if not networks:
        return
    titles = choose.menu(models.survey()[0])
    (_, mine), *others = networks.items()
    for name, other in others:
        said = MMC if models.card(name).loss == "max-mahalanobis" and card.loss == "cross-entropy" else OURS
        statement = f"{titles[name]} is harder to fool than {titles[card.name]}"
        asked: list[Claim[[NearestKnown[Any], NearestKnown[Any]]]] = [Claim(statement, *said, nearest_known.harder)]
        if models.card(name).loss == "max-mahalanobis":
            bound = smooth_curves.norm(card) / 2
            statement = f"{titles[name]} withstands L2 = {bound:g} more often than {titles[card.name]}"
            asked.append(Claim(statement, *said, nearest_known.sturdier(bound)))
        stamp = tuple((name, r.title, r.data.n, r.data.sha256 or "") for one in (other, mine) for r in one.records)
        verdicts.each(asked, stamp, other, mine)
