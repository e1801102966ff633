"""What the Training page shows of a training: its embedding and its curves, and the form that keeps the network."""

from __future__ import annotations

import itertools

import streamlit as st
import torch

from core.data import DATASETS
from core.features import projections
from core.features.regions import Regions, regions, widened
from core.models.heads import HEADS
from core.train import Training
from pages.parts.charts import plots
from pages.parts.engine.bounded import Bounded, fingerprint
from pages.parts.shell import page
from pages.parts.shell.jobs import Look
from pages.parts.shell.numbers import general
from pages.parts.shell.settings import settings
from pages.parts.views.training import kept
from pages.parts.views.training.session import SCOPE, About, said, setting
from pages.parts.work.trainings import Plan, Snapshot, Trained

AROUND, CELLS = 1.5, 80
"""Sides of what is shaded, in those of the part of the plane that is seen at first, and cells along them: a run that is
played back has one such picture for each epoch."""
_shaded: Bounded[Regions] = Bounded(256)


def _regions(snapshot: Snapshot, epoch: int, extent: tuple[float, float, float, float]) -> Regions | None:
    """What the network named where after an epoch; None where features are not two, or its head is not kept."""
    state, card = snapshot.heads.get(epoch), snapshot.card
    if state is None:
        return None
    key = fingerprint(card.head, extent, *itertools.chain(*sorted(state.items())))
    known = _shaded.get(key)
    if known is None:
        head = HEADS[card.head](2, card.classes, **card.head_arguments)
        head.load_state_dict(dict(state))
        known = regions(head, extent, rows=CELLS, columns=CELLS)
        _shaded.put(key, known)
    return known


def _changes(snapshot: Snapshot) -> list[tuple[float, str]]:
    """(epoch, what was set otherwise then)."""
    steps = snapshot.total / (snapshot.epochs[-1].total if snapshot.epochs else 1)
    return [(change.step / steps, setting(change)) for change in snapshot.card.changes]


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
            extent = widened(plots.reach(points), AROUND)
            shaded = [_regions(snapshot, epoch, extent) for epoch in past[-len(shown) :]]
            axes = ("first feature", "second feature") if d <= 2 else ("largest variance", "second largest")
            figure = plots.embedding(points, snapshot.labels, classes, titles, shaded, axes)
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
            asked = " Shaded: what the network names at each place, asked of its head." if shaded[-1] else ""
            page.note(f"{len(snapshot.labels):,} test images after epoch {past[-1]}: {how}.{asked}", SCOPE)
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
            columns[2].metric("Loss", general(last.loss))
        st.plotly_chart(
            plots.curves(snapshot.losses, accuracies, epochs, _changes(snapshot)),
            key=f"{SCOPE}.curves.{finished}",
            config=plots.CONFIG,
        )
        for change in snapshot.card.changes:
            st.caption(page.plain(f"{said(change)}.").capitalize())
        st.caption(page.plain(snapshot.note))


def underway(look: Look[Snapshot], about: About) -> None:
    """Progress of a training."""
    if look.snapshot is None:
        st.progress(0.0, look.standing)
        return
    remaining = f", about {look.remaining:.0f} s to go" if look.remaining is not None else ""
    st.progress(look.fraction, f"{look.elapsed:.0f} s{remaining}")
    draw(look.snapshot, about.classes, finished=False)


def keep(trained: Trained) -> None:
    """Name the network and keep it, so that every page offers it; or say why nothing is kept here."""
    if settings().public:
        st.info("This server is public, and keeps nothing of a training: it can be looked at until the page is closed.")
        return
    with st.form(f"{SCOPE}.keep", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Keep it as", trained.card.name, key=f"{SCOPE}.keep.name", width=280)
        pressed = st.form_submit_button("Keep", type="primary", icon=":material/save:")
    if pressed:
        try:
            with st.spinner("Measuring on all test images"):
                kept.check_room()
                card = trained.keep(name, kept.owner())
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
            page.file("Attack_lab"),
            label="Attack it in the lab",
            icon=":material/science:",
            query_params={"model": card.name},
        )


def untrained(plan: Plan) -> Snapshot:
    """The network before its first step, so that there is a picture before anything is pressed."""
    loss, recipe = plan.loss, plan.recipe
    key = fingerprint(plan.network, plan.dataset, loss.name, loss.values(), plan.arguments, recipe.values(), plan.start)
    return _untrained(key, plan)


@st.cache_resource(max_entries=16, show_spinner="Building the network")
def _untrained(key: str, _plan: Plan) -> Snapshot:
    """`untrained`; key: equal exactly when the network must be."""
    enough = max(2000, 3 * _plan.loss.wanted_references)  # the head may want some of every class
    total = DATASETS[_plan.dataset].splits["train"]
    recipe = _plan.recipe.replace(n=_plan.recipe.n or min(enough, total), sample=min(_plan.recipe.sample, 500))
    fresh = Training(_plan.network, _plan.dataset, recipe, "untrained", _plan.loss, _plan.arguments, start=_plan.start)
    return Snapshot((), (), fresh.kept, fresh.sample.labels, fresh.train.note, 0, 1, fresh.card, fresh.heads)
