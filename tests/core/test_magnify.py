"""Adversarial magnification, against eq. 22 by brute force and its symmetries."""

import math

import numpy as np
import pytest
import torch

from core.magnify import DisplayScale, MagnifyParameters, display_scale, local_statistics, magnify, to_display
from core.params import fields
from tests.core.test_filters import brute_force
from tests.problems import uniform


@pytest.fixture
def images():
    """Two small pictures with an edge and texture, so that no term of eq. 22 vanishes."""
    generator = torch.Generator().manual_seed(0)
    pictures = 0.3 + 0.05 * torch.rand(2, 3, 10, 13, dtype=torch.float64, generator=generator)
    pictures[..., 6:] += 0.4
    return pictures


@pytest.mark.parametrize("beta", [0.0, 0.8, 1.0])
@pytest.mark.parametrize(("sigma_range", "radius"), [(5 / 255, 5), (0.2, 7)])
def test_it_is_equation_22(images, beta, sigma_range, radius):
    mean = brute_force(images, images, 3.0, sigma_range, radius)
    residual = images.numpy() - mean
    local = brute_force(torch.from_numpy(residual**2), images, 3.0, sigma_range, radius) ** 0.5
    overall = images.numpy().std(axis=(2, 3), keepdims=True)
    expected = residual / (beta * local + (1 - beta) * overall)
    magnified = magnify(images, beta, 3.0, sigma_range, radius)
    np.testing.assert_allclose(magnified.numpy(), expected, atol=1e-10)
    np.testing.assert_allclose(
        magnify(images.float(), beta, 3.0, sigma_range, radius).numpy(), expected, atol=2e-4 * np.abs(expected).max()
    )


def test_the_statistics_serve_every_beta(images):
    statistics = local_statistics(images)
    assert statistics.residual.shape == statistics.sigma_local.shape == images.shape
    assert statistics.sigma_global.shape == (2, 3, 1, 1)
    for beta in (0.0, 0.3, 1.0):
        assert torch.equal(statistics.magnify(beta), magnify(images, beta))
    torch.testing.assert_close(
        statistics.magnify(0.0), statistics.residual / images.std((2, 3), correction=0, keepdim=True)
    )


def test_adding_a_constant_changes_nothing(images):
    torch.testing.assert_close(magnify(images + 0.1), magnify(images), atol=1e-9, rtol=0)


def test_scaling_picture_and_range_together_changes_nothing(images):
    torch.testing.assert_close(
        magnify(images / 2, sigma_range=0.05), magnify(images, sigma_range=0.1), atol=1e-9, rtol=0
    )


def test_flipping_and_transposing_commute(images):
    torch.testing.assert_close(magnify(images.flip(3)), magnify(images).flip(3), atol=1e-9, rtol=0)
    torch.testing.assert_close(magnify(images.mT), magnify(images).mT, atol=1e-9, rtol=0)


@pytest.mark.parametrize("beta", [0.0, 0.8, 1.0])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_is_magnified_to_exactly_zero(beta, value):
    """0/0, where rounding noise over rounding noise would be a picture of nothing."""
    assert torch.equal(magnify(torch.full((1, 3, 20, 20), value), beta), torch.zeros(1, 3, 20, 20))


def test_a_flat_channel_beside_a_textured_one_stays_zero():
    images = uniform(1, 3, 12, 12)
    images[:, 1] = 0.7
    magnified = magnify(images, beta=1.0, sigma_range=0.2)
    assert torch.equal(magnified[:, 1], torch.zeros(1, 12, 12))
    assert (magnified[:, 0] != 0).all()


def test_channels_are_filtered_apart_under_one_range_distance():
    """A step of one grey level in red is averaged away, unless blue has an edge at the same place."""
    faint = torch.full((1, 3, 16, 16), 0.5)
    faint[:, 0, :, 8:] += 1 / 255
    edged = faint.clone()
    edged[:, 2, :, 8:] = 0.9
    assert magnify(faint)[:, 0].abs().min() > 0.01
    assert torch.equal(magnify(edged), torch.zeros_like(edged))
    # Deviations are the channel's own.
    statistics = local_statistics(faint)
    assert torch.equal(statistics.sigma_local[:, 1:], torch.zeros(1, 2, 16, 16))
    assert statistics.sigma_global[0, 0].item() == pytest.approx(0.5 / 255, rel=1e-4)


def test_the_local_divisor_bounds_the_magnified_values():
    """At beta = 1, sigma_x(p)² >= residual(p)² / sum of weights, and the weights sum to at most 2 pi sigma²."""
    magnified = magnify(uniform(1, 3, 40, 40), beta=1.0, sigma_domain=2.0)
    assert magnified.isfinite().all()
    assert magnified.abs().max() <= math.sqrt(2 * math.pi * 4) + 0.1


def test_an_invisible_pattern_comes_out():
    """A chequerboard of one grey level on a ramp of a hundred: its magnification is the pattern itself."""
    pattern = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2.0 - 1
    photo = torch.linspace(0.3, 0.7, 64).expand(1, 1, 64, 64)
    magnified = magnify(photo + pattern / 255, beta=1.0, sigma_range=0.2)
    inner = slice(14, -14)  # away from the border, whose windows are lopsided
    correlation = torch.corrcoef(
        torch.stack([magnified[0, 0, inner, inner].flatten(), pattern[inner, inner].flatten()])
    )
    assert correlation[0, 1] > 0.99


def test_gradients_do_not_flow(images):
    assert not magnify(images.requires_grad_()).requires_grad


def test_display_uses_one_common_scale():
    quiet, loud = torch.tensor([[-1.0, 0.0, 1.0]]), torch.tensor([-4.0, 2.0])
    shown = to_display([quiet, loud], display_scale([quiet, loud], quantile=1.0))
    assert shown[0].tolist() == [[0.375, 0.5, 0.625]]
    assert shown[1].tolist() == [0.0, 0.75]
    # The plain call is the default scale, and order and grouping do not matter.
    default = display_scale([loud, quiet])
    for ours, theirs in zip(to_display([quiet, loud]), (quiet, loud), strict=True):
        assert torch.equal(ours, default.apply(theirs))
    # On its own the quiet picture would be stretched: the common scale is what forbids that.
    assert to_display([quiet])[0].tolist() == [[0.0, 0.5, 1.0]]


def test_display_scale_says_what_it_clips():
    values = torch.arange(1.0, 1001.0)
    assert display_scale([values]) == DisplayScale(limit=999.0, clipped=pytest.approx(1 / 1000))
    assert display_scale([-values[:600], values[600:]], quantile=0.9) == DisplayScale(900.0, pytest.approx(0.1))
    assert display_scale([values], quantile=1.0) == DisplayScale(limit=1000.0, clipped=0.0)
    assert to_display([values])[0][-2:].tolist() == [1.0, 1.0]


def test_display_of_nothing_but_zeros_is_grey():
    assert to_display([torch.zeros(3)])[0].tolist() == [0.5, 0.5, 0.5]
    lonely = torch.zeros(5000)
    lonely[0] = 2.0  # rarer than the quantile: the largest value is the scale
    assert display_scale([lonely]) == DisplayScale(limit=2.0, clipped=0.0)


def test_the_declared_parameters_are_the_papers_and_the_function_has_the_same():
    defaults = MagnifyParameters()
    assert defaults.values() == {"beta": 0.8, "sigma_domain": 5.0, "sigma_range": 5 / 255, "radius": None}
    assert MagnifyParameters.preset("paper") == defaults
    authors = MagnifyParameters.preset("authors' code")
    assert authors.values() == {"beta": 0.8, "sigma_domain": 3.0, "sigma_range": 0.2, "radius": 7}
    assert {info.name for info in fields(MagnifyParameters)} == set(defaults.values())
    images = uniform(1, 1, 15, 15)
    assert torch.equal(magnify(images), magnify(images, **defaults.values()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: magnify(uniform(1, 1, 4, 4), beta=1.5), "beta must be at most 1; got 1.5."),
        (lambda: local_statistics(uniform(1, 1, 4, 4)).magnify(-0.1), "beta must be at least 0; got -0.1."),
        (lambda: magnify(uniform(1, 1, 4, 4), sigma_domain=0.0), "sigma_domain must be at least 0.5; got 0.0."),
        (lambda: magnify(uniform(1, 1, 4, 4), sigma_range=5.0), "sigma_range must be at most 1; got 5.0."),
        (lambda: magnify(uniform(1, 1, 4, 4), radius=0), "radius must be at least 1; got 0."),
        (lambda: magnify(uniform(1, 4, 4)), r"images must have the shape \(N, C, H, W\)"),
        (lambda: to_display([]), "pictures must hold at least one tensor; got an empty list."),
        (lambda: to_display([torch.tensor([math.nan])]), "pictures must hold finite values only"),
        (lambda: display_scale([torch.ones(2)], quantile=0.0), "quantile must be above 0 and at most 1; got 0.0."),
    ],
)
def test_bad_arguments_get_one_sentence(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert str(error.value).endswith(".")
