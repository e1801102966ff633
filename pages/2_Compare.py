"""Compare: attacks side by side on one image, one attack along a parameter, or before several networks."""

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
from pages.parts.views import example
from pages.parts.views.compare import comparison, controls, networks, result, through
from pages.parts.views.compare.comparison import SCOPE, Wanted
from pages.parts.views.compare.networks import Asking
from pages.parts.views.compare.result import Shown
from pages.parts.work.attacks import Finished, Snapshot
from pages.parts.work.attacks import several as attack_in_turn

SEVERAL, ALONG, NETWORKS = "several", "along", "networks"
MODES = {SEVERAL: "Attacks", ALONG: "Filmstrip", NETWORKS: "Networks"}
WAYS = {
    SEVERAL: "**One picture, several ways to fool the network.** Above as one sees it, below magnified: what an attack "
    "does to flat parts shows there first. At equal success each is as short as it came; at one norm, equally long.",
    ALONG: "**One picture, one attack, at several values of one parameter.** From left to right nothing but that value "
    "changes. Above as one sees it, below it what was added, amplified alike, and the picture magnified.",
}
SHOWN = {False: f"{SCOPE}.shown", True: f"{SCOPE}.along.shown"}  # where the session keeps each kind

slot: Slot[Snapshot | None, tuple[Finished, ...], Wanted] = Slot(SCOPE, every=1.0)


def take(made: tuple[Finished, ...], wanted: Wanted) -> None:
    """Keep what a job has given."""
    wanted.keep(made)
    if runs := wanted.runs(made):
        st.session_state[SHOWN[wanted.along]] = Shown(runs, wanted.choice)


def start(attacks: list[Attack], choice: Choice, seed: int, along: bool) -> None:
    """Begin what is not known yet; show at once what is known altogether."""
    labels = torch.tensor([choice.attacked])
    about = comparison.wanted(attacks, choice, labels, seed, along)
    missing = tuple(about.missing.values())
    if missing:
        slot.start(about, attack_in_turn, missing, Network.of(choice.card), choice.image, labels, seed)
    else:
        take((), about)


def compare(attacks: list[Attack], choice: Choice | None, seed: int, along: bool) -> None:
    """Attacks side by side, or one along a parameter."""
    wanted = slot.about
    seen = wanted.choice if wanted is not None else choice
    if seen is None:
        return
    pressed = controls.head(slot, bool(attacks), WAYS[ALONG if along else SEVERAL])
    if wanted is not None:
        links.keep("view.")
        page.say("The comparison is running.")
        slot.watch(result.underway, take)
    elif choice is not None:
        if pressed and attacks:
            start(comparison.searched(attacks, result.matching()), choice, seed, along)
            st.rerun()
        shown: Shown | None = st.session_state.get(SHOWN[along])
        fits = shown is not None and shown.choice.card == choice.card and shown.choice.image.equal(choice.image)
        searched = comparison.searched(attacks, result.matching())
        if attacks and (not fits or shown is None or shown.attacks != searched):  # perhaps all of it is known
            labels = torch.tensor([choice.attacked])
            known = comparison.wanted(searched, choice, labels, seed, along, shipped=True)
            if not known.missing:
                take((), known)
                shown, fits = st.session_state[SHOWN[along]], True
        if not fits:
            runs = example.runs(choice, along)
            shown = Shown(runs[0], choice, free=runs[1]) if runs is not None else None
            if along and shown is not None and shown.attacks != attacks:
                shown = None  # something else is set, which is to come
        if shown is not None:
            page.say(result.said(shown))
        result.show(shown, choice, attacks, along)


def ask(asking: Asking | None, choice: Choice | None) -> None:
    """One attack, and what several networks say of its picture."""
    wanted = networks.slot.about
    seen = wanted.asking.choice if wanted is not None else choice
    if seen is None:
        return
    pressed = controls.head(networks.slot, asking is not None, through.WORDS)
    if wanted is not None:
        links.keep("view.")
        page.say("The networks are being asked.")
        networks.slot.watch(through.underway, networks.take)
    else:
        there = through.there(asking, seen)
        if asking is not None and (pressed or (there is None and networks.begins(asking))):
            networks.start(asking)
            st.rerun()
        through.body(there, asking, seen)


page.setup("Compare", controls=True)
with st.sidebar:
    chosen = choose.network(SCOPE, example.EXAMPLE.model)
    choice = choose.picture(SCOPE, *chosen, first=example.EXAMPLE.photo) if chosen else None
    links.choice("compare", f"{SCOPE}.mode", SEVERAL, MODES)
    mode = st.segmented_control(
        "Compare",
        list(MODES),
        key=f"{SCOPE}.mode",
        format_func=MODES.__getitem__,
        required=True,
        persist_state="session",
    )
    asked = None
    attacks: list[Attack] = []
    if chosen and mode == NETWORKS:
        asked = controls.networks(chosen[0])
    elif chosen:
        attacks = (controls.along if mode == ALONG else controls.several)(chosen[0])
    seed = choose.seed(SCOPE)

if mode == NETWORKS:
    ask(Asking(asked[0], choice, asked[1], seed) if asked and choice else None, choice)
else:
    compare(attacks, choice, seed, mode == ALONG)
page.finish()
