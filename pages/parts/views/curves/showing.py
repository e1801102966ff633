"""What is made on one network and shown to others, measured now: of views whose records are of that kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from core import models
from core.evaluate.records import Collection, Network, Record
from core.evaluate.transfer import Showing, TransferRecord
from core.models import Card
from pages.parts.inputs import choose
from pages.parts.shell.jobs import Slot
from pages.parts.views import many, results
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.many import Task
from pages.parts.work import growing as work
from pages.parts.work.curves import Counted

T = TypeVar("T", bound=TransferRecord)


def with_own(collection: Collection[T], found: Sequence[T]) -> list[T]:
    """`found`, of a collection, with the session's own records in their place."""
    return many.with_own(found, collection.of, lambda record: True)


def offer(
    slot: Slot[Counted, Sequence[Record], Task],
    card: Card,
    collection: Collection[T],
    titles: Mapping[str, str],
    key: Callable[[T], str],
    showing: Callable[[str, Network, Sequence[Network]], Showing],
    view: str,
) -> None:
    """One of `titles` against the network, on so many images more, shown to those that its stored results are of.

    key: of a record, which of `titles` it is. showing: of one of them, on a network and for judges, what is measured.
    """
    me = Network.of(card)

    def mine() -> list[T]:
        return [record for record in with_own(collection, results.read(collection)) if record.network == me]

    def known(name: str) -> list[T]:
        return [record for record in mine() if key(record) == name]

    def count(name: str) -> int:
        there = known(name)
        return there[0].data.n if there else 0

    def start(name: str, more: int) -> None:
        judges = next((record.judges for record in mine()), (me,))
        task = Task(f"{choose.menu(models.survey()[0])[card.name]}, {titles[name]}", card.name)
        wanted = showing(name, me, judges)
        slot.start(task, work.shown, collection.of, wanted, card.dataset, count(name) + more, known(name))

    many.offer(slot, titles, f"{SCOPE}.{view}", "attack", count, start)
