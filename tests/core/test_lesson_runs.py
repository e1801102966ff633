"""The finished attacks of lessons: found for exactly what they are of, as computed, and refused otherwise."""

import shutil

import pytest
import torch

from core import data, models
from core.attacks import CarliniWagner, SmoothCarliniWagner
from core.lessons import Lesson, Stop, reading, runs

MODEL = "mnist-c4-ce"


def lesson(**parameters: str) -> Lesson:
    stop = Stop("A stop", 5, "Attack_lab", parameters, "What?", ("This", "That"), 0, "There.")
    return Lesson("a-lesson", "A lesson", "Of one attack.", 5, (stop,))


def image() -> torch.Tensor:
    return data.gallery.read("mnist").images[:1]


def label() -> int:
    return int(data.gallery.read("mnist").labels[0])


def test_what_was_made_is_found_as_it_was(tmp_path):
    path, model = tmp_path / "runs.json", models.load(MODEL)
    assert len(list(runs.make([lesson(attack="cw", iterations="10")], path))) == 1
    assert list(runs.make([lesson(attack="cw", iterations="10")], path)) == []  # it is kept already
    attack = CarliniWagner(iterations=10)
    found = runs.find(attack, model, image(), label(), 0, path)
    again = attack_now(attack, model)
    assert found.adversarial.equal(again.adversarial)
    assert found.status == again.status == ("fooled",)
    assert torch.equal(found.trace["step"], again.trace["step"])
    for other in (
        runs.find(CarliniWagner(iterations=11), model, image(), label(), 0, path),
        runs.find(SmoothCarliniWagner(iterations=10), model, image(), label(), 0, path),
        runs.find(attack, model, data.gallery.read("mnist").images[1:2], label(), 0, path),
        runs.find(attack, model, image(), label(), 1, path),
        runs.find(attack, models.load("mnist-c4-mmc"), image(), label(), 0, path),
    ):
        assert other is None
    assert list(runs.make([lesson(attack="cw", iterations="11")], path)) != []
    assert runs.find(attack, model, image(), label(), 0, path) is None  # no stop shows it any more


def attack_now(attack, model):
    from core.attacks import run

    return run(attack, model, image(), torch.tensor([label()]), 0)


def test_what_was_changed_is_refused(tmp_path):
    path = tmp_path / "runs.json"
    shutil.copy(runs.PATH, path)
    path.with_name(runs.ARRAYS).write_bytes(b"none")
    with pytest.raises(ValueError, match="is damaged"):
        runs.find(CarliniWagner(), models.load(MODEL), image(), label(), 0, path)


def test_the_project_s_stops_have_their_runs():
    wanted = [each for found in reading.lessons().values() for stop in found.stops for each in runs.wanted(stop)]
    assert wanted
    for each in wanted:
        model = models.load(each.model)
        truth = int(each.images.labels[0])
        truth = truth if truth >= 0 else int(model(each.images.images).argmax())
        assert runs.find(each.attack, model, each.images.images, truth, each.seed) is not None
