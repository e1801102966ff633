"""The finishing push: what was found in float, lengthened by as little as makes it fool when saved in 8 bits.

An attack that stops at the decision boundary stops beside it, and rounding to the 256 levels of a picture file may take
the picture back. Two things help. To round every iterate (`core.attacks.base.Quantised`), so that the search itself
knows of it, after which every change is a whole level: on a photograph, where most changes are smaller than one, a
smooth perturbation becomes islands. Or to search in float, where smooth stays smooth, and to lengthen at the end what
was found. This module does the second. The direction stays what the search found, so does its roughness Omega_n; what
the clip to [0, 1] takes off is the attack's own business (`Pushing.longer`).

The push asks that the saved picture fools, no more: a margin that a search was asked for is reached in float.

None of the papers does so: their results are of float images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from core.attacks.base import Quantised, Step, ahead, margin
from core.data.files import quantize
from core.metrics import l2, linf
from core.params import Parameters, parameter

_FIRST = 0.004  # the first lengthening that is tried
_GROWTH = 4  # every further one is so many times as much
_LONGEST = 32.0  # times what was found or, if that is less, a level; what takes more says nothing of what was found
_LEVEL = 1 / 255
_CLOSE = 0.002  # of the length: how near to the shortest
_BESIDE = 0.2  # how far beside the secant's zero, in squared widths of the bracket

Ahead = Callable[[Tensor, Tensor], Tensor]
"""(pictures (n, C, H, W), rows (n,)) -> (n,) finite: by how much the attack leads in pictures of the images `rows`,
which are fooled where that is above zero."""
Longer = Callable[[Tensor, Tensor, Tensor], Tensor]
"""As `Pushing.longer`."""


def lengthened(images: Tensor, found: Tensor, ahead: Ahead, longer: Longer) -> tuple[Tensor, Tensor]:
    """`found` (N, C, H, W), lengthened as seen from the clean `images`, and by what factor (N,).

    The factor is 1 where nothing had to be lengthened, and NaN where none helps, and the image then as found; none that
    makes the largest change 32 times what it was and 32 levels is tried.

    Lengthened until the rounded picture fools, then shortened to within 0.2 % of the length. On a linear classifier
    whose normal the perturbation follows, the lead of the rounded picture never falls with the length, so that is the
    shortest there is; elsewhere it is the shortest near which a shorter one does not. The picture has to fool before it
    is rounded too. That it nearly always does, so it is looked at once, at the end; an image that does not is sought
    again, both pictures of every length.
    """
    rows = torch.arange(len(images), device=images.device)
    best, factor = found.clone(), torch.ones_like(l2(found))

    def saved(pictures: Tensor, rows: Tensor) -> Tensor:
        return ahead(quantize(pictures), rows)

    def both(pictures: Tensor, rows: Tensor) -> Tensor:
        return torch.minimum(saved(pictures, rows), ahead(pictures, rows))

    def seek(rows: Tensor, by: Ahead, behind: Tensor) -> None:
        best[rows], factor[rows] = _shortest(images[rows], found[rows], rows, by, longer, behind)

    lead = saved(found, rows)
    lost, kept = rows[lead <= 0], rows[lead > 0]
    only_saved = kept[ahead(found[kept], kept) <= 0]
    seek(lost, saved, lead[lost])
    reached = lost[factor[lost].isfinite()]
    only_saved = torch.cat([only_saved, reached[ahead(best[reached], reached) <= 0]])
    seek(only_saved, both, both(found[only_saved], only_saved))
    return best, factor


def _shortest(
    images: Tensor, found: Tensor, rows: Tensor, ahead: Ahead, longer: Longer, behind: Tensor
) -> tuple[Tensor, Tensor]:
    """As `lengthened`, of the images `rows`, n of them, that are `behind` (n,) as found, by the one lead `ahead`."""
    r = found - images
    longest = _LONGEST * (_LEVEL / linf(r)).clamp(1, 1e9)
    best, factor = found.clone(), torch.full_like(longest, torch.nan)
    here = torch.arange(len(rows), device=rows.device)
    bracket = _Bracket(behind.to(longest))
    excess = _FIRST
    while len(here):
        t = bracket.next(torch.minimum(1 + excess * torch.ones_like(longest), longest)[here])
        x = longer(images[here], r[here], t)
        lead = ahead(x, rows[here])
        there = lead > 0
        best[here[there]], factor[here[there]] = x[there], t[there]
        bracket.put(t, lead.to(t))
        going = torch.where(bracket.high.isinf(), t < longest[here], bracket.width > _CLOSE * bracket.high)
        here = here[going]
        bracket.keep(going)
        excess *= _GROWTH
    return best, factor


class _Bracket:
    """Lengths, of n images each for itself, between which a lead becomes positive: from 1, where it is `behind` (n,).

    The next to try is ITP's (Oliveira and Takahashi 2021, "An enhancement of the bisection method average performance
    preserving minmax optimality"): the zero of the secant, moved towards the middle, and no further from that than lets
    it end with one step more than halving alone.
    """

    def __init__(self, behind: Tensor) -> None:
        self.low, self.high = torch.ones_like(behind), torch.full_like(behind, torch.inf)
        self.below, self.above = behind, torch.zeros_like(behind)
        self.first, self.reach = torch.zeros_like(behind), torch.zeros_like(behind)

    @property
    def width(self) -> Tensor:
        return self.high - self.low

    def next(self, beyond: Tensor) -> Tensor:
        """(n,) the lengths to try; `beyond` where none is known yet that is long enough."""
        middle = (self.low + self.high) / 2
        zero = (self.high * self.below - self.low * self.above) / (self.below - self.above)
        inwards = torch.sign(middle - zero)
        t = zero + inwards * torch.minimum(_BESIDE * self.width**2 / self.first, (middle - zero).abs())
        allowed = (self.reach - self.width / 2).clamp_min(0)
        t = torch.where((t - middle).abs() <= allowed, t, middle - inwards * allowed)
        return torch.where(self.high.isinf(), beyond, t)

    def put(self, t: Tensor, lead: Tensor) -> None:
        """What came of lengths: lead (n,)."""
        there, new = lead > 0, self.high.isinf()
        self.low, self.below = torch.where(there, self.low, t), torch.where(there, self.below, lead)
        self.high, self.above = torch.where(there, t, self.high), torch.where(there, lead, self.above)
        # Half the widest that the bracket may be now: halved with each step, from twice the first power of two.
        self.reach = self.reach / 2
        new &= there
        near = _CLOSE * self.low / 2
        steps = (self.width / (2 * near)).log2().ceil().clamp_min(0)
        self.first = torch.where(new, self.width, self.first)
        self.reach = torch.where(new, near * 2 ** (steps + 1), self.reach)

    def keep(self, going: Tensor) -> None:
        """Only these images from now on; going: (n,) bool."""
        for name, values in vars(self).items():
            setattr(self, name, values[going])


def _declared(default: bool) -> Any:
    return parameter(
        default,
        title="Finishing push",
        paper="ours; in the papers pictures are not rounded",
        help="After the search, make the perturbation longer by as little as lets the picture fool when it is saved in "
        "8 bits. Its direction, and so its smoothness, stays. Off, the search's result stays as it is, as published.",
    )


class Pushing(Parameters):
    """Attacks that end with the push."""

    push: bool = _declared(True)

    def longer(self, images: Tensor, r: Tensor, factor: Tensor) -> Tensor:
        """`images` with `factor` (n,) times the perturbations r, in [0, 1] as the attack clips, all (n, C, H, W)."""
        return (images + factor.view(-1, 1, 1, 1) * r).clamp(0, 1)

    def measures(self, r: Tensor) -> dict[str, Tensor]:
        """Scalars (n,) of a Step that follow from the perturbations r (n, C, H, W) alone."""
        return {"distortion": l2(r)}

    def pushed(self, steps: Iterator[Step], model: nn.Module, images: Tensor, labels: Tensor) -> Iterator[Step]:
        """The `steps` of a search on `images` (N, C, H, W) of `labels` (N,), and where `push` is set, the push as one
        more: it is left out if no image needs it, of those that fool.

        Scalar "push" is the factor, NaN before the end, where nothing fools and where no factor helps. Of a pushed
        image "margin" and the `measures` are the pushed one's; other scalars stay as they were.
        """
        if not self.push:
            yield from steps
            return
        for step in steps:
            total, unknown = step.total + 1, torch.full_like(l2(images), torch.nan)
            if step.index < step.total:
                yield replace(step, total=total, scalars=step.scalars | {"push": unknown})
                continue
            rows = step.found.nonzero()[:, 0]
            targets = None if step.targets is None else step.targets[rows]
            ours = _Found(model, images[rows], labels[rows], targets)
            best, factor = lengthened(ours.images, step.best[rows], ours.ahead, self.longer)
            pushed = factor > 1
            if bool(pushed.any()):
                yield replace(step, total=total, scalars=step.scalars | {"push": unknown})
            moved = rows[pushed]
            scalars = {name: values.clone() for name, values in step.scalars.items()} | {"push": unknown.clone()}
            scalars["push"][rows] = factor
            if len(moved):
                there = {"margin": ours.lead(best)} | self.measures(best - ours.images)
                for name in there.keys() & scalars.keys():
                    scalars[name][moved] = there[name][pushed]
            current, pictures = step.images.clone(), step.best.clone()
            current[moved] = pictures[moved] = best[pushed]
            yield replace(step, index=total, total=total, images=current, best=pictures, scalars=scalars)


class Storable(Quantised, Pushing):
    """Attacks that can do both: round every iterate, or end with the push. Neither is their default."""

    push: bool = _declared(False)


class _Found:
    """The images of which a search has found one that fools, n of them, and the network that it fools."""

    def __init__(self, model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None) -> None:
        self.model, self.images, self.labels, self.targets = model, images, labels, targets

    @torch.no_grad()
    def ahead(self, x: Tensor, rows: Tensor) -> Tensor:
        """(n,) by how much the attack leads beyond rounding in the pictures x (n, C, H, W) of the images `rows`."""
        if not len(rows):
            return rows.to(x)
        return ahead(self.model(x), self.labels[rows], None if self.targets is None else self.targets[rows])

    @torch.no_grad()
    def lead(self, x: Tensor) -> Tensor:
        """(n,) how far the attack leads in the pictures x (n, C, H, W)."""
        logits = self.model(x)
        return margin(logits, self.labels) if self.targets is None else -margin(logits, self.targets)
