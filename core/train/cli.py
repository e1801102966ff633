"""`python -m core train`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from core.data import DATASETS, home
from core.models import NETWORKS
from core.params import add_arguments, from_arguments
from core.train.loop import Training
from core.train.recipe import Recipe


def add_command(subparsers: argparse._SubParsersAction) -> None:
    """Register `train` with its options."""
    parser = subparsers.add_parser("train", help="train a network and keep it as a checkpoint with its card")
    parser.add_argument("--network", choices=[n for n in NETWORKS if not n.startswith("efficientnet")], default="c4")
    parser.add_argument("--dataset", choices=[d for d in DATASETS if d != "photos"], default="mnist")
    parser.add_argument("--name", required=True, help="name of the checkpoint")
    parser.add_argument(
        "--out", type=Path, default=home() / "checkpoints", help="folder that gets it (default %(default)s)"
    )
    add_arguments(parser, Recipe)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train and save; returns the exit status."""
    console = Console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("training", total=None)
        training = Training(
            arguments.network, arguments.dataset, from_arguments(Recipe, arguments), arguments.name,
            on_batch=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
        for epoch in training:
            bar.console.print(
                f"epoch {epoch.index:3d}/{epoch.total}  loss {epoch.loss:.4f}  "
                f"test accuracy {100 * epoch.accuracy:.2f} %  {epoch.seconds:.0f} s"
            )
    card = training.save(arguments.out)
    assert card.accuracy is not None
    console.print(f"{arguments.out / card.name}: {100 * card.accuracy.value:.2f} % of {card.accuracy.n} test images")
    return 0
