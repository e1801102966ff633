r"""Smooth C&W: the attack of section 4.2 of Smooth Adversarial Examples (eqs. 13 to 19).

The variable is a latent z; the perturbation r = s^_alpha(z) is its smoothing on the pixel graph of the clean image.
That map is invertible and excludes no r: what keeps r smooth is that z starts at 0 and that the search is short. The
paper calls the backward pass "equivalent to smoothing" (eq. 19); exactly it is the transpose,
L_alpha^-1 (g / s_alpha(1)), which `core.graph.Smoother` implements.

The paper's counter-example, a pairwise penalty on r itself (eq. 14), is there to be compared with.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from core.attacks.cw import PAPER_SEARCH, CarliniWagnerBase, Clipped, Variable, reach
from core.attacks.smoothing import SmoothingParameters
from core.graph import PixelGraph, Smoother
from core.params import parameter


class Smooth:
    """x = clip(x_o + s^_alpha(z)): eqs. 16 to 18."""

    def __init__(self, smoother: Smoother) -> None:
        self.smoother = smoother

    def start(self, images: Tensor) -> Tensor:
        return torch.zeros_like(images)

    def image(self, v: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        r = self.smoother(v)
        return (images + r).clamp(0, 1), r

    def reach(self, slope: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.zeros_like(slope, requires_grad=True)
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(self.smoother(z), z, slope)
        step, ascent = reach(slope, gap)
        return step, self.smoother(ascent)

    def keep(self, rows: Tensor) -> Smooth:
        return Smooth(self.smoother[rows])


def pairwise(r: Tensor, graph: PixelGraph) -> Tensor:
    """sum_{i,j} w_ij |r^_i - r^_j|^2 per image (N,), r^ = D^{-1/2} r: eq. 14 without mu; it equals 2 tr r'(I - S) r."""
    return 2 * (r * (r - graph.matvec(r))).flatten(1).sum(1)


class Penalised(Clipped):
    """x = clip(x_o + r), with the graph at hand for the penalty on r."""

    def __init__(self, graph: PixelGraph) -> None:
        self.graph = graph

    def keep(self, rows: Tensor) -> Penalised:
        return Penalised(self.graph[rows])


class SmoothCarliniWagner(CarliniWagnerBase, SmoothingParameters):
    """sC&W: C&W on r = s^_alpha(z), eq. 18 of Smooth Adversarial Examples; or on r with the penalty of eq. 14.

    Departure in the penalty: lambda multiplies it along with |r|^2, so mu is its weight relative to the distortion.
    With the paper's mu of its own, no c would be large enough once mu is too large.
    """

    name: ClassVar[str] = "scw"
    title: ClassVar[str] = "Smooth C&W (sC&W)"
    formula: ClassVar[str] = (
        r"\min_{z}\; \lambda\,\lVert \hat s_\alpha(z)\rVert^2 + "
        r"\big[\,y_t - \max_{i\neq t} y_i + m\,\big]_+ ,\qquad x = \mathrm{clip}\big(x_o + \hat s_\alpha(z)\big)"
    )
    look_for: ClassVar[str] = (
        "The perturbation follows the picture: flat where it is flat, sharp only across its edges. Clouds, where plain "
        "C&W of the same length makes noise; to fool as surely it has to be longer. Compare shows both."
    )
    paper: ClassVar[str] = "Smooth Adversarial Examples, section 4.2, eqs. 16 to 19"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, MNIST": {"alpha": 0.95, "margin": 1.0, "initial_c": 15.0, **PAPER_SEARCH},
        "paper, ImageNet": {"alpha": 0.997, "margin": 0.0, "initial_c": 100.0, **PAPER_SEARCH},
        # Ours: survives being saved in 40 of 40 photographs (EfficientNet-Lite0); a margin of 2 instead did in 37.
        "photograph": {"alpha": 0.997, "quantised": True},
    }

    smoothness: Literal["constraint", "penalty"] = parameter(
        "constraint",
        advanced=True,
        paper="Smooth Adversarial Examples, eqs. 14 and 17",
        help="r = s^_alpha(z), smooth while the search is short; or, for comparison, r with a penalty on differences "
        "between neighbours, which the paper advises against.",
    )
    mu: float = parameter(
        10.0,
        ge=0.001,
        le=1e6,
        log=True,
        slider=(0.1, 1000),
        symbol="μ",
        title="Penalty weight",
        advanced=True,
        paper="Smooth Adversarial Examples, eq. 14",
        help="Weight of the penalty relative to the squared distortion. Without effect on the constraint, as the "
        "smoothing α is on the penalty.",
    )

    def variable(self, images: Tensor) -> Variable:
        if self.smoothness == "penalty":
            return Penalised(self.graph(images))
        return Smooth(self.smoother(images))

    def penalty(self, perturbation: Tensor, variable: Variable) -> Tensor:
        distortion = super().penalty(perturbation, variable)
        if not isinstance(variable, Penalised):
            return distortion
        return distortion + self.mu * pairwise(perturbation, variable.graph)
