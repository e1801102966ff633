"""The nearest known adversarial: by hand-made records of few images."""

import numpy as np
import pytest

from core import models
from core.evaluate import nearest_known, statistics
from core.evaluate.curves import MEASURED, CurveRecord
from core.evaluate.nearest_known import NearestKnown, alike, compared, harder
from core.evaluate.records import Data, Network, Rows, versions
from core.papers.smooth_curves import entries

CARD = models.card("mnist-c4-ce")


def record(key, lengths, indices=None, network="one", budget=10, attacked=None, dataset="mnist"):
    """Of images `indices` with these L2; infinite where it does not fool."""
    lengths = np.asarray(lengths, np.float32)
    n, fools = len(lengths), np.isfinite(lengths)
    attacked = np.ones(n, bool) if attacked is None else np.asarray(attacked)
    status = np.where(fools, "fooled", np.where(attacked, "not fooled", "already misclassified"))
    rows = {
        "index": np.arange(n, dtype=np.int32) if indices is None else np.asarray(indices, np.int32),
        "label": np.zeros(n, np.int16),
        "status": status,
        "fools": fools,
        "converged": fools,
        "passes": np.ones(n, np.float32),
        "target": np.where(fools, 0, -1).astype(np.int8),
    }
    rows |= {name: np.where(fools, lengths if name == "l2" else 1, np.nan).astype(np.float32) for name in MEASURED}
    entry = next(entry for entry in entries(CARD, (budget,)) if entry.key == key)
    return CurveRecord(
        network=Network(name=network, sha256="0" * 64),
        data=Data(name=dataset, split="test", source="gallery", n=n, seed=0),
        protocol=entry.setting(),
        command="-",
        versions=versions(),
        metrics=MEASURED,
        in_float=True,
        n=int(attacked.sum()),
        fooled=int(fools.sum()),
        converged=int(fools.sum()),
        seconds_per_image=1.0,
        seconds=float(n),
        rows=Rows(rows),
    )


INF = np.inf


def test_the_shortest_of_all_counts_on_the_images_that_all_were_asked_of():
    first = record("cw", [1, 2, INF, 4, INF], [5, 3, 8, 1, 9])
    second = record("ddn", [3, INF, 1, 7, INF], [3, 8, 5, 2, 9], attacked=[True, True, True, True, True])
    one = NearestKnown((first, second))
    assert one.indices.tolist() == [3, 5, 8, 9]
    assert one.lengths(first).tolist() == [2, 1, INF, INF]
    assert one.lengths(second).tolist() == [3, 1, INF, INF]
    assert one.shortest.tolist() == [2, 1, INF, INF]
    found = one.characteristic()
    assert (found.bounds.tolist(), found.n, found.at(1.5), found.at(9)) == ([1, 2], 4, 0.25, 0.5)
    assert one.robust(1.5) == statistics.wilson(3, 4)
    assert one.median().value == 1.5
    assert (one.alone(first).value, one.alone(second).value) == (1, 1.25)
    assert (one.fooled(first), one.fooled(second)) == (2, 2)


def test_what_was_not_attacked_is_left_out():
    first = record("cw", [1, INF, 2], attacked=[True, False, True])
    assert NearestKnown((first,)).indices.tolist() == [0, 2]


def test_records_of_two_networks_or_without_common_images_are_refused():
    with pytest.raises(ValueError, match="one network"):
        NearestKnown((record("cw", [1.0]), record("ddn", [1.0], network="other")))
    with pytest.raises(ValueError, match="images in common"):
        NearestKnown((record("cw", [1.0], [1]), record("ddn", [1.0], [2])))
    with pytest.raises(ValueError, match="at least one"):
        NearestKnown(())


def test_only_what_was_measured_of_all_is_alike():
    first = [record("cw", [1.0]), record("cw", [1.0], budget=30), record("ddn", [1.0])]
    second = [record("ddn", [1.0]), record("sddn", [1.0]), record("cw", [1.0], budget=30)]
    assert alike({"a": first, "b": second}) == [("cw", 30), ("ddn", 10)]
    assert alike({"a": first, "b": []}) == []
    assert alike({}) == []


def test_networks_are_compared_on_the_images_of_both():
    rng = np.random.default_rng(0)
    lengths = rng.uniform(1, 2, 40)
    plain = NearestKnown((record("ddn", [*lengths, 5.0], [*range(40), 77]),))
    hard = NearestKnown((record("ddn", [*(3 * lengths), INF], [*range(40), 50], network="hard"),))
    found = compared(hard, plain)
    assert found.difference.n == 40
    assert found.difference.value == pytest.approx(np.log10(3), rel=1e-5)
    verdict = harder(hard, plain)
    assert (verdict.outcome, verdict.findings[0].unit) == ("holds", "ratio")
    assert verdict.findings[0].estimate.value == pytest.approx(3, rel=1e-5)
    assert harder(plain, hard).outcome == "fails"
    assert harder(plain, plain).outcome == "undecided"
    nothing = NearestKnown((record("ddn", [INF, INF]),))
    assert nearest_known.compared(nothing, plain) is None
    assert harder(nothing, plain).why == "It was not measured."
    with pytest.raises(ValueError, match="same data set"):
        compared(NearestKnown((record("ddn", [1.0, 2.0], dataset="cifar10"),)), plain)
