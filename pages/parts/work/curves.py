"""An attack on many images, as a job."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from core.evaluate import curves
from core.evaluate.curves import CurveRecord, Entry, Wanted
from core.papers import smooth_curves
from pages.parts.engine import networks
from pages.parts.engine.networks import Network
from pages.parts.engine.progress import Progress, Stop

OTHERS = "What is stored is of other images than those that are here; it cannot be gone on with."
BATCH = 10
"""Images between which a job that is stopped can keep what it has."""


@dataclass(frozen=True)
class Counted:
    """What is seen of a measurement under way: how many images there are to be, and how many are."""

    images: int
    done: int


def measure(
    entry: Entry, network: Network, dataset: str, n: int, norm: float, known: CurveRecord | None, seed: int = 0
) -> Generator[Progress[Counted], None, list[CurveRecord]]:
    """`entry` on the first `n` images of a data set that the network names rightly.

    known: a record of the first of them, with which it goes on. ValueError in one sentence if it is of others.
    """
    model = networks.load(network)
    done = 0 if known is None else known.data.n
    yield Progress(0.0, Counted(n, done))
    images = smooth_curves.right(model, smooth_curves.shown_to(model, dataset, seed), n)
    wanted = Wanted(model, images, (norm,), seed, BATCH if images.images[0, 0].numel() < 10_000 else 1)
    if known is not None and not wanted.goes_on(known):
        raise ValueError(OTHERS)
    record = known
    try:
        for underway in curves.steps(entry, wanted, known, smooth_curves.command(entry, wanted)):
            record = underway.record
            yield Progress(underway.share, Counted(len(images), 0 if record is None else record.data.n))
    except Stop:
        pass
    return [] if record is None else [record]
