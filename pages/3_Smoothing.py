"""Smoothing: what the smooth attack does to a perturbation, and what magnification does to a picture, made visible."""

from __future__ import annotations

import pages.parts.shell.ready  # noqa: F401  before all else, see there

# isort: split
import streamlit as st

from pages.parts.shell import links, page
from pages.parts.views.smoothing import apart, pixel, solver, steps, toy, whole
from pages.parts.views.smoothing.shared import SCOPE, controls

VIEWS = {
    "pixel": "One pixel",
    "pictures": "Whole pictures",
    "magnification": "Magnification, step by step",
    "solver": "How it is solved",
    "toy": "SmoothFool's step",
    "steps": "More steps",
}

page.setup("Smoothing", controls=True)
links.choice("view", f"{SCOPE}.view", "pixel", VIEWS)
view = page.switch("View", VIEWS, f"{SCOPE}.view")
if view in ("magnification", "toy", "steps"):
    {"magnification": apart.draw, "toy": toy.draw, "steps": steps.draw}[view]()
else:
    with st.sidebar:
        chosen = controls()
    if chosen is not None:
        {"pixel": pixel.draw, "pictures": whole.draw, "solver": solver.draw}[view or "pixel"](chosen)
page.finish()
