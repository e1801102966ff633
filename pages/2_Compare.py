"""Compare: attacks side by side on one image, or one attack along a parameter."""

from __future__ import annotations

import streamlit as st
import torch

from pages.parts.inputs import choose
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Slot
from pages.parts.views.attacking import Finished
from pages.parts.views.compare import comparison, controls, example, result
from pages.parts.views.compare.comparison import SCOPE, Underway
from pages.parts.views.compare.example import EXAMPLE
from pages.parts.views.compare.result import Shown, Wanted

SEVERAL, ALONG = "several", "along"
MODES = {SEVERAL: "Attacks", ALONG: "Filmstrip"}

slot: Slot[Underway, tuple[Finished, ...], Wanted] = Slot(SCOPE, every=1.0)


def take(runs: tuple[Finished, ...], wanted: Wanted) -> None:
    """Keep what a job has given."""
    st.session_state[f"{SCOPE}.shown"] = Shown(runs, wanted.choice)


page.setup("Compare", controls=True)
with st.sidebar:
    chosen = choose.network(SCOPE, EXAMPLE.model)
    choice = choose.picture(SCOPE, *chosen, first=EXAMPLE.photo) if chosen else None
    links.choice("compare", f"{SCOPE}.mode", SEVERAL, MODES)
    mode = st.segmented_control(
        "Compare",
        list(MODES),
        key=f"{SCOPE}.mode",
        format_func=MODES.__getitem__,
        required=True,
        persist_state="session",
    )
    attacks = (controls.along if mode == ALONG else controls.several)(chosen[0]) if chosen else []
    seed = choose.seed(SCOPE)

wanted = slot.about
seen = wanted.choice if wanted is not None else choice
if seen is not None:
    left, right = st.columns([1, 7], vertical_alignment="center")
    row = left.container(horizontal=True)
    if wanted is None:
        pressed = row.button("Run", type="primary", icon=":material/play_arrow:", disabled=not attacks)
        if pressed and attacks and choice is not None:
            labels = torch.tensor([choice.attacked])
            to_run = comparison.searched(attacks, result.matching())
            about = Wanted(tuple(to_run), choice)
            slot.start(about, comparison.work, to_run, choice.model, choice.image, labels, seed)
            st.rerun()
    else:
        row.button("Stop", type="primary", icon=":material/stop:", on_click=slot.stop)
    right.markdown(
        "**One picture, several ways to fool the network.** Above as one sees it, below magnified: what an attack does "
        "to flat parts shows there first. At equal success each is as short as it came; at one norm, equally long."
    )
    slot.complain()
    if wanted is not None:
        links.keep("view.")
        slot.watch(result.underway, take)
    elif choice is not None:
        shown: Shown | None = st.session_state.get(f"{SCOPE}.shown")
        fits = shown is not None and shown.choice.card == choice.card and shown.choice.image.equal(choice.image)
        if not fits:
            runs = example.runs(choice)
            shown = Shown(runs[0], choice, free=runs[1]) if runs is not None else None
        result.show(shown, choice, attacks)
page.finish()
