"""Which class's boundary is the nearest? Asked in the middle of a search that follows one class's boundary at a time.

The boundary that a search happens to meet is not the nearest for a third of all digits (C4), and no number of passes
takes it elsewhere. So the boundaries of the classes that are nearest to being named are linearised at the best success,
and where another than the one reached looks nearer, the search goes to the point of it that is nearest to the clean
image, and on from there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.attacks.metric import Metric

BOUNDARIES = 3  # the classes asked of
_SURVEYS = 1 / 4, 1 / 2  # of the passes, after which it is asked which class is the nearest
_BACK = 3 / 4  # of the passes; after them the search is back at the best
_FEW = 40  # with fewer passes nobody asks
_WORTH = 0.98  # another class must look that much nearer


class Plan:
    """When a search of so many passes asks, and when it is back for good."""

    cost = 2
    """Passes of a question: one forward, and one backward for each class."""

    def __init__(self, passes: int) -> None:
        self._surveys = {math.ceil(share * passes) for share in _SURVEYS} if passes >= _FEW else set()
        self._back = math.ceil(_BACK * passes) if passes >= _FEW else 0

    def asks(self, index: int) -> bool:
        """Before pass number `index` it is asked which class is the nearest."""
        return index in self._surveys

    def returns(self, index: int) -> bool:
        """Before pass number `index` the search goes back to its best success."""
        return index in self._surveys or index == self._back


def nearest(
    metric: Metric, images: Tensor, at: Tensor, classes: Tensor, leads: Tensor, slopes: Tensor, goal: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Where a class leads by `goal`, if the network is linear around `at` (n, C, H, W): of the classes the nearest.

    images: (n, C, H, W), clean. classes, leads, slopes: of k classes at `at`, as `Search.boundaries` gives them, the
    one that is reached first. Returns (the perturbation (n, C, H, W), its norm (n, 1, 1, 1), the class (n,)), the class
    -1 where the one that is reached is nearest, or nearly.
    """
    reached = at - images
    paths, lengths = [], []
    for lead, slope in zip(leads, slopes, strict=True):
        g = torch.where(((at <= 0) & (slope < 0)) | ((at >= 1) & (slope > 0)), 0, slope)
        direction = metric(g)
        gap = (g * reached).sum((1, 2, 3), keepdim=True) + (goal - lead.view(-1, 1, 1, 1))
        gain = (g * direction).sum((1, 2, 3), keepdim=True)
        path = gap.clamp_min(0) / gain.clamp_min(1e-30) * direction
        length = metric.norms(path)
        paths.append(path)
        lengths.append(torch.where(length > 0, length, torch.inf))
    shortest, which = torch.stack(lengths).min(0)
    path = torch.stack(paths).gather(0, which.expand_as(at)[None])[0]
    nearer = (shortest < _WORTH * lengths[0]).flatten()
    return path, shortest, torch.where(nearer, classes.gather(0, which.view(1, -1))[0], -1)
