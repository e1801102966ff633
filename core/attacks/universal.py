r"""Smooth universal perturbations: one r that fools a network on as many images as possible (SmoothFool, section 4.2).

`fit_universal` fits it on a set of images, `apply_universal` adds it to others; `Universal` is the same as an attack.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from core.attacks.base import Attack, Step, check_batch, crosses, gradient, margin
from core.attacks.gradient import log_odds
from core.attacks.smoothfool import LowPassParameters, SmoothFool
from core.filters import check_images, low_pass
from core.metrics import l2, linf, roughness
from core.params import parameter

_CONFIDENCE = 1.0  # logits beyond the boundary that an image is pushed before it stops pulling


def apply_universal(r: Tensor, images: Tensor) -> Tensor:
    """clip(x + r): one perturbation r (1, C, H, W) on images (N, C, H, W) in [0, 1]; the same shape, in [0, 1]."""
    check_images(images)
    if r.shape != (1, *images.shape[1:]):
        raise ValueError(f"r must have the shape {(1, *images.shape[1:])} of one image; got {tuple(r.shape)}.")
    return (images + r).clamp(0, 1)


@torch.no_grad()
def _margins(model: nn.Module, r: Tensor, images: Tensor, labels: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """For the images with r: (N,) how far another class leads, whether it fools, whether the logits are finite."""
    parts = []
    for x, y in zip(images.split(size), labels.split(size), strict=True):
        logits = model(apply_universal(r, x))
        parts.append((margin(logits, y), crosses(logits, y), logits.isfinite().all(1)))
    lead, fools, finite = (torch.cat(column) for column in zip(*parts, strict=True))
    return lead, fools, finite


def fooling_rate(model: nn.Module, r: Tensor, images: Tensor, labels: Tensor, batch_size: int = 64) -> float:
    """Share of `images` (N, C, H, W) whose class is not `labels` (N,) once r (1, C, H, W) is added."""
    check_batch(model, images, labels)
    return float(_margins(model, r, images, labels, batch_size)[1].float().mean())


class Universal(LowPassParameters, Attack):
    """One smooth perturbation for all the images, inside a ball in Linf.

    The set is gone through `set_passes` times, `together` images at a time. Those that r does not fool yet move it,
    then r is scaled into the ball |r|_inf <= linf_ball: scaling keeps it as smooth as it was, where cutting off would
    not. The r with the best fooling rate after a pass is kept; images are clipped to [0, 1], r itself is not.

    - "gradient" (ours): r moves against g * (the gradient of the mean hinge on the log odds), by a share of the ball.
    - "SmoothFool", after the paper, which integrates it with Moosavi-Dezfooli et al. (2017), Algorithm 1: each image's
      own SmoothFool perturbation is added to r. The paper leaves the details to its supplementary. Perturbations of
      single images are small beside the ball and point everywhere, so this takes far more images and passes. Measured
      on MNIST with a C4, ball 0.4, 200 images: 2 such passes fool 7 % of 500 others, 10 passes by gradient 33 %, in a
      seventh of the time.

    Departure: the sum of a batch's perturbations is added before the ball is enforced, not one by one; `together` = 1
    is the original. Scalars: "fooling_rate" of the current r on the set, the same for every image; "margin",
    "distortion", "roughness".
    """

    name: ClassVar[str] = "universal"
    title: ClassVar[str] = "Smooth universal perturbation"
    formula: ClassVar[str] = (
        r"\max_{r}\; \tfrac1N\, \#\{i : c(x_i + r) \neq c(x_i)\}\quad\text{with}\quad "
        r"r = g * z,\; \lVert r\rVert_\infty \le \xi"
    )
    look_for: ClassVar[str] = (
        "The same clouds on every image. One image alone says little: fit on many, then see how many others it fools."
    )
    paper: ClassVar[str] = "SmoothFool, section 4.2 (universal adversarial perturbations), Table 6"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, ImageNet": {"fit_by": "SmoothFool", "linf_ball": 10 / 255, "sigma_g": 5.0, "together": 1},
        "MNIST": {"linf_ball": 0.4, "sigma_g": 2.0},
    }

    linf_ball: float = parameter(
        10 / 255,
        gt=0,
        le=1,
        slider=(0.01, 0.5),
        step=0.005,
        symbol="ξ",
        title="Largest change",
        paper="Universal adversarial perturbations (2017), section 4",
        help="Largest change of any value, of 1. Photographs need little, 10/255; MNIST digits need about 0.4.",
    )
    fit_by: Literal["gradient", "SmoothFool"] = parameter(
        "gradient",
        paper="SmoothFool, section 4.2",
        help="Move r along the smoothed gradient of all images together, or add SmoothFool's perturbation of each.",
    )
    set_passes: int = parameter(
        10,
        ge=1,
        le=1000,
        step=1,
        slider=(1, 50),
        unit="passes",
        title="Passes over the set",
        quick=2,
        help="How many times all images are gone through.",
    )
    together: int = parameter(
        8,
        ge=1,
        le=1024,
        step=1,
        slider=(1, 64),
        unit="images",
        title="Images at a time",
        help="Images that move r together.",
    )
    ball_share: float = parameter(
        0.2,
        gt=0,
        le=1,
        step=0.01,
        slider=(0.01, 1),
        title="First step",
        help="Length of a gradient step, as a share of the ball; it shrinks to nothing over the passes.",
    )

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        n, g = len(images), self.low_pass_kernel(images)
        inner = SmoothFool(
            sigma_g=self.sigma_g,
            smoothing_kernel=self.smoothing_kernel,
            projections=10,
            push=False,
            remember=False,
            come_back=False,
        )
        r = best = torch.zeros_like(images[:1])
        best_rate, best_lead = -1.0, -torch.inf
        finite = torch.ones(n, dtype=torch.bool, device=images.device)
        found = torch.zeros_like(finite)
        for index in range(1, self.set_passes + 1):
            order = torch.randperm(n, generator=generator, device=images.device)
            order = order[finite[order]]  # an image that is not finite stays away
            for batch in order.split(self.together):
                x, y = apply_universal(r, images[batch]), labels[batch]
                if self.fit_by == "SmoothFool":
                    with torch.no_grad():
                        stays = ~crosses(model(x), y)
                    if not bool(stays.any()):
                        continue
                    *_, last = inner.steps(model, x[stays], y[stays], generator)
                    finite[batch[stays]] &= last.finite
                    move = (last.best - x[stays])[last.found].sum(0, keepdim=True)
                else:
                    v = r.expand(len(batch), -1, -1, -1).clone().requires_grad_(True)
                    odds = log_odds(model((images[batch] + v).clamp(0, 1)), y)
                    slope = gradient((odds + _CONFIDENCE).clamp_min(0), v)
                    sound = slope.flatten(1).isfinite().all(1)
                    finite[batch] &= sound
                    smooth = low_pass(slope[sound].sum(0, keepdim=True), g)
                    share = self.ball_share * (1 - (index - 1) / self.set_passes) * self.linf_ball
                    move = -share * smooth / linf(smooth).clamp_min(torch.finfo(r.dtype).tiny)
                r = r + move
                r = r * (self.linf_ball / linf(r).clamp_min(self.linf_ball))
            lead, fools, sound = _margins(model, r, images, labels, max(self.together, 16))
            finite &= sound
            rate = float(fools.float().mean())
            nearness = float(lead[finite].mean())  # of those given up nothing is known
            if (rate, nearness) > (best_rate, best_lead):
                best, best_rate, best_lead, found = r, rate, nearness, fools & finite
            current = apply_universal(r, images)
            scalars = {
                "margin": lead,
                "distortion": l2(current, images),
                "fooling_rate": torch.full_like(lead, rate),
                "roughness": roughness(r, 1.0).expand(n),
            }
            done = index == self.set_passes or not bool(finite.any())
            yield Step(
                self.set_passes if done else index,
                self.set_passes,
                current,
                apply_universal(best, images),
                found,
                scalars,
                finite,
                {"universal r": best.expand_as(images)},
            )
            if done:
                return


def universal_steps(
    attack: Universal, model: nn.Module, images: Tensor, labels: Tensor, seed: int = 0
) -> Iterator[Step]:
    """The steps of a fit on images (N, C, H, W) in [0, 1] that `model` assigns to labels (N,), a pass over them each;
    the last one's detail "universal r" has what was found for each image. ValueError in one sentence for images or
    labels that do not fit."""
    check_batch(model, images, labels)
    generator = torch.Generator(device=images.device).manual_seed(seed)
    yield from attack.steps(model, images, labels, generator)


def fit_universal(attack: Universal, model: nn.Module, images: Tensor, labels: Tensor, seed: int = 0) -> Tensor:
    """The smooth universal perturbation r (1, C, H, W), |r|_inf <= attack.linf_ball, of `universal_steps`."""
    *_, last = universal_steps(attack, model, images, labels, seed)
    return last.detail["universal r"][:1].clone()
