"""`python -m core train`."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from core.data import DATASETS, home
from core.data.store import check_writable
from core.losses import LOSSES, CrossEntropy, Loss
from core.models import TRAINABLE, Change, is_shipped
from core.params import CommandParser, Subparsers, add_arguments, fields, from_arguments, options
from core.train import ranks, runs
from core.train.loop import Training, changeable
from core.train.recipe import Recipe
from core.train.runs import Epoch


def add_command(subparsers: Subparsers) -> None:
    """Register `train` with the options of the recipe; the loss's own follow once its name is known."""
    losses = []
    for name, cls in LOSSES.items():
        losses.append(f"options of --loss {name} (--loss-preset: {', '.join(map(repr, cls.presets)) or 'none'}):")
        losses += [f"  {line}" for line in options(cls, "loss-")]
    parser = subparsers.add_parser(
        "train",
        help="train a network and keep it as a checkpoint with its card",
        allow_abbrev=False,
        description="Train a network. A run that was interrupted goes on when the same command is given again. "
        "Under torchrun (torchrun --nproc-per-node 2 -m -- core train ...) all processes train the one network.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"recipes (--preset): {', '.join(map(repr, Recipe.presets))}\n\n" + "\n".join(losses),
    )
    parser.add_argument("--network", choices=TRAINABLE, default="c4")
    parser.add_argument(
        "--network-argument", action="append", default=[], metavar="NAME=VALUE", help="of its constructor: width=0.5"
    )
    parser.add_argument("--dataset", choices=[d for d in DATASETS if d != "photos"], default="mnist")
    parser.add_argument("--loss", choices=list(LOSSES), default=CrossEntropy.name)
    parser.add_argument("--loss-preset", help="start from this preset of the loss")
    parser.add_argument("--preset", help="start from this preset of the recipe")
    parser.add_argument("--name", required=True, help="name of the checkpoint")
    parser.add_argument(
        "--out", type=Path, help="folder that gets it (default: where the app looks for it, in SMOOTHSCOPE_HOME)"
    )
    parser.add_argument("--start", metavar="NAME", help="begin with this checkpoint's weights; same network")
    parser.add_argument(
        "--change",
        action="append",
        default=[],
        type=_change,
        metavar="STEP:NAME=VALUE",
        help="after so many steps set the learning rate, or a parameter of the loss, otherwise; several, in order",
    )
    add_arguments(parser, Recipe)
    parser.set_defaults(run=run, more=True)


def run(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Train and save; returns the exit status."""
    cls = LOSSES[arguments.loss]
    parser = CommandParser(prog=f"python -m core train --loss {arguments.loss}", allow_abbrev=False)
    add_arguments(parser, cls, prefix="loss-")
    loss = from_arguments(cls, parser.parse_args(rest), prefix="loss-", preset=arguments.loss_preset)
    recipe = from_arguments(Recipe, arguments, preset=arguments.preset)
    with ranks.joined():
        return _train(arguments, recipe, loss)


def _train(arguments: argparse.Namespace, recipe: Recipe, loss: Loss) -> int:
    own = home() / "checkpoints"
    out: Path = arguments.out or own
    if out == own and is_shipped(arguments.name):
        raise ValueError(f"{arguments.name} is the name of a network that comes with the project; choose another.")
    check_writable(out)
    state = home() / "runs" / f"{arguments.name}{runs.SUFFIX}"
    training = Training(
        arguments.network,
        arguments.dataset,
        recipe,
        arguments.name,
        loss,
        _pairs(arguments.network_argument),
        state,
        arguments.start,
        _changes(arguments.change, loss),
    )
    console = Console(quiet=ranks.rank() > 0)
    if training.done:
        console.print(f"going on after epoch {training.done} of {recipe.epochs}")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("training", total=recipe.epochs * training.batches)
            for event in training.steps():
                if isinstance(event, Epoch):
                    bar.console.print(
                        f"epoch {event.index:3d}/{event.total}  loss {event.loss:.4f}  "
                        f"test accuracy {100 * event.accuracy:.2f} %  {event.seconds:.0f} s"
                    )
                else:
                    bar.update(task, completed=event.done, description=f"loss {event.loss:.3f}")
    except KeyboardInterrupt:
        console.print(f"stopped after epoch {training.done} of {recipe.epochs}; the same command goes on from there.")
        return 130
    if ranks.rank() == 0:
        card = training.save(out)
        runs.forget(state)
        assert card.accuracy is not None
        console.print(f"{out / card.name}: {100 * card.accuracy.value:.2f} % of {card.accuracy.n} test images")
    return 0


def _change(text: str) -> tuple[int, str, str]:
    """(120, "learning_rate", "0.01") from "120:learning_rate=0.01"."""
    found = re.fullmatch(r"(\d{1,15}):(\w+)=(.+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form STEP:NAME=VALUE, 120:learning_rate=0.01")
    return int(found[1]), found[2], found[3]


def _changes(given: Sequence[tuple[int, str, str]], loss: Loss) -> list[Change]:
    """The changes that a command asks for. ValueError in one sentence if one is not legal, or they are out of order."""
    if [step for step, *_ in given] != sorted(step for step, *_ in given):
        raise ValueError("--change must be given in the order of the steps.")
    declared = {info.name: info for info in (*fields(type(loss)), *fields(Recipe)) if info.name in changeable(loss)}
    made = []
    for step, name, text in given:
        if name not in declared:
            raise ValueError(f"--change can set {' and '.join(changeable(loss))} of this training; got {name}.")
        made.append(Change(step=step, parameter=name, value=declared[name].read(text)))
    return made


def _pairs(texts: list[str]) -> dict[str, Any]:
    """{"width": 0.5} from ["width=0.5"]; ValueError in one sentence for anything else."""
    try:
        return {name: json.loads(value) for name, value in (text.split("=", 1) for text in texts)}
    except ValueError:
        raise ValueError(f"network-argument must be NAME=NUMBER, as in width=0.5; got {' '.join(texts)!r}.") from None
