"""Whatever a checkpoint is, it loads or one sentence says why not, and nothing of it was allocated or waited for."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import data, losses, models
from core.models import assembly, header
from tests import hostile


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    models.refresh()
    yield tmp_path
    monkeypatch.undo()
    models.refresh()


def sentence(call, name):
    with pytest.raises(ValueError, match=name) as caught:
        call(name)
    said = str(caught.value)
    assert type(caught.value) is ValueError
    assert "\n" not in said
    assert said.endswith(".")
    assert len(said) < 400
    return said


@pytest.mark.parametrize("name", list(hostile.UNUSABLE))
def test_an_unusable_checkpoint_is_listed_with_one_sentence_and_the_others_work(home, name):
    damage, words = hostile.UNUSABLE[name]
    hostile.put(home, name, damage)
    hostile.put(home, "good", lambda folder: None)
    usable, unusable = models.survey()
    assert list(unusable) == [name]
    assert words in unusable[name]
    assert str(home) not in unusable[name]
    assert "good" in usable
    assert name not in models.cards()
    assert sentence(models.card, name) == unusable[name]
    if name in hostile.OWN_DATA:
        assert models.load(name, "cpu").card.dataset not in (*data.DATASETS.keys() - {"photos"}, "imagenet")
    else:
        assert sentence(models.load, name)
    assert models.load("good", "cpu").card.name == "good"


@pytest.mark.parametrize("name", list(hostile.LOADED))
def test_what_only_the_values_tell_is_said_on_loading(home, name):
    damage, words = hostile.LOADED[name]
    hostile.put(home, name, damage)
    assert name in models.cards()
    assert words in sentence(models.load, name)


@pytest.mark.parametrize("name", list(hostile.KEPT))
def test_a_damaged_past_is_said_and_the_network_loads(home, name):
    hostile.put(home, name, hostile.KEPT[name])
    said = sentence(models.kept_features, name)
    assert said.startswith(f"{name}: its embeddings.safetensors is ")
    assert said.endswith("; get the checkpoint again, or delete that file.")
    assert models.load(name, "cpu").card.name == name


@pytest.mark.parametrize("name", list(hostile.HARMLESS))
def test_what_is_odd_but_works_is_used(home, name):
    hostile.put(home, name, hostile.HARMLESS[name])
    assert name in models.cards()
    assert models.load(name, "cpu").card.name == name
    assert models.kept_features(name) is not None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("loss-unknown", "unknown loss 'triplet'; known are cross-entropy,"),
        ("loss-arguments", "loss graph-smoothness: alpha"),
        ("loss-bounds", "loss graph-smoothness: alpha must be "),
    ],
)
def test_a_loss_that_cannot_be_is_said(home, name, words):
    hostile.put(home, name, hostile.HARMLESS[name])
    with pytest.raises(ValueError, match=f"^{name}") as caught:
        losses.trained_with(models.card(name))
    assert words in str(caught.value)


def test_every_shipped_checkpoint_tells_its_loss():
    for card in models.cards().values():
        assert losses.trained_with(card).name == card.loss


@pytest.mark.parametrize("name", hostile.NAMES)
def test_a_folder_that_cannot_name_a_checkpoint_is_no_model_and_is_said(home, name):
    shutil.copytree(hostile.GOOD, home / "checkpoints" / name)
    usable, unusable = models.survey()
    assert name not in usable
    assert name not in models.MODELS
    (said,) = unusable.values()
    assert said.endswith("cannot be the name of a checkpoint; rename its folder.")
    assert said.isprintable()
    assert len(said) < 150


def test_a_checkpoint_with_a_shipped_name_is_said_to_be_hidden(home):
    shutil.copytree(hostile.GOOD, home / "checkpoints" / hostile.GOOD.name)
    usable, unusable = models.survey()
    assert unusable == {
        hostile.GOOD.name: f"{hostile.GOOD.name}: a network that comes with the project has this name; rename your own."
    }
    assert usable[hostile.GOOD.name] == models.card(hostile.GOOD.name)
    assert models.MODELS[hostile.GOOD.name] == hostile.GOOD


def test_large_images_of_an_unknown_data_set_are_refused_before_they_are_tried(home):
    hostile.put(home, "own", hostile.card(dataset="own", network="preactresnet18", input_shape=[3, 4000, 4000]))
    model = models.build(models.Card.read(home / "checkpoints" / "own" / "card.json"))
    hostile.save_file(model.state_dict(), home / "checkpoints" / "own" / "weights.safetensors")
    hostile.vouch(home / "checkpoints" / "own")
    assert "images of shape (3, 4000, 4000) are larger than are taken here" in sentence(models.load, "own")


PEAK = """
import resource, sys
from core import models
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in models.survey()[1]:
    try:
        models.load(name)
    except ValueError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_nothing_is_allocated_for_what_is_refused(home):
    """A process that lists all of them and tries to load each grows by less than 150 MB; one alone cost 1.4 GB."""
    hostile.put_all(home)
    root = Path(assembly.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", PEAK], cwd=root, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150


def test_a_weight_file_is_not_read_to_be_listed(home, monkeypatch):
    hostile.put(home, "good", lambda folder: None)
    sizes = []
    real = header.careful.read_bytes
    monkeypatch.setattr(header.careful, "read_bytes", lambda *a: (sizes.append(len(real(*a)[0])), real(*a))[1])
    assert "good" in models.cards()
    assert max(sizes) <= 65_536


def test_what_takes_a_second_to_import_is_not_needed_to_list():
    """Every start of a server and every command lists; some of PyTorch's functions import SymPy on the device meta."""
    listing = "import sys; from core import models; print(len(models.survey()[0]), 'sympy' in sys.modules)"
    root = Path(assembly.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", listing], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(models.survey()[0])} False\n"


def test_what_a_checkpoint_becomes_after_it_was_listed_is_seen(home, monkeypatch):
    """Files that have been there for long are asked again only when they change (`careful.kept`)."""
    hostile.put(home, "good", lambda folder: None)
    folder, now = home / "checkpoints" / "good", time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    facts = json.loads((folder / "card.json").read_text())
    assert models.cards()["good"].title == facts["title"]
    time.sleep(0.02)
    hostile.write_card(folder, json.dumps(facts | {"title": "Another"}).encode())
    assert models.cards()["good"].title == "Another"
    time.sleep(0.02)
    (folder / "weights.safetensors").write_bytes(b"none")
    assert models.survey()[1] == {"good": sentence(models.card, "good")}
    time.sleep(0.02)
    (folder / "weights.safetensors").unlink()
    assert "cannot be read" in sentence(models.card, "good")


def test_a_header_longer_than_a_page_is_read_whole(tmp_path):
    names = {f"layer.{i}.{'x' * 200}": hostile.torch.zeros(1) for i in range(400)}
    hostile.save_file(names, tmp_path / "long.safetensors")
    assert header.read(tmp_path / "long.safetensors", 10**6).shapes == header.shapes(names)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
FACTS = json.loads((hostile.GOOD / "card.json").read_text())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(sorted(FACTS)) | st.text(max_size=8), JSON, min_size=1, max_size=3))
def test_any_json_in_a_card_is_used_or_refused_in_one_sentence(home, changes):
    folder = home / "checkpoints" / "any"
    if not folder.exists():
        hostile.put(home, "any", lambda folder: None)
        models.refresh()
    hostile.write_card(folder, json.dumps(FACTS | {"name": "any"} | changes).encode())
    said = complaint(lambda: (models.load("any", "cpu"), losses.trained_with(models.card("any"))))
    assert said is None or said.startswith("any")


def complaint(call):
    """What a ValueError said, which is one sentence; None if there was none."""
    try:
        call()
    except ValueError as error:
        words = str(error)
    else:
        return None
    assert "\n" not in words
    assert words.endswith(".")
    return words


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_as_weights_are_refused_in_one_sentence(home, content):
    folder = home / "checkpoints" / "any"
    if not folder.exists():
        hostile.put(home, "any", lambda folder: None)
    (folder / "weights.safetensors").write_bytes(content)
    hostile.vouch(folder)
    models.refresh()
    assert "weights.safetensors is not a safetensors file" in sentence(models.card, "any")
    sentence(models.load, "any")
