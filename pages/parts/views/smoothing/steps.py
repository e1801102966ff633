"""What the parametrisation does not forbid: the same smooth attack, given more and more steps."""

from __future__ import annotations

import streamlit as st

from core import models
from core.attacks import AttackResult
from core.lessons import runs
from core.metrics import l2, roughness
from pages.parts.components.viewer import Panel, viewer
from pages.parts.shell import cache, page
from pages.parts.shell.numbers import general
from pages.parts.views import display
from pages.parts.views.smoothing.shared import SCOPE


def draw() -> None:
    """The perturbations of finished runs on one gain, with their lengths and roughness."""
    found = _found()
    if found is None:
        st.info("The finished runs are not of the networks that are here; make them again.")
        st.code("python -m core lessons runs", None)
        return
    peak = max(float(each.perturbation.abs().max()) for each in found.values())
    gain = display.fitting_gain(peak)
    measured = {name: _numbers(each) for name, each in found.items()}
    first, *_, last, smooth = measured.values()
    page.tell(
        "$x+\\hat s_α(z)$ reaches every picture, for $\\hat s_α$ can be undone: no perturbation is forbidden. What "
        "is smooth about the published attack comes from starting at $z=0$ and stopping early.\n\n"
        f"**Look for:** with more steps the perturbation becomes shorter (L2 {first[0]:.2f} to {last[0]:.2f}) and "
        f"rougher (Ω / L2² {first[1]:.2f} to {last[1]:.2f}). Where roughness itself is "
        f"made small (the last), it stays at {smooth[1]:.2f} after as many steps."
    )
    images = next(iter(found.values())).images
    panels = [Panel("Original", images[0])]
    for name, each in found.items():
        length, rough = measured[name]
        note = f"L2 {length:.3f}, Ω / L2² {rough:.3f}\namplified ×{general(gain)}, grey is no change"
        panels.append(Panel(name, each.perturbation[0], 1 / gain, note=note))
    viewer(panels, f"{SCOPE}.steps", columns=5, row=True)
    page.note(
        "A finished example, kept with the project: sC&W with α = 0.95, and beside it with the smooth optimum "
        f"ρ = {runs.RHO:g}, on {page.plain(models.card(runs.EARLY_MODEL).title)}. Remake it: "
        "`python -m core lessons runs`. Many digits: Curves, “What smoothness costs”."
    )
    with st.container(horizontal=True):
        st.page_link(
            page.file("Compare"), label="Run it live", icon=":material/play_arrow:", query_params=dict(runs.LIVE)
        )


def _found() -> dict[str, AttackResult] | None:
    """Title -> finished run; None if one is not there."""
    card = models.card(runs.EARLY_MODEL)
    model = cache.model(card.name, card.sha256)
    try:
        found = {title: runs.result_of(each, model) for title, each in runs.early().items()}
    except ValueError:
        return None
    return None if None in found.values() else {name: each for name, each in found.items() if each is not None}


def _numbers(result: AttackResult) -> tuple[float, float]:
    r = result.perturbation
    return float(l2(r)[0]), float(roughness(r, 1.0, normalised=True)[0])
