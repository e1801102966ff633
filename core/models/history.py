"""What a checkpoint keeps of its own training: the features of some test images after each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from core.data import DATASETS, careful
from core.models.card import Card

EMBEDDINGS = "embeddings.safetensors"
"""File in a checkpoint's folder: "features" (E, n, d) float16 of the same n test images after each of "epochs" (E,),
0 being before training; "predictions" (E, n), the images' "indices" (n,) in the test split and their "labels" (n,)."""
LIMIT = 250_000_000
"""Bytes of the largest such file that is read: a thousand images' 512 features over 240 epochs."""
LARGEST = float(torch.finfo(torch.float16).max)
"""Of the features; they are kept in float16."""


@dataclass(frozen=True)
class KeptFeatures:
    """The features (E, n, d) float32 of the same n test images after each of `epochs`, and what was said of them.

    predictions: (E, n); indices: (n,) the images' places in the test split; labels: (n,).
    """

    epochs: tuple[int, ...]
    features: Tensor
    predictions: Tensor
    indices: Tensor
    labels: Tensor


def read(path: Path, card: Card, width: int) -> KeptFeatures:
    """The EMBEDDINGS file `path` of the checkpoint `card`, whose features have `width` values.

    ValueError in one sentence if it is damaged, larger than LIMIT, or not of this network and its data set.
    """
    try:
        kept = load_safetensors(careful.read_bytes(path, LIMIT)[0])
        epochs, features = kept["epochs"], kept["features"]
        predictions, indices, labels = (kept[key] for key in ("predictions", "indices", "labels"))
        whole = (epochs, predictions, indices, labels)
        if not features.is_floating_point() or any(v.is_floating_point() or v.is_complex() for v in whole):
            raise ValueError
        features = features.float()
        epochs, predictions, indices, labels = (values.long() for values in whole)
        kept_epochs, n, d = features.shape
        shapes = [tuple(values.shape) for values in (epochs, predictions, indices, labels)]
        if shapes != [(kept_epochs,), (kept_epochs, n), (n,), (n,)] or not n or not kept_epochs or d != width:
            raise ValueError
        images = DATASETS[card.dataset].splits["test"] if card.dataset in DATASETS else 2**31
        legal = (
            (features.abs() <= LARGEST).all(),  # false for NaN too
            _within(predictions, card.classes),
            _within(labels, card.classes),
            _within(indices, images) and len(indices.unique()) == n,
            _within(epochs, 2**31) and (epochs.diff() > 0).all(),
        )
        if not all(legal):
            raise ValueError
    except careful.Unreadable as why:
        raise _refusal(card, path, str(why)) from None
    except (SafetensorError, KeyError, ValueError):
        raise _refusal(card, path, "is damaged") from None
    return KeptFeatures(tuple(epochs.tolist()), features, predictions, indices, labels)


def _refusal(card: Card, path: Path, why: str) -> ValueError:
    return ValueError(f"{card.name}: its {path.name} {why}; get the checkpoint again, or delete that file.")


def _within(values: Tensor, end: int) -> bool:
    """Whether all of `values` are from 0 to below `end`."""
    return bool(((values >= 0) & (values < end)).all())
