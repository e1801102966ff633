"""One attack, made on one network and asked of others, through defences: what is known of it, what is to be made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st
import torch
from torch import Tensor

from core.attacks import Attack
from core.defenses import Defense
from core.models import Card
from core.params import fields
from pages.parts.engine.bounded import Bounded, fingerprint
from pages.parts.engine.networks import Network
from pages.parts.inputs import choose
from pages.parts.inputs.choose import Choice
from pages.parts.shell.jobs import Slot
from pages.parts.views import attacking, example
from pages.parts.views.compare.comparison import SCOPE, rebuilt
from pages.parts.work.attacks import Asked, Asker, Finished, Snapshot, transfer

ANSWERS = f"{SCOPE}.networks.shown"
"""Where the session keeps the `Answered` that is shown."""
_BEGUN = f"{SCOPE}.networks.begun"
"""Where it keeps the key of the last attack whose networks were asked without a press of Run."""

Verdict = Literal["fooled", "fooled, but not as the target", "not fooled", "wrong on the clean picture already"]


@dataclass(frozen=True)
class Column:
    """A network that is shown the attacked picture, through a defence or as it is."""

    card: Card
    defense: Defense | None

    @property
    def asker(self) -> Asker:
        return Asker(Network.of(self.card), self.defense)


@dataclass(frozen=True)
class Asking:
    """What is asked: an attack on a picture, made on the network that this was chosen for, of each column."""

    attack: Attack
    choice: Choice
    columns: tuple[Column, ...]
    seed: int

    @property
    def labels(self) -> Tensor:
        """(1,) the class that the attack leads away from, and that every network should name."""
        return torch.tensor([self.choice.attacked])

    @property
    def key(self) -> str:
        """Of what the attack gives."""
        return attacking.key(self.attack, self.choice.model, self.choice.image, self.labels, self.seed)


@dataclass(frozen=True)
class Answered:
    """What has come of it."""

    asking: Asking
    run: Finished
    answers: tuple[Asked, ...]
    """Of the first columns; of all, where it has reached its end."""


@dataclass(frozen=True)
class Wanted:
    """What a job is for; run: the attack, where it is known from before."""

    asking: Asking
    run: Finished | None

    def answered(self, made: Sequence[Finished | Asked]) -> Answered | None:
        """What there is; made: by the job, as far as it has come. None before the attack has ended."""
        run = self.run
        if run is None and made and isinstance(made[0], Finished):
            run = made[0]
        answers = tuple(each for each in made if isinstance(each, Asked))
        return None if run is None else Answered(self.asking, run, answers)


slot: Slot[Snapshot | None, tuple[Finished | Asked, ...], Wanted] = Slot(f"{SCOPE}.networks", every=1.0)
_answers: Bounded[Asked] = Bounded(64)
"""A few pictures and logits each: 1.5 MB at most for 224 pixels."""


def _key(column: Column, clean: Tensor, adversarial: Tensor) -> str:
    """Equal exactly when a column must answer the same."""
    through = None if column.defense is None else (column.defense.name, column.defense.values())
    return fingerprint(column.card.sha256, through, clean, adversarial)


def _made(asking: Asking) -> Finished | None:
    """What the attack has given, if it was run here before, or is in the example that comes with the page."""
    if (run := attacking.results.get(asking.key)) is not None:
        return run
    shortest, _ = example.runs(asking.choice, along=False) or ((), ())
    for run in shortest:
        of = run.result
        if attacking.key(rebuilt(of), asking.choice.model, of.images, of.labels, of.seed) == asking.key:
            return run
    return None


def begins(asking: Asking) -> bool:
    """Whether the networks are to be asked without a press of Run: once, where the attack itself is there already."""
    if st.session_state.get(_BEGUN) == asking.key or _made(asking) is None:
        return False
    st.session_state[_BEGUN] = asking.key
    return True


def known(asking: Asking) -> Answered | None:
    """What is asked, if all of it is known from before."""
    run = _made(asking)
    if run is None:
        return None
    clean, picture = asking.choice.image, run.result.adversarial_8bit
    found = [_answers.get(_key(column, clean, picture)) for column in asking.columns]
    answers = tuple(each for each in found if each is not None)
    return Answered(asking, run, answers) if len(answers) == len(found) else None


def start(asking: Asking) -> None:
    """Show at once what is known altogether, else begin."""
    if (there := known(asking)) is not None:
        st.session_state[ANSWERS] = there
        return
    run = _made(asking)
    made = None if run is None else run.result.adversarial_8bit
    choice, askers = asking.choice, tuple(column.asker for column in asking.columns)
    about, network = Wanted(asking, run), Network.of(choice.card)
    slot.start(about, transfer, asking.attack, network, askers, choice.image, asking.labels, asking.seed, made)


def take(made: tuple[Finished | Asked, ...], wanted: Wanted) -> None:
    """Keep what a job has given."""
    found = wanted.answered(made)
    if found is None:
        return
    attacking.keep(wanted.asking.key, found.run, wanted.asking.choice.card)
    picture = found.run.result.adversarial_8bit
    for column, asked in zip(wanted.asking.columns, found.answers, strict=False):
        _answers.put(_key(column, wanted.asking.choice.image, picture), asked)
    st.session_state[ANSWERS] = found


def verdict(asked: Asked, truth: int, aim: int | None) -> Verdict:
    """What has become of the attack before a network. truth: the class it should name; aim: the attack's target."""
    before, after = int(asked.logits_clean.argmax()), int(asked.logits.argmax())
    if before != truth:
        return "wrong on the clean picture already"
    if after == truth:
        return "not fooled"
    return "fooled" if aim is None or after == aim else "fooled, but not as the target"


def through(defense: Defense | None) -> str:
    """A defence and the values that people come to turn, in words: "JPEG 75"."""
    if defense is None:
        return "no defence"
    values = (getattr(defense, info.name) for info in fields(type(defense)) if info.first)
    return f"{defense.title} {', '.join(f'{value:g}' for value in values)}".strip()


def titles(columns: Sequence[Column]) -> list[str]:
    """What each column is called: its network and its defence, as far as they differ. No two are called the same."""
    names = {column.card.name: choose.brief(column.card) for column in columns}
    often = Counter(names.values())
    bare = all(column.defense is None for column in columns)
    found: list[str] = []
    for column in columns:
        name, words = names[column.card.name], through(column.defense)
        if often[name] > 1:
            name = column.card.name
        if len(names) == 1 and not bare:
            title = words[0].upper() + words[1:]
        else:
            title = name if column.defense is None else f"{name}, {words}"
        again = sum(other == title or other.startswith(f"{title} (") for other in found)
        found.append(f"{title} ({again + 1})" if again else title)
    return found


def shorts(columns: Sequence[Column], names: Sequence[str]) -> list[str]:
    """What each column is called where more is said beside it: by its defence alone, where no other has that.

    names: their `titles`.
    """
    alone = Counter(through(column.defense) for column in columns)
    return [
        name if column.defense is None or alone[through(column.defense)] > 1 else through(column.defense)
        for column, name in zip(columns, names, strict=True)
    ]
