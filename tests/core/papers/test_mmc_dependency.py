"""Whether the runner-up stands for all other logits: on logits whose answer is known, and as a record."""

import math

import pytest
import torch

from core import data, models
from core.models import logits_of
from core.papers.mmc import dependency
from tests.problems import normal


def test_dependency_of_known_logits():
    """All others equal: the runner-up is 1 times the next, and k of 9 equal terms miss log(9 / k)."""
    flat = torch.zeros(1, 10)
    flat[0, 4] = 7
    found = dependency.dependency(flat, torch.tensor([4]))
    assert found.ratio.tolist() == pytest.approx([1.0])
    assert found.missing[0].tolist() == pytest.approx([math.log(9 / k) for k in range(1, 6)])
    logits = torch.tensor([[9.0, 5.0, 2.0, 0.0], [9.0, 5.0, 4.0, 0.0]])
    labels = torch.tensor([0, 1])  # the second is named wrongly: its runner-up is the largest of all
    found = dependency.dependency(logits, labels, terms=2)
    assert found.ratio.tolist() == pytest.approx([math.exp(3), math.exp(5)])
    assert found.comparable(math.exp(4)).tolist() == [True, False]
    for row, others in enumerate(([5.0, 2.0, 0.0], [9.0, 4.0, 0.0])):
        whole = math.log(sum(map(math.exp, others)))
        expected = [whole - others[0], whole - math.log(math.exp(others[0]) + math.exp(others[1]))]
        assert found.missing[row].tolist() == pytest.approx(expected)


def test_dependency_is_blind_to_a_shift_and_survives_mmcs_logits():
    logits, labels = normal(20, 10).double(), torch.arange(20) % 10
    a, b = (dependency.dependency(z, labels) for z in (logits, logits - 20_000))
    assert torch.allclose(a.ratio, b.ratio)
    assert torch.allclose(a.missing, b.missing, atol=1e-9)
    with pytest.raises(ValueError, match="terms must be from 1 to 9"):
        dependency.dependency(logits, labels, terms=10)
    with pytest.raises(ValueError, match="K >= 3"):
        dependency.dependency(logits[:, :2], labels)


def test_a_record_counts_its_rows():
    model, images = models.load("mnist-c4-ce", "cpu"), data.gallery.read("mnist")[:50]
    found = dependency.dependency(logits_of(model, images.images), images.labels)
    record = dependency.measure(model, images, "make it", None)
    assert record.comparable == int((found.ratio < 5).sum()) == int(record.rows["comparable"].sum())
    assert record.share.value == record.comparable / 50
    assert record.missing_median == pytest.approx(found.missing.median(0).values.tolist(), abs=0.1)
    assert record.missing_95 == pytest.approx(found.missing.quantile(0.95, 0).tolist())
    assert (record.network.name, record.data.n, record.command) == ("mnist-c4-ce", 50, "make it")
    assert record.rows["index"].tolist() == images.indices.tolist()
    with pytest.raises(ValueError, match="comparable must be the number of rows that are"):
        dependency.DependencyRecord(**{**dict(record), "comparable": record.comparable + 1})
