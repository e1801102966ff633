"""Compare: attacks side by side on one image, or one attack along a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
import torch
from torch import Tensor

from core import examples
from core.attacks import ATTACKS, Attack, AttackResult
from core.metrics import radial_power_spectrum
from core.models import Card, Classifier
from pages.parts.charts import plots
from pages.parts.components.viewer import viewer
from pages.parts.inputs import choose, forms
from pages.parts.inputs.choose import Choice
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Look, Slot
from pages.parts.views import attacking, duel, stage, take_home
from pages.parts.views.attacking import Finished

SCOPE = "compare"
EXAMPLE = examples.duel_facts()
SEVERAL, ALONG = "several", "along"
MODES = {SEVERAL: "Attacks", ALONG: "Filmstrip"}
# What the columns open with; strings in a page's own script would be drawn, hence comments.
FIRST = ("cw", "scw", "smoothfool", "sddn", "ddn", "deepfool")


@dataclass(frozen=True)
class Shown:
    """What is on the page: finished attacks on one image, and what they were made with."""

    runs: tuple[Finished, ...]
    choice: Choice
    example: bool = False

    @property
    def attacks(self) -> list[Attack]:
        return [duel.rebuilt(run.result) for run in self.runs]


@dataclass(frozen=True)
class Wanted:
    """What a job is for."""

    attacks: tuple[Attack, ...]
    choice: Choice


slot: Slot[duel.Underway, tuple[Finished, ...], Wanted] = Slot(SCOPE, every=1.0)


def attack_choice(name: str, key: str, default: str, label: str) -> type[Attack]:
    """A select box of all attacks."""
    links.choice(name, key, default, ATTACKS)
    chosen = st.selectbox(
        label, list(ATTACKS), key=key, format_func=lambda n: ATTACKS[n].title, persist_state="session"
    )
    return ATTACKS[chosen]


def several(card: Card) -> list[Attack]:
    """Controls of several attacks, each with its own parameters; those whose parameters are legal."""
    links.whole("columns", f"{SCOPE}.columns", len(EXAMPLE["attacks"]), 1, duel.MOST)
    count = st.slider("Columns", 1, duel.MOST, key=f"{SCOPE}.columns", persist_state="session")
    found = []
    for i in range(1, count + 1):
        cls = attack_choice(f"{i}.attack", f"{SCOPE}.{i}.attack", FIRST[i - 1], f"Column {i}")
        with st.popover("Parameters", width="stretch", key=f"{SCOPE}.{i}.parameters"):
            values = attacking.start_values(cls, card)
            attack = forms.form(cls, f"{SCOPE}.{card.dataset}.{i}", values, link=f"{i}.")
        if attack is None:
            st.error(f"The parameters of column {i} do not go together.")
        else:
            found.append(attack)
    return found


def along(card: Card) -> list[Attack]:
    """Controls of one attack along a parameter; empty after having said what is wrong."""
    cls = attack_choice("attack", f"{SCOPE}.along.attack", "scw", "Attack")
    infos = duel.sweepable(cls)
    key = f"{SCOPE}.along.{cls.name}.parameter"
    links.choice("parameter", key, next(iter(infos)), infos)
    name = st.selectbox("Along", list(infos), key=key, format_func=lambda n: infos[n].label, persist_state="session")
    info = infos[name]
    key = f"{SCOPE}.along.{cls.name}.{name}.values"

    def read(text: str) -> str:
        duel.parse_values(text, info)
        return text

    links.read("values", key, duel.opening_values(info), read)
    text = st.text_input("Values", key=key, persist_state="session", help=forms.help_text(info))
    with st.popover("Other parameters", width="stretch", key=f"{SCOPE}.along.parameters"):
        values = attacking.start_values(cls, card)
        attack = forms.form(cls, f"{SCOPE}.{card.dataset}.along", values, link="", without=[name])
    if attack is None:
        st.error("The parameters of the attack do not go together.")
        return []
    try:
        return [attack.replace(**{name: value}) for value in duel.parse_values(text, info)]
    except ValueError as error:
        st.error(str(error))
        return []


def take(runs: tuple[Finished, ...], wanted: Wanted) -> None:
    """Keep what a job has given."""
    st.session_state[f"{SCOPE}.shown"] = Shown(runs, wanted.choice)


def draw_underway(look: Look[duel.Underway], wanted: Wanted) -> None:
    """Progress of a running duel: each column is there when it is done."""
    done: tuple[Finished, ...] = ()
    best = None
    names = duel.titles(wanted.attacks)
    underway = look.snapshot
    if underway is None:
        st.progress(0.0, look.standing)
    else:
        done = underway.done
        number = min(len(done) + 1, len(names))
        text = f"Column {number} of {len(names)}: {page.plain(names[number - 1])}"
        if underway.snapshot is not None:
            step = f"step {underway.snapshot.step} of {underway.snapshot.total}"
            text += f", {step}"
            reached = "best so far" if underway.snapshot.found else "nearest attempt so far"
            best = underway.snapshot.best, f"{reached}\n{step}"
        st.progress(look.fraction, f"{text}, {look.elapsed:.0f} s")
    draw(Shown(done, wanted.choice), names, best)


def draw(shown: Shown, names: Sequence[str], best: tuple[Tensor, str] | None = None) -> None:
    """The pictures and numbers, and below them how they are matched and displayed.

    While a duel runs there are more names than runs, and best is what the next of them has reached.
    """
    above = st.container()
    matching, display, perturbations = display_controls()
    results, norm = duel.on_one_norm([run.result for run in shown.runs], shown.choice.model, matching)
    panels, rows = duel.panels(names, results, shown.choice, display, perturbations, norm, best)
    with above:
        viewer(panels, f"{SCOPE}.pictures", columns=duel.MOST + 1, stack=rows, view=SCOPE)
    if any(bool(result.perturbation.any()) for result in results):
        spectra = {
            name: radial_power_spectrum(result.perturbation) for name, result in zip(names, results, strict=False)
        }
        st.plotly_chart(
            plots.spectra(spectra),
            key=f"{SCOPE}.spectra",
            config=plots.CONFIG,
            alt="Energy of each perturbation for each spatial frequency",
        )
    notes = [shown.choice.card.title, *(f"seed {result.seed}" for result in results[:1])]
    if shown.example:
        notes.append(f"a finished example; remake it with: {EXAMPLE['made by']}")
    if norm is not None:
        notes.append(f"every perturbation scaled to L2 = {norm:.3g}, clipped, and the network asked again")
    if any(run.result.stopped for run in shown.runs):
        notes.append("stopped before its end")
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.caption(page.plain("; ".join(notes)) + ".")
    if not shown.example and len(names) == len(shown.runs):
        with right:
            items = duel.items(names, shown.runs, results, shown.choice.card.sha256, norm)
            take_home.button(items, shown.choice.classes, display.magnify, display.gain, f"{SCOPE}.take_home")


def display_controls() -> tuple[duel.Matching, stage.Display, bool]:
    """Widgets of what is only display; they never rerun an attack."""
    left, right = st.columns([1, 2.4], gap="medium")
    with left:
        matching = forms.form(duel.Matching, SCOPE, {}, link="view.") or duel.Matching()
        perturbations = links.flag("view.perturbations", f"{SCOPE}.perturbations")
        perturbations = st.toggle("Show the perturbations", key=f"{SCOPE}.perturbations", persist_state="session")
    with right:
        display = stage.display_controls(SCOPE)
    return matching, display, perturbations


@st.fragment
def show(shown: Shown | None, choice: Choice, current: Sequence[Attack]) -> None:
    """What is finished; a fragment, so that a display slider redraws only this."""
    if shown is None:
        forms.follow(duel.Matching, SCOPE, "view.")
        links.flag("view.perturbations", f"{SCOPE}.perturbations")
        stage.clean(choice.image, choice.title, SCOPE)
    else:
        if current and list(current) != shown.attacks and not shown.example:
            st.info("The settings have changed since this run; press Run to see their effect.", icon=":material/info:")
        draw(shown, duel.titles(shown.attacks))
    links.write()


@st.cache_resource(max_entries=2, show_spinner=False)
def example_results(_model: Classifier, sha256: str) -> list[AttackResult]:
    """The example's results; sha256: of the weights, by which they are kept."""
    return examples.read_duel(_model)


def example(choice: Choice) -> Shown | None:
    """The finished example, where nothing has been run yet and its network and photograph are chosen."""
    if choice.card.name != EXAMPLE["model"]:
        return None
    results = example_results(choice.model, choice.card.sha256)
    if not results[0].images.equal(choice.image):
        return None
    return Shown(tuple(Finished(result, None) for result in results), choice, example=True)


page.setup("Compare", controls=True)
with st.sidebar:
    chosen = choose.network(SCOPE, EXAMPLE["model"])
    choice = choose.picture(SCOPE, *chosen, first=EXAMPLE["photo"]) if chosen else None
    links.choice("compare", f"{SCOPE}.mode", SEVERAL, MODES)
    mode = st.segmented_control(
        "Compare",
        list(MODES),
        key=f"{SCOPE}.mode",
        format_func=MODES.__getitem__,
        required=True,
        persist_state="session",
    )
    attacks = (along if mode == ALONG else several)(chosen[0]) if chosen else []
    links.whole("seed", f"{SCOPE}.seed", 0, 0, 2**31 - 1)
    seed = int(st.number_input("Seed", 0, 2**31 - 1, key=f"{SCOPE}.seed", persist_state="session"))

wanted = slot.about
seen = wanted.choice if wanted is not None else choice
if seen is not None:
    left, right = st.columns([1, 7], vertical_alignment="center")
    row = left.container(horizontal=True)
    if wanted is None:
        pressed = row.button("Run", type="primary", icon=":material/play_arrow:", disabled=not attacks)
        if pressed and attacks and choice is not None:
            labels = torch.tensor([choice.attacked])
            about = Wanted(tuple(attacks), choice)
            slot.start(about, duel.work, attacks, choice.model, choice.image, labels, seed)
            st.rerun()
    else:
        row.button("Stop", type="primary", icon=":material/stop:", on_click=slot.stop)
    right.markdown(
        "**One picture, several ways to fool the network.** Above as one sees it, below magnified, where it shows what "
        "each attack did to the flat parts."
    )
    slot.complain()
    if wanted is not None:
        links.keep("view.")
        slot.watch(draw_underway, take)
    elif choice is not None:
        shown: Shown | None = st.session_state.get(f"{SCOPE}.shown")
        fits = shown is not None and shown.choice.card == choice.card and shown.choice.image.equal(choice.image)
        show(shown if fits else example(choice), choice, attacks)
page.finish()
