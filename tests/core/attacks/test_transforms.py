"""Noise and rotations against exact transforms."""

import pytest
import torch
from torch import Tensor, nn

from core.attacks import run
from core.attacks.transforms import Noise, Rotation, transform
from tests.problems import linear, uniform


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_quarter_turns_and_whole_shifts_are_exact(padding):
    images = uniform(2, 3, 6, 6)
    assert torch.allclose(transform(images, 0, 0, 0, padding), images, atol=1e-6)
    for quarters in (1, 2, 3):
        turned = transform(images, 90.0 * quarters, 0, 0, padding)
        assert torch.allclose(turned, torch.rot90(images, quarters, (2, 3)), atol=1e-5)
    moved = transform(images, 0, 2, 1, padding)  # right by two, down by one
    assert torch.allclose(moved[:, :, 1:, 2:], images[:, :, :-1, :-2], atol=1e-5)
    if padding == "zeros":
        assert moved[:, :, 0].abs().max() < 1e-5
        assert moved[:, :, :, :2].abs().max() < 1e-5


def test_an_oblong_picture_is_turned_without_shearing():
    images = torch.zeros(1, 1, 5, 9)
    images[0, 0, 2, 6] = 1  # two to the right of the centre
    turned = transform(images, 90, 0, 0)
    assert turned[0, 0, 0, 4] == pytest.approx(1, abs=1e-5)  # two above it
    assert float(turned.sum()) == pytest.approx(1, abs=1e-5)


def test_turn_first_then_shift():
    images = uniform(1, 1, 7, 7)
    both = transform(images, 90, 1, 0)
    assert torch.allclose(both, transform(transform(images, 90, 0, 0), 0, 1, 0), atol=1e-5)


def test_the_grid_goes_from_least_to_most_transformed_and_leaves_out_the_clean_image():
    attack = Rotation(max_angle=30, angles=5, max_shift=2, shifts=3)
    poses = attack.poses()
    assert len(poses) == len(set(poses)) == 5 * 3 * 3 - 1
    assert {p[0] for p in poses} == {-30, -15, 0, 15, 30}
    assert {p[1] for p in poses} == {p[2] for p in poses} == {-2, 0, 2}
    amounts = [attack.amount(p) for p in poses]
    assert amounts == sorted(amounts)
    assert amounts[0] == 0.5
    assert attack.amount((30, 0, 0)) == attack.amount((0, 2, 0)) == 1


class Upright(nn.Module):
    """Names class 0 while the bar stands upright within 25 degrees or so, else class 1."""

    def forward(self, x: Tensor) -> Tensor:
        column = x[:, 0, :, 7].sum(1)  # of 15 rows
        return torch.stack([column, torch.full_like(column, 9.0)], dim=1)


def test_the_least_turn_that_fools_is_kept():
    images = torch.zeros(1, 1, 15, 15)
    images[..., 7] = 1
    labels = torch.tensor([0])
    attack = Rotation(max_angle=40, angles=9, max_shift=0, shifts=1)
    result = run(attack, Upright(), images, labels)
    assert result.status == ("fooled",)
    expected = next(p for p in attack.poses() if Upright()(transform(images, *p)).argmax() == 1)
    assert torch.equal(result.adversarial, transform(images, *expected))
    assert result.trace["angle"][-1, 0] == expected[0] != 0
    assert len(result.trace["step"]) == attack.poses().index(expected) + 1


def test_no_room_to_turn_fails():
    attack = Rotation(max_angle=0, max_shift=0)
    result = run(attack, Upright(), torch.ones(1, 1, 15, 15), torch.tensor([0]))
    assert result.status == ("failed",)
    assert torch.allclose(result.adversarial, result.images)


@pytest.mark.parametrize(("distribution", "deviation"), [("gaussian", 0.1), ("uniform", 0.1 / 3**0.5)])
def test_noise_has_the_strength_it_says(distribution, deviation):
    images = torch.full((1, 1, 100, 100), 0.5)
    model = linear(n=1, shape=(1, 100, 100)).model
    attack = Noise(distribution=distribution, noise_bound=0.2, levels=4, trials=3)
    levels = []
    for step in attack.steps(Never(model), images, torch.tensor([0]), torch.Generator().manual_seed(0)):
        levels.append(float(step.scalars["level"]))
        if step.index == 5:  # the second level
            r = step.images - images
            assert float(r.std()) == pytest.approx(deviation, rel=0.05)
            assert distribution == "gaussian" or r.abs().max() <= 0.1
    assert levels == pytest.approx([0.05] * 3 + [0.1] * 3 + [0.15] * 3 + [0.2] * 3)


class Never(nn.Module):
    """Is never fooled, though its logits follow those of another network."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        logits = self.model(x)
        return logits + torch.eye(logits.shape[1])[0] * (logits.amax(1, keepdim=True) - logits[:, :1] + 1)


def test_noise_is_reproducible_and_the_weakest_that_fools():
    problem = linear(n=5, classes=4, seed=2)
    results = [run(Noise(), problem.model, problem.images, problem.labels, seed=s) for s in (0, 0, 1)]
    assert torch.equal(results[0].adversarial, results[1].adversarial)
    assert not torch.equal(results[0].adversarial, results[2].adversarial)
    assert results[0].status == ("fooled",) * 5
    # Noise of n values needs about sqrt(n) times the shortest perturbation's norm, and never less than that.
    assert bool((results[0].l2 > problem.nearest.flatten(1).norm(dim=1)).all())
