"""What the Compare page shows of one attack that several networks are asked about, through defences."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from torch import Tensor

from core.attacks import ADVICE
from core.export.archive import Item
from core.metrics import l2, radial_power_spectrum, roughness
from pages.parts.components.viewer import viewer
from pages.parts.inputs import choose
from pages.parts.inputs.choose import Choice
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Look
from pages.parts.shell.numbers import general
from pages.parts.views import display, export, looking
from pages.parts.views.compare import columns, comparison, networks
from pages.parts.views.compare.comparison import SCOPE
from pages.parts.views.compare.networks import Answered, Asking, Wanted
from pages.parts.work.attacks import Asked, Snapshot

WORDS = (
    "**One picture, one attack, several networks.** Made on the network chosen first, it is shown to the others as a "
    "file keeps it, in 8 bits, through a defence where one is chosen: each picture here is what that network sees."
)


def facts(asked: Asked, asking: Asking, sigma_h: float) -> list[tuple[str, str]]:
    """(name, value) of what is said below a column's pictures, all of it of the pictures that are shown."""
    before, after = (100 * float(logits.double().softmax(0)[asking.choice.attacked]) for logits in _logits(asked))
    left, alone = asked.adversarial - asked.clean, asked.clean - asking.choice.image
    return [
        ("Clean picture", columns.answer(asked.logits_clean, asking.choice.classes)),
        ("Truth, clean", f"{before:.1f} %"),
        ("Truth, attacked", f"{after:.1f} %"),
        ("L2 between both", f"{l2(left)[0]:.3f}"),
        ("Ω / L2² × 10³", general(1e3 * float(roughness(left, sigma_h, normalised=True)[0]))),
        ("L2 of the defence", f"{l2(alone)[0]:.3f}"),
    ]


def _logits(asked: Asked) -> tuple[Tensor, Tensor]:
    return asked.logits_clean, asked.logits


def seen_by(
    names: Sequence[tuple[str, str]], answers: Sequence[Asked], asking: Asking, sigma_h: float
) -> list[columns.Column]:
    """A column for each network that has answered; its names are long and short."""
    choice = asking.choice
    return [
        columns.Column(
            name,
            short,
            asked.adversarial[0],
            (asked.adversarial - asked.clean)[0],
            asked.adversarial,
            f"{columns.answer(asked.logits, choice.classes)}\n"
            f"{networks.verdict(asked, choice.attacked, asking.attack.aim)}",
            facts(asked, asking, sigma_h),
        )
        for (name, short), asked in zip(names, answers, strict=False)
    ]


def underway(look: Look[Snapshot | None], wanted: Wanted) -> None:
    """Progress: of the attack, then of those who are asked."""
    asking = wanted.asking
    found = wanted.answered(look.parts)
    answers = () if found is None else found.answers
    best = None
    if not look.begun:
        st.progress(0.0, look.standing)
    else:
        text = f"Asked {len(answers)} of {len(asking.columns)} networks"
        if (running := look.snapshot) is not None:
            step = f"step {running.step} of {running.total}"
            text = f"{page.plain(asking.attack.title)}, {step}"
            best = running.best, f"{'best' if running.found else 'nearest attempt'} so far\n{step}"
        st.progress(look.fraction, f"{text}, {look.elapsed:.0f} s")
    draw(asking, answers, best)


def draw(asking: Asking, answers: Sequence[Asked], best: tuple[Tensor, str] | None = None) -> display.Display:
    """The pictures and numbers, and below them how they are displayed, which is returned.

    answers: of the first columns; best: what the attack has reached, while it runs.
    """
    names = networks.titles(asking.columns)
    above = st.container()
    seen, perturbations = controls()
    both = list(zip(names, networks.shorts(asking.columns, names), strict=True))
    there = seen_by(both, answers, asking, seen.sigma_h)
    panels, rows = columns.panels(there, both[len(there) :], asking.choice, seen, perturbations, best)
    with above:
        if len(there) == len(names):
            verdicts = [networks.verdict(each, asking.choice.attacked, asking.attack.aim) for each in answers]
            page.tell(f"**Look for** who is {looking.passed_on(names, verdicts)}", SCOPE)
        viewer(panels, f"{SCOPE}.pictures", columns=comparison.MOST + 1, row=True, stack=rows, view=SCOPE)
    spectra = {
        each.name: radial_power_spectrum(each.perturbation[None]) for each in there if bool(each.perturbation.any())
    }
    if spectra:
        columns.spectra(spectra, "Energy of what is left of the perturbation by frequency")
    return seen


def controls() -> tuple[display.Display, bool]:
    """Widgets of what is only display; they never ask anybody."""
    left, right = st.columns([1, 3.2], gap="medium")
    with left:
        perturbations = links.flag("view.perturbations", f"{SCOPE}.perturbations")
        perturbations = st.toggle("Show the perturbations", key=f"{SCOPE}.perturbations", persist_state="session")
    with right:
        seen = display.controls(SCOPE)
    return seen, perturbations


def said(found: Answered) -> str:
    """What has come of it, for who listens."""
    asking = found.asking
    named = zip(networks.titles(asking.columns), found.answers, strict=False)
    told = (f"{name}: {networks.verdict(each, asking.choice.attacked, asking.attack.aim)}" for name, each in named)
    return "; ".join(told) + "."


@st.fragment
def show(found: Answered | None, choice: Choice, current: Asking | None) -> None:
    """What is finished, or the picture as it is; a fragment, so that a display slider redraws only this."""
    if found is None:
        links.flag("view.perturbations", f"{SCOPE}.perturbations")
        page.tell(display.AS_IT_IS, SCOPE)
        display.clean(choice.image, choice.title, SCOPE)
        links.write()
        return
    asking, result = found.asking, found.run.result
    above = st.container()
    seen = draw(asking, found.answers)
    if result.status[0] != "fooled":
        above.warning(f"{asking.attack.title}: {ADVICE[result.status[0]]}")
    changed = current is not None and (current.attack, current.columns, current.seed) != (
        asking.attack,
        asking.columns,
        asking.seed,
    )
    if changed:
        text = "The settings have changed since this run; press Run to see their effect."
        above.info(text, icon=":material/info:")
    notes = [f"{asking.attack.title} made on {choose.brief(asking.choice.card)}, seed {asking.seed}"]
    notes.append(f"L2 {l2(result.adversarial_8bit, result.images)[0]:.3f} in 8 bits")
    if asking.choice.label < 0:
        notes.append("the truth is not known: what that network says of the clean picture is taken for it")
    if result.stopped:
        notes.append("stopped before its end")
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.caption(page.plain("; ".join(notes)) + ".")
    with right:
        item = Item(asking.attack.name, result, asking.choice.card.sha256, found.run.threads)
        export.button([item], asking.choice.classes, seen.magnify, seen.gain, f"{SCOPE}.export")
    links.write()


def there(asking: Asking | None, choice: Choice) -> Answered | None:
    """What is known of what is asked, or was asked last of this picture."""
    found: Answered | None = st.session_state.get(networks.ANSWERS)
    if found is not None and not _of(found, choice):
        found = None
    if found is None and asking is not None:
        found = networks.known(asking)  # perhaps all of it, as where a link is opened
        if found is not None:
            st.session_state[networks.ANSWERS] = found
    return found


def body(found: Answered | None, asking: Asking | None, choice: Choice) -> None:
    """What is `there`."""
    if found is not None:
        page.say(said(found))
    show(found, choice, asking)


def _of(found: Answered, choice: Choice) -> bool:
    was = found.asking.choice
    return was.card == choice.card and was.image.equal(choice.image)
