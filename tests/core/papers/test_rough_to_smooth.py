"""From rough to smooth: medians that count failures, what is shown to others, claims by hand-made records, a run."""

import math

import numpy as np
import pytest
import torch

from core import models
from core.__main__ import main
from core.attacks import run
from core.evaluate import statistics, transfer
from core.evaluate.comparison import at_norm
from core.evaluate.records import Data, Network, Rows, Setting, versions
from core.metrics import l2
from core.papers.rough_to_smooth import CLAIMS, ROUGHNESS, SIGMAS, RoughnessRecord, attack
from core.papers.smooth_curves import pictures

NAMES = ("mnist-lenet-ce", "mnist-lenet-mmc", "mnist-lenet-graph", "mnist-lenet-g-sce", "mnist-lenet-mm-lda")
INF = np.inf


def record(name, sigma, lengths, at=0.0, judges=NAMES, right=True):
    """Lengths that SmoothFool takes, infinite where it does not fool; `at` is the share that fools others at length."""
    lengths, n = np.asarray(lengths, np.float32), len(lengths)
    fools = np.isfinite(lengths)
    rows = {"index": np.arange(n, dtype=np.int32), "label": np.zeros(n, np.int16), "attacked": np.ones(n, bool)}
    rows |= {"fools": fools, "l2": np.where(fools, lengths, np.nan).astype(np.float32)}
    rows["roughness"] = rows["l2"]
    for judge in judges:
        rows |= {f"right {judge}": np.full(n, right), f"wrong {judge}": fools}
        rows[f"at {judge}"] = fools & (np.arange(n) < round(at * n))
    return RoughnessRecord(
        network=Network.of(models.card(name)),
        data=Data(name="mnist", split="test", source="gallery", n=n, seed=0),
        protocol=Setting.of(attack(sigma)),
        command="-",
        versions=versions(),
        judges=tuple(Network.of(models.card(judge)) for judge in judges),
        length=3.0,
        fooled=int(fools.sum()),
        seconds=1.0,
        rows=Rows(rows),
    )


def test_the_median_counts_what_is_not_fooled_as_longer_than_any():
    one = record(NAMES[0], 2.0, [1, 2, 3, INF, INF])
    assert np.median(one.lengths) == 3
    assert one.success == statistics.wilson(3, 5)
    assert one.median() is None  # a resample may have a majority that is not fooled
    sure = record(NAMES[0], 2.0, [*np.linspace(1, 2, 99), INF])
    found = sure.median()
    assert found.value == pytest.approx(np.median([*np.linspace(1, 2, 99), 9]))
    assert found.low < found.value < found.high
    assert record(NAMES[0], 2.0, [INF] * 9).median() is None


def test_who_is_asked_and_who_is_fooled():
    one = record(NAMES[0], 2.0, [1, 2, INF, 4], at=0.5)
    asked, fooled = one.transferred(NAMES[1], at_length=True)
    assert (asked.tolist(), fooled.tolist()) == ([True, True, False, True], [True, True, False, False])
    assert one.rate(NAMES[1], at_length=False) == statistics.wilson(3, 3)
    assert record(NAMES[0], 2.0, [1, 2], right=False).rate(NAMES[1], at_length=True) is None
    with pytest.raises(ValueError, match="three columns for every judge"):
        RoughnessRecord(**{**dict(one), "judges": one.judges[:1]})


def test_claims_are_decided_by_the_records():
    share = {name: statistics.wilson(50 + 5 * i, 100) for i, name in enumerate(NAMES)}
    rising = [record(name, 0.5, [1 + i] * 8, at=0.25) for i, name in enumerate(NAMES)]
    falling = [record(name, 100.0, [INF if i == 0 else 9 - i] * 8, at=1.0) for i, name in enumerate(NAMES)]

    def outcomes(found, noise):
        return [claim.decide(found, noise).outcome for claim in CLAIMS]

    assert outcomes([], {}) == ["undecided"] * 4
    assert outcomes(rising + falling, share)[:2] == ["holds", "fails"]
    assert outcomes(rising + falling, dict(list(share.items())[:4]))[:2] == ["undecided"] * 2  # too few networks
    mixed = [record(name, 0.5, [length] * 8) for name, length in zip(NAMES, (2, 1, 3, 2, 1), strict=True)]
    assert outcomes(mixed, share)[0] == "undecided"
    # Shown at one length: the first network's smooth ones fool all of eight images, the rough ones two.
    found = [record(NAMES[0], 0.5, [1] * 8, at=0.25), record(NAMES[0], 100.0, [9] * 8, at=1.0)]
    verdict = CLAIMS[2].decide(found, {})
    assert verdict.outcome == "holds"
    assert verdict.findings[0].estimate.value == pytest.approx(0.75)
    turned = [record(NAMES[0], 0.5, [1] * 8, at=1.0), record(NAMES[0], 100.0, [9] * 8, at=0.0)]
    assert CLAIMS[2].decide(turned, {}).outcome == "fails"
    assert CLAIMS[3].decide(turned, {}).outcome == "undecided"  # as found, both fool all of them


def test_spearman_is_of_ranks_and_knows_infinity():
    rho, p = statistics.spearman([1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, INF])
    assert rho.value == pytest.approx(1)
    assert p < 1e-6
    rho, p = statistics.spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])  # 1 - 6 * 4 / (5 * 24)
    assert rho.value == pytest.approx(0.8)
    assert (rho.low, rho.n, p) == (
        pytest.approx(math.tanh(math.atanh(0.8) - 1.959964 * math.sqrt(1.32 / 2)), abs=1e-6),
        5,
        pytest.approx(0.104, abs=1e-3),
    )
    assert statistics.spearman([1, 1, 1, 1, 1], [1, 2, 3, 4, 5])[1] == 1
    with pytest.raises(ValueError, match="at least 5"):
        statistics.spearman([1, 2], [1, 2])


def test_a_run_is_what_the_attack_does_and_goes_on(tmp_path, monkeypatch):
    out, names = tmp_path / "found.json", NAMES[:2]
    words = ["evaluate", "roughness", "--models", *names, "--n", "3", "--jobs", "1", "--out", str(out)]
    assert main([*words, "--sigmas", "4"]) == 0
    found = ROUGHNESS.at(out).read()
    assert [(r.network.name, r.sigma) for r in found] == [(name, 4.0) for name in names]
    first, images = found[0], pictures("mnist", 0)[:3]
    models_of = {name: models.load(name) for name in names}
    result = run(attack(4.0), models_of[names[0]], images.images, images.labels, 0)
    assert first.rows["fools"].tolist() == result.success.tolist() == [True] * 3
    length = l2(result.adversarial, images.images)
    assert first.rows["l2"] == pytest.approx(length.numpy(), rel=1e-4)
    brought = at_norm(images.images, result.adversarial, 3.0)
    for name in names:
        for what, x in (("wrong", result.adversarial), ("at", brought)):
            with torch.no_grad():
                wrong = models_of[name](x).argmax(1) != images.labels
            assert first.rows[f"{what} {name}"].tolist() == wrong.tolist()
    monkeypatch.setattr(transfer, "run", lambda *_: pytest.fail("attacked again"))
    assert main([*words, "--sigmas", "4"]) == 0
    assert ROUGHNESS.at(out).read() == found


def test_more_images_go_on_from_those_that_are_there(tmp_path, monkeypatch):
    whole, grown = (ROUGHNESS.at(tmp_path / f"{name}.json") for name in ("whole", "grown"))
    words = ["evaluate", "roughness", "--models", *NAMES[:2], "--jobs", "1", "--batch-size", "2", "--sigmas", "4"]
    assert main([*words, "--n", "4", "--out", str(whole.path)]) == 0
    assert main([*words, "--n", "2", "--out", str(grown.path)]) == 0
    attacked, attack_them = [], transfer.run

    def heard(attack, model, images, *rest):
        attacked.append(len(images))
        return attack_them(attack, model, images, *rest)

    monkeypatch.setattr(transfer, "run", heard)
    assert main([*words, "--n", "4", "--out", str(grown.path)]) == 0
    assert attacked == [2, 2]  # of each network those that were not there
    assert [r.rows for r in grown.read()] == [r.rows for r in whole.read()]
    assert main([*words, "--n", "3", "--out", str(grown.path)]) == 0  # more are there
    assert [r.data.n for r in grown.read()] == [4, 4]


def test_what_cannot_be_measured_is_refused(capsys):
    assert main(["evaluate", "roughness", "--models", "mnist-lenet-ce", "cifar10-resnet32-ce"]) != 0
    assert "of one data set" in capsys.readouterr().err
    assert SIGMAS[0] == 0.5
