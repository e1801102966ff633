"""The Attack lab: fool a network, live, and look closely."""

from __future__ import annotations

import pages.parts.shell.ready  # noqa: F401  before all else, see there

# isort: split
import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator

from core.attacks import Attack
from core.models import Card
from pages.parts.inputs import choose, forms
from pages.parts.inputs.choose import Choice
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Slot
from pages.parts.views import attacking
from pages.parts.views.attacking import Shown
from pages.parts.views.lab import live, over, presented, result, through
from pages.parts.views.lab.result import SCOPE, Wanted
from pages.parts.work import attacks
from pages.parts.work.attacks import Finished, Snapshot

slot: Slot[Snapshot, Finished, Wanted] = Slot(SCOPE, every=0.4)
# No strings below names here: Streamlit shows what stands alone in a page's script.
TRIED = "lab.tried"  # where the session keeps what was last begun by itself
QUICK = 0.7  # seconds that an attack which begins by itself may take before it is shown as one under way


def attack_controls(card: Card, place: DeltaGenerator) -> Attack | None:
    """The attack and its parameters, from the sidebar; before an audience those that are kept for it, from `place`."""
    scope = f"{SCOPE}.{card.dataset}"
    cls = choose.attack("Attack", f"{SCOPE}.attack", "scw")
    defaults = attacking.start_values(cls, card)
    kept = presented.kept(cls)
    apart = dict.fromkeys(kept, place) if page.presenting() else {}
    with st.container(key="parameters"):
        attack = forms.form(cls, scope, defaults, link="", apart=apart, names={"target": choose.class_names(card)})
    forms.presets(cls, scope, f"{scope}.{cls.name}")
    presented.controls(cls)
    return attack


def start(attack: Attack, choice: Choice, seed: int) -> None:
    """Begin the attack, or show at once what an identical run has given before."""
    if known(attack, choice, seed):
        return
    labels = torch.tensor([choice.attacked])
    key = attacking.key(attack, choice.model, choice.image, labels, seed)
    network = choice.network
    slot.start(Wanted(attack, choice, key), attacks.attack, attack, network, choice.image, labels, seed)


def known(attack: Attack, choice: Choice, seed: int, shipped: bool = False) -> bool:
    """Show what an identical run has given before, if there was one. shipped: or came with a lesson."""
    key = attacking.key(attack, choice.model, choice.image, torch.tensor([choice.attacked]), seed)
    before = attacking.results.get(key)
    found = attacking.shipped(attack, choice, seed) if before is None and shipped else before
    if found is not None:
        st.session_state[attacking.IN_LAB] = Shown(found, attack, choice, cached=before is not None)
    return found is not None


def begin_once(attack: Attack, choice: Choice, seed: int) -> None:
    """Begin the attack as soon as its settings rest, once: what the server refuses is not asked for again and again."""
    key = attacking.key(attack, choice.model, choice.image, torch.tensor([choice.attacked]), seed)
    if st.session_state.get(TRIED) != key:
        st.session_state[TRIED] = key
        start(attack, choice, seed)
        slot.settle(QUICK, take)
        st.rerun()


def go_on(shown: Shown) -> None:
    """Begin where the search that is shown stopped."""
    found, network = shown.run.result, shown.choice.network
    start = found.adversarial
    wanted = Wanted(shown.attack, shown.choice, None, start)
    slot.start(wanted, attacks.attack, shown.attack, network, found.images, found.labels, found.seed, start)


def take(run: Finished, wanted: Wanted) -> None:
    """Keep what a job has given."""
    if wanted.key is not None:
        attacking.keep(wanted.key, run, wanted.choice.card)
    shown = Shown(run, wanted.attack, wanted.choice, cached=False, start=wanted.start)
    st.session_state[attacking.IN_LAB] = shown


page.setup("Attack lab", controls=True)
slot.complain()
stage = st.container(key="stage")
with stage.container(key="commands"):
    press, about, slid = st.container(horizontal=True, key="press"), st.container(key="about"), st.container(key="slid")
with st.sidebar:
    chosen = choose.network(SCOPE)
    behind = through.controls(chosen[0]) if chosen else through.Through()
    choice = choose.picture(SCOPE, *chosen) if chosen else None
    choice = through.seen(choice, behind) if choice else None
    attack = attack_controls(chosen[0], slid) if chosen else None
    seed = choose.seed(SCOPE)

before: Shown | None = st.session_state.get(attacking.IN_LAB)
if st.session_state.pop(result.FURTHER, False) and before is not None and slot.about is None:
    go_on(before)
wanted = slot.about
seen = wanted.choice if wanted is not None else choice  # a job goes on where the next network cannot be loaded
if seen is not None:
    own = attack is not None and attack.aim == seen.attacked
    by_itself = live.wanted(attack, seen.card)
    if wanted is None:
        # Not a callback: its arguments would be those of the last run, a slider moved just before Run would be lost.
        with press:
            pressed = page.begin("Run", disabled=attack is None or own)
        if pressed and attack is not None:
            start(attack, seen, seed)
            st.rerun()
        if own:
            about.info("The picture is of the target class already; choose another.")
        elif attack is not None and not result.shows(before, attack, seen, seed):
            there = known(attack, seen, seed, shipped=True)
            if by_itself and not there:
                begin_once(attack, seen, seed)
    else:
        press.button("Stop", type="primary", icon=":material/stop:", on_click=slot.stop)
        if by_itself and attack != wanted.attack:
            slot.stop()  # what was set meanwhile begins when it has ended
    live.switch(press, attack, seen.card)
    truth = page.plain(seen.classes[seen.label]) if seen.label >= 0 else "not known, so its answer is attacked"
    answer = page.plain(seen.classes[int(seen.logits.argmax())])
    about.markdown(
        f"**{page.plain(seen.title)}**  \nTruth: {truth}. The network says **{answer}** "
        f"({100 * float(seen.logits.softmax(0).max()):.1f} %)."
    )
    with stage, st.container(key="body"):
        if wanted is not None:
            links.keep("view.")
            page.say("The attack is running.")
            slot.watch(result.underway, take)
        else:
            shown: Shown | None = st.session_state.get(attacking.IN_LAB)
            fits = shown is not None and shown.choice.network == seen.network and shown.choice.image.equal(seen.image)
            if shown is not None and fits:
                page.say(result.said(shown))
            result.show(shown if fits else None, seen, attack)
    if wanted is None:
        through.show(shown if fits else None, behind)
        over.draw(shown if fits else None)
page.finish()
