"""Many images through networks, and their features on the plane, as jobs."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core import data
from core.data import ImageSet
from core.features import projections
from core.features.projections import Distortion, Map, Projection, Space
from core.models import BATCH, features_of
from pages.parts.engine import networks
from pages.parts.engine.bounded import Bounded
from pages.parts.engine.networks import Network
from pages.parts.engine.progress import Progress

_one_at_a_time = threading.Lock()
"""UMAP may abort the process when two run at once in it."""
_images: Bounded[ImageSet] = Bounded(2)


@dataclass(frozen=True)
class Fitting:
    """What is seen of maps that are being fitted. points: (n, 2) of each space, where they are; None before that."""

    words: str
    points: tuple[Tensor | None, ...]


def fit(
    spaces: Sequence[Space], projection: Projection
) -> Generator[Progress[Fitting], None, list[tuple[Map, Distortion]]]:
    """A map of each space, with how much to believe that of its last epoch; yields them as they form."""
    fitting = projection.fit(list(spaces))
    points: list[Tensor | None] = [None] * len(spaces)
    while True:
        try:
            with _one_at_a_time:
                forming = next(fitting)
        except StopIteration as end:
            made: list[Map] = end.value
            return [(each, distortion(each, space)) for each, space in zip(made, spaces, strict=True)]
        if forming.points is not None:
            points[forming.space] = forming.points
        steps = f", step {forming.step} of {forming.steps}" if forming.steps else ""
        words = f"{projection.title}: map {forming.map} of {forming.maps}{steps}"
        yield Progress(forming.share, Fitting(words, tuple(points)))


def distortion(made: Map, space: Space) -> Distortion:
    """How far the last epoch of a map is to be believed."""
    return projections.distortion(made.points[-1], space.features[made.epoch_rows[-1]])


def features(
    dataset: str, split: str, seen_by: Sequence[tuple[Network, str]]
) -> Generator[Progress[str], None, list[Tensor]]:
    """The features (n, d) of images of `dataset` in each network, which are given with their titles.

    split: "test" for all of its test images, "train" for the training images of its gallery.
    """
    place = f"{dataset} {split}"
    images = _images.get(place)
    if images is None:
        images = data.load(dataset, "test") if split == "test" else data.gallery.read(dataset, split=split)
        _images.put(place, images)
    found = []
    for i, (network, title) in enumerate(seen_by):
        model, batches = networks.load(network), []
        for at in range(0, len(images), BATCH):
            yield Progress((i + at / len(images)) / len(seen_by), f"{title}: {at:,} of {len(images):,} images")
            batches.append(features_of(model, images.images[at : at + BATCH]))
        found.append(torch.cat(batches))
    return found
