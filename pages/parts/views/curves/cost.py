"""What smoothness costs: length against roughness or visibility, a path over the budgets for every family."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.evaluate import statistics
from core.evaluate.curves import CurveRecord
from core.evaluate.statistics import Estimate
from core.models import Card
from core.papers import smooth_curves
from core.papers.smooth_curves import TITLES
from pages.parts.charts import curve_plots, plots
from pages.parts.charts.curve_plots import Curve, Stop
from pages.parts.shell import page
from pages.parts.views.curves import session
from pages.parts.views.curves.session import SCOPE, Found

LOOK_FOR = (
    "each path begins at few passes and ends at many (the numbers are passes). C&W and DDN move left: more search, "
    "shorter noise. sC&W moves left **and up**: its smoothness is early stopping, and goes. A smooth "
    "optimum moves left and stays low: that is what smoothness costs."
)


def draw(found: Found, keys: Sequence[str], budget: int, metric: str, card: Card) -> None:
    """The chart, and on how many images."""
    shown = [r for r in session.one_data(found) if r.protocol.name in keys and (r.budget or 0) <= budget]
    common = _common(shown)
    if len(common) < 2:
        st.info("Fewer than two images are fooled by all that is chosen; choose fewer curves, or more passes.")
        return
    stops: dict[str, list[Stop]] = {}
    for key in TITLES:
        mine = sorted((r for r in shown if r.protocol.name == key), key=lambda r: r.budget or 0)
        for record in mine:
            x, y = (_values(record, name, common) for name in ("l2", metric))
            last = record is mine[-1]
            intervals = tuple(_mean(v.tobytes(), v) for v in (x, y)) if last else (None, None)
            stop = Stop(Curve(record, session.titled(record)), float(x.mean()), float(y.mean()), *intervals)
            stops.setdefault(TITLES[key], []).append(stop)
    paper = {
        f"paper, {network}: {smooth_curves.IN_TABLE1[key]}": row.l2
        for key in keys
        for network, row in smooth_curves.published(card, key).items()
        if len(smooth_curves.published(card, key)) == 1
    }
    chart = f"{SCOPE}.cost.{metric}"
    st.plotly_chart(
        curve_plots.cost(stops, metric, paper, chart),
        key=chart,
        config=plots.CONFIG,
        on_select=partial(session.clicked, chart),
        selection_mode="points",
        alt=f"Mean L2 against mean {curve_plots.named(metric)}, a path over the budgets for every attack.",
    )
    page.note(
        f"At equal success: means over the {len(common)} images that all of these fool, with bootstrapped 95 % "
        "intervals at the end of each path."
    )


def claims(found: Found) -> None:
    """What is said of it."""
    session.decide((smooth_curves.COSTS, smooth_curves.FREE), found)


def _common(shown: Sequence[CurveRecord]) -> NDArray[np.generic]:
    """Indices of the images that all fool."""
    fooled = [r.column("index")[r.fools] for r in shown]
    found = fooled[0] if fooled else np.array([], int)
    for other in fooled[1:]:
        found = np.intersect1d(found, other)
    return found


def _values(record: CurveRecord, metric: str, indices: NDArray[np.generic]) -> NDArray[np.float64]:
    return record.column(metric)[np.isin(record.column("index"), indices)].astype(float)


@st.cache_resource(max_entries=512, show_spinner=False)
def _mean(content: bytes, _values: NDArray[np.float64]) -> Estimate:
    return statistics.bootstrap(_values)
