r"""Smooth C&W: the attack of section 4.2 of Smooth Adversarial Examples (eqs. 15 to 19).

The variable is a latent z; the perturbation r = s^_alpha(z) is its smoothing on the pixel graph of the clean image, so
every iterate is smooth wherever the image is. The paper calls the backward pass "equivalent to smoothing" (eq. 19);
exactly it is the transpose, L_alpha^-1 (g / s_alpha(1)), which `core.graph.Smoother` implements.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from core.attacks.cw import PAPER_SEARCH, CarliniWagnerBase, Variable, reach
from core.graph import GraphParameters, Smoother
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


class SmoothCarliniWagner(CarliniWagnerBase, GraphParameters):
    """sC&W: C&W on r = s^_alpha(z), eq. 18 of Smooth Adversarial Examples."""

    name: ClassVar[str] = "scw"
    title: ClassVar[str] = "Smooth C&W (sC&W)"
    formula: ClassVar[str] = (
        r"\min_{z}\; \lambda\,\lVert \hat s_\alpha(z)\rVert^2 + "
        r"\big[\,y_t - \max_{i\neq t} y_i + m\,\big]_+ ,\qquad x = \mathrm{clip}\big(x_o + \hat s_\alpha(z)\big)"
    )
    look_for: ClassVar[str] = (
        "The perturbation follows the picture: flat where it is flat, sharp only across its edges. "
        "Magnified, original and adversarial look alike."
    )
    paper: ClassVar[str] = "Smooth Adversarial Examples, section 4.2, eqs. 16 to 19"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, MNIST": {"alpha": 0.95, "margin": 1.0, "initial_c": 15.0, **PAPER_SEARCH},
        "paper, ImageNet": {"alpha": 0.997, "margin": 0.0, "initial_c": 100.0, **PAPER_SEARCH},
    }

    alpha: float = parameter(
        0.95, ge=0, le=0.9999, step=0.001, slider=(0, 0.999), symbol="α", title="Smoothing",
        paper="Smooth Adversarial Examples, eqs. 6 to 9",
        help="Strength of the smoothing. 0 changes every pixel on its own (plain C&W in r); towards 1 the change "
        "spreads over whole regions of similar colour. The paper: 0.95 on MNIST, 0.997 on ImageNet.",
    )  # fmt: skip

    def variable(self, images: Tensor) -> Variable:
        return Smooth(Smoother(self.graph(images), self.alpha))
