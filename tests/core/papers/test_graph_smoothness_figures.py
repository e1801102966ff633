"""Figures 2 to 4 of the graph smoothness paper: what is trained, stored, gone on with and drawn."""

import argparse

import pytest
from sklearn.neighbors import KNeighborsClassifier

from core.evaluate import records
from core.evaluate.records import Data
from core.losses import CrossEntropy, GraphSmoothness
from core.models import features_of
from core.papers.graph_smoothness import cli, figures
from core.papers.graph_smoothness.figures import (
    FIGURES,
    SWEEPS,
    FigureRecord,
    Study,
    cross_entropy,
    losses,
    measure,
    run,
    series,
    study_of,
)
from core.papers.trainings import Trained
from core.params import from_arguments
from core.train import Training

TINY = Study(dataset="mnist", n=200, test_n=100, epochs=1, seeds=1)


@pytest.fixture
def gallery_only(tmp_path, monkeypatch):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))


def test_one_parameter_moves_at_a_time():
    found = losses()
    graph = [loss for loss in found if isinstance(loss, GraphSmoothness)]
    assert len(set(found)) == len(found) == 1 + sum(len(values) - 1 for values in SWEEPS.values()) + 1
    for loss in graph:
        assert loss.norm == "l2"
        assert sum((loss.k is not None, loss.dim != 10, loss.alpha != 2)) <= 1
    assert {loss.k for loss in graph} == set(SWEEPS["k"])
    assert {loss.dim for loss in graph} == set(SWEEPS["dim"])
    assert {loss.alpha for loss in graph} == set(SWEEPS["alpha"])


def test_a_point_is_what_scikit_learn_says_of_the_same_training(gallery_only):
    loss = GraphSmoothness(norm="l2", dim=10, references=100, k=5)
    record = measure(TINY, loss, 3, "make it")
    training = Training("lenet", "mnist", TINY.recipe(3), "same", loss)
    (epoch,) = training
    known = features_of(training.model, training.train.images)
    asked = features_of(training.model, training.test.images[:100])
    model = KNeighborsClassifier(10).fit(known.numpy(), training.train.labels.numpy())
    score = model.score(asked.numpy(), training.test.labels[:100].numpy())
    assert record.accuracy("10-nn") == pytest.approx(score, abs=0.011)
    assert record.loss == epoch.loss
    assert (record.seed, record.data.n, record.command) == (3, 100, "make it")
    assert record.is_of(loss)
    assert not record.is_of(loss.replace(k=6))
    assert study_of([record]) == TINY


def record(loss, seed, near, own, study=TINY):
    return FigureRecord(
        data=Data(name=study.dataset, split="test", source="gallery", n=study.test_n),
        protocol=Trained.of(study.network, study.dataset, loss, study.recipe(seed)).protocol,
        command="make it",
        versions=records.versions(),
        right={"10-nn": round(near * study.test_n), "argmax": round(own * study.test_n)},
    )


def test_a_run_is_stored_after_every_point_and_goes_on(tmp_path, monkeypatch):
    collection, asked, told = FIGURES.at(tmp_path / "figures.json"), [], []
    monkeypatch.setitem(SWEEPS, "k", (1, None))
    monkeypatch.setitem(SWEEPS, "dim", (10,))
    monkeypatch.setitem(SWEEPS, "alpha", (2.0,))

    def fake(study, loss, seed, command):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append((loss.name, seed))
        return record(loss, seed, 0.5, 0.4, study)

    monkeypatch.setattr(figures, "measure", fake)
    with pytest.raises(KeyboardInterrupt):
        run(TINY, collection, "first")
    assert len(collection.read()) == 2
    asked.clear()
    run(TINY, collection, "second", lambda done, total: told.append((done, total)))
    assert asked == [("graph-smoothness", 0)]
    assert told == [(2, 3), (3, 3)]
    names = [one.training.loss.name for one in collection.read()]
    assert names == ["cross-entropy", "graph-smoothness", "graph-smoothness"]
    asked.clear()
    with pytest.raises(KeyboardInterrupt):
        run(TINY.replace(seeds=2), collection, "more seeds go on, too")
    assert [seed for _, seed in asked] == [1, 1]
    with pytest.raises(ValueError, match="holds a run with other settings"):
        run(TINY.replace(epochs=2), collection, "other")
    collection.path.write_text("{}")
    with pytest.raises(ValueError, match=r"figures\.json is damaged"):
        run(TINY, collection, "damaged")


def test_means_and_ranges_by_hand():
    base = GraphSmoothness(norm="l2", dim=10, references=200)
    found = [
        record(base, 0, 0.8, 0.7),
        record(base, 1, 0.9, 0.8),
        record(base.replace(k=5), 0, 0.6, 0.5),
        record(CrossEntropy(), 0, 0.1, 0.95),
        record(CrossEntropy(), 1, 0.1, 0.97),
    ]
    drawn = series(found, "k")
    assert drawn.values == (5, None)
    assert drawn.mean == pytest.approx((0.6, 0.85))
    assert (drawn.low, drawn.high, drawn.seeds) == ((0.6, 0.8), (0.6, 0.9), (1, 2))
    assert series(found, "alpha", "argmax").mean == pytest.approx((0.75,))
    assert cross_entropy(found).mean == pytest.approx((0.96,))
    assert cross_entropy([]).mean == ()
    with pytest.raises(ValueError, match="no curve of '10-nn' against 'beta'"):
        series(found, "beta")
    with pytest.raises(ValueError, match="found must hold a record"):
        study_of([])


def test_the_stored_run_is_whole_and_is_what_its_command_makes():
    found = FIGURES.read()
    study = study_of(found)
    (command,) = {one.command for one in found}
    parser = argparse.ArgumentParser()
    cli.add_verbs(parser.add_subparsers())
    assert from_arguments(Study, parser.parse_args(command.split()[4:])) == study
    for loss in losses():
        assert [one.seed for one in found if one.is_of(loss)] == list(range(study.seeds))
    assert len(found) == len(losses()) * study.seeds
    assert all(0.1 < one.accuracy("10-nn") < 1 and 0.05 < one.accuracy("argmax") < 1 for one in found)


@pytest.mark.slow
@pytest.mark.full_data("fashion_mnist")
def test_a_stored_training_is_remade():
    found = FIGURES.read()
    point = next(one for one in found if one.training.loss.name == "graph-smoothness")
    made = measure(study_of(found), GraphSmoothness(**point.training.loss.parameters), point.seed, "")
    assert made.accuracy("10-nn") == pytest.approx(point.accuracy("10-nn"), abs=0.02)  # sums in another order
    assert made.data == point.data
