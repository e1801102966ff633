"""Whatever lies where runs are kept, it is gone on with or one sentence says why not."""

import json
import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from core.train import Recipe, Training, resume, runs
from tests.hostile import sparse

RECIPE = Recipe(epochs=3, n=100, batch_size=25, sample=10, test_n=50)
OPTIMISERS = ["adamw", "adam", "sgd", "rmsprop"]


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """A state after one of three epochs, for each optimiser and each schedule."""
    folder = tmp_path_factory.mktemp("states")
    schedules = dict(zip(OPTIMISERS, ["one-cycle", "constant", "steps", "one-cycle"], strict=True))
    for optimiser, schedule in schedules.items():
        recipe = RECIPE.replace(optimiser=optimiser, schedule=schedule, learning_rate=0.003)
        next(iter(Training("fc2", "mnist", recipe, optimiser, state=folder / f"{optimiser}.safetensors")))
    return folder


@pytest.fixture(scope="module")
def whole(states):
    """Tensors and description of one."""
    return opened(states / "adamw.safetensors")


def opened(path):
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["run"])


def put(path, tensors, description):
    text = description if isinstance(description, str) else json.dumps(description)
    save_file(tensors, path, {"run": text})


def said(path):
    with pytest.raises(ValueError, match="is not the state of a run") as caught:
        resume(path, "x")
    assert str(caught.value) == f"{path.name} is not the state of a run; delete it and train anew."
    assert type(caught.value) is ValueError


def test_what_was_not_touched_goes_on(states, tmp_path):
    for name in OPTIMISERS:
        path = tmp_path / f"{name}.safetensors"
        put(path, *opened(states / path.name))
        training = resume(path, "again")
        assert training.done == 1
        assert [epoch.index for epoch in training] == [2, 3]


FILES = {
    "empty": Path.touch,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "nowhere": lambda path: path.symlink_to("none"),
    "round": lambda path: path.symlink_to(path),
    "text": lambda path: path.write_text("not at all"),
    "json": lambda path: path.write_text('{"card": {}}'),
    "pickle": lambda path: path.write_bytes(b"\x80\x04cposix\nsystem\n."),
    "terabyte": sparse(10**12),
    "zeros": sparse(10**8),
    "long-header": lambda path: path.write_bytes((2**62).to_bytes(8, "little") + b"{}"),
    "deep-header": lambda path: path.write_bytes((100_000).to_bytes(8, "little") + b'{"a":' * 20_000),
    "no-run": lambda path: save_file({"a": torch.zeros(1)}, path),
    "metadata-list": lambda path: path.write_bytes((22).to_bytes(8, "little") + b'{"__metadata__":["a"]}'),
}


@pytest.mark.parametrize("kind", list(FILES))
def test_a_file_of_another_kind_is_refused(tmp_path, kind):
    path = tmp_path / "run.safetensors"
    FILES[kind](path)
    with pytest.raises(ValueError, match=r"^run\.safetensors is not the state of a run; delete it and train anew\.$"):
        runs.read(path)
    said(path)


@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.999])
def test_a_state_that_was_cut_is_refused(states, tmp_path, part):
    content = (states / "adamw.safetensors").read_bytes()
    path = tmp_path / "run.safetensors"
    path.write_bytes(content[: int(part * len(content))])
    said(path)


def entries(**changes):
    return lambda description: description | changes


def of_card(**changes):
    return lambda description: description | {"card": description["card"] | changes}


def of_recipe(**changes):
    return lambda description: of_card(recipe=description["card"]["recipe"] | changes)(description)


def of_group(**changes):
    return lambda description: description | {"groups": [description["groups"][0] | changes, description["groups"][1]]}


def of_schedule(**changes):
    return lambda description: description | {"schedule": description["schedule"] | changes}


def without(*path):
    def change(description):
        changed = json.loads(json.dumps(description))
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
        return changed

    return change


DESCRIPTIONS = {
    "nothing": lambda description: "",
    "cut": lambda description: json.dumps(description)[:-9],
    "deep": lambda description: "[" * 100_000,
    "deep-inside": lambda description: json.dumps(description)[:-1] + ', "groups": ' + "[" * 400 + "]" * 400 + "}",
    "list": lambda description: [description],
    "number": lambda description: "3",
    "extra": entries(surprise=1),
    "no-card": without("card"),
    "card-list": entries(card=["mnist"]),
    "card-name": of_card(name="/etc/passwd"),
    "card-extra": of_card(surprise=[1]),
    "network": of_card(network="vit"),
    "data": of_card(dataset="photos"),
    "data-other": of_card(dataset="cifar10"),
    "shape": of_card(input_shape=[1, 3000, 3000]),
    "classes": of_card(classes=11),
    "loss": of_card(loss="triplet"),
    "loss-arguments": of_card(loss_arguments={"dim": "two"}),
    "head": of_card(embedding=10**12),
    "recipe": of_card(recipe="ten seconds"),
    "recipe-unknown": of_recipe(patience=3),
    "recipe-list": of_recipe(adversarial=["fgsm"]),
    "recipe-bounds": of_recipe(epochs=10**9),
    "world": entries(world=0),
    "world-word": entries(world="one"),
    "history-word": entries(history="long"),
    "history-numbers": entries(history=[1, 2]),
    "history-lacking": without("history", 0, "loss"),
    "history-index": entries(history=[{"index": 7, "total": 3, "loss": 1.0, "accuracy": 0.5, "seconds": 1.0}]),
    "history-total": entries(history=[{"index": 1, "total": 9, "loss": 1.0, "accuracy": 0.5, "seconds": 1.0}]),
    "history-long": entries(
        history=[{"index": i, "total": 3, "loss": 1.0, "accuracy": 0.5, "seconds": 1.0} for i in range(1, 9)]
    ),
    "history-none": entries(history=[]),
    "optimiser": entries(optimiser=[]),
    "optimiser-name": entries(optimiser={"first": {"step": 1}}),
    "optimiser-number": entries(optimiser={"77": {"step": 1}}),
    "groups-none": entries(groups=[]),
    "groups-word": entries(groups="two"),
    "group-params": of_group(params=[0, 0, 0]),
    "group-no-params": without("groups", 0, "params"),
    "group-no-rate": without("groups", 0, "lr"),
    "group-rate": of_group(lr="fast"),
    "group-betas": of_group(betas=[0.9]),
    "group-betas-beyond": of_group(betas=[0, 2]),
    "group-decay": of_group(weight_decay=3.0),
    "group-extra": of_group(hook="os.system"),
    "group-fused": of_group(fused=True),
    "schedule-none": entries(schedule={}),
    "schedule-word": of_schedule(last_epoch="four"),
    "schedule-late": of_schedule(last_epoch=400),
    "schedule-total": of_schedule(total_steps=1),
    "schedule-phases": of_schedule(_schedule_phases=[]),
    "schedule-rates": of_schedule(_last_lr=[1]),
    "schedule-extra": of_schedule(_anneal_func="x"),
}


@pytest.mark.parametrize("kind", list(DESCRIPTIONS))
def test_a_state_of_another_run_is_refused(whole, tmp_path, kind):
    tensors, description = whole
    path = tmp_path / "run.safetensors"
    put(path, tensors, DESCRIPTIONS[kind](description))
    said(path)


def test_the_run_may_have_diverged(whole, tmp_path):
    tensors, description = whole
    lost = [description["history"][0] | {"loss": float("nan"), "accuracy": float("inf")}]
    put(tmp_path / "run.safetensors", tensors, description | {"history": lost})
    assert resume(tmp_path / "run.safetensors", "x").done == 1


TENSORS = {
    "none": lambda tensors: {"generator": None},
    "weights-shape": lambda tensors: {"model.head.bias": torch.zeros(11)},
    "weights-lacking": lambda tensors: {"model.head.bias": None},
    "weights-extra": lambda tensors: {"model.evil": torch.zeros(1)},
    "weights-kind": lambda tensors: {"model.head.bias": torch.zeros(10, dtype=torch.int64)},
    "generator-lacking": lambda tensors: {"generator": None},
    "generator-short": lambda tensors: {"generator": torch.zeros(3, dtype=torch.uint8)},
    "generator-kind": lambda tensors: {"generator": tensors["generator"].view(torch.int8)},
    "generator-values": lambda tensors: {"generator": torch.full((5056,), 255, dtype=torch.uint8)},
    "optimiser-shape": lambda tensors: {"optimiser.0.exp_avg": torch.zeros(3, 3)},
    "optimiser-number": lambda tensors: {"optimiser.99.exp_avg": torch.zeros(3, 3)},
    "optimiser-word": lambda tensors: {"optimiser.one.exp_avg": torch.zeros(())},
    "optimiser-digits": lambda tensors: {f"optimiser.{'9' * 5000}.step": torch.zeros(())},
    "optimiser-zero": lambda tensors: {"optimiser.00.step": torch.zeros(())},
    "kept-shape": lambda tensors: {"kept.0.features": torch.zeros(10, 7)},
    "kept-rows": lambda tensors: {"kept.0.features": torch.zeros(9, 150)},
    "kept-half": lambda tensors: {"kept.0.predictions": None},
    "kept-kind": lambda tensors: {"kept.0.predictions": torch.zeros(10)},
    "kept-word": lambda tensors: {"kept.one.features": torch.zeros(10, 150)},
    "kept-extra": lambda tensors: {"kept.0.surprise": torch.zeros(10)},
    "stranger": lambda tensors: {"stranger": torch.zeros(1)},
}


@pytest.mark.parametrize("kind", list(TENSORS))
def test_wrong_tensors_are_refused(whole, tmp_path, kind):
    tensors, description = whole
    changed = tensors | TENSORS[kind](tensors)
    path = tmp_path / "run.safetensors"
    put(path, {key: value for key, value in changed.items() if value is not None}, description)
    said(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_json_in_a_description_is_gone_on_with_or_refused(whole, tmp_path, data):
    tensors, description = whole
    changed = json.loads(json.dumps(description))
    inner = changed
    for _ in range(data.draw(st.integers(0, 2))):
        keys = [
            k for k in (inner if isinstance(inner, dict) else range(len(inner))) if isinstance(inner[k], dict | list)
        ]
        if keys:
            inner = inner[data.draw(st.sampled_from(keys))]
    if inner:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        inner[key] = data.draw(JSON)
    path = tmp_path / "run.safetensors"
    put(path, tensors, changed)
    try:
        training = resume(path, "x")
    except ValueError as error:
        words = str(error)
    else:
        next(iter(training))
        return
    assert "\n" not in words
    assert words.endswith(".")
    assert str(tmp_path) not in words


def test_what_cannot_be_a_run_is_not_listed(tmp_path, monkeypatch, states):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    folder = tmp_path / "runs"
    assert (runs.listing(), runs.names()) == ({}, set())
    folder.mkdir()
    content = (states / "sgd.safetensors").read_bytes()
    for name in ("own", "two words", "x" * 150, os.fsdecode(b"\xff\xfe"), "a\nb"):
        (folder / f"{name}.safetensors").write_bytes(content)
    (folder / "folder.safetensors").mkdir()
    os.mkfifo(folder / "pipe.safetensors")
    (folder / "nowhere.safetensors").symlink_to("none")
    (folder / "under-way.lock").touch()
    assert runs.listing() == {"own": folder / "own.safetensors"}
    assert {"own", "folder", "pipe", "under-way"} <= runs.names()
    assert runs.read(folder / "own.safetensors").done == 1
