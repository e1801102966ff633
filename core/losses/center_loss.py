"""Centre loss: cross-entropy, plus a pull of every feature towards the learned centre of its class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.losses.base import Loss
from core.losses.max_mahalanobis import squared_distances
from core.models.heads import LinearCenterHead
from core.params import parameter


class CenterLoss(Loss):
    """Wen et al. 2016, "A discriminative feature learning approach for deep face recognition", eq. 5.

    The paper moves the centres by its own rule, c_j -= alpha sum (c_j - z_i) / (1 + n_j) over the n_j features of the
    batch (eq. 4). Here that step, without the minus, is the gradient of the centres, and the optimiser that moves the
    weights moves them: so several ranks average it, and a resumed run knows it. The mean over the batch replaces the
    paper's sum.
    """

    name: ClassVar[str] = "center-loss"
    title: ClassVar[str] = "Centre loss"
    formula: ClassVar[str] = r"-\log\,\mathrm{softmax}(Wz + b)_y + \tfrac{\lambda}{2} \lVert z - c_y \rVert_2^2"
    look_for: ClassVar[str] = "Rays shrink to spots; where the spots lie, the data decide."
    paper: ClassVar[str] = "Wen et al. 2016, eqs. 4 and 5"
    classifiers: ClassVar[tuple[str, ...]] = ("argmax", "nearest-center")

    weight: float = parameter(
        0.003,
        ge=0,
        le=10,
        slider=(1e-4, 1),
        log=True,
        symbol="λ",
        paper="Wen et al. 2016, figure 6",
        help="Weight of the pull towards the centres; 0 is cross-entropy.",
    )
    center_rate: float = parameter(
        0.5,
        gt=0,
        le=1,
        step=0.05,
        symbol="α",
        paper="Wen et al. 2016, Algorithm 1",
        advanced=True,
        help="Learning rate of the centres, relative to that of the weights.",
    )
    dim: int | None = parameter(
        None,
        ge=1,
        le=4096,
        step=1,
        slider=(1, 512),
        symbol="d",
        title="Bottleneck",
        none="none",
        help="Width of a linear layer for the features; none takes the network's own. The paper draws 2.",
    )

    changeable: ClassVar[tuple[str, ...]] = ("weight", "center_rate")

    def layout(self, classes: int, features: int) -> dict[str, Any]:
        return {"embedding": self.dim, "head": "linear-centers"}

    def prepare(self, head: nn.Module, generator: torch.Generator, groups: Sequence[int] | None = None) -> None:
        assert isinstance(head, LinearCenterHead)
        nn.init.xavier_uniform_(head.centers, generator=generator)

    def __call__(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        assert isinstance(head, LinearCenterHead)
        pull = 0.5 * self.weight * squared_distances(features, labels, head.centers.detach()).mean()
        counts = labels.bincount(minlength=len(head.centers))
        step = 0.5 * squared_distances(features.detach(), labels, head.centers) / (1 + counts[labels])
        learn = self.center_rate * step.sum()
        # Worth zero: only its gradient counts.
        return F.cross_entropy(head(features), labels) + pull + (learn - learn.detach())
