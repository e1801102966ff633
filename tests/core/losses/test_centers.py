"""Class centres: the simplex, Rankin's bound, the polygon, Tammes' points, and CIFAR-100's superclasses."""

import math

import numpy as np
import pytest
import torch

from core.data import cifar100
from core.losses import hierarchical_centers, max_mahalanobis_centers, random_centers
from core.losses.centers import TAMMES, CenterSet, best_angle, shadow, simplex


def cosines(centers):
    """The cosines of all pairs, in float64."""
    units = torch.nn.functional.normalize(centers.double())
    rows, columns = torch.triu_indices(len(units), len(units), 1)
    return (units @ units.T)[rows, columns]


def algorithm_1(points):
    """Pang et al. 2018, Algorithm 1, step by step: mu_i(j) makes <mu_i, mu_j> = -1/(L - 1), mu_i(i) the norm 1."""
    mu = np.zeros((points, points - 1))
    mu[0, 0] = 1
    for i in range(1, points):
        for j in range(min(i, points - 1)):
            mu[i, j] = -(1 + mu[i] @ mu[j] * (points - 1)) / (mu[j, j] * (points - 1))
        if i < points - 1:
            mu[i, i] = math.sqrt(abs(1 - mu[i] @ mu[i]))
    return mu


@pytest.mark.parametrize("points", [2, 3, 4, 10, 100])
def test_the_simplex_is_that_of_algorithm_1(points):
    np.testing.assert_allclose(simplex(points), algorithm_1(points), atol=1e-12)


@pytest.mark.parametrize("norm", [1.0, 10.0, 100.0])
@pytest.mark.parametrize(("classes", "dim"), [(2, 1), (3, 2), (4, 3), (10, 9), (10, 64), (10, 2000), (100, 256)])
def test_norms_and_cosines_of_enough_dimensions(classes, dim, norm):
    centers = max_mahalanobis_centers(classes, dim, norm)
    assert centers.shape == (classes, dim)
    assert centers.dtype == torch.float32
    torch.testing.assert_close(
        centers.double().norm(dim=1), torch.full((classes,), norm, dtype=torch.float64), rtol=1e-6, atol=0
    )
    assert (cosines(centers) + 1 / (classes - 1)).abs().max() < 1e-6
    distance = norm * math.sqrt(2 * classes / (classes - 1))
    assert torch.pdist(centers.double()).tolist() == pytest.approx([distance] * (classes * (classes - 1) // 2))


def test_the_default_norm_is_ten():
    assert max_mahalanobis_centers(10, 64).double().norm(dim=1).tolist() == pytest.approx([10.0] * 10, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 100])
def test_in_the_plane_they_are_the_regular_polygon(classes):
    centers = max_mahalanobis_centers(classes, 2, 3.0).double()
    angles = torch.atan2(centers[:, 1], centers[:, 0]) % (2 * math.pi)
    expected = 2 * math.pi * torch.arange(classes, dtype=torch.float64) / classes
    torch.testing.assert_close(angles, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(centers.norm(dim=1), torch.full_like(angles, 3.0), rtol=1e-6, atol=0)


BEST = {
    4: 109.4712206,
    5: 90,
    6: 90,
    7: 77.8695421,
    8: 74.8584922,
    9: 70.5287794,
    10: 66.1468220,
    12: 63.4349488,
    24: 43.6907671,
}
"""Smallest angle in degrees of the best known points on a sphere (Tammes' problem; up to 14 and for 24 proven)."""


@pytest.mark.parametrize("classes", BEST)
def test_on_the_sphere_they_are_as_far_apart_as_the_best_known(classes):
    """Asked is 1 % of the best distance; reached is 0.05 %."""
    centers = max_mahalanobis_centers(classes, 3, 10.0).double()
    best = 20 * math.sin(math.radians(BEST[classes]) / 2)
    assert 0.9995 * best < torch.pdist(centers).min().item() < best * (1 + 1e-6)
    assert (centers.norm(dim=1) - 10).abs().max() < 1e-5


@pytest.mark.parametrize("classes", [n for n in TAMMES if n not in BEST])
def test_they_reach_the_other_proven_angles_too(classes):
    reached = torch.pdist(max_mahalanobis_centers(classes, 3, 1.0).double()).min().item()
    best = 2 * math.sin(best_angle(classes, 3)[0] / 2)
    assert 0.99 * best < reached < best * (1 + 1e-6)


@pytest.mark.parametrize(("classes", "dim"), [(20, 3), (30, 3), (30, 10), (100, 3), (100, 20)])
def test_many_centres_are_spread_evenly(classes, dim):
    """No table for these: at least as far apart as the best of a thousand random arrangements, and all close pairs
    nearly equally close, as at an optimum."""
    centers = max_mahalanobis_centers(classes, dim, 1.0)
    draws = torch.randn(1000, classes, dim, generator=torch.Generator().manual_seed(0))
    random = torch.nn.functional.normalize(draws, dim=2)
    best = max(torch.pdist(arrangement).min().item() for arrangement in random)
    nearest = torch.cdist(centers, centers).fill_diagonal_(torch.inf).min(1).values
    assert nearest.min().item() > 1.2 * best
    assert nearest.median().item() < 1.02 * nearest.min().item()


@pytest.mark.parametrize(("classes", "dim"), [(6, 4), (7, 4), (8, 4), (12, 10), (20, 10), (100, 64), (128, 64)])
def test_up_to_twice_the_dimensions_they_meet_rankins_bound(classes, dim):
    """More than d + 1 vectors cannot all be more than a right angle apart (Rankin 1955)."""
    centers = max_mahalanobis_centers(classes, dim, 1.0)
    assert cosines(centers).max().abs() < 1e-6
    assert centers.sum(0).abs().max() < 1e-5
    assert (centers.double().norm(dim=1) - 1).abs().max() < 1e-6


def test_24_points_in_four_dimensions_are_the_24_cell():
    assert cosines(max_mahalanobis_centers(24, 4, 1.0)).max().item() == pytest.approx(0.5, abs=1e-4)


def test_spread_centres_are_the_same_every_time():
    from core.losses.centers import _unit_centers

    first = max_mahalanobis_centers(9, 3, 1.0)
    _unit_centers.cache_clear()
    assert torch.equal(first, max_mahalanobis_centers(9, 3, 1.0))
    first += 1  # nobody can spoil what is remembered
    assert not torch.equal(first, max_mahalanobis_centers(9, 3, 1.0))


def test_random_centres_have_the_norm_and_follow_the_generator():
    first, again, other = (random_centers(10, 64, 10.0, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first.double().norm(dim=1) - 10).abs().max() < 1e-5
    best = math.sqrt(2 * 10 / 9) * 10
    assert torch.pdist(first).min() < 0.97 * best


def test_a_single_class_has_a_centre():
    assert max_mahalanobis_centers(1, 3, 2.0).tolist() == [[2.0, 0.0, 0.0]]


# CIFAR-100's official coarse label of each fine label, as its files give it.
COARSE = [
    4,
    1,
    14,
    8,
    0,
    6,
    7,
    7,
    18,
    3,
    3,
    14,
    9,
    18,
    7,
    11,
    3,
    9,
    7,
    11,
    6,
    11,
    5,
    10,
    7,
    6,
    13,
    15,
    3,
    15,
    0,
    11,
    1,
    10,
    12,
    14,
    16,
    9,
    11,
    5,
    5,
    19,
    8,
    8,
    15,
    13,
    14,
    17,
    18,
    10,
    16,
    4,
    17,
    4,
    2,
    0,
    17,
    4,
    18,
    17,
    10,
    3,
    2,
    12,
    12,
    16,
    12,
    1,
    9,
    19,
    2,
    10,
    0,
    1,
    16,
    12,
    9,
    13,
    15,
    13,
    16,
    19,
    2,
    4,
    6,
    19,
    5,
    5,
    8,
    19,
    18,
    1,
    2,
    15,
    6,
    0,
    17,
    8,
    14,
    13,
]


def test_the_superclasses_are_cifar_100s():
    assert list(cifar100.GROUPS) == COARSE
    assert len(set(cifar100.CLASSES)) == 100
    assert cifar100.CLASSES[:3] == ("apple", "aquarium_fish", "baby")
    assert cifar100.CLASSES[-2:] == ("woman", "worm")


def test_hierarchical_centres_are_their_closed_form():
    """C_1 = 10, C_2 = 1: same superclass sqrt(2 5/4) C_2 apart; others by Pythagoras, subspaces being orthogonal."""
    centers = hierarchical_centers(cifar100.GROUPS, 256, 10.0, 1.0).double()
    group = torch.tensor(cifar100.GROUPS)
    rank = torch.tensor([cifar100.GROUPS[:label].count(g) for label, g in enumerate(cifar100.GROUPS)])
    between = 100 * 2 * 20 / 19 * (group[:, None] != group)
    within = 1 * 2 * 5 / 4 * (rank[:, None] != rank)
    torch.testing.assert_close(torch.cdist(centers, centers).square(), (between + within).double(), rtol=0, atol=1e-4)
    assert centers.norm(dim=1).tolist() == pytest.approx([math.sqrt(101)] * 100, rel=1e-6)
    means = torch.stack([centers[group == g].mean(0) for g in range(20)])
    torch.testing.assert_close(means, max_mahalanobis_centers(20, 256, 10.0).double(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dim", [256, 23, 20])
def test_hierarchical_centres_group_the_real_superclasses(dim):
    """The four nearest centres of every class are those of its superclass, whether or not the subspaces fit (23)."""
    distances = torch.cdist(*[hierarchical_centers(cifar100.GROUPS, dim, 10.0, 1.0)] * 2).fill_diagonal_(torch.inf)
    for label, nearest in enumerate(distances.topk(4, largest=False).indices.tolist()):
        siblings = next(names for names in cifar100.SUPERCLASSES.values() if cifar100.CLASSES[label] in names)
        assert {cifar100.CLASSES[other] for other in nearest} == set(siblings) - {cifar100.CLASSES[label]}


@pytest.mark.parametrize(("supers", "size"), [(20, 5), (4, 3), (3, 2), (2, 2), (2, 3), (1, 4)])
def test_sub_centres_have_dimensions_of_their_own_from_the_first_dimension_that_allows_it(supers, size):
    """S - 1 dimensions for the super-centres (one for a single one), n - 1 for the sub-centres: as many suffice."""
    groups = [label % supers for label in range(supers * size)]
    group, rank = torch.tensor(groups), torch.arange(supers * size) // supers
    between = 2 * supers / max(supers - 1, 1) * 7.0**2 * (group[:, None] != group)
    within = 2 * size / (size - 1) * 2.0**2 * (rank[:, None] != rank)
    exact = max(supers - 1, 1) + size - 1
    for dim in (exact, exact + 1, exact + 30):
        centers = hierarchical_centers(groups, dim, 7.0, 2.0).double()
        assert centers.shape == (supers * size, dim)
        found = torch.cdist(centers, centers).square()
        torch.testing.assert_close(found, (between + within).double(), rtol=0, atol=1e-4)
        assert centers.norm(dim=1).tolist() == pytest.approx([math.sqrt(53)] * len(groups), rel=1e-6)


@pytest.mark.parametrize(("supers", "size"), [(20, 5), (4, 3), (3, 2), (2, 3), (1, 4)])
def test_one_dimension_short_sub_centres_are_those_of_their_number_alone(supers, size):
    """mu_i + mu_j, as the report has it, each as `max_mahalanobis_centers` gives it: they share dimensions."""
    groups = [label % supers for label in range(supers * size)]
    dim = max(supers - 1, 1) + size - 2
    above, below = max_mahalanobis_centers(supers, dim, 7.0), max_mahalanobis_centers(size, dim, 2.0)
    expected = torch.stack([above[label % supers] + below[label // supers] for label in range(len(groups))])
    torch.testing.assert_close(hierarchical_centers(groups, dim, 7.0, 2.0), expected, rtol=0, atol=1e-6)


def test_the_largest_superclass_says_how_many_dimensions_are_needed():
    """Three superclasses (2 dimensions) of 1, 4 and 2 classes (3): in 5, mu_j are at right angles to all mu_i."""
    groups = [0, 1, 1, 2, 1, 2, 1]
    supers = max_mahalanobis_centers(3, 5, 6.0).double()
    centers = hierarchical_centers(groups, 5, 6.0, 1.5).double()
    torch.testing.assert_close(centers @ supers.T, (supers @ supers.T)[groups], rtol=0, atol=1e-4)
    subs = centers - supers[groups]
    assert subs.norm(dim=1).tolist() == pytest.approx([0, *[1.5] * 6], abs=1e-5)
    # sqrt(2 n / (n - 1)) of their norm apart, n classes of a superclass.
    assert torch.pdist(subs[[1, 2, 4, 6]]).tolist() == pytest.approx([1.5 * math.sqrt(8 / 3)] * 6, rel=1e-5)
    assert torch.pdist(subs[[3, 5]]).tolist() == pytest.approx([3.0], rel=1e-5)
    short = hierarchical_centers(groups, 4, 6.0, 1.5)[[1, 2, 4, 6]]
    expected = max_mahalanobis_centers(3, 4, 6.0)[1] + max_mahalanobis_centers(4, 4, 1.5)
    torch.testing.assert_close(short, expected, rtol=0, atol=1e-6)


def test_groups_may_differ_in_size():
    centers = hierarchical_centers([0, 1, 1, 1, 0, 2], 10, 5.0, 0.5).double()
    supers = max_mahalanobis_centers(3, 10, 5.0).double()
    torch.testing.assert_close(centers[5], supers[2])
    torch.testing.assert_close((centers[0] + centers[4]) / 2, supers[0], atol=1e-6, rtol=0)
    assert torch.pdist(centers[[1, 2, 3]]).tolist() == pytest.approx([0.5 * math.sqrt(3)] * 3, rel=1e-5)


def test_one_superclass_keeps_its_classes_apart():
    assert torch.pdist(hierarchical_centers([0, 0, 0], 3, 5.0, 1.0)).tolist() == pytest.approx([math.sqrt(3)] * 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: max_mahalanobis_centers(0, 3, 1.0), "classes must be at least 1; got 0."),
        (lambda: max_mahalanobis_centers(3, 1, 1.0), "dim must be at least 2 for 3 classes; got 1."),
        (lambda: max_mahalanobis_centers(3, 0, 1.0), "dim must be at least 2 for 3 classes; got 0."),
        (lambda: max_mahalanobis_centers(2, 0, 1.0), "dim must be at least 1 for 2 classes; got 0."),
        (lambda: max_mahalanobis_centers(3, 3, 0.0), "norm must be a finite number greater than 0; got 0.0."),
        (lambda: max_mahalanobis_centers(3, 3, math.nan), "norm must be a finite number greater than 0; got nan."),
        (lambda: random_centers(3, 3, math.inf, torch.Generator()), "norm must be a finite number"),
        (lambda: hierarchical_centers([0, 2], 3), "groups must number the superclasses from 0 without a gap; got [0"),
        (lambda: hierarchical_centers([], 3), "groups must number the superclasses from 0 without a gap; got []."),
        (lambda: hierarchical_centers([0, 1], 3, 10.0, -1.0), "sub_norm must be a finite number greater than 0"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(call, words):
    with pytest.raises(ValueError, match=r"\.$") as caught:
        call()
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("classes", "dim", "degrees", "whose"),
    [
        (2, 1, 180, "simplex"),
        (4, 3, math.degrees(math.acos(-1 / 3)), "simplex"),
        (10, 512, 96.3793702, "simplex"),
        (7, 2, 360 / 7, "polygon"),
        (6, 3, 90, "Rankin"),
        (20, 10, 90, "Rankin"),
        (8, 3, math.degrees(math.acos((2 * math.sqrt(2) - 1) / 7)), "Tammes"),
        (9, 3, math.degrees(math.acos(1 / 3)), "Tammes"),
        (12, 3, math.degrees(math.atan(2)), "Tammes"),
    ],
)
def test_the_best_angle_is_said_where_it_is_known(classes, dim, degrees, whose):
    angle, reason = best_angle(classes, dim)
    assert math.degrees(angle) == pytest.approx(degrees, abs=1e-6)
    assert whose in reason


def test_no_best_angle_is_invented():
    assert best_angle(20, 3) is None
    assert best_angle(30, 4) is None
    assert best_angle(1, 4) is None
    with pytest.raises(ValueError, match="dim must be at least 2 for 3 classes; got 1"):
        best_angle(3, 1)


def orthonormal(axes):
    torch.testing.assert_close(axes.T @ axes, torch.eye(3, dtype=axes.dtype), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("classes", "dim"), [(4, 3), (4, 64), (12, 3), (3, 2), (2, 64), (2, 1)])
def test_what_fills_three_dimensions_casts_itself(classes, dim):
    centers = max_mahalanobis_centers(classes, dim, 10.0)
    axes, kept = shadow(centers)
    assert axes.shape == (dim, 3)
    assert kept == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(torch.pdist(centers @ axes), torch.pdist(centers))


@pytest.mark.parametrize("classes", [5, 10, 100])
def test_the_shadow_of_a_simplex_is_even(classes):
    """Every shadow of a simplex keeps 3 of its L - 1 equal parts; ours hides no centre behind another."""
    centers = max_mahalanobis_centers(classes, classes - 1, 1.0).double()
    axes, kept = shadow(centers)
    orthonormal(axes)
    assert kept == pytest.approx(3 / (classes - 1))
    seen = centers @ axes
    lengths = seen.norm(dim=1) / math.sqrt(3 / (classes - 1))
    assert lengths.min() > 0.8
    assert lengths.max() < 1.2
    best = torch.pdist(max_mahalanobis_centers(classes, 3, 1.0)).min() * math.sqrt(3 / (classes - 1))
    assert torch.pdist(seen).min() > 0.5 * best


def test_the_shadow_is_that_of_the_principal_directions():
    points = torch.randn(40, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * torch.arange(1, 9)
    axes, kept = shadow(points)
    orthonormal(axes)
    values, vectors = np.linalg.eigh((points.T @ points).numpy())
    assert kept == pytest.approx(values[-3:].sum() / values.sum())
    torch.testing.assert_close(axes @ axes.T, torch.from_numpy(vectors[:, -3:] @ vectors[:, -3:].T))


def test_the_shadow_of_hierarchical_centres_shows_both_levels():
    centers = hierarchical_centers(cifar100.GROUPS, 64, 10.0, 1.0).double()
    members = torch.tensor(cifar100.GROUPS) == 0
    plain, _ = shadow(centers)
    assert torch.pdist((centers @ plain)[members]).max() < 1e-4  # hides the classes of a superclass
    axes, kept = shadow(centers, cifar100.GROUPS)
    orthonormal(axes)
    assert torch.pdist((centers @ axes)[members]).min() > 0.5
    # Half of what three of 19 and three of 4 equal parts hold; the mixed terms cancel within every superclass.
    assert kept == pytest.approx((100 * 3 / 19 + 1 * 3 / 4) / 2 / 101, rel=1e-5)


@pytest.mark.parametrize(
    "points", [torch.zeros(3), torch.zeros(0, 4), torch.full((2, 4), math.nan), torch.ones(2, 4).int()]
)
def test_a_shadow_needs_points(points):
    with pytest.raises(ValueError, match="points must be a finite float tensor"):
        shadow(points)


@pytest.mark.parametrize("classes", [4, 5, 10])
def test_where_the_smallest_angle_falls(classes):
    angles = {dim: float(_placed(classes, dim).angles.fill_diagonal_(torch.inf).min()) for dim in range(2, classes + 1)}
    for dim, angle in angles.items():
        if dim >= classes - 1:
            assert angle == pytest.approx(math.degrees(math.acos(-1 / (classes - 1))), abs=1e-3)
        elif dim >= classes / 2:
            assert angle == pytest.approx(90, abs=1e-3)
        else:
            assert angle < angles[dim + 1] - 1


def _placed(classes, dim):
    return CenterSet(max_mahalanobis_centers(classes, dim), None)


def test_angles_of_near_and_opposite_centres_are_exact():
    """The arc cosine of float32 dot products would be off by hundredths of a degree."""
    tiny = math.radians(0.01)
    centres = CenterSet(torch.tensor([[1.0, 0.0], [math.cos(tiny), math.sin(tiny)], [-1.0, 0.0]]), None)
    assert centres.angles[0, 1].item() == pytest.approx(0.01, rel=1e-3)
    assert centres.angles[0, 2].item() == pytest.approx(180)
    assert centres.closest() == (0, 1)
