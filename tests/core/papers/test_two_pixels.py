"""SmoothFool's step in the plane of two pixels, against the closed form."""

import math

import pytest
import torch

from core.attacks.smoothfool import LowPassParameters
from core.filters import frequency_response, kernel
from core.papers import two_pixels


@pytest.mark.parametrize("angle", [0.0, 30.0, 45.0, 100.0, 130.0])
@pytest.mark.parametrize("sigma_g", [0.2, 0.6, 2.0])
def test_both_ways_end_on_the_line_and_the_smooth_one_is_the_kernel_s(angle, sigma_g):
    low_pass = LowPassParameters(sigma_g=sigma_g)
    found = two_pixels.step(angle, low_pass)
    for way in (found.straight, found.smooth):
        assert float(way @ found.normal) == pytest.approx(two_pixels.DISTANCE, rel=1e-9)
    taps = low_pass.low_pass_kernel(torch.zeros(1, dtype=torch.float64))
    own, beside = float(taps[len(taps) // 2]), float(taps[len(taps) // 2 - 1]) if len(taps) > 1 else 0.0
    w = found.normal
    expected = torch.stack([own * w[0] + beside * w[1], beside * w[0] + own * w[1]])
    turned = expected / expected.norm() - found.smooth / found.smooth.norm()
    assert float(turned.norm()) == pytest.approx(0, abs=1e-9)
    # In closed form: the angle between w and g*w.
    cosine = float(w @ expected / expected.norm())
    assert found.factor == pytest.approx(1 / cosine, rel=1e-9)
    assert [float((point - found.point) @ w) for point in found.line] == pytest.approx([two_pixels.DISTANCE] * 2)


def test_where_both_pixels_change_alike_smoothness_costs_nothing():
    assert two_pixels.step(45, LowPassParameters(sigma_g=3)).factor == pytest.approx(1)
    beside = math.exp(-1 / (2 * 3**2))  # of the middle tap
    assert two_pixels.step(0, LowPassParameters(sigma_g=3)).factor == pytest.approx(math.sqrt(1 + beside**2), rel=1e-6)
    assert two_pixels.step(0, LowPassParameters(sigma_g=0.2)).factor == 1


def test_the_response_of_a_box_is_dirichlet_s():
    taps = kernel("uniform", 1.0, dtype=torch.float64)
    f = torch.linspace(0.01, 0.5, 50, dtype=torch.float64)
    expected = torch.sin(math.pi * len(taps) * f) / (len(taps) * torch.sin(math.pi * f))
    torch.testing.assert_close(frequency_response(taps, f), expected)
    assert float(frequency_response(taps, torch.zeros(1))) == pytest.approx(1)
