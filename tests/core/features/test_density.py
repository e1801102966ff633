"""Sample density: volumes in closed form, densities that are known, and what must not change them."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from core.features.density import (
    class_means,
    deciding_axes,
    log_ball_volume,
    log_shell_volume,
    neighbour_density,
    own_and_nearest,
    pointwise_loss,
    sample_density,
)
from core.losses import CrossEntropy, GeneralizedSoftmax, MaxMahalanobis, MaxMahalanobisLDA, max_mahalanobis_centers
from core.models.heads import CenterHead, KernelHead, LinearCenterHead, QuadraticHead
from core.models.networks import initialise


def ball(n, dim, radius, seed=0):
    """Points evenly scattered in a ball."""
    generator = torch.Generator().manual_seed(seed)
    lengths = radius * torch.rand(n, 1, generator=generator, dtype=torch.float64) ** (1 / dim)
    return lengths * normalize(torch.randn(n, dim, generator=generator, dtype=torch.float64))


def fixed(classes, dim, norm):
    head = CenterHead(dim, classes)
    head.centers.copy_(max_mahalanobis_centers(classes, dim, norm))
    return head


def linear(classes, dim, scale=20.0):
    """Rows towards the simplex's corners, and something common to all rows, of which no loss knows."""
    head = nn.Linear(dim, classes)
    with torch.no_grad():
        head.weight.copy_(scale * max_mahalanobis_centers(classes, dim, 1.0) + torch.linspace(0, 3, dim))
        head.bias.zero_()
    return head


def test_volumes_are_the_known_ones():
    radius = torch.tensor([0.5, 2.0], dtype=torch.float64)
    torch.testing.assert_close(log_ball_volume(1, radius).exp(), 2 * radius)
    torch.testing.assert_close(log_ball_volume(2, radius).exp(), math.pi * radius**2)
    torch.testing.assert_close(log_ball_volume(3, radius).exp(), 4 / 3 * math.pi * radius**3)
    torch.testing.assert_close(log_ball_volume(10, radius).exp(), math.pi**5 / 120 * radius**10)
    rings = log_shell_volume(2, torch.tensor([0.0, 1.0]), torch.tensor([1.0, 3.0])).exp()
    assert rings.tolist() == pytest.approx([math.pi, 8 * math.pi])
    assert math.isfinite(log_shell_volume(500, torch.tensor(1e-3), torch.tensor(2e-3)).item())


def test_a_thin_shell_is_surface_times_thickness():
    inner = torch.tensor(2.0, dtype=torch.float64)
    thin = log_shell_volume(9, inner, inner * (1 + 1e-6)).exp().item()
    assert thin == pytest.approx(9 * log_ball_volume(9, inner).exp().item() * 1e-6, rel=1e-4)


def test_mmc_density_is_its_closed_form():
    """Eleven features of class 0 at known radii: two to a shell, over rings of known area."""
    head = fixed(3, 2, 5.0)
    radii = torch.linspace(0.1, 1.1, 11, dtype=torch.float64)
    turns = torch.arange(11, dtype=torch.float64)
    features = head.centers[0] + radii[:, None] * torch.stack([turns.cos(), turns.sin()], 1)
    found = sample_density(MaxMahalanobis(norm=5.0), head, features, torch.zeros(11, dtype=torch.long), shells=5)
    unit = 5 * math.sqrt(3)
    assert found.unit == pytest.approx(unit)
    assert (found.dim, found.n, found.bounded) == (2, 11, True)
    areas = math.pi * (radii[2::2] ** 2 - radii[:-2:2] ** 2) / unit**2
    torch.testing.assert_close(found.by_contour[0], (2 / areas).log10(), rtol=1e-5, atol=1e-5)
    assert found.by_contour[1:].isnan().all()  # no sample, no density
    assert found.room(float(found.by_contour[0, 0])) == pytest.approx(float((areas[0] / 2).sqrt()), rel=1e-4)


@pytest.mark.parametrize("kind", ["mmc", "sce", "mm-lda"])
def test_an_even_scatter_has_one_density_in_every_shell(kind):
    """500 features a class, evenly scattered in a ball of radius 1: n / volume, whatever the contours' shape."""
    loss = {"mmc": MaxMahalanobis(), "sce": CrossEntropy(), "mm-lda": MaxMahalanobisLDA()}[kind]
    head = linear(3, 2) if kind == "sce" else fixed(3, 2, 10.0)
    places = max_mahalanobis_centers(3, 2, 10.0).double()
    features = torch.cat([places[label] + ball(500, 2, 1.0, label) for label in range(3)])
    labels = torch.arange(3).repeat_interleave(500)
    found = sample_density(loss, head, features, labels, shells=4, draws=40_000)
    assert found.n == 1500
    expected = math.log10(500 / math.pi * found.unit**2)
    assert found.unit == pytest.approx(10 * math.sqrt(3), rel=0.02)
    # A shell holds 125 samples: one standard deviation is 9 %, or 0.04.
    assert (found.by_contour - expected).abs().max() < 0.15
    assert found.by_contour.mean().item() == pytest.approx(expected, abs=0.04)
    assert found.by_neighbours.median().item() == pytest.approx(expected, abs=0.1)
    assert found.bounded is (kind == "mmc")


@pytest.mark.parametrize("kind", ["mmc", "sce"])
def test_length_and_idle_dimensions_change_nothing(kind):
    """Features and centres ten times as large, or with directions of which no logit knows: the same densities."""

    def measure(scale, idle):
        places = scale * max_mahalanobis_centers(4, 3, 10.0).double()
        features = torch.cat([places[label] + scale * ball(60, 3, 2.0, label) for label in range(4)])
        head = fixed(4, 3 + idle, 10.0 * scale) if kind == "mmc" else linear(4, 3 + idle, 20 / scale)
        if kind == "sce":
            with torch.no_grad():
                head.weight[:, :3] = 20 / scale * max_mahalanobis_centers(4, 3, 1.0)
        noise = torch.randn(240, idle, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
        labels = torch.arange(4).repeat_interleave(60)
        loss = MaxMahalanobis() if kind == "mmc" else CrossEntropy()
        return sample_density(loss, head, torch.cat([features, noise], 1), labels, draws=50_000)

    one, scaled, wider = measure(1.0, 0), measure(10.0, 0), measure(1.0, 5)
    assert scaled.unit == pytest.approx(10 * one.unit, rel=1e-6)
    torch.testing.assert_close(scaled.by_neighbours, one.by_neighbours, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(wider.by_neighbours, one.by_neighbours, rtol=1e-5, atol=1e-5)
    # SCE's volumes are measured with random points, the same in the first two.
    torch.testing.assert_close(scaled.by_contour, one.by_contour, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(wider.by_contour, one.by_contour, rtol=0, atol=1e-4 if kind == "mmc" else 0.05)
    assert one.hidden == pytest.approx(0, abs=1e-6)
    assert 0 < wider.hidden < 1


def test_tighter_features_are_denser_by_the_power_of_the_dimensions():
    head, labels = fixed(4, 3, 10.0), torch.zeros(100, dtype=torch.long)
    points = ball(100, 3, 1.0)
    wide, tight = (
        sample_density(MaxMahalanobis(), head, head.centers[0] + size * points, labels) for size in (1.0, 0.1)
    )
    assert (tight.by_contour[0] - wide.by_contour[0]).tolist() == pytest.approx([3.0] * 5, abs=1e-4)


def test_only_what_is_classified_correctly_counts():
    head = fixed(3, 2, 5.0)
    features = torch.cat([head.centers[0] + ball(30, 2, 1.0).float(), head.centers[1] + ball(30, 2, 1.0).float()])
    found = sample_density(MaxMahalanobis(), head, features, torch.zeros(60, dtype=torch.long))
    assert found.n == 30
    assert found.labels.tolist() == [0] * 30


def test_neighbours_are_unbiased_where_points_are_scattered_evenly():
    points = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inner = ((points - 0.5).abs() < 0.4).all(1)
    assert neighbour_density(points, 10).exp()[inner].mean().item() == pytest.approx(4000, rel=0.05)


def random_head(classes, dim):
    head = LinearCenterHead(dim, classes)
    initialise(head, torch.Generator().manual_seed(0))
    return head


@pytest.mark.parametrize(
    ("head", "k"), [(linear(5, 12), 4), (fixed(5, 12, 10.0), 4), (fixed(6, 3, 10.0), 3), (random_head(5, 12), 4)]
)
def test_the_deciding_directions_are_all_that_the_logits_differences_know(head, k):
    axes = deciding_axes(head)
    assert axes.shape[1] == k
    torch.testing.assert_close(axes.T @ axes, torch.eye(k, dtype=torch.float64))
    z = torch.randn(20, axes.shape[0], generator=torch.Generator().manual_seed(0))
    head = head.double()
    differences = [(logits - logits[:, :1]).detach() for logits in (head(z.double()), head(z.double() @ axes @ axes.T))]
    torch.testing.assert_close(*differences, rtol=0, atol=1e-4)


def test_distances_to_the_own_and_the_nearest_other_centre():
    generator = torch.Generator().manual_seed(0)
    z, centers = torch.randn(50, 7, generator=generator), torch.randn(4, 7, generator=generator)
    labels = torch.arange(50) % 4
    own, other = own_and_nearest(z, labels, centers)
    for i in range(50):
        every = [math.dist(z[i].tolist(), center.tolist()) for center in centers]
        assert own[i].item() == pytest.approx(every.pop(labels[i]), rel=1e-5)
        assert other[i].item() == pytest.approx(min(every), rel=1e-5)


def test_a_class_that_is_not_there_is_nobodys_nearest():
    z, labels = torch.tensor([[0.0], [2.0]]), torch.tensor([0, 2])
    means = class_means(z, labels, 3)
    assert means[1].isnan().all()
    assert own_and_nearest(z, labels, means)[1].tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("loss", "head"),
    [
        (CrossEntropy(), linear(3, 2)),
        (GeneralizedSoftmax(), QuadraticHead(2, 3)),
        (MaxMahalanobis(), fixed(3, 2, 2.0)),
    ],
)
def test_the_loss_of_each_point_is_the_loss_of_a_batch_of_one(loss, head):
    points = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
    each = [loss(head, point[None], torch.tensor([1])).item() for point in points]
    assert pointwise_loss(loss, head, points, 1).tolist() == pytest.approx(each, rel=1e-5)


ONE = torch.zeros(4, 2), torch.zeros(4, dtype=torch.long)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: deciding_axes(KernelHead(2, 3, references=9)), "head must be linear or have fixed centres; got Kern"),
        (lambda: deciding_axes(QuadraticHead(2, 3)), "head must be linear or have fixed centres; got QuadraticHead."),
        (lambda: log_ball_volume(0, torch.ones(1)), "dim must be at least 1; got 0."),
        (lambda: neighbour_density(torch.zeros(5, 2), 5), "neighbours must be from 2 to 4, below the number of points"),
        (lambda: own_and_nearest(*ONE, torch.zeros(1, 2)), "centers must be at least 2, so that there is another one"),
        (lambda: sample_density(CrossEntropy(), linear(3, 2), *ONE, shells=0), "shells and draws must be at least 1"),
        (lambda: class_means(torch.zeros(4, 2), torch.full((4,), 3), 3), "labels must be from 0 to 2; got 3 to 3."),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(call, words):
    with pytest.raises(ValueError, match=r"\.$") as caught:
        call()
    assert str(caught.value).startswith(words)
