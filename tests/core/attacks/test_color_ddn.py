"""Colour DDN against the closed form on linear classifiers, and against DDN by what it is for."""

import pytest
import torch

from core import data, models
from core.attacks import DDN, ColorDDN, run
from core.attacks.color_ddn import ColorMetric
from core.evaluate import correct
from core.metrics import ciede2000, ciede2000_tensor, l2
from tests.problems import linear, normal, uniform


def applied(tensor, r):
    return torch.einsum("ncdhw,ndhw->nchw", tensor, r)


def nearest_in_color(problem):
    """b G^-1 w / (w.G^-1 w), by the pseudo-inverse of each pixel's matrix."""
    w = problem.normal.double()
    inverse = torch.linalg.pinv(ciede2000_tensor(problem.images.double()).permute(0, 3, 4, 1, 2))
    d = applied(inverse.permute(0, 3, 4, 1, 2), w)
    return (problem.gap.double() / (w * d).sum((1, 2, 3))).view(-1, 1, 1, 1) * d


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 7)])
@pytest.mark.parametrize(
    ("attack", "tolerance"),
    [(ColorDDN(), 0.02), (ColorDDN(passes=100), 0.01), (ColorDDN(passes=200, schedule="original"), 0.05)],
    ids=["50", "100", "original"],
)
def test_it_reaches_the_nearest_point_in_color_of_a_linear_classifier(shape, attack, tolerance):
    problem = linear(n=6, shape=shape, deviation=0.04)
    expected = nearest_in_color(problem)
    inside = problem.images + 1.05 * expected
    assert bool(((inside > 0) & (inside < 1)).all())  # else the closed form would not hold
    result = run(attack, problem.model, problem.images, problem.labels)
    assert result.status == ("fooled",) * 6
    assert bool((l2(result.perturbation - expected) <= 5 * tolerance * l2(expected)).all())
    metric = ColorMetric(problem.images, lambda x: x)
    least = metric.norms(expected.float())
    found = metric.norms(result.perturbation)
    assert bool((found >= least * (1 - 1e-3)).all())
    assert bool((found <= least * (1 + tolerance)).all())


def test_the_closed_form_is_the_nearest_in_color():
    problem = linear(n=1, shape=(3, 5, 5))
    r, w, tensor = nearest_in_color(problem), problem.normal.double(), ciede2000_tensor(problem.images.double())
    assert float((w * r).sum()) == pytest.approx(float(problem.gap), rel=1e-5)
    least = float((r * applied(tensor, r)).sum())
    for seed in range(10):
        other = normal(*r.shape, seed=seed, dtype=torch.float64)
        other = other - (w * other).sum() / (w * w).sum() * w  # along the boundary
        for t in (-0.02, 0.02):
            q = r + t * other
            assert float((q * applied(tensor, q)).sum()) > least


def test_its_metric_solves_and_bounds():
    images, g = uniform(3, 3, 5, 6), normal(3, 3, 5, 6)
    metric = ColorMetric(images, lambda x: x)
    d = metric(g)
    torch.testing.assert_close(applied(metric.tensor, d), g, rtol=1e-3, atol=1e-3)
    # The steepest direction: what it gains over its norm is the dual norm of g.
    gain = (g * d).sum((1, 2, 3)) / metric.norms(d).flatten()
    for seed in range(1, 5):
        other = normal(3, 3, 5, 6, seed=seed)
        assert bool(((g * other).sum((1, 2, 3)) / metric.norms(other).flatten() < gain).all())
    # As large as L2, on average over all changes.
    unit = torch.eye(90).view(90, 3, 5, 6)
    mean = torch.stack([metric.norms(e.expand_as(g)).flatten().square() for e in unit]).mean(0)
    torch.testing.assert_close(mean, torch.ones(3))
    farthest = metric.farthest(images)
    for seed in range(4):
        assert bool((metric.norms(uniform(3, 3, 5, 6, seed=seed).round() - images) <= farthest).all())
    kept = torch.tensor([True, False, True])
    norms = metric.norms(g)[kept]
    metric.stay(kept)
    torch.testing.assert_close(metric.norms(g[kept]), norms)
    torch.testing.assert_close(metric(g[kept]), d[kept])
    torch.testing.assert_close(metric.cost(1e-3 * g[kept]), metric.norms(1e-3 * g[kept]).flatten(), rtol=0.05, atol=0)


def test_what_is_kept_is_least_after_rounding():
    """The cost is of the iterate that the network saw, which was rounded, not of the one that it was rounded from."""
    images = data.quantize(uniform(2, 3, 6, 6))
    metric = ColorMetric(images, ColorDDN(quantised=True).shown)
    r = torch.full_like(images, 0.4 / 255)
    assert metric.cost(r).tolist() == [0, 0]
    assert bool((metric.norms(r) > 0).all())


def test_its_colors_differ_less_than_those_of_ddn():
    model = models.load("cifar10-resnet32-ce", "cpu")
    images = correct(model, data.gallery.read("cifar10"), 6)
    plain, color = (
        run(attack, model, images.images, images.labels) for attack in (DDN(quantised=True), ColorDDN(quantised=True))
    )
    assert plain.success_8bit.all()
    assert color.success_8bit.all()
    seen = [ciede2000(images.images, result.adversarial_8bit) for result in (plain, color)]
    ratios = l2(seen[1]) / l2(seen[0])
    assert bool((ratios < 1).all())
    assert float(ratios.median()) < 0.75
    assert bool((color.l2 > plain.l2).all())


def test_pictures_without_colors_of_their_own_are_refused():
    problem = linear(n=1, shape=(2, 6, 6))
    with pytest.raises(ValueError, match=r"1 or 3 channels for a colour difference; got 2\."):
        run(ColorDDN(), problem.model, problem.images, problem.labels)
