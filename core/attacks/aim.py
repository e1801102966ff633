"""Attacks towards one class that a person has chosen.

A network of K classes, asked only whether it names the class t, is a network of two: what speaks against t is the
largest of the other logits, what speaks for it is t's own. An untargeted attack on that one, away from "not t", is the
targeted attack on the first: the hinge of C&W becomes Carlini and Wagner's own for a target (2017, their f_6), and the
boundary that DeepFool linearises is the one between t and the class that is named. So no attack needs to know of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.attacks.base import Attack
from core.params import parameter


class Aimed(nn.Module):
    """`model`, whose logits are (N, K), as a network of the two classes "not `target`" (0) and "`target`" (1)."""

    def __init__(self, model: nn.Module, target: int) -> None:
        super().__init__()
        self.model, self.target = model, target

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> logits (N, 2): the largest of the other classes, and the target's."""
        logits = self.model(x)
        others = torch.cat([logits[:, : self.target], logits[:, self.target + 1 :]], 1)
        return torch.stack([others.amax(1), logits[:, self.target]], 1)


class Aiming(Attack):
    """Attacks that can be led towards a class."""

    target: int | None = parameter(
        None,
        ge=0,
        le=9999,
        step=1,
        slider=(0, 9),
        title="Target",
        paper="Carlini and Wagner (2017), section V; DeepFool and SmoothFool: ours",
        none="any other class",
        help="The class that the picture is to be taken for, by its number from 0; it fools only if the network names "
        "that one. Left out, any but the true one. A picture of the class itself is not attacked.",
    )

    @property
    def aim(self) -> int | None:
        return self.target

    def posed(self, model: nn.Module, labels: Tensor) -> tuple[nn.Module, Tensor]:
        if self.target is None:
            return super().posed(model, labels)
        return Aimed(model, self.target), torch.zeros_like(labels)
