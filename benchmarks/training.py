"""How much longer an epoch takes with the graph smoothness loss or MMC than with cross-entropy.

    python benchmarks/training.py [--network preactresnet18] [--dataset cifar10] [--n 4000] [--rounds 5]

The losses take turns, batch by batch, so that whatever else the machine does hits all alike; a round is one epoch of n
images for each. Printed are the ratios to cross-entropy, their median and range over the rounds. The reproducibility
report's Table 1 has 1.02 to 1.06 for MMC; the aim here is at most 1.1 for both.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.losses import CrossEntropy, GraphSmoothness, MaxMahalanobis
from core.train import Batch, Recipe, Training

LOSSES = {"cross-entropy": CrossEntropy(), "graph smoothness": GraphSmoothness(references=200), "MMC": MaxMahalanobis(dim=64)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="preactresnet18")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--width", type=float, default=0.5, help="of preactresnet18")
    parser.add_argument("--batch-size", type=int, default=100, help="the graph smoothness paper's by default")
    parser.add_argument("--n", type=int, default=4000, help="images of an epoch")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    recipe = Recipe.preset(
        "paper, graph smoothness", epochs=arguments.rounds, n=arguments.n, batch_size=arguments.batch_size, sample=0,
        test_n=1, learning_rate=1e-3,
    )  # fmt: skip
    width = {"width": arguments.width} if arguments.network == "preactresnet18" else {}
    runs = {
        name: Training(arguments.network, arguments.dataset, recipe, "benchmark", loss, width).steps()
        for name, loss in LOSSES.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    batches = arguments.n // arguments.batch_size
    for _ in range(arguments.rounds):
        taken = dict.fromkeys(runs, 0.0)
        for _ in range(batches):
            for name, steps in runs.items():
                start = time.perf_counter()
                assert isinstance(next(steps), Batch)
                taken[name] += time.perf_counter() - start
        for name, steps in runs.items():
            next(steps)  # the epoch's measurement, which is the same for all
            seconds[name].append(taken[name])
    table = Table("loss", "seconds an epoch", "ratio to cross-entropy", title=f"{arguments.n} images, n = "
                  f"{arguments.rounds} rounds")  # fmt: skip
    for name, values in seconds.items():
        ratios = [a / b for a, b in zip(values, seconds["cross-entropy"], strict=True)]
        spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        table.add_row(name, f"{statistics.median(values):.1f}", spread)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
