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


@dataclass(frozen=True)
class Hierarchy:
    """Centres grouped by superclass, and which features are nearest to the centre of another class."""

    within: float
    """Smallest distance of two centres of one superclass, in the features' own length; infinite if no two are."""
    between: float
    """The same of two centres of different superclasses."""
    wrong: int
    """Features that are nearest to another centre than their own."""
    strayed: int
    """Of those, the ones whose nearest centre is of another superclass."""

    @classmethod
    def of(cls, around: Around, groups: Sequence[int]) -> Self:
        """Of the superclasses `groups` of the K classes. ValueError unless there is one for each."""
        if len(groups) != len(around.centers):
            raise ValueError(f"groups must be one for each of {len(around.centers)} classes; got {len(groups)}.")
        of_class, centers = torch.tensor(list(groups)), around.centers.double()
        distances = torch.cdist(centers, centers)
        same = of_class[:, None] == of_class
        pairs = torch.ones_like(same).triu(1)
        within, between = (
            float(distances[pairs & chosen].amin()) if bool((pairs & chosen).any()) else float("inf")
            for chosen in (same, ~same)
        )
        nearest = torch.cdist(around.features.double(), centers).argmin(1)
        wrong = nearest != around.labels
        strayed = of_class[nearest] != of_class[around.labels]
        return cls(within, between, int(wrong.sum()), int(strayed.sum()))


def _basis(points: Tensor) -> Tensor:
    """(L, d) -> (d, r), orthonormal: of the space that the points fill."""
    directions: Tensor
    _, lengths, directions = torch.linalg.svd(points, full_matrices=False)
    return directions[: max(int((lengths > 1e-6 * lengths[0]).sum()), 1)].T
