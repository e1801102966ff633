"""The published search of C&W, runs over c of which an image may leave early, by hand and against a plain loop."""

import copy
import math

import pytest
import torch
from torch import nn

from core.attacks import CarliniWagner, SmoothCarliniWagner, run
from core.data import load as load_images
from core.metrics import l2
from core.models import load as load_model
from tests.problems import linear

FALLS = 0.9999  # Carlini and Wagner's code: a loss that is not below this share of the one before has not fallen


class Scripted(nn.Module):
    """A network that says what it is told to: image i, of grey (i + 1)/16, has the hinge losses script(run, t)[i].

    t = 1 ... iterations. `index` is the last step's, of which the caller keeps it informed; `asked` counts the
    questions by run and image. The slope is there, or the search would give up at once, but leads nowhere.
    """

    def __init__(self, script, iterations, images):
        super().__init__()
        self.script, self.iterations, self.index = script, iterations, 0
        self.asked = torch.zeros(0, images, dtype=torch.long)

    def forward(self, x):
        turn, t = divmod(self.index, self.iterations)
        if turn == len(self.asked):
            self.asked = torch.cat([self.asked, torch.zeros_like(self.asked[:1].sum(0, keepdim=True))])
        rows = (x[:, 0, 0, 0] * 16).round().long() - 1
        self.asked[turn, rows] += 1
        lost = torch.tensor(self.script(turn, t + 1))[rows] + (x - x.detach()).sum((1, 2, 3))
        return torch.stack([lost, torch.zeros_like(lost)], 1)


def losses(p):
    """By name: (the loss at iteration t, how many iterations it is given), with a look at the loss every p of them."""

    def looks(*values):  # the loss at the first looks, and between them that of the look to come
        return lambda t: values[min(-(-t // p), len(values)) - 1]

    return {
        "falls": (lambda t: 100 * 0.99**t, None),
        "stands": (lambda t: 50.0, 2 * p),
        "falls by two ten-thousandths a look": (lambda t: 50 * (1 - 2e-4) ** (t / p), None),
        "falls by half a ten-thousandth a look": (lambda t: 50 * (1 - 0.5e-4) ** (t / p), 2 * p),
        "falls between the looks only": (lambda t: 50.0 if t % p == 0 else 50.0 - t, 2 * p),
        "rises between the looks only": (lambda t: 50.0 - t if t % p == 0 else 1e3 + t, None),
        "rises at once": (looks(10.0, 12.0, 1.0), 2 * p),
        "rises after a fall, not to where it was": (looks(10.0, 8.0, 9.0, 1.0), 3 * p),
        "stands after a fall": (looks(10.0, 8.0, 8.0, 1.0), 3 * p),
    }


@pytest.mark.parametrize(("iterations", "patience"), [(7, 1), (10, 1), (20, 2), (39, 3)])
def test_an_image_leaves_a_run_at_the_first_look_at_which_its_loss_has_not_fallen(iterations, patience):
    """Every tenth of the iterations is a look. With each c all images are back, as if nothing had been before: in
    run k image i has the losses of script i + k, a thousand times as large as in the run before. Image 0 stays."""
    scripts = list(losses(patience).values())
    first, others = scripts[0], scripts[1:]

    def turned(turn):
        return [first, *others[turn:], *others[:turn]]

    images = ((torch.arange(len(scripts)) + 1) / 16).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()
    labels = torch.zeros(len(scripts), dtype=torch.long)
    full = [[iterations] * len(scripts)] * 3
    expected = [[given or iterations for _, given in turned(turn)] for turn in range(3)]
    for values, asked in (
        ({"search_steps": 3}, expected),
        ({"search_steps": 3, "abort_early": False}, full),
        ({}, full[:1]),  # a single run corrects c all along, so its loss means nothing
    ):
        model = Scripted(
            lambda turn, t: [1e3**turn * loss(t) for loss, _ in turned(turn)], iterations, images=len(scripts)
        )
        attack = SmoothCarliniWagner(
            alpha=0, margin=0, iterations=iterations, learning_rate=1e-12, initial_c=1.0, **values
        )
        for step in attack.steps(model, images, labels):
            assert torch.equal(step.images, images)  # the step is lost in rounding, or the script would not be theirs
            model.index = step.index
        assert model.asked.tolist() == asked, values
        assert step.index == step.total == len(asked) * iterations


class Curved(nn.Module):
    """A small network with curved boundaries: images (N, 1, 6, 6), four classes."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = torch.randn(36, 20, generator=generator, dtype=torch.float64)
        self.second = torch.randn(20, 4, generator=generator, dtype=torch.float64)

    def forward(self, x):
        return (0.5 * (x.flatten(1) - 0.5) @ self.first).tanh() @ self.second


def curved():
    images = torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Curved(), images.mul_(1.4).sub_(0.2).clamp_(0, 1)


def flat():
    problem = linear(n=6, classes=4)
    return problem.model.double(), problem.images.double()


def digits():
    """A committed network, in double precision: in single, a run of Adam blows rounding up until decisions differ."""
    return copy.deepcopy(load_model("mnist-fc2-ce")).double(), load_images("mnist", n=4).images.double()


CASES = [
    (flat, CarliniWagner, {"iterations": 30, "learning_rate": 0.01, "initial_c": 0.05}),
    (flat, SmoothCarliniWagner, {"iterations": 30, "learning_rate": 0.02, "initial_c": 0.05}),
    (curved, CarliniWagner, {"iterations": 30, "learning_rate": 0.03, "initial_c": 2.0}),
    (curved, SmoothCarliniWagner, {"iterations": 30, "learning_rate": 0.03, "initial_c": 0.05}),
    (digits, CarliniWagner, {"iterations": 40, "learning_rate": 0.1, "initial_c": 15.0}),  # the paper's, for MNIST
    (digits, SmoothCarliniWagner, {"iterations": 30, "learning_rate": 0.1, "initial_c": 2.0}),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].__name__}-{case[1].name}")
def case(request):
    """A network, images, the labels it gives them, and a published search that they leave at different times."""
    make, cls, values = request.param
    model, images = make()
    return model, images, model(images).argmax(1), cls(search_steps=3, margin=1.0, **values)


def plain_search(model, image, label, attack):
    """Carlini and Wagner's published loop on one image, with torch's own Adam: the least distorted success, and of
    each c (its value, the iterations it was given, the loss at the last of them)."""
    best, shortest, lower, upper, c, runs = None, math.inf, 0.0, math.inf, attack.initial_c, []
    sigmoid = isinstance(attack, CarliniWagner)
    for _ in range(attack.search_steps):
        v = torch.logit(image.clamp(attack.inset, 1 - attack.inset)) if sigmoid else torch.zeros_like(image)
        optimiser = torch.optim.Adam([v.requires_grad_(True)], lr=attack.learning_rate)
        previous, reached = math.inf, False
        for t in range(1, attack.iterations + 1):
            x = v.sigmoid() if sigmoid else (image + v).clamp(0, 1)
            r = x - image if sigmoid else v
            logits = model(x)[0]
            lead = torch.cat([logits[:label], logits[label + 1 :]]).max() - logits[label]
            loss = r.square().sum() / c + (attack.margin - lead).clamp(min=0)
            distortion = (x - image).norm().item()
            if lead.item() > 0 and lead.item() >= attack.margin:
                reached = True
                if distortion < shortest:
                    best, shortest = x.detach()[0], distortion
            if attack.abort_early and t % (attack.iterations // 10) == 0:
                if loss.item() >= previous * FALLS:
                    break
                previous = loss.item()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        runs.append((c, t, loss.item()))
        lower, upper = (lower, min(upper, c)) if reached else (max(lower, c), upper)
        c = (lower + upper) / 2 if upper < math.inf else 10 * c
    return best, runs


def test_of_every_image_it_is_the_plainly_written_search(case):
    """In a batch that images leave at different times, and come back to with the next c."""
    model, images, labels, attack = case
    if isinstance(attack, SmoothCarliniWagner):
        attack = attack.replace(alpha=0.0)
    result = run(attack, model, images, labels)
    lengths = set()
    for i in range(len(images)):
        best, runs = plain_search(model, images[i : i + 1], int(labels[i]), attack)
        lengths |= {t for _, t, _ in runs}
        assert result.success[i] == (best is not None)
        if best is not None:
            assert torch.allclose(result.adversarial[i], best, rtol=0, atol=1e-7)
        for turn, (c, t, loss) in enumerate(runs):
            row = (result.trace["step"] <= turn * attack.iterations + t).nonzero()[-1, 0]
            assert float(result.trace["loss"][row, i]) == pytest.approx(loss, rel=1e-5), (turn, c, t)
    assert len(lengths) >= 3


def walk(full, i, attack):
    """What an early abort leaves of the runs of image i, told from the trace of the search that makes all iterations.

    Returns (of each run how many iterations are left; the shortest success among them). A run whose abort comes before
    its first success has another c follow it, so it is the last to be told of.
    """
    patience = attack.iterations // 10
    loss, lead, distortion = (
        full[name][:, i].unflatten(0, (-1, attack.iterations)) for name in ("loss", "margin", "distortion")
    )
    success = (lead > 0) & (lead >= attack.margin)
    given, shortest = [], math.inf
    for turn in range(attack.search_steps):
        looks = loss[turn, patience - 1 :: patience]
        stuck = (looks[1:] >= looks[:-1] * FALLS).nonzero()
        left = attack.iterations if not len(stuck) else patience * (int(stuck[0]) + 2)
        given.append(left)
        reached = success[turn, :left]
        shortest = min([shortest, *distortion[turn, :left][reached].tolist()])
        if bool(reached.any()) != bool(success[turn].any()):
            break
    return given, shortest


def test_an_early_abort_only_saves_the_iterations_after_it(case):
    """The same images are fooled as without it, and an image walks the same way, each time until it leaves: what is
    lost is what it would have found after. Whom no look finds stuck, ends where it would have ended."""
    model, images, labels, attack = case
    asked = []

    class Watched(nn.Module):
        def forward(self, x):
            asked[-1] += len(x)
            return model(x)

    results = []
    for abort in (False, True):
        asked.append(0)
        results.append(run(attack.replace(abort_early=abort), Watched(), images, labels))
    full, early = results
    assert torch.equal(early.success, full.success)
    assert full.success.float().mean() > 0.8
    assert asked[1] < asked[0]

    told, lengths = 0, set()
    for i in range(len(images)):
        given, shortest = walk(full.trace, i, attack)
        lengths |= set(given)
        for turn, left in enumerate(given):
            for name in ("loss", "margin", "distortion"):
                start = turn * attack.iterations
                steps = early.trace["step"]
                walked = early.trace[name][(steps > start) & (steps <= start + left), i]
                assert torch.allclose(walked, full.trace[name][start : start + left, i], rtol=1e-5, atol=1e-6)
                waits = early.trace[name][(steps > start + left) & (steps <= start + attack.iterations), i]
                assert bool((waits == walked[-1]).all())
        if len(given) == attack.search_steps:
            told += 1
            if early.success[i]:
                assert float(early.l2[i]) == pytest.approx(shortest, rel=1e-5)
                assert float(early.l2[i]) >= float(full.l2[i]) * (1 - 1e-5)
            if given == [attack.iterations] * attack.search_steps:
                assert torch.allclose(early.adversarial[i], full.adversarial[i], rtol=0, atol=1e-7)
    assert told >= 3
    assert len(lengths) >= 3, lengths


@pytest.mark.parametrize("cls", [CarliniWagner, SmoothCarliniWagner])
def test_where_the_loss_falls_all_along_the_abort_changes_nothing(cls):
    """A slow walk towards a margin that is never reached, across the boundary: not one bit differs."""
    problem = linear(n=6, classes=3)
    attack = cls(iterations=20, search_steps=3, margin=40, learning_rate=0.004, initial_c=100.0)
    early, full = (
        run(attack.replace(abort_early=abort), problem.model, problem.images, problem.labels) for abort in (True, False)
    )
    looks = full.trace["loss"].unflatten(0, (3, 20))[:, 1::2]
    assert bool((looks[:, 1:] < FALLS * looks[:, :-1]).all())
    assert bool(full.success.any())
    assert torch.equal(early.adversarial, full.adversarial)
    assert early.trace.keys() == full.trace.keys()
    for name, values in full.trace.items():
        assert torch.equal(early.trace[name], values), name


@pytest.mark.parametrize("cls", [CarliniWagner, SmoothCarliniWagner])
def test_on_a_linear_classifier_the_abort_costs_hardly_any_length(cls):
    problem = linear(n=6, classes=2)
    attack = cls(iterations=40, search_steps=5, margin=0, learning_rate=0.01)
    early, full = (
        run(attack.replace(abort_early=abort), problem.model, problem.images, problem.labels) for abort in (True, False)
    )
    assert early.status == full.status == ("fooled",) * 6
    assert len(early.trace["step"]) <= len(full.trace["step"]) == 200
    assert bool((early.l2 >= l2(problem.nearest) * (1 - 1e-4)).all())
    assert bool((early.l2 <= 1.05 * full.l2).all())
