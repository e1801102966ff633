"""torchvision's ImageNet networks by name, each with its own input: listed always, used where their weights are here.

VGG-16, ResNet-101 and Inception-v3 are those of SmoothFool and of Smooth Adversarial Examples; ResNet-18 is a small one
beside them. The weights are torchvision's first (IMAGENET1K_V1). They lie in its cache (`torch.hub.get_dir()`), where
torchvision itself leaves them, or are downloaded there; the name of the file holds the first digits of its SHA-256.
"""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from core.data import careful
from core.models.card import Card

LARGEST = 10**9
"""Bytes of the largest file of weights that is read; VGG-16's has 0.55e9."""


@dataclass(frozen=True)
class Vision:
    """One of torchvision's networks."""

    title: str
    constructor: str
    """In torchvision.models."""
    head: str
    """Its last linear layer."""
    file: str
    size: int
    """Pixels of the square that it sees."""
    resize: int
    """Pixels to which a picture's shorter side is brought before that square is cut out of its middle."""


VISION: dict[str, Vision] = {
    "imagenet-resnet18": Vision("ResNet-18", "resnet18", "fc", "resnet18-f37072fd.pth", 224, 256),
    "imagenet-resnet101": Vision("ResNet-101", "resnet101", "fc", "resnet101-63fe2227.pth", 224, 256),
    "imagenet-vgg16": Vision("VGG-16", "vgg16", "classifier.6", "vgg16-397923af.pth", 224, 256),
    "imagenet-inception-v3": Vision("Inception-v3", "inception_v3", "fc", "inception_v3_google-0cc3c7bd.pth", 299, 342),
}
"""By the name of the model."""


def network_key(name: str) -> str:
    """Key in core.models.NETWORKS of the network of the model `name`: "torchvision-resnet18"."""
    return f"torchvision-{VISION[name].constructor}"


BY_NETWORK = {network_key(name): name for name in VISION}
"""Key in core.models.NETWORKS -> name of the model."""


class VisionNetwork(nn.Module):
    """A network of torchvision without its last layer: (N, 3, H, W), normalised as on its card -> (N, features).

    Inception's second classifier, which only training has, is left out; as torchvision does for these weights, it takes
    the normalisation back and makes the one of its own.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        from core._torchvision import torchvision

        vision = VISION[name]
        options = {"aux_logits": False, "transform_input": True, "init_weights": False} if "inception" in name else {}
        net = getattr(torchvision.models, vision.constructor)(weights=None, **options)
        parent, _, leaf = vision.head.rpartition(".")
        owner = net.get_submodule(parent)
        self.features = int(owner.get_submodule(leaf).in_features)
        setattr(owner, leaf, nn.Identity())
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.net(x)
        return found


def weights_path(name: str) -> Path:
    """Where torchvision keeps the weights of the model `name`, whether they are there or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / VISION[name].file


def installed() -> list[str]:
    """The models whose weights are here."""
    return [name for name in VISION if careful.is_file(weights_path(name))]


def get(name: str) -> Path:
    """Download the weights of the model `name`, if they are not here, to where torchvision keeps them; returns where.

    ValueError in one sentence if that cannot be done, or what comes is another file.
    """
    path = weights_path(name)
    if careful.is_file(path):
        return path
    try:
        from core._torchvision import torchvision  # which knows the address

        address = torchvision.models.get_model_weights(VISION[name].constructor).IMAGENET1K_V1.url
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(path), _prefix(name), progress=False)
    except (OSError, RuntimeError) as error:  # RuntimeError: another hash
        reason = str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error).strip().rstrip(".")
        raise ValueError(
            f"{name}: its weights are not here and cannot be downloaded ({reason}); put torchvision's {path.name} into "
            f"{path.parent}."
        ) from None
    return path


def _prefix(name: str) -> str:
    return VISION[name].file.partition("-")[2].removesuffix(".pth")


def card(name: str) -> Card:
    """The card of the model `name`, whose weights are downloaded if need be. ValueError in one sentence as `get`, or if
    the file is not torchvision's."""
    path = get(name)
    there = os.stat(path)
    return _card(name, path, there.st_mtime_ns, there.st_size)


@functools.lru_cache(16)
def _card(name: str, path: Path, written: int, size: int) -> Card:
    vision = VISION[name]
    try:
        content, _ = careful.read_bytes(path, LARGEST)
    except careful.Unreadable as why:
        raise ValueError(f"{name}: {path.name} {why}; get the weights again.") from None
    sha256 = hashlib.sha256(content).hexdigest()
    if not sha256.startswith(_prefix(name)):
        raise ValueError(f"{name}: {path.name} is not torchvision's file of that name; delete it and get it again.")
    return Card(
        name=name,
        title=f"{vision.title} on ImageNet",
        dataset="imagenet",
        network=network_key(name),
        loss="cross-entropy",
        input_shape=(3, vision.size, vision.size),
        crop_fraction=vision.size / vision.resize,
        classes=1000,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        weights=f"package:{network_key(name)}",
        sha256=sha256,
        source=f"torchvision's {path.name} (IMAGENET1K_V1; BSD 3-Clause)",
    )


def state(name: str) -> dict[str, Tensor]:
    """The weights of the model `name` as a `Classifier` names them; read with `weights_only`, as tensors and nothing
    else. ValueError in one sentence if the file is damaged."""
    path, head = weights_path(name), VISION[name].head
    try:
        stored: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever a reader makes of damaged bytes
        raise ValueError(f"{name}: {path.name} is damaged; delete it and get it again.") from None
    found = {}
    for key, value in stored.items():
        if key.startswith(f"{head}."):
            found["head." + key.removeprefix(f"{head}.")] = value
        elif not key.startswith("AuxLogits."):
            found["network.net." + key] = value
    return found
