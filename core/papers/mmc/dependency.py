"""Whether the runner-up stands for all other logits: Remark 3 and section 4.5 of the MMC report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from core import data, models
from core.data import ImageSet
from core.evaluate import records, statistics
from core.evaluate.records import Collection, Data, Network, Record, Rows, Setting
from core.evaluate.statistics import Estimate
from core.models import Classifier, logits_of

FACTOR = 5.0
"""Up to which two scores are comparable, by the report."""
TERMS = 5
"""Largest other logits that the report advises to keep."""
QUANTILES = (0.5, 0.95)

PAPER_COMPARABLE = 0.0916
"""Share of CIFAR-10's images whose second and third scores are within a factor of 5, ResNet-32 (section 4.5)."""


@dataclass(frozen=True)
class Dependency:
    """How well the runner-up stands for all other logits (section 4.5). Per image (N,), but `missing`."""

    ratio: Tensor
    """exp of the largest other logit over exp of the next: the report's second over third."""
    missing: Tensor
    """(N, terms): log of the sum of exp over all other logits, minus that over only the largest 1, 2, ... of them."""

    def comparable(self, factor: float = FACTOR) -> Tensor:
        """(N,) bool: the ratio is below `factor`."""
        return self.ratio < factor


def dependency(logits: Tensor, labels: Tensor, terms: int = TERMS) -> Dependency:
    """Whether log sum_{l != y} exp h_l is h of the runner-up, for logits h (N, K) with true labels (N,).

    MMC report, Remark 3 and section 4.5: "second and third class scores" are comparable if within a factor of 5. The
    report does not say of what the factor is. We read it as of exp(h), the softmax's scores, whose ratio does not
    depend on a shift of all logits, as the softmax does not; second and third are the two largest l != y, which for a
    rightly named image are the second and third of all. ValueError unless 1 <= terms < K, K >= 3.
    """
    if logits.ndim != 2 or logits.shape[1] < 3 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits must be (N, K), K >= 3, with N labels; got {tuple(logits.shape)}, {len(labels)}.")
    if not 1 <= terms < logits.shape[1]:
        raise ValueError(f"terms must be from 1 to {logits.shape[1] - 1}; got {terms}.")
    others = logits.double().scatter(1, labels[:, None], -torch.inf).sort(1, descending=True).values[:, :-1]
    partial = others.logcumsumexp(1)
    return Dependency((others[:, 0] - others[:, 1]).exp(), partial[:, -1:] - partial[:, :terms])


class DependencyRecord(Record):
    """How often the runner-up of a network does not stand alone. Rows: "index", and whether it is "comparable"."""

    kind: ClassVar[str] = "mmc-dependency"

    comparable: int = Field(ge=0)
    """Images whose runner-up is within FACTOR times of the next."""
    missing_median: tuple[float, ...]
    """What is missing of the logarithm when 1, 2, ... terms are kept: for half of the images less."""
    missing_95: tuple[float, ...]
    """For 95 % of the images less."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows = self.rows
        if rows is None and self.lacks:
            return self
        if rows is None or len(rows) != self.data.n or int(rows["comparable"].sum()) != self.comparable:
            raise ValueError("comparable must be the number of rows that are")
        return self

    @property
    def share(self) -> Estimate:
        """Of the images that are comparable, with Wilson's interval."""
        return statistics.wilson(self.comparable, self.data.n)


DEPENDENCIES = Collection.shipped(DependencyRecord)


def measure(model: Classifier, images: ImageSet, command: str, seed: int | None = 0) -> DependencyRecord:
    """The network's record on `images`, which `seed` drew."""
    return of_logits(model, logits_of(model, images.images), images, command, seed)


def of_logits(
    model: Classifier, logits: Tensor, images: ImageSet, command: str, seed: int | None = 0
) -> DependencyRecord:
    """The network's record, from what it said, (N, K), of `images`."""
    found = dependency(logits, images.labels)
    median, most = (tuple(found.missing.quantile(share, 0).tolist()) for share in QUANTILES)
    comparable = found.comparable()
    return DependencyRecord(
        network=Network.of(model.card),
        data=Data.of(images, seed),
        protocol=Setting(name="runner-up", parameters={"factor": FACTOR, "terms": TERMS}),
        command=command,
        versions=records.versions(),
        comparable=int(comparable.sum()),
        missing_median=median,
        missing_95=most,
        rows=Rows({"index": images.indices.int(), "comparable": comparable}),
    )


def sweep(name: str, n: int, collection: Collection[DependencyRecord], command: str) -> Iterator[DependencyRecord]:
    """The network `name` on n test images, put into `collection` if it is not there; DataError without the full set."""
    card = models.card(name)
    if any(record.network == Network.of(card) and record.data.n == n for record in collection.read()):
        return
    record = measure(models.load(name), data.load(card.dataset, "test", n=n), command)
    collection.put(record)
    yield record
