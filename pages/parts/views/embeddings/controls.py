"""The Embeddings page's controls: which networks, which images, and how they are mapped to the plane."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import models
from core.data import DATASETS
from core.features.projections import PROJECTIONS, Projection
from core.losses import LOSSES
from core.models import Card
from core.train import against
from pages.parts.inputs import choose, forms
from pages.parts.shell import links
from pages.parts.views.embeddings.session import SCOPE

NONE = "none"
FIRST = ("graph-2d", "ce-2d", NONE)
"""Ends of the names of the networks that the page opens with: the pair of Figure 1."""
LOSS_PAIR = ("graph", "ce", "mmc")
GALLERY, TRAINING, ALL = "gallery", "training", "all"
IMAGES = {
    GALLERY: "Test images, all epochs",
    TRAINING: "Training images, at the end",
    ALL: "All test images, at the end",
}
SPLITS = {TRAINING: "train", ALL: "test"}


def ending(cards: Sequence[Card], end: str) -> str:
    """The first network whose name ends so, or no network."""
    return next((card.name for card in cards if card.name.endswith(f"-{end}")), NONE)


def set_networks(dataset: str, names: Sequence[str], projection: str) -> None:
    """Set the select boxes to a well-known view."""
    for place, name in enumerate(names, 1):
        st.session_state[f"{SCOPE}.{dataset}.{place}"] = name
    st.session_state[f"{SCOPE}.projection"] = projection
    st.session_state[f"{SCOPE}.images"] = GALLERY


def networks(offered: dict[str, list[Card]]) -> list[Card]:
    """Which networks to show; the first is always there, the others may be left out."""
    sets = list(offered)
    paired = [name for name in sets if ending(offered[name], "graph-2d") != NONE]
    opening = "mnist" if "mnist" in paired else (paired or sets)[0]
    dataset = choose.dataset("Data", f"{SCOPE}.dataset", opening, sets)
    cards = {card.name: card for card in offered[dataset]}
    known = [ending(offered[dataset], end) for end in FIRST]
    if known[0] == NONE:
        known[0] = next(iter(cards))
    pairs = {
        "Figure 1: two dimensions": (known, "linear"),
        "Three losses": ([ending(offered[dataset], end) for end in LOSS_PAIR], "circle"),
    }
    for label, (names, projection) in pairs.items():
        if NONE not in names[:2]:
            st.button(
                label, key=f"{SCOPE}.{label}", on_click=set_networks, args=(dataset, names, projection), width="stretch"
            )
    chosen = []
    for place, label in enumerate(("First network", "Second", "Third"), 1):
        options = list(cards) if place == 1 else [NONE, *cards]
        key = f"{SCOPE}.{dataset}.{place}"
        links.choice(str(place), key, known[place - 1], options)
        if st.session_state[key] not in options:  # it was deleted meanwhile
            st.session_state[key] = options[0]
        name = st.selectbox(
            label,
            options,
            key=key,
            persist_state="session",
            format_func=lambda n: "none" if n == NONE else title(cards[n], offered[dataset]),
        )
        if name != NONE and cards[name] not in chosen:
            chosen.append(cards[name])
    return chosen


def title(card: Card, among: Sequence[Card]) -> str:
    """A network's loss and what tells it from others with the same."""
    loss = LOSSES[card.loss].title if card.loss in LOSSES else card.loss
    hardened = against(card.recipe)
    words = [loss, models.TITLES.get(card.network, card.network)]
    if card.embedding == 2:
        words.append("2D")
    if hardened:
        words.append(f"against {hardened}")
    own = ", ".join(words)
    alike = [
        c
        for c in among
        if c.loss == card.loss
        and c.network == card.network
        and c.embedding == card.embedding
        and against(c.recipe) == hardened
    ]
    return own if len(alike) < 2 else f"{own} ({card.name})"


def projection() -> Projection | None:
    """How the spaces are mapped to the plane."""
    links.choice("projection", f"{SCOPE}.projection", "linear", PROJECTIONS)
    name = st.selectbox(
        "Projection",
        list(PROJECTIONS),
        key=f"{SCOPE}.projection",
        format_func=lambda n: PROJECTIONS[n].title,
        persist_state="session",
    )
    cls = PROJECTIONS[name]
    st.caption(cls.about)
    return forms.form(cls, SCOPE, {}, link="")


def images(dataset: str) -> str:
    """Which images of a data set to show: `GALLERY`, `TRAINING`, or `ALL` where the whole set is there."""
    choices = [which for which in IMAGES if which != ALL or DATASETS[dataset].installed()]
    links.choice("images", f"{SCOPE}.images", GALLERY, choices)
    which: str = st.radio(
        "Images", choices, key=f"{SCOPE}.images", format_func=IMAGES.__getitem__, persist_state="session"
    )
    return which
