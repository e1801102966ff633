"""SmoothFool's Tables 5 and 6: do smooth perturbations fool networks that they were not made on?

Table 5: perturbations of single images, with three kernels and without any, scaled to a largest change of 16/255.
Table 6: one perturbation for all images, fitted on some and shown to others, in a ball of one size whatever the kernel.
The paper's networks are VGG16 and ResNet-101 on ImageNet; ours are each other's targets in turn. Networks that see
pictures of another size are shown the same picture brought to theirs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from core import models
from core.attacks import Attack, DeepFool, SmoothFool
from core.attacks.universal import Universal, apply_universal, universal_steps
from core.data import DATASETS, FOLDER_PREFIX, ImageSet, load_folder
from core.data.imageset import draw
from core.evaluate import records, shards, statistics, transfer
from core.evaluate.attacking import own
from core.evaluate.claims import NOT_MEASURED, Claim, Finding, Part, Verdict, every, within
from core.evaluate.cli import check_writable
from core.evaluate.records import Collection, Data, Network, Record, Rows, Setting
from core.evaluate.statistics import Estimate
from core.evaluate.tables import Column, bars, percent, show
from core.evaluate.transfer import Norm, Showing, TransferRecord, loaded, sized
from core.filters import KernelKind
from core.models import Card, logits_of
from core.papers.smooth_curves import shown_to
from core.params import Subparsers

PAPER_NAME = "SmoothFool"
BOUND = 16 / 255
"""Linf that perturbations of single images are scaled to."""
BALL = 10 / 255
"""Linf of universal ones, which their paper has; SmoothFool's does not give it."""
KERNELS: tuple[KernelKind, ...] = ("gaussian", "linear", "uniform")
SIGMAS = {"imagenet": (5.0, 10.0), "cifar10": (1.0, 5.0)}
"""Pixels: Table 5's sigma_g by data set, and less on pictures of 32 pixels. Kernels are 5 sigma_g wide, so that the
linear and the uniform ones are the paper's k = 25 and 50."""
UNIVERSAL_SIGMAS = (0.1, 1.0, 5.0, 10.0)
"""Table 6's; the first does nothing, which the paper writes as 0."""
NONE = "none"
LEVELS = 127
"""A universal perturbation is rounded to so many levels on either side of 0, before it is shown to anybody: at the
paper's ball the steps are a thirteenth of an 8-bit level, and what is kept of it is what was measured."""
FIT = 100
"""Images that a universal one is fitted on."""
FEW = 5
"""The same of photographs, of which few come with the project."""

_RATES5: dict[str, dict[str, tuple[float, float, float]]] = {
    "VGG16": {
        NONE: (100, 12.6, 8.9),
        "gaussian-5": (100, 15.8, 13.6),
        "gaussian-10": (100, 20.7, 15.3),
        "linear-5": (100, 17.7, 11.6),
        "linear-10": (100, 23.5, 14.1),
        "uniform-5": (100, 16.8, 12.0),
        "uniform-10": (100, 21.8, 14.6),
    },
    "ResNet-101": {
        NONE: (15.2, 100, 15.0),
        "gaussian-5": (17.0, 100, 18.8),
        "gaussian-10": (19.9, 100, 22.5),
        "linear-5": (19.8, 100, 16.9),
        "linear-10": (22.8, 100, 19.7),
        "uniform-5": (18.6, 100, 17.3),
        "uniform-10": (21.0, 100, 22.1),
    },
}
PAPER5 = {
    source: {
        row: {target: rate / 100 for target, rate in zip(("VGG16", "ResNet-101", "Inception-v3"), rates, strict=True)}
        for row, rates in rows.items()
    }
    for source, rows in _RATES5.items()
}
"""Source -> key of `attacks` -> target -> fooling rate (its caption has sources and targets the wrong way round)."""
PAPER6: dict[str, dict[float, float]] = {
    target: dict(zip(UNIVERSAL_SIGMAS, (rate / 100 for rate in rates), strict=True))
    for target, rates in {
        "VGG16": (78.3, 79.6, 82.2, 84.5),
        "ResNet-101": (64.8, 66.0, 69.9, 68.7),
        "ResNet-152": (63.4, 66.8, 70.3, 69.1),
        "DenseNet-161": (52.9, 53.2, 57.6, 55.9),
        "Inception-v3": (54.6, 57.8, 58.6, 61.6),
    }.items()
}
"""Target -> sigma_g -> fooling rate of perturbations that were fitted on VGG16."""


class BlackBoxRecord(TransferRecord):
    """A cell of Table 5 for each judge: what was made on `network`, at an Linf of `length`.

    An image that the attack does not fool its own network on counts as one that fools nobody.
    """

    kind: ClassVar[str] = "smoothfool-transfer"
    norm: ClassVar[Norm] = "linf"

    def asked(self, judge: str) -> NDArray[np.bool_]:
        """(N,) images that both name rightly when clean: the same whatever the attack."""
        return np.asarray(self.column("attacked").astype(bool) & self.column(f"right {judge}").astype(bool))

    @property
    def attack(self) -> str:
        """Key in `attacks`."""
        given = self.protocol.parameters
        return key(given["smoothing_kernel"], given["sigma_g"]) if "sigma_g" in given else NONE


class UniversalRecord(Record):
    """A row of Table 6: one perturbation, fitted on `network`, on images that it was not fitted on.

    Rows: "index", "label", and for each judge NAME "right NAME" (clean) and "fooled NAME".
    """

    kind: ClassVar[str] = "smoothfool-universal"

    fitted_on: Data
    """Images that it was fitted on; those of them that the network names rightly."""
    fits: float = Field(ge=0, le=1)
    """Share of those that it fools."""
    judges: tuple[Network, ...]
    """Networks that are shown it, its own among them."""
    fooled: dict[str, int]
    """Of each judge the images that it names rightly only when clean."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        names = [judge.name for judge in self.judges]
        expected = {"index", "label"} | {f"{what} {name}" for name in names for what in ("right", "fooled")}
        if self.rows is None or len(self.rows) != self.data.n or set(self.rows.columns) != expected:
            raise ValueError("rows must have two columns for every judge")
        if {name: int(self.transferred(name)[1].sum()) for name in names} != self.fooled:
            raise ValueError("fooled must be the numbers of rows that are")
        return self

    @property
    def sigma(self) -> float:
        """sigma_g, pixels."""
        return float(self.protocol.parameters["sigma_g"])

    @property
    def fitted(self) -> Estimate:
        """Share of the images that it was fitted on that it fools, with Wilson's interval."""
        return statistics.wilson(round(self.fits * self.fitted_on.n), self.fitted_on.n)

    def transferred(self, judge: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(N,), (N,) bool: images that a judge names rightly when clean, and those of them that fool it."""
        assert self.rows is not None
        right = np.asarray(self.rows[f"right {judge}"].astype(bool))
        return right, right & self.rows[f"fooled {judge}"].astype(bool)

    def rate(self, judge: str) -> Estimate | None:
        """How often it fools a judge, with Wilson's interval; None where there is nothing to ask."""
        right, fooled = self.transferred(judge)
        return statistics.wilson(int(fooled.sum()), int(right.sum())) if right.any() else None


class PatternRecord(Record):
    """A universal perturbation itself, as `UniversalRecord` says how often it fools: fitted on the images of `data`,
    those that the network names rightly.

    Rows: "level" (C * H * W,), -LEVELS ... LEVELS, of which LEVELS are the ball.
    """

    kind: ClassVar[str] = "smoothfool-universal-patterns"

    shape: tuple[int, int, int]
    """(C, H, W)."""
    fits: float = Field(ge=0, le=1)
    """Share of the images it was fitted on that it fools."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows = self.rows
        if rows is None or set(rows.columns) != {"level"} or len(rows) != np.prod(self.shape):
            raise ValueError("rows must have a level for every value of an image")
        if np.abs(rows["level"].astype(int)).max() > LEVELS:
            raise ValueError(f"levels must be from -{LEVELS} to {LEVELS}")
        return self

    @property
    def r(self) -> Tensor:
        """The perturbation, (1, C, H, W)."""
        assert self.rows is not None
        return _unrounded(torch.from_numpy(self.rows["level"].copy()).view(1, *self.shape), self.ball)

    @property
    def ball(self) -> float:
        """Its largest change at most."""
        return float(self.protocol.parameters["linf_ball"])

    def is_of(self, record: UniversalRecord) -> bool:
        """Whether it is what a record is of."""
        mine, theirs = (self.network, self.protocol, self.data), (record.network, record.protocol, record.fitted_on)
        return mine == theirs


def _unrounded(levels: Tensor, ball: float) -> Tensor:
    return levels.float() * (ball / LEVELS)


TRANSFERS = Collection.shipped(BlackBoxRecord)
UNIVERSALS = Collection.shipped(UniversalRecord)
PATTERNS = Collection.shipped(PatternRecord)
"""Of those universal perturbations whose images come with the project."""
Transfers = Sequence[BlackBoxRecord]
Universals = Sequence[UniversalRecord]
"""Of the networks of one data set."""


def key(kernel: str, sigma: float) -> str:
    """A row of Table 5: "gaussian-5"."""
    return f"{kernel}-{sigma:g}"


def titled(row: str) -> str:
    """The same in words."""
    kernel, _, sigma = row.partition("-")
    return "DeepFool, not smoothed" if row == NONE else f"{kernel.capitalize()} kernel, σ_g = {sigma}"


def attacks(dataset: str) -> dict[str, Attack]:
    """Table 5's rows for networks of a data set, each to the first success: what follows scales it. As published, but
    for DeepFool's steps, which go 0.7 of the way."""
    found: dict[str, Attack] = {NONE: DeepFool(relaxation=0.7, push=False, come_back=False, turns=0)}
    for kernel in KERNELS:
        for sigma in SIGMAS[dataset]:
            found[key(kernel, sigma)] = SmoothFool(
                sigma_g=sigma, smoothing_kernel=kernel, push=False, remember=False, come_back=False
            )
    return found


def universal(sigma: float) -> Universal:
    """Table 6's rows. Ours is fitted by the gradient, which needs few images (see `Universal`)."""
    return Universal(sigma_g=sigma, linf_ball=BALL)


def pick(found: Transfers, source: str, row: str) -> BlackBoxRecord | None:
    """The record of a row of Table 5; None if it was not measured."""
    return next((r for r in found if r.network is not None and r.network.name == source and r.attack == row), None)


def pick_universal(found: Universals, source: str, sigma: float) -> UniversalRecord | None:
    """The record of a row of Table 6; None if it was not measured."""
    return next((r for r in found if r.network is not None and r.network.name == source and r.sigma == sigma), None)


def sources(found: Sequence[Record]) -> list[str]:
    """Names of the networks that something was made on, in the order of the records."""
    return list(dict.fromkeys(record.network.name for record in found if record.network is not None))


def dataset_of(found: Sequence[Record]) -> str | None:
    """The data set of their networks; None where none of them is here."""
    cards, _ = models.survey()
    return next((cards[name].dataset for name in sources(found) if name in cards), None)


def _sigmas(found: Transfers) -> tuple[float, ...]:
    """Of the rows of Table 5 that were measured, from the roughest on."""
    return tuple(sorted({float(record.attack.partition("-")[2]) for record in found if record.attack != NONE}))


def _by_image(pairs: Sequence[tuple[NDArray[np.generic], NDArray[np.bool_], NDArray[np.bool_]]]) -> dict[int, float]:
    """Of each image the share of judges it fools, of those that are asked, over several (index, asked, fooled)."""
    asked: dict[int, int] = {}
    fooled: dict[int, int] = {}
    for indices, ask, fool in pairs:
        for index, one, other in zip(indices.tolist(), ask, fool, strict=True):
            asked[index] = asked.get(index, 0) + int(one)
            fooled[index] = fooled.get(index, 0) + int(other)
    return {index: fooled[index] / n for index, n in asked.items() if n}


def _difference(of: str, first: Mapping[int, float], second: Mapping[int, float], expected: int = 1) -> list[Part]:
    """Mean share of judges that an image fools, the first less the second; [] with fewer than two images of both."""
    common = sorted(set(first) & set(second))
    if len(common) < 2:
        return []
    a, b = (np.array([shares[index] for index in common]) for shares in (first, second))
    compared = statistics.signed_ranks(a, b)
    mean = compared.model_copy(update={"difference": statistics.bootstrap(a - b)})
    return [Part(f"{of}, n = {len(common)}", mean, 1 if expected > 0 else -1)]


def others(found: Transfers, row: str) -> dict[int, float]:
    """Of each image the share of networks it fools other than the one it was made on, over all sources, by a row."""
    pairs = []
    for source in sources(found):
        record = pick(found, source, row)
        if record is not None:
            mine = [judge.name for judge in record.judges if judge.name != source]
            pairs += [(record.column("index"), *record.transferred(judge, at_length=True)) for judge in mine]
    return _by_image(pairs)


def other_networks(found: Universals, sigma: float) -> dict[int, float]:
    """Of each image the share of networks that a universal perturbation fools on it, other than its own."""
    pairs = []
    for source in sources(found):
        record = pick_universal(found, source, sigma)
        if record is not None and record.rows is not None:
            mine = [judge.name for judge in record.judges if judge.name != source]
            pairs += [(record.rows["index"], *record.transferred(judge)) for judge in mine]
    return _by_image(pairs)


def _smoother_transfer(found: Transfers) -> Verdict:
    sigmas = _sigmas(found)
    if not sigmas:
        return NOT_MEASURED
    rough, parts = others(found, NONE), list[Part]()
    for kernel in KERNELS:
        of = f"{kernel}, σ_g = {sigmas[-1]:g}, less DeepFool: networks that an image fools"
        parts += _difference(of, others(found, key(kernel, sigmas[-1])), rough)
    return every(parts)


def _consistent(found: Transfers) -> Verdict:
    sigmas = _sigmas(found)
    if len(sigmas) < 2:
        return NOT_MEASURED
    parts = list[Part]()
    for kernel in KERNELS:
        least, most = (others(found, key(kernel, sigma)) for sigma in (sigmas[0], sigmas[-1]))
        parts += _difference(
            f"{kernel}, σ_g = {sigmas[-1]:g} less {sigmas[0]:g}: networks that an image fools", most, least
        )
    return every(parts)


def _own(found: Transfers) -> Verdict:
    findings = []
    rows = [NONE, *(key(kernel, sigma) for kernel in KERNELS for sigma in _sigmas(found))]
    for row in rows:
        pairs = [
            record.transferred(source, at_length=True)
            for source in sources(found)
            if (record := pick(found, source, row)) is not None
        ]
        asked, fooled = (sum(int(pair[i].sum()) for pair in pairs) for i in (0, 1))
        if asked:
            findings.append(
                Finding(of=f"{titled(row)}, n = {asked}", unit="share", estimate=statistics.wilson(fooled, asked))
            )
    return within((0.99, 1.0), findings)


def _universal(sigma: float, less: float, expected: int) -> Callable[[Universals], Verdict]:
    def decide(found: Universals) -> Verdict:
        of = f"σ_g = {sigma:g} less {_sigma(less)}: networks that an image fools"
        return every(_difference(of, other_networks(found, sigma), other_networks(found, less), expected))

    return decide


def _sigma(sigma: float) -> str:
    """The roughest is the paper's 0."""
    return "0" if sigma == UNIVERSAL_SIGMAS[0] else f"{sigma:g}"


_IN_TABLE5 = {
    f"{source}, {titled(row)}, {target}": rate
    for source, rows in PAPER5.items()
    for row, rates in rows.items()
    for target, rate in rates.items()
}
OF_TABLE5: tuple[Claim[[Transfers]], ...] = (
    Claim(
        "the smoother a perturbation, the more often it fools other networks, whatever the kernel: more often than "
        "DeepFool's",
        PAPER_NAME,
        "section 4.3, Table 5",
        _smoother_transfer,
        _IN_TABLE5,
    ),
    Claim(
        "it improves consistently: wider kernels transfer more often than narrower ones",
        PAPER_NAME,
        "section 4.3, Table 5",
        _consistent,
        _IN_TABLE5,
    ),
    Claim(
        "scaled to L∞ = 16/255, each of them still fools the network that it was made on, whatever the kernel",
        PAPER_NAME,
        "section 4.3, Table 5",
        _own,
        _IN_TABLE5,
    ),
)
"""decide(records of the networks of one data set)."""
OF_TABLE6: tuple[Claim[[Universals]], ...] = (
    Claim(
        "smooth universal perturbations (σ_g = 5) fool other networks more often than rough ones",
        PAPER_NAME,
        "section 4.3, Table 6",
        _universal(5.0, UNIVERSAL_SIGMAS[0], 1),
        {f"{target}, σ_g = {_sigma(s)}": rate for target, rates in PAPER6.items() for s, rate in rates.items()},
    ),
    Claim(
        "in a ball of one size they transfer less again beyond σ_g = 5",
        PAPER_NAME,
        "section 4.3, Table 6, on three of its four",
        _universal(10.0, 5.0, -1),
        {f"{target}, σ_g = {_sigma(s)}": rate for target, rates in PAPER6.items() for s, rate in rates.items()},
    ),
)
"""decide(records of the networks of one data set)."""


def seen_by(card: Card, dataset: str, n: int | None, seed: int) -> ImageSet:
    """The first `n` pictures of a data set in an order drawn by `seed` (all of them if n is None), as a network sees
    them: those of a folder, and photographs, in its own size. DataError or ValueError in one sentence as
    `core.data.load`."""
    if dataset.startswith(FOLDER_PREFIX):
        folder = dataset.removeprefix(FOLDER_PREFIX)
        size = (card.input_shape[1], card.input_shape[2])
        if n is not None:
            return load_folder(folder, size, n=n, seed=seed)
        every_one = load_folder(folder, size)
        return every_one[draw(len(every_one), len(every_one), seed)]
    if dataset == "imagenet":
        raise ValueError("dataset must be photos or folder:PATH for networks of ImageNet, which cannot be had here.")
    return shown_to(loaded(Network.of(card)), dataset, seed)[:n]


def fits_on(n: int) -> int:
    """On how many of n images, the last, a universal perturbation is fitted unless told otherwise."""
    return FEW if n < 2 * FIT else FIT


@dataclass(frozen=True)
class Fitting:
    """How far a universal perturbation is fitted."""

    share: float
    pattern: PatternRecord | None = None
    """At the end."""


def fitting(network: Network, sigma: float, images: ImageSet, seed: int = 0, command: str = "") -> Iterator[Fitting]:
    """Fit a universal perturbation on those of `images`, drawn by `seed`, that the network names rightly.

    ValueError if it names none of them rightly.
    """
    model, attack = loaded(network), universal(sigma)
    right = logits_of(model, images.images).argmax(1) == images.labels
    if not right.any():
        raise ValueError(f"{network.name} names none of the images that a perturbation is fitted on rightly.")
    mine = images[right]
    levels = torch.zeros_like(mine.images[:1], dtype=torch.int8)
    for step in universal_steps(attack, model, mine.images, mine.labels, seed):
        levels = (step.detail["universal r"][:1] * (LEVELS / attack.linf_ball)).round().to(torch.int8)
        yield Fitting(step.index / step.total)
    shown = apply_universal(_unrounded(levels, attack.linf_ball), mine.images)
    fits = logits_of(model, shown).argmax(1) != mine.labels
    yield Fitting(
        1.0,
        PatternRecord(
            network=network,
            data=Data.of(mine, seed),
            protocol=Setting.of(attack),
            command=command,
            versions=records.versions(),
            shape=(levels.shape[1], levels.shape[2], levels.shape[3]),
            fits=float(fits.float().mean()),
            rows=Rows({"level": levels.flatten()}),
        ),
    )


def show_pattern(
    pattern: PatternRecord,
    judges: Sequence[Network],
    images: ImageSet,
    seed: int = 0,
    command: str = "",
    known: UniversalRecord | None = None,
) -> UniversalRecord:
    """What the judges make of a universal perturbation on `images`, drawn by `seed`.

    known: a record of the first of them (`goes_on`), which are not shown again.
    """
    done = 0 if known is None else known.data.n
    rest = images[done:]
    shown = apply_universal(pattern.r, rest.images)
    rows: dict[str, object] = {"index": rest.indices.int(), "label": rest.labels.short()}
    for judge in judges:
        asked = loaded(judge)
        size = asked.card.input_shape[1:]
        before, after = (logits_of(asked, sized(x, size)).argmax(1) == rest.labels for x in (rest.images, shown))
        rows |= {f"right {judge.name}": before, f"fooled {judge.name}": ~after}
    found = Rows(rows)
    if known is not None and known.rows is not None:
        found = Rows.joined([known.rows, found])
    return UniversalRecord(
        network=pattern.network,
        data=Data.of(images, seed),
        protocol=pattern.protocol,
        command=command,
        versions=records.versions(),
        lacks=records.lacking(known),
        fitted_on=pattern.data,
        fits=pattern.fits,
        judges=tuple(judges),
        fooled={j.name: int((found[f"right {j.name}"] & found[f"fooled {j.name}"]).sum()) for j in judges},
        rows=found,
    )


def goes_on(known: UniversalRecord, pattern: PatternRecord, judges: Sequence[Network], images: ImageSet) -> bool:
    """Whether `known` is of the same perturbation and judges on the first of these images, and of no more."""
    same = pattern.is_of(known) and known.judges == tuple(judges) and known.data.n <= len(images)
    return same and known.data == Data.of(images[: known.data.n], known.data.seed)


def add_verbs(verbs: Subparsers) -> None:
    """Register `python -m core evaluate smoothfool-transfer` and `smoothfool-universal`."""
    for record, run, told, kept in (
        (
            BlackBoxRecord,
            _run_transfer,
            "SmoothFool's Table 5: perturbations of one network shown to others",
            TRANSFERS,
        ),
        (UniversalRecord, _run_universal, "SmoothFool's Table 6: universal perturbations across networks", UNIVERSALS),
    ):
        parser = verbs.add_parser(record.kind, help=told)
        parser.add_argument(
            "--models", nargs="+", metavar="NAME", required=True, help="each is attacked, and shown the rest"
        )
        parser.add_argument("--dataset", help="name of a data set, or folder:PATH (default: the networks' own)")
        parser.add_argument("--n", type=int, default=40, help="images, the first of them (default %(default)s)")
        parser.add_argument("--seed", type=int, default=0, help="of the choice of images")
        parser.add_argument("--out", type=Path, default=kept.path, help="(default: the app's); what is there stays")
        parser.set_defaults(run=run)
        if record is UniversalRecord:
            parser.add_argument(
                "--fit", type=int, help=f"images that it is fitted on, the last (default {FIT}, of few {FEW})"
            )
        else:
            shards.add_arguments(parser)


def _cards(arguments: argparse.Namespace) -> list[Card]:
    """The networks that were asked for. ValueError in one sentence unless there are two of one data set."""
    if arguments.n < 2:
        raise ValueError(f"n must be at least 2; got {arguments.n}.")
    cards = [models.card(name) for name in dict.fromkeys(arguments.models)]
    if len(cards) < 2 or len({card.dataset for card in cards}) != 1 or cards[0].dataset not in SIGMAS:
        raise ValueError(f"models must be two or more of one data set, {' or '.join(SIGMAS)}.")
    return cards


def _command(of: type[Record], cards: Sequence[Card], images: ImageSet, seed: int) -> str:
    named = images.name if images.name.startswith(FOLDER_PREFIX) else ""
    return transfer.command(of, [card.name for card in cards], len(images), seed, named)


def universal_command(names: Sequence[str], images: ImageSet, fit: int, seed: int) -> str:
    """What makes Table 6's rows of several networks again, on these images."""
    cards = [models.card(name) for name in names]
    return _command(UniversalRecord, cards, images, seed) + f" --fit {fit}"


def _run_transfer(arguments: argparse.Namespace) -> int:
    cards, engine, kept = _cards(arguments), shards.engine_of(arguments), TRANSFERS.at(arguments.out)
    check_writable(kept.path)
    judges = tuple(Network.of(card) for card in cards)
    dataset = arguments.dataset or own(cards[0])
    views = {card.name: seen_by(card, dataset, arguments.n, arguments.seed) for card in cards}
    wanted = [
        (f"{card.name}, {row}", Showing(judge, judges, attack, BOUND, arguments.seed), views[card.name])
        for row, attack in attacks(cards[0].dataset).items()
        for card, judge in zip(cards, judges, strict=True)
    ]
    told = _command(BlackBoxRecord, cards, views[cards[0].name], arguments.seed)
    transfer.sweep(wanted, kept, told, engine, arguments.batch_size)
    found = [record for record in kept.read() if record.judges == judges]
    columns = [Column[tuple[str, str]]("made on", lambda row: f"{row[0]}, {titled(row[1])}", whole=True)]
    columns += [Column[tuple[str, str]](judge.name, partial(_cell, found, judge.name)) for judge in judges]
    lines = [(card.name, row) for card in cards for row in attacks(card.dataset)]
    note = f"L∞ = {255 * BOUND:g}/255; of the images that both name rightly, at most {arguments.n}; 95 % (Wilson)."
    show("SmoothFool, Table 5: fooling rate", columns, lines, note)
    for claim in OF_TABLE5:
        print(claim.told(found))
    return 0


def _cell(found: Transfers, judge: str, line: tuple[str, str]) -> str:
    record = pick(found, *line)
    rate = None if record is None else record.rate(judge, at_length=True)
    return "-" if rate is None else percent(rate, 0)


def _run_universal(arguments: argparse.Namespace) -> int:
    cards, kept = _cards(arguments), UNIVERSALS.at(arguments.out)
    patterns = PATTERNS.at(kept.path.with_stem(f"{kept.path.stem}-patterns"))
    check_writable(kept.path)
    if arguments.fit is not None and arguments.fit < 1:
        raise ValueError(f"fit must be at least 1; got {arguments.fit}.")
    judges = tuple(Network.of(card) for card in cards)
    dataset, seed = arguments.dataset or own(cards[0]), arguments.seed
    with bars() as bar:
        for card, judge in zip(cards, judges, strict=True):
            task = bar.add_task(card.name, total=len(UNIVERSAL_SIGMAS))
            every_one = seen_by(card, dataset, None, seed)
            fit = arguments.fit or fits_on(len(every_one))
            if arguments.n + fit > len(every_one):
                raise ValueError(f"n and fit must be {len(every_one)} together at most, the images that there are.")
            images, to_be_fitted = every_one[: arguments.n], every_one[len(every_one) - fit :]
            command = universal_command([card.name for card in cards], images, fit, seed)
            for sigma in UNIVERSAL_SIGMAS:
                there = pick_universal(kept.read(), judge.name, sigma)
                if there is None or _facts(there) != (judge, judges, Data.of(images, seed), command):
                    *_, last = fitting(judge, sigma, to_be_fitted, seed, command)
                    assert last.pattern is not None
                    kept.put(
                        show_pattern(last.pattern, judges, images, seed, command),
                        beside=partial(_stands, images.name, judges),
                    )
                    if images.name in DATASETS:  # those of a folder are nobody else's
                        patterns.put(last.pattern, beside=partial(_kept_beside, images.name, judges))
                bar.advance(task)
    found = [record for record in kept.read() if record.judges == judges]
    columns = [Column[tuple[str, float]]("fitted on", lambda row: f"{row[0]}, σ_g = {_sigma(row[1])}", whole=True)]
    columns += [Column[tuple[str, float]](judge.name, partial(_universal_cell, found, judge.name)) for judge in judges]
    lines = [(card.name, sigma) for card in cards for sigma in UNIVERSAL_SIGMAS]
    note = f"Ball L∞ = {255 * BALL:g}/255, fitted on {fit} images, shown on {arguments.n} others; 95 % (Wilson)."
    show("SmoothFool, Table 6: fooling rate", columns, lines, note)
    for claim in OF_TABLE6:
        print(claim.told(found))
    return 0


def _facts(record: UniversalRecord) -> tuple[object, ...]:
    return record.network, record.judges, record.data, record.command


def _stands(name: str, judges: tuple[Network, ...], other: UniversalRecord) -> bool:
    """Whether a record may stand beside others of some images and judges."""
    return other.data.name != name or other.judges == judges


def _kept_beside(name: str, judges: tuple[Network, ...], other: PatternRecord) -> bool:
    """The same of the perturbations."""
    return other.data.name != name or other.network in judges


def _universal_cell(found: Universals, judge: str, line: tuple[str, float]) -> str:
    record = pick_universal(found, *line)
    rate = None if record is None else record.rate(judge)
    return "-" if rate is None else percent(rate, 0)
