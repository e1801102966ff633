"""Features and logits of as many images as there are: batch by batch, on the network's device, brought to the CPU."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.models.classifier import Classifier

BATCH = 500
"""Images at a time."""


def device_of(module: nn.Module, otherwise: Tensor) -> torch.device:
    """Where `module`, a network or a part of one, computes; where `otherwise` lies if it has no numbers of its own."""
    return next(itertools.chain(module.parameters(), module.buffers()), otherwise).device


def features_of(
    model: Classifier, images: Tensor, batch_size: int = BATCH, on_batch: Callable[[int], object] = lambda done: None
) -> Tensor:
    """(N, d) float32 on the CPU: `model.features` of images (N, C, H, W) in [0, 1], which may lie on any device.

    on_batch: called after every batch with the number of images that are done. No gradient flows.
    """
    return _in_batches(model.features, model, images, batch_size, on_batch)


def logits_of(
    model: Classifier, images: Tensor, batch_size: int = BATCH, on_batch: Callable[[int], object] = lambda done: None
) -> Tensor:
    """(N, K) float32 on the CPU: `model` of images (N, C, H, W) in [0, 1]; otherwise as `features_of`."""
    return _in_batches(model, model, images, batch_size, on_batch)


@torch.no_grad()
def _in_batches(
    call: Callable[[Tensor], Tensor],
    model: Classifier,
    images: Tensor,
    batch_size: int,
    on_batch: Callable[[int], object],
) -> Tensor:
    if not len(images):
        raise ValueError("images is empty; give at least one image.")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1; got {batch_size}.")
    found, done = [], 0
    for x in images.split(batch_size):
        found.append(call(x.to(model.device)).float().cpu())
        done += len(x)
        on_batch(done)
    return torch.cat(found)
