"""Our own question, which joins three of the papers: does a network that withstands common corruptions withstand rough
perturbations, or smooth ones, or neither?

SmoothFool's perturbations with sigma_g from 0.5 to 100 pixels, from rough to a cloud wider than the picture, against
networks that differ in their loss. Of each network, attacked as a white box, the length that it takes; and of each
perturbation, as it was found and at one length, which of the other networks it fools.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import numpy as np
from rich.console import Console

from core import models
from core.attacks import SmoothFool
from core.evaluate import records, shards, statistics, transfer
from core.evaluate.claims import NOT_MEASURED, Claim, Finding, Outcome, Part, Verdict, every
from core.evaluate.cli import check_writable
from core.evaluate.records import Collection, Network
from core.evaluate.statistics import LEVEL, Estimate
from core.evaluate.tables import Column, show
from core.evaluate.transfer import Norm, Showing, TransferRecord
from core.papers.graph_smoothness.corruptions import ARGMAX, RECORDS, CorruptionRecord, plain
from core.papers.smooth_curves import pictures
from core.params import Subparsers

SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0, 20.0, 60.0, 100.0)
"""Pixels: sigma_g, from rough to smooth."""
LENGTHS = {"mnist": 3.0, "cifar10": 1.0}
"""L2, by data set, at which perturbations are shown to other networks: where rough ones fool their own network nearly
always and smooth ones rarely."""


class RoughnessRecord(TransferRecord):
    """What SmoothFool with one sigma_g does to a network, and its perturbations to others at an L2 of `length`."""

    kind: ClassVar[str] = "roughness"
    norm: ClassVar[Norm] = "l2"

    @property
    def sigma(self) -> float:
        """sigma_g, pixels."""
        return float(self.protocol.parameters["sigma_g"])

    def median(self, label: int | None = None) -> Estimate | None:
        """Of the lengths over all attacked images, or those of a class, those that are not fooled being longer than
        any; None where the median or an end of its bootstrap interval is one of those."""
        found = self.lengths
        if label is not None:
            found = found[self.column("label")[self.column("attacked").astype(bool)] == label]
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


def withstands(corrupted: Corrupted, label: int | None = None) -> dict[str, Estimate]:
    """By network the share of corrupted images, or of those of a class, that it names rightly, all corruptions and
    severities, by its logits."""
    found = {}
    for record in corrupted:
        few = label is not None and record.rows is not None and int((record.rows["label"] == label).sum()) < 2
        if record.classifier == ARGMAX and record.network is not None and not few:
            error = record.mean_error(label)
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


def showing(network: Network, judges: Sequence[Network], dataset: str, sigma: float, seed: int = 0) -> Showing:
    """SmoothFool with sigma_g on a network of a data set, and who is shown what it finds."""
    return Showing(network, tuple(judges), attack(sigma), LENGTHS[dataset], seed)


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
    told = transfer.command(RoughnessRecord, arguments.models, len(images), arguments.seed)
    wanted = [
        showing(judge, judges, images.name, sigma, arguments.seed) for sigma in arguments.sigmas for judge in judges
    ]

    def titled(one: Showing) -> str:
        return f"{one.network.name}, sigma_g {one.attack.values()['sigma_g']:g}"

    transfer.sweep([(titled(one), one, images) for one in wanted], kept, told, engine, arguments.batch_size)
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
        print(claim.told(found, corrupted))
