"""Features of many dimensions as points of the plane."""

from __future__ import annotations

import torch
from torch import Tensor


def shared_frame(features: Tensor) -> tuple[Tensor, Tensor]:
    """One linear frame for features (n, d) or (E, n, d), fitted jointly over all E epochs.

    Returns the mean (d,) and two orthonormal axes (d, 2), those of the largest variance; for d = 2 the features' own
    axes about the origin, so that what is drawn is what the network computes. For d = 1 the second coordinate is zero.
    ValueError if there is nothing to fit.
    """
    if features.ndim not in (2, 3) or not features.numel() or not bool(features.isfinite().all()):
        raise ValueError(f"features must be finite, (n, d) or (E, n, d), none empty; got {tuple(features.shape)}.")
    d = features.shape[-1]
    if d <= 2:
        return torch.zeros(d), torch.eye(d, 2)
    rows = features.reshape(-1, d).double()
    mean = rows.mean(0)
    _, _, axes = torch.linalg.svd(rows - mean, full_matrices=False)
    two = axes[:2].T
    two = two * torch.where(two.gather(0, two.abs().argmax(0, keepdim=True)) < 0, -1.0, 1.0)  # a sign that stays
    return mean.float(), two.float()


def project(features: Tensor, frame: tuple[Tensor, Tensor]) -> Tensor:
    """(..., d) -> (..., 2) coordinates in a frame."""
    mean, axes = frame
    return (features.float() - mean) @ axes
