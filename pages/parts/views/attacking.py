"""Finished attacks: what pages show and keep of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from core.attacks import Attack
from core.models import Card, Classifier
from pages.parts.engine.bounded import Bounded, fingerprint
from pages.parts.inputs.choose import Choice
from pages.parts.shell.settings import settings
from pages.parts.work.attacks import Finished


@dataclass(frozen=True)
class Shown:
    """A finished attack on a page, and what it was made with."""

    run: Finished
    attack: Attack
    choice: Choice
    cached: bool
    """It was there from an identical run."""
    further: bool = False
    """It went on from where an earlier run stopped: no link and no script makes it again."""


IN_LAB = "lab.shown"
"""Where the session keeps the `Shown` of the Attack lab, with which other pages may go on."""

results: Bounded[Finished] = Bounded(settings().results_kept)
"""Finished runs, so that an identical run is there at once: 12 MB each at most for 224 pixels, film and all."""


def key(attack: Attack, model: Classifier, images: Tensor, labels: Tensor, seed: int) -> str:
    """Equal exactly when the attack must give the same result."""
    return fingerprint(attack.name, attack.values(), model.card.sha256, images, labels, seed)


def goes_on(attack: Attack) -> bool:
    """Whether an attack can go on from where its search stopped."""
    return type(attack).further is not Attack.further


def keep(key: str, finished: Finished) -> None:
    """Keep a run that has reached its end in `results`."""
    if not finished.result.stopped:
        results.put(key, finished)


def start_values(cls: type[Attack], card: Card) -> dict[str, Any]:
    """What a page opens an attack with: its preset for photographs where the network sees such and it has one."""
    return cls.presets.get("photograph", {}) if card.dataset == "imagenet" else {}
