"""Network bodies: images, already normalised, to features. The head that turns features into logits is apart."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.models.efficientnet import EfficientNetLite


class C4(nn.Module):
    """The MNIST network of Smooth Adversarial Examples, section 5.2: three convolutions, and one linear layer as head.

    64 features 8x8 stride 2, 128 features 6x6 stride 2, 128 features 5x5 stride 1, each with a ReLU. The paper does not
    give the padding; with "same" on the first and none after it (the layout of the cleverhans tutorial network, whose
    sizes these are) 28 pixels end as one and the head is 128 -> K.

    forward: (N, 1, 28, 28) -> (N, 128).
    """

    features = 128

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 8, stride=2, padding=3)
        self.conv2 = nn.Conv2d(64, 128, 6, stride=2)
        self.conv3 = nn.Conv2d(128, 128, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(self.conv2(self.conv1(x).relu()).relu()).relu().flatten(1)


NETWORKS: dict[str, Callable[..., nn.Module]] = {"c4": C4, "efficientnet-lite0": EfficientNetLite}
"""Bodies by name. Each has an attribute `features`, the width of what it returns."""


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Give every convolution and linear layer He-normal weights and zero biases, from `generator` alone."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
