"""Norms in which a perturbation is made small, and the steepest direction in each: what a search can be handed."""

from __future__ import annotations

import torch
from torch import Tensor

from core.attacks.gradient import clipped, norms
from core.graph import GraphEnergy, Smoother


class Metric:
    """The identity: r moves along g, and is as long as it is."""

    def __call__(self, g: Tensor) -> Tensor:
        return g

    def norms(self, r: Tensor) -> Tensor:
        """What the search makes small (n, 1, 1, 1), of r (n, C, H, W)."""
        return norms(r)

    def cost(self, r: Tensor) -> Tensor | None:
        """(n,) what the success to be kept has least of; None for the L2 distortion."""
        return None

    def farthest(self, images: Tensor) -> Tensor:
        """(n, 1, 1, 1) the largest norm of what can be done to `images` within [0, 1], or a bound of it."""
        return norms(torch.maximum(images, 1 - images))

    def within(self, images: Tensor, r: Tensor) -> Tensor:
        """r as the search goes on with it, (n, C, H, W)."""
        return clipped(images, r) - images

    def stay(self, going: Tensor) -> None:
        """Go on with these images only."""


class SmoothMetric(Metric):
    """F g, with F = s_alpha(1)^{-1/2} L_alpha^-1 s_alpha(1)^{-1/2}."""

    def __init__(self, smoother: Smoother, images: Tensor) -> None:
        self.smoother = smoother
        self.scale = smoother.raw(torch.ones_like(images)).rsqrt()

    def __call__(self, g: Tensor) -> Tensor:
        return self.scale * self.smoother.raw(self.scale * g)

    def stay(self, going: Tensor) -> None:
        self.smoother, self.scale = self.smoother[going], self.scale[going]


class SobolevMetric(Metric):
    """K^-1 g and |r|_K, with K = I + rho (D - W)."""

    def __init__(self, energy: GraphEnergy) -> None:
        self.energy = energy

    def __call__(self, g: Tensor) -> Tensor:
        return self.energy.solve(g)

    def norms(self, r: Tensor) -> Tensor:
        return self.energy(r).sqrt().view(-1, 1, 1, 1)

    def cost(self, r: Tensor) -> Tensor:
        return self.norms(r).flatten()

    def farthest(self, images: Tensor) -> Tensor:
        return self.energy.largest.sqrt().view(-1, 1, 1, 1) * super().farthest(images)

    def within(self, images: Tensor, r: Tensor) -> Tensor:
        return r

    def stay(self, going: Tensor) -> None:
        self.energy = self.energy[going]
