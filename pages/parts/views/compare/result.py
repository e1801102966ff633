"""What the Compare page shows: a column of pictures and numbers for each attack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from torch import Tensor

from core.attacks import Attack
from core.metrics import radial_power_spectrum
from core.params import fields
from pages.parts.components.viewer import viewer
from pages.parts.inputs import forms
from pages.parts.inputs.choose import Choice
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Look
from pages.parts.views import attacking, display, example, export, looking
from pages.parts.views.compare import columns, comparison
from pages.parts.views.compare.comparison import SCOPE, Matching, Wanted
from pages.parts.work.attacks import Finished, Snapshot


@dataclass(frozen=True)
class Shown:
    """What is on the page: finished attacks on one image, and what they were made with."""

    runs: tuple[Finished, ...]
    choice: Choice
    free: tuple[Finished, ...] = ()
    """Of the example: the same attacks as they run for one norm (`comparison.searched`)."""

    @property
    def example(self) -> bool:
        return bool(self.free)

    @property
    def attacks(self) -> list[Attack]:
        return [comparison.rebuilt(run.result) for run in self.runs]

    def to_match(self, matching: Matching) -> tuple[Finished, ...]:
        """The runs that are shown when perturbations are made comparable like this."""
        return self.free if self.free and matching.match == "norm" else self.runs


def underway(look: Look[Snapshot | None], wanted: Wanted) -> None:
    """Progress of a running comparison: each column is there when it is done."""
    done = wanted.runs(look.parts)
    best = None
    names = comparison.titles(wanted.attacks)
    if not look.begun:
        st.progress(0.0, look.standing)
    else:
        number = min(len(done) + 1, len(names))
        text = f"Column {number} of {len(names)}: {page.plain(names[number - 1])}"
        if (running := look.snapshot) is not None:
            step = f"step {running.step} of {running.total}"
            text += f", {step}"
            reached = "best so far" if running.found else "nearest attempt so far"
            best = running.best, f"{reached}\n{step}"
        st.progress(look.fraction, f"{text}, {look.elapsed:.0f} s")
    draw(Shown(done, wanted.choice), names, comparison.filmstrip(wanted.attacks), best)


def draw(shown: Shown, names: Sequence[str], row: bool, best: tuple[Tensor, str] | None = None) -> Matching:
    """The pictures and numbers, and below them how they are matched and displayed, which is returned.

    row: they stay beside each other. While a job runs there are more names than runs, and best is what the next of them
    has reached.
    """
    above = st.container()
    matched, seen, perturbations = display_controls(row)
    runs = shown.to_match(matched)
    results, norm = comparison.on_one_norm([run.result for run in runs], shown.choice.model, matched)
    there = columns.made(names, results, shown.choice.classes, seen.sigma_h, norm)
    coming = [(name, columns.short(name)) for name in names[len(there) :]]
    panels, rows = columns.panels(there, coming, shown.choice, seen, perturbations, best)
    with above:
        if told := looking.compared(names, results, norm):
            page.tell(f"**Look for:** {page.plain(told)}", SCOPE)
        viewer(panels, f"{SCOPE}.pictures", columns=comparison.MOST + 1, row=row, stack=rows, view=SCOPE)
    if any(bool(result.perturbation.any()) for result in results):
        spectra = {
            name: radial_power_spectrum(result.perturbation) for name, result in zip(names, results, strict=False)
        }
        columns.spectra(spectra, "Energy of each perturbation by frequency")
    notes = [shown.choice.card.title, *(f"seed {result.seed}" for result in results[:1])]
    if shown.example:
        notes.append(f"a finished example; remake it with: {example.record(row).command}")
    if any(isinstance(run, attacking.Shipped) for run in runs):
        notes.append(attacking.WHERE)
    if not runs:
        notes.append("press Run")
    elif norm is None:
        notes.append("every perturbation as short as its attack found one that fools")
    else:
        notes.append(f"every perturbation scaled to L2 = {norm:.3g}, clipped, and the network asked again")
    if any(run.result.stopped for run in runs):
        notes.append("stopped before its end")
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.caption(page.plain("; ".join(notes)) + ".")
    if not shown.example and len(names) == len(runs):
        with right:
            items = columns.items(names, runs, results, shown.choice.card.sha256, norm)
            export.button(items, shown.choice.classes, seen.magnify, seen.gain, f"{SCOPE}.export")
    return matched


def matching() -> Matching:
    """What the widgets below the pictures say, which may not be drawn yet."""
    forms.follow(Matching, SCOPE, "view.")
    state = {info.name: st.session_state[forms.widget_key(info, SCOPE)] for info in fields(Matching)}
    return Matching(**{name: None if value == forms.AUTOMATIC else value for name, value in state.items()})


def display_controls(row: bool) -> tuple[Matching, display.Display, bool]:
    """Widgets of what is only display; they never rerun an attack.

    row: of a film strip, which is of the perturbations: of one kind at its one end, of another at the other.
    """
    left, right = st.columns([1, 3.2], gap="medium")
    with left:
        chosen = forms.form(Matching, SCOPE, {}, link="view.") or Matching()
        key = f"{SCOPE}.{'along.' * row}perturbations"
        links.flag("view.perturbations", key, row)
        perturbations = st.toggle("Show the perturbations", key=key, persist_state="session")
    with right:
        seen = display.controls(SCOPE)
    return chosen, seen, perturbations


def said(shown: Shown) -> str:
    """What has come of a comparison, for who listens."""
    named = zip(comparison.titles(shown.attacks), shown.runs, strict=True)
    return "; ".join(f"{name}: {run.result.status[0]}" for name, run in named) + "."


@st.fragment
def show(shown: Shown | None, choice: Choice, current: Sequence[Attack], along: bool) -> None:
    """What is finished; a fragment, so that a display slider redraws only this.

    along: before anything is, the places of a film strip are there, each under its value.
    """
    if shown is None and along and current:
        draw(Shown((), choice), comparison.titles(current), row=True)
    elif shown is None:
        forms.follow(Matching, SCOPE, "view.")
        links.flag("view.perturbations", f"{SCOPE}.perturbations")
        page.tell(display.AS_IT_IS, SCOPE)
        display.clean(choice.image, choice.title, SCOPE)
    else:
        above = st.container()
        attacks = shown.attacks
        matched = draw(shown, comparison.titles(attacks), comparison.filmstrip(attacks))
        if current and comparison.searched(current, matched) != attacks and not shown.example:
            text = "The settings have changed since this run; press Run to see their effect."
            above.info(text, icon=":material/info:")
    links.write()
