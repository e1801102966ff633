"""The playground: the same real images as points, moved by several losses side by side."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from core.data import DATASETS, ImageSet
from core.losses import LOSSES, Loss, choose_references
from core.losses.playground import Motion, Playground, play
from pages.parts.charts import loss_plots, plots
from pages.parts.engine.bounded import Bounded, fingerprint
from pages.parts.inputs import choose, forms
from pages.parts.shell import cache, links, page
from pages.parts.views.graph_loss.batch import SCOPE

FIRST_LOSSES = ("graph-smoothness", "cross-entropy", "max-mahalanobis")
FIRST_LOSS = {"center-loss": {"weight": 0.1}}
"""What a loss opens with, where it differs from its declaration: a pull that is seen within a few hundred steps."""
WITHOUT = {"graph-smoothness": ("dim", "norm", "reduction", "references", "head_alpha")}
"""Parameters that have no place here: the playground says itself how many dimensions there are, and has no classifier
on top."""
MOST = {2: 4, 3: 2}
"""Losses at once, by dimensions: three-dimensional panels each take one of the browser's few graphics contexts."""
WIDE = """<style>.st-key-graph_wide { overflow-x: auto; }
.st-key-graph_wide .stElementContainer { min-width: 620px; }
@media (min-width: 641px) { .stElementContainer:has(.ss-sideways) { display: none; } }</style>
<small class="ss-sideways">The panels go on to the right: move them sideways.</small>"""
"""On a narrow screen the panels keep a size at which points can be told apart, and are scrolled, which it says."""

_motions: Bounded[Motion] = Bounded(24)


def motion(loss: Loss, playground: Playground, images: ImageSet) -> Motion:
    """The points of some of `images` (the gallery, in which classes take turns) moved by `loss`; kept for others."""
    key = fingerprint(loss.name, loss.values(), playground.values(), images.name)
    found = _motions.get(key)
    if found is None:
        chosen = chosen_images(playground, images)
        found = play(loss, playground, chosen.images, chosen.labels, len(images.classes))
        _motions.put(key, found)
    return found


def chosen_images(playground: Playground, images: ImageSet) -> ImageSet:
    """The images whose points move: as many of each class as of any other, by the playground's seed."""
    generator = torch.Generator().manual_seed(playground.seed)
    return images[choose_references(images.labels, min(playground.points, len(images)), generator)]


def loss_controls(names: list[str]) -> dict[str, Loss]:
    """The parameters of the losses that move the points."""
    found = {}
    for name in names:
        cls = LOSSES[name]
        with st.expander(f"Of {loss_plots.short(cls.title)}", expanded=False):
            without = WITHOUT.get(name, ("dim",))
            loss = forms.form(cls, f"{SCOPE}.play.{name}", FIRST_LOSS.get(name, {}), link=f"{name}.", without=without)
        if loss is not None:
            found[name] = loss
    return found


def parse_losses(text: str) -> list[str]:
    """The keys of a link's losses."""
    names = text.split(",")
    if not names or len(set(names)) < len(names) or any(name not in LOSSES for name in names):
        raise ValueError(f"they must be some of {', '.join(LOSSES)}, each once.")
    return names


def draw() -> None:
    """The same images moved by several losses, and the controls of that."""
    with st.sidebar:
        sets = [name for name, dataset in DATASETS.items() if dataset.gallery]
        dataset = choose.dataset("Images", f"{SCOPE}.play.dataset", "mnist", sets)
        key = f"{SCOPE}.play.losses"
        links.read("losses", key, list(FIRST_LOSSES), parse_losses, ",".join)
        names = st.multiselect(
            "Losses",
            list(LOSSES),
            key=key,
            persist_state="session",
            format_func=lambda n: loss_plots.short(LOSSES[n].title),
        )
        settings = forms.form(Playground, f"{SCOPE}.play", {}, link="")
        losses = loss_controls(names)
    if settings is None or not losses:
        st.info("Choose a loss.")
        return
    most = MOST[settings.dim]
    if len(losses) > most:
        losses = dict(list(losses.items())[:most])
        st.caption(f"{most} losses at a time in {settings.dim} dimensions: the first {most} are shown.")
    images = cache.gallery(dataset)
    try:
        with st.spinner("Moving the points"):
            found = {LOSSES[n].title: motion(loss, settings, images) for n, loss in losses.items()}
    except (ValueError, TypeError) as error:
        st.error(page.plain(str(error)))
        return
    page.tell(" ".join(f"**{loss_plots.short(LOSSES[n].title)}:** {LOSSES[n].look_for}" for n in losses))
    chosen = chosen_images(settings, images)
    st.html(WIDE)
    with st.container(key="graph_wide"):
        key = fingerprint([(name, loss.values()) for name, loss in losses.items()], settings.values(), dataset)
        st.plotly_chart(moving(key, found, chosen.labels, images.classes), key=f"{SCOPE}.motions", config=plots.CONFIG)
    page.note(how(settings, len(chosen)))
    st.plotly_chart(loss_plots.falling(found), key=f"{SCOPE}.falling", config=plots.CONFIG)


@st.cache_resource(max_entries=8, show_spinner=False)
def moving(key: str, _found: dict[str, Motion], _labels: Tensor, _classes: tuple[str, ...]) -> go.Figure:
    """`loss_plots.motions`; thousands of points in dozens of frames take longer to build than to compute."""
    return loss_plots.motions(_found, _labels, _classes)


def how(settings: Playground, n: int) -> str:
    """What moves, in a sentence or two."""
    if settings.mover == "network":
        text = (
            "A small network, one for each loss with the same first weights, brings them there: its one map serves "
            "all images, which is why cross-entropy draws lines. Let the points themselves move to see the loss alone."
        )
    else:
        text = (
            "Every point is free and follows its own share of the gradient: nothing but the loss acts. Points of one "
            "class then feel the same pull, and cross-entropy's lines shrink to spots."
        )
    return f"{n} real images, one batch. {text} Graph smoothness is normalised as in the paper; open circles: centres."
