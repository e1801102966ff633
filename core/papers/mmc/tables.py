"""Tables 1, 2 and 4 of the MMC report at a CPU's size: training times, optimisers, and the norm C_MM of the centres.

Every number is a point of a `Record`: a JSON file that is written anew after each point, so a command that was
interrupted goes on where it stopped, and one that is given again computes only what is missing.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import core
from core.data.store import write_together
from core.layout import ASSETS
from core.losses import CrossEntropy, Loss, MaxMahalanobis
from core.params import Subparsers
from core.train import Batch, Recipe, Training, accuracy

RESULTS = ASSETS / "results"

NORMS = (1.0, 5.0, 10.0, 50.0, 100.0)
"""Table 4's, and the 5 of the text above it."""
NORM_PAPER = {1.0: 0.9216, 10.0: 0.9257, 50.0: 0.6892, 100.0: 0.10}
"""Accuracy after 200 epochs of ResNet-32 on CIFAR-10 (MMC report, Table 4)."""

OPTIMISERS: dict[str, float] = {"sgd": 0.003, "adam": 0.001, "rmsprop": 0.0001}
"""Each with its learning rate. The report gives momentum SGD's 0.01 and no other. LeNet has no batch norm, as the
report's network has: with 0.01 and C_MM = 10 two seeds of three ended at 79 and 11 %, so ours is 0.003. Adam's is the
customary thousandth; RMSProp's a tenth of it, for its momentum of 0.9 multiplies a step by ten."""
OPTIMISER_PAPER = {"sgd": (0.9969, 47.7), "adam": (0.9953, 62.7), "rmsprop": (0.9940, 55.9)}
"""Accuracy and minutes after 50 epochs on MNIST (MMC report, Table 2)."""

TIME_PAPER = {
    ("mnist", "none"): (39.8, 48.075),
    ("mnist", "pgd"): (271.14, 280.0),
    ("cifar10", "none"): (54.04, 55.23),
    ("cifar100", "none"): (42.8, 45.55),
}
"""(data set, adversarial training) -> minutes with SCE and with MMC, 50 epochs of ResNet-32 (MMC report, Table 1)."""
TIMED = (("mnist", "c4", "none"), ("mnist", "c4", "pgd"), ("cifar10", "resnet32", "none"))
"""Data set, network and adversarial training of the rows that are timed. CIFAR-100's pictures are not at hand."""


class Record:
    """Points of one command in one JSON file: the command, its settings, versions, and each point under its key."""

    def __init__(self, path: Path, command: str, settings: Mapping[str, Any]) -> None:
        """Take up what lies at `path`, if it was made with the same settings; else begin anew."""
        self.path, self.command, self.settings = path, command, json.loads(json.dumps(dict(settings)))
        self.points: dict[str, Any] = {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["settings"] == self.settings:
                self.points = dict(found["points"])
        except (OSError, ValueError, LookupError, TypeError):
            pass

    def put(self, key: str, value: Any) -> None:
        """Add a point and write the file."""
        self.points[key] = value
        versions = {
            "smoothscope": core.__version__,
            "torch": torch.__version__.split("+")[0],
            "python": ".".join(platform.python_version_tuple()[:2]),
        }
        body = {"command": self.command, "settings": self.settings, "versions": versions, "points": self.points}
        text = json.dumps(body, indent=1) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_together({self.path: lambda file: file.write(text.encode())})


def read(name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """The shipped result `name` ("mmc-norms", ...) as a dict with command, settings, versions, points; None if there
    is none yet. ValueError if it is damaged."""
    path = folder / f"{name}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise ValueError(f"{path.name} in assets/results is damaged; check it out again.") from None
    return found


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation over seeds, both NaN where a run was not finite."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def recipe(n: int, epochs: int, seed: int, **changes: Any) -> Recipe:
    """The report's recipe for MNIST (momentum SGD, batches of 50, steps) on n images, without augmentation, and with
    the learning rate of OPTIMISERS."""
    base = {
        "n": n,
        "epochs": epochs,
        "seed": seed,
        "sample": 0,
        "shift": 0,
        "test_n": 1,
        "precision": "float32",
        "learning_rate": OPTIMISERS["sgd"],
    }
    return Recipe(**(Recipe.presets["paper, MMC report, MNIST"] | base | changes))


def tested(training: Training) -> float:
    """Share of all test images that a trained network names rightly; a network of NaNs names none."""
    return accuracy(training.model, training.test.images, training.test.labels)


def norms(n: int, epochs: int, seeds: int, network: str, record: Record) -> Iterator[tuple[str, float]]:
    """Table 4: test accuracy of MMC by the norm of its centres; yields (key, accuracy) of each new point."""
    for seed in range(seeds):
        for norm in NORMS:
            key = f"{norm:g}|{seed}"
            if key not in record.points:
                training = Training(
                    network, "mnist", recipe(n, epochs, seed), "table", MaxMahalanobis(norm=norm, dim=64)
                )
                last = list(training)[-1]
                value = tested(training)
                record.put(
                    key,
                    {
                        "norm": norm,
                        "seed": seed,
                        "accuracy": value,
                        "loss": last.loss if math.isfinite(last.loss) else None,
                    },
                )
                yield key, value


def optimisers(n: int, epochs: int, seeds: int, network: str, record: Record) -> Iterator[tuple[str, float]]:
    """Table 2: test accuracy of MMC by optimiser, and what its steps cost; yields (key, accuracy) of each new point.

    The three trainings of a seed take turns, batch by batch, so that whatever else the machine does hits all alike:
    "time" is the median over the batches of an optimiser's time over momentum SGD's.
    """
    for seed in range(seeds):
        if all(f"{name}|{seed}" in record.points for name in OPTIMISERS):
            continue
        runs = {
            name: Training(
                network,
                "mnist",
                recipe(n, epochs, seed, optimiser=name, learning_rate=rate),
                "table",
                MaxMahalanobis(dim=64),
            )
            for name, rate in OPTIMISERS.items()
        }
        seconds = turns(runs)
        for name, training in runs.items():
            ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds["sgd"], strict=True))
            value = tested(training)
            record.put(f"{name}|{seed}", {"optimiser": name, "seed": seed, "accuracy": value, "time": ratio})
            yield f"{name}|{seed}", value


def turns(runs: Mapping[str, Training]) -> dict[str, list[float]]:
    """Train runs of equally many steps to their ends, a batch each in turns; returns the seconds of each one's batches.

    As benchmarks/training.py does it, so that whatever else the machine does hits all alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    going = {name: training.steps() for name, training in runs.items()}
    while going:
        for name, steps in list(going.items()):
            start = time.perf_counter()
            event = next(steps, None)
            if event is None:
                del going[name]
            elif isinstance(event, Batch):
                seconds[name].append(time.perf_counter() - start)
    return seconds


def times(n: int, rounds: int, record: Record) -> Iterator[tuple[str, float]]:
    """Table 1: the time of a training step with MMC over that with SCE; yields (key, median ratio) of each new row.

    Standard and adversarial training (PGD of 10 steps), batches of 50, the losses in turns; a point holds the ratio of
    every round of n images, the median over its batches, and the cost of adversarial training over standard training.
    """
    for dataset, network, adversarial in TIMED:
        key = f"{dataset}|{adversarial}"
        if key in record.points:
            continue
        images = n if adversarial == "none" else max(100, n // 5)
        changes = {"adversarial": adversarial, "epsilon": 0.3 if dataset == "mnist" else 8 / 256}
        settings = recipe(images, rounds, 0, test_n=1, learning_rate=1e-3, **changes)
        kinds: dict[str, tuple[Loss, Recipe]] = {
            "sce": (CrossEntropy(), settings),
            "mmc": (MaxMahalanobis(dim=64), settings),
        }
        if adversarial != "none":
            kinds["standard"] = CrossEntropy(), settings.replace(adversarial="none")
        seconds = turns({name: Training(network, dataset, how, "table", loss) for name, (loss, how) in kinds.items()})

        point: dict[str, Any] = {
            "dataset": dataset,
            "network": network,
            "adversarial": adversarial,
            "images": images,
            "ratios": ratios(seconds["mmc"], seconds["sce"], rounds),
        }
        if adversarial != "none":
            point["over_standard"] = ratios(seconds["sce"], seconds["standard"], rounds)
        record.put(key, point)
        yield key, statistics.median(point["ratios"])


def ratios(over: Sequence[float], under: Sequence[float], rounds: int) -> list[float]:
    """(rounds,) how much longer one's batches took than the other's: the median, for a batch may be interrupted."""
    pairs = list(zip(over, under, strict=True))
    size = len(pairs) // rounds
    return [statistics.median(a / b for a, b in pairs[i * size : (i + 1) * size]) for i in range(rounds)]


def add_verbs(verbs: Subparsers) -> None:
    """Register the commands that make the tables."""
    for name, title, n, epochs in (
        ("mmc-norms", "MMC report, Table 4: accuracy by the norm of the centres", 2000, 6),
        ("mmc-optimisers", "MMC report, Table 2: accuracy and time by optimiser", 2000, 6),
    ):
        parser = verbs.add_parser(name, help=title)
        parser.add_argument("--network", default="lenet", help="trained on MNIST (default %(default)s)")
        parser.add_argument("--n", type=int, default=n, help="training images (default %(default)s)")
        parser.add_argument("--epochs", type=int, default=epochs, help="(default %(default)s)")
        parser.add_argument("--seeds", type=int, default=3, help="trainings a row (default %(default)s)")
        parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json", help="(default: what is shipped)")
        parser.set_defaults(run=_run, name=name)
    parser = verbs.add_parser("mmc-times", help="MMC report, Table 1: training time of MMC over cross-entropy")
    parser.add_argument(
        "--n", type=int, default=500, help="images of a round, a fifth if attacked (default %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="(default %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS / "mmc-times.json", help="(default: what is shipped)")
    parser.set_defaults(run=_run, name="mmc-times")


def _run(arguments: argparse.Namespace) -> int:
    """Make what is missing of a table, and print all of it; returns the exit status."""
    names = ("n", "rounds") if arguments.name == "mmc-times" else ("network", "n", "epochs", "seeds")
    settings = {name: getattr(arguments, name) for name in names}
    if min(v for v in settings.values() if isinstance(v, int)) < 1:
        raise ValueError(f"n, epochs, seeds and rounds must be at least 1; got {settings}.")
    command = f"python -m core evaluate {arguments.name} " + " ".join(f"--{k} {v}" for k, v in settings.items())
    rates = {} if arguments.name == "mmc-times" else {"learning_rates": OPTIMISERS}
    record = Record(arguments.out, command, settings | rates)
    make = {"mmc-norms": norms, "mmc-optimisers": optimisers, "mmc-times": times}[arguments.name]
    console = Console()
    for key, value in make(**settings, record=record):  # type: ignore[operator]
        console.print(f"{key}: {value:.4f}", highlight=False)
    table = Table("", "ours", "report", title=arguments.name)
    for row in rows(arguments.name, record.points):
        table.add_row(*row)
    console.print(table)
    return 0


def rows(name: str, points: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """(what, ours, the report's) of each row of a table, as text: mean ± standard deviation over seeds, or the median
    and the range over rounds."""
    found = []
    if name == "mmc-times":
        for point in points.values():
            paper = TIME_PAPER.get((point["dataset"], point["adversarial"]))
            kind = "standard" if point["adversarial"] == "none" else "adversarial"
            ratio = point["ratios"]
            found.append(
                (
                    f"{point['dataset']}, {kind}",
                    f"{statistics.median(ratio):.3f} ({min(ratio):.3f} to {max(ratio):.3f})",
                    f"{paper[1] / paper[0]:.3f}" if paper else "",
                )
            )
        return found
    by = "norm" if name == "mmc-norms" else "optimiser"
    for value in dict.fromkeys(point[by] for point in points.values()):
        mine = [point for point in points.values() if point[by] == value]
        mean, deviation = spread([100 * point["accuracy"] for point in mine])
        paper_accuracy = NORM_PAPER.get(value) if by == "norm" else OPTIMISER_PAPER[value][0]
        found.append(
            (
                f"C_MM = {value:g}" if by == "norm" else value,
                f"{mean:.2f} ± {deviation:.2f} %",
                "" if paper_accuracy is None else f"{100 * paper_accuracy:.2f} %",
            )
        )
    return found
