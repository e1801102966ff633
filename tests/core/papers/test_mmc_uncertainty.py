"""Scores of certainty: against closed forms, brute force, and the shipped results against what the gallery gives."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from core import data, models
from core.__main__ import main
from core.models import logits_of
from core.models.heads import CenterHead
from core.papers.mmc import tables as mmc_tables
from core.papers.mmc import uncertainty
from tests.problems import normal


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


def test_a_network_without_centres_has_no_distances():
    model = models.load("mnist-c4-ce", "cpu")
    assert uncertainty.scores(model) == ("max-probability",)
    with pytest.raises(ValueError, match="mnist-c4-ce has a head 'linear'"):
        uncertainty.score("min-distance", model, torch.zeros(2, 10))


def test_auroc_counts_pairs():
    generator = torch.Generator().manual_seed(1)
    inside = torch.randint(0, 6, (40,), generator=generator).double() + 1  # with many ties
    outside = torch.randint(0, 6, (25,), generator=generator).double()
    pairs = [(a > b) + 0.5 * (a == b) for a in inside.tolist() for b in outside.tolist()]
    area, _ = uncertainty.auroc(inside, outside)
    assert area == pytest.approx(np.mean(pairs))
    assert uncertainty.auroc(torch.tensor([2.0, 3]), torch.tensor([0.0, 1])) == (1.0, 0.0)
    assert uncertainty.auroc(torch.tensor([0.0, 1]), torch.tensor([2.0, 3]))[0] == 0.0
    with pytest.raises(ValueError, match="outside must be finite"):
        uncertainty.auroc(inside, torch.tensor([torch.nan]))


def test_the_standard_error_is_that_of_repeated_draws():
    """Hanley and McNeil's formula is derived for exponential scores."""
    draws = np.random.default_rng(0)
    areas, errors = [], []
    for _ in range(300):
        inside, outside = draws.exponential(3, 60), draws.exponential(1, 40)
        area, error = uncertainty.auroc(torch.from_numpy(inside), torch.from_numpy(outside))
        areas.append(area)
        errors.append(error)
    assert np.mean(areas) == pytest.approx(3 / 4, abs=0.01)
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.12)


def three_quarters(n, m):
    """Scores (n,) and (m,) whose area is exactly 3/4; n or m is a multiple of 4."""
    if n % 4:
        return torch.ones(n), torch.tensor([0.0] * (3 * m // 4) + [2.0] * (m // 4))
    return torch.tensor([2.0] * (3 * n // 4) + [0.0] * (n // 4)), torch.ones(m)


@pytest.mark.parametrize(("n", "m"), [(4, 4000), (4000, 4), (1, 4000), (4000, 1), (3, 40), (40, 3), (8, 8)])
def test_the_standard_error_of_unequal_sets(n, m):
    """For exponential scores of means 3 and 1 the area is 3/4; two of `inside` both exceed one of `outside` with
    probability integral exp(-2 y / 3) exp(-y) dy = 3/5, one of `inside` exceeds two of `outside` with
    integral (1 - exp(-x))^2 exp(-x / 3) / 3 dx = 9/14. The formula knows the area alone, so any scores of it serve."""
    area, error = uncertainty.auroc(*three_quarters(n, m))
    assert area == pytest.approx(3 / 4, abs=1e-12)
    above, both, one = Fraction(3, 4), Fraction(3, 5), Fraction(9, 14)
    variance = (above * (1 - above) + (n - 1) * (both - above**2) + (m - 1) * (one - above**2)) / (n * m)
    assert error == pytest.approx(math.sqrt(variance), rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(3, 400), (400, 3)])
def test_the_standard_error_of_unequal_sets_is_that_of_repeated_draws(n, m):
    """The few decide, and which are few matters: 0.164 with 3 inside, 0.113 with 3 outside."""
    draws = np.random.default_rng(1)
    inside, outside = draws.exponential(3, (4000, n, 1)), draws.exponential(1, (4000, 1, m))
    _, error = uncertainty.auroc(*three_quarters(n, m))
    assert error == pytest.approx((inside > outside).mean((1, 2)).std(), rel=0.05)


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


def test_dependency_of_known_logits():
    """All others equal: the runner-up is 1 times the next, and k of 9 equal terms miss log(9 / k)."""
    flat = torch.zeros(1, 10)
    flat[0, 4] = 7
    found = uncertainty.dependency(flat, torch.tensor([4]))
    assert found.ratio.tolist() == pytest.approx([1.0])
    assert found.missing[0].tolist() == pytest.approx([math.log(9 / k) for k in range(1, 6)])
    logits = torch.tensor([[9.0, 5.0, 2.0, 0.0], [9.0, 5.0, 4.0, 0.0]])
    labels = torch.tensor([0, 1])  # the second is named wrongly: its runner-up is the largest of all
    found = uncertainty.dependency(logits, labels, terms=2)
    assert found.ratio.tolist() == pytest.approx([math.exp(3), math.exp(5)])
    assert found.comparable(math.exp(4))[0] == 0.5
    assert found.comparable(math.exp(4))[1] == pytest.approx((0.25 / 2) ** 0.5)
    for row, others in enumerate(([5.0, 2.0, 0.0], [9.0, 4.0, 0.0])):
        whole = math.log(sum(map(math.exp, others)))
        expected = [whole - others[0], whole - math.log(math.exp(others[0]) + math.exp(others[1]))]
        assert found.missing[row].tolist() == pytest.approx(expected)


def test_dependency_is_blind_to_a_shift_and_survives_mmcs_logits():
    logits, labels = normal(20, 10).double(), torch.arange(20) % 10
    a, b = (uncertainty.dependency(z, labels) for z in (logits, logits - 20_000))
    assert torch.allclose(a.ratio, b.ratio)
    assert torch.allclose(a.missing, b.missing, atol=1e-9)
    with pytest.raises(ValueError, match="terms must be from 1 to 9"):
        uncertainty.dependency(logits, labels, terms=10)
    with pytest.raises(ValueError, match="K >= 3"):
        uncertainty.dependency(logits[:, :2], labels)


@pytest.mark.parametrize("name", ["mnist-c4-ce", "mnist-c4-mmc"])
def test_the_shipped_numbers_are_what_the_gallery_gives(name):
    """A thousand of the ten thousand images, and other pictures of clothes: the same within four standard errors."""
    model, images = models.load(name, "cpu"), data.gallery.read("mnist")
    shipped = mmc_tables.read("mmc-uncertainty")["points"]
    inside = logits_of(model, images.images)
    others = {"fashion_mnist": logits_of(model, uncertainty.sheet())}
    rows = list(uncertainty.compare(model, inside, others))
    assert [row.score for row in rows] == list(uncertainty.scores(model))
    for row in rows:
        point = shipped[f"{name}|{row.score}|fashion_mnist"]
        assert (point["n_inside"], point["n_outside"], point["sha256"]) == (10_000, 10_000, model.card.sha256)
        assert abs(point["auroc"] - row.auroc) < 4 * math.hypot(point["spread"], row.spread)
    share, error = uncertainty.dependency(inside, images.labels).comparable()
    point = mmc_tables.read("mmc-dependency")["points"][name]
    assert abs(point["comparable"] - share) < 4 * math.hypot(point["spread"], error)


@pytest.mark.parametrize("name", ["mmc-uncertainty", "mmc-dependency"])
def test_a_finished_result_is_not_made_again(name, tmp_path, monkeypatch, capsys):
    """The command on the file, given on the file, finds everything there: no image is looked at."""
    monkeypatch.setattr(uncertainty, "logits_of", lambda *_: pytest.fail("computed again"))
    shipped = mmc_tables.read(name)
    copy = tmp_path / "copy.json"
    copy.write_text(json.dumps(shipped))
    words = shipped["command"].split()[3:]
    chosen = sorted({point["model"] for point in shipped["points"].values()} & set(models.refresh()))
    assert main([*words, "--models", *chosen, "--out", str(copy)]) == 0
    assert json.loads(copy.read_text())["points"] == shipped["points"]
    assert all(model in capsys.readouterr().out for model in chosen[:1])


@pytest.mark.slow
@pytest.mark.full_data("mnist")
def test_the_dependency_is_remade_by_its_command(tmp_path):
    shipped = mmc_tables.read("mmc-dependency")
    again = tmp_path / "again.json"
    assert main([*shipped["command"].split()[3:], "--models", "mnist-lenet-ce", "--out", str(again)]) == 0
    (point,) = json.loads(again.read_text())["points"].values()
    expected = shipped["points"]["mnist-lenet-ce"]
    assert point["comparable"] == pytest.approx(expected["comparable"], abs=2e-4)
    assert point["missing"]["0.95"] == pytest.approx(expected["missing"]["0.95"], rel=1e-3)
