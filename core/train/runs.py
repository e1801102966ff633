"""The state of a run on the disk: written after every epoch, and read back only if it is one.

It is one safetensors file: the tensors of network, optimiser, generator and kept features; and in its header, as JSON,
what run they are of. Anybody may have put the file there, so what it says is held against what training itself would
have written, before a tensor is read.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_safetensors
from torch import Tensor

from core.data import DATASETS, careful, store
from core.losses import Loss, trained_with
from core.models import NETWORKS, Card, Change, header, is_name
from core.models.assembly import check_data
from core.models.header import Shapes
from core.train.recipe import Recipe

SUFFIX = ".safetensors"
LIMIT = 10**10
"""Bytes of the largest file that is looked into; more tensors than the run's own are never read."""
LONGEST = 5_000_000
"""Bytes of the longest header: that of a thousand epochs with kept features has 0.6 million."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave."""

    index: int
    total: int
    loss: float
    """Mean training loss of the epoch."""
    accuracy: float
    """Share of (the recipe's `test_n`) test images that the head's logits name correctly, in its precision."""
    seconds: float


PROGRESS = {"last_epoch", "_step_count", "_last_lr", "_is_initial", "_get_lr_called_within_step"}
"""What a schedule of PyTorch's changes as it goes; the rest of it follows from the recipe."""
RATES = ("lr", "initial_lr", "max_lr", "min_lr")
"""What an optimiser's groups hold of a schedule's rates."""

Scalars = dict[str, bool | int | float | None]


class Description(BaseModel):
    """What the header says; optimiser, groups and schedule are PyTorch's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: dict[str, Any]
    """What must be the same for a run to be continued."""
    world: Annotated[int, Field(ge=1)]
    history: tuple[Epoch, ...]
    optimiser: dict[str, Scalars]
    groups: list[dict[str, Any]]
    schedule: dict[str, Any]
    changes: Annotated[tuple[Change, ...], Field(max_length=1000)] = ()
    """What was set otherwise on the way; see `core.models.Card.changes`."""


@dataclass(frozen=True)
class Run:
    """A run whose state was found in a file."""

    card: Card
    recipe: Recipe
    loss: Loss
    description: Description
    shapes: Shapes
    """Of the tensors in the file."""

    @property
    def done(self) -> int:
        """Epochs that are finished."""
        return len(self.description.history)


def listing(*parts: str) -> dict[str, Path]:
    """Name -> file of every state there is; whether it is one, `read` finds out.

    parts: of a folder within that of all runs, where one person's are kept apart.
    """
    return {
        path.stem: path
        for path in store.listing("runs", *parts)
        if path.suffix == SUFFIX and is_name(path.stem) and careful.is_file(path)
    }


def names(folder: Path | None = None) -> set[str]:
    """Names that a new run in `folder` must not have: those of all that lies there, also of locks.

    folder: that of all runs if left out.
    """
    return {path.stem for path in (store.listing("runs") if folder is None else careful.listing(folder))}


def delete(path: Path) -> None:
    """Delete the state in `path`. ValueError in one sentence if its run is under way, or the disk does not let it."""
    lock = FileLock(path.with_suffix(".lock"))
    with contextlib.suppress(OSError):  # where it cannot be locked, nothing is trained
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(f"the run {path.stem} is under way; stop it, or wait until it has ended.") from None
    try:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.with_suffix(".lock").unlink()
    except OSError as error:
        raise ValueError(f"{path.name} cannot be deleted ({error.strerror}).") from None
    finally:
        lock.release()


def expire(folder: Path, days: float) -> list[str]:
    """Delete the states in `folder` that were last written more than `days` ago, unless under way; their names."""
    gone = []
    for path in careful.listing(folder):
        # A lock that is left of a run whose state is gone; else it goes with the state.
        left = path.suffix == ".lock" and not os.path.lexists(path.with_suffix(SUFFIX))
        if (path.suffix == SUFFIX or left) and careful.is_file(path) and careful.age(path) > days * 86_400:
            with contextlib.suppress(ValueError):
                delete(path.with_suffix(SUFFIX))
                gone.append(path.stem)
    return gone


def write(path: Path, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    """Put a run's state into the one file `path`, whole or not at all. ValueError in one sentence if it cannot be."""
    content = save_safetensors(
        {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()},
        metadata={"run": json.dumps(description)},
    )
    store.put({path: content}, "the run's state", path)


def forget(path: Path) -> None:
    """Delete the state in `path`, and its lock, of a run that is finished; what cannot be deleted does no harm."""
    for file in (path, path.with_suffix(".lock")):
        with contextlib.suppress(OSError):
            file.unlink()


def refusal(path: Path) -> ValueError:
    """The sentence for a file that is no state."""
    return ValueError(f"{careful.shown(path.name)[1:-1]} is not the state of a run; delete it and train anew.")


def read(path: Path) -> Run:
    """The run whose state lies in `path`, without its tensors. ValueError in one sentence if it is none."""
    try:
        found = header.read(path, LIMIT, LONGEST)
        description = Description.model_validate(careful.parse_json(found.metadata["run"], finite=False))
        name = path.stem if is_name(path.stem) else "run"
        own = {"name": name, "title": "a run", "sha256": "0" * 64}
        card = Card.model_validate(description.card | own)
        check_data(card)
        recipe, loss = Recipe(**card.recipe), trained_with(card)
        history = [(epoch.index, epoch.total) for epoch in description.history]
        legal = (
            not own.keys() & description.card.keys(),
            card.network in NETWORKS,
            card.dataset in DATASETS,
            len(history) <= recipe.epochs,
            history == [(index, recipe.epochs) for index in range(1, len(history) + 1)],
        )
        if not all(legal):
            raise ValueError
    except (careful.Unreadable, KeyError, TypeError, ValueError):
        raise refusal(path) from None
    return Run(card, recipe, loss, description, found.shapes)


def read_tensors(path: Path, expected: Shapes) -> dict[str, Tensor]:
    """The tensors of the state in `path`. ValueError in one sentence if they are not of the shapes `expected`."""
    try:
        if header.read(path, LIMIT, LONGEST).shapes != expected:
            raise refusal(path)
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in expected}
    except (careful.Unreadable, OSError, SafetensorError):
        raise refusal(path) from None


def has_tensors(found: Shapes, fixed: Shapes, parameters: Sequence[tuple[int, ...]], kept: Shapes) -> bool:
    """Whether the tensors `found` in a state are such as a run writes, at whatever epoch.

    fixed: those that are always there. parameters: shapes of the optimiser's, for each of which it keeps some of that
    shape, and numbers. kept: what is kept of an epoch.
    """
    epochs: dict[str, set[str]] = {}
    for key, value in found.items():
        kind, _, rest = key.partition(".")
        number, _, entry = rest.partition(".")
        numbered = number.isdecimal() and len(number) < 10 and number == str(int(number))
        if kind == "kept" and numbered:
            epochs.setdefault(number, set()).add(entry)
            fits = kept.get(entry) == value
        elif kind == "optimiser" and numbered:
            fits = int(number) < len(parameters) and value in (((), True), (parameters[int(number)], True))
        else:
            fits = fixed.get(key) == value
        if not fits:
            return False
    return fixed.keys() <= found.keys() and all(entries == kept.keys() for entries in epochs.values())


def has_schedule(
    description: Description, groups: Sequence[Mapping[str, Any]], schedule: Mapping[str, Any], steps: int
) -> bool:
    """Whether the optimiser's and the schedule's own words are those of a run with these, after so many `steps`."""
    if not _alike(description.groups, groups) or not _alike(description.schedule, schedule):
        return False
    if not all(map(_same_group, description.groups, groups)):
        return False
    fresh = json.loads(json.dumps(schedule))
    numbers = {str(number) for group in groups for number in group["params"]}
    return (
        description.optimiser.keys() <= numbers
        and all(value == fresh[key] for key, value in description.schedule.items() if key not in PROGRESS)
        and description.schedule.get("last_epoch") == steps
    )


def _same_group(stored: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether a group has the parameters and the numbers of `own`, but for rates and what a schedule does to betas."""
    if stored.get("params") != own["params"] or "lr" not in stored:
        return False
    numbers = [key for key in stored if key not in RATES and type(own[key]) in (int, float)]
    return all(stored[key] == own[key] for key in numbers) and all(0 <= beta < 1 for beta in stored.get("betas", ()))


def _alike(stored: Any, fresh: Any) -> bool:
    """Whether `stored`, read from JSON, is built like `fresh`: numbers for numbers, the same words, lists as long.

    A dictionary may lack what a later version of PyTorch has added, and may not hold what this one does not know.
    """
    if isinstance(fresh, Mapping):
        return isinstance(stored, dict) and all(key in fresh and _alike(stored[key], fresh[key]) for key in stored)
    if isinstance(fresh, list | tuple):
        return isinstance(stored, list) and len(stored) == len(fresh) and all(map(_alike, stored, fresh))
    if isinstance(fresh, bool) or fresh is None:
        return type(stored) is type(fresh)
    return stored == fresh if isinstance(fresh, str) else type(stored) in (int, float)
