"""The picture, its pixel graph and alpha, which every view of the Smoothing page begins with."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from torch import Tensor

from core import models
from core.data import DATASETS
from core.graph import GraphParameters, PixelGraph, Smoother
from pages.parts.engine.bounded import fingerprint
from pages.parts.inputs import choose, forms
from pages.parts.shell import cache, links

SCOPE = "smoothing"
FIRST = "coffee"
"""The photograph that the page opens with: flat china beside a busy table."""
SHELVES = {
    "photos": "imagenet-efficientnet-lite0",
    "mnist": "mnist-c4-ce",
    "cifar10": "cifar10-preactresnet18-ce",
}
"""Where pictures come from, and the network whose pictures those are."""
ALPHAS = forms.stops_near_one(0.0, 0.9995, {0.95, 0.997})
"""Where alpha stops: dense where it matters. The papers' are 0.95 (digits) and 0.997 (photographs)."""
START = 0.997
ALPHA = f"{SCOPE}.alpha"


@dataclass(frozen=True)
class Chosen:
    """A picture (1, C, H, W), what it is called, and its pixel graph with 4 neighbours."""

    image: Tensor
    title: str
    bandwidth: float
    graph: PixelGraph


def controls() -> Chosen | None:
    """Widgets of the picture and its graph; None after having said why there is no picture."""
    there, unusable = models.survey()
    shelves = [name for name, model in SHELVES.items() if model in there]
    links.choice("pictures", f"{SCOPE}.pictures", shelves[0], shelves)
    shelf = st.selectbox(
        "Pictures",
        shelves,
        key=f"{SCOPE}.pictures",
        format_func=lambda name: "Photographs" if name == "photos" else DATASETS[name].title,
        persist_state="session",
    )
    choose.tell_unusable(unusable)
    card = there[SHELVES[shelf]]
    choice = choose.picture(SCOPE, card, cache.model(card.name, card.sha256), FIRST)
    info = forms.declared(GraphParameters, "bandwidth")
    bandwidth = forms.widget(info, forms.widget_key(info, SCOPE), link="bandwidth")
    links.choice("alpha", ALPHA, START, ALPHAS)
    if choice is None:
        return None
    return Chosen(choice.image, choice.title, bandwidth, GraphParameters(bandwidth=bandwidth).graph(choice.image))


def alpha_slider() -> float:
    """The widget of alpha, which the view of one pixel has in its picture."""
    info = "0 changes nothing; the nearer to 1, the farther a change spreads.\n\n*Smooth Adversarial Examples, eq. 7*"
    chosen = st.select_slider(
        "Smoothness $α$", ALPHAS, key=ALPHA, format_func=lambda value: f"{value:g}", help=info, persist_state="session"
    )
    return float(chosen)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Tensor: fingerprint})
def smoother(image: Tensor, bandwidth: float, alpha: float) -> Smoother:
    """s^_alpha along image (1, C, H, W); making its factors takes longer than all solves of a page."""
    return Smoother(GraphParameters(bandwidth=bandwidth).graph(image), alpha)
