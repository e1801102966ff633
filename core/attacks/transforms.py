"""Two attacks without a gradient: random noise, and turning the picture. The report's general-purpose attacks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.attacks.base import Attack, Step
from core.attacks.gradient import Search, clipped
from core.params import parameter


class Noise(Attack):
    """Random noise (Ford et al. 2019), weak at first and stronger up to a bound; an image leaves once it is fooled.

    Scalar "level": the noise's bound or standard deviation at this step.
    """

    name: ClassVar[str] = "noise"
    title: ClassVar[str] = "Random noise"
    formula: ClassVar[str] = (
        r"x = \mathrm{clip}(x_o + \eta),\qquad \eta \sim \mathcal N(0,\sigma^2)"
        r"\ \text{or}\ \mathcal U(-\sigma,\sigma)"
    )
    look_for: ClassVar[str] = "How much longer blind noise must be than an attack that knows the network."
    paper: ClassVar[str] = "MMC reproducibility report, section 3.1, after Ford et al. (2019)"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # One draw at this standard deviation, as the report's code has it.
        "MMC report": {"distribution": "gaussian", "noise_bound": 0.05, "levels": 1, "trials": 1},
    }

    distribution: Literal["gaussian", "uniform"] = parameter(
        "gaussian", help="Of the noise in every value: a bell curve, or anything within the bound alike."
    )
    noise_bound: float = parameter(
        0.5,
        gt=0,
        le=2,
        step=0.01,
        slider=(0.01, 1),
        symbol="σ",
        unit="colour, 0 to 1",
        help="The strongest noise: the standard deviation of the bell curve, or the bound of the uniform. "
        "0.05 is about 13 of the 255 steps of 8 bits.",
    )
    levels: int = parameter(
        20, ge=1, le=1000, step=1, slider=(1, 50), quick=3, help="Strengths that are tried, evenly up to the strongest."
    )
    trials: int = parameter(
        10, ge=1, le=10_000, step=1, slider=(1, 100), quick=5, help="Draws of noise at every strength."
    )

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        total = self.levels * self.trials
        search = Search(model, images, labels, total)
        for index in range(1, total + 1):
            level = self.noise_bound * math.ceil(index / self.trials) / self.levels
            noise = torch.empty_like(search.x)
            if self.distribution == "gaussian":
                noise.normal_(0, level, generator=generator)
            else:
                noise.uniform_(-level, level, generator=generator)
            x = clipped(search.x, noise)
            with torch.no_grad():
                logits = model(x)
            _, fools, sound = search.record(x, logits, level=x.new_full((len(x),), level))
            search.stay(sound & ~fools)
            yield search.step(index)
            if not len(search.rows):
                return


class Rotation(Attack):
    """A rotation and a shift (Engstrom et al. 2018): the whole grid, from the least transformed to the most.

    The order is that of (angle / max_angle)^2 + (shift / max_shift)^2, and an image leaves at its first success, which
    is thus its least transformed. Bilinear interpolation, so values stay in [0, 1]. Scalars "angle" (degrees,
    anticlockwise), "shift_x" and "shift_y" (pixels, to the right and down).
    """

    name: ClassVar[str] = "rotation"
    title: ClassVar[str] = "Rotation and shift"
    formula: ClassVar[str] = (
        r"x(p) = x_o\big(R_{-\theta}(p - u)\big),\qquad |\theta|\le\theta_{\max},\ |u_i|\le u_{\max}"
    )
    look_for: ClassVar[str] = "No pixel noise at all, and yet a large distortion: the whole picture is turned."
    paper: ClassVar[str] = "MMC reproducibility report, section 3.1, after Engstrom et al. (2018)"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # The report's code turns at random within 30 degrees and does not shift.
        "MMC report": {"max_angle": 30.0, "angles": 31, "max_shift": 0.0, "shifts": 1},
        "Engstrom et al.": {"max_angle": 30.0, "angles": 31, "max_shift": 3.0, "shifts": 5},
    }

    max_angle: float = parameter(
        30.0,
        ge=0,
        le=180,
        step=1,
        slider=(0, 90),
        symbol="θ",
        unit="degrees",
        title="Largest angle",
        help="The picture is turned by at most this, either way.",
    )
    angles: int = parameter(
        31,
        ge=1,
        le=721,
        step=2,
        slider=(1, 91),
        quick=5,
        help="Angles that are tried, evenly from one end to the other.",
    )
    max_shift: float = parameter(
        3.0,
        ge=0,
        le=100,
        step=0.5,
        slider=(0, 10),
        symbol="u",
        unit="pixels",
        title="Largest shift",
        help="The picture is moved by at most this, up, down, left and right.",
    )
    shifts: int = parameter(
        3,
        ge=1,
        le=51,
        step=2,
        slider=(1, 9),
        quick=3,
        help="Shifts that are tried along each axis, evenly from end to end.",
    )
    padding: Literal["zeros", "border", "reflection"] = parameter(
        "zeros", help="What fills the corners that the turned picture leaves empty: black, its edge, or its mirror."
    )

    def poses(self) -> list[tuple[float, float, float]]:
        """(angle, shift_x, shift_y) of the grid without the clean image, the least transformed first."""
        angles, shifts = _grid(self.max_angle, self.angles), _grid(self.max_shift, self.shifts)
        poses = set(itertools.product(angles, shifts, shifts)) - {(0.0, 0.0, 0.0)}
        return sorted(poses, key=lambda pose: (self.amount(pose), pose))

    def amount(self, pose: tuple[float, float, float]) -> float:
        """How much a pose transforms; 1 is the largest angle alone or the largest shift along one axis alone."""
        angle, x, y = pose
        turned, moved = (angle / (self.max_angle or 1)), math.hypot(x, y) / (self.max_shift or 1)
        return math.hypot(turned, moved)

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        poses = self.poses() or [(0.0, 0.0, 0.0)]
        search = Search(model, images, labels, len(poses))
        for index, pose in enumerate(poses, 1):
            x = transform(search.x, *pose, self.padding)
            with torch.no_grad():
                logits = model(x)
            cost = x.new_full((len(x),), self.amount(pose))
            angle, shift_x, shift_y = (torch.full_like(cost, value) for value in pose)
            _, fools, sound = search.record(x, logits, cost=cost, angle=angle, shift_x=shift_x, shift_y=shift_y)
            search.stay(sound & ~fools)
            yield search.step(index)
            if not len(search.rows):
                return


def _grid(largest: float, count: int) -> list[float]:
    """`count` values from -largest to largest; 0 alone if there is room for only one."""
    if count == 1 or largest == 0:
        return [0.0]
    return [largest * (2 * i - (count - 1)) / (count - 1) for i in range(count)]


def transform(images: Tensor, angle: float, shift_x: float, shift_y: float, padding: str = "zeros") -> Tensor:
    """Images (N, C, H, W) turned about their centre by `angle` degrees anticlockwise, then moved right and down by
    pixels; bilinear, the same shape."""
    height, width = images.shape[2:]
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    # From a pixel of the result back to the original, in pixels from the centre (y points down): turn p - u by -angle.
    turn = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=images.dtype, device=images.device)
    shift = torch.tensor([shift_x, shift_y], dtype=images.dtype, device=images.device)
    half = torch.tensor([width / 2, height / 2], dtype=images.dtype, device=images.device)
    offset = -(turn @ shift) / half
    matrix = torch.cat([turn * half[None, :] / half[:, None], offset[:, None]], dim=1)
    grid = F.affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode=padding, align_corners=False).clamp(0, 1)
