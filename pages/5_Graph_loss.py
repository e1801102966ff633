"""Graph loss: what it sees of a batch, what shape it gives to features beside other losses, and the paper's figures."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st
from torch import Tensor

from core import models
from core.data import DATASETS
from core.losses import LOSSES, GraphSmoothness, Loss, trained_with
from core.losses.playground import Motion, Playground
from core.papers.graph_smoothness import figures as graph_figures
from core.params import ParameterInfo, fields
from pages.parts.charts import loss_plots, plots
from pages.parts.components.graph import graph
from pages.parts.inputs import choose, forms
from pages.parts.shell import cache, links, page
from pages.parts.views import playground
from pages.parts.views.playground import Batch, Picture, Seen

SCOPE = "graph"
SEES, PLAY, FIGURES = "sees", "playground", "figures"
VIEWS = {SEES: "What the loss sees", PLAY: "Playground", FIGURES: "The paper's figures"}
FIRST = "mnist-lenet-graph-2d"
# Few neighbours, of which one can see every edge; networks are trained with all pairs unless their card says otherwise.
FIRST_K = 5
# An early moment, at which there is something to push against.
FIRST_EPOCH = 2
PAIRS = 14
FIRST_LOSSES = ("graph-smoothness", "cross-entropy", "max-mahalanobis")
# What the playground opens a loss with, where it differs: a pull that is seen within a few hundred steps.
FIRST_LOSS = {"center-loss": {"weight": 0.1}}
# Not of the playground: it says itself how many dimensions there are, and has no classifier on top.
WITHOUT = {"graph-smoothness": ("dim", "norm", "reduction", "references", "head_alpha")}
MOST = {2: 4, 3: 2}
# How many losses at once: three-dimensional panels each take one of the browser's few graphics contexts.
LABELS = {"k": "neighbours k", "dim": "dimensions d", "alpha": "kernel α"}
# On a narrow screen the panels keep a size at which points can be told apart, and are scrolled.
WIDE = """<style>.st-key-graph_wide { overflow-x: auto; }
.st-key-graph_wide .stElementContainer { min-width: 620px; }</style>"""
PAPER = {
    "k": "**Figure 2.** More neighbours are better; from about as many as there are classes on it matters little.",
    "dim": "**Figure 3.** Enough dimensions for the classes are needed; many more do little harm.",
    "alpha": "**Figure 4.** Small α hardly matter; where α is large, weights vanish and nothing pushes classes apart.",
}


def declared(cls: type, name: str) -> ParameterInfo:
    """The declaration of one parameter."""
    return next(info for info in fields(cls) if info.name == name)


def forget_vertex() -> None:
    st.session_state[f"{SCOPE}.image"] = -1


def sees() -> None:
    """The batch as the loss sees it."""
    with st.sidebar:
        chosen = choose.network(SCOPE, FIRST)
        alpha = forms.widget(declared(GraphSmoothness, "alpha"), f"{SCOPE}.alpha", link="alpha")
        k = forms.widget(declared(GraphSmoothness, "k"), f"{SCOPE}.k", FIRST_K, link="k")
        temperature = forms.widget(declared(Picture, "temperature"), f"{SCOPE}.temperature", link="temperature")
        positions = forms.widget(declared(Picture, "positions"), f"{SCOPE}.positions", link="positions")
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
        shown = playground.batch(card, available, balanced, int(seed))
    except ValueError as error:
        st.error(page.plain(str(error)))
        return
    row = 0
    if len(shown.epochs) > 1:
        key = f"{SCOPE}.epoch.{card.name}"
        first = next((epoch for epoch in shown.epochs if epoch >= FIRST_EPOCH), shown.epochs[-1])
        links.choice("epoch", key, first, shown.epochs)
        if st.session_state[key] not in shown.epochs:  # it was trained anew meanwhile
            st.session_state[key] = first
        with st.sidebar:
            epoch = st.select_slider(
                "After epoch",
                shown.epochs,
                key=key,
                persist_state="session",
                help="0 is before training. The same images throughout.",
            )
        row = shown.epochs.index(epoch)
    with st.sidebar:
        try:
            own = trained_with(card)
            if isinstance(own, GraphSmoothness):
                st.caption(f"This network was trained with α = {own.alpha:g} and k = {own.k or 'all'}.")
        except ValueError as error:
            st.warning(page.plain(str(error)))
    draw_batch(shown, row, available.classes, card.loss, alpha, k, temperature, positions)


def draw_batch(
    shown: Batch,
    row: int,
    classes: tuple[str, ...],
    trained: str,
    alpha: float,
    k: int | None,
    temperature: float,
    positions: str,
) -> None:
    """The graph, the label signals, the pairs and the matrix of one batch at one moment."""
    labels, z = shown.images.labels, shown.features[row]
    found = playground.seen(z, labels, len(classes), alpha, k)
    wanted, indices = st.session_state[f"{SCOPE}.image"], shown.images.indices.tolist()
    vertex = indices.index(wanted) if wanted in indices else None
    places = playground.circle(labels) if positions == "circle" else shown.frame[row]
    move = " Move **After epoch** and watch them go." if len(shown.epochs) > 1 else ""
    st.markdown(
        ":red[**Red edges**] join images of *different* classes: the loss is the sum of their weights, so they are "
        f"all it pushes against. Grey edges, within a class, it does not count.{move}"
    )
    left, right = st.columns([1.55, 1], gap="medium")
    with left:
        push = (found.weights * found.punished).sum(1).tolist()
        notes = [
            f"test image {index}; its edges to other classes weigh {p:.3g}"
            for index, p in zip(indices, push, strict=True)
        ]

        def picked(vertex: int) -> None:
            st.session_state[f"{SCOPE}.image"] = indices[vertex] if vertex >= 0 else -1

        marked = -1 if vertex is None else vertex
        graph(places, shown.images, found.weights, found.punished, temperature, notes, marked, f"{SCOPE}.chart", picked)
        page.let_draw()
        st.caption(where(shown, positions, trained))
    with right:
        numbers(found, shown, row, alpha, k, classes)
    st.markdown(
        "##### The pairs it pushes apart hardest"
        if vertex is None
        else f"##### What test image {wanted}, {page.plain(classes[int(labels[vertex])])}, is pushed away from"
    )
    if vertex is not None:
        st.button("All edges again", key=f"{SCOPE}.all", icon=":material/hub:", on_click=forget_vertex)
    hardest = playground.strongest(found, PAIRS, vertex)
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


def numbers(found: Seen, shown: Batch, row: int, alpha: float, k: int | None, classes: tuple[str, ...]) -> None:
    """The loss, its parts by class, and how it fell."""
    st.latex(r"\mathcal L = \sum_c s_c^\top L\,s_c = \sum_{y_\mu\neq y_\nu} e^{-\alpha\lVert f_\mu-f_\nu\rVert}")
    columns = st.columns(2)
    columns[0].metric("Loss, sum of the bars", f"{found.loss:.4g}")
    edges, red = int((found.weights > 0).sum()) // 2, int(found.punished.sum()) // 2
    columns[1].metric(f"Punished, of {edges:,} edges", f"{red:,}", help="Each counts twice in the loss, once each way.")
    st.plotly_chart(loss_plots.signals(found.signals, classes), key=f"{SCOPE}.signals", config=plots.CONFIG)
    st.caption("$s_c^\\top L\\,s_c$: the weight of all edges that leave class c.")
    if len(shown.epochs) > 1:
        values = playground.losses(shown, len(classes), alpha, k)
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


def play() -> None:
    """The same images moved by several losses."""
    with st.sidebar:
        sets = [name for name, dataset in DATASETS.items() if dataset.gallery]
        links.choice("dataset", f"{SCOPE}.play.dataset", "mnist", sets)
        dataset = st.selectbox(
            "Images",
            sets,
            key=f"{SCOPE}.play.dataset",
            persist_state="session",
            format_func=lambda n: DATASETS[n].title,
        )
        key = f"{SCOPE}.play.losses"
        links.read("losses", key, list(FIRST_LOSSES), parse_losses, ",".join)
        names = st.multiselect(
            "Losses",
            list(LOSSES),
            key=key,
            persist_state="session",
            format_func=lambda n: loss_plots.short(LOSSES[n].title),
        )
        settings = forms.form(Playground, f"{SCOPE}.play", {}, first=["mover", "dim"], link="")
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
            found = {LOSSES[n].title: playground.motion(loss, settings, images) for n, loss in losses.items()}
    except (ValueError, TypeError) as error:
        st.error(page.plain(str(error)))
        return
    st.markdown(" ".join(f"**{loss_plots.short(LOSSES[n].title)}:** {LOSSES[n].look_for}" for n in losses))
    chosen = playground.chosen_images(settings, images)
    st.html(WIDE)
    with st.container(key="graph_wide"):
        key = cache.fingerprint([(name, loss.values()) for name, loss in losses.items()], settings.values(), dataset)
        st.plotly_chart(moving(key, found, chosen.labels, images.classes), key=f"{SCOPE}.motions", config=plots.CONFIG)
    st.caption(how(settings, len(chosen)))
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


def figures() -> None:
    """Figures 2, 3 and 4 of the paper, from the stored run."""
    report = graph_figures.read()
    study = report["study"]
    base = graph_figures.cross_entropy(report)
    drawn = {
        name: (graph_figures.series(report, name), graph_figures.series(report, name, "argmax"))
        for name in graph_figures.SWEEPS
    }
    lowest = min(min(series.low, default=1.0) for both in drawn.values() for series in both)
    highest = max([*base.high, *(max(series.high, default=0.0) for both in drawn.values() for series in both)])
    span = max(0.0, lowest - 0.03), min(1.0, highest + 0.03)
    st.markdown("##### Accuracy against the loss's three parameters, one moved at a time (section 4.3)")
    for column, (name, (near, own)) in zip(st.columns(3, gap="medium"), drawn.items(), strict=True):
        with column:
            st.plotly_chart(
                loss_plots.accuracy(near, own, base, LABELS[name], span),
                key=f"{SCOPE}.figure.{name}",
                config=plots.CONFIG,
            )
            st.markdown(PAPER[name])
    st.caption(
        f"CPU-sized run: {models.TITLES[study['network']]} on {DATASETS[study['dataset']].title}, {study['n']:,} "
        f"training images, {study['epochs']} epochs of batches of {study['batch_size']}, accuracy on "
        f"{study['test_n']:,} test images; mean of {study['seeds']} trainings, bars from the lowest to the highest. "
        "The rest: k = all, d = 10, α = 2. The sentences are the paper's observations on PreActResNet-18 after 200 "
        "epochs; judge by the curves whether they hold here. AdamW instead of SGD, so that the curves show the loss "
        "and not the size of its step."
    )
    st.code(report["command"], language="bash")


page.setup("Graph loss", controls=True)
links.choice("view", f"{SCOPE}.view", SEES, VIEWS)
view = st.segmented_control(
    "View",
    list(VIEWS),
    key=f"{SCOPE}.view",
    format_func=VIEWS.get,
    required=True,
    label_visibility="collapsed",
    persist_state="session",
)
{SEES: sees, PLAY: play, FIGURES: figures}[view]()
page.finish()
