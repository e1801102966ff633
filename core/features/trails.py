"""The way of an attack through feature space, from the clean image to the adversarial one."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from core.attacks import Attack, AttackResult, Run
from core.models import Classifier, features_of

LONGEST = 48
"""Images of a trail that are kept, at most."""


@dataclass(frozen=True)
class AttackTrail:
    """images: (T, C, H, W), the clean one, iterates up to the one that the attack returned, and the adversarial one."""

    images: Tensor
    result: AttackResult


@dataclass(frozen=True)
class FeatureTrail:
    """An AttackTrail as one network sees it.

    features: (T, d); answers: (T,) the classes it names. flip: the first image that it names otherwise than the clean
    one, None if there is none.
    """

    features: Tensor
    answers: Tensor

    @property
    def flip(self) -> int | None:
        turned = (self.answers != self.answers[0]).nonzero()
        return int(turned[0, 0]) if len(turned) else None


def follow(
    attack: Attack, model: Classifier, image: Tensor, label: int, seed: int = 0
) -> Generator[float, None, AttackTrail]:
    """Run `attack` on one image (1, C, H, W) and keep its trail; yields how far it is (0 to 1).

    When a caller throws an exception in, the attack ends there and the trail is that of what it has reached: the
    exception must be a subclass of StopFollowing. The attack's last iterates, after the image that it returns, are no
    part of the trail.
    """
    run = Run(attack, model, image, torch.tensor([label]), seed)
    kept: dict[int, Tensor] = {}
    spacing, found_at = 1, 0
    best: Tensor | None = None
    try:
        for number, step in enumerate(run):
            if number % spacing == 0:
                kept[number] = step.images[0].detach().cpu().clone()
            if len(kept) >= 2 * LONGEST:
                spacing *= 2
                kept = {i: x for i, x in kept.items() if i % spacing == 0}
            if best is None or not torch.equal(step.best[0].cpu(), best):
                best, found_at = step.best[0].detach().cpu().clone(), number
            yield step.index / step.total
    except StopFollowing:
        pass
    result = run.result()
    between = [x for i, x in sorted(kept.items()) if i < found_at]
    every = -(-len(between) // LONGEST) if between else 1
    images = [image[0].cpu(), *between[::every], result.adversarial[0]]
    return AttackTrail(torch.stack(images), result)


class StopFollowing(Exception):  # noqa: N818
    """Thrown into `follow` to end it with what it has reached."""


def seen_by(model: Classifier, images: Tensor) -> FeatureTrail:
    """Images (T, C, H, W) as `model` sees them."""
    z = features_of(model, images)
    with torch.no_grad():
        return FeatureTrail(z, model.head(z.to(model.device)).argmax(1).cpu())
