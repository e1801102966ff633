"""Operating characteristics: the share of images that an attack fools within a bound on distortion, eqs. 20 and 21 of
Smooth Adversarial Examples, of attacks with a budget and of attacks with a target distortion.

An attack with a target distortion is run with several, and an image counts with the least distorted of its successes
(section 5.1): an `Entry` is an attack, or one with several targets. What was measured of it lies in a `CurveRecord`,
a row an image, which more images can be added to without measuring any of them again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from core.attacks import ATTACKS, Attack
from core.data import ImageSet
from core.defenses import Defense
from core.evaluate import records, statistics
from core.evaluate import shards as shards_of
from core.evaluate.attacking import at_once
from core.evaluate.front import METRICS, SHARD, AttackShard, FrontRecord, at, attacked, judged
from core.evaluate.records import Data, Network, Rows, Setting
from core.evaluate.shards import Engine, Part
from core.evaluate.statistics import Comparison, Estimate, Floats
from core.models import Classifier

MEASURED = ("l2", "linf", "roughness", "mad", "ssim", "ciede2000")
"""Keys in METRICS of what a record has of every image."""


@dataclass(frozen=True)
class Entry:
    """An attack as a table lists it. ValueError unless it has one attack at least, all of one kind."""

    key: str
    attacks: tuple[Attack, ...]
    """One, or one for each target distortion."""
    budget: int | None = None
    """Passes through the network that it may make an image; None of an attack that ends by itself."""
    judge: Defense | Network | None = None
    """Who is to be fooled, if not the network that is attacked."""

    def __post_init__(self) -> None:
        if len({attack.name for attack in self.attacks}) != 1:
            raise ValueError(f"attacks must be of one kind, at least one; got {[a.name for a in self.attacks]}.")

    @classmethod
    def of(cls, attack: Attack) -> Entry:
        """Any attack by itself."""
        return cls(attack.name, (attack,))

    def setting(self) -> Setting:
        """It as a record has it."""
        attacks = [{"name": attack.name, "parameters": attack.values()} for attack in self.attacks]
        judge = {} if self.judge is None else {"judge": judged(self.judge)}
        return Setting(name=self.key, parameters={"budget": self.budget, "attacks": attacks, **judge})


class CurveRecord(FrontRecord):
    """What an entry did to many images. `protocol` is the entry, its attacks with all their parameters.

    Rows: those of a front, "passes" of all targets together, and "target": which of the attacks the row is of, the
    least distorted that fools; -1 where none does.
    """

    kind: ClassVar[str] = "curves"
    more: ClassVar[tuple[str, ...]] = ("target",)

    seconds: float = Field(ge=0)
    """Of one thread, for all images."""

    @model_validator(mode="after")
    def _chosen(self) -> Self:
        if not np.array_equal(self.column("target") != -1, self.fools):
            raise ValueError("a target must be named where an image is fooled, and only there")
        return self

    @property
    def title(self) -> str:
        name = "-" if self.network is None else self.network.name
        return f"{name}, {self.protocol.name}{'' if self.budget is None else f' {self.budget}'}"

    @property
    def budget(self) -> int | None:
        """Passes that it was allowed an image."""
        found = self.protocol.parameters["budget"]
        return None if found is None else int(found)

    @property
    def attacks(self) -> tuple[Attack, ...]:
        """One, or one for each target distortion."""
        made = self.protocol.parameters["attacks"]
        return tuple(ATTACKS[one["name"]](**one["parameters"]) for one in made)

    def is_of(self, entry: Entry) -> bool:
        """Whether it is of this entry, however many images it has; a parameter that was added since it was written
        counts as at its default."""
        mine, asked = self.protocol, entry.setting()
        attacks = [Setting(**one) for one in mine.parameters["attacks"]]
        return (
            mine.name == asked.name
            and mine.parameters | {"attacks": []} == asked.parameters | {"attacks": []}
            and len(attacks) == len(entry.attacks)
            and all(kept.is_of(attack) for kept, attack in zip(attacks, entry.attacks, strict=True))
        )

    @property
    def passes(self) -> float:
        """Images that went through the network for one that was attacked, on average."""
        return float(self.column("passes")[self.attacked].mean())

    def mean(self, metric: str) -> Estimate | None:
        """The conditional average (below eq. 20) of a metric over the fooled images; None with fewer than two."""
        values = self.column(metric)[self.fools].astype(float)
        return statistics.bootstrap(values) if len(values) > 1 else None

    def characteristic(self, metric: str) -> Characteristic:
        """P(D), eq. 21, by a metric."""
        values = np.sort(self.column(metric)[self.fools].astype(float))
        return Characteristic(values[::-1] if METRICS[metric].more else values, self.n)


@dataclass(frozen=True)
class Characteristic:
    """P(D), eq. 21: the share of images fooled within a bound D, which rises from 0 to P_suc at the largest D."""

    bounds: Floats
    """(k,) the distortions of the images that are fooled, from the least on: after `bounds[i]`, i + 1 of them are."""
    n: int

    def at(self, bound: float) -> float:
        """P(bound), of a measure of which more is more distorted."""
        return float(np.searchsorted(self.bounds, bound, side="right")) / self.n if self.n else 0.0

    @property
    def shares(self) -> Floats:
        """(k,) P at each of the bounds; the last is P_suc."""
        return np.arange(1, len(self.bounds) + 1) / max(self.n, 1)

    def band(self) -> tuple[Floats, Floats]:
        """(k,), (k,) the ends of Wilson's 95 % interval at each bound, for itself and not for the curve as a whole."""
        return statistics.wilson_band(np.arange(1, len(self.bounds) + 1), max(self.n, 1))


def compared(first: CurveRecord, second: CurveRecord, metric: str, norm: float | None = None) -> Comparison | None:
    """First less second by a metric: the median difference over the images that both fool, or at an L2 norm where both
    met it. Wilcoxon's signed ranks; None with fewer than two such images, or of another network."""
    pair = values(first, second, metric, norm)
    return None if pair is None else statistics.signed_ranks(*pair)


def values(
    first: CurveRecord, second: CurveRecord, metric: str, norm: float | None = None
) -> tuple[Floats, Floats] | None:
    """A metric of the images of which `compared` speaks, (n,) of the first and of the second."""
    rows = _rows(first, second)
    if rows is None:
        return None
    mine, theirs = rows
    column = metric if norm is None else at(metric, norm)
    a, b = first.column(column)[mine].astype(float), second.column(column)[theirs].astype(float)
    kept = np.isfinite(a) & np.isfinite(b)
    return (a[kept], b[kept]) if int(kept.sum()) > 1 else None


def shares(first: CurveRecord, second: CurveRecord) -> Comparison | None:
    """The success of the first less that of the second, on the images that both attacked: McNemar's exact test."""
    rows = _rows(first, second)
    if rows is None or not len(rows[0]):
        return None
    return statistics.mcnemar(first.fools[rows[0]], second.fools[rows[1]])


def _rows(first: CurveRecord, second: CurveRecord) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Row numbers of the images that both hold; None of another network, or of data with other numbers."""
    one, other = ((r.network, r.data.name, r.data.split) for r in (first, second))
    if one != other or first.rows is None or second.rows is None:
        return None
    return first.rows.common(second.rows)


@dataclass(frozen=True)
class Wanted:
    """What is measured of every entry, and on what. model: it is loaded by its name where it has to travel."""

    model: Classifier
    images: ImageSet
    norms: tuple[float, ...] = ()
    seed: int = 0
    """Of the order of the images, and of the attacks."""
    batch_size: int | None = None

    def shards(self, entry: Entry, start: int = 0) -> list[list[AttackShard]]:
        """Those of the images from `start` on: a list for each batch, with a shard for each of the entry's attacks."""
        network = Network.of(self.model.card)
        size = at_once(self.images, self.batch_size, SHARD)
        return [
            [
                AttackShard(
                    attack,
                    network,
                    self.model,
                    self.images[i : i + size],
                    MEASURED,
                    self.norms,
                    True,
                    self.seed,
                    entry.judge,
                )
                for attack in entry.attacks
            ]
            for i in range(start, len(self.images), size)
        ]

    def goes_on(self, known: CurveRecord) -> bool:
        """Whether `known` is of the first of these images, measured in the same way."""
        same = known.network == Network.of(self.model.card) and (known.norms, known.metrics) == (self.norms, MEASURED)
        first = self.images[: known.data.n]
        return same and known.data == Data.of(first, self.seed)


def measure(
    entry: Entry,
    wanted: Wanted,
    known: CurveRecord | None = None,
    command: str = "",
    on_progress: Callable[[float], object] = lambda share: None,
    engine: Engine = Engine(),  # noqa: B008  # frozen
    parts: Path | None = None,
) -> CurveRecord:
    """Attack the images, in float: as short as it fools, and at each norm.

    known: a record of the first of them (`Wanted.goes_on`), which are not attacked again. engine, parts: as
    `core.evaluate.front.measure` has them. on_progress hears 0 ... 1.
    """
    batches = wanted.shards(entry, 0 if known is None else known.data.n)
    found = shards_of.gather([shard for batch in batches for shard in batch], parts, engine, on_progress)
    each = len(entry.attacks)
    return _record(entry, wanted, known, [found[i : i + each] for i in range(0, len(found), each)], command)


@dataclass(frozen=True)
class Underway:
    """A measurement that can be stopped between two batches. share: 0 ... 1. record: of the images that are done."""

    share: float
    record: CurveRecord | None


def steps(
    entry: Entry, wanted: Wanted, known: CurveRecord | None = None, command: str = ""
) -> Generator[Underway, None, CurveRecord]:
    """As `measure`, here and a step at a time."""
    batches, done = wanted.shards(entry, 0 if known is None else known.data.n), list[list[Part]]()
    record = known
    for number, batch in enumerate(batches):
        parts: list[Part] = []
        for place, shard in enumerate(batch):
            running = shard.steps()
            while True:
                try:
                    share = next(running)
                except StopIteration as end:
                    parts.append(end.value)
                    break
                yield Underway((number + (place + share) / len(batch)) / len(batches), record)
        done.append(parts)
        record = _record(entry, wanted, known, done, command)
        yield Underway((number + 1) / len(batches), record)
    return _record(entry, wanted, known, done, command)


def _record(
    entry: Entry, wanted: Wanted, known: CurveRecord | None, parts: Sequence[Sequence[Part]], command: str
) -> CurveRecord:
    """Of the images that `known` has, and of the batches after them. ValueError if there are none."""
    batches = [shortest([part.rows for part in several]) for several in parts]
    if known is not None and known.rows is not None:
        batches.insert(0, known.rows)
    if not batches:
        raise ValueError("images is empty; give at least one image.")
    rows = Rows.joined(batches)
    n = attacked(rows)
    seconds = sum(part.seconds for several in parts for part in several) + (0 if known is None else known.seconds)
    return CurveRecord(
        network=Network.of(wanted.model.card),
        data=Data.of(wanted.images[: len(rows)], wanted.seed),
        protocol=entry.setting(),
        command=command,
        versions=records.versions(),
        lacks=records.lacking(known),
        metrics=MEASURED,
        in_float=True,
        norms=wanted.norms,
        n=n,
        fooled=int(rows["fools"].sum()),
        converged=int(rows["converged"].sum()) if entry.attacks[0].seeks == "shortest" else None,
        seconds_per_image=seconds / n if n else None,
        seconds=seconds,
        rows=rows,
    )


def shortest(found: Sequence[Rows]) -> Rows:
    """Of each image the row in which it is fooled with the least L2, with "target", its number; passes are added up.

    found: the rows of attacks that differ in their target distortion, on the same images. Where none fools, the row is
    the last one's, and the target -1.
    """
    lengths = np.stack([np.where(rows["fools"], rows["l2"], np.inf) for rows in found])
    fooled = np.isfinite(lengths).any(0)
    chosen: NDArray[np.intp] = np.where(fooled, lengths.argmin(0), len(found) - 1)
    columns = {name: np.stack([rows[name] for rows in found]) for name in found[0].columns}
    each = np.arange(lengths.shape[1])
    rows = {name: column[chosen, each] for name, column in columns.items()}
    rows["passes"] = columns["passes"].sum(0)
    return Rows(rows | {"target": np.where(fooled, chosen, -1).astype(np.int8)})
