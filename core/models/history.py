"""What a checkpoint keeps of its own training: the features of some test images after each epoch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

EMBEDDINGS = "embeddings.safetensors"
"""File in a checkpoint's folder: "features" (E, n, d) float16 of the same n test images after each of "epochs" (E,),
0 being before training; "predictions" (E, n), the images' "indices" (n,) in the test split and their "labels" (n,)."""


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


def read(content: bytes, name: str) -> KeptFeatures:
    """The `content` of the EMBEDDINGS file of the checkpoint `name`. ValueError in one sentence if it is damaged."""
    try:
        kept = load_safetensors(content)
        epochs, features = kept["epochs"], kept["features"].float()
        predictions, indices, labels = (kept[key].long() for key in ("predictions", "indices", "labels"))
        epochs_kept, n, _ = features.shape
        if (
            epochs.shape != (epochs_kept,)
            or predictions.shape != (epochs_kept, n)
            or indices.shape != labels.shape
            or indices.shape != (n,)
            or not n
            or not bool(torch.isfinite(features).all())
        ):
            raise ValueError
    except (SafetensorError, KeyError, ValueError):
        raise ValueError(
            f"{name}: its {EMBEDDINGS} is damaged; get the checkpoint again, or delete that file."
        ) from None
    return KeptFeatures(tuple(epochs.tolist()), features, predictions, indices, labels)
