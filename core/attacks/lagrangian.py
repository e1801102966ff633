r"""C&W's two terms, followed along the steepest way in the norm that is minimised, their weight corrected as it goes.

The problem min |r|_K^2 / c + [m - lead(x_o + r)]_+ (K = I for C&W, `core.attacks.scw` for another) is as well
conditioned as can be in the norm |.|_K itself. With g the slope of the lead, its steepest descent there is

    r <- r - theta (r - (c / 2) K^-1 g)        where the margin is not reached,
    r <- r - theta r                           where it is,

and theta = 1 goes at once to the minimiser of the network linearised at r. Adam in a change of variable takes that
away. It divides every pixel's step by that pixel's own slopes, so that pixels that hardly matter go as far as those
that do, and have to come back; sigmoid' is 1/4 for grey and 0.001 where black starts, and most of a digit is black.

c is counted by what it does: in l = (c / 2) |g|_{K^-1}, as long as the pull alone would hold r. What the search
corrects after every iterate, down where the margin was reached and up where not, and quicker while that repeats itself,
is l: a slope that is 70 times as steep at the boundary as at the clean image, as networks with fixed centres have it,
then needs no other l. The pull is felt by iterates that lack the margin, half of them once they straddle the boundary;
so it is twice as long as l.

In the first quarter of the iterations it is felt on both sides, as if without the bracket (and is l long), and r turns
with every look instead of every other; of the many boundaries of a curved network that leads to nearer ones. After that
quarter and after a half it is asked which class's boundary is the nearest (`core.attacks.nearest`), and after three
quarters the search is back at its best.

Measured in 50 iterations: 50 digits (MNIST, C4, margin 0), mean L2 1.253 (Adam's in sigmoid^-1: 1.355), in 150 1.237
(1.316). Medians over the best known, 12 digits a network (Adam's): C4 1.01 (1.05), its MMC 1.09 (1.30), the
two-dimensional LeNet with graph smoothness 1.05 (1.83); `benchmarks/attacks.py converged` has the others. What is left
on MMC is nearer boundaries that only a longer way round leads to: DDN in 1000 passes ends at 1.02 of what ALMA finds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from core.attacks.base import Step, Tracker, crosses, gradient, margin
from core.attacks.gradient import boundaries, clipped, inward
from core.attacks.metric import Metric
from core.attacks.nearest import BOUNDARIES, IN_THE_END, Plan, Verdict, looks, nearest, verdict

_FIRST, _FURTHER, _LAST = 0.5, 0.3, 0.01  # theta after the first step, of a search that goes on, and at the last
_BEHIND = 1.02  # the first step goes this far, in units of the way to the linearised boundary
_CORRECTION, _QUICKER, _FASTEST = 0.08, 1.3, 0.7  # of l: at least, its growth by outcomes in a row, at most
_KEPT = 0.5  # of a step goes on into the next
_BOTH = 1 / 4  # of the iterations, in which the pull is felt on both sides of the boundary
_SETTLED = 2  # l's correction is at most that many times the least: it is not on its way from where it started


@dataclass
class _Images:
    """The n images that are still under attack, and what the search knows of each."""

    rows: Tensor
    """(n,) their numbers."""
    x: Tensor
    """(n, C, H, W) clean."""
    labels: Tensor
    r: Tensor
    """(n, C, H, W) the perturbation, before the iterate is clipped."""
    best: Tensor
    """(n, C, H, W) the shortest r that reached the margin; zero before there is one."""
    drift: Tensor
    """(n, C, H, W) the last steps, each half as much as the one after it."""
    least: Tensor
    """(n, 1, 1, 1) the norm of `best`, infinite before there is one."""
    length: Tensor
    """(n, 1, 1, 1) l."""
    pace: Tensor
    """(n, 1, 1, 1) by what share l is corrected."""
    steepness: Tensor
    """(n, 1, 1, 1) |g|_{K^-1} of the last look that had a slope."""
    reached: Tensor
    """(n, 1, 1, 1) bool: the last iterate reached the margin."""
    aim: Tensor
    """(n,) the class whose lead is raised; -1 for the nearest to being named."""

    def stay(self, going: Tensor) -> None:
        """Go on with these images only."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[going])


@dataclass(frozen=True)
class _Look:
    """What the network says of the iterates of n images."""

    seen: Tensor
    """(n, C, H, W) as the network saw them."""
    lead: Tensor
    """(n,) of the other classes."""
    fools: Tensor
    confident: Tensor
    """(n,) bool: it fools, and the margin is reached."""
    slope: Tensor
    """(n, C, H, W) of the lead: zero at pixels that could only be pushed out of [0, 1], and where no pull is felt."""
    sound: Tensor
    """(n,) bool: logits and slope are finite."""


@dataclass(frozen=True)
class Lagrangian:
    """The search for the r of least metric.norms(r) with which another class leads by `goal`, in `iterations` looks.

    shown: an iterate as the network is to see it. initial_c: c at the clean image; None for the one with which the
    first step goes to the boundary. start: (N, C, H, W) in [0, 1], the first iterates instead of the clean images, near
    the boundary.
    """

    model: nn.Module
    metric: Metric
    iterations: int
    goal: float
    shown: Callable[[Tensor], Tensor]
    initial_c: float | None = None
    start: Tensor | None = None

    def steps(self, images: Tensor, labels: Tensor) -> Iterator[Step]:
        """images: (N, C, H, W) in [0, 1]; labels: (N,), as of `Attack.steps`."""
        tracker = Tracker(images, self.iterations, ("loss", "distortion", "margin"))
        s, plan, index = self._begin(images, labels), Plan(self.iterations), 0
        while index < plan.last and len(s.rows):
            index += 1
            if plan.returns(index):
                self._return(s)
            if plan.asks(index):
                self._turn(s, s.least.isfinite() & (s.pace <= _SETTLED * _CORRECTION))
                index += plan.cost  # whoever is asked, so that no image's search depends on who else is there
            first, last, both = index == 1, index == plan.last, index <= _BOTH * self.iterations
            look = self._look(s, forward=last, both=both)
            direction = self.metric(look.slope)
            steepness = (look.slope * direction).sum((1, 2, 3), keepdim=True).clamp_min(0).sqrt()
            s.steepness = torch.where(steepness > 0, steepness, s.steepness)
            if first and self.start is None:
                s.length = self._first(s, look)
            self._record(tracker, s, look)
            yield tracker.step(index)

            reached = _of_each(look.confident)
            pull = direction / torch.where(steepness > 0, steepness, 1) * s.length
            self._move(s, pull if both else 2 * pull, self._share(index))
            self._correct(s, reached, first)
            going = look.sound & (look.slope.flatten(1).any(1) | s.r.flatten(1).any(1))  # else there is nowhere to go
            if not bool(going.all()):
                s.stay(going)
                self.metric.stay(going)
        if len(s.rows) and index < self.iterations:
            said = self._verdict(s).of(s.rows, len(images))
            yield tracker.step(self.iterations, clear=said.clear, stands=said.stands)
        elif index < self.iterations:
            yield tracker.step(index, last=True)

    def _begin(self, images: Tensor, labels: Tensor) -> _Images:
        r = torch.zeros_like(images) if self.start is None else self.start - images
        length = self.metric.norms(r)
        return _Images(
            rows=torch.arange(len(images), device=images.device),
            x=images,
            labels=labels,
            r=r,
            best=torch.zeros_like(r),
            drift=torch.zeros_like(r),
            least=torch.full_like(length, torch.inf),
            length=length,
            pace=torch.full_like(length, _CORRECTION),
            steepness=torch.zeros_like(length),
            reached=torch.zeros_like(length, dtype=torch.bool),
            aim=torch.full_like(labels, -1),
        )

    def _share(self, index: int) -> float:
        """theta after look number `index`: all of the first step, then along a cosine."""
        if index == 1 and self.start is None:
            return 1.0
        first = _FIRST if self.start is None else _FURTHER
        return _LAST + (first - _LAST) * (1 + math.cos(math.pi * index / self.iterations)) / 2

    def _first(self, s: _Images, look: _Look) -> Tensor:
        """l (n, 1, 1, 1) at the clean images."""
        if self.initial_c is not None:
            return self.initial_c / 2 * s.steepness
        return _BEHIND * _of_each(self.goal - look.lead) / s.steepness.clamp_min(1e-30)

    @torch.enable_grad()
    def _look(self, s: _Images, forward: bool, both: bool) -> _Look:
        """forward: no slope is needed. both: it is for iterates that have the margin, too; else, where all do, the way
        back through the network is saved."""
        seen = self.shown(clipped(s.x, s.r)).detach().requires_grad_()
        logits = self.model(seen)
        lead = margin(logits, s.labels)
        behind = logits.gather(1, s.labels[:, None]) - logits.gather(1, s.aim.clamp_min(0)[:, None])
        raised = torch.where(s.aim < 0, lead, -behind[:, 0])
        logits, lead = logits.detach(), lead.detach()
        fools = crosses(logits, s.labels)
        confident = fools & (lead >= self.goal)
        needed = not forward and (both or not bool(confident.all()))
        slope = gradient(raised, seen) if needed else torch.zeros_like(seen)
        slope = torch.where(_of_each(confident & (not both)), 0, slope)
        sound = logits.isfinite().all(1) & slope.flatten(1).isfinite().all(1)
        slope = inward(torch.where(_of_each(sound), slope, 0), s.x + s.r)
        return _Look(seen.detach(), lead, fools, confident, slope, sound)

    def _record(self, tracker: Tracker, s: _Images, look: _Look) -> None:
        """Take note of the iterates, and of the shortest r."""
        norm = self.metric.norms(s.r)
        c = 2 * s.length / s.steepness.clamp_min(1e-30)
        loss = (norm.square() / c).flatten() + (self.goal - look.lead).clamp_min(0)
        rank = look.fools.to(torch.int8) + look.confident.to(torch.int8)
        tracker.record(s.rows, look.seen, look.lead, rank, self.metric.cost(s.r), look.sound, loss=loss)
        better = _of_each(look.confident & look.sound) & (norm < s.least)
        s.least, s.best = torch.where(better, norm, s.least), torch.where(better, s.r, s.best)

    def _move(self, s: _Images, pull: Tensor, share: float) -> None:
        """r, on its way to `pull` (n, C, H, W), by that share of it."""
        if share == 1:
            r = pull
        else:
            s.drift = _KEPT * s.drift + (1 - _KEPT) * (pull - s.r)
            r = s.r + share * s.drift
        s.r = self.metric.within(s.x, r)

    def _correct(self, s: _Images, reached: Tensor, first: bool) -> None:
        """l and its pace, quicker while outcomes repeat, at half the pace when they change."""
        repeats = (reached == s.reached) & (not first)
        s.pace = torch.where(repeats, (_QUICKER * s.pace).clamp_max(_FASTEST), s.pace / 2).clamp_min(_CORRECTION)
        length = torch.where(reached, s.length / (1 + s.pace), s.length * (1 + s.pace))
        if not first:
            s.length = torch.minimum(length, 2 * self.metric.farthest(s.x))
        s.reached = reached

    def _return(self, s: _Images) -> None:
        """To the best, of the images whose r is longer than that."""
        back = s.least < self.metric.norms(s.r)
        s.r, s.drift = torch.where(back, s.best, s.r), torch.where(back, 0, s.drift)
        s.aim = torch.full_like(s.aim, -1)

    def _verdict(self, s: _Images) -> Verdict:
        at = self.shown(clipped(s.x, s.best))
        _, leads, slopes = boundaries(self.model, at, s.labels, IN_THE_END)
        return verdict(looks(self.metric, s.x, at, s.least, leads, slopes, self.goal))

    def _turn(self, s: _Images, settled: Tensor) -> None:
        """To the nearest boundary, of the images (n, 1, 1, 1) that are `settled`."""
        if not bool(settled.any()):
            return
        at = self.shown(clipped(s.x, s.best))
        asked = boundaries(self.model, at, s.labels, BOUNDARIES)
        path, length, aim = nearest(self.metric, s.x, at, *asked, self.goal)
        s.aim = torch.where(settled.flatten(), aim, -1)
        turns = _of_each(s.aim >= 0)
        s.r, s.drift = torch.where(turns, path, s.r), torch.where(turns, 0, s.drift)
        s.length = torch.where(turns, length, s.length)


def _of_each(values: Tensor) -> Tensor:
    """(n,) -> (n, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)
