"""Records: what is written is read, what was changed by hand is refused, and by name."""

import errno
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from core import data, models
from core.attacks import ATTACKS
from core.evaluate import records
from core.evaluate.records import Collection, Data, Network, Record, Rows, Setting

MODEL = "mnist-c4-ce"


class Hits(Record):
    """How many arrows hit."""

    kind: ClassVar[str] = "hits"
    hits: int


class Misses(Record):
    kind: ClassVar[str] = "misses"
    misses: int


def record(hits=3, name=MODEL, epsilon=0.1, rows=True, **changes):
    images = data.gallery.read("mnist")[:4]
    content = {
        "network": Network.of(models.card(MODEL)).model_copy(update={"name": name}),
        "data": Data.of(images, None),
        "protocol": Setting.of(ATTACKS["fgsm"](epsilon=epsilon)),
        "command": "make hits",
        "versions": records.versions(),
        "hits": hits,
        "rows": Rows(
            {
                "index": images.indices.int(),
                "hit": torch.arange(4) < hits,
                "l2": np.float32([0.1, 0.2, 0.3, 1 / 3]),
                "status": ["fooled", "failed", "fooled", "not finite"],
            }
        )
        if rows
        else None,
    }
    return Hits(**content | changes)


def written(folder: Path, *found) -> Path:
    path = folder / "hits.json"
    records.write(path, found)
    return path


@pytest.mark.parametrize("rows", [True, False])
def test_what_is_written_is_read(tmp_path, rows):
    first, second = record(3, rows=rows), record(2, epsilon=0.3, rows=rows, lacks="Who shot.")
    path = written(tmp_path, first, second)
    found = records.read(path, Hits)
    assert found == (first, second)
    assert [one.digest() for one in found] == [first.digest(), second.digest()]
    assert found[1].lacks == "Who shot."
    assert records.beside(path).exists() is rows
    if rows:
        assert found[0].rows["status"].tolist() == ["fooled", "failed", "fooled", "not finite"]
        assert found[0].rows["hit"].dtype == bool
        assert found[0].rows["l2"].dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            found[0].rows["l2"][0] = 2
    assert list(tmp_path.glob("*.tmp")) == []


def test_a_record_says_what_was_measured():
    found = record()
    assert found.network == Network(name=MODEL, sha256=models.card(MODEL).sha256)
    assert (found.data.name, found.data.source, found.data.n) == ("mnist", "gallery", 4)
    assert found.data.sha256 == records.identity(data.gallery.read("mnist").images[:4])
    assert found.protocol.parameters == ATTACKS["fgsm"](epsilon=0.1).values()
    assert ATTACKS[found.protocol.name](**found.protocol.parameters) == ATTACKS["fgsm"](epsilon=0.1)
    assert "epsilon 0.1" in found.title
    assert set(found.versions) == {"smoothscope", "torch", "python"}
    with pytest.raises(ValidationError):
        found.hits = 4
    with pytest.raises(ValidationError):
        record(surplus=1)
    with pytest.raises(ValidationError):
        Network(name="x", sha256="0")


def test_images_are_known_by_shape_and_pixels():
    images = data.gallery.read("mnist").images[:4]
    assert records.identity(images) == records.identity(images.clone())
    changed = images.clone()
    changed[2, 0, 5, 5] += 1e-6
    assert len({records.identity(x) for x in (images, changed, images.view(4, 1, 14, 56), images[:3])}) == 4


def swap(text, old, new):
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: swap(text, '"hits": 3', '"hits": 4'), f"the record of {MODEL}, fgsm .* is not what was measured"),
        (lambda text: swap(text, models.card(MODEL).sha256, "0" * 64), "is not what was measured; make it again with"),
        (lambda text: swap(text, '"epsilon": 0.1', '"epsilon": 0.2'), r"epsilon 0\.2.* is not what was measured"),
        (lambda text: swap(text, '"make hits"', '"make more"'), "make it again with: make more"),
        (lambda text: swap(text, '"hits": 3', '"hits": "many"'), "hits of a record is wrong"),
        (lambda text: swap(text, '"kind": "hits"', '"kind": "misses"'), "of the kind 'misses', not 'hits'"),
        (lambda text: swap(text, '"digest"', '"digits"'), "digits of a record is wrong"),
        (lambda text: text[: len(text) // 2], "hits.json is damaged"),
        (lambda text: "[]", "hits.json is damaged"),
    ],
)
def test_what_was_changed_by_hand_is_refused(tmp_path, change, words):
    path = written(tmp_path, record())
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        records.read(path, Hits)


def test_a_changed_row_is_refused(tmp_path):
    path = written(tmp_path, record(), record(epsilon=0.3))
    good = records.beside(path).read_bytes()
    other = record(epsilon=0.3)
    rows = Rows({**other.rows.columns, "hit": [True, True, True, True]})
    records.write(tmp_path / "changed.json", [record(), other.model_copy(update={"rows": rows})])
    records.beside(path).write_bytes(records.beside(tmp_path / "changed.json").read_bytes())
    with pytest.raises(ValueError, match=r"epsilon 0\.3.* is not what was measured"):
        records.read(path, Hits)
    records.beside(path).write_bytes(good[:-20])
    with pytest.raises(ValueError, match="is damaged"):
        records.read(path, Hits)
    records.beside(path).unlink()
    with pytest.raises(ValueError, match="is not what was measured"):
        records.read(path, Hits)


def test_a_missing_file_has_no_records(tmp_path):
    assert records.read(tmp_path / "none.json", Hits) == ()
    assert Collection.shipped(Hits).read() == ()


def test_a_later_record_takes_the_place_of_its_own_kind(tmp_path):
    collection = Collection.shipped(Hits).at(tmp_path / "folder" / "hits.json")
    collection.put(record(3))
    collection.put(record(1, epsilon=0.3))
    collection.put(record(2))
    assert [one.hits for one in collection.read()] == [2, 1]
    collection.put(record(0, name="another"))
    assert [one.network.name for one in collection.read()] == [MODEL, MODEL, "another"]


def test_records_of_a_file_may_have_columns_of_their_own(tmp_path):
    others = Rows(
        {"index": np.int32([7, 9]), "hit": [True, False], "l2": np.float32([np.nan, 1]), "right": [True, True]}
    )
    found = [record(), record(1, epsilon=0.3, rows=False).model_copy(update={"rows": others})]
    path = written(tmp_path, *found)
    one, other = records.read(path, Hits)
    assert (one.rows, other.rows) == (found[0].rows, others)
    kinds = {name: column.dtype.kind for name, column in other.rows.columns.items()}
    assert kinds == {"index": "i", "hit": "b", "l2": "f", "right": "b"}


def test_a_file_holds_one_kind_all_with_rows_or_none(tmp_path):
    other = Misses(**record(rows=False).model_dump(exclude={"hits"}), misses=1)
    with pytest.raises(ValueError, match="records must be of one kind, at least one; got hits, misses"):
        records.write(tmp_path / "a.json", [record(rows=False), other])
    with pytest.raises(ValueError, match="at least one; got none"):
        records.write(tmp_path / "a.json", [])
    with pytest.raises(ValueError, match="must have rows, all of them or none"):
        records.write(tmp_path / "a.json", [record(), record(rows=False, epsilon=0.3)])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = written(tmp_path, record(3))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ValueError, match=r"cannot be written \(No space left on device\); free some space"):
        records.write(path, [record(1)])
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("columns", [{}, {"a": [1, 2], "b": [1]}, {"a": [[1, 2]]}])
def test_rows_are_columns_of_one_length(columns):
    with pytest.raises(ValueError, match="columns must be one or more of shape"):
        Rows(columns)


def test_rows_find_the_images_that_both_hold():
    first = Rows({"index": [9, 2, 5, 7], "x": [0, 1, 2, 3]})
    second = Rows({"index": [7, 1, 9], "x": [4, 5, 6]})
    mine, theirs = first.common(second)
    assert first["index"][mine].tolist() == second["index"][theirs].tolist() == [7, 9]
    assert first["x"][mine].tolist() == [3, 0]
    assert second["x"][theirs].tolist() == [4, 6]
    assert first != second
    assert first == Rows({"x": [0, 1, 2, 3], "index": [9, 2, 5, 7]})
    assert len({first, Rows(first.columns)}) == 1


def test_records_of_other_weights_are_refused_in_one_sentence():
    here, gone = record(), record(name="nobody")
    old = record(network=Network(name=MODEL, sha256="0" * 64))
    older = record(network=Network(name=MODEL, sha256="0" * 64), epsilon=0.3)
    none = record(network=None)
    kept, refused = records.sound([here, gone, old, older, none])
    assert kept == [here, none]
    assert refused == [
        "The stored result for nobody is left out: there is no such network here.",
        f"The stored result for {MODEL} is left out: it is of other weights; make it again with: make hits",
    ]


def test_the_file_is_for_persons_to_read(tmp_path):
    body = json.loads(written(tmp_path, record()).read_text(encoding="utf-8"))
    assert body["kind"] == "hits"
    (entry,) = body["records"]
    assert entry["network"]["name"] == MODEL
    assert entry["hits"] == 3
    assert "rows" not in entry
