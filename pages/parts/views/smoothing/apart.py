"""Magnification taken apart: what it subtracts and what it divides by, for a clean picture and an adversarial one."""

from __future__ import annotations

import streamlit as st

from core import models
from core.evaluate.visibility import SUCCESS
from core.magnify import display_scale
from pages.parts.components.viewer import Panel, viewer
from pages.parts.shell import cache, links, page
from pages.parts.views import display
from pages.parts.views.example import EXAMPLE, results
from pages.parts.views.smoothing.shared import SCOPE

SHOWN = {"adversarial": "Adversarial", "clean": "Clean"}
KINDS = {"cw": "C&W", "scw": "sC&W", "smoothfool": "SmoothFool"}


def draw() -> None:
    """Six pictures, of the clean picture or of the adversarial one, each kind on one scale for both."""
    card = models.card(EXAMPLE.model)
    with st.sidebar:
        links.choice("attack", f"{SCOPE}.attack", "cw", KINDS)
        kind = st.segmented_control(
            "Adversarial by",
            list(KINDS),
            key=f"{SCOPE}.attack",
            format_func=KINDS.__getitem__,
            required=True,
            persist_state="session",
        )
        links.choice("of", f"{SCOPE}.of", "adversarial", SHOWN)
        of = st.segmented_control(
            "Shown",
            list(SHOWN),
            key=f"{SCOPE}.of",
            format_func=SHOWN.__getitem__,
            required=True,
            persist_state="session",
        )
    found = results(cache.model(card.name, card.sha256), card.sha256)[SUCCESS][list(KINDS).index(kind or "cw")]
    both = {"clean": found.images, "adversarial": found.adversarial}
    st.container(key="formula").latex(r"\operatorname{mag}(x)=\frac{x-\mu_x}{\beta\,\sigma_x+(1-\beta)\,\sigma_\Omega}")
    above = st.container()
    magnify = display.controls(f"{SCOPE}.apart").magnify
    parts = {name: cache.statistics(x, magnify.sigma_domain, magnify.sigma_range) for name, x in both.items()}
    rests = display_scale([part.residual for part in parts.values()]).limit
    widths = display_scale([part.sigma_local for part in parts.values()]).limit
    divisors = {n: magnify.beta * p.sigma_local + (1 - magnify.beta) * p.sigma_global for n, p in parts.items()}
    divided = display_scale(list(divisors.values())).limit
    magnified = dict(zip(both, display.magnified(["Magnified"] * 2, list(both.values()), magnify), strict=True))
    name = of or "adversarial"
    picture, part = both[name], parts[name]
    whole = 255 * float(part.sigma_global.mean())
    panels = [
        Panel("Picture x", picture[0], note=SHOWN[name]),
        Panel("x − μ", part.residual[0], 2 * rests, note=f"white +{255 * rests:.1f} levels, grey 0"),
        magnified[name],
        Panel("Local mean μ", (picture - part.residual)[0].clamp(0, 1), note="of like-coloured pixels around"),
        Panel(
            "Local deviation σ",
            (part.sigma_local / widths)[0].clamp(0, 1),
            note=f"white {255 * widths:.1f} levels, black 0",
        ),
        Panel(
            "Divisor βσ + (1 − β)σ_Ω",
            (divisors[name] / divided)[0].clamp(0, 1),
            note=f"white {255 * divided:.1f} levels, black 0; σ_Ω is {whole:.0f} levels",
        ),
    ]
    with above:
        page.tell(
            "Magnification, **look for:** where the picture is flat its local "
            "deviation is small; divided by it, a faint change becomes as large as anything else. Switch between the "
            "clean and the adversarial picture: the scales are the same. At β = 1 only the neighbourhood counts, at "
            "β = 0 only the whole picture."
        )
        viewer(panels, f"{SCOPE}.magnification", columns=3)
