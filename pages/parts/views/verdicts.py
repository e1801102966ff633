"""Claims and verdicts in words. Nothing is decided here: what a verdict says and rests on comes with it."""

from __future__ import annotations

from core.evaluate.claims import Claim, Finding, Outcome, Verdict
from core.evaluate.statistics import Estimate
from pages.parts.shell import page
from pages.parts.shell.numbers import general, signed

WORDS: dict[Outcome, str] = {
    "holds": "Holds here",
    "fails": "Does not hold here",
    "undecided": "Undecided here",
}


def draw(claim: Claim[...], verdict: Verdict) -> None:
    """A claim, its verdict, and the numbers and the test that it rests on."""
    page.tell(text(claim, verdict))


def text(claim: Claim[...], verdict: Verdict) -> str:
    """The same as Markdown."""
    where = page.plain(f"{claim.paper}, {claim.reference}")
    told = f"**{WORDS[verdict.outcome]}:** {page.plain(claim.statement)} ({where})."
    numbers = "; ".join(page.plain(f"{finding.of}: ") + number(finding) for finding in verdict.findings)
    if numbers:
        told += f" Measured: {numbers}."
    if verdict.test:
        told += page.plain(f" {verdict.test}{'' if verdict.p is None else f', p = {general(verdict.p)}'}.")
    return told + (f" {page.plain(verdict.why)}" if verdict.why else "")


def number(finding: Finding) -> str:
    """A number with its 95 % interval, in its unit, as Markdown."""
    e = finding.estimate
    match finding.unit:
        case "share":
            return share(e)
        case "points":
            told = f"**{100 * e.value:+.1f}** points ({100 * e.low:+.1f} to {100 * e.high:+.1f})"
        case "area":
            told = f"**{e.value:+.4f}** ({e.low:+.4f} to {e.high:+.4f})"
        case "ratio":
            told = f"**{e.value:.3f}** ({e.low:.3f} to {e.high:.3f})"
        case "powers of ten":
            told = f"**{e.value:+.1f}** powers of ten ({e.low:+.1f} to {e.high:+.1f})"
        case "plain":
            told = f"**{signed(e.value)}** ({signed(e.low)} to {signed(e.high)})"
    return told.replace("-", "−")


def share(estimate: Estimate, digits: int = 1) -> str:
    """A share with its interval, in percent, as Markdown: "**2.0 %** (0.8 to 5.0)"."""
    low, high = (f"{100 * bound:.{digits}f}" for bound in (estimate.low, estimate.high))
    return f"**{100 * estimate.value:.{digits}f} %** ({low} to {high})"
