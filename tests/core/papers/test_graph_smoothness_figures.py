"""Figures 2 to 4 of the graph smoothness paper: what is trained, stored, gone on with and drawn."""

import argparse
import json

import pytest
from sklearn.neighbors import KNeighborsClassifier

from core.losses import CrossEntropy, GraphSmoothness
from core.models import features_of
from core.papers.graph_smoothness import figures as graph_figures
from core.papers.graph_smoothness.figures import SWEEPS, Study, cross_entropy, losses, measure, read, run, series
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
    point = measure(TINY, loss, 3)
    training = Training("lenet", "mnist", TINY.recipe(3), "same", loss)
    (epoch,) = training
    known = features_of(training.model, training.train.images)
    asked = features_of(training.model, training.test.images[:100])
    model = KNeighborsClassifier(10).fit(known.numpy(), training.train.labels.numpy())
    assert point["10-nn"] == pytest.approx(model.score(asked.numpy(), training.test.labels[:100].numpy()), abs=0.011)
    assert point["training_loss"] == epoch.loss
    assert (point["seed"], point["arguments"]) == (3, loss.changed())


def test_a_run_is_stored_after_every_point_and_goes_on(tmp_path, monkeypatch):
    out, asked, told = tmp_path / "figures.json", [], []
    monkeypatch.setitem(SWEEPS, "k", (1, None))
    monkeypatch.setitem(SWEEPS, "dim", (10,))
    monkeypatch.setitem(SWEEPS, "alpha", (2.0,))

    def fake(study, loss, seed):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append((loss.name, seed))
        return {"loss": loss.name, "arguments": loss.changed(), "seed": seed, "10-nn": 0.5, "argmax": 0.4}

    monkeypatch.setattr(graph_figures, "measure", fake)
    with pytest.raises(KeyboardInterrupt):
        run(TINY, out, "first")
    assert len(read(out)["points"]) == 2
    asked.clear()
    run(TINY, out, "second", lambda done, total: told.append((done, total)))
    assert asked == [("graph-smoothness", 0)]
    assert told == [(2, 3), (3, 3)]
    assert [p["loss"] for p in read(out)["points"]] == ["cross-entropy", "graph-smoothness", "graph-smoothness"]
    asked.clear()
    with pytest.raises(KeyboardInterrupt):
        run(TINY.replace(seeds=2), out, "more seeds go on, too")
    assert [seed for _, seed in asked] == [1, 1]
    with pytest.raises(ValueError, match="holds a run with other settings"):
        run(TINY.replace(epochs=2), out, "other")
    out.write_text("{}")
    with pytest.raises(ValueError, match="is not a run of graph-figures"):
        run(TINY, out, "damaged")


def record(loss, seed, near, own):
    return {"loss": loss.name, "arguments": loss.changed(), "seed": seed, "10-nn": near, "argmax": own}


def test_means_and_spreads_by_hand():
    base = GraphSmoothness(norm="l2", dim=10, references=200)
    report = {
        "points": [
            record(base, 0, 0.8, 0.7),
            record(base, 1, 0.9, 0.8),
            record(base.replace(k=5), 0, 0.6, 0.5),
            record(CrossEntropy(), 0, 0.1, 0.95),
            record(CrossEntropy(), 1, 0.1, 0.97),
        ]
    }
    found = series(report, "k")
    assert found.values == (5, None)
    assert found.mean == pytest.approx((0.6, 0.85))
    assert (found.low, found.high, found.seeds) == ((0.6, 0.8), (0.6, 0.9), (1, 2))
    assert series(report, "alpha", "argmax").mean == pytest.approx((0.75,))
    assert cross_entropy(report).mean == pytest.approx((0.96,))
    assert cross_entropy({"points": []}).mean == ()
    with pytest.raises(ValueError, match="no curve of '10-nn' against 'beta'"):
        series(report, "beta")


def test_the_shipped_run_is_whole_and_is_what_its_command_makes():
    report = read()
    study = Study(**report["study"])
    parser = argparse.ArgumentParser()
    graph_figures.add_verb(parser.add_subparsers())
    assert from_arguments(Study, parser.parse_args(report["command"].split()[4:])) == study
    wanted = {(loss.name, json.dumps(loss.changed()), seed) for loss in losses() for seed in range(study.seeds)}
    have = [(p["loss"], json.dumps(p["arguments"]), p["seed"]) for p in report["points"]]
    assert len(have) == len(set(have))
    assert set(have) == wanted
    assert all(0.1 < p["10-nn"] < 1 and 0.05 < p["argmax"] < 1 for p in report["points"])


@pytest.mark.slow
@pytest.mark.full_data("fashion_mnist")
def test_a_shipped_point_is_remade():
    report = read()
    study = Study(**report["study"])
    point = next(p for p in report["points"] if p["loss"] == "graph-smoothness")
    made = measure(study, GraphSmoothness(**point["arguments"]), point["seed"])
    assert made["10-nn"] == pytest.approx(point["10-nn"], abs=0.02)  # other processors sum in another order
