"""SmoothFool's Table 2, by its command."""

import math

import pytest
import torch

from core import data, models
from core.attacks import DeepFool, SmoothFool, run
from core.evaluate import correct, table2
from core.metrics import roughness


@pytest.fixture(scope="module")
def digits() -> tuple[models.Classifier, data.ImageSet]:
    model = models.load("mnist-c4-ce")
    return model, correct(model, data.gallery.read("mnist"), 6)


def test_rows_hold_what_the_attacks_give(digits):
    model, images = digits
    heard: dict[str, list[float]] = {}
    rows = {
        row.attack: row
        for row in table2.measure(model, images, 3.0, lambda short, share: heard.setdefault(short, []).append(share))
    }
    assert list(rows) == ["DF", "IS", "SF"]  # no colour shift without colours
    for short, attack in (("DF", DeepFool()), ("SF", SmoothFool(sigma_g=3.0))):
        result = run(attack, model, images.images, images.labels)
        r = result.perturbation[result.success]
        row = rows[short]
        assert row.n == 6
        assert row.success == pytest.approx(float(result.success.float().mean()))
        for seen, values in (
            (row.l2, result.l2[result.success]),
            (row.roughness, roughness(r, 1.0)),
            (row.roughness_share, roughness(r, 1.0, normalised=True)),
        ):
            assert seen == pytest.approx((float(values.mean()), float(values.std())), rel=1e-4)
    assert all(shares == sorted(shares) and shares[-1] == 1 for shares in heard.values())
    # What the paper claims: SmoothFool's perturbations are far smoother than DeepFool's, and longer.
    assert rows["SF"].roughness_share[0] <= rows["DF"].roughness_share[0] / 4
    assert rows["SF"].l2[0] > rows["DF"].l2[0]


def test_nothing_fooled_has_no_means():
    assert table2._spread(torch.empty(0)) is None
    mean, deviation = table2._spread(torch.tensor([2.0]))
    assert mean == 2.0
    assert math.isnan(deviation)


def test_the_papers_rows_are_those_of_the_paper():
    network, rows = table2.PAPER["imagenet"]
    assert network == "ResNet-101"
    assert rows["SF"].roughness_share[0] == pytest.approx(0.036)
    assert rows["CS"].success == pytest.approx(0.927)
    assert "CS" not in table2.PAPER["mnist"][1]
