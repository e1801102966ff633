"""sC&W against closed forms on linear classifiers, with the smoothing written as an explicit matrix."""

import pytest
import torch

from core.attacks import CarliniWagner, SmoothCarliniWagner, run
from core.attacks.cw import reach
from core.attacks.scw import Smooth
from core.graph import PixelGraph, Smoother
from core.metrics import l2, roughness
from tests.problems import Linear, linear


def smoothing_matrix(graph, alpha, image=0):
    """S of s^_alpha, eqs. 8 and 9: diag(L^-1 1)^-1 L^-1 with L = (I - alpha W) / (1 - alpha)."""
    dense = graph.dense(image).double()
    inverse = torch.linalg.inv((torch.eye(len(dense)) - alpha * dense) / (1 - alpha))
    return inverse / inverse.sum(1, keepdim=True)


def smooth_problem(alpha, seed=0, shape=(1, 8, 8)):
    """An image and a linear classifier whose w is smooth on it: w = s^_alpha of noise that is smooth already."""
    problem = linear(n=1, shape=shape, seed=seed)
    smoother = Smoother(PixelGraph(problem.images), alpha)
    w = smoother(smoother(problem.normal)).flatten()
    weights = torch.stack([torch.zeros_like(w), w])
    gap = 0.05 * float(w.norm())
    bias = torch.tensor([0.0, float(-(problem.images.flatten() @ w)) - gap])
    return Linear(weights, bias), problem.images, torch.tensor([0]), gap, w


@pytest.mark.parametrize("alpha", [0.5, 0.95, 0.997])
def test_the_nearest_point_of_the_smooth_manifold_is_the_nearest_point(alpha):
    """min |S z|^2 with w.(S z) = gap, solved as it stands by its Lagrange conditions, is gap w / |w|^2: S is
    invertible, so no perturbation is excluded, and that is what sC&W must converge to."""
    problem = linear(n=1)
    S = smoothing_matrix(PixelGraph(problem.images.double()), alpha)
    w = problem.normal[0].flatten().double()
    n = len(w)
    conditions = torch.zeros(n + 1, n + 1, dtype=torch.float64)
    conditions[:n, :n] = 2 * S.T @ S
    conditions[:n, n] = conditions[n, :n] = S.T @ w
    right = torch.zeros(n + 1, dtype=torch.float64)
    right[n] = problem.gap[0]
    z = torch.linalg.solve(conditions, right)[:n]
    assert torch.allclose(S @ z, problem.nearest.flatten().double(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("alpha", [0.5, 0.95, 0.997])
def test_on_a_smooth_linear_classifier_it_reaches_the_closed_form(alpha):
    model, images, labels, gap, w = smooth_problem(alpha)
    nearest = (gap * w / w.square().sum()).view_as(images)
    assert bool(((images + 1.2 * nearest > 0) & (images + 1.2 * nearest < 1)).all())  # else it would not hold
    result = run(SmoothCarliniWagner(alpha=alpha, margin=0, iterations=100), model, images, labels)
    assert result.status == ("fooled",)
    assert float(l2(nearest)) * (1 - 1e-4) <= float(result.l2) <= 1.05 * float(l2(nearest))


@pytest.mark.parametrize("classes", [2, 5])
def test_on_any_linear_classifier_it_approaches_the_closed_form_from_smooth_to_rough(classes):
    """Adam walks in z, from z = 0: what is smooth comes first. The longer it walks, the shorter and the rougher."""
    problem = linear(n=4, classes=classes, deviation=0.02)
    results = [
        run(SmoothCarliniWagner(alpha=0.95, margin=0, iterations=n), problem.model, problem.images, problem.labels)
        for n in (15, 60, 600)
    ]
    lengths = [float(r.l2.mean()) for r in results]
    rough = [float(roughness(r.perturbation, 1.0, True).mean()) for r in results]
    shortest = float(l2(problem.nearest).mean())
    assert all(r.status == ("fooled",) * 4 for r in results)
    assert lengths[0] > lengths[1] > lengths[2] >= shortest * (1 - 1e-4)
    assert lengths[2] <= 1.01 * shortest
    assert 2 * rough[0] < rough[1] < 0.95 * rough[2]


@pytest.mark.parametrize("shape", [(1, 10, 10), (3, 8, 9)])
def test_it_is_smoother_than_the_unsmoothed_attack(shape):
    problem = linear(n=4, shape=shape, classes=3)
    few = SmoothCarliniWagner(margin=0, iterations=50)  # as published it is smooth because it stops early
    smooth, sharp = (
        run(attack, problem.model, problem.images, problem.labels) for attack in (few, few.replace(alpha=0))
    )
    assert smooth.status == sharp.status == ("fooled",) * 4
    omega = [roughness(r.perturbation, 1.0, True) for r in (smooth, sharp)]
    assert bool((omega[0] < 0.85 * omega[1]).all())


def test_every_iterate_is_the_clipped_smoothing_of_its_latent():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 5, 6, generator=generator, dtype=torch.float64)
    attack = SmoothCarliniWagner(alpha=0.9)
    variable = attack.variable(images)
    z = torch.randn(2, 3, 5, 6, generator=generator, dtype=torch.float64)
    x, r = variable.image(z, images)
    for i in range(2):
        S = smoothing_matrix(attack.graph(images), 0.9, i)
        expected = (z[i].flatten(1) @ S.T).view(3, 5, 6)
        assert torch.allclose(r[i], expected, atol=1e-10)
        assert torch.allclose(x[i], (images[i] + expected).clamp(0, 1), atol=1e-10)
    assert torch.equal(variable.start(images), torch.zeros_like(images))
    assert torch.equal(attack.penalty(r, variable), r.flatten(1).square().sum(1))
    assert torch.allclose(variable.keep(torch.tensor([1])).image(z[1:], images[1:])[0], x[1:])


@pytest.mark.parametrize("alpha", [0.0, 0.9])
def test_the_first_step_is_that_of_the_linearised_network(alpha):
    """Adam's first step reaches the boundary, and so does steepest ascent in z: z = t S'w, w.(S z) = gap."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(1, 1, 6, 6, generator=generator, dtype=torch.float64)
    w = torch.randn(1, 1, 6, 6, generator=generator, dtype=torch.float64)
    gap = torch.full((1, 1, 1, 1), 0.3, dtype=torch.float64)
    graph = PixelGraph(images)
    S = smoothing_matrix(graph, alpha)
    step, r = Smooth(Smoother(graph, alpha)).reach(w, gap)
    slope = S.T @ w.flatten()
    assert float(w.flatten() @ S @ (step.flatten() * slope.sign())) == pytest.approx(0.3, rel=1e-9)
    assert float((w * r).sum()) == pytest.approx(0.3, rel=1e-9)
    assert torch.allclose(r.flatten(), S @ slope * (0.3 / slope.square().sum()), atol=1e-10)


def test_no_step_is_longer_than_from_black_to_white():
    step, way = reach(torch.tensor([1e-30, 1e-12, 0.0]).view(3, 1, 1, 1), torch.ones(3, 1, 1, 1))
    assert bool((step <= 1).all())
    assert bool((way.abs() <= 1).all())


def test_on_a_flat_image_the_perturbation_is_flat():
    """alpha near 1 on one colour: z is averaged over the whole picture."""
    images = torch.full((1, 1, 6, 6), 0.5)
    w = 1 + 0.5 * torch.randn(36, generator=torch.Generator().manual_seed(0))
    model = Linear(torch.stack([torch.zeros(36), w]), torch.tensor([0.0, -float(w.sum()) * 0.55]))
    smooth = run(SmoothCarliniWagner(alpha=0.9999, margin=0), model, images, torch.tensor([0]))
    plain = run(CarliniWagner(margin=0), model, images, torch.tensor([0]))
    assert smooth.status == plain.status == ("fooled",)
    variation = [float(r.perturbation.std() / r.perturbation.mean()) for r in (smooth, plain)]
    assert variation[0] < 0.1 < 0.3 < variation[1]
