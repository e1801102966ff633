"""Networks whose margin is flat at the clean image and falls off a cliff close by, as features on fixed centres do."""

import pytest
import torch
from torch import nn

from core.attacks import DDN, CarliniWagner, DeepFool, SmoothCarliniWagner, SmoothDDN, SmoothFool, run
from core.graph import GraphEnergy
from core.metrics import l2
from tests.problems import normal

DISTANCE = 0.2


class Cliff(nn.Module):
    """Margin 100 tanh(steepness (w.(x - grey) - DISTANCE)), |w| = 1: its boundary is a plane, DISTANCE away from grey.

    The slope at grey is 1 - tanh(steepness DISTANCE)^2 of the boundary's: at 20 it puts the boundary 187 times as far.
    """

    def __init__(self, steepness, scale=100.0, smooth=False):
        super().__init__()
        w = normal(1, 1, 10, 10, dtype=torch.float64)
        if smooth:  # as far from the boundary as it is, no smoothing has much to add
            w = nn.functional.avg_pool2d(w, 5, 1, 2)
        self.w, self.steepness, self.scale = w / w.norm(), steepness, scale

    def forward(self, x):
        lead = self.scale * (self.steepness * ((self.w * (x - 0.5)).sum((1, 2, 3)) - DISTANCE)).tanh()
        return torch.stack([torch.zeros_like(lead), lead], 1)


def attacked(attack, model):
    images = torch.full((1, 1, 10, 10), 0.5, dtype=torch.float64)
    return run(attack, model, images, torch.tensor([0]))


@pytest.mark.parametrize("steepness", [1.0, 8.0, 20.0])
@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("attack", [DDN(), CarliniWagner(margin=0), DeepFool(push=False)], ids=lambda a: a.name)
def test_the_boundary_is_found_where_it_is(attack, scale, steepness):
    """The default budget ends within 5 % of the nearest point, however far away the clean slope puts it."""
    result = attacked(attack, Cliff(steepness, scale))
    assert result.status == ("fooled",)
    assert DISTANCE * (1 - 1e-6) <= float(result.l2) <= 1.05 * DISTANCE


@pytest.mark.parametrize("attack", [SmoothDDN(rho=5.0), SmoothCarliniWagner(rho=5.0, margin=0)], ids=lambda a: a.name)
def test_so_is_the_smoothest_point_of_the_boundary(attack):
    model = Cliff(20.0)
    result = attacked(attack, model)
    energy = GraphEnergy(attack.graph(result.images), 5.0)
    kw = energy.solve(model.w)
    expected = DISTANCE * kw / (model.w * kw).sum()
    assert result.status == ("fooled",)
    assert float(energy(result.perturbation)) <= 1.05**2 * float(energy(expected))


@pytest.mark.parametrize("attack", [SmoothDDN(), SmoothCarliniWagner(margin=0)], ids=lambda a: a.name)
def test_the_smooth_attacks_come_as_near_as_on_a_gentle_slope(attack):
    gentle, steep = (attacked(attack, Cliff(s, smooth=True)) for s in (1.0, 20.0))
    assert gentle.status == steep.status == ("fooled",)
    assert float(steep.l2) <= 1.05 * float(gentle.l2)


def test_a_margin_that_is_asked_for_is_reached_on_the_far_side():
    result = attacked(CarliniWagner(margin=20.0), Cliff(20.0))
    nearest = DISTANCE + float(torch.atanh(torch.tensor(0.2))) / 20
    assert float(result.logits[0, 1]) >= 20
    assert nearest * (1 - 1e-6) <= float(l2(result.perturbation)) <= 1.05 * nearest


def test_rounding_a_perturbation_away_leaves_step_and_c_in_order():
    """Half the way back from a pixel's single level is no level at all."""
    model = Cliff(20.0)
    images = torch.full((1, 1, 10, 10), 128 / 255, dtype=torch.float64)
    attack = CarliniWagner(margin=0, quantised=True)
    variable = attack.variable(images)
    look = attack._look(model, variable, variable.start(images) + 0.001, images, torch.tensor([0]), everywhere=True)
    assert torch.allclose(look.seen, images)
    rate, c = attack._scales(look, variable)
    assert float(rate) > 0
    assert 0 < float(c) < 1e3


def test_as_published_deepfool_steps_over_it_and_smoothfool_with_it():
    """The first linearisation puts the boundary 187 times as far, so into the corner of [0, 1]."""
    model = Cliff(20.0, smooth=True)
    published = attacked(DeepFool.preset("paper"), model)
    ours = attacked(DeepFool(push=False, turns=0), model)
    assert published.status == ours.status == ("fooled",)
    assert float(published.l2) > 3 * DISTANCE
    assert DISTANCE * (1 - 1e-6) <= float(ours.l2) < 1.3 * DISTANCE
    far, *nearer = (
        attacked(SmoothFool(push=False, come_back=c, warm_start=warm), model)
        for c, warm in ((False, False), (True, False), (True, True))
    )
    assert far.status == ("failed",)
    for near in nearer:
        assert near.status == ("fooled",)
        assert float(near.l2) < 1.3 * DISTANCE
