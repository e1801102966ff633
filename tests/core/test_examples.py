"""The pages' examples: what is kept of them, what comes back, and that it is what was computed."""

import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from core import examples, models
from core.attacks import ATTACKS, run
from core.data import load
from core.evaluate import records
from core.metrics import roughness
from core.params import fields

FOLDER = examples.FOLDER / "compare"


def test_what_is_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(examples, "COMPARED", ("fgsm", "ddn"))
    monkeypatch.setitem(ATTACKS["ddn"].presets, "photograph", {"quantised": True, "passes": 8})
    folder = examples.make_comparison("camera", tmp_path)
    assert folder == tmp_path / "compare"
    record = examples.comparison(tmp_path)
    assert record.command == "python -m core examples --compare camera"
    model = models.load(record.model)
    shelf = load("photos")
    row = shelf.names.index("camera")
    clean = shelf.images[row : row + 1]
    results = examples.read_comparison(model, tmp_path)
    assert list(record.attacks) == [f"{held}-{name}" for name in ("fgsm", "ddn") for held in ("success", "length")]
    for name, made in record.attacks.items():
        held, _, key = name.partition("-")
        result = results[held][("fgsm", "ddn").index(key)]
        assert made.attack.parameters.get("quantised") == {"fgsm": None, "ddn": held == "success"}[key]
        attack = ATTACKS[key](**made.attack.parameters)
        again = run(attack, model, clean, model(clean).argmax(1))
        assert result.status == ("fooled",)
        assert torch.equal(result.images, clean)
        assert torch.equal(result.logits, model(result.adversarial))
        # Half precision: 11 binary digits of the perturbation.
        torch.testing.assert_close(result.perturbation, again.perturbation, rtol=2**-10, atol=1e-6)


def test_the_comparison_that_is_shipped():
    record = examples.comparison()
    assert {made.attack.name for made in record.attacks.values()} == {*examples.COMPARED}
    assert len(record.attacks) == 2 * len(examples.COMPARED)
    assert record.photo in load("photos").names
    results = examples.read_comparison(models.load(record.model))
    for found in results.values():
        assert [result.attack for result in found] == list(examples.COMPARED)
        assert [result.status for result in found] == [("fooled",)] * len(examples.COMPARED)
        for result in found:
            ATTACKS[result.attack](**result.parameters)
    assert not any(result.parameters.get("quantised") for result in results["length"])
    for result in results["success"]:
        assert bool(result.success_8bit)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000
    assert record.command == f"python -m core examples --compare {record.photo}"


def test_the_filmstrip_that_is_shipped():
    record, (name, parameter) = examples.filmstrip(), examples.ALONG
    results = examples.read_filmstrip(models.load(record.model))
    telling = next(info.telling for info in fields(ATTACKS[name]) if info.name == parameter)
    for held, found in results.items():
        assert tuple(result.parameters[parameter] for result in found) == telling
        assert {result.attack for result in found} == {name}
        assert all(bool(result.success[0]) for result in found)
        if held == "success":
            assert all(bool(result.success_8bit[0]) for result in found)
    # What it is for: the further along, the smoother.
    rough = [float(roughness(result.perturbation, 1.0, normalised=True)[0]) for result in results["success"]]
    assert rough == sorted(rough, reverse=True)
    assert sum(path.stat().st_size for path in examples.FILMSTRIP.path.parent.iterdir()) < 1_500_000
    assert record.command == f"python -m core examples --filmstrip {record.photo}"
    assert record.photo == examples.comparison().photo  # the page shows both of one picture


@pytest.mark.parametrize(
    ("read", "collection"),
    [
        (examples.start, examples.START),
        (examples.comparison, examples.COMPARE),
        (examples.filmstrip, examples.FILMSTRIP),
    ],
)
def test_every_shipped_file_is_the_computed_one(read, collection):
    record = read()
    folder = collection.path.parent
    assert {path.name for path in folder.iterdir()} == {*record.files, examples.FILE}
    for name, digest in record.files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert records.complaint(record) is None
    assert record.data.sha256 == records.identity(load("photos")[load("photos").names.index(record.photo)].images)


def test_another_file_is_refused(tmp_path: Path):
    shutil.copytree(FOLDER, tmp_path / "compare")
    path = tmp_path / "compare" / examples.PERTURBATIONS
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"perturbations\.npz is not what was computed; make it again with: python -m"):
        examples.read_comparison(models.load(examples.MODEL), tmp_path)
    text = (tmp_path / "compare" / examples.FILE).read_text(encoding="utf-8")
    (tmp_path / "compare" / examples.FILE).write_text(text.replace('"seed": 0', '"seed": 1'), encoding="utf-8")
    with pytest.raises(ValueError, match="is not what was measured"):
        examples.comparison(tmp_path)
    with pytest.raises(ValueError, match="must hold one example"):
        examples.start(tmp_path)


def test_refusals(tmp_path: Path):
    with pytest.raises(ValueError, match=r"photo must be one of .*coffee.*; got 'nobody'\."):
        examples.make_comparison("nobody", tmp_path)
    assert list(tmp_path.iterdir()) == []
