"""Many images through networks, and their features on the plane, as jobs."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence

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
_images: Bounded[ImageSet] = Bounded(1)


def fit(
    spaces: Sequence[Space], projection: Projection
) -> Generator[Progress[str], None, list[tuple[Map, Distortion]]]:
    """A map of each space, with how much to believe that of its last epoch."""
    fitting = projection.fit(list(spaces))
    while True:
        try:
            with _one_at_a_time:
                share = next(fitting)
        except StopIteration as end:
            made: list[Map] = end.value
            return [(each, distortion(each, space)) for each, space in zip(made, spaces, strict=True)]
        yield Progress(share, "Fitting")


def distortion(made: Map, space: Space) -> Distortion:
    """How far the last epoch of a map is to be believed."""
    return projections.distortion(made.points[-1], space.features[made.epoch_rows[-1]])


def features(dataset: str, seen_by: Sequence[tuple[Network, str]]) -> Generator[Progress[str], None, list[Tensor]]:
    """The features (n, d) of the whole test split of `dataset` in each network, which are given with their titles."""
    images = _images.get(dataset)
    if images is None:
        images = data.load(dataset, "test")
        _images.put(dataset, images)
    found = []
    for i, (network, title) in enumerate(seen_by):
        model, batches = networks.load(network), []
        for at in range(0, len(images), BATCH):
            yield Progress((i + at / len(images)) / len(seen_by), f"{title}: {at:,} of {len(images):,} images")
            batches.append(features_of(model, images.images[at : at + BATCH]))
        found.append(torch.cat(batches))
    return found
