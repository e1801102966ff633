"""Common corruptions: closed forms, hand-made pictures, and what each leaves as it is."""

import numpy as np
import pytest
import torch

from core.data import DataError, corruptions, gallery
from core.data.corruptions import CORRUPTIONS, SEVERITIES, corrupt

GREY = torch.full((2, 3, 32, 32), 128 / 255)
"""At which JPEG has nothing to round."""
RANDOM = {"gaussian_noise", "shot_noise", "impulse_noise", "snow", "frost", "fog"}
"""Those that change a blank picture, brightness aside."""


@pytest.fixture(autouse=True)
def ice(monkeypatch):
    """Pictures of ice: one that is grey 200 all over."""
    monkeypatch.setattr(corruptions, "frost_pictures", lambda: (np.full((3, 40, 50), 200 / 255),))


def levels(images):
    found = images * 255
    assert torch.equal(found.round(), found)
    return found.round().int()


def made(key, severity, images=GREY, numbers=(5, 9), seed=0):
    found = corrupt(images, key, severity, numbers, seed)
    assert (found.shape, found.dtype) == (images.shape, torch.float32)
    assert 0 <= found.min() <= found.max() <= 1
    return found


def test_there_are_fifteen_in_four_kinds():
    kinds = [corruption.kind for corruption in CORRUPTIONS.values()]
    assert [kinds.count(kind) for kind in ("noise", "blur", "weather", "digital")] == [3, 4, 4, 4]
    assert all(key == corruption.key for key, corruption in CORRUPTIONS.items())


@pytest.mark.parametrize("key", sorted(CORRUPTIONS.keys() - RANDOM - {"brightness"}))
def test_a_blank_picture_stays_as_it_is(key):
    for severity in SEVERITIES:
        assert torch.equal(made(key, severity), GREY), severity


def test_what_is_known_in_closed_form():
    x = gallery.read("cifar10")[:4].images
    numbers = [0, 1, 2, 3]
    # Contrast 1 keeps three quarters of the distance to the mean, brightness 2 adds a tenth to the largest channel.
    mean = x.mean((2, 3), keepdim=True)
    expected = 255 * ((x - mean) * 0.75 + mean)
    assert (levels(made("contrast", 1, x, numbers)) - expected).abs().max() <= 1
    value = x.amax(1, keepdim=True)
    expected = 255 * x * (value + 0.1).clamp_max(1) / value
    assert (levels(made("brightness", 2, x, numbers)) - expected)[value.expand_as(x) > 0].abs().max() <= 1
    # Frost 2 adds three tenths of the ice.
    expected = (255 * x + 0.3 * 200).clamp_max(255).floor()
    assert (levels(made("frost", 2, x, numbers)) - expected).abs().max() <= 1
    # Defocus 5: the mean of three by three, with an edge that is hardly softened.
    inner = torch.nn.functional.avg_pool2d(x, 3, 1)
    assert (made("defocus_blur", 5, x, numbers)[:, :, 1:-1, 1:-1] - inner).abs().max() < 1.5 / 255
    # Black stays black behind fog, which keeps the brightest value, and becomes grey when it is brightened.
    assert torch.equal(made("fog", 3, 0 * GREY), 0 * GREY)
    assert levels(made("brightness", 5, 0 * GREY)).unique().tolist() == [76]


def test_noise_is_as_strong_as_it_says():
    grey = torch.full((20, 3, 32, 32), 0.5)
    numbers = range(20)
    for severity, scale in enumerate((0.04, 0.06, 0.08, 0.09, 0.10), 1):
        assert float(made("gaussian_noise", severity, grey, numbers).std()) == pytest.approx(scale, rel=0.02)
    for severity, photons in enumerate((500, 250, 100, 75, 50), 1):
        found = made("shot_noise", severity, grey, numbers)
        assert float(found.std()) == pytest.approx((0.5 / photons) ** 0.5, rel=0.03)
    for severity, amount in enumerate((0.01, 0.02, 0.03, 0.05, 0.07), 1):
        found = made("impulse_noise", severity, grey, numbers)
        white, black = (float((found == value).float().mean()) for value in (1, 0))
        assert white + black == pytest.approx(amount, rel=0.05)
        assert white == pytest.approx(black, rel=0.15)


def test_motion_goes_along_its_line():
    """A white pixel leaves a trail as long as the kernel, to its left, since each pixel looks to its right."""
    x = np.zeros((1, 1, 32, 32))
    x[0, 0, 16, 20] = 1
    found = corruptions._moved(x, (6, 1.5), [0.0])[0, 0]
    weights = np.exp(-(np.arange(13) ** 2) / (2 * 1.5**2))
    assert found[16, 20:7:-1] == pytest.approx(weights / weights.sum())
    assert found.sum() == pytest.approx(1)
    down = corruptions._moved(x, (6, 1.5), [-90.0])[0, 0]
    assert np.array_equal(down[16 : 16 + 13, 20], found[16, 20:7:-1])


def test_a_fractal_cloud_spans_its_range_and_its_edges_meet():
    found = corruptions.plasma(32, 3.0, np.random.default_rng(0))
    assert (found.shape, found.min(), found.max()) == ((32, 32), 0, 1)
    steps = np.abs(np.diff(found, axis=1))
    assert np.abs(found[:, 0] - found[:, -1]).mean() < 1.5 * steps.mean()
    rough = corruptions.plasma(32, 1.2, np.random.default_rng(0))
    assert np.abs(np.diff(rough, axis=1)).mean() > 2 * steps.mean()


def test_glass_copies_a_neighbours_pixel():
    x = np.arange(3 * 32 * 32).reshape(1, 3, 32, 32) / 4000
    found = corruptions.glass_blur(x, (1e-9, 1, 1), [np.random.default_rng(0)])
    before = corruptions._cut(x) / 255
    for row, column in ((5, 7), (20, 31), (31, 2)):
        around = before[0, :, row - 1 : row + 1, column - 1 : column + 1].reshape(3, -1).T
        assert any(np.allclose(found[0, :, row, column], one) for one in around)
    assert np.array_equal(found[..., :2, :], before[..., :2, :])


@pytest.mark.parametrize(
    "key", ["gaussian_noise", "shot_noise", "defocus_blur", "zoom_blur", "fog", "contrast", "jpeg_compression"]
)
def test_more_severe_is_farther_from_the_picture(key):
    x = gallery.read("cifar10")[:20].images
    away = [float((corrupt(x, key, severity, range(20)) - x).square().mean()) for severity in SEVERITIES]
    assert away == sorted(away)
    assert away[0] < 0.6 * away[-1]


@pytest.mark.parametrize("key", CORRUPTIONS)
def test_an_image_is_corrupted_alike_in_any_company(key):
    for name in ("cifar10", "mnist"):
        x, numbers = gallery.read(name)[:3].images, [11, 4, 7]
        together = corrupt(x, key, 4, numbers)
        assert torch.equal(corrupt(x[[2, 1]], key, 4, [7, 4]), together[[2, 1]])
        levels(together)
    if key in RANDOM - {"frost"} | {"glass_blur", "motion_blur", "elastic_transform"}:
        x = gallery.read("cifar10")[:3].images
        assert not torch.equal(corrupt(x, key, 4, numbers, seed=1), corrupt(x, key, 4, numbers))
        assert not torch.equal(corrupt(x, key, 4, [1, 2, 3]), corrupt(x, key, 4, numbers))


def test_what_cannot_be_is_refused():
    for arguments, told in (
        ((GREY, "sleet", 1, [1, 2]), "key must be one of"),
        ((GREY, "fog", 6, [1, 2]), "severity must be from 1 to 5; got 6"),
        ((GREY, "fog", 1, [1]), "1 numbers"),
        ((GREY[:, :2], "fog", 1, [1, 2]), "1 or 3 channels"),
    ):
        with pytest.raises(ValueError, match=told):
            corrupt(*arguments)


def test_frost_without_its_pictures_says_where_they_are(monkeypatch):
    monkeypatch.undo()
    corruptions.frost_pictures.cache_clear()
    monkeypatch.setattr(corruptions, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install --no-deps imagecorruptions-imaug"):
        corrupt(GREY, "frost", 1, [1, 2])
