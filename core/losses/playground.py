"""A playground: a few hundred points that only a loss moves, so that one can see what shape it gives them.

`play` takes images to points of the plane or of space and lets them follow the gradient of any of LOSSES, computed by
the very object that trains networks. With `mover="network"` a small network brings the images there, and what is seen
is what a loss makes of a network. With `mover="points"` each point is free, as if a network could put every image
wherever it liked, and what is seen is the loss alone. The difference tells: cross-entropy's lines are the network's,
which has one map for all images; free points of a class feel the same pull and end as one spot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.losses.base import Loss, check_features
from core.models.heads import HEADS
from core.models.networks import initialise
from core.params import Parameters, parameter

PIXEL_AXES = 50
"""Principal components of the pixels that the small network sees."""
HIDDEN = 64


class Playground(Parameters):
    """What moves, where from, and how far."""

    points: int = parameter(200, ge=20, le=400, step=20, unit="images", help="As many of each class as of any other.")
    mover: Literal["points", "network"] = parameter(
        "network",
        title="What moves",
        first=True,
        help="network: a small network (50 principal components of the pixels, 64 hidden units) brings every image "
        "there, so images that look alike move alike. points: each image's point is free, so only the loss acts.",
    )
    dim: Literal[2, 3] = parameter(
        2, title="Dimensions", symbol="d", first=True, help="Of the space that the points move in."
    )
    start: Literal["pixels", "random"] = parameter(
        "pixels", help="Free points begin at the first principal components of the images' pixels, or at random."
    )
    steps: int = parameter(300, ge=10, le=1000, step=10, unit="steps", help="Gradient steps.")
    rate: float = parameter(
        0.1,
        gt=0,
        le=10,
        slider=(0.01, 1),
        log=True,
        symbol="η",
        title="Step size",
        help="Free points: how far each goes along its own share of the gradient, which is n times that of the mean. "
        "The network's is a tenth of it, with Adam.",
    )
    seed: int = parameter(0, ge=0, le=2**31 - 1, step=1, slider=(0, 100), help="Of the images and of what is random.")


@dataclass(frozen=True)
class Motion:
    """Where the points were."""

    steps: tuple[int, ...]
    """How many gradient steps had been taken; the first is 0."""
    positions: Tensor
    """(T, n, d) what the loss saw of each point: normalised where the loss normalises."""
    losses: Tensor
    """(T,) the loss there."""
    centers: Tensor | None
    """(T, K, d) where the head has centres, fixed or learned."""


def normalised(z: Tensor, norm: str) -> Tensor:
    """Features (n, d) as graph smoothness has them (sections 4.1 and 4.2): norm "l2", "batch", or "none" as they are.

    "batch" is batch norm over these n, without a learned scale. ValueError for another norm.
    """
    match norm:
        case "none":
            return z
        case "l2":
            return F.normalize(z)
        case "batch":
            return F.batch_norm(z, None, None, training=True)
    raise ValueError(f"norm must be none, l2 or batch; got {norm!r}.")


def principal_components(images: Tensor, count: int) -> Tensor:
    """(n, C, H, W) -> (n, count): the pixels along their directions of largest variance, the first of variance 1."""
    flat = images.flatten(1).double()
    u, s, _ = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    u = u * torch.where(u.gather(0, u.abs().argmax(0, keepdim=True)) < 0, -1.0, 1.0)  # a sign that stays
    scores = (u * s)[:, :count]
    scores = F.pad(scores, (0, count - scores.shape[1]))
    return (scores / scores[:, 0].std().clamp_min(1e-12)).float()


def play(loss: Loss, playground: Playground, images: Tensor, labels: Tensor, classes: int, keep: int = 61) -> Motion:
    """Let the points of images (n, C, H, W) with labels (n,) follow `loss` for `playground.steps` steps.

    The loss's own `dim` gives way to the playground's. Every step sees all n points as one batch. The head (a linear
    one, learned centres, ...) takes plain gradient steps of the same size. keep: how many of the steps are kept,
    evenly, the first and the last always. The points are few: all is done on the CPU. ValueError in one sentence for
    labels outside 0 to classes - 1.
    """
    images, labels = images.cpu(), labels.cpu()
    check_features(images.flatten(1), labels, "images", classes=classes)
    loss = loss.replace(dim=playground.dim)
    generator = torch.Generator().manual_seed(playground.seed)
    mover, moved = _mover(playground, images, generator)  # before the head, so that it is the same for every loss
    layout = loss.layout(classes, playground.dim)
    head = HEADS[layout["head"]](playground.dim, classes, **layout.get("head_arguments", {}))
    initialise(head, generator)
    loss.prepare(head, generator)
    norm = layout.get("embedding_norm", "none")
    optimisers = _optimisers(playground, moved, list(head.parameters()), len(images))
    kept = {round(i * playground.steps / max(keep - 1, 1)) for i in range(keep)} | {0, playground.steps}
    positions, values, centers = [], [], []
    for step in range(playground.steps + 1):
        z = normalised(mover(), norm)
        value = loss(head, z, labels)
        if step in kept:
            positions.append(z.detach().clone())
            values.append(value.detach())
            if isinstance(held := getattr(head, "centers", None), Tensor):
                centers.append(held.detach().clone())
        for optimiser in optimisers:
            optimiser.zero_grad()
        value.backward()
        for optimiser in optimisers:
            optimiser.step()
    return Motion(
        tuple(sorted(kept)), torch.stack(positions), torch.stack(values), torch.stack(centers) if centers else None
    )


def _mover(
    playground: Playground, images: Tensor, generator: torch.Generator
) -> tuple[Callable[[], Tensor], list[nn.Parameter]]:
    """What gives the points (n, d), before normalisation, and what of it is learned."""
    if playground.mover == "network":
        inputs = principal_components(images, PIXEL_AXES)
        network = nn.Sequential(nn.Linear(PIXEL_AXES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, playground.dim))
        initialise(network, generator)
        return lambda: network(inputs), list(network.parameters())
    if playground.start == "random":
        points = nn.Parameter(torch.randn(len(images), playground.dim, generator=generator))
    else:
        points = nn.Parameter(principal_components(images, playground.dim))
    return lambda: points, [points]


def _optimisers(
    playground: Playground, moved: list[nn.Parameter], head: list[nn.Parameter], n: int
) -> list[torch.optim.Optimizer]:
    if playground.mover == "network":
        return [torch.optim.Adam([*moved, *head], lr=0.1 * playground.rate)]
    found: list[torch.optim.Optimizer] = [torch.optim.SGD(moved, lr=n * playground.rate)]
    return [*found, torch.optim.SGD(head, lr=playground.rate)] if head else found
