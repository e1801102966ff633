"""The Attack lab: fool a network, live, and look closely."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
import torch

from core.attacks import ATTACKS, Attack
from core.export.archive import Item
from core.models import Card
from pages.parts.inputs import choose, forms
from pages.parts.inputs.choose import Choice
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Look, Slot
from pages.parts.views import attacking, stage, take_home
from pages.parts.views.attacking import Finished, Snapshot

SCOPE = "lab"
FIRST = ("alpha", "sigma_g", "margin")


@dataclass(frozen=True)
class Shown:
    """What is on the stage: a finished run, and what it was made with."""

    run: Finished
    attack: Attack
    choice: Choice
    cached: bool


@dataclass(frozen=True)
class Wanted:
    """What a job is for."""

    attack: Attack
    choice: Choice


slot: Slot[Snapshot, Finished, Wanted] = Slot(SCOPE, every=0.4)


def attack_controls(card: Card) -> Attack | None:
    """The attack and its parameters, from the sidebar."""
    scope = f"{SCOPE}.{card.dataset}"
    links.choice("attack", f"{SCOPE}.attack", "scw", ATTACKS)
    name = st.selectbox(
        "Attack", list(ATTACKS), key=f"{SCOPE}.attack", format_func=lambda n: ATTACKS[n].title, persist_state="session"
    )
    cls = ATTACKS[name]
    defaults = attacking.start_values(cls, card)
    with st.container(key="parameters"):
        attack = forms.form(cls, scope, defaults, [n for n in FIRST if n in cls.model_fields], link="")
    for label, values in cls.presets.items():
        st.button(
            f"Values of: {label}",
            key=f"{scope}.{cls.name}.{label}",
            on_click=forms.apply,
            args=(cls, scope, values),
            width="stretch",
        )
    return attack


def start(attack: Attack, choice: Choice, seed: int) -> None:
    """Begin the attack, or show at once what an identical run has given before."""
    labels = torch.tensor([choice.attacked])
    key = attacking.key(attack, choice.model, choice.image, labels, seed)
    known = attacking.results.get(key)
    if known is not None:
        st.session_state[f"{SCOPE}.shown"] = Shown(known, attack, choice, cached=True)
        return
    slot.start(Wanted(attack, choice), attacking.work, attack, choice.model, choice.image, labels, seed)


def take(result: Finished, wanted: Wanted) -> None:
    """Keep what a job has given."""
    st.session_state[f"{SCOPE}.shown"] = Shown(result, wanted.attack, wanted.choice, cached=False)


def draw(look: Look[Snapshot], wanted: Wanted) -> None:
    """Progress of a running attack."""
    image, snapshot = wanted.choice.image[0], look.snapshot
    if snapshot is None:
        st.progress(0.0, look.standing)
        stage.about_to_start(image, SCOPE)
        return
    remaining = f", about {look.remaining:.0f} s to go at most" if look.remaining is not None else ""
    st.progress(look.fraction, f"Step {snapshot.step} of {snapshot.total}, {look.elapsed:.0f} s{remaining}")
    stage.underway(image, snapshot.best, snapshot.found, snapshot.trace, SCOPE)


@st.fragment
def show(shown: Shown | None, choice: Choice, current: Attack | None) -> None:
    """The finished pictures and the display sliders; a fragment, so that a slider redraws only this."""
    if shown is not None and current is not None and current != shown.attack:
        st.info("The settings have changed since this run; press Run to see their effect.", icon=":material/info:")
    left, right = st.columns([703, 225], gap="small")
    if shown is None:
        with left:
            stage.clean(choice.image, choice.title, SCOPE)
        with right:
            stage.probabilities("The network says", choice.logits, choice.classes, choice.attacked)
        links.write()
        return
    with left:
        display = stage.finished(shown.run, shown.choice.title, SCOPE)
    with right:
        stage.verdict(shown.run.result, shown.choice.classes, display.sigma_h)
    stage.spectrum(shown.run.result, SCOPE)
    notes = [f"{shown.attack.title} on {shown.choice.card.title}"]
    if shown.run.result.stopped:
        notes.append("stopped before its end")
    if shown.cached:
        notes.append("kept from an identical run")
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.caption(page.plain(", ".join(notes)) + ".")
    item = Item(shown.attack.name, shown.run.result, shown.choice.card.sha256, shown.run.threads)
    with right:
        take_home.button([item], shown.choice.classes, display.magnify, display.gain, f"{SCOPE}.take_home")
    links.write()


page.setup("Attack lab", controls=True)
with st.sidebar:
    chosen = choose.network(SCOPE)
    choice = choose.picture(SCOPE, *chosen) if chosen else None
    attack = attack_controls(chosen[0]) if chosen else None
    links.whole("seed", f"{SCOPE}.seed", 0, 0, 2**31 - 1)
    seed = int(st.number_input("Seed", 0, 2**31 - 1, key=f"{SCOPE}.seed", persist_state="session"))

wanted = slot.about
press, about, formula = st.columns([90, 370, 460], gap="small", vertical_alignment="center")
if attack is not None:
    formula.container(key="formula").latex(attack.formula)
    st.markdown(f"**Look for:** {attack.look_for}")
seen = wanted.choice if wanted is not None else choice  # a job goes on where the next network cannot be loaded
if seen is not None:
    if wanted is None:
        # Not a callback: its arguments would be those of the last run, a slider moved just before Run would be lost.
        pressed = press.button("Run", type="primary", icon=":material/play_arrow:", disabled=attack is None)
        if pressed and attack is not None:
            start(attack, seen, seed)
            st.rerun()
    else:
        press.button("Stop", type="primary", icon=":material/stop:", on_click=slot.stop)
    truth = page.plain(seen.classes[seen.label]) if seen.label >= 0 else "not known, so its answer is attacked"
    answer = page.plain(seen.classes[int(seen.logits.argmax())])
    about.markdown(
        f"**{page.plain(seen.title)}**  \nTruth: {truth}. The network says **{answer}** "
        f"({100 * float(seen.logits.softmax(0).max()):.1f} %)."
    )
    slot.complain()
    if wanted is not None:
        links.keep("view.")
        slot.watch(draw, take)
    else:
        shown: Shown | None = st.session_state.get(f"{SCOPE}.shown")
        fits = shown is not None and shown.choice.card == seen.card and shown.choice.image.equal(seen.image)
        show(shown if fits else None, seen, attack)
page.finish()
