r"""DeepFool in L2 (Moosavi-Dezfooli, Fawzi, Frossard 2016): step on step to the nearest linearised decision boundary.

SmoothFool builds on it (section 3.2): it gives the point x_p of the boundary that is nearest to the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from core.attacks.aim import Aiming
from core.attacks.base import Seeks, Step, Tracker, crosses, gradient, margin
from core.attacks.gradient import boundaries, inward, norms
from core.attacks.metric import Metric
from core.attacks.nearest import IN_THE_END, doubted, looks, verdict
from core.attacks.push import Pushing
from core.attacks.returning import along, back
from core.metrics import l2
from core.params import Parameters, parameter

BEHIND = 1e-4  # how far behind the linearised boundary a step ends, in L2: the original's constant
_HOPELESS = 1.5  # a boundary this many times farther than the nearest, by its last known gradient, is not tried
_ALIKE = 1.25  # a gradient that was never computed is taken to be this many times as long as the longest that was


class Memory:
    """What searches that begin one where another ended know of the boundaries around their images, n of them."""

    def __init__(self) -> None:
        self.norms: Tensor | None = None
        """(n, K) of the gradients of all classes' leads, as last known; infinite where never computed."""
        self.seen: tuple[Tensor, Tensor] | None = None
        """(images (n, C, H, W), logits that depend on them): the last that the network was asked, if of all images."""

    def keep(self, going: Tensor) -> None:
        """Go on with these images (n,) only."""
        if self.norms is not None:
            self.norms = self.norms[going]
        if not bool(going.all()):
            self.seen = None

    def look(self, model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """(x, logits that depend on it), x (n, C, H, W); the network is asked unless it was about just this."""
        if self.seen is None or not self.seen[0].equal(x):
            x = x.detach().requires_grad_(True)
            self.seen = x, model(x)
        return self.seen


class DeepFoolParameters(Parameters):
    """What DeepFool needs to know, as an attack of its own or as a part of another."""

    candidates: int = parameter(
        10,
        ge=2,
        le=1000,
        step=1,
        slider=(2, 20),
        unit="classes",
        paper="SmoothFool, authors' code",
        help="The likeliest classes whose boundaries are tried, the true one included.",
    )
    overshoot: float = parameter(
        0.02,
        ge=0,
        le=1,
        step=0.01,
        slider=(0, 0.2),
        symbol="η",
        paper="DeepFool (2016), section 4; SmoothFool, authors' code",
        help="How much longer DeepFool's perturbation is made, so that it lands behind the boundary and not on it.",
    )
    deepfool_steps: int = parameter(
        50,
        ge=1,
        le=1000,
        step=1,
        slider=(1, 100),
        unit="steps",
        title="DeepFool steps",
        quick=10,
        help="Linearisations of the boundaries at most; few images need more than ten.",
    )

    come_back: bool = parameter(
        True,
        title="Come back",
        paper="ours; DeepFool (2016), Algorithm 2, stays where it first fools",
        help="Where the last step led deep behind the boundary, as networks do it that are flat around the image and "
        "fall off at a cliff close by, halve the way back to the image until it stands at the boundary.",
    )


class DeepFool(DeepFoolParameters, Pushing, Aiming):
    """DeepFool, L2: Algorithm 2 of Moosavi-Dezfooli et al. (2016).

    Each step linearises the candidates' boundaries around x, f_k = f_t with gradient w_k, and adds the shortest of the
    projections |f_k - f_t| / |w_k|^2 w_k to r; x = clip(x_o + (1 + overshoot) r). Scalar "boundary": its length.

    Departures: The original knows no black and white. Here x is clipped to [0, 1] at every step, r is what the clip
    left of it, and the search goes on until the *clipped* image fools; pixels that a step could only push out of [0, 1]
    take no part in it, without which MNIST, black almost everywhere, needs more than twice the steps. A boundary that
    the last known gradient puts at more than 1.5 times the distance of the nearest is not linearised again in that
    step. An image without a gradient, or with one that is not finite, leaves the search. What was found is pushed at
    the end (`core.attacks.push`), so that it fools in 8 bits too. Without turns, steps of 0.7 of the way (`relaxation`)
    end nearer; with them whole ones end as near or nearer, on digits in up to a third fewer gradients.

    What fools is not the shortest yet (`core.attacks.returning`): where it is deep behind the boundary the way back is
    halved (`come_back`), and then it is turned along the boundary (`turns`), which ends just behind it. Where another
    class's boundary then looks nearly as near (`core.attacks.nearest`), the way there is walked from the image too, and
    turned, and the shorter is kept. It has converged where nothing near is shorter by 0.3 %, before the turns are used
    up, and no other class's boundary looks nearly as near; without turns it never knows. `benchmarks/attacks.py
    converged` has what it comes to.
    """

    name: ClassVar[str] = "deepfool"
    title: ClassVar[str] = "DeepFool"
    formula: ClassVar[str] = (
        r"r \leftarrow r + \min_{k\neq t}\; \frac{|f_k(x)-f_t(x)|}{\lVert w_k\rVert^2}\, w_k,\qquad "
        r"w_k = \nabla f_k(x)-\nabla f_t(x)"
    )
    look_for: ClassVar[str] = (
        "About the shortest way out of the class, found in a few steps; it is noise, rough at every pixel."
    )
    paper: ClassVar[str] = "SmoothFool, section 3.2, after Moosavi-Dezfooli et al. (2016), Algorithm 2"
    seeks: ClassVar[Seeks] = "shortest"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {
            "candidates": 10,
            "overshoot": 0.02,
            "relaxation": 1.0,
            "push": False,
            "come_back": False,
            "turns": 0,
        }
    }

    relaxation: float = parameter(
        1.0,
        gt=0,
        le=1,
        step=0.05,
        slider=(0.1, 1),
        help="Share of the way to the linearised boundary that one step goes. 1 is the original; less takes more steps "
        "and, without turns, finds a shorter way, since the boundary is not straight.",
    )

    turns: int = parameter(
        60,
        ge=0,
        le=1000,
        step=1,
        slider=(0, 100),
        unit="turns",
        quick=2,
        paper="ours, after Abdollahpoorrostam et al. (2023), SuperDeepFool",
        help="Once it fools, the way is turned towards the projection of the image onto the boundary linearised where "
        "it was crossed, so many times at most, as long as that shortens it. Each costs one to six passes. Where "
        "another class's boundary then looks nearly as near, it goes there too. 0, as published, stays at the first "
        "success.",
    )

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        yield from self.pushed(self.search(model, images, labels), model, images, labels)

    def search(self, model: nn.Module, images: Tensor, labels: Tensor, memory: Memory | None = None) -> Iterator[Step]:
        """memory: as of `walk`."""
        steps = self.walk(model, images, labels, memory)
        if not self.come_back and not self.turns:
            for step in steps:
                yield replace(step, converged=None if step.converged is None else torch.zeros_like(step.found))
            return
        gap = torch.zeros_like(l2(images))
        for step in steps:
            total, settled = step.total + 1, torch.zeros_like(step.found)
            if step.index == 1:
                gap = -step.scalars["margin"].clone()  # of the clean images
            if step.index < step.total:
                yield replace(step, total=total)
                continue
            rows = step.found.nonzero()[:, 0]
            x, y, best = images[rows], labels[rows], step.best[rows]
            if len(rows):
                best, settled[rows] = self._shortened(model, x, y, gap[rows], best, step.scalars["margin"][rows])
            moved = (best != step.best[rows]).flatten(1).any(1)
            if not bool(moved.any()):
                yield replace(step, index=total, total=total, converged=settled)
                continue
            yield replace(step, total=total, converged=None)
            current, found = step.images.clone(), step.best.clone()
            current[rows[moved]] = found[rows[moved]] = best[moved]
            scalars = {name: values.clone() for name, values in step.scalars.items()}
            with torch.no_grad():
                scalars["margin"][rows[moved]] = margin(model(best), y)[moved]
            scalars["distortion"][rows[moved]] = l2(best - x)[moved]
            yield replace(
                step, index=total, total=total, images=current, best=found, scalars=scalars, converged=settled
            )

    def _shortened(
        self, model: nn.Module, x: Tensor, y: Tensor, gap: Tensor, found: Tensor, lead: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`found` (n, C, H, W), which fools and leads by `lead` (n,), or what is shorter; (n,) whether that converged.

        gap: (n,) what the images x of the classes y lack.
        """
        found, ended = self._turned(model, x, y, gap, found, lead)
        if not self.turns:
            return found, ended
        settled, rivals = self._judged(model, x, y, found, ended)
        rows = (rivals >= 0).nonzero()[:, 0]
        if len(rows):
            *_, step = self.walk(model, x[rows], y[rows], towards=rivals[rows])
            rows, other, lead = rows[step.found], step.best[step.found], step.scalars["margin"][step.found]
        if len(rows):
            other, ended = self._turned(model, x[rows], y[rows], gap[rows], other, lead)
            shorter = l2(other - x[rows]) < l2(found[rows] - x[rows])
            rows, other, ended = rows[shorter], other[shorter], ended[shorter]
        if len(rows):
            found[rows] = other
            settled[rows], _ = self._judged(model, x[rows], y[rows], other, ended)
        return found, settled

    def _turned(
        self, model: nn.Module, x: Tensor, y: Tensor, gap: Tensor, found: Tensor, lead: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same without a second way, and (n,) whether nothing near is shorter."""
        if self.come_back:
            found = back(model, x, found, y, gap, lead)
        if not self.turns:
            return found, torch.zeros_like(y, dtype=torch.bool)
        return along(model, x, found, y, self.turns)

    def _judged(self, model: nn.Module, x: Tensor, y: Tensor, found: Tensor, ended: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) whether it has converged, and the class whose boundary looks nearly as near; -1 without one."""
        classes, leads, slopes = boundaries(model, found, y, IN_THE_END)
        near = looks(Metric(), x, found, norms(found - x), leads, slopes)
        return ended & verdict(near).clear, doubted(near, classes)

    def walk(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        memory: Memory | None = None,
        towards: Tensor | None = None,
    ) -> Iterator[Step]:
        """memory: of an earlier search, whose last images these are. With it, boundaries that were never linearised are
        guessed at, and not tried where that is hopeless. towards: (N,) the classes whose boundaries alone are tried."""
        total = self.deepfool_steps + 1  # the clean image, then the steps
        tracker = Tracker(images, total, ("margin", "distortion", "boundary"))
        active, x = torch.arange(len(images), device=images.device), images
        rivals = norms = torch.empty(0)

        for index in range(1, total + 1):
            y = labels[active]
            if memory is not None and len(active) == len(images):
                x, logits = memory.look(model, x)
            else:
                x = x.detach().requires_grad_(True)
                logits = model(x)
            values = logits.detach()
            sound, fools = values.isfinite().all(1), crosses(values, y)
            tracker.record(active, x.detach(), margin(values, y), fools, sound=sound)
            if index == 1:
                rivals = likeliest(values, y, self.candidates) if towards is None else towards[:, None]
                norms = torch.full_like(rivals, torch.inf, dtype=values.dtype)  # of their gradients; not yet known
                if memory is not None:
                    if memory.norms is None:
                        memory.norms = torch.full_like(values, torch.inf)
                    norms = memory.norms.gather(1, rivals)

            going = sound & ~fools & (index < total)
            active, rivals, norms = active[going], rivals[going], norms[going]
            if len(active):
                if len(active) < len(x):
                    x, y = x.detach()[going].requires_grad_(True), y[going]
                    logits = model(x)
                towards, distance, rivals, norms = nearest_of(logits, x, y, rivals, norms, memory is not None)
                if memory is not None and memory.norms is not None:
                    memory.norms[active[:, None], rivals] = norms
                tracker.note(active, boundary=distance)
                tracker.give_up(active, distance.isnan())
                length = (self.relaxation * distance + BEHIND).view(-1, 1, 1, 1)
                r = (x.detach() - images[active]) / (1 + self.overshoot) + length * towards
                moves = distance.isfinite()
                active, rivals, norms = active[moves], rivals[moves], norms[moves]
                x = (images[active] + (1 + self.overshoot) * r[moves]).clamp(0, 1)
            yield tracker.step(index, last=not len(active))
            if not len(active):
                return


def likeliest(logits: Tensor, y: Tensor, candidates: int) -> Tensor:
    """(N, K) the classes beside `y` (N,) among the likeliest `candidates`, one at least, by logits (N, classes)."""
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.topk(max(min(candidates, logits.shape[1]) - 1, 1)).indices


def nearest_of(
    logits: Tensor,
    x: Tensor,
    y: Tensor,
    rivals: Tensor,
    norms: Tensor,
    guess: bool = False,
    hopeless: float = _HOPELESS,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Unit vectors (N, C, H, W) towards the nearest of the linearised boundaries between `y` and `rivals` (N, K), and
    its distance (N,): infinite where no boundary has a gradient, NaN where one is not finite.

    norms: (N, K) of the gradients, as last known. guess: those that are not known are taken to be _ALIKE times as
    long as the longest that is. hopeless: a boundary that looks so many times farther than the nearest is not tried.
    Also returns rivals and norms, the nearest first.
    """
    gaps = logits.gather(1, y[:, None]) - logits.gather(1, rivals)
    order = (gaps.detach() / (_guessed(norms) if guess else norms)).argsort(dim=1, stable=True)
    gaps, rivals, norms = gaps.gather(1, order), rivals.gather(1, order), norms.gather(1, order)
    lengths = gaps.detach().clamp_min(0)
    expected = lengths / norms
    inside = x.detach()
    towards, nearest = torch.zeros_like(inside), x.new_full((len(x),), torch.inf)
    for k in range(rivals.shape[1]):
        if guess:
            expected = lengths / _guessed(norms)
        tried = expected[:, k] <= hopeless * nearest
        if not bool(tried.any()):
            if guess:  # not in the order of what is expected by now
                continue
            break
        w = gradient(-gaps[:, k], x, keep=True)
        w = inward(w, inside)
        norm = l2(w)
        norms[:, k] = torch.where(tried, norm, norms[:, k]) if guess else norm
        distance = torch.where(norm > 0, lengths[:, k] / norm, torch.inf)
        distance = torch.where(norm.isfinite(), distance, torch.nan)
        closer = (distance < nearest) | distance.isnan()
        closer &= tried | (not guess)
        nearest = torch.where(closer, distance, nearest)
        towards = torch.where(closer.view(-1, 1, 1, 1), w / norm.view(-1, 1, 1, 1), towards)
    return towards, nearest, rivals, norms


def _guessed(norms: Tensor) -> Tensor:
    """The norms (N, K) with _ALIKE times the largest known in place of those that are not; 1 where none is."""
    known = norms.isfinite()
    largest = torch.where(known, norms, 0).amax(1, keepdim=True)
    return torch.where(known, norms, torch.where(largest > 0, _ALIKE * largest, 1))
