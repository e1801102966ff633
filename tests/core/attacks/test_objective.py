"""What the gradient attacks raise: closed forms on a network whose features are its pixels."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from core import models
from core.attacks import ATTACKS, FGSM, IteratedFGSM, MomentumIterative, ProjectedGradient, run
from core.attacks.base import Tracker
from core.attacks.gradient import raised
from core.data import gallery
from core.models import Classifier
from core.models.heads import CenterHead
from tests.problems import linear

CENTERS = torch.tensor([[0.0, 0, 0, 0], [100.0, 0, 0, 0], [0, 100.0, 0, 0]])
"""Three, far apart: logits differ by ten thousand."""
OWN = {"objective": "own loss", "keep": "last"}


@pytest.fixture(scope="module")
def pixels():
    card = models.card("mnist-c4-mmc").model_copy(
        update={"classes": 3, "input_shape": (1, 2, 2), "mean": (0.0,), "std": (1.0,)}
    )
    head = CenterHead(4, 3)
    head.centers.copy_(CENTERS)
    return Classifier(nn.Flatten(), head, card)


def pgd(**values):
    return IteratedFGSM(epsilon=0.1, step_size=0.025, updates=10, random_start=True, **values)


def test_up_the_squared_distance_every_pixel_moves_away_from_the_own_centre(pixels):
    """With enough steps to the far corner of the ball, in [0, 1]."""
    x = torch.tensor([0.5, 0.6, 0.3, 0.95]).view(1, 1, 2, 2)
    *_, last = pgd(**OWN).steps(pixels, x, torch.tensor([0]), torch.Generator().manual_seed(0))
    assert last.best.flatten().tolist() == pytest.approx([0.6, 0.7, 0.4, 1.0])
    assert last.scalars["loss"].item() == pytest.approx(-(0.6**2 + 0.7**2 + 0.4**2 + 1))


def test_targeted_it_goes_to_the_wanted_centre(pixels):
    x, y = torch.full((40, 1, 2, 2), 0.5), torch.zeros(40, dtype=torch.long)
    *_, last = pgd(**OWN, goal="random").steps(pixels, x, y, torch.Generator().manual_seed(3))
    corners = {1: (0.6, 0.4, 0.4, 0.4), 2: (0.4, 0.6, 0.4, 0.4)}
    for end, target in zip(last.best.flatten(1).tolist(), last.targets.tolist(), strict=True):
        assert tuple(round(v, 4) for v in end) == corners[target]
    assert set(last.targets.tolist()) == {1, 2}


@pytest.mark.parametrize(
    "attack",
    [
        FGSM(epsilon=0.1, objective="own loss"),
        MomentumIterative(epsilon=0.1, step_size=0.025, updates=10, **OWN),
        ProjectedGradient(radius=0.2, step_length=0.05, updates=10, **OWN),
    ],
    ids=lambda a: a.name,
)
def test_every_gradient_attack_raises_it(attack, pixels):
    x = torch.full((1, 1, 2, 2), 0.5)
    *_, last = attack.steps(pixels, x, torch.tensor([0]))
    assert last.best.flatten().tolist() == pytest.approx([0.6] * 4, abs=1e-5)


def test_cross_entropy_has_no_slope_where_the_softmax_is_sure(pixels):
    """An image stays where it started, while the log odds, which rise with cross-entropy, keep their slope."""
    x, y = torch.full((2, 1, 2, 2), 0.5), torch.tensor([0, 0])
    *_, last = pgd(objective="cross-entropy", keep="last").steps(pixels, x, y, torch.Generator().manual_seed(0))
    start = pgd().descent(x).start(x, torch.Generator().manual_seed(0))
    assert torch.equal(last.best, start)
    *_, last = pgd(keep="last").steps(pixels, x, y, torch.Generator().manual_seed(0))
    assert not torch.equal(last.best, start)


def test_objectives_are_what_they_say(pixels):
    x, y = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0, 1])
    for objective, expected in (
        ("cross-entropy", F.cross_entropy(pixels(x), y, reduction="none")),
        ("own loss", (x.flatten(1) - CENTERS[y]).square().sum(1)),
    ):
        logits, j = raised(objective, pixels, x, y)
        torch.testing.assert_close(logits, pixels(x))
        torch.testing.assert_close(j, expected)
    problem = linear(n=4, classes=3, deviation=0.01)
    p = problem.model(problem.images).double().softmax(1).gather(1, problem.labels[:, None])[:, 0]
    _, j = raised("log odds", problem.model, problem.images, problem.labels)
    torch.testing.assert_close(j.double(), ((1 - p) / p).log(), rtol=1e-3, atol=1e-4)


def test_the_steps_of_cross_entropy_are_those_of_the_log_odds_where_it_has_a_slope():
    problem = linear(n=4, classes=3, shape=(1, 6, 6), deviation=0.02)
    a, b = (
        run(IteratedFGSM(step_size=0.005, objective=o), problem.model, problem.images, problem.labels)
        for o in ("log odds", "cross-entropy")
    )
    assert torch.equal(a.adversarial, b.adversarial)
    assert bool(a.success.all())


def test_mmcs_own_loss_moves_features_farther_from_their_centres_than_cross_entropy():
    model, images = models.load("mnist-c4-mmc", "cpu"), gallery.read("mnist")[:10]
    away = {}
    for objective in ("cross-entropy", "own loss"):
        *_, last = pgd(objective=objective, keep="last").steps(
            model, images.images, images.labels, torch.Generator().manual_seed(0)
        )
        with torch.no_grad():
            away[objective] = (model.features(last.best) - model.head.centers[images.labels]).norm(dim=1)
    assert away["own loss"].median() > 2 * away["cross-entropy"].median()


@pytest.mark.parametrize("name", ["fgsm", "ifgsm", "pgd2", "qpgd2", "mim"])
def test_a_network_that_does_not_name_its_loss_is_refused(name):
    problem = linear(n=1)
    with pytest.raises(ValueError, match=r"^objective 'own loss' needs a network with a card"):
        run(ATTACKS[name](objective="own loss"), problem.model, problem.images, problem.labels)


def test_the_last_iterate_is_kept_whatever_came_before():
    tracker, row = Tracker(torch.zeros(1, 1, 1, 1), total=2), torch.tensor([0])
    for value, fools in ((0.3, True), (0.7, False)):
        lead = torch.tensor([1.0 if fools else -1.0])
        tracker.record(row, torch.full((1, 1, 1, 1), value), lead, torch.tensor([fools]), newest=True)
        assert tracker.best.item() == pytest.approx(value)
        assert tracker.found.item() == fools


def test_all_steps_are_made_for_the_last_iterate():
    problem = linear(n=3, classes=3, shape=(1, 6, 6), deviation=0.02)
    attack = IteratedFGSM(epsilon=0.05, step_size=0.01, updates=12, keep="last")
    *_, last = attack.steps(problem.model, problem.images, problem.labels)
    assert last.index == last.total == 12
    assert torch.equal(last.best, last.images)
    far = (last.best - problem.images).abs()
    assert bool((far < 0.05 + 1e-6).all())
    assert (far > 0.05 - 1e-6).float().mean() > 0.9  # where no pixel's slope turns, the corner of the ball
