"""Defences that are networks: their bodies against plain arithmetic, what they do to digits, how they are loaded."""

import json
import shutil

import pytest
import torch
import torch.nn.functional as F

from core import data, models
from core.attacks import ATTACKS, run
from core.data import DATASETS
from core.defenses import Defended, GuidedDenoiser, MagNet, networks, trained
from core.defenses.networks import AutoEncoder, Denoiser, MagNetBody
from core.layout import CHECKPOINTS
from core.models import logits_of
from core.train import defending
from core.train.defending import DefenseTraining, GuidedRecipe, MagNetRecipe

MNIST = data.gallery.read("mnist")
KINDS = {"mnist-magnet": MagNet, "mnist-hgd": GuidedDenoiser}


def seeded(make):
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return make().double()


def test_an_autoencoder_is_the_papers_layers():
    """Table 2 of Meng and Chen: conv, average, conv, conv, enlarged, conv, conv; every one with a sigmoid."""
    net = seeded(lambda: AutoEncoder((3, "average", 3)))
    layers = [layer for layer in net.layers if isinstance(layer, torch.nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in layers] == [(1, 3), (3, 3), (3, 3), (3, 3), (3, 1)]
    x = MNIST.images[:2].double()

    def convolved(z, layer):
        return torch.sigmoid(F.conv2d(F.pad(z, (1,) * 4), layer.weight, layer.bias))

    z = convolved(x, layers[0])
    z = z.view(2, 3, 14, 2, 14, 2).mean((3, 5))
    z = convolved(convolved(z, layers[1]), layers[2])
    z = z.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(net(x), convolved(convolved(z, layers[3]), layers[4]))
    small = AutoEncoder((3,))
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in small.layers) == 3


def test_magnets_errors_are_means_of_powers_and_its_threshold_the_kth_largest():
    body = seeded(MagNetBody)
    x = MNIST.images[:6].double()
    first, second = body.errors_of(x)
    assert first.tolist() == pytest.approx(((x - body.first(x)) ** 2).flatten(1).mean(1).tolist())
    assert second.tolist() == pytest.approx((x - body.second(x)).abs().flatten(1).mean(1).tolist())
    # As many of the kept errors lie at the threshold or above as the rate says of them.
    kept = torch.rand(2, networks.VALIDATION, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    body.errors.copy_(kept.sort(1).values)
    for rate, k in ((0.001, 5), (0.01, 50), (0.2, 1000)):
        thresholds = body.errors[:, -k]
        assert [int((kept[i] >= thresholds[i]).sum()) for i in range(2)] == [k, k]
        expected = (first >= thresholds[0]) | (second >= thresholds[1])
        assert torch.equal(body.refuses(x, rate), expected)
    body.errors.zero_()
    assert bool(body.refuses(x, 0.001).all())
    assert not bool(body.refuses(x, 0.0).any())  # no picture may be refused: none is


def test_the_denoiser_begins_as_the_identity_and_takes_its_noise_from_all_levels():
    net = seeded(Denoiser).eval()
    x = MNIST.images[:2].double()
    assert torch.equal(net(x), x)
    torch.nn.init.ones_(net.noise.weight)
    moved = net(x) - x
    assert moved.shape == x.shape
    net.down[2][0].weight.data.mul_(0)  # the lowest level counts
    assert not torch.allclose(net(x) - x, moved)
    assert Denoiser(4, 3)(torch.full((1, 3, 32, 32), 0.4)).shape == (1, 3, 32, 32)
    with pytest.raises(ValueError, match=r"^width must be from 1 to 256; got 0\.$"):
        Denoiser(0)


@pytest.mark.parametrize("name", KINDS)
def test_a_shipped_defence_is_what_its_card_says(name):
    card = trained.card(name)
    assert card.kind == KINDS[name].name
    assert card.name in trained.names()
    assert card.source.startswith(f"trained by: python -m core train-defense {card.kind} ")
    assert card.accuracy.n == 10_000
    assert card.accuracy.value > card.bare.value - 0.02
    model = models.load(card.network)
    x, y = MNIST.images[:400], MNIST.labels[:400]
    right = int((logits_of(Defended(model, KINDS[name]()), x).argmax(1) == y).sum())
    assert right / 400 > card.accuracy.value - 0.015
    refused = KINDS[name]().refuses(x)
    assert (refused is None) == (card.refused is None)
    if refused is not None:
        assert float(refused.float().mean()) < 0.02


@pytest.mark.slow
@pytest.mark.full_data("mnist")
@pytest.mark.parametrize("name", KINDS)
def test_the_numbers_on_the_card_are_remade(name):
    card = trained.card(name)
    told = defending.measured(trained.load(name), models.load(card.network), data.load("mnist", "test"))
    assert (told["bare"], told["accuracy"], told["refused"]) == (card.bare, card.accuracy, card.refused)


def test_magnet_refuses_or_mends_what_was_made_on_the_bare_network():
    """Gray box: FGSM at 0.3, which fools the bare network on most digits."""
    model, magnet = models.load("mnist-c4-ce"), MagNet()
    x, y = MNIST.images[:100], MNIST.labels[:100]
    made = run(ATTACKS["fgsm"](epsilon=0.3), model, x, y).adversarial
    assert int((model(made).argmax(1) != y).sum()) > 40
    refused = magnet.refuses(made)
    assert int(refused.sum()) > 90
    assert int(magnet.refuses(x).sum()) <= 2
    assert int(magnet.replace(drop_rate=0.05).refuses(x).sum()) >= int(magnet.refuses(x).sum())
    assert int(magnet.replace(drop_rate=0.0).refuses(made).sum()) == 0


def test_the_denoiser_mends_what_was_made_on_the_bare_network_and_not_what_was_made_on_both():
    model, hgd = models.load("mnist-c4-ce"), GuidedDenoiser()
    defended = Defended(model, hgd)
    x, y = MNIST.images[:50], MNIST.labels[:50]
    attack = ATTACKS["ifgsm"](epsilon=0.2, step_size=0.05, updates=10, keep="last")
    bare = run(attack, model, x, y)
    assert int(bare.success.sum()) > 40
    gray = int((defended(bare.adversarial).argmax(1) == y).sum())
    white = int((defended(run(attack, defended, x, y).adversarial).argmax(1) == y).sum())
    assert gray > 40
    assert white < gray - 15


@pytest.mark.parametrize("kind", [MagNet, GuidedDenoiser])
def test_pictures_of_another_shape_are_refused_in_one_sentence(kind):
    with pytest.raises(ValueError, match=r"was trained for images of shape \(1, 28, 28\); got \(3, 32, 32\)\.$"):
        kind()(torch.full((1, 3, 32, 32), 0.4))


def test_a_defence_of_another_kind_or_none_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match=r"^weights must name a defence of the kind magnet; mnist-hgd is hgd\.$"):
        MagNet(weights="mnist-hgd")(MNIST.images[:1])
    with pytest.raises(ValueError, match=r"^there is no trained defence 'nobody'; there are "):
        MagNet(weights="nobody")(MNIST.images[:1])


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A copy of a shipped defence in the user's own folder."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    folder = tmp_path / "checkpoints" / "own"
    shutil.copytree(CHECKPOINTS / "mnist-magnet", folder)
    card = json.loads((folder / trained.CARD).read_text()) | {"name": "own"}
    (folder / trained.CARD).write_text(json.dumps(card))
    assert MagNet(weights="own")(MNIST.images[:1]).equal(MagNet()(MNIST.images[:1]))
    trained._loaded.cache_clear()
    trained._placed.cache_clear()
    return folder


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "other"}, "own: its defense.json is that of 'other'; put it into its own folder."),
        ({"kind": "paint"}, "own: defense.json has a wrong entry 'kind'; correct it."),
        ({"arguments": {"width": 3}}, "own: its card and its weights are of no magnet; get the defence again."),
        (
            {"arguments": {"channels": 3}},
            "own: its card and its weights do not belong together; get the defence again.",
        ),
        ({"arguments": {"channels": 10**9}}, "own: its card and its weights are of no magnet; get the defence again."),
        ({"sha256": "0" * 64}, "own: weights.safetensors is not the file its card describes; get the defence again."),
    ],
)
def test_what_a_card_must_not_say_is_refused_in_one_sentence(own, changes, words):
    card = json.loads((own / trained.CARD).read_text()) | changes
    (own / trained.CARD).write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"\.$") as caught:
        MagNet(weights="own")(MNIST.images[:1])
    assert str(caught.value) == words


def test_a_damaged_card_and_lost_weights_are_said(own):
    (own / "weights.safetensors").unlink()
    with pytest.raises(ValueError, match=r"^own: weights.safetensors cannot be read \(.*\); get the defence again\.$"):
        trained.load("own")
    (own / trained.CARD).write_text("{")
    with pytest.raises(ValueError, match=r"^own: its defense.json is damaged; get the defence again\.$"):
        trained.card("own")


@pytest.fixture
def small(monkeypatch):
    """Train on 240 digits of the gallery, 40 kept; test on 100."""
    monkeypatch.setattr(defending, "VALIDATION", 40)
    monkeypatch.setattr(networks, "VALIDATION", 40)
    monkeypatch.setattr(defending, "load", lambda name, split: MNIST[:280] if split == "train" else MNIST[900:])


@pytest.mark.parametrize(
    "recipe",
    [MagNetRecipe(epochs=3, batch_size=20, learning_rate=0.05), GuidedRecipe(epochs=2, batch_size=40, width=2)],
    ids=lambda recipe: recipe.kind,
)
def test_a_defence_learns_and_is_written_whole(recipe, small, tmp_path, monkeypatch):
    training = DefenseTraining(recipe, "mnist", "small", "mnist-fc2-ce")
    epochs = list(training)
    if recipe.kind == "magnet":
        assert epochs[-1].loss < epochs[0].loss
        assert torch.equal(training.network.errors, training.network.errors.sort(1).values)
        assert training.network.errors.shape == (2, 40)
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    card = training.save(tmp_path / "checkpoints", "by hand")
    assert (card.network, card.bare.n, card.recipe) == ("mnist-fc2-ce", 100, recipe.values())
    assert trained.card("small") == card
    kind = {"magnet": MagNet, "hgd": GuidedDenoiser}[recipe.kind]
    through = kind(weights="small")(MNIST.images[:5])
    with torch.no_grad():
        assert through.equal(training.network(MNIST.images[:5]).clamp(0, 1))
    again = DefenseTraining(recipe, "mnist", "small", "mnist-fc2-ce")
    assert list(again)[-1].loss == epochs[-1].loss


def test_the_denoisers_pictures_are_clean_or_within_the_ball(small):
    recipe, generator = GuidedRecipe(epsilon=0.25), torch.Generator().manual_seed(0)
    x, y = MNIST.images[:8], MNIST.labels[:8]
    found = [recipe.attacked(x, y, generator) for _ in range(12)]
    largest = [float((each - x).abs().max()) for each in found]
    assert max(largest) <= 0.25 + 1e-6
    assert 0 < sum(size == 0 for size in largest) < 8
    assert all(0 <= float(each.min()) <= float(each.max()) <= 1 for each in found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "cifar10-resnet32-ce"}, r"^cifar10-resnet32-ce does not take images of mnist; choose another"),
        ({"name": "a b"}, r"^name must be letters"),
        ({"recipe": GuidedRecipe(sources="nobody")}, r"^there is no model 'nobody'"),
    ],
)
def test_a_training_that_cannot_be_is_refused(small, changes, words):
    settings = {"recipe": MagNetRecipe(), "dataset": "mnist", "name": "small", "network": "mnist-fc2-ce"} | changes
    with pytest.raises(ValueError, match=words):
        DefenseTraining(**settings)


def test_too_few_pictures_to_keep_some_are_refused(monkeypatch):
    monkeypatch.setattr(defending, "load", lambda name, split: MNIST)
    with pytest.raises(ValueError, match=r"^mnist must have more than 5000 training images; it has 1000\.$"):
        DefenseTraining(MagNetRecipe(), "mnist", "small", "mnist-fc2-ce")
    assert set(DATASETS) >= {"mnist"}
