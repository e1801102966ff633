"""Most apparent distortion: how visible a distortion is to a person.

Source: E. C. Larson, D. M. Chandler, "Most apparent distortion: full-reference image quality assessment and the role of
strategy", J. Electronic Imaging 19(1), 011006 (2010), whose sections are named below.

Two strategies of looking. Near threshold one searches for the distortion (d_detect, section 3.1: lightness, contrast
sensitivity, masking by the picture's own contrast). Far above it one judges the picture's look (d_appear, section 3.2:
how the statistics of log-Gabor subbands change). Both are blended: MAD = d_detect^a d_appear^(1-a), section 3.3.

Departures, all of them where the authors' released code is about its own arrays rather than about the paper:
- All blocks that lie inside the picture count. The released code leaves out a frame of one block, which would leave
  nothing of a 28-pixel digit, and multiplies a block's visibility with the squared error of a block half a block off.
- Lightness is (k I)^(2.2/3) as printed; the released code's is k I^(2.2/3), so that its threshold of 0.5 takes
  everything below level 49 of 255 for too dark to see, the printed one what is below 14.
- A block's masking deviation is the smallest of its four quarters', as printed; translations of the released code take
  the smallest of neighbouring blocks.
- Frequencies are those of the discrete Fourier transform, in cycles per pixel along both axes; the released code's are
  half a sample off, and stretched where a picture is not square.
- Colours are turned to grey (ITU-R BT.601) and not rounded: what is measured here is often smaller than a grey level.
- Where a subband is constant, skewness and kurtosis are 0.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.metrics.perceptual import check_pair

BLOCK, STRIDE = 16, 4
"""Pixels: blocks that overlap by three quarters."""
_GREY = (0.299, 0.587, 0.114)
_K, _GAMMA = 0.02874, 2.2  # luminance (k I)^gamma of 8-bit levels on an sRGB display
_PIXELS_PER_DEGREE = 64.0  # the picture's finest stripes are 32 cycles per degree
_LAMBDA = 0.114  # of the contrast sensitivity
_PEAK = 7.8909  # cycles per degree below which the sensitivity is that at its peak, 0.981
_DARK = 0.5  # lightness
_THRESHOLD = -5.0  # delta: ln contrast below which nothing is seen, and nothing masks
_GAIN = 200.0  # of the released code; with it the constants of the blend were found
_WAVELENGTHS = tuple(3.0 * 3**s for s in range(5))  # pixels
_BANDWIDTH = 0.55  # sigma_s / r_s: about two octaves
_ORIENTATIONS = 4
_ANGULAR_SIGMA = math.pi / _ORIENTATIONS / 1.5
_STILL = 1e-6  # grey levels: less is what rounding leaves of a subband that is empty, as all are of a blank picture
_WEIGHTS = tuple(w / 13.25 for w in (0.5, 0.75, 1.0, 5.0, 6.0))  # from the finest scale to the coarsest
_BETA_1, _BETA_2 = 0.467, 0.130  # section 3.3


def mad(reference: Tensor, distorted: Tensor) -> Tensor:
    """Most apparent distortion per image, (N,), at least 0: 0 is invisible, around 100 is plain to everyone.

    reference, distorted: (N, C, H, W) in [0, 1], C 1 or 3, at least 16 pixels on each side; the order matters. The
    published viewing condition: 64 pixels per degree of vision. No gradient flows. Raises ValueError.
    """
    check_pair(reference, distorted)
    if reference.shape[1] not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels for MAD; got {reference.shape[1]}.")
    if min(reference.shape[2:]) < BLOCK:
        raise ValueError(
            f"images must be at least {BLOCK} pixels on each side for MAD; got {tuple(reference.shape[2:])}."
        )
    with torch.no_grad():
        scores = [
            _blend(_detect(x, y), _appear(x, y))
            for x, y in zip(_levels(reference).split(1), _levels(distorted).split(1), strict=True)
        ]
    return torch.cat(scores).to(reference.dtype)


def _levels(images: Tensor) -> Tensor:
    """Grey levels from 0 to 255 (N, H, W), double precision: the statistics are differences of nearly equal numbers."""
    images = 255 * images.double()
    return images[:, 0] if images.shape[1] == 1 else torch.einsum("nchw,c->nhw", images, images.new_tensor(_GREY))


def _blend(detect: Tensor, appear: Tensor) -> Tensor:
    """The two of them, weighted by how visible the distortion is (section 3.3)."""
    share = 1 / (1 + _BETA_1 * detect**_BETA_2)
    return detect**share * appear ** (1 - share)


def _blocks(x: Tensor, size: int = BLOCK) -> Tensor:
    """Overlapping square blocks: (..., H, W) -> (..., rows, columns, size²)."""
    return x.unfold(-2, size, STRIDE).unfold(-2, size, STRIDE).flatten(-2)


def _frequencies(x: Tensor) -> tuple[Tensor, Tensor]:
    """Radius in cycles per pixel and angle, counted anticlockwise, of every Fourier coefficient of x (..., H, W)."""
    v, u = (torch.fft.fftfreq(size, dtype=x.dtype, device=x.device) for size in x.shape[-2:])
    return torch.hypot(v[:, None], u), torch.atan2(-v[:, None], u)


def _sensitivity(x: Tensor) -> Tensor:
    """Contrast sensitivity for every Fourier coefficient of x (..., H, W)."""
    radius, angle = _frequencies(x)
    f = _PIXELS_PER_DEGREE * radius / (0.15 * torch.cos(4 * angle) + 0.85)
    falling = 2.6 * (0.0192 + _LAMBDA * f) * torch.exp(-((_LAMBDA * f) ** 1.1))
    return torch.where(f < _PEAK, 0.981, falling)


def _detect(x: Tensor, y: Tensor) -> Tensor:
    """d_detect, (N,): the squared error of every block, weighted by how far it is above its visibility."""
    sensitivity = _sensitivity(x)
    seen, seen_y = (
        torch.fft.ifft2(torch.fft.fft2((_K * image) ** (_GAMMA / 3)) * sensitivity).real for image in (x, y)
    )
    mean = _blocks(seen).mean(-1)
    # A block masks as little as the calmest of its four quarters does.
    quarters = _blocks(seen, BLOCK // 2).std(-1, correction=0)
    across = BLOCK // 2 // STRIDE
    quarters = torch.minimum(quarters[..., :-across], quarters[..., across:])
    calmest = torch.minimum(quarters[..., :-across, :], quarters[..., across:, :])
    # Logarithms of the contrasts C_org and C_err; a contrast of 0 is -inf and never visible.
    masking = (calmest / mean).log()
    error = torch.where(mean > _DARK, _blocks(seen_y - seen).std(-1, correction=0) / mean, 0.0).log()
    threshold = masking.clamp(min=_THRESHOLD).nan_to_num(nan=_THRESHOLD)
    visibility = (error - threshold).clamp(min=0)  # xi
    squared = _blocks((x - y).square()).mean(-1)  # D
    return _GAIN * (visibility * squared).square().mean((-2, -1)).sqrt()


def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Standard deviation, skewness and kurtosis of every block of x (..., H, W).

    In single precision, which is several times as quick here: the mean is taken off first, so nothing cancels.
    """
    blocks = _blocks(x.float())
    mean = blocks.mean(-1, keepdim=True)
    blocks = blocks - mean
    squares = blocks.square()
    variance = squares.mean(-1)
    deviation = variance.sqrt()
    varies = deviation > _STILL + 1e-5 * mean[..., 0].abs()
    skewness = torch.where(varies, (squares * blocks).mean(-1) / deviation**3, 0.0)
    kurtosis = torch.where(varies, squares.square().mean(-1) / variance**2, 0.0)
    return deviation, skewness, kurtosis


def _appear(x: Tensor, y: Tensor) -> Tensor:
    """d_appear, (N,): the change of the local statistics of log-Gabor subbands."""
    radius, angle = _frequencies(x)
    spectra = torch.fft.fft2(torch.stack([x, y]))
    difference: Tensor | float = 0.0
    for wavelength, weight in zip(_WAVELENGTHS, _WEIGHTS, strict=True):
        radial = torch.exp(-((radius * wavelength).log() ** 2) / (2 * math.log(_BANDWIDTH) ** 2))
        for o in range(_ORIENTATIONS):
            turned = angle - o * math.pi / _ORIENTATIONS
            distance = torch.atan2(turned.sin(), turned.cos())
            subband = torch.fft.ifft2(spectra * radial * torch.exp(-(distance**2) / (2 * _ANGULAR_SIGMA**2)))
            deviation, skewness, kurtosis = (m[0] - m[1] for m in _moments(subband.abs()))
            difference = difference + weight * (deviation.abs() + 2 * skewness.abs() + kurtosis.abs())  # eta
    assert isinstance(difference, Tensor)
    return difference.square().mean((-2, -1)).sqrt()
