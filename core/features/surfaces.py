"""The loss of a class over the plane, for three losses: what their contours look like, and the room between two."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from core.features.density import pointwise_loss
from core.losses import CrossEntropy, GeneralizedSoftmax, Loss, MaxMahalanobis, max_mahalanobis_centers
from core.models.heads import CenterHead, QuadraticHead

WINDOW = 5.0
"""Half the side of the window that pictures of a loss show; losses are computed to twice that."""


@dataclass(frozen=True)
class Surface:
    """The loss of one class over the plane: values (n, n) at coordinates (n,), from -2 WINDOW to 2 WINDOW."""

    title: str
    at: Tensor
    values: Tensor
    marks: Tensor
    """(K, 2) centres, or for a linear head the rows of its weight."""

    def area(self, low: float, high: float, half: float) -> float:
        """Of the points of the window of half-side `half` whose loss is between two values; by counting."""
        step = float(self.at[1] - self.at[0])
        inside = self.at.abs() <= half + 1e-9
        seen = self.values[inside][:, inside]
        return float(((seen >= low) & (seen < high)).sum()) * step**2


def surfaces(label: int, ratio: float) -> list[Surface]:
    """SCE, g-SCE and MMC for three classes in the plane, by core's losses on core's heads, were the class `label`.

    ratio: how much more sharply g-SCE's class `label` counts distances than the others (its sigma over theirs).
    """
    at = torch.linspace(-2 * WINDOW, 2 * WINDOW, 241, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1).reshape(-1, 2)
    centers = max_mahalanobis_centers(3, 2, 2.0).double()
    linear = torch.nn.Linear(2, 3).double()
    quadratic = QuadraticHead(2, 3, half=False).double()
    fixed = CenterHead(2, 3).double()
    with torch.no_grad():
        linear.weight.copy_(centers / 2)
        linear.bias.zero_()
        quadratic.centers.copy_(centers)
        assert quadratic.log_precision is not None
        quadratic.log_precision[label] = math.log(ratio)
        fixed.centers.copy_(centers)
    kinds: list[tuple[str, Loss, torch.nn.Module, Tensor]] = [
        ("SCE: linear logits", CrossEntropy(), linear, centers / 2),
        ("g-SCE: quadratic logits", GeneralizedSoftmax(), quadratic, centers),
        ("MMC: distance to the centre", MaxMahalanobis(norm=2.0), fixed, centers),
    ]
    return [
        Surface(title, at, pointwise_loss(loss, head, grid, label).reshape(len(at), -1), marks)
        for title, loss, head, marks in kinds
    ]
