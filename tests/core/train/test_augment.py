"""core.train.augment: each step against what it says of itself."""

import pytest
import torch
import torch.nn.functional as F

from core import models
from core.losses import CrossEntropy, MaxMahalanobis
from core.metrics import roughness
from core.models import Card
from core.models.networks import initialise
from core.train import Recipe, against
from core.train.augment import alternating, attacked, flipped, mirrored, scaled, shifted, size_in
from tests.problems import uniform


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def test_shifted_moves_each_image_by_its_own_whole_pixels():
    images = torch.rand(200, 2, 5, 4, generator=generator(0))
    moved = shifted(images, 2, generator())
    padded = F.pad(images, (2, 2, 2, 2))
    offsets = set()
    for before, after in zip(padded, moved, strict=True):
        matches = [(y, x) for y in range(5) for x in range(5) if torch.equal(before[:, y : y + 5, x : x + 4], after)]
        assert len(matches) == 1
        offsets.add(matches[0])
    assert len(offsets) == 25
    assert shifted(images, 0, torch.Generator()) is images
    assert torch.equal(moved, shifted(images, 2, generator()))


def test_flipped_mirrors_about_half_and_nothing_else():
    images = torch.rand(400, 3, 4, 5, generator=generator(0))
    result = flipped(images, generator())
    mirrored = torch.tensor([torch.equal(a, b.flip(2)) for a, b in zip(result, images, strict=True)])
    kept = torch.tensor([torch.equal(a, b) for a, b in zip(result, images, strict=True)])
    assert bool((mirrored ^ kept).all())
    assert 150 < int(mirrored.sum()) < 250


def test_reflected_borders_bring_in_the_picture_and_no_zeros():
    images = torch.rand(50, 2, 5, 4, generator=generator(0)) + 1
    moved = shifted(images, 2, generator(), "reflect")
    assert float(moved.min()) >= 1
    padded = F.pad(images, (2, 2, 2, 2), mode="reflect")
    zeros = shifted(images, 2, generator())
    for before, whole, after in zip(padded, moved, zeros, strict=True):  # the same moves as with zeros
        assert any(
            torch.equal(before[:, y : y + 5, x : x + 4], whole) and bool((after == 0).logical_or(after == whole).all())
            for y in range(5)
            for x in range(5)
        )


def test_two_epochs_in_a_row_show_both_sides_of_every_image():
    images = torch.rand(101, 1, 2, 3, generator=generator(0))
    for epoch in (1, 2, 7):
        first, second = (mirrored(images, alternating(101, each, 5)) for each in (epoch, epoch + 1))
        assert torch.equal(first.flip(3), second)
    assert torch.equal(alternating(101, 1, 5), alternating(101, 3, 5))
    assert not torch.equal(alternating(101, 1, 5), alternating(101, 1, 6))
    assert 30 < int(alternating(101, 1, 5).sum()) < 70
    sides = torch.tensor([True] + 100 * [False])
    assert torch.equal(mirrored(images, sides)[0], images[0].flip(2))
    assert torch.equal(mirrored(images, sides)[1:], images[1:])


@pytest.mark.parametrize("epochs", [1, 3, 12, 18])
def test_sizes_rise_to_the_full_one_by_two_thirds(epochs):
    sizes = [size_in(epoch, Recipe(epochs=epochs, first_size=16), 32) for epoch in range(1, epochs + 1)]
    assert sizes[0] == 16
    assert sizes == sorted(sizes)
    assert all(size % 4 == 0 for size in sizes)
    assert all(size == 32 for index, size in enumerate(sizes) if index >= 2 / 3 * epochs)


def test_without_a_first_size_every_epoch_is_full():
    assert {size_in(epoch, Recipe(epochs=5), 28) for epoch in range(1, 6)} == {28}
    assert size_in(1, Recipe(first_size=64), 32) == 32


def test_scaled_keeps_what_is_linear():
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    small = scaled(ramp, 16)[0, 0, 0]
    torch.testing.assert_close(small[1:-1], ramp[0, 0, 0].view(16, 2).mean(1)[1:-1])
    torch.testing.assert_close(scaled(torch.full((1, 1, 32, 32), 0.3), 20), torch.full((1, 1, 20, 20), 0.3))
    assert scaled(ramp, 32) is ramp


@pytest.fixture(scope="module")
def model():
    card = Card(
        name="small",
        title="",
        dataset="cifar10",
        network="preactresnet18",
        network_arguments={"width": 0.0625},
        input_shape=(3, 16, 16),
        classes=10,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        sha256="0" * 64,
        loss="max-mahalanobis",
        embedding=16,
        head="centers",
    )
    model = models.build(card)
    initialise(model, generator(0))
    MaxMahalanobis().prepare(model.head, generator(0))
    return model.train()


@pytest.mark.parametrize("kind", ["fgsm", "fast", "pgd", "least-likely", "smoothfool"])
@pytest.mark.parametrize("loss", [CrossEntropy(), MaxMahalanobis()], ids=lambda loss: loss.name)
def test_attacked(model, kind, loss):
    images, labels = torch.rand(8, 3, 16, 16, generator=generator(2)), torch.arange(8)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    recipe = Recipe(adversarial=kind, epsilon=0.05, attack_steps=4, adversarial_share=0.75, precision="float32")
    result = attacked(model, loss, recipe, images, labels, generator())
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not result.requires_grad
    assert torch.equal(result[6:], images[6:])
    assert 0 <= float(result.min()) <= float(result.max()) <= 1
    if kind != "smoothfool":
        assert float((result - images).abs().max()) <= 0.05 + 1e-6
        model.eval()
        with torch.no_grad():
            harm = [loss.attack(model.head, model.features(x[:6]), labels[:6]).mean() for x in (images, result)]
        model.train()
        assert kind == "least-likely" or harm[1] > harm[0]
    assert not torch.equal(result[:6], images[:6])


def test_fgsm_is_the_sign_of_the_gradient(model):
    images, labels = torch.rand(4, 3, 16, 16, generator=generator(2)) * 0.5 + 0.25, torch.arange(4)
    recipe = Recipe(adversarial="fgsm", epsilon=0.1, precision="float32")
    result = attacked(model, CrossEntropy(), recipe, images, labels, generator())
    model.eval()
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(x), labels, reduction="sum"), x)
    model.train()
    assert torch.equal(result, images + 0.1 * gradient.sign())


@pytest.mark.parametrize("loss", [CrossEntropy(), MaxMahalanobis()], ids=lambda loss: loss.name)
def test_step_ll_is_the_sign_of_the_gradient_towards_the_least_likely_class(model, loss):
    """Kurakin et al. 2017, section 3: X - epsilon sign(grad J(X, y_LL)), whatever the label."""
    images = torch.rand(4, 3, 16, 16, generator=generator(2)) * 0.5 + 0.25
    recipe = Recipe(adversarial="least-likely", epsilon=0.1, precision="float32")
    others = torch.ones(4).long()
    made = [attacked(model, loss, recipe, images, y, generator()) for y in (torch.arange(4), others)]
    model.eval()
    x = images.clone().requires_grad_()
    least = model(x).argmin(1)
    objective = F.cross_entropy(model(x), least, reduction="sum")
    if loss.name == "max-mahalanobis":
        objective = (model.features(x) - model.head.centers[least]).square().sum()
    (gradient,) = torch.autograd.grad(objective, x)
    model.train()
    assert torch.equal(made[0], images - 0.1 * gradient.sign())
    assert torch.equal(made[0], made[1])  # no label leaks


def test_sat_takes_the_recipes_smoothness(model):
    images, labels = torch.rand(4, 3, 16, 16, generator=generator(2)), torch.arange(4)
    found = {}
    for sigma_g in (1.0, 4.0):
        recipe = Recipe(adversarial="smoothfool", sigma_g=sigma_g, attack_steps=2, precision="float32")
        found[sigma_g] = attacked(model, CrossEntropy(), recipe, images, labels, generator()) - images
    rough = {sigma_g: roughness(r, 1.0, normalised=True) for sigma_g, r in found.items()}
    moved = (found[1.0].flatten(1).norm(dim=1) > 0) & (found[4.0].flatten(1).norm(dim=1) > 0)
    assert bool(moved.any())
    assert bool((rough[4.0] < rough[1.0])[moved].all())
    assert Recipe().sigma_g == 2.0  # of the trainings before there was a parameter
    assert Recipe.preset("SmoothFool, SAT").sigma_g == 1.0  # SmoothFool, section 4.2


def test_an_ensemble_makes_each_batch_on_one_of_the_networks_or_on_itself(model):
    """Tramèr et al. 2018: which one is drawn evenly, and a batch is what that network alone would make of it."""
    images, labels = torch.rand(4, 3, 16, 16, generator=generator(2)), torch.arange(4)
    others = []
    for seed in (5, 6):
        other = models.build(model.card)
        initialise(other, generator(seed))
        MaxMahalanobis().prepare(other.head, generator(0))
        others.append((other.eval(), MaxMahalanobis()))
    recipe = Recipe(adversarial="fgsm", sources="a, b", epsilon=0.1, precision="float32")
    assert recipe.named_sources == ("a", "b")
    alone = [
        attacked(net, loss, recipe, images, labels, generator()) for net, loss in [*others, (model, MaxMahalanobis())]
    ]
    assert not torch.equal(alone[0], alone[1])
    noise, counts = generator(), [0, 0, 0]
    for _ in range(60):
        made = attacked(model, MaxMahalanobis(), recipe, images, labels, noise, others)
        counts[[torch.equal(made, one) for one in alone].index(True)] += 1
    assert min(counts) > 10
    assert model.training


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sources": "mnist-c4-ce"}, "sources must be left out where nothing is attacked"),
        ({"adversarial": "fgsm", "sources": "a b"}, "name must be letters"),
        ({"adversarial": "fgsm", "sources": "a" * 301}, "sources must have at most 300 letters; got 301."),
    ],
)
def test_sources_that_cannot_be_are_refused_in_one_sentence(values, words):
    with pytest.raises(ValueError, match=r"\.$") as caught:
        Recipe(**values)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({}, ""),
        ({"adversarial": "none"}, ""),
        ({"adversarial": "fgsm"}, "FGSM"),
        ({"adversarial": "least-likely", "sources": ""}, "step l.l."),
        ({"adversarial": "fgsm", "sources": "a,b"}, "FGSM of an ensemble"),
        ({"adversarial": "of a later version"}, "of a later version"),
    ],
)
def test_what_a_network_was_trained_against_in_words(recipe, words):
    assert against(recipe) == words


def test_without_adversarial_training_the_batch_is_the_batch(model):
    images = uniform(2, 3, 16, 16)
    assert attacked(model, CrossEntropy(), Recipe(), images, torch.arange(2), generator()) is images
