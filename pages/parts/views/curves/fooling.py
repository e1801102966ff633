"""SmoothFool's Table 2: DeepFool, the iterative smooth attack, colour shift and SmoothFool, theirs beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from core.attacks import ATTACKS
from core.evaluate.attacking import own as own_data
from core.evaluate.records import Record
from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.models import Card
from core.papers import smoothfool
from core.papers.smoothfool import PAPER, SMOOTHER, TABLE2, FoolingRecord, Published
from pages.parts.charts import rate_plots
from pages.parts.engine.networks import Network
from pages.parts.shell import page
from pages.parts.shell.jobs import Slot
from pages.parts.views import many, results, verdicts
from pages.parts.views.curves import session, wall
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.curves.wall import Behind
from pages.parts.views.many import Task
from pages.parts.views.verdicts import Stamp
from pages.parts.work import growing as work
from pages.parts.work.curves import Counted

TITLES = {"SF": "SmoothFool", "DF": "DeepFool", "IS": "iterative smooth", "CS": "colour shift"}
LOOK_FOR = (
    "how much of a perturbation is rough (Ω_n): of SmoothFool's a tenth of DeepFool's or less in the paper, for "
    "perturbations that are longer, but not much longer."
)
_VIEW, _OURS = "fooling", "ours"
_MEASURES = {"l2": (1.0, ".2f"), "roughness": (1e3, ".0f"), "roughness_share": (1e3, ".0f")}


def offer(slot: Slot[Counted, Sequence[Record], Task], card: Card) -> None:
    """What is to be measured now: an attack of the table against the network, on so many images more."""
    colors = card.input_shape[0] == 3
    made = {short: smoothfool.one_of(short, colors) for short in TITLES if colors or short != "CS"}

    def known(name: str) -> list[FoolingRecord]:
        every = many.with_own(results.read(TABLE2), FoolingRecord)
        return [record for record in many.mine(every, card) if record.protocol.is_of(made[name])]

    def start(name: str, n: int, before: list[FoolingRecord]) -> None:
        slot.start(many.task(card, TITLES[name]), work.fooled, Network.of(card), name, own_data(card), n, before)

    told = {short: TITLES[short] for short in made}
    many.offer(slot, card, told, f"{SCOPE}.{_VIEW}", "attack", known, start)


def draw(card: Card) -> None:
    """The chart, the images of a point, the table, the claim and how it was made, or the command that makes it."""
    stored = many.with_own(results.stored(TABLE2) if TABLE2.path.exists() else [], FoolingRecord)
    mine = sorted(results.of(stored, card), key=lambda record: list(TITLES).index(record.attack))
    if not mine:
        measured = [record.network.name for record in stored if record.network is not None]
        session.absent(f"{smoothfool.command(card.name, 100)} --out {TABLE2.path.name}", measured)
        return
    behind = _behind(mine, card)
    wall.open_lab(behind)
    page.tell(f"**Look for:** {LOOK_FOR}{wall.CLICK}")
    network, published = PAPER.get(card.dataset, ("", {}))
    _chart(mine, network, published, behind)
    st.html(_table(mine, network, published))
    sigma = next((r.protocol.parameters["sigma_g"] for r in mine if r.attack == "SF"), smoothfool.SIGMA_G)
    photographs = "photographs that come with Smoothscope" if mine[0].data.name == "photos" else "images"
    page.note(
        f"n = {many.counts(mine)} {photographs} that the network names rightly. Means over the fooled ones, with "
        f"bootstrapped 95 % intervals; of shares Wilson's. σ_g = {sigma:g}, σ_h = {smoothfool.SIGMA_H:g}. The paper "
        "gives the rates of DeepFool and SmoothFool as above 99.9 %, its colour shift is measured in HSV."
    )
    verdicts.each([SMOOTHER], verdicts.stamp(mine), mine)
    results.made(mine, "The attacks with the paper's parameters, on the first images that the network names rightly:")
    results.files(mine, f"smoothfool-table-{card.name}", f"{SCOPE}.fooling", lambda record: {"attack": record.attack})


def _chart(
    mine: Sequence[FoolingRecord], network: str, published: Mapping[str, Published], behind: Behind | None
) -> None:
    """Mean length against mean roughness, theirs beside ours."""
    ours = {}
    for record in mine:
        length, rough = (_mean(verdicts.stamp([record]), name, record) for name in ("l2", "roughness_share"))
        if length is not None and rough is not None:
            ours[TITLES[record.attack]] = (record.attack, length, rough)
    paper = {TITLES[short]: (row.l2, row.roughness_share) for short, row in published.items()}
    pointed, chart = wall.pointed(_VIEW), f"{SCOPE}.{_VIEW}.{mine[0].data.name}"
    figure = rate_plots.smoothness(ours, paper, network, pointed[1] if behind and pointed else None, chart)
    told = "Mean L2 of four attacks against the share of it that is rough, theirs and ours."
    wall.beside(behind, figure, _VIEW, chart, told)


def _behind(mine: Sequence[FoolingRecord], card: Card) -> Behind | None:
    """The images of the point that is looked at, if it is drawn."""
    of, short = wall.pointed(_VIEW) or ("", "")
    record = next((record for record in mine if record.attack == short), None)
    if of != _OURS or record is None or record.rows is None:
        return None
    fools, lengths, rough = (record.rows[name] for name in ("fooled", "l2", "roughness_share"))
    attack = ATTACKS[record.protocol.name](**record.protocol.parameters)
    return Behind(
        record,
        f"**{TITLES[short]}**",
        wall.fooled(np.ones(len(fools), bool), fools.astype(bool), lengths.astype(float)),
        lambda at: f"L2 {lengths[at]:.3g}, Ω_n {rough[at]:.2g}" if fools[at] else "not fooled",
        lambda images, index: wall.link(card.name, images, index, attack),
    )


def _table(mine: Sequence[FoolingRecord], network: str, published: dict[str, Published]) -> str:
    heads = ["", "n", "fooled", "L2", "Ω × 10³", "Ω_n × 10³", "s an image"]
    lines: list[list[str]] = []
    papers: list[int] = []
    for record in mine:
        cells = [TITLES[record.attack], f"{record.data.n:,}", percent(record.success)]
        cells += [_number(_mean(verdicts.stamp([record]), name, record), name) for name in _MEASURES]
        lines.append([*cells, f"{record.seconds:.3f}"])
        theirs = published.get(record.attack)
        if theirs is not None:
            cells = [f"paper, {network}", f"{theirs.n:,}", f"{100 * theirs.success:.1f} %", f"{theirs.l2:.2f}"]
            cells += [f"{1e3 * theirs.roughness:.0f}", f"{1e3 * theirs.roughness_share:.0f}"]
            cells.append("" if theirs.seconds is None else f"{theirs.seconds:.2f}")
            papers.append(len(lines))
            lines.append(cells)
    return results.table(heads, lines, papers)


def _number(estimate: Estimate | None, name: str) -> str:
    if estimate is None:
        return "-"
    factor, form = _MEASURES[name]
    value, low, high = (format(factor * end, form) for end in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


@st.cache_resource(max_entries=64, show_spinner=False)
def _mean(of: Stamp, name: str, _record: FoolingRecord) -> Estimate | None:
    return _record.mean(name)
