"""Scores of certainty: against closed forms, brute force, and the shipped results against what the gallery gives."""

import math

import pytest
import torch

from core import data, models
from core.evaluate import records, statistics
from core.models import logits_of
from core.models.heads import CenterHead
from core.papers.mmc import uncertainty


def test_log_odds_are_those_of_the_largest_probability():
    logits = 3 * torch.randn(50, 7, generator=torch.Generator().manual_seed(0))
    p = torch.softmax(logits.double(), 1).amax(1)
    odds = uncertainty.log_odds(logits)
    assert torch.allclose(odds, (p / (1 - p)).log(), atol=1e-9)
    assert torch.allclose(uncertainty.certainty(odds), -(1 - p).log10(), atol=1e-9)


def test_log_odds_order_images_that_a_float_probability_ties():
    logits = torch.tensor([[60.0, 0, 0], [50.0, 0, 0]])
    assert torch.softmax(logits, 1)[:, 0].tolist() == [1.0, 1.0]
    first, second = uncertainty.log_odds(logits).tolist()
    assert first - second == pytest.approx(10)
    nines = uncertainty.certainty(torch.tensor([first, math.log(9), 800.0]))
    assert nines.tolist() == pytest.approx([(60 - math.log(2)) / math.log(10), 1.0, 800 / math.log(10)])


@pytest.mark.parametrize("half", [False, True])
def test_negative_distances_are_those_to_the_centres(half):
    model = models.load("mnist-c4-mmc", "cpu")
    head = CenterHead(64, 10, half)
    head.centers.copy_(model.head.centers)
    model.head = head
    images = data.gallery.read("mnist").images[:6]
    with torch.no_grad():
        z = model.features(images).double()
    explicit = torch.stack([-(z - centre.double()).square().sum(1) for centre in head.centers], 1)
    logits = logits_of(model, images)
    assert torch.allclose(uncertainty.negative_distances(model, logits).double(), explicit, rtol=1e-4, atol=1e-3)
    nearest = uncertainty.score("min-distance", model, logits)
    assert torch.allclose(nearest, explicit.amax(1), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("name", "head"), [("mnist-c4-ce", "linear"), ("mnist-lenet-mm-lda", "centers")])
def test_a_network_whose_logits_are_no_distances_has_none(name, head):
    model = models.load(name, "cpu")
    assert uncertainty.scores(model) == ("max-probability",)
    with pytest.raises(ValueError, match=f"{name} has a head '{head}'"):
        uncertainty.score("min-distance", model, torch.zeros(2, 10))


def test_images_become_what_a_network_takes():
    colours = torch.zeros(3, 3, 32, 32)
    for channel in range(3):
        colours[channel, channel] = 1
    grey = uncertainty.as_input(colours, (1, 28, 28))
    assert grey.shape == (3, 1, 28, 28)
    assert grey.mean((1, 2, 3)).tolist() == pytest.approx([0.299, 0.587, 0.114], abs=1e-6)
    assert float(grey.std((2, 3)).max()) < 1e-6  # a plain colour stays plain
    digits = data.gallery.read("mnist").images[:2]
    assert torch.equal(uncertainty.as_input(digits, (1, 28, 28)), digits)
    three = uncertainty.as_input(digits, (3, 32, 32))
    assert three.shape == (2, 3, 32, 32)
    assert torch.equal(three[:, 0], three[:, 2])
    assert float(three.amin()) >= 0
    assert float(three.amax()) <= 1


def test_what_belongs_to_no_class_comes_with_the_project(tmp_path, monkeypatch):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    for name in uncertainty.OUTSIDE:
        images = uncertainty.outside(name, (1, 28, 28), 12)
        assert images.shape == (12, 1, 28, 28)
        assert 0 <= float(images.amin()) < float(images.amax()) <= 1
    assert len(uncertainty.outside("fashion_mnist", (1, 28, 28), 1000)) == 300
    with pytest.raises(ValueError, match="there is no 'lions'"):
        uncertainty.outside("lions", (1, 28, 28), 1)
    with pytest.raises(data.DataError, match="python -m core data get fashion_mnist"):
        uncertainty.outside("fashion_mnist", (1, 28, 28), 5, full=True)
    damaged = tmp_path / "sheet.png"
    damaged.write_bytes(b"no picture")
    with pytest.raises(data.DataError, match=r"sheet\.png in assets/gallery is damaged"):
        uncertainty.sheet(damaged)


@pytest.mark.full_data("fashion_mnist")
def test_the_sheet_is_remade_by_its_command(tmp_path):
    again = uncertainty.make_sheet(tmp_path / "again.png")
    assert torch.equal(uncertainty.sheet(again), uncertainty.sheet())
    full = data.load("fashion_mnist", "test")
    first = full.images[(full.labels == 3).nonzero()[:30, 0]]
    assert torch.equal(uncertainty.sheet()[3::10], first)


def test_an_image_stands_where_the_test_set_lets_it():
    among = torch.arange(100.0)
    found = uncertainty.standing(30.0, among)
    assert (found.below, found.refused) == (0.3, False)
    assert found.threshold == pytest.approx(0.99)  # 99 of 100 reach it
    assert uncertainty.standing(0.5, among).refused
    assert uncertainty.standing(-5.0, among).below == 0


def strangers(images, name="noise"):
    told = records.Data(name=name, split="made", source="made", n=len(images), sha256=records.identity(images))
    return uncertainty.Strangers(told, torch.arange(len(images)), images)


def test_a_record_holds_every_score():
    model, inside = models.load("mnist-c4-mmc", "cpu"), data.gallery.read("mnist")[:40]
    others = [strangers(uncertainty.outside(name, (1, 28, 28), 25), name) for name in ("noise", "fashion_mnist")]
    distance, probability = uncertainty.measure(model, inside, others, "make it")
    assert (distance.score, probability.score) == uncertainty.scores(model)
    for record in (distance, probability):
        mine = uncertainty.score(record.score, model, logits_of(model, inside.images))
        for other in others:
            theirs = uncertainty.score(record.score, model, logits_of(model, other.images))
            area = record.area(other.data.name)
            seen = record.scores(other.data.name)
            assert seen[0] == pytest.approx(mine.numpy(), rel=1e-6)
            assert seen[1] == pytest.approx(theirs.numpy(), rel=1e-6)
            assert (area.auroc, area.standard_error) == statistics.auroc(*seen)
            assert area.auroc == pytest.approx(statistics.auroc(mine, theirs)[0], abs=1e-6)
        assert record.area("photos") is None
        assert record.rows["index"][:40].tolist() == inside.indices.tolist()
    with pytest.raises(ValueError, match="rows must hold a score for each image"):
        uncertainty.CertaintyRecord(**{**dict(distance), "areas": distance.areas[:1]})
    with pytest.raises(ValueError, match="rows must hold a score for each image"):
        uncertainty.CertaintyRecord(**{**dict(distance), "rows": None})
    assert (
        uncertainty.CertaintyRecord(**{**dict(distance), "rows": None, "lacks": "The scores."}).scores("noise") is None
    )


@pytest.mark.parametrize("name", ["mnist-c4-ce", "mnist-c4-mmc"])
def test_the_stored_areas_are_what_the_gallery_gives(name):
    """A thousand of the ten thousand images, and other pictures of clothes: the same within four standard errors."""
    model, images = models.load(name, "cpu"), data.gallery.read("mnist")
    stored = {r.score: r for r in uncertainty.CERTAINTIES.read() if r.network.name == name}
    for record in uncertainty.measure(model, images, [strangers(uncertainty.sheet(), "fashion_mnist")], ""):
        here, there = record.areas[0], stored[record.score].area("fashion_mnist")
        assert (stored[record.score].data.n, there.outside.n) == (10_000, 10_000)
        assert abs(here.auroc - there.auroc) < 4 * math.hypot(here.standard_error, there.standard_error)


def test_networks_that_can_be_compared_are_chosen():
    alike = uncertainty.chosen(None)
    assert {"mnist-c4-ce", "mnist-c4-mmc", "mnist-c4-ce-fgsm", "mnist-c4-mmc-fgsm"} <= set(alike)
    assert "mnist-fc2-ce" not in alike
    assert set(uncertainty.chosen(None, alike=False)) >= {*alike, "mnist-fc2-ce"}
    assert uncertainty.chosen(["mine"]) == ["mine"]
