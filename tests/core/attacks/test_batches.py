"""An image that leaves the batch does not disturb those that stay: all attacks, against single runs."""

import pytest
import torch
from torch import nn

from core.attacks import ATTACKS, run
from core.attacks.base import Tracker
from core.attacks.ddn import SmoothMetric
from core.attacks.universal import Universal, fit_universal
from core.graph import PixelGraph, Smoother
from core.metrics import linf

ODD = 1  # which of the images leaves first: not the first, not the last and not in the middle, so its mirror is another
NEAR = 1.2  # an image this close to the odd one, in L2, is taken for it


class Network(nn.Module):
    """Curved boundaries in double precision: images (N, 3, 6, 6), five classes.

    Around `odd` it behaves as told: "not finite" is NaN from a distance of 0.05 on, so at a step but not at the start
    (unless `at_once`); "no gradient" does not depend on the image; "broken gradient" has a slope of NaN alone.
    """

    def __init__(self, odd=None, how=""):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = torch.randn(108, 24, generator=generator, dtype=torch.float64) / 3
        self.second = torch.randn(24, 5, generator=generator, dtype=torch.float64)
        self.odd, self.how, self.at_once, self.sizes = odd, how, False, []

    def forward(self, x):
        self.sizes.append(len(x))
        logits = self.logits(x)
        if self.odd is None:
            return logits
        distance = (x - self.odd).flatten(1).norm(dim=1)[:, None]
        if self.how == "broken gradient":
            rows = (distance[:, 0] < NEAR).nonzero()[:, 0]
            nothing = (x[rows] - x[rows].detach()).abs().flatten(1).sum(1).sqrt()  # 0, with an infinite slope times 0
            return logits + torch.zeros_like(distance[:, 0]).index_put((rows,), nothing)[:, None]
        if self.how == "not finite":
            return torch.where((distance > (-1 if self.at_once else 0.05)) & (distance < NEAR), torch.nan, logits)
        return torch.where(distance < NEAR, self.logits(self.odd[None]), logits)

    def logits(self, x):
        return ((x.flatten(1) - 0.5) @ self.first).tanh() @ self.second


def batch(how, saturation=1.0):
    """A network, four images and the labels it gives them, the odd one such that it leaves first by `how`."""
    generator = torch.Generator().manual_seed(7)
    images = 0.2 + 0.6 * torch.rand(4, 3, 6, 6, generator=generator, dtype=torch.float64)
    images = images.mean(1, keepdim=True).lerp(images, saturation)
    plain = Network()
    labels = plain(images).argmax(1)
    if how == "fooled":
        other = images[int((labels != labels[ODD]).nonzero()[0, 0])]
        inside, outside = 0.0, 1.0  # how far towards the other image
        for _ in range(20):
            middle = (inside + outside) / 2
            same = int(plain((images[ODD] + middle * (other - images[ODD]))[None]).argmax()) == int(labels[ODD])
            inside, outside = (middle, outside) if same else (inside, middle)
        images[ODD] += (inside - 1e-3) * (other - images[ODD])
        return Network(), images, labels
    return Network(images[ODD].clone(), how), images, labels


def the_same_for_every_image(monkeypatch, axis):
    """What is drawn at random for a batch, whose images lie along `axis`, is drawn once and given to all of them."""
    draws = {name: getattr(torch, name) for name in ("rand", "randint")}
    fills = {name: getattr(torch.Tensor, name) for name in ("normal_", "uniform_")}

    def one(shape):
        return [1 if i == axis else n for i, n in enumerate(shape)]

    def rand(*shape, **options):
        shape = shape[0] if isinstance(shape[0], tuple | torch.Size) else shape
        return draws["rand"](one(shape), **options).expand(shape)

    def randint(low, high, shape, **options):
        return draws["randint"](low, high, one(shape), **options).expand(shape)

    def filled(name):
        return lambda x, *values, **options: x.copy_(fills[name](x.new_empty(one(x.shape)), *values, **options))

    monkeypatch.setattr(torch, "rand", rand)
    monkeypatch.setattr(torch, "randint", randint)
    for name in fills:
        monkeypatch.setattr(torch.Tensor, name, filled(name))


SLOW = {"epsilon": 0.3, "step_size": 0.002, "updates": 15}
SHORT = {"step_length": 0.015, "radius": 3.0, "updates": 20}
PUBLISHED = {"iterations": 12, "search_steps": 3}  # aborts are in test_published_search.py
QUESTIONS = {"epsilon": 0.3, "adam_step": 0.006, "samples": 24, "rounds": 12}
ALL = ("fooled", "not finite", "no gradient")
NO_STOP = ("not finite", "no gradient")  # success is no reason to leave
CASES = {
    # name: (hyper-parameters, the ways in which an image can leave)
    "fgsm": ({"epsilon": 0.05}, ("no gradient",)),
    "ifgsm": (SLOW, ALL),
    "ifgsm, strongest": (SLOW | {"keep": "strongest"}, NO_STOP),
    "ifgsm, random start": (SLOW | {"random_start": True, "epsilon": 0.02}, ("fooled",)),
    "ifgsm, to the next class": (SLOW | {"goal": "next"}, NO_STOP),
    "mim": (SLOW, ALL),
    "mim, strongest": (SLOW | {"keep": "strongest", "decay": 0.7}, NO_STOP),
    "pgd2": (SHORT, ALL),
    "qpgd2": (SHORT, ALL),
    "cw": ({"iterations": 12}, NO_STOP),
    "cw, nearest class": ({"iterations": 40}, NO_STOP),
    "cw, Adam": ({"iterations": 12, "learning_rate": 0.1}, NO_STOP),
    "cw, published": (PUBLISHED | {"abort_early": False}, NO_STOP),
    "scw": ({"iterations": 12}, NO_STOP),
    "scw, published": (PUBLISHED | {"abort_early": False}, NO_STOP),
    "scw, smooth optimum": ({"iterations": 40, "rho": 3.0}, NO_STOP),
    "scw, penalty": ({"iterations": 12, "smoothness": "penalty"}, NO_STOP),
    "ddn": ({"passes": 12}, NO_STOP),
    "ddn, nearest class": ({"passes": 40}, NO_STOP),
    "sddn": ({"passes": 12}, NO_STOP),
    "sddn, smooth optimum": ({"passes": 40, "rho": 3.0}, NO_STOP),
    "sddn, as published": ({"passes": 12, "schedule": "original"}, NO_STOP),
    "sddn, to the next class": ({"passes": 12, "goal": "next"}, NO_STOP),
    "cddn": ({"passes": 12, "quantised": True}, NO_STOP),
    "deepfool": ({}, ALL),
    "deepfool, one rival": ({"candidates": 2}, ALL),
    "smoothfool": ({"projections": 10, "projection_stretch": 0.8}, ALL),
    "smoothfool, warm start": ({"projections": 10, "projection_stretch": 0.8, "warm_start": True}, ALL),
    "iterative_smooth": ({"descent_rate": 0.0015, "descent_steps": 20}, ("fooled", "not finite")),
    "color_shift": ({"color_trials": 30}, ("fooled",)),
    "spsa": (QUESTIONS, ("fooled", "not finite")),
    "spsa, to the next class": (QUESTIONS | {"goal": "next"}, ("fooled", "not finite")),
    "noise": ({"levels": 12, "trials": 2}, ("fooled",)),
    "rotation": ({"angles": 9, "shifts": 3, "max_angle": 60}, ("fooled",)),
}
PALE = 0.15  # the colours of the images for a colour shift, so that it takes some trials
AXIS = {"spsa": 1, "color_shift": 1}  # of what they draw; of the others the images lie along the first


def test_every_attack_on_single_images_is_here():
    assert {case.split(",")[0] for case in CASES} == set(ATTACKS) - {"universal"}  # which is one for all


@pytest.mark.parametrize(
    ("case", "how"), [(case, how) for case, (_, ways) in CASES.items() for how in ways], ids=lambda value: value
)
def test_a_batch_that_one_image_leaves_is_as_many_single_runs(case, how, monkeypatch):
    """To the last digit, every step of the way; the odd image ends as it must, while others go on."""
    name = case.split(",")[0]
    attack = ATTACKS[name](**CASES[case][0])
    model, images, labels = batch(how, PALE if name == "color_shift" else 1.0)
    the_same_for_every_image(monkeypatch, AXIS.get(name, 0))
    together = run(attack, model, images, labels, seed=3)
    sizes = model.sizes[1:-2]  # the first and the last two passes are the run's own
    assert len(images) in sizes
    assert {1, 2, 3} & set(sizes)  # the odd one is gone, others are not
    assert together.status[ODD] == {"no gradient": "failed"}.get(how, how)
    moved = 0
    for i in range(len(images)):
        alone = run(attack, model, images[i : i + 1], labels[i : i + 1], seed=3)
        assert alone.status[0] == together.status[i]
        assert torch.allclose(alone.adversarial[0], together.adversarial[i], rtol=0, atol=1e-9)
        assert alone.trace.keys() == together.trace.keys()
        numbers = {int(number): row for row, number in enumerate(together.trace["step"])}
        for row, number in enumerate(alone.trace["step"]):
            # The last step is called the total, whenever it comes.
            last = row == len(alone.trace["step"]) - 1
            same = -1 if last else numbers[int(number)]
            for key in alone.trace.keys() - {"step"}:
                here, there = alone.trace[key][row, 0], together.trace[key][same, i]
                assert torch.allclose(here, there, rtol=1e-5, atol=1e-6, equal_nan=True), (key, int(number), i)
        moved += len(alone.trace["step"]) > 2
    assert moved >= 1 or name == "fgsm"


def test_what_a_colour_shift_draws_for_an_image_does_not_depend_on_who_has_left():
    """With another odd image, which leaves at another trial, the others go the same ways."""
    results, odd = [], 3 - ODD  # backwards, so that one that goes on for long comes after the odd one
    for how in ("fooled", "not finite"):
        _, images, labels = batch(how, PALE)
        results.append(run(ATTACKS["color_shift"](color_trials=30), Network(), images.flip(0), labels.flip(0), seed=3))
    others = [i for i in range(4) if i != odd]
    turns = [result.trace["hue"].diff(dim=0).ne(0).sum(0) for result in results]
    assert turns[0][odd] != turns[1][odd]
    assert turns[0][others].max() >= 10
    assert torch.equal(results[0].adversarial[others], results[1].adversarial[others])
    for key in ("hue", "saturation"):
        assert torch.equal(results[0].trace[key][:, others], results[1].trace[key][:, others])


def test_the_metrics_of_smooth_ddn_stay_with_their_images():
    """K of each image that is left, as an explicit matrix."""
    images = torch.rand(4, 1, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    metric = SmoothMetric(Smoother(PixelGraph(images), 0.9), images)
    rows = [0, 1, 2, 3]
    for going in ([True, False, True, True], [False, True, True], [False, True]):
        metric.stay(torch.tensor(going))
        rows = [row for row, stays in zip(rows, going, strict=True) if stays]
        g = torch.randn(len(rows), 1, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        moved = metric(g)
        for i, row in enumerate(rows):
            S = PixelGraph(images[row : row + 1]).dense(0)
            inverse = torch.linalg.inv((torch.eye(20, dtype=torch.float64) - 0.9 * S) / 0.1)
            scale = inverse.sum(1).rsqrt()
            assert torch.allclose(moved[i].flatten(), scale * (inverse @ (scale * g[i].flatten())), atol=1e-10)
    assert rows == [3]


@pytest.mark.parametrize("together", [1, 8])
@pytest.mark.parametrize("how", ["fooled", "not finite", "no gradient"])
@pytest.mark.parametrize("fit_by", ["gradient", "SmoothFool"])
def test_a_universal_perturbation_is_that_of_the_images_that_are_in_the_search(fit_by, how, together, monkeypatch):
    """One image has no part in it from the start: the perturbation is that of the others alone, as they come."""
    monkeypatch.setattr(torch, "randperm", lambda n, **options: torch.arange(n))
    _, images, labels = batch("not finite")
    model = Network(images[ODD].clone(), how)
    if how == "fooled":
        model = Network()
        labels[ODD] = model(images[ODD : ODD + 1]).argsort(1)[0, 0]  # the class it is taken for least of all
    elif how == "not finite":
        model.at_once = True
    attack = Universal(fit_by=fit_by, linf_ball=0.06, sigma_g=1.0, set_passes=5, together=together)
    others = [i for i in range(4) if i != ODD]
    alone = fit_universal(attack, Network(), images[others], labels[others])
    assert float(linf(alone)) > 0.02
    assert torch.allclose(fit_universal(attack, model, images, labels), alone, rtol=0, atol=1e-9)
    *_, last = attack.steps(model, images, labels)
    assert last.finite.tolist() == [how != "not finite" or i != ODD for i in range(4)]
    assert bool(last.found[ODD]) is (how == "fooled")


@pytest.mark.parametrize("together", [1, 8])
@pytest.mark.parametrize("fit_by", ["gradient", "SmoothFool"])
def test_nor_do_a_fooled_image_and_one_with_a_broken_gradient_move_it(fit_by, together, monkeypatch):
    """The first is fooled from the start, the next is not finite: which of the two is given up is not mixed up."""
    monkeypatch.setattr(torch, "randperm", lambda n, **options: torch.arange(n))
    _, images, labels = batch("not finite")
    model = Network(images[ODD].clone(), "broken gradient")
    labels[0] = Network()(images[:1]).argsort(1)[0, 0]
    attack = Universal(fit_by=fit_by, linf_ball=0.06, sigma_g=1.0, set_passes=5, together=together)
    alone = fit_universal(attack, Network(), images[2:], labels[2:])
    *_, last = attack.steps(model, images, labels)
    assert torch.allclose(last.detail["universal r"][:1], alone, rtol=0, atol=1e-9)
    assert last.finite.tolist() == [True, False, True, True]


def test_who_is_given_up_is_known_by_number_not_by_place():
    tracker = Tracker(torch.zeros(4, 1, 1, 1), total=1)
    tracker.give_up(torch.tensor([0, 2, 3]), torch.tensor([False, True, False]))
    assert tracker.step(1).finite.tolist() == [True, True, False, True]
