"""What the image microscope costs: a move of beta against gradients of the network, and the bytes of an attack's film.

    python benchmarks/viewer.py [--attacks cw scw] [--repeats 9] [--threads N] [--json FILE]

One photograph of 224 pixels, EfficientNet-Lite0. A move of beta is all that the server does for it: both pictures
magnified anew from their cached local statistics, one scale for both, both packed for the browser. It is compared with
10 input gradients, the two timed in turns in one run. The aim: a ratio below 0.4.

The bytes are those of a finished run in the Attack lab: five pictures and the film of as many steps as it keeps at
most. The aim: below 12 MB. (tests/browser counts what goes over the wire.)
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core import data, models
from core.attacks import ATTACKS, Run
from core.magnify import LocalStatistics, MagnifyParameters, display_scale, local_statistics
from pages.parts.components.film import FRAMES, Recorder
from pages.parts.components.packing import pack

MODEL = "imagenet-efficientnet-lite0"


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attacks", nargs="+", choices=list(ATTACKS), default=["cw", "scw"])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    model, photos = models.load(MODEL), data.load("photos")
    image, label = photos.images[:1], photos.labels[:1]
    perturbed = (image + 0.01 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    settings = MagnifyParameters.preset("authors' code")

    def ten_gradients() -> None:
        for _ in range(10):
            x = image.clone().requires_grad_(True)
            torch.autograd.grad(model(x).logsumexp(1).sum(), x)

    def prepare() -> list[LocalStatistics]:
        return [local_statistics(x, settings.sigma_domain, settings.sigma_range) for x in (image, perturbed)]

    prepared = prepare()

    def move(beta: float) -> None:
        pictures = [s.magnify(beta)[0] for s in prepared]
        display_scale(pictures)
        for picture in pictures:
            pack(picture)

    ten_gradients()
    moves, opens, gradients = [], [], []
    for i in range(arguments.repeats):
        gradients.append(seconds(ten_gradients))
        moves.append(seconds(partial(move, i / arguments.repeats)))
        opens.append(seconds(prepare))
    ratios = [move / gradient for move, gradient in zip(moves, gradients, strict=True)]
    numbers: dict[str, Any] = {
        "threads": torch.get_num_threads(),
        "repeats": arguments.repeats,
        "ten gradients (s)": statistics.median(gradients),
        "move of beta (s)": statistics.median(moves),
        "ratio": statistics.median(ratios),
        "largest ratio": max(ratios),
        "other widths: statistics anew (s)": statistics.median(opens),
        "films": {},
    }

    for name in arguments.attacks:
        attack = ATTACKS[name]()
        if "iterations" in type(attack).model_fields:
            attack = attack.replace(iterations=FRAMES)
        run, recorder = Run(attack, model, image, label), Recorder(image[0])
        for step in run:
            recorder.see(step)
        result, film = run.result(), recorder.film()
        if film is None:
            continue
        magnified = [local_statistics(x).magnify()[0] for x in (result.images, result.adversarial_8bit)]
        pictures = [result.images[0], result.adversarial[0], result.perturbation[0], *magnified]
        numbers["films"][name] = {
            "frames": len(film.steps),
            "film (bytes)": sum(len(strip.data) for strip in film.strips.values()),
            "pictures (bytes)": sum(len(pack(picture).data) for picture in pictures),
        }

    table = Table(title=f"224 pixels, EfficientNet-Lite0, {numbers['threads']} thread(s)", width=100)
    table.add_column("what")
    table.add_column("measured", justify="right")
    for key in ("ten gradients (s)", "move of beta (s)", "ratio", "largest ratio", "other widths: statistics anew (s)"):
        table.add_row(key, f"{numbers[key]:.3f}")
    for name, film in numbers["films"].items():
        total = (film["film (bytes)"] + film["pictures (bytes)"]) / 1e6
        table.add_row(f"{ATTACKS[name].title}: {film['frames']} frames and five pictures (MB)", f"{total:.2f}")
    Console(width=110).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(numbers, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
