"""Trainings, as jobs."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from core import models
from core.data import careful, home
from core.data.store import listing
from core.losses import Loss
from core.models import MODELS, Card, build
from core.train import Batch, Epoch, Recipe, Training, image_sets, resume, runs, save
from pages.parts.engine.progress import Progress, Stop

CURVE = 400
"""Points of the loss's curve that are kept; a long run is thinned."""


@dataclass(frozen=True)
class Plan:
    """What is to be trained."""

    name: str
    network: str
    dataset: str
    loss: Loss
    recipe: Recipe
    arguments: Mapping[str, Any]
    start: str | None = None
    """The checkpoint to begin with."""


@dataclass(frozen=True)
class Snapshot:
    """A training under way."""

    epochs: tuple[Epoch, ...]
    losses: tuple[tuple[float, float], ...]
    """(epoch, loss) of the steps, thinned to at most 2 CURVE."""
    kept: Mapping[int, tuple[Tensor, Tensor]]
    """Epoch -> features (n, d) and predictions (n,) of the same images."""
    labels: Tensor
    """(n,) the true classes of those images."""
    note: str
    done: int
    total: int
    card: Card
    """Of the network as far as it is."""
    heads: Mapping[int, Mapping[str, Tensor]]
    """Epoch -> its head's state, where features have two dimensions; see `core.train.Training.heads`."""


@dataclass(frozen=True)
class Trained:
    """A training that ended or was stopped; it can be kept as a checkpoint, and resumed if it was stopped."""

    card: Card
    """Its title stands for what it is; weights and accuracy are not in it yet."""
    weights: Mapping[str, Tensor]
    embeddings: Mapping[str, Tensor]
    """As `core.models.EMBEDDINGS` describes; empty if its recipe keeps none."""
    snapshot: Snapshot

    @classmethod
    def of(cls, training: Training, snapshot: Snapshot) -> Trained:
        """What is left of a training, on the CPU."""
        weights = {name: value.detach().cpu().clone() for name, value in training.model.state_dict().items()}
        return cls(training.card, weights, training.embeddings(), snapshot)

    def keep(self, name: str, beside: Mapping[str, bytes] | None = None) -> Card:
        """Save it as the checkpoint `name` in the user's folder, with further files `beside` its card.

        ValueError in one sentence if that cannot be.
        """
        models.check_name(name)
        folder = home() / "checkpoints"
        if models.is_shipped(name):
            raise ValueError(f"{name} is the name of a network that comes with the project; {_free(name)} is free.")
        if os.path.lexists(folder / name):
            raise ValueError(f"There is a checkpoint {name} already; {_free(name)} is free.")
        model = build(self.card)
        model.load_state_dict(dict(self.weights))
        images = image_sets(self.card.dataset, Recipe(**self.card.recipe))[1]
        described = self.card.model_copy(update={"name": name})
        embeddings = dict(self.embeddings)
        # new: another may have come first meanwhile
        return save(model.eval(), described, folder, images.images, images.labels, embeddings, True, beside)


def _free(name: str) -> str:
    """A name like `name` that nothing has yet."""
    taken, stem = training_names(), name
    for number in itertools.count(2):
        while not models.is_name(f"{stem}-{number}"):
            stem = stem[:-1]
        if f"{stem}-{number}" not in taken:
            break
    return f"{stem}-{number}"


Heard = Sequence[tuple[str, Any]] | None
"""What a training under way listens to: (parameter, value) pairs for `core.train.Training.change`."""


def train(
    plan: Plan | Path, folder: Path | None = None, largest: float | None = None
) -> Generator[Progress[Snapshot], Heard, Trained]:
    """Train by a plan, or go on with the run whose state lies at a path, as a job's generator.

    A plan whose name is taken gets a number behind it. folder: gets the run's state after each epoch; None keeps none.
    largest: bytes that the state may have; a run that needs more ends after its first epoch.
    """
    if isinstance(plan, Path):
        return (yield from _train(resume(plan, plan.stem), largest))
    name, taken = plan.name, training_names(folder)
    for number in itertools.count(2):
        if name not in taken:
            break
        name = f"{plan.name}-{number}"
    state = None if folder is None else folder / f"{name}{runs.SUFFIX}"
    training = Training(plan.network, plan.dataset, plan.recipe, name, plan.loss, plan.arguments, state, plan.start)
    return (yield from _train(training, largest))


def training_names(folder: Path | None = None) -> set[str]:
    """The names that a new run must not have: those of runs, also of runs under way, and of checkpoints.

    folder: of the runs; that of all if left out.
    """
    kept = {path.name for path in listing("checkpoints")}
    return runs.names(folder) | kept | set(MODELS)


def _train(training: Training, largest: float | None) -> Generator[Progress[Snapshot], Heard, Trained]:
    total = training.batches * training.recipe.epochs
    done = training.batches * training.done
    losses = [(float(epoch.index), epoch.loss) for epoch in training.history]

    def snapshot() -> Snapshot:
        return Snapshot(
            tuple(training.history),
            tuple(losses),
            dict(training.kept),
            training.sample.labels,
            training.train.note,
            done,
            total,
            training.card,
            dict(training.heads),
        )

    progress = Progress(done / total, snapshot())
    yield progress
    every = 1
    try:
        for event in training.steps():
            if isinstance(event, Batch):
                done = event.done
                if done % every == 0:
                    losses.append((done / training.batches, event.loss))
                if len(losses) >= 2 * CURVE:
                    losses, every = losses[::2], 2 * every
                progress = Progress(done / total, progress.snapshot)
            else:
                progress = Progress(done / total, snapshot())
                _check_size(training.state, largest)
            heard: Heard = yield progress
            for parameter, value in heard or ():
                with contextlib.suppress(ValueError):  # the page offers nothing that it refuses
                    training.change(parameter, value)
                    progress = Progress(progress.fraction, snapshot())
    except Stop:
        return Trained.of(training, snapshot())
    if training.state is not None:
        runs.forget(training.state)
    return Trained.of(training, snapshot())


def _check_size(state: Path | None, largest: float | None) -> None:
    """ValueError in one sentence, the state being deleted, if it has more bytes than `largest`."""
    if state is None or largest is None:
        return
    size = os.stat(state).st_size
    if size > largest:
        runs.forget(state)
        raise ValueError(
            f"This training takes {careful.size(size)} on the disk, and may take {careful.size(int(largest))} here; "
            "choose a smaller network, or a smaller sample."
        )
