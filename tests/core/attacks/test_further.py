"""Searches that go on from where an earlier one stopped."""

import pytest
import torch

from core.attacks import ATTACKS, DDN, CarliniWagner, ColorDDN, Run, SmoothCarliniWagner, SmoothDDN, run
from core.metrics import l2
from tests.core.attacks.test_cliff import DISTANCE, Cliff
from tests.core.attacks.test_gradient import Small
from tests.problems import linear

EVERY = pytest.mark.parametrize(
    "attack",
    [
        CarliniWagner(margin=0, iterations=30),
        SmoothCarliniWagner(margin=0, iterations=30),
        SmoothCarliniWagner(margin=0, iterations=30, rho=5.0),
        CarliniWagner(margin=0, iterations=30, search_steps=2),
        DDN(passes=30),
        DDN(passes=30, schedule="original"),
        SmoothDDN(passes=30),
        SmoothDDN(passes=30, rho=5.0),
        ColorDDN(passes=30),
    ],
    ids=lambda a: "-".join(map(str, [a.name, *a.changed().values()])),
)


def curved(n=6):
    """A small network, grey images, so that hardly a pixel is clipped, and the labels it gives them."""
    images = 0.3 + 0.4 * torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = Small(64, 4, 0)
    return model, images, model(images).argmax(1)


@EVERY
def test_it_begins_where_the_other_ended_and_is_never_worse(attack):
    model, images, labels = curved()
    first = run(attack, model, images, labels)
    assert first.success.all()
    step = next(Run(attack, model, images, labels, start=first.adversarial))
    assert torch.allclose(step.images, first.adversarial, rtol=0, atol=1e-4)
    second = run(attack, model, images, labels, start=first.adversarial)
    assert second.success.all()
    if getattr(attack, "rho", 0):
        energy = attack.energy(images)
        assert bool((energy(second.perturbation) <= energy(first.perturbation) * 1.001).all())
    elif isinstance(attack, ColorDDN):
        norms = attack.metric(images).norms
        assert bool((norms(second.perturbation) <= norms(first.perturbation) * 1.001).all())
    else:
        assert bool((second.l2 <= first.l2 * 1.001).all())


@pytest.mark.parametrize(
    ("attack", "nearest"),
    [(DDN(passes=60), 1.02), (CarliniWagner(margin=0, iterations=60), 1.1)],
    ids=["ddn", "cw"],
)
def test_a_search_that_was_stopped_arrives_in_a_second_go(attack, nearest):
    problem = linear(n=4, classes=4, seed=2)
    driver = Run(attack, problem.model, problem.images, problem.labels)
    while driver.step is None or not driver.step.found.all():
        next(driver)
    stopped = driver.result()
    assert stopped.success.all()
    result = run(attack, problem.model, problem.images, problem.labels, start=stopped.adversarial)
    assert bool((result.l2 <= stopped.l2 * 1.0001).all())
    before, after = (float((r.l2 / l2(problem.nearest)).mean()) for r in (stopped, result))
    assert after < nearest
    assert after - 1 < (before - 1) / 2


def test_beyond_a_cliff_it_goes_on_with_the_slope_that_is_there():
    model, images = Cliff(20.0), torch.full((1, 1, 10, 10), 0.5, dtype=torch.float64)
    far = (images + 1.5 * DISTANCE * model.w).clamp(0, 1)
    for attack in (DDN(), CarliniWagner(margin=0)):
        result = run(attack, model, images, torch.tensor([0]), start=far)
        assert result.status == ("fooled",)
        assert float(result.l2) <= 1.05 * DISTANCE


def test_the_margin_that_is_asked_for_stays_reached():
    problem = linear(n=4)
    attack = CarliniWagner(margin=0.5, iterations=40)
    first = run(attack, problem.model, problem.images, problem.labels)
    second = run(attack, problem.model, problem.images, problem.labels, start=first.adversarial)
    rows = torch.arange(4)
    lead = second.logits[rows, 1 - problem.labels] - second.logits[rows, problem.labels]
    assert bool((lead >= 0.5 - 1e-4).all())
    assert bool((second.l2 <= first.l2 * 1.0001).all())


def test_images_that_are_not_attacked_keep_their_places():
    problem = linear(n=3, classes=3, deviation=0.02)
    labels = problem.labels.clone()
    labels[1] = (labels[1] + 1) % 3
    first = run(DDN(), problem.model, problem.images, labels)
    second = run(DDN(), problem.model, problem.images, labels, start=first.adversarial)
    assert second.status == ("fooled", "already misclassified", "fooled")
    assert bool((second.l2[[0, 2]] <= first.l2[[0, 2]]).all())


def test_a_start_that_does_not_fit_is_refused():
    problem = linear(n=2)
    with pytest.raises(ValueError, match=r"start must have the shape \(2, 1, 8, 8\) of images; got \(2, 1, 4, 4\)"):
        run(DDN(), problem.model, problem.images, problem.labels, start=torch.zeros(2, 1, 4, 4))
    with pytest.raises(ValueError, match=r"images must lie in \[0, 1\]"):
        run(DDN(), problem.model, problem.images, problem.labels, start=problem.images + 1)


@pytest.mark.parametrize("name", ["fgsm", "deepfool", "noise"])
def test_attacks_without_anything_to_go_on_with_say_so(name):
    problem = linear(n=1, shape=(3, 8, 8))
    with pytest.raises(ValueError, match="cannot go on from where it stopped; C&W, DDN and the versions of both can"):
        run(ATTACKS[name](), problem.model, problem.images, problem.labels, start=problem.images)
