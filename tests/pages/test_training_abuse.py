"""The Training page where its home is full of strange files, full, read-only, or no home at all."""

import errno
import os
import subprocess
from pathlib import Path

import driver
import pytest
import torch
from driver import unescaped
from safetensors.torch import save_file
from test_training import SMALL, labels, opened, press, until

from core import models
from core.lessons import places
from core.losses import CrossEntropy
from core.params import fields
from core.train import Recipe, Training, runs
from pages.parts.work import trainings as training
from pages.parts.work.trainings import Plan, Trained
from tests.hostile import GOOD, put, sparse

PLAN = Plan("own", "fc2", "mnist", CrossEntropy(dim=2), SMALL, {})


def errors(app):
    return [unescaped(error.value) for error in app.error]


BAD = {
    "empty": Path.touch,
    "cut": lambda path: path.write_bytes(b"\x90\0\0\0\0\0\0\0{"),
    "no-json": lambda path: save_file({"a": torch.zeros(1)}, path, {"run": "{"}),
    "wrong-types": lambda path: save_file({"a": torch.zeros(1)}, path, {"run": '{"card": 3, "history": "long"}'}),
    "huge": sparse(10**12),
    "deep": lambda path: save_file({"a": torch.zeros(1)}, path, {"run": '{"card":' * 50_000}),
    "wrong-tensors": lambda path: save_file({"a": torch.zeros(1)}, path, {"run": "{}"}),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_a_bad_run_is_said_and_can_be_deleted(home, kind):
    (home / "runs").mkdir()
    path = home / "runs" / f"{kind}.safetensors"
    BAD[kind](path)
    app = opened()
    assert app.selectbox(key="train.unfinished").options == [kind]
    sentence = f"{kind}.safetensors is not the state of a run; delete it and train anew."
    assert errors(app) == [sentence]
    press(app, "Go on")
    assert errors(app) == [sentence, sentence]  # beside the run, and as what came of the press
    press(app, "Delete")
    assert not path.exists()
    assert "Delete" not in labels(app)
    assert not errors(app)


def test_what_is_no_file_is_no_run(home):
    (home / "runs" / "folder.safetensors").mkdir(parents=True)
    os.mkfifo(home / "runs" / "pipe.safetensors")
    (home / "runs" / f"{os.fsdecode(b'ugly-%b' % bytes([255]))}.safetensors").touch()
    app = opened()
    assert "Go on" not in labels(app)
    assert not app.error


def test_right_tensors_of_another_moment_are_said_when_it_goes_on(home):
    state = home / "runs" / "own.safetensors"
    next(iter(Training("fc2", "mnist", SMALL, "own", PLAN.loss, state=state)))
    run = runs.read(state)
    tensors = runs.read_tensors(state, run.shapes) | {"generator": torch.full((5056,), 255, dtype=torch.uint8)}
    description = run.description.model_dump()
    runs.write(state, tensors, description)
    app = opened()
    assert not app.error
    press(app, "Go on")
    until(app, lambda: app.error)
    assert errors(app)[0] == "own.safetensors is not the state of a run; delete it and train anew."


def test_a_run_that_cannot_be_deleted_is_said(home, monkeypatch):
    (home / "runs").mkdir()
    (home / "runs" / "stuck.safetensors").touch()
    app = opened()

    def refuse(path, missing_ok=False):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", refuse)
    press(app, "Delete")
    assert "stuck.safetensors cannot be deleted (Read-only file system)." in errors(app)


# --- Keeping ---


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = Training("fc2", "mnist", SMALL.replace(epochs=1), "mine", CrossEntropy())
    list(run)
    return Trained.of(
        run,
        training.Snapshot(
            tuple(run.history), (), dict(run.kept), run.sample.labels, run.train.note, 1, 1, run.card, {}
        ),
    )


def test_the_name_of_a_shipped_network_is_not_kept_under(home, finished):
    with pytest.raises(
        ValueError, match=r"^mnist-c4-ce is the name of a network that comes with the project; "
    ) as told:
        finished.keep("mnist-c4-ce")
    assert str(told.value).endswith("; mnist-c4-ce-2 is free.")
    assert not (home / "checkpoints").exists()
    finished.keep("mnist-c4-ce-2")
    assert models.cards()["mnist-c4-ce-2"].network == "fc2"
    with pytest.raises(ValueError, match=r"mnist-c4-ce-3 is free\.$"):
        finished.keep("mnist-c4-ce")
    with pytest.raises(ValueError, match=r"^There is a checkpoint mnist-c4-ce-2 already; mnist-c4-ce-2-2 is free\.$"):
        finished.keep("mnist-c4-ce-2")


def test_a_long_name_that_is_taken_is_cut_to_make_room(home, finished):
    name = "ä" * 50
    finished.keep(name)
    with pytest.raises(ValueError, match="is free") as told:
        finished.keep(name)
    free = str(told.value).split("; ")[1].removesuffix(" is free.")
    assert free == "ä" * 49 + "-2"
    assert finished.keep(free).name == free


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../../x", "a/b", "/etc/x", "a b", "x" * 300, "ä" * 51, "a\nb", "-x", "$(id)", "a\0b"]
)
def test_a_name_that_cannot_be_is_one_sentence(home, finished, name):
    with pytest.raises(ValueError, match=r"^name must be ") as told:
        finished.keep(name)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 200
    assert not list(home.iterdir())


def test_the_page_says_which_name_is_free(home, finished):
    app = opened(train__trained=(finished, tuple("0123456789")))
    for name, words in {
        "mnist-c4-ce": "mnist-c4-ce-2 is free.",
        "a b": "name must be letters, digits, '_', '-' and '.', a letter or digit first; got 'a b'.",
    }.items():
        app.text_input(key="train.keep.name").set_value(name)
        press(app, "Keep")
        (error,) = errors(app)
        assert error.endswith(words)
        assert not app.success


# --- Homes ---


def in_the_way(path: Path) -> Path:
    path.write_text("a file")
    return path


HOMES = {
    "a file": (in_the_way, "a folder that can be written"),
    "below a file": (lambda path: in_the_way(path) / "home", "a folder that can be written"),
    "nobody's": (lambda path: "~nobody-of-this-name/home", "no such user is known here; name a folder."),
    "long": (lambda path: path / ("x" * 300), "choose a shorter name"),
}


@pytest.fixture(params=list(HOMES))
def no_home(request, tmp_path, monkeypatch):
    """A home that cannot be, and what is to be said of it."""
    make, words = HOMES[request.param]
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(make(tmp_path / "home")))
    models.refresh()
    return words


@pytest.mark.parametrize("page", places.names())
def test_every_page_works_without_a_home(no_home, page):
    assert not driver.opened(page).error


def test_training_without_a_home_is_one_sentence(no_home, tmp_path):
    app = opened(train__Recipe__epochs=1)
    press(app, "Start")
    until(app, lambda: app.error)
    (error,) = errors(app)
    assert no_home in error
    assert "\n" not in error
    assert str(tmp_path) not in error
    assert not app.success


def test_keeping_without_a_home_is_one_sentence(no_home, finished, tmp_path):
    with pytest.raises(ValueError, match=no_home) as told:
        finished.keep("mine")
    assert "\n" not in str(told.value)
    assert str(tmp_path) not in str(told.value)


def test_the_commands_without_a_home_are_one_sentence(no_home, capsys):
    from core.__main__ import main

    for words in (
        ["train", "--network", "fc2", "--name", "x", "--epochs", "1", "--n", "100"],
        ["data", "get", "mnist"],
    ):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert no_home in said or "SMOOTHSCOPE_HOME at a folder that can be written" in said
        assert "Traceback" not in said
        assert len(said.strip().splitlines()) == 1
    assert main(["models", "list"]) == 0


@pytest.fixture(params=["full", "read-only"])
def disk(request, home):
    """A home on a disk of its own that has no room, or may not be written; skipped where none can be mounted."""
    options = "size=64k" if request.param == "full" else "ro"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(home)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield {"full": "No space left on device); free some space.", "read-only": "Read-only file system)"}[request.param]
    subprocess.run(["umount", str(home)], check=True)


def test_training_onto_a_bad_disk_is_one_sentence(disk):
    app = opened(train__Recipe__epochs=1)
    press(app, "Start")
    until(app, lambda: app.error)
    (error,) = errors(app)
    assert disk in error
    assert "\n" not in error


def test_keeping_on_a_bad_disk_is_one_sentence_and_leaves_nothing(disk, finished, home):
    with pytest.raises(ValueError) as told:  # noqa: PT011
        finished.keep("mine")
    assert disk in str(told.value)
    assert not [path for path in home.rglob("*") if path.is_file()]
    assert not models.survey()[1]


def failing(number, call, home):
    """`Path.call` that fails in the home, which is on the bad disk."""
    works = getattr(Path, call)

    def fail(path, *arguments, **options):
        if path.is_relative_to(home):
            raise OSError(number, os.strerror(number))
        return works(path, *arguments, **options)

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["mkdir", "open"])
def test_whatever_the_disk_says_is_one_sentence(home, monkeypatch, finished, call, number):
    """As on the disks above, also where none can be mounted."""
    run = Training("fc2", "mnist", SMALL, "x", state=home / "runs" / "x.safetensors")
    monkeypatch.setattr(Path, call, failing(number, call, home))
    with pytest.raises(ValueError, match=os.strerror(number)) as kept:
        finished.keep("mine")
    with pytest.raises(ValueError, match=os.strerror(number)) as trained:
        list(run)
    for told in (kept, trained):
        assert "\n" not in str(told.value)
        assert str(home) not in str(told.value)
        assert ("free some space" in str(told.value)) == (number in (errno.ENOSPC, errno.EDQUOT))


def test_a_name_of_300_characters_is_one_sentence():
    app = opened(train__name="x" * 300)
    press(app, "Start")
    until(app, lambda: app.error)
    (error,) = errors(app)
    assert error.startswith("name must be at most 100 letters long; got 'xxx")
    assert len(error) < 150


def test_the_command_line_refuses_the_name_of_a_shipped_network(home, capsys):
    from core.__main__ import main

    assert main(["train", "--network", "fc2", "--name", GOOD.name, "--epochs", "1", "--n", "100"]) == 2
    assert "is the name of a network that comes with the project; choose another." in capsys.readouterr().err
    put(home, "own", lambda folder: None)
    assert not (home / "runs").exists()


@pytest.mark.parametrize("text", ["9" * 400, "-" + "9" * 400, "9" * 5000, "1e999", "nan", "10000001", "0"])
@pytest.mark.parametrize("name", ["n", "test_n", "epochs", "learning_rate"])
def test_a_number_that_cannot_be_is_left_out_of_the_link(name, text):
    app = driver.opened("Training", **{name: text})
    assert [unescaped(warning.value).startswith(f"“{name}=") for warning in app.warning] == [True]


def test_every_number_of_a_recipe_has_bounds():
    numbers = [info for info in fields(Recipe) if info.kind in ("int", "float")]
    assert len(numbers) > 10
    assert [info.name for info in numbers if info.low is None or info.high is None] == []
