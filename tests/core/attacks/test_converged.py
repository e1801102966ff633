"""The verdict on whether a search for the shortest perturbation has converged, from what its steps did."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
import torch

from core.attacks import (
    ATTACKS,
    DDN,
    CarliniWagner,
    DeepFool,
    Run,
    SmoothCarliniWagner,
    SmoothFool,
    run,
)
from core.attacks.base import Attack, Seeks, Step, Tracker
from core.attacks.metric import Metric
from core.attacks.nearest import Verdict, doubted, looks, verdict
from tests.problems import linear

IMAGES = torch.full((1, 1, 2, 2), 0.5)


def walked(lengths, ranks=None, total=None):
    """The last Step of a search that meets successes of these lengths."""
    tracker = Tracker(IMAGES, total or len(lengths))
    step = None
    for index, length in enumerate(lengths, 1):
        x = IMAGES.clone()
        x[0, 0, 0, 0] += length
        rank = torch.tensor([1 if ranks is None else ranks[index - 1]])
        tracker.record(torch.tensor([0]), x, torch.tensor([1.0]), rank)
        step = tracker.step(index, last=index == len(lengths))
        assert (step.converged is None) == (index < len(lengths))
    return step


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([0.4] * 6, True),
        ([0.4, 0.3, 0.2, 0.1, 0.0991, 0.0991], True),
        ([0.4, 0.3, 0.2, 0.1, 0.0995, 0.0989], False),  # by more than 1 % in two steps together
        ([0.4, 0.4, 0.4, 0.4, 0.4, 0.3], False),
        ([0.1, 0.4, 0.4, 0.4, 0.4, 0.4], True),
    ],
)
def test_it_is_what_the_last_third_of_the_steps_shortened(lengths, expected):
    assert walked(lengths).converged.tolist() == [expected]


def test_a_first_success_in_the_last_third_is_no_convergence():
    assert walked([0.1] * 6, ranks=[0, 0, 0, 0, 1, 1]).converged.tolist() == [False]
    assert walked([0.1] * 6, ranks=[0] * 6).converged.tolist() == [False]


def test_nor_is_a_better_kind_of_success_that_is_longer():
    assert walked([0.1, 0.1, 0.1, 0.1, 0.2, 0.2], ranks=[1, 1, 1, 1, 2, 2]).converged.tolist() == [False]


def test_a_search_that_left_early_has_its_budget_behind_it():
    """Nothing was shortened after: two thirds of 30 steps were never reached."""
    assert walked([0.1] * 6, total=30).converged.tolist() == [True]


def test_more_passes_converge():
    problem = linear(n=4, seed=2)
    few, many = (run(DDN(passes=n), problem.model, problem.images, problem.labels) for n in (4, 100))
    assert many.converged.all()
    assert not few.converged.any()
    smooth = run(SmoothCarliniWagner(rho=3.0, iterations=200), problem.model, problem.images, problem.labels)
    assert smooth.converged.all()


def test_an_attack_that_was_stopped_has_not():
    problem = linear(n=2)
    driver = Run(CarliniWagner(), problem.model, problem.images, problem.labels)
    for _ in range(40):
        next(driver)
    assert driver.result().success.all()
    assert not driver.result().converged.any()


def test_what_was_wrong_already_has_not_converged_to_anything():
    problem = linear(n=3, classes=3, deviation=0.02)
    labels = problem.labels.clone()
    labels[1] = (labels[1] + 1) % 3
    result = run(DDN(passes=100), problem.model, problem.images, labels)
    assert result.converged.tolist() == [True, False, True]
    nothing = run(DDN(), problem.model, problem.images[:1], (problem.labels[:1] + 1) % 3)
    assert nothing.converged.tolist() == [False]


def test_who_seeks_what():
    sought = {name: cls.seeks for name, cls in ATTACKS.items() if cls.seeks != "success"}
    shortest = dict.fromkeys(("cw", "scw", "ddn", "sddn", "cddn", "deepfool"), "shortest")
    assert sought == shortest | {"smoothfool": "first success"}


def test_attacks_that_end_at_their_first_success_never_have():
    problem = linear(n=2)
    for attack in (DeepFool.preset("paper"), DeepFool(turns=0), SmoothFool()):
        result = run(attack, problem.model, problem.images, problem.labels)
        assert result.success.all()
        assert result.converged.tolist() == [False, False]
    assert run(ATTACKS["fgsm"](), problem.model, problem.images, problem.labels).converged is None


def test_a_claim_that_a_fresh_pass_does_not_bear_out_has_not_converged():
    class Liar(Attack):
        name: ClassVar[str] = "liar"
        seeks: ClassVar[Seeks] = "shortest"

        def steps(self, model, images, labels, generator=None) -> Iterator[Step]:
            tracker = Tracker(images, 1)
            tracker.record(torch.arange(len(images)), images, torch.ones(len(images)), torch.ones(len(images)))
            yield tracker.step(0)
            yield tracker.step(1)

    problem = linear(n=2)
    result = run(Liar(), problem.model, problem.images, problem.labels)
    assert result.status == ("failed", "failed")
    assert result.converged.tolist() == [False, False]


def distances(problem):
    """(N, K - 1) of all boundaries of a linear problem, the nearest first."""
    rows = torch.arange(len(problem.images))
    logits = problem.model(problem.images)
    gaps = logits[rows, problem.labels][:, None] - logits
    slopes = problem.model.weights[None] - problem.model.weights[problem.labels][:, None]
    return (gaps / slopes.norm(dim=2).clamp_min(1e-9)).sort(1).values[:, 1:]


@pytest.mark.parametrize("attack", [DDN(), CarliniWagner(margin=0), DeepFool(push=False)], ids=lambda a: a.name)
def test_it_is_in_doubt_where_another_boundary_looks_nearly_as_near(attack):
    problem = linear(n=200, classes=5)
    nearest, second = distances(problem)[:, :2].T
    result = run(attack, problem.model, problem.images, problem.labels)
    sure = (result.l2 <= 1.02 * nearest) & (second >= 1.13 * nearest)
    doubtful = second < 1.09 * nearest
    assert sure.sum() > 10
    assert doubtful.sum() > 3
    assert bool(result.converged[sure].all())
    assert not bool(result.converged[doubtful].any())


def test_what_the_boundaries_say_of_where_a_search_ended():
    """A point on its boundary, by hand: the way to it 1, its own boundary `own` away and another `other`."""
    images, at = torch.full((1, 1, 1, 2), 0.2), torch.tensor([[[[0.7, 0.2]]]])
    for own, other, expected in (
        (1.0, 1.2, (True, True)),
        (1.0, 1.05, (False, False)),
        (0.97, 1.2, (True, False)),
        (0.9, 1.2, (False, False)),
    ):
        slopes = torch.tensor([[[[[1.0, 0.0]]]], [[[[0.0, 1.0]]]]])
        # Each lead is as much below 0 at `at` as its boundary, seen from the image, lies beyond it.
        leads = torch.tensor([[0.5 - 0.5 * own], [-0.5 * other]])
        said = verdict(looks(Metric(), images, at, torch.full((1, 1, 1, 1), 0.5), leads, slopes))
        assert (bool(said.clear), bool(said.stands)) == expected


def test_the_class_in_doubt_is_the_one_that_looks_nearest():
    """The way to the own boundary is 1; of the others' there is doubt up to 1.1, in whatever order they come."""
    image, at = torch.full((1, 1, 1, 2), 0.2), torch.tensor([[[[0.7, 0.2]]]])
    slope, away = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
    cases = (((1.2, 1.3), -1), ((1.05, 1.02), 8), ((0.7, 1.02), 4), ((1.2, 1.09), 8), ((1.09, torch.inf), 4), ((), -1))
    for others, expected in cases:
        leads = torch.tensor([0.0, *(-0.5 * other for other in others)])[:, None]
        classes = torch.tensor([2, 4, 8])[: len(leads), None]
        slopes = torch.stack([slope, *(away for _ in others)])
        found = doubted(looks(Metric(), image, at, torch.full((1, 1, 1, 1), 0.5), leads, slopes), classes)
        assert found.tolist() == [expected]


def test_of_images_that_have_left_nobody_says_anything():
    said = Verdict(torch.tensor([True, False]), torch.tensor([True, False])).of(torch.tensor([3, 1]), 5)
    assert said.clear.tolist() == [True, False, True, True, True]
    assert said.stands.tolist() == [False, False, False, True, False]
    tracker = Tracker(IMAGES, 3)
    for length, index in ((0.4, 1), (0.2, 2)):
        x = IMAGES.clone()
        x[0, 0, 0, 0] += length
        tracker.record(torch.tensor([0]), x, torch.tensor([1.0]), torch.tensor([1]))
        tracker.step(index)
    x[0, 0, 0, 0] = 0.6
    tracker.record(torch.tensor([0]), x, torch.tensor([1.0]), torch.tensor([1]))
    yes, no = torch.tensor([True]), torch.tensor([False])
    assert tracker.step(3).converged.tolist() == [False]
    assert tracker.step(3, clear=yes, stands=yes).converged.tolist() == [True]  # though the last third halved it
    assert tracker.step(3, clear=no, stands=yes).converged.tolist() == [False]


def test_a_batch_says_of_each_image_what_it_would_say_alone():
    problem = linear(n=5, classes=5)
    together = run(DDN(), problem.model, problem.images, problem.labels)
    for i in range(5):
        alone = run(DDN(), problem.model, problem.images[i : i + 1], problem.labels[i : i + 1])
        assert alone.converged[0] == together.converged[i]
