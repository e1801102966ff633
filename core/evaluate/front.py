"""The front: success against distortion, by several measures, of any attacks with any budgets on the same images.

Attacks can be compared fairly in two ways, and a front holds both. At equal success: what each changes, on the images
that all of them fool, image by image. At equal norm: the share of images that an attack fools within a bound, for
every bound; and, where norms are asked for, its perturbations brought to one L2 norm, with the network asked anew.

An attack keeps one perturbation an image, the least of what it minimises, mostly the L2 norm. Its curve against another
measure says what that perturbation costs there, not the least that could be found. Omega_n is a share of the energy and
does not shrink with the perturbation: a bound on it alone says how smooth what fools is, however long.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator
from torch import Tensor

from core.attacks import ATTACKS, Attack, AttackResult, Run
from core.data import ImageSet
from core.defenses import Defended, Defense
from core.evaluate import records, statistics
from core.evaluate import shards as shards_of
from core.evaluate.attacking import at_once
from core.evaluate.comparison import asked, at_norm, at_norm_8bit, shown_to, unrounded
from core.evaluate.records import Data, Network, Record, Rows, Setting, identity
from core.evaluate.shards import Engine, Part
from core.evaluate.statistics import Comparison, Estimate, Floats
from core.metrics import ciede2000, l2, linf, mad, roughness, ssim
from core.models import Classifier

SIGMA_H = 1.0
"""Pixels, of Omega_n (`core.metrics.roughness`)."""
SHARD = 50
"""Images in a shard, unless they are large: what is kept when a run is stopped, and need not be made anew for more."""
_MET = 0.05  # relative: a norm missed by more was not met, as where nothing was perturbed


@dataclass(frozen=True)
class Metric:
    """A measure of what was done to images."""

    title: str
    of: Callable[[Tensor, Tensor], Tensor]
    """Clean and perturbed images (N, C, H, W) in [0, 1] -> (N,)."""
    more: bool = False
    """A larger value is a smaller distortion."""
    form: str = ".3g"
    """How a value is printed."""

    def within(self, values: ArrayLike, bound: float) -> NDArray[np.bool_]:
        """(N,) bool: at most as distorted as `bound` says."""
        found = np.asarray(values)
        return np.asarray(found >= bound if self.more else found <= bound)


METRICS: dict[str, Metric] = {
    "l2": Metric("L2", l2),
    "linf": Metric("Linf", linf),
    "roughness": Metric("Ω_n", lambda clean, x: roughness(x - clean, SIGMA_H, normalised=True)),
    "mad": Metric("MAD", mad),
    "ssim": Metric("SSIM", ssim, more=True, form=".5f"),
    "ciede2000": Metric("CIEDE2000, largest", lambda clean, x: ciede2000(clean, x).amax((1, 2))),
    "ciede2000_norm": Metric("CIEDE2000, norm", lambda clean, x: l2(ciede2000(clean, x))),
}
"""In the units of the images, [0, 1]; differences of colour per pixel: the largest, and the L2 norm over all pixels."""


class FrontRecord(Record):
    """What an attack did to many images, by several measures. `protocol` is the attack.

    Rows: "index", "label", "status", "fools", "converged", "passes" (images that went through the network for it, the
    mean of those of its shard), then one column a metric: NaN where it does not fool. For each norm N of `norms` also
    "fools_at_N" and METRIC_at_N, the latter NaN where that norm was not met.
    """

    kind: ClassVar[str] = "front"
    more: ClassVar[tuple[str, ...]] = ()
    """Columns that a subclass adds to its rows."""

    metrics: tuple[str, ...] = Field(min_length=1)
    """Keys of METRICS, l2 among them."""
    in_float: bool
    """Success and measures are of the images as found; else of the images after rounding to 8 bits."""
    norms: tuple[float, ...] = ()
    """L2, at which the perturbations are measured again."""
    n: int = Field(ge=0)
    """Images that the network classified correctly: the rest was not attacked."""
    fooled: int = Field(ge=0)
    converged: int | None = Field(None, ge=0)
    """Images whose search has converged; None of attacks that do not seek the shortest perturbation."""
    seconds_per_image: float | None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows = self.rows
        if rows is None or len(rows) != self.data.n or int(rows["fools"].sum()) != self.fooled:
            raise ValueError("fooled must be the number of rows that do")
        if set(rows.columns) != {*_columns(self.metrics, self.norms), *self.more}:
            raise ValueError("rows must have a column for every metric and norm")
        if not self.fooled <= self.n <= self.data.n:
            raise ValueError("fooled and n must be in this order")
        return self

    def column(self, name: str) -> NDArray[np.generic]:
        """A column of the rows, (N,)."""
        assert self.rows is not None
        return self.rows[name]

    @property
    def attacked(self) -> NDArray[np.bool_]:
        """(N,) bool: classified correctly, hence attacked."""
        return np.asarray(self.column("status") != "already misclassified")

    @property
    def fools(self) -> NDArray[np.bool_]:
        """(N,) bool."""
        return self.column("fools").astype(bool)

    @property
    def success(self) -> Estimate | None:
        """Share of images fooled, with Wilson's interval; None where nothing was attacked."""
        return statistics.wilson(self.fooled, self.n) if self.n else None

    def within(self, metric: str, bound: float) -> NDArray[np.bool_]:
        """(N,) bool: fooled by a perturbation within `bound`. An image that the attack does not fool never is."""
        return self.fools & METRICS[metric].within(self.column(metric), bound)

    def share(self, metric: str, bound: float) -> Estimate | None:
        """Success at a bound, with Wilson's interval; None where nothing was attacked."""
        return statistics.wilson(int(self.within(metric, bound).sum()), self.n) if self.n else None

    def curve(self, metric: str) -> list[tuple[float, Estimate]]:
        """Success as a function of the bound: where it steps up, from the least distorted image to the most.

        The intervals are Wilson's, each for itself and not for the curve as a whole.
        """
        bounds = np.unique(self.column(metric)[self.fools].astype(float))
        shares = [(float(bound), self.share(metric, float(bound))) for bound in bounds]
        found = [(bound, share) for bound, share in shares if share is not None]
        return found[::-1] if METRICS[metric].more else found


def _columns(metrics: Sequence[str], norms: Sequence[float]) -> list[str]:
    """Names of the columns of the rows."""
    found = ["index", "label", "status", "fools", "converged", "passes", *metrics]
    for norm in norms:
        found += [at(name, norm) for name in ("fools", *metrics)]
    return found


def at(name: str, norm: float) -> str:
    """The column that has `name` ("fools" or a metric) at an L2 norm."""
    return f"{name}_at_{norm:g}"


@dataclass(frozen=True)
class Front:
    """The records of several attacks on the same images of one network; the first is what the others are held against.

    ValueError in one sentence unless there is one at least, all of them of the same images, measures and norms, each
    with an attack or a budget of its own.
    """

    records: tuple[FrontRecord, ...]

    def __post_init__(self) -> None:
        if not self.records:
            raise ValueError("records must hold at least one; got none.")
        first = self.records[0]
        for other in self.records[1:]:
            if not comparable(first, other) or not np.array_equal(other.column("index"), first.column("index")):
                raise ValueError(
                    f"records must be of one network, the same images, measures and norms; {other.title} is not."
                )
        if len({record.key for record in self.records}) < len(self.records):
            raise ValueError("records must differ in their attacks or budgets; two are of the same.")

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """The attacks by what tells them apart: "ddn", "ddn passes 200"."""
        return tuple(titled(record.protocol) for record in self.records)

    @cached_property
    def common(self) -> NDArray[np.bool_]:
        """(N,) bool: images that every attack fools; only these are compared at equal success."""
        return np.asarray(np.logical_and.reduce([record.fools for record in self.records]))

    def met(self, norm: float) -> NDArray[np.bool_]:
        """(N,) bool: images whose perturbations were brought to `norm`, of every attack."""
        lengths = [record.column(at("l2", norm)).astype(float) for record in self.records]
        return np.asarray(np.logical_and.reduce([np.isfinite(length) for length in lengths]))

    def medians(self, metric: str, norm: float | None = None) -> list[Estimate | None]:
        """Of each attack the median of a metric over the `common` images, with its bootstrap interval.

        norm: of the perturbations at this L2 norm, over the images where all met it. None with fewer than two images.
        """
        values = self._values(metric, norm)
        return [statistics.bootstrap(each, "median") if len(each) > 1 else None for each in values]

    def paired(self, metric: str, norm: float | None = None) -> list[Comparison | None]:
        """Of each attack after the first, the median difference to the first, image by image, on the same images.

        Wilcoxon's signed ranks, not corrected for how many are tested (`statistics.holm` does).
        """
        first, *others = self._values(metric, norm)
        return [statistics.signed_ranks(each, first) if len(first) > 1 else None for each in others]

    def _values(self, metric: str, norm: float | None) -> list[Floats]:
        kept, column = (self.common, metric) if norm is None else (self.met(norm), at(metric, norm))
        return [record.column(column)[kept].astype(float) for record in self.records]

    def shares(self, metric: str, bound: float) -> list[Estimate | None]:
        """Of each attack the success at a bound on a metric."""
        return [record.share(metric, bound) for record in self.records]

    def shares_at(self, norm: float) -> list[Estimate | None]:
        """Of each attack the success when its perturbations are brought to an L2 norm."""
        return [
            statistics.wilson(int(record.column(at("fools", norm)).sum()), record.n) if record.n else None
            for record in self.records
        ]

    def paired_shares(self, metric: str, bound: float) -> list[Comparison | None]:
        """Of each attack after the first, its success at a bound less the first's: McNemar's test of the same images.

        Not corrected for how many are tested.
        """
        first, *others = self.records
        asked_of = first.attacked
        if not asked_of.any():
            return [None for _ in others]
        return [
            statistics.mcnemar(each.within(metric, bound)[asked_of], first.within(metric, bound)[asked_of])
            for each in others
        ]

    def bounds(self, metric: str, shares: Sequence[float] = (0.25, 0.5, 0.75)) -> list[float]:
        """Telling bounds on a metric: the quantiles of what all attacks needed where they fool; none if none does."""
        values = np.concatenate([record.column(metric)[record.fools].astype(float) for record in self.records])
        return [float(value) for value in np.unique(np.quantile(values, shares))] if len(values) else []


def comparable(one: FrontRecord, other: FrontRecord) -> bool:
    """Whether two records can be of one front: one network, the same images, measured in the same way."""
    return all(
        getattr(one, name) == getattr(other, name) for name in ("network", "data", "metrics", "in_float", "norms")
    )


def titled(setting: Setting) -> str:
    """An attack by its name and what is not at its default."""
    cls = ATTACKS.get(setting.name)
    changed: Mapping[str, object] = setting.parameters if cls is None else cls(**setting.parameters).changed()
    return " ".join([setting.name, *(f"{name} {value}" for name, value in changed.items())])


def check_measures(metrics: Sequence[str], norms: Sequence[float]) -> None:
    """ValueError in one sentence unless metrics are keys of METRICS, and norms finite numbers above 0."""
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise ValueError(f"metrics must be some of {', '.join(METRICS)}; got {unknown[0]!r}.")
    if not all(0 < norm < math.inf for norm in norms):
        raise ValueError(f"norms must be above 0 and finite; got {', '.join(f'{norm:g}' for norm in norms)}.")


def measure(
    attack: Attack,
    model: Classifier,
    images: ImageSet,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    norms: Sequence[float] = (),
    in_float: bool = False,
    seed: int = 0,
    batch_size: int | None = None,
    command: str = "",
    on_progress: Callable[[float], object] = lambda share: None,
    engine: Engine = Engine(),  # noqa: B008  # frozen
    parts: Path | None = None,
) -> FrontRecord:
    """Attack `images` and measure what it changes: as short as it fools, and at each of `norms`.

    metrics: keys of METRICS; l2 is always among them. norms: L2, above 0. For these the attack is made again in float
    where it rounds its iterates, and brought to the norm by scaling (`at_norm`), in 8 bits as near as rounding lets it.
    in_float: measure images as found; the default is as a picture file holds them, where a perturbation that does not
    survive rounding counts as a failure. seed: of the choice of images and of the attack. batch_size: images in a shard
    (default: SHARD, or as many as fit). on_progress hears 0 ... 1. engine: who computes; other processes than this
    load `model` by its name. parts: the folder of finished shards (`core.evaluate.shards`). ValueError in one sentence
    for metrics and norms that cannot be.
    """
    check_measures(metrics, norms)
    names = tuple(name for name in METRICS if name in {"l2", *metrics})
    wanted = tuple(dict.fromkeys(norms))
    size = at_once(images, batch_size, SHARD)
    network = Network.of(model.card)
    shards = [
        AttackShard(attack, network, model, images[start : start + size], names, wanted, in_float, seed)
        for start in range(0, len(images), size)
    ]
    found = shards_of.gather(shards, parts, engine, on_progress)
    rows = Rows.joined([part.rows for part in found])
    n = attacked(rows)
    return FrontRecord(
        network=network,
        data=Data.of(images, seed),
        protocol=Setting.of(attack),
        command=command,
        versions=records.versions(),
        metrics=names,
        in_float=in_float,
        norms=wanted,
        n=n,
        fooled=int(rows["fools"].sum()),
        converged=int(rows["converged"].sum()) if attack.seeks == "shortest" else None,
        seconds_per_image=sum(part.seconds for part in found) / n if n else None,
        rows=rows,
    )


def attacked(rows: Rows) -> int:
    """Images that the network named rightly: the rest was not attacked."""
    return int((rows["status"] != "already misclassified").sum())


@dataclass(frozen=True)
class AttackShard:
    """A batch of images, and all that is measured of what one attack does to them."""

    attack: Attack
    network: Network
    model: Classifier | None
    """None where it has travelled: there it is loaded by its name."""
    images: ImageSet
    metrics: tuple[str, ...]
    norms: tuple[float, ...]
    in_float: bool
    seed: int
    judge: Defense | Network | None = None
    """Who is to be fooled, if not the network that is attacked: the same behind a defence, or another one."""

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "model": None}

    def depends_on(self) -> str:
        """What its rows depend on."""
        attack = Setting.of(self.attack).model_dump(mode="json")
        images = identity(self.images.images), self.images.indices.tolist(), self.images.labels.tolist()
        measured = self.metrics, self.norms, self.in_float, self.seed
        rows = _columns(self.metrics, self.norms)
        judge = [] if self.judge is None else [judged(self.judge)]
        told = [FrontRecord.kind, rows, self.network.sha256, attack, images, measured, records.versions(), *judge]
        return json.dumps(told)

    def compute(self, told: shards_of.Told = lambda share: None) -> Part:
        """Attack the images, and measure."""
        steps = self.steps()
        try:
            while True:
                told(next(steps))
        except StopIteration as end:
            part: Part = end.value
            return part

    def steps(self) -> Generator[float, None, Part]:
        """The same a step at a time, for who may want to stop in between; yields 0 ... 1."""
        model = self.model if self.model is not None else _loaded(self.network)
        free = unrounded(self.attack)
        twice = bool(self.norms) and free != self.attack
        result, passes = yield from self._run(self.attack, model, (0.0, 0.5 if twice else 1.0))
        judge = self._judge(model)
        if judge is not None:
            result = shown_to(result, judge)
        columns = _as_found(result, self.metrics, self.in_float)
        loose = (yield from self._run(free, model, (0.5, 1.0)))[0] if twice else result
        columns |= _scaled(loose, judge or model, self.metrics, self.norms, self.in_float)
        rows = {"index": self.images.indices.int(), "label": self.images.labels.short(), "status": list(result.status)}
        rows["passes"] = torch.full((len(self.images),), passes)
        return Part(Rows(rows | columns), result.seconds)

    def _judge(self, model: Classifier) -> Classifier | None:
        if self.judge is None:
            return None
        return _loaded(self.judge) if isinstance(self.judge, Network) else Defended(model, self.judge)

    def _run(
        self, attack: Attack, model: Classifier, shares: tuple[float, float]
    ) -> Generator[float, None, tuple[AttackResult, float]]:
        """The result, and how often the network was asked of each image that was attacked, on average."""
        # What is drawn at random is another's for every shard, and the same however many shards there are.
        first = int(self.images.indices[0])
        seed = int(np.random.SeedSequence([self.seed, first]).generate_state(1)[0])
        run = Run(attack, model, self.images.images, self.images.labels, seed)
        asked_of, start, end = 0, *shares
        while True:
            with _counted(model) as seen:
                step = next(run, None)
            asked_of += sum(seen)
            if step is None:
                break
            yield start + (end - start) * step.index / step.total
        result = run.result()
        return result, asked_of / max(sum(status != "already misclassified" for status in result.status), 1)


def judged(judge: Defense | Network) -> dict[str, object]:
    """Who is to be fooled, as a record says it."""
    return judge.model_dump() if isinstance(judge, Network) else Setting.of(judge).model_dump(mode="json")


@contextmanager
def _counted(model: Classifier) -> Iterator[list[int]]:
    """How many images this thread sends through `model` meanwhile, batch by batch."""
    mine, seen = threading.get_ident(), list[int]()

    def count(module: object, given: tuple[Tensor, ...], found: Tensor) -> None:
        if threading.get_ident() == mine:  # others may have the same network in their hands
            seen.append(len(found))

    handle = model.register_forward_hook(count)
    try:
        yield seen
    finally:
        handle.remove()


_loaded = lru_cache(maxsize=2)(Network.load)


def _as_found(result: AttackResult, metrics: Sequence[str], in_float: bool) -> dict[str, Tensor]:
    """The columns of a batch, (N,) each."""
    fools = result.success if in_float else result.success_8bit
    pictures = result.adversarial if in_float else result.adversarial_8bit
    converged = torch.zeros_like(fools) if result.converged is None else result.converged
    return {"fools": fools, "converged": converged, **_measured(result.images, pictures, fools, metrics)}


def _scaled(
    result: AttackResult, model: Classifier, metrics: Sequence[str], norms: Sequence[float], in_float: bool
) -> dict[str, Tensor]:
    """The columns of a batch at each norm, (N,) each."""
    found: dict[str, Tensor] = {}
    for norm in norms:
        bring = at_norm if in_float else at_norm_8bit
        there = asked(result, bring(result.images, result.adversarial, norm), model)
        pictures = there.adversarial if in_float else there.adversarial_8bit
        length = l2(pictures, result.images)
        attacked = torch.tensor([status in ("fooled", "failed") for status in there.status])
        met = attacked & ((length - norm).abs() <= _MET * norm)
        fools = (there.success if in_float else there.success_8bit) & (length <= (1 + _MET) * norm)
        found[at("fools", norm)] = fools
        found |= {at(name, norm): v for name, v in _measured(result.images, pictures, met, metrics).items()}
    return found


def _measured(clean: Tensor, pictures: Tensor, where: Tensor, metrics: Sequence[str]) -> dict[str, Tensor]:
    """Each metric of the images of the mask `where` (N,), NaN elsewhere."""
    found = {}
    for name in metrics:
        values = torch.full((len(clean),), torch.nan)
        if where.any():
            values[where] = METRICS[name].of(clean[where], pictures[where]).float()
        found[name] = values
    return found
