"""The declared parameters of Laplacian smoothing, shared by every attack that smooths like the image."""

from __future__ import annotations

from torch import Tensor

from core.graph import GraphEnergy, GraphParameters, Smoother
from core.params import parameter


class SmoothingParameters(GraphParameters):
    """A pixel graph and alpha: all that s^_alpha needs."""

    alpha: float = parameter(
        0.95,
        ge=0,
        le=0.9999,
        step=0.001,
        slider=(0, 0.999),
        near_one=True,
        marks=(0.95, 0.997),
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


class EnergyParameters(SmoothingParameters):
    """Smoothing with a smooth optimum: what is minimised is |r|_K, K = I + rho (D - W), in place of |r|."""

    rho: float = parameter(
        0.0,
        ge=0,
        le=1e5,
        step=0.5,
        slider=(0, 100),
        symbol="ρ",
        unit="pixels²",
        title="Smooth optimum",
        paper="ours; departs from Smooth Adversarial Examples, eq. 18",
        first=True,
        telling=(0.0, 3.0, 30.0, 300.0),
        help="Weight of the perturbation's own changes between similar neighbours beside its length. 0 minimises the "
        "length alone, as published. Above, the shortest perturbation is itself smooth, over some √ρ pixels, however "
        "many passes are made; α is then without effect.",
    )

    def energy(self, images: Tensor) -> GraphEnergy:
        """|.|_K^2 on the graphs of `images` (N, C, H, W)."""
        return GraphEnergy(self.graph(images), self.rho)
