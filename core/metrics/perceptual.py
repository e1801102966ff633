"""How visible a perturbation is: SSIM, PSNR and CIEDE2000 between two batches of images in [0, 1]."""

from __future__ import annotations

import torch
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity
from torch import Tensor

from core.filters import check_images

_WINDOW = 11  # pixels, Wang et al. 2004


def check_pair(a: Tensor, b: Tensor) -> None:
    check_images(a, "a")
    check_images(b, "b")
    if a.shape != b.shape:
        raise ValueError(f"both batches of images must have one shape; got {tuple(a.shape)} and {tuple(b.shape)}.")


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio per image in decibels, (N,), for a peak of 1: -10 log10 of the mean squared error over
    pixels and channels. Infinite for identical images."""
    check_pair(a, b)
    return -10 * (a - b).square().mean((1, 2, 3)).log10()


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity per image, (N,), at most 1 (identical); the mean over channels for colour.

    scikit-image's, with the settings of Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error
    visibility to structural similarity" (2004): Gaussian window of 11 pixels, sigma 1.5, K1 0.01, K2 0.03, on values of
    range 1. Images must be at least 11 pixels on each side.
    """
    check_pair(a, b)
    if min(a.shape[2:]) < _WINDOW:
        raise ValueError(f"images must be at least {_WINDOW} pixels on each side for SSIM; got {tuple(a.shape[2:])}.")
    # In double precision: local variances are differences of nearly equal numbers.
    pairs = zip(a.detach().cpu().double().numpy(), b.detach().cpu().double().numpy(), strict=True)
    values = [
        structural_similarity(
            x, y, data_range=1.0, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for x, y in pairs
    ]
    return torch.tensor(values, dtype=a.dtype, device=a.device)


def ciede2000(a: Tensor, b: Tensor) -> Tensor:
    """Difference of the colours of two batches of images (N, C, H, W), pixel by pixel: (N, H, W), at least 0.

    scikit-image's CIEDE2000 (Sharma, Wu, Dalal 2005) of sRGB under D65; about 1 is the least that an eye can tell apart
    when two even patches touch. Grey images (C = 1) are compared as greys. ValueError for another number of channels.
    """
    check_pair(a, b)
    if a.shape[1] not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels for a colour difference; got {a.shape[1]}.")
    first, second = (
        rgb2lab(images.detach().cpu().double().expand(-1, 3, -1, -1).movedim(1, -1).numpy()) for images in (a, b)
    )
    return torch.from_numpy(deltaE_ciede2000(first, second)).to(a.device, a.dtype)
