"""What the loss sees of a batch: its graph, the signals of its classes, the pairs it pushes apart, and the weights."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.data import DATASETS
from core.losses import LOSSES, GraphSmoothness, trained_with
from core.models import Card
from pages.parts.charts import loss_plots, plots
from pages.parts.components.graph import graph
from pages.parts.inputs import choose, forms
from pages.parts.shell import links, page
from pages.parts.shell.numbers import general
from pages.parts.views.graph_loss.batch import (
    SCOPE,
    Batch,
    Picture,
    Seen,
    batch,
    circle,
    losses,
    seen,
    strongest,
)

FIRST = "mnist-lenet-graph-2d"
FIRST_K = 5
"""Few neighbours, of which one can see every edge; networks are trained with all pairs unless their card says
otherwise."""
FIRST_EPOCH = 2
"""An early moment, at which there is something to push against."""
PAIRS = 14


@dataclass(frozen=True)
class Seeing:
    """How the loss sees the batch (alpha, k; None connects all), and how that is drawn (see `Picture`)."""

    alpha: float
    k: int | None
    temperature: float
    positions: str


def draw() -> None:
    """The batch as the loss sees it, and the controls of that."""
    with st.sidebar:
        chosen = choose.network(SCOPE, FIRST)
        seeing = controls()
        links.whole("batch", f"{SCOPE}.batch", 0, 0, 999)
        seed = st.number_input(
            "Batch", 0, 999, key=f"{SCOPE}.batch", persist_state="session", help="Another number draws other images."
        )
        links.read("balanced", f"{SCOPE}.balanced", True, lambda text: text == "1", lambda on: str(int(on)))
        balanced = st.toggle(
            "As many of each class",
            key=f"{SCOPE}.balanced",
            persist_state="session",
            help="Off: drawn at random, as a training draws its batches.",
        )
    links.whole("image", f"{SCOPE}.image", -1, 0, 10**6)
    if chosen is None:
        return
    card, _ = chosen
    available = choose.shelf(card) if card.dataset in DATASETS else None
    if available is None:
        st.info("The loss needs images with labels: choose a network of digits or of small pictures.")
        return
    try:
        shown = batch(card, available, balanced, int(seed))
    except ValueError as error:
        st.error(page.plain(str(error)))
        return
    with st.sidebar:
        row = moment(card.name, shown)
        say_trained(card)
    draw_batch(shown, row, available.classes, card.loss, seeing)


def controls() -> Seeing:
    """How the loss is to see the batch, and how that is drawn."""
    return Seeing(
        alpha=forms.widget(forms.declared(GraphSmoothness, "alpha"), f"{SCOPE}.alpha", link="alpha"),
        k=forms.widget(forms.declared(GraphSmoothness, "k"), f"{SCOPE}.k", FIRST_K, link="k"),
        temperature=forms.widget(forms.declared(Picture, "temperature"), f"{SCOPE}.temperature", link="temperature"),
        positions=forms.widget(forms.declared(Picture, "positions"), f"{SCOPE}.positions", link="positions"),
    )


def moment(name: str, shown: Batch) -> int:
    """Which of the batch's moments to look at, where its network kept several."""
    if len(shown.epochs) < 2:
        return 0
    key = f"{SCOPE}.epoch.{name}"
    first = next((epoch for epoch in shown.epochs if epoch >= FIRST_EPOCH), shown.epochs[-1])
    links.choice("epoch", key, first, shown.epochs)
    if st.session_state[key] not in shown.epochs:  # it was trained anew meanwhile
        st.session_state[key] = first
    epoch = st.select_slider(
        "After epoch",
        shown.epochs,
        key=key,
        persist_state="session",
        help="0 is before training. The same images throughout.",
    )
    return shown.epochs.index(epoch)


def say_trained(card: Card) -> None:
    """With which graph smoothness a network was trained, where it was."""
    try:
        own = trained_with(card)
        if isinstance(own, GraphSmoothness):
            st.caption(f"This network was trained with α = {own.alpha:g} and k = {own.k or 'all'}.")
    except ValueError as error:
        st.warning(page.plain(str(error)))


def forget_vertex() -> None:
    """Draw all edges again."""
    st.session_state[f"{SCOPE}.image"] = -1


def draw_batch(shown: Batch, row: int, classes: tuple[str, ...], trained: str, seeing: Seeing) -> None:
    """The graph, the label signals, the pairs and the matrix of one batch at one moment."""
    labels, z = shown.images.labels, shown.features[row]
    found = seen(z, labels, len(classes), seeing.alpha, seeing.k)
    wanted, indices = st.session_state[f"{SCOPE}.image"], shown.images.indices.tolist()
    vertex = indices.index(wanted) if wanted in indices else None
    places = circle(labels) if seeing.positions == "circle" else shown.frame[row]
    move = " Move **After epoch** and watch them go." if len(shown.epochs) > 1 else ""
    page.tell(
        ":red[**Red edges**] join images of *different* classes: the loss is the sum of their weights, so they are "
        f"all it pushes against. Grey edges, within a class, it does not count.{move}"
    )
    left, right = st.columns([1.55, 1], gap="medium")
    with left:
        push = (found.weights * found.punished).sum(1).tolist()
        notes = [
            f"test image {index}; its edges to other classes weigh {general(p)}"
            for index, p in zip(indices, push, strict=True)
        ]

        def picked(vertex: int) -> None:
            st.session_state[f"{SCOPE}.image"] = indices[vertex] if vertex >= 0 else -1

        marked = -1 if vertex is None else vertex
        graph(
            places,
            shown.images,
            found.weights,
            found.punished,
            seeing.temperature,
            notes,
            marked,
            f"{SCOPE}.chart",
            picked,
        )
        page.let_draw()
        page.note(where(shown, seeing.positions, trained))
    with right:
        numbers(found, shown, row, seeing, classes)
    st.markdown(
        "##### The pairs it pushes apart hardest"
        if vertex is None
        else f"##### What test image {wanted}, {page.plain(classes[int(labels[vertex])])}, is pushed away from"
    )
    if vertex is not None:
        st.button("All edges again", key=f"{SCOPE}.all", icon=":material/hub:", on_click=forget_vertex)
    hardest = strongest(found, PAIRS, vertex)
    if hardest:
        st.html(loss_plots.pairs(shown.images.images, labels, classes, hardest))
        st.caption("Two images and the weight of their edge, α and k as set. Click a point of the graph for its own.")
    else:
        st.info("No edge joins two classes: for this k the loss is zero, and pushes nothing.")
    matrix(found, shown, classes)


def where(shown: Batch, positions: str, trained: str) -> str:
    """What the places in the picture are, and what was done to the features."""
    d = shown.features.shape[-1]
    if positions == "circle":
        text = "Placed on a circle, class by class; only the edges say what is near."
    elif d == 2:
        text = "Placed by the network's two features themselves."
    else:
        text = f"Placed by the two directions of largest variance of {d}: what looks near here may be far apart."
    if shown.norm != "none":
        how = "batch-normalised" if shown.norm == "batch" else "brought to length 1"
        title = loss_plots.short(LOSSES[trained].title) if trained in LOSSES else page.plain(trained)
        text += f" {title} trained this network; its features are {how} first, as graph smoothness would have them."
    return text + " Point at a red edge for its weight; click an image for its own edges."


def numbers(found: Seen, shown: Batch, row: int, seeing: Seeing, classes: tuple[str, ...]) -> None:
    """The loss, its parts by class, and how it fell."""
    st.latex(r"\mathcal L = \sum_c s_c^\top L\,s_c = \sum_{y_\mu\neq y_\nu} e^{-\alpha\lVert f_\mu-f_\nu\rVert}")
    columns = st.columns(2)
    columns[0].metric("Loss, sum of the bars", general(found.loss, 4))
    edges, red = int((found.weights > 0).sum()) // 2, int(found.punished.sum()) // 2
    columns[1].metric(f"Punished, of {edges:,} edges", f"{red:,}", help="Each counts twice in the loss, once each way.")
    st.plotly_chart(loss_plots.signals(found.signals, classes), key=f"{SCOPE}.signals", config=plots.CONFIG)
    page.note("$s_c^\\top L\\,s_c$: the weight of all edges that leave class c.")
    if len(shown.epochs) > 1:
        values = losses(shown, len(classes), seeing.alpha, seeing.k)
        st.plotly_chart(
            loss_plots.over_training(shown.epochs, values, shown.epochs[row]), key=f"{SCOPE}.over", config=plots.CONFIG
        )


def matrix(found: Seen, shown: Batch, classes: tuple[str, ...]) -> None:
    """The weights as a picture of their own."""
    left, right = st.columns([1.25, 1], gap="medium", vertical_alignment="center")
    left.plotly_chart(
        loss_plots.weights(found.weights, shown.images.labels, classes), key=f"{SCOPE}.weights", config=plots.CONFIG
    )
    right.markdown(
        "##### The weight matrix, sorted by class\n"
        "Every row and column is an image. The blocks on the diagonal join images of one class: they are free. "
        "Whatever glows **outside** them is what the loss adds up. At the end of a good training only the blocks "
        "glow; at its start everything does."
    )
