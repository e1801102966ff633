"""What the views of the Curves page share: the records of a network, stored and one's own, and the point looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from core import models
from core.evaluate.claims import Claim
from core.evaluate.curves import CurveRecord
from core.evaluate.records import Collection
from core.models import Card
from core.papers import smooth_curves
from core.papers.smooth_curves import KEYS
from pages.parts.charts.curve_plots import Curve
from pages.parts.inputs import choose
from pages.parts.shell import links, page
from pages.parts.views import many, results, verdicts

SCOPE = "curves"
FIRST = ("published-cw", "published-scw", "cw", "scw", "ddn", "scw-rho")
"""Entries that the page opens with."""
POINT = f"{SCOPE}.point"
"""Where the session keeps which point was clicked last: "entry.budget.rank", or nothing."""
NO_POINT = ""
OFFERED = 4
"""Networks that are offered in the place of one that is not measured."""

Found = Sequence[CurveRecord]


def collection(card: Card) -> Collection[CurveRecord]:
    """Where the records of a network lie that come with the project."""
    return smooth_curves.collection(card.name)


def stored(card: Card) -> list[CurveRecord]:
    """The records of a network: those that come with the project, and in their place those of more images that were
    measured in this session."""
    there = collection(card)
    found = results.stored(there) if there.path.exists() else []
    return many.of_card(found, card)


def one_data(found: Found) -> list[CurveRecord]:
    """Those that are of the same data as most, for numbers that are held against each other."""
    names = [record.data.name for record in found]
    return [record for record in found if names.count(record.data.name) == max(map(names.count, names))]


def at_budget(found: Found, keys: Sequence[str], budget: int) -> list[Curve]:
    """Of each entry the record with the largest budget that is allowed, in the order of a legend."""
    most = one_data(found)
    picked = [smooth_curves.pick(most, key, budget) for key in KEYS if key in keys]
    drawn = [Curve(record, titled(record)) for record in picked if record is not None]
    apart = [r for r in found if r not in most and r.protocol.name in keys and (r.budget or 0) <= budget]
    return drawn + [Curve(record, f"{titled(record)}, {record.data.name}", apart=True) for record in apart]


def every(found: Found, keys: Sequence[str], budget: int) -> list[Curve]:
    """All records of entries with a budget that is allowed, of one data."""
    return [Curve(r, titled(r)) for r in one_data(found) if r.protocol.name in keys and (r.budget or 0) <= budget]


def titled(record: CurveRecord) -> str:
    """An entry in a legend, with its budget."""
    name = smooth_curves.titled(record)
    budget = "" if record.budget is None or "published" in name else f" {record.budget}"
    own = ", your run" if many.is_own(record) else ""
    return f"{name}{budget}{own}"


def pointed(curves: Sequence[Curve]) -> tuple[Curve, int] | None:
    """Curve and rank of the point that is looked at, if it is one of these and has as many images."""
    parts = st.session_state.get(POINT, NO_POINT).split(".")
    for curve in curves:
        if parts[:2] == [curve.key, str(curve.record.budget or 0)] and parts[3:] == ["own"] * curve.apart:
            rank = int(parts[2])
            return (curve, rank) if 1 <= rank <= curve.record.fooled else None
    return None


def follow() -> None:
    """Take the point from the page's link."""

    def parse(text: str) -> str:
        key, *numbers = text.split(".")[:3]
        legal = key in KEYS and len(numbers) == 2 and text.split(".")[3:] in ([], ["own"])
        if not legal or not all(n.isascii() and n.isdigit() and len(n) < 9 for n in numbers):
            raise ValueError("it must be ENTRY.BUDGET.RANK, as a click on a point writes it.")
        return text

    links.read("point", POINT, NO_POINT, parse)


def clicked(chart: str) -> None:
    """What to do when a point of the chart with this key was clicked."""
    state: Mapping[str, Any] = st.session_state[chart]
    points = state["selection"]["points"]
    if points and points[0].get("customdata"):
        st.session_state[POINT] = ".".join(map(str, points[0]["customdata"]))


def forget() -> None:
    """Look at no point any more."""
    st.session_state[POINT] = NO_POINT


def absent(command: str, measured: Iterable[str]) -> None:
    """Say that the network is not measured, what measures it, and which are: a click chooses one of them."""
    results.absent(command)
    titles = choose.menu(models.survey()[0])
    names = [name for name in dict.fromkeys(measured) if name in titles][:OFFERED]
    if names:
        page.tell("It is measured of these, among others:" if len(names) == OFFERED else "It is measured of:")
        with st.container(horizontal=True):
            for name in names:
                st.button(titles[name], key=f"{SCOPE}.instead.{name}", on_click=_choose, args=(name,))


def _choose(name: str) -> None:
    st.session_state[f"{SCOPE}.model"] = name


def decide(claims: Sequence[Claim[[Found]]], found: Found) -> None:
    """Claims with their verdicts by the records."""
    verdicts.each(claims, verdicts.stamp(found), found)
