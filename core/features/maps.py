"""UMAP and t-SNE maps of the committed checkpoints, made once: `python -m core evaluate maps`."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

from core import models
from core.data.store import write_together
from core.features.projections import PROJECTIONS, Map, Projection, Space
from core.layout import ASSETS
from core.models import Card

FOLDER = ASSETS / "results" / "maps"


def space_of(card: Card) -> Space | None:
    """The features that a checkpoint kept; None if it kept none."""
    kept = models.kept_features(card.name)
    if kept is None:
        return None
    return Space(kept.features, kept.labels)


def key(card: Card, projection: Projection) -> dict[str, Any]:
    """What a shipped map must have been made with to be shown for `card` and `projection`."""
    return {"sha256": card.sha256, "projection": projection.name, "parameters": projection.values()}


def make(name: str, progress: Progress | None = None, folder: Path = FOLDER) -> Path:
    """Fit UMAP and t-SNE, as declared, to the checkpoint `name`, and write them to `folder`; returns the file.

    ValueError in one sentence if it kept no features.
    """
    card = models.card(name)
    space = space_of(card)
    if space is None:
        raise ValueError(f"{name} kept no features of its training; train it with a --sample above 0.")
    arrays: dict[str, Any] = {}
    for cls in PROJECTIONS.values():
        if cls.quick:
            continue
        projection = cls()
        task = progress.add_task(f"{name}, {cls.title}", total=1.0) if progress else None
        fit = projection.fit([space])
        while True:
            try:
                share = next(fit)
            except StopIteration as end:
                (made,) = end.value
                break
            if progress and task is not None:
                progress.update(task, completed=share)
        if progress and task is not None:
            progress.update(task, completed=1.0)
        arrays[f"{cls.name}.points"] = made.points.numpy().astype(np.float32)
        arrays[f"{cls.name}.epochs"] = np.array(made.epoch_rows)
        arrays[f"{cls.name}.note"] = np.array(made.note)
        arrays[f"{cls.name}.key"] = np.array(json.dumps(key(card, projection), sort_keys=True))
    path = folder / f"{name}.npz"
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    try:
        write_together({path: lambda file: file.write(buffer.getvalue())})
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror}); free some space.") from None
    return path


def read(card: Card, projection: Projection, space: Space, folder: Path = FOLDER) -> Map | None:
    """The shipped map of `card` by `projection`; None if there is none for these weights and parameters."""
    try:
        with np.load(folder / f"{card.name}.npz", allow_pickle=False) as arrays:
            if str(arrays[f"{projection.name}.key"]) != json.dumps(key(card, projection), sort_keys=True):
                return None
            points = torch.from_numpy(arrays[f"{projection.name}.points"])
            epoch_rows = tuple(int(i) for i in arrays[f"{projection.name}.epochs"])
            note = str(arrays[f"{projection.name}.note"])
    except (OSError, KeyError, ValueError):
        return None
    if points.shape != (len(epoch_rows), space.features.shape[1], 2) or epoch_rows[-1] >= len(space.features):
        return None
    return Map(epoch_rows, points, note, known=space.features[-1])


def add_verb(verbs: Any) -> None:
    """Register `evaluate maps`."""
    parser = verbs.add_parser("maps", help="remake the UMAP and t-SNE maps of the Embeddings page")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="default: all of the project's that kept features")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    names = arguments.models or [path.parent.name for path in sorted(models.CHECKPOINTS.glob(f"*/{models.EMBEDDINGS}"))]
    with Progress() as progress:
        for name in names:
            path = make(name, progress)
            progress.console.print(f"{path.name}, {path.stat().st_size / 1024:.0f} KB", highlight=False)
    return 0
