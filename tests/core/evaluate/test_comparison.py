"""Perturbations brought to one norm: the rule, its limits, and that the network is asked anew."""

import pytest
import torch

from core import data, models
from core.attacks import ATTACKS, run
from core.data import quantize
from core.evaluate.comparison import at_linf, at_norm, matched, unrounded
from core.metrics import l2, linf

MNIST = data.gallery.read("mnist")


def pair(n: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    x = MNIST.images[:n]
    r = 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return x, (x + r).clamp(0, 1)


@pytest.mark.parametrize("norm", [1e-3, 0.5, 2.0, 6.0])
def test_the_norm_is_met_after_clipping(norm: float):
    x, y = pair()
    scaled = at_norm(x, y, norm)
    assert (scaled >= 0).all()
    assert (scaled <= 1).all()
    torch.testing.assert_close(l2(scaled, x), torch.full((4,), norm), rtol=1e-4, atol=0)


def test_what_is_to_be_scaled_is_not_rounded():
    rounded = ATTACKS["cw"](quantised=True, margin=2.0)
    assert unrounded(rounded) == ATTACKS["cw"](quantised=False, margin=2.0)
    for attack in (ATTACKS["cw"](), ATTACKS["smoothfool"]()):
        assert unrounded(attack) is attack


def test_it_is_scaling_then_clipping():
    x, y = torch.tensor([0.5, 0.9]).view(1, 1, 1, 2), torch.tensor([0.4, 0.95]).view(1, 1, 1, 2)
    # Unclipped up to t = 2; beyond, the second pixel stays white: 0.01 t² + 0.01 = norm².
    torch.testing.assert_close(at_norm(x, y, 0.05**0.5 / 2), x + 1.0 * (y - x))
    torch.testing.assert_close(at_norm(x, y, 0.17**0.5), torch.tensor([0.1, 1.0]).view(1, 1, 1, 2))


def test_what_cannot_be_scaled():
    x, y = pair(2)
    y[1] = x[1]
    scaled = at_norm(x, y, 1.0)
    assert torch.equal(scaled[1], x[1])
    assert float(l2(scaled[:1], x[:1])) == pytest.approx(1.0, rel=1e-5)
    # Further than black and white it cannot go.
    far = at_norm(x[:1], y[:1], 1000.0)
    moved = y[:1] != x[:1]
    assert ((far == 0) | (far == 1))[moved].all()


def test_the_largest_change_is_scaled_then_clipped():
    x, y = torch.tensor([0.5, 0.9]).view(1, 1, 1, 2), torch.tensor([0.4, 0.95]).view(1, 1, 1, 2)
    torch.testing.assert_close(at_linf(x, y, 0.05), torch.tensor([0.45, 0.925]).view(1, 1, 1, 2))
    torch.testing.assert_close(at_linf(x, y, 0.4), torch.tensor([0.1, 1.0]).view(1, 1, 1, 2))
    assert torch.equal(at_linf(x, x, 0.1), x)
    x, y = pair()
    assert (linf(at_linf(x, y, 16 / 255), x) <= 16 / 255 + 1e-6).all()
    with pytest.raises(ValueError, match=r"norm must be above 0; got 0\."):
        at_linf(x, y, 0.0)


def test_refusals():
    x, y = pair()
    with pytest.raises(ValueError, match=r"norm must be above 0; got 0\."):
        at_norm(x, y, 0.0)
    with pytest.raises(ValueError, match="shape of images"):
        at_norm(x, y[:1], 1.0)


def test_the_network_is_asked_anew():
    model = models.load("mnist-c4-ce")
    result = run(ATTACKS["ddn"](passes=20), model, MNIST.images[:3], MNIST.labels[:3])
    assert result.status == ("fooled",) * 3
    small, large = matched(result, model, 0.1), matched(result, model, 4.0)
    assert small.status == ("failed",) * 3  # no digit is that near to another
    assert large.status == ("fooled",) * 3
    for scaled in (small, large):
        assert torch.equal(scaled.logits, model(scaled.adversarial))
        assert torch.equal(scaled.logits_8bit, model(quantize(scaled.adversarial)))
        assert scaled.parameters == result.parameters
    torch.testing.assert_close(large.l2, torch.full((3,), 4.0), rtol=1e-4, atol=0)


def test_what_was_not_attacked_stays():
    model = models.load("mnist-c4-ce")
    label = (MNIST.labels[:1] + 1) % 10
    result = run(ATTACKS["fgsm"](), model, MNIST.images[:1], label)
    assert result.status == ("already misclassified",)
    same = matched(result, model, 1.0)
    assert same.status == result.status
    assert torch.equal(same.adversarial, result.adversarial)
