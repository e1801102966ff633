"""Many images: what one costs of few and of many, what a second process gives, and whether memory stays.

    python benchmarks/many.py [--model mnist-c4-ce] [--attack ddn] [--few 50] [--many 500] [--jobs 2] [--rounds 3]

Each round measures a front (`python -m core evaluate front`, a process of its own) of few and of many images with one
process, and of many with `--jobs`. Seconds are those of attacking and measuring, without imports and loading: of the
whole command less one that makes a single FGSM. Memory is the peak of the process and all that it started.

Aims: 1.1, and 1.7 for two processes on two cores. Measured, three rounds: 1.05 (1.02 to 1.09) an image, two processes
1.81 (1.80 to 1.87) times as fast, memory 1.08 (1.00 to 1.39: a look that meets the end of a command, when its tables
are made, sees more). They were 1.41 (1.40 to 1.48) times as fast while a worker gave the memory of every batch back.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from load import ROOT, memory
from rich.console import Console
from rich.table import Table

_LOOKS = 1.0  # seconds between two looks at the memory: ten a second took an eighth of a core from what is measured


def command(model: str, attack: str, n: int, jobs: int) -> tuple[float, float]:
    """Seconds and peak of memory (MB) of a command."""
    words = ["evaluate", "front", "--model", model, "--attacks", attack, "--n", str(n), "--jobs", str(jobs)]
    words += ["--metrics", "roughness", "--norms", "--batch-size", "50"]
    begun, peak = time.perf_counter(), 0.0
    with subprocess.Popen(
        [sys.executable, "-m", "core", *words], cwd=ROOT, stdout=subprocess.DEVNULL, env=dict(os.environ)
    ) as process:
        while process.poll() is None:
            if Path(f"/proc/{process.pid}/smaps_rollup").exists():
                peak = max(peak, memory(process.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOKS)
    if process.returncode:
        sys.exit("the command failed; the message above says why.")
    return time.perf_counter() - begun, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mnist-c4-ce", help="(default %(default)s)")
    parser.add_argument("--attack", default="ddn:passes=200", help="(default %(default)s)")
    parser.add_argument("--few", type=int, default=50, help="images (default %(default)s)")
    parser.add_argument("--many", type=int, default=500, help="images (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default %(default)s)")
    arguments = parser.parse_args()
    linear: list[float] = []
    faster: list[float] = []
    grown: list[float] = []
    command(arguments.model, "fgsm", 1, 1)  # what is read for the first time comes from the disk
    table = Table("few, s an image", "many, s an image", "ratio", "processes, times as fast", "memory, MB: few, many")
    for _ in range(arguments.rounds):
        bare, _ = command(arguments.model, "fgsm", 1, 1)
        few, small = command(arguments.model, arguments.attack, arguments.few, 1)
        many, large = command(arguments.model, arguments.attack, arguments.many, 1)
        several, _ = command(arguments.model, arguments.attack, arguments.many, arguments.jobs)
        one, other = (few - bare) / arguments.few, (many - bare) / arguments.many
        linear.append(other / one)
        faster.append(many / several)
        grown.append(large / small)
        table.add_row(
            f"{one:.4f}", f"{other:.4f}", f"{linear[-1]:.2f}", f"{faster[-1]:.2f}", f"{small:.0f}, {large:.0f}"
        )
    console = Console()
    console.print(table)
    for words, values in (
        ("seconds an image, many to few", linear),
        ("whole command, processes to one", faster),
        ("memory, many to few", grown),
    ):
        spread = f"({min(values):.2f} to {max(values):.2f})"
        console.print(f"{words}: median {statistics.median(values):.2f} {spread}, n = {len(values)}", highlight=False)


if __name__ == "__main__":
    main()
