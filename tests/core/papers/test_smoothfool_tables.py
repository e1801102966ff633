"""SmoothFool's Table 2, by its command."""

import math

import numpy as np
import pytest
import torch

from core import data, models, train
from core.__main__ import main
from core.attacks import DeepFool, SmoothFool, run
from core.evaluate import correct, statistics
from core.evaluate.records import Data, Rows, Setting
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
    found = list(
        smoothfool.measure(
            model, images, 3.0, "", on_progress=lambda short, share: heard.setdefault(short, []).append(share)
        )
    )
    rows = {row.attack: row for row in found}
    assert list(rows) == ["DF", "IS", "SF"]  # no colour shift without colours
    for short, attack in (
        ("DF", DeepFool(relaxation=0.7, push=False, come_back=False, turns=0)),
        ("SF", SmoothFool(sigma_g=3.0, push=False, remember=False, come_back=False)),
    ):
        result = run(attack, model, images.images, images.labels)
        r = result.perturbation[result.success]
        row = rows[short]
        assert row.data.n == 6
        assert row.success == statistics.wilson(int(result.success.sum()), 6)
        assert row.rows["fooled"].tolist() == result.success.tolist()
        assert row.rows["l2"] == pytest.approx(result.l2.numpy(), rel=1e-4)
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
    verdict = smoothfool.SMOOTHER.decide(found)
    assert (verdict.outcome, verdict.p) == ("holds", 2 / 2**6)  # all of six images
    assert verdict.findings[0].estimate.value > math.log10(4)
    with pytest.raises(ValueError, match="fooled must be the number of rows that are"):
        smoothfool.FoolingRecord(**{**dict(found[0]), "fooled": 7})


def fooling(name, shares, fooled=None):
    """The record of an attack whose perturbations have these Omega_n."""
    kept = np.ones(len(shares), bool) if fooled is None else np.asarray(fooled)
    rows = {"index": np.arange(len(shares)), "fooled": kept, "l2": np.ones(len(shares))}
    return smoothfool.FoolingRecord(
        data=Data(name="mnist", split="test", source="full", n=len(shares)),
        protocol=Setting(name=name),
        command="",
        versions={},
        fooled=int(kept.sum()),
        l2=None,
        roughness=None,
        roughness_share=None,
        seconds=0,
        rows=Rows(rows | {"roughness": np.ones(len(shares)), "roughness_share": np.asarray(shares)}),
    )


def test_smoother_by_the_images_that_both_fool():
    rough, smooth = np.linspace(0.5, 0.6, 8), np.linspace(0.05, 0.06, 8)
    decide = smoothfool.SMOOTHER.decide
    assert decide([fooling("deepfool", rough), fooling("smoothfool", smooth)]).outcome == "holds"
    assert decide([fooling("deepfool", smooth), fooling("smoothfool", rough)]).outcome == "fails"
    few = np.arange(8) < 4  # four of four are too few for a test
    assert decide([fooling("deepfool", rough, few), fooling("smoothfool", smooth)]).outcome == "undecided"
    none = np.zeros(8, bool)
    assert decide([fooling("deepfool", rough, none), fooling("smoothfool", smooth)]).outcome == "undecided"
    assert decide([fooling("deepfool", rough)]).outcome == "undecided"


def test_nothing_fooled_has_no_means():
    assert smoothfool._moments(torch.empty(0)) is None
    assert smoothfool._moments(torch.tensor([2.0])) == (2.0, None)


def test_the_papers_rows_are_those_of_the_paper():
    network, rows = smoothfool.PAPER["imagenet"]
    assert network == "ResNet-101"
    assert rows["SF"].roughness_share == pytest.approx(0.036)
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
    path = tmp_path / "table.json"
    assert main(["evaluate", "smoothfool-table", "--model", "tiny", "--n", "2", "--out", str(path)]) == 0
    out = capsys.readouterr().out
    assert [record.attack for record in smoothfool.TABLE2.at(path).read()] == ["DF", "IS", "CS", "SF"]
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
