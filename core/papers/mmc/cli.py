"""`python -m core evaluate mmc-...`: the MMC report's experiments, stored record by record and printed as tables."""

from __future__ import annotations

import argparse
import statistics as averages
from pathlib import Path
from typing import Any

from rich.console import Console

from core.evaluate.records import Collection
from core.evaluate.tables import Column, mean_and_deviation, percent, show
from core.papers.mmc import attacks, dependency, nearest, tables, uncertainty
from core.papers.mmc.attacks import ACCURACIES, AccuracyRecord
from core.papers.mmc.dependency import DEPENDENCIES, DependencyRecord
from core.papers.mmc.tables import NORM_RECORDS, OPTIMISER_RECORDS, TIMES_RECORDS, Group, TimesRecord
from core.papers.mmc.uncertainty import CERTAINTIES, OUTSIDE, Area, CertaintyRecord
from core.params import Subparsers


def add_verbs(verbs: Subparsers) -> None:
    """Register the commands, one a table or section."""
    parser = _verb(verbs, ACCURACIES, "section 4.1: accuracy under attack, and where features go")
    _networks(parser)
    parser.add_argument(
        "--n", type=int, default=200, help="test images; fewer for costly attacks (default %(default)s)"
    )
    parser.set_defaults(run=_attacks)
    nearest.add_verb(verbs)
    parser = _verb(verbs, CERTAINTIES, "section 4.4: AUROC of max-probability against min-distance")
    _networks(parser)
    parser.add_argument("--n", type=int, default=10_000, help="images of each set (default %(default)s: all)")
    parser.set_defaults(run=_uncertainty)
    parser = _verb(verbs, DEPENDENCIES, "section 4.5: whether the runner-up stands for all other logits")
    _networks(parser)
    parser.add_argument("--n", type=int, default=10_000, help="test images (default %(default)s: all)")
    parser.set_defaults(run=_dependency)
    parser = _verb(verbs, NORM_RECORDS, "Table 4: accuracy by the norm of the centres")
    _trainings(parser)
    parser.set_defaults(run=_norms)
    parser = _verb(verbs, OPTIMISER_RECORDS, "Table 2: accuracy and time by optimiser")
    _trainings(parser)
    parser.set_defaults(run=_optimisers)
    parser = _verb(verbs, TIMES_RECORDS, "Table 1: training time of MMC over cross-entropy")
    parser.add_argument(
        "--n", type=int, default=500, help="images of a round, a fifth if attacked (default %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="(default %(default)s)")
    parser.set_defaults(run=_times)
    parser = verbs.add_parser("mmc-sheet", help="remake the Fashion-MNIST pictures in assets/gallery")
    parser.set_defaults(run=lambda arguments: print(uncertainty.make_sheet()) or 0)


def _verb(verbs: Subparsers, collection: Collection[Any], title: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(collection.of.kind, help=f"MMC report, {title}")
    parser.add_argument("--out", type=Path, default=collection.path, help="(default: what is shipped)")
    return parser


def _networks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", metavar="NAME", help="default: cross-entropy's and MMC's networks")


def _trainings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", default="lenet", help="trained on MNIST (default %(default)s)")
    parser.add_argument("--n", type=int, default=2000, help="training images (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=6, help="(default %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings a row (default %(default)s)")


def _command(kind: str, **settings: object) -> str:
    """The command that makes a result, as a record has it."""
    return " ".join([f"python -m core evaluate {kind}", *(f"--{name} {value}" for name, value in settings.items())])


def _check(low: int, high: int | None, **values: int) -> None:
    """ValueError in one sentence unless all values lie between low and high."""
    for name, value in values.items():
        if value < low or (high is not None and value > high):
            limits = f"at least {low}" if high is None else f"from {low} to {high}"
            raise ValueError(f"{name} must be {limits}; got {value}.")


def _attacks(arguments: argparse.Namespace) -> int:
    _check(1, 10_000, n=arguments.n)
    collection, console = ACCURACIES.at(arguments.out), Console()
    command = _command(AccuracyRecord.kind, n=arguments.n)
    for name in uncertainty.chosen(arguments.models):
        for record in attacks.sweep(name, arguments.n, collection, command):
            console.print(f"{record.title}: {percent(record.accuracy)}", highlight=False)

    def attack(record: AccuracyRecord) -> str:
        trial = attacks.trial_of(record)
        return record.protocol.name if trial is None else trial.title

    columns = (
        Column[AccuracyRecord]("network", _name, whole=True),
        Column[AccuracyRecord]("attack", attack),
        Column[AccuracyRecord]("n", lambda record: f"{record.data.n:,}"),
        Column[AccuracyRecord]("accuracy", lambda record: percent(record.accuracy)),
    )
    show(AccuracyRecord.kind, columns, collection.read(), "95 % intervals (Wilson).", console)
    return 0


def _name(record: AccuracyRecord | CertaintyRecord | DependencyRecord) -> str:
    return "" if record.network is None else record.network.name


def _uncertainty(arguments: argparse.Namespace) -> int:
    _check(2, 10_000, n=arguments.n)
    collection, names = CERTAINTIES.at(arguments.out), uncertainty.chosen(arguments.models)
    for name in names:
        for _ in uncertainty.sweep(name, arguments.n, collection, _command(CertaintyRecord.kind, n=arguments.n)):
            pass
    columns = (
        Column[tuple[CertaintyRecord, Area]]("network", lambda row: _name(row[0]), whole=True),
        Column[tuple[CertaintyRecord, Area]]("score", lambda row: row[0].score),
        Column[tuple[CertaintyRecord, Area]]("against", lambda row: OUTSIDE[row[1].outside.name]),
        Column[tuple[CertaintyRecord, Area]]("AUROC", lambda row: f"{row[1].auroc:.4f} ± {row[1].standard_error:.4f}"),
    )
    rows = [(r, area) for r in collection.read() if _name(r) in names for area in r.areas]
    show(CertaintyRecord.kind, columns, rows, "± one standard error.")
    return 0


def _dependency(arguments: argparse.Namespace) -> int:
    _check(2, 10_000, n=arguments.n)
    collection, names = DEPENDENCIES.at(arguments.out), uncertainty.chosen(arguments.models, alike=False)
    for name in names:
        for _ in dependency.sweep(name, arguments.n, collection, _command(DependencyRecord.kind, n=arguments.n)):
            pass
    columns = (
        Column[DependencyRecord]("network", _name, whole=True),
        Column[DependencyRecord]("n", lambda record: f"{record.data.n:,}"),
        Column[DependencyRecord]("runner-up within 5 times the next", lambda record: percent(record.share, 2)),
    )
    rows = [record for record in collection.read() if _name(record) in names]
    show(DependencyRecord.kind, columns, rows, "95 % intervals (Wilson).")
    return 0


def _norms(arguments: argparse.Namespace) -> int:
    settings = _training_settings(arguments)
    collection = NORM_RECORDS.at(arguments.out)
    for record in tables.norms(**settings, collection=collection, command=_command("mmc-norms", **settings)):
        print(f"C_MM = {record.norm:g}, seed {record.seed}: {100 * record.accuracy():.2f} %")
    _groups("C_MM", [(f"{group.value:g}", group) for group in tables.by_norm(collection.read())])
    return 0


def _optimisers(arguments: argparse.Namespace) -> int:
    settings = _training_settings(arguments)
    collection = OPTIMISER_RECORDS.at(arguments.out)
    for record in tables.optimisers(**settings, collection=collection, command=_command("mmc-optimisers", **settings)):
        print(f"{record.optimiser}, seed {record.seed}: {100 * record.accuracy():.2f} %")
    _groups("optimiser", [(group.value, group) for group in tables.by_optimiser(collection.read())])
    return 0


def _training_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    _check(1, None, n=arguments.n, epochs=arguments.epochs, seeds=arguments.seeds)
    return {name: getattr(arguments, name) for name in ("network", "n", "epochs", "seeds")}


def _groups(title: str, rows: list[tuple[str, Group[Any]]]) -> None:
    """Trainings of a table's rows, mean and standard deviation over seeds, beside the report's."""
    columns = (
        Column[tuple[str, Group[Any]]](title, lambda row: row[0]),
        Column[tuple[str, Group[Any]]]("seeds", lambda row: str(len(row[1].accuracies))),
        Column[tuple[str, Group[Any]]](
            "ours %", lambda row: mean_and_deviation((row[1].mean, row[1].deviation), ".2f", 100)
        ),
        Column[tuple[str, Group[Any]]](
            "report %", lambda row: "" if row[1].published is None else f"{100 * row[1].published:.2f}"
        ),
    )
    show(f"Accuracy by {title}", columns, rows, "Mean ± standard deviation over seeds.")


def _times(arguments: argparse.Namespace) -> int:
    _check(1, None, n=arguments.n, rounds=arguments.rounds)
    collection = TIMES_RECORDS.at(arguments.out)
    settings = {"n": arguments.n, "rounds": arguments.rounds}
    for _ in tables.times(**settings, collection=collection, command=_command("mmc-times", **settings)):
        pass
    columns = (
        Column[TimesRecord]("training", lambda record: record.timed.title, whole=True),
        Column[TimesRecord](
            "MMC / SCE, median (range)",
            lambda r: f"{averages.median(r.ratios):.3f} ({min(r.ratios):.3f} to {max(r.ratios):.3f})",
        ),
        Column[TimesRecord]("report", lambda r: "" if r.published is None else f"{r.published:.3f}"),
    )
    show(TimesRecord.kind, columns, collection.read())
    return 0
