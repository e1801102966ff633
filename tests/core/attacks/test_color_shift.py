"""CS: colours against scikit-image's, shifts against what they promise."""

import colorsys

import pytest
import torch
from skimage.color import hsv2rgb, rgb2hsv
from torch import Tensor, nn

from core.attacks import run
from core.attacks.color_shift import ColorShift, from_hsv, to_hsv
from tests.problems import Constant, uniform


def test_hsv_agrees_with_scikit_image_and_the_standard_library():
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    corners = torch.tensor([[r, g, b] for r in (0.0, 0.5, 1) for g in (0.0, 0.5, 1) for b in (0.0, 0.5, 1)])
    for x in (images, corners.T.reshape(1, 3, 3, 9)):
        assert torch.allclose(from_hsv(to_hsv(x)), x, atol=1e-6)
        assert torch.allclose(to_hsv(x), torch.from_numpy(rgb2hsv(x.numpy(), channel_axis=1)), atol=1e-6)
    assert torch.allclose(from_hsv(images), torch.from_numpy(hsv2rgb(images.numpy(), channel_axis=1)), atol=1e-5)
    pixel = images[0, :, 0, 0].double()
    assert from_hsv(pixel.view(1, 3, 1, 1)).flatten().tolist() == pytest.approx(colorsys.hsv_to_rgb(*pixel.tolist()))


def test_hue_is_a_circle():
    hsv = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    turned = hsv + torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    assert torch.allclose(from_hsv(hsv), from_hsv(turned), atol=1e-5)


class Redness(nn.Module):
    """Class 0 while red is the strongest colour on average by more than a threshold."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        means = x.mean((2, 3))
        return torch.stack([means[:, 0] - self.threshold, means[:, 1:].amax(1)], 1)


def reddish(n: int = 6) -> Tensor:
    images = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(0)) / 2
    images[:, 0] += 0.5
    return images


def test_only_hue_and_saturation_change_and_finished_images_leave():
    images, model = reddish(), Redness(0.1)
    labels = torch.zeros(6, dtype=torch.long)
    result = run(ColorShift(), model, images, labels, seed=3)
    assert all(result.success)
    value = images.amax(1), result.adversarial.amax(1)
    assert torch.allclose(*value, atol=1e-5)
    assert 1 < len(result.trace["step"]) < 100
    in_trials = model.seen[1:-2]  # before: the clean images; after: the checks of the result
    assert in_trials == sorted(in_trials, reverse=True)
    assert in_trials[-1] < 6
    before, after = to_hsv(images), to_hsv(result.adversarial)
    turn = ((after - before)[:, 0] % 1).flatten(1)
    turn = torch.where(turn > 0.999, 0.0, turn)
    assert (turn.amax(1) - turn.amin(1) < 1e-3).all()


def test_the_first_trial_leaves_the_saturation_alone_and_a_seed_repeats():
    images, labels = reddish(), torch.zeros(6, dtype=torch.long)
    first = run(ColorShift(color_trials=1), Redness(-2.0), images, labels, seed=1)
    assert first.status == ("failed",) * 6
    step = next(ColorShift().steps(Redness(-2.0), images, labels, torch.Generator().manual_seed(0)))
    assert torch.equal(step.scalars["saturation"], torch.zeros(6))
    assert (to_hsv(step.images)[:, 1] - to_hsv(images)[:, 1]).abs().max() < 1e-5
    a, b, other = (run(ColorShift(), Redness(0.1), images, labels, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(a.adversarial, b.adversarial)
    assert not torch.equal(a.adversarial, other.adversarial)


def test_what_an_image_gets_does_not_depend_on_which_others_have_left():
    images, labels = reddish(), torch.zeros(6, dtype=torch.long)
    reference = torch.Generator().manual_seed(5)
    left = torch.zeros(6, dtype=torch.bool)
    for step in ColorShift().steps(Redness(0.1), images, labels, torch.Generator().manual_seed(5)):
        turns, _ = torch.rand(2, 6, generator=reference)
        assert torch.equal(step.scalars["hue"][~left], turns[~left])
        left = step.found.clone()
    assert left.all()


def test_grey_images_are_refused():
    with pytest.raises(ValueError, match="three colours"):
        run(ColorShift(), Constant("zero gradient"), uniform(2, 1, 4, 4), torch.zeros(2, dtype=torch.long))


def test_one_class_for_everything_fails_after_all_trials():
    images = uniform(2, 3, 4, 4)
    result = run(ColorShift(color_trials=7), Constant("without gradient"), images, torch.zeros(2, dtype=torch.long))
    assert result.status == ("failed",) * 2
    assert len(result.trace["step"]) == 7


def test_nan_logits_leave():
    class Breaks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits = torch.tensor([[1.0, 0.0]]).repeat(len(x), 1)
            return logits if torch.equal(x, images) else logits * torch.nan

    images = reddish(2)
    result = run(ColorShift(), Breaks(), images, torch.zeros(2, dtype=torch.long))
    assert result.status == ("not finite",) * 2
    assert len(result.trace["step"]) == 1
