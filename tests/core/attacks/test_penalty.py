"""The pairwise penalty of eq. 14, the paper's counter-example, as a mode of sC&W."""

import pytest
import torch

from core.attacks import run
from core.attacks.scw import SmoothCarliniWagner, pairwise
from core.graph import PixelGraph
from core.metrics import roughness
from tests.problems import linear


@pytest.fixture(scope="module")
def graph():
    return PixelGraph(torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))


def test_it_is_the_double_sum_over_pixels(graph):
    r = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for image in range(2):
        W = torch.zeros(20, 20, dtype=torch.float64)
        first, second = graph.edges
        W[first, second] = W[second, first] = graph.weights[image, 0]
        hat = r[image].flatten(1) / W.sum(1).sqrt()
        differences = (hat[:, :, None] - hat[:, None, :]).square().sum(0)
        assert float(pairwise(r, graph)[image]) == pytest.approx(float((W * differences).sum()), rel=1e-12)


def test_its_gradient_is_that_of_the_quadratic_form(graph):
    r = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    (gradient,) = torch.autograd.grad(pairwise(r, graph).sum(), r)
    for image in range(2):
        matrix = torch.eye(20) - graph.dense(image)
        expected = 4 * r[image].detach().flatten(1) @ matrix
        assert torch.allclose(gradient[image].flatten(1), expected, atol=1e-12)
    assert torch.autograd.gradcheck(lambda v: pairwise(v, graph), r)


def test_it_vanishes_on_the_square_root_of_the_degrees_alone(graph):
    flat = graph.degrees.sqrt().view(2, 1, 4, 5).expand(2, 3, 4, 5)
    assert bool((pairwise(flat, graph).abs() < 1e-12).all())
    assert bool((pairwise(torch.ones(2, 3, 4, 5, dtype=torch.float64), graph) > 1e-3).all())


def test_as_an_attack_it_fools_and_mu_smooths():
    problem = linear(n=4, shape=(1, 10, 10), classes=3)
    rough = []
    for mu in (0.001, 10.0):
        attack = SmoothCarliniWagner(
            smoothness="penalty", mu=mu, margin=0, learning_rate=0.01, search_steps=6, iterations=60
        )
        result = run(attack, problem.model, problem.images, problem.labels)
        assert result.status == ("fooled",) * 4
        rough.append(roughness(result.perturbation, 1.0, True))
    assert bool((rough[1] < rough[0]).all())
    assert rough[1].mean() < 0.8 * rough[0].mean()


def test_alpha_means_nothing_to_it():
    problem = linear(n=2)
    results = [
        run(
            SmoothCarliniWagner(smoothness="penalty", alpha=a, iterations=10),
            problem.model,
            problem.images,
            problem.labels,
        )
        for a in (0.0, 0.99)
    ]
    assert torch.equal(results[0].adversarial, results[1].adversarial)
