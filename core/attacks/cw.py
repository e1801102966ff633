r"""Carlini and Wagner's L2 attack, as section 2.1 of Smooth Adversarial Examples states it (eqs. 2 to 4).

Minimise lambda |x - x_o|^2 + [y_t - max_{i != t} y_i + m]_+ with Adam, for some Lagrangian multipliers lambda = 1/c,
and keep the least distorted iterate that reaches the margin m. Two ways to come by c, for each image by itself:

- The published one: `search_steps` runs from the start, each with another c, chosen by binary search.
- Ours, the default (`search_steps = None`): a single run that corrects c after every iterate. The hinge is an exact
  penalty: every c above a certain one has the same minimiser, but the farther above, the farther the iterates swing
  across the boundary, and the search over c is there to damp the swings. Correcting c as one goes, with ever shorter
  steps, does it in one run. The run goes along the steepest way in the norm that it makes small, without sigmoid and
  Adam (`core.attacks.lagrangian`): they are what keeps C&W from its own optimum.

Where a learning rate is given, and for sC&W as published, whose smoothness is Adam's in its variable, the single run is
Adam's too. c goes down by a twentieth where the margin was reached and up by a twentieth where not, while the step size
falls along a cosine. (As long as nothing has fooled the network, c and the step size grow by a tenth instead.)

sC&W, where v is smoothed into r, is as published smooth because it stops early: s^_alpha is invertible, so no r is
excluded, and the more steps, the shorter and the rougher r becomes. `core.attacks.scw` gives it a smooth optimum.

Where the boundary is a cliff
-----------------------------
The network linearised at the clean image may say nothing of where its boundary lies. Features that were trained onto a
class's centre sit on it there, with hardly a slope, and fall off it close by: on CIFAR-10 (MMC, one image) the margin
has slope 86 at the clean image and 5900 at the boundary, which looks 2.6 away and is 0.12 away. Steps and c are then
too large by factors of 30 and 1000, and slopes that differ so much are lost on Adam, whose memory of the steep ones
makes the others' steps vanish. Adam's single run notices where the first iterate to fool does so by more than half of
what the clean image lacked: where the linearisation holds, no step goes so far beyond the goal. It halves the way back
until it fools no more, takes step size and c from the slope that it finds there, gives every later slope that length,
and has c follow quicker where outcomes repeat. (12 images, 50 steps: mean L2 1.22, then 0.15; sC&W 2.89, now 0.24.)

Neither c nor Adam's step size can be one number for all networks and pictures: the shortest perturbation of a digit is
some 30 times the one of a photograph per pixel. Where they are not given they are taken from the network linearised at
the clean image (`Variable.reach`).
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from core.attacks.adam import Adam
from core.attacks.aim import Aiming
from core.attacks.base import Seeks, Step, Tracker, crosses, gradient, margin
from core.attacks.gradient import norms
from core.attacks.lagrangian import Lagrangian
from core.attacks.metric import Metric
from core.attacks.push import Storable
from core.params import parameter

_CORRECTION = 0.05  # of c after every iterate of a single run
_GROWTH = 0.1  # of c and of the step size instead, as long as nothing fooled the network
_FURTHER = 0.3  # of the step size that suits a boundary at that distance, of a search that goes on
_LAST = 0.05  # the share of the step size that a single run ends with
_DEEP = 0.5  # a success by more than this share of what the clean image lacked is beyond a cliff
_QUICKER, _FASTEST = 1.3, 0.5  # beyond a cliff: the correction's growth by outcomes in a row, and its largest

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

    def at(self, x: Tensor, images: Tensor) -> Tensor:
        """v at the images x in [0, 1], made of `images`."""

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

    def at(self, x: Tensor, images: Tensor) -> Tensor:
        return torch.logit(x, eps=self.inset)

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

    def at(self, x: Tensor, images: Tensor) -> Tensor:
        return x - images

    def image(self, v: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        return (images + v).clamp(0, 1), v

    def reach(self, slope: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
        return reach(slope, gap)

    def keep(self, rows: Tensor) -> Clipped:
        return self


@dataclass(frozen=True)
class _Look:
    """What the network says of the iterates of n images: the two terms of eq. 2 and their slopes."""

    image: Tensor
    """(n, C, H, W), differentiable in v."""
    penalty: Tensor
    """(n,), differentiable in v."""
    seen: Tensor
    """(n, C, H, W) the image as the network saw it."""
    hinge: Tensor
    """(n,) what is lacking of the margin."""
    pull: Tensor
    """(n, C, H, W) the gradient of the hinge with respect to what was seen."""
    lead: Tensor
    fools: Tensor
    sound: Tensor
    """Logits are finite."""
    moved: Tensor
    """What was seen is not the clean image; rounded, it may be."""

    @torch.enable_grad()
    def objective(self, v: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Penalty / c + hinge (n,), with c (n,), and its gradient with respect to v (n, C, H, W)."""
        weighed = self.penalty / c
        # A sum, since PyTorch brings in SymPy (0.4 s, once) to look at gradients that are given.
        (slope,) = torch.autograd.grad((self.image * self.pull).sum() + weighed.sum(), v)
        return weighed.detach() + self.hinge, slope


Scales = Callable[[_Look], tuple[Tensor, Tensor]]
"""Step size (n, 1, 1, 1) and c (n,) that suit a boundary where the iterates are."""


class Multiplier(abc.ABC):
    """c = 1/lambda (N,) of every image, and how it is searched. `runs` begin at the clean image, `begin` and `end`."""

    runs: int

    def __init__(self, c: Tensor) -> None:
        self.c = c

    def share(self, iteration: int) -> float:
        """Of the step size, that iterate number `iteration` is moved by."""
        return 1.0

    def survey(self, rows: Tensor, look: _Look, goal: float, adam: Adam, scales: Scales) -> Tensor:
        """The slopes (n, C, H, W) to follow from the iterates of the images `rows`, which are to lead by `goal`."""
        return look.pull

    def returning(self, rows: Tensor) -> Tensor:
        """(n,) bool: of the images `rows` those that go half the way back to the clean image instead of a step."""
        return torch.zeros_like(rows, dtype=torch.bool)

    def arrive(self, slopes: Tensor) -> None:  # noqa: B027  # nothing to do where every run has its own c
        """The search goes on near the boundary, where slopes are this long, (N,)."""

    def begin(self) -> None:  # noqa: B027  # nothing to do where there is one run
        """A run begins."""

    @abc.abstractmethod
    def after(self, rows: Tensor, iteration: int, loss: Tensor, confident: Tensor, found: Tensor, adam: Adam) -> Tensor:
        """Iterates were seen, of the images `rows`: correct c, or Adam's rate; returns (n,) which are worth going on.

        confident: (n,) they fool with the margin. found: (n,) something fooled.
        """

    def end(self) -> None:  # noqa: B027
        """A run is over."""


class Bisection(Multiplier):
    """The published search: a binary search over `runs` runs. patience: iterates in which the loss must fall, or None
    to go through every run to its end."""

    def __init__(self, c: Tensor, runs: int, patience: int | None) -> None:
        super().__init__(c)
        self.runs, self.patience = runs, patience
        self.lower, self.upper = torch.zeros_like(c), torch.full_like(c, torch.inf)

    def begin(self) -> None:
        self.reached = torch.zeros_like(self.c, dtype=torch.bool)
        self.previous = torch.full_like(self.c, torch.inf)

    def after(self, rows: Tensor, iteration: int, loss: Tensor, confident: Tensor, found: Tensor, adam: Adam) -> Tensor:
        self.reached[rows] |= confident
        if self.patience is None or (iteration + 1) % self.patience:
            return torch.ones_like(confident)
        falls = loss < self.previous[rows] * 0.9999
        self.previous[rows] = loss
        return falls

    def end(self) -> None:
        self.upper = torch.where(self.reached, torch.minimum(self.upper, self.c), self.upper)
        self.lower = torch.where(self.reached, self.lower, torch.maximum(self.lower, self.c))
        self.c = torch.where(self.upper.isfinite(), (self.lower + self.upper) / 2, self.c * 10)


class Correction(Multiplier):
    """Ours: one run that corrects c after every iterate, while the step size falls along a cosine.

    fading: the corrections fall along with the step size.
    """

    runs = 1

    def __init__(self, c: Tensor, iterations: int, fading: bool = False) -> None:
        super().__init__(c)
        self.iterations, self.fading = iterations, fading
        self._gap, self._slope = torch.full_like(c, torch.nan), torch.full_like(c, torch.nan)  # _slope: at a cliff
        self._back = self._before = torch.zeros_like(c, dtype=torch.bool)
        self._pace = torch.full_like(c, _CORRECTION)

    def share(self, iteration: int) -> float:
        return _LAST + (1 - _LAST) * (1 + math.cos(math.pi * iteration / self.iterations)) / 2

    def after(self, rows: Tensor, iteration: int, loss: Tensor, confident: Tensor, found: Tensor, adam: Adam) -> Tensor:
        now, correction = self.c[rows], _CORRECTION * (self.share(iteration) if self.fading else 1)
        upwards = torch.where(found, (1 + correction) * now, (1 + _GROWTH) * now)
        corrected = torch.where(confident, (1 - correction) * now, upwards)
        repeats, pace = confident == self._before[rows], self._pace[rows]
        pace = torch.where(repeats, (_QUICKER * pace).clamp_max(_FASTEST), pace / 2).clamp_min(correction)
        self._before, self._pace = self._before.clone(), self._pace.clone()
        self._before[rows], self._pace[rows] = confident, pace
        quicker = torch.where(confident, now / (1 + pace), now * (1 + pace))
        self.c[rows] = torch.where(self._slope[rows].isnan(), corrected, quicker)
        adam.rate = torch.where(found.view(-1, 1, 1, 1), adam.rate, (1 + _GROWTH) * adam.rate)
        return torch.ones_like(confident)

    def survey(self, rows: Tensor, look: _Look, goal: float, adam: Adam, scales: Scales) -> Tensor:
        gap = torch.where(self._gap[rows].isnan(), look.hinge, self._gap[rows])
        known, back = ~self._slope[rows].isnan(), self._back[rows]
        back |= ~known & ~self._before[rows] & look.fools & (look.lead - goal > _DEEP * gap)
        lengths = norms(look.pull)
        # What rounding alone put deep behind the boundary is none the less: half of it is no change at all.
        rounded = back & ~look.moved
        self._gap[rows] = torch.where(rounded, torch.inf, gap)
        arrived = back & (lengths > 0).flatten() & ~rounded
        if bool(arrived.any()):
            rate, c = scales(look)
            adam.rate = torch.where(arrived.view(-1, 1, 1, 1), rate, adam.rate)
            adam.forget(arrived)
            self.c[rows] = torch.where(arrived, c, self.c[rows])
            self._slope[rows] = torch.where(arrived, lengths.flatten(), self._slope[rows])
        self._back[rows] = back & ~arrived & ~rounded
        wanted = torch.where(known | arrived, self._slope[rows], lengths.flatten()).view(-1, 1, 1, 1)
        return look.pull * torch.where(lengths > 0, wanted / lengths, 1)

    def returning(self, rows: Tensor) -> Tensor:
        return self._back[rows]

    def arrive(self, slopes: Tensor) -> None:
        self._slope = torch.where(slopes > 0, slopes, torch.nan)


class CarliniWagnerBase(Storable, Aiming):
    """The search that C&W and its smooth version share: only the change of variable differs.

    Quantised, the network sees rounded iterates, and its gradient there counts as that of the iterate itself; the
    penalty is on the perturbation before rounding.
    """

    seeks: ClassVar[Seeks] = "shortest"

    margin: float = parameter(
        1.0,
        ge=0,
        le=100,
        step=0.5,
        slider=(0, 20),
        symbol="m",
        unit="logits",
        paper="Smooth Adversarial Examples, eq. 3",
        first=True,
        telling=(0.0, 1.0, 2.0, 5.0),
        help="How far another class must lead the true one. 0 stops at the decision boundary; more is more confident "
        "and costs distortion.",
    )
    iterations: int = parameter(
        100,
        ge=1,
        le=10_000,
        step=10,
        slider=(10, 500),
        unit="steps",
        quick=10,
        help="Optimiser steps of a run. Each costs one forward and one backward pass. More of them make the "
        "perturbation shorter and, in the smooth attack as published, rougher.",
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
        help="Adam's step size (at first, in a single run). Automatic: from the network's slope at the clean image; in "
        "a single run of what is to be shortest, no Adam, but steps along the steepest way. The paper: 0.1.",
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
        help="First value of c = 1/λ: larger weighs success more, smaller a short perturbation. Automatic: from "
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

    def cost(self, penalty: Tensor) -> Tensor | None:
        """(N,) what the iterate to be kept has least of among those that fool; None for the L2 distortion."""
        return None

    def metric(self, images: Tensor) -> Metric | None:
        """The norm along whose steepest way a single run goes; None where Adam walks in `variable` instead."""
        return None

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        yield from self.pushed(self._search(model, images, labels, None), model, images, labels)

    def further(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        start: Tensor,
        generator: torch.Generator | None = None,
    ) -> Iterator[Step]:
        yield from self.pushed(self._search(model, images, labels, start), model, images, labels)

    def _search(self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Iterator[Step]:
        """start: (N, C, H, W) the iterate that every run begins at instead of the clean image."""
        if self.search_steps is None and self.learning_rate is None and (metric := self.metric(images)) is not None:
            search = Lagrangian(model, metric, self.iterations, self.margin, self.shown, self.initial_c, start)
            yield from search.steps(images, labels)
            return
        multiplier = self._multiplier(images)
        tracker = Tracker(images, multiplier.runs * self.iterations, ("loss", "distortion", "margin"))
        rate = images.new_full((len(images), 1, 1, 1), self.learning_rate or torch.nan)
        hopeful = torch.ones_like(tracker.finite)  # there is a slope to follow
        whole, index = self.variable(images), 0

        for run in range(multiplier.runs):
            multiplier.begin()
            active = (tracker.finite & hopeful).nonzero()[:, 0]
            variable, x, y = whole.keep(active), images[active], labels[active]
            v = variable.start(x) if start is None else variable.at(start[active], x)
            adam = Adam(v, rate[active])
            for iteration in range(self.iterations):
                if not len(active):
                    break
                at = v.detach().requires_grad_(True)
                going_on = index == 0 and start is not None
                look = self._look(model, variable, at, x, y, everywhere=going_on)
                if index == 0:
                    hopeful = look.pull.flatten(1).any(1)
                    if going_on:
                        multiplier.arrive(norms(look.pull).flatten())
                    estimates = self._estimates(look, variable, going_on)
                    adam.rate = rate = torch.where(rate.isnan(), estimates[0], rate)
                    multiplier.c = torch.where(multiplier.c.isnan(), estimates[1], multiplier.c)
                scales = partial(self._scales, variable=variable)
                pull = multiplier.survey(active, look, self.margin, adam, scales)
                if going_on:
                    pull = torch.where(look.hinge.view(-1, 1, 1, 1) > 0, pull, 0)
                loss, slope = replace(look, pull=pull).objective(at, multiplier.c[active])
                confident = look.fools & (look.lead >= self.margin)
                rank = look.fools.to(torch.int8) + confident.to(torch.int8)
                tracker.record(active, look.seen, look.lead, rank, self.cost(look.penalty.detach()), loss=loss)
                tracker.give_up(active, ~(look.sound & loss.isfinite() & slope.flatten(1).isfinite().all(1)))
                index = run * self.iterations + iteration + 1
                yield tracker.step(index)

                going = tracker.finite[active] & hopeful[active]
                going &= multiplier.after(active, iteration, loss, confident, tracker.found[active], adam)
                back = multiplier.returning(active)
                halfway = (variable.start(x) + v)[back] / 2 if bool(back.any()) else None
                adam.step(v, slope, multiplier.share(iteration))
                if halfway is not None:
                    v[back] = halfway
                if not bool(going.all()):
                    active, v, x, y = active[going], v[going], x[going], y[going]
                    adam.keep(going)
                    variable = variable.keep(going)
            multiplier.end()
        if index < tracker.total:
            yield tracker.step(index, last=True)

    def _multiplier(self, images: Tensor) -> Multiplier:
        c = images.new_full((len(images),), self.initial_c or torch.nan)
        if self.search_steps is None:
            return Correction(c, self.iterations, self.fading)
        return Bisection(c, self.search_steps, max(self.iterations // 10, 1) if self.abort_early else None)

    @property
    def fading(self) -> bool:
        """Whether the corrections of c fall along with the step size."""
        return False

    @torch.enable_grad()
    def _look(
        self,
        model: nn.Module,
        variable: Variable,
        v: Tensor,
        images: Tensor,
        labels: Tensor,
        everywhere: bool = False,
    ) -> _Look:
        """Ask the network about the iterates v (n, C, H, W) of `images` with `labels`.

        everywhere: `pull` is the slope of what is lacking also where nothing is.
        """
        image, perturbation = variable.image(v, images)
        penalty = self.penalty(perturbation, variable)
        seen = self.shown(image.detach()).requires_grad_(True)
        logits = model(seen)
        hinge = (self.margin - margin(logits, labels)).clamp_min(0)
        # Where every image has the margin, the way back through the network is saved.
        if everywhere:
            pull = gradient(-margin(logits, labels), seen)
        else:
            pull = gradient(hinge, seen) if bool((hinge > 0).any()) else torch.zeros_like(seen)
        logits = logits.detach()
        lead, fools, sound = margin(logits, labels), crosses(logits, labels), logits.isfinite().all(1)
        moved = (seen.detach() != images).flatten(1).any(1)
        return _Look(image, penalty, seen.detach(), hinge.detach(), pull, lead, fools, sound, moved)

    def _estimates(self, look: _Look, variable: Variable, going_on: bool) -> tuple[Tensor, Tensor]:
        """Step size (n, 1, 1, 1) and c (n,) to begin with."""
        if not going_on:
            return self._linearised(-look.pull, look.hinge, variable)
        rate, c = self._scales(look, variable)
        return _FURTHER * rate, c

    def _scales(self, look: _Look, variable: Variable) -> tuple[Tensor, Tensor]:
        """As `_linearised`, from iterates that are near the boundary: what suits a boundary as far away as they are."""
        penalty = look.penalty.detach()  # of the perturbation before rounding: rounded, it may be nothing at all
        gap = norms(look.pull) * penalty.sqrt().view(-1, 1, 1, 1)
        rate, perturbation = variable.reach(-look.pull, gap)
        stretch = (penalty / self.penalty(perturbation, variable).clamp_min(1e-30)).sqrt()
        c = 2 * penalty / (stretch * gap.flatten()).clamp_min(1e-30)
        return stretch.view(-1, 1, 1, 1) * rate, torch.where(c > 0, c, 1)

    def _linearised(self, slope: Tensor, gap: Tensor, variable: Variable) -> tuple[Tensor, Tensor]:
        """Step size (N, 1, 1, 1) and c (N,) that suit the network linearised at the clean images.

        slope: (N, C, H, W) the gradient of the margin; gap: (N,) what it lacks. Adam's first step goes to where the
        margin is reached; there, c balances the pull back of the quadratic penalty and the pull of the hinge.
        """
        rate, perturbation = variable.reach(slope, gap.view(-1, 1, 1, 1))
        c = 2 * self.penalty(perturbation, variable) / gap
        return rate, torch.where(c > 0, c, 1)  # 0 or NaN only where there is no slope or no gap


class CarliniWagner(CarliniWagnerBase):
    """C&W, eqs. 2 to 4 of Smooth Adversarial Examples, after Carlini and Wagner (2017): as published in w, x =
    sigmoid(w); in our single run in x itself, clipped."""

    name: ClassVar[str] = "cw"
    title: ClassVar[str] = "Carlini & Wagner (C&W)"
    formula: ClassVar[str] = (
        r"\min_{w}\; \lambda\,\lVert \sigma(w) - x_o\rVert^2 + \big[\,y_t - \max_{i\neq t} y_i + m\,\big]_+"
    )
    look_for: ClassVar[str] = (
        "Every pixel is moved on its own. Converged it is too short to be seen on most photographs, not on digits; the "
        "longer it has to be, the more magnification shows of it, as noise on flat areas."
    )
    paper: ClassVar[str] = "Smooth Adversarial Examples, section 2.1, eqs. 3 and 4"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, MNIST": {"margin": 1.0, "initial_c": 15.0, **PAPER_SEARCH, "inset": 1e-6},
        "paper, ImageNet": {"margin": 0.0, "initial_c": 100.0, **PAPER_SEARCH, "inset": 1e-6},
        # Ours: survives being saved in 40 of 40 photographs (EfficientNet-Lite0); a margin of 2 instead did in 9.
        "photograph": {"push": True, "iterations": 50},
    }

    inset: float = parameter(
        1e-3,
        gt=0,
        lt=0.5,
        log=True,
        slider=(1e-6, 0.01),
        advanced=True,
        help="With Adam: how far inside (0, 1) exact black and white start, since sigmoid reaches them only at "
        "infinity. The smaller, the more steps it takes to get away from there.",
    )

    def variable(self, images: Tensor) -> Variable:
        return Sigmoid(self.inset)

    def metric(self, images: Tensor) -> Metric:
        return Metric()
