"""The MMC report's tables: resumed training by training, remade by their commands, at the size of a test."""

import statistics

import pytest

from core.__main__ import main
from core.losses import CrossEntropy, MaxMahalanobis
from core.papers.mmc import tables as mmc_tables
from core.papers.mmc.tables import NORM_RECORDS, OPTIMISER_RECORDS, TIMES_RECORDS
from core.papers.trainings import Trained
from core.train import Training

SMALL = {"network": "fc2", "n": 40, "epochs": 1, "seeds": 1}


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A home without data: trainings use the gallery."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path


def norms(path, **changes):
    return mmc_tables.norms(**SMALL | changes, collection=NORM_RECORDS.at(path), command="make it")


def test_an_interrupted_sweep_goes_on_and_ends_the_same(bare):
    first, second = bare / "a.json", bare / "b.json"
    broken = norms(first)
    begun = [next(broken) for _ in range(2)]
    rest = list(norms(first))
    assert [record.norm for record in begun + rest] == list(mmc_tables.NORMS)
    assert list(norms(first)) == []
    list(norms(second))
    found = NORM_RECORDS.at(first).read()
    assert found == NORM_RECORDS.at(second).read()
    # A record is what training and the test say, without the collection.
    loss, recipe = MaxMahalanobis(norm=5, dim=64), mmc_tables.recipe(40, 1, 0)
    training = Training("fc2", "mnist", recipe, "own", loss)
    (epoch,) = training
    record = next(record for record in found if record.norm == 5)
    assert record.right == {"argmax": mmc_tables.tested(training)}
    assert record.loss == pytest.approx(epoch.loss)
    assert record.training == Trained.of("fc2", "mnist", loss, recipe)
    assert (record.data.n, record.data.source, record.seed) == (len(training.test), "gallery", 0)
    assert record.accuracy() == record.right["argmax"] / len(training.test) == record.estimate().value


def test_a_run_of_other_settings_begins_anew(bare):
    path = bare / "a.json"
    list(norms(path))
    other = norms(path, n=50)
    next(other)
    assert [(r.training.recipe["n"], r.norm) for r in NORM_RECORDS.at(path).read()] == [(50, mmc_tables.NORMS[0])]
    list(norms(path, n=50))
    assert len(list(norms(path, n=50, seeds=2))) == len(mmc_tables.NORMS)  # more seeds go on
    assert len(NORM_RECORDS.at(path).read()) == 2 * len(mmc_tables.NORMS)


def test_optimisers_in_turns_learn_what_they_learn_alone(bare):
    collection = OPTIMISER_RECORDS.at(bare / "a.json")
    settings = {"network": "fc2", "n": 60, "epochs": 1, "seeds": 1}
    list(mmc_tables.optimisers(**settings, collection=collection, command="make it"))
    found = {record.optimiser: record for record in collection.read()}
    assert list(found) == list(mmc_tables.OPTIMISERS)
    assert found["sgd"].time == 1.0
    recipe = mmc_tables.recipe(60, 1, 0, optimiser="adam", learning_rate=mmc_tables.OPTIMISERS["adam"])
    alone = Training("fc2", "mnist", recipe, "own", MaxMahalanobis(dim=64))
    (epoch,) = alone
    assert found["adam"].right == {"argmax": mmc_tables.tested(alone)}
    assert found["adam"].loss == pytest.approx(epoch.loss)
    assert list(mmc_tables.optimisers(**settings, collection=collection, command="")) == []


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
    collection = TIMES_RECORDS.at(bare / "a.json")
    list(mmc_tables.times(100, 2, collection, "make it"))
    standard, attacked = collection.read()
    assert len(standard.ratios) == len(attacked.ratios) == len(attacked.over_standard) == 2
    assert standard.over_standard is None
    assert statistics.median(attacked.over_standard) > 2  # ten steps of an attack for each step of training
    assert all(ratio > 0 for ratio in standard.ratios)
    assert (standard.timed.title, attacked.timed.title) == ("MNIST, standard", "MNIST, adversarial")
    assert attacked.published == pytest.approx(280 / 271.14)
    assert list(mmc_tables.times(100, 2, collection, "")) == []
    next(mmc_tables.times(100, 3, collection, ""))
    assert len(collection.read()) == 1  # of another number of rounds


def test_rows_stand_beside_the_papers(bare):
    path = bare / "a.json"
    list(norms(path, seeds=2))
    found = NORM_RECORDS.at(path).read()
    groups = {group.value: group for group in mmc_tables.by_norm(found)}
    assert list(groups) == sorted(mmc_tables.NORMS)
    assert (groups[10.0].published, groups[5.0].published) == (0.9257, None)
    for norm, group in groups.items():
        seen = [record.accuracy() for seed in (0, 1) for record in found if (record.norm, record.seed) == (norm, seed)]
        assert list(group.accuracies) == seen
        assert group.mean == pytest.approx(sum(seen) / 2)
        assert group.deviation == pytest.approx(abs(seen[0] - seen[1]) / 2**0.5)


def test_the_command_refuses_nothing_to_do(capsys, tmp_path):
    assert main(["evaluate", "mmc-norms", "--n", "0", "--out", str(tmp_path / "a")]) == 2
    assert "n must be at least 1; got 0" in capsys.readouterr().err


def test_the_stored_tables_are_whole():
    found = NORM_RECORDS.read()
    assert [(r.seed, r.norm) for r in found] == [(seed, norm) for seed in range(3) for norm in mmc_tables.NORMS]
    found = OPTIMISER_RECORDS.read()
    assert [(r.seed, r.optimiser) for r in found] == [(s, name) for s in range(3) for name in mmc_tables.OPTIMISERS]
    assert {r.training.recipe["learning_rate"] for r in found} == set(mmc_tables.OPTIMISERS.values())
    found = TIMES_RECORDS.read()
    assert [(r.timed.dataset, r.timed.network, r.timed.adversarial) for r in found] == list(mmc_tables.TIMED)
