"""Our own question, which joins three of the papers: does a network that withstands common corruptions withstand rough
perturbations, or smooth ones, or neither?

SmoothFool's perturbations with sigma_g from 0.5 to 100 pixels, from rough to a cloud wider than the picture, against
networks that differ in their loss. Of each network, attacked as a white box, the length that it takes; and of each
perturbation, as it was found and at one length, which of the other networks it fools.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from rich.console import Console

from core import models
from core.attacks import SmoothFool, run
from core.data import ImageSet
from core.evaluate import records, shards, statistics
from core.evaluate.attacking import at_once
from core.evaluate.claims import NOT_MEASURED, Claim, Finding, Outcome, Part, Verdict, every
from core.evaluate.cli import check_writable
from core.evaluate.comparison import at_norm
from core.evaluate.records import Collection, Data, Network, Record, Rows, Setting, identity
from core.evaluate.shards import Engine
from core.evaluate.statistics import LEVEL, Estimate, Floats
from core.evaluate.tables import Column, bars, show
from core.metrics import roughness
from core.models import logits_of
from core.papers.graph_smoothness.corruptions import ARGMAX, RECORDS, CorruptionRecord, plain
from core.papers.smooth_curves import pictures
from core.params import Subparsers

SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0, 20.0, 60.0, 100.0)
"""Pixels: sigma_g, from rough to smooth."""
LENGTHS = {"mnist": 3.0, "cifar10": 1.0}
"""L2, by data set, at which perturbations are shown to other networks: where rough ones fool their own network nearly
always and smooth ones rarely."""
SIGMA_H = 1.0
SHARD = 25


class RoughnessRecord(Record):
    """What SmoothFool with one sigma_g does to a network, and its perturbations to others. `protocol` is the attack.

    Rows: "index", "label", "attacked" (named rightly when clean), "fools", "l2" and "roughness" (Omega_n) of the
    perturbation, NaN where it does not fool. For each judge NAME also "right NAME" (clean), "wrong NAME" (with the
    perturbation as found) and "at NAME" (with it at `length`); False where nothing was found.
    """

    kind: ClassVar[str] = "roughness"

    judges: tuple[Network, ...]
    """Networks that are shown its perturbations, its own among them."""
    length: float = Field(gt=0)
    """L2."""
    fooled: int = Field(ge=0)
    seconds: float = Field(ge=0)
    """Of one thread, for all images."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows = self.rows
        if rows is None or len(rows) != self.data.n or int(rows["fools"].sum()) != self.fooled:
            raise ValueError("fooled must be the number of rows that do")
        if set(rows.columns) != set(_columns([judge.name for judge in self.judges])):
            raise ValueError("rows must have three columns for every judge")
        return self

    @property
    def sigma(self) -> float:
        """sigma_g, pixels."""
        return float(self.protocol.parameters["sigma_g"])

    def column(self, name: str) -> NDArray[np.generic]:
        """A column of the rows, (N,)."""
        assert self.rows is not None
        return self.rows[name]

    @property
    def lengths(self) -> Floats:
        """(n,) L2 of the images that were attacked, infinite where it does not fool."""
        found = np.where(self.column("fools"), self.column("l2"), np.inf).astype(float)
        return np.asarray(found[self.column("attacked").astype(bool)])

    @property
    def success(self) -> Estimate | None:
        """Share of the images that are fooled, of those that the network names rightly; None without any."""
        return statistics.wilson(self.fooled, len(self.lengths)) if len(self.lengths) else None

    def median(self) -> Estimate | None:
        """Of the lengths over all attacked images, those that are not fooled being longer than any; None where the
        median or an end of its bootstrap interval is one of those."""
        found = self.lengths
        if len(found) < 2:
            return None
        drawn = np.random.default_rng(0).integers(len(found), size=(statistics.RESAMPLES, len(found)))
        values = np.sort(found[drawn], axis=1)[:, [(len(found) - 1) // 2, len(found) // 2]].mean(1)
        low, high = np.quantile(values, (LEVEL / 2, 1 - LEVEL / 2), method="inverted_cdf")
        value = float(np.median(found))
        if not math.isfinite(value + high):
            return None
        method = f"bootstrap, percentile, {statistics.RESAMPLES:,} resamples, seed 0"
        return Estimate(value=value, low=float(low), high=float(high), n=len(found), method=method)

    def transferred(self, judge: str, at_length: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(N,), (N,) bool: images of which a judge is asked (it names them rightly when clean, and the attack fools its
        own network), and those of them that fool it."""
        asked = self.column("fools").astype(bool) & self.column(f"right {judge}").astype(bool)
        return asked, asked & self.column(f"{'at' if at_length else 'wrong'} {judge}").astype(bool)

    def rate(self, judge: str, at_length: bool) -> Estimate | None:
        """How often it fools a judge, with Wilson's interval; None where there is nothing to ask."""
        asked, fooled = self.transferred(judge, at_length)
        return statistics.wilson(int(fooled.sum()), int(asked.sum())) if asked.any() else None


def _columns(judges: Sequence[str]) -> list[str]:
    found = ["index", "label", "attacked", "fools", "l2", "roughness"]
    return found + [f"{what} {judge}" for judge in judges for what in ("right", "wrong", "at")]


ROUGHNESS = Collection.shipped(RoughnessRecord)
Found = Sequence[RoughnessRecord]
"""Of the networks of one data set."""
Corrupted = Sequence[CorruptionRecord]


def attack(sigma: float) -> SmoothFool:
    """SmoothFool unpushed, as the fooling rates of its paper are of images in float."""
    return SmoothFool(sigma_g=sigma, push=False)


def by_sigma(found: Found, network: str) -> dict[float, RoughnessRecord]:
    """The records of a network, from the roughest on."""
    mine = [record for record in found if record.network is not None and record.network.name == network]
    return {record.sigma: record for record in sorted(mine, key=lambda record: record.sigma)}


def networks(found: Found) -> list[str]:
    """Names of those that were attacked, in the order of the records."""
    return list(dict.fromkeys(record.network.name for record in found if record.network is not None))


def withstands(corrupted: Corrupted) -> dict[str, Estimate]:
    """By network the share of corrupted images that it names rightly, all corruptions and severities, by its logits."""
    found = {}
    for record in corrupted:
        if record.classifier == ARGMAX and record.network is not None:
            error = record.mean_error()
            ends = {"value": 1 - error.value, "low": 1 - error.high, "high": 1 - error.low}
            found[record.network.name] = error.model_copy(update=ends)
    return found


def together(found: Found, corrupted: Mapping[str, Estimate], sigma: float) -> tuple[Estimate, float] | None:
    """Spearman's correlation, over networks, of what is named rightly under corruptions with the median length that
    SmoothFool needs at `sigma`, and its p; None with fewer than five networks that have both."""
    pairs = [
        (corrupted[name].value, float(np.median(record.lengths)))
        for name in networks(found)
        if name in corrupted and (record := by_sigma(found, name).get(sigma)) is not None and len(record.lengths)
    ]
    return statistics.spearman(*np.array(pairs).T) if len(pairs) >= 5 else None


def _goes_with(sigma: float) -> Callable[[Found, Mapping[str, Estimate]], Verdict]:
    def decide(found: Found, corrupted: Mapping[str, Estimate]) -> Verdict:
        correlation = together(found, corrupted, sigma)
        if correlation is None:
            return NOT_MEASURED
        rho, p = correlation
        outcome: Outcome = "undecided" if p >= LEVEL else "holds" if rho.value > 0 else "fails"
        return Verdict(
            outcome=outcome,
            findings=(Finding(of=f"Spearman's ρ over {rho.n} networks", unit="plain", estimate=rho, p=p),),
            test="Spearman",
            p=p,
            why=f"That may be chance, at a level of {LEVEL:g}." if outcome == "undecided" else "",
        )

    return decide


def _transfers(at_length: bool) -> Callable[[Found, Mapping[str, Estimate]], Verdict]:
    def decide(found: Found, corrupted: Mapping[str, Estimate]) -> Verdict:
        source = plain_source(found)
        mine = {} if source is None else by_sigma(found, source)
        if source is None or not {SIGMAS[0], SIGMAS[-1]} <= set(mine):
            return NOT_MEASURED
        shares = []
        for sigma in (SIGMAS[-1], SIGMAS[0]):
            record = mine[sigma]
            pairs = [record.transferred(judge.name, at_length) for judge in record.judges if judge.name != source]
            asked = np.sum([pair[0] for pair in pairs], axis=0)
            fooled = np.sum([pair[1] for pair in pairs], axis=0)
            shares.append(np.where(asked > 0, fooled / np.maximum(asked, 1), np.nan))
        kept = np.isfinite(shares[0]) & np.isfinite(shares[1])
        if kept.sum() < 2:
            return NOT_MEASURED
        compared = statistics.signed_ranks(shares[0][kept], shares[1][kept])
        means = statistics.bootstrap(shares[0][kept] - shares[1][kept])
        of = f"networks that an image fools at σ_g = {SIGMAS[-1]:g} less at {SIGMAS[0]:g}, mean, n = {int(kept.sum())}"
        return every([Part(of, compared.model_copy(update={"difference": means}), 1)])

    return decide


def plain_source(found: Found) -> str | None:
    """Of the networks that were attacked the first that was trained with cross-entropy and against nothing."""
    for name in networks(found):
        with suppress(ValueError):
            card = models.card(name)
            if card.loss == "cross-entropy" and plain(card):
                return name
    return None


_OURS = ("Smoothscope", "our own question")
CLAIMS: tuple[Claim[[Found, Mapping[str, Estimate]]], ...] = (
    Claim(
        f"the better a network withstands corruptions, the longer rough perturbations (σ_g = {SIGMAS[0]:g}) have to be",
        *_OURS,
        _goes_with(SIGMAS[0]),
    ),
    Claim(
        f"the better a network withstands corruptions, the longer smooth ones (σ_g = {SIGMAS[-1]:g}) have to be",
        *_OURS,
        _goes_with(SIGMAS[-1]),
    ),
    Claim(
        "of one length, smooth perturbations of the cross-entropy network fool other networks more often than rough "
        "ones",
        *_OURS,
        _transfers(at_length=True),
    ),
    Claim(
        "as they were found, each as long as it had to be, smooth perturbations of the cross-entropy network fool "
        "others more often than rough ones",
        *_OURS,
        _transfers(at_length=False),
    ),
)
"""decide(records of the networks of a data set, what they name rightly under corruptions by `withstands`)."""


@dataclass(frozen=True)
class RoughnessShard:
    """A batch of images, one sigma_g, the network that is attacked and those that are shown what was found."""

    network: Network
    judges: tuple[Network, ...]
    images: ImageSet
    sigma: float
    length: float
    seed: int

    def depends_on(self) -> str:
        """What its rows depend on."""
        images = identity(self.images.images), self.images.indices.tolist(), self.images.labels.tolist()
        networks = self.network.sha256, [(judge.name, judge.sha256) for judge in self.judges]
        setting = Setting.of(attack(self.sigma)).model_dump(mode="json")
        return json.dumps([RoughnessRecord.kind, networks, images, setting, self.length, self.seed, records.versions()])

    def compute(self, told: shards.Told = lambda share: None) -> shards.Part:
        """Attack the images, and ask everybody."""
        result = run(
            attack(self.sigma),
            loaded(self.network),
            self.images.images,
            self.images.labels,
            self.seed,
            lambda step: told(step.index / step.total),
        )
        clean, fools = result.images, result.success
        there = torch.where(fools[:, None, None, None], result.adversarial, clean)
        brought = at_norm(clean, there, self.length)
        r = there - clean
        rows: dict[str, object] = {"index": self.images.indices.int(), "label": self.images.labels.short()}
        rows["attacked"] = torch.tensor([status != "already misclassified" for status in result.status])
        rows["fools"] = fools
        nothing = torch.full((len(clean),), torch.nan)
        rows["l2"] = torch.where(fools, r.flatten(1).norm(dim=1), nothing).float()
        rows["roughness"] = torch.where(fools, roughness(r, SIGMA_H, normalised=True), nothing).float()
        for judge in self.judges:
            right, wrong, at = (logits_of(loaded(judge), x).argmax(1) != result.labels for x in (clean, there, brought))
            rows |= {f"right {judge.name}": ~right, f"wrong {judge.name}": wrong & fools}
            rows[f"at {judge.name}"] = at & fools
        return shards.Part(Rows(rows), result.seconds)


loaded = lru_cache(maxsize=16)(Network.load)


def measure(
    network: Network,
    judges: Sequence[Network],
    images: ImageSet,
    sigma: float,
    seed: int = 0,
    command: str = "",
    on_progress: Callable[[float], object] = lambda share: None,
    engine: Engine = Engine(),  # noqa: B008  # frozen
    parts: Path | None = None,
    batch_size: int | None = None,
) -> RoughnessRecord:
    """Attack `network` on `images`, which `seed` drew, and show what was found to `judges`, at LENGTHS too.

    engine, parts, batch_size: as `core.evaluate.front.measure` has them. on_progress hears 0 ... 1.
    """
    length, size = LENGTHS[images.name], at_once(images, batch_size, SHARD)
    batches = [
        RoughnessShard(network, tuple(judges), images[start : start + size], sigma, length, seed)
        for start in range(0, len(images), size)
    ]
    found = shards.gather(batches, parts, engine, on_progress)
    rows = Rows({name: np.concatenate([part.rows[name] for part in found]) for name in found[0].rows.columns})
    return RoughnessRecord(
        network=network,
        data=Data.of(images, seed),
        protocol=Setting.of(attack(sigma)),
        command=command,
        versions=records.versions(),
        judges=tuple(judges),
        length=length,
        fooled=int(rows["fools"].sum()),
        seconds=sum(part.seconds for part in found),
        rows=rows,
    )


def add_verb(verbs: Subparsers) -> None:
    """Register `python -m core evaluate roughness`."""
    parser = verbs.add_parser(
        RoughnessRecord.kind, help="our own: SmoothFool from rough to smooth beside corruptions, white box and transfer"
    )
    parser.add_argument(
        "--models", nargs="+", metavar="NAME", required=True, help="each is attacked, and shown the rest"
    )
    parser.add_argument("--n", type=int, default=100, help="test images, the first of them (default %(default)s)")
    parser.add_argument("--sigmas", nargs="+", type=float, default=list(SIGMAS), help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images")
    parser.add_argument("--out", type=Path, default=ROUGHNESS.path, help="(default: the app's); what is there stays")
    shards.add_arguments(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.n < 2:
        raise ValueError(f"n must be at least 2; got {arguments.n}.")
    cards = [models.card(name) for name in arguments.models]
    if len({card.dataset for card in cards}) != 1 or cards[0].dataset not in LENGTHS:
        raise ValueError(f"models must be of one data set, {' or '.join(LENGTHS)}.")
    engine, kept = shards.engine_of(arguments), ROUGHNESS.at(arguments.out)
    check_writable(kept.path)
    judges = tuple(Network.of(card) for card in cards)
    images = pictures(cards[0].dataset, arguments.seed)[: arguments.n]
    data = Data.of(images, arguments.seed)
    command = f"python -m core evaluate roughness --models {' '.join(arguments.models)} --n {len(images)}"
    command += f" --seed {arguments.seed}"
    with bars() as bar:
        for sigma in arguments.sigmas:
            for judge in judges:
                task = bar.add_task(f"{judge.name}, sigma_g {sigma:g}", total=1.0)
                there = by_sigma(kept.read(), judge.name).get(sigma)
                if there is not None and (there.network, there.judges, there.data) == (judge, judges, data):
                    bar.update(task, completed=1.0)
                    continue

                def told(share: float) -> None:
                    bar.update(task, completed=share)  # noqa: B023  # called before the next

                parts = kept.path.with_suffix(".parts")
                record = measure(
                    judge, judges, images, sigma, arguments.seed, command, told, engine, parts, arguments.batch_size
                )
                kept.put(record, beside=lambda other: other.data.name != data.name or other.judges == judges)
    shutil.rmtree(kept.path.with_suffix(".parts"), ignore_errors=True)
    _print(of_data(kept.read(), cards[0].dataset))
    Console().print(f"written to {kept.path} and {records.beside(kept.path).name}", highlight=False)
    return 0


def of_data(found: Found, dataset: str) -> list[RoughnessRecord]:
    """Those of a data set."""
    return [record for record in found if record.data.name == dataset]


def _print(found: Found) -> None:
    corrupted = withstands([r for r in RECORDS.read() if found and r.data.name == found[0].data.name])

    def number(name: str, sigma: float) -> str:
        record = by_sigma(found, name).get(sigma)
        return "" if record is None or not len(record.lengths) else f"{np.median(record.lengths):.2f}"

    def of(sigma: float) -> Callable[[str], str]:
        return lambda name: number(name, sigma)

    columns = [Column[str]("median L2, sigma_g =", lambda name: name, whole=True)]
    columns += [Column[str](f"{sigma:g}", of(sigma)) for sigma in SIGMAS]
    columns += [
        Column[str]("corrupted, right", lambda n: f"{100 * corrupted[n].value:.1f} %" if n in corrupted else "")
    ]
    show("From rough to smooth", columns, networks(found), "Infinite where fewer than half are fooled.")
    for claim in CLAIMS:
        verdict = claim.decide(found, corrupted)
        numbers = "; ".join(f"{one.of}: {one.estimate.value:+.2f}" for one in verdict.findings)
        print(
            f"{verdict.outcome}: {claim.statement} ({numbers}{'' if verdict.p is None else f', p = {verdict.p:.2g}'})"
        )
