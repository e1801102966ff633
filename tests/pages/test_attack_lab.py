"""The Attack lab: every picture and every number on the page is what core computes, and nothing is computed twice."""

import numpy as np
import pytest
import torch
from driver import Lab, levels

from core import data, models
from core.attacks import ATTACKS, AttackResult, run
from core.magnify import display_scale, magnify, to_display
from core.metrics import l2, linf, psnr, roughness, ssim

MNIST = data.gallery.read("mnist")
SHORT = {"iterations": 10, "search_steps": 2}


def computed(attack: str, row: int = 0, seed: int = 0, **values) -> AttackResult:
    """The same attack, run directly: no page, no thread, no cache."""
    made = ATTACKS[attack].preset("paper, MNIST", **values)
    return run(made, models.load("mnist-c4-ce"), MNIST.images[row : row + 1], MNIST.labels[row : row + 1], seed)


def percent(logits: torch.Tensor) -> list[str]:
    return [f"{100 * p:.1f} %" for p in logits.double().softmax(0).sort(descending=True).values[:3].tolist()]


def on_one_scale(*pictures: torch.Tensor, **parameters) -> list[np.ndarray]:
    return [levels(shown[0]) for shown in to_display([magnify(picture, **parameters) for picture in pictures])]


def test_opens_with_a_picture_and_its_magnification(lab: Lab):
    assert list(lab.pictures) == ["Original", "Magnified original"]
    picture = MNIST.images[:1]
    np.testing.assert_array_equal(lab.pictures["Original"].levels, levels(picture[0]))
    (expected,) = on_one_scale(picture, beta=0.8, sigma_domain=3.0, sigma_range=0.2)
    np.testing.assert_array_equal(lab.pictures["Magnified original"].levels, expected)
    logits = models.load("mnist-c4-ce")(picture)[0]
    assert [value for _, value in lab.bars] == percent(logits)
    assert lab.verdict is None


@pytest.mark.parametrize(("attack", "values"), [("scw", SHORT), ("cw", {"iterations": 40, "search_steps": 2})])
def test_pictures_and_numbers_are_those_of_core(lab: Lab, attack: str, values: dict):
    if attack != lab.attack:
        lab.choose(attack)
    lab.move("gain", "×5")
    lab.run(**values)
    expected = computed(attack, **values)
    assert expected.status == ("fooled",)

    pictures = lab.pictures
    titles = ["Original", "Adversarial", "Perturbation", "Magnified original", "Magnified adversarial"]
    assert list(pictures) == titles
    eight_bit = (expected.adversarial * 255).round() / 255
    np.testing.assert_array_equal(pictures["Original"].levels, levels(expected.images[0]))
    np.testing.assert_array_equal(pictures["Adversarial"].levels, levels(eight_bit[0]))
    r = (expected.adversarial - expected.images)[0]
    np.testing.assert_array_equal(pictures["Perturbation"].levels, levels((0.5 + 5 * r).clamp(0, 1)))
    assert "×5," in pictures["Perturbation"].note
    pair = on_one_scale(expected.images, eight_bit, beta=0.8, sigma_domain=3.0, sigma_range=0.2)
    np.testing.assert_array_equal(pictures["Magnified original"].levels, pair[0])
    np.testing.assert_array_equal(pictures["Magnified adversarial"].levels, pair[1])
    limit = display_scale([magnify(x, 0.8, 3.0, 0.2) for x in (expected.images, eight_bit)]).limit
    assert f"+{limit:.1f} σ" in pictures["Magnified original"].note
    assert pictures["Magnified original"].note == pictures["Magnified adversarial"].note

    model = models.load("mnist-c4-ce")
    before, after = model(expected.images)[0], model(expected.adversarial)[0]
    names = MNIST.classes
    assert lab.verdict == f"{names[int(before.argmax())]} is now {names[int(after.argmax())]}"
    assert [value for _, value in lab.bars] == percent(before) + percent(after)
    still = bool(model(eight_bit).argmax() != expected.labels[0])
    assert pictures["Adversarial"].note == ("in 8 bits: still fools" if still else "in 8 bits: no longer fools")

    table = lab.table
    perturbation, images = r[None], expected.images
    assert table.pop("L2") == f"{l2(perturbation)[0]:.3f}"
    assert table.pop("L∞") == f"{255 * linf(perturbation)[0]:.1f}/255"
    assert table.pop("Ω × 10³") == f"{1e3 * roughness(perturbation, 1.0)[0]:.3g}"
    assert table.pop("Ω / L2² × 10³") == f"{1e3 * roughness(perturbation, 1.0, normalised=True)[0]:.3g}"
    assert table.pop("SSIM") == f"{ssim(images, expected.adversarial)[0]:.4f}"
    assert table.pop("PSNR") == f"{psnr(images, expected.adversarial)[0]:.1f} dB"
    assert table.pop("Fools in 8 bits") == ("yes" if still else "no")
    assert table.pop("Steps") == str(values["iterations"] * values["search_steps"])
    assert table.pop("Time").endswith(" s")
    assert not table, "a number that no test compares"
