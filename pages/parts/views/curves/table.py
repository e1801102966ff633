"""The paper's Table 1, or its Table 2 for a network that was trained against FGSM, theirs beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import streamlit as st

from core.evaluate.curves import CurveRecord
from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.models import Card
from core.papers import smooth_curves
from core.papers.smooth_curves import IN_TABLE1
from pages.parts.charts import curve_plots, plots
from pages.parts.charts.curve_plots import Curve
from pages.parts.shell import page
from pages.parts.views import results
from pages.parts.views.curves import session
from pages.parts.views.curves.session import SCOPE, Found

LOOK_FOR = (
    "Theirs (open) and ours (filled) are different networks, so it is the order that can be held against each other: "
    "who is shorter than whom."
)


def draw(found: Found, card: Card) -> None:
    """The chart, and all numbers below it."""
    rows = [(name.replace("2", "₂"), smooth_curves.pick(found, key)) for key, name in IN_TABLE1.items()]
    drawn = [
        (name, None if record is None else Curve(record, session.titled(record)), _mean(record))
        for name, record in rows
    ]
    networks = list(smooth_curves.published(card, "fgsm"))
    paper = {n: [smooth_curves.published(card, key)[n].l2 for key in IN_TABLE1] for n in networks}
    chart = f"{SCOPE}.table"
    st.plotly_chart(
        curve_plots.table(drawn, paper, chart),
        key=chart,
        config=plots.CONFIG,
        on_select=partial(session.clicked, chart),
        selection_mode="points",
        alt="Mean L2 of the attacks of the paper's Table 1, theirs and ours.",
    )
    if not networks:
        page.note("The paper attacks no network on these images; its parameters for ImageNet are used.")
    st.html(numbers(found, card, list(IN_TABLE1)))


def look_for(card: Card) -> str:
    """What to look for, and in which table."""
    number = 2 if smooth_curves.trained_against_fgsm(card) else 1
    return f"the order in the paper's Table {number}. {LOOK_FOR}"


def claims(found: Found, card: Card) -> None:
    """What the paper says of it."""
    if smooth_curves.trained_against_fgsm(card):
        session.decide((smooth_curves.STILL, smooth_curves.SHORTER), found)
        return
    shown = (
        smooth_curves.SHORTER,
        smooth_curves.AS_OFTEN,
        smooth_curves.PGD,
        smooth_curves.QUICK,
        smooth_curves.LESS_VISIBLE,
    )
    session.decide(shown, found)


def _mean(record: CurveRecord | None) -> Estimate | None:
    return None if record is None else _kept(record.title, record.data.n, record.data.sha256 or "", record)


@st.cache_resource(max_entries=256, show_spinner=False)
def _kept(title: str, n: int, images: str, _record: CurveRecord) -> Estimate | None:
    return _record.mean("l2")


def numbers(found: Found, card: Card, keys: Sequence[str]) -> str:
    """What was measured of entries, with the paper's numbers, as a table that scrolls in a narrow window."""
    networks = list(smooth_curves.published(card, keys[0]))
    heads = ["", "n", "success", "mean L2", "passes", "s an image", *(f"paper, {name}" for name in networks)]
    lines = []
    for key in keys:
        record, theirs = smooth_curves.pick(found, key), smooth_curves.published(card, key)
        cells = [{**smooth_curves.TITLES, **smooth_curves.TRANSFERRED}[key], *_cells(record)]
        cells += [f"{100 * theirs[n].success:.0f} %, {theirs[n].l2:.2f}" for n in networks]
        lines.append(cells)
    return results.table(heads, lines)


def _cells(record: CurveRecord | None) -> Iterator[str]:
    """n, success, mean L2, passes, seconds."""
    if record is None or record.success is None:
        yield from ("not measured", "", "", "", "")
        return
    share, mean = record.success, _mean(record)
    yield f"{record.n}"
    yield percent(share)
    yield "-" if mean is None else f"{mean.value:.2f} ({mean.low:.2f} to {mean.high:.2f})"
    yield f"{record.passes:.0f}"
    yield "" if record.seconds_per_image is None else f"{record.seconds_per_image:.2f}"
