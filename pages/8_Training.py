"""Training: choose data, network, loss and recipe, and watch the feature space take shape."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
import torch

from core import models
from core.data import DATASETS
from core.features import projections
from core.losses import LOSSES, Loss, trained_with
from core.train import Recipe, Training
from pages.parts.charts import plots
from pages.parts.inputs import choose, forms
from pages.parts.shell import cache, links, page
from pages.parts.shell.jobs import Look, Slot
from pages.parts.views import training
from pages.parts.views.training import Plan, Snapshot, Trained

SCOPE = "train"
# What the page opens a loss with, where it differs from the declared defaults: two dimensions, which can be drawn.
FIRST_LOSS = {"graph-smoothness": {"dim": 2, "references": 200}}
FRESH = "fresh weights"
FIRST_RECIPE = "ten seconds"
WIDTHS = [0.125, 0.25, 0.5, 1.0]


# What a training is for: the classes of its data.
slot: Slot[Snapshot, Trained, tuple[str, ...]] = Slot(SCOPE, every=0.5)


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
        for label, values in cls.presets.items():
            st.button(
                f"Values of: {label}",
                key=f"{SCOPE}.{name}.{label}",
                on_click=forms.apply,
                args=(cls, SCOPE, values),
                width="stretch",
            )
    return loss


def recipe_controls() -> Recipe | None:
    """The recipe: a preset, and its parameters."""
    with st.expander("Recipe", expanded=False):
        for label, values in Recipe.presets.items():
            st.button(
                f"Values of: {label}",
                key=f"{SCOPE}.recipe.{label}",
                on_click=forms.apply,
                args=(Recipe, SCOPE, values),
                width="stretch",
            )
        return forms.form(Recipe, SCOPE, Recipe.presets[FIRST_RECIPE], link="")


def as_it_was(key: str) -> None:
    """Set width and loss to those of the checkpoint that was chosen: only the same network goes on from its weights."""
    if st.session_state[key] == FRESH:
        return
    try:
        card = models.card(st.session_state[key])
        loss = trained_with(card)
    except ValueError as error:  # it was damaged meanwhile, or its card says what cannot be
        st.session_state[f"{SCOPE}.problem"] = str(error)
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


def plan_controls() -> Plan | None:
    """Everything that says what is to be trained; None after having said what is wrong."""
    names = [name for name, dataset in DATASETS.items() if "train" in dataset.splits]
    links.choice("dataset", f"{SCOPE}.dataset", "mnist", names)
    dataset = st.selectbox(
        "Data", names, key=f"{SCOPE}.dataset", format_func=lambda n: DATASETS[n].title, persist_state="session"
    )
    networks = cache.suited(DATASETS[dataset].shape)
    key = f"{SCOPE}.network.{dataset}"
    links.choice("network", key, "lenet" if "lenet" in networks else "preactresnet18", networks)
    network = st.selectbox("Network", networks, key=key, format_func=models.TITLES.get, persist_state="session")
    arguments = {}
    if network == "preactresnet18":
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


def begin(plan: Plan | Path, classes: tuple[str, ...]) -> None:
    """Start a job, or say why not."""
    slot.start(classes, training.work, plan)
    if slot.busy:
        st.session_state.pop(f"{SCOPE}.trained", None)


def unfinished() -> None:
    """The runs that were stopped or killed: go on with one, or delete it."""
    found = training.runs()
    if not found:
        return
    with st.popover("Unfinished runs", icon=":material/history:"):
        name = st.selectbox("Run", list(found), key=f"{SCOPE}.unfinished")
        try:
            st.caption(page.plain(training.describe(found[name])))
        except ValueError as error:
            st.error(page.plain(str(error)))
        columns = st.columns(2)
        if columns[0].button("Go on", icon=":material/play_arrow:", key=f"{SCOPE}.resume", width="stretch"):
            try:
                begin(found[name], DATASETS[training.dataset(found[name])].classes)
            except ValueError as error:
                slot.refuse(str(error))
            st.rerun()
        if columns[1].button("Delete", icon=":material/delete:", key=f"{SCOPE}.delete", width="stretch"):
            found[name].unlink(missing_ok=True)
            st.rerun()


def draw(snapshot: Snapshot, classes: tuple[str, ...], finished: bool) -> None:
    """The embedding and the curves; of a finished run the embedding can be played back."""
    left, right = st.columns([1.2, 1])
    with left:
        past = sorted(snapshot.kept)
        if past:
            features = [snapshot.kept[epoch][0] for epoch in past]
            d = features[0].shape[1]
            shown = features if finished else features[-1:]
            frame = projections.shared_frame(torch.stack(features) if finished else features[-1])
            points, titles = (
                [projections.project(z, frame) for z in shown],
                [str(epoch) for epoch in past[-len(shown) :]],
            )
            figure = plots.embedding(points, snapshot.labels, classes, titles)
            st.plotly_chart(figure, key=f"{SCOPE}.embedding.{finished}", config=plots.CONFIG)
            how = (
                "the network's two features themselves"
                if d <= 2
                else (
                    f"the two directions of largest variance of {d}, one frame for all epochs"
                    if finished
                    else f"the two directions of largest variance of {d} after this epoch"
                )
            )
            st.caption(f"{len(snapshot.labels):,} test images after epoch {past[-1]}: {how}.")
        else:
            st.info("This recipe keeps no features (its sample is 0), so there is no embedding to draw.")
    with right:
        accuracies = [(epoch.index, 100 * epoch.accuracy) for epoch in snapshot.epochs]
        epochs = snapshot.epochs[-1].total if snapshot.epochs else 1
        if snapshot.epochs:
            last = snapshot.epochs[-1]
            columns = st.columns(3)
            columns[0].metric("Epoch", f"{last.index} of {last.total}")
            columns[1].metric("Test accuracy", f"{100 * last.accuracy:.1f} %")
            columns[2].metric("Loss", f"{last.loss:.3g}")
        st.plotly_chart(
            plots.curves(snapshot.losses, accuracies, epochs), key=f"{SCOPE}.curves.{finished}", config=plots.CONFIG
        )
        st.caption(page.plain(snapshot.note))


def take(trained: Trained, classes: tuple[str, ...]) -> None:
    """Keep what a job has given."""
    st.session_state[f"{SCOPE}.trained"] = trained, classes


def draw_underway(look: Look[Snapshot], classes: tuple[str, ...]) -> None:
    """Progress of a training."""
    if look.snapshot is None:
        st.progress(0.0, look.standing)
        return
    remaining = f", about {look.remaining:.0f} s to go" if look.remaining is not None else ""
    st.progress(look.fraction, f"{look.elapsed:.0f} s{remaining}")
    draw(look.snapshot, classes, finished=False)


def keep(trained: Trained) -> None:
    """Name the network and keep it, so that every page offers it."""
    with st.form(f"{SCOPE}.keep", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Keep it as", trained.training.card.name, key=f"{SCOPE}.keep.name", width=280)
        pressed = st.form_submit_button("Keep", type="primary", icon=":material/save:")
    if pressed:
        try:
            with st.spinner("Measuring on all test images"):
                card = trained.keep(name)
        except ValueError as error:
            st.error(page.plain(str(error)))
            return
        assert card.accuracy is not None
        st.success(
            page.plain(
                f"Kept as {card.name}: {100 * card.accuracy.value:.2f} % of {card.accuracy.n:,} test images right. "
                "Every page offers it now."
            )
        )
        st.page_link(
            "pages/1_Attack_lab.py",
            label="Attack it in the lab",
            icon=":material/science:",
            query_params={"model": card.name},
        )


@st.cache_resource(max_entries=16, show_spinner="Building the network")
def untrained(plan_key: str, _plan: Plan) -> Snapshot:
    """The network before its first step, so that there is a picture before anything is pressed."""
    enough = max(2000, 3 * _plan.loss.wanted_references)  # the head may want some of every class
    total = DATASETS[_plan.dataset].splits["train"]
    recipe = _plan.recipe.replace(n=_plan.recipe.n or min(enough, total), sample=min(_plan.recipe.sample, 500))
    fresh = Training(_plan.network, _plan.dataset, recipe, "untrained", _plan.loss, _plan.arguments, start=_plan.start)
    return Snapshot((), (), fresh.kept, fresh.sample.labels, fresh.train.note, 0, 1)


page.setup("Training", controls=True)
with st.sidebar:
    plan = plan_controls()

left, right = st.columns([1, 1.3], vertical_alignment="center")
if plan is not None:
    right.latex(plan.loss.formula)
    st.markdown(f"**Look for:** {plan.loss.look_for}")
with left, st.container(horizontal=True, vertical_alignment="center"):
    if not slot.busy:
        if st.button("Start", type="primary", icon=":material/play_arrow:", disabled=plan is None) and plan is not None:
            begin(plan, DATASETS[plan.dataset].classes)
            st.rerun()
        unfinished()
    else:
        st.button("Stop", type="primary", icon=":material/stop:", on_click=slot.stop)
        st.markdown("After each epoch the run is saved; what is stopped can be gone on with.")
slot.complain()
if slot.busy:
    slot.watch(draw_underway, take)
elif f"{SCOPE}.trained" in st.session_state:
    trained, classes = st.session_state[f"{SCOPE}.trained"]
    keep(trained)
    draw(trained.snapshot, classes, finished=True)
elif plan is not None:
    try:
        key = cache.fingerprint(
            plan.network,
            plan.dataset,
            plan.loss.name,
            plan.loss.values(),
            plan.arguments,
            plan.recipe.values(),
            plan.start,
        )
        draw(untrained(key, plan), DATASETS[plan.dataset].classes, finished=False)
    except ValueError as error:
        st.error(page.plain(str(error)))
page.finish()
