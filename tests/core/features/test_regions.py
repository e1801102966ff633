"""Decision regions against closed forms: sectors, perpendicular bisectors, and where two sums of exponentials meet."""

import math

import pytest
import torch

from core import models
from core.features.projections import joint_frame, project
from core.features.regions import CELLS, regions, widened
from core.losses import max_mahalanobis_centers
from core.models.heads import CenterHead, KernelHead, QuadraticHead

SQUARE = (-2.0, 2.0, -2.0, 2.0)


def linear(weight, bias=None):
    head = torch.nn.Linear(2, len(weight))
    with torch.no_grad():
        head.weight.copy_(torch.as_tensor(weight))
        head.bias.copy_(torch.zeros(len(weight)) if bias is None else torch.as_tensor(bias))
    return head


def center_head(centers):
    head = CenterHead(2, len(centers))
    head.centers.copy_(torch.as_tensor(centers))
    return head


def kernel_head(references, labels, alpha):
    head = KernelHead(2, len(set(labels)), alpha, len(references))
    head.refer(torch.tensor(references), torch.tensor(labels))
    return head


def test_cells_lie_as_in_a_picture():
    head = linear([[1.0, 0.0], [-1.0, 0.0], [0.0, 4.0]])  # right, left; and what lies high up
    made = regions(head, (-2.0, 2.0, -1.0, 1.0), rows=2, columns=4)
    assert made.places[0, 0].tolist() == [-1.5, 0.5]
    assert made.places[-1, -1].tolist() == [1.5, -0.5]
    assert made.answers.tolist() == [[2, 2, 2, 2], [1, 1, 0, 0]]
    assert made.answers.dtype == torch.int16


def test_a_linear_head_without_bias_cuts_the_plane_into_sectors():
    made = regions(linear(max_mahalanobis_centers(3, 2, 1.0)), SQUARE, rows=90, columns=90)
    angle = torch.atan2(made.places[..., 1], made.places[..., 0])
    centers = max_mahalanobis_centers(3, 2, 1.0).double()
    own = torch.atan2(centers[:, 1], centers[:, 0])
    away = (angle[..., None] - own + math.pi).remainder(2 * math.pi).sub(math.pi).abs()
    clear = away.sort(-1).values.diff(dim=-1)[..., 0] > 1e-4
    assert torch.equal(made.answers[clear].long(), away.argmin(-1)[clear])
    assert clear.double().mean() > 0.99


def test_a_bias_moves_the_border():
    # Logits x and 0.6: the first class wins from x = 0.6 on.
    made = regions(linear([[1.0, 0.0], [0.0, 0.0]], [0.0, 0.6]), SQUARE, rows=3, columns=80)
    assert torch.equal(made.answers == 0, made.places[..., 0] > 0.6)


def test_fixed_centres_are_parted_by_perpendicular_bisectors():
    centers = torch.tensor([[-1.0, 0.0], [1.0, 0.5], [0.3, -1.2]])
    made = regions(center_head(centers), SQUARE, rows=70, columns=80)
    nearest = torch.cdist(made.places.reshape(-1, 2), centers.double()).argmin(1).reshape(70, 80)
    assert torch.equal(made.answers.long(), nearest)
    # The border of the first two: as far from one as from the other.
    along = (made.places - centers[:2].double().mean(0)) @ (centers[1] - centers[0]).double()
    of_two = made.answers < 2
    assert torch.equal((made.answers == 1)[of_two], (along > 0)[of_two])


@pytest.mark.parametrize("alpha", [0.5, 2.0, 10.0])
def test_a_kernel_heads_border_is_where_the_sums_meet(alpha):
    # One class has features at -1 and 1, the other at 0. On the axis between 0 and 1 they are level where
    # exp(-a(1 - x)) + exp(-a(1 + x)) = exp(-ax), which is exp(2ax) = exp(a) - 1.
    made = regions(kernel_head([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]], [0, 0, 1], alpha), (-2, 2, -1e-3, 1e-3), rows=1)
    border = math.log(math.exp(alpha) - 1) / (2 * alpha) if alpha > math.log(2) else None
    x = made.places[0, :, 0].abs()
    inner = x < 1
    expected = x < border if border is not None else torch.zeros_like(inner)
    assert torch.equal((made.answers[0] == 1)[inner], expected[inner])


def test_a_kernel_head_of_one_feature_a_class_is_as_fixed_centres():
    centers = [[-1.03, 0.21], [1.0, 0.07], [0.02, -1.1]]
    two = [
        regions(head, SQUARE, rows=60, columns=60)
        for head in (kernel_head(centers, [0, 1, 2], 3.0), center_head(centers))
    ]
    assert torch.equal(two[0].answers, two[1].answers)


def test_a_quadratic_heads_border_is_a_conic():
    head = QuadraticHead(2, 2, bias="gaussian")
    with torch.no_grad():
        head.log_precision[0] = math.log(4.0)
    # -2 r^2 + log 4 against -r^2/2: level on a circle, r^2 = 2 log(4) / 3.
    made = regions(head, SQUARE, rows=101, columns=101)
    assert torch.equal(made.answers == 0, made.places.square().sum(-1) < 2 * math.log(4) / 3)


def test_a_frame_is_undone():
    generator = torch.Generator().manual_seed(3)
    head = linear(torch.randn(5, 2, generator=generator), torch.randn(5, generator=generator))
    frame = torch.randn(2, generator=generator), torch.randn(2, 2, generator=generator)
    features = torch.randn(200, 2, generator=generator)
    for z, (x, y) in zip(features, project(features, frame).tolist(), strict=True):
        made = regions(head, (x - 1e-4, x + 1e-4, y - 1e-4, y + 1e-4), frame, rows=1, columns=1)
        first, second = head(z).detach().topk(2).values.tolist()
        assert first - second < 1e-3 or int(made.answers) == int(head(z).argmax())


def test_what_cannot_be_drawn_is_refused_in_a_sentence():
    head = linear([[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="extent must be left < right"):
        regions(head, (1.0, 1.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="frame must map two features to the whole plane"):
        regions(head, SQUARE, (torch.zeros(2), torch.tensor([[1.0, 2.0], [2.0, 4.0]])))
    with pytest.raises(ValueError, match="frame must map two features"):
        regions(head, SQUARE, joint_frame([torch.eye(3)]))


def test_widened_is_a_square_about_the_same_middle():
    assert widened((0.0, 4.0, 1.0, 3.0), 1.5) == (-1.0, 5.0, -1.0, 5.0)


@pytest.mark.parametrize("name", ["mnist-lenet-ce-2d", "mnist-lenet-graph-2d"])
def test_the_regions_of_shipped_networks_are_what_they_answer(name):
    model, kept = models.load(name, "cpu"), models.kept_features(name)
    z = kept.features[-1]
    (left, bottom), (right, top) = z.amin(0).tolist(), z.amax(0).tolist()
    made = regions(model.head, (left, right, bottom, top))
    column = ((z[:, 0] - left) / (right - left) * CELLS).long().clamp(0, CELLS - 1)
    row = ((top - z[:, 1]) / (top - bottom) * CELLS).long().clamp(0, CELLS - 1)
    # All but those in a cell that a border crosses.
    assert (made.answers[row, column] == kept.predictions[-1]).double().mean() > 0.97
    assert len(made.answers.unique()) == 10
