"""Universal perturbations on linear classifiers, where the best direction is known, and their bounds."""

import pytest
import torch

from core.attacks import run
from core.attacks.universal import Universal, apply_universal, fit_universal, fooling_rate
from core.filters import kernel, low_pass
from core.metrics import linf, roughness
from tests.problems import Constant, LinearProblem, linear

BOTH = pytest.mark.parametrize("fit_by", ["gradient", "SmoothFool"])


def one_sided(n: int = 12, **options) -> LinearProblem:
    """A binary problem with images of class 0 only: they all want to go the same way, the first the farthest."""
    problem = linear(n=4 * n, shape=(1, 12, 12), **options)
    rows = (problem.labels == 0).nonzero()[:n, 0]
    rows = rows[problem.gap[rows].argsort(descending=True)]
    fields = (problem.images, problem.labels, problem.nearest, problem.normal, problem.gap)
    return LinearProblem(problem.model, *(field[rows] for field in fields))


@BOTH
def test_one_perturbation_fools_images_that_it_was_not_fitted_on(fit_by):
    problem = one_sided()
    attack = Universal(fit_by=fit_by, linf_ball=0.2, sigma_g=1.5, together=3)
    r = fit_universal(attack, problem.model, problem.images[:6], problem.labels[:6])
    assert r.shape == (1, 1, 12, 12)
    assert float(linf(r)) <= 0.2 + 1e-6
    assert fooling_rate(problem.model, r, problem.images[:6], problem.labels[:6]) == 1
    assert fooling_rate(problem.model, r, problem.images[6:], problem.labels[6:]) == 1
    assert fooling_rate(problem.model, -r, problem.images[6:], problem.labels[6:]) == 0
    # All boundaries are one, so r is a multiple of its smoothed normal.
    smooth = low_pass(problem.normal[:1], kernel("gaussian", 1.5))
    assert torch.cosine_similarity(r.flatten(), smooth.flatten(), dim=0) > 0.999


@BOTH
def test_the_ball_holds_and_scaling_keeps_it_smooth(fit_by):
    problem = linear(n=6, classes=4, shape=(3, 9, 9))
    for ball in (0.003, 0.05):
        attack = Universal(fit_by=fit_by, linf_ball=ball, sigma_g=2, set_passes=4, together=2)
        for step in attack.steps(problem.model, problem.images, problem.labels, torch.Generator().manual_seed(0)):
            r = step.detail["universal r"]
            assert float(linf(r).max()) <= ball + 1e-6
            assert torch.equal(r, r[:1].expand_as(r))
            assert torch.equal(step.best, apply_universal(r[:1], problem.images))
            assert float(roughness(r, 1.0, normalised=True).max()) < 0.1
            fooled = problem.model(step.best).argmax(1) != problem.labels
            assert torch.equal(step.found, fooled)
        assert step.index == step.total == 4


def test_the_best_pass_is_kept():
    problem = linear(n=8, classes=5, shape=(1, 10, 10))
    best = -1.0
    for step in Universal(linf_ball=0.1, ball_share=1.0).steps(
        problem.model, problem.images, problem.labels, torch.Generator().manual_seed(0)
    ):
        best = max(best, float(step.scalars["fooling_rate"][0]))
        assert float(step.found.float().mean()) == pytest.approx(best)


def test_a_seed_repeats_and_the_shifted_twin_is_the_same():
    results = [
        run(Universal(linf_ball=0.1), problem.model, problem.images, problem.labels, seed=seed)
        for seed, problem in ((1, one_sided()), (1, one_sided()), (1, one_sided(shift=-100.0)))
    ]
    assert torch.equal(results[0].adversarial, results[1].adversarial)
    assert (results[2].logits_clean < 0).all()
    assert torch.allclose(results[0].adversarial, results[2].adversarial, atol=1e-3)


@BOTH
@pytest.mark.parametrize(
    ("kind", "status"),
    [("without gradient", "failed"), ("zero gradient", "failed"), ("tiny gradient", "failed"), ("NaN", "not finite")],
)
def test_a_network_without_boundary_gives_a_clear_outcome(fit_by, kind, status):
    images = torch.full((3, 1, 4, 4), 0.5)
    result = run(Universal(fit_by=fit_by, set_passes=2), Constant(kind), images, torch.zeros(3, dtype=torch.long))
    assert result.status == (status,) * 3
    assert result.adversarial.isfinite().all()


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="r must have the shape"):
        apply_universal(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4))
    with pytest.raises(ValueError, match="labels must be 2 integers"):
        fit_universal(Universal(), Constant("NaN"), torch.zeros(2, 1, 4, 4), torch.zeros(3, dtype=torch.long))


@pytest.mark.parametrize("together", [6, 2])
@pytest.mark.parametrize(("ball", "share"), [(0.2, 0.1), (0.1, 0.25), (0.2, 1.0)])
def test_gradient_steps_shrink_by_the_same_amount_from_pass_to_pass(ball, share, together):
    """In pass k of n a batch moves r by a share (1 - (k - 1)/n) of the ball, in its largest value. On a binary linear
    classifier all moves are along g*w, so r is known: their sum, and never beyond the ball."""
    problem = one_sided(6, deviation=0.02)
    problem.model.weights *= 1e-3  # nobody is fooled with certainty, so all go on moving r
    problem.model.bias *= 1e-3
    images, labels = problem.images.double(), problem.labels
    smooth = low_pass(problem.normal[:1].double(), kernel("gaussian", 1.5, dtype=torch.float64))
    direction = smooth / linf(smooth)
    attack = Universal(linf_ball=ball, ball_share=share, set_passes=4, sigma_g=1.5, together=together)
    lengths, length = [], 0.0
    for remaining in (1.0, 0.75, 0.5, 0.25):
        for _ in range(6 // together):
            length = min(length + share * remaining * ball, ball)
        lengths.append(length)
    if (ball, share, together) == (0.2, 0.1, 6):
        assert lengths == pytest.approx([0.02, 0.035, 0.045, 0.05])
    problem.model.double()
    steps = attack.steps(problem.model, images, labels, torch.Generator().manual_seed(0))
    for step, length in zip(steps, lengths, strict=True):
        assert torch.allclose(step.images, (images + length * direction).clamp(0, 1), rtol=0, atol=1e-7)
        assert torch.allclose(step.detail["universal r"], (length * direction).expand_as(images), rtol=0, atol=1e-7)
        assert step.scalars["distortion"].tolist() == pytest.approx(
            (step.images - images).flatten(1).norm(dim=1).tolist()
        )
