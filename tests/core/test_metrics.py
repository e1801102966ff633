"""Distortion, roughness and perceptual metrics, against closed forms and independent implementations."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio

from core.filters import kernel, low_pass_matrix
from core.metrics import ciede2000, l2, linf, psnr, radial_power_spectrum, roughness, ssim
from tests.problems import normal, uniform


def test_norms_per_image():
    r = torch.zeros(3, 2, 4, 5)
    r[1, 0, 2, 3], r[1, 1, 0, 0] = 3.0, -4.0
    r[2] = -0.5
    assert l2(r).tolist() == pytest.approx([0, 5, 0.5 * math.sqrt(40)])
    assert linf(r).tolist() == pytest.approx([0, 4, 0.5])
    clean = uniform(3, 2, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(l2(clean + r, clean), l2(r.double()))
    torch.testing.assert_close(linf(clean + r, clean), linf(r.double()))


def cosine(u: int, v: int, height: int, width: int) -> torch.Tensor:
    """An eigenvector of every mirrored symmetric convolution: a basis picture of the DCT-II."""
    y, x = (torch.arange(size, dtype=torch.float64) + 0.5 for size in (height, width))
    return torch.outer(torch.cos(math.pi * u * y / height), torch.cos(math.pi * v * x / width))[None, None]


def response(sigma: float, frequency: float) -> float:
    """Frequency response of the Gaussian kernel at `frequency` radians per pixel."""
    taps = kernel("gaussian", sigma, dtype=torch.float64)
    lags = torch.arange(len(taps), dtype=torch.float64) - len(taps) // 2
    return float((taps * torch.cos(frequency * lags)).sum())


@pytest.mark.parametrize(("u", "v"), [(0, 0), (1, 0), (3, 8), (11, 15)])
@pytest.mark.parametrize("sigma", [0.6, 1.0, 3.0])
def test_roughness_of_a_cosine_is_the_closed_form(u, v, sigma):
    r = torch.cat([cosine(u, v, 12, 16), 5 * cosine(u, v, 12, 16)])
    passed = response(sigma, math.pi * u / 12) * response(sigma, math.pi * v / 16)
    assert roughness(r, sigma, normalised=True).tolist() == pytest.approx([(1 - passed) ** 2] * 2, abs=1e-12)
    energy = r.square().sum((1, 2, 3))
    assert roughness(r, sigma).tolist() == pytest.approx(((1 - passed) ** 2 * energy).tolist(), abs=1e-10)


@pytest.mark.parametrize("boundary", ["zero", "reflect"])
def test_roughness_is_the_explicit_quadratic_form(boundary):
    r = normal(2, 3, 6, 9, dtype=torch.float64)
    taps = kernel("gaussian", 2.0, dtype=torch.float64)
    rows, columns = (low_pass_matrix(taps, size, boundary) for size in (6, 9))
    high_pass = torch.eye(54, dtype=torch.float64) - torch.kron(rows, columns)
    expected = (r.reshape(2, 3, 54) @ high_pass.T).square().sum((1, 2))
    torch.testing.assert_close(roughness(r, 2.0, boundary=boundary), expected)


def test_a_constant_is_smooth_but_for_the_edge_of_a_zero_boundary():
    r = torch.full((1, 3, 28, 28), 0.1)
    assert roughness(r, 1.0).item() == pytest.approx(0, abs=1e-9)
    assert roughness(r, 1.0, normalised=True, boundary="zero").item() == pytest.approx(0.0138, abs=1e-4)


def test_smoothing_lowers_roughness_and_zero_has_none():
    noise = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    smooth = torch.from_numpy(ndimage.gaussian_filter(noise.numpy(), (0, 0, 2, 2)))
    assert roughness(smooth, 1.0, normalised=True) < roughness(noise, 1.0, normalised=True) / 10
    assert roughness(torch.zeros(1, 3, 8, 8), 1.0, normalised=True).tolist() == [0.0]
    assert roughness(noise, 0.1).item() == 0  # h is the identity: nothing is rough


@pytest.mark.parametrize(("height", "width"), [(28, 28), (31, 17), (1, 6)])
@pytest.mark.parametrize("bins", [None, 1, 5, 100])
def test_the_spectrum_holds_all_the_energy(height, width, bins):
    r = normal(4, 3, height, width, dtype=torch.float64)
    frequencies, power = radial_power_spectrum(r, bins)
    torch.testing.assert_close(power.sum(1), r.square().sum((1, 2, 3)))
    assert power.shape == (4, len(frequencies))
    assert bins is None or len(frequencies) == bins
    assert (frequencies.diff() > 0).all()
    assert frequencies[0] > 0
    assert frequencies[-1] < math.sqrt(0.5)


@pytest.mark.parametrize(("cycles_y", "cycles_x"), [(0, 0), (1, 0), (3, 4), (0, 16), (16, 16)])
def test_a_sinusoid_has_its_energy_at_its_frequency(cycles_y, cycles_x):
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    r = torch.cos(2 * math.pi * (cycles_y * y + cycles_x * x) / 32)[None, None]
    frequencies, power = radial_power_spectrum(r)
    half_bin = float(frequencies[0])
    strongest = power.argmax()
    assert abs(float(frequencies[strongest]) - math.hypot(cycles_y, cycles_x) / 32) <= half_bin + 1e-6
    assert float(power[0, strongest] / power.sum()) == pytest.approx(1, abs=1e-5)


def test_psnr_is_scikit_images_and_infinite_for_identical_images():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 4, 3, 9, 9, generator=generator)
    b[0] = a[0]
    ours = psnr(a, b)
    assert ours[0] == math.inf
    for value, x, y in zip(ours[1:], a[1:], b[1:], strict=True):
        assert float(value) == pytest.approx(peak_signal_noise_ratio(x.numpy(), y.numpy(), data_range=1), abs=1e-4)
    assert float(psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.1))) == pytest.approx(20, abs=1e-5)


def ssim_by_the_formula(x: np.ndarray, y: np.ndarray) -> float:
    """Wang et al. 2004 with an explicit 11 x 11 window at every place where it fits."""
    position = np.arange(11) - 5
    line = np.exp(-(position**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    c1, c2 = 0.01**2, 0.03**2
    values = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            cov = (window * (p - mp) * (q - mq)).sum()
            values.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(values))


def test_ssim_is_the_formula_for_grey_and_colour():
    generator = torch.Generator().manual_seed(0)
    for channels in (1, 3):
        a = torch.rand(3, channels, 14, 17, dtype=torch.float64, generator=generator)
        b = (a + 0.2 * torch.randn(a.shape, dtype=torch.float64, generator=generator)).clamp(0, 1)
        expected = [
            np.mean([ssim_by_the_formula(p, q) for p, q in zip(x, y, strict=True)])
            for x, y in zip(a.numpy(), b.numpy(), strict=True)
        ]
        np.testing.assert_allclose(ssim(a, b).numpy(), expected, atol=1e-6)
        np.testing.assert_allclose(ssim(a.float(), b.float()).numpy(), expected, atol=1e-5)


def test_ssim_closed_forms():
    a = uniform(2, 3, 16, 16)
    assert ssim(a, a).tolist() == [1.0, 1.0]
    dark, light = torch.full((1, 1, 12, 12), 0.2), torch.full((1, 1, 12, 12), 0.6)
    luminance = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert ssim(dark, light).item() == pytest.approx(luminance, abs=1e-6)


def test_values_come_per_image_and_in_the_images_precision():
    a, b = uniform(2, 3, 1, 12, 12)
    for metric in (l2, linf, psnr, ssim):
        together = metric(a, b)
        assert together.shape == (3,)
        assert together.dtype == torch.float32
        torch.testing.assert_close(together, torch.cat([metric(a[i : i + 1], b[i : i + 1]) for i in range(3)]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: l2(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 3)), "must have one shape"),
        (lambda: linf(torch.ones(1, 1, 2, 2).byte()), "divide 8-bit values by 255"),
        (lambda: l2(torch.ones(4)), r"images must have the shape \(N, C, H, W\); got \(4,\)."),
        (lambda: psnr(torch.ones(1, 1, 2, 2), torch.ones(2, 1, 2, 2)), "must have one shape"),
        (lambda: ssim(torch.ones(1, 1, 9, 30), torch.ones(1, 1, 9, 30)), r"at least 11 pixels .* got \(9, 30\)."),
        (lambda: roughness(torch.ones(3, 4, 4), 1.0), r"r must have the shape \(N, C, H, W\)"),
        (lambda: roughness(torch.ones(1, 3, 4, 4), 0.0), "sigma must be above 0"),
        (lambda: radial_power_spectrum(torch.ones(1, 3, 4, 4), 0), "bins must be at least 1; got 0."),
    ],
)
def test_bad_arguments_get_one_sentence(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert str(error.value).endswith(".")


def test_ciede2000_of_greys_is_the_closed_form():
    """Between greys only lightness differs: (L1 - L2) / S_L, S_L of their mean; L of a grey by CIE 1976."""

    def lightness(level):
        linear = level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4
        return 116 * linear ** (1 / 3) - 16

    a, b = (torch.full((1, 1, 4, 5), level, dtype=torch.float64) for level in (0.4, 0.7))
    first, second = lightness(0.4), lightness(0.7)
    middle = ((first + second) / 2 - 50) ** 2
    expected = (second - first) / (1 + 0.015 * middle / (20 + middle) ** 0.5)
    assert ciede2000(a, b).shape == (1, 4, 5)
    assert ciede2000(a, b).flatten().tolist() == pytest.approx([expected] * 20, rel=1e-4)
    assert ciede2000(b, a)[0, 0, 0] == pytest.approx(expected, rel=1e-4)
    assert not ciede2000(a, a).any()
    torch.testing.assert_close(ciede2000(a.repeat(1, 3, 1, 1), b.repeat(1, 3, 1, 1)), ciede2000(a, b))
    with pytest.raises(ValueError, match="1 or 3 channels"):
        ciede2000(a.repeat(1, 2, 1, 1), b.repeat(1, 2, 1, 1))
