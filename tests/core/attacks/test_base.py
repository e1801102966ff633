"""What every attack shares: the checks at the door, the run, and the result that believes nobody."""

import typing
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from core.attacks import ADVICE, Attack, CarliniWagner, Run, Status, Step, hinge, margin, run
from core.attacks.base import Tracker
from core.models.networks import initialise
from tests.problems import linear


class Fake(Attack):
    """Claims that `claim(images)` fools, whatever the network says."""

    name = "fake"
    title = formula = look_for = paper = ""

    def steps(self, model, images, labels, generator=None):
        x = self.claim(images)
        found = torch.ones(len(images), dtype=torch.bool)
        yield Step(1, 1, x, x, found, {"loss": torch.zeros(len(images))}, found)

    def claim(self, images):
        return images


class OutOfRange(Fake):
    def claim(self, images):
        return 100 - 200 * images


class NotANumber(Fake):
    def claim(self, images):
        return images * torch.nan


class Pixel(nn.Module):
    """Class 1 where the first pixel is above 100.25/255, else class 0."""

    def forward(self, x):
        lead = 1000 * (x[:, 0, 0, 0] - 100.25 / 255)
        return torch.stack([torch.zeros_like(lead), lead], 1)


@pytest.fixture
def problem():
    return linear(n=5, classes=3)


def test_margin_is_the_largest_other_logit_minus_the_true_one():
    logits = torch.tensor([[1.0, 5.0, 3.0], [-9.0, -2.0, -7.0], [4.0, 4.0, 0.0]])
    labels = torch.tensor([1, 0, 0])
    assert margin(logits, labels).tolist() == [-2.0, 7.0, 0.0]
    assert hinge(logits, labels, 1.0).tolist() == [3.0, 0.0, 1.0]
    assert margin(logits - 1e4, labels).tolist() == [-2.0, 7.0, 0.0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda x, y: (x[0], y), "images must be a float tensor"),
        (lambda x, y: ((255 * x).to(torch.uint8), y), "images must be a float tensor"),
        (lambda x, y: (x[:0], y[:0]), "images is empty"),
        (lambda x, y: (x + 0.8, y), r"images must lie in \[0, 1\]"),
        (lambda x, y: (x - 0.8, y), r"images must lie in \[0, 1\]"),
        (lambda x, y: (x * torch.nan, y), r"images must lie in \[0, 1\]"),
        (lambda x, y: (x, y[:-1]), "labels must be 5 integers"),
        (lambda x, y: (x, y[:, None]), "labels must be 5 integers"),
        (lambda x, y: (x, y.float()), "labels must be 5 integers"),
        (lambda x, y: (x, y + 3), "labels must be between 0 and 2"),
        (lambda x, y: (x, y - 3), "labels must be between 0 and 2"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(problem, change, sentence):
    images, labels = change(problem.images, problem.labels)
    with pytest.raises(ValueError, match=sentence) as caught:
        run(Fake(), problem.model, images, labels)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_images_of_another_shape_than_the_models_are_refused(problem):
    problem.model.card = SimpleNamespace(name="tiny", input_shape=(1, 4, 4))
    with pytest.raises(ValueError, match=r"tiny takes images of shape \(1, 4, 4\); got \(1, 8, 8\): resize them."):
        run(Fake(), problem.model, problem.images, problem.labels)


@pytest.mark.parametrize("attack", [Fake(), OutOfRange(), NotANumber()], ids=lambda a: type(a).__name__)
def test_an_attack_that_lies_is_caught(problem, attack):
    result = run(attack, problem.model, problem.images, problem.labels)
    assert result.status == ("failed",) * 5
    assert not result.success.any()
    assert not result.success_8bit.any()


def test_what_fools_in_float_only_is_said_to_do_so():
    class Nudge(Fake):
        def claim(self, images):
            return images + torch.tensor([0.4 / 255, 0.6 / 255]).view(2, 1, 1, 1)  # 100.4 rounds down, 100.6 up

    images = torch.full((2, 1, 2, 2), 100 / 255)
    result = run(Nudge(), Pixel(), images, torch.tensor([0, 0]))
    assert result.status == ("fooled", "fooled")
    assert result.success.tolist() == [True, True]
    assert result.success_8bit.tolist() == [False, True]
    assert result.predictions_8bit.tolist() == [0, 1]
    assert torch.equal(result.adversarial_8bit[:, 0, 0, 0] * 255, torch.tensor([100.0, 101.0]))


class Levels(nn.Module):
    """Names a class by the first pixel, in 8-bit levels: 0 up to 100.25, 1 beyond, and 2 here and there."""

    bounds = torch.tensor([99.4, 99.48, 100.25, 101.3, 101.6, 102.9])
    classes = torch.tensor([0, 2, 0, 1, 2, 1, 2])

    def forward(self, x):
        named = self.classes[torch.bucketize(255 * x[:, 0, 0, 0], self.bounds)]
        return nn.functional.one_hot(named, 3).float()


@pytest.mark.parametrize("targeted", [True, False])
def test_rounded_to_8_bits_a_targeted_success_must_still_be_the_target(targeted):
    """Another class than the true one is not enough, and what fails in float is no success however it is rounded."""
    cases = [  # the first pixel in levels, the classes in float and in 8 bits; the target
        (103.2, 2, 2, 2),
        (101.4, 2, 1, 2),
        (99.44, 2, 0, 2),
        (102.7, 1, 2, 2),
        (101.2, 1, 1, 1),
        (103.2, 2, 2, 1),
        (100.4, 1, 0, 1),
        (102.7, 1, 2, 1),
        (101.4, 2, 1, 1),
    ]
    level, named, rounded, target = (torch.tensor(column) for column in zip(*cases, strict=True))

    class Aimed(Fake):
        def claim(self, images):
            return images + (level.view(-1, 1, 1, 1) - 99) / 255

        def steps(self, model, images, labels, generator=None):
            for step in super().steps(model, images, labels):
                yield replace(step, targets=target) if targeted else step

    images, labels = torch.full((10, 1, 2, 2), 99 / 255), torch.zeros(10, dtype=torch.long)
    labels[1] = 1  # which is wrong, so this one is not attacked
    attacked = [i for i in range(10) if i != 1]
    result = run(Aimed(), Levels(), images, labels)
    assert result.predictions[attacked].tolist() == named.tolist()
    assert result.predictions_8bit[attacked].tolist() == rounded.tolist()
    if targeted:
        assert result.targets.tolist() == [2, -1, 2, 2, 2, 1, 1, 1, 1, 1]
        assert result.success.tolist() == [True, False, True, True, False, True, False, True, True, False]
        assert result.success_8bit.tolist() == [True, False, False, False, False, True, False, False, False, False]
    else:
        assert result.targets is None
        assert result.success.tolist() == [True, False] + [True] * 8
        assert result.success_8bit.tolist() == [True, False, True, False, True, True, True, False, True, True]
    assert result.status == tuple(
        "already misclassified" if i == 1 else "fooled" if success else "failed"
        for i, success in enumerate(result.success.tolist())
    )


def test_only_correct_images_are_attacked_and_each_gets_its_own_outcome(problem):
    labels = problem.labels.clone()
    labels[[1, 3]] = (labels[[1, 3]] + 1) % 3
    images = problem.images.clone()
    images[4, 0, 0, 0] = 0.0
    model = Poisoned(problem.model, below=0.01)
    result = run(CarliniWagner(iterations=30), model, images, labels)
    expected = ("fooled", "already misclassified", "fooled", "already misclassified", "not finite")
    assert result.status == expected
    assert result.success.tolist() == [True, False, True, False, False]
    assert torch.equal(result.adversarial[[1, 3, 4]], images[[1, 3, 4]])
    alone = run(CarliniWagner(iterations=30), model, images[2:3], labels[2:3])
    assert torch.allclose(alone.adversarial[0], result.adversarial[2], atol=1e-5)
    for values in (result.trace["margin"], result.trace["distortion"]):
        assert values.shape == (len(result.trace["step"]), 5)
        assert values[:, [1, 3, 4]].isnan().all()
        assert not values[:, [0, 2]].isnan().any()


class Poisoned(nn.Module):
    """NaN for every image with a pixel below `below`."""

    def __init__(self, model, below):
        super().__init__()
        self.model, self.below = model, below

    def forward(self, x):
        bad = (x < self.below).flatten(1).any(1)
        return torch.where(bad[:, None], torch.nan, self.model(x))


@pytest.mark.parametrize("attack", [CarliniWagner(), CarliniWagner(quantised=True)], ids=["plain", "rounded"])
def test_an_image_on_which_the_network_turns_nan_on_the_way_is_given_up(attack):
    """Only pixels below 0.1 fool the network, and it breaks below 0.15."""

    class Grey(nn.Module):
        def forward(self, x):
            darkness = 10 * (0.2 - x.mean((1, 2, 3)))
            return torch.stack([torch.ones_like(darkness), darkness], 1)

    images = torch.full((2, 1, 1, 1), 0.5)
    steps = []
    result = run(attack, Poisoned(Grey(), 0.15), images, torch.tensor([0, 0]), on_step=steps.append)
    assert result.status == ("not finite", "not finite")
    assert bool((result.adversarial > 0.15).all())
    assert steps[-1].index == steps[-1].total
    assert len(steps) < 50
    assert run(attack, Grey(), images, torch.tensor([0, 0])).status == ("fooled", "fooled")


def test_a_network_of_nan_alone_gives_every_image_up(problem):
    result = run(CarliniWagner(), Poisoned(problem.model, 2.0), problem.images, problem.labels)
    assert result.status == ("not finite",) * 5
    assert not result.stopped
    assert torch.equal(result.adversarial, problem.images)
    assert "loss" not in result.trace


def test_a_run_can_be_stopped_half_way(problem):
    driver = Run(CarliniWagner(iterations=60), problem.model, problem.images, problem.labels)
    before = driver.result()
    assert before.stopped
    assert before.status == ("failed",) * 5
    halfway = None
    for step in driver:
        if bool(step.found.all()) and step.index < 55:
            halfway = driver.result()
            break
    assert halfway is not None
    assert halfway.stopped
    assert halfway.status == ("fooled",) * 5
    assert len(halfway.trace["step"]) == driver.step.index < 60
    for _ in driver:
        pass
    end = driver.result()
    assert not end.stopped
    assert bool((end.l2 <= halfway.l2).all())
    assert bool((end.l2 < halfway.l2).any())
    assert end.seconds > halfway.seconds


def test_steps_count_up_to_the_total(problem):
    for attack, total in ((CarliniWagner(iterations=20), 20), (CarliniWagner(iterations=30, search_steps=3), 90)):
        heard = []
        run(attack, problem.model, problem.images, problem.labels, on_step=lambda s, h=heard: h.append(s))
        indices = [s.index for s in heard]
        assert indices == sorted(set(indices))
        assert indices[0] == 1
        assert indices[-1] == heard[-1].total == total


def test_the_result_keeps_what_made_it(problem):
    attack = CarliniWagner(iterations=10, margin=0.5)
    result = run(attack, problem.model, problem.images, problem.labels, seed=7)
    assert (result.attack, result.parameters, result.seed) == ("cw", attack.values(), 7)
    assert result.model == "Linear"
    assert torch.equal(result.images, problem.images)
    assert torch.equal(result.perturbation, result.adversarial - result.images)
    assert torch.equal(result.l2, result.perturbation.flatten(1).norm(dim=1))
    assert torch.equal(result.linf, result.perturbation.flatten(1).abs().amax(1))
    assert torch.equal(result.logits, problem.model(result.adversarial))


def test_the_run_does_not_touch_what_it_was_given(problem):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    initialise(network, torch.Generator().manual_seed(0))
    labels = network(problem.images).argmax(1)
    images, weights = problem.images.clone(), network[1].weight.detach().clone()
    result = run(CarliniWagner(iterations=10), network, images, labels)
    result.adversarial.zero_()
    assert torch.equal(images, problem.images)
    assert torch.equal(network[1].weight, weights)
    assert network[1].weight.grad is None


def test_it_runs_where_gradients_are_off(problem):
    with torch.no_grad():
        off = run(CarliniWagner(iterations=10), problem.model, problem.images, problem.labels)
    on = run(CarliniWagner(iterations=10), problem.model, problem.images, problem.labels)
    assert torch.equal(on.adversarial, off.adversarial)


def test_every_way_an_image_can_end_has_its_advice():
    assert set(ADVICE) == set(typing.get_args(Status))


def test_a_higher_rank_wins_and_among_equals_the_less_distorted():
    told = [  # (x, whose distance from the clean 0 is the distortion; lead; rank), and whether it is the best so far
        ((1.0, -3.0, 0), True),
        ((9.0, -2.0, 0), True),  # without a success the nearest to one wins, however distorted
        ((0.1, -2.5, 0), False),
        ((8.0, 0.1, 1), True),
        ((0.2, -0.1, 0), False),
        ((7.0, 0.3, 1), True),
        ((7.5, 0.9, 1), False),
        ((8.5, 1.2, 2), True),
        ((6.0, 0.5, 1), False),
        ((8.4, 1.0, 2), True),
        ((-8.4, 5.0, 2), False),
    ]
    tracker = Tracker(torch.zeros(3, 1, 1, 1), total=len(told))
    expected = 0.0
    for index, ((value, lead, rank), wins) in enumerate(told, start=1):
        x, row = torch.full((1, 1, 1, 1), value), torch.tensor([1])
        tracker.record(row, x, torch.tensor([lead]), torch.tensor([rank]))
        expected = value if wins else expected
        step = tracker.step(index)
        assert step.best.flatten().tolist() == pytest.approx([0.0, expected, 0.0])
        assert step.images.flatten().tolist() == pytest.approx([0.0, value, 0.0])
        assert step.found.tolist() == [False, tracker.rank[1] > 0, False]
        assert step.scalars["distortion"][1] == pytest.approx(abs(value))
        assert step.scalars["margin"].isnan().tolist() == [True, False, True]


def test_the_tracker_keeps_what_an_attack_says_it_costs():
    tracker = Tracker(torch.zeros(2, 1, 1, 1), total=3)
    both, yes = torch.arange(2), torch.ones(2, dtype=torch.bool)
    for value, costs in ((1.0, [5.0, 5.0]), (2.0, [4.0, 6.0]), (3.0, [4.5, 5.0])):
        tracker.record(both, torch.full((2, 1, 1, 1), value), torch.ones(2), yes, cost=torch.tensor(costs))
    assert tracker.best.flatten().tolist() == [2.0, 1.0]


def test_what_is_not_sound_is_not_kept_and_is_given_up():
    tracker = Tracker(torch.zeros(2, 1, 1, 1), total=2, pictures=("r",))
    both, yes = torch.arange(2), torch.ones(2, dtype=torch.bool)
    tracker.record(both, torch.full((2, 1, 1, 1), 1.0), torch.ones(2), yes, sound=torch.tensor([True, False]))
    step = tracker.step(1)
    assert step.best.flatten().tolist() == [1.0, 0.0]
    assert (step.found.tolist(), step.finite.tolist()) == ([True, False], [True, False])
    tracker.give_up(torch.tensor([0]), torch.tensor([True]))
    tracker.show(torch.tensor([1]), {"r": torch.full((1, 1, 1, 1), 0.5)})
    last = tracker.step(1, last=True)
    assert last.index == last.total == 2
    assert last.found.tolist() == [True, False]  # what was found stays found
    assert last.finite.tolist() == [False, False]
    assert last.detail["r"].flatten().tolist() == [0.0, 0.5]
