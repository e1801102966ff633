"""The networks that are defences themselves: MagNet's autoencoders, and the denoiser of HGD."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Layer = int | Literal["average"]


class AutoEncoder(nn.Module):
    """A denoising autoencoder of 3 x 3 convolutions with sigmoids: (N, C, H, W) in [0, 1] -> the same, in (0, 1).

    structure: what encodes, channels of a convolution or "average", which halves the picture; what decodes is the same
    backwards, with the nearest value doubled where it was halved, and one more convolution to C channels. H and W must
    be even where it halves.
    """

    def __init__(self, structure: Sequence[Layer], channels: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = channels
        for layer in structure:
            layers += [nn.AvgPool2d(2)] if layer == "average" else _convolution(inputs, int(layer))
            inputs = inputs if layer == "average" else int(layer)
        for layer in reversed(structure):
            layers += [nn.Upsample(scale_factor=2)] if layer == "average" else _convolution(inputs, int(layer))
            inputs = inputs if layer == "average" else int(layer)
        self.layers = nn.Sequential(*layers, *_convolution(inputs, channels))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x)
        return found


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.Sigmoid()]


VALIDATION = 5000
"""Clean pictures kept from training, of whose errors MagNet's thresholds are made, as in the authors' code."""


class MagNetBody(nn.Module):
    """MagNet's two autoencoders for MNIST, and how large their errors are on clean pictures.

    `first` (3, average, 3) is detector I and the reformer, `second` (3) detector II: Table 2 of the paper, as
    `train_defense.py` of the authors builds them. `errors` (2, VALIDATION), in rising order: |x - AE(x)|^p, mean over a
    picture's values, p = 2 for the first and 1 for the second, of clean pictures that nothing was trained on.
    """

    errors: Tensor
    POWERS = (2, 1)

    def __init__(self, channels: int = 1) -> None:
        _check(channels=(channels, 4))
        super().__init__()
        self.first, self.second = AutoEncoder((3, "average", 3), channels), AutoEncoder((3,), channels)
        self.register_buffer("errors", torch.zeros(2, VALIDATION))

    def errors_of(self, images: Tensor) -> Tensor:
        """(2, N) how far each autoencoder takes images (N, C, H, W) from themselves."""
        both = zip((self.first, self.second), self.POWERS, strict=True)
        return torch.stack([(images - net(images)).abs().pow(p).mean((1, 2, 3)) for net, p in both])

    def refuses(self, images: Tensor, drop_rate: float) -> Tensor:
        """(N,) whether images (N, C, H, W) err as much as only a share `drop_rate` of clean pictures do, by either."""
        k = int(self.errors.shape[1] * drop_rate + 1e-9)
        if k == 0:
            return torch.zeros(len(images), dtype=torch.bool, device=images.device)
        return (self.errors_of(images) >= self.errors[:, -k, None]).any(0)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.first(x)
        return found


class Denoiser(nn.Module):
    """DUNET, the U-net of HGD that predicts the noise: (N, C, H, W) in [0, 1] -> (N, C, H, W), x plus what it predicts.

    Blocks of 3 x 3 convolutions, each followed by batch norm and a ReLU, the first of a level halving the picture; the
    way back is enlarged bilinearly and sees the level's own maps; a 1 x 1 convolution without bias makes the noise of
    it. The paper's has five levels of 64 to 256 features for 299 pixels; ours three of `width` and its double and
    fourfold, for 28 or 32, of two convolutions each. The noise begins at zero, so that it begins as the identity.
    """

    def __init__(self, width: int = 8, channels: int = 1) -> None:
        _check(width=(width, 256), channels=(channels, 4))
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.down = nn.ModuleList(
            _block(inputs, outputs, 1 if level == 0 else 2)
            for level, (inputs, outputs) in enumerate(zip([channels, *widths], widths, strict=False))
        )
        self.up = nn.ModuleList(_block(low + high, high, 1) for high, low in itertools.pairwise(widths))
        self.noise = nn.Conv2d(width, channels, 1, bias=False)
        nn.init.zeros_(self.noise.weight)

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        z = x
        for block in self.down:
            z = block(z)
            maps.append(z)
        for block, level in zip(reversed(self.up), reversed(maps[:-1]), strict=True):
            z = F.interpolate(z, level.shape[-2:], mode="bilinear", align_corners=False)
            z = block(torch.cat([z, level], 1))
        noise: Tensor = self.noise(z)
        return x + noise


def _check(**sizes: tuple[int, int]) -> None:
    for name, (value, most) in sizes.items():
        if not 1 <= value <= most:
            raise ValueError(f"{name} must be from 1 to {most}; got {value}.")


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size, step in ((inputs, stride), (outputs, 1)):
        layers += [nn.Conv2d(size, outputs, 3, step, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


BODIES: dict[str, Callable[..., nn.Module]] = {"magnet": MagNetBody, "hgd": Denoiser}
"""By the name of the defence."""
