"""Compare: attacks side by side on one image, or one attack along a parameter."""

from __future__ import annotations

import pages.parts.shell.ready  # noqa: F401  before all else, see there

# isort: split
import streamlit as st
import torch

from core.attacks import Attack
from pages.parts.engine.networks import Network
from pages.parts.inputs import choose
from pages.parts.inputs.choose import Choice
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Slot
from pages.parts.views.compare import comparison, controls, example, result
from pages.parts.views.compare.comparison import SCOPE, Wanted
from pages.parts.views.compare.example import EXAMPLE
from pages.parts.views.compare.result import Shown
from pages.parts.work.attacks import Finished, Snapshot
from pages.parts.work.attacks import several as attack_in_turn

SEVERAL, ALONG = "several", "along"
MODES = {SEVERAL: "Attacks", ALONG: "Filmstrip"}

slot: Slot[Snapshot | None, tuple[Finished, ...], Wanted] = Slot(SCOPE, every=1.0)


def take(made: tuple[Finished, ...], wanted: Wanted) -> None:
    """Keep what a job has given."""
    wanted.keep(made)
    if runs := wanted.runs(made):
        st.session_state[f"{SCOPE}.shown"] = Shown(runs, wanted.choice)


def start(attacks: list[Attack], choice: Choice, seed: int) -> None:
    """Begin what is not known yet; show at once what is known altogether."""
    labels = torch.tensor([choice.attacked])
    about = comparison.wanted(attacks, choice, labels, seed)
    missing = tuple(about.missing.values())
    if missing:
        slot.start(about, attack_in_turn, missing, Network.of(choice.card), choice.image, labels, seed)
    else:
        take((), about)


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
    with st.container(horizontal=True, vertical_alignment="center", key="head"):
        press, about = st.container(width="content", key="press"), st.container(key="about")
    if wanted is None:
        with press:
            pressed = page.begin("Run", disabled=not attacks)
        if pressed and attacks and choice is not None:
            start(comparison.searched(attacks, result.matching()), choice, seed)
            st.rerun()
    else:
        press.button("Stop", type="primary", icon=":material/stop:", on_click=slot.stop)
    about.markdown(
        "**One picture, several ways to fool the network.** Above as one sees it, below magnified: what an attack does "
        "to flat parts shows there first. At equal success each is as short as it came; at one norm, equally long."
    )
    slot.complain()
    if wanted is not None:
        links.keep("view.")
        page.say("The comparison is running.")
        slot.watch(result.underway, take)
    elif choice is not None:
        shown: Shown | None = st.session_state.get(f"{SCOPE}.shown")
        fits = shown is not None and shown.choice.card == choice.card and shown.choice.image.equal(choice.image)
        if not fits and attacks:  # perhaps all of it is known, as where a link is opened
            labels = torch.tensor([choice.attacked])
            known = comparison.wanted(comparison.searched(attacks, result.matching()), choice, labels, seed)
            if not known.missing:
                take((), known)
                shown, fits = st.session_state[f"{SCOPE}.shown"], True
        if not fits:
            runs = example.runs(choice)
            shown = Shown(runs[0], choice, free=runs[1]) if runs is not None else None
        if shown is not None:
            page.say(result.said(shown))
        result.show(shown, choice, attacks)
page.finish()
