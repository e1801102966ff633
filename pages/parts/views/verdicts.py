"""Claims and verdicts in words. Nothing is decided here: what a verdict says and rests on comes with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ParamSpec

import streamlit as st

from core.evaluate.claims import Claim, Finding, Outcome, Verdict
from core.evaluate.records import Record
from core.evaluate.statistics import Estimate
from pages.parts.shell import page
from pages.parts.shell.numbers import general, signed

WORDS: dict[Outcome, str] = {
    "holds": "Holds here",
    "fails": "Does not hold here",
    "undecided": "Undecided here",
}


P = ParamSpec("P")

Stamp = tuple[tuple[str, str, int, str], ...]


def stamp(found: Iterable[Record]) -> Stamp:
    """What numbers of records depend on, for what is kept of them."""
    return tuple(("" if r.network is None else r.network.sha256, r.title, r.data.n, r.data.sha256 or "") for r in found)


def each(claims: Iterable[Claim[P]], of: Stamp, *args: P.args, **kwargs: P.kwargs) -> None:
    """Claims, each with its verdict by the records, which is kept: it may resample. of: the `stamp` of the records."""
    for claim in claims:
        draw(claim, _decided(claim.statement, of, claim, *args, **kwargs))


@st.cache_resource(max_entries=512, show_spinner=False)
def _decided(statement: str, of: Stamp, _claim: Claim[...], *_args: object, **_kwargs: object) -> Verdict:
    return _claim.decide(*_args, **_kwargs)


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
