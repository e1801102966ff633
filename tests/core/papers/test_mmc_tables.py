"""The MMC report's tables: resumed point by point, remade by their commands, at the size of a test."""

import json
import math
import statistics

import pytest

from core.__main__ import main
from core.losses import CrossEntropy, MaxMahalanobis
from core.papers.mmc import tables as mmc_tables
from core.papers.mmc.tables import Record
from core.train import Training

SHIPPED = ("mmc-norms", "mmc-optimisers", "mmc-times")


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A home without data: trainings use the gallery."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_record_is_taken_up_only_with_its_own_settings(tmp_path):
    path = tmp_path / "folder" / "a.json"
    Record(path, "make a", {"n": 3}).put("x", {"value": 1})
    assert Record(path, "make a", {"n": 3}).points == {"x": {"value": 1}}
    assert Record(path, "make a", {"n": 4}).points == {}
    body = json.loads(path.read_text())
    assert (body["command"], body["settings"]) == ("make a", {"n": 3})
    assert set(body["versions"]) == {"smoothscope", "torch", "python"}
    path.write_text("{")
    assert Record(path, "make a", {"n": 3}).points == {}
    with pytest.raises(ValueError, match=r"a\.json in assets/results is damaged"):
        mmc_tables.read("a", path.parent)
    assert mmc_tables.read("b", path.parent) is None


def test_an_interrupted_sweep_goes_on_and_ends_the_same(bare):
    settings = {"network": "fc2", "n": 40, "epochs": 1, "seeds": 1}

    def record(name):
        return Record(bare / name, "", settings)

    broken = mmc_tables.norms(**settings, record=record("a"))
    first = [next(broken) for _ in range(2)]
    rest = list(mmc_tables.norms(**settings, record=record("a")))
    assert [key for key, _ in first + rest] == [f"{norm:g}|0" for norm in mmc_tables.NORMS]
    assert list(mmc_tables.norms(**settings, record=record("a"))) == []
    list(mmc_tables.norms(**settings, record=record("b")))
    assert record("a").points == record("b").points
    # A point is what training and the test say, without the record.
    training = Training("fc2", "mnist", mmc_tables.recipe(40, 1, 0), "own", MaxMahalanobis(norm=5, dim=64))
    (epoch,) = training
    assert record("a").points["5|0"] == {
        "norm": 5.0,
        "seed": 0,
        "accuracy": mmc_tables.tested(training),
        "loss": pytest.approx(epoch.loss),
    }


def test_optimisers_in_turns_learn_what_they_learn_alone(bare):
    record = Record(bare / "a", "", {})
    list(mmc_tables.optimisers(60, 1, 1, "fc2", record))
    assert record.points["sgd|0"]["time"] == 1.0
    recipe = mmc_tables.recipe(60, 1, 0, optimiser="adam", learning_rate=mmc_tables.OPTIMISERS["adam"])
    alone = Training("fc2", "mnist", recipe, "own", MaxMahalanobis(dim=64))
    list(alone)
    assert record.points["adam|0"]["accuracy"] == mmc_tables.tested(alone)
    assert list(mmc_tables.optimisers(60, 1, 1, "fc2", record)) == []


def test_turns_count_every_batch(bare):
    recipe = mmc_tables.recipe(120, 2, 0)
    runs = {
        name: Training("fc2", "mnist", recipe, name, loss)
        for name, loss in (("sce", CrossEntropy()), ("mmc", MaxMahalanobis()))
    }
    seconds = mmc_tables.turns(runs)
    assert {name: len(values) for name, values in seconds.items()} == {"sce": 6, "mmc": 6}
    assert all(training.done == 2 for training in runs.values())


def test_ratios_are_medians_over_a_round():
    assert mmc_tables.ratios([2, 4, 6, 3, 3, 30], [1, 1, 2, 1, 1, 1], 2) == [3, 3]


def test_times_compare_with_cross_entropy(bare, monkeypatch):
    monkeypatch.setattr(mmc_tables, "TIMED", (("mnist", "fc2", "none"), ("mnist", "fc2", "pgd")))
    record = Record(bare / "a", "", {})
    list(mmc_tables.times(100, 2, record))
    standard, attacked = record.points["mnist|none"], record.points["mnist|pgd"]
    assert len(standard["ratios"]) == len(attacked["ratios"]) == len(attacked["over_standard"]) == 2
    assert statistics.median(attacked["over_standard"]) > 2  # ten steps of an attack for each step of training
    assert all(ratio > 0 for ratio in standard["ratios"])


def test_rows_stand_beside_the_papers():
    points = {
        "a": {"norm": 10.0, "accuracy": 0.9},
        "b": {"norm": 10.0, "accuracy": 0.94},
        "c": {"norm": 5.0, "accuracy": 1},
    }
    assert mmc_tables.rows("mmc-norms", points) == [
        ("C_MM = 10", "92.00 ± 2.83 %", "92.57 %"),
        ("C_MM = 5", "100.00 ± 0.00 %", ""),
    ]
    times = {"a": {"dataset": "mnist", "adversarial": "pgd", "ratios": [1.0, 1.1, 1.3]}}
    assert mmc_tables.rows("mmc-times", times) == [("mnist, adversarial", "1.100 (1.000 to 1.300)", "1.033")]


def test_the_command_refuses_nothing_to_do(capsys, tmp_path):
    assert main(["evaluate", "mmc-norms", "--n", "0", "--out", str(tmp_path / "a")]) == 2
    assert "must be at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_result_is_whole_and_its_command_finds_it_so(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mmc_tables, "Training", lambda *_: pytest.fail("trained again"))
    shipped = mmc_tables.read(name)
    copy = tmp_path / "copy.json"
    copy.write_text(json.dumps(shipped))
    assert main([*shipped["command"].split()[3:], "--out", str(copy)]) == 0
    assert json.loads(copy.read_text()) == shipped
    out = capsys.readouterr().out
    assert all(row[1] in out for row in mmc_tables.rows(name, shipped["points"]))
    if name != "mmc-times":
        values = mmc_tables.NORMS if name == "mmc-norms" else mmc_tables.OPTIMISERS
        assert len(shipped["points"]) == shipped["settings"]["seeds"] * len(values)
        assert shipped["settings"]["learning_rates"] == mmc_tables.OPTIMISERS
        assert all(0 <= point["accuracy"] <= 1 for point in shipped["points"].values())
    else:
        assert len(shipped["points"]) == len(mmc_tables.TIMED)
        assert all(math.isfinite(ratio) for point in shipped["points"].values() for ratio in point["ratios"])


@pytest.mark.slow
@pytest.mark.full_data("mnist")
def test_a_shipped_training_is_remade(tmp_path):
    """The bits are the same on one machine; another may end a few images apart."""
    shipped = mmc_tables.read("mmc-norms")
    settings = {name: shipped["settings"][name] for name in ("network", "n", "epochs", "seeds")}
    key, value = next(mmc_tables.norms(**settings, record=Record(tmp_path / "a", "", {})))
    assert value == pytest.approx(shipped["points"][key]["accuracy"], abs=0.02)
