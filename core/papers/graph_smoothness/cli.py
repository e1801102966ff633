"""`python -m core evaluate errors`, `corruptions` and `graph-figures`: the graph smoothness paper's Tables 1 and 2 and
Figures 2 to 4."""

from __future__ import annotations

import argparse
import shlex
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from core import models
from core.data import DATASETS
from core.evaluate import shards
from core.evaluate.cli import check_writable
from core.evaluate.records import Collection
from core.evaluate.tables import Column, bars, percent, show
from core.papers.graph_smoothness import corruptions, errors, figures
from core.papers.graph_smoothness.corruptions import RECORDS, Beside, CorruptionRecord, of_network, reference_of
from core.papers.graph_smoothness.errors import ERRORS, ErrorRecord
from core.papers.graph_smoothness.figures import FIGURES, SWEEPS, FigureRecord, Series, Study
from core.papers.smooth_curves import pictures
from core.params import Subparsers, add_arguments, from_arguments


def add_verbs(verbs: Subparsers) -> None:
    """Register both commands."""
    parser = verbs.add_parser(ErrorRecord.kind, help="test errors by classifier, beside graph smoothness's Table 1")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="default: all of the data sets' networks")
    parser.add_argument("--datasets", nargs="+", default=["mnist", "cifar10"], help="default: mnist cifar10")
    parser.add_argument("--train-n", type=int, help="training images whose features neighbours see (default: all)")
    parser.add_argument("--out", type=Path, default=ERRORS.path, help="(default: what is shipped)")
    parser.set_defaults(run=_errors)
    parser = verbs.add_parser(
        CorruptionRecord.kind, help="graph smoothness, Table 2: 15 corruptions at five severities, MCE and relative MCE"
    )
    parser.add_argument("--models", nargs="+", metavar="NAME", required=True)
    parser.add_argument("--n", type=int, default=200, help="test images, the first of them (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images and of what is random in them")
    parser.add_argument(
        "--out",
        type=Path,
        default=RECORDS.path,
        help="(default: the app's). What is there is gone on with: only images that are not there are measured",
    )
    shards.add_arguments(parser)
    parser.set_defaults(run=_corruptions)
    parser = verbs.add_parser(
        FigureRecord.kind, help="graph smoothness, Figures 2, 3 and 4: accuracy against k, d and alpha"
    )
    parser.add_argument(
        "--out", type=Path, default=FIGURES.path, help="where to store it, and go on (default: the app's)"
    )
    add_arguments(parser, Study)
    parser.set_defaults(run=_figures)


def _errors(arguments: argparse.Namespace) -> int:
    if arguments.train_n is not None and arguments.train_n < 1:
        raise ValueError(f"train-n must be at least 1; got {arguments.train_n}.")
    cards = [models.card(name) for name in arguments.models or models.refresh()]
    cards = [card for card in cards if arguments.models or card.dataset in arguments.datasets]
    for card in cards:
        if card.dataset not in DATASETS:
            raise ValueError(f"models must be of one of {', '.join(DATASETS)}; {card.name} is of {card.dataset}.")
    console, collection = Console(), ERRORS.at(arguments.out)
    limit = "" if arguments.train_n is None else f" --train-n {arguments.train_n}"
    command = f"python -m core evaluate {ErrorRecord.kind}{limit}"
    with Progress(console=console) as bar:
        for card in cards:
            sizes = DATASETS[card.dataset].splits
            seen = (arguments.train_n or sizes["train"]) if errors.looks(card) else 0
            task = bar.add_task(card.name, total=sizes["test"] + seen)
            for _ in errors.sweep(card.name, arguments.train_n, collection, command, partial(_advance, bar, task)):
                pass
            bar.update(task, visible=False)
    columns = (
        Column[ErrorRecord]("model", lambda record: record.network.name if record.network else "", whole=True),
        Column[ErrorRecord]("classifier", lambda record: record.classifier),
        Column[ErrorRecord]("n", lambda record: f"{record.data.n:,}"),
        Column[ErrorRecord]("error", lambda record: percent(record.error, 2)),
        Column[ErrorRecord]("paper %", lambda r: "" if r.published is None else f"{100 * r.published:.2f}"),
        Column[ErrorRecord]("as its logits %", lambda record: f"{100 * record.agreement:.2f}"),
    )
    note = "95 % intervals (Wilson). The papers' networks are wider and trained for 200 epochs (MNIST: 50)."
    names = {card.name for card in cards}
    found = [record for record in collection.read() if record.network is not None and record.network.name in names]
    show("Test errors", columns, found, note, console)
    return 0


def _corruptions(arguments: argparse.Namespace) -> int:
    engine, kept = shards.engine_of(arguments), RECORDS.at(arguments.out)
    check_writable(kept.path)
    if arguments.n < 2:
        raise ValueError(f"n must be at least 2; got {arguments.n}.")
    with bars() as bar:
        for name in arguments.models:
            card = models.card(name)
            images = pictures(card.dataset, arguments.seed)[: arguments.n]
            task, there = bar.add_task(name, total=1.0), of_network(kept.read(), card, images, arguments.seed)
            if all(record.data.n >= len(images) for record in there) and there:
                bar.update(task, completed=1.0)
                continue
            parts = kept.path.with_suffix(".parts") / name
            command = corruptions.command(name, len(images), arguments.seed)
            told = partial(_share, bar, task)
            for record in corruptions.measure(
                models.load(name), images, arguments.seed, there, command, told, engine, parts, arguments.batch_size
            ):
                kept.put(record)
            shutil.rmtree(parts, ignore_errors=True)
    with suppress(OSError):
        kept.path.with_suffix(".parts").rmdir()  # unless another run's are there
    _print_corruptions([r for r in kept.read() if r.network is not None and r.network.name in arguments.models], kept)
    return 0


def _print_corruptions(found: list[CorruptionRecord], kept: Collection[CorruptionRecord]) -> None:
    every = kept.read()

    def mce(record: CorruptionRecord, relative: bool) -> str:
        reference = reference_of(every, record)
        estimate = None if reference is None else Beside(record, reference).mce(relative)
        return "-" if estimate is None else f"{estimate.value:.1f} ({estimate.low:.1f} to {estimate.high:.1f})"

    columns = (
        Column[CorruptionRecord]("model", lambda record: record.network.name if record.network else "", whole=True),
        Column[CorruptionRecord]("classifier", lambda record: record.classifier),
        Column[CorruptionRecord]("n", lambda record: f"{record.data.n:,}"),
        Column[CorruptionRecord]("clean error", lambda record: percent(record.error())),
        Column[CorruptionRecord]("corrupted", lambda record: percent(record.mean_error())),
        Column[CorruptionRecord]("MCE", lambda record: mce(record, relative=False)),
        Column[CorruptionRecord]("relative MCE", lambda record: mce(record, relative=True)),
    )
    note = "MCE beside cross-entropy on the same architecture. 95 % intervals: Wilson, bootstrap over images."
    show("Common corruptions", columns, found, note)
    for claim in corruptions.CLAIMS:
        print(claim.told(every))


def _share(bar: Progress, task: TaskID, share: float) -> None:
    bar.update(task, completed=share)


def _advance(bar: Progress, task: TaskID, done: int) -> None:
    bar.update(task, completed=done)


def _figures(arguments: argparse.Namespace) -> int:
    study = from_arguments(Study, arguments)
    options = [f"--{key.replace('_', '-')} {shlex.quote(str(value))}" for key, value in study.changed().items()]
    command = " ".join([f"python -m core evaluate {FigureRecord.kind}", *options])
    console, collection = Console(), FIGURES.at(arguments.out)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("trainings", total=None)
        figures.run(study, collection, command, lambda done, total: bar.update(task, completed=done, total=total))
    found = collection.read()
    for name in SWEEPS:
        near, own = figures.series(found, name), figures.series(found, name, "argmax")
        show(f"Accuracy against {name}", _columns(name, near, own, study.test_n), range(len(near.values)), "", console)
    base = figures.cross_entropy(found)
    console.print(f"Cross-entropy, the same network: {100 * base.mean[0]:.2f} %. CPU-sized run.", highlight=False)
    return 0


def _columns(name: str, near: Series, own: Series, test_n: int) -> tuple[Column[int], ...]:
    """Of a table whose rows are the numbers of the curve's points."""
    return (
        Column[int](name, lambda i: "all" if near.values[i] is None else f"{near.values[i]:g}"),
        Column[int]("10-NN %", lambda i: f"{100 * near.mean[i]:.2f}"),
        Column[int]("lowest to highest", lambda i: f"{100 * near.low[i]:.2f} to {100 * near.high[i]:.2f}"),
        Column[int]("argmax %", lambda i: f"{100 * own.mean[i]:.2f}"),
        Column[int]("n", lambda i: f"{near.seeds[i]} x {test_n:,}"),
    )
