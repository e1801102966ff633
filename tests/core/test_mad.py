"""Most apparent distortion, against the paper's formulas written out block by block, and against pyiqa.

The formulas below take two choices as arguments, so that one and the same code can be held against `core` with the
paper's choices and against pyiqa with pyiqa's: its lightness is k I^(γ/3), it masks with half the smallest deviation of
four neighbouring blocks, and it weights the subbands by their orientation, not by their scale, without normalising.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from benchmarks.mad import grey, pairs
from core.data import gallery
from core.metrics import mad

REFERENCE = json.loads(Path(__file__).with_name("mad_reference.json").read_text(encoding="utf-8"))["pairs"]
PAIRS = pairs()
WEIGHTS = np.array([0.5, 0.75, 1, 5, 6]) / 13.25


def blocks(x: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    for i in range(0, x.shape[0] - 15, 4):
        for j in range(0, x.shape[1] - 15, 4):
            yield i // 4, j // 4, x[i : i + 16, j : j + 16]


def frequency(shape: tuple[int, ...]) -> np.ndarray:
    """Complex frequency of every Fourier coefficient, in cycles per pixel, upwards positive."""
    v, u = np.meshgrid(np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), indexing="ij")
    return u - 1j * v


def detect(x: np.ndarray, y: np.ndarray, as_pyiqa: bool) -> float:
    plane = frequency(x.shape)
    f = 64 * np.abs(plane) / (0.15 * np.cos(4 * np.angle(plane)) + 0.85)
    csf = np.where(f < 7.8909, 0.981, 2.6 * (0.0192 + 0.114 * f) * np.exp(-((0.114 * f) ** 1.1)))

    def seen(levels: np.ndarray) -> np.ndarray:
        lightness = 0.02874 * levels ** (2.2 / 3) if as_pyiqa else np.cbrt((0.02874 * levels) ** 2.2)
        return np.fft.ifft2(csf * np.fft.fft2(lightness)).real

    original, error = seen(x), seen(y) - seen(x)
    deviations = {(i, j): block.std() for i, j, block in blocks(original)}
    terms = []
    for i, j, block in blocks(original):
        if as_pyiqa:
            masking = min(deviations[i - a, j - b] for a in (0, 1) for b in (0, 1) if (i - a, j - b) in deviations) / 2
        else:
            masking = min(block[a : a + 8, b : b + 8].std() for a in (0, 8) for b in (0, 8))
        part = slice(4 * i, 4 * i + 16), slice(4 * j, 4 * j + 16)
        visibility = 0.0
        if block.mean() > 0.5 and error[part].std() > 0:
            c_org = math.log(max(masking, 1e-300) / block.mean())
            c_err = math.log(error[part].std() / block.mean())
            if c_err > c_org > -5:
                visibility = c_err - c_org
            elif c_err > -5 >= c_org:
                visibility = c_err + 5
        terms.append(visibility * ((x[part] - y[part]) ** 2).mean())
    return 200 * math.sqrt(np.mean(np.square(terms)))


def appear(x: np.ndarray, y: np.ndarray, as_pyiqa: bool) -> float:
    plane = frequency(x.shape)
    with np.errstate(divide="ignore"):
        logarithm = np.log(np.abs(plane))
    eta = np.zeros(len(list(blocks(x))))
    for s in range(5):
        radial = np.exp(-((logarithm + math.log(3 * 3**s)) ** 2) / (2 * math.log(0.55) ** 2))
        for o in range(4):
            turned = plane * np.exp(-1j * math.pi * o / 4)
            subband = radial * np.exp(-(np.angle(turned) ** 2) / (2 * (math.pi / 4 / 1.5) ** 2))
            first, second = (
                np.stack([block.ravel() for _, _, block in blocks(np.abs(np.fft.ifft2(subband * np.fft.fft2(levels))))])
                for levels in (x, y)
            )
            change = np.abs(first.std(1) - second.std(1))
            change += 2 * np.abs(stats.skew(first, 1) - stats.skew(second, 1))
            change += np.abs(stats.kurtosis(first, 1) - stats.kurtosis(second, 1))
            eta += WEIGHTS[o if as_pyiqa else s] * change
    return math.sqrt(np.mean(eta**2))


def blend(d_detect: float, d_appear: float) -> float:
    alpha = 1 / (1 + 0.467 * d_detect**0.130)
    return d_detect**alpha * d_appear ** (1 - alpha)


def levels(image: torch.Tensor) -> np.ndarray:
    return 255 * image[0, 0].double().numpy()


def written_out(x: torch.Tensor, y: torch.Tensor) -> float:
    a, b = levels(x), levels(y)
    return blend(detect(a, b, as_pyiqa=False), appear(a, b, as_pyiqa=False))


@pytest.mark.parametrize("name", PAIRS)
def test_the_formulas_written_out(name: str):
    x, y = PAIRS[name]
    assert float(mad(x, y)) == pytest.approx(written_out(x, y), rel=2e-3, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in PAIRS if name.startswith("photo")])
def test_the_formulas_with_its_choices_give_pyiqas_numbers(name: str):
    a, b = (levels(image) for image in PAIRS[name])
    assert detect(a, b, as_pyiqa=True) == pytest.approx(REFERENCE[name]["detect"], rel=0.05, abs=0.3)
    assert appear(a, b, as_pyiqa=True) == pytest.approx(REFERENCE[name]["appear"], rel=0.05)


def test_photographs_are_ranked_as_pyiqa_ranks_them():
    names = [name for name in PAIRS if name.startswith("photo")]
    ours = [float(mad(*PAIRS[name])) for name in names]
    assert stats.spearmanr(ours, [REFERENCE[name]["mad"] for name in names]).statistic > 0.85


def test_smooth_perturbations_are_less_apparent():
    assert float(mad(*PAIRS["photo, scw"])) < 0.1 * float(mad(*PAIRS["photo, cw"]))


def test_nothing_is_not_apparent():
    x = gallery.read("cifar10").images[:2]
    assert mad(x, x).tolist() == [0, 0]
    below = x + 1e-4 * torch.sign(torch.sin(torch.arange(32.0)))
    assert mad(x, below).tolist() == [0, 0]  # below every threshold


def test_a_flat_error_on_a_flat_picture():
    # A change of the mean alone has no contrast: section 3.1 cannot see it, whatever its size.
    assert float(mad(torch.full((1, 1, 32, 32), 0.5), torch.full((1, 1, 32, 32), 0.6))) == 0


def test_a_picture_that_was_wiped_out_is_apparent():
    digits = gallery.read("mnist").images[:3]
    for level in (0.0, 0.5, 1.0):
        blank = torch.full_like(digits, level)
        assert (mad(digits, blank) > 5).all()
        assert torch.isfinite(mad(blank, digits)).all()


def test_more_noise_is_more_apparent():
    x, noise = PAIRS["mnist, noise 4"][0], torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    scores = [float(mad(x, (x + level / 255 * noise).clamp(0, 1))) for level in (2, 8, 32, 64)]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


def test_batches_and_colours():
    x = gallery.read("cifar10").images[:3]
    y = (x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    together = mad(x, y)
    assert together.shape == (3,)
    assert together.dtype == torch.float32
    assert (together > 0).all()
    torch.testing.assert_close(together, torch.cat([mad(a, b) for a, b in zip(x.split(1), y.split(1), strict=True)]))
    torch.testing.assert_close(together, mad(grey(x), grey(y)), rtol=1e-3, atol=1e-4)
    tall = torch.rand(1, 3, 48, 20, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(mad(tall, 1 - tall), mad(tall.flip(-1), 1 - tall.flip(-1)), rtol=0.02, atol=0)


@pytest.mark.parametrize(
    ("x", "y", "complaint"),
    [
        ((1, 1, 15, 28), (1, 1, 15, 28), "at least 16 pixels"),
        ((1, 2, 28, 28), (1, 2, 28, 28), "1 or 3 channels"),
        ((1, 1, 28, 28), (2, 1, 28, 28), "one shape"),
        ((28, 28), (28, 28), r"\(N, C, H, W\)"),
    ],
)
def test_what_it_refuses(x: tuple, y: tuple, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        mad(torch.zeros(x), torch.zeros(y))
