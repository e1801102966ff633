"""SmoothFool's way to the boundary and to its normal there, with the fewest passes.

Each round needs a point about the decision boundary and the normal there (SmoothFool, eq. 8). DeepFool comes to it in
several linearisations, each with a gradient for every class whose boundary may be the nearest. Most of them say what is
known: rounds begin near where the last one ended, and a network changes little on the way. Departing from lines 5 and
6 of Algorithm 2:

- Only the first round asks which class is near. The next ones set out along the normal that the last one ended with.
- What a step comes to tells how far it is still: the next goes on along the same line, by the secant. Only where a step
  closed less than two fifths of what lacked is the network linearised anew, towards whichever other class leads there.
- A point that lacks less than a seventh of what the round began with is near enough: the projection goes on to where
  the boundary is by the normal there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.attacks.base import gradient, margin
from core.attacks.deepfool import BEHIND, DeepFoolParameters, likeliest, nearest_of
from core.attacks.gradient import inward, scaled, unit
from core.metrics import l2

_HOPELESS = 1.0  # only a boundary that looks as near as the nearest so far is tried
_NEAR = 0.15  # of what the round began with: what a point about the boundary may lack
_DEEP = 0.5  # ... and how far behind it may be
_BENT = 0.6  # of what a step set out to close, left: the line no longer leads there


@dataclass(frozen=True)
class Crossing:
    """Points about the boundary, of n images."""

    images: Tensor
    """(n, C, H, W)."""
    lacking: Tensor
    """(n,) by how much the own class still leads there; at most 0 where it does not."""
    normals: Tensor
    """(n, C, H, W) the gradient of the other class's lead, whichever leads the others there."""


def _line(slopes: Tensor, x: Tensor, lacking: Tensor) -> tuple[Tensor, Tensor]:
    """The unit vectors along `slopes` without what leads out of [0, 1] from x, and how far to go; 0 without any."""
    way = inward(slopes, x)
    length = l2(way)
    return unit(way), torch.where(length > 0, lacking / length, 0)


class WarmStart:
    """What the rounds before know of n images: where they lack what, and the normals of the boundaries last crossed."""

    def __init__(self, about: DeepFoolParameters) -> None:
        self.about = about
        self.lacking: Tensor | None = None
        """(n,) by how much the own class leads."""
        self.normals: Tensor | None = None
        """(n, C, H, W)."""

    def keep(self, going: Tensor) -> None:
        """Go on with these images (n,) only."""
        if self.lacking is not None:
            self.lacking = self.lacking[going]
        if self.normals is not None:
            self.normals = self.normals[going]

    def crossing(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Crossing, Tensor]:
        """From the images x (n, C, H, W) of the classes y (n,) to about the boundary, and (n,) what they lacked."""
        if self.normals is None or self.lacking is None:
            lacking, towards, length = self._nearest(model, x, y)
        else:
            lacking = self.lacking
            towards, length = _line(self.normals, x, lacking)
        found = self._along(model, x, y, lacking, towards, length)
        self.normals = found.normals
        return found, lacking

    def _nearest(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n,) what x lacks, and the way to the nearest linearised boundary: its unit vector, and how long it is."""
        live = x.detach().requires_grad_(True)
        logits = model(live)
        rivals = likeliest(logits.detach(), y, self.about.candidates)
        unknown = torch.full_like(rivals, torch.inf, dtype=logits.dtype)
        towards, length, *_ = nearest_of(logits, live, y, rivals, unknown, guess=True, hopeless=_HOPELESS)
        return -margin(logits.detach(), y), towards, torch.where(length.isinf(), 0, length)

    def _along(
        self, model: nn.Module, x: Tensor, y: Tensor, lacking: Tensor, towards: Tensor, length: Tensor
    ) -> Crossing:
        """Set out from x, which lacks so much, so far along the unit vectors `towards`."""
        steps, stretch = self.about.deepfool_steps, 1 + self.about.overshoot
        start, found = lacking, Crossing(x.clone(), lacking.clone(), torch.zeros_like(x))
        rows, at, inside = torch.arange(len(x), device=x.device), x, x
        goes = (lacking > 0) & (length > 0)
        length = torch.where(goes, stretch * length + BEHIND, 0)
        for step in range(1, steps + 1):
            live = (at + scaled(length, towards)).clamp(0, 1).requires_grad_(True)
            logits = model(live)
            left = -margin(logits.detach(), y[rows])
            deep = (left < -_DEEP * start[rows]) & (start[rows] > 0) & self.about.come_back & (step < steps)
            bent = (left > _NEAR * start[rows]) & ~(left <= _BENT * lacking) & (step < steps)
            on = (left > _NEAR * start[rows]) & ~bent & (step < steps)
            there = ~(deep | bent | on)
            if bool((there | bent).any()):
                slopes = gradient(margin(logits, y[rows]), live)
                bent &= (slopes != 0).flatten(1).any(1)  # else there is nowhere to go
                there = ~(deep | bent | on)
                found.images[rows[there]] = live.detach()[there]
                found.lacking[rows[there]] = left[there]
                found.normals[rows[there]] = slopes[there]
                if bool(there.all()):
                    break
                anew, far = _line(slopes, live.detach(), left)
                towards = torch.where(bent.view(-1, 1, 1, 1), anew, towards)
            else:
                far = length
            secant = left * length / torch.where(on, lacking - left, 1)
            length = stretch * torch.where(bent, far, secant) + BEHIND
            if bool(deep.any()):
                back = inside - live.detach()
                towards = torch.where(deep.view(-1, 1, 1, 1), unit(back), towards)
                length = torch.where(deep, l2(back) / 2, length)
            inside = torch.where((left > 0).view(-1, 1, 1, 1), live.detach(), inside)
            going = ~there
            rows, at, inside, towards, length, lacking = (
                v[going] for v in (rows, live.detach(), inside, towards, length, left)
            )
        return found
