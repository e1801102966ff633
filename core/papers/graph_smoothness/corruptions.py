"""Errors of networks under common corruptions: Table 2 of the graph smoothness paper.

The corruption error (CE) of Hendrycks and Dietterich (2019) is a network's error under a corruption, summed over the
five severities, over that of a reference network, in percent; the mean over the fifteen is MCE. Relative, both errors
are first diminished by the network's own error on clean images: what the corruption adds. The paper's reference is the
same architecture trained with cross-entropy, whose MCE is 100 by definition.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from core import models
from core.data import ImageSet
from core.data.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from core.evaluate import records, statistics
from core.evaluate import shards as shards_of
from core.evaluate.attacking import at_once
from core.evaluate.claims import NOT_MEASURED, Claim, Finding, Part, Verdict, every, within
from core.evaluate.records import Collection, Data, Network, Record, Rows, Setting, identity
from core.evaluate.shards import Engine
from core.evaluate.statistics import Comparison, Estimate, Floats
from core.losses import classify
from core.models import Card, Classifier, features_of
from core.models.heads import KernelHead
from core.papers.graph_smoothness.claims import PAPER

ARGMAX, NEIGHBOURS = "argmax", "10-nn"
"""Classifiers (keys in core.losses.CLASSIFIERS): the network's own logits, and the paper's for its loss."""
CLEAN = "clean"
"""Column of the rows with what uncorrupted images are named."""
SHARD = 25
"""Images in a shard, each in 76 forms."""


@dataclass(frozen=True)
class Published:
    """A row of the paper's Table 2: PreActResNet-18 on CIFAR-10, all test images."""

    error: float
    mce: float
    relative: float


TABLE2 = {
    "cross-entropy": Published(0.0506, 100.0, 100.0),
    "graph-smoothness": Published(0.0560, 95.28, 90.33),
}
"""By loss; graph smoothness with k = all, d = 200, alpha = 2 and 10-NN."""


def column(key: str, severity: int) -> str:
    """The column of the rows with what images are named under a corruption."""
    return f"{key}_{severity}"


COLUMNS = tuple(column(key, severity) for key in CORRUPTIONS for severity in SEVERITIES)
"""(75,) in the order of CORRUPTIONS, severities within it rising."""


class CorruptionRecord(Record):
    """What a classifier on a network names images under every corruption. `protocol` is the classifier.

    Rows: "index", "label", "clean" and a column a corruption and severity: the class that it names.
    """

    kind: ClassVar[str] = "corruptions"

    clean: int = Field(ge=0)
    """Images that are named wrongly when clean."""
    wrong: dict[str, tuple[int, int, int, int, int]]
    """By corruption, at each severity."""
    seconds: float = Field(ge=0)
    """Of one thread, for all images; 0 where another record of the same run has them."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows = self.rows
        if rows is None or len(rows) != self.data.n or set(rows.columns) != {"index", "label", CLEAN, *COLUMNS}:
            raise ValueError("rows must have a column for every corruption and severity")
        counted = self.mistakes.sum(0)
        told = [self.clean, *(count for key in CORRUPTIONS for count in self.wrong.get(key, ()))]
        if set(self.wrong) != set(CORRUPTIONS) or counted.tolist() != told:
            raise ValueError("clean and wrong must be the numbers of rows that are")
        return self

    @property
    def classifier(self) -> str:
        """Key in core.losses.CLASSIFIERS."""
        return self.protocol.name

    @property
    def mistakes(self) -> NDArray[np.bool_]:
        """(N, 76) bool: named wrongly when clean, and in each of COLUMNS."""
        assert self.rows is not None
        named = np.stack([self.rows[name] for name in (CLEAN, *COLUMNS)], 1)
        return np.asarray(named != self.rows["label"][:, None])

    def error(self, key: str | None = None, severity: int = 1) -> Estimate:
        """Share of the images that are named wrongly, clean (key None) or under a corruption at a severity: Wilson."""
        return statistics.wilson(self.clean if key is None else self.wrong[key][severity - 1], self.data.n)

    def errors(self) -> dict[str, Estimate]:
        """The same under each corruption, the mean of all severities, bootstrapped over images."""
        each = self.mistakes[:, 1:].reshape(self.data.n, len(CORRUPTIONS), len(SEVERITIES)).mean(2)
        return dict(zip(CORRUPTIONS, statistics.resampled_means(each), strict=True))

    def mean_error(self, label: int | None = None) -> Estimate:
        """Share of the 75 corrupted forms of an image that are named wrongly, on average over the images, or over those
        of a class, bootstrapped. ValueError with fewer than two."""
        assert self.rows is not None
        mine = np.full(self.data.n, True) if label is None else self.rows["label"] == label
        wrong = self.mistakes[mine, 1:].mean(1, keepdims=True)
        return statistics.resampled_means(wrong)[0]


RECORDS = Collection.shipped(CorruptionRecord)
Found = Sequence[CorruptionRecord]


def corruption_errors(errors: Floats, reference: Floats, relative: bool = False) -> Floats:
    """(..., 15) corruption errors in percent of the reference's: CE, or relative CE, of Hendrycks and Dietterich.

    errors, reference: (..., 76), the clean error and one in each of COLUMNS. NaN where the reference makes no error, or
    relatively, where corruptions do not add to its errors.
    """
    mine, theirs = (_summed(each, relative) for each in (errors, reference))
    return np.asarray(100 * np.where(theirs > 0, mine / np.where(theirs > 0, theirs, 1), np.nan))


def _summed(errors: Floats, relative: bool) -> Floats:
    """(..., 76) -> (..., 15), over severities."""
    clean, corrupted = errors[..., :1], errors[..., 1:]
    each = corrupted.reshape(*corrupted.shape[:-1], len(CORRUPTIONS), len(SEVERITIES)).sum(-1)
    return np.asarray(each - len(SEVERITIES) * clean if relative else each)


@dataclass(frozen=True)
class Beside:
    """A record beside a reference's, on their common images. ValueError in one sentence unless there are any."""

    record: CorruptionRecord
    reference: CorruptionRecord

    def __post_init__(self) -> None:
        one, other = ((r.data.name, r.data.split) for r in (self.record, self.reference))
        if one != other or not len(self._mistakes()[0]):
            raise ValueError("record and reference must be of one data set, with images in common.")

    def _mistakes(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        assert self.record.rows is not None
        assert self.reference.rows is not None
        mine, theirs = self.record.rows.common(self.reference.rows)
        return self.record.mistakes[mine], self.reference.mistakes[theirs]

    @property
    def n(self) -> int:
        """Images that both have."""
        return len(self._mistakes()[0])

    def ces(self, relative: bool = False) -> Floats:
        """(15,) corruption errors in percent."""
        mine, theirs = self._mistakes()
        return corruption_errors(mine.mean(0), theirs.mean(0), relative)

    def mce(self, relative: bool = False) -> Estimate | None:
        """MCE in percent with its interval, bootstrapped over images, which both networks have in common.

        None where it is not defined, or not for every resample: the images are too few to tell what a corruption adds.
        """
        mine, theirs = (each.astype(float) for each in self._mistakes())

        def of(counts: Floats) -> Floats:
            return np.asarray(corruption_errors(counts @ mine, counts @ theirs, relative).mean(-1))

        return statistics.resampled(of, len(mine))

    def clean(self) -> Comparison:
        """Its clean error less the reference's: McNemar."""
        mine, theirs = self._mistakes()
        return statistics.mcnemar(mine[:, 0], theirs[:, 0])


def reference_of(found: Found, record: CorruptionRecord) -> CorruptionRecord | None:
    """Of a network's architecture and data the one that was trained with cross-entropy and against nothing else, by its
    logits; None where it is not among `found`."""
    card = card_of(record)
    for other in found:
        theirs = card_of(other)
        if card is None or theirs is None or other.classifier != ARGMAX or other.data.name != record.data.name:
            continue
        if theirs.network == card.network and theirs.loss == "cross-entropy" and plain(theirs):
            return other
    return None


def plain(card: Card) -> bool:
    """Trained on clean images, with features that are not made to fit a plane or space."""
    return (card.recipe.get("adversarial") or "none") == "none" and card.embedding not in (2, 3)


def card_of(record: CorruptionRecord) -> Card | None:
    """Of its network; None where that is not here, or cannot be used."""
    with suppress(ValueError):
        return None if record.network is None else models.card(record.network.name)
    return None


def _pair(found: Found) -> Beside | None:
    """The paper's: graph smoothness with 10-NN beside cross-entropy, of the network with the most images."""
    mine = [r for r in found if r.classifier == NEIGHBOURS and (card := card_of(r)) is not None and plain(card)]
    pairs = [(r, reference) for r in mine if (reference := reference_of(found, r)) is not None]
    return Beside(*max(pairs, key=lambda pair: pair[0].data.n)) if pairs else None


def _below(relative: bool) -> Callable[[Found], Verdict]:
    def decide(found: Found) -> Verdict:
        pair = _pair(found)
        if pair is None:
            return NOT_MEASURED
        estimate = pair.mce(relative)
        if estimate is None:
            return Verdict(
                outcome="undecided",
                why=f"Of {pair.n} images some corruption adds nothing to the reference's errors, so its share of them "
                "cannot be told.",
            )
        of = f"{'relative ' if relative else ''}MCE, of cross-entropy's, n = {pair.n}"
        share = {name: getattr(estimate, name) / 100 for name in ("value", "low", "high")}
        return within((-math.inf, 1.0), [Finding(of=of, unit="share", estimate=estimate.model_copy(update=share))])

    return decide


def _drop(found: Found) -> Verdict:
    pair = _pair(found)
    if pair is None:
        return NOT_MEASURED
    difference = pair.clean()
    return every([Part(f"clean error of graph smoothness less cross-entropy's, n = {pair.n}", difference, 1)])


CLAIMS: tuple[Claim[[Found]], ...] = (
    Claim(
        "graph smoothness accommodates corruptions better than cross-entropy: its MCE is below 100",
        PAPER,
        "section 4.4, Table 2",
        _below(relative=False),
        {loss: row.mce for loss, row in TABLE2.items()},
    ),
    Claim(
        "corruptions add less to its errors than to cross-entropy's: its relative MCE is below 100",
        PAPER,
        "section 4.4, Table 2",
        _below(relative=True),
        {loss: row.relative for loss, row in TABLE2.items()},
    ),
    Claim(
        "for that it has a slightly higher error on clean images",
        PAPER,
        "section 4.4, Table 2",
        _drop,
        {loss: row.error for loss, row in TABLE2.items()},
    ),
)
"""decide(records of all networks of a data set)."""


def of_network(found: Found, card: Card, images: ImageSet, seed: int) -> list[CorruptionRecord]:
    """What is known of a network: of the first of `images`, or of more of them.

    ValueError in one sentence if it is of others: two drawings of images cannot lie in one file.
    """
    mine = [r for r in found if r.network == Network.of(card) and r.data.name == images.name]
    for record in mine:
        if record.data.n <= len(images) and record.data != Data.of(images[: record.data.n], seed):
            raise ValueError(f"{card.name} is there with other images; choose another --out.")
    return mine


def command(network: str, n: int, seed: int) -> str:
    """What makes the records of a network again."""
    return f"python -m core evaluate {CorruptionRecord.kind} --models {network} --n {n} --seed {seed}"


@dataclass(frozen=True)
class CorruptionShard:
    """A batch of images, and what a network names them in all their forms."""

    network: Network
    model: Classifier | None
    """None where it has travelled: there it is loaded by its name."""
    images: ImageSet
    seed: int

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "model": None}

    def depends_on(self) -> str:
        """What its rows depend on."""
        images = identity(self.images.images), self.images.indices.tolist(), self.images.labels.tolist()
        strengths = {key: repr(corruption.strengths) for key, corruption in CORRUPTIONS.items()}
        told = [CorruptionRecord.kind, self.network.sha256, images, strengths, self.seed, records.versions()]
        return json.dumps(told)

    def compute(self, told: shards_of.Told = lambda share: None) -> shards_of.Part:
        """The rows: a column a classifier and form, "CLASSIFIER COLUMN"."""
        began = time.perf_counter()
        rows = self._rows(told)
        return shards_of.Part(rows, time.perf_counter() - began)

    def _rows(self, told: shards_of.Told) -> Rows:
        model = self.model if self.model is not None else _loaded(self.network)
        numbers = self.images.indices.tolist()
        rows: dict[str, object] = {"index": self.images.indices.int(), "label": self.images.labels.short()}
        forms = [(CLEAN, 0), *((key, severity) for key in CORRUPTIONS for severity in SEVERITIES)]
        for done, (key, severity) in enumerate(forms, 1):
            clean = self.images.images
            made = clean if key == CLEAN else corrupt(clean, key, severity, numbers, self.seed)
            for classifier, named in _named(model, features_of(model, made)).items():
                rows[f"{classifier} {CLEAN if key == CLEAN else column(key, severity)}"] = named
            told(done / len(forms))
        return Rows(rows)


_loaded = lru_cache(maxsize=2)(Network.load)


def classifiers(model: Classifier) -> tuple[str, ...]:
    """Who names a network's images: its own logits, and where it stores training features the ten nearest of these."""
    return (ARGMAX, NEIGHBOURS) if isinstance(model.head, KernelHead) else (ARGMAX,)


@torch.no_grad()
def _named(model: Classifier, features: Tensor) -> dict[str, Tensor]:
    """What each of `classifiers` names features (N, d): classes (N,)."""
    head = model.head
    found = {ARGMAX: head(features).argmax(1).short()}
    if isinstance(head, KernelHead):
        named = classify(NEIGHBOURS, head, head.references.float(), head.reference_labels, features)
        found[NEIGHBOURS] = named.short()
    return found


def measure(
    model: Classifier,
    images: ImageSet,
    seed: int = 0,
    known: Sequence[CorruptionRecord] = (),
    command: str = "",
    on_progress: Callable[[float], object] = lambda share: None,
    engine: Engine = Engine(),  # noqa: B008  # frozen
    parts: Path | None = None,
    batch_size: int | None = None,
) -> list[CorruptionRecord]:
    """A record for each of the network's classifiers, of `images`, which `seed` drew.

    known: those of the first of these images, which are not measured again. engine, parts, batch_size: as
    `core.evaluate.front.measure` has them. on_progress hears 0 ... 1. DataError without the pictures of frost.
    """
    network, names = Network.of(model.card), classifiers(model)
    before = {record.classifier: record for record in known}
    done = before[names[0]].data.n if set(before) == set(names) else 0
    size = at_once(images, batch_size, SHARD)
    shards = [
        CorruptionShard(network, model, images[start : start + size], seed) for start in range(done, len(images), size)
    ]
    found = shards_of.gather(shards, parts, engine, on_progress)
    seconds = sum(part.seconds for part in found)
    made = []
    for name in names:
        columns = {CLEAN: f"{name} {CLEAN}"} | {each: f"{name} {each}" for each in COLUMNS}
        columns |= {each: each for each in ("index", "label")}
        batches = [{ours: part.rows[theirs] for ours, theirs in columns.items()} for part in found]
        older = before[name].rows if done else None
        if older is not None:
            batches.insert(0, dict(older.columns))
        rows = Rows({each: np.concatenate([batch[each] for batch in batches]) for each in columns})
        wrong = {each: int((rows[each] != rows["label"]).sum()) for each in (CLEAN, *COLUMNS)}
        made.append(
            CorruptionRecord(
                network=network,
                data=Data.of(images, seed),
                protocol=Setting(name=name),
                command=command,
                versions=records.versions(),
                clean=wrong[CLEAN],
                wrong={key: tuple(wrong[column(key, s)] for s in SEVERITIES) for key in CORRUPTIONS},
                seconds=(before[name].seconds if done else 0.0) + (seconds if name == names[0] else 0.0),
                rows=rows,
            )
        )
    return made
