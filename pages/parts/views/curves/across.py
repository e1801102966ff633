"""SmoothFool's Tables 5 and 6: which other networks a perturbation fools, of one image's and of a universal one's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import streamlit as st

from core import models
from core.evaluate.records import Record
from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.models import Card
from core.papers import smoothfool_transfer as table
from core.papers.smoothfool_transfer import (
    BALL,
    BOUND,
    OF_TABLE5,
    OF_TABLE6,
    PAPER5,
    PAPER6,
    TRANSFERS,
    UNIVERSAL_SIGMAS,
    UNIVERSALS,
    BlackBoxRecord,
    UniversalRecord,
)
from pages.parts.charts import plots, rate_plots
from pages.parts.inputs import choose
from pages.parts.shell import links, page
from pages.parts.views import results, verdicts
from pages.parts.views.curves.session import SCOPE

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


def follow() -> None:
    """Take what is shown from the page's link."""
    links.choice("across", _KIND, SINGLE, KINDS)


def draw(card: Card) -> None:
    """The chart of what was made on `card`, the table of all, the claims and how it was made."""
    chosen = st.segmented_control(
        "What",
        list(KINDS),
        key=_KIND,
        format_func=KINDS.__getitem__,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    if chosen == UNIVERSAL:
        _universal(card)
    else:
        _single(card)


def _of(found: Sequence[Record], card: Card) -> list[str]:
    """The networks of the data set of `card` that something was made on, if it is among them."""
    cards, _ = models.survey()
    names = [name for name in table.sources(found) if name in cards and cards[name].dataset == card.dataset]
    return names if card.name in names else []


def _absent(kind: str, card: Card) -> None:
    cards, _ = models.survey()
    others = [c.name for c in cards.values() if c.dataset == card.dataset and c.name != card.name]
    if card.dataset not in table.SIGMAS:
        st.info(f"The paper's question is of pictures; choose a network of {' or '.join(table.SIGMAS)}.")
        return
    dataset = " --dataset folder:PATH" if card.dataset == "imagenet" else ""
    results.absent(f"python -m core evaluate {kind} --models {' '.join([card.name, *others[:2]])}{dataset} --n 40")


def _single(card: Card) -> None:
    stored = results.stored(TRANSFERS)
    names = _of(stored, card)
    if not names:
        _absent(BlackBoxRecord.kind, card)
        return
    found = [record for record in stored if record.network is not None and record.network.name in names]
    page.tell(f"**Look for:** {LOOK_FOR[SINGLE]}")
    rows = {key: table.titled(key) for key in table.attacks(card.dataset)}
    mine = {key: record for key in rows if (record := table.pick(found, card.name, key)) is not None}
    paper: dict[str, dict[str, float]] = {}
    if card.dataset == "imagenet":
        for source, theirs in PAPER5.items():
            for target in next(iter(theirs.values())):
                if target != source:
                    paper[f"{source} to {target}"] = {rows[key]: rates[target] for key, rates in theirs.items()}

    def rate(record: BlackBoxRecord, judge: str) -> Estimate | None:
        return record.rate(judge, at_length=True)

    _chart(list(rows.values()), _series(card, {rows[key]: one for key, one in mine.items()}, rate), paper, SINGLE)
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
        f"n = {_counts(found)} images, of them for each network those that it and the one it was made on name rightly "
        f"when clean; 95 % intervals (Wilson). Scaled to L∞ = {255 * BOUND:g}/255, then clipped; an image that the "
        "attack does not fool its own network on counts as one that fools nobody."
        + (" Networks of another size are shown the same picture brought to theirs." if paper else "")
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
    stored = results.stored(UNIVERSALS)
    names = _of(stored, card)
    if not names:
        _absent(UniversalRecord.kind, card)
        return
    found = [record for record in stored if record.network is not None and record.network.name in names]
    page.tell(f"**Look for:** {LOOK_FOR[UNIVERSAL]}")
    rows = {sigma: "not smoothed" if sigma == UNIVERSAL_SIGMAS[0] else f"σ_g = {sigma:g}" for sigma in UNIVERSAL_SIGMAS}
    mine = {sigma: one for sigma in rows if (one := table.pick_universal(found, card.name, sigma)) is not None}
    paper: dict[str, dict[str, float]] = {}
    if card.dataset == "imagenet":
        paper = {target: {rows[s]: rate for s, rate in rates.items()} for target, rates in PAPER6.items()}
    _chart(
        list(rows.values()),
        _series(card, {rows[s]: one for s, one in mine.items()}, UniversalRecord.rate),
        paper,
        UNIVERSAL,
    )
    lines = []
    for name in names:
        for sigma, title in rows.items():
            record = table.pick_universal(found, name, sigma)
            fits = "-" if record is None else f"{100 * record.fits:.0f} % of {record.fitted_on.n}"
            lines.append([_title(name), title, fits, *_cells(record, names, UniversalRecord.rate)])
    st.html(results.table(["fitted on", "", "its own images", *map(_title, names)], lines))
    page.note(
        f"n = {_counts(found)} images that it was not fitted on, of them those that a network names rightly when "
        f"clean; 95 % intervals (Wilson). Ball: L∞ = {255 * BALL:g}/255. The paper's are fitted on VGG16 with far more "
        "images, by SmoothFool's own steps; ours by the gradient, which needs fewer."
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


def _counts(found: Sequence[Record]) -> str:
    return ", ".join(str(n) for n in sorted({record.data.n for record in found}))


def _series(
    card: Card, rows: Mapping[str, R], rate: Callable[[R, str], Estimate | None]
) -> dict[str, dict[str, Estimate]]:
    """By network that is shown them the rates of the rows: the other networks first, then its own."""
    judges = [judge.name for record in rows.values() for judge in record.judges]
    order = sorted(dict.fromkeys(judges), key=lambda name: name == card.name)
    return {
        _title(name) + (", its own" if name == card.name else ""): {
            row: one for row, record in rows.items() if (one := rate(record, name)) is not None
        }
        for name in order
    }


def _cells(record: R | None, judges: Sequence[str], rate: Callable[[R, str], Estimate | None]) -> list[str]:
    """Rates of a row, one for each network that is shown it."""
    found = [None if record is None else rate(record, judge) for judge in judges]
    return ["-" if one is None else f"{percent(one, 0)}, n = {one.n}" for one in found]


def _chart(
    rows: Sequence[str], ours: Mapping[str, Mapping[str, Estimate]], paper: Mapping[str, Mapping[str, float]], kind: str
) -> None:
    chart = f"{SCOPE}.across.{kind}"
    st.plotly_chart(
        rate_plots.rates(rows, ours, paper, "fooled", chart),
        key=chart,
        config=plots.CONFIG,
        alt="Share of images on which networks are fooled by what was made on another, by its smoothness.",
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
