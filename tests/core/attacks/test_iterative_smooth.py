"""IS against its own equation, written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from core.attacks import run
from core.attacks.iterative_smooth import IterativeSmooth
from core.filters import kernel, low_pass_matrix
from core.metrics import roughness
from tests.problems import Constant, linear, uniform


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(81, 16), nn.Tanh(), nn.Linear(16, 5)).requires_grad_(False)


@pytest.mark.parametrize("objective", ["cross-entropy", "log odds"])
def test_plain_descent_is_equation_12(objective):
    """Three steps with the step size halved after two; the gradient of Omega from explicit matrices."""
    model, images = network(), torch.full((2, 1, 9, 9), 0.5)
    labels = model(images).argmax(1)
    attack = IterativeSmooth(
        objective=objective, descent="gradient", descent_rate=0.01, halve_after=2, descent_steps=3, smoothness_weight=2
    )
    *_, last = attack.steps(model, images, labels)
    filter_1d = low_pass_matrix(kernel("gaussian", 1.0), 9, "reflect")
    rough = torch.eye(81) - torch.kron(filter_1d, filter_1d)
    r = torch.zeros(2, 81)
    for rate in (0.01, 0.01, 0.005):
        v = r.clone().requires_grad_(True)
        j = F.cross_entropy(model((images.flatten(1) + v).view_as(images)), labels, reduction="none")
        if objective == "log odds":
            j = j.expm1().log()  # p = exp(-J), so (1 - p)/p = exp(J) - 1
        (slope,) = torch.autograd.grad(j.sum(), v)
        r = r - rate * (2 * 2 * r @ rough.T @ rough - slope)
    assert not last.found.any()
    assert torch.allclose(last.images, images + r.view_as(images), atol=1e-6)
    assert torch.allclose(last.scalars["roughness"], (r @ rough.T).square().sum(1), rtol=1e-3)
    assert last.index == last.total == 4


def test_weight_makes_it_smoother():
    model, images = network(), uniform(40, 1, 9, 9) / 2 + 0.25
    labels = model(images).argmax(1)
    light, heavy = (
        run(IterativeSmooth(smoothness_weight=weight, descent_rate=0.01), model, images, labels) for weight in (0.01, 3)
    )
    assert all(light.success)
    both = light.success & heavy.success
    assert both.sum() >= 10
    share = [roughness(result.perturbation, 1.0, normalised=True)[both].mean() for result in (light, heavy)]
    assert share[1] < share[0] / 4


def test_log_odds_fool_a_network_that_is_sure():
    problem = linear(n=3, classes=4)
    problem.model.weights *= 1e5  # softmax is one and zero in float32
    problem.model.bias *= 1e5
    assert (F.cross_entropy(problem.model(problem.images), problem.labels, reduction="none") == 0).all()
    paper = run(IterativeSmooth.preset("paper, MNIST"), problem.model, problem.images, problem.labels)
    ours = run(IterativeSmooth(), problem.model, problem.images, problem.labels)
    assert paper.status == ("failed",) * 3
    assert ours.status == ("fooled",) * 3


@pytest.mark.parametrize(
    ("kind", "status"), [("without gradient", "failed"), ("zero gradient", "failed"), ("NaN", "not finite")]
)
def test_a_network_without_boundary_gives_a_clear_outcome(kind, status):
    images = torch.full((2, 1, 4, 4), 0.5)
    result = run(IterativeSmooth(descent_steps=5), Constant(kind), images, torch.zeros(2, dtype=torch.long))
    assert result.status == (status,) * 2
    assert torch.equal(result.images, result.adversarial)
