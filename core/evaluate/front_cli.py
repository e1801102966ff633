"""`python -m core evaluate front`: success against distortion, by several measures, of any attacks and budgets."""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from core import models
from core.attacks import ATTACKS, Attack
from core.data import ImageSet
from core.evaluate import records, statistics
from core.evaluate.attacking import correct, drawn, own
from core.evaluate.cli import check_writable
from core.evaluate.front import METRICS, Front, FrontRecord, check_measures, measure
from core.evaluate.records import Collection, Data, Network, Setting
from core.evaluate.shards import Engine, add_arguments, engine_of
from core.evaluate.statistics import LEVEL, Comparison, Estimate
from core.evaluate.tables import Column, bars, percent, show
from core.evaluate.visibility import NORM
from core.models import Classifier
from core.params import Subparsers, fields

_PHOTOGRAPH = 3 * 224 * 224  # values; NORM is of pictures of this size


def attack_of(text: str) -> Attack:
    """The attack that "NAME", "NAME:passes=200" or "NAME:preset=photograph:margin=1" spells; ValueError if none."""
    name, *parts = text.split(":")
    cls = ATTACKS.get(name)
    if cls is None:
        raise ValueError(f"attacks must name some of {', '.join(ATTACKS)}; got {name!r}.")
    known = {info.name: info for info in fields(cls)}
    preset, values = None, {}
    for part in parts:
        key, equals, value = part.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise ValueError(f"what follows {name} must be PARAMETER=VALUE; got {part!r}.")
        if key == "preset":
            preset = value
        elif key in known:
            values[key] = known[key].parse(value)
        else:
            raise ValueError(f"{name} has no parameter {key!r}; it has preset, {', '.join(known)}.")
    return cls(**values) if preset is None else cls.preset(preset, **values)


def spelled(attack: Attack) -> str:
    """What `attack_of` reads as `attack`."""
    return ":".join([attack.name, *(f"{name}={value}" for name, value in attack.changed().items())])


def bound_of(text: str) -> tuple[str, float]:
    """Metric and bound that "l2=0.5" spells; ValueError if none."""
    name, _, value = text.partition("=")
    try:
        bound = float(value)
    except ValueError:
        bound = math.nan
    if name not in METRICS or not math.isfinite(bound):
        raise ValueError(f"bounds must be METRIC=NUMBER, METRIC one of {', '.join(METRICS)}; got {text!r}.")
    return name, bound


def add_verb(verbs: Subparsers) -> None:
    """Register `evaluate front`."""
    parser = verbs.add_parser(
        FrontRecord.kind, help="success against distortion of several attacks: at equal success, and at equal norm"
    )
    parser.add_argument("--model", required=True, help="name of a model (python -m core models list)")
    parser.add_argument(
        "--dataset", help="name of a data set, or folder:PATH (default: the model's own, for ImageNet photos)"
    )
    parser.add_argument(
        "--attacks",
        nargs="+",
        required=True,
        metavar="NAME[:PARAMETER=VALUE...]",
        help="attacks and budgets, as ddn ddn:passes=200 scw:preset=photograph; the rest is held against the first",
    )
    parser.add_argument("--n", type=int, default=100, help="correctly classified images (default %(default)s)")
    parser.add_argument(
        "--metrics", nargs="+", default=list(METRICS), metavar="METRIC", help=f"(default: {', '.join(METRICS)})"
    )
    parser.add_argument(
        "--bounds", nargs="+", default=[], metavar="METRIC=NUMBER", help="at which success is told (default: quartiles)"
    )
    parser.add_argument(
        "--norms",
        nargs="*",
        type=float,
        metavar="L2",
        help=f"to which perturbations are brought and measured again; none to leave it out (default: as much a value "
        f"as {NORM:g} is on a photograph of 224 pixels)",
    )
    parser.add_argument(
        "--in-float",
        action="store_true",
        help="measure images as found, not as a picture file of 8 bits holds them, where only attacks that round their "
        "iterates or end with the push (quantised=true, push=true, or preset=photograph) keep all that they found",
    )
    add_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images and of the attacks")
    parser.add_argument(
        "--out",
        type=Path,
        help="write the numbers here, as JSON, and a row for each image beside it, as Parquet, after every attack; "
        "what is there already is not measured again, nor are the shards in the folder NAME.parts",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.n < 1:
        raise ValueError(f"n must be at least 1; got {arguments.n}.")
    engine = engine_of(arguments)
    attacks = [attack_of(text) for text in arguments.attacks]
    for attack in attacks:
        if attacks.count(attack) > 1:
            raise ValueError(f"attacks must differ from each other; got {spelled(attack)} twice.")
    bounds = list(dict.fromkeys(bound_of(text) for text in arguments.bounds))
    check_measures(arguments.metrics, arguments.norms or [])
    metrics = tuple(name for name in METRICS if name in {"l2", *arguments.metrics, *(name for name, _ in bounds)})
    if arguments.out is not None:
        check_writable(arguments.out)
    model = models.load(arguments.model)
    images = correct(model, drawn(arguments.dataset or own(model.card), arguments.seed), arguments.n)
    norms = arguments.norms
    if norms is None:
        norms = [float(f"{NORM * math.sqrt(images.images[0].numel() / _PHOTOGRAPH):.3g}")]
    wanted = Wanted(model, images, metrics, tuple(dict.fromkeys(norms)), arguments.in_float, arguments.seed)
    kept = None if arguments.out is None else Collection(FrontRecord, arguments.out)
    found = list(_measured(wanted, attacks, kept, arguments.batch_size, engine))
    front = Front(tuple(found))
    _print(front, bounds)
    if arguments.out is not None:
        Console().print(f"written to {arguments.out} and {records.beside(arguments.out).name}", highlight=False)
    return 0


@dataclass(frozen=True)
class Wanted:
    """What is measured of every attack, and on what."""

    model: Classifier
    images: ImageSet
    metrics: tuple[str, ...]
    norms: tuple[float, ...]
    in_float: bool
    seed: int

    def is_in(self, record: FrontRecord) -> bool:
        """Whether this is what `record` measured."""
        return (
            record.network == Network.of(self.model.card)
            and record.data == Data.of(self.images, self.seed)
            and self.same_columns(record)
        )

    def same_columns(self, record: FrontRecord) -> bool:
        """Whether `record` measured the same, if perhaps of other images."""
        return (record.metrics, record.norms, record.in_float) == (self.metrics, self.norms, self.in_float)

    def command(self, attack: Attack) -> str:
        """What measures it again. A folder is named without where it lies."""
        words = ["--model", self.model.card.name, "--dataset", self.images.name, "--attacks", spelled(attack)]
        words += ["--n", str(len(self.images)), "--seed", str(self.seed), "--metrics", *self.metrics]
        words += ["--norms", *(f"{norm:g}" for norm in self.norms)]
        return f"python -m core evaluate {FrontRecord.kind} {shlex.join(words)}" + " --in-float" * self.in_float


def _measured(
    wanted: Wanted,
    attacks: Sequence[Attack],
    kept: Collection[FrontRecord] | None,
    batch_size: int | None,
    engine: Engine,
) -> Iterator[FrontRecord]:
    """The record of each attack: from the file where it is there, else measured now and written."""
    there = () if kept is None else kept.read()
    if kept is not None and any(not wanted.same_columns(record) for record in there):
        raise ValueError(f"{kept.path.name} holds fronts of other metrics or norms; choose another --out.")
    with bars() as bar:
        bar.console.print(
            f"The first {len(wanted.images)} that {wanted.model.card.name} classifies correctly. {wanted.images.note}",
            highlight=False,
        )
        for attack in attacks:
            task = bar.add_task(spelled(attack), total=1.0)
            earlier = [r for r in there if r.protocol == Setting.of(attack) and wanted.is_in(r)]
            if earlier:
                bar.update(task, completed=1.0)
                yield earlier[0]
                continue

            def advance(share: float) -> None:
                bar.update(task, completed=share)  # noqa: B023  # called before the next attack

            record = measure(
                attack,
                wanted.model,
                wanted.images,
                metrics=wanted.metrics,
                norms=wanted.norms,
                in_float=wanted.in_float,
                seed=wanted.seed,
                batch_size=batch_size,
                command=wanted.command(attack),
                on_progress=advance,
                engine=engine,
                parts=None if kept is None else kept.path.with_suffix(".parts"),
            )
            if kept is not None:
                kept.put(record)
            yield record


@dataclass(frozen=True)
class Line:
    """A row of a table: what it is of, and a cell for every attack."""

    title: str
    cells: tuple[str, ...]


def _print(front: Front, bounds: Sequence[tuple[str, float]]) -> None:
    first = front.records[0]
    state = "as found, in float" if first.in_float else "after rounding to 8 bits"
    note = (
        f"95 % intervals: Wilson's of shares, bootstrapped of medians. Differences are to {front.titles[0]}, image by "
        f"image: Wilcoxon's signed ranks; * of shares: McNemar's exact test, p < {LEVEL:g}. p by Holm's rule, a table."
    )
    _table(
        front,
        f"At equal success: medians over the {front.common.sum()} of {first.n} images that all fool, {state}",
        [*_heads(front), *_paired(front, first.metrics, None)],
    )
    _table(front, "At equal norm: share of images fooled within a bound", list(_within(front, bounds)))
    for norm in first.norms:
        share = Line("success", tuple(_share(estimate) for estimate in front.shares_at(norm)))
        title = f"At L2 {norm:g}: medians over the {front.met(norm).sum()} images where all reach it"
        _table(front, title, [share, *_paired(front, first.metrics, norm)])
    Console().print(note, highlight=False)


def _table(front: Front, title: str, lines: Sequence[Line]) -> None:
    columns = [Column[Line]("", lambda line: line.title)]
    columns += [Column[Line](name, lambda line, i=i: line.cells[i]) for i, name in enumerate(front.titles)]  # type: ignore[misc]
    show(title, columns, lines)


def _heads(front: Front) -> Iterator[Line]:
    yield Line("success", tuple(_share(record.success) for record in front.records))
    verdicts = [
        _share(statistics.wilson(r.converged, r.n)) if r.converged is not None and r.n else "-" for r in front.records
    ]
    yield Line("converged", tuple(verdicts))
    seconds = [r.seconds_per_image for r in front.records]
    yield Line("s / image", tuple("-" if s is None else f"{s:.2f}" for s in seconds))


def _paired(front: Front, metrics: Sequence[str], norm: float | None) -> Iterator[Line]:
    """Medians of each metric, and below them the differences to the first attack."""
    compared = {name: front.paired(name, norm) for name in metrics}
    corrected = _holm([one for several in compared.values() for one in several])
    for name in metrics:
        form = METRICS[name].form
        yield Line(METRICS[name].title, tuple(_interval(estimate, form) for estimate in front.medians(name, norm)))
        if len(front.records) > 1:
            cells = [
                "-" if one is None else f"{_interval(one.difference, f'+{form}')}, p {next(corrected):.2g}"
                for one in compared[name]
            ]
            yield Line(f"  less {front.titles[0]}", ("", *cells))


def _within(front: Front, bounds: Sequence[tuple[str, float]]) -> Iterator[Line]:
    """Success at bounds, those that are asked for or the quartiles of each metric."""
    asked_for = list(bounds) or [(name, bound) for name in front.records[0].metrics for bound in front.bounds(name)]
    compared = {one: front.paired_shares(*one) for one in asked_for}
    corrected = _holm([one for several in compared.values() for one in several])
    for name, bound in asked_for:
        shares = [_share(estimate) for estimate in front.shares(name, bound)]
        marks = ["*" if one is not None and next(corrected) < LEVEL else "" for one in compared[name, bound]]
        relation = "≥" if METRICS[name].more else "≤"
        cells = tuple(share + mark for share, mark in zip(shares, ["", *marks], strict=True))
        yield Line(f"{METRICS[name].title} {relation} {bound:{METRICS[name].form}}", cells)


def _holm(compared: Sequence[Comparison | None]) -> Iterator[float]:
    """The p values of the comparisons that were made, corrected for their number."""
    return iter(statistics.holm([one.p for one in compared if one is not None]))


def _share(estimate: Estimate | None) -> str:
    return "-" if estimate is None else percent(estimate, 0)


def _interval(estimate: Estimate | None, form: str) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"
