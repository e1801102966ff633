"""Verdicts on hand-made comparisons: what holds, what fails, and what nobody can tell."""

import pytest

from core.evaluate import claims, statistics
from core.evaluate.claims import Finding, Part, Verdict
from core.evaluate.statistics import Comparison, Estimate


def compared(value, p):
    estimate = Estimate(value=value, low=value - 0.1, high=value + 0.1, n=20, method="by hand")
    return Comparison(difference=estimate, test="by hand", p=p)


def part(value, p, expected=1):
    return Part(f"{value}", compared(value, p), expected)


@pytest.mark.parametrize(
    ("parts", "outcome", "p"),
    [
        ([part(0.2, 0.01)], "holds", 0.01),
        ([part(-0.2, 0.01)], "fails", 0.01),
        ([part(-0.2, 0.01, -1)], "holds", 0.01),
        ([part(0.2, 0.05)], "undecided", 0.05),
        ([part(0.2, 0.01), part(0.3, 0.04)], "holds", 0.04),  # each by itself: no correction
        ([part(0.2, 0.01), part(0.3, 0.06)], "undecided", 0.06),
        ([part(0.2, 0.001), part(-0.3, 0.01)], "fails", 0.01),
        ([part(0.2, 0.9), part(-0.3, 0.03)], "undecided", 0.9),  # of two tests one may well be at 0.03 by chance
        ([part(0.2, 0.9), part(-0.3, 0.02)], "fails", 0.04),
        ([part(0.0, 0.0)], "undecided", 0.0),
    ],
)
def test_a_claim_about_several_differences(parts, outcome, p):
    verdict = claims.every(parts)
    assert (verdict.outcome, verdict.p) == (outcome, pytest.approx(p))
    assert [one.of for one in verdict.findings] == [one.of for one in parts]
    assert [one.p for one in verdict.findings] == [one.comparison.p for one in parts]
    assert (verdict.test, verdict.level) == ("by hand", 0.05)


def test_without_a_measurement_nothing_is_decided():
    for verdict in (claims.every([]), claims.within((0, 1), [])):
        assert verdict.outcome == "undecided"
        assert verdict.p is None
        assert verdict.why == "It was not measured."


def test_none_against_four_of_200_is_undecided():
    """The CIFAR-10 page once called the one with 4 of 200 left the more robust of the two."""
    four = [True] * 4 + [False] * 196
    verdict = claims.every([Part("left", statistics.mcnemar(four, [False] * 200))])
    assert verdict.outcome == "undecided"
    assert verdict.p == pytest.approx(0.125)


@pytest.mark.parametrize(
    ("k", "n", "bounds", "outcome"),
    [
        (0, 100, (0, 0.05), "holds"),  # Wilson: at most 3.7 %
        (0, 50, (0, 0.05), "undecided"),  # 7.1 %
        (20, 100, (0, 0.05), "fails"),
        (4, 100, (0, 0.05), "undecided"),
        (50, 100, (0.3, 0.7), "holds"),
    ],
)
def test_a_claim_about_a_bound(k, n, bounds, outcome):
    finding = Finding(of="left", unit="share", estimate=statistics.wilson(k, n))
    verdict = claims.within(bounds, [finding])
    assert verdict.outcome == outcome
    assert verdict.findings == (finding,)
    assert verdict.test == "Wilson: 95 % interval against bound"


def test_one_of_several_numbers_outside_fails():
    low, high = (Finding(of=".", unit="share", estimate=statistics.wilson(k, 100)) for k in (0, 50))
    assert claims.within((0, 0.1), [low, low]).outcome == "holds"
    assert claims.within((0, 0.1), [low, high]).outcome == "fails"
    assert claims.within((0.0, 0.05), [low]).outcome == "holds"


def verdict(outcome, p=None, why=""):
    return Verdict(outcome=outcome, p=p, why=why, test=f"test of {outcome}")


@pytest.mark.parametrize(
    ("parts", "outcome", "p"),
    [
        ([verdict("holds", 0.01), verdict("holds", 0.02)], "holds", 0.02),
        ([verdict("holds", 0.01), verdict("undecided", 0.4)], "undecided", 0.4),
        ([verdict("holds", 0.01), verdict("fails", 0.02)], "fails", 0.02),
        ([verdict("undecided", 0.7), verdict("fails")], "fails", None),
        ([verdict("holds"), verdict("holds", 0.03)], "holds", 0.03),
    ],
)
def test_a_claim_that_says_several_things(parts, outcome, p):
    found = claims.both(*parts)
    assert (found.outcome, found.p) == (outcome, p)
    assert found.test == "; ".join(dict.fromkeys(one.test for one in parts))


def test_reasons_are_said_once():
    found = claims.both(claims.NOT_MEASURED, claims.NOT_MEASURED, verdict("holds", why="So it is."))
    assert found.why == "It was not measured. So it is."
