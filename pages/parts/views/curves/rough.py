"""From rough to smooth: what networks of different losses withstand, beside what they withstand of corruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from core import models
from core.data import DATASETS
from core.evaluate import records
from core.evaluate.records import Record
from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.models import Card
from core.papers import rough_to_smooth
from core.papers.graph_smoothness.corruptions import CorruptionRecord
from core.papers.rough_to_smooth import LENGTHS, ROUGHNESS, SIGMAS, RoughnessRecord, by_sigma
from pages.parts.charts import plots, roughness_plots
from pages.parts.inputs import choose
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Slot
from pages.parts.views import many, results, verdicts
from pages.parts.views.curves import corrupted, wall
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.many import Task
from pages.parts.views.verdicts import Stamp
from pages.parts.work import growing as work
from pages.parts.work.curves import Counted

NEEDED, SHOWN, FOUND, GOES = "needed", "shown", "found", "goes"
ASPECTS = {
    NEEDED: "Length it takes",
    SHOWN: "Shown to others at one length",
    FOUND: "Shown as found",
    GOES: "With corruptions",
}
LOOK_FOR = {
    NEEDED: "which loss makes a network hard to fool by rough perturbations (left), and whether the same one is by "
    "clouds (right). Each is attacked as a white box; the chosen network is drawn thick, with its intervals.",
    SHOWN: "perturbations that were made on the chosen network, brought to one length and shown to the others. A "
    "length that is much for a rough one is little for a smooth one.",
    FOUND: "the same as they were found, each as long as it had to be: a short rough one is its own network's alone, a "
    "long smooth one fools almost everybody.",
    GOES: "whether networks that withstand noise, blur and weather also need longer perturbations: above 0 the two go "
    "together, below 0 they are at each other's cost. There are few networks, so the intervals are wide.",
}
_ASPECT, _POINT, _OPEN = f"{SCOPE}.rough", f"{SCOPE}.rough.point", f"{SCOPE}.rough.open"
CLICK = " **Click a point:** the images behind it open."


def follow() -> None:
    """Take what is shown, and the point, from the page's link."""

    def parse(text: str) -> str:
        name, _, sigma = text.partition(":")
        if text and (name not in models.MODELS or sigma not in [f"{one:g}" for one in SIGMAS]):
            raise ValueError("it must be NETWORK:SIGMA, as a click on a point writes it.")
        return text

    links.choice("rough", _ASPECT, NEEDED, ASPECTS)
    links.read("behind", _POINT, "", parse)


def _found(card: Card) -> list[RoughnessRecord]:
    """Of the networks of its data set, with the session's own in their place."""
    stored = many.with_own(results.stored(ROUGHNESS), RoughnessRecord, lambda record: True)
    return rough_to_smooth.of_data(stored, card.dataset)


def offer(slot: Slot[Counted, Sequence[Record], Task], card: Card) -> None:
    """What is to be measured now: one sigma_g against the network, on so many images more."""
    if card.dataset not in LENGTHS:
        return
    told = {f"{sigma:g}": f"SmoothFool, σ_g = {sigma:g}" for sigma in SIGMAS}
    me = records.Network.of(card)

    def mine() -> list[RoughnessRecord]:
        every = many.with_own(results.read(ROUGHNESS), RoughnessRecord, lambda record: True)
        return [record for record in every if record.network == me]

    def known(name: str) -> list[RoughnessRecord]:
        return [record for record in mine() if f"{record.sigma:g}" == name]

    def count(name: str) -> int:
        return known(name)[0].data.n if known(name) else 0

    def start(name: str, more: int) -> None:
        judges = next((record.judges for record in mine()), (me,))
        showing = rough_to_smooth.showing(me, judges, card.dataset, float(name))
        task = Task(f"{choose.menu(models.survey()[0])[card.name]}, {told[name]}", card.name)
        slot.start(task, work.shown, showing, card.dataset, count(name) + more, known(name))

    many.offer(slot, told, f"{SCOPE}.rough", "sigma", count, start)


def draw(card: Card) -> None:
    """The chart, the images of a point, the table, the claims and how it was made."""
    found = _found(card)
    _open_lab(found)
    if card.name not in rough_to_smooth.networks(found):
        told = " ".join([card.name, *(n for n in rough_to_smooth.networks(found) if n != card.name)])
        results.absent(rough_to_smooth.command(told.split(), 100, 0))
        return
    aspect = st.segmented_control(
        "What",
        list(ASPECTS),
        key=_ASPECT,
        format_func=ASPECTS.__getitem__,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    aspect = aspect or NEEDED
    page.tell(f"**Look for:** {LOOK_FOR[aspect]}" + (CLICK if aspect != GOES else ""))
    noise = _withstood(corrupted.found(card))
    titles = choose.menu(models.survey()[0])
    chart = f"{SCOPE}.rough.{aspect}.{card.dataset}"
    names = rough_to_smooth.networks(found)
    point = _pointed(found, card, aspect)
    if aspect == GOES:
        pairs = {sigma: rough_to_smooth.together(found, noise, sigma) for sigma in SIGMAS}
        known = {sigma: pair[0] for sigma, pair in pairs.items() if pair is not None}
        if not known:
            st.info("Fewer than five networks of these images are measured in both ways.")
            return
        figure = roughness_plots.correlations(known, SIGMAS, chart)
    else:
        points = _medians(verdicts.stamp(found), found) if aspect == NEEDED else _rates(found, card, aspect == SHOWN)
        drawn = {titles.get(name, name): (name, points[name]) for name in names if points.get(name)}
        at = None if point is None else (point[0], point[1].sigma)
        figure = roughness_plots.lines(drawn, SIGMAS, aspect != NEEDED, titles.get(card.name, card.name), at, chart)

    def clicked() -> None:
        state: Mapping[str, Any] = st.session_state[chart]
        selected = state["selection"]["points"]
        if selected and selected[0].get("customdata"):
            name, sigma = selected[0]["customdata"]
            st.session_state[_POINT] = f"{name}:{float(sigma):g}"

    left, right = (st.container(), None) if point is None else st.columns([1.7, 1], gap="medium")
    with left:
        st.plotly_chart(
            figure,
            key=chart,
            config=plots.CONFIG,
            on_select=clicked,
            selection_mode="points",
            alt=f"{ASPECTS[aspect]}, against the filter's width.",
        )
    if right is not None and point is not None:
        with right:
            _behind(point[1], point[0], aspect)
    st.html(_table(found, noise, titles))
    counts = sorted({len(record.lengths) for record in found})
    n = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    page.note(
        f"n = {n} images that each network names rightly; medians count what is not fooled as "
        f"longer than any. Shown to others at L2 = {LENGTHS[card.dataset]:g}: of the images that both networks name "
        "rightly and that the own one is fooled on. Intervals: bootstrap, Wilson; of ρ Bonett and Wright's."
    )
    _by_class(card, found)
    verdicts.each(rough_to_smooth.CLAIMS, verdicts.stamp(found), found, noise)
    results.made(
        found,
        "SmoothFool with σ_g from 0.5 to 100 pixels on every network, unpushed and in float, and what it found shown "
        "to all of them. The command goes on with what is there; with a larger --n it adds images:",
    )
    results.files(found, f"roughness-{card.dataset}", f"{SCOPE}.rough", _about)


def _pointed(found: Sequence[RoughnessRecord], card: Card, aspect: str) -> tuple[str, RoughnessRecord] | None:
    """The network of the line and the record of the point that is looked at, if it is drawn."""
    name, _, sigma = st.session_state.get(_POINT, "").partition(":")
    source = name if aspect == NEEDED else card.name
    record = by_sigma(found, source).get(float(sigma)) if sigma and aspect != GOES else None
    if record is None or (aspect != NEEDED and name not in [judge.name for judge in record.judges]):
        return None
    return name, record


def _behind(record: RoughnessRecord, name: str, aspect: str) -> None:
    """The images of a point, the shortest perturbation first; a click opens one in the Attack lab, with its attack."""
    if aspect == NEEDED:
        asked, fooled = record.column("attacked").astype(bool), record.column("fools").astype(bool)
    else:
        asked, fooled = record.transferred(name, aspect == SHOWN)
    lengths = np.where(record.column("fools"), record.column("l2"), np.inf).astype(float)
    order = np.argsort(lengths, kind="stable")
    groups = [order[fooled[order]], order[(asked & ~fooled)[order]]]
    title = choose.menu(models.survey()[0]).get(name, name)
    page.tell(
        f"**{page.plain(title)}**, σ_g = {record.sigma:g}: {len(groups[0])} of {int(asked.sum())} images are fooled."
    )
    words = [f"{word} {len(rows)}" for word, rows in zip(("Fooled", "Not fooled"), groups, strict=True)]
    place = wall.group(words, f"{SCOPE}.rough.group")
    images, rows = wall.shelf(record), groups[place][: wall.SHOWN]
    if images is None:
        wall.absent(record)
    elif not len(rows):
        st.caption("None.")
    else:
        numbers = record.column("index")[rows].tolist()
        at = wall.rows(images, numbers)
        found = [f"L2 {lengths[row]:.3g}" if np.isfinite(lengths[row]) else "not fooled" for row in rows]
        labels = [f"{wall.named(images, row)}: {told}" for row, told in zip(at, found, strict=True)]

        def pick(number: int) -> None:
            st.session_state[_OPEN] = int(number)

        note = "The shortest first. A click opens the image in the Attack lab, with this attack."
        wall.draw(wall.taken(images, at), numbers, labels, f"{SCOPE}.rough.wall.{place}", pick, note)
    st.button("Close", icon=":material/close:", key=f"{SCOPE}.rough.close", on_click=_forget, type="tertiary")


def _forget() -> None:
    st.session_state[_POINT] = ""


def _open_lab(found: Sequence[RoughnessRecord]) -> None:
    """Go to the Attack lab with the image that was clicked, the network that was attacked and the attack."""
    index = st.session_state.pop(_OPEN, None)
    name, _, sigma = st.session_state.get(_POINT, "").partition(":")
    aspect = st.session_state.get(_ASPECT, NEEDED)
    source = name if aspect == NEEDED else st.session_state[f"{SCOPE}.model"]
    record = by_sigma(found, source).get(float(sigma)) if sigma else None
    images = None if record is None else wall.shelf(record)
    if index is not None and record is not None and images is not None:
        attack = rough_to_smooth.attack(record.sigma)
        st.switch_page(page.file("Attack_lab"), query_params=wall.link(source, images, int(index), attack))


def _by_class(card: Card, found: Sequence[RoughnessRecord]) -> None:
    """What the chosen network withstands, class by class."""
    if card.dataset not in DATASETS:
        return
    mine, noisy = by_sigma(found, card.name), corrupted.found(card)
    stamp = verdicts.stamp([*mine.values(), *noisy])
    with st.expander("By class", icon=":material/table_rows:"):
        heads = ["median L2 at σ_g =", *(f"{sigma:g}" for sigma in mine), "right under corruptions"]
        lines = [
            [name, *_class_cells(*_of_class(stamp, card.name, label, list(mine.values()), noisy))]
            for label, name in enumerate(DATASETS[card.dataset].classes)
        ]
        st.html(results.table(heads, lines))
        st.caption(
            "Medians over the images of a class with bootstrapped 95 % intervals; - where too few are fooled to tell. "
            "Each interval is for itself: of ten classes some lie far apart by chance."
        )


def _class_cells(medians: Sequence[Estimate | None], share: Estimate | None) -> list[str]:
    told = ["-" if m is None else f"{m.value:.2f} ({m.low:.2f} to {m.high:.2f}), n = {m.n}" for m in medians]
    return [*told, "-" if share is None else f"{percent(share, 0)}, n = {share.n}"]


@st.cache_resource(max_entries=128, show_spinner=False)
def _of_class(
    of: Stamp, name: str, label: int, _mine: Sequence[RoughnessRecord], _noisy: Sequence[CorruptionRecord]
) -> tuple[list[Estimate | None], Estimate | None]:
    mine = [record for record in _noisy if record.network is not None and record.network.name == name]
    return [record.median(label) for record in _mine], rough_to_smooth.withstands(mine, label).get(name)


def _about(record: RoughnessRecord) -> dict[str, object]:
    return {"attacked": "" if record.network is None else record.network.name, "sigma_g": record.sigma}


def _rates(found: Sequence[RoughnessRecord], card: Card, at_length: bool) -> dict[str, dict[float, Estimate]]:
    """How often what was made on the chosen network fools each, at one length or as found."""
    mine = by_sigma(found, card.name)
    judges = [judge.name for record in mine.values() for judge in record.judges]
    return {
        judge: {s: rate for s, record in mine.items() if (rate := record.rate(judge, at_length)) is not None}
        for judge in dict.fromkeys(judges)
    }


def _table(found: Sequence[RoughnessRecord], noise: Mapping[str, Estimate], titles: Mapping[str, str]) -> str:
    heads = ["median L2 at σ_g =", *(f"{sigma:g}" for sigma in SIGMAS), "right under corruptions"]
    lines = []
    for name in rough_to_smooth.networks(found):
        mine = by_sigma(found, name)
        cells = [titles.get(name, name)]
        for sigma in SIGMAS:
            median = float(np.median(mine[sigma].lengths)) if sigma in mine and len(mine[sigma].lengths) else None
            cells.append("-" if median is None else f"{median:.2f}" if np.isfinite(median) else "half hold out")
        one = noise.get(name)
        told = "-" if one is None else percent(one)
        lines.append([*cells, told])
    return results.table(heads, lines)


@st.cache_resource(max_entries=16, show_spinner=False)
def _medians(of: Stamp, _found: Sequence[RoughnessRecord]) -> dict[str, dict[float, Estimate]]:
    every = {name: by_sigma(_found, name) for name in rough_to_smooth.networks(_found)}
    return {
        name: {sigma: median for sigma, record in mine.items() if (median := record.median()) is not None}
        for name, mine in every.items()
    }


def _withstood(records: Sequence[CorruptionRecord]) -> dict[str, Estimate]:
    return _kept(verdicts.stamp(records), records)


@st.cache_resource(max_entries=16, show_spinner=False)
def _kept(of: Stamp, _records: Sequence[CorruptionRecord]) -> dict[str, Estimate]:
    return rough_to_smooth.withstands(_records)
