"""The finishing push: the shortest lengthening after which the rounded picture fools, against closed forms."""

import math

import pytest
import torch
from torch import Tensor, nn

from core.attacks import (
    ATTACKS,
    DDN,
    CarliniWagner,
    DeepFool,
    Run,
    SmoothCarliniWagner,
    SmoothDDN,
    SmoothFool,
    push,
    run,
)
from core.attacks.push import Pushing, Storable, lengthened
from core.data import quantize
from core.metrics import l2, roughness
from core.params import quick
from tests.problems import Linear, LinearProblem, linear, uniform

PUSHING = [name for name, cls in ATTACKS.items() if issubclass(cls, Pushing)]
NEAR = 1.002  # how near the shortest it comes


def on_levels(problem: LinearProblem) -> tuple[Tensor, Tensor]:
    """The problem's images as a file holds them, and the labels they have there."""
    images = quantize(problem.images)
    return images, problem.model(images).argmax(1)


def shortest(model: nn.Module, x: Tensor, r: Tensor, label: int) -> float:
    """The least t >= 1 at which round(x + t r) is of another class than `label`, for x (1, C, H, W) on levels and an r
    along the normal of a linear classifier of two classes: rounded values change where |255 t r| passes k + 1/2."""
    slopes = (255 * r.double()).abs().flatten()
    halves = (torch.arange(600).double()[:, None] + 0.5) / slopes[None]
    candidates = torch.cat([torch.ones(1).double(), halves[(halves > 1) & halves.isfinite()].sort().values])

    def fools(t: Tensor) -> bool:
        rounded = ((255 * x.double()).round() + t * 1.00001 * 255 * r.double()).round() / 255
        return int(model(rounded.float()).argmax()) != label

    low, high = 0, len(candidates) - 1  # the lead never falls with t
    if fools(candidates[0]):
        return 1.0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fools(candidates[middle]) else (middle, high)
    return float(candidates[high])


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 10)])
def test_on_a_linear_classifier_it_is_the_shortest_that_there_is(shape):
    problem = linear(n=8, shape=shape, deviation=0.03)
    images, labels = on_levels(problem)
    attack = DeepFool(overshoot=0.0, relaxation=1.0)
    before, after = (run(attack.replace(push=p), problem.model, images, labels) for p in (False, True))
    expected = [shortest(problem.model, images[i : i + 1], before.perturbation[i : i + 1], labels[i]) for i in range(8)]
    assert max(expected) > 1.05
    factor = after.trace["push"][-1]
    for found, best in zip(factor.tolist(), expected, strict=True):
        assert best - 1e-4 <= found <= NEAR * best + 1e-4
    assert torch.allclose(after.perturbation, factor.view(-1, 1, 1, 1) * before.perturbation, rtol=0, atol=1e-6)
    assert after.success.all()
    assert after.success_8bit.all()
    assert not before.success_8bit.all()


def test_a_change_that_rounding_would_swallow_whole_is_lengthened_too():
    """A tenth of a level in every value: nothing is left of it until it is five times as long."""
    w = torch.ones(64)
    model = Linear(torch.stack([torch.zeros(64), w]), torch.tensor([0.0, -64 * 0.5 - 64 * 0.1 / 255]))
    images = torch.full((1, 1, 8, 8), 127 / 255.0)
    model.bias[1] += 64 * (0.5 - 127 / 255)
    result = run(DeepFool(overshoot=0.0, relaxation=1.0), model, images, torch.tensor([0]))
    reached = 255 * float(run(DeepFool(overshoot=0.0, relaxation=1.0, push=False), model, images, result.labels).linf)
    assert reached == pytest.approx(0.1, abs=5e-3)
    assert float(result.trace["push"][-1]) == pytest.approx(0.5 / reached, rel=2e-3)
    assert torch.allclose(255 * (result.adversarial_8bit - images), torch.ones_like(images), atol=1e-3)


@pytest.mark.parametrize("sigma_g", [1.2, 2.0])
def test_a_smooth_perturbation_stays_as_smooth(sigma_g):
    problem = linear(n=6, shape=(1, 16, 16), deviation=0.03)
    images, labels = on_levels(problem)
    attack = SmoothFool(sigma_g=sigma_g, overshoot=0.0)
    before, after = (run(attack.replace(push=p), problem.model, images, labels) for p in (False, True))
    assert after.success_8bit.all()
    pushed = after.trace["push"][-1] > 1
    assert int(pushed.sum()) >= 2
    cosine = torch.cosine_similarity(before.perturbation.flatten(1), after.perturbation.flatten(1))
    assert torch.allclose(cosine, torch.ones(6), atol=1e-6)
    rough = [roughness(result.perturbation, 1.0, normalised=True) for result in (before, after)]
    assert torch.allclose(*rough, rtol=1e-4)
    assert torch.allclose(after.trace["roughness_share"][-1], rough[1], rtol=1e-4)
    assert torch.allclose(after.trace["roughness"][-1], roughness(after.perturbation, 1.0), rtol=1e-4)


def test_on_black_and_white_it_is_clipped_as_the_attack_clips():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 32), nn.Tanh(), nn.Linear(32, 5)).requires_grad_(False)
    images = (uniform(8, 1, 16, 16) > 0.5).float() * 254 / 255
    labels = model(images).argmax(1)
    smooth, plain = (
        run(SmoothFool(overshoot=0.0, smooth_clip=rule, least_progress=0.0, come_back=False), model, images, labels)
        for rule in ("paper", "plain")
    )
    for result in (smooth, plain):
        assert result.success_8bit[result.success].all()
        assert bool((result.trace["push"][-1] > 1.0).any())
    r = 0.05 * torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    factor = torch.full((8,), 1.5)
    cut = SmoothFool(smooth_clip="plain").longer(images, r, factor)
    assert torch.allclose(cut, (images + 1.5 * r).clamp(0, 1))
    for rule in ("paper", "released"):
        soft = SmoothFool(smooth_clip=rule).longer(images, r, factor)
        assert bool(((soft >= 0) & (soft <= 1)).all())


def test_those_that_fool_when_saved_stay_bit_for_bit():
    problem = linear(n=12, classes=4)
    images, labels = on_levels(problem)
    before, after = (run(DeepFool(push=p), problem.model, images, labels) for p in (False, True))
    fine = before.success_8bit
    assert 0 < int(fine.sum()) < 12
    assert torch.equal(after.adversarial[fine], before.adversarial[fine])
    assert (after.trace["push"][-1][fine] == 1).all()
    assert (after.trace["push"][-1][~fine] > 1).all()
    assert (after.l2[~fine] > before.l2[~fine]).all()
    assert after.success_8bit.all()
    assert torch.allclose(after.trace["distortion"][-1], after.l2, atol=1e-6)
    rows = torch.arange(12)
    others = after.logits.clone()
    others[rows, labels] = -torch.inf
    assert torch.allclose(after.trace["margin"][-1], others.amax(1) - after.logits[rows, labels], atol=1e-4)
    assert after.trace["push"][:-1].isnan().all()


def test_where_none_needs_it_there_is_no_further_step():
    problem = linear(n=4)
    images, labels = on_levels(problem)
    attack = DeepFool(overshoot=0.5, relaxation=1.0, come_back=False, turns=0)
    steps = [list(attack.replace(push=p).steps(problem.model, images, labels)) for p in (False, True)]
    assert len(steps[0]) == len(steps[1])
    assert (steps[1][-1].index, steps[1][-1].total) == (52, 52)
    assert torch.equal(steps[0][-1].best, steps[1][-1].best)


class Between(nn.Module):
    """Class 1 is what lies between two levels: no picture of 8 bits is of it."""

    def forward(self, x: Tensor) -> Tensor:
        between = (2 * math.pi * 255 * x).sin().flatten(1).sum(1)
        return torch.stack([torch.zeros_like(between), between - 5], 1)


@pytest.mark.parametrize("attack", [DeepFool(), DDN(push=True)], ids=lambda a: a.name)
def test_where_no_length_helps_the_picture_stays_as_found(attack):
    images = torch.full((2, 1, 4, 4), 100 / 255.0, dtype=torch.float64)
    labels = torch.zeros(2, dtype=torch.long)
    before, after = (run(attack.replace(push=p), Between(), images, labels) for p in (False, True))
    assert after.status == ("fooled", "fooled")
    assert torch.equal(before.adversarial, after.adversarial)
    assert not after.success_8bit.any()
    assert after.trace["push"][-1].isnan().all()


def test_an_image_that_was_not_fooled_is_left_alone():
    problem = linear(n=3, classes=3, shape=(1, 8, 8), deviation=0.03)
    images, labels = on_levels(problem)
    blind = torch.zeros_like(images[:1])
    model = problem.model

    class Half(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            dark = (x.flatten(1).mean(1) < 0.2)[:, None]
            return torch.where(dark, torch.tensor([[1.0, 0.0, 0.0]]), model(x))

    result = run(DeepFool(), Half(), torch.cat([blind, images]), torch.cat([labels.new_zeros(1), labels]))
    assert result.status[0] == "failed"
    assert torch.equal(result.adversarial[:1], blind)
    assert result.trace["push"][-1].isnan().tolist() == [True, False, False, False]
    assert result.success_8bit.tolist() == [False, True, True, True]


def test_with_targets_it_is_the_target_that_is_named():
    problem = linear(n=8, classes=5, shape=(3, 8, 8), deviation=0.03)
    images, labels = on_levels(problem)
    before, after = (run(DDN(goal="next", push=p), problem.model, images, labels) for p in (False, True))
    assert not before.success_8bit.all()
    assert after.success_8bit.all()
    assert torch.equal(after.predictions_8bit, after.targets)
    assert torch.equal(after.targets, (labels + 1) % 5)
    rows = torch.arange(8)
    others = after.logits.clone()
    others[rows, after.targets] = -torch.inf
    lead = after.logits[rows, after.targets] - others.amax(1)
    pushed = after.trace["push"][-1] > 1
    assert torch.allclose(after.trace["margin"][-1][pushed], lead[pushed], atol=1e-4)


def test_a_length_at_which_only_the_rounded_picture_fools_is_not_taken():
    """It fools in float at 25 levels and from 75.5 on; rounded, from 51 on."""

    def ahead(x: Tensor, rows: Tensor) -> Tensor:
        level = 255 * x.flatten()
        whole = (level - level.round()).abs() < 1e-6
        return torch.where(whole, level > 50, (level < 26) | (level > 75.5)) * 2.0 - 1

    found = torch.full((1, 1, 1, 1), 25.2 / 255, dtype=torch.float64)
    images = torch.zeros_like(found)
    best, factor = lengthened(images, found, ahead, lambda x, r, t: x + t.view(-1, 1, 1, 1) * r)
    shortest = 75.5 / 25.2
    assert shortest <= float(factor) <= shortest * NEAR
    assert float(best) == pytest.approx(float(factor * found))


def halving(needed: float) -> int:
    """Looks at lengths of which each is four times as far as the last, then halved, until the needed one is known."""
    low, high, looks, further = 1.0, math.inf, 1, 0.004
    while math.isinf(high) or high - low > (NEAR - 1) * high:
        t = min(1 + further, 32.0) if math.isinf(high) else (low + high) / 2
        low, high = (low, t) if t > needed else (t, high)
        looks, further = looks + 1, 4 * further
    return looks


@pytest.mark.parametrize(
    ("shape", "most"), [(torch.sign, 20), (lambda x: x, 15), (torch.tanh, 17), (lambda x: x**3, 21)]
)
def test_it_looks_hardly_oftener_than_halving_does_and_less_where_the_lead_is_straight(shape, most):
    """Images that each need a length of their own, or none; the lead is a function of how far they are from it."""
    needed = torch.tensor([0.9, 1.003, 1.02, 1.3, 2.5, 7.0, 25.0], dtype=torch.float64)
    images = torch.zeros(len(needed), 1, 1, 1, dtype=torch.float64)
    found = torch.full_like(images, 1e-3)
    looks = torch.zeros(len(needed), dtype=torch.long)

    def ahead(x: Tensor, rows: Tensor) -> Tensor:
        looks[rows] += 1
        return shape(x.flatten() / 1e-3 - needed[rows])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(push, "quantize", lambda pictures: pictures)  # lengths, not levels
        best, factor = lengthened(images, found, ahead, lambda x, r, t: x + t.view(-1, 1, 1, 1) * r)
    assert torch.allclose(best.flatten(), 1e-3 * factor)
    shortest = needed.clamp_min(1)
    assert bool((factor >= shortest).all())
    assert bool((factor <= NEAR * shortest).all())
    assert looks[0] == 2  # as found: saved, and in float
    assert looks.max() == most
    assert all(int(n) <= halving(float(t)) + 3 for n, t in zip(looks[1:], needed[1:], strict=True))


def test_in_float_it_has_to_fool_as_well():
    """Whatever lies on a level is of class 1 from 0.5 on; between levels only a narrow strip is."""

    class Strip(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            level = 255 * x.flatten(1).mean(1)
            inside = (
                ((level > 100.2) & (level < 100.4)) | (level > 103.3) | ((level == level.round()) & (level > 100.5))
            )
            return torch.stack([torch.zeros_like(level), torch.where(inside, 1.0, -1.0) + 0 * level], 1)

    class Given(DeepFool):
        def search(self, model, images, labels, memory=None):
            *_, last = super().search(Slope(), images, labels)
            yield last

    class Slope(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            level = 255 * x.flatten(1).mean(1)
            return torch.stack([torch.zeros_like(level), level - 100.3], 1)

    images = torch.full((1, 1, 2, 2), 100 / 255.0, dtype=torch.float64)
    result = run(Given(overshoot=0.0, relaxation=1.0), Strip(), images, torch.tensor([0]))
    assert result.status == ("fooled",)
    assert result.success_8bit.all()
    assert 103.3 < 255 * float(result.adversarial.mean()) < 103.4


@pytest.mark.parametrize("cls", [CarliniWagner, DDN, SmoothCarliniWagner, SmoothDDN])
def test_searches_of_the_shortest_can_end_with_it(cls):
    problem = linear(n=6, classes=4, shape=(1, 10, 10), deviation=0.03)
    images, labels = on_levels(problem)
    attack = cls(margin=0.0) if issubclass(cls, CarliniWagner | SmoothCarliniWagner) else cls()
    assert not attack.push
    before, after = (run(attack.replace(push=p), problem.model, images, labels) for p in (False, True))
    assert not before.success_8bit.all()
    assert after.success_8bit.all()
    assert torch.equal(before.converged, after.converged)
    cosine = torch.cosine_similarity(before.perturbation.flatten(1), after.perturbation.flatten(1))
    assert torch.allclose(cosine, torch.ones(6), atol=1e-5)
    further = run(attack.replace(push=True), problem.model, images, labels, start=after.adversarial)
    assert further.success_8bit.all()
    rounded = run(attack.replace(push=True, quantised=True), problem.model, images, labels)
    assert (rounded.trace["push"][-1] == 1).all()


def test_a_search_that_is_stopped_is_not_pushed():
    problem = linear(n=4, classes=4, deviation=0.03)
    images, labels = on_levels(problem)
    free = run(SmoothFool(push=False), problem.model, images, labels)
    driver = Run(SmoothFool(), problem.model, images, labels)
    while driver.step is None or not driver.step.found.all():
        next(driver)
    assert driver.step.index < driver.step.total
    assert torch.equal(driver.result().adversarial, free.adversarial)
    assert driver.result().stopped


@pytest.mark.parametrize("name", PUSHING)
def test_it_costs_nothing_where_it_is_off_and_papers_do_without(name):
    cls = ATTACKS[name]
    problem = linear(n=2, shape=(3, 8, 8), deviation=0.02)
    free, pushed = (cls(**quick(cls) | {"push": p}) for p in (False, True))
    totals = [next(a.steps(problem.model, problem.images, problem.labels)).total for a in (free, pushed)]
    assert totals[1] == totals[0] + 1
    *_, last = free.steps(problem.model, problem.images, problem.labels)
    assert "push" not in last.scalars
    assert cls().push is not issubclass(cls, Storable)
    for preset in cls.presets:
        if any(word in preset for word in ("paper", "author", "et al.")):
            assert not cls.preset(preset).push, preset


def test_who_can_be_pushed():
    assert PUSHING == ["cw", "scw", "ddn", "sddn", "cddn", "deepfool", "smoothfool"]


def test_lengths_that_end_black_or_white_end_there():
    model = Linear(torch.tensor([[0.0] * 4, [1.0] * 4]), torch.tensor([0.0, -3.5]))
    images = torch.full((1, 1, 2, 2), 222 / 255.0)
    result = run(DeepFool(overshoot=0.0, relaxation=1.0), model, images, torch.tensor([0]))
    assert result.success_8bit.all()
    assert bool((result.adversarial <= 1).all())
    assert float(l2(result.perturbation)) <= 2 * (1 / 255 + 223.5 / 255 - 222 / 255)
