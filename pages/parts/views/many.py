"""Attacks on many images that are run from a page: one's own records, and the job that makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from core import models
from core.data import DATASETS, gallery, photos
from core.evaluate import records
from core.evaluate.attacking import own as own_data
from core.evaluate.curves import CurveRecord, Entry
from core.evaluate.records import Record
from core.models import Card
from core.papers import smooth_curves
from pages.parts.engine.networks import Network
from pages.parts.inputs import choose
from pages.parts.shell import page
from pages.parts.shell.jobs import Look, Slot
from pages.parts.views import results
from pages.parts.work import curves as work
from pages.parts.work.curves import Counted

R = TypeVar("R", bound=Record)

_OWN = "many.own"
"""Where the session keeps the records that were measured in it, by network and setting."""
FIRST, MOST = 20, 200
"""Images that a run from a page is given at a time, at first and at most."""


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
    """What it is the result of, by the weights that were measured."""
    assert record.network is not None
    return f"{record.kind} {record.network.sha256} {record.key}"


def counts(found: Iterable[Record]) -> str:
    """How many images records are of: "40, 60, 1,000"."""
    return ", ".join(f"{n:,}" for n in sorted({record.data.n for record in found}))


def is_own(record: Record) -> bool:
    """Whether it was measured in this session."""
    return own().get(_key(record)) is record


def with_own(found: Iterable[R], of: type[R], belongs: Callable[[R], bool] = lambda record: True) -> list[R]:
    """`found`, and those of the session's own records of the class `of` that belong to them, which stand in the place
    of those of the same network, setting and data."""
    mine = {key: record for key, record in own().items() if isinstance(record, of) and belongs(record)}
    return [record for record in found if _key(record) not in mine] + list(mine.values())


def take(found: Sequence[Record], task: Task) -> None:
    """Keep what a job has given; nothing if it was stopped before any image was done."""
    for record in found:
        own()[_key(record)] = record
    if found:
        page.say(f"{task.title}: {found[-1].data.n} images are measured.")


def task(card: Card, title: str) -> Task:
    """A job for a network, of which `title` says what is measured."""
    return Task(f"{choose.menu(models.survey()[0])[card.name]}, {title}", card.name)


def mine(found: Iterable[R], card: Card) -> list[R]:
    """The records of the network as it is here, of the images that a run from a page is made on."""
    return [r for r in found if r.network == records.Network.of(card) and r.data.name == own_data(card)]


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


def there_are(card: Card) -> int:
    """How many images are here that a network can be measured on by a run from a page: those that come with the
    project, where none do the installed ones."""
    name = own_data(card)
    if name == "photos":
        return len(photos.PHOTOS)
    known = DATASETS.get(name)
    if known is None:
        return 0
    return gallery.SIZE if known.gallery else known.splits["test"] if known.installed() else 0


def _images(card: Card) -> str:
    """Those in words."""
    name, n = own_data(card), there_are(card)
    if name == "photos":
        return f"the {n} photographs that come with Smoothscope (ImageNet's do not)"
    return f"{n:,} test images of {DATASETS[name].title}" + " that come with Smoothscope" * DATASETS[name].gallery


def offer(
    slot: Slot[Counted, Sequence[Record], Task],
    card: Card,
    titles: Mapping[str, str],
    scope: str,
    key: str,
    known: Callable[[str], Sequence[R]],
    start: Callable[[str, int, list[R]], None],
    apart: int = 0,
) -> None:
    """A button that unfolds what is to be measured now of a network, one of `titles`, and on how many images more.

    scope, key: of the widgets; another key for other titles. known: what there is of one that can be gone on with, all
    of the same images; ValueError in one sentence if that cannot be told. start: begins to measure one on so many
    images, with that. apart: images that are needed for something else.
    """
    every = there_are(card) - apart
    if every < 1:
        return
    begun = st.session_state.setdefault(f"{scope}.run.begun", 0)
    with st.popover("Run it now", icon=":material/play_arrow:", key=f"{scope}.run.{begun}"):  # another one is closed
        names = list(titles)
        name = names[0]
        if len(names) > 1:
            name = st.selectbox("Attack", names, key=f"{scope}.run.{key}", format_func=titles.__getitem__)
        try:
            before = list(known(name))
        except ValueError as error:
            st.error(page.plain(str(error)))
            return
        there = before[-1].data.n if before else 0
        left = every - there
        told = f"Of {_images(card)}, "
        if there:
            told += f"{there} images are measured; the run goes on with the next."
        else:
            told += "no image is measured that can be gone on with here."
        st.caption(f"{page.plain(titles[name])}. {told}")
        if left < 1:
            st.caption("These are all.")
            return
        most = min(MOST, left)
        count = f"{scope}.run.n"
        st.session_state[count] = min(st.session_state.get(count, FIRST), most)
        more = int(st.number_input("More images", 1, most, key=count))
        label = f"{more} more images" if there else f"Measure {more} images"
        if st.button(label, type="primary", key=f"{scope}.run.start", disabled=slot.busy, width="stretch"):
            start(name, there + more, before)
            st.session_state[f"{scope}.run.begun"] = begun + 1
            st.rerun()


def start(
    slot: Slot[Counted, Sequence[Record], Task],
    card: Card,
    entry: Entry,
    title: str,
    n: int,
    before: CurveRecord | None,
) -> None:
    """Begin to measure `n` images, going on from what is `known`."""
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
