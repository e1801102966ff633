"""SmoothFool's Table 2: DeepFool, the iterative smooth attack, colour shift and SmoothFool, theirs beside ours."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.models import Card
from core.papers import smoothfool
from core.papers.smoothfool import PAPER, SMOOTHER, TABLE2, FoolingRecord, Published
from pages.parts.shell import page
from pages.parts.views import results, verdicts
from pages.parts.views.curves import session
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.verdicts import Stamp

TITLES = {"DF": "DeepFool", "IS": "iterative smooth", "CS": "colour shift", "SF": "SmoothFool"}
LOOK_FOR = (
    "how much of a perturbation is rough (Ω_n): of SmoothFool's a tenth of DeepFool's or less in the paper, for "
    "perturbations that are longer, but not much longer."
)
_MEASURES = {"l2": (1.0, ".2f"), "roughness": (1e3, ".0f"), "roughness_share": (1e3, ".0f")}


def draw(card: Card) -> None:
    """The table, the claim and how it was made, or the command that makes it."""
    stored = results.stored(TABLE2) if TABLE2.path.exists() else []
    mine = results.of(stored, card)
    if not mine:
        command = f"python -m core evaluate smoothfool-table --model {card.name} --n 100 --out {TABLE2.path.name}"
        session.absent(command, [record.network.name for record in stored if record.network is not None])
        return
    page.tell(f"**Look for:** {LOOK_FOR}")
    network, published = PAPER.get(card.dataset, ("", {}))
    st.html(_table(mine, network, published))
    sigma = next((r.protocol.parameters["sigma_g"] for r in mine if r.attack == "SF"), 2.0)
    page.note(
        f"Means over the fooled images, with bootstrapped 95 % intervals; of shares Wilson's. σ_g = {sigma:g}, "
        f"σ_h = {smoothfool.SIGMA_H:g}. The paper gives the rates of DeepFool and SmoothFool as above 99.9 %, its "
        "colour shift is measured in HSV."
    )
    verdicts.each([SMOOTHER], verdicts.stamp(mine), mine)
    results.made(mine, "The attacks with the paper's parameters, on the first images that the network names rightly:")
    results.files(mine, f"smoothfool-table-{card.name}", f"{SCOPE}.fooling", lambda record: {"attack": record.attack})


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
