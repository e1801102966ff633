"""ImageNet's class names and the crop its networks are fed."""

from __future__ import annotations

import functools
import json

from core.layout import ASSETS


@functools.cache
def classes() -> tuple[str, ...]:
    """The 1000 class names, in the order of the usual logits (two of them occur twice: crane, maillot)."""
    return tuple(json.loads((ASSETS / "imagenet_classes.json").read_text(encoding="utf-8")))


def crop_fraction(size: int) -> float:
    """The share S/(S+32) of the shorter side that EfficientNet-Lite's own preprocessing keeps for an S-pixel input."""
    return size / (size + 32)
