"""SmoothFool's step where it can be drawn: pictures of two pixels, and a boundary that is a line (its Figure 2).

DeepFool goes straight to the line, along its normal w. SmoothFool goes along w~ = g*w, in which the two pixels are more
alike, until it meets the same line: r = w.(x_p - x)/(w.w~) w~ (eq. 7). The wider g, the nearer w~ comes to the diagonal
on which both pixels change alike, and the longer is the way if w points elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from core.attacks.smoothfool import LowPassParameters, smooth_normal

POINT = (0.5, 0.5)
"""The picture, both its pixels grey."""
DISTANCE = 0.2
"""From there to the line, along its normal."""


@dataclass(frozen=True)
class Step:
    """A line in the plane of two pixels, and the two ways to it; all (2,), in double precision."""

    point: Tensor
    normal: Tensor
    """Of length 1, towards the line."""
    straight: Tensor
    """DeepFool's r."""
    smooth: Tensor
    """SmoothFool's r."""

    @property
    def factor(self) -> float:
        """How many times as long the smooth way is."""
        return float(self.smooth.norm() / self.straight.norm())

    @property
    def line(self) -> Tensor:
        """(2, 2) two points of the line, far apart."""
        along = torch.stack([-self.normal[1], self.normal[0]])
        foot = self.point + self.straight
        return torch.stack([foot - 2 * along, foot + 2 * along])


def step(angle: float, low_pass: LowPassParameters) -> Step:
    """The step for a normal at `angle` degrees from the first pixel's axis; low_pass: its kernel g.

    The kernel acts on the two pixels as `core.attacks.smoothfool` has it, with zeros beyond them.
    """
    turn = math.radians(angle)
    w = torch.tensor([math.cos(turn), math.sin(turn)], dtype=torch.float64)
    picture = w.view(1, 1, 1, 2)
    towards, along = smooth_normal(picture, low_pass.low_pass_kernel(picture))
    r = DISTANCE / along.view(1, 1, 1, 1) * towards
    return Step(torch.tensor(POINT, dtype=torch.float64), w, DISTANCE * w, r.flatten())
