r"""Carlini and Wagner's L2 attack, as section 2.1 of Smooth Adversarial Examples states it (eqs. 2 to 4).

Minimise lambda |x - x_o|^2 + [y_t - max_{i != t} y_i + m]_+ with Adam, for a sequence of Lagrangian multipliers
lambda = 1/c found by binary search on c for each image; keep the least distorted iterate that reaches the margin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from core.attacks.adam import Adam
from core.attacks.base import Attack, Step, margin
from core.metrics import l2
from core.params import parameter


class Variable(Protocol):
    """How the unconstrained variable v of the optimiser becomes an image: a change of variable on N images."""

    def start(self, images: Tensor) -> Tensor:
        """v at the clean images."""

    def image(self, v: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """(the image in [0, 1], the perturbation whose squared norm is penalised), both differentiable in v."""

    def keep(self, rows: Tensor) -> Variable:
        """The same for some of the images."""


class Sigmoid:
    """x = sigmoid(w): eq. 4. Black and white lie at infinity, so w starts at sigmoid^-1 of x held `inset` inside."""

    def __init__(self, inset: float) -> None:
        self.inset = inset

    def start(self, images: Tensor) -> Tensor:
        return torch.logit(images, eps=self.inset)

    def image(self, v: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        x = v.sigmoid()
        return x, x - images

    def keep(self, rows: Tensor) -> Sigmoid:
        return self


class Clipped:
    """x = clip(x_o + r): eq. 13, the perturbation itself is the variable."""

    def start(self, images: Tensor) -> Tensor:
        return torch.zeros_like(images)

    def image(self, v: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        return (images + v).clamp(0, 1), v

    def keep(self, rows: Tensor) -> Clipped:
        return self


class CarliniWagnerBase(Attack):
    """The search that C&W and its smooth version share: only the change of variable differs."""

    margin: float = parameter(
        1.0, ge=0, le=100, step=0.5, slider=(0, 20), symbol="m", unit="logits",
        paper="Smooth Adversarial Examples, eq. 3",
        help="How far another class must lead the true one. 0 stops at the decision boundary; more is more confident, "
        "survives rounding to 8 bits better, and costs distortion.",
    )  # fmt: skip
    iterations: int = parameter(
        100, ge=1, le=10_000, step=10, slider=(10, 500), unit="steps",
        help="Optimiser steps for each value of c. Each costs one forward and one backward pass.",
    )  # fmt: skip
    search_steps: int = parameter(
        5, ge=1, le=20, step=1, slider=(1, 9),
        help="Values of c = 1/λ that are tried for each image, by binary search.",
    )  # fmt: skip
    learning_rate: float = parameter(
        0.1, gt=0, le=10, step=0.001, slider=(0.001, 1), log=True, symbol="η",
        paper="Smooth Adversarial Examples, section 5.2", help="Adam's step size.",
    )  # fmt: skip
    initial_c: float = parameter(
        15.0, gt=0, le=1e6, slider=(0.01, 1000), log=True, symbol="c", advanced=True,
        paper="Smooth Adversarial Examples, section 5.2",
        help="First value of c = 1/λ: larger weighs success more, smaller weighs invisibility more.",
    )  # fmt: skip
    abort_early: bool = parameter(
        True, advanced=True,
        help="Give up on a value of c for an image once a tenth of the iterations has not lowered its loss.",
    )  # fmt: skip

    def variable(self, images: Tensor) -> Variable:
        raise TypeError(f"{type(self).__name__} does not say what its variable is")

    def penalty(self, perturbation: Tensor, variable: Variable) -> Tensor:
        """(N,) the distortion term: |r|^2."""
        return perturbation.flatten(1).square().sum(1)

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        n = len(images)
        total = self.search_steps * self.iterations
        c = images.new_full((n,), self.initial_c)
        lower, upper = torch.zeros_like(c), torch.full_like(c, torch.inf)
        current, best = images.clone(), images.clone()
        best_distortion = torch.full_like(c, torch.inf)
        best_margin = torch.full_like(c, -torch.inf)  # how near an image without success came
        reached = torch.zeros(n, dtype=torch.bool, device=images.device)  # the margin, not only the boundary
        found, finite = torch.zeros_like(reached), torch.ones_like(reached)
        scalars = {name: torch.full_like(c, torch.nan) for name in ("loss", "distortion", "margin")}
        whole = self.variable(images)
        patience = max(self.iterations // 10, 1)
        index = 0

        for search in range(self.search_steps):
            active = finite.nonzero()[:, 0]
            reached_now = torch.zeros_like(reached)
            previous = torch.full_like(c, torch.inf)
            variable = whole.keep(active)
            x, y = images[active], labels[active]
            v = variable.start(x)
            adam = Adam(v, self.learning_rate)
            for iteration in range(self.iterations):
                v.requires_grad_(True)
                adversarial, perturbation = variable.image(v, x)
                lead = margin(model(adversarial), y)
                loss = self.penalty(perturbation, variable) / c[active] + (self.margin - lead).clamp_min(0)
                (gradient,) = torch.autograd.grad(loss.sum(), v)
                v = v.detach()
                adversarial, lead, loss = adversarial.detach(), lead.detach(), loss.detach()

                distortion = l2(adversarial, x)
                fools, confident = lead > 0, (lead > 0) & (lead >= self.margin)
                # A confident success beats a bare one, a bare one beats none; among equals the less distorted wins.
                improved = torch.where(
                    confident,
                    ~reached[active] | (distortion < best_distortion[active]),
                    ~reached[active]
                    & torch.where(
                        fools,
                        ~found[active] | (distortion < best_distortion[active]),
                        ~found[active] & (lead > best_margin[active]),
                    ),
                )
                rows = active[improved]
                best[rows] = adversarial[improved]
                best_distortion[rows] = distortion[improved]
                best_margin[rows] = lead[improved]
                found[active] |= fools
                reached[active] |= confident
                reached_now[active] |= confident
                current[active] = adversarial
                for name, values in (("loss", loss), ("distortion", distortion), ("margin", lead)):
                    scalars[name][active] = values
                sound = gradient.flatten(1).isfinite().all(1) & loss.isfinite()
                finite[active] &= sound
                index = search * self.iterations + iteration + 1
                yield Step(index, total, current, best, found, dict(scalars), finite)

                adam.step(v, gradient)
                going = sound
                if self.abort_early and (iteration + 1) % patience == 0:
                    going = going & (loss < previous[active] * 0.9999)
                    previous[active] = loss
                if not bool(going.all()):
                    active, v, x, y = active[going], v[going], x[going], y[going]
                    adam.keep(going)
                    variable = variable.keep(going)
                if not len(active):
                    break
            upper = torch.where(reached_now, torch.minimum(upper, c), upper)
            lower = torch.where(reached_now, lower, torch.maximum(lower, c))
            c = torch.where(upper.isfinite(), (lower + upper) / 2, c * 10)
            if not bool(finite.any()):
                break
        if index < total:
            yield Step(total, total, current, best, found, dict(scalars), finite)


class CarliniWagner(CarliniWagnerBase):
    """C&W: x = sigmoid(w), eq. 4 of Smooth Adversarial Examples, after Carlini and Wagner (2017)."""

    name: ClassVar[str] = "cw"
    title: ClassVar[str] = "Carlini & Wagner (C&W)"
    formula: ClassVar[str] = (
        r"\min_{w}\; \lambda\,\lVert \sigma(w) - x_o\rVert^2 + \big[\,y_t - \max_{i\neq t} y_i + m\,\big]_+"
    )
    look_for: ClassVar[str] = (
        "Every pixel is moved on its own: tiny, but a noisy veil that magnification brings out on flat areas."
    )
    paper: ClassVar[str] = "Smooth Adversarial Examples, section 2.1, eqs. 3 and 4"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, MNIST": {"margin": 1.0, "learning_rate": 0.1, "initial_c": 15.0},
        "paper, ImageNet": {"margin": 0.0, "learning_rate": 0.1, "initial_c": 100.0},
    }

    inset: float = parameter(
        1e-6, gt=0, lt=0.5, log=True, slider=(1e-6, 0.01), advanced=True,
        help="How far inside (0, 1) exact black and white start, since sigmoid reaches them only at infinity.",
    )  # fmt: skip

    def variable(self, images: Tensor) -> Variable:
        return Sigmoid(self.inset)
