"""A shallow network with whitened inputs, made to learn CIFAR-10 in few epochs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.residual import conv

IMAGES = 5000
"""From so many pictures the directions of the patches are taken, as in the source."""


class Whitening(nn.Module):
    """Each patch of k x k pixels in its principal directions, scaled to variance one, and all of that negated.

    (N, C, H, W) -> (N, 2 C k^2, H - k + 1, W - k + 1). The directions are fixed (a buffer), only the biases learn.
    Until `whiten` has seen pictures they are random orthonormal ones.
    """

    weight: Tensor

    def __init__(self, channels: int = 3, kernel: int = 2) -> None:
        super().__init__()
        self.values = channels * kernel * kernel
        self.register_buffer("weight", torch.zeros(2 * self.values, channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(2 * self.values))

    def begin(self, generator: torch.Generator) -> None:
        """Forget all pictures: random directions from `generator`, no biases."""
        directions = torch.empty(self.values, self.values)
        self._point(nn.init.orthogonal_(directions, generator=generator))
        nn.init.zeros_(self.bias)

    def whiten(self, images: Tensor, epsilon: float = 5e-4) -> None:
        """Take the directions from the patches of `images` (N, C, H, W), normalised as the network normalises them.

        epsilon is added to the variances, so that what hardly varies is not blown up to noise; with 0 the outputs'
        covariance is the identity. ValueError if there is no patch.
        """
        kernel = self.weight.shape[2:]
        if not len(images) or min(images.shape[2:]) < max(kernel):
            raise ValueError(f"images must be at least one, of at least {tuple(kernel)}; got {tuple(images.shape)}.")
        count, total = 0, torch.zeros(self.values, dtype=torch.float64)
        products = torch.zeros(self.values, self.values, dtype=torch.float64)
        for part in images.split(500):
            patches = F.unfold(part, kernel).transpose(1, 2).flatten(0, 1).double()
            count, total, products = count + len(patches), total + patches.sum(0), products + patches.T @ patches
        mean = total / count
        variances, directions = torch.linalg.eigh(products / count - torch.outer(mean, mean))
        self._point((directions / (variances.clamp(min=0) + epsilon).sqrt()).T.flip(0))

    def _point(self, directions: Tensor) -> None:
        filters = directions.to(self.weight).view(-1, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([filters, -filters]))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias)


class WhitenedBlock(nn.Module):
    """Convolution, pooling, convolution, each normalised and with a GELU: (N, C, H, W) -> (N, D, H / 2, W / 2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv(inputs, outputs), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class WhitenedCNN(nn.Module):
    """The body of airbench94: (N, C, H, W) -> (N, 256 width), from 16 x 16 pixels on.

    Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", section 3: whitened patches of 2 x 2 (section 3.2),
    three blocks of 64, 256 and 256 channels times `width` (0.0625 to 4), the largest value of each channel. Kernels
    begin as the identity as far as they reach (section 3.1). Departures: a patch's mean is taken out of its covariance;
    batch norms learn their scale too and have PyTorch's epsilon and momentum; the head is not scaled by 1/9, and any
    loss's will do; the whitening's biases learn throughout. With a linear head for 10 classes and width 1: 1,972,514
    parameters, and 288 fixed values.
    """

    def __init__(self, width: float = 1.0, channels: int = 3) -> None:
        if not 0.0625 <= width <= 4:
            raise ValueError(f"width must be from 0.0625 to 4; got {width}.")
        super().__init__()
        widths = [round(width * size) for size in (64, 256, 256)]
        self.features = widths[-1]
        self.whitening = Whitening(channels)
        inputs = [2 * self.whitening.values, *widths]
        self.blocks = nn.Sequential(*(WhitenedBlock(*pair) for pair in zip(inputs, widths, strict=False)))

    def begin(self, generator: torch.Generator) -> None:
        """What it begins with apart from the usual: random directions, and kernels that hand on what they get."""
        self.whitening.begin(generator)
        for layer in self.blocks.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.dirac_(layer.weight.data[: layer.in_channels])

    def whiten(self, images: Tensor) -> None:
        """Take the whitening from the first of `images` (N, C, H, W), normalised."""
        self.whitening.whiten(images[:IMAGES])

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_max_pool2d(self.blocks(F.gelu(self.whitening(x))), 1).flatten(1)
