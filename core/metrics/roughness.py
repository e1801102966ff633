"""Roughness of a perturbation (SmoothFool, section 3.1) and its power spectrum."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.filters import Boundary, check_images, kernel, low_pass


def roughness(r: Tensor, sigma_h: float, normalised: bool = False, boundary: Boundary = "reflect") -> Tensor:
    """Omega(r; h) = |r - r*h|² per image (SmoothFool, eq. 4), summed over pixels and channels: (N,).

    r: perturbation (N, C, H, W) in the units of the images. h: Gaussian of sigma_h pixels, the paper's width.
    normalised: divide by |r|² (Omega_n, section 4.1), the share of the energy that is rough; 0 for r = 0.

    boundary: the paper does not say how r*h ends at the edge. "reflect" (default) mirrors r, which makes a constant
    perturbation, the smoothest there is, have roughness 0, and every cosine cos(pi u (i + 1/2)/H) cos(pi v (j + 1/2)/W)
    have Omega_n = (1 - H_u H_v)², H the frequency response of h: eq. 3 on the image's own frequencies. "zero" takes the
    convolution literally, which counts the edge of the image as a step of r: a constant on 28 pixels then has
    Omega_n = 0.014 at sigma_h = 1.
    """
    check_images(r, "r")
    h = kernel("gaussian", sigma_h, dtype=r.dtype, device=r.device)
    rough = (r - low_pass(r, h, boundary)).square().sum((1, 2, 3))
    if not normalised:
        return rough
    energy = r.square().sum((1, 2, 3))
    return torch.where(energy > 0, rough / energy, 0.0)


def radial_power_spectrum(r: Tensor, bins: int | None = None) -> tuple[Tensor, Tensor]:
    """Energy of a perturbation (N, C, H, W) by frequency, whatever the direction.

    Returns (frequencies, power): the bins' centres (bins,) in cycles per pixel, from 0 to sqrt(1/2) (the corner of the
    spectrum; 1/2 is the finest stripe along an axis), and the energy in each bin summed over channels (N, bins). By
    Parseval power.sum(1) is |r|². The transform takes r as periodic: a jump between opposite edges counts as rough.

    bins: None means about one per cycle of the shorter side.
    """
    check_images(r, "r")
    height, width = r.shape[2:]
    highest = math.sqrt(0.5)
    if bins is None:
        bins = math.ceil(highest * min(height, width))
    if bins < 1:
        raise ValueError(f"bins must be at least 1; got {bins}.")
    power = torch.fft.fft2(r, norm="ortho").abs().square().sum(1).flatten(1)
    vertical, horizontal = (torch.fft.fftfreq(size, dtype=torch.float64, device=r.device) for size in (height, width))
    radius = torch.hypot(vertical[:, None], horizontal).flatten()
    index = (radius / highest * bins).long().clamp(max=bins - 1)
    total = r.new_zeros(len(r), bins).index_add_(1, index, power)
    centers = (torch.arange(bins, dtype=r.dtype, device=r.device) + 0.5) * (highest / bins)
    return centers, total
