"""SmoothFool's Table 2, by its command."""

import math

import pytest
import torch

from core import data, models, train
from core.__main__ import main
from core.attacks import DeepFool, SmoothFool, run
from core.evaluate import correct
from core.metrics import roughness
from core.models.networks import initialise
from core.papers import smoothfool


@pytest.fixture(scope="module")
def digits() -> tuple[models.Classifier, data.ImageSet]:
    model = models.load("mnist-c4-ce")
    return model, correct(model, data.gallery.read("mnist"), 6)


def test_rows_hold_what_the_attacks_give(digits):
    model, images = digits
    heard: dict[str, list[float]] = {}
    rows = {
        row.attack: row
        for row in smoothfool.measure(
            model, images, 3.0, lambda short, share: heard.setdefault(short, []).append(share)
        )
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
    assert smoothfool._spread(torch.empty(0)) is None
    mean, deviation = smoothfool._spread(torch.tensor([2.0]))
    assert mean == 2.0
    assert math.isnan(deviation)


def test_the_papers_rows_are_those_of_the_paper():
    network, rows = smoothfool.PAPER["imagenet"]
    assert network == "ResNet-101"
    assert rows["SF"].roughness_share[0] == pytest.approx(0.036)
    assert rows["CS"].success == pytest.approx(0.927)
    assert "CS" not in smoothfool.PAPER["mnist"][1]


def test_the_command_takes_a_network_of_ones_own_on_cifar10(tmp_path, monkeypatch, capsys):
    """Of random weights, hence no evidence: what counts is that all rows are there, beside the paper's."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    card = models.Card(
        name="tiny",
        title="Tiny",
        dataset="cifar10",
        network="resnet32",
        loss="cross-entropy",
        classes=10,
        input_shape=(3, 32, 32),
        mean=(0.49, 0.48, 0.45),
        std=(0.25, 0.24, 0.26),
        sha256="0" * 64,
    )
    model = models.build(card)
    initialise(model, torch.Generator().manual_seed(0))
    pictures = data.gallery.read("cifar10")[:20]
    train.save(model.eval(), card, tmp_path / "checkpoints", pictures.images, pictures.labels)
    models.refresh()
    assert main(["evaluate", "smoothfool-table", "--model", "tiny", "--n", "2"]) == 0
    out = capsys.readouterr().out
    monkeypatch.undo()
    models.refresh()
    assert [line.split()[1] for line in out.splitlines() if line.startswith("│ ") and "paper" not in line] == [
        "DF",
        "IS",
        "CS",
        "SF",
    ]
    assert out.count("paper, ResNet-18") == 4
    assert "10,000" in out
