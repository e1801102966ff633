"""`python -m core attack`, `evaluate` and `tours`: attack many images, print tables, keep the numbers as JSON."""

from __future__ import annotations

import argparse
import errno
import json
import math
import os
import tempfile
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

from core import data, models
from core.attacks import ATTACKS, Attack
from core.data import DATASETS, gallery
from core.data.store import write_together
from core.evaluate.attacking import attack_many, correct
from core.examples import make as make_tour
from core.examples import make_duel
from core.features import maps
from core.papers import smoothfool
from core.papers.graph_smoothness import errors
from core.papers.graph_smoothness import figures as graph_figures
from core.papers.mmc import attacks as mmc_attacks
from core.papers.mmc import tables as mmc_tables
from core.papers.mmc import uncertainty
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
    parser.add_argument("--dataset", help="name of a data set, or folder:PATH (default: the model's own)")
    parser.add_argument("--attack", required=True, choices=list(ATTACKS))
    parser.add_argument("--preset", help="start from this preset of the attack")
    parser.add_argument(
        "--n", type=int, default=100, help="correctly classified images to attack (default %(default)s)"
    )
    parser.add_argument("--batch-size", type=int, help="images at a time (default: as many as fit well)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images and of the attack")
    parser.add_argument("--out", type=Path, help="write the numbers here, as JSON")
    parser.set_defaults(run=run, more=True)


def add_tours_command(subparsers: Subparsers) -> None:
    """Register `tours`, which remakes the examples that pages show at once."""
    parser = subparsers.add_parser("tours", help="remake the examples of the pages, in assets/examples")
    parser.add_argument("--photo", default="coffee", help="photograph of the start page (default %(default)s)")
    parser.add_argument("--margin", type=float, default=2.0, help="of its attacks, in logits (default %(default)s)")
    parser.add_argument("--duel", metavar="PHOTO", help="remake the Compare page's instead, from this photograph")
    parser.set_defaults(run=_tours)


def _tours(arguments: argparse.Namespace) -> int:
    print(make_duel(arguments.duel) if arguments.duel else make_tour(arguments.photo, arguments.margin))
    return 0


def add_evaluate_command(subparsers: Subparsers) -> None:
    """Register `evaluate`, whose verbs are the papers' tables."""
    verbs = subparsers.add_parser("evaluate", help="the papers' tables").add_subparsers(required=True, metavar="TABLE")
    parser = verbs.add_parser("smoothfool-table", help="SmoothFool's Table 2: DeepFool, IS, CS and SmoothFool")
    parser.add_argument("--model", default="mnist-c4-ce", help="name of a model (default %(default)s)")
    parser.add_argument("--dataset", help="name of a data set, or folder:PATH (default: the model's own)")
    parser.add_argument("--n", type=int, default=200, help="correctly classified images (default %(default)s)")
    parser.add_argument("--sigma-g", type=float, default=2.0, help="SmoothFool's smoothness (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images")
    parser.set_defaults(run=run_table2)
    parser = verbs.add_parser("errors", help="test errors by classifier, beside graph smoothness's Table 1")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="default: all of the data sets' networks")
    parser.add_argument("--datasets", nargs="+", default=["mnist", "cifar10"], help="default: mnist cifar10")
    parser.add_argument("--train-n", type=int, help="training images whose features neighbours see (default: all)")
    parser.set_defaults(run=run_errors)
    mmc_tables.add_verbs(verbs)
    uncertainty.add_verbs(verbs)
    mmc_attacks.add_verbs(verbs)
    graph_figures.add_verb(verbs)
    maps.add_verb(verbs)


def run_errors(arguments: argparse.Namespace) -> int:
    """Print the test error of each network under each classifier of its loss; returns the exit status."""
    cards = [models.card(name) for name in arguments.models or models.refresh()]
    cards = [card for card in cards if arguments.models or card.dataset in arguments.datasets]
    table = Table(
        Column("model", no_wrap=True), "classifier", "n", "error %", "paper %", "as its logits %", title="Test errors"
    )
    console, sets = Console(), {}
    with Progress(console=console) as bar:
        for card in cards:
            if card.dataset not in sets:
                sets[card.dataset] = (
                    data.load(card.dataset, "train", n=arguments.train_n),
                    data.load(card.dataset, "test"),
                )
            train, test = sets[card.dataset]
            task = bar.add_task(card.name, total=len(train) + len(test))
            for row in errors.measure(models.load(card.name), train, test, partial(_advance, bar, task)):
                published = errors.PAPER.get((card.dataset, card.loss, row.classifier))
                table.add_row(
                    row.model,
                    row.classifier,
                    f"{row.n:,}",
                    f"{100 * row.error:.2f} ± {100 * row.spread:.2f}",
                    "" if published is None else f"{100 * published:.2f}",
                    f"{100 * row.agreement:.2f}",
                )
    console.print(table)
    console.print(
        "± one standard error. The papers' networks are wider and trained for 200 epochs (MNIST: 50).", highlight=False
    )
    return 0


def _advance(bar: Progress, task: TaskID, done: int) -> None:
    bar.update(task, completed=done)


def run_table2(arguments: argparse.Namespace) -> int:
    """Print our rows of SmoothFool's Table 2 beside the paper's; returns the exit status."""
    if arguments.n < 1:
        raise ValueError(f"n must be at least 1; got {arguments.n}.")
    model = models.load(arguments.model)
    chosen = correct(model, _draw(arguments.dataset or model.card.dataset, arguments.seed), arguments.n)
    console = Console()
    with Progress(console=console) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(short: str, share: float) -> None:
            if short not in tasks:
                tasks[short] = bar.add_task(short, total=1.0)
            bar.update(tasks[short], completed=share)

        rows = list(smoothfool.measure(model, chosen, arguments.sigma_g, progress))
    network, published = smoothfool.PAPER.get(model.card.dataset, ("", {}))
    table = Table("", "n", "success %", "L2", "Ω × 10³", "Ωn × 10³", "s / image", title="SmoothFool, Table 2")
    for row in rows:
        table.add_row(*_cells(row, row.attack))
        if row.attack in published:
            table.add_row(*_cells(published[row.attack], f"  paper, {network}"), style="dim")
    console.print(table)
    console.print(
        f"{arguments.model}, {chosen.note} sigma_g = {arguments.sigma_g:g}, sigma_h = {smoothfool.SIGMA_H:g}. Mean ± "
        "standard deviation over the fooled images. The paper's fooling rates of DF and SF are given as above 99.9; "
        "its CS is measured in HSV.",
        highlight=False,
    )
    return 0


def _cells(row: smoothfool.Row, title: str) -> tuple[str, ...]:
    def spread(value: tuple[float, float] | None, factor: float, form: str) -> str:
        if value is None:
            return "-"
        mean, deviation = (format(factor * v, form) for v in value)
        return mean if math.isnan(value[1]) else f"{mean} ± {deviation}"

    seconds = "" if math.isnan(row.seconds) else f"{row.seconds:.3f}"
    return (
        title,
        f"{row.n:,}",
        f"{100 * row.success:.1f}",
        spread(row.l2, 1, ".2f"),
        spread(row.roughness, 1e3, ".0f"),
        spread(row.roughness_share, 1e3, ".0f"),
        seconds,
    )


def _epilog() -> list[str]:
    lines = []
    for name, cls in ATTACKS.items():
        lines.append(f"parameters of --attack {name} (presets: {', '.join(map(repr, cls.presets)) or 'none'}):")
        lines += [f"  {line}" for line in options(cls)]
    return lines


def _attack(arguments: argparse.Namespace, rest: list[str]) -> Attack:
    cls = ATTACKS[arguments.attack]
    parser = CommandParser(
        prog=f"python -m core attack --attack {arguments.attack}", add_help=False, allow_abbrev=False
    )
    add_arguments(parser, cls)
    given = parser.parse_args(rest)
    if arguments.preset is None:
        return from_arguments(cls, given)
    return cls.preset(arguments.preset, **vars(given))


def run(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Carry the command out; returns the exit status."""
    attack = _attack(arguments, rest)
    if arguments.n < 1:
        raise ValueError(f"n must be at least 1; got {arguments.n}.")
    if arguments.out is not None:
        _check_writable(arguments.out)
    model = models.load(arguments.model)
    dataset = arguments.dataset or model.card.dataset
    chosen = correct(model, _draw(dataset, arguments.seed), arguments.n)
    console = Console()
    console.print(
        f"The first {arguments.n} that {arguments.model} classifies correctly. {chosen.note}", highlight=False
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(attack.title, total=1.0)
        outcome = attack_many(
            attack, model, chosen, arguments.batch_size, arguments.seed, lambda share: bar.update(task, completed=share)
        )
    summary = outcome.summary()
    table = Table("n", "success", "after 8 bits", "mean L2", "std L2", "mean Linf", "s / image", title=attack.title)
    table.add_row(*("-" if v is None else f"{v:g}" if k == "n" else f"{v:.3f}" for k, v in summary.items()))
    console.print(table)
    if arguments.out is not None:
        report = {
            "attack": arguments.attack,
            "parameters": outcome.parameters,
            "model": arguments.model,
            "dataset": chosen.name,
            "source": chosen.source,
            "seed": arguments.seed,
            "summary": summary,
            "images": [{"index": int(i), **r} for i, r in zip(chosen.indices, outcome.records(), strict=True)],
        }
        text = json.dumps(report, indent=1) + "\n"
        try:
            write_together({arguments.out: lambda file: file.write(text.encode())})
        except OSError as error:
            raise _unwritable(arguments.out, error) from None
        console.print(f"written to {arguments.out}", highlight=False)
    return 0


def _draw(name: str, seed: int) -> data.ImageSet:
    """All test images in an order drawn by `seed`; those of the gallery where the full set is not installed."""
    known = DATASETS.get(name)
    if known is None:
        return data.load(name, seed=seed)
    available = gallery.SIZE if known.gallery and not known.installed() else known.splits["test"]
    return data.load(name, "test", n=available, seed=seed)


def _check_writable(path: Path) -> None:
    """ValueError unless a file can be written at `path`, so that no attack of an hour ends without its numbers."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> ValueError:
    return ValueError(f"{path} cannot be written ({error.strerror}); choose another --out.")
