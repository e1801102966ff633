"""Size of a perturbation. In the units of the images, [0, 1]: multiply linf by 255 for 8-bit grey levels."""

from __future__ import annotations

import torch
from torch import Tensor


def _perturbation(a: Tensor, b: Tensor | None) -> Tensor:
    """a - b flattened to (N, everything else), or a itself if there is no b."""
    if not a.is_floating_point() or (b is not None and not b.is_floating_point()):
        raise ValueError("images must be floating-point; divide 8-bit values by 255.")
    if b is not None and a.shape != b.shape:
        raise ValueError(f"both batches of images must have one shape; got {tuple(a.shape)} and {tuple(b.shape)}.")
    if a.ndim < 2:
        raise ValueError(f"images must have the shape (N, C, H, W); got {tuple(a.shape)}.")
    return (a if b is None else a - b).flatten(1)


def l2(a: Tensor, b: Tensor | None = None) -> Tensor:
    """Euclidean norm per image, (N,): of a - b for two batches (N, C, H, W), or of the perturbation a alone."""
    norms: Tensor = torch.linalg.vector_norm(_perturbation(a, b), dim=1)
    return norms


def linf(a: Tensor, b: Tensor | None = None) -> Tensor:
    """Largest change of any value per image, (N,): of a - b for two batches (N, C, H, W), or of a alone."""
    norms: Tensor = torch.linalg.vector_norm(_perturbation(a, b), ord=float("inf"), dim=1)
    return norms
