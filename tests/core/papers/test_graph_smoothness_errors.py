"""The table of errors: against classifiers asked directly, and on features whose error is known."""

import pytest
import torch
from torch import nn

from core import data, models
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
    (row,) = errors.measure(model, gallery[:10], gallery, "")
    with torch.no_grad():
        wrong = (model(gallery.images).argmax(1) != gallery.labels).double().mean()
    assert (row.classifier, row.data.n, row.published) == ("argmax", 1000, None)
    assert row.error.value == pytest.approx(float(wrong), abs=0.0011)  # batches of another size may tip one image


def test_the_papers_rows_exist():
    for dataset, loss, classifier in errors.PAPER:
        assert dataset in data.DATASETS
        assert classifier in LOSSES[loss].classifiers
        assert classifier in CLASSIFIERS
