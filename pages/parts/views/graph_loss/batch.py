"""The batch that the graph smoothness loss sees, and what it sees of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from core import models
from core.data import ImageSet
from core.features import projections
from core.losses import choose_references, label_smoothness, similarity_graph
from core.losses.playground import normalised
from core.models import Card, features_of
from core.params import Parameters, parameter
from pages.parts.engine.bounded import Bounded, fingerprint
from pages.parts.shell import cache

SCOPE = "graph"
SIZE = 100
"""Images of a batch: as many as the paper's graphs have vertices (section 4.1)."""


class Picture(Parameters):
    """How the graph is drawn; nothing here changes a number."""

    temperature: float = parameter(
        1.0,
        ge=0.1,
        le=10,
        log=True,
        symbol="T",
        title="Temperature of the picture",
        help="Only of the picture: an edge is drawn with opacity (weight / largest weight)^(1/T). Small values leave "
        "the strongest edges, large ones show all alike. No number changes.",
    )
    positions: Literal["features", "circle"] = parameter(
        "features", help="Where images are drawn: by their features, or on a circle, class by class."
    )


@dataclass(frozen=True)
class Batch:
    """One mini-batch of a network, over its training where that was kept."""

    images: ImageSet
    epochs: tuple[int, ...]
    """Rising; empty where only the network as it is now is known."""
    features: Tensor
    """(E, n, d) as the loss sees them, normalised; E = 1 where `epochs` is empty."""
    norm: str
    """What was done to the network's features: "none" where the network itself normalises them, else "l2", "batch"."""
    frame: Tensor
    """(E, n, 2) in one linear frame of all epochs; the features themselves where d = 2."""


@dataclass(frozen=True)
class Seen:
    """What the graph smoothness loss sees of n embeddings."""

    weights: Tensor
    """(n, n) exp(-alpha distance) where connected, else 0."""
    punished: Tensor
    """(n, n) bool: connected, and of different class."""
    signals: Tensor
    """(K,) s_c^T L s_c of every class; their sum is the loss."""

    @property
    def loss(self) -> float:
        """The graph smoothness loss, Definition 1."""
        return float(self.signals.sum())


_batches: Bounded[Batch] = Bounded(24)


def batch(card: Card, available: ImageSet, balanced: bool, seed: int) -> Batch:
    """SIZE of the `available` images, with a network's features of them.

    balanced: as many of each class as of any other; else drawn as a training draws its batches. Of a network that kept
    features over its training only images are taken that it kept. ValueError in one sentence if it has too few images.
    """
    key = fingerprint(card.name, card.sha256, balanced, seed)
    found = _batches.get(key)
    if found is None:
        found = _batch(card, available, balanced, seed)
        _batches.put(key, found)
    return found


def _batch(card: Card, available: ImageSet, balanced: bool, seed: int) -> Batch:
    past = models.kept_features(card.name)
    place: dict[int, int] = {}
    if past is not None:
        place = {index: row for row, index in enumerate(past.indices.tolist())}
        kept = [row for row, index in enumerate(available.indices.tolist()) if index in place]
        if len(kept) >= SIZE:
            available = available[kept]
        else:
            past = None
    generator = torch.Generator().manual_seed(seed)
    if len(available) < SIZE:
        raise ValueError(f"{card.name} has only {len(available)} images here, and a batch needs {SIZE}.")
    if balanced:
        rows = choose_references(available.labels, SIZE, generator)
    else:
        rows = torch.randperm(len(available), generator=generator)[:SIZE]
    images = available[rows]
    epochs: tuple[int, ...] = ()
    if past is None:
        z = features_of(cache.model(card.name, card.sha256), images.images)[None]
    else:
        z, epochs = past.features[:, [place[index] for index in images.indices.tolist()]], past.epochs
    norm = "none" if card.embedding_norm in ("l2", "batch") else "batch" if z.shape[-1] == 2 else "l2"
    z = torch.stack([normalised(epoch, norm) for epoch in z])
    return Batch(images, epochs, z, norm, projections.project(z, projections.shared_frame(z)))


def seen(z: Tensor, labels: Tensor, classes: int, alpha: float, k: int | None) -> Seen:
    """What the loss sees of embeddings z (n, d); k of n or more connects all, as in training."""
    weights = similarity_graph(z, alpha, k if k is not None and k < len(z) else None)
    return Seen(weights, (weights > 0) & (labels[:, None] != labels), label_smoothness(weights, labels, classes))


def losses(of: Batch, classes: int, alpha: float, k: int | None) -> list[float]:
    """The loss of the batch after each of its epochs."""
    return [seen(z, of.images.labels, classes, alpha, k).loss for z in of.features]


def circle(labels: Tensor) -> Tensor:
    """(n, 2) places on the unit circle, one class after the other, from the top clockwise; a gap between classes."""
    order = labels.argsort(stable=True)
    gaps = torch.cat([torch.zeros(1), (labels[order].diff() > 0).float()]).cumsum(0)
    steps = torch.arange(len(labels)) + 2.0 * gaps
    angles = 2 * torch.pi * steps / (float(steps[-1]) + 3.0)
    places = torch.empty(len(labels), 2)
    places[order] = torch.stack([angles.sin(), angles.cos()], 1)
    return places


def strongest(of: Seen, count: int, vertex: int | None = None) -> Sequence[tuple[int, int, float]]:
    """The punished pairs (i, j, weight) of largest weight, at most `count`; of one vertex alone, if given."""
    weights = torch.where(of.punished, of.weights, -1.0)
    weights = weights.triu(1) if vertex is None else weights[vertex][None]
    values, places = weights.flatten().topk(min(count, weights.numel()))
    width = weights.shape[1]
    return [
        (int(p) // width if vertex is None else vertex, int(p) % width, float(v))
        for v, p in zip(values, places, strict=True)
        if v > 0
    ]
