"""core.train: a recipe learns, the same seed gives the same bits, and a checkpoint is written whole or not at all."""

import dataclasses
import hashlib
import json
import math
import resource

import pytest
import torch
from safetensors.torch import load_file

from core import data, models
from core.attacks import ATTACKS, run
from core.losses import LOSSES, CrossEntropy, GraphSmoothness, MaxMahalanobis, hierarchical_centers
from core.models import Accuracy, Card
from core.models.networks import initialise
from core.params import fields
from core.train import Batch, Epoch, Recipe, Training, accuracy, loop, resume, save
from tests.problems import uniform

CARD = Card(
    name="small",
    title="A small one",
    dataset="mnist",
    network="c4",
    loss="cross-entropy",
    input_shape=(1, 28, 28),
    classes=10,
    mean=(0.13,),
    std=(0.31,),
    sha256="0" * 64,
)


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
    monkeypatch.setattr(data.DATASETS["mnist"].__class__, "installed", lambda dataset: True)


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
    """One short training: the training, its epochs, the batches between them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "load", lambda name, split, **_: digits[:500] if split == "train" else digits[500:])
        recipe = Recipe(epochs=5, batch_size=50, seed=3, sample=40, sample_every=2)
        training = Training("c4", "mnist", recipe, "learned")
        events = list(training.steps())
    return training, [e for e in events if isinstance(e, Epoch)], [e for e in events if isinstance(e, Batch)]


def test_it_learns(learned, digits):
    training, epochs, batches = learned
    assert [(epoch.index, epoch.total) for epoch in epochs] == [(i, 5) for i in range(1, 6)]
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert epochs[-1].accuracy > 0.8
    # The epochs' accuracy is that of bfloat16.
    assert accuracy(training.model, digits.images[500:], digits.labels[500:]) == pytest.approx(
        epochs[-1].accuracy, abs=0.01
    )
    assert training.history == epochs
    assert [(batch.done, batch.total) for batch in batches] == [(i, 50) for i in range(1, 51)]
    assert epochs[0].loss == pytest.approx(sum(batch.loss for batch in batches[:10]) / 10)
    assert not training.model.training


def test_features_of_the_same_images_are_kept(learned, home, digits):
    training, *_ = learned
    card = training.save(home)
    kept = load_file(home / "learned" / models.EMBEDDINGS)
    assert kept["epochs"].tolist() == [0, 2, 4, 5]
    assert kept["features"].shape == (4, 40, 128)
    assert kept["features"].dtype == torch.float16
    rows = kept["indices"] - digits.indices[500]
    chosen = digits[500:]
    where = [chosen.indices.tolist().index(i) for i in kept["indices"].tolist()]
    assert torch.equal(kept["labels"], chosen.labels[where]), rows
    model = models.load(card.name, "cpu")
    last = model.features(chosen.images[where])
    torch.testing.assert_close(kept["features"][-1].float(), last, atol=0.05 * float(last.max()), rtol=0)
    assert (kept["predictions"][-1] == model(chosen.images[where]).argmax(1)).float().mean() >= 0.95
    assert (kept["predictions"][0] == kept["labels"]).float().mean() < 0.5


def test_nothing_is_kept_if_the_recipe_says_so(home):
    training = Training("c4", "mnist", Recipe(epochs=1, n=20, batch_size=20, sample=0), "bare")
    list(training)
    training.save(home)
    assert sorted(path.name for path in (home / "bare").iterdir()) == ["card.json", "weights.safetensors"]


def test_the_learning_rate_ends_its_cycle_near_zero(learned):
    training, *_ = learned
    assert training.schedule.get_last_lr()[0] < 0.01 * training.recipe.learning_rate


def test_the_card_says_how_it_was_made(learned, home):
    training, epochs, _ = learned
    card = training.save(home)
    assert (card.recipe, card.seed) == (training.recipe.values(), 3)
    assert card.source.endswith(
        "--network c4 --dataset mnist --name learned --epochs 5 --batch-size 50 --seed 3 --sample 40 --sample-every 2"
        " (on the gallery)"
    )
    assert (card.accuracy.n, card.accuracy.split) == (500, "test")
    assert card.accuracy.value == pytest.approx(epochs[-1].accuracy, abs=0.01)
    assert card.classes == 10
    assert card.mean == pytest.approx((0.13,), abs=0.01)
    assert card.std == pytest.approx((0.31,), abs=0.01)


def test_the_accuracy_on_the_card_is_that_of_the_loaded_model(learned, home, digits):
    card = learned[0].save(home)
    model = models.load("learned", "cpu")
    assert model.card == card
    assert accuracy(model, digits.images[500:], digits.labels[500:]) == card.accuracy.value


def trained(loss=None, **changes):
    recipe = Recipe(**({"epochs": 1, "batch_size": 64, "n": 128, "sample": 0} | changes))
    training = Training("fc2", "mnist", recipe, "x", loss)
    torch.rand(7)  # the global stream must not matter
    *_, epoch = training
    return epoch, training.model.state_dict()


def test_the_same_seed_gives_the_same_bits():
    (first, weights), (second, again), (_, other) = trained(seed=1), trained(seed=1), trained(seed=2)
    assert (first.loss, first.accuracy) == (second.loss, second.accuracy)
    assert all(torch.equal(weights[key], again[key]) for key in weights)
    assert not torch.equal(weights["head.weight"], other["head.weight"])


@pytest.mark.parametrize(
    "changes",
    [
        {"shift": 0},
        {"flip": True},
        {"border": "reflect"},
        {"weight_decay": 1.0},
        {"optimiser": "sgd"},
        {"optimiser": "adam", "weight_decay": 0.1},
        {"optimiser": "rmsprop"},
        {"optimiser": "muon"},
        {"schedule": "steps"},
        {"schedule": "constant"},
        {"precision": "float32"},
        {"adversarial": "fgsm"},
        {"adversarial": "fast"},
        {"adversarial": "pgd", "attack_steps": 2},
        {"adversarial": "least-likely"},
        {"adversarial": "smoothfool", "attack_steps": 1},
        {"adversarial": "fgsm", "adversarial_share": 0.5},
        {"loss": CrossEntropy(label_smoothing=0.2)},
    ],
    ids=str,
)
def test_every_part_of_the_recipe_counts(changes):
    assert not torch.equal(trained()[1]["head.weight"], trained(**changes)[1]["head.weight"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"flip": True}, {"flip": True, "alternate": True}),
        ({"optimiser": "muon", "other_rate": 0.01}, {"optimiser": "muon", "other_rate": 0.02}),
    ],
    ids=str,
)
def test_what_counts_only_beside_another_part_counts(one, other):
    assert not torch.equal(trained(**one)[1]["head.weight"], trained(**other)[1]["head.weight"])


def test_alternating_flips_turn_with_the_epochs(monkeypatch):
    """Whatever the order of the batches: an image is seen as it is in one epoch and mirrored in the next."""
    seen = []
    monkeypatch.setattr(loop, "mirrored", lambda images, sides: seen.append(sides.clone()) or images)
    recipe = Recipe(epochs=2, n=60, batch_size=60, flip=True, alternate=True, sample=0)
    training = Training("fc2", "mnist", recipe, "x")
    orders = []
    randperm = torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda n, **given: orders.append(randperm(n, **given)) or orders[-1])
    list(training)
    first, second = (sides[order.argsort()] for sides, order in zip(seen, orders, strict=True))
    assert torch.equal(first, ~second)


def test_a_whitened_network_begins_with_the_whitening_of_its_normalised_pictures():
    recipe = Recipe(epochs=1, n=300, batch_size=100, sample=0, optimiser="muon", learning_rate=0.1)
    training = Training("whitened-cnn", "mnist", recipe, "x", arguments={"width": 0.125})
    layer, model = training.model.network.whitening, training.model
    begun = layer.weight.clone()
    made = layer((training.train.images - model.mean) / model.std)[:, :4].transpose(0, 1).flatten(1)
    torch.testing.assert_close(made.cov(correction=0), torch.eye(4), atol=0.05, rtol=0)
    list(training)
    assert torch.equal(layer.weight, begun)
    assert layer.bias.abs().max() > 0


def test_momentum_counts_for_sgd():
    sgd = {"optimiser": "sgd", "learning_rate": 0.01}
    assert not torch.equal(trained(**sgd)[1]["head.weight"], trained(**sgd, momentum=0.0)[1]["head.weight"])


def test_the_papers_recipes_are_the_papers():
    """Graph smoothness, section 4.1; MMC report, section 4.1."""
    graph = Recipe.preset("paper, graph smoothness")
    assert (graph.epochs, graph.batch_size, graph.optimiser, graph.momentum) == (200, 100, "sgd", 0.9)
    assert (graph.learning_rate, graph.weight_decay) == (0.1, 1e-4)
    adam = Recipe.preset("paper, graph smoothness, CIFAR-100")
    assert (adam.optimiser, adam.learning_rate) == ("adam", 0.001)
    mnist, cifar = (Recipe.preset(f"paper, MMC report, {name}") for name in ("MNIST", "CIFAR"))
    assert (mnist.epochs, cifar.epochs) == (50, 200)
    assert {(r.learning_rate, r.batch_size, r.optimiser, r.momentum) for r in (mnist, cifar)} == {
        (0.01, 50, "sgd", 0.9)
    }


@pytest.mark.parametrize("preset", Recipe.presets)
def test_presets_are_recipes(preset):
    assert Recipe.preset(preset).values() == Recipe().values() | Recipe.presets[preset]


def test_steps_divide_the_rate_by_ten_after_half_and_three_quarters():
    recipe = Recipe(epochs=4, n=128, batch_size=64, schedule="steps", optimiser="sgd", learning_rate=0.01, sample=0)
    training = Training("c4", "mnist", recipe, "x")
    rates = [training.schedule.get_last_lr()[0] for event in training.steps() if isinstance(event, Batch)]
    # After each of the 8 steps: what the next one takes.
    assert rates == pytest.approx([0.01] * 3 + [0.001] * 2 + [0.0001] * 3)


def small(name):
    """A loss that stores few references, where it stores any."""
    stores = "references" in {info.name for info in fields(LOSSES[name])}
    return LOSSES[name](**({"references": 100} if stores else {}))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains_and_its_checkpoint_is_attacked(name, home, digits):
    loss = small(name)
    recipe = Recipe(epochs=6, batch_size=50, sample=10)
    training = Training("fc2", "mnist", recipe, "own", loss)
    epochs = list(training)
    assert epochs[-1].loss < epochs[0].loss
    assert epochs[-1].accuracy > 0.6
    card = training.save(home)
    assert (card.loss, card.loss_arguments) == (name, loss.changed())
    model = models.load("own", "cpu")
    assert accuracy(model, digits.images[500:], digits.labels[500:]) == card.accuracy.value
    for attack in (ATTACKS["ifgsm"](epsilon=0.3, updates=5), ATTACKS["smoothfool"](), ATTACKS["scw"](iterations=10)):
        result = run(attack, model, digits.images[500:503], digits.labels[500:503])
        assert result.adversarial.isfinite().all()


def test_centres_are_stored_exactly(home):
    training = Training("c4", "mnist", Recipe(epochs=1, n=100, batch_size=50, sample=0), "own", MaxMahalanobis())
    list(training)
    training.save(home)
    centers = models.load("own", "cpu").head.centers.double()
    unit = centers / centers.norm(dim=1, keepdim=True)
    assert centers.norm(dim=1) == pytest.approx([10.0] * 10, abs=1e-5)
    off = (unit @ unit.T)[~torch.eye(10, dtype=torch.bool)]
    assert off.tolist() == pytest.approx([-1 / 9] * 90, abs=1e-6)


def test_the_kernel_head_knows_features_of_training_images_of_every_class():
    training = Training("c4", "mnist", Recipe(epochs=1, batch_size=50, sample=0), "x", GraphSmoothness(references=50))
    list(training)
    head, rows = training.model.head, training.references
    assert head.reference_labels.bincount().tolist() == [5] * 10
    with torch.no_grad():
        now = training.model.features(training.train.images[rows])
    torch.testing.assert_close(head.references, now, atol=0.03, rtol=0)
    assert torch.equal(head.reference_labels.cpu(), training.train.labels[rows])


@pytest.mark.parametrize("name", LOSSES)
def test_weight_decay_pulls_the_weights_alone(name):
    """Not biases, batch norms, centres or log-precisions: zero means nothing to those, or a precision of 1."""
    training = Training("fc2", "mnist", Recipe(weight_decay=0.5), "x", small(name))
    decay = {p: group["weight_decay"] for group in training.optimiser.param_groups for p in group["params"]}
    parameters = dict(training.model.named_parameters())
    weights = {key for key in parameters if key.endswith("weight") and parameters[key].ndim > 1}
    assert {key: decay[p] for key, p in parameters.items()} == {key: 0.5 * (key in weights) for key in parameters}
    learned = {"centers", "log_precision"} & {key.rsplit(".", 1)[-1] for key in set(parameters) - weights}
    assert learned == LEARNED.get(name, set())


LEARNED = {
    "center-loss": {"centers"},
    "g-sce": {"centers", "log_precision"},
    "large-margin": {"centers", "log_precision"},
}
"""What a loss learns beside weights and biases."""


@pytest.mark.parametrize(
    ("optimiser", "kept"),
    [
        # What one step of rate 0.01 and decay 0.5 without a gradient leaves of a weight w.
        ("adamw", lambda w: (1 - 0.01 * 0.5) * w),
        ("muon", lambda w: (1 - 0.01 * 0.5) * w),  # there are no kernels here
        ("sgd", lambda w: (1 - 0.01 * 0.5 * (1 + 0.9)) * w),  # Nesterov: g + mu g
        ("adam", lambda w: w - 0.01 * w.sign()),  # its first step is the sign of the gradient, here w / 2
        ("rmsprop", lambda w: w - 0.01 * w.sign() * math.sqrt(1 / (1 - 0.99))),  # v = g^2 / 100
    ],
)
def test_only_weights_shrink_where_there_is_no_gradient(optimiser, kept):
    recipe = Recipe(n=100, optimiser=optimiser, learning_rate=0.01, weight_decay=0.5, schedule="constant")
    training = Training("fc2", "mnist", recipe, "x", LOSSES["large-margin"]())
    before = {}
    for key, p in training.model.named_parameters():
        p.data = 0.5 + torch.rand(p.shape, generator=torch.Generator().manual_seed(0))  # none is zero
        before[key], p.grad = p.detach().clone(), torch.zeros_like(p)
    training.optimiser.step()
    for key, p in training.model.named_parameters():
        expected = kept(before[key]) if key.endswith("weight") else before[key]
        torch.testing.assert_close(p.detach(), expected, rtol=1e-5, atol=1e-6)


def test_a_single_batch_is_enough():
    (epoch,) = Training("c4", "mnist", Recipe(epochs=1, n=1, batch_size=8192), "x")
    assert epoch.loss > 0


def test_a_last_batch_of_one_which_no_batch_norm_could_take_is_left_out():
    training = Training(
        "c4", "mnist", Recipe(epochs=1, n=101, batch_size=50), "x", GraphSmoothness(dim=2, references=10)
    )
    assert len([event for event in training.steps() if isinstance(event, Batch)]) == training.batches == 2


def test_accuracy_counts():
    head = torch.nn.Linear(2, 2, bias=False)
    head.weight.data = torch.eye(2)
    model = models.Classifier(torch.nn.Flatten(), head, CARD.model_copy(update={"mean": (0.0,), "std": (1.0,)}))
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]).view(3, 1, 1, 2)
    assert accuracy(model, x, torch.tensor([0, 1, 1])) == pytest.approx(2 / 3)
    assert accuracy(model, x, torch.tensor([0, 1, 1]), batch_size=2) == pytest.approx(2 / 3)


def test_float16_is_kept_where_it_costs_nothing(home, digits):
    save(untrained(), CARD, home, digits.images[:200], digits.labels[:200])
    stored = load_file(home / "small" / "weights.safetensors")
    half = {key for key, value in stored.items() if value.dtype == torch.float16}
    assert half == {key for key, value in stored.items() if key.startswith("network.") and value.dim() > 1} != set()
    assert {value.dtype for key, value in stored.items() if key not in half} == {torch.float32}


def test_float32_is_kept_where_float16_would_cost_accuracy(home, digits):
    model = untrained()
    labels = model(digits.images[:200]).argmax(1)  # the model is right on all of these ...
    model.network.conv3.weight.data.mul_(1e6)  # ... but beyond the range of float16
    card = save(model, CARD, home, digits.images[:200], labels)
    assert card.accuracy.value == 1
    assert {value.dtype for value in load_file(home / "small" / "weights.safetensors").values()} == {torch.float32}
    assert accuracy(models.load("small", "cpu"), digits.images[:200], labels) == 1


@pytest.mark.parametrize("too_large", [False, True])
def test_where_training_mirrors_pictures_both_sides_are_asked_too(home, digits, too_large):
    model, images = untrained(), digits.images[:200]
    assert save(model, CARD, home, images, digits.labels[:200]).mirrored is None
    labels = (model(images) + model(images.flip(3))).argmax(1)
    if too_large:  # for float16, in which the network is not kept then
        model.network.conv3.weight.data.mul_(1e6)
        labels = (model(images) + model(images.flip(3))).argmax(1)
    card = save(model, CARD.model_copy(update={"recipe": {"flip": True}}), home, images, labels)
    stored = models.load("small", "cpu")
    both = (stored(images) + stored(images.flip(3))).argmax(1)
    assert card.mirrored == Accuracy(value=float((both == labels).double().mean()), n=200, split="test")
    assert card.mirrored.value > 0.97
    assert card.accuracy.value < card.mirrored.value


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
    wide = dataclasses.replace(digits[:10], images=uniform(10, 3, 32, 32))
    monkeypatch.setattr(loop, "load", lambda *_, **__: wide)
    with pytest.raises(ValueError, match=r"x: c4 does not take images of shape \(3, 32, 32\); choose another\.$"):
        Training("c4", "cifar10", Recipe(), "x")


def test_other_networks_make_adversaries_too():
    alone, ensemble = (trained(adversarial="fgsm", sources=names)[1] for names in ("", "mnist-lenet-ce,mnist-fc2-ce"))
    assert not torch.equal(alone["head.weight"], ensemble["head.weight"])
    recipe = Recipe(epochs=1, n=50, adversarial="fgsm", sources="mnist-lenet-ce, mnist-fc2-ce")
    training = Training("fc2", "mnist", recipe, "x")
    assert [(model.card.name, loss.name) for model, loss in training.sources] == [
        ("mnist-lenet-ce", "cross-entropy"),
        ("mnist-fc2-ce", "cross-entropy"),
    ]
    assert "--adversarial fgsm --sources mnist-lenet-ce,mnist-fc2-ce" in training.card.source
    assert training.card.title.endswith("adversarially trained (FGSM of an ensemble)")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sources": "nobody"}, r"^there is no model 'nobody'"),
        (
            {"sources": "cifar10-resnet32-ce"},
            r"^sources must be networks for mnist; cifar10-resnet32-ce is for",
        ),
    ],
)
def test_an_ensemble_of_other_images_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        Training("fc2", "mnist", Recipe(n=50, adversarial="fgsm", **changes), "x")


def test_an_ensemble_that_takes_no_small_pictures_is_refused():
    recipe = Recipe(n=50, adversarial="fgsm", sources="mnist-c4-ce", first_size=16)
    with pytest.raises(ValueError, match=r"^first_size must be left out: mnist-c4-ce takes no pictures of 16 pixels"):
        Training("preactresnet18", "mnist", recipe, "x", arguments={"width": 0.0625})


HIERARCHICAL = MaxMahalanobis(centers="hierarchical", norm=10.0, sub_norm=1.0, dim=16)


def test_hierarchical_centres_are_those_of_the_data_sets_superclasses(monkeypatch):
    """CIFAR-10: what lives is one superclass, what drives or flies the other (MMC report, section 4.7)."""
    things = data.gallery.read("cifar10")
    monkeypatch.setattr(loop, "load", lambda name, split, **_: things[:60] if split == "train" else things[900:])
    recipe = Recipe(epochs=1, batch_size=20, sample=0)
    training = Training("preactresnet18", "cifar10", recipe, "x", HIERARCHICAL, {"width": 0.0625})
    alive = torch.tensor([name in ("bird", "cat", "deer", "dog", "frog", "horse") for name in things.classes])
    centers = training.model.head.centers.double()
    assert torch.equal(training.model.head.centers, hierarchical_centers(alive.int().tolist(), 16, 10.0, 1.0))
    distance = torch.cdist(centers, centers)
    assert distance[alive][:, alive].max() < 2.1 < 19 < distance[alive][:, ~alive].min()
    (epoch,) = training
    assert math.isfinite(epoch.loss)
    assert torch.equal(training.model.head.centers.double(), centers)  # "untrainable"


def test_digits_have_no_superclasses():
    with pytest.raises(ValueError, match="needs the superclass of each of the 10 classes, which this data set"):
        Training("fc2", "mnist", Recipe(n=50), "x", HIERARCHICAL)


def test_the_title_says_what_sets_a_network_apart():
    recipe = Recipe(epochs=1, n=100, adversarial="fast")
    title = Training("lenet", "mnist", recipe, "x", CrossEntropy(dim=2)).card.title
    assert title == "LeNet on MNIST, Cross-entropy (SCE), in two dimensions, adversarially trained (fast FGSM)"
    title = Training("lenet", "mnist", Recipe(n=100), "x", MaxMahalanobis(centers="random")).card.title
    assert title == "LeNet on MNIST, Max-Mahalanobis centres (MMC), random centres"


def test_a_network_of_one_size_does_not_begin_smaller():
    with pytest.raises(ValueError, match=r"^first_size must be left out: c4 takes no pictures of 16 pixels\.$"):
        Training("c4", "mnist", Recipe(first_size=16), "x")


def test_channels_and_size_follow_the_images():
    assert loop.network_arguments("preactresnet18", (1, 28, 28), {"width": 0.5}) == {"width": 0.5, "channels": 1}
    assert loop.network_arguments("preactresnet18", (3, 32, 32), {}) == {}
    assert loop.network_arguments("fc2", (3, 32, 32), {}) == {"channels": 3, "size": 32}


def test_more_images_than_there_are_are_refused():
    with pytest.raises(ValueError, match="n must be from 1 to 500"):
        Training("c4", "mnist", Recipe(n=501), "x")


def test_without_the_full_set_a_part_of_the_gallery_trains_and_the_rest_tests(monkeypatch, tmp_path, digits):
    monkeypatch.undo()
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    training = Training("fc2", "mnist", Recipe(epochs=1, n=100), "x")
    assert (len(training.train), len(training.test)) == (100, 200)
    assert training.train.source == training.test.source == "gallery"
    assert not set(training.train.indices.tolist()) & set(training.test.indices.tolist())
    assert training.test.labels.bincount().tolist() == [20] * 10
    assert training.card.source.endswith("(on the gallery)")
    with pytest.raises(ValueError, match="python -m core data get mnist"):
        Training("fc2", "mnist", Recipe(n=801), "x")


def test_the_accuracy_of_an_epoch_is_of_as_many_test_images_as_wished(digits):
    training = Training("fc2", "mnist", Recipe(epochs=1, n=200, test_n=30, precision="float32"), "x")
    (epoch,) = training
    assert epoch.accuracy == accuracy(training.model, digits.images[500:530], digits.labels[500:530])


@pytest.fixture
def beginning(home):
    """A trained checkpoint to begin with, and its training."""
    training = Training("fc2", "mnist", Recipe(epochs=2, n=200, batch_size=50, sample=20), "first")
    list(training)
    training.save(home)
    models.refresh()
    return training


def test_a_run_begins_with_the_weights_of_a_checkpoint(beginning):
    recipe = Recipe(epochs=1, n=100, batch_size=50, sample=20, learning_rate=0.001)
    training = Training("fc2", "mnist", recipe, "second", start="first")
    stored = models.load("first", "cpu")
    assert all(torch.equal(training.model.state_dict()[key], value) for key, value in stored.state_dict().items())
    assert training.card.mean == beginning.card.mean
    assert training.card.source.endswith("--start first (on the gallery); first: " + beginning.card.source)
    assert training.card.start == "first"
    assert sorted(training.kept) == [0, 1, 2]  # of the first run
    list(training)
    assert sorted(training.kept) == [0, 1, 2, 3]
    kept, past = training.embeddings(), models.kept_features("first")
    assert torch.equal(kept["features"][:3].float(), past.features)
    with torch.no_grad():
        now = training.model.features(training.sample.images)
    torch.testing.assert_close(kept["features"][3].float(), now, atol=0.05, rtol=0.02)  # bfloat16 when it was kept


def test_a_run_that_began_with_a_checkpoint_goes_on_bit_for_bit(beginning, home):
    recipe = Recipe(epochs=3, n=100, batch_size=50, sample=20)
    whole = Training("fc2", "mnist", recipe, "whole", start="first")
    list(whole)
    state = home / "run.safetensors"
    next(iter(Training("fc2", "mnist", recipe, "run", state=state, start="first")))
    again = resume(state, "again")
    assert again.done == 1
    list(again)
    assert all(torch.equal(whole.model.state_dict()[key], value) for key, value in again.model.state_dict().items())
    assert all(torch.equal(whole.embeddings()[key], value) for key, value in again.embeddings().items())


def test_a_run_goes_on_with_the_images_of_what_it_begins_with_whatever_its_seed(beginning):
    training = Training("fc2", "mnist", Recipe(epochs=1, n=100, sample=20, seed=7), "second", start="first")
    assert torch.equal(training.sample.indices, beginning.sample.indices)
    assert torch.equal(training.sample.images, beginning.sample.images)
    assert sorted(training.kept) == [0, 1, 2]


def test_another_number_of_images_has_no_past(beginning):
    training = Training("fc2", "mnist", Recipe(epochs=1, n=100, sample=21), "second", start="first")
    assert sorted(training.kept) == [0]


def test_another_network_cannot_be_begun_with(beginning):
    with pytest.raises(ValueError, match=r"^first cannot be begun with: network must be the same\.$"):
        Training("lenet", "mnist", Recipe(n=100), "x", start="first")
    with pytest.raises(ValueError, match=r"^first cannot be begun with: embedding and head must be the same"):
        Training("fc2", "mnist", Recipe(n=100), "x", MaxMahalanobis(dim=16), start="first")
    with pytest.raises(ValueError, match="there is no model 'none'"):
        Training("fc2", "mnist", Recipe(n=100), "x", start="none")
