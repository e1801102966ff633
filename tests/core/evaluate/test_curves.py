"""Operating characteristics: the protocol's arithmetic by hand, and against linear classifiers."""

import numpy as np
import pytest
import torch

from core import metrics, models
from core.attacks import DDN, FGSM, ProjectedGradient, run
from core.data import ImageSet, gallery
from core.defenses import BitDepth
from core.evaluate import curves, records, statistics
from core.evaluate.curves import Characteristic, CurveRecord, Entry, Wanted, measure, shortest
from core.evaluate.records import Collection, Rows
from tests import problems

N = 12


def test_the_characteristic_by_hand():
    """Five images, of which three are fooled, at distances 1, 2 and 2."""
    found = Characteristic(np.array([1.0, 2.0, 2.0]), 5)
    assert found.at(0.0) == 0
    assert [found.at(d) for d in (0.99, 1.0, 1.5, 2.0, 9.0)] == [0, 0.2, 0.2, 0.6, 0.6]
    assert found.shares.tolist() == [0.2, 0.4, 0.6]
    low, high = found.band()
    for k, ends in enumerate(zip(low, high, strict=True), 1):
        expected = statistics.wilson(k, 5)
        assert ends == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert Characteristic(np.array([]), 5).at(7.0) == 0


def rows(l2, fools, passes):
    l2 = np.where(fools, l2, np.nan).astype(np.float32)
    return Rows({"fools": np.array(fools), "l2": l2, "passes": np.full(len(l2), passes, np.float32), "mad": 10 * l2})


def test_of_several_targets_the_least_distorted_counts():
    """Section 5.1: an image counts as fooled if one run fools it, with the least distortion of those that do."""
    found = shortest(
        [
            rows([1.0, 1.0, 1.0, 1.0], [False, False, True, False], 1),
            rows([2.0, 2.0, 2.0, 2.0], [False, True, True, False], 1),
            rows([1.5, 1.9, 3.0, 3.0], [True, True, True, False], 1),
        ]
    )
    assert found["target"].tolist() == [2, 2, 0, -1]
    assert found["fools"].tolist() == [True, True, True, False]
    assert found["l2"][:3] == pytest.approx([1.5, 1.9, 1.0])
    assert found["mad"][:3] == pytest.approx([15, 19, 10])
    assert np.isnan(found["l2"][3])
    assert found["passes"].tolist() == [3, 3, 3, 3]


@pytest.fixture(scope="module")
def problem():
    """Two classes; the distances to the boundary are known."""
    return problems.carded(N)


def wanted(problem, n=N, **changes):
    images = ImageSet(
        problem.images[:n],
        problem.labels[:n],
        ("a", "b"),
        "toy",
        "test",
        "files",
        "",
        torch.arange(len(problem.images))[:n],
    )
    return Wanted(problem.model, images, (0.2,), batch_size=4, **changes)


@pytest.fixture(scope="module")
def ddn(problem):
    return measure(Entry("ddn", (DDN(passes=60),), 60), wanted(problem))


def test_the_shortest_attack_has_the_characteristic_of_the_distances(problem, ddn):
    distances = np.sort(metrics.l2(problem.nearest).numpy())
    found = ddn.characteristic("l2")
    assert found.bounds == pytest.approx(distances, rel=0.02)
    assert found.at(0) == 0
    assert found.at(found.bounds[-1]) == ddn.success.value == 1
    assert (np.diff(found.shares) > 0).all()
    assert ddn.mean("l2").value == pytest.approx(distances.mean(), rel=0.02)
    assert ddn.budget == 60
    # The run's own passes, with what it asks of the boundaries beside, and no more.
    assert 50 <= ddn.passes <= 60
    assert ddn.column("target").tolist() == [0] * N


def test_a_target_distortion_reaches_those_that_are_nearer(problem, ddn):
    """Steps as long as the ball is wide end on its rim: who is farther away is not fooled, whatever the target."""
    middle = float(np.median(ddn.column("l2")))
    entry = Entry("pgd2", tuple(ProjectedGradient(radius=r, step_length=r) for r in (0.5 * middle, middle)))
    found = measure(entry, wanted(problem))
    assert found.fools.tolist() == (metrics.l2(problem.nearest).numpy() < middle).tolist()
    assert found.characteristic("l2").at(1e9) == found.success.value
    assert set(found.column("target")) <= {-1, 0, 1}
    near = metrics.l2(problem.nearest).numpy() < 0.5 * middle
    assert (found.column("target") == 0).tolist() == near.tolist()
    assert found.attacks == entry.attacks
    assert found.converged is None
    compared = curves.compared(found, ddn, "l2")
    assert compared.difference.n == found.fooled
    assert compared.difference.value > 0
    assert curves.compared(found, ddn, "roughness", 0.2) == statistics.signed_ranks(
        *curves.values(found, ddn, "roughness", 0.2)
    )
    assert curves.shares(found, ddn) == statistics.mcnemar(found.fools, ddn.fools)


def test_more_images_are_those_and_the_same_rows(problem, ddn, monkeypatch):
    entry = Entry("ddn", (DDN(passes=60),), 60)
    first = measure(entry, wanted(problem, 8))
    begun = []
    compute = curves.AttackShard.compute
    monkeypatch.setattr(curves.AttackShard, "compute", lambda s, *a: begun.append(len(s.images)) or compute(s, *a))
    more = measure(entry, wanted(problem), first)
    assert begun == [4]  # the last batch alone
    assert more.rows == ddn.rows
    assert (more.data, more.n, more.lacks) == (ddn.data, N, "")
    assert more.seconds > first.seconds
    older = first.model_copy(update={"versions": {"torch": "1"}})
    assert "The first 8 images were measured with torch 1." in measure(entry, wanted(problem), older).lacks
    assert not wanted(problem, seed=1).goes_on(first)
    assert not Wanted(problem.model, wanted(problem).images, (0.3,)).goes_on(first)
    assert not wanted(problem, 4).goes_on(first)


def test_a_step_at_a_time_it_can_be_stopped_and_keeps_whole_batches(problem, ddn):
    entry = Entry("ddn", (DDN(passes=60),), 60)
    seen = list(curves.steps(entry, wanted(problem)))
    assert seen[-1].record.rows == ddn.rows
    shares = [one.share for one in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    sizes = [0 if one.record is None else one.record.data.n for one in seen]
    assert list(dict.fromkeys(sizes)) == [0, 4, 8, 12]
    half = next(one.record for one in seen if one.record is not None and one.record.data.n == 8)
    assert half.rows["l2"].tolist() == ddn.rows["l2"][:8].tolist()


def test_another_one_judges():
    """Made on the network, judged by it behind a defence: those count that it names rightly there when clean."""
    model, shelf, judge = models.load("mnist-c4-ce"), gallery.read("mnist")[:12], BitDepth(bits=6)
    plain = Entry("ddn", (DDN(passes=15),), 15)
    entry = Entry("ddn", plain.attacks, 15, judge)
    given = Wanted(model, shelf, (2.0,), batch_size=12)
    found, alone = measure(entry, given), measure(plain, given)
    x, y = shelf.images, shelf.labels
    right = (model(judge(x)).argmax(1) == y).numpy()
    assert found.attacked.tolist() == right.tolist()
    made = run(plain.attacks[0], model, x, y).adversarial
    fooled = (model(judge(made)).argmax(1) != y).numpy()
    assert 0 < fooled.sum() < 12
    assert found.fools.tolist() == (right & fooled).tolist()
    assert found.rows["l2"][found.fools] == pytest.approx(alone.rows["l2"][found.fools], rel=1e-5)
    assert found.protocol.parameters["judge"] == {"name": "bit_depth", "parameters": {"bits": 6}}
    assert not found.is_of(plain)
    one, other = (given.shards(each)[0][0].depends_on() for each in (entry, plain))
    assert one != other
    network = records.Network.of(models.card("mnist-c4-ce-fgsm"))
    elsewhere = measure(Entry("ddn", plain.attacks, 15, network), given)
    assert elsewhere.fooled == int((models.load("mnist-c4-ce-fgsm")(made).argmax(1) != y).sum())


def test_a_record_is_written_and_read_and_checks_itself(tmp_path, ddn):
    kept = Collection(CurveRecord, tmp_path / "curves.json")
    kept.put(ddn)
    assert kept.read() == (ddn,)
    with pytest.raises(ValueError, match="a target must be named where an image is fooled"):
        CurveRecord(**{**dict(ddn), "rows": Rows({**ddn.rows.columns, "target": np.full(N, -1, np.int8)})})
    assert ddn.title == "linear, ddn 60"


def test_an_entry_is_of_one_kind_of_attack():
    with pytest.raises(ValueError, match="attacks must be of one kind"):
        Entry("both", (DDN(), FGSM()))
    with pytest.raises(ValueError, match="attacks must be of one kind"):
        Entry("none", ())
    with pytest.raises(ValueError, match="images is empty"):
        curves._record(Entry.of(DDN()), None, None, [], "")
    assert Entry.of(FGSM()).setting().parameters["attacks"][0]["parameters"] == FGSM().values()
    assert records.Setting(name="fgsm").name == Entry.of(FGSM()).key
