"""The Training page's controls: everything that says what is to be trained."""

from __future__ import annotations

import streamlit as st

from core import models
from core.data import DATASETS
from core.losses import LOSSES, Loss, trained_with
from core.train import Recipe
from pages.parts.inputs import choose, forms
from pages.parts.shell import cache, links
from pages.parts.views.training.session import SCOPE, slot
from pages.parts.work.trainings import Plan

FIRST_LOSS = {"graph-smoothness": {"dim": 2, "references": 200}}
"""What a loss opens with, where it differs from its declaration: two dimensions, which can be drawn."""
FIRST_RECIPE = "ten seconds"
FRESH = "fresh weights"
WIDTHS = [0.125, 0.25, 0.5, 0.75, 1.0]
WIDE = ("preactresnet18", "whitened-cnn")
"""Networks whose width one chooses."""


def loss_controls() -> Loss | None:
    """The loss and its parameters."""
    links.choice("loss", f"{SCOPE}.loss", "graph-smoothness", LOSSES)
    name = st.selectbox(
        "Loss", list(LOSSES), key=f"{SCOPE}.loss", format_func=lambda n: LOSSES[n].title, persist_state="session"
    )
    cls = LOSSES[name]
    first = FIRST_LOSS.get(name, {"dim": 2} if "dim" in cls.model_fields else {})
    with st.expander("Of the loss", expanded=False):
        loss = forms.form(cls, SCOPE, first, link="")
        forms.presets(cls, SCOPE, f"{SCOPE}.{name}")
    return loss


def recipe_controls() -> Recipe | None:
    """The recipe: a preset, and its parameters."""
    with st.expander("Recipe", expanded=False):
        forms.presets(Recipe, SCOPE, f"{SCOPE}.recipe")
        return forms.form(Recipe, SCOPE, Recipe.presets[FIRST_RECIPE], link="")


def as_it_was(key: str) -> None:
    """Set width and loss to those of the checkpoint that was chosen: only the same network goes on from its weights."""
    if st.session_state[key] == FRESH:
        return
    try:
        card = models.card(st.session_state[key])
        loss = trained_with(card)
    except ValueError as error:  # it was damaged meanwhile, or its card says what cannot be
        slot.refuse(str(error))
        return
    forms.apply(type(loss), SCOPE, loss.values())
    if (width := card.network_arguments.get("width", 1.0)) in WIDTHS:
        st.session_state[f"{SCOPE}.width"] = width


def beginning(dataset: str, network: str, loss: Loss) -> str | None:
    """The checkpoint to begin with, where there are any of this kind; None for fresh weights."""
    kind = dataset, network, loss.name
    cards, unusable = models.survey()
    choose.tell_unusable(unusable)
    found = [card.name for card in cards.values() if (card.dataset, card.network, card.loss) == kind]
    if not found:
        return None
    key = f"{SCOPE}.start.{dataset}.{network}.{loss.name}"
    links.choice("start", key, FRESH, [FRESH, *found])
    chosen: str = st.selectbox(
        "Begin with",
        [FRESH, *found],
        key=key,
        on_change=as_it_was,
        args=(key,),
        persist_state="session",
        help="A trained network goes on from its weights with this recipe.",
    )
    return None if chosen == FRESH else chosen


def plan() -> Plan | None:
    """Everything that says what is to be trained; None after having said what is wrong."""
    names = [name for name, dataset in DATASETS.items() if "train" in dataset.splits]
    dataset = choose.dataset("Data", f"{SCOPE}.dataset", "mnist", names)
    networks = cache.suited(DATASETS[dataset].shape)
    key = f"{SCOPE}.network.{dataset}"
    links.choice("network", key, "lenet" if "lenet" in networks else "preactresnet18", networks)
    network = st.selectbox("Network", networks, key=key, format_func=models.TITLES.__getitem__, persist_state="session")
    arguments = {}
    if network in WIDE:
        links.choice("width", f"{SCOPE}.width", 0.125, WIDTHS)
        arguments["width"] = st.select_slider(
            "Width",
            WIDTHS,
            key=f"{SCOPE}.width",
            help="Channels, relative to the published network's.",
            persist_state="session",
        )
    loss = loss_controls()
    recipe = recipe_controls()
    start = beginning(dataset, network, loss) if loss is not None else None
    name = st.text_input(
        "Name of the run",
        "my-network",
        key=f"{SCOPE}.name",
        help="Letters, digits, '_', '-' and '.'.",
        persist_state="session",
    )
    if loss is None or recipe is None:
        return None
    return Plan(name, network, dataset, loss, recipe, arguments, start)
