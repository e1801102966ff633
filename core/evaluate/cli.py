"""`python -m core attack`: attack many images, print success and distortion, keep what happened to each."""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from core import models
from core.attacks import ATTACKS, Attack
from core.evaluate import records
from core.evaluate.attacking import attack_many, correct, drawn, own
from core.evaluate.report import AttackRecord
from core.evaluate.statistics import Estimate
from core.evaluate.tables import Column, bars, show
from core.params import CommandParser, Subparsers, add_arguments, from_arguments, options


def add_command(subparsers: Subparsers) -> None:
    """Register `attack` with the options that all attacks share; the attack's own follow once its name is known."""
    parser = subparsers.add_parser(
        "attack",
        help="attack many images",
        allow_abbrev=False,  # --batch may be a parameter of an attack
        description="Attack many correctly classified images and print success and distortion.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(_epilog()),
    )
    parser.add_argument("--model", required=True, help="name of a model (python -m core models list)")
    parser.add_argument(
        "--dataset", help="name of a data set, or folder:PATH (default: the model's own, for ImageNet photos)"
    )
    parser.add_argument("--attack", required=True, choices=list(ATTACKS))
    parser.add_argument("--preset", help="start from this preset of the attack")
    parser.add_argument(
        "--n", type=int, default=100, help="correctly classified images to attack (default %(default)s)"
    )
    parser.add_argument("--batch-size", type=int, help="images at a time (default: as many as fit well)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images and of the attack")
    parser.add_argument(
        "--out", type=Path, help="write the numbers here, as JSON, and a row for each image beside it, as Parquet"
    )
    parser.set_defaults(run=_run, more=True)


def _epilog() -> list[str]:
    lines = []
    for name, cls in ATTACKS.items():
        lines.append(f"parameters of --attack {name} (presets: {', '.join(map(repr, cls.presets)) or 'none'}):")
        lines += [f"  {line}" for line in options(cls)]
    return lines


def _attack(arguments: argparse.Namespace, rest: Sequence[str]) -> Attack:
    cls = ATTACKS[arguments.attack]
    parser = CommandParser(
        prog=f"python -m core attack --attack {arguments.attack}", add_help=False, allow_abbrev=False
    )
    add_arguments(parser, cls)
    given = parser.parse_args(rest)
    if arguments.preset is None:
        return from_arguments(cls, given)
    return cls.preset(arguments.preset, **vars(given))


def _command(arguments: argparse.Namespace, dataset: str, attack: Attack) -> str:
    """What makes the record again. A folder is named without where it lies."""
    words = ["--model", arguments.model, "--dataset", dataset, "--attack", arguments.attack]
    words += ["--n", str(arguments.n), "--seed", str(arguments.seed)]
    for name, value in attack.changed().items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return f"python -m core attack {shlex.join(words)}"


def _run(arguments: argparse.Namespace, rest: list[str]) -> int:
    attack = _attack(arguments, rest)
    if arguments.n < 1:
        raise ValueError(f"n must be at least 1; got {arguments.n}.")
    if arguments.out is not None:
        check_writable(arguments.out)
    model = models.load(arguments.model)
    chosen = correct(model, drawn(arguments.dataset or own(model.card), arguments.seed), arguments.n)
    console = Console()
    console.print(
        f"The first {arguments.n} that {arguments.model} classifies correctly. {chosen.note}", highlight=False
    )
    with bars(console) as bar:
        task = bar.add_task(attack.title, total=1.0)
        outcome = attack_many(
            attack, model, chosen, arguments.batch_size, arguments.seed, lambda share: bar.update(task, completed=share)
        )
    command = _command(arguments, chosen.name, attack)
    record = AttackRecord.of(attack, model, chosen, outcome, arguments.seed, command)
    columns = (
        Column[AttackRecord]("n", lambda record: f"{record.n:,}"),
        Column[AttackRecord]("success", lambda record: _number(_value(record.success))),
        Column[AttackRecord]("95 %", lambda record: _interval(record)),
        Column[AttackRecord]("after 8 bits", lambda record: _number(_value(record.success_8bit))),
        Column[AttackRecord]("mean L2", lambda record: _number(record.mean_l2)),
        Column[AttackRecord]("std L2", lambda record: _number(record.deviation_l2)),
        Column[AttackRecord]("mean Linf", lambda record: _number(record.mean_linf)),
        Column[AttackRecord]("s / image", lambda record: _number(record.seconds_per_image)),
    )
    show(attack.title, columns, [record], console=console)
    if arguments.out is not None:
        records.write(arguments.out, [record])
        console.print(f"written to {arguments.out} and {records.beside(arguments.out).name}", highlight=False)
    return 0


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _interval(record: AttackRecord) -> str:
    return "-" if record.success is None else f"{record.success.low:.3f} to {record.success.high:.3f}"


def check_writable(out: Path) -> None:
    """ValueError unless `out` and its rows can be written, so that no attack of an hour ends without its numbers."""
    for path in (out, records.beside(out)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path.parent).close()
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        except OSError as error:
            raise ValueError(f"{path} cannot be written ({error.strerror}); choose another --out.") from None
