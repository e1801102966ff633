r"""PGD in L2, and the paper's "quick and dirty" smooth version of it (Smooth Adversarial Examples, section 4.1)."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from core.attacks.gradient import Descent, IteratedGradient, clipped, norms, unit
from core.attacks.smoothing import SmoothingParameters
from core.graph import Smoother
from core.params import parameter


class BallDescent(Descent):
    """x <- x - step g/|g|, then back into the L2 ball around the clean image and into [0, 1].

    The clipped image is in the ball too, since clipping to [0, 1] only brings it closer to the clean one.
    """

    def __init__(self, radius: float, step: float, smoother: Smoother | None = None) -> None:
        self.radius, self.step, self.smoother = radius, step, smoother

    def move(self, x: Tensor, gradient: Tensor, images: Tensor) -> Tensor:
        if self.smoother is not None:
            gradient = self.smoother(gradient)
        r = x - images - self.step * unit(gradient)
        length = norms(r)
        return clipped(images, r * (self.radius / length.clamp_min(self.radius)))

    def stay(self, going: Tensor) -> None:
        if self.smoother is not None:
            self.smoother = self.smoother[going]


class ProjectedGradientBase(IteratedGradient):
    """What PGD2 and qPGD2 share: the ball and the step."""

    radius: float = parameter(
        5.0,
        gt=0,
        le=1000,
        step=0.1,
        slider=(0.1, 10),
        symbol="ε",
        unit="L2 norm",
        paper="Smooth Adversarial Examples, section 5.2",
        help="The perturbation is never longer than this. The paper tries several and keeps the shortest that fools.",
    )
    step_length: float = parameter(
        3.0,
        gt=0,
        le=1000,
        step=0.1,
        slider=(0.1, 5),
        unit="L2 norm",
        paper="Smooth Adversarial Examples, section 5.2 (there called α)",
        help="Length of one step. The paper's 3 overshoots on purpose; small steps end nearer to the boundary.",
    )


_PRESETS: dict[str, dict[str, Any]] = {
    "paper, MNIST": {"radius": 5.0, "step_length": 3.0},
    "paper, ImageNet": {"radius": 5.0, "step_length": 3.0},
}


class ProjectedGradient(ProjectedGradientBase):
    """PGD2, the L2 version of I-FGSM. The paper does not say how many steps it takes; 20 is ours."""

    name: ClassVar[str] = "pgd2"
    title: ClassVar[str] = "PGD₂"
    formula: ClassVar[str] = (
        r"x \leftarrow \mathrm{clip}_{[0,1]\cap B_2(x_o,\epsilon)}"
        r"\Big(x - a\,\frac{g}{\lVert g\rVert}\Big),\qquad g = \nabla_x \ell(f(x), t)"
    )
    look_for: ClassVar[str] = (
        "Noise, strongest where the network looks. The paper's step of 3 overshoots: with one of 0.1 the perturbation "
        "comes out half as long on digits, a tenth as long on photographs."
    )
    paper: ClassVar[str] = "Smooth Adversarial Examples, section 4.1, eqs. 10 and 11"
    presets: ClassVar[dict[str, dict[str, Any]]] = _PRESETS

    def descent(self, images: Tensor) -> Descent:
        return BallDescent(self.radius, self.step_length)


class SmoothProjectedGradient(ProjectedGradientBase, SmoothingParameters):
    """qPGD2, eq. 12: PGD2 with the gradient smoothed before it is normalised, the paper's own counter-example.

    s^_alpha(g) may hardly point where g points, or even away, so lowering the loss takes a longer perturbation.
    """

    name: ClassVar[str] = "qpgd2"
    title: ClassVar[str] = "qPGD₂ (quick and dirty)"
    formula: ClassVar[str] = (
        r"x \leftarrow \mathrm{clip}_{[0,1]\cap B_2(x_o,\epsilon)}"
        r"\Big(x - a\,\frac{\hat s_\alpha(g)}{\lVert \hat s_\alpha(g)\rVert}\Big),\qquad g = \nabla_x \ell(f(x), t)"
    )
    look_for: ClassVar[str] = (
        "Smooth, but stronger than it needs to be: smoothing the gradient as an afterthought costs distortion."
    )
    paper: ClassVar[str] = "Smooth Adversarial Examples, section 4.1, eq. 12"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, MNIST": {**_PRESETS["paper, MNIST"], "alpha": 0.95},
        "paper, ImageNet": {**_PRESETS["paper, ImageNet"], "alpha": 0.997},
        "photograph": {"alpha": 0.997},
    }

    def descent(self, images: Tensor) -> Descent:
        return BallDescent(self.radius, self.step_length, self.smoother(images))
