"""`python -m core attack`: attack many images, print a table, keep the numbers as JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from core import data, models
from core.attacks import ATTACKS, Attack
from core.data.store import write_together
from core.evaluate.attacking import attack_many, correct
from core.params import add_arguments, from_arguments, iterate_documentation


def add_command(subparsers: argparse._SubParsersAction) -> None:
    """Register `attack` with the options that all attacks share; the attack's own follow once its name is known."""
    parser = subparsers.add_parser(
        "attack",
        help="attack many images",
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


def _epilog() -> list[str]:
    lines = []
    for name, cls in ATTACKS.items():
        lines.append(f"parameters of --attack {name} (presets: {', '.join(map(repr, cls.presets)) or 'none'}):")
        lines += [f"  --{line.replace('**', '')}" for line in iterate_documentation(cls)]
    return lines


def _attack(arguments: argparse.Namespace, rest: list[str]) -> Attack:
    cls = ATTACKS[arguments.attack]
    parser = argparse.ArgumentParser(prog=f"python -m core attack --attack {arguments.attack}", add_help=False)
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
    model = models.load(arguments.model)
    dataset = arguments.dataset or model.card.dataset
    images = data.load(dataset, seed=arguments.seed) if dataset.startswith("folder:") else _draw(dataset, arguments)
    chosen = correct(model, images, arguments.n)
    console = Console()
    if images.note:
        console.print(images.note, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"),
               TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
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
            "attack": arguments.attack, "parameters": outcome.parameters, "model": arguments.model,
            "dataset": dataset, "source": images.source, "seed": arguments.seed,
            "summary": summary, "images": outcome.records(),
        }  # fmt: skip
        text = json.dumps(report, indent=1) + "\n"
        try:
            write_together({arguments.out: lambda file: file.write(text.encode())})
        except OSError as error:
            raise ValueError(f"{arguments.out} cannot be written ({error.strerror}); choose another --out.") from None
        console.print(f"written to {arguments.out}", highlight=False)
    return 0


def _draw(dataset: str, arguments: argparse.Namespace) -> data.ImageSet:
    """Test images enough to find n correct ones among; the whole split where the gallery would not suffice anyway."""
    few = min(2 * arguments.n + 20, 1000)
    return data.load(dataset, "test", n=None if arguments.n > 490 else few, seed=arguments.seed)
