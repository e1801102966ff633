r"""Carlini and Wagner's L2 attack, as section 2.1 of Smooth Adversarial Examples states it (eqs. 2 to 4).

Minimise lambda |x - x_o|^2 + [y_t - max_{i != t} y_i + m]_+ with Adam, for some Lagrangian multipliers lambda = 1/c,
and keep the least distorted iterate that reaches the margin m. Two ways to come by c, for each image by itself:

- The published one: `search_steps` runs from the start, each with another c, chosen by binary search.
- Ours, the default (`search_steps = None`): a single run that corrects c after every iterate, down by a twentieth where
  the margin was reached and up by a twentieth where not, while the step size falls along a cosine. (As long as nothing
  has fooled the network, c and the step size grow by a tenth instead.) The hinge is an exact penalty: every c above a
  certain one has the same minimiser, but the farther above, the farther Adam swings across the boundary, and the search
  over c is there to damp the swings. Correcting c as one goes, with ever shorter steps, does it in one run. Measured by
  `benchmarks/attacks.py`.

sC&W, where v is smoothed into r, is smooth because it stops early: s^_alpha is invertible, so no r is excluded, and the
more steps, the shorter and the rougher r becomes.

Neither c nor Adam's step size can be one number for all networks and pictures: the shortest perturbation of a digit is
some 30 times the one of a photograph per pixel. Where they are not given they are taken from the network linearised at
the clean image (`Variable.reach`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from core.attacks.adam import Adam
from core.attacks.base import Attack, Quantised, Step, margin
from core.attacks.deepfool import crosses, gradient
from core.metrics import l2
from core.params import parameter

_CORRECTION = 0.05  # of c after every iterate of a single run
_GROWTH = 0.1  # of c and of the step size instead, as long as nothing fooled the network
_LAST = 0.05  # the share of the step size that a single run ends with

PAPER_SEARCH: dict[str, Any] = {"iterations": 100, "search_steps": 5, "learning_rate": 0.1}
"""The published search, in presets. The paper gives the step size, but not how many runs it makes, nor how long."""


def _per_image(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, 1, 1, 1), the sum."""
    return x.sum(dim=(1, 2, 3), keepdim=True)


def reach(slope: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
    """How far to go to raise a linear function of this slope by `gap`: (per variable along the slope's signs, the
    shortest way); no variable farther than 1, from black to white."""
    total, squared = _per_image(slope.abs()), _per_image(slope.square())
    step = (gap / torch.where(total > 0, total, 1)).clamp(max=1)
    return step, (gap / torch.where(squared > 0, squared, 1) * slope).clamp(-1, 1)


class Variable(Protocol):
    """How the unconstrained variable v of the optimiser becomes an image: a change of variable on N images."""

    def start(self, images: Tensor) -> Tensor:
        """v at the clean images."""

    def image(self, v: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """(the image in [0, 1], the perturbation whose squared norm is penalised), both differentiable in v."""

    def reach(self, slope: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
        """What raises the margin by `gap` (N, 1, 1, 1) if its gradient is `slope` (N, C, H, W) everywhere.

        Returns (the step size with which Adam's first step does so, for that step moves each variable by the step size
        along its sign; the perturbation with which steepest ascent in v does so).
        """

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

    def reach(self, slope: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
        # As in x, but with sigmoid' = 1/4, the steepest: where it is nearly 0 it does not stay so.
        step, shortest = reach(slope, gap)
        return 4 * step, shortest

    def keep(self, rows: Tensor) -> Sigmoid:
        return self


class Clipped:
    """x = clip(x_o + r): eq. 13, the perturbation itself is the variable."""

    def start(self, images: Tensor) -> Tensor:
        return torch.zeros_like(images)

    def image(self, v: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        return (images + v).clamp(0, 1), v

    def reach(self, slope: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
        return reach(slope, gap)

    def keep(self, rows: Tensor) -> Clipped:
        return self


class _Best:
    """The best of each image so far. A success with the margin beats one without, and that beats none.

    Among equals the less distorted wins, and where there is no success the iterate nearest to one.
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images.clone()
        self.level = torch.zeros(len(images), dtype=torch.int8, device=images.device)
        self.cost = images.new_full((len(images),), torch.inf)

    def record(self, rows: Tensor, x: Tensor, distortion: Tensor, lead: Tensor, level: Tensor) -> None:
        """Take note of the iterates `x` of the images `rows`; level: 0 no success, 1 fools, 2 reaches the margin."""
        cost = torch.where(level > 0, distortion, -lead)
        before = self.level[rows]
        better = (level > before) | (level == before) & (cost < self.cost[rows])
        won = rows[better]
        self.images[won], self.cost[won], self.level[won] = x[better], cost[better], level[better]


class CarliniWagnerBase(Quantised, Attack):
    """The search that C&W and its smooth version share: only the change of variable differs.

    Quantised, the network sees rounded iterates, and its gradient there counts as that of the iterate itself; the
    penalty is on the perturbation before rounding.
    """

    margin: float = parameter(
        1.0,
        ge=0,
        le=100,
        step=0.5,
        slider=(0, 20),
        symbol="m",
        unit="logits",
        paper="Smooth Adversarial Examples, eq. 3",
        help="How far another class must lead the true one. 0 stops at the decision boundary; more is more confident "
        "and costs distortion.",
    )
    iterations: int = parameter(
        50,
        ge=1,
        le=10_000,
        step=10,
        slider=(10, 500),
        unit="steps",
        help="Optimiser steps of a run. Each costs one forward and one backward pass. More of them make the "
        "perturbation shorter and, in the smooth attack, rougher.",
    )
    search_steps: int | None = parameter(
        None,
        ge=1,
        le=20,
        step=1,
        slider=(1, 9),
        paper="Smooth Adversarial Examples, section 2.1",
        help="Runs from the start, each with another c = 1/λ by binary search, as published. Automatic: one run that "
        "corrects c after every step and takes ever shorter steps, quicker and closer.",
    )
    learning_rate: float | None = parameter(
        None,
        gt=0,
        le=10,
        step=0.001,
        slider=(0.001, 1),
        log=True,
        symbol="η",
        paper="Smooth Adversarial Examples, section 5.2",
        help="Adam's step size (at first, in a single run). Automatic: from the network's slope at the clean image. "
        "The paper: 0.1.",
    )
    initial_c: float | None = parameter(
        None,
        gt=0,
        le=1e6,
        slider=(0.01, 1000),
        log=True,
        symbol="c",
        advanced=True,
        paper="Smooth Adversarial Examples, section 5.2",
        help="First value of c = 1/λ: larger weighs success more, smaller weighs invisibility more. Automatic: from "
        "the network's slope at the clean image. The paper: 15 on MNIST, 100 on ImageNet.",
    )
    abort_early: bool = parameter(
        True,
        advanced=True,
        help="With search steps: give up on a value of c for an image once a tenth of the iterations has not lowered "
        "its loss.",
    )

    def variable(self, images: Tensor) -> Variable:
        raise TypeError(f"{type(self).__name__} does not say what its variable is")

    def penalty(self, perturbation: Tensor, variable: Variable) -> Tensor:
        """(N,) the distortion term, quadratic in the perturbation: |r|^2."""
        return perturbation.flatten(1).square().sum(1)

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        n = len(images)
        single = self.search_steps is None
        runs = self.search_steps or 1
        total = runs * self.iterations
        index = 0
        current, best = images.clone(), _Best(images)
        nan = images.new_full((n,), torch.nan)
        scalars = {"loss": nan.clone(), "distortion": nan.clone(), "margin": nan.clone()}
        c = torch.full_like(nan, self.initial_c or torch.nan)
        rate = images.new_full((n, 1, 1, 1), self.learning_rate or torch.nan)
        lower, upper = torch.zeros_like(c), torch.full_like(c, torch.inf)
        finite = torch.ones(n, dtype=torch.bool, device=images.device)
        hopeful = torch.ones_like(finite)  # there is a slope to follow
        whole = self.variable(images)
        patience = max(self.iterations // 10, 1)

        for run in range(runs):
            active = (finite & hopeful).nonzero()[:, 0]
            reached = torch.zeros_like(finite)  # with this c
            previous = torch.full_like(c, torch.inf)
            variable = whole.keep(active)
            x, y = images[active], labels[active]
            v = variable.start(x)
            adam = Adam(v, rate[active])
            for iteration in range(self.iterations):
                if not len(active):
                    break
                with torch.enable_grad():
                    v.requires_grad_(True)
                    adversarial, perturbation = variable.image(v, x)
                    penalty = self.penalty(perturbation, variable)
                    seen = self.shown(adversarial.detach()).requires_grad_(True)
                    logits = model(seen)
                    hinge = (self.margin - margin(logits, y)).clamp_min(0)
                    # Where every image has the margin, the way back through the network is saved.
                    pull = gradient(hinge, seen) if bool((hinge > 0).any()) else torch.zeros_like(seen)
                    logits, hinge = logits.detach(), hinge.detach()
                    if index == 0:
                        hopeful = pull.flatten(1).any(1)
                        estimates = self._linearised(-pull, hinge, variable)
                        rate, c = (torch.where(a.isnan(), b, a) for a, b in zip((rate, c), estimates, strict=True))
                        adam.rate = rate
                    weighed = penalty / c[active]
                    (slope,) = torch.autograd.grad((adversarial, weighed), v, (pull, torch.ones_like(weighed)))
                v, adversarial = v.detach(), seen.detach()
                loss = weighed.detach() + hinge
                lead, distortion = margin(logits, y), l2(adversarial, x)
                fools = crosses(logits, y)
                confident = fools & (lead >= self.margin)
                best.record(active, adversarial, distortion, lead, fools.to(torch.int8) + confident.to(torch.int8))
                reached[active] |= confident
                current[active] = adversarial
                for name, values in (("loss", loss), ("distortion", distortion), ("margin", lead)):
                    scalars[name][active] = values
                finite[active] &= logits.isfinite().all(1) & loss.isfinite() & slope.flatten(1).isfinite().all(1)
                index = run * self.iterations + iteration + 1
                yield Step(index, total, current, best.images, best.level > 0, dict(scalars), finite)

                going = finite[active] & hopeful[active]
                share = 1.0
                if single:
                    share = _LAST + (1 - _LAST) * (1 + math.cos(math.pi * iteration / self.iterations)) / 2
                    now, nowhere = c[active], best.level[active] == 0
                    upwards = torch.where(nowhere, (1 + _GROWTH) * now, (1 + _CORRECTION) * now)
                    c[active] = torch.where(confident, (1 - _CORRECTION) * now, upwards)
                    adam.rate = torch.where(nowhere.view(-1, 1, 1, 1), (1 + _GROWTH) * adam.rate, adam.rate)
                elif self.abort_early and (iteration + 1) % patience == 0:
                    going &= loss < previous[active] * 0.9999
                    previous[active] = loss
                adam.step(v, slope, share)
                if not bool(going.all()):
                    active, v, x, y = active[going], v[going], x[going], y[going]
                    adam.keep(going)
                    variable = variable.keep(going)
            upper = torch.where(reached, torch.minimum(upper, c), upper)
            lower = torch.where(reached, lower, torch.maximum(lower, c))
            c = torch.where(upper.isfinite(), (lower + upper) / 2, c * 10)
        if index < total:
            yield Step(total, total, current, best.images, best.level > 0, dict(scalars), finite)

    def _linearised(self, slope: Tensor, gap: Tensor, variable: Variable) -> tuple[Tensor, Tensor]:
        """Step size (N, 1, 1, 1) and c (N,) that suit the network linearised at the clean images.

        slope: (N, C, H, W) the gradient of the margin; gap: (N,) what it lacks. Adam's first step goes to where the
        margin is reached; there, c balances the pull back of the quadratic penalty and the pull of the hinge.
        """
        rate, perturbation = variable.reach(slope, gap.view(-1, 1, 1, 1))
        c = 2 * self.penalty(perturbation, variable) / gap
        return rate, torch.where(c > 0, c, 1)  # 0 or NaN only where there is no slope or no gap


class CarliniWagner(CarliniWagnerBase):
    """C&W: x = sigmoid(w), eq. 4 of Smooth Adversarial Examples, after Carlini and Wagner (2017)."""

    name: ClassVar[str] = "cw"
    title: ClassVar[str] = "Carlini & Wagner (C&W)"
    formula: ClassVar[str] = (
        r"\min_{w}\; \lambda\,\lVert \sigma(w) - x_o\rVert^2 + \big[\,y_t - \max_{i\neq t} y_i + m\,\big]_+"
    )
    look_for: ClassVar[str] = (
        "Every pixel is moved on its own. Converged it is mostly too short to be seen; the longer it has to be, the "
        "more magnification shows of it, as noise on flat areas."
    )
    paper: ClassVar[str] = "Smooth Adversarial Examples, section 2.1, eqs. 3 and 4"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, MNIST": {"margin": 1.0, "initial_c": 15.0, **PAPER_SEARCH, "inset": 1e-6},
        "paper, ImageNet": {"margin": 0.0, "initial_c": 100.0, **PAPER_SEARCH, "inset": 1e-6},
        # Ours: survives being saved in 40 of 40 photographs (EfficientNet-Lite0); a margin of 2 instead did in 9.
        "photograph": {"quantised": True},
    }

    inset: float = parameter(
        1e-3,
        gt=0,
        lt=0.5,
        log=True,
        slider=(1e-6, 0.01),
        advanced=True,
        help="How far inside (0, 1) exact black and white start, since sigmoid reaches them only at infinity. The "
        "smaller, the more steps it takes to get away from there.",
    )

    def variable(self, images: Tensor) -> Variable:
        return Sigmoid(self.inset)
