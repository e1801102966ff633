"""core.train: a recipe learns, the same seed gives the same bits, and a checkpoint is written whole or not at all."""

import dataclasses
import hashlib
import json
import resource

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from core import data, models
from core.models import Card
from core.models.networks import initialise
from core.train import Recipe, Training, accuracy, loop, save

CARD = Card(
    name="small", title="A small one", dataset="mnist", network="c4", loss="cross-entropy", input_shape=(1, 28, 28),
    classes=10, mean=(0.13,), std=(0.31,), sha256="0" * 64,
)  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return data.gallery.read("mnist")


@pytest.fixture(autouse=True)
def gallery_as_data(monkeypatch, digits):
    """Train on the first 500 images of the gallery, test on the others."""

    def load(name, split="test", n=None, seed=0):
        assert name == "mnist"
        part = digits[:500] if split == "train" else digits[500:]
        return part[data.imageset.draw(n, len(part), seed)]

    monkeypatch.setattr(loop, "load", load)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A machine whose user's checkpoints lie in tmp_path."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    yield tmp_path / "checkpoints"
    monkeypatch.undo()
    models.refresh()


def untrained(seed=0):
    model = models.build(CARD)
    initialise(model, torch.Generator().manual_seed(seed))
    return model.eval()


@pytest.fixture(scope="module")
def learned(digits):
    """One short training: the training, its epochs, what `on_batch` heard."""
    heard = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "load", lambda name, split, **_: digits[:500] if split == "train" else digits[500:])
        recipe = Recipe(epochs=5, batch_size=50, seed=3)
        training = Training("c4", "mnist", recipe, "learned", on_batch=lambda *count: heard.append(count))
        epochs = list(training)
    return training, epochs, heard


def test_it_learns(learned, digits):
    training, epochs, heard = learned
    assert [(epoch.index, epoch.total) for epoch in epochs] == [(i, 5) for i in range(1, 6)]
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert epochs[-1].accuracy > 0.8
    assert accuracy(training.model, digits.images[500:], digits.labels[500:]) == epochs[-1].accuracy
    assert training.final_accuracy == epochs[-1].accuracy
    assert heard == [(i, 50) for i in range(1, 51)]
    assert not training.model.training


def test_the_learning_rate_ends_its_cycle_near_zero(learned):
    training, *_ = learned
    assert training.schedule.get_last_lr()[0] < 0.01 * training.recipe.learning_rate


def test_the_card_says_how_it_was_made(learned, home):
    training, epochs, _ = learned
    card = training.save(home)
    assert (card.recipe, card.seed) == (training.recipe.values(), 3)
    assert card.source.endswith("--network c4 --dataset mnist --name learned --epochs 5 --batch-size 50 --seed 3")
    assert (card.accuracy.n, card.accuracy.split) == (500, "test")
    assert card.accuracy.value >= epochs[-1].accuracy
    assert card.classes == 10
    assert card.mean == pytest.approx((0.13,), abs=0.01)
    assert card.std == pytest.approx((0.31,), abs=0.01)


def test_the_accuracy_on_the_card_is_that_of_the_loaded_model(learned, home, digits):
    card = learned[0].save(home)
    model = models.load("learned", "cpu")
    assert model.card == card
    assert accuracy(model, digits.images[500:], digits.labels[500:]) == card.accuracy.value


def trained(**changes):
    training = Training("c4", "mnist", Recipe(epochs=1, batch_size=64, n=128, **changes), "x")
    torch.rand(7)  # the global stream must not matter
    (epoch,) = training
    return epoch, training.model.state_dict()


def test_the_same_seed_gives_the_same_bits():
    (first, weights), (second, again), (_, other) = trained(seed=1), trained(seed=1), trained(seed=2)
    assert (first.loss, first.accuracy) == (second.loss, second.accuracy)
    assert all(torch.equal(weights[key], again[key]) for key in weights)
    assert not torch.equal(weights["head.weight"], other["head.weight"])


@pytest.mark.parametrize("changes", [{"shift": 0}, {"label_smoothing": 0.2}, {"weight_decay": 1.0}])
def test_every_part_of_the_recipe_counts(changes):
    assert not torch.equal(trained()[1]["head.weight"], trained(**changes)[1]["head.weight"])


def test_weight_decay_leaves_biases_alone():
    training = Training("c4", "mnist", Recipe(weight_decay=0.5), "x")
    decay = {p: group["weight_decay"] for group in training.optimiser.param_groups for p in group["params"]}
    assert {(name.endswith("bias"), decay[p]) for name, p in training.model.named_parameters()} == {
        (True, 0.0),
        (False, 0.5),
    }


def test_a_single_batch_is_enough():
    (epoch,) = Training("c4", "mnist", Recipe(epochs=1, n=1, batch_size=8192), "x")
    assert epoch.loss > 0


def test_shifted_moves_each_image_by_its_own_whole_pixels():
    images = torch.rand(200, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    moved = loop.shifted(images, 2, torch.Generator().manual_seed(1))
    padded = F.pad(images, (2, 2, 2, 2))
    offsets = set()
    for before, after in zip(padded, moved, strict=True):
        matches = [(y, x) for y in range(5) for x in range(5) if torch.equal(before[:, y : y + 5, x : x + 4], after)]
        assert len(matches) == 1
        offsets.add(matches[0])
    assert len(offsets) == 25
    assert loop.shifted(images, 0, torch.Generator()) is images
    assert torch.equal(moved, loop.shifted(images, 2, torch.Generator().manual_seed(1)))


def test_accuracy_counts():
    model = torch.nn.Linear(2, 2, bias=False)
    model.weight.data = torch.eye(2)
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert accuracy(model, x, torch.tensor([0, 1, 1])) == pytest.approx(2 / 3)
    assert accuracy(model, x, torch.tensor([0, 1, 1]), batch_size=2) == pytest.approx(2 / 3)


def test_float16_is_kept_where_it_costs_nothing(home, digits):
    save(untrained(), CARD, home, digits.images[:200], digits.labels[:200])
    assert {value.dtype for value in load_file(home / "small" / "weights.safetensors").values()} == {torch.float16}


def test_float32_is_kept_where_float16_would_cost_accuracy(home, digits):
    model = untrained()
    labels = model(digits.images[:200]).argmax(1)  # the model is right on all of these ...
    model.head.weight.data.mul_(1e6)  # ... but beyond the range of float16
    card = save(model, CARD, home, digits.images[:200], labels)
    assert card.accuracy.value == 1
    assert {value.dtype for value in load_file(home / "small" / "weights.safetensors").values()} == {torch.float32}
    assert accuracy(models.load("small", "cpu"), digits.images[:200], labels) == 1


def test_saving_leaves_the_model_as_it_was(home, digits):
    model = untrained()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    save(model, CARD, home, digits.images[:10], digits.labels[:10])
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_checkpoint_is_two_files_and_the_hash_is_that_of_the_weights(home, digits):
    card = save(untrained(), CARD, home, digits.images[:10], digits.labels[:10])
    assert sorted(path.name for path in (home / "small").iterdir()) == ["card.json", "weights.safetensors"]
    assert card.sha256 == hashlib.sha256((home / "small" / "weights.safetensors").read_bytes()).hexdigest()
    assert Card.read(home / "small" / "card.json") == card
    assert (
        json.loads((home / "small" / "card.json").read_text())["versions"]["torch"] == torch.__version__.split("+")[0]
    )


@pytest.fixture
def full_disk():
    """No file of this process may grow beyond 100 kB: the write stops half way, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_half_written(home, digits, full_disk):
    with pytest.raises(ValueError, match=r"the checkpoint cannot be written to .*small \(.+\); free some space\.$"):
        save(untrained(), CARD, home, digits.images[:10], digits.labels[:10])
    assert not any(path.is_file() for path in home.rglob("*"))


def test_a_full_disk_leaves_the_old_checkpoint_whole(home, digits, request):
    save(untrained(0), CARD, home, digits.images[:10], digits.labels[:10])
    before = models.load("small", "cpu").head.weight
    request.getfixturevalue("full_disk")
    with pytest.raises(ValueError, match="free some space"):
        save(untrained(1), CARD, home, digits.images[:10], digits.labels[:10])
    assert torch.equal(models.load("small", "cpu").head.weight, before)
    assert len(list((home / "small").iterdir())) == 2


@pytest.mark.parametrize("name", ["", "../escape", "a/b", ".hidden", "two words", "x\n"])
def test_a_name_that_is_no_folder_is_refused(name):
    with pytest.raises(ValueError, match="name must be letters, digits"):
        Training("c4", "mnist", Recipe(), name)


def test_a_network_that_does_not_take_the_images_is_refused(monkeypatch, digits):
    wide = dataclasses.replace(digits[:10], images=torch.rand(10, 3, 32, 32))
    monkeypatch.setattr(loop, "load", lambda *_, **__: wide)
    with pytest.raises(ValueError, match=r"x: c4 does not take images of shape \(3, 32, 32\); choose another\.$"):
        Training("c4", "cifar10", Recipe(), "x")


def test_more_images_than_there_are_are_refused():
    with pytest.raises(ValueError, match="n must be from 1 to 500"):
        Training("c4", "mnist", Recipe(n=501), "x")
