"""SmoothFool's warm start: what it asks the network, and where it arrives."""

import pytest
import torch
from torch import nn

from benchmarks.adversaries import Counting
from core.attacks import SmoothFool, margin, run
from core.attacks.deepfool import DeepFoolParameters
from core.attacks.warm import WarmStart
from core.filters import kernel, low_pass
from core.metrics import l2
from tests.problems import Linear, linear, normal, uniform

GREY = torch.full((1, 1, 12, 12), 0.5, dtype=torch.float64)
OWN = torch.tensor([0])
PLAIN = DeepFoolParameters(overshoot=0.0)


class Along(nn.Module):
    """Two classes, whose lead is a function of w.(x - grey), |w| = 1; it rises from below 0."""

    def __init__(self, lead):
        super().__init__()
        w = nn.functional.avg_pool2d(normal(1, 1, 12, 12, dtype=torch.float64), 5, 1, 2)
        self.w, self.lead = w / w.norm(), lead

    def forward(self, x):
        lead = self.lead((self.w * (x - 0.5)).sum((1, 2, 3)))
        return torch.stack([torch.zeros_like(lead), lead], 1)


def test_the_first_way_leads_to_the_nearest_boundary_of_a_linear_classifier():
    problem = linear(n=5, classes=4, shape=(3, 9, 10))
    found, lacked = WarmStart(PLAIN).crossing(problem.model, problem.images, problem.labels)
    assert torch.equal(lacked, -margin(problem.model(problem.images), problem.labels))
    assert torch.allclose(found.images - problem.images, problem.nearest, rtol=0, atol=2e-4)
    assert torch.allclose(found.normals, problem.normal, rtol=0, atol=1e-5)
    assert (found.lacking.abs() < 1e-2 * lacked).all()


def test_later_ones_ask_for_no_other_class():
    """A warm start goes along the normal that it has, though another boundary is nearer by now."""
    model = Linear(torch.tensor([[0.0, 0], [1.0, 0], [0, 1.0]]), torch.tensor([0.0, -0.6, -0.9]))
    x, warm = torch.tensor([0.5, 0.5]).view(1, 1, 1, 2), WarmStart(PLAIN)
    first, _ = warm.crossing(model, x, OWN)
    assert first.images.flatten().tolist() == pytest.approx([0.6, 0.5], abs=1e-3)
    moved = torch.tensor([0.5, 0.85]).view(1, 1, 1, 2)  # 0.05 from the third class's
    warm.lacking = torch.tensor([0.1])
    asked = Counting(model)
    second, lacked = warm.crossing(asked, moved, OWN)
    assert lacked.tolist() == pytest.approx([0.1])
    assert second.images.flatten().tolist() == pytest.approx([0.6, 0.85], abs=1e-3)
    assert (asked.forwards, asked.backwards) == (1, 1)


@pytest.mark.parametrize(
    ("lead", "asked"),
    [
        (lambda t: t - 0.3, (2, 2)),  # clean, there
        (lambda t: t - 0.3 - 2 * t * (0.3 - t), (3, 2)),  # rises slowly at first: beyond; found deep, and back
        (lambda t: (2 * t.clamp(max=0.1) - 0.3) + 0.7 * (t - 0.1).clamp_min(0), (3, 2)),  # a fifth is left: the secant
        (lambda t: (2 * t.clamp(max=0.02) - 0.3) + 0.3 * (t - 0.02).clamp_min(0), (3, 3)),  # more is: a new slope
    ],
    ids=["linear", "steeper", "secant", "anew"],
)
def test_a_line_is_followed_as_long_as_it_leads_there(lead, asked):
    model = Counting(Along(lead))
    found, lacked = WarmStart(PLAIN).crossing(model, GREY, OWN)
    assert lacked.tolist() == pytest.approx([0.3])
    assert -0.5 * 0.3 <= float(found.lacking) <= 0.15 * 0.3
    at = float((model.model.w * (found.images - GREY)).sum())
    assert float(-lead(torch.tensor(at))) == pytest.approx(float(found.lacking), abs=1e-6)
    assert (model.forwards, model.backwards) == asked


def test_what_a_point_lacks_is_a_part_of_the_way():
    """A point about the boundary will do, since the projection goes on to where its linearisation puts it."""
    model = Along(lambda t: t - 0.3)
    warm = WarmStart(PLAIN)
    attack = SmoothFool(sigma_g=1.2, overshoot=0.0, push=False, warm_start=True)
    g = kernel("gaussian", 1.2, dtype=torch.float64)
    normals = 1.1 * model.w  # the slope that is known is too steep: its way ends a tenth too early
    warm.lacking, warm.normals = torch.tensor([0.3], dtype=torch.float64), normals
    moved, logits = attack._warmly(model, GREY, OWN, g, warm)
    smooth = low_pass(model.w, g)
    expected = 0.3 * smooth / (model.w * smooth).sum()
    assert float(l2(moved.to_boundary)) == pytest.approx(0.3 / 1.1, abs=2e-4)
    assert torch.allclose(moved.clipped, expected, rtol=0, atol=2e-4)
    assert abs(float(logits[0, 1])) < 1e-3


class Bowl(Along):
    """The lead falls with the square of how far beside the line the image is."""

    def forward(self, x):
        r = x - 0.5
        beside = r - (self.w * r).sum((1, 2, 3), keepdim=True) * self.w
        return super().forward(x) - torch.tensor([0.0, 1.0], dtype=x.dtype) * beside.square().sum((1, 2, 3))[:, None]


def test_what_little_is_left_is_gone_along_the_same_way():
    """The smooth way leads beside the normal; no gradient is asked for where that leaves less than 15 %."""
    model = Counting(Bowl(lambda t: t - 0.3))
    warm = WarmStart(PLAIN)
    attack = SmoothFool(sigma_g=1.2, overshoot=0.0, push=False, warm_start=True)
    g = kernel("gaussian", 1.2, dtype=torch.float64)
    moved, logits = attack._warmly(model, GREY, OWN, g, warm)
    assert 4 <= model.forwards <= 5
    assert model.backwards == 2
    assert abs(float(logits[0, 1])) < 0.01 * 0.3
    assert float(warm.lacking) == pytest.approx(-float(logits[0, 1]))
    smooth = low_pass(model.model.w, g)
    once = 0.3 * smooth / (model.model.w * smooth).sum()
    assert -float(model(GREY + once)[0, 1]) < 0.15 * 0.3
    assert torch.cosine_similarity(moved.clipped.flatten(), once.flatten(), 0) > 1 - 1e-6
    assert float(l2(moved.clipped)) > float(l2(once))


def test_it_takes_a_third_of_the_gradients():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(144, 32), nn.Tanh(), nn.Linear(32, 8)).requires_grad_(False).double()
    images = uniform(6, 1, 12, 12, seed=1, dtype=torch.float64)
    labels = model(images).argmax(1)
    counts, lengths = [], []
    for warm_start in (False, True):
        asked = Counting(model)
        results = [
            run(SmoothFool(warm_start=warm_start, push=False), asked, images[i : i + 1], labels[i : i + 1])
            for i in range(6)
        ]
        assert all(result.status == ("fooled",) for result in results)
        counts.append(asked.backwards)
        lengths.append(sum(float(result.l2) for result in results))
    assert counts[1] < 0.4 * counts[0]
    assert lengths[1] < 1.05 * lengths[0]


def test_what_is_misclassified_stays_as_it_is():
    problem = linear(n=2)
    labels = 1 - problem.labels
    found, lacked = WarmStart(DeepFoolParameters()).crossing(problem.model, problem.images, labels)
    assert (lacked < 0).all()
    assert torch.equal(found.images, problem.images)
    result = run(SmoothFool(warm_start=True, push=False), problem.model, problem.images, labels)
    assert (result.l2 == 0).all()
