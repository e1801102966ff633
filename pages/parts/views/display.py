"""How pictures are looked at: magnified on one scale, perturbations amplified by one gain, and the widgets of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from torch import Tensor

from core.magnify import MagnifyParameters, display_scale
from core.params import fields
from pages.parts.components.viewer import Panel, viewer
from pages.parts.inputs import forms
from pages.parts.shell import cache, links, page

GAINS: dict[str, float | None] = {"fit": None, "×1": 1.0, "×5": 5.0, "×20": 20.0, "×100": 100.0}
SIGMAS = (0.5, 1.0, 2.0, 5.0)
_MAGNIFY = {info.name: info for info in fields(MagnifyParameters)}


@dataclass(frozen=True)
class Display:
    """How a result is looked at. gain: of the perturbation, None fits it; sigma_h: of the roughness, in pixels."""

    magnify: MagnifyParameters
    gain: float | None
    sigma_h: float


def controls(scope: str) -> Display:
    """Widgets of what is only display; they never rerun an attack.

    They start from the authors' code rather than the paper's text: its wide range kernel keeps flat areas calm, so that
    a perturbation stands out from what any photograph shows when magnified.
    """
    start = MagnifyParameters.presets["authors' code"]
    values = {}
    beta, domain, width = st.columns(3, gap="small")  # a slider and its number need all that room
    gains, detail, _ = st.columns(3, gap="small")
    for column, name in ((beta, "beta"), (domain, "sigma_domain"), (width, "sigma_range")):
        with column:
            values[name] = forms.widget(
                _MAGNIFY[name], forms.widget_key(_MAGNIFY[name], scope), start.get(name), f"view.{name}"
            )
    links.choice("view.gain", f"{scope}.gain", "fit", GAINS)
    gain = gains.selectbox(
        "Gain",
        list(GAINS),
        key=f"{scope}.gain",
        persist_state="session",
        help="How much the perturbation is amplified for display. “fit” takes the largest gain that clips nothing.",
    )
    links.choice("view.sigma_h", f"{scope}.sigma_h", 1.0, SIGMAS)
    sigma_h = detail.selectbox(
        "Detail $σ_h$",
        SIGMAS,
        key=f"{scope}.sigma_h",
        persist_state="session",
        format_func=lambda s: f"{s:g}",
        help="Roughness Ω is what a Gaussian of this many pixels takes away from the perturbation: "
        "|r − r∗h|².\n\n*SmoothFool, eq. 4*",
    )
    try:
        magnify = MagnifyParameters(**values)
    except ValueError as error:
        st.error(page.plain(str(error)))
        magnify = MagnifyParameters(**start)
    return Display(magnify, GAINS[gain], sigma_h)


def magnified(titles: Sequence[str], images: Sequence[Tensor], magnify: MagnifyParameters) -> list[Panel]:
    """Panels of magnified pictures (1, C, H, W), all on one scale, and a note that says which."""
    statistics = [cache.statistics(x, magnify.sigma_domain, magnify.sigma_range) for x in images]
    pictures = [s.magnify(magnify.beta)[0] for s in statistics]
    scale = display_scale(pictures)
    note = f"one scale: grey 0, white +{scale.limit:.1f} σ"
    if scale.clipped:
        note += f"; {100 * scale.clipped:.1f} % clipped"
    return [Panel(title, picture, 2 * scale.limit, "σ", note) for title, picture in zip(titles, pictures, strict=True)]


def fitting_gain(peak: float) -> float:
    """The largest gain at which values up to `peak` are not clipped around mid-grey."""
    return 0.5 / peak if peak > 0 else 1.0


AS_IT_IS = "Nothing has been changed yet: this is the picture as it is, and magnified. **Run** attacks it."
"""What is said above a picture that has not been attacked."""


def clean(image: Tensor, title: str, scope: str) -> None:
    """A picture (1, C, H, W) that has not been attacked, its magnification, and the display controls."""
    above = st.container()
    magnify = controls(scope).magnify
    with above:
        panels = [Panel("Original", image[0], note=title), *magnified(["Magnified original"], [image], magnify)]
        viewer(panels, f"{scope}.clean", view=scope)
