"""Attacks towards a chosen class: what they reach is that class, and on a linear network the nearest point of it."""

import pytest
import torch

from core import data, models
from core.attacks import ATTACKS, run
from core.attacks.aim import Aimed, Aiming
from core.params import quick

AIMING = [name for name, cls in ATTACKS.items() if issubclass(cls, Aiming)]
MNIST = data.gallery.read("mnist")


class Linear(torch.nn.Module):
    """Three classes in the plane of two pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 1.0]])
        self.bias = torch.tensor([0.0, -2.2, -0.9])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ self.weights.T + self.bias


def test_which_attacks_can_aim():
    assert AIMING == ["cw", "scw", "deepfool", "smoothfool"]


def test_the_network_as_it_is_asked_about_one_class():
    logits = torch.tensor([[1.0, 5.0, 3.0], [9.0, -1.0, 2.0]])
    for target in range(3):
        others = [k for k in range(3) if k != target]
        expected = torch.stack([logits[:, others].amax(1), logits[:, target]], 1)
        assert torch.equal(Aimed(torch.nn.Identity(), target)(logits), expected)


@pytest.mark.parametrize("name", ["cw", "deepfool"])
def test_the_nearest_point_of_the_target_and_not_the_nearest_boundary(name: str):
    x, y = torch.full((1, 1, 1, 2), 0.5), torch.tensor([0])
    for target, distance in ((1, 0.05), (2, 0.4)):  # by hand: the first class is much nearer
        values = {"margin": 0.0, "iterations": 200} if name == "cw" else {}
        attack = ATTACKS[name](target=target, push=False, **values)
        result = run(attack, Linear(), x, y)
        assert result.status == ("fooled",)
        assert result.targets.tolist() == [target]
        assert result.predictions.tolist() == [target]
        assert float(result.l2[0]) == pytest.approx(distance, rel=0.06)
    assert int(run(ATTACKS[name](), Linear(), x, y).predictions[0]) == 1


@pytest.mark.parametrize("name", AIMING)
def test_every_image_is_taken_for_the_target_or_reported(name: str):
    attack = ATTACKS[name](**quick(ATTACKS[name]) | {"target": 8})
    result = run(attack, models.load("mnist-c4-ce"), MNIST.images[:300:30], MNIST.labels[:300:30])
    own = result.labels == 8
    fooled = result.success
    assert fooled.sum() >= (1 if name == "smoothfool" else 3)
    assert (result.predictions[fooled] == 8).all()
    assert not fooled[own].any()
    unchanged = result.images[own]
    assert torch.equal(result.adversarial[own], unchanged)


def test_an_image_of_the_target_itself_is_left_as_it_is():
    own = MNIST.labels == 8
    result = run(ATTACKS["deepfool"](target=8), models.load("mnist-c4-ce"), MNIST.images[own], MNIST.labels[own])
    assert set(result.status) == {"failed", "already misclassified"}
    assert torch.equal(result.adversarial, result.images)


def test_a_class_that_the_network_does_not_know():
    with pytest.raises(ValueError, match="target must be below 10, the number of classes; got 10"):
        run(ATTACKS["cw"](target=10), models.load("mnist-c4-ce"), MNIST.images[:1], MNIST.labels[:1])
