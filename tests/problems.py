"""Numbers that are the same in every run, and closed-form problems: linear classifiers whose nearest boundary point is
known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.losses import Loss
from core.models import Card, Classifier, build
from core.models.networks import initialise


def uniform(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers in [0, 1), evenly spread, whatever was drawn before; others for another seed."""
    return torch.rand(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal numbers, whatever was drawn before; others for another seed."""
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def trained_for(loss: Loss, classes: int, size: int, groups: Sequence[int] | None = None, seed: int = 0) -> Classifier:
    """A small network of (1, size, size) pictures as training would make it for a loss, before its first step."""
    card = Card(
        name="toy",
        title="toy",
        dataset="toy",
        network="fc2",
        network_arguments={"size": size},
        input_shape=(1, size, size),
        classes=classes,
        mean=(0.5,),
        std=(0.25,),
        sha256="0" * 64,
        **loss.entries(classes, 150),
    )
    generator = torch.Generator().manual_seed(seed)
    model = build(card)
    initialise(model, generator)
    loss.prepare(model.head, generator, groups)
    return model


class Linear(nn.Module):
    """Logits W x + b for images (N, C, H, W); W (K, C H W)."""

    def __init__(self, weights: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weights.T + self.bias


@dataclass(frozen=True)
class LinearProblem:
    """Images (N, C, H, W) around middle grey, so near the boundary of a linear classifier that no pixel leaves [0, 1].

    nearest: (N, C, H, W), the shortest perturbation onto the boundary; normal: (N, C, H, W), that boundary's w, which
    points out of the class; gap: (N,), how far the true logit leads there.
    """

    model: Linear
    images: Tensor
    labels: Tensor
    nearest: Tensor
    normal: Tensor
    gap: Tensor


def linear(
    n: int = 4,
    classes: int = 2,
    shape: tuple[int, int, int] = (1, 8, 8),
    seed: int = 0,
    shift: float = 0.0,
    deviation: float = 0.1,
    offset: float = 0.0,
) -> LinearProblem:
    """A random linear problem in float32. shift is added to every logit, offset to class 1's weights; deviation is the
    pixels' standard deviation about grey."""
    generator = torch.Generator().manual_seed(seed)
    size = shape[0] * shape[1] * shape[2]
    weights = torch.randn(classes, size, generator=generator)
    weights[1] += offset
    images = 0.5 + deviation * torch.randn(n, *shape, generator=generator).clamp(-2, 2)
    model = Linear(weights, shift - weights.sum(1) / 2)  # all classes tie at middle grey
    logits = model(images)
    labels = logits.argmax(1)
    rows = torch.arange(n)
    gaps = logits[rows, labels][:, None] - logits
    normals = weights[None] - weights[labels][:, None]
    distances = gaps / normals.norm(dim=2)
    distances[rows, labels] = torch.inf
    k = distances.argmin(1)
    gap, normal = gaps[rows, k], normals[rows, k]
    nearest = (gap / normal.square().sum(1))[:, None] * normal
    return LinearProblem(model, images, labels, nearest.view_as(images), normal.view_as(images), gap)


def carded(n: int) -> LinearProblem:
    """`linear` of two classes, whose model has a card as records want it; distances to the boundary are known."""
    made = linear(n=n, shape=(1, 16, 16), deviation=0.05)
    made.model.card = Card(
        name="linear",
        title="linear",
        dataset="toy",
        network="none",
        loss="none",
        input_shape=(1, 16, 16),
        classes=2,
        mean=(0.5,),
        std=(0.25,),
        sha256="0" * 64,
    )
    return made


class Constant(nn.Module):
    """One class for everything; what the logits have to do with x is the argument."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.tensor([[3.0, 1.0, 2.0]]).repeat(len(x), 1)
        if self.kind == "without gradient":
            return logits
        if self.kind == "zero gradient":
            return logits + 0 * x.sum((1, 2, 3))[:, None]
        if self.kind == "tiny gradient":
            return logits + 1e-30 * x.flatten(1)[:, :3]
        return logits + (x - 0.5).sum((1, 2, 3))[:, None].abs().sqrt()  # NaN gradient at middle grey
