"""Defences against their definitions, done again in other ways, and the networks behind them."""

import numpy as np
import pytest
import torch
from scipy import fft
from skimage import data as pictures

from core import data, models
from core.attacks import ATTACKS, run
from core.data import quantize
from core.defenses import DEFENSES, JPEG, Bilateral, BitDepth, Defended, Median, suited
from tests.problems import uniform

MNIST = data.gallery.read("mnist")
CIFAR = data.gallery.read("cifar10")

TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""ISO/IEC 10918-1, Table K.1: of luminance, at quality 50."""


def blocks(levels: np.ndarray) -> np.ndarray:
    """(H, W), both multiples of 8 -> (H / 8, W / 8, 8, 8)."""
    height, width = levels.shape
    return levels.reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)


@pytest.mark.parametrize("quality", [10, 50, 90])
def test_jpeg_is_the_standards(quality: int):
    levels = pictures.camera()[100:228, 200:360]
    image = torch.from_numpy(levels / np.float32(255)).float()[None, None]
    found = blocks(255 * JPEG(quality=quality)(image)[0, 0].numpy())
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    table = np.clip((TABLE * scale + 50) // 100, 1, 255)
    multiples = fft.dctn(blocks(levels) - 128.0, axes=(2, 3), norm="ortho") / table
    opened = fft.idctn(np.round(multiples) * table, axes=(2, 3), norm="ortho") + 128
    difference = np.abs(found - np.clip(np.round(opened), 0, 255)).max((2, 3))
    # Libjpeg's cosines are of whole numbers: what lies between two multiples may become the other.
    clear = (np.abs(multiples % 1 - 0.5) > 0.02).all((2, 3))
    assert clear.mean() > 0.2
    assert difference[clear].max() <= 1
    assert np.abs(found - blocks(levels)).max((2, 3))[clear].mean() > 2  # something was lost


def test_jpeg_keeps_one_colour_for_four_pixels_or_all():
    stripes = torch.zeros(1, 3, 32, 32)
    stripes[:, 0, :, ::2] = stripes[:, 1, :, 1::2] = 0.6  # equally bright, nearly
    error = {chroma: (JPEG(quality=95, chroma=chroma)(stripes) - stripes).abs().mean() for chroma in ("4:2:0", "4:4:4")}
    assert error["4:4:4"] < 0.02
    assert error["4:2:0"] > 5 * error["4:4:4"]
    assert torch.equal(JPEG(chroma="4:2:0")(MNIST.images[:1]), JPEG(chroma="4:4:4")(MNIST.images[:1]))


@pytest.mark.parametrize("bits", range(1, 9))
def test_bit_depth_leaves_the_nearest_of_so_many_levels(bits: int):
    x = uniform(4, 1, 8, 8, seed=bits)
    found = BitDepth(bits=bits)(x)
    every = torch.linspace(0, 1, 2**bits, dtype=x.dtype)
    away = (x[..., None] - every).abs().amin(-1)
    torch.testing.assert_close((found - x).abs(), away, atol=1e-6, rtol=0)
    torch.testing.assert_close((found[..., None] - every).abs().amin(-1), torch.zeros_like(x), atol=1e-6, rtol=0)
    assert torch.equal(BitDepth(bits=bits)(found), found)


def test_bit_depth_at_its_ends():
    x = uniform(2, 3, 8, 8).float()
    assert torch.equal(BitDepth(bits=8)(x), quantize(x))
    assert torch.equal(BitDepth(bits=1)(x), (x > 0.5).float())


@pytest.mark.parametrize("window", [2, 3, 4, 5])
def test_the_median_is_the_middle_of_its_window(window: int):
    x = uniform(2, 2, 6, 7)
    low = window // 2
    rows, columns = (
        [(i if i >= 0 else -1 - i) if i < size else 2 * size - 1 - i for i in range(-low, size + window)]
        for size in (6, 7)
    )
    mirrored = x[:, :, rows][:, :, :, columns]
    expected = torch.empty_like(x)
    for i in range(6):
        for j in range(7):
            values = mirrored[:, :, i : i + window, j : j + window].flatten(2).sort(2).values
            expected[:, :, i, j] = values[..., window * window // 2]
    assert torch.equal(Median(window=window)(x), expected)


def test_a_lone_pixel_does_not_outlive_the_median():
    x = torch.full((1, 1, 9, 9), 0.25)
    x[0, 0, 4, 4] = 1
    assert torch.equal(Median(window=3)(x), torch.full_like(x, 0.25))


def test_the_bilateral_filter_is_the_papers():
    """Pixel by pixel: near neighbours of like colour, all channels together."""
    x = torch.from_numpy(pictures.astronaut()[60:70, 200:212] / 255.0).permute(2, 0, 1)[None]
    expected = torch.empty_like(x)
    rows, columns = torch.meshgrid(torch.arange(10), torch.arange(12), indexing="ij")
    for i in range(10):
        for j in range(12):
            far = (rows - i) ** 2 + (columns - j) ** 2
            unlike = (x[0] - x[0, :, i : i + 1, j : j + 1]).square().sum(0)
            weight = (-far / (2 * 1.2**2) - unlike / (2 * 0.15**2)).exp()
            weight[(rows - i).abs().maximum((columns - j).abs()) > 3] = 0  # 2.5 standard deviations
            expected[0, :, i, j] = (weight * x[0]).sum((1, 2)) / weight.sum()
    torch.testing.assert_close(Bilateral(sigma_domain=1.2, sigma_range=0.15)(x), expected)
    assert float((expected - x).abs().max()) > 0.02


FILTERS = [name for name, cls in DEFENSES.items() if not cls.data]
"""Those of all pictures."""
SHOWN = [(name, images) for name in DEFENSES for images in (MNIST.images[:3], MNIST.images[:2].double())]
SHOWN += [(name, images) for name in FILTERS for images in (CIFAR.images[:3], CIFAR.images[:2].double())]


@pytest.mark.parametrize(("name", "images"), SHOWN)
def test_every_defence_keeps_shape_range_and_neighbours(name: str, images: torch.Tensor):
    defense = DEFENSES[name]()
    before = images.clone()
    found = defense(images)
    assert torch.equal(images, before)
    assert (found.shape, found.dtype) == (images.shape, images.dtype)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    assert not torch.equal(found, images)
    torch.testing.assert_close(found, torch.cat([defense(image[None]) for image in images]), atol=1e-6, rtol=0)
    assert torch.equal(found, defense(images.clone().requires_grad_()))


@pytest.mark.parametrize("name", DEFENSES)
def test_refusals(name: str):
    defense = DEFENSES[name]()
    with pytest.raises(ValueError, match=r"must have the shape \(N, C, H, W\)"):
        defense(MNIST.images[0])
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"images must lie in \[0, 1\]"):
            defense(torch.full((1, 1, 8, 8), wrong))


@pytest.mark.parametrize("name", DEFENSES)
def test_a_defended_network_is_the_network_of_what_the_defence_leaves(name: str):
    model, defense = models.load("mnist-fc2-ce"), DEFENSES[name]()
    defended = Defended(model, defense)
    x = MNIST.images[:4].clone().requires_grad_()
    assert DEFENSES[name] in suited("mnist").values()
    assert (name in suited("cifar10")) == (name in FILTERS)
    seen = defense(x).requires_grad_()
    assert torch.equal(defended(x.detach()), model(seen))
    assert torch.equal(defended(x), model(seen))
    assert torch.equal(defended.features(x), model.features(seen))
    assert defended.card == model.card
    assert not defended.training
    # What an attack gets is the gradient at what the network sees; through the defence where that has one.
    (found,) = torch.autograd.grad(defended(x).logsumexp(1).sum(), x)
    (expected,) = torch.autograd.grad(model(seen).logsumexp(1).sum(), seen)
    if defense.differentiable:
        (expected,) = torch.autograd.grad(defense.apply(x), x, expected)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert float(found.abs().max()) > 0
    twice = Defended(defended, BitDepth(bits=1))
    assert torch.equal(twice(x), defended(BitDepth(bits=1)(x)))


def test_a_bare_attack_is_squeezed_out_and_one_against_the_defence_is_not():
    """One bit takes what C&W adds to a digit away; an attack that knows of it comes through."""
    model, squeezing = models.load("mnist-c4-ce"), BitDepth(bits=1)
    defended = Defended(model, squeezing)
    x, y = MNIST.images[:8], MNIST.labels[:8]
    assert torch.equal(defended(x).argmax(1), y)
    bare = run(ATTACKS["ddn"](passes=20), model, x, y)
    assert bool(bare.success.all())
    assert int((defended(bare.adversarial).argmax(1) == y).sum()) >= 4
    knowing = run(ATTACKS["ifgsm"](epsilon=0.6), defended, x, y)
    assert int(knowing.success.sum()) >= 6
    assert torch.equal(knowing.success, defended(knowing.adversarial).argmax(1) != y)  # it was checked behind it
