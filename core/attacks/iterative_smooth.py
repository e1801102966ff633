r"""IS, the iterative smooth attack: SmoothFool's second baseline (eq. 12), descent with a penalty on roughness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from core.attacks.adam import Adam
from core.attacks.base import Attack, Step, gradient
from core.attacks.gradient import Search, raised
from core.metrics import roughness
from core.params import parameter


class IterativeSmooth(Attack):
    """IS: minimise -J(f(x + r), y) + lambda_s Omega(r; sigma_h) over r, J the cross-entropy (eq. 12).

    Departures, each undone by the presets: The cross-entropy's gradient vanishes where the network is sure, and any
    roughness then outweighs it (on MNIST, with a C4, 13 of 30 images are fooled); J is by default the log odds against
    the true class instead, log((1 - p)/p), which rises with the cross-entropy and keeps its slope. Its weight beside
    Omega is another. Plain gradient descent, which the paper names, fools none of the 30 with the paper's step size in
    units of [0, 1]; the default is Adam, whose steps are as long as the step size.
    What the paper leaves open: r is cut to what keeps x + r in [0, 1] after every step; an image leaves once it fools.
    Scalar "roughness" is Omega.
    """

    name: ClassVar[str] = "iterative_smooth"
    title: ClassVar[str] = "Iterative smooth (IS)"
    formula: ClassVar[str] = (
        r"\min_r\; -J\big(f(x+r), y\big) + \lambda_s\, \Omega(r;\sigma_h),\qquad "
        r"\Omega(r;\sigma_h) = \lVert r - r * h\rVert^2"
    )
    look_for: ClassVar[str] = (
        "Smoother than plain descent and still rough: a penalty trades smoothness away where a filter would not."
    )
    paper: ClassVar[str] = "SmoothFool, section 4.1, eq. 12"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, MNIST": {"objective": "cross-entropy", "smoothness_weight": 0.1},
        "paper, CIFAR-10": {"objective": "cross-entropy", "smoothness_weight": 0.01},
        "paper, ImageNet": {"objective": "cross-entropy", "smoothness_weight": 0.05},
    }

    objective: Literal["log odds", "cross-entropy"] = parameter(
        "log odds",
        symbol="J",
        paper="SmoothFool, eq. 12",
        help="What is raised: the paper's cross-entropy, whose gradient vanishes for a network that is sure, or the "
        "log odds against the true class, whose gradient does not.",
    )
    smoothness_weight: float = parameter(
        5.0,
        ge=0,
        le=1000,
        slider=(0.001, 100),
        log=True,
        symbol="λ_s",
        title="Weight of roughness",
        paper="SmoothFool, eq. 12",
        help="How much roughness counts beside J. With the cross-entropy the paper takes 0.1, 0.01 and 0.05 for "
        "MNIST, CIFAR-10 and ImageNet.",
    )
    sigma_h: float = parameter(
        1.0,
        ge=0.1,
        le=200,
        slider=(0.1, 20),
        log=True,
        symbol="σ_h",
        unit="pixels",
        paper="SmoothFool, eq. 4",
        help="Width of the filter h that defines roughness: what h takes away is rough.",
    )
    descent: Literal["adam", "gradient"] = parameter(
        "adam",
        title="Descent by",
        help="Adam, whose steps have the length of the step size, or plain gradient descent, as the paper says.",
    )
    descent_rate: float = parameter(
        1e-3,
        gt=0,
        le=10,
        slider=(1e-4, 0.1),
        log=True,
        title="Step size",
        paper="SmoothFool, section 4.1",
        help="First step size; it halves at every `halve_after` steps.",
    )
    halve_after: int = parameter(
        100,
        ge=1,
        le=10_000,
        step=10,
        slider=(10, 500),
        unit="steps",
        paper="SmoothFool, section 4.1",
        advanced=True,
        help="Steps after which the step size is halved, again and again.",
    )
    descent_steps: int = parameter(
        500,
        ge=1,
        le=10_000,
        step=10,
        slider=(10, 1000),
        unit="steps",
        quick=10,
        help="Steps at most; each costs one forward and one backward pass.",
    )

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        search = Search(model, images, labels, self.descent_steps + 1)  # the clean image, then the steps
        r = torch.zeros_like(images)
        adam = Adam(r, self.descent_rate)
        for index in range(self.descent_steps + 1):
            r.requires_grad_(True)
            x = search.x + r
            logits, j = raised(self.objective, model, x, labels[search.rows])
            rough = roughness(r, self.sigma_h)
            loss = self.smoothness_weight * rough - j
            slope = gradient(loss, r)
            r = r.detach()
            _, fools, sound = search.record(
                x.detach().clamp(0, 1),
                logits.detach(),
                loss.detach(),
                sound=slope.flatten(1).isfinite().all(1),
                roughness=rough.detach(),
            )
            going = sound & ~fools & (index < self.descent_steps)
            if not bool(going.all()):
                search.stay(going)
                adam.keep(going)
                r, slope = r[going], slope[going]
            yield search.step(index + 1)
            if not len(r):
                return
            rate = self.descent_rate * 0.5 ** (index // self.halve_after)
            if self.descent == "adam":
                adam.rate = rate
                adam.step(r, slope)
            else:
                r = r - rate * slope
            r = (search.x + r).clamp(0, 1) - search.x
