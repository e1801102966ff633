"""Finished attacks: what pages show and keep of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from core.attacks import Attack
from core.defenses import Defended
from core.lessons import runs
from core.models import Card, Classifier
from pages.parts.engine.bounded import Bounded, fingerprint
from pages.parts.inputs.choose import Choice
from pages.parts.shell import lesson
from pages.parts.shell.settings import settings
from pages.parts.work.attacks import Finished


class Shipped(Finished):
    """One that came with a lesson (`core.lessons.runs`), and was not computed here."""


WHERE = "a finished result; Run computes it before your eyes"
"""What is said of such a one."""


@dataclass(frozen=True)
class Shown:
    """A finished attack on a page, and what it was made with."""

    run: Finished
    attack: Attack
    choice: Choice
    cached: bool
    """It was there from an identical run."""
    start: Tensor | None = None
    """(1, C, H, W) where an earlier run stopped, if it went on from there: no link makes it again."""

    @property
    def further(self) -> bool:
        return self.start is not None


IN_LAB = "lab.shown"
"""Where the session keeps the `Shown` of the Attack lab, with which other pages may go on."""

results: Bounded[Finished] = Bounded(settings().results_kept)
"""Finished runs, so that an identical run is there at once: 12 MB each at most for 224 pixels, film and all."""

AT_ONCE = 0.5
"""Seconds that an attack may have taken for one that begins by itself whenever a slider rests."""
took: Bounded[float] = Bounded(1024)
"""Seconds of the last run of each attack on each network."""


def key(attack: Attack, model: Classifier, images: Tensor, labels: Tensor, seed: int) -> str:
    """Equal exactly when the attack must give the same result."""
    through = (model.defense.name, model.defense.values()) if isinstance(model, Defended) else ()
    return fingerprint(attack.name, attack.values(), model.card.sha256, *through, images, labels, seed)


def shipped(attack: Attack, choice: Choice, seed: int) -> Shipped | None:
    """The identical run that came with a lesson, while one is followed; asked anew of the network."""
    if not lesson.followed() or choice.defense is not None:  # theirs are of bare networks
        return None
    try:
        found = runs.find(attack, choice.model, choice.image, choice.attacked, seed)
    except ValueError:  # damaged: it is computed as any other
        return None
    return None if found is None else Shipped(found, None)


def goes_on(attack: Attack) -> bool:
    """Whether an attack can go on from where its search stopped."""
    return type(attack).further is not Attack.further


def keep(key: str, finished: Finished, card: Card) -> None:
    """Keep a run that has reached its end in `results`, and how long it took on the network of `card`."""
    result = finished.result
    if result.trace.get("step") is not None and (not result.stopped or result.seconds > AT_ONCE):
        took.put(f"{result.attack} {card.sha256}", result.seconds)
    if not result.stopped:
        results.put(key, finished)


def measured(attack: Attack, card: Card) -> float | None:
    """Seconds that the last run of such an attack on this network took in its worker; None if there was none."""
    return took.get(f"{attack.name} {card.sha256}")


def start_values(cls: type[Attack], card: Card) -> dict[str, Any]:
    """What a page opens an attack with: its preset for photographs where the network sees such and it has one."""
    return cls.presets.get("photograph", {}) if card.dataset == "imagenet" else {}
