"""SPSA: an unbiased estimate from questions alone."""

import pytest
import torch
from torch import Tensor, nn

from core.attacks import run
from core.attacks.gradient import Search
from core.attacks.spsa import SPSA
from tests.problems import linear


def test_the_estimate_is_the_gradient_of_the_lead():
    """On a linear classifier every draw is (w.v) v, whose mean is w; its error falls with the number of draws."""
    problem = linear(n=3, classes=2, seed=1)
    search = Search(problem.model, problem.images, problem.labels, 1)
    errors = []
    for samples in (2_000, 32_000):
        estimate = SPSA(samples=samples)._estimate(search, problem.images, torch.Generator().manual_seed(0))
        estimate = estimate / samples / 0.01  # samples / 2 pairs, 2 delta apart
        errors.append(float((estimate - problem.normal).norm() / problem.normal.norm()))
    # A pair's relative error is sqrt(d - 1), d = 64 values.
    assert errors[0] == pytest.approx((63 / 1_000) ** 0.5, rel=0.2)
    assert errors[1] == pytest.approx((63 / 16_000) ** 0.5, rel=0.2)


def test_nothing_is_differentiated_and_questions_stay_in_range():
    problem = linear(n=4, classes=3, seed=2)
    asked = []

    class Oracle(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert not torch.is_grad_enabled()
            assert bool(((x >= 0) & (x <= 1)).all())
            asked.append(len(x))
            return problem.model(x)

    images = problem.images.clone()
    images[:, :, :2] = 0
    images[:, :, 2:4] = 1
    labels = problem.model(images).argmax(1)
    result = run(SPSA(epsilon=0.3, adam_step=0.03, samples=64, rounds=30), Oracle(), images, labels)
    assert result.status == ("fooled",) * 4
    rounds = len(result.trace["step"])
    assert sum(asked) <= 4 * (3 + rounds * 65)  # three passes are the run's own


def test_chunks_of_questions_make_no_difference(monkeypatch):
    problem = linear(n=4, classes=3, seed=2)
    search = Search(problem.model, problem.images, problem.labels, 1)
    whole = SPSA(samples=50)._estimate(search, problem.images, torch.Generator().manual_seed(0))
    monkeypatch.setattr("core.attacks.spsa._AT_ONCE", 7 * problem.images.numel())
    parts = SPSA(samples=50)._estimate(search, problem.images, torch.Generator().manual_seed(0))
    assert torch.allclose(whole, parts, atol=1e-4)
