"""Networks that are loaded by name: `MODELS` says which there are, `load` gives one, frozen and verified.

A model is a folder with card.json and weights.safetensors, in the project's `checkpoints` or in the user's own folder
(`core.data.home() / "checkpoints"`, where training puts its results). Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from core.data import home
from core.layout import CHECKPOINTS
from core.models.batches import BATCH, features_of, logits_of
from core.models.card import Accuracy, Card
from core.models.classifier import Classifier
from core.models.efficientnet import PACKAGES, EfficientNetLite, package_state, weights_path
from core.models.heads import HEADS, Embedding
from core.models.history import EMBEDDINGS, KeptFeatures
from core.models.history import read as read_kept_features
from core.models.networks import NETWORKS, TITLES

MODELS: dict[str, Path] = {}
"""Name -> folder of every checkpoint that was found; `refresh` looks again."""


def refresh() -> dict[str, Path]:
    """Look for checkpoints again (after training); the user's own come last and cannot hide the project's."""
    found: dict[str, Path] = {}
    for root in (CHECKPOINTS, home() / "checkpoints"):
        for path in sorted(root.glob("*/card.json")):
            found.setdefault(path.parent.name, path.parent)
    MODELS.update(found)  # first, and never empty: other sessions of a server read it meanwhile
    for gone in MODELS.keys() - found.keys():
        del MODELS[gone]
    return MODELS


refresh()


def card(name: str) -> Card:
    """The card of the model `name`. ValueError in one sentence if there is no such model or its card is damaged."""
    if name not in MODELS and name not in refresh():
        raise ValueError(f"there is no model {name!r}; there are {', '.join(MODELS) or 'none'}.")
    return Card.read(MODELS[name] / "card.json")


def cards() -> dict[str, Card]:
    """The cards of all models that are there; damaged ones are left out."""
    found = {}
    for name in refresh():
        with contextlib.suppress(ValueError):
            found[name] = card(name)
    return found


def kept_features(name: str) -> KeptFeatures | None:
    """What the model `name` kept of its training; None if nothing. ValueError in one sentence if that is damaged."""
    card(name)
    try:
        return read_kept_features((MODELS[name] / EMBEDDINGS).read_bytes(), name)
    except FileNotFoundError:
        return None


def build(card: Card) -> Classifier:
    """The classifier that `card` describes, with fresh weights."""
    if card.network not in NETWORKS:
        raise ValueError(f"{card.name}: unknown network {card.network!r}; known are {', '.join(NETWORKS)}.")
    try:
        network = NETWORKS[card.network](**card.network_arguments)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{card.name}: {card.network} does not take {card.network_arguments}; correct it.") from None
    if card.head not in HEADS:
        raise ValueError(f"{card.name}: unknown head {card.head!r}; known are {', '.join(HEADS)}.")
    width = int(network.features)  # type: ignore[arg-type]
    embedding = None if card.embedding is None else Embedding(width, card.embedding, card.embedding_norm)
    try:
        head = HEADS[card.head](card.embedding or width, card.classes, **card.head_arguments)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{card.name}: head {card.head} does not take {card.head_arguments}; correct it.") from None
    return Classifier(network, head, card, embedding)


def _read(card: Card) -> dict[str, Tensor]:
    """The verified weights of `card`."""
    packaged = card.weights.removeprefix("package:") if card.weights.startswith("package:") else None
    if packaged is not None and packaged not in PACKAGES:
        raise ValueError(f"{card.name}: no package carries weights of {packaged!r}; known are {', '.join(PACKAGES)}.")
    path = weights_path(packaged) if packaged else MODELS[card.name] / card.weights
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{card.name}: {path.name} cannot be read ({error.strerror}); get the checkpoint again."
        ) from None
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise ValueError(f"{card.name}: {path.name} is not the file its card describes; get the checkpoint again.")
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


def load(name: str, device: str | torch.device | None = None) -> Classifier:
    """The frozen classifier `name` on `device` (default: CUDA where present, else CPU).

    Raises ValueError in one sentence, naming the model: unknown name, damaged card, weights whose hash or shapes are
    not those of the card, a network that does not take the card's images.
    """
    described = card(name)
    model = build(described)
    state, expected = _read(described), model.state_dict()
    for key, value in expected.items():
        if key not in state:
            raise ValueError(f"{name}: its weights lack {key}; get the checkpoint again.")
        if state[key].shape != value.shape:
            raise ValueError(
                f"{name}: {key} has shape {tuple(state[key].shape)} instead of {tuple(value.shape)}; "
                "card and weights do not belong together."
            )
    if extra := sorted(set(state) - set(expected)):
        raise ValueError(
            f"{name}: its weights hold {extra[0]}, which the network lacks; card and weights do not match."
        )
    model.load_state_dict({key: value.to(expected[key].dtype) for key, value in state.items()})
    model.eval().requires_grad_(False)
    if isinstance(model.network, EfficientNetLite):
        model.network.fold()
    check(model)
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # quicker on CPU and GPU
    return model


__all__ = [
    "BATCH",
    "CHECKPOINTS",
    "EMBEDDINGS",
    "HEADS",
    "MODELS",
    "NETWORKS",
    "TITLES",
    "Accuracy",
    "Card",
    "Classifier",
    "KeptFeatures",
    "build",
    "card",
    "cards",
    "check",
    "features_of",
    "kept_features",
    "load",
    "logits_of",
    "refresh",
]
