"""Results that grow by a few images at a time, as jobs: corruptions, and what is shown to other networks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from core.data import ImageSet
from core.evaluate import transfer
from core.evaluate.records import Record
from core.evaluate.transfer import Showing, TransferRecord
from core.papers.graph_smoothness import corruptions
from core.papers.graph_smoothness.corruptions import CorruptionRecord
from core.papers.smooth_curves import pictures
from pages.parts.engine import networks
from pages.parts.engine.networks import Network
from pages.parts.engine.progress import Progress, Stop
from pages.parts.work.curves import OTHERS, Counted

BATCH = 5
"""Images between which a job that is stopped can keep what it has."""

R = TypeVar("R", bound=Record)
T = TypeVar("T", bound=TransferRecord)


def _grow(
    images: ImageSet, known: list[R], measure: Callable[[ImageSet, list[R]], list[R]]
) -> Generator[Progress[Counted], None, list[R]]:
    """Records of the first of `images`, of more and more of them until they are of all; of those that are done if it
    is stopped, none if that are none. measure: of some of the first images, going on from records of fewer."""
    found = known
    first = known[0].data.n if known else 0
    yield Progress(0.0, Counted(len(images), first))
    try:
        for start in range(first, len(images), BATCH):
            end = min(start + BATCH, len(images))
            found = measure(images[:end], found)
            yield Progress((end - first) / (len(images) - first), Counted(len(images), end))
    except Stop:
        pass
    return [] if found is known else found


def corrupted(
    network: Network, dataset: str, n: int, known: list[CorruptionRecord], seed: int = 0
) -> Generator[Progress[Counted], None, list[CorruptionRecord]]:
    """What a network names the first `n` images of a data set under corruptions. known: of the first of them."""
    model, images = networks.load(network), pictures(dataset, seed)[:n]
    known = corruptions.of_network(known, model.card, images, seed)

    def measure(images: ImageSet, before: list[CorruptionRecord]) -> list[CorruptionRecord]:
        command = corruptions.command(network.name, len(images), seed)
        return corruptions.measure(model, images, seed, before, command)

    return (yield from _grow(images, known, measure))


def shown(
    of: type[T], showing: Showing, dataset: str, n: int, known: list[T]
) -> Generator[Progress[Counted], None, list[T]]:
    """What an attack finds on the first `n` images of a data set, shown to others, as a record of the class `of`.

    known: of the first of them, or nothing. ValueError in one sentence if it is of others.
    """
    names, images = [judge.name for judge in showing.judges], pictures(dataset, showing.seed)[:n]
    if known and not showing.goes_on(known[0], images):
        raise ValueError(OTHERS)

    def measure(images: ImageSet, before: list[T]) -> list[T]:
        command = transfer.command(of, names, len(images), showing.seed)
        return [transfer.measure(of, showing, images, before[0] if before else None, command)]

    return (yield from _grow(images, known, measure))
