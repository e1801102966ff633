"""The Compare page's example: what is kept of it, and what comes back."""

import json
from pathlib import Path

import pytest
import torch

from core import examples, models
from core.attacks import ATTACKS, run
from core.data import load

FOLDER = examples.FOLDER / "compare"


def test_what_is_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(examples, "DUEL", ("fgsm", "ifgsm"))
    folder = examples.make_duel("camera", tmp_path)
    assert folder == tmp_path / "compare"
    facts = examples.duel_facts(tmp_path)
    assert facts["made by"] == "python -m core tours --duel camera"
    model = models.load(facts["model"])
    shelf = load("photos")
    row = shelf.names.index("camera")
    clean = shelf.images[row : row + 1]
    for name, result in zip(("fgsm", "ifgsm"), examples.read_duel(model, tmp_path), strict=True):
        attack = ATTACKS[name](**facts["attacks"][name]["parameters"])
        again = run(attack, model, clean, model(clean).argmax(1))
        assert result.status == ("fooled",)
        assert torch.equal(result.images, clean)
        assert torch.equal(result.logits, model(result.adversarial))
        # Half precision: 11 binary digits of the perturbation.
        torch.testing.assert_close(result.perturbation, again.perturbation, rtol=2**-10, atol=1e-6)


def test_the_example_that_is_shipped():
    facts = examples.duel_facts()
    assert tuple(facts["attacks"]) == examples.DUEL
    assert facts["photo"] in load("photos").names
    results = examples.read_duel(models.load(facts["model"]))
    assert [result.status for result in results] == [("fooled",)] * len(examples.DUEL)
    for result in results:
        ATTACKS[result.attack](**result.parameters)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000
    assert facts["made by"] == f"python -m core tours --duel {facts['photo']}"
    assert json.loads((FOLDER / "tour.json").read_text(encoding="utf-8")) == facts


def test_refusals(tmp_path: Path):
    with pytest.raises(ValueError, match=r"photo must be one of .*coffee.*; got 'nobody'\."):
        examples.make_duel("nobody", tmp_path)
