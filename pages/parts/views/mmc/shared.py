"""What several tabs of the MMC centres page need: the two networks, and what they say."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from torch import Tensor

from core import models
from core.data import DATASETS, gallery
from core.models import Card, logits_of
from core.papers.mmc import uncertainty as unsure
from core.train import against
from pages.parts.inputs import choose
from pages.parts.shell import cache, links, page

SCOPE = "mmc"
FIRST = ("mnist-c4-mmc", "mnist-c4-ce")
"""The two networks that the page opens with, where they are there."""
OUTSIDE_N = 300
"""Images of no class that the live histograms are made of: as many as there are of Fashion-MNIST."""
SHORT = {
    "cross-entropy": "SCE",
    "graph-smoothness": "Graph",
    "max-mahalanobis": "MMC",
    "mm-lda": "MM-LDA",
    "center-loss": "Centre loss",
    "g-sce": "g-SCE",
    "large-margin": "L-GM",
}
"""Losses as the report calls them, as short as a table needs them."""


def network_controls() -> tuple[Card, Card] | None:
    """A network with fixed centres, and a linear one on the same data; None after having said what lacks."""
    cards, unusable = models.survey()
    choose.tell_unusable(unusable)
    labelled = {name for name, card in cards.items() if card.dataset in DATASETS and choose.shelf(card) is not None}
    fixed = [name for name in cards if cards[name].head == "centers" and name in labelled]
    if not fixed:
        st.info("There is no network with fixed centres; train one with the MMC loss on the Training page.")
        return None
    key = f"{SCOPE}.fixed"
    links.choice("mmc", key, FIRST[0] if FIRST[0] in fixed else fixed[0], fixed)
    mmc = cards[_select("Network with fixed centres", key, fixed, cards)]
    others = [name for name, card in cards.items() if card.dataset == mmc.dataset and card.head.startswith("linear")]
    if not others:
        st.info(page.plain(f"There is no network with linear logits on {mmc.dataset}; train one with cross-entropy."))
        return None
    key = f"{SCOPE}.linear.{mmc.dataset}"
    links.choice("ce", key, FIRST[1] if FIRST[1] in others else others[0], others)
    ce = cards[_select("Beside it, linear logits", key, others, cards)]
    try:
        for card in (mmc, ce):
            cache.model(card.name, card.sha256)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return None
    return mmc, ce


def _select(label: str, key: str, names: list[str], cards: Mapping[str, Card]) -> str:
    if st.session_state[key] not in names:  # it was deleted meanwhile
        st.session_state[key] = names[0]
    return st.selectbox(
        label,
        names,
        key=key,
        format_func=choose.menu(cards).__getitem__,
        persist_state="session",
        help="\n\n".join(names),
    )


def called(card: Card) -> str:
    """What a network is called in a table of such as differ in their training alone."""
    loss = SHORT.get(card.loss, card.loss)
    match card.loss_arguments.get("centers"):
        case "random":
            loss += " (rand)"
        case "hierarchical":
            loss = f"H{loss}"
    return f"{loss}, {against_what(card)}" if against(card.recipe) else loss


def against_what(card: Card) -> str:
    """What a network was trained against, by its recipe."""
    hardened = against(card.recipe)
    return f"trained against {hardened}" if hardened else "plainly trained"


@st.cache_resource(max_entries=24, show_spinner="Asking the network")
def logits(name: str, sha256: str, source: str) -> Tensor:
    """(N, K) what a network says of its own data set's pictures that are always there, or of images of no class."""
    model = cache.model(name, sha256)
    if source != model.card.dataset:
        return logits_of(model, images(source, model.card.input_shape)[:OUTSIDE_N])
    shelf = choose.shelf(model.card)
    assert shelf is not None  # the page offers no network without
    return logits_of(model, shelf.images)


@st.cache_resource(max_entries=16, show_spinner="Loading the pictures")
def images(source: str, shape: tuple[int, int, int]) -> Tensor:
    """The images of one of OUTSIDE as a network of `shape` takes them."""
    return unsure.outside(source, shape, gallery.SIZE)
