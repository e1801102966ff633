"""The shortest of five searches: on linear networks whose boundaries are known, and by the command."""

import numpy as np
import pytest
import torch
from problems import linear
from torch import nn

from core import models
from core.__main__ import main
from core.evaluate.nearest_known import withstands
from core.papers.mmc import nearest
from core.papers.mmc.nearest import NEAREST, TITLES, first_fooled, search


@pytest.fixture(scope="module")
def problem():
    return linear(n=6, classes=3, shape=(1, 8, 8), deviation=0.05)


def classifier(problem, flat=1.0):
    """The problem's network with a card; its logits times `flat`, which saturates cross-entropy."""
    head = nn.Linear(64, 3)
    head.weight.data, head.bias.data = flat * problem.model.weights, flat * problem.model.bias
    card = models.card("mnist-lenet-ce").model_copy(update={"mean": (0.0,), "std": (1.0,), "input_shape": (1, 8, 8)})
    return models.Classifier(nn.Flatten(), head, card)


def test_along_a_line_the_boundary_is_where_it_is(problem):
    model, away = classifier(problem), problem.nearest.flatten(1).norm(dim=1)
    found = first_fooled(model, problem.images, 2 * problem.nearest, problem.labels)
    assert found.numpy() == pytest.approx(away.numpy(), rel=1e-3)
    assert (found >= away * (1 - 1e-5)).all()
    # The other way there is none, and half-way to it there is none.
    assert first_fooled(model, problem.images, -0.5 * problem.nearest, problem.labels).isnan().all()
    assert first_fooled(model, problem.images, 0.5 * problem.nearest, problem.labels).isnan().all()
    reached = first_fooled(model, problem.images, 0.5 * problem.nearest, problem.labels, farthest=3.0)
    assert reached.numpy() == pytest.approx(away.numpy(), rel=1e-3)


@pytest.mark.parametrize("flat", [1.0, 300.0])
def test_the_shortest_is_the_boundary_though_a_gradient_is_hidden(problem, flat, monkeypatch):
    monkeypatch.setitem(nearest.ATTACKS, "cw", nearest.ATTACKS["cw"].replace(iterations=60))
    monkeypatch.setattr(nearest, "STARTS", 2)
    away = problem.nearest.flatten(1).norm(dim=1).numpy()
    found = search(classifier(problem, flat), problem.images, problem.labels, classifier(problem))
    assert set(found) == {*TITLES, "attacked"}
    lengths = np.stack([found[key].numpy() for key in TITLES])
    assert np.nanmin(lengths, axis=0) == pytest.approx(away, rel=0.01)
    assert (np.nan_to_num(lengths, nan=np.inf) >= 0.999 * away).all()
    assert bool(found["in"].isfinite().all())
    # Cross-entropy's own gradient is what is hidden: of logits 300 times as large it vanishes for all but the nearest.
    assert bool(found["own"].isnan().any()) == (flat > 1)


def test_what_is_named_wrongly_is_not_searched(problem):
    model, labels = classifier(problem), problem.labels.clone()
    labels[0] = (labels[0] + 1) % 3
    source = classifier(problem)
    found = search(model, problem.images[:2], labels[:2], source)
    assert found["attacked"].tolist() == [False, True]
    assert all(bool(found[key][0].isnan()) for key in TITLES)


def test_the_command_goes_on_with_what_is_there(tmp_path, monkeypatch):
    for key in nearest.ATTACKS:
        changed = {"ddn": {"passes": 20}, "cw": {"iterations": 20}}.get(key, {"updates": 20, "step_length": 0.3})
        monkeypatch.setitem(nearest.ATTACKS, key, nearest.ATTACKS[key].replace(**changed))
    monkeypatch.setattr(nearest, "STARTS", 2)
    out, names = tmp_path / "found.json", ["mnist-lenet-ce", "mnist-lenet-mmc"]
    words = ["evaluate", "mmc-nearest", "--models", *names, "--jobs", "1", "--batch-size", "2", "--out", str(out)]
    assert main([*words, "--n", "2"]) == 0
    before = NEAREST.at(out).read()
    assert main([*words, "--n", "4"]) == 0
    found = NEAREST.at(out).read()
    assert [(r.network.name, r.data.n, r.source and r.source.name) for r in found] == [
        ("mnist-lenet-ce", 4, None),
        ("mnist-lenet-mmc", 4, "mnist-lenet-ce"),
    ]
    for old, new in zip(before, found, strict=True):
        assert all(np.array_equal(new.rows[key][:2], old.rows[key], equal_nan=True) for key in TITLES)
    plain, mmc = (record.nearest() for record in found)
    assert [len(record.searches()) for record in found] == [4, 5]
    rows = found[1].rows
    order = np.argsort(rows["index"])
    assert mmc.shortest == pytest.approx(np.nanmin([rows[key] for key in TITLES], axis=0)[order])
    assert torch.from_numpy(mmc.shortest).isfinite().all()
    compared = withstands(mmc, plain, 1.0)
    assert compared.difference.n == 4
    monkeypatch.setattr(nearest, "search", lambda *_: pytest.fail("searched again"))
    assert main([*words, "--n", "4"]) == 0
    with pytest.raises(ValueError, match="found must be"):
        type(found[0])(**{**dict(found[0]), "found": dict.fromkeys(TITLES, 0)})
