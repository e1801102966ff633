"""SmoothFool's step: the plane of two pixels, and what low-pass kernels leave of each frequency."""

from __future__ import annotations

from typing import get_args

import streamlit as st
import torch

from core.attacks.smoothfool import LowPassParameters
from core.filters import KernelKind, kernel
from core.papers import two_pixels
from pages.parts.charts import plots, smooth_plots
from pages.parts.inputs import forms
from pages.parts.shell import links, page
from pages.parts.views.smoothing.shared import SCOPE

ANGLES = range(-45, 136, 5)
START = 0
"""Degrees: the network looks at the first pixel alone."""


def draw() -> None:
    """The two ways to a line, and the kernels behind the smooth one."""
    key = f"{SCOPE}.angle"
    with st.sidebar:
        links.choice("angle", key, START, ANGLES)
        info = "Which way the network's boundary lies: at 0° it looks at the first pixel alone, at 45° at both alike."
        angle = st.select_slider(
            "Normal of the boundary",
            list(ANGLES),
            key=key,
            format_func=lambda value: f"{value}°",
            help=info,
            persist_state="session",
        )
        low_pass = forms.form(LowPassParameters, f"{SCOPE}.toy", {"sigma_g": 1.0}, link="")
    if low_pass is None:
        return
    found = two_pixels.step(float(angle), low_pass)
    before, after = (abs(float(way[0] - way[1])) for way in (found.straight, found.smooth))
    left, right = st.columns([1.1, 1], gap="large")
    with left:
        st.plotly_chart(smooth_plots.two_pixels(found), key=f"{SCOPE}.two", config=plots.CONFIG)
    with right:
        st.container(key="formula").latex(r"r=\frac{\langle w,\,x_p-x\rangle}{\langle w,\,g*w\rangle}\,(g*w)")
        page.tell(
            f"A picture of two pixels is a point of the plane, and a boundary is a line. DeepFool goes straight to it; "
            "SmoothFool goes along $g*w$, in which the pixels are more alike, to the same line.\n\n"
            f"Here the smooth way is **{found.factor:.2f} times as long**, and its two pixels differ by {after:.3f} "
            f"instead of {before:.3f}.\n\n"
            "**Look for:** widen g, and the way turns towards the dotted line, on which both pixels change alike. At "
            "45° it is there already, and smoothness costs nothing; at −45° it has to go far."
        )
    kinds = {kind: kernel(kind, low_pass.sigma_g, dtype=torch.float64) for kind in get_args(KernelKind)}
    st.markdown(
        f"##### Three low-pass kernels of width σ_g = {low_pass.sigma_g:g}, and what they leave of each frequency"
    )
    left, right = st.columns(2, gap="medium")
    left.plotly_chart(smooth_plots.taps(kinds), key=f"{SCOPE}.taps", config=plots.CONFIG)
    right.plotly_chart(smooth_plots.responses(kinds), key=f"{SCOPE}.responses", config=plots.CONFIG)
    page.note(
        "All are computed by the functions that the attack uses (SmoothFool, eq. 7 and section 4.1). Below 0 a wave "
        "is turned round: of a w made of such frequencies alone, the attack takes g * g * w."
    )
