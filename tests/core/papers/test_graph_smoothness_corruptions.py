"""Corruption errors: arithmetic on hand-made errors, claims by hand-made records, and runs that go on."""

import numpy as np
import pytest

from core import models
from core.__main__ import main
from core.data import corruptions, gallery
from core.data.corruptions import CORRUPTIONS
from core.evaluate import statistics
from core.evaluate.records import Data, Network, Rows, Setting, versions
from core.papers.graph_smoothness import corruptions as paper
from core.papers.graph_smoothness.corruptions import CLAIMS, COLUMNS, NEIGHBOURS, Beside, CorruptionRecord
from core.papers.smooth_curves import pictures

N = 400
CE, GRAPH = "cifar10-preactresnet18-ce", "cifar10-preactresnet18-graph"


@pytest.fixture(autouse=True)
def ice(monkeypatch):
    monkeypatch.setattr(corruptions, "frost_pictures", lambda: (np.full((3, 40, 50), 0.8),))
    monkeypatch.setattr(statistics, "RESAMPLES", 499)


def record(name=CE, classifier="argmax", clean=20, wrong=100, n=N, first=0, **named):
    """The first `wrong` images are named wrongly under every corruption, or as many as `named` says; the label is 0."""
    counts = {"clean": clean} | {key: named.get(key.rpartition("_")[0], wrong) for key in COLUMNS}
    rows = {"index": np.arange(first, first + n, dtype=np.int32), "label": np.zeros(n, np.int16)}
    rows |= {key: (np.arange(n) < count).astype(np.int16) for key, count in counts.items()}
    return CorruptionRecord(
        network=Network.of(models.card(name)),
        data=Data(name="cifar10", split="test", source="gallery", n=n, seed=0),
        protocol=Setting(name=classifier),
        command="-",
        versions=versions(),
        clean=clean,
        wrong={key: (named.get(key, wrong),) * 5 for key in CORRUPTIONS},
        seconds=1.0,
        rows=Rows(rows),
    )


def test_corruption_errors_are_the_publications():
    """Errors of 20 % everywhere beside 10 % and, for the last corruption, 40 %: CE 200, once 50."""
    mine, theirs = np.full(76, 0.2), np.full(76, 0.1)
    mine[0], theirs[0], theirs[-5:] = 0.1, 0.05, 0.4
    assert paper.corruption_errors(mine, theirs).tolist() == pytest.approx([200.0] * 14 + [50.0])
    # Relative: what is added is a tenth beside a twentieth, and beside 35 points.
    relative = paper.corruption_errors(mine, theirs, relative=True)
    assert relative.tolist() == pytest.approx([200.0] * 14 + [100 * 0.1 / 0.35])
    # Severities are summed before they are divided.
    steep = theirs.copy()
    steep[1:6] = (0.02, 0.02, 0.02, 0.02, 0.42)
    assert paper.corruption_errors(mine, steep)[0] == pytest.approx(200)
    # Where the reference makes no error there is no share of it.
    none = np.zeros(76)
    assert np.isnan(paper.corruption_errors(mine, none)).all()
    assert np.isnan(paper.corruption_errors(mine, mine * 0 + 0.1, relative=True)).all()


def test_a_network_beside_itself_has_100():
    one = record()
    itself = Beside(one, one)
    for found in (itself.mce(), itself.mce(relative=True)):
        assert (found.value, found.low, found.high, found.n) == pytest.approx((100, 100, 100, N))
    assert itself.clean().p == 1
    assert one.error().value == 0.05
    assert one.error("fog", 3).value == 0.25
    assert one.errors()["fog"].value == pytest.approx(0.25)
    assert one.mean_error().low < 0.25 < one.mean_error().high


def test_mce_is_the_mean_over_corruptions_on_common_images():
    mine, theirs = record(GRAPH, wrong=80, fog=120, clean=10), record(fog=60)
    pair = Beside(mine, theirs)
    assert pair.mce().value == pytest.approx((14 * 80 + 200) / 15)
    assert pair.mce(relative=True).value == pytest.approx(100 * (14 * 70 / 80 + 110 / 40) / 15)
    assert pair.mce().low < pair.mce().value < pair.mce().high
    # Of the last 300 images of one and the first 300 of the other 200 are common.
    half = Beside(record(n=300, first=100, wrong=50), record(n=300, wrong=200))
    assert (half.n, half.mce().value) == (200, pytest.approx(50))
    with pytest.raises(ValueError, match="images in common"):
        Beside(record(), record(first=N))


def test_what_a_corruption_does_not_add_has_no_share():
    assert Beside(record(GRAPH), record(brightness=20)).mce(relative=True) is None
    assert Beside(record(GRAPH), record(brightness=0)).mce() is None


def outcomes(*found):
    return [claim.decide(found).outcome for claim in CLAIMS]


def test_claims_are_decided_by_the_records():
    assert outcomes() == ["undecided"] * 3
    better = record(GRAPH, NEIGHBOURS, clean=40, wrong=80)
    assert outcomes(record(), better) == ["holds", "holds", "holds"]
    assert outcomes(better) == ["undecided"] * 3  # nothing to hold it against
    assert outcomes(record(), record(GRAPH, NEIGHBOURS, clean=4, wrong=160)) == ["fails", "fails", "fails"]
    # The same but for chance; its own logits, or a network of other width, are another question.
    assert outcomes(record(), record(GRAPH, NEIGHBOURS))[2] == "undecided"
    assert outcomes(record(), record(GRAPH, clean=40, wrong=80)) == ["undecided"] * 3
    flat = record("cifar10-preactresnet18-graph-2d", NEIGHBOURS, clean=40, wrong=80)
    assert outcomes(record(), flat) == ["undecided"] * 3
    why = CLAIMS[1].decide([record(brightness=20), better]).why
    assert "cannot be told" in why


def test_the_reference_is_plain_cross_entropy_of_the_same_architecture():
    ce, hardened = record(), record("cifar10-preactresnet18-ce-adv")
    other, flat = record("cifar10-resnet32-ce"), record("cifar10-preactresnet18-ce-2d")
    found = (hardened, flat, other, ce)
    assert paper.reference_of(found, record(GRAPH)) is ce
    assert paper.reference_of(found, hardened) is ce
    assert paper.reference_of(found, other) is other
    assert paper.reference_of((hardened, flat, other), record(GRAPH)) is None


def test_records_agree_with_their_rows():
    good = record()
    with pytest.raises(ValueError, match="clean and wrong"):
        CorruptionRecord(**{**dict(good), "clean": 19})
    with pytest.raises(ValueError, match="a column for every corruption"):
        CorruptionRecord(**{**dict(good), "rows": Rows({"index": np.arange(N)})})


def test_a_run_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    """Three images at once, and two and then one more by the command: the same rows, bit for bit."""
    monkeypatch.setattr(paper, "SHARD", 1)
    out, name = tmp_path / "found.json", "mnist-lenet-graph"
    assert main(["evaluate", "corruptions", "--models", name, "--n", "2", "--jobs", "1", "--out", str(out)]) == 0
    kept = paper.RECORDS.at(out)
    asked = []
    compute = paper.CorruptionShard.compute
    monkeypatch.setattr(paper.CorruptionShard, "compute", lambda self, told: asked.append(self) or compute(self, told))
    assert main(["evaluate", "corruptions", "--models", name, "--n", "3", "--jobs", "1", "--out", str(out)]) == 0
    found = kept.read()
    assert [len(shard.images) for shard in asked] == [1]
    assert [(r.classifier, r.data.n) for r in found] == [("argmax", 3), ("10-nn", 3)]
    assert not (tmp_path / "found.parts").exists()
    model = models.load(name)
    images = pictures("mnist", 0)[:3]
    at_once = paper.measure(model, images, parts=tmp_path / "parts")
    assert [r.rows for r in at_once] == [r.rows for r in found]
    assert [r.data for r in at_once] == [r.data for r in found]
    asked.clear()
    assert [r.rows for r in paper.measure(model, images, parts=tmp_path / "parts")] == [r.rows for r in found]
    assert not asked  # all of it lay in parts
    with pytest.raises(ValueError, match="other images"):
        paper.of_network(found, model.card, gallery.read("mnist")[:8], 0)
    # What is clean is named as ever, and JPEG by itself does what it does alone.
    record, x = found[0], images.images
    assert record.rows["clean"].tolist() == model(x).argmax(1).tolist()
    stored = corruptions.corrupt(x, "jpeg_compression", 5, images.indices.tolist())
    assert record.rows["jpeg_compression_5"].tolist() == model(stored).argmax(1).tolist()


def test_shards_of_other_images_or_seeds_are_others():
    network, images = Network(name="n", sha256="0" * 64), gallery.read("mnist")[:2]
    one = paper.CorruptionShard(network, None, images, 0)
    assert one.depends_on() == paper.CorruptionShard(network, None, images, 0).depends_on()
    for other in (paper.CorruptionShard(network, None, images[:1], 0), paper.CorruptionShard(network, None, images, 1)):
        assert other.depends_on() != one.depends_on()
