"""Results that grow by a few images at a time, as jobs: corruptions, a paper's tables, what is shown to others."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from core.data import ImageSet
from core.evaluate import records, transfer
from core.evaluate.records import Data, Record
from core.evaluate.transfer import Showing, TransferRecord
from core.models import logits_of
from core.papers import smooth_curves, smoothfool, smoothfool_defences, smoothfool_transfer
from core.papers.graph_smoothness import corruptions
from core.papers.graph_smoothness.corruptions import CorruptionRecord
from core.papers.smooth_curves import pictures, shown_to
from core.papers.smoothfool import FoolingRecord
from core.papers.smoothfool_defences import DefenceRecord
from core.papers.smoothfool_transfer import PatternRecord, UniversalRecord
from pages.parts.engine import networks
from pages.parts.engine.networks import Network
from pages.parts.engine.progress import Progress, Stop
from pages.parts.work.curves import OTHERS, Counted

BATCH = 5
"""Images between which a job that is stopped can keep what it has."""

FITTING = 0.9
"""Of a run that fits a universal perturbation first, the share that this takes."""

R = TypeVar("R", bound=Record)
T = TypeVar("T", bound=TransferRecord)


def _grow(
    images: ImageSet, known: list[R], measure: Callable[[ImageSet, list[R]], list[R]], begun: float = 0.0
) -> Generator[Progress[Counted], None, list[R]]:
    """Records of the first of `images`, of more and more of them until they are of all; of those that are done if it
    is stopped, none if that are none. measure: of some of the first images, going on from records of fewer.
    begun: of all the work, what is done before."""
    found = known
    first = known[0].data.n if known else 0
    yield Progress(begun, Counted(len(images), first))
    try:
        for start in range(first, len(images), BATCH):
            end = min(start + BATCH, len(images))
            found = measure(images[:end], found)
            share = (end - first) / (len(images) - first)
            yield Progress(begun + (1 - begun) * share, Counted(len(images), end))
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
    names = [judge.name for judge in showing.judges]
    images = shown_to(transfer.loaded(showing.network), dataset, showing.seed)[:n]
    if known and not showing.goes_on(known[0], images):
        raise ValueError(OTHERS)

    def measure(images: ImageSet, before: list[T]) -> list[T]:
        command = transfer.command(of, names, len(images), showing.seed)
        return [transfer.measure(of, showing, images, before[0] if before else None, command)]

    return (yield from _grow(images, known, measure))


def fooled(
    network: Network, attack: str, dataset: str, n: int, known: list[FoolingRecord], seed: int = 0
) -> Generator[Progress[Counted], None, list[FoolingRecord]]:
    """An attack of SmoothFool's Table 2, as it calls it, on the first `n` images of a data set that a network names
    rightly.

    known: of the first of them, or nothing. ValueError if it is of others.
    """
    model = networks.load(network)
    images = smooth_curves.right(model, shown_to(model, dataset, seed), n)
    made = smoothfool.one_of(attack, images.images.shape[1] == 3)
    if known and not smoothfool.goes_on(known[0], made, model.card, images):
        raise ValueError(OTHERS)

    def measure(images: ImageSet, before: list[FoolingRecord]) -> list[FoolingRecord]:
        command = smoothfool.command(network.name, len(images), seed=seed)
        return [smoothfool.attacked(made, model, images, command, seed, known=before[0] if before else None)]

    return (yield from _grow(images, known, measure))


def defended(
    network: Network, attack: str, n: int, known: list[DefenceRecord], seed: int = 0
) -> Generator[Progress[Counted], None, list[DefenceRecord]]:
    """An attack of SmoothFool's Table 4, as it calls it, under all that protects a network of digits, knowing nothing
    of it and all, on the first `n` images that all of these name rightly.

    known: of the first of them, or nothing. ValueError if there are fewer.
    """
    found = smoothfool_defences.protections(networks.load(network).card)
    yield Progress(0.0, Counted(n, 0))  # it takes a moment to ask them all
    images = smoothfool_defences.common(found, n, seed)

    def measure(images: ImageSet, before: list[DefenceRecord]) -> list[DefenceRecord]:
        command = smoothfool_defences.command(network.name, len(images))
        return list(smoothfool_defences.measure(found, attack, images, before, command, seed))

    return (yield from _grow(images, known, measure))


def universal(
    network: Network,
    judges: Sequence[records.Network],
    sigma: float,
    dataset: str,
    n: int,
    known: Sequence[PatternRecord | UniversalRecord],
    seed: int = 0,
) -> Generator[Progress[Counted], None, list[PatternRecord | UniversalRecord]]:
    """A row of SmoothFool's Table 6: what one perturbation, fitted on the last images of a data set, does to the first
    `n` of the others.

    known: the perturbation, with which it is not fitted again, and what it does to the first of them; left aside where
    they are of other images.
    """
    model, mine = networks.load(network), records.Network(name=network.name, sha256=network.sha256)
    every = shown_to(model, dataset, seed)
    fit = smoothfool_transfer.fits_on(len(every))
    images, fitting = every[: min(n, len(every) - fit)], every[len(every) - fit :]
    names = [judge.name for judge in judges]
    command = smoothfool_transfer.universal_command(names, images, fit, seed)
    right = logits_of(model, fitting.images).argmax(1) == fitting.labels
    pattern = next((one for one in known if isinstance(one, PatternRecord)), None)
    if pattern is not None and (not right.any() or pattern.data != Data.of(fitting[right], seed)):
        pattern = None
    begun = 0.0
    if pattern is None:
        begun = FITTING
        try:
            for step in smoothfool_transfer.fitting(mine, sigma, fitting, seed, command):
                pattern = step.pattern
                yield Progress(begun * step.share, Counted(len(images), 0))
        except Stop:
            return []
    assert pattern is not None
    made = pattern
    there = [one for one in known if isinstance(one, UniversalRecord)]
    there = [one for one in there if smoothfool_transfer.goes_on(one, made, judges, images)]

    def measure(images: ImageSet, before: list[UniversalRecord]) -> list[UniversalRecord]:
        told = smoothfool_transfer.universal_command(names, images, fit, seed)
        return [smoothfool_transfer.show_pattern(made, judges, images, seed, told, before[0] if before else None)]

    found = yield from _grow(images, there, measure, begun)
    return [made, *found] if found else []
