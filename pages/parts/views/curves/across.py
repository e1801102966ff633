"""SmoothFool's Tables 5 and 6: which other networks a perturbation fools, of one image's and of a universal one's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import streamlit as st
from torch import Tensor

from core import models
from core.attacks.universal import apply_universal
from core.evaluate import transfer
from core.evaluate.attacking import own as own_data
from core.evaluate.records import Network, Record
from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.evaluate.transfer import Showing
from core.models import Card
from core.papers import smoothfool_transfer as table
from core.papers.smoothfool_transfer import (
    BALL,
    BOUND,
    OF_TABLE5,
    OF_TABLE6,
    PAPER5,
    PAPER6,
    PATTERNS,
    TRANSFERS,
    UNIVERSAL_SIGMAS,
    UNIVERSALS,
    BlackBoxRecord,
    PatternRecord,
    UniversalRecord,
)
from pages.parts.charts import rate_plots
from pages.parts.engine import networks as engine
from pages.parts.inputs import choose
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Slot
from pages.parts.views import many, results, verdicts
from pages.parts.views.curves import session, showing, wall
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.curves.wall import Behind
from pages.parts.views.many import Task
from pages.parts.work import growing as work
from pages.parts.work.curves import Counted

R = TypeVar("R", BlackBoxRecord, UniversalRecord)

SINGLE, UNIVERSAL = "single", "universal"
KINDS = {SINGLE: "One perturbation an image (Table 5)", UNIVERSAL: "One for all images (Table 6)"}
LOOK_FOR = {
    SINGLE: "whether the points of another network move to the right from DeepFool down to wide kernels, and whether "
    "the kernel's shape matters. All are scaled to one largest change, so a smooth perturbation is far longer in L2.",
    UNIVERSAL: "one pattern, fitted on some images and added to others. In a ball of one size: does smoothing it help "
    "it on, from its own network to the others?",
}
_KIND = f"{SCOPE}.across"
_DATA = f"{SCOPE}.across.images"
_VIEW, _UNIVERSAL = "across", "universal"
_ROWS = {f"{s:g}": "not smoothed" if s == UNIVERSAL_SIGMAS[0] else f"σ_g = {s:g}" for s in UNIVERSAL_SIGMAS}
"""The rows of Table 6, by what a point gives."""


def follow() -> None:
    """Take what is shown from the page's link."""
    links.choice("across", _KIND, SINGLE, KINDS)


def draw(card: Card) -> None:
    """The chart of what was made on `card`, the table of all, the claims and how it was made."""
    if page.switch("What", KINDS, _KIND) == UNIVERSAL:
        _universal(card)
    else:
        _single(card)


def universal() -> bool:
    """Whether Table 6 is looked at, not Table 5."""
    return bool(st.session_state.get(_KIND) == UNIVERSAL)


def offer(slot: Slot[Counted, Sequence[Record], Task], card: Card) -> None:
    """What is to be measured now: a row of the table for the network, on so many images more."""
    if card.dataset not in table.SIGMAS:
        return
    if universal():
        _offer_universal(slot, card)
        return
    attacks = table.attacks(card.dataset)

    def wanted(name: str, network: Network, judges: Sequence[Network]) -> Showing:
        return Showing(network, tuple(judges), attacks[name], BOUND)

    told = {row: table.titled(row) for row in attacks}
    showing.offer(slot, card, TRANSFERS, told, lambda record: record.attack, wanted, _VIEW)


def _offer_universal(slot: Slot[Counted, Sequence[Record], Task], card: Card) -> None:
    """One perturbation for all images; where it is there it is not fitted again."""
    told = {row: f"Universal, {title}" for row, title in _ROWS.items()}

    def every() -> list[UniversalRecord]:
        return many.with_own(results.read(UNIVERSALS), UniversalRecord)

    def known(row: str) -> list[PatternRecord | UniversalRecord]:
        record = table.pick_universal(many.mine(every(), card), card.name, float(row))
        pattern = None if record is None else _pattern(record)
        return [] if record is None or pattern is None else [pattern, record]

    def start(row: str, n: int, before: list[PatternRecord | UniversalRecord]) -> None:
        judges = showing.judges(every(), card)
        slot.start(
            many.task(card, told[row]),
            work.universal,
            engine.Network.of(card),
            judges,
            float(row),
            own_data(card),
            n,
            before,
        )

    fit = table.fits_on(many.there_are(card))
    many.offer(slot, card, told, f"{SCOPE}.universal", "attack", known, start, fit)


def _pattern(record: UniversalRecord) -> PatternRecord | None:
    """The perturbation that a record is of, if it is kept."""
    kept = many.with_own(results.read(PATTERNS), PatternRecord)
    return next((pattern for pattern in kept if pattern.is_of(record)), None)


def _of(found: Sequence[Record], card: Card) -> list[str]:
    """The networks of the data set of `card` that something was made on, if it is among them."""
    cards, _ = models.survey()
    names = [name for name in table.sources(found) if name in cards and cards[name].dataset == card.dataset]
    return names if card.name in names else []


def _absent(of: type[Record], card: Card, found: Sequence[Record]) -> None:
    cards, _ = models.survey()
    others = [c.name for c in cards.values() if c.dataset == card.dataset and c.name != card.name]
    if card.dataset not in table.SIGMAS:
        dataset, names = next(iter(table.SIGMAS)), table.sources(found)
        session.absent(f"python -m core evaluate {of.kind} --models NAMES --dataset folder:PATH  # of {dataset}", names)
        return
    folder = "folder:PATH" if card.dataset == "imagenet" else ""
    session.absent(transfer.command(of, [card.name, *others[:2]], 40, folder=folder), table.sources(found))


def _single(card: Card) -> None:
    stored = _of_one_data(showing.with_own(TRANSFERS, results.stored(TRANSFERS)), card)
    names = _of(stored, card)
    if not names:
        _absent(BlackBoxRecord, card, stored)
        return
    found = [record for record in stored if record.network is not None and record.network.name in names]
    behind = _behind(found, card)
    wall.open_lab(behind)
    page.tell(f"**Look for:** {LOOK_FOR[SINGLE]}{wall.CLICK}")
    rows = {key: table.titled(key) for key in table.attacks(card.dataset)}
    mine = {key: record for key in rows if (record := table.pick(found, card.name, key)) is not None}
    paper: dict[str, dict[str, float]] = {}
    if card.dataset == "imagenet":
        for source, theirs in PAPER5.items():
            for target in next(iter(theirs.values())):
                if target != source:
                    paper[f"{source} to {target}"] = {key: rates[target] for key, rates in theirs.items()}

    def rate(record: BlackBoxRecord, judge: str) -> Estimate | None:
        return record.rate(judge, at_length=True)

    _chart(rows, _series(card, mine, rate), paper, SINGLE, behind)
    lines = []
    for name in names:
        for key, title in rows.items():
            record = table.pick(found, name, key)
            lines.append([_title(name), title, *_cells(record, names, rate)])
    heads = ["made on", "", *map(_title, names)]
    st.html(results.table(heads, lines))
    if paper:
        st.html(_papers())
    page.note(
        f"n = {many.counts(found)} {_of_what(found)}, of them for each network those that it and the one it was made "
        f"on name rightly when clean; 95 % intervals (Wilson). Scaled to L∞ = {255 * BOUND:g}/255, then clipped; an "
        "image that the attack does not fool its own network on counts as one that fools nobody."
        + (
            " Networks of another size are shown the same picture brought to theirs."
            if paper
            else f" The paper's table is of ImageNet: on {card.input_shape[-1]} pixels a largest change of "
            f"{255 * BOUND:g}/255 is often less than what a smooth perturbation needs on its own network."
        )
    )
    verdicts.each(OF_TABLE5, verdicts.stamp(found), found)
    results.made(
        found,
        "DeepFool and SmoothFool with three kernels on every network, as published, to the first success; what they "
        "found, scaled, is shown to all of the networks. The command goes on with what is there; with a larger --n it "
        "adds images:",
    )
    results.files(found, f"smoothfool-transfer-{card.dataset}", f"{SCOPE}.across", _about)


def _about(record: BlackBoxRecord) -> dict[str, object]:
    return {"made_on": "" if record.network is None else record.network.name, "attack": record.attack}


def _about_universal(record: UniversalRecord) -> dict[str, object]:
    return {"fitted_on": "" if record.network is None else record.network.name, "sigma_g": record.sigma}


def _universal(card: Card) -> None:
    stored = _of_one_data(many.with_own(results.stored(UNIVERSALS), UniversalRecord), card)
    names = _of(stored, card)
    if not names:
        _absent(UniversalRecord, card, stored)
        return
    found = [record for record in stored if record.network is not None and record.network.name in names]
    behind = _behind_universal(found, card)
    wall.open_lab(behind)
    page.tell(f"**Look for:** {LOOK_FOR[UNIVERSAL]}{wall.CLICK}")
    rows = _ROWS
    mine = {row: one for row in rows if (one := table.pick_universal(found, card.name, float(row))) is not None}
    paper: dict[str, dict[str, float]] = {}
    if card.dataset == "imagenet":
        paper = {target: {f"{s:g}": rate for s, rate in rates.items()} for target, rates in PAPER6.items()}
    _chart(rows, _series(card, mine, UniversalRecord.rate), paper, UNIVERSAL, behind)
    lines = []
    for name in names:
        for row, title in rows.items():
            record = table.pick_universal(found, name, float(row))
            fits = "-" if record is None else f"{percent(record.fitted, 0)} of {record.fitted_on.n}"
            lines.append([_title(name), title, fits, *_cells(record, names, UniversalRecord.rate)])
    st.html(results.table(["fitted on", "", "its own images", *map(_title, names)], lines))
    page.note(
        f"n = {many.counts(found)} {_of_what(found)} that it was not fitted on, of them those that a network names "
        f"rightly when clean; 95 % intervals (Wilson). Ball: L∞ = {255 * BALL:g}/255. The paper's are fitted on VGG16 "
        "with far more images, by SmoothFool's own steps; ours by the gradient, which needs fewer. One that fools many "
        "of its own images and hardly any others was fitted on too few, and knows those by heart."
    )
    verdicts.each(OF_TABLE6, verdicts.stamp(found), found)
    results.made(
        found,
        "One perturbation is fitted on images that the network names rightly, and added to others, which all networks "
        "are shown. The command goes on with the networks and widths that are not there:",
    )
    results.files(found, f"smoothfool-universal-{card.dataset}", f"{SCOPE}.universal", _about_universal)


def _title(name: str) -> str:
    return choose.menu(models.survey()[0]).get(name, name)


def _of_what(found: Sequence[Record]) -> str:
    """What the images are."""
    return {"photos": "of the photographs that come with Smoothscope"}.get(found[0].data.name, "images")


def _of_one_data(found: Sequence[R], card: Card) -> list[R]:
    """Those of the images that are chosen where the network was measured on several: stored ones of ImageNet, say, and
    photographs in this session."""
    names = dict.fromkeys(r.data.name for r in found if r.network is not None and r.network.name == card.name)
    if len(names) < 2:
        return list(found) if not names else [r for r in found if r.data.name in names]
    titles = {name: "Photographs" if name == "photos" else name for name in names}
    if st.session_state.get(_DATA) not in names:
        st.session_state[_DATA] = list(names)[-1]  # one's own run
    chosen = page.switch("Images", titles, _DATA)
    return [record for record in found if record.data.name == chosen]


def _series(
    card: Card, rows: Mapping[str, R], rate: Callable[[R, str], Estimate | None]
) -> dict[str, tuple[str, dict[str, Estimate]]]:
    """By title of a network that is shown them its name and the rates of the rows: the others first, then its own."""
    judges = [judge.name for record in rows.values() for judge in record.judges]
    found = {}
    for name in sorted(dict.fromkeys(judges), key=lambda name: name == card.name):
        rates = {row: one for row, record in rows.items() if (one := rate(record, name)) is not None}
        found[_title(name) + (", its own" if name == card.name else "")] = name, rates
    return found


def _cells(record: R | None, judges: Sequence[str], rate: Callable[[R, str], Estimate | None]) -> list[str]:
    """Rates of a row, one for each network that is shown it."""
    found = [None if record is None else rate(record, judge) for judge in judges]
    return ["-" if one is None else f"{percent(one, 0)}, n = {one.n}" for one in found]


def _chart(
    rows: Mapping[str, str],
    ours: Mapping[str, tuple[str, Mapping[str, Estimate]]],
    paper: Mapping[str, Mapping[str, float]],
    kind: str,
    behind: Behind | None,
) -> None:
    chart, view = f"{SCOPE}.across.{kind}", {SINGLE: _VIEW, UNIVERSAL: _UNIVERSAL}[kind]
    figure = rate_plots.rates(rows, ours, paper, "fooled", wall.pointed(view) if behind else None, chart)
    wall.beside(
        behind,
        figure,
        view,
        chart,
        "Share of images on which networks are fooled by what was made on another, by its smoothness.",
    )


def _behind(found: Sequence[BlackBoxRecord], card: Card) -> Behind | None:
    """The images of the point that is looked at, if it is drawn: made on `card`, shown to another."""
    name, row = wall.pointed(_VIEW) or ("", "")
    record = table.pick(found, card.name, row)
    if record is None or name not in [judge.name for judge in record.judges]:
        return None
    asked, fools = record.transferred(name, at_length=True)
    lengths = np.where(record.column("fools"), record.column("l2"), np.inf).astype(float)
    attack = table.attacks(card.dataset)[row]
    return Behind(
        record,
        f"**{page.plain(_title(name))}**, {page.plain(table.titled(row))}",
        wall.fooled(asked, fools, lengths),
        lambda at: f"found at L2 {lengths[at]:.3g}" if np.isfinite(lengths[at]) else "not found",
        lambda images, index: wall.link(card.name, images, index, attack),
    )


def _behind_universal(found: Sequence[UniversalRecord], card: Card) -> Behind | None:
    """The images of the point that is looked at, if it is drawn: with what was fitted on `card`, as another is shown
    them."""
    name, row = wall.pointed(_UNIVERSAL) or ("", "")
    record = table.pick_universal(found, card.name, float(row)) if row in _ROWS else None
    if record is None or name not in [judge.name for judge in record.judges]:
        return None
    asked, fools = record.transferred(name)
    pattern = _pattern(record)
    attack = table.universal(record.sigma)

    def shown(images: Tensor) -> Tensor:
        return images if pattern is None else apply_universal(pattern.r, images)

    lacks = "" if pattern is not None else "The perturbation is not kept here, so these are the clean images. "
    return Behind(
        record,
        f"**{page.plain(_title(name))}**, {page.plain(_ROWS[row])}",
        wall.fooled(asked, fools, np.zeros(len(asked))),
        lambda at: "fooled" if fools[at] else "not fooled",
        lambda images, index: wall.link(card.name, images, index, attack),
        shown,
        f"{lacks}All have the same perturbation added. A click opens the clean image in the Attack lab, where the same "
        "attack is fitted to it alone.",
    )


def _papers() -> str:
    """The paper's Table 5."""
    targets = list(next(iter(PAPER5["VGG16"].values())))
    lines = [
        [f"paper, {source}", table.titled(key), *(f"{100 * rates[target]:.1f} %" for target in targets)]
        for source, theirs in PAPER5.items()
        for key, rates in theirs.items()
    ]
    return results.table(["made on", "", *targets], lines, range(len(lines)))
