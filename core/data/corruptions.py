"""Fifteen common corruptions at five severities: noise, blur, weather and what is lost in storing (Hendrycks and
Dietterich 2019, *Benchmarking Neural Network Robustness to Common Corruptions and Perturbations*).

Written from the publication, with the strengths of CIFAR-10-C, which are for pictures of 32 pixels; for other small
pictures, as digits, they are a choice of ours. Where the released set departs from its own description the set is
followed, since it is what everybody measures: levels are cut off and not rounded; glass copies a neighbour's pixel
instead of exchanging the two; of six pictures of frost the first five are used. Frost is photographs of ice, which do
not come with the project (`frost_pictures`).

What is drawn at random is each image's own, by its number in the split: the same whatever it is in a batch with.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor

from core.data.imageset import DataError, from_levels

SEVERITIES = (1, 2, 3, 4, 5)
FROST_PACKAGE = "imagecorruptions-imaug==1.1.5"
"""Package in which the photographs of ice lie, under the Apache licence 2.0."""
_FROST = 5
"""Of its pictures are used."""
_CUT = 1e-3
"""Levels: what lies so little below one is rounding, and counts as that level."""

Pictures = NDArray[np.float64]
"""(N, C, H, W) in [0, 1]."""
Dice = Sequence[np.random.Generator]
"""One for each picture."""


def _drawn(dice: Dice, draw: Callable[[np.random.Generator], NDArray[Any]]) -> NDArray[Any]:
    return np.stack([draw(rng) for rng in dice])


def gaussian_noise(x: Pictures, scale: float, dice: Dice) -> Pictures:
    """Normal noise on every value."""
    return np.asarray(x + scale * _drawn(dice, lambda rng: rng.standard_normal(x.shape[1:])))


def shot_noise(x: Pictures, photons: float, dice: Dice) -> Pictures:
    """Every value counted in so many photons at most (Poisson)."""
    return np.stack([rng.poisson(one * photons) / photons for one, rng in zip(x, dice, strict=True)])


def impulse_noise(x: Pictures, amount: float, dice: Dice) -> Pictures:
    """A share of the values is black or white."""
    hit, white = (_drawn(dice, lambda rng: rng.random(x.shape[1:])) for _ in range(2))
    return np.where(hit <= amount, (white <= 0.5).astype(float), x)


def defocus_blur(x: Pictures, strength: tuple[float, float], dice: Dice) -> Pictures:
    """Through a disc of a radius, whose edge is softened by a Gaussian: (radius, its sigma), pixels."""
    radius, sigma = strength
    reach = math.ceil(radius) + 1
    across = np.arange(-reach, reach + 1)
    disc = (across[:, None] ** 2 + across**2 <= radius**2).astype(float)
    edge = _gaussian(sigma, 1)
    kernel = ndimage.correlate(disc / disc.sum(), edge[:, None] * edge, mode="constant")
    return np.asarray(ndimage.correlate(x, kernel[None, None], mode="mirror"))


def _gaussian(sigma: float, reach: int) -> NDArray[np.float64]:
    """(2 reach + 1,) of sum 1."""
    found = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    return np.asarray(found / found.sum())


def _blurred(x: Pictures, sigma: float, mode: str = "nearest", truncate: float = 4.0) -> Pictures:
    return np.asarray(ndimage.gaussian_filter(x, sigma, mode=mode, truncate=truncate, axes=(-2, -1)))


def glass_blur(x: Pictures, strength: tuple[float, int, int], dice: Dice) -> Pictures:
    """Blurred, each pixel overwritten by a neighbour's, blurred again: (sigma, how far away, how often)."""
    sigma, away, times = strength
    height, width = x.shape[-2:]
    found = _cut(_blurred(x, sigma)) / 255
    places = (times, height - 2 * away, width - 2 * away, 2)
    moves = _drawn(dice, lambda rng: rng.integers(-away, away, size=places))
    every = np.arange(len(x))
    for time in range(times):
        for i, row in enumerate(range(height - away, away, -1)):
            for j, column in enumerate(range(width - away, away, -1)):
                dx, dy = moves[:, time, i, j].T
                found[:, :, row, column] = found[every, :, row + dy, column + dx]
    return _blurred(found, sigma)


def motion_blur(x: Pictures, strength: tuple[float, float], dice: Dice) -> Pictures:
    """Moved along a line at up to 45 degrees from the horizontal: (radius, sigma), pixels."""
    return _moved(x, strength, [rng.uniform(-45, 45) for rng in dice])


def _moved(x: Pictures, strength: tuple[float, float], degrees: Sequence[float]) -> Pictures:
    """Mean of each picture along a line that begins at the pixel, with the right half of a Gaussian as weights."""
    radius, sigma = strength
    weights = np.exp(-(np.arange(2 * math.ceil(radius) + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    height, width = x.shape[-2:]
    found = np.zeros_like(x)
    for one, into, angle in zip(x, found, np.deg2rad(degrees), strict=True):
        for i, weight in enumerate(weights):
            down, right = (math.ceil(i * part - 0.5) for part in (math.sin(angle), math.cos(angle)))
            rows = np.clip(np.arange(height) + down, 0, height - 1)
            columns = np.clip(np.arange(width) + right, 0, width - 1)
            into += weight * one[:, rows[:, None], columns]
    return found


def zoom_blur(x: Pictures, strength: tuple[float, float], dice: Dice) -> Pictures:
    """Mean of the picture and of itself enlarged by ever more: (up to which factor, in steps of)."""
    factors = np.arange(1, *strength)
    return np.asarray((x + sum(_enlarged(x, factor) for factor in factors)) / (len(factors) + 1))


def _enlarged(x: Pictures, factor: float) -> Pictures:
    """The middle of each picture at its full size."""
    size = x.shape[-2:]
    inner = [math.ceil(side / factor) for side in size]
    first = [(side - part) // 2 for side, part in zip(size, inner, strict=True)]
    middle = x[..., first[0] : first[0] + inner[0], first[1] : first[1] + inner[1]]
    large = ndimage.zoom(middle, (1,) * (x.ndim - 2) + (factor, factor), order=1)
    top, left = ((a - b) // 2 for a, b in zip(large.shape[-2:], size, strict=True))
    return np.asarray(large[..., top : top + size[0], left : left + size[1]])


def snow(x: Pictures, strength: tuple[float, ...], dice: Dice) -> Pictures:
    """Flakes blown about over a paler picture: (mean and deviation of what becomes flakes, how much it is enlarged,
    from where on it is a flake, radius and sigma of the wind, what is left of the picture)."""
    mean, deviation, larger, least, radius, sigma, kept = strength
    layer = _drawn(dice, lambda rng: rng.normal(mean, deviation, (1, *x.shape[-2:])))
    layer = _enlarged(layer, larger)
    layer = _cut(np.where(layer < least, 0, layer)) / 255
    layer = _moved(layer, (radius, sigma), [rng.uniform(-135, -45) for rng in dice])
    layer = np.round(255 * layer) / 255
    pale = np.maximum(x, 1.5 * _grey(x) + 0.5)
    return np.asarray(kept * x + (1 - kept) * pale + layer + layer[..., ::-1, ::-1])


def _grey(x: Pictures) -> Pictures:
    """(N, 1, H, W) luma."""
    return x if x.shape[1] == 1 else np.tensordot(x, (0.299, 0.587, 0.114), (1, 0))[:, None]


def frost(x: Pictures, strength: tuple[float, float], dice: Dice) -> Pictures:
    """A piece of a photograph of ice laid over it: (what is left of the picture, how much ice)."""
    kept, laid = strength
    pictures, (height, width) = frost_pictures(), x.shape[-2:]

    def piece(rng: np.random.Generator) -> NDArray[np.float64]:
        ice = pictures[rng.integers(len(pictures))]
        top, left = (rng.integers(a - b) for a, b in zip(ice.shape[-2:], (height, width), strict=True))
        return ice[:, top : top + height, left : left + width]

    ice = _drawn(dice, piece)
    return np.asarray(kept * x + laid * (ice if x.shape[1] == 3 else _grey(ice)))


@lru_cache(maxsize=1)
def frost_pictures() -> tuple[NDArray[np.float64], ...]:
    """The photographs of ice (3, H, W) in [0, 1], every fifth pixel of them. DataError in one sentence if they are not
    installed."""
    found = find_spec("imagecorruptions")
    folder = Path(next(iter(found.submodule_search_locations or ()), "")) / "frost" if found is not None else None
    files = [] if folder is None else sorted(path for path in folder.glob("frost[1-6].*"))
    if len(files) < _FROST:
        raise DataError(
            "Frost is photographs of ice that do not come with Smoothscope; get them with: "
            f"python -m pip install --no-deps {FROST_PACKAGE}"
        )
    pictures = []
    for file in files[:_FROST]:
        with Image.open(file) as picture:
            levels = np.asarray(picture.convert("RGB"))
        pictures.append(levels[2::5, 2::5].transpose(2, 0, 1) / 255)
    return tuple(pictures)


def fog(x: Pictures, strength: tuple[float, float], dice: Dice) -> Pictures:
    """A fractal cloud laid over it, the picture's brightest value kept: (how much, how much less at each scale)."""
    thick, decay = strength
    height, width = x.shape[-2:]
    size = 2 ** math.ceil(math.log2(max(height, width)))
    clouds = _drawn(dice, lambda rng: plasma(size, decay, rng)[None, :height, :width])
    most = x.max((1, 2, 3), keepdims=True)
    return np.asarray((x + thick * clouds) * most / (most + thick))


def plasma(size: int, decay: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(size, size) a fractal cloud in [0, 1] whose edges meet: the diamond-square algorithm; size is a power of two.

    The mean of four neighbours and noise, for the middles of squares and then of their sides, at half the step each
    time and with noise smaller by decay squared.
    """
    found = np.zeros((size, size))
    step, noise = size, 100.0**2

    def put(rows: slice, columns: slice, neighbours: Sequence[NDArray[np.float64]]) -> None:
        found[rows, columns] = sum(neighbours) / 4 + rng.uniform(-noise, noise, neighbours[0].shape)

    while step >= 2:
        whole, half = slice(None, None, step), slice(step // 2, None, step)
        corners = found[whole, whole]
        below = np.roll(corners, -1, 0)
        put(half, half, [corners, below, np.roll(corners, -1, 1), np.roll(below, -1, 1)])
        middles = found[half, half]
        put(whole, half, [middles, np.roll(middles, 1, 0), corners, np.roll(corners, -1, 1)])
        put(half, whole, [middles, np.roll(middles, 1, 1), corners, below])
        step, noise = step // 2, noise / decay**2
    found -= found.min()
    return np.asarray(found / found.max())


def brightness(x: Pictures, more: float, dice: Dice) -> Pictures:
    """The value (of hue, saturation, value) raised; hue and saturation stay."""
    value = x.max(1, keepdims=True)
    raised = np.minimum(value + more, 1)
    return np.asarray(np.where(value > 0, x * raised / np.where(value > 0, value, 1), raised))


def contrast(x: Pictures, kept: float, dice: Dice) -> Pictures:
    """A share of the distance to each channel's mean is kept."""
    mean = x.mean((2, 3), keepdims=True)
    return np.asarray((x - mean) * kept + mean)


def elastic_transform(x: Pictures, strength: tuple[float, float, float], dice: Dice) -> Pictures:
    """Sheared, then bent: (how far pixels are bent, how smoothly, how far three points are moved), in widths."""
    bent, smooth, sheared = (part * x.shape[-1] for part in strength)
    height, width = x.shape[-2:]
    down, right = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    found = np.empty_like(x)
    for number, rng in enumerate(dice):
        reach = min(height, width) // 3
        before = np.array([width // 2, height // 2]) + reach * np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
        after = before + rng.uniform(-sheared, sheared, (3, 2))
        back = np.linalg.solve(np.column_stack([after, np.ones(3)]), before)  # (x, y, 1) -> where it was
        from_x, from_y = (np.stack([right, down, np.ones_like(down)], -1) @ back).transpose(2, 0, 1)
        dx, dy = (_blurred(rng.uniform(-1, 1, (height, width)), smooth, "reflect", 3.0) * bent for _ in range(2))
        for channel in range(x.shape[1]):
            sheet = ndimage.map_coordinates(x[number, channel], [from_y, from_x], order=1, mode="mirror")
            found[number, channel] = ndimage.map_coordinates(sheet, [down + dy, right + dx], order=1, mode="reflect")
    return found


def pixelate(x: Pictures, share: float, dice: Dice) -> Pictures:
    """Made smaller by a share, and large again, each pixel the mean of what it covers."""

    def made(picture: Image.Image) -> Image.Image:
        small = picture.resize((int(picture.width * share), int(picture.height * share)), Image.Resampling.BOX)
        return small.resize(picture.size, Image.Resampling.BOX)

    return _as_pictures(x, made)


def jpeg_compression(x: Pictures, quality: int, dice: Dice) -> Pictures:
    """Stored as JPEG."""

    def made(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _as_pictures(x, made)


def _as_pictures(x: Pictures, made: Callable[[Image.Image], Image.Image]) -> Pictures:
    levels = _cut(x).astype(np.uint8)
    found = [np.asarray(made(Image.fromarray(one[0] if len(one) == 1 else one.transpose(1, 2, 0)))) for one in levels]
    stacked = np.stack(found) / 255
    return stacked[:, None] if stacked.ndim == 3 else stacked.transpose(0, 3, 1, 2)


def _cut(x: Pictures) -> NDArray[np.float64]:
    """Levels 0 ... 255, cut off."""
    return np.floor(255 * np.clip(x, 0, 1) + _CUT)


Kind = Literal["noise", "blur", "weather", "digital"]


@dataclass(frozen=True)
class Corruption:
    """One of the fifteen."""

    key: str
    title: str
    kind: Kind
    make: Callable[[Pictures, Any, Dice], Pictures]
    strengths: tuple[Any, Any, Any, Any, Any]
    """What `make` takes at each severity."""


_FIFTEEN: tuple[tuple[Kind, str, Callable[[Pictures, Any, Dice], Pictures], tuple[Any, Any, Any, Any, Any]], ...] = (
    ("noise", "Gaussian noise", gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),
    ("noise", "Shot noise", shot_noise, (500.0, 250.0, 100.0, 75.0, 50.0)),
    ("noise", "Impulse noise", impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    ("blur", "Defocus", defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))),
    ("blur", "Glass", glass_blur, ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))),
    ("blur", "Motion", motion_blur, ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))),
    ("blur", "Zoom", zoom_blur, ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01))),
    (
        "weather",
        "Snow",
        snow,
        (
            (0.1, 0.2, 1.0, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1.0, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    ("weather", "Frost", frost, ((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))),
    ("weather", "Fog", fog, ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))),
    ("weather", "Brightness", brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),
    ("digital", "Contrast", contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
    (
        "digital",
        "Elastic",
        elastic_transform,
        ((0.0, 0.0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    ("digital", "Pixelate", pixelate, (0.95, 0.9, 0.85, 0.75, 0.65)),
    ("digital", "JPEG", jpeg_compression, (80, 65, 58, 50, 40)),
)
CORRUPTIONS: dict[str, Corruption] = {
    made.__name__: Corruption(made.__name__, title, kind, made, strengths) for kind, title, made, strengths in _FIFTEEN
}
"""By key, in the publication's order."""


def corrupt(images: Tensor, key: str, severity: int, numbers: Sequence[int], seed: int = 0) -> Tensor:
    """Images (N, C, H, W) in [0, 1], C 1 or 3, after a corruption of CORRUPTIONS at a severity, 1 to 5: float32,
    exactly k/255, on the CPU.

    numbers: (N,) of the images in their split, which with `seed` draw what is random. ValueError in one sentence for
    what cannot be; DataError for frost without its pictures.
    """
    if key not in CORRUPTIONS:
        raise ValueError(f"key must be one of {', '.join(CORRUPTIONS)}; got {key!r}.")
    if severity not in SEVERITIES:
        raise ValueError(f"severity must be from 1 to 5; got {severity}.")
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(numbers) != len(images):
        raise ValueError(
            "images must be (N, C, H, W) with 1 or 3 channels and a number each; "
            f"got {tuple(images.shape)} and {len(numbers)} numbers."
        )
    found, place = CORRUPTIONS[key], list(CORRUPTIONS).index(key)
    dice = [np.random.default_rng([seed, place, severity, int(number)]) for number in numbers]
    made = found.make(images.detach().cpu().numpy().astype(np.float64), found.strengths[severity - 1], dice)
    return from_levels(_cut(made).astype(np.uint8))
