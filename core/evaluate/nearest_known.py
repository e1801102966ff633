"""Which network is harder to fool? Of every image the nearest known adversarial, the shortest of several attacks'.

One attack can be stopped by what hides a network's gradient and not its boundary, and then says of a network what is
true of the attack. The shortest of several is the better bound, and still only a bound: a nearer one may be there that
none of them found. Networks are compared by the same attacks with the same budgets, on images that both name rightly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.evaluate import statistics
from core.evaluate.claims import NOT_MEASURED, Finding, Part, Verdict, every
from core.evaluate.curves import Characteristic, CurveRecord
from core.evaluate.records import Data, Network
from core.evaluate.statistics import Comparison, Estimate, Floats


class Lengths(Protocol):
    """What one attack found of many images of one network: a `CurveRecord`, or what another protocol keeps."""

    @property
    def network(self) -> Network | None:
        """The one that was attacked."""

    @property
    def data(self) -> Data:
        """Of the images."""

    @property
    def attacked(self) -> NDArray[np.bool_]:
        """(N,) bool: named rightly when clean."""

    @property
    def fools(self) -> NDArray[np.bool_]:
        """(N,) bool."""

    def column(self, name: str) -> NDArray[np.generic]:
        """(N,) "index" or "l2", of which the latter counts where it fools."""


L = TypeVar("L", bound=Lengths)
Key = tuple[str, int | None]
"""An entry and its budget."""


def key(record: CurveRecord) -> Key:
    """What tells a record's entry from the others of its network."""
    return record.protocol.name, record.budget


@dataclass(frozen=True)
class NearestKnown(Generic[L]):
    """Of each image that several attacks were made on, what they found. ValueError unless they are of one network and
    one data set, one at least, and have images in common."""

    records: tuple[L, ...]

    def __post_init__(self) -> None:
        if len({(r.network, r.data.name, r.data.split) for r in self.records}) != 1:
            raise ValueError("records must be of one network and one data set, and at least one.")
        if not len(self.indices):
            raise ValueError("records must have images in common.")

    @property
    def network(self) -> Network:
        """The one that was attacked."""
        found = self.records[0].network
        assert found is not None
        return found

    @property
    def indices(self) -> NDArray[np.generic]:
        """(n,) of the images that all attacks were made on, in rising order."""
        common = self.records[0].column("index")[self.records[0].attacked]
        for record in self.records[1:]:
            common = np.intersect1d(common, record.column("index")[record.attacked])
        return np.sort(common)

    def lengths(self, record: L) -> Floats:
        """(n,) L2 of what one of them found, infinite where it does not fool."""
        order = np.argsort(record.column("index"), kind="stable")
        rows = order[np.searchsorted(record.column("index")[order], self.indices)]
        return np.where(record.fools, record.column("l2"), np.inf)[rows].astype(float)

    @property
    def shortest(self) -> Floats:
        """(n,) the least L2 of all."""
        return np.asarray(np.min([self.lengths(record) for record in self.records], axis=0))

    def characteristic(self) -> Characteristic:
        """P(D) of the shortest: the share of images that are known to be fooled within a length."""
        found = self.shortest
        return Characteristic(np.sort(found[np.isfinite(found)]), len(found))

    def median(self) -> Estimate | None:
        """Of the shortest, over the images that any attack fools; None with fewer than two."""
        found = self.shortest[np.isfinite(self.shortest)]
        return statistics.bootstrap(found, "median") if len(found) > 1 else None

    def robust(self, bound: float) -> Estimate:
        """Share of the images of which no attack found an adversarial within an L2, with Wilson's interval."""
        return statistics.wilson(int((self.shortest > bound).sum()), len(self.shortest))

    def alone(self, record: L) -> Estimate | None:
        """How many times as long as the shortest are the perturbations of one attack, in the median over the images
        that it fools; None with fewer than two. What it does not fool, `fooled` says."""
        lengths = self.lengths(record)
        known = np.isfinite(lengths) & (self.shortest > 0)
        return statistics.bootstrap(lengths[known] / self.shortest[known], "median") if known.sum() > 1 else None

    def fooled(self, record: L) -> int:
        """How many of the n images one attack fools."""
        return int(np.isfinite(self.lengths(record)).sum())


def alike(found: Mapping[str, Sequence[CurveRecord]]) -> list[Key]:
    """The entries and budgets that were measured of every network, in the order of the first's; found: by network."""
    every = [[key(record) for record in records] for records in found.values()]
    return [one for one in every[0] if all(one in other for other in every[1:])] if every else []


def compared(first: NearestKnown[Any], second: NearestKnown[Any]) -> Comparison | None:
    """How many times as long the first's shortest are as the second's, in decimal logarithms: the median over the
    images that both name rightly and that both are known to be fooled on. Wilcoxon's signed ranks; None with fewer than
    two. ValueError if they are of other data."""
    a, b = _common(first, second)
    kept = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    return statistics.signed_ranks(np.log10(a[kept]), np.log10(b[kept])) if kept.sum() > 1 else None


def withstands(first: NearestKnown[Any], second: NearestKnown[Any], bound: float) -> Comparison | None:
    """The share of images of which no attack found an adversarial within an L2, the first's less the second's, on the
    images that both name rightly: McNemar's exact test. None without such images; ValueError as `compared`."""
    a, b = _common(first, second)
    return statistics.mcnemar(a > bound, b > bound) if len(a) else None


def _common(first: NearestKnown[Any], second: NearestKnown[Any]) -> tuple[Floats, Floats]:
    """(n,), (n,) the shortest of the images that both name rightly. ValueError if they are of other data."""
    one, other = first.records[0].data, second.records[0].data
    if (one.name, one.split) != (other.name, other.split):
        raise ValueError("networks must have been attacked on the same data set to be compared.")
    common = np.intersect1d(first.indices, second.indices)
    a, b = (each.shortest[np.isin(each.indices, common)] for each in (first, second))
    return a, b


def harder(first: NearestKnown[Any], second: NearestKnown[Any]) -> Verdict:
    """The verdict on the claim that the first network is harder to fool than the second."""
    found = compared(first, second)
    if found is None:
        return NOT_MEASURED
    logarithm = found.difference
    ratio = logarithm.model_copy(
        update={name: 10 ** getattr(logarithm, name) for name in ("value", "low", "high")},
    )
    of = f"length of the nearest known over {second.network.name}'s, n = {logarithm.n}"
    verdict = every([Part(of, found, 1)])
    return verdict.model_copy(update={"findings": (Finding(of=of, unit="ratio", estimate=ratio, p=found.p),)})


def sturdier(bound: float) -> Callable[[NearestKnown[Any], NearestKnown[Any]], Verdict]:
    """The verdict on the claim that the first network withstands perturbations within an L2 more often than the
    second."""

    def decide(first: NearestKnown[Any], second: NearestKnown[Any]) -> Verdict:
        found = withstands(first, second, bound)
        if found is None:
            return NOT_MEASURED
        of = f"share not fooled within L2 = {bound:g} less {second.network.name}'s, n = {found.difference.n}"
        return every([Part(of, found, 1)])

    return decide
