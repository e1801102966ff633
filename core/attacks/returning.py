"""The way back: from a point that fools to the boundary that was crossed, and along it towards the image.

DeepFool stops where it first fools, and that may be far behind the boundary: where features were trained onto a place
of their own (graph smoothness, fixed centres) the network is flat around the clean image and falls off at a cliff
close by, so that the first linearisation steps over it, ten times too far. Two remedies:

- `back` halves the way between the image and such a point until it stands at the boundary.
- `along` turns the way from the image to the boundary towards the *image's* projection onto the boundary linearised
  where it was crossed, which is the necessary condition of the nearest point. SuperDeepFool (Abdollahpoorrostam et al.
  2023, "Revisiting DeepFool: generalization and improvement") goes to that projection and on by DeepFool; boundaries
  are curved, and to seek between it and what fools made none of 8 digits shorter (C4). Here it goes a share of the way,
  along the boundary, and only where that is shorter by 0.3 %; the share grows by a half where it is, and is halved
  where it is not. Boundaries of networks with ReLU have kinks, and the way goes to and fro across one: so it is turned
  towards the running mean of the projections.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.attacks.base import crosses, margin
from core.attacks.gradient import inward, scaled
from core.metrics import l2

_DEEP = 0.5  # a success by more than this share of what the clean image lacked is beyond a cliff
_NEAR = 0.01  # in L2: from so near it is not the cliff, but how far behind the boundary DeepFool steps
_HALVINGS = 12
_CLOSE = 0.02  # of the length: near enough to the boundary
_BETWEEN, _MATTERS = 3, 0.2  # halvings at most between what is turned and falls short, and what fools; of the length
_SHORTER = 0.003  # what has to be gained by a turn
_PAST = 0.3  # of the mean of the projections, what is of before
_SHARE, _LEAST = 0.5, 0.02  # of the way to the projection: the first turn, and the last


@torch.no_grad()
def _fools(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """(n,) bool of x (n, C, H, W)."""
    return crosses(model(x), labels)


def _halved(
    model: nn.Module, inside: Tensor, outside: Tensor, labels: Tensor, halvings: int, close: float | Tensor
) -> Tensor:
    """Points (n, C, H, W) between `inside` and `outside`, which fools, that fool and are nearer to `inside`.

    close: a number or (n,), the share of the way at which it is near enough.
    """
    outside, rows = outside.clone(), torch.arange(len(labels), device=labels.device)
    low, high = torch.zeros_like(l2(inside)), torch.ones_like(l2(inside))
    start, way = inside, outside - inside
    for _ in range(halvings):
        rows = rows[(high - low > close * high)[rows]]
        if not len(rows):
            break
        middle = (low + high)[rows] / 2
        x = start[rows] + scaled(middle, way[rows])
        fools = _fools(model, x, labels[rows])
        low[rows], high[rows] = torch.where(fools, low[rows], middle), torch.where(fools, middle, high[rows])
        outside[rows[fools]] = x[fools]
    return outside


def back(model: nn.Module, images: Tensor, found: Tensor, labels: Tensor, gap: Tensor, lead: Tensor) -> Tensor:
    """`found` (n, C, H, W), which fools, or where it is deep behind the boundary what is between it and `images`.

    gap: (n,) what the images lack; lead: (n,) how far another class leads in `found`.
    """
    deep = (lead > _DEEP * gap) & (l2(found - images) > _NEAR)
    if not bool(deep.any()):
        return found
    found = found.clone()
    found[deep] = _halved(model, images[deep], found[deep], labels[deep], _HALVINGS, _CLOSE)
    return found


def _projection(model: nn.Module, images: Tensor, found: Tensor, labels: Tensor) -> Tensor:
    """`images` on the boundary linearised at `found`, all (n, C, H, W); not finite where there is no slope."""
    at = found.detach().requires_grad_(True)
    with torch.enable_grad():
        lead = margin(model(at), labels)
        slope = torch.autograd.grad(lead.sum(), at)[0] if lead.requires_grad else torch.zeros_like(found)
    slope = inward(slope, found)
    gap = ((slope * (found - images)).sum((1, 2, 3)) - lead.detach()).clamp_min(0)
    return images + scaled(gap / slope.square().sum((1, 2, 3)), slope)


def along(model: nn.Module, images: Tensor, found: Tensor, labels: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    """`found` (n, C, H, W), which fools, or what is shorter and fools too, after so many rounds.

    Also (n,) bool: it ended because nothing near was shorter by 0.3 %, not for want of rounds or of a slope.
    """
    found, rows = found.clone(), torch.arange(len(labels), device=labels.device)
    share, settled = torch.full_like(l2(images), _SHARE), torch.zeros_like(labels, dtype=torch.bool)
    projected, moved = torch.full_like(found, torch.nan), ~settled
    for _ in range(rounds):
        if not len(rows):
            break
        new = rows[moved[rows]]
        if len(new):
            now, past = _projection(model, images[new], found[new], labels[new]), projected[new]
            projected[new] = torch.where(past.isnan(), now, _PAST * past + (1 - _PAST) * now)
        x, y, best = images[rows], labels[rows], found[rows]
        turned = best + scaled(share[rows], projected[rows] - best) - x
        sound = turned.flatten(1).isfinite().all(1) & turned.flatten(1).any(1)
        turned = torch.where(sound.view(-1, 1, 1, 1), turned, best - x)
        long = (x + scaled((1 - _SHORTER) * l2(best - x) / l2(turned), turned)).clamp(0, 1)
        better = sound & _fools(model, long, y) & (l2(long - x) < l2(best - x))
        if bool(better.any()):
            short, long = (x + turned).clamp(0, 1)[better], long[better]
            close = _MATTERS * l2(best - x)[better] / l2(long - short)
            found[rows[better]] = _halved(model, short, long, y[better], _BETWEEN, close)
        moved[rows] = better
        share[rows] = torch.where(better, (1.5 * share[rows]).clamp_max(1), share[rows] / 2)
        ends = share[rows] <= _LEAST
        settled[rows] = sound & ends
        rows = rows[sound & ~ends]
    return found, settled
