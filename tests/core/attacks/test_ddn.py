"""DDN and sDDN against closed forms on linear classifiers, Foolbox, and each other."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from core.attacks import Run, run
from core.attacks.ddn import DDN, SmoothDDN, SmoothMetric
from core.attacks.gradient import Search, unit
from core.graph import PixelGraph, Smoother
from core.metrics import l2, roughness
from tests.core.attacks.test_gradient import Small
from tests.problems import Linear, linear, uniform


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 7)])
@pytest.mark.parametrize(
    ("attack", "tolerance"),
    [(DDN(), 0.005), (DDN(passes=25), 0.01), (DDN(passes=100, schedule="original"), 0.05)],
    ids=["50", "25", "original"],
)
def test_ddn_reaches_the_boundary_of_a_linear_classifier(shape, attack, tolerance):
    problem = linear(n=6, shape=shape)
    result = run(attack, problem.model, problem.images, problem.labels)
    shortest = l2(problem.nearest)
    assert result.status == ("fooled",) * 6
    assert bool((result.l2 >= shortest * (1 - 1e-4)).all())
    assert bool((result.l2 <= shortest * (1 + tolerance)).all())


@pytest.mark.parametrize("passes", [50, 100])
def test_among_many_classes_it_finds_the_nearest_boundary(passes):
    """The log odds mix all classes' boundaries; what follows them alone ends 15 % too far here, and where the search
    stays at the boundary that it happens to meet, so do three of these images."""
    problem = linear(n=300, classes=5)
    shortest = l2(problem.nearest)
    result = run(DDN(passes=passes), problem.model, problem.images, problem.labels)
    assert bool((result.l2 <= 1.02 * shortest).all())
    assert (result.l2 / shortest).mean() < 1.0005


def test_a_batch_asks_for_the_nearest_class_as_each_image_by_itself():
    """Some of them go over to another class, others stay, and one leaves before: nothing is seen of the others."""
    problem = linear(n=300, classes=5)
    alone = run(DDN(), problem.model, problem.images, problem.labels)
    rows = torch.tensor([*(alone.l2 / l2(problem.nearest)).topk(3).indices.tolist(), 0, 1])
    some = run(DDN(), problem.model, problem.images[rows], problem.labels[rows])
    assert torch.allclose(some.adversarial, alone.adversarial[rows], atol=1e-5)


def test_an_aimed_search_asks_for_no_nearer_class():
    """The published schedule and a search with few passes do not either: their passes are all steps."""
    problem = linear(n=4, classes=5)

    def indices(attack):
        return [step.index for step in Run(attack, problem.model, problem.images, problem.labels)]

    every = list(range(1, 51))
    assert indices(DDN(goal="next", passes=50)) == indices(DDN(schedule="original", passes=50)) == every
    assert indices(DDN(passes=30)) == every[:30]
    asked = [13, 14, 25, 26, 48, 49]  # a quarter and a half of the passes, two each; three in the end, for the verdict
    assert indices(DDN(passes=50)) == [index for index in every if index not in asked]


def test_boundaries_of_a_linear_classifier():
    """The likeliest other classes in their order, what they lack, and their slopes: differences of the rows of W."""
    problem = linear(n=4, classes=5)
    search = Search(problem.model, problem.images, problem.labels, 1)
    search.stay(torch.tensor([True, False, True, True]))
    x, labels = problem.images[[0, 2, 3]], problem.labels[[0, 2, 3]]
    classes, leads, slopes = search.boundaries(x, 3)
    logits, weights = problem.model(x), problem.model.weights
    order = logits.scatter(1, labels[:, None], -torch.inf).argsort(1, descending=True)[:, :3]
    assert classes.tolist() == order.T.tolist()
    assert torch.allclose(leads, logits.gather(1, order).T - logits.gather(1, labels[:, None]).T, atol=1e-5)
    assert torch.allclose(slopes.flatten(2), weights[order.T] - weights[labels], atol=1e-5)
    assert search.boundaries(x, 9)[0].shape == (4, 3)  # there are no more


def test_a_probe_may_aim_at_one_class():
    problem = linear(n=3, classes=5)
    search = Search(problem.model, problem.images, problem.labels, 1)
    weights, labels = problem.model.weights, problem.labels
    nearest = problem.model(problem.images).scatter(1, labels[:, None], -torch.inf).argmax(1)
    aim = torch.stack([(labels[0] + 1) % 5, torch.tensor(-1), (labels[2] + 2) % 5])
    toward = torch.where(aim < 0, nearest, aim)
    probe = search.probe(problem.images, sharp=True, aim=aim)
    assert torch.allclose(probe.gradient.flatten(1), weights[labels] - weights[toward], atol=1e-5)


def smooth_nearest(problem, attack):
    """b K w / (w.K w), with explicit matrices L_alpha and K = s_alpha(1)^{-1/2} L_alpha^-1 s_alpha(1)^{-1/2}."""
    rows = []
    graph = attack.graph(problem.images.double())
    for i in range(len(problem.images)):
        S = graph.dense(i)
        inverse = torch.linalg.inv((torch.eye(len(S)) - attack.alpha * S) / (1 - attack.alpha))
        scale = inverse.sum(1).rsqrt()
        w = problem.normal[i].double().flatten(1)  # (C, n): the channels are smoothed alike
        kw = (scale * w) @ inverse * scale
        rows.append(problem.gap[i] * kw / (w * kw).sum())
    return torch.stack(rows).view_as(problem.images)


@pytest.mark.parametrize("alpha", [0.5, 0.95, 0.997])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 7)])
def test_sddn_reaches_the_nearest_point_in_its_own_energy(shape, alpha):
    problem = linear(n=6, shape=shape)
    attack = SmoothDDN(alpha=alpha)
    expected = smooth_nearest(problem, attack)
    inside = problem.images + 1.05 * expected
    assert bool(((inside > 0) & (inside < 1)).all())  # else the closed form would not hold
    result = run(attack, problem.model, problem.images, problem.labels)
    assert result.status == ("fooled",) * 6
    assert bool((l2(result.perturbation - expected) <= 0.01 * l2(expected)).all())


def test_the_closed_form_is_the_nearest_in_energy():
    """No other point of the boundary has less r'K^-1 r."""
    problem, attack = linear(n=1), SmoothDDN(alpha=0.9)
    r = smooth_nearest(problem, attack).flatten()
    S = attack.graph(problem.images.double()).dense(0)
    inverse = torch.linalg.inv((torch.eye(len(S)) - 0.9 * S) / 0.1)
    scale = inverse.sum(1).rsqrt()
    energy = torch.linalg.inv(scale[:, None] * inverse * scale)
    w = problem.normal.double().flatten()
    assert float(w @ r) == pytest.approx(float(problem.gap), rel=1e-5)
    for seed in range(20):
        other = torch.randn(len(r), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        other = other - (w @ other) / (w @ w) * w  # along the boundary
        for t in (-0.1, 0.1):
            assert (r + t * other) @ energy @ (r + t * other) > r @ energy @ r


def test_its_metric_is_symmetric_positive_and_similar_to_the_normalised_smoother():
    images = uniform(1, 1, 5, 6, dtype=torch.float64)
    smoother = Smoother(PixelGraph(images), 0.95)
    metric = SmoothMetric(smoother, images)
    basis = torch.eye(30, dtype=torch.float64).view(30, 1, 5, 6)
    K = torch.cat([metric(e[None]).flatten(1) for e in basis]).T
    hat = torch.cat([smoother(e[None]).flatten(1) for e in basis]).T
    assert torch.allclose(K, K.T, atol=1e-10)
    gains = torch.linalg.eigvalsh(K)
    assert gains.min() > 0
    assert float(gains.max()) == pytest.approx(1)  # that of s^ of a constant
    assert torch.allclose(torch.linalg.eigvals(hat).real.sort().values, gains, atol=1e-9)


def test_without_smoothing_sddn_is_ddn():
    problem = linear(n=4, classes=4, seed=2)
    plain = run(DDN(), problem.model, problem.images, problem.labels)
    assert torch.equal(
        run(SmoothDDN(alpha=0.0), problem.model, problem.images, problem.labels).adversarial, plain.adversarial
    )
    smooth = run(SmoothDDN(alpha=0.95), problem.model, problem.images, problem.labels)
    assert bool((smooth.l2 > plain.l2).all())
    assert bool((roughness(smooth.perturbation, 1.0, True) < 0.7 * roughness(plain.perturbation, 1.0, True)).all())


@pytest.mark.parametrize("schedule", ["estimated", "original"])
def test_the_norm_follows_the_success(schedule):
    """The next iterate is shorter after a success and longer after a failure; nothing is clipped here."""
    problem = linear(n=3)
    before = None
    for step in DDN(schedule=schedule, passes=20).steps(problem.model, problem.images, problem.labels):
        norm, fools = step.scalars["distortion"].clone(), step.scalars["margin"] > 0
        if step.index > 2:
            assert bool((torch.where(before[1], norm < before[0], norm > before[0])).all())
        if step.index == 2 and schedule == "original":
            assert norm.tolist() == pytest.approx([1.0] * 3, rel=1e-5)
        before = norm, fools


def test_the_first_step_lands_just_behind_the_linearised_boundary():
    problem = linear(n=3)
    steps = DDN().steps(problem.model, problem.images, problem.labels)
    next(steps)
    second = next(steps)
    assert second.found.all()
    assert torch.allclose(second.scalars["distortion"], 1.02 * l2(problem.nearest) + 1e-4, rtol=1e-3)


@pytest.mark.parametrize("cls", [DDN, SmoothDDN])
def test_quantised_successes_survive_8_bits(cls):
    problem = linear(n=6, classes=3, seed=4)
    result = run(cls(quantised=True), problem.model, problem.images, problem.labels)
    levels = result.adversarial * 255
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert bool(result.success_8bit.all())


def test_black_and_white_pixels_only_move_inwards():
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)).round()
    model = Small(64, 4, 0)
    labels = model(images).argmax(1)
    for attack in (DDN(), SmoothDDN(alpha=0.9)):
        result = run(attack, model, images, labels)
        assert result.success.any()


def test_foolbox_needs_no_less():
    foolbox = pytest.importorskip("foolbox")
    images = torch.rand(10, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = Small(64, 6, 1).eval()
    labels = model(images).argmax(1)
    ours = run(DDN(), model, images, labels)
    theirs = foolbox.attacks.DDNAttack(steps=100, init_epsilon=1.0, gamma=0.05).run(
        foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), images, foolbox.criteria.Misclassification(labels)
    )
    assert ours.status == ("fooled",) * 10
    assert float((ours.l2 / l2(theirs - images)).mean()) < 1.03


def test_unit_of_nothing_is_nothing():
    x = torch.zeros(2, 1, 2, 2)
    x[1] = 3
    assert unit(x).flatten(1).norm(dim=1).tolist() == [0, 1]


def signs(count):
    """(count, 1, 8, 8) orthonormal pictures of -1/8 and 1/8, so that a norm of 4 stays within black and white."""
    rows = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(6):
        rows = torch.cat([torch.cat([rows, rows], 1), torch.cat([rows, -rows], 1)])
    return rows[:count].view(count, 1, 8, 8) / 8


@pytest.mark.parametrize("gamma", [0.05, 0.2])
def test_the_published_norm_starts_at_1_and_changes_by_gamma(gamma):
    """Boundaries at known distances: the norm is a product of 1 - gamma and 1 + gamma, and nothing else."""
    w, images = signs(2)[1:], torch.full((1, 1, 8, 8), 0.5, dtype=torch.float64)
    less, more = 1 - gamma, 1 + gamma
    expected = {  # by the boundary's distance: what the norm is changed by after the first, which is 1
        1e-6: [less] * 6,
        less**2 * 1.001: [less, less, more, less, more, less],
        more**2 * 1.001: [more, more, more, less, more, less],
        more**9: [more] * 6,
    }
    for distance, factors in expected.items():
        model = Linear(torch.cat([torch.zeros_like(w), 3 * w]).flatten(1), torch.zeros(2, dtype=torch.float64))
        model.bias[1] = -3 * ((w * images).sum() + distance)
        norms = [0.0, *(math.prod(factors[:k]) for k in range(7))]
        attack = DDN(schedule="original", gamma=gamma, passes=8)
        for step, norm in zip(attack.steps(model, images, torch.tensor([0])), norms, strict=True):
            successes = [n for n in norms[: step.index] if n > distance]
            assert float(step.scalars["distortion"]) == pytest.approx(norm, rel=1e-6)
            assert torch.allclose(step.images, images + norm * w, rtol=0, atol=1e-6)
            assert step.found.tolist() == [bool(successes)]
            if successes:
                assert torch.allclose(step.best, images + min(successes) * w, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("start", "sign", "boundary", "norms"),
    [
        (0.5, 1, 0.7, [0.0, 0.5, 0.45, 0.405, 0.3645, 0.32805, 0.295245, 0.2657205]),
        (0.8, -1, 0.7, [0.0, 0.8, 0.72, 0.648, 0.5832, 0.52488, 0.472392, 0.4251528]),
        (0.5, 1, 1.1, [0.0] + [0.5] * 7),
    ],
    ids=["to white", "to black", "out of reach"],
)
def test_the_published_norm_is_never_more_than_there_is_room_for(start, sign, boundary, norms):
    """A single pixel can move as far as to black or to white: norm 1 counts as that, and shrinks from there at once."""
    model = Linear(torch.tensor([[0.0], [sign]]).double(), torch.tensor([0.0, -sign * boundary]).double())
    images = torch.full((1, 1, 1, 1), start, dtype=torch.float64)
    attack = DDN(schedule="original", gamma=0.1, passes=8)
    walked = [float(step.scalars["distortion"]) for step in attack.steps(model, images, torch.tensor([0]))]
    assert walked == pytest.approx(norms, rel=1e-6)


def test_the_published_step_falls_along_a_cosine_from_1_to_a_hundredth():
    """The slope turns by a right angle at every pass, so the coordinates tell how long each step was."""
    directions = signs(6)[1:]

    class Turning(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            lead = 7 * (directions[self.calls] * x).sum((1, 2, 3)) - 1e3  # far from fooling: the norm grows
            self.calls += 1
            return torch.stack([torch.zeros_like(lead), lead], 1)

    images = torch.full((1, 1, 8, 8), 0.5, dtype=torch.float64)
    attack = DDN(schedule="original", gamma=0.05, passes=5)
    shares = [1.0, 0.8550178567, 0.505, 0.1549821433]  # 0.01 + 0.99 (1 + cos(pi k/4))/2, k = 0 ... 3
    place = np.zeros(5)
    for k, step in enumerate(attack.steps(Turning(), images, torch.tensor([0]))):
        r = (torch.tensor(place).view(5, 1, 1, 1) * directions).sum(0)
        assert torch.allclose(step.images[0], 0.5 + r, rtol=0, atol=1e-6), k
        if k < 4:
            place[k] = shares[k]
            place *= 1.05**k / np.linalg.norm(place)
    assert step.index == 5


def published(model, image, label, attack, target=None):
    """Algorithm 1 of Rony et al. (2019) on one image, written down plainly: every iterate, and the shortest success.

    What is ours: pixels that are black or white take no part in a step outwards, r is not longer than there is room
    for, and only the network sees it rounded.
    """
    x, delta, norm = image.numpy(), np.zeros(image.shape), 1.0
    walked, best, shortest = [], None, math.inf
    wanted, sign = (label, 1) if target is None else (target, -1)
    for k in range(attack.passes):
        seen = (x + delta).clip(0, 1)
        seen = torch.from_numpy(np.round(seen * 255) / 255 if attack.quantised else seen).requires_grad_(True)
        logits = model(seen)[0]
        odds = sign * (logits[wanted] - torch.cat([logits[:wanted], logits[wanted + 1 :]]).logsumexp(0))
        away = -torch.autograd.grad(odds, seen)[0].numpy()
        away[((x + delta <= 0) & (away < 0)) | ((x + delta >= 1) & (away > 0))] = 0
        fools = int(logits.argmax()) != label if target is None else int(logits.argmax()) == target
        walked.append(seen.detach())
        length = np.linalg.norm(seen.detach().numpy() - x)
        if fools and length < shortest:
            best, shortest = seen.detach(), length
        if k:
            norm *= 1 - attack.gamma if fools else 1 + attack.gamma
        norm = min(norm, np.linalg.norm(np.maximum(x, 1 - x)))
        step = 0.01 + 0.99 * (1 + math.cos(math.pi * k / (attack.passes - 1))) / 2
        delta = delta + step * away / np.linalg.norm(away)
        delta = (x + delta * norm / np.linalg.norm(delta)).clip(0, 1) - x
    return walked, best


@pytest.mark.parametrize("values", [{}, {"quantised": True}, {"gamma": 0.15}, {"goal": "next"}], ids=str)
@pytest.mark.parametrize("black", [False, True], ids=["grey", "black and white"])
def test_the_published_schedule_is_the_plainly_written_one(black, values):
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(4, 1, 8, 8, generator=generator, dtype=torch.float64)
    images = (3 * images - 1).clamp(0, 1) if black else 0.3 + 0.4 * images
    model = Small(64, 4, 0)
    model.first, model.second = model.first.double(), model.second.double()
    labels = model(images).argmax(1)
    attack = DDN(schedule="original", passes=12, **values)
    targets = [(int(y) + 1) % 4 if "goal" in values else None for y in labels]
    expected = [published(model, images[i : i + 1], int(labels[i]), attack, targets[i]) for i in range(4)]
    for k, step in enumerate(attack.steps(model, images, labels)):
        assert torch.allclose(step.images, torch.cat([walked[k] for walked, _ in expected]), rtol=0, atol=1e-6), k
    fooled = [i for i, (_, best) in enumerate(expected) if best is not None]
    assert step.found.tolist() == [i in fooled for i in range(4)]
    assert len(fooled) >= 2
    assert torch.allclose(step.best[fooled], torch.cat([expected[i][1] for i in fooled]), rtol=0, atol=1e-6)
