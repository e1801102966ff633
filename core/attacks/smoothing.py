"""The declared parameters of Laplacian smoothing, shared by every attack that smooths like the image."""

from __future__ import annotations

from torch import Tensor

from core.graph import GraphParameters, Smoother
from core.params import parameter


class SmoothingParameters(GraphParameters):
    """A pixel graph and alpha: all that s^_alpha needs."""

    alpha: float = parameter(
        0.95,
        ge=0,
        le=0.9999,
        step=0.001,
        slider=(0, 0.999),
        symbol="α",
        title="Smoothing",
        paper="Smooth Adversarial Examples, eqs. 6 to 9",
        first=True,
        telling=(0.0, 0.9, 0.99, 0.997),
        help="Strength of the smoothing. 0 changes every pixel on its own; towards 1 the change spreads over whole "
        "regions of similar colour. The paper: 0.95 on MNIST, 0.997 on ImageNet.",
    )

    def smoother(self, images: Tensor) -> Smoother:
        """s^_alpha guided by `images` (N, C, H, W)."""
        return Smoother(self.graph(images), self.alpha)
