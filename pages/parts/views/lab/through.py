"""Seen through: a defence before the lab's network, attacked with it (white box) or shown what was made without."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st
from torch import Tensor

from core.defenses import Defended, Defense, suited
from core.metrics import l2
from core.models import Card
from core.params import fields
from pages.parts.components.viewer import Panel, viewer
from pages.parts.inputs import forms
from pages.parts.inputs.choose import Choice
from pages.parts.shell import cache, links, page
from pages.parts.shell.numbers import general
from pages.parts.views import display
from pages.parts.views.attacking import Shown
from pages.parts.views.lab.result import SCOPE

NONE = "none"
BOXES = {title.partition(" ")[0].lower(): title for title in ("White box", "Gray box")}
WHITE, GRAY = BOXES
WHAT = (
    "White box: the attack is made on the network behind the defence, and knows of it. Gray box: it is made on the "
    "bare network, and its picture is shown to the defended one."
)


@dataclass(frozen=True)
class Through:
    """How pictures reach the network."""

    defense: Defense | None = None
    white: bool = False
    """The attack is made on the network behind the defence."""

    def choice(self, choice: Choice) -> Choice:
        """What is attacked: the choice as it is, or behind the defence. ValueError where that cannot be had."""
        if self.defense is None or not self.white:
            return choice
        model = Defended(choice.model, self.defense)
        return replace(choice, model=model, defense=self.defense, logits=cache.answer(model, choice.image))


def title(defense: Defense) -> str:
    """A defence and the values that people come to turn: "JPEG 75"."""
    values = (getattr(defense, info.name) for info in fields(type(defense)) if info.first)
    return f"{defense.title} {', '.join(f'{value:g}' for value in values)}".strip()


def controls(card: Card) -> Through:
    """The sidebar's choice of what the network is shown pictures through."""
    there = suited(card.dataset)
    scope = f"{SCOPE}.{card.dataset}.through"
    links.choice("through", scope, NONE, [NONE, *there])
    name = st.selectbox(
        "Seen through",
        [NONE, *there],
        key=scope,
        format_func=lambda n: "nothing" if n == NONE else there[n].title,
        persist_state="session",
        help="A defence that changes every picture before the network sees it.",
    )
    if name == NONE:
        return Through()
    links.choice("box", f"{SCOPE}.box", WHITE, BOXES)
    box = st.segmented_control(
        "Attacked is",
        BOXES,
        key=f"{SCOPE}.box",
        format_func=BOXES.__getitem__,
        required=True,
        help=WHAT,
        persist_state="session",
    )
    defense = forms.form(there[name], scope, {}, link="through.", without=("weights",))
    return Through(defense, box == WHITE)


def seen(choice: Choice, through: Through) -> Choice | None:
    """What is attacked; None after having said why the defence cannot be had."""
    try:
        return through.choice(choice)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return None


@dataclass(frozen=True)
class Answer:
    """What the network behind a defence makes of a picture."""

    picture: Tensor
    """(1, C, H, W), as it is shown to the network."""
    logits: Tensor
    """(K,)."""
    refused: bool | None
    """None where the defence refuses nothing."""

    @classmethod
    def of(cls, model: Defended, picture: Tensor) -> Answer:
        """Of a picture (1, C, H, W) in [0, 1]."""
        refused = model.defense.refuses(picture)
        return cls(model.defense(picture), cache.answer(model, picture), None if refused is None else bool(refused[0]))

    @property
    def named(self) -> int:
        """The class that it is named."""
        return int(self.logits.argmax())


def outcome(clean: Answer, attacked: Answer, truth: int) -> str:
    """What has become of an attack before the network behind the defence."""
    if attacked.refused:
        return "refused"
    if clean.named != truth:
        return "wrong on the clean picture already"
    return "not fooled" if attacked.named == truth else "fooled"


def _says(answer: Answer, classes: tuple[str, ...]) -> str:
    told = f"{classes[answer.named]}, {100 * float(answer.logits.softmax(0).max()):.1f} %"
    return f"{told}; refused" if answer.refused else told


def show(shown: Shown | None, through: Through) -> None:
    """Below a result: the clean and the attacked picture as the network behind the defence is shown them."""
    if shown is None or through.defense is None or shown.run.result.status[0] not in ("fooled", "failed"):
        return
    white = shown.choice.defense is not None
    if white and shown.choice.defense != through.defense:
        return  # the settings have changed since, which the result says
    bare = shown.choice.model.behind if isinstance(shown.choice.model, Defended) else shown.choice.model
    try:
        model = Defended(bare, through.defense)
        result, classes = shown.run.result, shown.choice.classes
        clean, attacked = (Answer.of(model, picture) for picture in (result.images, result.adversarial_8bit))
    except ValueError as error:
        st.error(page.plain(str(error)))
        return
    truth = int(result.labels[0])
    made = "made with the defence in view (white box)" if white else "made on the bare network (gray box)"
    page.tell(
        f"**Seen through {page.plain(title(through.defense))}**: an attack {made}. "
        f"The defended network is **{outcome(clean, attacked, truth)}**."
    )
    left = attacked.picture - clean.picture
    gain = display.fitting_gain(float(left.abs().max()))
    panels = [
        Panel("Clean, as it is seen", clean.picture[0], note=_says(clean, classes)),
        Panel("Attacked, as it is seen", attacked.picture[0], note=_says(attacked, classes)),
        Panel(
            "What is left of it",
            left[0],
            1 / gain,
            note=f"L2 {float(l2(left)[0]):.3f} in place of "
            f"{float(l2(result.adversarial_8bit - result.images)[0]):.3f}; amplified ×{general(gain)}",
        ),
    ]
    viewer(panels, f"{SCOPE}.through.pictures", view=f"{SCOPE}.through")
