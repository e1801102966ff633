"""The Loss and density tab, its upper half: contours of three losses, and the room between two of them."""

from __future__ import annotations

import math

import streamlit as st

from core.features.surfaces import WINDOW, Surface, surfaces
from pages.parts.charts import plots, surface_plots
from pages.parts.shell import links, page
from pages.parts.views.mmc.shared import SCOPE


def draw() -> None:
    """Contours of three losses in the plane, with the volume between two of them."""
    page.tell(
        "**Look for:** the orange band holds what the report calls ΔB: all points of the class whose loss lies between "
        "two contours. MMC's is a ring about the centre. SCE's is a strip without end: going outwards lowers the loss, "
        "so features run away, and the room for one sample has no bound."
    )
    controls = st.columns(3, gap="medium")
    names = ("1", "2", "3")
    links.choice("label", f"{SCOPE}.label", "1", names)
    drawn = controls[0].segmented_control(
        "Class whose loss is drawn", names, key=f"{SCOPE}.label", required=True, persist_state="session"
    )
    label = int(drawn or names[0]) - 1
    stops = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0]
    links.choice("level", f"{SCOPE}.level", 0.5, stops)
    low = controls[1].select_slider("Loss C of the inner contour", stops, key=f"{SCOPE}.level", persist_state="session")
    ratios = [0.25, 0.5, 1.0, 1.5, 2.0, 4.0]
    links.choice("ratio", f"{SCOPE}.ratio", 4.0, ratios)
    ratio = controls[2].select_slider(
        "σ of the class over the others' σ (g-SCE)",
        ratios,
        key=f"{SCOPE}.ratio",
        persist_state="session",
        help="Report, section 2.2: with equal σ the contours are straight; otherwise circles.",
    )
    high = 1.5 * low
    for place, (column, surface) in enumerate(zip(st.columns(3), _surfaces(label, ratio), strict=True)):
        with column:
            st.plotly_chart(
                surface_plots.contours(surface, label, low, high), key=f"{SCOPE}.contours.{place}", config=plots.CONFIG
            )
            inner, outer = (surface.area(low, high, half) for half in (WINDOW, 2 * WINDOW))
            note = f"Area of the band: {inner:.1f} in this window, {outer:.1f} in one twice as wide."
            if place == 2:
                note += f" In closed form 2π ΔC = {2 * math.pi * (high - low):.2f}."
            st.caption(note)
    page.note(
        f"The loss of three classes in two dimensions, computed by the training losses on a grid; contours halve and "
        f"double it. Band: C = {low:g} to {high:g}. Markers: the centres; for SCE the rows of the weight."
    )


@st.cache_resource(max_entries=24, show_spinner=False)
def _surfaces(label: int, ratio: float) -> list[Surface]:
    """The three losses over the plane."""
    return surfaces(label, ratio)
