"""torchvision's networks by name: what is written down of them is torchvision's, and they are loaded from its cache."""

import hashlib
import urllib.error
from dataclasses import replace

import pytest
import torch
from torch import nn

from core import models
from core.__main__ import main
from core._torchvision import torchvision
from core.models import NETWORKS, VISION, Card, vision
from core.models.assembly import outline
from core.models.residual import ResNet18

ENUMS = {
    "imagenet-resnet18": "ResNet18_Weights",
    "imagenet-resnet101": "ResNet101_Weights",
    "imagenet-vgg16": "VGG16_Weights",
    "imagenet-inception-v3": "Inception_V3_Weights",
}
NAME = "imagenet-resnet18"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of torchvision's, and no way out."""

    def refused(*arguments, **options):
        raise urllib.error.URLError("no network here")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "urlopen", refused)
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def there(cache, monkeypatch):
    """ResNet-18 with weights of our own in the cache, in a file of their own hash; torchvision's module."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        net = torchvision.models.resnet18(weights=None).eval()
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.1)
    cache.mkdir(parents=True)
    torch.save(net.state_dict(), cache / "made.pth")
    digest = hashlib.sha256((cache / "made.pth").read_bytes()).hexdigest()
    file = f"resnet18-{digest[:8]}.pth"
    (cache / "made.pth").rename(cache / file)
    monkeypatch.setitem(vision.VISION, NAME, replace(VISION[NAME], file=file))
    return net


@pytest.mark.parametrize("name", VISION)
def test_what_is_written_down_is_torchvisions(name):
    weights = getattr(torchvision.models, ENUMS[name]).IMAGENET1K_V1
    transforms = weights.transforms()
    own = VISION[name]
    assert weights.url.endswith(f"/{own.file}")
    assert (transforms.crop_size, transforms.resize_size) == ([own.size], [own.resize])
    assert getattr(torchvision.models, own.constructor)
    assert vision.BY_NETWORK[vision.network_key(name)] == name
    assert (transforms.mean, transforms.std) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert weights.meta["num_params"] > 1e7


@pytest.mark.parametrize("name", VISION)
def test_a_network_without_its_last_layer_has_torchvisions_weights_otherwise(name):
    """Number by number: features, and with a head as many parameters as torchvision says, but Inception's second."""
    described = Card(
        name=name,
        title="",
        dataset="imagenet",
        network=vision.network_key(name),
        loss="cross-entropy",
        input_shape=(3, VISION[name].size, VISION[name].size),
        classes=1000,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        sha256="0" * 64,
    )
    found = outline(described)
    told = getattr(torchvision.models, ENUMS[name]).IMAGENET1K_V1.meta["num_params"]
    with torch.device("meta"):
        made = models.build(described)
        options = {"init_weights": False} if "inception" in name else {}
        whole = getattr(torchvision.models, VISION[name].constructor)(weights=None, **options)
        second = getattr(whole, "AuxLogits", None)
    lacking = 0 if second is None else sum(p.numel() for p in second.parameters())
    assert sum(p.numel() for p in made.parameters()) == told - lacking
    assert (
        found.width
        == {"resnet18": 512, "resnet101": 2048, "vgg16": 4096, "inception_v3": 2048}[VISION[name].constructor]
    )


def test_a_network_of_the_cache_is_torchvisions(there):
    """Listed, loaded and asked: its logits are those of torchvision's own network on torchvision's normalisation."""
    assert vision.installed() == [NAME]
    usable, unusable = models.survey()
    assert usable[NAME].title == "ResNet-18 on ImageNet"
    assert NAME not in unusable
    model = models.load(NAME, "cpu")
    assert model.card == usable[NAME]
    assert model.card.crop_fraction == 224 / 256
    assert models.kept_features(NAME) is None
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    normalise = torchvision.transforms.Normalize(model.card.mean, model.card.std)
    with torch.no_grad():
        torch.testing.assert_close(model(x), there(normalise(x)), rtol=1e-4, atol=1e-4)
        assert model.features(x).shape == (2, 512)
    assert not any(p.requires_grad for p in model.parameters())


def test_what_is_not_here_is_listed_and_said_in_one_sentence(cache, capsys):
    assert vision.installed() == []
    assert NAME not in models.survey()[0]
    with pytest.raises(
        ValueError, match=r"^imagenet-resnet18: its weights are not here and cannot be downloaded"
    ) as caught:
        models.load(NAME)
    assert "no network here" in str(caught.value)
    assert str(caught.value).endswith(f"put torchvision's {VISION[NAME].file} into {cache}.")
    assert not list(cache.iterdir())  # nothing half
    assert main(["models", "get", NAME]) == 2
    assert "cannot be downloaded" in capsys.readouterr().err
    assert main(["models", "get", "mnist-c4-ce"]) == 2
    assert "is not a network to get; there are imagenet-resnet18" in capsys.readouterr().err
    assert main(["models", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in VISION)
    assert "not here" in listed


def test_another_file_of_that_name_is_refused(there, cache):
    path = next(cache.glob("resnet18-*.pth"))
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ValueError, match=r"is not torchvision's file of that name; delete it and get it again\.$"):
        models.load(NAME)
    usable, unusable = models.survey()
    assert NAME not in usable
    assert "is not torchvision's file" in unusable[NAME]


def test_a_file_that_is_no_network_is_refused(cache, monkeypatch):
    cache.mkdir(parents=True)
    digest = hashlib.sha256(b"nonsense").hexdigest()
    monkeypatch.setitem(vision.VISION, NAME, replace(VISION[NAME], file=f"resnet18-{digest[:8]}.pth"))
    vision.weights_path(NAME).write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"is damaged; delete it and get it again\.$"):
        models.load(NAME)


def test_the_cifar_resnet18_is_torchvisions_with_a_small_stem():
    """The same blocks, by torchvision's code: its stem's convolution replaced, its pooling taken out."""
    with torch.random.fork_rng([]):
        torch.manual_seed(3)
        own = ResNet18().eval()
        other = torchvision.models.resnet18(weights=None)
    other.conv1, other.maxpool, other.fc = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity(), nn.Identity()
    other.eval().load_state_dict(dict(zip(other.state_dict(), _in_torchvisions_order(own), strict=True)))
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(own(x), other(x), rtol=1e-4, atol=1e-5)
    head = nn.Linear(512, 10)
    total = sum(p.numel() for p in own.parameters()) + sum(p.numel() for p in head.parameters())
    assert total == 11_173_962
    assert set(NETWORKS) >= {"resnet18", "vgg-f"}


def _in_torchvisions_order(own):
    """conv1, bn1, then of every block conv1, bn1, conv2, bn2, downsample."""
    yield from own.stem.state_dict().values()
    yield from own.norm.state_dict().values()
    for block in own.blocks:
        for part in (block.conv1, block.norm1, block.conv2, block.norm2, block.project):
            if part is not None:
                yield from part.state_dict().values()
