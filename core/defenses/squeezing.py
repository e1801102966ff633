"""Feature squeezing: fewer values for a perturbation to hide in, by depth or by neighbourhood."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from scipy import ndimage
from torch import Tensor

from core.defenses.base import Defense
from core.params import parameter

_PAPER = "Xu, Evans and Qi, Feature squeezing: detecting adversarial examples in deep neural networks, NDSS 2018"


class BitDepth(Defense):
    """Every value rounded to one of 2^bits even levels, black and white among them: round((2^b - 1) x) / (2^b - 1).

    Section III-A of the paper, whose best joint settings are 1 bit for MNIST and 5 bits for ImageNet.
    """

    name = "bit_depth"
    title = "Bit depth"
    paper = _PAPER
    presets: ClassVar[dict[str, dict[str, Any]]] = {"digits": {"bits": 1}, "photographs": {"bits": 5}}

    bits: int = parameter(
        5,
        ge=1,
        le=8,
        title="Bits",
        paper="Section III-A",
        help="Of each value: 8 are all that a picture file has, 1 leaves black and white.",
        first=True,
    )

    def apply(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1]; halves go to the even level."""
        most = images.new_tensor(2.0**self.bits - 1)
        return (images * most).round() / most


class Median(Defense):
    """Every value replaced by the median of a square window around it, in its own channel.

    Section III-B of the paper, where 2 x 2 does best on MNIST and ImageNet. As in the authors' code, pictures are
    mirrored about their edges, and of an even number of values, where the median is two, the upper one is taken; the
    window's middle lies below and right of the pixel then.
    """

    name = "median"
    title = "Median filter"
    paper = _PAPER

    window: int = parameter(
        3,
        ge=2,
        le=9,
        title="Window",
        unit="pixels",
        paper="Section III-B",
        help="Side of the square whose median is taken.",
        first=True,
    )

    def apply(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1]."""
        size = (1, 1, self.window, self.window)
        return torch.from_numpy(ndimage.median_filter(images.cpu().numpy(), size=size, mode="reflect"))
