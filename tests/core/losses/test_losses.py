"""The losses against independent formulas, and all of them through the one door that training and attacks use."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck
from torch.distributions import MultivariateNormal

from core import models
from core.attacks import ATTACKS, hinge, margin, run
from core.data import cifar100
from core.losses import LOSSES, choose_references, classify, max_mahalanobis, max_mahalanobis_centers
from core.losses.center_loss import CenterLoss
from core.losses.cross_entropy import CrossEntropy
from core.losses.graph_smoothness import GraphSmoothness
from core.losses.large_margin import GeneralizedSoftmax, LargeMargin
from core.losses.max_mahalanobis import MaxMahalanobis, MaxMahalanobisLDA
from core.models import Card, build, check
from core.models.heads import CenterHead, KernelHead, LinearCenterHead, QuadraticHead
from core.params import fields
from core.train import save
from tests.problems import normal, trained_for

CLASSES, SIZE = 3, 8


def features(n=12, dim=4, classes=CLASSES, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, generator=generator, dtype=torch.float64), torch.arange(n) % classes


def randomised(head, seed=1):
    """`head` in float64 with every parameter and float buffer random."""
    generator = torch.Generator().manual_seed(seed)
    head = head.double()
    for value in head.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator))
    return head


def make(loss, seed=0):
    """A small classifier of 8 x 8 pictures as training would make it for `loss`."""
    return trained_for(loss, CLASSES, SIZE, [0, 0, 1], seed)


def blobs(n=120, seed=0):
    """Pictures whose bright third tells the class, in noise; they stay in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % CLASSES
    x = 0.5 + 0.1 * torch.randn(n, 1, SIZE, SIZE, generator=generator)
    for c, rows in enumerate((slice(0, 3), slice(3, 5), slice(5, 8))):
        x[y == c, :, rows] += 0.25
    return x.clamp(0, 1), y


VARIANTS = [
    *(cls() for cls in LOSSES.values()),
    CrossEntropy(dim=2, label_smoothing=0.1),
    GraphSmoothness(dim=2, k=5),
    MaxMahalanobis(centers="hierarchical", dim=8),
    MaxMahalanobisLDA(centers="random", norm=3),
    LargeMargin(covariance="identity", dim=5),
]
IDS = [f"{loss.name} {' '.join(map(str, loss.changed().values()))}".strip() for loss in VARIANTS]


@pytest.fixture(scope="module", params=VARIANTS, ids=IDS)
def trained(request):
    """(loss, the values it took, the trained model): a few steps of Adam on the blobs."""
    loss = request.param
    if isinstance(loss, GraphSmoothness):
        loss = loss.replace(references=60)
    model = make(loss)
    x, y = blobs()
    optimiser = torch.optim.Adam(model.parameters(), 0.003)
    values = []
    for _ in range(40):
        value = loss(model.head, model.features(x), y)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    model.eval().requires_grad_(False)
    if loss.wanted_references:
        rows = choose_references(y, loss.wanted_references, torch.Generator().manual_seed(0))
        model.head.refer(model.features(x[rows]), y[rows])
    return loss, values, model


def test_every_loss_lowers_itself_and_separates_the_classes(trained):
    loss, values, model = trained
    assert values[-1] < 0.5 * values[0]
    assert all(math.isfinite(value) for value in values)
    x, y = blobs()
    new, truth = blobs(seed=1)
    for name in loss.classifiers:
        got = classify(name, model.head, model.features(x), y, model.features(new))
        assert (got == truth).float().mean() > 0.95, name


def test_every_head_is_attacked_through_its_logits(trained):
    _, _, model = trained
    x, y = blobs(6, seed=2)
    assert torch.equal(model(x).argmax(1), y)
    search = {"iterations": 30, "search_steps": 3, "margin": 0.0}
    for name, arguments in {"scw": search, "cw": search, "deepfool": {}, "pgd2": {}}.items():
        if name not in ATTACKS:
            continue
        result = run(ATTACKS[name](**arguments), model, x, y)
        assert result.success.float().mean() > 0.8, name
        assert torch.equal(model(result.adversarial).argmax(1) != y, result.success)


def test_every_adaptive_attack_is_per_image_and_differentiable(trained):
    loss, _, model = trained
    x, y = blobs(6, seed=2)
    x.requires_grad_()
    value = loss.attack(model.head, model.features(x), y)
    assert value.shape == (6,)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert (gradient.flatten(1).abs().amax(1) > 0).all()
    if not loss.adaptive:
        torch.testing.assert_close(value, F.cross_entropy(model(x), y, reduction="none"))
    elif isinstance(loss, MaxMahalanobis | MaxMahalanobisLDA):
        z, own = model.features(x), model.head.centers[y]
        torch.testing.assert_close(value, (z - own).square().sum(1))
    else:
        torch.testing.assert_close(value, (model.head.offsets() - model(x))[torch.arange(6), y])


def test_the_card_makes_the_same_classifier_again(trained):
    loss, _, model = trained
    card = Card.model_validate_json(model.card.model_dump_json())
    again = build(card)
    again.load_state_dict(model.state_dict())
    check(again.eval())
    x, _ = blobs(6)
    assert torch.equal(again(x), model(x))
    assert LOSSES[card.loss](**card.loss_arguments) == loss


def test_a_checkpoint_keeps_centres_and_references(trained, tmp_path, monkeypatch):
    """Saved as training saves, in float16 at worst, and loaded by name."""
    _, _, model = trained
    x, y = blobs(30)
    save(model, model.card, tmp_path / "checkpoints", x, y)
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    try:
        loaded = models.load("toy", "cpu")
    finally:
        monkeypatch.undo()
        models.refresh()
    for key, value in loaded.head.state_dict().items():
        torch.testing.assert_close(value, model.head.state_dict()[key], rtol=1e-3, atol=1e-3)
    assert torch.equal(loaded(x).argmax(1), model(x).argmax(1))


def test_mixed_precision_keeps_logits_and_losses_exact_enough(trained):
    loss, _, model = trained
    x, y = blobs(12)
    with torch.autocast("cpu", torch.bfloat16):
        z = model.features(x)
        logits = model.head(z)
    assert logits.isfinite().all()
    exact = loss(model.head, model.features(x), y)
    torch.testing.assert_close(loss(model.head, z.float(), y), exact, rtol=0.1, atol=0.05)


def test_preparation_depends_on_its_generator_alone():
    for loss in VARIANTS:
        first, again = make(loss).state_dict(), make(loss).state_dict()
        assert all(torch.equal(first[key], again[key]) for key in first), loss


def test_a_card_without_the_new_entries_is_a_linear_head():
    card = Card(
        name="old",
        title="old",
        dataset="mnist",
        network="c4",
        loss="cross-entropy",
        input_shape=(1, 28, 28),
        classes=10,
        mean=(0.1,),
        std=(0.3,),
        sha256="0" * 64,
    )
    model = build(card)
    assert type(model.head) is nn.Linear
    assert list(model.state_dict())[-2:] == ["head.weight", "head.bias"]
    assert CrossEntropy().entries(10, 128) == {
        "loss": card.loss,
        "loss_arguments": {},
        "embedding": card.embedding,
        "head": card.head,
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"head": "tail"}, "toy: unknown head 'tail'; known are linear,"),
        ({"head_arguments": {"surprise": 1}}, "toy: head linear does not take {'surprise': 1}; correct it."),
        ({"head": "kernel", "head_arguments": {"references": 2}}, "toy: head kernel does not take"),
        ({"head": "quadratic", "head_arguments": {"bias": "x"}}, "toy: head quadratic does not take"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(changes, words):
    card = make(CrossEntropy()).card.model_copy(update=changes)
    with pytest.raises(ValueError, match=r"\.$") as caught:
        build(card)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("cls", LOSSES.values())
def test_every_loss_says_what_it_is(cls):
    assert LOSSES[cls.name] is cls
    assert all((cls.title, cls.formula, cls.look_for, cls.paper))
    assert all(info.help and info.label for info in fields(cls))
    for name in cls.presets:
        assert isinstance(cls.preset(name), cls)


@pytest.mark.parametrize("loss", VARIANTS, ids=IDS)
def test_gradients_of_every_loss(loss):
    """Finite differences in the features, in float64."""
    z, y = features(9)
    layout = loss.layout(CLASSES, 4)
    head = {
        "linear": lambda: nn.Linear(4, CLASSES),
        "centers": lambda: CenterHead(4, CLASSES),
        "linear-centers": lambda: LinearCenterHead(4, CLASSES),
        "quadratic": lambda: QuadraticHead(4, CLASSES, **layout["head_arguments"]),
        "kernel": lambda: KernelHead(4, CLASSES, references=6),
    }[layout["head"]]()
    head = randomised(head)
    z.requires_grad_()
    assert gradcheck(lambda v: loss(head, v, y), z)
    assert gradcheck(lambda v: loss.attack(head, v, y), z)


# Max-Mahalanobis


def test_mmc_of_a_feature_on_its_centre_is_zero():
    centers = max_mahalanobis_centers(10, 32, 10.0)
    y = torch.arange(10)
    assert max_mahalanobis(centers, y, centers).item() == 0
    assert max_mahalanobis(centers, (y + 1) % 10, centers).item() == pytest.approx(0.5 * 100 * 2 * 10 / 9, rel=1e-6)


def test_mmc_is_half_the_mean_squared_distance():
    z, y = features()
    centers = normal(CLASSES, 4, dtype=torch.float64)
    expected = sum(0.5 * math.dist(z[i], centers[y[i]]) ** 2 for i in range(len(y))) / len(y)
    assert max_mahalanobis(z, y, centers).item() == pytest.approx(expected)
    head = CenterHead(4, CLASSES).double()
    head.centers.copy_(centers)
    assert MaxMahalanobis()(head, z, y).item() == pytest.approx(expected)
    torch.testing.assert_close(
        MaxMahalanobis().attack(head, z, y),
        torch.tensor([math.dist(z[i], centers[y[i]]) ** 2 for i in range(12)]).double(),
    )


@pytest.mark.parametrize("half", [False, True])
def test_mmc_logits_are_negative_squared_distances_and_never_positive(half):
    centers = max_mahalanobis_centers(10, 64, 10.0)
    head = CenterHead(64, 10, half=half)
    head.centers.copy_(centers)
    noise = torch.randn(200, 64, generator=torch.Generator().manual_seed(0))
    scale = torch.logspace(-6, 3, 200)[:, None]
    z = centers.repeat(20, 1) + scale * noise
    logits = head(z)
    assert logits.max() <= 0
    expected = -((z.double()[:, None] - centers.double()) ** 2).sum(2) * (0.5 if half else 1)
    torch.testing.assert_close(logits.double(), expected, rtol=1e-5, atol=1e-9)
    assert head(centers).diagonal().abs().max() == 0


@pytest.mark.parametrize("half", [False, True])
def test_linear_logits_are_the_same_discriminant_and_keep_what_float32_would_round_away(half):
    centers = max_mahalanobis_centers(10, 64, 10.0)
    squares, linear = CenterHead(64, 10, half=half), CenterHead(64, 10, half=half, linear=True)
    for head in (squares, linear):
        head.centers.copy_(centers)
    z = 300 * torch.randn(50, 64, generator=torch.Generator().manual_seed(0))  # norms of 2400
    exact = -(z.double()[:, None] - centers.double()).square().sum(2) * linear.scale
    exact = exact - exact.amax(1, keepdim=True)
    found = [(logits - logits.amax(1, keepdim=True)).double() for logits in (linear(z), squares(z))]
    torch.testing.assert_close(found[0], exact, rtol=1e-6, atol=0.005)
    assert (found[1] - exact).abs().max() > 0.1


def test_a_fresh_network_starts_between_the_centres():
    """Its features are short beside the centres, so the loss starts near C_MM^2 / 2 and the network learns at once."""
    loss = MaxMahalanobis()
    model = make(loss)
    x, y = blobs()
    z = model.features(x)
    assert z.norm(dim=1).max() < 3
    assert loss(model.head, z, y).item() == pytest.approx(50, rel=0.1)


def test_the_attacks_margin_is_right_on_logits_that_are_all_negative():
    """Between the centres of 0 and 1, a step towards 1 makes the margin positive; the hinge has a gradient."""
    head = CenterHead(9, 10)
    head.centers.copy_(max_mahalanobis_centers(10, 9, 10.0))
    a, b = head.centers[0], head.centers[1]
    z = torch.stack([0.9 * a + 0.1 * b, 0.51 * a + 0.49 * b, 0.49 * a + 0.51 * b, b]).requires_grad_()
    y = torch.zeros(4, dtype=torch.long)
    d = (a - b).square().sum().item()
    assert margin(head(z), y).tolist() == pytest.approx([-0.8 * d, -0.02 * d, 0.02 * d, d], rel=1e-3)
    (gradient,) = torch.autograd.grad(hinge(head(z), y, m=2 * d).sum(), z)
    torch.testing.assert_close(gradient, (2 * (a - b)).expand(4, 9), rtol=1e-4, atol=1e-4)


def test_mm_lda_is_bayes_rule_for_gaussians_at_the_centres():
    """-log p(y | z) of equally likely normals with covariance I/2, whose log-density is -|z - mu|^2 + const."""
    z, y = features()
    loss = MaxMahalanobisLDA()
    head = randomised(CenterHead(4, CLASSES, **loss.layout(CLASSES, 4)["head_arguments"]))
    densities = torch.stack([MultivariateNormal(mu, torch.eye(4).double() / 2).log_prob(z) for mu in head.centers], 1)
    posterior = densities - densities.logsumexp(1, keepdim=True)
    torch.testing.assert_close(loss(head, z, y), -posterior[torch.arange(12), y].mean())


@pytest.mark.parametrize("loss", [MaxMahalanobis, MaxMahalanobisLDA])
def test_fixed_centres_are_prepared_as_declared_and_take_no_gradient(loss):
    head = CenterHead(64, 100)
    loss(norm=7).prepare(head, torch.Generator())
    assert torch.equal(head.centers, max_mahalanobis_centers(100, 64, 7.0))
    assert list(head.parameters()) == []
    assert "centers" in head.state_dict()
    loss(centers="hierarchical").prepare(head, torch.Generator(), groups=cifar100.GROUPS)
    assert head.centers[4].dist(head.centers[30]) < head.centers[4].dist(head.centers[0])  # beaver: dolphin, apple
    loss(centers="random", norm=2).prepare(head, torch.Generator().manual_seed(0))
    assert head.centers.norm(dim=1).tolist() == pytest.approx([2.0] * 100)


def test_hierarchical_centres_without_superclasses_are_refused():
    with pytest.raises(
        ValueError, match=r"^centers='hierarchical' needs the superclass of each of the 10 classes.*\.$"
    ):
        MaxMahalanobis(centers="hierarchical").prepare(CenterHead(64, 10), torch.Generator())


@pytest.mark.parametrize(
    ("z", "y", "centers", "words"),
    [
        (torch.zeros(3), [0, 0, 0], (2, 3), "z must be a float tensor (N, d)"),
        (torch.zeros(2, 3), [0], (2, 3), "labels must be 2 integers"),
        (torch.zeros(2, 3), [0, 2], (2, 3), "labels must be from 0 to 1; got 0 to 2."),
        (torch.zeros(2, 3), [0, -1], (2, 3), "labels must be from 0 to 1; got -1 to 0."),
        (torch.zeros(2, 3), [0, 1], (2, 4), "centers must be (K, 3), as wide as z; got (2, 4)."),
    ],
)
def test_features_that_do_not_fit_their_centres_are_refused(z, y, centers, words):
    with pytest.raises(ValueError, match=r"\.$") as caught:
        max_mahalanobis(z, torch.tensor(y), torch.zeros(centers))
    assert str(caught.value).startswith(words)


# Cross-entropy, centre loss


def test_cross_entropy_by_hand():
    z, y = features()
    head = randomised(nn.Linear(4, CLASSES))
    logits = z @ head.weight.T + head.bias
    expected = (logits.exp().sum(1).log() - logits[torch.arange(12), y]).mean()
    torch.testing.assert_close(CrossEntropy()(head, z, y), expected)


def test_centre_loss_is_cross_entropy_and_the_pull():
    z, y = features()
    head = randomised(LinearCenterHead(4, CLASSES))
    centers = head.centers.detach()
    pull = sum(math.dist(z[i], centers[y[i]]) ** 2 for i in range(12)) / 12
    expected = F.cross_entropy(head(z), y).item() + 0.5 * 0.2 * pull
    assert CenterLoss(weight=0.2)(head, z, y).item() == pytest.approx(expected)
    assert CenterLoss(weight=0)(head, z, y).item() == pytest.approx(F.cross_entropy(head(z), y).item())


def test_the_centres_gradient_is_the_papers_step():
    """Eq. 4 of Wen et al.: sum over the class of (c_j - z_i), over 1 + n_j, times alpha; absent classes stay."""
    z, _ = features()
    y = torch.tensor([0] * 7 + [2] * 5)
    head = randomised(LinearCenterHead(4, CLASSES))
    CenterLoss(weight=0.2, center_rate=0.4)(head, z, y).backward()
    for c in range(CLASSES):
        mine = z[y == c]
        expected = 0.4 * (head.centers[c] - mine).sum(0) / (1 + len(mine))
        torch.testing.assert_close(head.centers.grad[c], expected.detach())


# Quadratic logits


def test_quadratic_logits_are_gaussian_log_likelihoods():
    z, _ = features()
    head = randomised(QuadraticHead(4, CLASSES, bias="gaussian"))
    expected = torch.stack(
        [
            MultivariateNormal(mu, precision_matrix=torch.diag(s.exp())).log_prob(z)
            for mu, s in zip(head.centers, head.log_precision, strict=True)
        ],
        1,
    )
    constant = 0.5 * 4 * math.log(2 * math.pi)
    torch.testing.assert_close(head(z), expected + constant)


def test_large_margin_is_the_formula_of_its_paper():
    """Wan et al. 2018, eqs. 12 to 17, with probabilities written out."""
    z, y = features()
    head = randomised(QuadraticHead(4, CLASSES, bias="gaussian"))
    alpha, weight, total = 0.7, 0.3, 0.0
    for i in range(12):
        precision = [torch.diag(s.exp()) for s in head.log_precision]
        d = [0.5 * (z[i] - mu) @ p @ (z[i] - mu) for mu, p in zip(head.centers, precision, strict=True)]
        terms = [p.det().sqrt() * torch.exp(-d[c] * (1 + alpha * (c == y[i]))) for c, p in enumerate(precision)]
        total += -torch.log(terms[y[i]] / sum(terms)) + weight * (d[y[i]] - 0.5 * precision[y[i]].logdet())
    torch.testing.assert_close(LargeMargin(margin=alpha, likelihood=weight)(head, z, y), total / 12)


def test_a_margin_makes_the_loss_stricter_and_none_leaves_bayes_rule():
    z, y = features()
    head = randomised(QuadraticHead(4, CLASSES, bias="gaussian"))
    values = [LargeMargin(margin=m, likelihood=0)(head, z, y).item() for m in (0, 0.5, 2)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(F.cross_entropy(head(z), y).item())


def test_g_sce_is_the_softmax_of_the_reports_quadratic_logits_and_holds_linear_ones():
    z, y = features()
    loss = GeneralizedSoftmax()
    head = randomised(QuadraticHead(4, CLASSES, **loss.layout(CLASSES, 4)["head_arguments"]))
    h = torch.stack(
        [
            -((z - m) ** 2 * s.exp()).sum(1) + b
            for m, s, b in zip(head.centers, head.log_precision, head.bias, strict=True)
        ],
        1,
    )
    torch.testing.assert_close(loss(head, z, y), F.nll_loss(h.log_softmax(1), y))
    # A learned covariance takes up the factor that older networks have.
    older = QuadraticHead(4, CLASSES).double()
    older.load_state_dict(head.state_dict() | {"log_precision": head.log_precision + math.log(2)})
    torch.testing.assert_close(older(z), head(z))


def test_g_sce_of_round_classes_has_the_reports_factor():
    """h = -|z - mu|^2 + B: with B = 0 MM-LDA's logits; and softmax regression, as the squares of z cancel."""
    z, y = features()
    loss = GeneralizedSoftmax(covariance="identity")
    head = randomised(QuadraticHead(4, CLASSES, **loss.layout(CLASSES, 4)["head_arguments"]))
    linear = 2 * z @ head.centers.T + head.bias - head.centers.square().sum(1)
    torch.testing.assert_close(loss(head, z, y), F.cross_entropy(linear, y))
    fixed = CenterHead(4, CLASSES).double()
    fixed.centers.copy_(head.centers.detach())
    with torch.no_grad():
        head.bias.zero_()
    torch.testing.assert_close(head(z), fixed(z))
    torch.testing.assert_close(loss(head, z, y), MaxMahalanobisLDA()(fixed, z, y))


def test_a_quadratic_head_of_log_likelihoods_has_its_half():
    with pytest.raises(ValueError, match=r"^half must be true"):
        QuadraticHead(4, CLASSES, bias="gaussian", half=False)
