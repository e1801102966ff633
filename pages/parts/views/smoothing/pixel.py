"""One pixel: where a change that is put there goes, along the picture."""

from __future__ import annotations

import streamlit as st

from pages.parts.components.response import response
from pages.parts.shell import links, page
from pages.parts.views.smoothing.shared import ALPHA, ALPHAS, SCOPE, Chosen

AT = f"{SCOPE}.at"


def _start(height: int, width: int) -> tuple[int, int]:
    """Off the middle, where a photograph's thing mostly stands beside its ground."""
    return width // 3, height // 2


def draw(chosen: Chosen) -> None:
    """The impulse response of s^_alpha, which follows the pointer."""
    height, width = chosen.image.shape[2:]

    def parse(text: str) -> tuple[int, int]:
        x, _, y = text.partition(",")
        numbers = [int(part) if part.isascii() and part.isdigit() and len(part) < 5 else -1 for part in (x, y)]
        if not (0 <= numbers[0] < width and 0 <= numbers[1] < height):
            raise ValueError(f"it must be column,row of a pixel, from 0,0 to {width - 1},{height - 1}.")
        return numbers[0], numbers[1]

    links.read("at", AT, _start(height, width), parse, lambda at: f"{at[0]},{at[1]}")
    x, y = st.session_state[AT]
    at = (x, y) if x < width and y < height else _start(height, width)

    def changed(alpha: float, place: tuple[int, int]) -> None:
        st.session_state[ALPHA], st.session_state[AT] = alpha, place

    page.tell(
        "**Look for:** move over the picture: its impulse response. A change that is put on one pixel spreads over "
        "its flat surroundings and stops at edges; a Gaussian spreads it over them."
    )
    response(chosen.image[0], chosen.graph, ALPHAS, st.session_state[ALPHA], at, f"{SCOPE}.response", changed)
    page.note(
        "White noise, or a gradient of the network, is a sum of such pixels: smoothed, each becomes its patch. "
        "$\\hat s_α$ solves $(I-αS)\\,s=(1-α)\\,z$ on the pixel graph and divides by what becomes of 1 "
        "(Smooth Adversarial Examples, eqs. 6 to 9). No patch is forbidden to a sum of many: with more steps an "
        "attack may find a rougher one, see Curves, “What smoothness costs”."
    )
