"""Whole pictures smoothed along a picture, beside a Gaussian that leaves as much of noise."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from core import filters
from core.metrics import radial_power_spectrum
from pages.parts.charts import plots
from pages.parts.components.viewer import Panel, viewer
from pages.parts.shell import links, page
from pages.parts.views.smoothing.shared import SCOPE, Chosen, alpha_slider, smoother

PATTERNS = {"noise": "Noise", "gradient": "A gradient", "checkerboard": "A checkerboard"}
SQUARES = 8
"""Of the checkerboard, along the picture's shorter side."""


def pattern(kind: str, height: int, width: int) -> Tensor:
    """(1, 1, H, W) around 0: white noise of variance 1, a ramp from -1 to 1, or squares of -1 and 1."""
    if kind == "noise":
        return torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(0))
    if kind == "gradient":
        return torch.linspace(-1, 1, width).expand(1, 1, height, width).contiguous()
    side = max(min(height, width) // SQUARES, 1)
    rows, columns = torch.arange(height) // side, torch.arange(width) // side
    return ((rows[:, None] + columns) % 2 * 2.0 - 1)[None, None]


def _size(z: Tensor) -> float:
    return float(z.square().mean().sqrt())


def draw(chosen: Chosen) -> None:
    """A pattern before and after, the Gaussian's beside it, and how much of it is left by frequency."""
    left, middle, right = st.columns([1.4, 1, 0.8], gap="medium", vertical_alignment="bottom")
    with left:
        links.choice("pattern", f"{SCOPE}.pattern", "noise", PATTERNS)
        kind = st.segmented_control(
            "What is smoothed",
            list(PATTERNS),
            key=f"{SCOPE}.pattern",
            format_func=PATTERNS.__getitem__,
            required=True,
            persist_state="session",
        )
    with middle:
        alpha = alpha_slider()
    with right:
        links.flag("normalised", f"{SCOPE}.normalised", True)
        normalised = st.toggle(
            "Normalised",
            key=f"{SCOPE}.normalised",
            persist_state="session",
            help="Divided by what becomes of 1, so that a constant stays that constant; switched off, what is smoothed "
            "fades beside strong edges.\n\n*Smooth Adversarial Examples, eq. 9*",
        )
    height, width = chosen.image.shape[2:]
    along = smoother(chosen.image, chosen.bandwidth, alpha)
    noise = pattern("noise", height, width)
    sigma = filters.gaussian_as_strong(noise, along(noise))
    before = pattern(kind or "noise", height, width)
    after = along(before) if normalised else along.raw(before)
    blurred = before if sigma is None else filters.low_pass(before, filters.kernel("gaussian", sigma), "reflect")
    span = 2 * max(float(after.abs().max()), float(blurred.abs().max()), 1e-6)
    name = PATTERNS[kind or "noise"]
    strength = "none: nothing is smoothed" if sigma is None else f"σ = {sigma:.2g} pixels, as strong on noise"
    viewer(
        [
            Panel("Picture", chosen.image[0], note=chosen.title),
            Panel(name, before[0], 2 * float(before.abs().max()), note=f"root mean square {_size(before):.3g}"),
            Panel("Along the picture", after[0], span, note=f"root mean square {_size(after):.3g}"),
            Panel("By a Gaussian", blurred[0], span, note=f"root mean square {_size(blurred):.3g}\n{strength}"),
        ],
        f"{SCOPE}.whole",
        columns=4,
        row=True,
    )
    page.tell(f"**Look for:** {LOOK_FOR[kind or 'noise']}")
    spectra = {
        "before": radial_power_spectrum(before),
        "along the picture": radial_power_spectrum(after),
        "by a Gaussian": radial_power_spectrum(blurred),
    }
    st.plotly_chart(plots.passed(spectra), key=f"{SCOPE}.spectra", config=plots.CONFIG)


LOOK_FOR = {
    "noise": "the noise becomes patches that have the picture's shapes, where the Gaussian's are round. Normalised, "
    "both leave equally much of it.",
    "gradient": "across an edge the ramp breaks into steps, for there nothing is exchanged; the Gaussian bends only "
    "its ends. Switch the normalisation off: it fades along edges.",
    "checkerboard": "squares merge on flat surfaces and keep their edge where it lies on one of the picture's.",
}
