"""Training: choose data, network, loss and recipe, and watch the feature space take shape."""

from __future__ import annotations

import pages.parts.shell.ready  # noqa: F401  before all else, see there

# isort: split
from pathlib import Path

import streamlit as st

from core.data import DATASETS
from core.train import runs
from pages.parts.shell import page, visitor
from pages.parts.shell.settings import settings
from pages.parts.views.training import changing, controls, kept, result, session
from pages.parts.views.training.session import SCOPE, slot
from pages.parts.work.trainings import Plan, Trained, train


def begin(plan: Plan | Path) -> None:
    """Start a job, or say why not."""
    try:
        if isinstance(plan, Plan):
            kept.check_room()
        largest = None if visitor.key() is None else settings().training_size * 1e6
        slot.start(session.about(plan), train, plan, kept.folder(), largest)
        changing.forget()
    except ValueError as error:
        slot.refuse(str(error))
    if slot.busy:
        st.session_state.pop(f"{SCOPE}.trained", None)


def unfinished() -> None:
    """The runs that were stopped or killed: go on with one, or delete it."""
    found = kept.unfinished()
    if not found:
        return
    with st.popover("Unfinished runs", icon=":material/history:"):
        name = st.selectbox("Run", list(found), key=f"{SCOPE}.unfinished")
        try:
            st.caption(page.plain(session.describe(found[name])))
        except ValueError as error:
            st.error(page.plain(str(error)))
        columns = st.columns(2)
        if columns[0].button("Go on", icon=":material/play_arrow:", key=f"{SCOPE}.resume", width="stretch"):
            begin(found[name])
            st.rerun()
        if columns[1].button("Delete", icon=":material/delete:", key=f"{SCOPE}.delete", width="stretch"):
            try:
                runs.delete(found[name])
            except ValueError as error:
                slot.refuse(str(error))
            st.rerun()


def networks() -> None:
    """The networks that a visitor of a shared server kept, to delete."""
    found = kept.networks()
    if not found:
        return
    with st.popover("Kept networks", icon=":material/save:"):
        name = st.selectbox("Network", found, key=f"{SCOPE}.network.kept")
        if st.button("Delete", icon=":material/delete:", key=f"{SCOPE}.network.delete", width="stretch"):
            try:
                kept.delete_network(name)
            except ValueError as error:
                slot.refuse(str(error))
            st.rerun()


def take(trained: Trained, about: session.About) -> None:
    """Keep what a job has given."""
    st.session_state[f"{SCOPE}.trained"] = trained, about.classes


page.setup("Training", controls=True)
with st.sidebar:
    plan = controls.plan()

left, right = st.columns([1, 1.3], vertical_alignment="center")
if plan is not None:
    right.latex(plan.loss.formula)
    page.tell(f"**Look for:** {plan.loss.look_for}")
with left, st.container(horizontal=True, vertical_alignment="center"):
    if not slot.busy:
        if page.begin("Start", disabled=plan is None) and plan is not None:
            begin(plan)
            st.rerun()
        unfinished()
        networks()
    else:
        st.button("Stop", type="primary", icon=":material/stop:", on_click=slot.stop)
        if not settings().public:
            st.markdown("After each epoch the run is saved; what is stopped can be gone on with.")
if slot.about is not None:
    changing.controls(slot.about)
slot.complain()
if slot.busy:
    page.say("The training is running.")
    slot.watch(result.underway, take)
elif f"{SCOPE}.trained" in st.session_state:
    trained, classes = st.session_state[f"{SCOPE}.trained"]
    if epochs := trained.snapshot.epochs:
        page.say(f"Trained for {len(epochs)} epochs: {100 * epochs[-1].accuracy:.1f} % of the test images right.")
    result.keep(trained)
    result.draw(trained.snapshot, classes, finished=True)
elif plan is not None:
    try:
        result.draw(result.untrained(plan), DATASETS[plan.dataset].classes, finished=False)
    except ValueError as error:
        st.error(page.plain(str(error)))
if visitor.several() and not settings().public:
    kept.sweep(settings().runs_expire)
page.finish()
