"""Low-pass kernels and the bilateral filter, against explicit matrices, closed forms and brute force."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.restoration import denoise_bilateral

from core.filters import JointBilateral, bilateral, bilateral_chunk, kernel, low_pass, low_pass_matrix
from tests.problems import uniform

KINDS = ["gaussian", "linear", "uniform"]


def standard_deviation(taps: torch.Tensor) -> float:
    position = torch.arange(len(taps), dtype=taps.dtype) - (len(taps) - 1) / 2
    return float((taps * position**2).sum().sqrt())


@given(kind=st.sampled_from(KINDS), sigma=st.floats(0.1, 200.0))
def test_kernels_sum_to_one_are_symmetric_and_have_the_papers_width(kind, sigma):
    taps = kernel(kind, sigma, dtype=torch.float64)
    assert len(taps) % 2 == 1
    assert max(1, 5 * sigma) <= len(taps) < 5 * sigma + 2
    assert float(taps.sum()) == pytest.approx(1, abs=1e-12)
    assert torch.equal(taps, taps.flip(0))
    assert (taps >= 0).all()


def test_real_standard_deviations_are_the_documented_ones():
    assert standard_deviation(kernel("gaussian", 5.0, dtype=torch.float64)) == pytest.approx(4.77, abs=0.01)
    # Cut off at +-2.5 sigma: 1 - 5 phi(2.5) / (2 Phi(2.5) - 1), in the limit of many taps.
    phi = math.exp(-(2.5**2) / 2) / math.sqrt(2 * math.pi)
    limit = math.sqrt(1 - 5 * phi / math.erf(2.5 / math.sqrt(2)))
    assert standard_deviation(kernel("gaussian", 200.0, dtype=torch.float64)) / 200 == pytest.approx(limit, abs=1e-3)
    assert standard_deviation(kernel("linear", 200.0, dtype=torch.float64)) / 200 == pytest.approx(
        2.5 / math.sqrt(6), rel=5e-3
    )
    assert standard_deviation(kernel("uniform", 200.0, dtype=torch.float64)) / 200 == pytest.approx(
        5 / math.sqrt(12), rel=5e-3
    )
    # With room enough the Gaussian is the Gaussian.
    assert standard_deviation(kernel("gaussian", 5.0, size=81, dtype=torch.float64)) == pytest.approx(5, abs=1e-9)


def test_a_linear_kernel_of_size_two_is_not_nan():
    """The authors' reaches zero at its two taps: 0/0."""
    assert kernel("linear", 1.0, size=2).tolist() == [0.5, 0.5]
    assert kernel("gaussian", 1e-3, size=2).tolist() == [0.5, 0.5]  # exp underflows, a naive division is 0/0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sigma", [0.1, 0.2])
def test_a_small_sigma_is_the_identity(kind, sigma):
    images = uniform(2, 3, 5, 7)
    assert torch.equal(low_pass(images, kernel(kind, sigma)), images)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sigma", [0.7, 3.0, 200.0])
@pytest.mark.parametrize("boundary", ["zero", "reflect"])
def test_low_pass_is_scipys_convolution(kind, sigma, boundary):
    """Kernels far longer than the image included (1001 taps on 32 x 9 pixels)."""
    images = uniform(2, 3, 32, 9, dtype=torch.float64)
    taps = kernel(kind, sigma, dtype=torch.float64)
    mode = {"zero": "constant", "reflect": "reflect"}[boundary]
    expected = images.numpy()
    for axis in (2, 3):
        expected = ndimage.convolve1d(expected, taps.numpy(), axis=axis, mode=mode)
    np.testing.assert_allclose(low_pass(images, taps, boundary).numpy(), expected, atol=1e-13)
    single = low_pass(images.float(), taps, boundary)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), expected, atol=1e-6)


def test_sigma_200_on_32_pixels_is_the_explicit_matrix():
    taps = kernel("gaussian", 200.0, dtype=torch.float64)
    expected = [[taps[500 + i - j].item() for j in range(32)] for i in range(32)]
    assert low_pass_matrix(taps, 32).tolist() == expected


def test_an_asymmetric_kernel_is_convolved_not_correlated():
    impulse = torch.zeros(1, 1, 1, 5)
    impulse[..., 2] = 1
    # One row: along the other axis only the middle tap meets the signal.
    assert low_pass(impulse, torch.tensor([2.0, 1.0, 3.0])).flatten().tolist() == [0, 2, 1, 3, 0]


@pytest.mark.parametrize("boundary", ["zero", "reflect"])
def test_low_pass_is_self_adjoint_and_differentiable(boundary):
    taps = kernel("gaussian", 1.5, dtype=torch.float64)
    u, v = uniform(2, 1, 2, 6, 11, dtype=torch.float64)
    assert float((u * low_pass(v, taps, boundary)).sum()) == pytest.approx(
        float((low_pass(u, taps, boundary) * v).sum()), rel=1e-12
    )
    assert torch.autograd.gradcheck(lambda z: low_pass(z, taps, boundary), u.requires_grad_())


@pytest.mark.parametrize(("kind", "dip"), [("linear", 0.0), ("gaussian", 0.008), ("uniform", 1 / 3)])
@pytest.mark.parametrize("sigma", [0.5, 2.0, 5.0, 20.0])
def test_how_negative_a_kernel_can_make_w_g_w(kind, dip, sigma):
    eigenvalues = torch.linalg.eigvalsh(low_pass_matrix(kernel(kind, sigma, dtype=torch.float64), 64))
    assert eigenvalues[0] >= -dip - 1e-12
    assert eigenvalues[-1] <= 1 + 1e-12


def test_reflection_keeps_a_constant_and_zeros_do_not():
    ones = torch.ones(1, 2, 8, 30)
    assert torch.allclose(low_pass(ones, kernel("gaussian", 4.0), "reflect"), ones, atol=1e-6)
    padded = low_pass(ones, kernel("gaussian", 4.0))
    assert padded[0, 0, 4, 15] > padded[0, 0, 4, 0]


def brute_force(signal, guide, sigma_domain, sigma_range, radius):
    """The definition, pixel by pixel, in double precision."""
    signal, guide = signal.double().numpy(), guide.double().numpy()
    out = np.empty_like(signal)
    height, width = signal.shape[2:]
    for n in range(len(signal)):
        for y in range(height):
            for x in range(width):
                total = 0.0
                value = np.zeros(signal.shape[1])
                for v in range(max(0, y - radius), min(height, y + radius + 1)):
                    for u in range(max(0, x - radius), min(width, x + radius + 1)):
                        space = ((y - v) ** 2 + (x - u) ** 2) / (2 * sigma_domain**2)
                        colour = ((guide[n, :, y, x] - guide[n, :, v, u]) ** 2).sum() / (2 * sigma_range**2)
                        weight = math.exp(-space - colour)
                        total += weight
                        value += weight * signal[n, :, v, u]
                out[n, :, y, x] = value / total
    return out


@pytest.mark.parametrize("sigma_range", [5 / 255, 0.3])
@pytest.mark.parametrize("radius", [3, 20])
def test_bilateral_is_the_definition(sigma_range, radius):
    """Radii smaller and larger than the image; colours near and far."""
    images = torch.rand(2, 3, 9, 12, generator=torch.Generator().manual_seed(0)) ** 2
    expected = brute_force(images, images, 2.0, sigma_range, radius)
    filtered = bilateral(images.double(), sigma_domain=2.0, sigma_range=sigma_range, radius=radius)
    np.testing.assert_allclose(filtered.numpy(), expected, atol=1e-12)
    single = bilateral(images, sigma_domain=2.0, sigma_range=sigma_range, radius=radius)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), expected, atol=2e-6)


def test_joint_bilateral_is_the_definition_and_shares_its_weights():
    generator = torch.Generator().manual_seed(1)
    guide = torch.rand(2, 3, 8, 7, dtype=torch.float64, generator=generator)
    signals = torch.rand(2, 2, 1, 8, 7, dtype=torch.float64, generator=generator)
    smooth = JointBilateral(guide, 1.5, 0.2, 4)
    residual = smooth.residual()
    np.testing.assert_allclose(residual.numpy(), guide.numpy() - brute_force(guide, guide, 1.5, 0.2, 4), atol=1e-12)
    for signal in signals:
        expected = brute_force(signal, guide, 1.5, 0.2, 4)
        np.testing.assert_allclose(smooth(signal).numpy(), expected, atol=1e-12)
        np.testing.assert_allclose(
            bilateral(signal, guide, sigma_domain=1.5, sigma_range=0.2, radius=4).numpy(), expected, atol=1e-12
        )


def test_the_range_kernel_is_scikit_images():
    """On its interior (it pads), and with a flat domain kernel: for an odd window its table of domain weights has one
    row and column too many. Its range weights come from a table, hence the tolerance."""
    image = torch.rand(1, 1, 30, 34, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    theirs = denoise_bilateral(image[0, 0].numpy(), win_size=11, sigma_color=0.25, sigma_spatial=1e4, bins=100_000)
    ours = bilateral(image, sigma_domain=1e4, sigma_range=0.25, radius=5)
    np.testing.assert_allclose(ours[0, 0, 5:-5, 5:-5].numpy(), theirs[5:-5, 5:-5], atol=1e-5)


def test_a_wide_range_kernel_leaves_a_renormalised_gaussian_blur():
    images = uniform(1, 2, 10, 15, dtype=torch.float64)
    taps = kernel("gaussian", 1.5, size=9, dtype=torch.float64)
    blurred = low_pass(images, taps) / low_pass(torch.ones_like(images), taps)
    filtered = bilateral(images, sigma_domain=1.5, sigma_range=1e6, radius=4)
    torch.testing.assert_close(filtered, blurred, atol=1e-10, rtol=0)


def test_a_narrow_range_kernel_does_not_cross_an_edge():
    images = torch.zeros(1, 3, 8, 8)
    images[..., 4:] = 0.5
    smooth = JointBilateral(images, 5.0, 5 / 255)
    assert torch.equal(smooth.residual(), torch.zeros_like(images))
    torch.testing.assert_close(smooth(images), images, atol=1e-6, rtol=0)


def test_the_default_radius_is_two_and_a_half_sigma():
    images = uniform(1, 1, 20, 20)
    default = bilateral(images, sigma_domain=1.5, sigma_range=0.2)
    assert torch.equal(default, bilateral(images, sigma_domain=1.5, sigma_range=0.2, radius=4))
    assert not torch.equal(default, bilateral(images, sigma_domain=1.5, sigma_range=0.2, radius=3))


def test_a_batch_filters_each_image_on_its_own():
    images = uniform(7, 3, 150, 100)
    assert bilateral_chunk(images) < 7
    together = bilateral(images, sigma_domain=1.0, sigma_range=0.1)
    alone = torch.cat([bilateral(image[None], sigma_domain=1.0, sigma_range=0.1) for image in images])
    assert together.shape == images.shape
    torch.testing.assert_close(together, alone)


def test_one_pixel_and_one_row_come_through():
    pixel = uniform(1, 3, 1, 1)
    assert torch.equal(bilateral(pixel, sigma_domain=5.0, sigma_range=0.1), pixel)
    row = uniform(1, 1, 1, 9, dtype=torch.float64, seed=1)
    np.testing.assert_allclose(
        bilateral(row, sigma_domain=2.0, sigma_range=0.2, radius=3).numpy(), brute_force(row, row, 2.0, 0.2, 3)
    )


IMAGES = uniform(2, 3, 6, 6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernel("cubic", 1.0), "kind must be one of gaussian, linear, uniform; got 'cubic'."),
        (lambda: kernel("gaussian", 0.0), "sigma must be above 0 and at most 10000 pixels; got 0.0."),
        (lambda: kernel("gaussian", math.nan), "sigma must be above 0"),
        (lambda: kernel("gaussian", 1.0, size=0), "size must be at least 1 tap; got 0."),
        (lambda: low_pass(IMAGES, kernel("linear", 1.0, size=2)), "kernel must be one-dimensional with an odd number"),
        (lambda: low_pass(IMAGES, kernel("linear", 1.0), "wrap"), "boundary must be one of zero, reflect; got 'wrap'."),
        (lambda: low_pass(IMAGES[0], kernel("linear", 1.0)), r"images must have the shape \(N, C, H, W\)"),
        (lambda: bilateral(IMAGES.byte(), sigma_domain=1, sigma_range=1), "images must be floating-point"),
        (lambda: bilateral(IMAGES[:0], sigma_domain=1, sigma_range=1), "nothing empty"),
        (lambda: bilateral(IMAGES, sigma_domain=-1, sigma_range=1), "sigma_domain must be a positive, finite number"),
        (lambda: bilateral(IMAGES, sigma_domain=1, sigma_range=math.inf), "sigma_range must be a positive, finite"),
        (lambda: bilateral(IMAGES, sigma_domain=1, sigma_range=1, radius=0), "radius must be at least 1 pixel; got 0."),
        (lambda: bilateral(IMAGES, IMAGES[:1], sigma_domain=1, sigma_range=1), "one image per image; got 1 for 2."),
        (
            lambda: bilateral(IMAGES, IMAGES[..., :5], sigma_domain=1, sigma_range=1),
            "guide must have the images' number and size",
        ),
    ],
)
def test_bad_arguments_get_one_sentence(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)
