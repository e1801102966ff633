"""Attacks on many images that are run from a page: one's own records, and the job that makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.evaluate.attacking import own as own_data
from core.evaluate.curves import CurveRecord, Entry
from core.models import Card
from core.papers import smooth_curves
from pages.parts.engine.networks import Network
from pages.parts.shell import page
from pages.parts.shell.jobs import Look, Slot
from pages.parts.views import results
from pages.parts.work import curves as work
from pages.parts.work.curves import Counted

_OWN = "many.own"
"""Where the session keeps the records that were measured in it, by network and setting."""
MOST = 200
"""Images that a run from a page may be given at a time."""


@dataclass(frozen=True)
class Task:
    """What a job is for."""

    title: str
    network: str


def own() -> dict[str, CurveRecord]:
    """The records that were measured in this session."""
    found: dict[str, CurveRecord] = st.session_state.setdefault(_OWN, {})
    return found


def _key(record: CurveRecord) -> str:
    assert record.network is not None
    return f"{record.network.sha256} {record.data.name} {record.protocol.model_dump_json()}"


def is_own(record: CurveRecord) -> bool:
    """Whether it was measured in this session."""
    return own().get(_key(record)) is record


def with_own(found: Sequence[CurveRecord], card: Card) -> list[CurveRecord]:
    """`found`, and the session's own records of a network, which stand in the place of those of the same setting and
    data."""
    mine = {key: r for key, r in own().items() if r.network is not None and r.network.sha256 == card.sha256}
    return [r for r in found if _key(r) not in mine] + list(mine.values())


def take(record: CurveRecord | None, task: Task) -> None:
    """Keep what a job has given; None if it was stopped before any image was done."""
    if record is None:
        return
    own()[_key(record)] = record
    page.say(f"{task.title}: {record.n} images are measured.")


def known(card: Card, entry: Entry) -> CurveRecord | None:
    """What there is of an entry for a network, stored or one's own, that images can be added to here."""
    found = [r for r in every(card) if r.is_of(entry) and r.data.name == own_data(card)]
    return found[0] if found else None


def every(card: Card) -> list[CurveRecord]:
    """All records of a network as it is here, shipped or of this session. ValueError in one sentence if they cannot be
    read."""
    shipped = results.read(smooth_curves.collection(card.name))
    found = with_own(shipped, card)
    return [r for r in found if r.network is not None and r.network.sha256 == card.sha256]


def start(slot: Slot[Counted, CurveRecord | None, Task], card: Card, entry: Entry, title: str, more: int) -> None:
    """Begin to measure `more` images, on top of those that are known. ValueError in one sentence if records cannot be
    read."""
    before = known(card, entry)
    n = more + (0 if before is None else before.data.n)
    arguments = entry, Network.of(card), own_data(card), n, smooth_curves.norm(card), before
    slot.start(Task(title, card.name), work.measure, *arguments)


def underway(slot: Slot[Counted, CurveRecord | None, Task], look: Look[Counted], task: Task, key: str) -> None:
    """Progress of a job, and the button that stops it."""
    seen = look.snapshot
    left, right = st.columns([5, 1], vertical_alignment="center")
    if seen is None:
        left.progress(0.0, look.standing)
    else:
        done = 0 if seen.record is None else seen.record.data.n
        remaining = "" if look.remaining is None else f", about {look.remaining:.0f} s to go"
        words = f"{task.title}: {done} of {seen.images} images, {look.elapsed:.0f} s{remaining}"
        left.progress(look.fraction, page.plain(words))
    right.button("Stop", icon=":material/stop:", on_click=slot.stop, key=f"{key}.stop", width="stretch")
