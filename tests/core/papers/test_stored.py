"""What is stored in assets/results: every record as it was measured, of the networks that are here, and remade in part.

A wrong number, or a record of another network, fails the test that has the record's name.
"""

import contextlib
import shlex

import numpy as np
import pytest

from core import data, models
from core.__main__ import main
from core.data import gallery
from core.evaluate import records, statistics
from core.evaluate.records import Data, Entry, Record, Rows
from core.examples import ExampleRecord
from core.models import logits_of
from core.papers.graph_smoothness.errors import ERRORS
from core.papers.mmc import attacks as mmc_attacks
from core.papers.mmc import dependency, tables, uncertainty
from core.papers.mmc.attacks import ACCURACIES
from core.papers.mmc.dependency import DEPENDENCIES
from core.papers.mmc.uncertainty import CERTAINTIES
from core.papers.stored import COLLECTIONS, RESUMED, everything


def name_of(collection, place, entry):
    """Of a record, read without checking it."""
    content = entry.content
    subject = (content.get("network") or content.get("data") or {}).get("name", "?")
    return f"{collection.of.kind}-{place}-{subject}-{(content.get('protocol') or {}).get('name', '?')}"


def entries(collection):
    """Those of its file; none where it is damaged, which `test_every_file_is_listed` finds."""
    try:
        return records.entries_of(collection.path)[1]
    except ValueError:
        return []


def sound(collection):
    """Its records, without those that `test_a_record_is_what_was_measured` finds, by name, not to be what they were."""
    found = []
    for entry in entries(collection):
        with contextlib.suppress(ValueError):
            found.append(records.checked(collection.path, entry, collection.of))
    return found


def every_record():
    for collection in everything():
        for place, entry in enumerate(entries(collection)):
            yield pytest.param(collection, entry, id=name_of(collection, place, entry))


RECORDS = list(every_record())


@pytest.mark.parametrize(("collection", "entry"), RECORDS)
def test_a_record_is_what_was_measured(collection, entry):
    record = records.checked(collection.path, entry, collection.of)
    assert record.command.startswith("python -m core ")
    assert set(record.versions) >= {"smoothscope", "torch", "python"} or "versions" in record.lacks
    assert record.data.sha256 is not None or record.lacks
    assert record.rows is not None or record.lacks or isinstance(record, ExampleRecord)  # of one picture


@pytest.mark.parametrize(("collection", "entry"), RECORDS)
def test_a_record_is_of_a_network_that_is_here(collection, entry):
    record = records.checked(collection.path, entry, collection.of)
    assert records.complaint(record) is None
    if record.network is not None:
        assert (models.CHECKPOINTS / record.network.name / "card.json").exists()


def test_every_file_is_listed():
    assert all(records.entries_of(c.path)[1] for c in everything())
    listed = {path for c in COLLECTIONS for path in (c.path, records.beside(c.path))}
    there = {path for path in records.RESULTS.iterdir() if path.is_file()}
    assert there <= listed
    assert {c.path for c in COLLECTIONS} <= there
    assert len({c.path for c in COLLECTIONS}) == len({c.of.kind for c in COLLECTIONS}) == len(COLLECTIONS)


def one_more(value):
    """A number a little larger; of several the first."""
    match value:
        case bool() | str() | None:
            return value
        case int():
            return value + 1
        case float():
            return value * 1.0001 + 1e-9
        case list():
            return [one_more(value[0]), *value[1:]]
        case dict():
            name = next((name for name, one in value.items() if one_more(one) != one), None)
            return value if name is None else value | {name: one_more(value[name])}


@pytest.mark.parametrize("collection", everything(), ids=lambda c: f"{c.of.kind}-{c.path.stem}")
def test_a_planted_number_is_found(collection):
    """Each of a record's own numbers, one after the other."""
    entry = records.entries_of(collection.path)[1][0]
    own = [name for name in collection.of.model_fields if name not in Record.model_fields]
    numbers = [name for name in own if one_more(entry.content[name]) != entry.content[name]]
    assert numbers or collection.of.kind == "map"
    for name in numbers:
        wrong = Entry({**entry.content, name: one_more(entry.content[name])}, entry.rows)
        with pytest.raises(ValueError, match=r"is not what was measured|of a record is wrong"):
            records.checked(collection.path, wrong, collection.of)
    seed = {**entry.content["data"], "n": entry.content["data"]["n"] + 1}
    with pytest.raises(ValueError, match=r"is not what was measured|of a record is wrong"):
        records.checked(collection.path, Entry({**entry.content, "data": seed}, entry.rows), collection.of)


@pytest.mark.parametrize("collection", [ACCURACIES, CERTAINTIES, DEPENDENCIES], ids=lambda c: c.of.kind)
def test_a_planted_network_is_found(collection):
    entry = records.entries_of(collection.path)[1][0]
    network = {**entry.content["network"], "sha256": "0" * 64}
    with pytest.raises(ValueError, match="is not what was measured"):
        records.checked(collection.path, Entry({**entry.content, "network": network}, entry.rows), collection.of)
    record = records.checked(collection.path, entry, collection.of)
    network = record.network.model_copy(update={"sha256": "0" * 64})
    assert "is of other weights" in records.complaint(record.model_copy(update={"network": network}))
    network = record.network.model_copy(update={"name": "mnist-fc2-ce"})
    assert "is of other weights" in records.complaint(record.model_copy(update={"network": network}))


WITH_ROWS = [c for c in everything() if records.beside(c.path).exists()]


@pytest.mark.parametrize("collection", WITH_ROWS, ids=lambda c: f"{c.of.kind}-{c.path.stem}")
def test_a_planted_row_is_found(collection):
    entry = records.entries_of(collection.path)[1][0]
    name, column = next((n, c) for n, c in entry.rows.columns.items() if n in ("l2", "score", "x", "index", "level"))
    other = column.copy()
    other[0] += 1
    wrong = Entry(entry.content, Rows({**entry.rows.columns, name: other}))
    with pytest.raises(ValueError, match=r"is not what was measured|of a record is wrong"):
        records.checked(collection.path, wrong, collection.of)


# Numbers measured anew: of the images that the gallery holds, so that no data set must be installed. Whoever changes a
# number and its digest with it meets these.

MIM = [r for r in sound(ACCURACIES) if r.protocol.name == "mim"]


def remake_accuracy(record):
    """MIM has no chance in it: each image's fate is its own, whatever the batch."""
    model, shelf = models.load(record.network.name, "cpu"), gallery.read(record.data.name)
    _, place, row = np.intersect1d(shelf.indices.numpy(), record.rows["index"], return_indices=True)
    assert len(place) >= 10
    place, row = place[:20], row[:20]
    images = shelf[place]
    made = mmc_attacks.trial_of(record).make(model, images.images, images.labels, 0)
    clean, after = (logits_of(model, x).argmax(1) == images.labels for x in (images.images, made))
    assert images.labels.tolist() == record.rows["label"][row].tolist()
    assert clean.tolist() == record.rows["clean"][row].tolist()
    assert int(((clean & after).numpy() != record.rows["right"][row]).sum()) <= 1  # another processor may tip one image
    length = (made - images.images).flatten(1).norm(dim=1)
    assert float(length.mean()) == pytest.approx(float(record.rows["l2"][row].mean()), rel=0.02)
    if record.centers is None:
        moves = mmc_attacks.moves(model, images.images, made, images.labels, model.head.centers)
        assert (moves - record.moves[row]).abs().median() < 2e-3


@pytest.mark.parametrize(
    "record",
    [pytest.param(r, id=r.title, marks=[pytest.mark.slow] * ("ε = 16" in r.title)) for r in MIM],
)
def test_accuracy_is_remade(record):
    remake_accuracy(record)


def test_an_accuracy_that_was_changed_with_its_digest_is_found():
    record = next(r for r in MIM if r.network.name == "mnist-c4-mmc")
    flipped = Rows({**record.rows.columns, "right": ~record.rows["right"]})
    wrong = type(record)(**{**dict(record), "right": record.data.n - record.right, "rows": flipped})
    with pytest.raises(AssertionError):
        remake_accuracy(wrong)


def remake_scores(record):
    """The scores of 60 of the images inside; and the areas, from the stored scores."""
    model, shelf = models.load(record.network.name, "cpu"), gallery.read(record.data.name)
    inside = record.rows["set"] == 0
    _, place, row = np.intersect1d(shelf.indices.numpy(), record.rows["index"][inside], return_indices=True)
    made = uncertainty.score(record.score, model, logits_of(model, shelf.images[place[:60]]))
    assert made.numpy() == pytest.approx(record.rows["score"][inside][row[:60]], rel=2e-3, abs=2e-3)
    for area in record.areas:
        found = statistics.auroc(*record.scores(area.outside.name))
        assert (area.auroc, area.standard_error) == pytest.approx(found, abs=1e-9)


SCORED = [r for r in sound(CERTAINTIES) if r.rows is not None]
COMPARABLE = [r for r in sound(DEPENDENCIES) if r.rows is not None]


@pytest.mark.parametrize("record", SCORED, ids=lambda r: f"{r.network.name}-{r.score}")
def test_scores_and_areas_are_remade(record):
    remake_scores(record)


def test_an_area_that_was_changed_with_its_digest_is_found():
    model, shelf = models.load("mnist-c4-mmc", "cpu"), gallery.read("mnist")[:80]
    noise = uncertainty.outside("noise", (1, 28, 28), 30)
    told = Data(name="noise", split="made", source="made", n=30)
    record, _ = uncertainty.measure(model, shelf, [uncertainty.Strangers(told, shelf.indices[:30], noise)], "")
    remake_scores(record)
    area = record.areas[0].model_copy(update={"auroc": record.areas[0].auroc - 0.001})
    with pytest.raises(AssertionError):
        remake_scores(record.model_copy(update={"areas": (area, *record.areas[1:])}))


def remake_error(record):
    """Which images the logits name wrongly, of 200 in the gallery."""
    model, shelf = models.load(record.network.name, "cpu"), gallery.read(record.data.name)
    _, place, row = np.intersect1d(shelf.indices.numpy(), record.rows["index"], return_indices=True)
    images = shelf[place[:200]]
    wrong = logits_of(model, images.images).argmax(1) != images.labels
    assert int((wrong.numpy() != record.rows["wrong"][row[:200]]).sum()) <= 1


@pytest.mark.parametrize("record", [r for r in sound(ERRORS) if r.classifier == "argmax"], ids=lambda r: r.network.name)
def test_errors_are_remade(record):
    remake_error(record)
    card = models.card(record.network.name)
    assert card.accuracy.n == record.data.n
    assert 1 - record.error.value == pytest.approx(card.accuracy.value, abs=2.5 / record.data.n)


def test_an_error_that_was_changed_with_its_digest_is_found():
    record = next(r for r in sound(ERRORS) if r.classifier == "argmax")
    rows = Rows({**record.rows.columns, "wrong": ~record.rows["wrong"]})
    wrong = type(record)(**{**dict(record), "wrong": record.data.n - record.wrong, "rows": rows})
    with pytest.raises(AssertionError):
        remake_error(wrong)


def remake_dependency(record):
    """Which images are comparable, of 60 in the gallery."""
    model, shelf = models.load(record.network.name, "cpu"), gallery.read(record.data.name)
    _, place, row = np.intersect1d(shelf.indices.numpy(), record.rows["index"], return_indices=True)
    images = shelf[place[:60]]
    made = dependency.dependency(logits_of(model, images.images), images.labels).comparable()
    assert int((made.numpy() != record.rows["comparable"][row[:60]]).sum()) <= 1


@pytest.mark.parametrize("record", COMPARABLE, ids=lambda r: r.network.name)
def test_dependencies_are_remade(record):
    remake_dependency(record)


def test_a_dependency_that_was_changed_with_its_digest_is_found():
    record = dependency.measure(models.load("mnist-c4-mmc", "cpu"), gallery.read("mnist")[:80], "")
    remake_dependency(record)
    rows = Rows({**record.rows.columns, "comparable": ~record.rows["comparable"]})
    wrong = type(record)(**{**dict(record), "comparable": record.data.n - record.comparable, "rows": rows})
    with pytest.raises(AssertionError):
        remake_dependency(wrong)


@pytest.mark.parametrize("collection", RESUMED, ids=lambda c: c.of.kind)
def test_a_finished_result_is_not_made_again(collection, tmp_path, monkeypatch):
    """Its own command, given on a copy, finds everything there: no network is loaded, none trained."""
    monkeypatch.setattr(models, "load", lambda *_: pytest.fail("measured again"))
    monkeypatch.setattr("core.papers.mmc.tables.Training", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr("core.papers.graph_smoothness.figures.Training", lambda *_: pytest.fail("trained again"))
    copy = tmp_path / collection.path.name
    found = collection.read()
    records.write(copy, found)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for command in {record.command for record in found}:
        words = shlex.split(command)[3:]
        if found[0].network is not None:
            words += ["--models", *sorted({r.network.name for r in found if r.command == command})]
        assert main([*words, "--out", str(copy)]) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_files_are_what_the_writer_writes(tmp_path):
    """Byte for byte, so that a change of one number is seen as one line of a diff."""
    for collection in COLLECTIONS:
        records.write(tmp_path / collection.path.name, collection.read())
        assert (tmp_path / collection.path.name).read_bytes() == collection.path.read_bytes()


@pytest.mark.slow
@pytest.mark.full_data("mnist", "cifar10")
@pytest.mark.parametrize("record", sound(ACCURACIES), ids=lambda r: r.title)
def test_accuracy_is_remade_in_full(record):
    trial = mmc_attacks.trial_of(record)
    images = data.load(record.data.name, "test", n=record.data.n)
    train = data.load(record.data.name, "train", n=mmc_attacks.TRAIN_N)
    made = mmc_attacks.measure(trial, models.load(record.network.name), images, train, record.command)
    assert made.data == record.data
    assert abs(made.right - record.right) <= 0.01 * record.data.n
    assert made.mean_l2 == pytest.approx(record.mean_l2, rel=0.02)


@pytest.mark.slow
@pytest.mark.full_data("mnist", "cifar10", "fashion_mnist")
@pytest.mark.parametrize("name", sorted({r.network.name for r in sound(CERTAINTIES)}))
def test_scores_are_remade_in_full(name):
    stored = {r.score: r for r in sound(CERTAINTIES) if r.network.name == name}
    model = models.load(name)
    kinds, shape = uncertainty.outsiders(model.card), model.card.input_shape
    (n,) = {record.data.n for record in stored.values()}
    others = [uncertainty.Strangers.of(kind, shape, n) for kind in kinds]
    inside = data.load(model.card.dataset, "test", n=n)
    for made in uncertainty.measure(model, inside, others, ""):
        record = stored[made.score]
        assert made.data == record.data
        for mine, theirs in zip(made.areas, record.areas, strict=True):
            assert mine.outside == theirs.outside
            assert mine.auroc == pytest.approx(theirs.auroc, abs=1e-4)


@pytest.mark.slow
@pytest.mark.full_data("mnist", "cifar10")
@pytest.mark.parametrize("record", sound(DEPENDENCIES), ids=lambda r: r.network.name)
def test_dependencies_are_remade_in_full(record):
    made = dependency.measure(models.load(record.network.name), data.load(record.data.name, "test", n=10_000), "")
    assert made.data == record.data
    assert abs(made.comparable - record.comparable) <= 5
    assert made.missing_95 == pytest.approx(record.missing_95, rel=2e-3)


@pytest.mark.slow
@pytest.mark.full_data("mnist")
def test_a_training_is_remade(tmp_path):
    """The bits are the same on one machine; another may end a few images apart."""
    stored = tables.NORM_RECORDS.read()[0]
    first = next(tables.norms(2000, 6, 3, "lenet", tables.NORM_RECORDS.at(tmp_path / "a.json"), ""))
    assert first.data == stored.data
    assert first.accuracy() == pytest.approx(stored.accuracy(), abs=0.02)
