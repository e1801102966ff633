"""UMAP and t-SNE maps of the committed checkpoints, made once: `python -m core evaluate maps`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from rich.progress import Progress
from safetensors.torch import save as save_safetensors

from core import models
from core.data import DATASETS, gallery, store
from core.data.imageset import draw
from core.evaluate import records
from core.evaluate.records import RESULTS, Collection, Data, Network, Record, Rows, Setting, Sha256
from core.features.projections import PROJECTIONS, Map, Projection, Space
from core.models import Card, features_of
from core.params import Subparsers

FOLDER = RESULTS / "maps"
SAMPLE = 500
"""Test images of which a network that kept none is asked."""


class MapRecord(Record):
    """A map of the features that a checkpoint kept. `data` are the test images whose features they are.

    Rows: "epoch", which row of the kept features, "index" of the image in its split, and where it is drawn, "x", "y".
    """

    kind: ClassVar[str] = "map"

    features: Sha256
    """Of all kept features (E, n, d)."""
    note: str
    """What the map is, in a sentence."""

    def map(self, space: Space) -> Map:
        """The map itself. ValueError unless it is of `space`."""
        rows = self.rows
        if rows is None or self.features != records.identity(space.features):
            raise ValueError("space must be the one that was mapped; it is another.")
        epochs = tuple(int(epoch) for epoch in dict.fromkeys(rows["epoch"].tolist()))
        points = torch.from_numpy(np.stack([rows["x"], rows["y"]], 1)).view(len(epochs), -1, 2)
        return Map(epochs, points, self.note, known=space.features[-1])


def collection(name: str, folder: Path = FOLDER) -> Collection[MapRecord]:
    """The maps of the checkpoint `name`."""
    return Collection(MapRecord, folder / f"{name}.json")


def space_of(card: Card) -> Space | None:
    """The features that a checkpoint kept; None if it kept none."""
    kept = models.kept_features(card.name)
    if kept is None:
        return None
    return Space(kept.features, kept.labels)


def record(card: Card, projection: Projection, made: Map, command: str) -> MapRecord:
    """The record of a map of what the checkpoint of `card` kept."""
    kept = models.kept_features(card.name)
    assert kept is not None  # else there were no map
    images = len(kept.indices)
    return MapRecord(
        network=Network.of(card),
        data=Data(name=card.dataset, split="test", source="full", n=images, seed=card.seed),
        protocol=Setting.of(projection),
        command=command,
        versions=records.versions(),
        lacks="The images are known by their places in the test split; a map sees their features only.",
        features=records.identity(kept.features),
        note=made.note,
        rows=Rows(
            {
                "epoch": np.repeat(np.array(made.epoch_rows, np.int16), images),
                "index": np.tile(kept.indices.numpy().astype(np.int32), len(made.epoch_rows)),
                "x": made.points[..., 0].flatten().float(),
                "y": made.points[..., 1].flatten().float(),
            }
        ),
    )


def keep_features(name: str, folder: Path = models.CHECKPOINTS) -> Path:
    """Keep what the finished network `name` makes of SAMPLE test images, those that other trainings keep; the file.

    For a network whose training kept nothing: so that it has a map, and a place beside others. The images are read
    from the gallery. ValueError in one sentence if it kept some already, or the gallery has not all of the images.
    """
    card = models.card(name)
    path = folder / name / models.EMBEDDINGS
    if path.exists():
        raise ValueError(f"{name} kept features of its training, which are not to be replaced.")
    images = gallery.read(card.dataset)
    place = {index: row for row, index in enumerate(images.indices.tolist())}
    drawn = draw(SAMPLE, DATASETS[card.dataset].splits["test"], card.seed or 0)
    if not place.keys() >= set(drawn.tolist()):
        raise ValueError(
            f"the gallery of {card.dataset} has not all images that a training with seed {card.seed} keeps."
        )
    shown = images[[place[index] for index in drawn.tolist()]]
    model = models.load(name, "cpu")
    z = features_of(model, shown.images)
    with torch.no_grad():
        named = model.head(z).argmax(1)
    content = {
        "epochs": torch.tensor([int(card.recipe.get("epochs") or 0)]),
        "features": z[None].half(),
        "predictions": named[None].to(torch.int16),
        "indices": shown.indices,
        "labels": shown.labels,
    }
    store.put({path: save_safetensors(content)}, "the features", path)
    return path


def make(name: str, progress: Progress | None = None, folder: Path = FOLDER) -> Path:
    """Fit UMAP and t-SNE, as declared, to the checkpoint `name`, and write them to `folder`; returns the file.

    ValueError in one sentence if it kept no features.
    """
    card = models.card(name)
    space = space_of(card)
    if space is None:
        raise ValueError(f"{name} kept no features of its training; train it with a --sample above 0.")
    found = []
    for cls in PROJECTIONS.values():
        if cls.quick:
            continue
        projection = cls()
        task = progress.add_task(f"{name}, {cls.title}", total=1.0) if progress else None
        fit = projection.fit([space])
        while True:
            try:
                forming = next(fit)
            except StopIteration as end:
                (made,) = end.value
                break
            if progress and task is not None:
                progress.update(task, completed=forming.share)
        if progress and task is not None:
            progress.update(task, completed=1.0)
        found.append(record(card, projection, made, f"python -m core evaluate maps --models {name}"))
    path = collection(name, folder).path
    records.write(path, found)
    return path


def read(card: Card, projection: Projection, space: Space, folder: Path = FOLDER) -> Map | None:
    """The shipped map of `card` by `projection`; None if there is none for these weights, parameters and features."""
    try:
        for found in collection(card.name, folder).read():
            if found.network == Network.of(card) and found.protocol.is_of(projection):
                return found.map(space)
    except ValueError:  # damaged, or changed
        return None
    return None


def add_verb(verbs: Subparsers) -> None:
    """Register `evaluate maps`."""
    parser = verbs.add_parser("maps", help="remake the UMAP and t-SNE maps of the Embeddings page")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="default: all of the project's that kept features")
    parser.add_argument(
        "--keep", action="store_true", help="first ask those that kept no features for some, and keep them with them"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    names = arguments.models or [path.parent.name for path in sorted(models.CHECKPOINTS.glob(f"*/{models.EMBEDDINGS}"))]
    with Progress() as progress:
        for name in names:
            if arguments.keep and models.kept_features(name) is None:
                keep_features(name)
            path = make(name, progress)
            size = sum(file.stat().st_size for file in (path, records.beside(path))) / 1024
            progress.console.print(f"{path.stem}, {size:.0f} KB", highlight=False)
    return 0
