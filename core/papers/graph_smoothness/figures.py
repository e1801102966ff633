"""Figures 2, 3 and 4 of the graph smoothness paper: accuracy against neighbours k, dimensions d, kernel alpha.

One of the three moves at a time; the others stay at k = all, d = classes, alpha = 2 (section 4.3). The paper trains
PreActResNet-18 on CIFAR-10, CIFAR-100 and SVHN for 200 epochs; `Study` declares a run that a CPU does in minutes. Each
training is stored as soon as it ends, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import core
from core.data.store import write_together
from core.layout import ASSETS
from core.losses import CrossEntropy, GraphSmoothness, Loss, classify
from core.models import features_of
from core.params import Parameters, Subparsers, add_arguments, from_arguments, parameter
from core.train import Recipe, Training

NAME = "graph-figures"
RESULTS = ASSETS / "results" / f"{NAME}.json"

SWEEPS: dict[str, tuple[float | None, ...]] = {
    "k": (1, 2, 5, 10, 20, 50, None),
    "dim": (2, 3, 5, 10, 20, 50, 200),
    "alpha": (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0),
}
"""Parameter of the loss -> what it is set to: Figures 2, 3 and 4, in this order. k = None connects all of a batch."""

CLASSES = 10


class Study(Parameters):
    """What is trained for one point of the figures.

    Departures from the paper: its network and its 200 epochs are out of a CPU's reach; AdamW instead of SGD, because
    the size of the loss, and with it SGD's step, changes with k and alpha by orders of magnitude, and the figures shall
    show the loss rather than the step; the outputs lie on the unit sphere for every d, also for d = 2.
    """

    dataset: str = parameter("fashion_mnist", help="Data set; its full training set must be installed.")
    network: str = parameter("lenet", help="Network body.")
    n: int = parameter(2500, ge=200, le=60_000, step=100, unit="images", help="Training images, drawn by the seed.")
    test_n: int = parameter(2000, ge=100, le=10_000, step=100, unit="images", help="Test images, the same for all.")
    epochs: int = parameter(15, ge=1, le=1000, step=1, unit="epochs", help="Passes over the training images.")
    batch_size: int = parameter(100, ge=2, le=8192, unit="images", help="Images of one graph.", paper="section 4.1")
    learning_rate: float = parameter(0.01, gt=0, le=10, help="The largest of the one-cycle schedule.")
    seeds: int = parameter(2, ge=1, le=100, step=1, help="Trainings of each point; the seed also draws the images.")

    def recipe(self, seed: int) -> Recipe:
        """How each network is trained."""
        return Recipe(
            epochs=self.epochs,
            n=self.n,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            shift=1,
            precision="float32",
            sample=0,
            test_n=100,
            seed=seed,
        )


@dataclass(frozen=True)
class Series:
    """One curve of a figure; every tuple has an entry for each value of the parameter."""

    values: tuple[float | None, ...]
    mean: tuple[float, ...]
    """Mean accuracy over the seeds, 0 to 1."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Smallest and largest over the seeds."""
    seeds: tuple[int, ...]
    """How many trainings each mean is of."""


def _point(name: str, value: float | None) -> GraphSmoothness:
    """The loss with one parameter at `value`, the others where the paper keeps them."""
    return GraphSmoothness(**{"norm": "l2", "dim": CLASSES, "references": 200} | {name: value})


def losses() -> list[Loss]:
    """Everything that is trained for each seed: the points of all three figures, and cross-entropy to compare with."""
    points = [_point(name, value) for name, values in SWEEPS.items() for value in values]
    return [CrossEntropy(), *dict.fromkeys(points)]


def measure(study: Study, loss: Loss, seed: int) -> dict[str, Any]:
    """Train once; the record of a point: accuracies (0 to 1) of the head's logits and of 10-NN on the features."""
    training = Training(study.network, study.dataset, study.recipe(seed), "point", loss)
    last = list(training)[-1]
    test = training.test[: study.test_n]
    known, asked = features_of(training.model, training.train.images), features_of(training.model, test.images)
    accuracies = {
        name: (classify(name, training.model.head, known, training.train.labels, asked) == test.labels)
        .double()
        .mean()
        .item()
        for name in ("10-nn", "argmax")
    }
    return {"loss": loss.name, "arguments": loss.changed(), "seed": seed, "training_loss": last.loss} | accuracies


def run(study: Study, out: Path, command: str, on_point: Callable[[int, int], object] = lambda *_: None) -> Path:
    """Train what is still missing in `out` and store it there after every point. on_point(done, of how many).

    ValueError in one sentence if `out` holds a run of other settings, or cannot be written.
    """
    report: dict[str, Any] = {"command": command, "study": study.values(), "versions": _versions(), "points": []}
    if out.exists():
        report["points"] = _stored(study, out)
    wanted = [(loss, seed) for seed in range(study.seeds) for loss in losses()]
    have = {(p["loss"], json.dumps(p["arguments"]), p["seed"]) for p in report["points"]}
    missing = [(x, seed) for x, seed in wanted if (x.name, json.dumps(x.changed()), seed) not in have]
    on_point(len(wanted) - len(missing), len(wanted))
    for number, (loss, seed) in enumerate(missing, 1):
        report["points"].append(measure(study, loss, seed))
        text = json.dumps(report, indent=1) + "\n"
        try:
            write_together({out: lambda file, text=text: file.write(text.encode())})  # type: ignore[misc]
        except OSError as error:
            raise ValueError(f"{out} cannot be written ({error.strerror}); choose another --out.") from None
        on_point(len(wanted) - len(missing) + number, len(wanted))
    return out


def _stored(study: Study, out: Path) -> list[dict[str, Any]]:
    try:
        report = json.loads(out.read_text(encoding="utf-8"))
        same = {**report["study"], "seeds": study.seeds} == study.values()
        points: list[dict[str, Any]] = report["points"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{out} is not a run of {NAME}; delete it or choose another --out.") from None
    if not same:
        raise ValueError(f"{out} holds a run with other settings; delete it or choose another --out.")
    return points


def _versions() -> dict[str, str]:
    return {
        "smoothscope": core.__version__,
        "torch": torch.__version__.split("+")[0],
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


def read(path: Path = RESULTS) -> dict[str, Any]:
    """The stored run: "command", "study", "versions", and "points", one record of `measure` each."""
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def series(report: dict[str, Any], name: str, classifier: str = "10-nn") -> Series:
    """The curve of a figure: accuracy of `classifier` against the parameter `name`, k, dim or alpha, of a stored run.

    Values of which no training is stored are left out. ValueError for another name or classifier.
    """
    if name not in SWEEPS or classifier not in ("10-nn", "argmax"):
        raise ValueError(
            f"there is no curve of {classifier!r} against {name!r}; take 10-nn or argmax, k, dim or alpha."
        )
    rows = [(value, seen) for value, seen in _along(report, name, classifier) if seen]
    return Series(
        tuple(value for value, _ in rows),
        tuple(mean(seen) for _, seen in rows),
        tuple(min(seen) for _, seen in rows),
        tuple(max(seen) for _, seen in rows),
        tuple(len(seen) for _, seen in rows),
    )


def _along(report: dict[str, Any], name: str, classifier: str) -> Iterator[tuple[float | None, list[float]]]:
    for value in SWEEPS[name]:
        arguments = _point(name, value).changed()
        yield (
            value,
            [
                p[classifier]
                for p in report["points"]
                if p["loss"] == GraphSmoothness.name and p["arguments"] == arguments
            ],
        )


def cross_entropy(report: dict[str, Any]) -> Series:
    """What the same network reaches with cross-entropy (argmax): one entry, its value None. Empty if not stored."""
    seen = [p["argmax"] for p in report["points"] if p["loss"] == CrossEntropy.name]
    if not seen:
        return Series((), (), (), (), ())
    return Series((None,), (mean(seen),), (min(seen),), (max(seen),), (len(seen),))


def add_verb(verbs: Subparsers) -> None:
    """Register `python -m core evaluate graph-figures`."""
    parser = verbs.add_parser(NAME, help="graph smoothness, Figures 2, 3 and 4: accuracy against k, d and alpha")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where to store it, and go on (default: the app's)")
    add_arguments(parser, Study)
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> int:
    study = from_arguments(Study, arguments)
    options = [f"--{key.replace('_', '-')} {shlex.quote(str(value))}" for key, value in study.changed().items()]
    command = " ".join([f"python -m core evaluate {NAME}", *options])
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("trainings", total=None)
        run(study, arguments.out, command, lambda done, total: bar.update(task, completed=done, total=total))
    report = read(arguments.out)
    for name in SWEEPS:
        table = Table(name, "10-NN %", "lowest to highest", "argmax %", "n", title=f"Accuracy against {name}")
        near, own = series(report, name), series(report, name, "argmax")
        for i, value in enumerate(near.values):
            table.add_row(
                "all" if value is None else f"{value:g}",
                f"{100 * near.mean[i]:.2f}",
                f"{100 * near.low[i]:.2f} to {100 * near.high[i]:.2f}",
                f"{100 * own.mean[i]:.2f}",
                f"{near.seeds[i]} x {study.test_n:,}",
            )
        console.print(table)
    base = cross_entropy(report)
    console.print(f"Cross-entropy, the same network: {100 * base.mean[0]:.2f} %. CPU-sized run.", highlight=False)
    return 0
