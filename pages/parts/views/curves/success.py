"""Success against distortion: P(D) by any measure, and what its points stand for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from core.papers import smooth_curves
from pages.parts.charts import curve_plots, plots
from pages.parts.charts.curve_plots import Curve
from pages.parts.shell import page
from pages.parts.views.curves import session
from pages.parts.views.curves.session import Found

LOOK_FOR = {
    "l2": "the further left a curve rises, the shorter the perturbations that fool. Hold a smooth one (dashed) against "
    "its plain one (solid), and move the passes: what smoothness costs depends on how long both search.",
    "linf": "plain attacks spread their change thinly; what counts here is the largest change of one value.",
    "roughness": "on the left lie attacks whose perturbations are clouds, on the right those that are noise. The "
    "published sC&W is smooth because it stops early: give it more passes, and it moves to the right.",
    "mad": "how much a person would notice. Where curves lie on each other, nobody sees more of the one than of the "
    "other.",
    "ssim": "1 is the untouched image; the axis runs from there to the right.",
    "ciede2000": "the largest difference of colour; about 1 is just seen.",
}


def draw(curves: Sequence[Curve], metric: str, pointed: tuple[Curve, int] | None, chart: str) -> None:
    """The chart, under the key `chart`."""
    st.plotly_chart(
        curve_plots.success(curves, metric, pointed, chart),
        key=chart,
        config=plots.CONFIG,
        on_select=partial(session.clicked, chart),
        selection_mode="points",
        alt=f"Share of images fooled within a bound on {curve_plots.named(metric)}, a curve an attack.",
    )


def counted(curves: Sequence[Curve]) -> None:
    """Of how many images the curves are."""
    by_n: dict[int, list[str]] = {}
    for curve in curves:
        by_n.setdefault(curve.record.n, []).append(curve.title)
    told = [f"n = {n:,}" + (f" ({', '.join(titles)})" if len(by_n) > 1 else "") for n, titles in by_n.items()]
    page.note(page.plain(f"Images: {'; '.join(told)}. Bands: 95 % intervals at each bound (Wilson)."))


def claims(found: Found, metric: str) -> None:
    """What the paper says of it."""
    chosen = (smooth_curves.LESS_VISIBLE, smooth_curves.HIDDEN) if metric in ("mad", "ssim", "ciede2000") else ()
    session.decide(chosen or (smooth_curves.SHORTER, smooth_curves.FREE, smooth_curves.AS_OFTEN), found)
