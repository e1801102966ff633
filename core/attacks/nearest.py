"""Which class's boundary is the nearest? Asked in the middle of a search that follows one class's boundary at a time.

The boundary that a search happens to meet is not the nearest for a third of all digits (C4), and no number of passes
takes it elsewhere. So the boundaries of the classes that are nearest to being named are linearised at the best success,
and where another than the one reached looks nearer, the search goes to the point of it that is nearest to the clean
image, and on from there.

The last question is for the verdict. That the last third of a search shortened nothing may be because it stands at the
foot of the wrong boundary: of what 1000 passes do not shorten some is a third too long (C4, MMC). And that it shortened
something need not mean that more is to come. So it is asked in the end how near the boundaries look from what was
found. Where the own one looks as near, to 1 %, as what was found is long, it cannot be shortened along it, however late
it was found. Where another looks less than a tenth farther, or the own one nearer by a twentieth, there is doubt:
linearised boundaries are no better known. What is out of sight, as the same class's boundary elsewhere, a search cannot
know. Of 1920 digits (20 networks, `benchmarks/attacks.py converged --n 48 --skip 0 120`) 252 of C&W's converge so, 399
of DDN's, 542 and 613 of sC&W's and sDDN's with rho; of these 15, 32, 36 and 26 are more than 5 % longer than the best
known, of the others 459, 444, 277 and 238.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from core.attacks.gradient import inward
from core.attacks.metric import Metric

BOUNDARIES = 3  # the classes asked of
_SURVEYS = 1 / 4, 1 / 2  # of the passes, after which it is asked which class is the nearest
_BACK = 3 / 4  # of the passes; after them the search is back at the best
_FEW = 40  # with fewer passes nobody asks
_WORTH = 0.98  # another class must look that much nearer
_OWN, _OTHERS = 0.95, 1.1  # of the length: nearer than that the own boundary, or another class's, leaves a doubt
_STANDS = 0.99  # of the length: no nearer than that the own boundary, and nothing is to be gained along it
IN_THE_END = 5  # the classes asked of then


class Plan:
    """When a search of so many passes asks, and when it is back for good; with few passes, never."""

    cost, verdict = 2, 3
    """Passes of a question, and of the one in the end: one forward, and one backward for each class."""

    def __init__(self, passes: int, asking: bool = True) -> None:
        asking &= passes >= _FEW
        self._surveys = {math.ceil(share * passes) for share in _SURVEYS} if asking else set()
        self._back = math.ceil(_BACK * passes) if asking else 0
        self.last = passes - self.verdict if asking else passes
        """The pass of the last look; the question of the verdict follows."""

    def asks(self, index: int) -> bool:
        """Before pass number `index` it is asked which class is the nearest."""
        return index in self._surveys

    def returns(self, index: int) -> bool:
        """Before pass number `index` the search goes back to its best success."""
        return index in self._surveys or index == self._back


def _projections(
    metric: Metric, images: Tensor, at: Tensor, leads: Tensor, slopes: Tensor, goal: float
) -> tuple[Tensor, Tensor]:
    """The perturbations (k, n, C, H, W) of `images` to where k classes lead by `goal`, linearised at `at`, and their
    norms (k, n, 1, 1, 1), infinite where there is none."""
    reached = at - images
    paths, lengths = [], []
    for lead, slope in zip(leads, slopes, strict=True):
        g = inward(slope, at)
        direction = metric(g)
        gap = (g * reached).sum((1, 2, 3), keepdim=True) + (goal - lead.view(-1, 1, 1, 1))
        gain = (g * direction).sum((1, 2, 3), keepdim=True)
        path = gap.clamp_min(0) / gain.clamp_min(1e-30) * direction
        length = metric.norms(path)
        paths.append(path)
        lengths.append(torch.where(length > 0, length, torch.inf))
    return torch.stack(paths), torch.stack(lengths)


def nearest(
    metric: Metric, images: Tensor, at: Tensor, classes: Tensor, leads: Tensor, slopes: Tensor, goal: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Where a class leads by `goal`, if the network is linear around `at` (n, C, H, W): of the classes the nearest.

    images: (n, C, H, W), clean. classes, leads, slopes: of k classes at `at`, as `Search.boundaries` gives them, the
    one that is reached first. Returns (the perturbation (n, C, H, W), its norm (n, 1, 1, 1), the class (n,)), the class
    -1 where the one that is reached is nearest, or nearly.
    """
    paths, lengths = _projections(metric, images, at, leads, slopes, goal)
    shortest, which = lengths.min(0)
    path = paths.gather(0, which.expand_as(at)[None])[0]
    nearer = (shortest < _WORTH * lengths[0]).flatten()
    return path, shortest, torch.where(nearer, classes.gather(0, which.view(1, -1))[0], -1)


@dataclass(frozen=True)
class Verdict:
    """What the boundaries, linearised where a search ended, say of what it found; (n,) bool each."""

    clear: Tensor
    """None looks so near that what was found may not be the nearest."""
    stands: Tensor
    """Along its own boundary it cannot be shortened."""

    def of(self, rows: Tensor, n: int) -> Verdict:
        """The same of n images, of which these are the `rows`; nothing speaks against the others, nor for them."""
        clear = torch.ones(n, dtype=torch.bool, device=rows.device)
        stands = torch.zeros_like(clear)
        clear[rows], stands[rows] = self.clear, self.stands
        return Verdict(clear, stands)


def looks(
    metric: Metric, images: Tensor, at: Tensor, length: Tensor, leads: Tensor, slopes: Tensor, goal: float = 0.0
) -> Tensor:
    """As `nearest`, how near the boundaries look, (k, n) in units of what was found: where searches ended at `at`
    (n, C, H, W) with norms `length` (n, 1, 1, 1)."""
    return (_projections(metric, images, at, leads, slopes, goal)[1] / length).flatten(1)


def verdict(near: Tensor) -> Verdict:
    """Of searches where the boundaries look so near, (k, n) from `looks`."""
    own, *others = near
    clear = own >= _OWN
    for other in others:
        clear = clear & (other >= _OTHERS)
    return Verdict(clear, clear & (own >= _STANDS))


def doubted(near: Tensor, classes: Tensor) -> Tensor:
    """(n,) the other of the `classes` (k, n) for whose boundary it is not `clear`, the nearest if there are several;
    -1 without one. near: as `verdict`."""
    if len(classes) < 2:
        return torch.full_like(classes[0], -1)
    nearest, which = near[1:].min(0)
    return torch.where(nearest < _OTHERS, classes[1:].gather(0, which[None])[0], -1)
