"""The networks: known parameter counts, shapes, and an initialisation that depends on its generator alone."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from core.models import NETWORKS, TITLES, Card, build, check
from core.models.networks import initialise
from core.models.residual import Block, PreActBlock
from core.models.whitened import Whitening

MNIST, CIFAR = (1, 28, 28), (3, 32, 32)
NETS = [
    # name, arguments, picture, features, parameters with a linear head for 10 classes
    ("c4", {}, MNIST, 128, 710_218),
    ("lenet", {}, MNIST, 84, 61_706),  # the number everyone quotes for LeNet-5
    ("fc2", {}, MNIST, 150, 784 * 500 + 500 + 500 * 150 + 150 + 150 * 10 + 10),
    ("preactresnet18", {}, CIFAR, 512, 11_171_146 + 2 * 512),  # the usual CIFAR one, and its last batch norm
    ("preactresnet18", {"width": 0.5}, CIFAR, 256, 2_796_714),
    ("resnet18", {}, CIFAR, 512, 11_173_962),  # the usual CIFAR one
    ("resnet18", {"width": 0.25}, CIFAR, 128, 701_466),
    ("resnet32", {}, CIFAR, 64, 464_154),
    ("vgg-f", {}, CIFAR, 512, 4_551_498),
    ("vgg-f", {"hidden": 256, "width": 0.5}, CIFAR, 256, 1_141_162),
    ("whitened-cnn", {}, CIFAR, 256, 1_972_514),
    ("whitened-cnn", {"width": 0.25, "channels": 1}, MNIST, 64, 123_264 + 576 + 8 + 650),
]
IDS = [f"{name}-{'-'.join(map(str, arguments.values()))}" for name, arguments, *_ in NETS]


def test_every_network_has_the_papers_name_for_it():
    assert TITLES.keys() == NETWORKS.keys()


def made(name, arguments, seed=0):
    torch.rand(seed + 1)  # the global stream is elsewhere each time
    network = NETWORKS[name](**arguments)
    initialise(network, torch.Generator().manual_seed(seed))
    return network


def pictures(shape, n=8):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("name", "arguments", "shape", "features", "parameters"), NETS, ids=IDS)
def test_shapes_and_parameters(name, arguments, shape, features, parameters):
    network = NETWORKS[name](**arguments)
    head = nn.Linear(features, 10)
    assert network.features == features
    assert sum(p.numel() for p in [*network.parameters(), *head.parameters()]) == parameters
    assert network.eval()(torch.zeros(2, *shape)).shape == (2, features)
    check(build(card(name, arguments, shape)).eval())


def card(name, arguments, shape):
    return Card(
        name="x",
        title="x",
        dataset="x",
        network=name,
        network_arguments=arguments,
        loss="cross-entropy",
        input_shape=shape,
        classes=10,
        mean=(0.5,) * shape[0],
        std=(0.25,) * shape[0],
        sha256="0" * 64,
    )


def test_the_numbers_of_the_papers():
    """11.2 M for PreActResNet-18, 0.46 M for ResNet-32 (He et al. 2015, table 6)."""
    counts = {name: parameters for name, arguments, _, _, parameters in NETS if not arguments}
    assert round(counts["preactresnet18"] / 1e6, 1) == 11.2
    assert round(counts["resnet32"] / 1e6, 2) == 0.46


def test_resnet32_has_32_layers_and_preactresnet18_18():
    def layers(name):  # convolutions on the main path, and the head
        blocks = [m for m in NETWORKS[name]().modules() if isinstance(m, Block | PreActBlock)]
        return 1 + 2 * len(blocks) + 1

    assert layers("resnet32") == 32
    assert layers("preactresnet18") == 18


@pytest.mark.parametrize(("name", "arguments", "shape", "features", "parameters"), NETS, ids=IDS)
def test_initialisation_depends_on_its_generator_alone(name, arguments, shape, features, parameters):
    first, again, other = (made(name, arguments, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", ["preactresnet18", "resnet32", "vgg-f", "whitened-cnn"])
def test_initialisation_forgets_what_a_network_has_learned(name):
    """Every tensor, batch norms and their statistics among them, begins anew."""
    arguments = {"width": 0.125} if name in ("preactresnet18", "whitened-cnn") else {}
    network, fresh = made(name, arguments), made(name, arguments).state_dict()
    network.train()(pictures(CIFAR))
    for parameter in network.parameters():
        parameter.data += 1
    initialise(network, torch.Generator().manual_seed(0))
    assert all(torch.equal(value, fresh[key]) for key, value in network.state_dict().items())
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.unique().tolist() == [1.0]
            assert layer.bias.unique().tolist() == [0.0]
            assert layer.num_batches_tracked == 0


@pytest.mark.parametrize(("name", "arguments", "shape", "features", "parameters"), NETS, ids=IDS)
def test_a_fresh_network_passes_signal_and_gradient(name, arguments, shape, features, parameters):
    """In training mode features have a sensible scale and every parameter a finite gradient that is not all zero."""
    network = made(name, arguments)
    out = network.train()(pictures(shape))
    assert 0.05 < out.std().item() < 10
    out.square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), key
        if not key.endswith("bias"):
            assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("kind", [Block, PreActBlock])
def test_a_residual_block_is_its_shortcut_where_its_branch_is_zero(kind):
    """... and it is not zero at the start: no residual branch is initialised away."""
    block = kind(4, 4, 1)
    initialise(block, torch.Generator().manual_seed(0))
    block.eval()
    x = pictures((4, 6, 6)).relu()
    assert (block(x) - x).abs().mean() > 0.1
    nn.init.zeros_(block.conv2.weight)
    torch.testing.assert_close(block(x), x)


def test_the_shortcut_of_resnet32_subsamples_and_pads_with_zeros():
    block = Block(2, 5, 2).eval()
    nn.init.zeros_(block.conv2.weight)
    x = pictures((2, 8, 8)).relu()
    out = block(x)
    torch.testing.assert_close(out[:, :2], x[:, :, ::2, ::2])
    assert out[:, 2:].abs().max() == 0


def test_he_normal_weights():
    network = made("preactresnet18", {"width": 1.0})
    weight = network.blocks[-1].conv2.weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (512 * 9)), rel=0.01)


@pytest.mark.parametrize("name", ["preactresnet18", "vgg-f", "whitened-cnn"])
@pytest.mark.parametrize("width", [0.0, 5.0, -1.0])
def test_a_width_out_of_range_is_refused(name, width):
    with pytest.raises(ValueError, match=r"^width must be from 0.0625 to 4; got .+\.$"):
        NETWORKS[name](width=width)


def correlated(n=40, channels=3):
    """Pictures whose neighbouring values go together, as those of photographs do."""
    noise = torch.randn(n, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    mixed = torch.einsum("ij,njhw->nihw", torch.tensor([[1.0, 0, 0], [0.9, 0.4, 0], [0.8, 0.1, 0.3]]), noise)
    return F.avg_pool2d(mixed, 3, 1)[:, :channels] + 0.3


@pytest.mark.parametrize("channels", [1, 3])
def test_whitened_patches_have_the_identity_as_their_covariance(channels):
    images, layer = correlated(channels=channels), Whitening(channels)
    layer.whiten(images, epsilon=0.0)
    made = layer(images)
    assert made.shape == (40, 8 * channels, 9, 9)
    half = made[:, : 4 * channels].transpose(0, 1).flatten(1)
    torch.testing.assert_close(half.cov(correction=0), torch.eye(4 * channels), atol=2e-3, rtol=0)
    torch.testing.assert_close(made[:, 4 * channels :], -made[:, : 4 * channels])


def test_whitening_divides_by_the_root_of_variance_and_epsilon():
    images, layer = correlated(), Whitening()
    layer.whiten(images, epsilon=0.5)
    patches = F.unfold(images, 2).transpose(0, 1).flatten(1)
    variances = torch.linalg.eigvalsh(patches.cov(correction=0)).flip(0)
    made = layer(images)[:, :12].transpose(0, 1).flatten(1).cov(correction=0)
    torch.testing.assert_close(made, (variances / (variances + 0.5)).diag(), atol=1e-4, rtol=0)


def test_whitening_of_nothing_is_refused_and_of_one_colour_is_finite():
    layer = Whitening()
    for nothing in (torch.zeros(0, 3, 8, 8), torch.zeros(1, 3, 1, 8)):
        with pytest.raises(ValueError, match=r"^images must be at least one, of at least \(2, 2\); got .+\.$"):
            layer.whiten(nothing)
    layer.whiten(torch.full((2, 3, 8, 8), 0.7))
    assert layer.weight.isfinite().all()


def test_a_whitened_cnn_begins_by_handing_on_what_it_gets():
    """Its kernels are the identity as far as they reach, and its random directions orthonormal."""
    network = made("whitened-cnn", {"width": 0.25})
    directions = network.whitening.weight[:12].flatten(1)
    torch.testing.assert_close(directions @ directions.T, torch.eye(12))
    x = pictures((64, 6, 6))
    torch.testing.assert_close(network.blocks[2].conv1(x), x)
    torch.testing.assert_close(network.blocks[1].conv1(pictures((16, 6, 6)))[:, :16], pictures((16, 6, 6)))


@pytest.mark.parametrize("size", [16, 20, 28, 32])
def test_a_whitened_cnn_takes_small_pictures(size):
    assert made("whitened-cnn", {"width": 0.125}).eval()(pictures((3, size, size))).shape == (8, 32)
