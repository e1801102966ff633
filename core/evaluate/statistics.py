"""How sure a number is, and whether two differ: the intervals and tests that every statement about results rests on.

Shares have Wilson's interval; two shares are compared by McNemar's exact test where the same images were used and by
Fisher's where they were not. Means and medians of many images are bootstrapped. The few trainings of a table have
Student's interval, for a bootstrap of three numbers is too narrow. Areas under the ROC curve are compared by DeLong's
test. Every interval holds the true value in 95 of 100 measurements, every test is two-sided, at `LEVEL`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Self

import numpy as np
import scipy  # its parts are loaded where they are first asked for
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

LEVEL = 0.05
"""Of significance: a difference is one if it would come about by chance in less than 5 of 100 measurements."""
RESAMPLES = 9_999
"""Of a bootstrap."""

Floats = NDArray[np.float64]


class Estimate(BaseModel):
    """A measured number with its 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    low: float
    high: float
    n: int = Field(ge=1)
    """Of how many images (or trainings, rounds, classes)."""
    method: str
    """How the interval was made."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.high:
            raise ValueError(f"low must be at most high; got {self.low:g} and {self.high:g}.")
        return self


class Comparison(BaseModel):
    """Two measured numbers side by side: the first minus the second, and how likely chance makes such a difference."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    difference: Estimate
    test: str
    p: float = Field(ge=0, le=1)

    def sign(self, level: float = LEVEL) -> Literal[-1, 0, 1]:
        """1 where the first is the larger, -1 where the second is, 0 where chance may have done it."""
        if self.p >= level or self.difference.value == 0:
            return 0
        return 1 if self.difference.value > 0 else -1


def wilson(successes: int, n: int) -> Estimate:
    """The share successes / n with Wilson's (1927) score interval, which is no point where the share is 0 or 1.

    ValueError unless 0 <= successes <= n and n >= 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"successes must be from 0 to n, n at least 1; got {successes} of {n}.")
    found = scipy.stats.binomtest(successes, n).proportion_ci(1 - LEVEL, method="wilson")
    return Estimate(value=successes / n, low=found.low, high=found.high, n=n, method="Wilson")


def wilson_band(successes: ArrayLike, n: int) -> tuple[Floats, Floats]:
    """The ends (k,), (k,) of `wilson` for several numbers of successes (k,) of the same n at once."""
    share, z = np.asarray(successes, np.float64) / n, float(scipy.stats.norm.ppf(1 - LEVEL / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return np.maximum(middle - reach, 0.0), np.minimum(middle + reach, 1.0)


def fisher(first: int, first_n: int, second: int, second_n: int) -> Comparison:
    """Two shares of different images: Fisher's exact test.

    The interval of the difference is Newcombe's (1998), from Wilson's of the two shares. ValueError as `wilson`.
    """
    a, b = wilson(first, first_n), wilson(second, second_n)
    p = float(scipy.stats.fisher_exact([[first, first_n - first], [second, second_n - second]]).pvalue)
    difference = _newcombe(a, b, 0.0, min(first_n, second_n))
    return Comparison(difference=difference, test="Fisher, exact", p=min(p, 1.0))


def mcnemar(first: ArrayLike, second: ArrayLike) -> Comparison:
    """Two shares of the same images: McNemar's exact test, for which only images count that the two have otherwise.

    first, second: (N,) bool, image by image. The interval of the difference is Newcombe's (1998) for pairs. ValueError
    unless both are N >= 1 booleans.
    """
    a, b = (np.asarray(values) for values in (first, second))
    if a.dtype != bool or b.dtype != bool or a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(
            f"first and second must be booleans (N,), image by image; got {a.dtype} {a.shape}, {b.dtype} {b.shape}."
        )
    n, only_first, only_second = len(a), int((a & ~b).sum()), int((b & ~a).sum())
    apart = only_first + only_second
    p = float(scipy.stats.binomtest(only_first, apart).pvalue) if apart else 1.0
    share_a, share_b = wilson(int(a.sum()), n), wilson(int(b.sum()), n)
    table = np.array([[(a & b).sum(), only_first], [only_second, (~a & ~b).sum()]], float)
    margins = math.sqrt(float(np.prod(table.sum(0)) * np.prod(table.sum(1))))
    correlation = 0.0
    if margins > 0:
        cross = float(table[0, 0] * table[1, 1] - table[0, 1] * table[1, 0])
        correlation = (max(cross - n / 2, 0.0) if cross > 0 else cross) / margins  # Newcombe's continuity correction
    return Comparison(difference=_newcombe(share_a, share_b, correlation, n), test="McNemar, exact", p=min(p, 1.0))


def _newcombe(a: Estimate, b: Estimate, correlation: float, n: int) -> Estimate:
    """a - b with its interval from those of a and b (Newcombe 1998: method 10, of pairs and of independent shares)."""
    down, up = (a.value - a.low, b.high - b.value), (a.high - a.value, b.value - b.low)

    def reach(x: float, y: float) -> float:
        return math.sqrt(max(x * x - 2 * correlation * x * y + y * y, 0.0))

    value = a.value - b.value
    return Estimate(value=value, low=value - reach(*down), high=value + reach(*up), n=n, method="Newcombe")


def bootstrap(values: ArrayLike, of: Literal["mean", "median"] = "mean", seed: int = 0) -> Estimate:
    """Mean or median of (N,) values with its bootstrap interval of `RESAMPLES` resamples.

    A mean's is BCa (Efron 1987); a median's the plain percentiles, since the jackknife in BCa does not hold for
    medians. Values that are all equal have an interval of no width. ValueError unless values are N >= 2 finite numbers.
    """
    x = _sample(values, "values")
    statistic = np.mean if of == "mean" else np.median
    method: Literal["BCa", "percentile"] = "BCa" if of == "mean" else "percentile"
    value = float(statistic(x))
    low = high = value
    if np.ptp(x) > 0:
        found = scipy.stats.bootstrap(
            (x,),
            statistic,
            n_resamples=RESAMPLES,
            batch=max(1, 10**7 // len(x)),
            confidence_level=1 - LEVEL,
            method=method,
            rng=np.random.default_rng(seed),
        ).confidence_interval
        low, high = float(found.low), float(found.high)
    name = f"bootstrap, {method}, {RESAMPLES:,} resamples, seed {seed}"
    return Estimate(value=value, low=low, high=high, n=len(x), method=name)


def resampled(of: Callable[[Floats], Floats], n: int, seed: int = 0) -> Estimate | None:
    """A number of n images with its bootstrap interval, plain percentiles of `RESAMPLES` resamples.

    of: the number (B,), by how often each image counts (B, n), rows of sum n. None where it is not finite, for all
    images or for a resample. ValueError unless n is at least 2.
    """
    value = float(of(np.ones((1, n)))[0])
    values = np.concatenate([of(counts) for counts in _counts(n, seed)])
    if not math.isfinite(value) or not np.isfinite(values).all():
        return None
    low, high = np.quantile(values, (LEVEL / 2, 1 - LEVEL / 2))
    return Estimate(value=value, low=float(low), high=float(high), n=n, method=_percentiles(seed))


def resampled_means(values: ArrayLike, seed: int = 0) -> list[Estimate]:
    """The means of the columns of (n, K) values, a row an image, as `resampled` has each; all of one drawing of images.

    ValueError unless n is at least 2 and all are finite.
    """
    x = np.asarray(values, np.float64)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise ValueError(f"values must be finite numbers (n, K); got {x.shape}.")
    drawn = np.concatenate([counts @ x for counts in _counts(len(x), seed)]) / len(x)
    low, high = np.quantile(drawn, (LEVEL / 2, 1 - LEVEL / 2), axis=0)
    ends = zip(x.mean(0), low, high, strict=True)
    return [
        Estimate(value=float(v), low=float(min(a, v)), high=float(max(b, v)), n=len(x), method=_percentiles(seed))
        for v, a, b in ends
    ]


def _percentiles(seed: int) -> str:
    return f"bootstrap, percentile, {RESAMPLES:,} resamples, seed {seed}"


def _counts(n: int, seed: int) -> Iterator[Floats]:
    """How often each of n images is drawn, (B, n), for `RESAMPLES` in all."""
    if n < 2:
        raise ValueError(f"n must be at least 2; got {n}.")
    rng, batch = np.random.default_rng(seed), max(1, 10**6 // n)
    for start in range(0, RESAMPLES, batch):
        size = min(batch, RESAMPLES - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def student(values: ArrayLike) -> Estimate:
    """Mean of a few (N,) values, trainings or rounds, with Student's interval. ValueError unless N >= 2 finite ones."""
    x = _sample(values, "values")
    value = float(x.mean())
    reach = float(scipy.stats.t.ppf(1 - LEVEL / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return Estimate(value=value, low=value - reach, high=value + reach, n=len(x), method="Student")


def paired_means(first: ArrayLike, second: ArrayLike) -> Comparison:
    """Means of a few values in pairs, (N,) and (N,), as trainings of the same seeds: Student's t of the differences.

    Where all differences are the same, chance has no part in them: p is 0, or 1 if they are 0. ValueError unless both
    are N >= 2 finite numbers.
    """
    a, b = _sample(first, "first"), _sample(second, "second")
    if len(a) != len(b):
        raise ValueError(f"first and second must be in pairs; got {len(a)} and {len(b)}.")
    difference = student(a - b)
    error = float((a - b).std(ddof=1)) / math.sqrt(len(a))
    t = abs(difference.value) / error if error > 0 else math.inf
    p = float(2 * scipy.stats.t.sf(t, len(a) - 1)) if difference.value else 1.0
    return Comparison(difference=difference, test="Student, paired", p=p)


def signed_ranks(first: ArrayLike, second: ArrayLike) -> Comparison:
    """Medians of values in pairs, (N,) and (N,): Wilcoxon's signed-rank test, exact for up to 50 pairs without ties.

    The interval is that of the median difference: the percentiles of its bootstrap, seed 0. ValueError as
    `paired_means`.
    """
    a, b = _sample(first, "first"), _sample(second, "second")
    if len(a) != len(b):
        raise ValueError(f"first and second must be in pairs; got {len(a)} and {len(b)}.")
    p = float(scipy.stats.wilcoxon(a, b).pvalue) if np.any(a != b) else 1.0
    return Comparison(difference=bootstrap(a - b, "median"), test="Wilcoxon, signed ranks", p=min(p, 1.0))


def spearman(first: ArrayLike, second: ArrayLike) -> tuple[Estimate, float]:
    """Spearman's rank correlation of (N,) and (N,) numbers, which may be infinite, and its p (Student's t).

    The interval is Bonett and Wright's (2000), by Fisher's transformation with the variance (1 + rho^2 / 2) / (N - 3).
    It is 0 with p 1 where all of one are the same. ValueError unless both are N >= 5 numbers.
    """
    a, b = (np.asarray(values, np.float64) for values in (first, second))
    if a.ndim != 1 or a.shape != b.shape or len(a) < 5 or np.isnan(a).any() or np.isnan(b).any():
        raise ValueError(f"first and second must be numbers (N,) in pairs, N at least 5; got {a.shape}, {b.shape}.")
    ranks = [scipy.stats.rankdata(values) for values in (a, b)]
    rho, p = 0.0, 1.0
    if all(np.ptp(rank) > 0 for rank in ranks):
        found = scipy.stats.spearmanr(*ranks)
        rho, p = float(found.statistic), float(found.pvalue)
    middle = math.atanh(min(max(rho, -1 + 1e-12), 1 - 1e-12))
    reach = float(scipy.stats.norm.ppf(1 - LEVEL / 2)) * math.sqrt((1 + rho**2 / 2) / (len(a) - 3))
    low, high = min(math.tanh(middle - reach), rho), max(math.tanh(middle + reach), rho)
    return Estimate(value=rho, low=low, high=high, n=len(a), method="Bonett and Wright"), min(p, 1.0)


def auroc(inside: ArrayLike, outside: ArrayLike) -> tuple[float, float]:
    """Area under the ROC curve of two sets of scores (N,), (M,), and its standard error.

    The chance that a score of `inside` is higher than one of `outside`, ties counting half. The error is Hanley and
    McNeil's (1982), from the area alone. ValueError if a set is empty or not finite.
    """
    from sklearn.metrics import roc_auc_score  # half a second: every process of a measurement would wait for it

    a, b = _sample(inside, "inside", 1), _sample(outside, "outside", 1)
    n, m = len(a), len(b)
    area = float(roc_auc_score(np.concatenate([np.ones(n), np.zeros(m)]), np.concatenate([a, b])))
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (n - 1) * (q1 - area**2) + (m - 1) * (q2 - area**2)) / (n * m)
    return area, math.sqrt(max(variance, 0.0))


def delong(first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike]) -> Comparison:
    """The areas under the ROC curves of two scores of the same images: DeLong's test (DeLong et al. 1988).

    first, second: scores of the N images inside and of the M outside, in the same order. The interval is normal, cut
    at -1 and 1. ValueError unless N, M >= 2, all finite, and the same for both scores.
    """
    inside = [_sample(scores[0], "inside") for scores in (first, second)]
    outside = [_sample(scores[1], "outside") for scores in (first, second)]
    n, m = len(inside[0]), len(outside[0])
    if len(inside[1]) != n or len(outside[1]) != m:
        raise ValueError(
            f"first and second must be scores of the same images; got {n} and {m}, {len(inside[1])} and "
            f"{len(outside[1])}."
        )
    # Of each image the share of the other set that it beats: from its rank among all, less that among its own kind.
    rank = scipy.stats.rankdata
    above = np.stack([(_ranks(a, b)[:n] - rank(a)) / m for a, b in zip(inside, outside, strict=True)])
    below = np.stack([1 - (_ranks(a, b)[n:] - rank(b)) / n for a, b in zip(inside, outside, strict=True)])
    covariance = np.cov(above) / n + np.cov(below) / m
    value = float(above[0].mean() - above[1].mean())
    error = math.sqrt(max(float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]), 0.0))
    reach = float(scipy.stats.norm.ppf(1 - LEVEL / 2)) * error
    p = float(2 * scipy.stats.norm.sf(abs(value) / error)) if error > 0 else float(value == 0)
    difference = Estimate(
        value=value, low=max(value - reach, -1.0), high=min(value + reach, 1.0), n=min(n, m), method="DeLong"
    )
    return Comparison(difference=difference, test="DeLong", p=p)


def _ranks(a: Floats, b: Floats) -> Floats:
    return np.asarray(scipy.stats.rankdata(np.concatenate([a, b])))


def holm(ps: Sequence[float]) -> list[float]:
    """p values of several tests raised by Holm's (1979) rule, so that the smallest may be believed of them all."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    found, least = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        least = max(least, min((len(ps) - rank) * ps[i], 1.0))
        found[i] = least
    return found


def _sample(values: ArrayLike, name: str, least: int = 2) -> Floats:
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or len(x) < least or not np.isfinite(x).all():
        raise ValueError(f"{name} must be finite numbers (N,), N at least {least}; got {x.shape}.")
    return x
