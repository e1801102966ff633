"""C&W against closed forms on linear classifiers, a plainly written loop, autograd and finite differences."""

import math
from typing import ClassVar

import pytest
import torch
from torch import nn

from core.attacks import ATTACKS, CarliniWagner, SmoothCarliniWagner, run
from core.attacks.adam import Adam
from core.attacks.cw import CarliniWagnerBase, Clipped
from core.data import quantize
from core.metrics import l2
from tests.problems import Constant, linear

ONE_RUN = {"iterations": 100}
PUBLISHED = {"iterations": 100, "search_steps": 6, "learning_rate": 0.001, "abort_early": False}


class Smooth(nn.Module):
    """A small network with curved boundaries, in float64: images (N, 1, 6, 6), four classes."""

    def __init__(self, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = torch.randn(36, 20, generator=generator, dtype=torch.float64)
        self.second = torch.randn(20, 4, generator=generator, dtype=torch.float64)

    def forward(self, x):
        return (0.5 * (x.flatten(1) - 0.5) @ self.first).tanh() @ self.second


@pytest.fixture(scope="module")
def curved():
    """A network, images with exact black and white among their pixels, and the labels it gives them."""
    model = Smooth()
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(6, 1, 6, 6, generator=generator, dtype=torch.float64).mul_(1.4).sub_(0.2).clamp_(0, 1)
    return model, images, model(images).argmax(1)


class InPixels(CarliniWagnerBase):
    """C&W with the perturbation as its variable, eq. 13."""

    name: ClassVar[str] = "in pixels"

    def variable(self, images):
        return Clipped()


@pytest.mark.parametrize("search", [ONE_RUN, PUBLISHED], ids=["one run", "published"])
@pytest.mark.parametrize("cls", [CarliniWagner, InPixels])
@pytest.mark.parametrize(("classes", "shape"), [(2, (1, 8, 8)), (5, (1, 8, 8)), (5, (3, 6, 7))])
def test_on_a_linear_classifier_it_reaches_the_closed_form(cls, search, classes, shape):
    problem = linear(n=6, classes=classes, shape=shape)
    result = run(cls(margin=0, **search), problem.model, problem.images, problem.labels)
    shortest = l2(problem.nearest)
    assert result.status == ("fooled",) * 6
    assert bool((result.l2 >= shortest * (1 - 1e-4)).all())
    assert bool((result.l2 <= shortest * 1.05).all())
    assert bool((l2(result.perturbation - problem.nearest) <= 0.35 * shortest).all())


@pytest.mark.parametrize("m", [0.5, 3.0])
def test_with_a_margin_it_reaches_the_shifted_boundary(m):
    problem = linear(n=6)
    result = run(CarliniWagner(margin=m, iterations=100), problem.model, problem.images, problem.labels)
    shortest = (problem.gap + m) / l2(problem.normal)
    lead = result.logits[torch.arange(6), 1 - problem.labels] - result.logits[torch.arange(6), problem.labels]
    assert bool((lead >= m - 1e-4).all())
    assert bool((result.l2 >= shortest * (1 - 1e-4)).all())
    assert bool((result.l2 <= shortest * 1.05).all())


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_the_scale_of_the_logits_does_not_matter(scale):
    """The first c and step size come from the network itself."""
    problem = linear(n=4, shape=(1, 10, 10))
    problem.model.weights.mul_(scale)
    problem.model.bias.mul_(scale)
    result = run(CarliniWagner(margin=0), problem.model, problem.images, problem.labels)
    assert result.status == ("fooled",) * 4
    assert bool((result.l2 <= 1.05 * l2(problem.nearest)).all())


def plain_loop(model, image, label, attack):
    """The attack in r on one image, eqs. 2, 3 and 13, written down plainly with torch's own Adam."""

    def objective(r, c):
        x = (image + r).clamp(0, 1)
        logits = model(x)[0]
        others = torch.cat([logits[:label], logits[label + 1 :]])
        lead = others.max() - logits[label]
        return r.square().sum() / c + (attack.margin - lead).clamp(min=0), x.detach(), lead.item()

    (slope,) = torch.autograd.grad(objective(r := torch.zeros_like(image, requires_grad=True), 1.0)[0], r)
    gap = objective(torch.zeros_like(image), 1.0)[0].item()
    first_rate = attack.learning_rate or gap / float(slope.abs().sum())
    c = attack.initial_c or 2 * gap / float(slope.square().sum())
    best, fooled, shortest, lower, upper = None, False, math.inf, 0.0, math.inf
    for _ in range(attack.search_steps or 1):
        r = torch.zeros_like(image, requires_grad=True)
        optimiser = torch.optim.Adam([r], lr=first_rate)
        growth, reached = 1.0, False
        for i in range(attack.iterations):
            optimiser.zero_grad()
            loss, x, lead = objective(r, c)
            loss.backward()
            success = lead > 0 and lead >= attack.margin
            reached, fooled = reached or success, fooled or lead > 0
            if success and float((x - image).norm()) < shortest:
                best, shortest = x, float((x - image).norm())
            if attack.search_steps is None:
                c *= 0.95 if success else 1.05 if fooled else 1.1
                growth *= 1.0 if fooled else 1.1
                share = 0.05 + 0.95 * (1 + math.cos(math.pi * i / attack.iterations)) / 2
                optimiser.param_groups[0]["lr"] = first_rate * growth * share
            optimiser.step()
        lower, upper = (lower, min(upper, c)) if reached else (max(lower, c), upper)
        c = (lower + upper) / 2 if upper < math.inf else 10 * c
    return best


@pytest.mark.parametrize(
    "values",
    [
        {"margin": 0.0},
        {"margin": 0.25, "iterations": 30},
        {"margin": 0.0, "iterations": 20, "search_steps": 4, "learning_rate": 0.05, "initial_c": 0.5},
        {"margin": 0.1, "iterations": 25, "search_steps": 3},
    ],
    ids=["one run", "with a margin", "published", "published, automatic"],
)
def test_without_smoothing_it_is_the_plainly_written_attack(curved, values):
    model, images, labels = curved
    attack = SmoothCarliniWagner(alpha=0, abort_early=False, **values)
    result = run(attack, model, images, labels)
    for i in range(len(images)):
        best = plain_loop(model, images[i : i + 1], int(labels[i]), attack)
        assert best is not None
        assert result.status[i] == "fooled"
        assert torch.allclose(result.adversarial[i], best[0], rtol=0, atol=1e-5)
    same = run(InPixels(abort_early=False, **values), model, images, labels)
    assert torch.equal(same.adversarial, result.adversarial)


@pytest.mark.parametrize("attack", [CarliniWagner(initial_c=0.7), SmoothCarliniWagner(alpha=0.9, initial_c=0.7)])
def test_the_gradient_is_the_true_one(curved, attack, monkeypatch):
    model, images, labels = curved
    attack = attack.replace(margin=0.5, iterations=12, search_steps=1, abort_early=False)
    walked = []
    step = Adam.step

    def watched(self, variable, slope, share=1.0):
        walked.append((variable.clone(), slope.clone()))
        step(self, variable, slope, share)

    monkeypatch.setattr(Adam, "step", watched)
    run(attack, model, images, labels)
    variable = attack.variable(images)

    def objective(v):
        x, r = variable.image(v, images)
        logits = model(x)
        lead = logits.scatter(1, labels[:, None], -torch.inf).amax(1) - logits.gather(1, labels[:, None])[:, 0]
        return r.square().sum() / 0.7 + (0.5 - lead).clamp_min(0).sum()

    generator = torch.Generator().manual_seed(2)
    hinges = 0
    for v, slope in walked[::3]:
        v.requires_grad_(True)
        (expected,) = torch.autograd.grad(objective(v), v)
        assert torch.allclose(slope, expected, rtol=1e-9, atol=1e-12)
        direction = torch.randn(v.shape, generator=generator, dtype=v.dtype) * 1e-6
        with torch.no_grad():
            difference = objective(v + direction) - objective(v - direction)
        clipped = isinstance(attack, SmoothCarliniWagner)  # the clip has two slopes at black and white: skip these
        if not (clipped and bool((v == 0).all())):
            assert float(difference) == pytest.approx(2 * float((slope * direction).sum()), rel=1e-3, abs=1e-11)
            hinges += 1
    assert hinges >= 3


@pytest.mark.parametrize(
    "attack",
    [
        CarliniWagner(iterations=40),
        CarliniWagner(iterations=40, search_steps=3, learning_rate=0.1),
        SmoothCarliniWagner(iterations=40),
        SmoothCarliniWagner(iterations=40, search_steps=3, learning_rate=0.1),
    ],
    ids=lambda a: f"{a.name}-{a.search_steps}",
)
def test_images_do_not_influence_each_other(curved, attack):
    """Among them one that the network is wrong about, and some that leave a published search before the others."""
    model, images, labels = curved
    labels = labels.clone()
    labels[2] = (labels[2] + 1) % 4
    sizes = set()

    class Watched(nn.Module):
        def forward(self, x):
            sizes.add(len(x))
            return model(x)

    together = run(attack, Watched(), images, labels)
    assert together.status[2] == "already misclassified"
    if attack.search_steps:
        assert len(sizes) > 2
    for i in range(len(images)):
        alone = run(attack, model, images[i : i + 1], labels[i : i + 1])
        assert alone.status[0] == together.status[i]
        assert torch.allclose(alone.adversarial[0], together.adversarial[i], rtol=0, atol=1e-9)


@pytest.mark.parametrize("attack", [CarliniWagner(), SmoothCarliniWagner(search_steps=3)], ids=lambda a: a.name)
def test_the_least_distorted_success_is_kept(curved, attack):
    model, images, labels = curved
    shortest = torch.full((len(images),), math.inf, dtype=torch.float64)
    last = torch.zeros_like(shortest)

    def watch(step):
        lead = step.scalars["margin"]
        distortion = l2(step.images, images)
        assert torch.allclose(distortion, step.scalars["distortion"])
        reached = lead >= attack.margin
        shortest[reached] = torch.minimum(shortest, distortion)[reached]
        last.copy_(distortion)
        known = shortest.isfinite()
        assert bool(step.found[known].all())
        assert torch.allclose(l2(step.best, images)[known], shortest[known])

    result = run(attack, model, images, labels, on_step=watch)
    assert result.status == ("fooled",) * 6
    assert torch.allclose(result.l2, shortest)
    assert bool((shortest != last).any())  # longer, or one that does not fool


@pytest.mark.parametrize("values", [{}, {"search_steps": 3}], ids=["one run", "published"])
@pytest.mark.parametrize("cls", [CarliniWagner, SmoothCarliniWagner])
def test_rounded_it_finds_what_survives_being_saved(cls, values):
    """The boundary is a third of a level away, per pixel; rounding undoes what plainly fools."""
    problem = linear(n=6, shape=(1, 12, 12), deviation=0.02)
    images = quantize(problem.images)
    labels = problem.model(images).argmax(1)
    plain, rounded = (run(cls(margin=0, quantised=q, **values), problem.model, images, labels) for q in (False, True))
    assert plain.success.all()
    assert not plain.success_8bit.all()
    assert rounded.success_8bit.all()
    assert torch.equal(rounded.adversarial, rounded.adversarial_8bit)
    reached = rounded.trace["margin"] > 0
    shortest = torch.where(reached, rounded.trace["distortion"], torch.inf).amin(0)
    assert torch.allclose(rounded.l2, shortest)
    assert bool((rounded.l2 >= l2(problem.nearest) * 0.9).all())


@pytest.mark.parametrize("cls", [CarliniWagner, SmoothCarliniWagner])
def test_the_same_seed_gives_the_same_result(curved, cls):
    model, images, labels = curved
    first = run(cls(iterations=20), model, images, labels, seed=3)
    torch.rand(7)
    again = run(cls(iterations=20), model, images, labels, seed=3)
    assert torch.equal(first.adversarial, again.adversarial)


@pytest.mark.parametrize("values", [{}, {"search_steps": 3, "iterations": 30}], ids=["one run", "published"])
@pytest.mark.parametrize("cls", [CarliniWagner, SmoothCarliniWagner])
def test_a_network_without_a_way_out_is_reported(cls, values):
    images = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 0])
    for kind in ("without gradient", "zero gradient"):
        steps = []
        result = run(cls(**values), Constant(kind), images, labels, on_step=steps.append)
        assert result.status == ("failed", "failed"), kind
        assert not result.success_8bit.any()
        assert len(steps) == 2  # one look is enough, and the last step is always yielded
        assert steps[-1].index == steps[-1].total
    result = run(cls(**values), Constant("tiny gradient"), images, labels)
    assert result.status == ("failed", "failed")
    grey = torch.full_like(images, 0.5)
    assert run(cls(**values), Constant("NaN gradient"), grey, labels).status == ("not finite", "not finite")


def test_a_failed_image_is_neither_a_success_nor_the_clean_image():
    class Stubborn(nn.Module):
        """Class 1 would need a mean of 2."""

        def forward(self, x):
            lead = x.mean((1, 2, 3)) - 2
            return torch.stack([torch.zeros_like(lead), lead], 1)

    images = torch.full((1, 1, 4, 4), 0.5)
    result = run(CarliniWagner(), Stubborn(), images, torch.tensor([0]))
    assert result.status == ("failed",)
    assert not result.success.any()
    lead = result.logits[0, 1] - result.logits[0, 0]
    assert float(lead) > -1.1  # the nearest attempt: nearly white
    assert float(result.l2) > 1


@pytest.mark.parametrize("cls", [CarliniWagner, SmoothCarliniWagner])
def test_logits_that_are_all_negative_are_attacked_as_their_shifted_twins(curved, cls):
    model, images, labels = curved

    class Shifted(nn.Module):
        def forward(self, x):
            return model(x) - 50

    assert bool((Shifted()(images) < 0).all())
    here = run(cls(iterations=30), model, images, labels)
    there = run(cls(iterations=30), Shifted(), images, labels)
    assert here.status == there.status == ("fooled",) * 6
    assert torch.allclose(here.adversarial, there.adversarial, rtol=0, atol=1e-6)


def test_the_presets_are_the_papers():
    for name in ("cw", "scw"):
        cls = ATTACKS[name]
        mnist, imagenet = cls.preset("paper, MNIST"), cls.preset("paper, ImageNet")
        assert (mnist.margin, mnist.learning_rate, mnist.initial_c) == (1.0, 0.1, 15.0)
        assert (imagenet.margin, imagenet.learning_rate, imagenet.initial_c) == (0.0, 0.1, 100.0)
        assert mnist.search_steps == imagenet.search_steps == 5


def test_one_run_is_no_longer_than_the_published_search_on_a_network(curved):
    model, images, labels = curved
    ours = run(CarliniWagner(margin=0), model, images, labels)
    published = run(CarliniWagner.preset("paper, MNIST", margin=0), model, images, labels)
    assert ours.status == published.status == ("fooled",) * 6
    assert float(ours.l2.mean()) <= float(published.l2.mean())


@pytest.mark.parametrize("rate", [0.03, torch.tensor([0.03, 0.03, 0.03, 0.03]).view(4, 1, 1)], ids=["one", "by row"])
def test_adam_is_torchs(rate):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(4, 3, 5, generator=generator)
    ours, theirs = start.clone(), start.clone().requires_grad_(True)
    adam, reference = Adam(ours, rate), torch.optim.Adam([theirs], lr=0.03)
    for _ in range(50):
        gradient = torch.randn(4, 3, 5, generator=generator) * torch.tensor([1e-3, 1.0, 30.0, 1.0]).view(4, 1, 1)
        adam.step(ours, gradient)
        theirs.grad = gradient
        reference.step()
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-6)


def test_adam_goes_on_with_the_rows_that_are_kept():
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(4, 6, generator=generator)
    rate = torch.tensor([0.1, 0.2, 0.3, 0.4]).view(4, 1)
    rows = torch.tensor([True, False, True, True])
    part, part_rate = whole[rows].clone(), rate[rows]
    a, b = Adam(whole, rate), Adam(part, part_rate)
    for i in range(10):
        gradient = torch.randn(4, 6, generator=generator)
        b.step(part, gradient[rows])
        if i == 4:
            whole = whole[rows].clone()
            a.keep(rows)
        a.step(whole, gradient[rows] if len(whole) == 3 else gradient)
    assert torch.equal(whole, part)


def test_adam_takes_a_share_of_its_step():
    full, half = torch.zeros(1, 3), torch.zeros(1, 3)
    gradient = torch.tensor([[1.0, -2.0, 0.5]])
    Adam(full, 0.1).step(full, gradient)
    Adam(half, 0.1).step(half, gradient, share=0.5)
    assert torch.allclose(full, torch.tensor([[-0.1, 0.1, -0.1]]), atol=1e-6)
    assert torch.allclose(half, full / 2)
