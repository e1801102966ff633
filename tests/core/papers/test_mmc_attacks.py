"""Attacks on centres: closed forms on a network whose features are its pixels, and the shipped table."""

import json

import pytest
import torch
from torch import nn

from core import data, models
from core.__main__ import main
from core.data import gallery
from core.features.density import own_and_nearest
from core.models.heads import CenterHead
from core.papers.mmc import attacks as mmc_attacks
from core.papers.mmc import tables as mmc_tables
from core.papers.mmc.attacks import Trial


class Pixels(nn.Module):
    """Its features are the pixels; three centres, far apart."""

    def __init__(self, centers):
        super().__init__()
        self.card = models.card("mnist-c4-mmc").model_copy(update={"classes": 3, "loss_arguments": {}})
        self.head = CenterHead(centers.shape[1], len(centers))
        self.head.centers.copy_(centers)

    def features(self, x):
        return x.flatten(1)

    def forward(self, x):
        return self.head(self.features(x))


CENTERS = torch.tensor([[0.0, 0, 0, 0], [100.0, 0, 0, 0], [0, 100.0, 0, 0]])


def test_adaptive_pgd_goes_straight_away_from_the_own_centre():
    """Up |x - mu|^2 every pixel moves away from mu's: with enough steps to the far corner of the ball."""
    x = torch.tensor([0.5, 0.6, 0.3, 0.95]).view(1, 1, 2, 2)
    made = mmc_attacks.pgd(Pixels(CENTERS), x, torch.tensor([0]), 0, 0.1, adaptive=True)
    assert made.flatten().tolist() == pytest.approx([0.6, 0.7, 0.4, 1.0])


def test_targeted_pgd_goes_to_the_wanted_centre():
    x = torch.full((40, 1, 2, 2), 0.5)
    made = mmc_attacks.pgd(Pixels(CENTERS), x, torch.zeros(40, dtype=torch.long), 3, 0.1, adaptive=True, targeted=True)
    ends = {tuple(round(v, 4) for v in row) for row in made.flatten(1).tolist()}
    assert ends == {(0.6, 0.4, 0.4, 0.4), (0.4, 0.6, 0.4, 0.4)}  # towards one or the other


def test_plain_pgd_finds_no_slope_where_the_softmax_is_sure():
    """Logits differ by ten thousand: cross-entropy's gradient is exactly zero, so an image stays where it started."""
    x = torch.full((2, 1, 2, 2), 0.5)
    made = mmc_attacks.pgd(Pixels(CENTERS), x, torch.tensor([0, 0]), 0, 0.1, adaptive=False)
    start = mmc_attacks.SignDescent(0.1, 0.1, True).start(x, torch.Generator().manual_seed(0))
    assert torch.equal(made, start)


@pytest.mark.parametrize("key", ["pgd|0.1|adaptive", "pgd|0.1|plain, targeted", "mim|0.1"])
def test_attacks_stay_in_their_ball(key):
    images = gallery.read("mnist")[:4]
    made = mmc_attacks.trials("mnist")[key].make(models.load("mnist-c4-mmc", "cpu"), images.images, images.labels, 0)
    assert float((made - images.images).abs().max()) <= 0.1 + 1e-6
    assert 0 <= float(made.amin()) <= float(made.amax()) <= 1
    assert float((made - images.images).abs().max()) > 0.05


def test_adaptive_pgd_moves_features_farther_from_their_centres_than_plain():
    model, images = models.load("mnist-c4-mmc", "cpu"), gallery.read("mnist")[:10]
    centers = mmc_attacks.centres(model, images.images, images.labels)
    assert torch.equal(centers, model.head.centers)
    ends = {}
    for adaptive in (False, True):
        made = mmc_attacks.pgd(model, images.images, images.labels, 0, 0.1, adaptive)
        ends[adaptive] = mmc_attacks.moves(model, images.images, made, images.labels, centers)
    assert torch.equal(ends[False][:, :2], ends[True][:, :2])
    assert ends[True][:, 2].median() > 2 * ends[False][:, 2].median()
    assert (ends[True][:, 2] > ends[True][:, 0]).all()


def test_cross_entropys_centres_are_class_means():
    model, images = models.load("mnist-c4-ce", "cpu"), gallery.read("mnist")[:40]
    centers = mmc_attacks.centres(model, images.images, images.labels)
    with torch.no_grad():
        z = model.features(images.images)
    assert torch.allclose(centers[3], z[images.labels == 3].mean(0), atol=1e-4)
    went = mmc_attacks.moves(model, images.images, images.images, images.labels, centers)
    assert torch.allclose(went[:, :2], went[:, 2:], atol=1e-5)
    unit = float(torch.pdist(centers.double()).mean())
    own, other = own_and_nearest(z.double() / unit, images.labels, centers.double() / unit)
    assert torch.allclose(went[:, :2], torch.stack([own, other], 1), atol=1e-4)


def test_a_trial_that_does_nothing_leaves_the_clean_accuracy():
    model, images = models.load("mnist-c4-ce", "cpu"), gallery.read("mnist")[:30]
    nothing = Trial("nothing", "", lambda model, x, y, seed: x, n=25)
    wrong = data.ImageSet(
        images.images,
        (images.labels + (torch.arange(30) < 5)) % 10,
        images.classes,
        "mnist",
        "test",
        "gallery",
        "",
        images.indices,
    )
    centers = mmc_attacks.centres(model, images.images, images.labels)
    found = mmc_attacks.measure(nothing, model, wrong, centers)
    assert (found["n"], found["accuracy"], found["l2"]) == (25, 0.8, 0.0)
    assert found["spread"] == pytest.approx((0.8 * 0.2 / 25) ** 0.5)
    assert found["right"] == [0] * 5 + [1] * 20
    assert len(found["moves"]) == 25
    assert all(row[:2] == row[2:] for row in found["moves"])


def test_every_attack_of_the_table_runs():
    model, images = models.load("mnist-c4-mmc", "cpu"), gallery.read("mnist")[:2]
    for dataset in mmc_attacks.EPSILONS:
        assert len(mmc_attacks.trials(dataset)) == 14
    for key in ("cw", "noise", "rotation"):
        made = mmc_attacks.trials("mnist")[key].make(model, images.images, images.labels, 0)
        assert made.shape == images.images.shape
    with pytest.raises(ValueError, match="dataset must be one of mnist, cifar10; got 'photos'"):
        mmc_attacks.trials("photos")


def test_the_shipped_table_is_whole_and_its_command_finds_it_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mmc_attacks, "measure", lambda *_: pytest.fail("attacked again"))
    shipped = mmc_tables.read("mmc-attacks")
    points = shipped["points"].values()
    names = sorted({point["model"] for point in points} & set(models.refresh()))
    assert {"mnist-c4-ce", "mnist-c4-mmc", "mnist-c4-ce-fgsm", "mnist-c4-mmc-fgsm"} <= set(names)
    copy = tmp_path / "copy.json"
    copy.write_text(json.dumps(shipped))
    assert main([*shipped["command"].split()[3:], "--models", *names, "--out", str(copy)]) == 0
    assert json.loads(copy.read_text()) == shipped
    for point in points:
        assert point["spread"] == pytest.approx((point["accuracy"] * (1 - point["accuracy"]) / point["n"]) ** 0.5)
        assert len(point["moves"]) == len(point["right"]) == min(mmc_attacks.KEPT, point["n"])
        if point["loss"] == "max-mahalanobis":  # named rightly exactly where the own centre is the nearest
            for (_, _, own, other), right in zip(point["moves"], point["right"], strict=True):
                assert abs(own - other) < 1e-3 or (own < other) == bool(right) or not right


@pytest.mark.slow
@pytest.mark.full_data("mnist")
@pytest.mark.parametrize("key", ["pgd|0.1|adaptive", "noise"])
def test_a_shipped_attack_is_remade(key):
    shipped = mmc_tables.read("mmc-attacks")
    model, n = models.load("mnist-c4-mmc", "cpu"), shipped["settings"]["n"]
    images = data.load("mnist", "test", n=n)
    found = mmc_attacks.measure(mmc_attacks.trials("mnist")[key], model, images, model.head.centers)
    expected = shipped["points"][f"mnist-c4-mmc|{key}"]
    assert found["accuracy"] == pytest.approx(expected["accuracy"], abs=2 / n)
    assert torch.tensor(found["moves"]).median() == pytest.approx(
        float(torch.tensor(expected["moves"]).median()), abs=0.02
    )
