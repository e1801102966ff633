"""Network bodies: images, already normalised, to features. The head that turns features into logits is apart."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models import efficientnet
from core.models.efficientnet import EfficientNetLite
from core.models.heads import Embedding
from core.models.residual import PreActResNet18, ResNet18, ResNet32, conv
from core.models.vision import BY_NETWORK, VISION, VisionNetwork
from core.models.whitened import WhitenedCNN


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
        for layer in (self.conv1, self.conv2, self.conv3):
            x = layer(x).relu()
        return x.flatten(1)


class LeNet(nn.Module):
    """LeNet-5 (LeCun et al. 1998), the second MNIST network of SmoothFool: (N, 1, 28, 28) -> (N, 84).

    6 features 5x5, 16 features 5x5, 120 units, 84 units, with ReLU and maximum pooling in place of the original's
    sigmoids, trained sub-sampling and partial connections. With a linear head for 10 classes: 61,706 parameters.
    """

    features = 84

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.conv3 = nn.Conv2d(16, 120, 5)
        self.linear = nn.Linear(120, 84)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(x).relu(), 2)
        x = F.max_pool2d(self.conv2(x).relu(), 2)
        x = self.conv3(x).relu().flatten(1)
        return F.relu(self.linear(x))


class FC2(nn.Module):
    """The two-layer fully-connected MNIST network of SmoothFool: (N, C, size, size) -> (N, 150).

    The paper gives no widths; 500 and 150 are those of DeepFool's two-layer network, which SmoothFool compares with.
    With a linear head for 10 classes: 469,160 parameters.
    """

    features = 150

    def __init__(self, channels: int = 1, size: int = 28) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels * size * size, 500)
        self.linear2 = nn.Linear(500, 150)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.linear2(F.relu(self.linear1(x.flatten(1)))))


class VGGF(nn.Module):
    """VGG-F for 32-pixel images, the first CIFAR network of SmoothFool: (N, 3, 32, 32) -> (N, hidden).

    CNN-F of Chatfield et al. 2014 has five convolutions of 64, 256, 256, 256, 256 features with pooling after the
    first, second and fifth, and two hidden layers of 4096 units, for 224 pixels. For 32 pixels the strides are 1 and
    the kernels 5, 5, 3, 3, 3; batch norm replaces local response normalisation and dropout; the hidden layers are
    narrower, because 4096 units are 34 million weights. `width` (0.0625 to 4) scales the convolutions. With a linear
    head for 10 classes: 4,551,498 parameters; with half the width and 256 hidden units 1,141,162.
    """

    def __init__(self, hidden: int = 512, channels: int = 3, width: float = 1.0) -> None:
        if not 0.0625 <= width <= 4:
            raise ValueError(f"width must be from 0.0625 to 4; got {width}.")
        super().__init__()
        self.features = hidden
        layers: list[nn.Module] = []
        for size, kernel, pool in ((64, 5, 1), (256, 5, 1), (256, 3, 0), (256, 3, 0), (256, 3, 1)):
            outputs = round(width * size)
            layers += [conv(channels, outputs, kernel), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            layers += [nn.MaxPool2d(2)] * pool
            channels = outputs
        self.convolutions = nn.Sequential(*layers)
        self.linear1 = nn.Linear(channels * 4 * 4, hidden)
        self.linear2 = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolutions(x).flatten(1)
        return F.relu(self.linear2(F.relu(self.linear1(x))))


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "c4": C4,
    "lenet": LeNet,
    "fc2": FC2,
    "preactresnet18": PreActResNet18,
    "resnet18": ResNet18,
    "resnet32": ResNet32,
    "vgg-f": VGGF,
    "whitened-cnn": WhitenedCNN,
    **{key: partial(EfficientNetLite, key) for key in efficientnet.SIZES},
    **{key: partial(VisionNetwork, name) for key, name in BY_NETWORK.items()},
}
"""Bodies by name. Each has an attribute `features`, the width of what it returns."""

TITLES = {
    "c4": "C4",
    "lenet": "LeNet",
    "fc2": "FC2",
    "preactresnet18": "PreActResNet-18",
    "resnet18": "ResNet-18",
    "resnet32": "ResNet-32",
    "vgg-f": "VGG-F",
    "whitened-cnn": "Whitened CNN",
    **efficientnet.TITLES,
    **{key: VISION[name].title for key, name in BY_NETWORK.items()},
}
"""What the papers call them."""

TRAINABLE = tuple(name for name in NETWORKS if name not in efficientnet.SIZES and name not in BY_NETWORK)
"""Those that are trained here; the others come with their weights."""


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Give every convolution and linear layer He-normal weights and zero biases, from `generator` alone.

    Batch norms begin as the identity with fresh statistics. Residual branches are not begun at zero: the papers do not.
    An embedding that nothing normalises begins at a tenth of that: from He's scale its outputs lie beyond the centres
    of a Max-Mahalanobis loss, and shrinking them kills a network without batch norm (C4 on 6,000 digits, one epoch of
    Adam: 33 % right instead of 95 %).
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_parameters()
    for layer in module.modules():
        if isinstance(layer, Embedding) and layer.norm == "none":
            layer.linear.weight.data.mul_(0.1)
        elif isinstance(layer, WhitenedCNN):
            layer.begin(generator)
