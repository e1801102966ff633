"""The momentum iterative method: I-FGSM that remembers where it was going."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from core.attacks.fgsm import SignDescent, SignSteps
from core.attacks.gradient import Descent, IteratedGradient
from core.params import parameter


class MomentumDescent(SignDescent):
    """m <- decay m + g / |g|_1; x <- x - step sign(m), inside the ball."""

    def __init__(self, epsilon: float, step: float, decay: float, images: Tensor) -> None:
        super().__init__(epsilon, step)
        self.decay, self.memory = decay, torch.zeros_like(images)

    def move(self, x: Tensor, gradient: Tensor, images: Tensor) -> Tensor:
        mean = gradient.abs().mean((1, 2, 3), keepdim=True)  # |g|_1 up to a factor that the sign takes out
        self.memory = self.decay * self.memory + gradient / torch.where(mean > 0, mean, 1)
        return super().move(x, self.memory, images)

    def stay(self, going: Tensor) -> None:
        self.memory = self.memory[going]


class MomentumIterative(IteratedGradient, SignSteps):
    """MIM (Dong et al. 2018). The report's black-box attack: made on one network, tried on another."""

    name: ClassVar[str] = "mim"
    title: ClassVar[str] = "Momentum iterative (MIM)"
    formula: ClassVar[str] = (
        r"m \leftarrow \nu\, m + \frac{g}{\lVert g\rVert_1},\qquad "
        r"x \leftarrow \mathrm{clip}_{[0,1]\cap B_\infty(x_o,\epsilon)}\big(x - a\,\mathrm{sign}\, m\big)"
    )
    look_for: ClassVar[str] = (
        "Like I-FGSM, but the steps agree with one another; made for perturbations that fool other networks too."
    )
    paper: ClassVar[str] = "MMC reproducibility report, section 3.1, after Dong et al. (2018)"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "MMC report, 8/256": {"epsilon": 8 / 256, "step_size": 2 / 256, "updates": 10, "keep": "strongest"},
        "MMC report, 8/256, targeted": {
            "epsilon": 8 / 256,
            "step_size": 2 / 256,
            "updates": 10,
            "keep": "strongest",
            "goal": "random",
        },
    }

    decay: float = parameter(
        1.0,
        ge=0,
        le=1,
        step=0.05,
        slider=(0, 1),
        symbol="ν",
        help="How much of the past directions is kept at each step. 0 is I-FGSM.",
    )

    def descent(self, images: Tensor) -> Descent:
        return MomentumDescent(self.epsilon, self.step_size, self.decay, images)
