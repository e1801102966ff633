"""FGSM and its iterated form, in the ball of the largest change of a value (Linf)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from core.attacks.base import Attack, Step
from core.attacks.gradient import Descent, Goal, IteratedGradient, Objective, iterate
from core.params import Parameters, parameter


class LargestChange(Parameters):
    """The radius of an Linf ball."""

    epsilon: float = parameter(
        0.1,
        ge=0,
        le=1,
        step=0.005,
        slider=(0, 0.5),
        symbol="ε",
        unit="colour, 0 to 1",
        paper="Smooth Adversarial Examples, section 5.2",
        help="No value changes by more than this. Multiply by 255 for 8-bit levels: 0.03 is about 8 of them.",
    )


class SignDescent(Descent):
    """x <- x - step sign(g), then back into the ball around the clean image and into [0, 1]."""

    def __init__(self, epsilon: float, step: float, random_start: bool = False) -> None:
        self.epsilon, self.step, self.random_start = epsilon, step, random_start

    def start(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        if not self.random_start:
            return images
        noise = torch.rand(images.shape, generator=generator, dtype=images.dtype, device=images.device)
        return self.back(images + self.epsilon * (2 * noise - 1), images)

    def move(self, x: Tensor, gradient: Tensor, images: Tensor) -> Tensor:
        return self.back(x - self.step * gradient.sign(), images)

    def back(self, x: Tensor, images: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(x, images - self.epsilon), images + self.epsilon).clamp(0, 1)


class FGSM(Attack, Goal, Objective, LargestChange):
    """Fast gradient sign method (Goodfellow et al. 2015): one step of length epsilon in every value."""

    name: ClassVar[str] = "fgsm"
    title: ClassVar[str] = "FGSM"
    formula: ClassVar[str] = r"x = \mathrm{clip}\big(x_o - \epsilon\,\mathrm{sign}\,\nabla_x \ell(f(x_o), t)\big)"
    look_for: ClassVar[str] = "Every pixel changes by the same amount: a checkered veil over the whole picture."
    paper: ClassVar[str] = "Smooth Adversarial Examples, section 4.1, eqs. 10 and 11"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, MNIST": {"epsilon": 0.3},
        "paper, ImageNet": {"epsilon": 0.1255},
        "MMC report, 8/256": {"epsilon": 8 / 256},
    }

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        descent = SignDescent(self.epsilon, self.epsilon)
        targets = self.targets(model, images, labels, generator)
        yield from iterate(descent, 1, "least distorted", self.objective, model, images, labels, targets, generator)


class SignSteps(LargestChange):
    """An Linf ball and the step inside it."""

    step_size: float = parameter(
        0.02,
        gt=0,
        le=1,
        step=0.005,
        slider=(0.005, 0.2),
        unit="colour, 0 to 1",
        paper="Smooth Adversarial Examples, section 5.2 (there called α)",
        help="How much every value moves in one step.",
    )


class IteratedFGSM(IteratedGradient, SignSteps):
    """I-FGSM, also known as IGSM or BIM (Kurakin et al. 2017); with a random start the PGD of Madry et al. (2018).

    The papers do not say how many steps they take; 20 is ours.
    """

    name: ClassVar[str] = "ifgsm"
    title: ClassVar[str] = "I-FGSM (IGSM, PGD)"
    formula: ClassVar[str] = (
        r"x \leftarrow \mathrm{clip}_{[0,1]\cap B_\infty(x_o,\epsilon)}"
        r"\big(x - a\,\mathrm{sign}\,\nabla_x \ell(f(x), t)\big)"
    )
    look_for: ClassVar[str] = (
        "The same veil as FGSM's, but fainter at the same ε: it stops at the first step that fools."
    )
    paper: ClassVar[str] = "Smooth Adversarial Examples, section 4.1, eqs. 10 and 11; SmoothFool, section 2 (IGSM)"
    # The report gives the bounds; step and number of steps are its code's.
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, MNIST": {"epsilon": 0.3, "step_size": 0.08},
        "paper, ImageNet": {"epsilon": 0.1255, "step_size": 0.08},
        "MMC report, PGD-10, 8/256": {
            "epsilon": 8 / 256,
            "step_size": 2 / 256,
            "updates": 10,
            "random_start": True,
        },
        "MMC report, PGD-10, 16/256, targeted": {
            "epsilon": 16 / 256,
            "step_size": 2 / 256,
            "updates": 10,
            "random_start": True,
            "goal": "random",
        },
        "MMC report, adaptive PGD-10, 8/256": {
            "epsilon": 8 / 256,
            "step_size": 2 / 256,
            "updates": 10,
            "random_start": True,
            "objective": "own loss",
            "keep": "last",
        },
    }

    random_start: bool = parameter(
        False,
        paper="MMC reproducibility report, section 3.1 (PGD)",
        help="Start anywhere in the ball instead of at the clean image: the PGD attack of Madry et al.",
    )

    def descent(self, images: Tensor) -> Descent:
        return SignDescent(self.epsilon, self.step_size, self.random_start)
