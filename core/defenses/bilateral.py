"""The bilateral filter as a defence: what is smoothed stops at edges."""

from __future__ import annotations

from torch import Tensor

from core.defenses.base import Defense
from core.filters import bilateral
from core.params import parameter


class Bilateral(Defense):
    """The bilateral filter (`core.filters.JointBilateral` with the picture as its own guide).

    Section 5.5 of Smooth Adversarial Examples puts it in front of a network with the standard deviations below, and
    finds that it "does not really prevent the attacks".
    """

    name = "bilateral"
    title = "Bilateral filter"
    paper = "Tomasi and Manduchi, Bilateral filtering for gray and color images, ICCV 1998"

    sigma_domain: float = parameter(
        0.5,
        ge=0.1,
        le=10.0,
        step=0.1,
        title="Domain",
        symbol="σ_d",
        unit="pixels",
        paper="Smooth Adversarial Examples, Table 3",
        help="How far it looks: the standard deviation of the kernel over distances.",
        first=True,
    )
    sigma_range: float = parameter(
        0.2,
        ge=0.01,
        le=2.0,
        log=True,
        title="Range",
        symbol="σ_r",
        paper="Smooth Adversarial Examples, Table 3",
        help="How different a neighbour may be and still count: the standard deviation of the kernel over colours, "
        "which lie in [0, 1]. A large one smooths over edges, as a Gaussian does.",
        first=True,
    )

    def apply(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1]."""
        return bilateral(images, sigma_domain=self.sigma_domain, sigma_range=self.sigma_range).clamp(0, 1)
