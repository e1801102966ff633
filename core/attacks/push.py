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

from core.attacks.base import Quantised, Step, crosses, margin
from core.data.files import quantize
from core.metrics import l2, linf
from core.params import Parameters, parameter

_FIRST = 0.004  # the first lengthening that is tried; every further one is twice as much
_LONGEST = 32.0  # times what was found or, if that is less, a level; what takes more says nothing of what was found
_LEVEL = 1 / 255
_CLOSE = 0.002  # of the length: how near to the shortest


def lengthened(
    images: Tensor,
    found: Tensor,
    fools: Callable[[Tensor, Tensor], Tensor],
    longer: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """`found` (N, C, H, W), lengthened as seen from the clean `images`, and by what factor (N,).

    fools: (pictures (n, C, H, W), rows (n,)) -> (n,) bool, of the images `rows`, which also looks at them in 8 bits.
    longer: as `Pushing.longer`. The factor is 1 where nothing had to be lengthened, and NaN where none helps, and the
    image then as found; none that makes the largest change 32 times what it was and 32 levels is tried.

    Doubled until it fools, then halved to within 0.2 % of the length. On a linear classifier whose normal the
    perturbation follows, the lead of the rounded picture never falls with the length, so that is the shortest there is;
    elsewhere it is the shortest near which a shorter one does not.
    """
    rows = torch.arange(len(images), device=images.device)
    r = found - images
    longest = _LONGEST * (_LEVEL / linf(r)).clamp(1, 1e9)
    best, factor = found.clone(), torch.ones_like(l2(r))
    rows = rows[~fools(found, rows)]
    low, high = torch.ones_like(factor[rows]), torch.full_like(factor[rows], torch.inf)
    excess = _FIRST
    while len(rows):
        t = torch.where(high.isinf(), 1 + excess, (low + high) / 2)
        x = longer(images[rows], r[rows], t)
        there = fools(x, rows)
        best[rows[there]], factor[rows[there]] = x[there], t[there]
        low, high = torch.where(there, low, t), torch.where(there, t, high)
        lost = high.isinf() & (1 + 2 * excess > longest[rows])
        factor[rows[lost]] = torch.nan
        going = ~lost & (high.isinf() | (high - low > _CLOSE * high))
        rows, low, high = rows[going], low[going], high[going]
        excess *= 2
    return best, factor


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
            best, factor = lengthened(ours.images, step.best[rows], ours.fools, self.longer)
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

    def fools(self, x: Tensor, rows: Tensor) -> Tensor:
        """(n,) bool, of the pictures x of the images `rows`: in 8 bits, and in float, which may be another class."""
        there = self._named(quantize(x), rows)
        there[there.clone()] = self._named(x[there], rows[there])
        return there

    @torch.no_grad()
    def _named(self, x: Tensor, rows: Tensor) -> Tensor:
        if not len(rows):
            return rows.bool()
        targets = None if self.targets is None else self.targets[rows]
        return crosses(self.model(x), self.labels[rows], targets)

    @torch.no_grad()
    def lead(self, x: Tensor) -> Tensor:
        """(n,) how far the attack leads in the pictures x (n, C, H, W)."""
        logits = self.model(x)
        return margin(logits, self.labels) if self.targets is None else -margin(logits, self.targets)
