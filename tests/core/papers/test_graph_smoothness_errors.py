"""The table of errors: against classifiers asked directly, and on features whose error is known."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from core import data, models
from core.__main__ import main
from core.evaluate import statistics
from core.losses import CLASSIFIERS, LOSSES
from core.papers.graph_smoothness import errors


class Corner(nn.Module):
    """The first two pixels."""

    def forward(self, x):
        return x[:, 0, 0, :2]


def plane(loss):
    """A classifier whose features are the first two pixels, its logits those of the nearest of two points."""
    card = models.card("mnist-c4-ce").model_copy(update={"loss": loss, "mean": (0.0,), "std": (1.0,)})
    head = nn.Linear(2, 2)
    head.weight.data, head.bias.data = torch.tensor([[-1.0, 0], [1, 0]]), torch.tensor([0.5, -0.5])
    return models.Classifier(Corner(), head, card)


def images(points, labels):
    x = torch.zeros(len(points), 1, 28, 28)
    x[:, 0, 0, :2] = torch.tensor(points)
    rows = torch.arange(len(points))
    return data.ImageSet(x, torch.tensor(labels), ("a", "b"), "mnist", "test", "full", "", rows)


def test_errors_of_known_features():
    """Class a lies left and, as a second cluster, far up right, where only neighbours find it."""
    train = images([[0.0, 0.0]] * 20 + [[0.9, 1.0]] * 20 + [[1.0, 0.0]] * 20, [0] * 40 + [1] * 20)
    test = images([[0.1, 0.0], [0.9, 0.9], [0.9, 0.1], [0.95, 0.05]], [0, 0, 1, 1])
    heard = []
    measured = errors.measure(plane("graph-smoothness"), train, test, "make it", on_batch=heard.append)
    rows = {row.classifier: row for row in measured}
    assert list(rows) == list(LOSSES["graph-smoothness"].classifiers)
    assert (rows["argmax"].wrong, rows["argmax"].error) == (1, statistics.wilson(1, 4))
    assert rows["argmax"].agreement == 1
    assert {rows[name].error.value for name in ("1-nn", "10-nn", "rbf-svc")} == {0}
    assert rows["10-nn"].agreement == 0.75
    assert rows["argmax"].rows["wrong"].tolist() == [False, True, False, False]
    assert (rows["10-nn"].train.n, rows["10-nn"].data.n) == (60, 4)
    assert heard[-1] == len(train) + len(test)


def test_the_argmax_row_is_the_accuracy_on_the_card():
    model, gallery = models.load("mnist-c4-ce", "cpu"), data.gallery.read("mnist")
    (row,) = errors.measure(model, None, gallery, "")
    assert row.train is None
    with torch.no_grad():
        wrong = (model(gallery.images).argmax(1) != gallery.labels).double().mean()
    assert (row.classifier, row.data.n, row.published) == ("argmax", 1000, None)
    assert row.error.value == pytest.approx(float(wrong), abs=0.0011)  # batches of another size may tip one image


def test_the_papers_rows_exist():
    for dataset, loss, classifier in errors.PAPER:
        assert dataset in data.DATASETS
        assert classifier in LOSSES[loss].classifiers
        assert classifier in CLASSIFIERS


def test_a_classifier_that_looks_at_training_images_must_get_some():
    with pytest.raises(ValueError, match=r"^train must be given for a network of graph-smoothness: .*\.$"):
        list(errors.measure(plane("graph-smoothness"), None, images([[0.1, 0.0]], [0]), ""))


@pytest.fixture
def small_sets(monkeypatch):
    """Full sets of digits that are small: the gallery's."""
    shelf = data.gallery.read("mnist")
    parts = {"train": shelf[200:260], "test": shelf[:200]}
    monkeypatch.setattr(errors.data, "load", lambda name, split="test", n=None: parts[split][:n])
    digits = data.DATASETS["mnist"]
    monkeypatch.setitem(data.DATASETS, "mnist", dataclasses.replace(digits, splits={"train": 60, "test": 200}))


def test_the_command_goes_on_where_it_stopped(small_sets, tmp_path, monkeypatch, capsys):
    out = tmp_path / "errors.json"
    names = ["mnist-lenet-graph", "mnist-lenet-mmc"]
    assert main(["evaluate", "errors", "--models", names[1], "--out", str(out)]) == 0
    first = {record.key: record.digest() for record in errors.ERRORS.at(out).read()}
    assert len(first) == 2  # argmax, nearest centre
    assert main(["evaluate", "errors", "--models", *names, "--out", str(out)]) == 0
    found = errors.ERRORS.at(out).read()
    assert {record.classifier for record in found[2:]} == set(LOSSES["graph-smoothness"].classifiers)
    assert {record.digest() for record in found[:2]} == set(first.values())
    assert [record.train and record.train.n for record in found] == [None] * 2 + [60] * 4
    assert {record.command for record in found} == {"python -m core evaluate errors"}
    model, shelf = models.load("mnist-lenet-mmc", "cpu"), data.gallery.read("mnist")[:200]
    with torch.no_grad():
        wrong = (model(shelf.images).argmax(1) != shelf.labels).numpy()
    assert int((found[0].rows["wrong"] != wrong).sum()) <= 1
    monkeypatch.setattr(models, "load", lambda *_: pytest.fail("measured again"))
    assert main(["evaluate", "errors", "--models", *names, "--out", str(out)]) == 0
    assert f"{100 * np.mean(found[0].rows['wrong']):.2f} % (" in capsys.readouterr().out


def test_what_cannot_be_measured_is_refused_in_a_sentence(tmp_path, capsys):
    out = str(tmp_path / "errors.json")
    assert main(["evaluate", "errors", "--models", "imagenet-efficientnet-lite0", "--out", out]) == 2
    assert "imagenet-efficientnet-lite0 is of imagenet." in capsys.readouterr().err
    assert main(["evaluate", "errors", "--train-n", "0", "--out", out]) == 2
    assert "train-n must be at least 1; got 0." in capsys.readouterr().err


def test_networks_that_differ_in_their_training_alone_are_together():
    def record(name):
        rows = errors.Rows({"index": [0], "wrong": [False]})
        told = errors.Data(name="mnist", split="test", source="full", n=1)
        return errors.ErrorRecord(
            network=errors.Network.of(models.card(name)),
            data=told,
            protocol=errors.Setting(name="argmax"),
            command="",
            versions={},
            loss=models.card(name).loss,
            train=None,
            wrong=0,
            agreeing=1,
            rows=rows,
        )

    names = ["mnist-lenet-ce", "mnist-c4-mmc", "mnist-lenet-mmc", "mnist-lenet-ce-2d", "mnist-fc2-ce", "mnist-c4-ce"]
    groups = errors.alike([record(name) for name in names])
    together = [[card.name for card in group] for group in groups]
    assert together == [["mnist-lenet-ce", "mnist-lenet-mmc"], ["mnist-c4-mmc", "mnist-c4-ce"]]
