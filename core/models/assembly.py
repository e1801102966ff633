"""From a card to a network: built as the card says, and held against its weights before anything is allocated.

A card may ask for a layer of a billion units, or vouch for weights of another network. So the network is first built on
PyTorch's "meta" device, where a tensor has a shape and no values, and those shapes are compared with the header of the
weights; only what agrees is built for good.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from core.data import DATASETS, careful
from core.models.card import Card
from core.models.classifier import Classifier
from core.models.efficientnet import PACKAGES, SIZES
from core.models.header import Shapes, shapes
from core.models.heads import HEADS, Embedding
from core.models.networks import NETWORKS
from core.models.vision import BY_NETWORK, VISION

WEIGHTS_LIMIT = 10**9
"""Bytes of the largest file of weights that is read, and as many of what is built from it: a PreActResNet-18 of four
times the published width has 0.7e9."""
PIXELS = 512 * 512
"""Of the largest image that a network of an unknown data set may take; to try one costs memory."""


def build(card: Card) -> Classifier:
    """The classifier that `card` describes, with fresh weights. ValueError in one sentence if it describes none."""
    if card.network not in NETWORKS:
        raise ValueError(f"{card.name}: unknown network {card.network!r}; known are {', '.join(NETWORKS)}.")
    network = _made(card.name, card.network, NETWORKS[card.network], (), card.network_arguments)
    if card.head not in HEADS:
        raise ValueError(f"{card.name}: unknown head {card.head!r}; known are {', '.join(HEADS)}.")
    width = int(network.features)  # type: ignore[arg-type]
    embedding = None
    if card.embedding is not None:
        embedding = _made(card.name, "embedding", Embedding, (width, card.embedding, card.embedding_norm), {})
    sizes = (card.embedding or width, card.classes)
    head = _made(card.name, f"head {card.head}", HEADS[card.head], sizes, card.head_arguments)
    return Classifier(network, head, card, embedding)


def _made(
    name: str, what: str, constructor: Callable[..., nn.Module], sizes: tuple[Any, ...], arguments: Mapping[str, Any]
) -> nn.Module:
    try:
        if {"device", "dtype"} & arguments.keys():  # of some layers of PyTorch; where a network lies is not the card's
            raise ValueError
        return constructor(*sizes, **arguments)
    except Exception:  # each constructor fails in its own way on a stranger's arguments
        given = str(dict(arguments) or sizes)
        given = given if len(given) <= 100 else f"{given[:100]}…"
        raise ValueError(f"{name}: {what} does not take {given}; correct it.") from None


@dataclass(frozen=True)
class Outline:
    """What a card describes: the shapes of the network's state, and the width of the features that its head sees."""

    shapes: Shapes
    width: int


def outline(card: Card) -> Outline:
    """The outline of the classifier of `card`, without allocating any of it. ValueError as `build`."""
    return _outline(card.model_dump_json())


@functools.lru_cache(256)
def _outline(card: str) -> Outline:
    described = Card.model_validate_json(card)
    with torch.device("meta"):
        model = build(described)
    return Outline(shapes(model.state_dict()), described.embedding or int(model.network.features))  # type: ignore[arg-type]


def package(card: Card) -> str | None:
    """The package that carries the weights of `card`; None if they lie beside it. ValueError if there is none such."""
    if not card.weights.startswith("package:"):
        return None
    name = card.weights.removeprefix("package:")
    if name not in PACKAGES and name not in BY_NETWORK:
        known = ", ".join([*PACKAGES, *BY_NETWORK])
        raise ValueError(f"{card.name}: no package carries weights of {name!r}; known are {known}.")
    if name != card.network:
        raise ValueError(f"{card.name}: its weights are those of {name}, and its network is another; correct its card.")
    return name


def check_agreement(card: Card, weights: Shapes | None) -> None:
    """ValueError in one sentence unless `card` describes a network that is not too large, and its weights are of it.

    weights: what the file of weights holds; None for a package's, which are known by their hash.
    """
    expected = outline(card).shapes
    values = sum(math.prod(shape) for shape, _ in expected.values())
    if values > WEIGHTS_LIMIT / 4:
        raise ValueError(f"{card.name}: it would have {values:,} weights, more than are loaded here; correct its card.")
    if weights is not None:
        _compare(card.name, weights, expected)


def _compare(name: str, weights: Shapes, expected: Shapes) -> None:
    for key, (shape, real) in expected.items():
        if key not in weights:
            raise ValueError(f"{name}: its weights lack {key}; get the checkpoint again.")
        stored, stored_real = weights[key]
        if stored != shape:
            raise ValueError(
                f"{name}: {key} has shape {stored} instead of {shape}; card and weights do not belong together."
            )
        if stored_real != real:
            raise ValueError(f"{name}: {key} has values of another kind; card and weights do not belong together.")
    if extra := sorted(set(weights) - set(expected)):
        raise ValueError(
            f"{name}: its weights hold {careful.shown(extra[0])[1:-1]}, which the network lacks; "
            "card and weights do not match."
        )


def check_data(card: Card, own: bool = False) -> None:
    """ValueError in one sentence unless the network takes the images of its data set and tells its classes.

    own: a data set that is not known here will do, as a script may have one, if its images have at most PIXELS pixels.
    """
    known = {name: (d.shape, len(d.classes)) for name, d in DATASETS.items() if "train" in d.splits}
    classes = len(DATASETS["photos"].classes)
    known["imagenet"] = DATASETS["photos"].shape, classes
    sizes = SIZES | {key: VISION[name].size for key, name in BY_NETWORK.items()}
    if card.dataset == "imagenet" and card.network in sizes:  # each has a size of its own
        known["imagenet"] = (3, sizes[card.network], sizes[card.network]), classes
    if card.dataset in known:
        shape, classes = known[card.dataset]
        if (card.input_shape, card.classes) != (shape, classes):
            raise ValueError(
                f"{card.name}: {card.dataset} has images of shape {shape} in {classes} classes, and its card says "
                f"{card.input_shape} and {card.classes}; correct it."
            )
    elif not own:
        raise ValueError(f"{card.name}: unknown data set {card.dataset!r}; known are {', '.join(known)}.")
    elif math.prod(card.input_shape[1:]) > PIXELS:
        raise ValueError(f"{card.name}: images of shape {card.input_shape} are larger than are taken here; correct it.")
