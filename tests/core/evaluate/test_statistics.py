"""Intervals and tests: against closed forms, published examples, other ways to compute them, and repeated draws."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import stats

from core.evaluate import statistics
from core.evaluate.statistics import LEVEL, Comparison, Estimate

Z = stats.norm.ppf(1 - LEVEL / 2)


@pytest.mark.parametrize(("k", "n"), [(0, 200), (4, 200), (1, 3), (100, 200), (7, 7)])
def test_wilson_solves_the_score_equation(k, n):
    """The bounds are the p at which the observed share is exactly z standard errors, of that p, away."""
    found = statistics.wilson(k, n)
    assert found.value == k / n
    assert found.n == n
    for bound in (found.low, found.high):
        assert abs(k / n - bound) == pytest.approx(Z * math.sqrt(bound * (1 - bound) / n), abs=1e-9)
    assert 0 <= found.low <= k / n <= found.high <= 1


def test_none_of_200_may_be_nearly_two_percent():
    """0 of 200 and 4 of 200, which a standard error of 0 once told apart: no test does."""
    none, four = statistics.wilson(0, 200), statistics.wilson(4, 200)
    assert (none.low, none.high) == (0, pytest.approx(0.019, abs=5e-4))
    assert (four.low, four.high) == (pytest.approx(0.008, abs=5e-4), pytest.approx(0.050, abs=5e-4))
    found = statistics.fisher(4, 200, 0, 200)
    assert found.p == pytest.approx(0.123, abs=1e-3)
    assert found.sign() == 0
    paired = statistics.mcnemar([True] * 4 + [False] * 196, [False] * 200)
    assert paired.p == pytest.approx(2 * 0.5**4)  # four images, all on one side
    assert paired.sign() == 0


@pytest.mark.parametrize(
    ("k1", "n1", "k2", "n2", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (10, 10, 0, 20, 0.6791, 1.0),
    ],
)
def test_differences_of_shares_are_newcombes(k1, n1, k2, n2, low, high):
    """Newcombe (1998), Interval estimation for the difference between independent proportions, Table II, method 10."""
    found = statistics.fisher(k1, n1, k2, n2)
    assert found.difference.value == pytest.approx(k1 / n1 - k2 / n2)
    assert (found.difference.low, found.difference.high) == (
        pytest.approx(low, abs=6e-5),
        pytest.approx(high, abs=6e-5),
    )
    back = statistics.fisher(k2, n2, k1, n1)
    assert (back.difference.low, back.difference.high) == pytest.approx((-found.difference.high, -found.difference.low))
    assert back.p == pytest.approx(found.p)
    assert back.sign() == -found.sign()


def test_fishers_p_is_the_sum_of_the_tables_that_are_no_likelier():
    k1, n1, k2, n2 = 9, 12, 3, 14
    whole = k1 + k2

    def chance(a):
        return math.comb(n1, a) * math.comb(n2, whole - a) / math.comb(n1 + n2, whole)

    every = [chance(a) for a in range(max(0, whole - n2), min(n1, whole) + 1)]
    expected = sum(p for p in every if p <= chance(k1) * (1 + 1e-9))
    assert statistics.fisher(k1, n1, k2, n2).p == pytest.approx(expected)


def pairs(both, first, second, neither):
    """Two rows of booleans with so many images of each kind."""
    a = [True] * (both + first) + [False] * (second + neither)
    b = [True] * both + [False] * first + [True] * second + [False] * neither
    return np.array(a), np.array(b)


@pytest.mark.parametrize("counts", [(50, 9, 1, 40), (0, 0, 6, 10), (3, 7, 7, 3)])
def test_mcnemar_is_a_fair_coin_on_the_images_that_differ(counts):
    _, first, second, _ = counts
    tails = sum(math.comb(first + second, k) for k in range(min(first, second) + 1)) / 2 ** (first + second)
    found = statistics.mcnemar(*pairs(*counts))
    assert found.p == pytest.approx(min(1.0, 2 * tails))
    assert found.difference.value == pytest.approx((first - second) / sum(counts))
    assert found.difference.low <= found.difference.value <= found.difference.high
    assert found.sign() == ((first > second) - (first < second) if found.p < LEVEL else 0)


def test_the_same_answers_are_no_difference():
    same = np.arange(20) < 7
    found = statistics.mcnemar(same, same)
    assert found.p == 1
    assert found.difference.low <= 0 <= found.difference.high


def test_pairs_count_only_where_they_are_pairs():
    """The same shares, image by image alike or at odds: pairs decide where two separate samples cannot."""
    alike, apart = pairs(90, 10, 0, 100), pairs(40, 60, 50, 50)
    assert alike[0].mean() - alike[1].mean() == pytest.approx(apart[0].mean() - apart[1].mean())
    assert statistics.mcnemar(*alike).sign() == 1
    assert statistics.mcnemar(*apart).sign() == 0
    assert statistics.fisher(100, 200, 90, 200).sign() == 0
    near, far = (statistics.mcnemar(*one).difference for one in (alike, apart))
    assert near.high - near.low < far.high - far.low


def test_intervals_of_pairs_hold_the_truth_as_often_as_they_say():
    """Pairs drawn with known shares: 0.7 and 0.55, correlated; 95 % of the intervals must hold 0.15."""
    draws, held = np.random.default_rng(0), 0
    for _ in range(600):
        u = draws.random(120)
        first, second = u < 0.7, (u < 0.45) | ((u > 0.7) & (u < 0.8))
        found = statistics.mcnemar(first, second).difference
        held += found.low <= 0.15 <= found.high
    assert 0.93 <= held / 600 <= 0.985


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: statistics.wilson(3, 2), "successes must be from 0 to n"),
        (lambda: statistics.wilson(0, 0), "n at least 1"),
        (lambda: statistics.mcnemar([True], [True, False]), "image by image"),
        (lambda: statistics.mcnemar([1.0], [0.0]), "must be booleans"),
        (lambda: statistics.bootstrap([1.0]), "values must be finite"),
        (lambda: statistics.bootstrap([1.0, math.nan]), "values must be finite"),
        (lambda: statistics.paired_means([1.0, 2], [1.0, 2, 3]), "must be in pairs"),
        (lambda: statistics.signed_ranks([1.0, 2], [1.0, 2, 3]), "must be in pairs"),
        (lambda: statistics.delong(([1.0, 2], [0.0, 1]), ([1.0, 2], [0.0, 1, 2])), "of the same images"),
        (lambda: Estimate(value=0, low=1, high=0, n=1, method=""), "low must be at most high"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_bootstrap_is_scipys_and_follows_its_seed():
    x = np.random.default_rng(1).exponential(2.0, 40)
    found = statistics.bootstrap(x, seed=3)
    expected = stats.bootstrap((x,), np.mean, n_resamples=9_999, method="BCa", rng=np.random.default_rng(3))
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval))
    assert found.value == pytest.approx(x.mean())
    assert statistics.bootstrap(x, seed=3) == found
    assert statistics.bootstrap(x, seed=4) != found
    assert "BCa" in found.method
    middle = statistics.bootstrap(x, "median")
    assert middle.low <= np.median(x) == middle.value <= middle.high
    assert "percentile" in middle.method


def test_a_bootstrapped_mean_of_many_is_as_wide_as_its_standard_error_says():
    x = np.random.default_rng(2).normal(5, 2, 2000)
    found = statistics.bootstrap(x)
    assert (found.high - found.low) / 2 == pytest.approx(Z * x.std(ddof=1) / math.sqrt(2000), rel=0.05)


def test_equal_values_have_no_width():
    for of in ("mean", "median"):
        found = statistics.bootstrap([3.0, 3.0, 3.0], of)
        assert (found.value, found.low, found.high) == (3, 3, 3)


def test_students_interval_by_hand():
    """1, 2, 3: standard deviation 1, and t of two degrees of freedom is 4.3027 (from its closed form)."""
    t = math.sqrt(2 * 0.95**2 / (1 - 0.95**2))
    found = statistics.student([1.0, 2.0, 3.0])
    assert (found.value, found.low, found.high) == pytest.approx((2, 2 - t / math.sqrt(3), 2 + t / math.sqrt(3)))


def test_paired_means_are_students():
    a, b = [0.97, 0.969, 0.956], [0.932, 0.943, 0.941]
    found = statistics.paired_means(a, b)
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert found.difference.value == pytest.approx(np.mean(a) - np.mean(b))
    # The interval holds 0 exactly where the test says chance.
    assert (found.difference.low <= 0 <= found.difference.high) == (found.p >= LEVEL)
    assert statistics.paired_means([2.0, 3], [1.0, 2]).p == 0
    assert statistics.paired_means([2.0, 3], [2.0, 3]).p == 1


def test_signed_ranks_of_ten_that_agree():
    """All of ten differences on one side: 2 of the 2^10 ways in which the signs may fall."""
    a = np.arange(10) + 5.0
    found = statistics.signed_ranks(a, a - np.arange(1, 11))
    assert found.p == pytest.approx(2 / 2**10)
    assert found.difference.value == 5.5
    assert statistics.signed_ranks(a, a).p == 1


def test_auroc_counts_pairs():
    generator = torch.Generator().manual_seed(1)
    inside = torch.randint(0, 6, (40,), generator=generator).double() + 1  # with many ties
    outside = torch.randint(0, 6, (25,), generator=generator).double()
    pairs = [(a > b) + 0.5 * (a == b) for a in inside.tolist() for b in outside.tolist()]
    area, _ = statistics.auroc(inside, outside)
    assert area == pytest.approx(np.mean(pairs))
    assert statistics.auroc(torch.tensor([2.0, 3]), torch.tensor([0.0, 1])) == (1.0, 0.0)
    assert statistics.auroc(torch.tensor([0.0, 1]), torch.tensor([2.0, 3]))[0] == 0.0
    with pytest.raises(ValueError, match="outside must be finite"):
        statistics.auroc(inside, torch.tensor([torch.nan]))


def test_the_standard_error_is_that_of_repeated_draws():
    """Hanley and McNeil's formula is derived for exponential scores."""
    draws = np.random.default_rng(0)
    areas, errors = [], []
    for _ in range(300):
        inside, outside = draws.exponential(3, 60), draws.exponential(1, 40)
        area, error = statistics.auroc(torch.from_numpy(inside), torch.from_numpy(outside))
        areas.append(area)
        errors.append(error)
    assert np.mean(areas) == pytest.approx(3 / 4, abs=0.01)
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.12)


def three_quarters(n, m):
    """Scores (n,) and (m,) whose area is exactly 3/4; n or m is a multiple of 4."""
    if n % 4:
        return torch.ones(n), torch.tensor([0.0] * (3 * m // 4) + [2.0] * (m // 4))
    return torch.tensor([2.0] * (3 * n // 4) + [0.0] * (n // 4)), torch.ones(m)


@pytest.mark.parametrize(("n", "m"), [(4, 4000), (4000, 4), (1, 4000), (4000, 1), (3, 40), (40, 3), (8, 8)])
def test_the_standard_error_of_unequal_sets(n, m):
    """For exponential scores of means 3 and 1 the area is 3/4; two of `inside` both exceed one of `outside` with
    probability integral exp(-2 y / 3) exp(-y) dy = 3/5, one of `inside` exceeds two of `outside` with
    integral (1 - exp(-x))^2 exp(-x / 3) / 3 dx = 9/14. The formula knows the area alone, so any scores of it serve."""
    area, error = statistics.auroc(*three_quarters(n, m))
    assert area == pytest.approx(3 / 4, abs=1e-12)
    above, both, one = Fraction(3, 4), Fraction(3, 5), Fraction(9, 14)
    variance = (above * (1 - above) + (n - 1) * (both - above**2) + (m - 1) * (one - above**2)) / (n * m)
    assert error == pytest.approx(math.sqrt(variance), rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(3, 400), (400, 3)])
def test_the_standard_error_of_unequal_sets_is_that_of_repeated_draws(n, m):
    """The few decide, and which are few matters: 0.164 with 3 inside, 0.113 with 3 outside."""
    draws = np.random.default_rng(1)
    inside, outside = draws.exponential(3, (4000, n, 1)), draws.exponential(1, (4000, 1, m))
    _, error = statistics.auroc(*three_quarters(n, m))
    assert error == pytest.approx((inside > outside).mean((1, 2)).std(), rel=0.05)


def test_auroc_is_hanley_and_mcneils():
    inside, outside = [2.0, 3, 3, 5], [1.0, 3, 4]
    area, error = statistics.auroc(inside, outside)
    assert area == pytest.approx(np.mean([(a > b) + 0.5 * (a == b) for a in inside for b in outside]))
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    assert error**2 == pytest.approx((area * (1 - area) + 3 * (q1 - area**2) + 2 * (q2 - area**2)) / 12)


def components(inside, outside):
    """DeLong's structural components, pair by pair."""
    wins = np.array([[(a > b) + 0.5 * (a == b) for b in outside] for a in inside])
    return wins.mean(1), wins.mean(0)


def test_delong_is_its_definition():
    draws = np.random.default_rng(5)
    truth_in, truth_out = draws.normal(1, 1, 30), draws.normal(0, 1, 20)
    first = np.round(truth_in, 1), np.round(truth_out, 1)  # with ties
    second = truth_in + draws.normal(0, 2, 30), truth_out + draws.normal(0, 2, 20)
    found = statistics.delong(first, second)
    (v1, w1), (v2, w2) = components(*first), components(*second)
    variance = np.var(v1 - v2, ddof=1) / 30 + np.var(w1 - w2, ddof=1) / 20
    assert found.difference.value == pytest.approx(v1.mean() - v2.mean())
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(v1.mean() - v2.mean()) / math.sqrt(variance)))
    areas = [statistics.auroc(*scores)[0] for scores in (first, second)]
    assert found.difference.value == pytest.approx(areas[0] - areas[1])


def test_delongs_error_is_that_of_repeated_draws():
    draws, differences, widths = np.random.default_rng(6), [], []
    for _ in range(200):
        a, b = draws.normal(1, 1, 80), draws.normal(0, 1, 60)
        noisy = a + draws.normal(0, 1, 80), b + draws.normal(0, 1, 60)
        found = statistics.delong((a, b), noisy)
        differences.append(found.difference.value)
        widths.append((found.difference.high - found.difference.low) / (2 * Z))
    assert np.mean(widths) == pytest.approx(np.std(differences), rel=0.12)


def test_two_perfect_scores_do_not_differ():
    perfect = ([2.0, 3], [0.0, 1])
    found = statistics.delong(perfect, perfect)
    assert (found.p, found.sign()) == (1, 0)
    backwards = statistics.delong(perfect, ([0.0, 1], [2.0, 3]))
    assert (backwards.difference.value, backwards.p, backwards.sign()) == (1, 0, 1)


def test_holm_by_hand():
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.6, 0.5]) == [1, 1]
    assert statistics.holm([]) == []


def test_a_sign_needs_a_difference_and_a_small_p():
    def one(value, p):
        return Comparison(difference=Estimate(value=value, low=-1, high=1, n=2, method=""), test="", p=p)

    assert [one(0.1, 0.049).sign(), one(-0.1, 0.049).sign(), one(0.1, 0.05).sign(), one(0.0, 0.0).sign()] == [
        1,
        -1,
        0,
        0,
    ]
    assert one(0.1, 0.02).sign(level=0.01) == 0
