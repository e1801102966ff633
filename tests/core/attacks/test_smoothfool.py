"""SmoothFool against closed forms; SmoothClip against Algorithm 1; and everything it could choke on."""

import pytest
import torch
from scipy.signal import convolve2d
from torch import Tensor, nn

from benchmarks.adversaries import Counting
from core.attacks import run
from core.attacks.deepfool import DeepFool, Memory
from core.attacks.smoothfool import SmoothFool, smooth_clip, smooth_normal
from core.filters import kernel, low_pass, low_pass_matrix
from core.metrics import l2, roughness
from tests.problems import Constant, Linear, linear


def network(classes: int = 6, shape: tuple[int, int, int] = (1, 8, 8)) -> nn.Module:
    torch.manual_seed(0)
    size = shape[0] * shape[1] * shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(size, 32), nn.Tanh(), nn.Linear(32, classes)).requires_grad_(False)


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("kind", ["gaussian", "linear", "uniform"])
@pytest.mark.parametrize(("classes", "shape"), [(2, (1, 12, 12)), (4, (3, 9, 10))])
def test_linear_classifier_has_the_closed_form(kind, classes, shape, warm_start):
    problem = linear(n=5, classes=classes, shape=shape)
    smooth = low_pass(problem.normal, kernel(kind, 1.2))
    length = problem.gap / (problem.normal * smooth).sum((1, 2, 3))
    expected = length.view(-1, 1, 1, 1) * smooth
    for overshoot in (0.0, 0.02):
        attack = SmoothFool(sigma_g=1.2, smoothing_kernel=kind, overshoot=overshoot, push=False, warm_start=warm_start)
        result = run(attack, problem.model, problem.images, problem.labels)
        assert result.status == ("fooled",) * 5
        assert (result.trace["clip_steps"] == 0).all()  # nothing left [0, 1]
        error = l2(result.perturbation - (1 + overshoot) * expected)
        behind = 1.02e-4 * l2(expected) / l2(problem.nearest)  # DeepFool's constant, projected likewise
        assert (error <= behind + 1e-3 * l2(expected)).all()
        assert (error <= 0.02 * l2(expected)).all()


def test_a_narrow_filter_makes_it_deepfool():
    model, images = network(), torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    labels = model(images).argmax(1)
    deepfool = run(DeepFool(relaxation=1), model, images, labels)
    smoothfool = run(SmoothFool(sigma_g=0.1, smooth_clip="plain"), model, images, labels)
    assert all(deepfool.success)
    assert all(smoothfool.success)
    cosine = torch.cosine_similarity(deepfool.perturbation.flatten(1), smoothfool.perturbation.flatten(1))
    assert (cosine > 0.97).all()
    assert torch.allclose(deepfool.l2, smoothfool.l2, rtol=0.05)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_the_widest_filter_adds_a_constant(shape):
    problem = linear(n=3, shape=shape, deviation=0.01, offset=0.3)  # normals with a mean: a constant can fool
    result = run(SmoothFool(sigma_g=200), problem.model, problem.images, problem.labels)
    assert result.status == ("fooled",) * 3
    deviation = result.perturbation.std((2, 3))
    assert (deviation < 0.01 * result.perturbation.mean((2, 3)).abs()).all()


def test_it_is_smoother_than_deepfool():
    model, images = network(shape=(1, 12, 12)), torch.rand(8, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    labels = model(images).argmax(1)
    deepfool, smooth = (run(attack, model, images, labels) for attack in (DeepFool(), SmoothFool(sigma_g=2)))
    assert all(smooth.success)
    share = roughness(smooth.perturbation, 1.0, normalised=True)
    assert share.mean() <= roughness(deepfool.perturbation, 1.0, normalised=True).mean() / 4


@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_a_normal_of_the_filters_negative_frequencies_is_still_smoothed_uphill(kind):
    g = kernel(kind, 2.0, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(low_pass_matrix(g, 24))
    assert values[0] < -1e-3
    w = torch.outer(vectors[:, 0], vectors[:, -1])[None, None]
    assert (w * low_pass(w, g)).sum() < 0  # eq. 7 would step away from the boundary
    smooth, along = smooth_normal(w, g)
    assert torch.allclose(along, low_pass(w, g).square().sum())
    assert torch.allclose(along, (w * smooth).sum())
    model = Linear(torch.stack([torch.zeros(24 * 24), w.flatten().float()]), torch.tensor([0.1, 0.0]))
    images = torch.full((1, 1, 24, 24), 0.5)
    images = images - 0.1 * w.float() * (w.float() * images).sum()
    assert run(SmoothFool(smoothing_kernel=kind), model, images, torch.tensor([0])).status == ("fooled",)


def test_an_ordinary_normal_is_smoothed_once():
    w = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    g = kernel("gaussian", 2.0)
    assert torch.equal(smooth_normal(w, g)[0], low_pass(w, g))


def _one_step(x: Tensor, r: Tensor, g: Tensor, rule: str, epsilon: float) -> Tensor:
    """Algorithm 1 and the released step, written out for one image (H, W) with scipy's convolution."""
    kernel_2d = torch.outer(g, g).numpy()
    z = (x + r).double()
    above, below = (
        torch.from_numpy(convolve2d(mask.double().numpy(), kernel_2d, mode="same")) for mask in (z > 1, z < 0)
    )
    if rule == "paper":
        return r - epsilon * ((z - 1).max().clamp_min(0) * above + z.min().clamp_max(0) * below)
    up = max(0.1 * float((z - 1).max()), 0.01) * above / above.max() if (z > 1).any() else 0 * above
    down = max(0.1 * float(-z.min()), 0.01) * below / below.max() if (z < 0).any() else 0 * below
    return r - up + down


@pytest.mark.parametrize(("rule", "epsilon"), [("paper", 1.0), ("paper", 0.3), ("released", 1.0)])
def test_smooth_clip_follows_the_algorithm(rule, epsilon):
    generator = torch.Generator().manual_seed(0)
    g = kernel("gaussian", 1.5, dtype=torch.float64)
    x = torch.rand(1, 1, 14, 14, generator=generator, dtype=torch.float64)
    r = low_pass(2 * torch.randn(1, 1, 14, 14, generator=generator, dtype=torch.float64), g)
    expected = r[0, 0]
    steps = 0
    while max(float((x[0, 0] + expected).max()) - 1, -float((x[0, 0] + expected).min())) > 1e-3:
        expected = _one_step(x[0, 0], expected, g, rule, epsilon)
        steps += 1
    assert steps > 2
    clipped, overflow, count = smooth_clip(x, r, g, rule, epsilon, limit=10_000)
    assert int(count) == steps
    assert float(overflow) <= 1e-3
    assert torch.allclose(clipped[0, 0], expected, atol=1.1e-3)


@pytest.mark.parametrize("rule", ["paper", "released", "plain"])
def test_white_and_black_are_legal(rule):
    images = torch.stack([torch.ones(1, 9, 9), torch.zeros(1, 9, 9)])
    g = kernel("gaussian", 1.0)
    for r in (torch.zeros_like(images), 0.5 - images):  # nothing, and inwards
        clipped, overflow, steps = smooth_clip(images, r, g, rule)
        assert torch.equal(clipped, r)
        assert not overflow.any()
        assert not steps.any()


@pytest.mark.parametrize("rule", ["paper", "released"])
def test_smooth_clip_is_smoother_than_cutting_off(rule):
    g = kernel("gaussian", 1.5)
    images = torch.full((1, 1, 20, 20), 0.6)
    images[..., 10:] = 0.9  # an edge: the right half can rise by 0.1 only
    r = torch.full_like(images, 0.3)
    clipped, overflow, steps = smooth_clip(images, r, g, rule)
    plain, cut, _ = smooth_clip(images, r, g, "plain")
    assert float(overflow) <= 1e-3 < float(cut)
    assert int(steps) > 0
    assert torch.allclose(plain, (images + r).clamp(0, 1) - images)
    assert ((images + clipped >= 0) & (images + clipped <= 1)).all()
    assert roughness(clipped, 1.0) < roughness(plain, 1.0) / 2


@pytest.mark.parametrize("rule", ["paper", "released"])
def test_a_clip_that_cannot_end_says_so_and_cuts_off(rule):
    """Black beside white, everywhere: pushing one back pushes the other out."""
    images = torch.zeros(2, 1, 16, 16)
    images[0, :, ::2, ::2] = 1
    images[1] = 0.5
    r = torch.full_like(images, 0.2)
    r[0, :, 8:] = -0.2
    clipped, overflow, steps = smooth_clip(images, r, kernel("gaussian", 4.0), rule, limit=40)
    assert overflow[0] > 1e-3
    assert steps[0] <= 40
    assert torch.allclose(clipped[0], (images + r).clamp(0, 1)[0] - images[0])
    assert torch.allclose(clipped[1], r[1])  # its neighbour in the batch is not concerned


def test_where_the_smooth_clip_takes_everything_the_round_is_clipped_plainly():
    """A white lattice on black. The boundary asks for more light, which only black pixels can give."""
    images = torch.zeros(2, 1, 16, 16)
    images[0, :, ::2, ::2] = 1
    images[1] = 0.4
    brightness = torch.full((256,), 1.0)
    lattice = images[0].flatten()
    model = Linear(torch.stack([torch.zeros(256), brightness]), torch.tensor([0.0, -float(lattice.sum()) - 60]))
    dark = torch.zeros(2, dtype=torch.long)
    pure, ours = (run(SmoothFool(sigma_g=4, **v), model, images, dark) for v in ({"least_progress": 0}, {}))
    assert pure.status == ("failed", "fooled")
    assert ours.status == ("fooled", "fooled")
    assert torch.equal(pure.adversarial[1], ours.adversarial[1])  # where there is room, nothing is clipped
    assert ours.trace["clipped_plainly"][:, 0].max() == 1
    assert ours.trace["clipped_plainly"][:, 1].nan_to_num(0).max() == 0


def test_steps_show_how_they_came_about():
    problem = linear(n=2, shape=(1, 12, 12), deviation=0.03)
    *_, last = SmoothFool(push=False).steps(problem.model, problem.images, problem.labels)
    assert list(last.detail) == ["DeepFool's r", "smooth projection", "clipped"]
    to_boundary, projection, clipped = last.detail.values()
    assert (l2(to_boundary - problem.nearest) <= 0.03 * l2(problem.nearest)).all()
    assert torch.allclose(projection, clipped, atol=1e-6)
    assert torch.allclose(last.best, problem.images + clipped, atol=1e-6)
    assert torch.allclose(last.scalars["distortion"], l2(clipped), atol=1e-5)
    assert last.index == last.total == 50


def test_logits_that_are_all_negative_are_attacked_as_their_shifted_twin():
    ordinary, negative = (linear(classes=5, shape=(1, 12, 12), deviation=0.03, shift=s) for s in (0.0, -100.0))
    assert (negative.model(negative.images) < 0).all()
    a, b = (run(SmoothFool(), p.model, p.images, p.labels) for p in (ordinary, negative))
    assert a.status == b.status == ("fooled",) * 4
    assert torch.allclose(a.adversarial, b.adversarial, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("without gradient", "failed"), ("zero gradient", "failed"), ("tiny gradient", "failed"), ("NaN", "not finite")],
)
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_network_without_boundary_is_given_up(kind, status, warm_start):
    steps = []
    images = torch.full((2, 1, 4, 4), 0.5)
    attack = SmoothFool(deepfool_steps=5, projections=5, warm_start=warm_start)
    result = run(attack, Constant(kind), images, torch.zeros(2, dtype=torch.long), on_step=steps.append)
    assert result.status == (status,) * 2
    assert steps[-1].index == steps[-1].total
    assert result.adversarial.isfinite().all()


def test_presets_are_valid():
    for name in SmoothFool.presets:
        SmoothFool.preset(name)
    with pytest.raises(ValueError, match=r"sigma_g must be at least 0\.1"):
        SmoothFool(sigma_g=0)


@pytest.mark.parametrize("overshoot", [0.0, 0.1])
@pytest.mark.parametrize(("boundary", "projection"), [(1.0, 0.5), (1.5, 0.5), (1.3, 0.6), (1.0, 1.4), (2.0, 1.1)])
def test_stretches_lengthen_the_way_of_every_round(boundary, projection, overshoot):
    """On a binary linear classifier a round goes boundary x projection of the way that DeepFool sees, (1 + overshoot)
    times its 1e-4 behind the boundary, along g*w; so the gap that is left after each round is known."""
    problem = linear(n=3, shape=(1, 12, 12), deviation=0.05)
    model, images, labels = problem.model.double(), problem.images.double(), problem.labels
    w = (model.weights[1 - labels] - model.weights[labels]).view_as(images)
    gap = (model(images)[:, 0] - model(images)[:, 1]).abs()
    smooth = low_pass(w, kernel("gaussian", 1.2, dtype=torch.float64))
    along = (w * smooth).sum((1, 2, 3))
    attack = SmoothFool(
        sigma_g=1.2,
        overshoot=overshoot,
        boundary_stretch=boundary,
        projection_stretch=projection,
        projections=2,
        push=False,
    )
    total, rounds = torch.zeros_like(smooth), 0
    for step in attack.steps(model, images, labels):
        rounds += 1
        way = boundary * (1 + overshoot) * (gap / l2(w) + 1e-4)  # along w/|w|
        length = projection * way * l2(w) / along
        total = total + length.view(-1, 1, 1, 1) * smooth
        gap = gap - length * along
        expected = {
            "DeepFool's r": (way / l2(w)).view(-1, 1, 1, 1) * w,
            "smooth projection": length.view(-1, 1, 1, 1) * smooth,
            "clipped": length.view(-1, 1, 1, 1) * smooth,
        }
        for name, pictures in expected.items():
            assert torch.allclose(step.detail[name], pictures, rtol=1e-9, atol=1e-12), name
        for name, values in {"boundary": way, "distortion": l2(total), "margin": -gap}.items():
            assert torch.allclose(step.scalars[name], values, rtol=1e-9, atol=1e-9), name
        assert torch.allclose(step.images, images + total, rtol=0, atol=1e-10)
        assert step.found.tolist() == (gap < 0).tolist()
    once = (1 + overshoot) * boundary * projection > 1
    assert step.found.tolist() == [once] * 3
    assert rounds == (1 if once else 2)


def test_the_normal_is_that_of_the_stretched_point():
    """On a curved boundary it is another one than at DeepFool's own point."""
    model = network()
    model[1].weight.mul_(6)
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    labels = model(images).argmax(1)
    attack = SmoothFool(
        sigma_g=1.0, boundary_stretch=1.6, projection_stretch=1.2, smooth_clip="plain", push=False, come_back=False
    )
    *_, deepfool = DeepFool(relaxation=1.0, push=False, come_back=False, turns=0).steps(model, images, labels)
    to_boundary = 1.6 * (deepfool.best - images)
    normals = []
    for at in (images + to_boundary, deepfool.best):
        at = at.clone().requires_grad_(True)
        logits = model(at)
        rival = logits.scatter(1, labels[:, None], -torch.inf).argmax(1)
        rows = torch.arange(4)
        normals.append(torch.autograd.grad((logits[rows, rival] - logits[rows, labels]).sum(), at)[0])
    w = normals[0]
    assert bool((torch.cosine_similarity(w.flatten(1), normals[1].flatten(1)) < 0.999).any())
    smooth = low_pass(w, kernel("gaussian", 1.0))
    length = 1.2 * (w * to_boundary).sum((1, 2, 3)) / (w * smooth).sum((1, 2, 3))
    expected = length.view(-1, 1, 1, 1) * smooth
    first = next(attack.steps(model, images, labels))
    assert torch.allclose(first.detail["DeepFool's r"], to_boundary, rtol=0, atol=1e-6)
    assert torch.allclose(first.detail["smooth projection"], expected, rtol=0, atol=1e-5)
    assert torch.allclose(first.images, (images + expected).clamp(0, 1), rtol=0, atol=1e-5)


def _of_frequencies(g: Tensor, size: int, low: float, negative: float) -> Tensor:
    """A picture (1, 1, size, size) of two eigenvectors of the filter: the lowest frequency with weight `low`, and with
    weight `negative` the one that along one axis g answers most negatively."""
    vectors = torch.linalg.eigh(low_pass_matrix(g, size)).eigenvectors
    smoothest = torch.outer(vectors[:, -1], vectors[:, -1])
    lobe = torch.outer(vectors[:, 0], vectors[:, -1])
    return (low * smoothest + negative * lobe)[None, None]


@pytest.mark.parametrize("share", [0.1, 0.98, 1.02])
@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_a_normal_that_the_filter_hardly_sees_is_smoothed_twice(kind, share):
    """0 < w.(g*w) < |g*w|^2: divided by so little, r would be far longer than it has to be. For weights a and b of the
    lowest frequency, which g answers with mu along either axis, and of the lobe, with lambda < 0 along one of them,
    w.(g*w) = a^2 mu^2 + b^2 lambda mu, |g*w|^2 = a^2 mu^4 + b^2 lambda^2 mu^2, and g*g*w has the weights a mu^4 and
    b lambda^2 mu^2."""
    size, g = 16, kernel(kind, 2.0, dtype=torch.float64)
    values = torch.linalg.eigvalsh(low_pass_matrix(g, size))
    mu, lobe = float(values[-1]), float(values[0])
    assert lobe < 0 < mu
    weight = ((1 - share * mu**2) / (share * lobe**2 - lobe / mu)) ** 0.5  # with which w.(g*w) is `share` of |g*w|^2
    w = _of_frequencies(g, size, 1.0, weight)
    along, energy = mu**2 + weight**2 * lobe * mu, mu**4 + weight**2 * lobe**2 * mu**2
    assert along == pytest.approx(share * energy)
    assert float((w * low_pass(w, g)).sum()) == pytest.approx(along, rel=1e-6)
    assert float(low_pass(w, g).square().sum()) == pytest.approx(energy, rel=1e-6)

    expected, divided = _of_frequencies(g, size, mu**4, weight * lobe**2 * mu**2), energy
    if share > 1:  # as with a proper low-pass filter: eq. 7 as it stands
        expected, divided = _of_frequencies(g, size, mu**2, weight * lobe * mu), along
    ordinary = _of_frequencies(g, size, 1.0, 0.0)
    against = _of_frequencies(g, size, 0.0, 1.0)  # w.(g*w) < 0
    smooth, divisor = smooth_normal(torch.cat([ordinary, w, against]), g)
    assert torch.allclose(smooth, torch.cat([mu**2 * ordinary, expected, lobe**2 * mu**2 * against]))
    assert divisor.tolist() == pytest.approx([mu**2, divided, lobe**2 * mu**2])

    gap = 0.02
    model = Linear(torch.stack([torch.zeros(size**2), w.flatten().float()]), torch.tensor([0.0, 0.0]))
    images = torch.full((1, 1, size, size), 0.5)
    model.bias[1] = -float((w.float() * images).sum()) - gap
    first = next(SmoothFool(sigma_g=2.0, smoothing_kernel=kind, overshoot=0.0).steps(model, images, torch.tensor([0])))
    behind = gap + 1e-4 * float(w.norm())
    assert torch.allclose(first.images.double() - images, behind / divided * expected, rtol=0, atol=1e-6)
    assert first.found.tolist() == [True]
    assert float((w * (first.images.double() - images)).sum()) == pytest.approx(behind, rel=1e-3)


def test_what_is_remembered_is_not_computed_again():
    """Eight classes whose boundaries are about as steep: far ones are ruled out, and the result is the same."""
    model = network(8, (1, 12, 12)).double()
    images = torch.rand(6, 1, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = model(images).argmax(1)
    counts = []
    for i in range(6):
        one, label = images[i : i + 1], labels[i : i + 1]
        found = []
        for remember in (False, True):
            asked = Counting(model)
            found.append(run(SmoothFool(remember=remember, push=False, come_back=False), asked, one, label))
            counts.append((asked.forwards, asked.backwards))
        assert found[0].status == found[1].status
        assert float(found[1].l2) <= 1.05 * float(found[0].l2)
    anew, remembering = (torch.tensor(counts[start::2]).double().sum(0) for start in (0, 1))
    assert (remembering < 0.75 * anew).tolist() == [True, True]


def test_a_far_class_with_a_steep_boundary_is_found_once_its_slope_is_known():
    """Its gradient, forty times as long as the nearest's, was never computed: it is passed over. Known, it is tried."""
    model = Linear(torch.tensor([[0.0, 0], [0.2, 0], [0, 8.0]]), torch.tensor([0.0, -0.15, -5.0]))
    x = torch.tensor([0.5, 0.5]).view(1, 1, 1, 2)
    deepfool = DeepFool(push=False, turns=0)
    *_, free = deepfool.search(model, x, torch.tensor([0]))
    memory = Memory()
    *_, guessed = deepfool.search(model, x, torch.tensor([0]), memory)
    assert int(model(free.best).argmax()) == 2
    assert int(model(guessed.best).argmax()) == 1
    memory.seen = None
    memory.norms = torch.tensor([[torch.inf, 0.2, 8.0]])
    *_, known = deepfool.search(model, x, torch.tensor([0]), memory)
    assert torch.equal(known.best, free.best)


def test_what_is_known_stays_with_its_image():
    memory = Memory()
    model = Linear(torch.eye(4), torch.zeros(4))
    x = torch.tensor([[0.9, 0.1, 0.2, 0.3], [0.1, 0.9, 0.8, 0.2], [0.2, 0.3, 0.1, 0.9]]).view(3, 1, 2, 2)
    first = memory.look(model, x)
    assert memory.look(model, x.clone()) is first
    memory.norms = torch.arange(12.0).view(3, 4)
    memory.keep(torch.tensor([True, True, True]))
    assert memory.look(model, x) is first
    memory.keep(torch.tensor([True, False, True]))
    assert memory.norms.tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert memory.look(model, x[[0, 2]]) is not first
