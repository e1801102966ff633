"""Filters of images: SmoothFool's low-pass kernels, and the (joint) bilateral filter behind the magnification."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, get_args

import scipy  # its parts are loaded where they are first asked for
import torch
import torch.nn.functional as F
from torch import Tensor

KernelKind = Literal["gaussian", "linear", "uniform"]
Boundary = Literal["zero", "reflect"]


def check_images(images: Tensor, name: str = "images") -> None:
    """ValueError in one sentence unless `images` is a floating-point tensor (N, C, H, W) that is not empty."""
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(f"{name} must have the shape (N, C, H, W) with nothing empty; got {tuple(images.shape)}.")
    if not images.is_floating_point():
        raise ValueError(f"{name} must be floating-point, not {images.dtype}; divide 8-bit values by 255.")


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be a positive, finite number; got {value}.")


def kernel(
    kind: KernelKind,
    sigma: float,
    size: int | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """One-dimensional low-pass kernel g or h of SmoothFool (section 4.1), for use along both axes by `low_pass`.

    Returns a tensor (size,) that is symmetric, non-negative and sums to 1.

    sigma: in pixels, 0 < sigma <= 10000. size: number of taps; None means the smallest odd number of at least 5 sigma
    ("we set the kernel width to 5σ"), for every kind, so sigma up to 0.2 is the identity.

    - gaussian: exp(-k²/2sigma²) cut off at that width, which makes its real standard deviation about 0.955 sigma
      (4.77 for sigma 5, as in the authors' code; exactly sigma would need a wider kernel than the paper's).
    - linear: a triangle that reaches zero one tap *outside* the kernel, standard deviation 1.02 sigma for large sigma.
      Reaching zero at the outermost taps would make size 2 all zeros, hence 0/0 (a defect of the authors' code).
    - uniform: a box, standard deviation 1.44 sigma for large sigma. The paper does not say what sigma means for these
      two; one width for all three is our choice. With an explicit size their sigma plays no role.

    SmoothFool divides by w.(g*w), so the sign of g's frequency response matters. The triangle is a box convolved with
    itself: never negative. The cut-off Gaussian dips to -0.007 of its peak and the box to -0.22 (-1/3 at 3 taps), so a
    w made of just those frequencies has w.(g*w) < 0: whoever divides must check. White noise is far from that: its
    w.(g*w) is, on average, |w|² times the square of the middle tap.
    """
    if kind not in get_args(KernelKind):
        raise ValueError(f"kind must be one of {', '.join(get_args(KernelKind))}; got {kind!r}.")
    if not 0 < sigma <= 10_000:
        raise ValueError(f"sigma must be above 0 and at most 10000 pixels; got {sigma}.")
    if size is None:
        size = 2 * max(0, math.ceil((5 * sigma - 1) / 2)) + 1
    if size < 1:
        raise ValueError(f"size must be at least 1 tap; got {size}.")
    position = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    if kind == "gaussian":
        taps = torch.softmax(-(position**2) / (2 * sigma**2), 0)  # normalised without underflow at any sigma
    else:
        taps = (size + 1) / 2 - position.abs() if kind == "linear" else torch.ones_like(position)
        taps = taps / taps.sum()
    return taps.to(device=device, dtype=dtype)


def frequency_response(kernel: Tensor, frequencies: Tensor) -> Tensor:
    """(F,) by which `kernel`, symmetric with an odd number of taps, multiplies waves of `frequencies` (F,), in cycles
    per pixel: sum over lags k of kernel(k) cos(2 pi f k); 1 at frequency 0 for a kernel that sums to 1.
    """
    lags = torch.arange(len(kernel), dtype=torch.float64) - len(kernel) // 2
    waves = torch.cos(2 * math.pi * frequencies.double()[:, None] * lags)
    return (waves @ kernel.double()).to(kernel.dtype)


def low_pass_matrix(kernel: Tensor, size: int, boundary: Boundary = "zero") -> Tensor:
    """The matrix (size, size) that convolves a signal of `size` samples with `kernel`; symmetric if the kernel is.

    Exact for kernels of any odd length, longer than the signal as well: with zero boundary, taps that only ever meet
    zeros drop out (the rest is *not* normalised again); with reflection they fold back as often as needed.
    """
    if kernel.ndim != 1 or len(kernel) % 2 == 0:
        raise ValueError(
            f"kernel must be one-dimensional with an odd number of taps, so that it has a middle;"
            f" got the shape {tuple(kernel.shape)}."
        )
    if boundary not in get_args(Boundary):
        raise ValueError(f"boundary must be one of {', '.join(get_args(Boundary))}; got {boundary!r}.")
    radius = len(kernel) // 2
    if boundary == "zero":
        taps = F.pad(kernel, (size - 1 - radius,) * 2)  # a negative pad crops
        return taps.unfold(0, size, 1).flip(1)  # entry (i, j) is the tap of lag i - j
    lags = torch.arange(-radius, radius + 1, device=kernel.device)
    source = (torch.arange(size, device=kernel.device)[:, None] - lags) % (2 * size)
    source = torch.minimum(source, 2 * size - 1 - source)
    return kernel.new_zeros(size, size).scatter_add_(1, source, kernel.expand(size, -1))


def low_pass(images: Tensor, kernel: Tensor, boundary: Boundary = "zero") -> Tensor:
    """g * w: every channel of `images` (N, C, H, W) convolved with `kernel` along rows and along columns.

    Same shape; differentiable; a symmetric linear operator for a symmetric kernel. As two products with banded
    matrices its cost does not depend on the kernel's length, so sigma = 200 costs what sigma = 1 does.

    boundary "zero": beyond the edge the signal is 0, which is what a convolution in the paper (and the authors' code)
    means: near the edge, values fall. "reflect": the signal is mirrored about the edge (half-sample symmetric), so a
    constant stays that constant.
    """
    check_images(images)
    taps = kernel.to(images)
    rows, columns = (low_pass_matrix(taps, size, boundary) for size in images.shape[2:])
    return rows @ images @ columns.mT


def gaussian_as_strong(before: Tensor, after: Tensor) -> float | None:
    """Standard deviation (pixels) of the Gaussian that leaves `before` (N, C, H, W) the root mean square of `after`.

    It mirrors at the edges and is cut off as `kernel` says. None where `after` is not the smaller one. ValueError where
    even the widest Gaussian leaves more: that of signals with a mean.
    """
    goal, whole = (float(z.double().square().mean().sqrt()) for z in (after, before))
    if goal >= whole:
        return None

    def excess(exponent: float) -> float:
        left = low_pass(before, kernel("gaussian", math.exp(exponent)), "reflect")
        return float(left.double().square().mean().sqrt()) - goal

    low, high = math.log(0.2), math.log(1000)
    if excess(high) > 0:
        raise ValueError(f"no Gaussian leaves as little as a root mean square of {goal:.3g}.")
    return math.exp(scipy.optimize.brentq(excess, low, high, xtol=1e-3))


class JointBilateral:
    """Bilateral filter b_x whose weights come from one guide image x, for use on several signals.

    b_x(z)(p) = sum_q w(p, q) z(q) / sum_q w(p, q) with
    w(p, q) = exp(-|p - q|²/(2 sigma_domain²)) exp(-|x(p) - x(q)|²/(2 sigma_range²)),
    where |x(p) - x(q)| is the Euclidean distance over all channels: one weight for all channels, each of which is then
    filtered on its own (Smooth Adversarial Examples, Appendix A). q runs over the square window of side 2 radius + 1
    around p and over pixels inside the image only; dividing by the weights that are left is the boundary handling.

    guide: (N, C, H, W). sigma_domain: pixels. sigma_range: in the units of the guide, [0, 1]. radius: pixels; None
    means ceil(2.5 sigma_domain), the low-pass kernels' width of 5 sigma. Measured on five 224-pixel photographs at
    sigma_domain 5, sigma_range 5/255, against a radius of 4 sigma: magnified pictures (`core.magnify`) differ by 0.8 %
    of their standard deviation (root mean square; 4 % at a radius of 2 sigma, 0.2 % at 3 sigma).

    Every weight serves the pair (p, q) in both directions, so half the window is visited. Memory is a few planes of one
    chunk of images whatever the radius. Exact up to rounding; no gradient flows through.
    """

    def __init__(self, guide: Tensor, sigma_domain: float, sigma_range: float, radius: int | None = None) -> None:
        check_images(guide, "guide")
        _check_positive(sigma_domain=sigma_domain, sigma_range=sigma_range)
        if radius is None:
            radius = math.ceil(2.5 * sigma_domain)
        if radius < 1:
            raise ValueError(f"radius must be at least 1 pixel; got {radius}.")
        self._shape = guide.shape
        height, width = guide.shape[2:]
        self._reach = min(radius, height - 1), min(radius, width - 1)
        # Weights as powers of two: exp2 is several times faster than exp, above all where the result underflows.
        self._domain = math.log2(math.e) / (2 * sigma_domain**2)
        self._scale = math.sqrt(math.log2(math.e) / 2) / sigma_range
        scaled = guide.detach() * self._scale
        # In the margin the guide is so far from everything that weights towards it are exactly zero.
        self._guide = self._flatten(scaled, margin=float(scaled.max()) + 100)
        self._total = torch.ones_like(self._guide[0])
        self._summed = False

    def _flatten(self, images: Tensor, margin: float = 0.0) -> Tensor:
        """(N, C, H, W) -> (C, N, H (W + reach)): a step in the plane becomes a step along one contiguous axis."""
        return F.pad(images.movedim(1, 0), (0, self._reach[1]), value=margin).flatten(2)

    def _restore(self, planes: Tensor) -> Tensor:
        width = self._shape[3]
        rows: Tensor = planes.unflatten(2, (-1, width + self._reach[1]))
        return rows[..., :width].movedim(0, 1).contiguous()

    def _pairs(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """For half of the window: the step from p to q, w(p, q) (N, P) and the scaled x(q) - x(p) (C, N, P).

        The first time through, the weights are also summed.
        """
        guide, total = self._guide, self._total
        down, right = self._reach
        for dy in range(down + 1):
            for dx in range(-right if dy else 1, right + 1):
                step = dy * (self._shape[3] + right) + dx
                difference = guide[..., step:] - guide[..., :-step]
                weight = torch.full_like(difference[0], -self._domain * (dy * dy + dx * dx))
                for channel in difference:
                    weight.addcmul_(channel, channel, value=-1)
                weight.exp2_()
                if not self._summed:
                    total[:, :-step] += weight
                    total[:, step:] += weight
                yield step, weight, difference
        self._summed = True

    @torch.no_grad()
    def residual(self) -> Tensor:
        """x - b_x(x) (N, C, H, W), summed from differences: exactly 0 wherever the window is of one colour."""
        sums = torch.zeros_like(self._guide)
        for step, weight, difference in self._pairs():
            sums[..., :-step].addcmul_(weight, difference, value=-1)
            sums[..., step:].addcmul_(weight, difference)
        return self._restore(sums.div_(self._total).div_(self._scale))

    @torch.no_grad()
    def __call__(self, signal: Tensor) -> Tensor:
        """b_x(signal), same shape; `signal` has the guide's N, H, W and any number of channels."""
        check_images(signal, "signal")
        if (signal.shape[0], *signal.shape[2:]) != (self._shape[0], *self._shape[2:]):
            raise ValueError(
                f"the guide must have the images' number and size;"
                f" got {tuple(self._shape)} for images of {tuple(signal.shape)}."
            )
        planes = self._flatten(signal)
        sums = planes.clone()
        for step, weight, _ in self._pairs():
            sums[..., :-step].addcmul_(weight, planes[..., step:])
            sums[..., step:].addcmul_(weight, planes[..., :-step])
        return self._restore(sums.div_(self._total))


def bilateral_chunk(images: Tensor) -> int:
    """How many of `images` to filter at once: as many as keep the planes in a CPU's cache, or a GPU busy."""
    return max(1, (2**22 if images.is_cuda else 2**16) // (images.shape[2] * images.shape[3]))


def bilateral(
    images: Tensor,
    guide: Tensor | None = None,
    *,
    sigma_domain: float,
    sigma_range: float,
    radius: int | None = None,
) -> Tensor:
    """(Joint) bilateral filter of `images` (N, C, H, W), same shape; see `JointBilateral` for the definition.

    guide: the images whose colours make the weights, (N, any C, H, W); None means `images` themselves.
    """
    check_images(images)
    if guide is None:
        guide = images
    check_images(guide, "guide")
    if len(guide) != len(images):
        raise ValueError(f"guide must hold one image per image; got {len(guide)} for {len(images)}.")
    chunk = bilateral_chunk(images)
    filtered = [
        JointBilateral(part_guide, sigma_domain, sigma_range, radius)(part)
        for part, part_guide in zip(images.split(chunk), guide.split(chunk), strict=True)
    ]
    return torch.cat(filtered)
