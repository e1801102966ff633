"""Features around the centres of their classes: how far away they are, and how they look from the centres' middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from core.features.density import own_and_nearest
from core.losses.centers import shadow


@dataclass(frozen=True)
class Around:
    """Features (N, d) with labels (N,) around the centres (K, d) of their classes; all lengths in `unit`."""

    features: Tensor
    labels: Tensor
    centers: Tensor
    unit: float
    """The mean distance of two centres, in the features' own length."""
    own: Tensor
    """(N,) distance to the own centre, in units."""
    other: Tensor
    """(N,) distance to the nearest other centre, in units."""

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, centers: Tensor) -> Self:
        """Measure the distances. ValueError if labels do not fit, or of fewer than two centres."""
        unit = float(torch.pdist(centers.double()).mean())
        own, other = own_and_nearest(features.double() / unit, labels, centers.double() / unit)
        return cls(features, labels, centers, unit, own, other)

    def seen(self, classes: Sequence[int]) -> CenterView:
        """The features of two or more classes about the middle of their centres, in three directions of those centres.

        So up to four centres are seen where they are (`core.losses.centers.shadow`).
        """
        centers = self.centers[list(classes)].double() / self.unit
        middle = centers.mean(0)
        basis = _basis(centers - middle)
        axes, kept = shadow((centers - middle) @ basis)
        mine = torch.isin(self.labels, torch.tensor(list(classes)))
        offsets = self.features[mine].double() / self.unit - middle
        points = offsets @ basis @ axes
        share = float(points.square().sum() / offsets.square().sum())
        return CenterView((centers - middle) @ basis @ axes, points, self.labels[mine], self.own[mine], kept, share)


@dataclass(frozen=True)
class CenterView:
    """Centres (L, 3) and features (n, 3) of some classes in three directions; the centres' middle is the origin."""

    centers: Tensor
    points: Tensor
    labels: Tensor
    """(n,) of the points."""
    own: Tensor
    """(n,) distance of each to its centre in all dimensions."""
    kept: float
    """Share of the centres' squared lengths that the directions keep; 1 where they hide nothing."""
    share: float
    """The same of the features."""


def _basis(points: Tensor) -> Tensor:
    """(L, d) -> (d, r), orthonormal: of the space that the points fill."""
    directions: Tensor
    _, lengths, directions = torch.linalg.svd(points, full_matrices=False)
    return directions[: max(int((lengths > 1e-6 * lengths[0]).sum()), 1)].T
