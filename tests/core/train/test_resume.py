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

from core import data, models
from core.__main__ import main
from core.losses import LOSSES, GraphSmoothness
from core.params import fields
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


@pytest.mark.parametrize(
    ("name", "optimiser"),
    [
        pytest.param(
            name, optimiser, marks=[pytest.mark.slow] * (name != "cross-entropy" and optimiser not in ("adamw", "muon"))
        )
        for name in ("cross-entropy", "graph-smoothness", "center-loss")
        for optimiser in ("adamw", "adam", "sgd", "rmsprop", "muon")
    ],
)
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, optimiser, name):
    flips = {"flip": True, "alternate": True} if optimiser == "muon" else {}
    recipe = RECIPE.replace(optimiser=optimiser, learning_rate=0.002, schedule="one-cycle", **flips)
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


def test_whitening_is_of_the_run_not_of_the_pictures_that_lie_there_later(tmp_path):
    state, arguments = tmp_path / "run.safetensors", {"width": 0.0625}
    first = Training("whitened-cnn", "mnist", RECIPE.replace(optimiser="muon"), "run", None, arguments, state)
    next(iter(first))
    again = resume(state, "renamed")
    same(bits(first), bits(again))
    begun = Training("whitened-cnn", "mnist", RECIPE.replace(epochs=1), "other", None, arguments)
    assert torch.equal(begun.model.network.whitening.weight, again.model.network.whitening.weight)


def test_a_run_is_resumed_from_its_state_alone(tmp_path):
    state = tmp_path / "run.safetensors"
    first = Training("fc2", "mnist", RECIPE.replace(schedule="steps"), "run", state=state)
    next(iter(first))
    other = resume(state, "renamed")
    assert (other.card.name, other.recipe, other.done) == ("renamed", first.recipe, 1)
    same(bits(first), bits(other))


def test_a_state_of_before_a_parameter_was_added_is_gone_on_with(tmp_path):
    state = tmp_path / "run.safetensors"
    first = Training("fc2", "mnist", RECIPE, "run", state=state)
    next(iter(first))
    found = runs.read(state)
    older = found.description.model_dump(mode="json")
    for name in ("sigma_g", "sources"):
        del older["card"]["recipe"][name]
    runs.write(state, runs.read_tensors(state, found.shapes), older)
    again = Training("fc2", "mnist", RECIPE, "run", state=state)
    assert again.done == 1
    same(bits(first), bits(again))
    with pytest.raises(ValueError, match="is the state of a run with other settings"):
        Training("fc2", "mnist", RECIPE.replace(sigma_g=1.0), "run", state=state)


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


@pytest.mark.slow
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


@pytest.mark.slow
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


# --- what is set otherwise on the way ---------------------------------------------------------------------------------

CHANGES = {3: ("learning_rate", 0.001), 4: ("alpha", 5.0), 8: ("learning_rate", 0.02)}
"""Steps taken by then, of 12 -> what is changed. Step 4 ends an epoch."""
GRAPH = GraphSmoothness(dim=2, alpha=2.0, references=20)


def changed(training, changes=CHANGES, until=None):
    """Train on, and change what is to be changed, as a person does between two steps."""
    rates = {}
    for event in training.steps():
        if isinstance(event, Batch):
            rates[event.done] = training.optimiser.param_groups[0]["lr"]
            if event.done in changes:
                training.change(*changes[event.done])
        elif event.index == until:
            break
    return rates


@pytest.mark.parametrize("schedule", ["one-cycle", "steps", "constant"])
def test_a_rate_that_is_changed_scales_what_is_left_of_the_schedule(schedule):
    recipe = RECIPE.replace(schedule=schedule, adversarial="none")
    plain, other = (Training("fc2", "mnist", recipe, "run", GRAPH) for _ in range(2))
    before, after = changed(plain, {}), changed(other, {5: ("learning_rate", recipe.learning_rate / 4)})
    assert [after[step] / before[step] for step in range(1, 6)] == [1] * 5
    assert [after[step] / before[step] for step in range(6, 13)] == pytest.approx([0.25] * 7, abs=1e-6)
    assert other.rate == recipe.learning_rate / 4


def test_what_was_changed_is_in_the_card_and_its_command_does_it_again(tmp_path):
    live = Training("fc2", "mnist", RECIPE, "run", GRAPH)
    changed(live)
    told = [(change.step, change.parameter, change.value) for change in live.card.changes]
    assert told == [(step, *change) for step, change in CHANGES.items()]
    assert live.card.recipe["learning_rate"] == RECIPE.learning_rate  # how it began
    assert live.loss.alpha == 5.0
    card = live.save(tmp_path)
    words = " --change 3:learning_rate=0.001 --change 4:alpha=5.0 --change 8:learning_rate=0.02"
    assert words in card.source
    assert card.__class__.read(tmp_path / "run" / "card.json").changes == live.card.changes
    again = Training("fc2", "mnist", RECIPE, "run", GRAPH, changes=card.changes)
    same(bits(live), bits(drained(again)))
    assert again.card.changes == card.changes
    unchanged = Training("fc2", "mnist", RECIPE, "run", GRAPH)
    assert not torch.equal(*(each.model.head.references for each in (live, drained(unchanged))))


def drained(training):
    list(training)
    return training


@pytest.mark.parametrize("until", [1, 2])
def test_a_run_that_was_changed_is_resumed_as_it_was(tmp_path, until):
    whole = Training("fc2", "mnist", RECIPE, "run", GRAPH)
    changed(whole)
    state = tmp_path / "run.safetensors"
    changed(Training("fc2", "mnist", RECIPE, "run", GRAPH, state=state), until=until)
    rest = resume(state, "run")
    made = [step for step in CHANGES if step <= 4 * until]
    assert [change.step for change in rest.card.changes] == made
    changed(rest)
    same(bits(whole), bits(rest))
    assert rest.card.changes == whole.card.changes
    assert rest.card.source == whole.card.source
    # The command with all of its changes goes on as well; one with others does not.
    changed(Training("fc2", "mnist", RECIPE, "run", GRAPH, state=state), until=until + 1)
    same(
        bits(whole),
        bits(drained(Training("fc2", "mnist", RECIPE, "run", GRAPH, state=state, changes=whole.card.changes))),
    )
    with pytest.raises(ValueError, match="is the state of a run with other settings"):
        Training("fc2", "mnist", RECIPE, "run", GRAPH, state=state, changes=whole.card.changes[1:])


def test_a_state_with_changes_that_cannot_be_is_refused(tmp_path):
    state = tmp_path / "run.safetensors"
    changed(Training("fc2", "mnist", RECIPE, "run", GRAPH, state=state), until=1)
    run = runs.read(state)
    tensors = load_file(state)
    for change in (
        {"step": 3, "parameter": "learning_rate", "value": -1.0},
        {"step": 3, "parameter": "dim", "value": 3},
        {"step": 9, "parameter": "learning_rate", "value": 0.1},
        {"step": 3, "parameter": "learning_rate", "value": "fast"},
    ):
        runs.write(state, tensors, run.description.model_dump(mode="json") | {"changes": [change]})
        with pytest.raises(ValueError, match="is not the state of a run"):
            resume(state, "run")


def test_only_what_leaves_the_network_as_it_is_can_be_changed():
    training = Training("fc2", "mnist", RECIPE, "run", GRAPH)
    with pytest.raises(ValueError, match="learning_rate and alpha and k can be changed; dim cannot"):
        training.change("dim", 3)
    with pytest.raises(ValueError, match="learning_rate must be greater than 0"):
        training.change("learning_rate", 0.0)
    assert training.card.changes == ()
    for loss in LOSSES.values():
        first = loss()
        for name in loss.changeable:
            declared = next(info for info in fields(loss) if info.name == name)
            other = first.replace(**{name: declared.slider[1] if declared.slider else declared.high / 2})
            assert first.layout(10, 30) == other.layout(10, 30), name


def test_the_command_line_takes_changes(tmp_path, capsys):
    common = ["train", "--network", "fc2", "--name", "own", "--out", str(tmp_path), "--n", "200", "--batch-size", "50"]
    common += ["--epochs", "1", "--loss", "cross-entropy"]
    changes = ["--change", "1:learning_rate=0.001", "--change", "2:label_smoothing=0.1"]
    assert main([*common, *changes]) == 0
    told = models.Card.read(tmp_path / "own" / "card.json").changes
    assert [str(change) for change in told] == changes[1::2]
    for wrong, said in (
        (["--change", "2:dim=2"], "--change can set learning_rate and label_smoothing of this training; got dim."),
        (["--change", "2:learning_rate=-1"], "learning_rate must be greater than 0"),
        (["--change", "2:learning_rate=1", "--change", "1:learning_rate=2"], "in the order of the steps"),
    ):
        assert main([*common, *wrong]) != 0
        assert said in capsys.readouterr().err
