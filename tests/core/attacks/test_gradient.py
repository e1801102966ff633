"""What all gradient attacks and black boxes promise: valid images, honest outcomes, goals, any sign of the logits."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor, nn

from core import models
from core.attacks import ATTACKS, Run, margin, run
from core.attacks.gradient import Search, log_odds
from core.params import ParameterInfo, fields
from tests.problems import linear

GRADIENT = ("fgsm", "ifgsm", "pgd2", "qpgd2", "ddn", "sddn", "mim")
BLIND = ("spsa", "noise", "rotation")
NAMES = GRADIENT + BLIND
TARGETED = ("fgsm", "ifgsm", "pgd2", "qpgd2", "ddn", "sddn", "mim", "spsa")
# Strong enough for the linear problems of tests/problems.py, whose boundary is at an L2 distance of about 0.2.
STRONG = {
    "fgsm": {"epsilon": 0.2},
    "ifgsm": {"epsilon": 0.2},
    "mim": {"epsilon": 0.2},
    "pgd2": {"step_length": 0.1},
    "qpgd2": {"step_length": 0.1},
    "spsa": {"epsilon": 0.2, "adam_step": 0.03},
}
CHEAP = {"updates": 3, "rounds": 2, "samples": 6, "passes": 4, "levels": 3, "trials": 2, "angles": 5, "shifts": 2}


class Small(nn.Module):
    """A random two-layer network; with the shape of its images it has a card, which names its loss."""

    def __init__(self, values: int, classes: int, seed: int, shape: tuple[int, ...] | None = None) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = torch.randn(16, values, generator=generator) * 3 / values**0.5
        self.second = torch.randn(classes, 16, generator=generator)
        if shape is not None:
            self.card = models.card("mnist-c4-ce").model_copy(update={"input_shape": shape})

    def features(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.first.T).relu()

    def head(self, z: Tensor) -> Tensor:
        return z @ self.second.T

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def value(draw: st.DrawFn, info: ParameterInfo) -> object:
    if info.kind == "bool":
        return draw(st.booleans())
    if info.kind == "choice":
        return draw(st.sampled_from(info.choices))
    if info.name in CHEAP:
        return draw(st.integers(info.low, CHEAP[info.name]))
    if info.kind == "int":
        return draw(st.integers(info.low, info.high))
    return draw(st.floats(info.low, info.high, allow_nan=False, allow_subnormal=False))


@st.composite
def cases(draw: st.DrawFn):
    cls = ATTACKS[draw(st.sampled_from(NAMES))]
    attack = cls(**{info.name: value(draw, info) for info in fields(cls)})
    shape = draw(st.sampled_from([(1, 1, 1), (1, 6, 5), (3, 4, 7)]))
    seed = draw(st.integers(0, 2**16))
    images = torch.rand(3, *shape, generator=torch.Generator().manual_seed(seed))
    if draw(st.booleans()):
        images = images.round()  # black and white: nowhere to go but inwards
    return attack, images, Small(images[0].numel(), draw(st.integers(2, 5)), seed, shape)


@given(cases())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_image_is_in_range_and_every_claim_holds(case):
    attack, images, model = case
    before = images.clone()
    labels = model(images).argmax(1)
    driver = Run(attack, model, images, labels, seed=1)
    indices = []
    for step in driver:
        indices.append((step.index, step.total))
        for iterates in (step.images, step.best):
            assert iterates.shape == images.shape
            assert bool(((iterates >= 0) & (iterates <= 1)).all())
        assert {"loss", "distortion", "margin"} <= set(step.scalars)
    result = driver.result()
    assert torch.equal(images, before)
    assert [i for i, _ in indices] == sorted({i for i, _ in indices})
    assert indices[-1][0] == indices[-1][1]
    assert bool(((result.adversarial >= 0) & (result.adversarial <= 1)).all())
    # What the attack claims, a fresh forward pass finds; what it does not claim can be a tie at most.
    assert bool((step.found <= result.success).all())
    lead = margin(result.logits, labels if result.targets is None else result.targets)
    tie = lead.abs() <= 1e-5 * (1 + result.logits.abs().amax(1))
    assert bool((step.found | ~result.success | tie).all())
    wanted = result.predictions != labels if result.targets is None else result.predictions == result.targets
    assert torch.equal(result.success, wanted)


def test_log_odds_has_cross_entropys_direction_and_does_not_vanish():
    logits = torch.tensor([[2.0, 1.0, -1.0], [150.0, 0.0, -3.0]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0])
    (ours,) = torch.autograd.grad(log_odds(logits, labels).sum(), logits)
    (theirs,) = torch.autograd.grad(nn.functional.cross_entropy(logits, labels, reduction="sum"), logits)
    p = logits.detach().softmax(1)[:, 0]
    assert torch.allclose(log_odds(logits, labels)[:1], (p / (1 - p)).log()[:1])
    assert torch.allclose(ours[0], -theirs[0] / (1 - p[0]))
    sure = torch.tensor([[150.0, 0.0, -3.0]], requires_grad=True)
    (vanished,) = torch.autograd.grad(nn.functional.cross_entropy(sure, labels[:1]), sure)
    (kept,) = torch.autograd.grad(log_odds(sure, labels[:1]).sum(), sure)
    assert vanished[0, 0] == 0
    assert kept[0].tolist() == pytest.approx([1, -0.9526, -0.0474], abs=1e-4)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "rotation"])
def test_all_negative_logits_are_attacked_as_their_shifted_twin(name):
    attack = ATTACKS[name](**STRONG.get(name, {}))
    results = []
    for shift in (0.0, -64.0):  # a power of two: the rounding of the logits is all that differs
        problem = linear(n=6, classes=4, seed=2, shift=shift)
        results.append(run(attack, problem.model, problem.images, problem.labels))
    plain, negative = results
    assert bool((negative.logits_clean < 0).all())
    assert plain.status == negative.status == ("fooled",) * 6
    assert torch.allclose(plain.l2, negative.l2, rtol=1e-2)


@pytest.mark.parametrize("name", TARGETED)
@pytest.mark.parametrize("goal", ["random", "least-likely", "next"])
def test_targeted_success_means_the_target(name, goal):
    problem = linear(n=6, classes=4, seed=2)
    attack = ATTACKS[name](**STRONG.get(name, {}), goal=goal)
    result = run(attack, problem.model, problem.images, problem.labels, seed=3)
    targets = result.targets
    assert bool((targets != problem.labels).all())
    if goal == "next":
        assert torch.equal(targets, (problem.labels + 1) % 4)
    if goal == "least-likely":
        assert torch.equal(targets, result.logits_clean.argmin(1))
    assert torch.equal(result.success, result.predictions == targets)
    assert result.success.float().mean() >= (0.5 if name in ("fgsm", "qpgd2") else 1)
    again = run(attack, problem.model, problem.images, problem.labels, seed=3)
    assert torch.equal(again.targets, targets)
    assert torch.equal(again.adversarial, result.adversarial)
    assert torch.equal(result.trace["margin"].amax(0) > 0, result.success)


def test_another_class_than_the_target_is_no_success():
    problem = linear(n=6, classes=4, seed=2)
    result = run(ATTACKS["fgsm"](epsilon=0.02, goal="least-likely"), problem.model, problem.images, problem.labels)
    elsewhere = (result.predictions != problem.labels) & (result.predictions != result.targets)
    assert elsewhere.any()  # so the check below checks something
    assert not (result.success & elsewhere).any()
    assert all(result.status[int(i)] == "failed" for i in elsewhere.nonzero())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["constant", "flat"])
def test_one_class_for_everything_fails_clearly(name, kind):
    def model(x: Tensor) -> Tensor:
        logits = torch.tensor([[3.0, 1.0, 2.0]]).repeat(len(x), 1)
        return logits if kind == "constant" else logits + 0 * x.sum((1, 2, 3))[:, None]

    network = nn.Module()
    network.forward = model
    images = torch.full((2, 1, 4, 4), 0.5)
    steps = []
    result = run(ATTACKS[name](), network, images, torch.zeros(2, dtype=torch.long), on_step=steps.append)
    assert result.status == ("failed",) * 2
    assert bool(((result.adversarial >= 0) & (result.adversarial <= 1)).all())
    assert steps[-1].index == steps[-1].total
    assert len(steps) == 1 or name in BLIND  # without a gradient there is nothing to follow


class Poisoned(nn.Module):
    """A linear classifier whose answer, or only its gradient, is NaN for images with a white first pixel."""

    def __init__(self, inner: nn.Module, where: str) -> None:
        super().__init__()
        self.inner, self.where = inner, where

    def forward(self, x: Tensor) -> Tensor:
        logits = self.inner(x)
        bad = x[:, 0, 0, 0] >= 1
        if self.where == "gradient":
            return logits + torch.where(bad, (x[:, 0, 0, 0] - 1).abs().sqrt(), 0)[:, None]  # 0 * infinite slope
        changed = (x[:, 0, 1, 1] - 0.5).abs() > 1e-6  # finite on the clean image only
        return torch.where((bad & changed)[:, None], torch.nan, logits)


@pytest.mark.parametrize("name", NAMES)
def test_nan_freezes_its_image_only(name):
    problem = linear(n=4, classes=3, seed=5)
    images = problem.images.clone()
    images[:, 0, 1, 1] = 0.5
    images[:, 0, 0, 0] = torch.tensor([0.5, 1.0, 0.5, 1.0])
    where = "gradient" if name in GRADIENT else "logits"
    model = Poisoned(problem.model, where)
    labels = problem.model(images).argmax(1)
    result = run(ATTACKS[name](**STRONG.get(name, {})), model, images, labels)
    assert bool(result.adversarial.isfinite().all())
    if name == "rotation":  # a turn takes the white pixel away, and the network is well again
        assert set(result.status) <= {"fooled", "failed", "not finite"}
    else:
        assert result.status == ("fooled", "not finite", "fooled", "not finite")


@pytest.mark.parametrize("name", ["ifgsm", "pgd2", "qpgd2", "mim", "noise", "rotation"])
def test_finished_images_leave_the_batch(name):
    problem = linear(n=6, classes=3, seed=2)  # at distances from 0.04 to 0.32
    seen: list[int] = []

    class Counting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return problem.model(x)

    small = {"step_size": 0.002} if name in ("ifgsm", "mim") else {}
    attack = ATTACKS[name](**STRONG.get(name, {}) | small)
    *_, last = attack.steps(Counting(), problem.images, problem.labels, torch.Generator().manual_seed(0))
    assert last.index == last.total
    assert seen[0] == 6
    assert len(seen) <= last.total + 1
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < 6


def test_strongest_goes_on_after_success():
    problem = linear(n=6, classes=3, seed=2)
    for name in ("ifgsm", "pgd2", "qpgd2", "mim"):
        first = run(ATTACKS[name](**STRONG[name]), problem.model, problem.images, problem.labels)
        strongest = run(ATTACKS[name](**STRONG[name], keep="strongest"), problem.model, problem.images, problem.labels)
        lead = strongest.trace["margin"]
        assert strongest.status == ("fooled",) * 6
        assert bool((strongest.l2 >= first.l2 - 1e-6).all())
        assert bool((lead.max(0).values > first.trace["margin"].max(0).values + 1).all())


def test_the_least_distorted_success_is_kept_and_else_the_nearest_attempt():
    problem = linear(n=2)
    search = Search(problem.model, problem.images, problem.labels, 3)
    behind = problem.images + torch.tensor([3.0, 0.5]).view(-1, 1, 1, 1) * problem.nearest
    closer = problem.images + torch.tensor([1.5, 0.9]).view(-1, 1, 1, 1) * problem.nearest
    worse = problem.images + torch.tensor([2.0, 0.1]).view(-1, 1, 1, 1) * problem.nearest
    for x in (behind, closer, worse):
        search.record(x, problem.model(x))
    step = search.step(3)
    assert step.found.tolist() == [True, False]
    assert torch.equal(step.best, closer)
    assert torch.equal(step.images, worse)


def test_images_that_are_not_attacked_have_no_target():
    problem = linear(n=3, classes=3, seed=2)
    labels = problem.labels.clone()
    labels[1] = (labels[1] + 1) % 3
    result = run(ATTACKS["pgd2"](goal="next"), problem.model, problem.images, labels)
    assert result.status[1] == "already misclassified"
    assert result.targets[1] == -1
    assert bool((result.targets[[0, 2]] >= 0).all())
    assert bool((result.success_8bit <= (result.predictions_8bit == result.targets)).all())
