"""Adversarial magnification: local normalisation, in which a change too faint for the eye can show on flat areas.

Source: Smooth Adversarial Examples, Appendix A, eq. 22:
mag(x) = (x - mu_x) / (beta sigma_x + (1 - beta) sigma_Omega).

Departures and choices:
- sigma_x = b_x((x - mu_x)²)^(+1/2); the printed exponent -1/2 is a misprint (sigma_x is a standard deviation).
- "The standard deviation of both Gaussian kernels is 5" is 5 pixels in the domain kernel and 5 of 255 grey levels in
  the range kernel.
- "We apply all the filters independently per channel": mu_x, sigma_x and sigma_Omega are per channel; only the range
  distance is joint over the channels. sigma_Omega divides by the number of pixels (not that number less one).
- Where the denominator is 0 the numerator is 0 too (a pixel always has weight in its own window); the result is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from core.filters import JointBilateral, bilateral_chunk, check_images
from core.params import Parameters, parameter


class MagnifyParameters(Parameters):
    """What eq. 22 leaves to choose."""

    beta: float = parameter(
        0.8,
        ge=0.0,
        le=1.0,
        step=0.05,
        symbol="β",
        paper="Smooth Adversarial Examples, eq. 22",
        help="Share of the local standard deviation in the divisor: at 1 every region shows at the same contrast, "
        "at 0 the picture keeps the contrast between flat and busy regions.",
    )
    sigma_domain: float = parameter(
        5.0,
        ge=0.5,
        le=20.0,
        step=0.5,
        slider=(1.0, 10.0),
        title="Domain width",
        symbol="σ_d",
        unit="pixels",
        paper="Smooth Adversarial Examples, Appendix A",
        help="How far away pixels still count as neighbours in the local mean.",
    )
    sigma_range: float = parameter(
        5 / 255,
        ge=0.001,
        le=1.0,
        log=True,
        slider=(1 / 255, 0.5),
        title="Range width",
        symbol="σ_r",
        unit="of full scale (0.0196 is 5 of 255 grey levels)",
        paper="Smooth Adversarial Examples, Appendix A",
        help="How much colours may differ and still count as similar: small keeps edges out of the picture, "
        "large shows them.",
    )
    radius: int | None = parameter(
        None,
        ge=1,
        le=60,
        unit="pixels",
        advanced=True,
        help="Half the side of the filter's window; left out, 2.5 times the domain width, rounded up.",
    )

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "authors' code": {"sigma_domain": 3.0, "sigma_range": 0.2, "radius": 7},
    }


_DEFAULT = MagnifyParameters()


@dataclass(frozen=True)
class LocalStatistics:
    """Everything of eq. 22 that does not depend on beta, so that moving beta costs no filtering."""

    residual: Tensor  # x - mu_x, (N, C, H, W)
    sigma_local: Tensor  # sigma_x, (N, C, H, W), >= 0
    sigma_global: Tensor  # sigma_Omega, (N, C, 1, 1), >= 0

    def magnify(self, beta: float = _DEFAULT.beta) -> Tensor:
        """mag(x) of eq. 22, (N, C, H, W), unbounded, in units of a standard deviation; beta in [0, 1]."""
        MagnifyParameters(beta=beta)
        divisor = beta * self.sigma_local + (1 - beta) * self.sigma_global
        return torch.where(divisor > 0, self.residual / divisor, 0.0)


def local_statistics(
    images: Tensor,
    sigma_domain: float = _DEFAULT.sigma_domain,
    sigma_range: float = _DEFAULT.sigma_range,
    radius: int | None = _DEFAULT.radius,
) -> LocalStatistics:
    """Residual, local and global standard deviation of `images` (N, C, H, W), which are in [0, 1] or nearly.

    Units as in `MagnifyParameters`, whose bounds are enforced. No gradient flows through. Both bilateral filters run
    with the image itself in the range kernel; they are exact but for the window (see `core.filters.JointBilateral`).
    """
    check_images(images)
    MagnifyParameters(sigma_domain=sigma_domain, sigma_range=sigma_range, radius=radius)
    images = images.detach()
    residuals, variances = [], []
    for part in images.split(bilateral_chunk(images)):
        smooth = JointBilateral(part, sigma_domain, sigma_range, radius)
        residuals.append(smooth.residual())
        variances.append(smooth(residuals[-1] ** 2))
    return LocalStatistics(
        residual=torch.cat(residuals),
        sigma_local=torch.cat(variances).sqrt(),
        sigma_global=images.std((2, 3), correction=0, keepdim=True),
    )


def magnify(
    images: Tensor,
    beta: float = _DEFAULT.beta,
    sigma_domain: float = _DEFAULT.sigma_domain,
    sigma_range: float = _DEFAULT.sigma_range,
    radius: int | None = _DEFAULT.radius,
) -> Tensor:
    """Adversarial magnification (eq. 22) of `images` (N, C, H, W): same shape, unbounded, around 0.

    To change beta alone, keep `local_statistics(images, ...)` and call its `.magnify(beta)`.
    """
    return local_statistics(images, sigma_domain, sigma_range, radius).magnify(beta)


@dataclass(frozen=True)
class DisplayScale:
    """How magnified pictures become grey values, honestly: what the extremes mean, and how much lies beyond them."""

    limit: float  # +limit is shown as 1, -limit as 0, zero as 0.5
    clipped: float  # fraction of all values beyond +-limit, shown as if at it

    def apply(self, picture: Tensor) -> Tensor:
        """`picture` in [0, 1], same shape."""
        return (0.5 + picture / (2 * self.limit)).clamp(0, 1)


def display_scale(pictures: Sequence[Tensor], quantile: float = 0.999) -> DisplayScale:
    """One symmetric scale for all `pictures` (tensors of any shapes): its limit is a quantile of all their |values|.

    A few pixels set the largest value, so scaling by it would leave the rest pale; the default clips one value in a
    thousand. quantile 1 clips nothing. If most values are exactly zero the quantile could be zero: then the largest
    value serves, and 1 if there is none but zero.
    """
    if not pictures:
        raise ValueError("pictures must hold at least one tensor; got an empty list.")
    if not 0 < quantile <= 1:
        raise ValueError(f"quantile must be above 0 and at most 1; got {quantile}.")
    sizes = torch.cat([picture.detach().abs().flatten() for picture in pictures])
    if not sizes.isfinite().all():
        raise ValueError("pictures must hold finite values only; at least one is infinite or not a number.")
    # kthvalue and not quantile, which refuses more than 16 million values.
    limit = sizes.kthvalue(max(1, round(quantile * len(sizes)))).values.item() or sizes.max().item() or 1.0
    return DisplayScale(limit=limit, clipped=(sizes > limit).double().mean().item())


def to_display(pictures: Sequence[Tensor], scale: DisplayScale | None = None) -> list[Tensor]:
    """The `pictures` in [0, 1] on one common scale (zero is mid-grey), so that they may be compared side by side.

    scale: from `display_scale`, which also says what is clipped; None means `display_scale(pictures)`.
    """
    scale = scale or display_scale(pictures)
    return [scale.apply(picture) for picture in pictures]
