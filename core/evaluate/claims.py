"""What papers claim, and what our own measurements say to it: holds, fails, or undecided.

A `Claim` is a statement with its place in a paper, the paper's own number and a function that decides it from records.
What it returns, a `Verdict`, carries every number, interval and test it rests on, so that a page only has to phrase it.
Undecided is a verdict: the measurement is too small for a test to tell, or was not made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, ParamSpec

from pydantic import Field

from core.evaluate.records import Frozen
from core.evaluate.statistics import LEVEL, Comparison, Estimate, holm

P = ParamSpec("P")

Outcome = Literal["holds", "fails", "undecided"]
Unit = Literal["share", "points", "area", "ratio", "powers of ten", "plain"]
"""Of a number: a share of images, a difference of shares, of areas under ROC curves, a ratio, a difference of
decimal logarithms, or any other number."""


class Finding(Frozen):
    """One number that a verdict rests on."""

    of: str
    """What it is of, in a few words."""
    unit: Unit
    estimate: Estimate
    p: float | None = Field(None, ge=0, le=1)
    """Of the test against no difference, where there was one."""


class Verdict(Frozen):
    """What measurements say to a claim."""

    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    test: str = ""
    p: float | None = Field(None, ge=0, le=1)
    """Of the claim as a whole; None where an interval was held against a bound, or nothing was measured."""
    level: float = LEVEL
    why: str = ""
    """One sentence where there is something to explain."""


@dataclass(frozen=True)
class Claim(Generic[P]):
    """A statement of a paper, and how to decide it from records."""

    statement: str
    """In the paper's sense, one sentence without a full stop."""
    paper: str
    reference: str
    """Section, table, figure."""
    decide: Callable[P, Verdict]
    published: Mapping[str, float] = field(default_factory=dict)
    """The paper's own numbers by what they are of; empty where it gives none."""

    def told(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """What the records say to it, in a line for the console."""
        verdict = self.decide(*args, **kwargs)
        ends = [(one.of, one.estimate) for one in verdict.findings]
        numbers = [f"{of}: {e.value:+.3g} ({e.low:+.3g} to {e.high:+.3g})" for of, e in ends]
        numbers += [] if verdict.p is None else [f"{verdict.test}, p = {verdict.p:.2g}"]
        return f"{verdict.outcome}: {self.statement}" + (f" ({'; '.join(numbers)})" if numbers else "")


NOT_MEASURED = Verdict(outcome="undecided", why="It was not measured.")


@dataclass(frozen=True)
class Part:
    """One comparison of a claim about several: what the difference is of, and on which side the claim has it."""

    of: str
    comparison: Comparison
    expected: Literal[-1, 1] = 1


def every(parts: Sequence[Part], unit: Unit = "points") -> Verdict:
    """The verdict on a claim that all of `parts` differ, each on its expected side.

    Holds if each test by itself says so at `LEVEL`: that all of them err is no likelier than that one does, so nothing
    need be corrected, and the claim's p is the largest. Fails if one differs significantly on the other side, by Holm's
    rule for as many tests as there are parts; p is then the smallest of those. Else, or without parts, undecided.
    """
    if not parts:
        return NOT_MEASURED
    findings = tuple(
        Finding(of=part.of, unit=unit, estimate=part.comparison.difference, p=part.comparison.p) for part in parts
    )
    ps = [part.comparison.p for part in parts]
    against = [
        p for p, part in zip(holm(ps), parts, strict=True) if p < LEVEL and part.comparison.sign() == -part.expected
    ]
    outcome: Outcome = "undecided"
    p, why = max(ps), f"That may be chance, at a level of {LEVEL:g}."
    if all(part.comparison.sign() == part.expected for part in parts):
        outcome, why = "holds", ""
    elif against:
        outcome, p, why = "fails", min(against), ""
    return Verdict(outcome=outcome, findings=findings, test=parts[0].comparison.test, p=p, why=why)


def within(bounds: tuple[float, float], findings: Sequence[Finding]) -> Verdict:
    """The verdict on a claim that every number lies between two bounds: by their 95 % intervals.

    Holds if all intervals lie inside, fails if one lies outside, else, or without numbers, undecided. For a bound on
    one side the other is infinite.
    """
    if not findings:
        return NOT_MEASURED
    low, high = bounds
    inside = [low <= one.estimate.low and one.estimate.high <= high for one in findings]
    outside = [one.estimate.high < low or high < one.estimate.low for one in findings]
    outcome: Outcome = "holds" if all(inside) else "fails" if any(outside) else "undecided"
    methods = dict.fromkeys(one.estimate.method for one in findings)
    return Verdict(
        outcome=outcome,
        findings=tuple(findings),
        test=f"{', '.join(methods)}: 95 % interval against bound",
        why="An interval reaches across the bound." if outcome == "undecided" else "",
    )


def both(*verdicts: Verdict) -> Verdict:
    """The verdict on a claim that says several things: holds if all do, fails if one does, else undecided."""
    outcomes = {verdict.outcome for verdict in verdicts}
    outcome: Outcome = "holds" if outcomes == {"holds"} else "fails" if "fails" in outcomes else "undecided"
    ps = [v.p for v in verdicts if v.p is not None and (outcome != "fails" or v.outcome == "fails")]
    return Verdict(
        outcome=outcome,
        findings=tuple(finding for verdict in verdicts for finding in verdict.findings),
        test="; ".join(dict.fromkeys(verdict.test for verdict in verdicts if verdict.test)),
        p=(min(ps) if outcome == "fails" else max(ps)) if ps else None,
        why=" ".join(dict.fromkeys(verdict.why for verdict in verdicts if verdict.why)),
    )
