"""What SmoothFool saves by remembering the boundaries from round to round: gradients, forward passes and time.

    python benchmarks/smoothfool.py --photos folder:PATH [--n 8] [--rounds 3] [--json FILE]
    python benchmarks/smoothfool.py --model mnist-c4-ce --dataset mnist --n 100

Each image by itself, with and without, one after the other in one run and on one thread, unpushed: seconds of the
processor are of the quickest of `rounds`, and the ratio is taken image by image. Medians and ranges.

Measured: 8 photographs, EfficientNet-Lite0, sigma_g 2: 17 (5 to 37) gradients for 44 (21 to 72), 12.5 forwards for
19.5, 0.54 (0.48 to 0.60) of the time, and the very same perturbations: L2 0.31 (0.05 to 0.88), Omega_n 19.5. 60 digits,
C4: 28 gradients for 79, 0.60 (0.35 to 0.96) of the time; the ratio of L2 is 1.00 (0.87 to 1.07).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.adversaries import Counting, said, summary
from benchmarks.attacks import NETWORK
from core import data, models
from core.attacks import SmoothFool, run
from core.data import ImageSet
from core.evaluate import correct
from core.metrics import roughness

MEASURES = ("forwards", "gradients", "seconds", "l2", "omega_n")


def measure(attack: SmoothFool, model: models.Classifier, images: ImageSet, rounds: int) -> dict[str, list[float]]:
    """MEASURES of every image that is fooled; of the others NaN."""
    values: dict[str, list[float]] = {name: [] for name in MEASURES}
    for x, y in zip(images.images.split(1), images.labels.split(1), strict=True):
        seconds = []
        for _ in range(rounds):
            counting = Counting(model).eval()
            start = time.process_time()
            result = run(attack, counting, x, y)
            seconds.append(time.process_time() - start)
        found = bool(result.success)
        measured = (
            counting.forwards - 3,  # without the run's own checks
            counting.backwards,
            min(seconds),
            float(result.l2) if found else float("nan"),
            1000 * float(roughness(result.perturbation, 1.0, normalised=True)) if found else float("nan"),
        )
        for name, value in zip(MEASURES, measured, strict=True):
            values[name].append(float(value))
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", metavar="folder:PATH", help="photographs, named NNN_name by class")
    parser.add_argument("--model", default=NETWORK)
    parser.add_argument("--dataset", default="imagenet", help="instead of photographs")
    parser.add_argument("--n", type=int, default=8, help="images, classified correctly (default %(default)s)")
    parser.add_argument("--sigma", type=float, default=2.0, help="sigma_g in pixels (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = models.load(arguments.model)
    if arguments.photos:
        images = correct(model, data.load(arguments.photos), arguments.n)
    else:
        images = correct(model, data.load(arguments.dataset, n=min(2 * arguments.n, 1000)), arguments.n)
    ways: dict[str, dict[str, Any]] = {}
    for remember in (False, True):
        attack = SmoothFool(sigma_g=arguments.sigma, remember=remember, push=False)
        ways["remembering" if remember else "anew"] = measure(attack, model, images, arguments.rounds)
    table = Table("", "fooled", "forwards", "gradients", "seconds", "L2", "Ω_n × 10³")
    table.title = f"{model.card.name}, {images.name}, n = {len(images)}, σ_g = {arguments.sigma:g}"
    for way, values in ways.items():
        kept = {name: [v for v in each if v == v] for name, each in values.items()}
        table.add_row(way, str(len(kept["l2"])), *(said(summary(each)) if each else "-" for each in kept.values()))
    console = Console(highlight=False, width=120)
    console.print(table)
    for name in ("seconds", "gradients", "forwards", "l2"):
        pairs = zip(ways["remembering"][name], ways["anew"][name], strict=True)
        ratios = [new / old for new, old in pairs if old > 0 and new == new]
        console.print(f"{name}, remembering over anew: {said(summary(ratios))}, n = {len(ratios)}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(ways, indent=1) + "\n")


if __name__ == "__main__":
    main()
