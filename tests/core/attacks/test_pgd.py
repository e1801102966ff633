"""FGSM, I-FGSM, MIM, PGD2 and qPGD2 against their equations: balls, single steps, momentum, smoothing."""

import copy

import pytest
import torch

from core.attacks import ATTACKS, run
from core.attacks.fgsm import FGSM, IteratedFGSM
from core.attacks.gradient import log_odds
from core.attacks.mim import MomentumIterative
from core.attacks.pgd import ProjectedGradient, SmoothProjectedGradient
from core.graph import Smoother
from core.metrics import l2, linf
from tests.problems import Linear, linear


@pytest.fixture(scope="module")
def rough():
    """Images over all of [0, 1], black and white included, of a linear classifier."""
    problem = linear(n=8, classes=5, shape=(3, 24, 24), seed=1)
    images = (problem.images - 0.5).mul(8).add(0.5).clamp(0, 1)
    # Logits a few units apart, or the reference's cross-entropy would lose its gradient, even in double precision.
    model = Linear(problem.model.weights / 30, problem.model.bias / 30)
    return model, images, model(images).argmax(1)


@pytest.mark.parametrize("radius", [0.003, 0.3, 5.0])
@pytest.mark.parametrize("name", ["pgd2", "qpgd2"])
def test_l2_ball(rough, name, radius):
    model, images, labels = rough
    attack = ATTACKS[name](radius=radius, step_length=0.7 * radius, updates=8, keep="strongest")
    for step in attack.steps(model, images, labels):
        for x in (step.images, step.best):
            assert bool((l2(x.double(), images.double()) <= radius + 1e-6).all())
    assert bool((l2(step.images, images) > 0.4 * radius).all())  # and they do use it


@pytest.mark.parametrize("epsilon", [0.0, 0.003, 0.1, 1.0])
@pytest.mark.parametrize("name", ["fgsm", "ifgsm", "mim", "spsa"])
def test_linf_ball(rough, name, epsilon):
    model, images, labels = rough
    more = {"fgsm": {}, "spsa": {"rounds": 3, "samples": 4, "adam_step": 0.5}}.get(name, {"step_size": 0.7})
    for step in ATTACKS[name](epsilon=epsilon, **more).steps(model, images, labels):
        for x in (step.images, step.best):
            assert bool((linf(x.double(), images.double()) <= epsilon + 1e-6).all())


def test_random_start_fills_the_ball(rough):
    model, images, labels = rough
    x = IteratedFGSM(epsilon=0.2, random_start=True).descent(images).start(images, torch.Generator().manual_seed(0))
    r = (x - images)[(images > 0.2) & (images < 0.8)]
    assert r.abs().max() <= 0.2 + 1e-6
    assert abs(float(r.mean())) < 0.01
    assert float(r.std()) == pytest.approx(0.4 / 12**0.5, rel=0.05)
    results = [run(IteratedFGSM(epsilon=0.2, random_start=True), model, images, labels, seed=s) for s in (0, 0, 1)]
    assert torch.equal(results[0].adversarial, results[1].adversarial)
    assert not torch.equal(results[0].adversarial, results[2].adversarial)


def cross_entropy_gradient(model, x, labels):
    """Of length 1."""
    model, x = copy.deepcopy(model).double(), x.double().requires_grad_(True)
    gradient = torch.autograd.grad(torch.nn.functional.cross_entropy(model(x), labels, reduction="sum"), x)[0]
    return (gradient / l2(gradient).view(-1, 1, 1, 1)).float()


def test_fgsm_is_one_step_along_the_sign_of_cross_entropys_gradient(rough):
    model, images, labels = rough
    expected = (images + 0.01 * cross_entropy_gradient(model, images, labels).sign()).clamp(0, 1)
    *_, step = FGSM(epsilon=0.01).steps(model, images, labels)
    assert torch.equal(step.images, expected)


def test_pgd2_step_by_step(rough):
    model, images, labels = rough
    attack = ProjectedGradient(radius=0.5, step_length=0.3, updates=4, keep="strongest")
    x = images
    for step in attack.steps(model, images, labels):
        g = cross_entropy_gradient(model, x, labels)
        r = x + 0.3 * g / l2(g).view(-1, 1, 1, 1) - images
        r = r * (0.5 / l2(r)).clamp(max=1).view(-1, 1, 1, 1)
        x = (images + r).clamp(0, 1)
        assert torch.allclose(step.images, x, atol=1e-5)


def test_qpgd2_smooths_the_gradient_before_its_norm(rough):
    model, images, labels = rough
    attack = SmoothProjectedGradient(alpha=0.9, radius=9, step_length=0.3, updates=1)
    g = cross_entropy_gradient(model, images, labels)
    s = Smoother(attack.graph(images), 0.9)(g)
    *_, step = attack.steps(model, images, labels)
    assert torch.allclose(step.images, (images + 0.3 * s / l2(s).view(-1, 1, 1, 1)).clamp(0, 1), atol=1e-5)


def test_qpgd2_without_smoothing_is_pgd2(rough):
    model, images, labels = rough
    plain = run(ProjectedGradient(radius=0.4, step_length=0.1), model, images, labels)
    quick = run(SmoothProjectedGradient(radius=0.4, step_length=0.1, alpha=0.0), model, images, labels)
    assert torch.equal(plain.adversarial, quick.adversarial)
    smooth = run(SmoothProjectedGradient(radius=0.4, step_length=0.1, alpha=0.9), model, images, labels)
    assert not torch.equal(plain.adversarial, smooth.adversarial)


def test_pgd2_with_short_steps_ends_near_the_closed_form():
    problem = linear(n=6, shape=(1, 8, 8), seed=3)
    shortest = l2(problem.nearest)
    result = run(ProjectedGradient(step_length=0.005, updates=200), problem.model, problem.images, problem.labels)
    assert result.status == ("fooled",) * 6
    assert bool((result.l2 >= shortest * (1 - 1e-4)).all())
    assert bool((result.l2 <= shortest + 0.0051).all())


def test_momentum():
    """Without decay MIM is I-FGSM; with decay 1 it follows the mean of the gradients, each over its L1 norm."""
    problem = linear(n=4, classes=4, seed=2)
    model, images, labels = problem.model, problem.images, problem.labels
    kwargs = {"epsilon": 0.3, "step_size": 0.02, "updates": 6, "keep": "strongest"}
    plain = run(IteratedFGSM(**kwargs), model, images, labels)
    assert torch.equal(
        run(MomentumIterative(decay=0.0, **kwargs), model, images, labels).adversarial, plain.adversarial
    )
    x, memory = images, torch.zeros_like(images)
    for step in MomentumIterative(decay=1.0, **kwargs).steps(model, images, labels):
        at = x.clone().requires_grad_(True)
        (g,) = torch.autograd.grad(log_odds(model(at), labels).sum(), at)
        memory = memory + g / g.abs().sum((1, 2, 3), keepdim=True)
        x = (x - 0.02 * memory.sign()).clamp(0, 1)
        assert torch.allclose(step.images, x, atol=1e-6)
