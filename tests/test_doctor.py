"""`smoothscope doctor`: one page that says what there is, and of what is slow or wrong, why."""

import shutil
from collections import namedtuple

import pytest
import torch

from core import models
from pages.parts.shell import settings
from smoothscope import __main__ as smoothscope
from smoothscope import doctor
from tests.hostile import UNUSABLE, put


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine on which nothing is slow, with an empty home."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "NEEDED", dict.fromkeys(["mnist-c4-ce"], 1e9))
    monkeypatch.setattr(doctor, "cores", lambda: 8.0)
    monkeypatch.setattr(doctor, "memory", lambda: 64e9)
    monkeypatch.setattr(doctor, "_writing", lambda folder: 300e6)
    monkeypatch.setattr(doctor.os, "getloadavg", lambda: (0.5, 0.0, 0.0))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: namedtuple("Usage", "free")(50e9))
    monkeypatch.setattr(models, "default_device", lambda: torch.device("meta"))  # neither slow nor there
    settings.refresh()
    models.refresh()
    yield tmp_path
    monkeypatch.undo()
    settings.refresh()
    models.refresh()


def advice():
    """What is slow or wrong, a sentence each, and the page's status."""
    text, good = doctor.report()
    lines = text.splitlines()
    assert max(map(len, lines)) <= doctor.WIDTH
    assert len(lines) < 60
    if lines[-1] == "Nothing is slow or wrong.":
        return [], good
    at = lines.index("What is slow or wrong, and why:")
    joined = " ".join(line.strip() for line in lines[at + 1 :])
    return [sentence.strip() for sentence in f" {joined}".split(" - ")[1:]], good


def test_a_page_on_a_machine_that_is_well(monkeypatch, capsys, machine):
    monkeypatch.setenv("SMOOTHSCOPE_WORKERS", "3")
    assert smoothscope.main(["doctor"]) == 0
    page = capsys.readouterr().out
    assert page.rstrip().endswith("Nothing is slow or wrong.")
    shipped = len(list(models.CHECKPOINTS.glob("*/card.json")))
    assert shipped > 20
    networks = f"{shipped} shipped, 0 own"
    for words in ("0.1.0, Python 3", "torch 2.", "streamlit 1.", "8, ", "64 GB", networks, "50 GB free"):
        assert words in page
    assert f"{machine}, 0 unfinished" in " ".join(page.split())
    assert "settings      workers=3\n" in page
    assert "jobs_per_session=2" in page
    assert " ms on one picture, mnist-c4-ce" in page


def test_it_is_among_the_verbs(capsys):
    with pytest.raises(SystemExit):
        smoothscope.main(["--help"])
    assert "what is slow here and why" in " ".join(capsys.readouterr().out.split())


def test_a_setting_that_is_not_legal_fails_it(monkeypatch, capsys):
    monkeypatch.setenv("SMOOTHSCOPE_WORKERS", "many")
    sentence = "SMOOTHSCOPE_WORKERS must be a whole number; got 'many'."
    assert smoothscope.main(["doctor"]) == 1
    assert f"not legal     {sentence}" in capsys.readouterr().out
    assert advice() == ([f"No page is served until this is put right: {sentence}"], False)


def test_each_thing_that_is_slow_or_wrong_is_a_sentence(monkeypatch, machine):
    assert advice() == ([], True)
    put(machine, "empty", UNUSABLE["card-empty"][0])
    monkeypatch.setattr(doctor, "NEEDED", {"mnist-c4-ce": 0.0})
    monkeypatch.setattr(doctor, "PACKAGES", (*doctor.PACKAGES, "nosuchpackage"))
    monkeypatch.setattr(doctor, "cores", lambda: 1.5)
    monkeypatch.setattr(doctor, "memory", lambda: 1e9)
    monkeypatch.setattr(doctor, "_writing", lambda folder: 1e6)
    monkeypatch.setattr(doctor.os, "getloadavg", lambda: (9.0, 0.0, 0.0))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: namedtuple("Usage", "free")(1e6))
    monkeypatch.setattr(models, "default_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setenv("SMOOTHSCOPE_WORKER", "3")
    monkeypatch.setenv("SMOOTHSCOPE_CLUSTER", "tcp://127.0.0.1:9")
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: object())
    models.refresh()
    settings.refresh()
    found, good = advice()
    assert good
    starts = [
        "nosuchpackage: not installed here",
        "There is no GPU that PyTorch can use",
        "2 workers share 1.5 processors: jobs get in each other's way; set SMOOTHSCOPE_WORKERS to 1.",
        "The machine does other things: 9.0 processes want 1.5 cores.",
        "1 GB of memory is little for 2 workers; 6 GB would do.",
        "Checkpoints that cannot be used: 1; smoothscope models list says why.",
        "There is little room for data sets and trainings: 1 MB. The disk takes 1 MB a second",
        "SMOOTHSCOPE_WORKER sets nothing; did you mean SMOOTHSCOPE_WORKERS?",
        "No scheduler answers at tcp://127.0.0.1:9; jobs cannot run.",
        "A gradient of mnist-c4-ce takes ",
    ]
    assert [sentence.startswith(start) for sentence, start in zip(found, starts, strict=True)] == [True] * len(starts)


def test_a_cluster_takes_a_package(monkeypatch):
    monkeypatch.setenv("SMOOTHSCOPE_CLUSTER", "tcp://127.0.0.1:9")
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    settings.refresh()
    sentence = "SMOOTHSCOPE_CLUSTER takes the package distributed, which is not installed; jobs cannot run."
    assert advice() == ([sentence], True)


def test_more_threads_than_processors_are_named(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    assert advice() == (["PyTorch uses 16 threads on 8 processors; set OMP_NUM_THREADS to 8."], True)


@pytest.mark.parametrize("kind", ["file", "nobody"])
def test_a_home_that_cannot_be_is_named(monkeypatch, machine, kind):
    if kind == "file":
        (machine / "home").touch()
        monkeypatch.setenv("SMOOTHSCOPE_HOME", str(machine / "home"))
    else:
        monkeypatch.setenv("SMOOTHSCOPE_HOME", "~nobody-of-this-name/home")
    models.refresh()
    (sentence,), good = advice()
    assert good
    assert "a folder" in sentence


def test_runs_are_counted_with_those_of_visitors(machine):
    for path in ("own.safetensors", "0123456789abcdef/a.safetensors", "0123456789abcdef/b.safetensors"):
        (machine / "runs" / path).parent.mkdir(parents=True, exist_ok=True)
        (machine / "runs" / path).touch()
    assert "1 unfinished trainings, 2 of 1 visitors" in " ".join(doctor.report()[0].split())


def test_the_real_machine_is_looked_over(monkeypatch):
    monkeypatch.undo()
    assert doctor.cores() > 0
    assert (doctor.memory() or 1e9) > 1e8
