"""A run that is stopped, killed, or trained by several processes: what is on the disk, and what comes out."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core import data
from core.losses import LOSSES, GraphSmoothness
from core.train import Batch, Recipe, Training, checkpoint, loop, resume, runs

PATIENCE = 600
"""Seconds after which a process counts as hanging, on a machine that does other things too."""

RECIPE = Recipe(epochs=3, batch_size=50, n=200, seed=4, sample=20, adversarial="fast", adversarial_share=0.5)

SCRIPT = """
import sys
from core import data
from core.__main__ import main
from core.train import loop

digits = data.gallery.read("mnist")
def load(name, split="test", n=None, seed=0):
    part = digits[:500] if split == "train" else digits[500:]
    return part[data.imageset.draw(n, len(part), seed)]
loop.load = load
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def gallery_as_data(monkeypatch):
    digits = data.gallery.read("mnist")

    def load(name, split="test", n=None, seed=0):
        part = digits[:500] if split == "train" else digits[500:]
        return part[data.imageset.draw(n, len(part), seed)]

    monkeypatch.setattr(loop, "load", load)
    monkeypatch.setattr(data.DATASETS["mnist"].__class__, "installed", lambda dataset: True)


def bits(training):
    return training.model.state_dict(), training.history, training.embeddings()


def same(one, other):
    weights, epochs, kept = one
    weights_, epochs_, kept_ = other
    assert all(torch.equal(weights[key], weights_[key]) for key in weights | weights_)
    assert [(e.index, e.loss, e.accuracy) for e in epochs] == [(e.index, e.loss, e.accuracy) for e in epochs_]
    assert all(torch.equal(kept[key], kept_[key]) for key in kept | kept_)


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("name", ["cross-entropy", "graph-smoothness", "center-loss"])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, optimiser, name):
    recipe = RECIPE.replace(optimiser=optimiser, learning_rate=0.002, schedule="one-cycle")
    loss = GraphSmoothness(references=20, dim=2) if name == "graph-smoothness" else LOSSES[name]()
    whole = Training("c4", "mnist", recipe, "whole", loss)
    list(whole)
    state = tmp_path / "run.safetensors"
    first = Training("c4", "mnist", recipe, "run", loss, state=state)
    for event in first.steps():
        if isinstance(event, Batch) and event.done == 6:  # in the middle of the second epoch
            break
    again = Training("c4", "mnist", recipe, "run", loss, state=state)
    assert again.done == 1
    list(again)
    same(bits(whole), bits(again))


def test_a_run_is_resumed_from_its_state_alone(tmp_path):
    state = tmp_path / "run.safetensors"
    first = Training("fc2", "mnist", RECIPE.replace(schedule="steps"), "run", state=state)
    next(iter(first))
    other = resume(state, "renamed")
    assert (other.card.name, other.recipe, other.done) == ("renamed", first.recipe, 1)
    same(bits(first), bits(other))


def test_a_run_with_other_settings_is_not_continued(tmp_path):
    state = tmp_path / "run.safetensors"
    next(iter(Training("fc2", "mnist", RECIPE, "run", state=state)))
    with pytest.raises(ValueError, match=r"is the state of a run with other settings; choose another name, or delete"):
        Training("fc2", "mnist", RECIPE.replace(batch_size=20), "run", state=state)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08\0\0\0\0\0\0\0{}      "])
def test_what_is_no_state_is_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "run.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is not the state of a run; delete it and train anew\.$"):
        resume(path, "x")


def test_a_full_disk_loses_the_running_epoch_only(tmp_path):
    state = tmp_path / "run.safetensors"
    training = Training("fc2", "mnist", RECIPE, "run", state=state)
    steps = iter(training)
    next(steps)
    before = state.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ValueError, match=r"the run's state cannot be written to .* \(.+\); free some space\.$"):
            next(steps)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert state.read_bytes() == before
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == [state]
    assert Training("fc2", "mnist", RECIPE, "run", state=state).done == 1


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path):
    state = tmp_path / "run.safetensors"
    first = iter(Training("fc2", "mnist", RECIPE, "run", state=state))
    next(first)
    with pytest.raises(ValueError, match=r"^the run run is under way already; choose another name\.$"):
        next(iter(Training("fc2", "mnist", RECIPE, "run", state=state)))
    first.close()
    assert next(iter(Training("fc2", "mnist", RECIPE, "run", state=state))).index == 2


def command(tmp_path, *extra):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    root = str(Path(checkpoint.__file__).parents[2])
    environment = os.environ | {
        "SMOOTHSCOPE_HOME": str(tmp_path / "home"),
        "PYTHONPATH": root,
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",  # a long folder must not break a line that is read
    }
    words = ["train", "--network", "fc2", "--name", "own", "--n", "400", "--batch-size", "20", "--sample", "10"]
    return [str(script), *words, *extra], environment


def until(condition, process, seconds=PATIENCE):
    limit = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_a_killed_run_goes_on_when_the_command_is_given_again(tmp_path):
    words, environment = command(tmp_path, "--epochs", "12", "--loss", "graph-smoothness", "--loss-references", "10")
    state = tmp_path / "home" / "runs" / "own.safetensors"
    run = [sys.executable, *words]
    with subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until(state.exists, process)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "home" / "checkpoints" / "own").exists()
    again = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert "going on after epoch" in again.stdout
    weights = tmp_path / "home" / "checkpoints" / "own" / "weights.safetensors"
    killed = load_file(weights)
    assert not state.exists()
    subprocess.run(run, env=environment, capture_output=True, timeout=PATIENCE, check=True)
    whole = load_file(weights)
    assert all(torch.equal(killed[key], whole[key]) for key in whole)


def test_ctrl_c_says_how_to_go_on(tmp_path):
    words, environment = command(tmp_path, "--epochs", "500")
    state = tmp_path / "home" / "runs" / "own.safetensors"
    # As from a terminal: a shell's background job, which the tests may be, hands on that Ctrl-C is to be ignored.
    code = "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    run = [sys.executable, "-c", code, *words]
    with subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(state.exists, process)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "the same command goes on from there." in " ".join(out.split())
    assert state.exists()


def accuracy_of(out):
    return float(out.rsplit("own: ", 1)[1].split("%")[0])


def test_two_ranks_train_as_well_as_one(tmp_path):
    words, environment = command(tmp_path, "--epochs", "5")
    ranks = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "--",
    ]  # its own --n... is ambiguous
    two = subprocess.run(
        [*ranks, *words], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert two.stdout.count("epoch   5/5") == 1
    one = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    # 500 test images: three standard errors of the difference at 85 % are 7 points.
    assert accuracy_of(two.stdout) == pytest.approx(accuracy_of(one.stdout), abs=7)
    assert accuracy_of(two.stdout) > 70


def test_a_killed_rank_leaves_a_resumable_state(tmp_path):
    words, environment = command(tmp_path, "--epochs", "500")
    state = tmp_path / "home" / "runs" / "own.safetensors"
    ranks = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "--",
    ]  # its own --n... is ambiguous
    pipe = subprocess.PIPE
    with subprocess.Popen([*ranks, *words], env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        until(state.exists, process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    run = runs.read(state)
    assert run.done
    tensors = runs.read_tensors(state, run.shapes)
    assert run.description.world == 2
    assert all(value.isfinite().all() for key, value in tensors.items() if key.startswith("model."))
