"""The verdict on whether a search for the shortest perturbation has converged, from what its steps did."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
import torch

from core.attacks import ATTACKS, DDN, CarliniWagner, DeepFool, Run, SmoothCarliniWagner, run
from core.attacks.base import Attack, Seeks, Step, Tracker
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
    problem = linear(n=4, classes=4, seed=2)
    few, many = (run(DDN(passes=n), problem.model, problem.images, problem.labels) for n in (4, 100))
    assert many.converged.all()
    assert not few.converged.any()
    smooth = run(SmoothCarliniWagner(rho=3.0, iterations=200), problem.model, problem.images, problem.labels)
    assert smooth.converged.all()


def test_an_attack_that_was_stopped_has_not():
    problem = linear(n=2)
    driver = Run(CarliniWagner(), problem.model, problem.images, problem.labels)
    for _ in range(45):
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
    shortest = dict.fromkeys(("cw", "scw", "ddn", "sddn", "cddn"), "shortest")
    assert sought == shortest | dict.fromkeys(("deepfool", "smoothfool"), "first success")


def test_attacks_that_end_at_their_first_success_never_have():
    problem = linear(n=2)
    result = run(DeepFool(), problem.model, problem.images, problem.labels)
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
