"""Attacks on many images that are run from a page: one's own records, and the job that makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from core.evaluate.attacking import own as own_data
from core.evaluate.curves import CurveRecord, Entry
from core.evaluate.records import Record
from core.models import Card
from core.papers import smooth_curves
from pages.parts.engine.networks import Network
from pages.parts.shell import page
from pages.parts.shell.jobs import Look, Slot
from pages.parts.views import results
from pages.parts.work import curves as work
from pages.parts.work.curves import Counted

R = TypeVar("R", bound=Record)

_OWN = "many.own"
"""Where the session keeps the records that were measured in it, by network and setting."""
MOST = 200
"""Images that a run from a page may be given at a time."""


@dataclass(frozen=True)
class Task:
    """What a job is for."""

    title: str
    network: str


def own() -> dict[str, Record]:
    """The records that were measured in this session."""
    found: dict[str, Record] = st.session_state.setdefault(_OWN, {})
    return found


def _key(record: Record) -> str:
    assert record.network is not None
    return f"{record.kind} {record.network.sha256} {record.data.name} {record.protocol.model_dump_json()}"


def is_own(record: Record) -> bool:
    """Whether it was measured in this session."""
    return own().get(_key(record)) is record


def with_own(found: Iterable[R], of: type[R], belongs: Callable[[R], bool]) -> list[R]:
    """`found`, and those of the session's own records of the class `of` that belong to them, which stand in the place
    of those of the same network, setting and data."""
    mine = {key: record for key, record in own().items() if isinstance(record, of) and belongs(record)}
    return [record for record in found if _key(record) not in mine] + list(mine.values())


def take(found: Sequence[Record], task: Task) -> None:
    """Keep what a job has given; nothing if it was stopped before any image was done."""
    for record in found:
        own()[_key(record)] = record
    if found:
        page.say(f"{task.title}: {found[0].data.n} images are measured.")


def known(card: Card, entry: Entry) -> CurveRecord | None:
    """What there is of an entry for a network, stored or one's own, that images can be added to here."""
    found = [r for r in every(card) if r.is_of(entry) and r.data.name == own_data(card)]
    return found[0] if found else None


def every(card: Card) -> list[CurveRecord]:
    """All records of a network as it is here, shipped or of this session. ValueError in one sentence if they cannot be
    read."""
    shipped = results.read(smooth_curves.collection(card.name))
    found = of_card(shipped, card)
    return [r for r in found if r.network is not None and r.network.sha256 == card.sha256]


def of_card(found: Iterable[CurveRecord], card: Card) -> list[CurveRecord]:
    """`found`, with the session's own records of a network."""
    return with_own(found, CurveRecord, lambda r: r.network is not None and r.network.sha256 == card.sha256)


def offer(
    slot: Slot[Counted, Sequence[Record], Task],
    titles: Mapping[str, str],
    scope: str,
    key: str,
    known: Callable[[str], int],
    start: Callable[[str, int], None],
) -> None:
    """A button that unfolds what is to be measured now, one of `titles`, and on how many images more.

    scope, key: of the widgets; another key for other titles. known: of how many images it is measured that can be gone
    on with; ValueError in one sentence if that cannot be told. start: begins to measure one on so many more.
    """
    begun = st.session_state.setdefault(f"{scope}.run.begun", 0)
    with st.popover("Run it now", icon=":material/play_arrow:", key=f"{scope}.run.{begun}"):  # another one is closed
        names = list(titles)
        name = names[0]
        if len(names) > 1:
            name = st.selectbox("Attack", names, key=f"{scope}.run.{key}", format_func=titles.__getitem__)
        more = int(st.number_input("More images", 1, MOST, 20, key=f"{scope}.run.n"))
        try:
            there = known(name)
        except ValueError as error:
            st.error(page.plain(str(error)))
            return
        st.caption(
            f"{page.plain(titles[name])}: {there} images are measured; the run goes on with the next."
            if there
            else f"{page.plain(titles[name])}: no image is measured that can be gone on with here."
        )
        label = f"{more} more images" if there else f"Measure {more} images"
        if st.button(label, type="primary", key=f"{scope}.run.start", disabled=slot.busy, width="stretch"):
            start(name, more)
            st.session_state[f"{scope}.run.begun"] = begun + 1
            st.rerun()


def start(slot: Slot[Counted, Sequence[Record], Task], card: Card, entry: Entry, title: str, more: int) -> None:
    """Begin to measure `more` images, on top of those that are known. ValueError in one sentence if records cannot be
    read."""
    before = known(card, entry)
    n = more + (0 if before is None else before.data.n)
    arguments = entry, Network.of(card), own_data(card), n, smooth_curves.norm(card), before
    slot.start(Task(title, card.name), work.measure, *arguments)


def underway(slot: Slot[Counted, Sequence[Record], Task], look: Look[Counted], task: Task, key: str) -> None:
    """Progress of a job, and the button that stops it."""
    seen = look.snapshot
    left, right = st.columns([5, 1], vertical_alignment="center")
    if seen is None:
        left.progress(0.0, look.standing)
    else:
        remaining = "" if look.remaining is None else f", about {look.remaining:.0f} s to go"
        words = f"{task.title}: {seen.done} of {seen.images} images, {look.elapsed:.0f} s{remaining}"
        left.progress(look.fraction, page.plain(words))
    right.button("Stop", icon=":material/stop:", on_click=slot.stop, key=f"{key}.stop", width="stretch")
