"""What is made on one network and shown to others, measured now: of views whose records are of that kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from core.evaluate.attacking import own as own_data
from core.evaluate.records import Collection, Network, Record
from core.evaluate.transfer import Showing, TransferRecord
from core.models import Card
from core.papers.smoothfool_transfer import UniversalRecord
from pages.parts.shell.jobs import Slot
from pages.parts.views import many, results
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.many import Task
from pages.parts.work import growing as work
from pages.parts.work.curves import Counted

T = TypeVar("T", bound=TransferRecord)


def with_own(collection: Collection[T], found: Sequence[T]) -> list[T]:
    """`found`, of a collection, with the session's own records in their place."""
    return many.with_own(found, collection.of)


def judges(found: Iterable[TransferRecord | UniversalRecord], card: Card) -> tuple[Network, ...]:
    """Who is shown what is made on a network: those that its records are of, itself where there are none."""
    me = Network.of(card)
    return next((record.judges for record in found if record.network == me), (me,))


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

    def every() -> list[T]:
        return with_own(collection, results.read(collection))

    def known(name: str) -> list[T]:
        return [record for record in many.mine(every(), card) if key(record) == name]

    def start(name: str, n: int, before: list[T]) -> None:
        wanted = showing(name, Network.of(card), judges(every(), card))
        slot.start(many.task(card, titles[name]), work.shown, collection.of, wanted, own_data(card), n, before)

    many.offer(slot, card, titles, f"{SCOPE}.{view}", "attack", known, start)
