"""Networks that are loaded by name: `MODELS` says which there are, `load` gives one, frozen and verified.

A model is a folder with card.json and weights.safetensors, in the project's `checkpoints` or in the user's own folder
(`core.data.home() / "checkpoints"`, where training puts its results). Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from core.data import careful, store
from core.layout import CHECKPOINTS
from core.models import header, vision
from core.models.assembly import (
    WEIGHTS_LIMIT,
    build,
    check_agreement,
    check_data,
    outline,
    package,
)
from core.models.batches import BATCH, device_of, features_of, logits_of
from core.models.card import CARD, Accuracy, Card, Change, check_name, is_name
from core.models.classifier import Classifier
from core.models.efficientnet import PACKAGES, EfficientNetLite, package_state, weights_path
from core.models.heads import HEADS, KernelHead
from core.models.history import EMBEDDINGS, KeptFeatures
from core.models.history import read as read_kept_features
from core.models.networks import NETWORKS, TITLES, TRAINABLE
from core.models.vision import BY_NETWORK, VISION

MODELS: dict[str, Path] = {}
"""Name -> folder of every checkpoint that was found; `refresh` looks again."""


def _folders() -> Iterator[Path]:
    """The folders of all checkpoints, the user's own last."""
    for folders in (careful.listing(CHECKPOINTS), store.listing("checkpoints")):
        yield from (folder for folder in folders if os.path.lexists(folder / CARD))


def refresh() -> dict[str, Path]:
    """Look for checkpoints again (after training); the user's own come last and cannot hide the project's."""
    found: dict[str, Path] = {}
    for folder in _folders():
        if is_name(folder.name):
            found.setdefault(folder.name, folder)
    MODELS.update(found)  # first, and never empty: other sessions of a server read it meanwhile
    for gone in MODELS.keys() - found.keys():
        del MODELS[gone]
    return MODELS


refresh()


def is_shipped(name: str) -> bool:
    """Whether a network of this name comes with the project, which would hide one's own."""
    return is_name(name) and os.path.lexists(CHECKPOINTS / name / CARD)


def card(name: str) -> Card:
    """The card of the model `name`.

    ValueError in one sentence if there is no such model, its card is damaged, its data set is unknown, the package with
    its weights is not installed, or what the card says does not go together, or not with the header of the weights.
    What only their values tell, `load` finds.
    """
    described = _card(name)
    packaged = package(described)
    if packaged in PACKAGES:
        weights_path(packaged)
    if packaged is None:
        _check_weights(MODELS[name] / CARD, MODELS[name] / described.weights)
    else:
        check_agreement(described, None)
    check_data(described)
    return described


_read_card = careful.kept(Card.read)


@careful.kept
def _check_weights(card: Path, weights: Path) -> None:
    """ValueError in one sentence unless the card and the weights beside it go together."""
    described = _read_card(card)
    try:
        shapes = header.read(weights, WEIGHTS_LIMIT).shapes
    except careful.Unreadable as why:
        raise ValueError(f"{described.name}: {described.weights} {why}; get the checkpoint again.") from None
    check_agreement(described, shapes)


def _card(name: str) -> Card:
    """The card of the model `name`, which may be that of other weights."""
    if name not in MODELS and name not in refresh():
        if name in VISION:
            return vision.card(name)
        raise ValueError(f"there is no model {careful.shown(name)}; there are {', '.join(MODELS) or 'none'}.")
    return _read_card(MODELS[name] / CARD)


def survey() -> tuple[dict[str, Card], dict[str, str]]:
    """The cards of all models that can be used; and of the others, by the names of their folders, why they cannot."""
    usable: dict[str, Card] = {}
    unusable: dict[str, str] = {}
    refresh()
    for folder in _folders():
        shown = careful.shown(folder.name)[1:-1]
        try:
            if not is_name(folder.name):
                raise ValueError(f"{shown}: this cannot be the name of a checkpoint; rename its folder.")
            if MODELS.get(folder.name) != folder:
                raise ValueError(f"{shown}: a network that comes with the project has this name; rename your own.")
            usable[folder.name] = card(folder.name)
        except ValueError as error:
            unusable[shown] = str(error)
    for name in vision.installed():
        if name in usable:  # a network of one's own
            continue
        try:
            usable[name] = card(name)
        except ValueError as error:
            unusable[name] = str(error)
    return usable, unusable


def cards() -> dict[str, Card]:
    """The cards of all models that can be used."""
    return survey()[0]


def kept_features(name: str) -> KeptFeatures | None:
    """What the model `name` kept of its training; None if nothing. ValueError in one sentence if that is damaged."""
    described = card(name)
    if name not in MODELS:  # torchvision's
        return None
    path = MODELS[name] / EMBEDDINGS
    return read_kept_features(path, described, outline(described).width) if os.path.lexists(path) else None


def _read(card: Card) -> dict[str, Tensor]:
    """The verified weights of `card`."""
    packaged = package(card)
    of_torchvision = BY_NETWORK.get(packaged or "")
    if of_torchvision:
        path = vision.get(of_torchvision)
    else:
        path = weights_path(packaged) if packaged else MODELS[card.name] / card.weights
    try:
        content, _ = careful.read_bytes(path, WEIGHTS_LIMIT)
    except careful.Unreadable as why:
        raise ValueError(f"{card.name}: {path.name} {why}; get the checkpoint again.") from None
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise ValueError(f"{card.name}: {path.name} is not the file its card describes; get the checkpoint again.")
    if of_torchvision:
        return vision.state(of_torchvision)
    if packaged:
        return package_state(packaged)
    try:
        return load_safetensors(content)
    except SafetensorError:
        raise ValueError(f"{card.name}: {path.name} is not a safetensors file; get the checkpoint again.") from None


def check(model: Classifier) -> None:
    """ValueError unless `model` turns an image of the shape on its card into finite logits, one per class."""
    shape, kind = model.card.input_shape, model.card.network
    try:
        with torch.no_grad():
            logits = model(torch.full((1, *shape), 0.5))
    except (RuntimeError, ValueError):
        raise ValueError(f"{model.card.name}: {kind} does not take images of shape {shape}; choose another.") from None
    if not bool(logits.isfinite().all()):
        raise ValueError(f"{model.card.name}: its logits are not finite; get the checkpoint again or train it anew.")


def default_device() -> torch.device:
    """CUDA where present, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load(name: str, device: str | torch.device | None = None) -> Classifier:
    """The frozen classifier `name` on `device` (default: CUDA where present, else CPU).

    Raises ValueError in one sentence, naming the model: unknown name, damaged card, weights whose hash or shapes are
    not those of the card, a network that does not take the card's images. Its data set may be one's own.
    """
    described = _card(name)
    state = _read(described)
    check_agreement(described, header.shapes(state))
    check_data(described, own=True)
    model = build(described)
    expected = model.state_dict()
    model.load_state_dict({key: value.to(expected[key].dtype) for key, value in state.items()})
    model.eval().requires_grad_(False)
    if isinstance(model.head, KernelHead) and not model.head.labelled:
        raise ValueError(f"{name}: its stored features are of classes that there are not; get the checkpoint again.")
    if isinstance(model.network, EfficientNetLite):
        model.network.fold()
    check(model)
    model.to(device or default_device())
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # quicker on CPU and GPU
    return model


__all__ = [
    "BATCH",
    "CARD",
    "CHECKPOINTS",
    "EMBEDDINGS",
    "HEADS",
    "MODELS",
    "NETWORKS",
    "TITLES",
    "TRAINABLE",
    "VISION",
    "Accuracy",
    "Card",
    "Change",
    "Classifier",
    "KeptFeatures",
    "build",
    "card",
    "cards",
    "check",
    "check_name",
    "default_device",
    "device_of",
    "features_of",
    "is_name",
    "is_shipped",
    "kept_features",
    "load",
    "logits_of",
    "refresh",
    "survey",
]
