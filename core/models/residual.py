"""Residual networks for 32-pixel images: PreActResNet-18, ResNet-18 and ResNet-32."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the size (or divides it by its stride); a batch norm brings the bias."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


class PreActBlock(nn.Module):
    """He et al. 2016, "Identity mappings", figure 1b: batch norm and ReLU come before each convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, outputs, stride=stride)
        self.norm2, self.conv2 = nn.BatchNorm2d(outputs), conv(outputs, outputs)
        self.project = conv(inputs, outputs, 1, stride) if stride != 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.norm1(x), inplace=True)
        shortcut = x if self.project is None else self.project(active)
        residual: Tensor = self.conv2(F.relu(self.norm2(self.conv1(active)), inplace=True))
        return shortcut + residual


class PreActResNet18(nn.Module):
    """The CIFAR network of the graph smoothness paper: (N, 3, H, W) -> (N, 512 width).

    Four stages of two blocks, 64, 128, 256, 512 channels times `width` (0.0625 to 4), strides 1, 2, 2, 2, mean over
    the picture. The implementation the paper names (mixup-cifar10) normalises after the first convolution and not after
    the last block; this follows He et al. 2016, who do the reverse, because the features then have a bounded scale.
    With a linear head for 10 classes and width 1: 11,172,170 parameters.
    """

    def __init__(self, width: float = 1.0, channels: int = 3) -> None:
        if not 0.0625 <= width <= 4:
            raise ValueError(f"width must be from 0.0625 to 4; got {width}.")
        super().__init__()
        widths = [round(width * size) for size in (64, 128, 256, 512)]
        self.features = widths[-1]
        self.stem = conv(channels, widths[0])
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, outputs in enumerate(widths):
            blocks += [PreActBlock(inputs, outputs, 2 if stage else 1), PreActBlock(outputs, outputs, 1)]
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.blocks(self.stem(x)))).mean((2, 3))


class ProjectedBlock(nn.Module):
    """He et al. 2015, figure 2, with a projection where the shape changes (option B): batch norm after convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv(inputs, outputs, stride=stride), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.project: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.project = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)), inplace=True)))
        return F.relu(inner + (x if self.project is None else self.project(x)))


class ResNet18(nn.Module):
    """The second CIFAR network of SmoothFool: (N, 3, H, W) -> (N, 512 width).

    He et al. 2015, table 1, 18 layers, of four stages of two blocks. Its stem for 224 pixels (7 x 7, stride 2, pooling)
    is one convolution of 3 x 3 for 32, as is usual on CIFAR; the paper does not say. With a linear head for 10 classes
    and width 1: 11,173,962 parameters.
    """

    def __init__(self, width: float = 1.0, channels: int = 3) -> None:
        if not 0.0625 <= width <= 4:
            raise ValueError(f"width must be from 0.0625 to 4; got {width}.")
        super().__init__()
        widths = [round(width * size) for size in (64, 128, 256, 512)]
        self.features = widths[-1]
        self.stem, self.norm = conv(channels, widths[0]), nn.BatchNorm2d(widths[0])
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, outputs in enumerate(widths):
            blocks += [ProjectedBlock(inputs, outputs, 2 if stage else 1), ProjectedBlock(outputs, outputs, 1)]
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.blocks(F.relu(self.norm(self.stem(x)), inplace=True))
        return maps.mean((2, 3))


class Block(nn.Module):
    """He et al. 2015, "Deep residual learning", figure 2: batch norm and ReLU come after each convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv(inputs, outputs, stride=stride), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.stride, self.new = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)), inplace=True)))
        if self.new:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
        return F.relu(inner + x)


class ResNet32(nn.Module):
    """The CIFAR network of the Max-Mahalanobis papers, ResNet-32 with five blocks a stage: (N, 3, H, W) -> (N, 64).

    He et al. 2015, section 4.2, n = 5: 16, 32, 64 channels, shortcuts without parameters (option A; the Keras code of
    the MMC authors projects instead, and has biases). With a linear head for 10 classes: 464,154 parameters, 0.46 M in
    the paper's table 6.
    """

    features = 64

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.stem, self.norm = conv(channels, 16), nn.BatchNorm2d(16)
        shapes = [(16, 16, 1)] * 5 + [(16, 32, 2)] + [(32, 32, 1)] * 4 + [(32, 64, 2)] + [(64, 64, 1)] * 4
        self.blocks = nn.Sequential(*(Block(*shape) for shape in shapes))

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.blocks(F.relu(self.norm(self.stem(x)), inplace=True))
        return maps.mean((2, 3))
