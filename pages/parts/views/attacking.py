"""An attack as a job, and its finished results."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from core.attacks import Attack, AttackResult, Run
from core.models import Card, Classifier
from pages.parts.components.film import Film, Recorder
from pages.parts.inputs.choose import Choice
from pages.parts.shell.cache import Bounded, fingerprint
from pages.parts.shell.jobs import Progress, Stop
from pages.parts.shell.settings import settings

EVERY = 0.25
"""Seconds between two snapshots: making one copies the pictures and the whole trace."""


@dataclass(frozen=True)
class Finished:
    """An attack that has ended, and the steps of it that can be looked at (None if it made none)."""

    result: AttackResult
    film: Film | None
    threads: int = field(default_factory=torch.get_num_threads)
    """Of the worker that made it: sums in another order end in other last digits."""


@dataclass(frozen=True)
class Shown:
    """A finished attack on a page, and what it was made with."""

    run: Finished
    attack: Attack
    choice: Choice
    cached: bool
    """It was there from an identical run."""


IN_LAB = "lab.shown"
"""Where the session keeps the `Shown` of the Attack lab, with which other pages may go on."""

results: Bounded[Finished] = Bounded(settings().results_kept)
"""Finished runs, so that an identical run is there at once: 12 MB each at most for 224 pixels, film and all."""


@dataclass(frozen=True)
class Snapshot:
    """An attack on one image, under way."""

    best: Tensor
    """(C, H, W)."""
    found: bool
    trace: dict[str, Tensor]
    step: int
    total: int


def key(attack: Attack, model: Classifier, images: Tensor, labels: Tensor, seed: int) -> str:
    """Equal exactly when the attack must give the same result."""
    return fingerprint(attack.name, attack.values(), model.card.sha256, images, labels, seed)


def start_values(cls: type[Attack], card: Card) -> dict[str, Any]:
    """What a page opens an attack with: its preset for photographs where the network sees such and it has one."""
    return cls.presets.get("photograph", {}) if card.dataset == "imagenet" else {}


def work(
    attack: Attack, model: Classifier, images: Tensor, labels: Tensor, seed: int
) -> Generator[Progress[Snapshot], None, Finished]:
    """`attack` on one image, as a job's generator. A run that reaches its end is kept in `results`."""
    run = Run(attack, model, images, labels, seed)
    progress: Progress[Snapshot] | None = None
    shown = 0.0
    recorder = Recorder(images[0])
    try:
        for step in run:
            recorder.see(step)
            if progress is None or time.monotonic() - shown > EVERY:
                snapshot = Snapshot(run.best()[0], bool(step.found[0]), run.trace(), step.index, step.total)
                progress, shown = Progress(step.index / step.total, snapshot), time.monotonic()
            yield progress
    except Stop:
        return Finished(run.result(), recorder.film())
    finished = Finished(run.result(), recorder.film())
    results.put(key(attack, model, images, labels, seed), finished)
    return finished
