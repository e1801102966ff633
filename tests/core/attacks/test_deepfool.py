"""DeepFool against closed forms, Foolbox, and networks that give it nothing to hold on to."""

import pytest
import torch
from torch import Tensor, nn

from core.attacks import run
from core.attacks.base import margin
from core.attacks.deepfool import DeepFool
from core.attacks.returning import along
from core.metrics import l2
from tests.problems import Constant, Linear, linear, normal, uniform


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 7)])
def test_linear_classifier_is_projected_onto_its_nearest_boundary(classes, shape):
    problem = linear(n=6, classes=classes, shape=shape)
    behind = 1.02e-4  # the original's constant, times 1 + overshoot
    for overshoot in (0.0, 0.02):
        attack = DeepFool(overshoot=overshoot, relaxation=1, push=False, come_back=False, turns=0)
        result = run(attack, problem.model, problem.images, problem.labels)
        assert result.status == ("fooled",) * 6
        error = l2(result.perturbation - (1 + overshoot) * problem.nearest)
        assert (error <= behind + 1e-4 * l2(problem.nearest)).all()
    default = run(DeepFool(push=False), problem.model, problem.images, problem.labels)
    assert default.status == ("fooled",) * 6
    assert (l2(default.perturbation - problem.nearest) <= 0.02 * l2(problem.nearest) + behind).all()


def test_one_step_suffices_for_a_linear_classifier():
    problem = linear(classes=4)
    *_, last = DeepFool(deepfool_steps=1, relaxation=1).steps(problem.model, problem.images, problem.labels)
    assert last.found.all()


def test_the_nearest_boundary_may_not_be_the_runner_ups():
    # f_1 follows close behind f_0 but moves slowly with x; f_2 is far below and moves fast.
    model = Linear(torch.tensor([[0.0, 0], [0.1, 0], [0, 8.0]]), torch.tensor([0.0, -0.15, -5.0]))
    x = torch.tensor([0.5, 0.5]).view(1, 1, 1, 2)
    result = run(DeepFool(), model, x, torch.tensor([0]))
    assert result.predictions.tolist() == [2]
    runner_up = run(DeepFool(candidates=2, overshoot=0), model, x, torch.tensor([0]))
    assert runner_up.status == ("failed",)  # its boundary lies outside [0, 1]


def test_clipping_does_not_pass_for_success():
    """The first projection leaves the box; what the clip leaves of it does not fool, so the search goes on."""
    model = Linear(torch.tensor([[0.0, 0.0], [4.0, 1.0]]), torch.tensor([0.0, -4.2]))
    x = torch.tensor([0.9, 0.0]).view(1, 1, 1, 2)
    result = run(DeepFool(overshoot=0.0, push=False), model, x, torch.tensor([0]))
    assert result.status == ("fooled",)
    assert torch.allclose(result.adversarial.flatten(), torch.tensor([1.0, 0.2]), atol=1e-3)


def test_logits_that_are_all_negative_are_attacked_as_their_shifted_twin():
    ordinary, negative = (linear(classes=5, shift=s) for s in (0.0, -100.0))
    assert (negative.model(negative.images) < 0).all()
    a, b = (run(DeepFool(), p.model, p.images, p.labels) for p in (ordinary, negative))
    assert a.status == b.status == ("fooled",) * 4
    assert torch.allclose(a.adversarial, b.adversarial, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("without gradient", "failed"), ("zero gradient", "failed"), ("tiny gradient", "failed"), ("NaN", "not finite")],
)
def test_a_network_without_boundary_is_given_up_at_once(kind, status):
    steps = []
    images = torch.full((2, 1, 4, 4), 0.5)
    result = run(DeepFool(), Constant(kind), images, torch.zeros(2, dtype=torch.long), on_step=steps.append)
    assert result.status == (status,) * 2
    assert steps[-1].index == steps[-1].total
    assert len(steps) < 10 or kind == "tiny gradient"
    assert torch.equal(result.images, images)


def test_finished_images_leave_the_batch():
    problem = linear(n=1, seed=1)
    seen = []

    class Curved(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return problem.model(x).sinh()  # the farther from the boundary, the shorter the first step falls

    images = torch.cat([problem.images, 0.5 + 3 * (problem.images - 0.5)]).clamp(0, 1)
    *_, last = DeepFool(relaxation=1, push=False, come_back=False, turns=0).steps(
        Curved(), images, problem.labels.repeat(2)
    )
    assert last.found.all()
    assert (seen[0], seen[-1]) == (2, 1)


def test_foolbox_agrees():
    """An implementation that clips in the same place finds perturbations of the same size."""
    foolbox = pytest.importorskip("foolbox")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 6)).eval().requires_grad_(False)
    images = uniform(8, 1, 8, 8)
    labels = model(images).argmax(1)
    ours = run(DeepFool(), model, images, labels)
    relaxed = run(DeepFool(relaxation=0.7), model, images, labels)
    theirs = foolbox.attacks.L2DeepFoolAttack(candidates=10, overshoot=0.02).run(
        foolbox.PyTorchModel(model, bounds=(0, 1)), images, foolbox.criteria.Misclassification(labels)
    )
    assert all(ours.success)
    assert all(relaxed.success)
    assert torch.allclose(ours.l2, l2(theirs - images), rtol=0.1)
    assert relaxed.l2.mean() <= l2(theirs - images).mean()


def bent(n: int = 8) -> tuple[nn.Module, Tensor, Tensor]:
    """A small network with curved boundaries, grey images, and the labels it gives them."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 5)).eval().requires_grad_(False)
    model[1].weight.mul_(6)
    images = 0.3 + 0.4 * uniform(n, 1, 8, 8)
    return model, images, model(images).argmax(1)


def test_turns_shorten_the_way_and_end_along_the_normal():
    model, images, labels = bent()
    first, turned = (run(DeepFool(push=False, turns=turns), model, images, labels) for turns in (0, 60))
    assert turned.success.all()
    assert (turned.l2 <= first.l2 * (1 + 1e-6)).all()
    assert float((turned.l2 / first.l2).min()) < 0.97
    cosines = []
    for result in (first, turned):
        x = result.adversarial.clone().requires_grad_(True)
        (w,) = torch.autograd.grad(margin(model(x), labels).sum(), x)
        cosines.append(torch.cosine_similarity(w.flatten(1), result.perturbation.flatten(1)))
    assert float(cosines[1].mean()) > float(cosines[0].mean())
    assert torch.allclose(turned.trace["distortion"][-1], turned.l2, atol=1e-5)
    rows = torch.arange(len(labels))
    others = turned.logits.clone()
    others[rows, labels] = -torch.inf
    moved = turned.l2 < first.l2
    lead = others.amax(1) - turned.logits[rows, labels]
    assert torch.allclose(turned.trace["margin"][-1][moved], lead[moved], atol=1e-4)


class Valley(nn.Module):
    """Margin min_i a_i.(x - grey) - d_i of two planes at right angles, as between two pieces of a network with ReLU.

    Its nearest point to grey, `nearest` (1, 10, 10), lies on both: d_1 a_1 + d_2 a_2.
    """

    def __init__(self):
        super().__init__()
        first, second = normal(2, 1, 10, 10, dtype=torch.float64)
        first = first / first.norm()
        second = second - (first * second).sum() * first
        self.planes, self.lacks = torch.stack([first, second / second.norm()]), torch.tensor([0.2, 0.25])
        self.nearest = (self.lacks.view(2, 1, 1, 1) * self.planes).sum(0)

    def forward(self, x: Tensor) -> Tensor:
        lead = (torch.einsum("nchw,kchw->nk", x - 0.5, self.planes) - self.lacks).amin(1)
        return torch.stack([torch.zeros_like(lead), lead], 1)


def test_along_a_kink_the_way_is_turned_to_its_nearest_point():
    """To and fro between the two planes' projections it ended up to 18 % too far away."""
    model, images = Valley(), torch.full((4, 1, 10, 10), 0.5, dtype=torch.float64)
    aside = images + 1.5 * model.nearest + 0.05 * normal(4, 1, 10, 10, dtype=torch.float64)
    labels = torch.zeros(4, dtype=torch.long)
    assert (model(aside).argmax(1) == 1).all()
    assert (l2(aside - images) > 2 * model.nearest.norm()).all()
    found, settled = along(model, images, aside, labels, 60)
    assert (model(found).argmax(1) == 1).all()
    assert settled.all()
    assert (l2(found - images) <= 1.01 * model.nearest.norm()).all()


def test_where_another_boundary_looks_as_near_the_way_there_is_walked_too():
    """Of two candidates the one tried is 0.25 away; the third class 0.125, 0.27 and 0.4, which only the end tells."""
    model = Linear(torch.tensor([[0.0, 0], [0.4, 0], [0, 8.0]]), torch.tensor([0.0, -0.3, -5.0]))
    images = torch.tensor([[0.5, 0.5], [0.5, 0.355], [0.5, 0.225]]).view(3, 1, 1, 2)
    labels = torch.zeros(3, dtype=torch.long)
    first = run(DeepFool(candidates=2, push=False, turns=0), model, images, labels)
    assert model(first.adversarial).argmax(1).tolist() == [1, 1, 1]
    result = run(DeepFool(candidates=2, push=False), model, images, labels)
    assert model(result.adversarial).argmax(1).tolist() == [2, 1, 1]
    assert result.l2.tolist() == pytest.approx([0.125, 0.25, 0.25], rel=0.025)
    assert result.converged.tolist() == [True, False, True]


def test_on_a_plane_there_is_nothing_to_turn():
    problem = linear(n=6)
    first, turned = (run(DeepFool(push=False, turns=t), problem.model, problem.images, problem.labels) for t in (0, 15))
    assert torch.allclose(first.l2, turned.l2, rtol=0.03)
    assert torch.equal(first.success, turned.success)
