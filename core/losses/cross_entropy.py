"""Softmax cross-entropy, the loss that the others are compared with."""

from __future__ import annotations

from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from core.losses.base import Loss
from core.params import parameter


class CrossEntropy(Loss):
    """SCE on a linear head: eq. 1 of the graph smoothness paper, section 2.2 of the MMC report."""

    name: ClassVar[str] = "cross-entropy"
    title: ClassVar[str] = "Cross-entropy (SCE)"
    formula: ClassVar[str] = r"-\log\,\mathrm{softmax}(Wz + b)_y"
    look_for: ClassVar[str] = (
        "In the plane, classes become rays from the origin: the direction decides the class, the length how sure."
    )
    paper: ClassVar[str] = "Graph smoothness loss, eq. 1"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper, Figure 1": {"dim": 2}}

    dim: int | None = parameter(
        None,
        ge=1,
        le=4096,
        step=1,
        slider=(1, 512),
        symbol="d",
        title="Bottleneck",
        none="none",
        paper="Graph smoothness loss, section 4.2",
        help="Width of a linear bottleneck before the classes; none leaves it out. 2 gives features one can draw.",
    )
    label_smoothing: float = parameter(
        0.0, ge=0, lt=1, step=0.01, help="Share of the target that is spread evenly over all classes."
    )

    changeable: ClassVar[tuple[str, ...]] = ("label_smoothing",)

    def layout(self, classes: int, features: int) -> dict[str, Any]:
        return {"embedding": self.dim, "head": "linear"}

    def __call__(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(head(features), labels, label_smoothing=self.label_smoothing)
