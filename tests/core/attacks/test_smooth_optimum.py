"""sC&W and sDDN with rho > 0: the minimiser of |r|_K on the boundary, with K an explicit matrix in double precision."""

import itertools

import pytest
import torch

from core.attacks import ATTACKS, SmoothCarliniWagner, SmoothDDN, run
from core.graph import GraphEnergy
from core.metrics import l2, roughness
from tests.core.attacks.test_gradient import Small
from tests.core.graph.test_energy import explicit
from tests.problems import linear

BOTH = pytest.mark.parametrize(
    "attack", [SmoothCarliniWagner(margin=0, iterations=100), SmoothDDN(passes=100)], ids=lambda a: a.name
)


def smoothest(problem, attack):
    """gap K^-1 w / (w.K^-1 w)."""
    rows, graph = [], attack.graph(problem.images.double())
    for i in range(len(problem.images)):
        w = problem.normal[i].double().flatten(1)  # (C, n): the channels share a graph
        kw = torch.linalg.solve(explicit(graph, attack.rho, i), w.T).T
        rows.append(problem.gap[i] * kw / (w * kw).sum())
    return torch.stack(rows).view_as(problem.images)


@BOTH
@pytest.mark.parametrize("rho", [0.5, 5.0, 100.0])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 7)])
def test_on_a_linear_classifier_it_is_the_closed_form(attack, shape, rho):
    problem, attack = linear(n=6, shape=shape, deviation=0.03), attack.replace(rho=rho)
    if attack.name == "scw":
        attack = attack.replace(iterations=200)
    expected = smoothest(problem, attack)
    inside = problem.images + 1.05 * expected
    assert bool(((inside > 0) & (inside < 1)).all())  # else the closed form would not hold
    result = run(attack, problem.model, problem.images, problem.labels)
    assert result.status == ("fooled",) * 6
    energy = GraphEnergy(attack.graph(problem.images), rho)
    assert bool((energy(result.perturbation) >= energy(expected.float()) * (1 - 1e-4)).all())
    assert bool((l2(result.perturbation - expected) <= 0.02 * l2(expected)).all())


def test_the_closed_form_is_the_smoothest_point_of_the_boundary():
    problem, attack = linear(n=1), SmoothDDN(rho=5.0)
    r, w = smoothest(problem, attack).flatten().double(), problem.normal.double().flatten()
    K = explicit(attack.graph(problem.images.double()), 5.0)
    assert float(w @ r) == pytest.approx(float(problem.gap), rel=1e-6)
    for seed in range(20):
        other = torch.randn(len(r), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        other = other - (w @ other) / (w @ w) * w  # along the boundary
        assert (r + 0.1 * other) @ K @ (r + 0.1 * other) > r @ K @ r


def curved():
    """A small network, images with black and white among their pixels, and the labels it gives them."""
    images = (2 * torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5).clamp(0, 1)
    model = Small(64, 4, 0)
    return model, images, model(images).argmax(1)


@BOTH
def test_the_number_of_passes_does_not_change_it(attack):
    """100 and 1000 passes, on a network that is not linear and pictures that are clipped: as published it goes on."""
    model, images, labels = curved()
    budget = "passes" if attack.name == "sddn" else "iterations"
    results = [run(attack.replace(rho=10.0, **{budget: n}), model, images, labels).perturbation for n in (100, 1000)]
    for measured in (l2, lambda r: roughness(r, 1.0, True)):
        few, many = (float(measured(r).mean()) for r in results)
        assert few == pytest.approx(many, rel=0.02)


@BOTH
def test_the_larger_rho_the_smoother_and_the_longer(attack):
    problem = linear(n=4, shape=(1, 10, 10), deviation=0.03)
    results = [run(attack.replace(rho=rho), problem.model, problem.images, problem.labels) for rho in (0.5, 5.0, 50.0)]
    energies = [attack.replace(rho=1e5).energy(problem.images)(r.perturbation) / r.l2**2 for r in results]
    for a, b in itertools.pairwise(results):
        assert bool((a.l2 < b.l2).all())
    for a, b in itertools.pairwise(energies):
        assert bool((a > b).all())


@BOTH
def test_what_alpha_says_is_then_without_effect(attack):
    problem = linear(n=2)
    a, b = (
        run(attack.replace(rho=3.0, alpha=alpha), problem.model, problem.images, problem.labels)
        for alpha in (0.0, 0.99)
    )
    assert torch.equal(a.adversarial, b.adversarial)


@BOTH
def test_an_image_that_cannot_be_fooled_stays_within_the_picture(attack):
    """The norm grows as long as nothing fools, up to what any picture has."""
    problem = linear(n=2)
    problem.model.weights.mul_(1e-4)
    problem.model.bias.fill_(0)
    problem.model.bias[0] = 1e3
    labels = torch.zeros(2, dtype=torch.long)
    result = run(attack.replace(rho=10.0), problem.model, problem.images, labels)
    assert result.status == ("failed", "failed")
    assert bool(result.adversarial.isfinite().all())


@pytest.mark.parametrize("name", ["scw", "sddn"])
def test_the_default_is_the_published_objective(name):
    assert ATTACKS[name]().rho == 0
    assert all(values.get("rho", 0) == 0 for key, values in ATTACKS[name].presets.items() if key.startswith("paper"))


def test_the_penalty_of_equation_14_knows_no_rho():
    problem = linear(n=2)
    results = [
        run(SmoothCarliniWagner(smoothness="penalty", rho=rho, iterations=10), problem.model, problem.images, labels)
        for rho in (0.0, 9.0)
        for labels in [problem.labels]
    ]
    assert torch.equal(results[0].adversarial, results[1].adversarial)
