"""What it costs that a photograph still fools when it is saved in 8 bits: every iterate rounded, or a push at the end.

    python benchmarks/saved.py --photos folder:PATH [--n 8] [--attacks cw scw ...] [--json FILE]

For each attack, each photograph by itself, medians and ranges over those that fool saved: L2 and Omega_n (sigma_h = 1,
times 1000) of the perturbation as found and of the saved picture, the push's factor, passes (half for a forward, half
for a backward) and seconds of the processor. "as found": neither.

Measured on 8 photographs (EfficientNet-Lite0), medians; with either way all of the 8 fool when saved, with neither
4 (sC&W, margin 1), 1 (C&W, margin 1) or none:

                L2 as found       Omega_n as found    saved: L2, Omega_n         factor
    sC&W        0.48              43                  rounded 0.61, 117          pushed 0.50, 156    1.00 (1.00 to 1.18)
    C&W         0.15             563                  rounded 0.23, 657          pushed 0.20, 669    1.55 (1.00 to 1.80)
    sDDN        0.32              24                  rounded 0.43, 125          pushed 0.47, 113    1.45 (1.09 to 2.02)
    DDN         0.10             560                  rounded 0.18, 677          pushed 0.21, 674    2.21 (1.34 to 3.61)
    DeepFool    0.13             562                                             pushed 0.23, 663    2.00 (1.23 to 3.48)
    SmoothFool  0.31              20                                             pushed 0.43, 143    1.42 (1.05 to 2.45)

What is pushed keeps the Omega_n that it was found with until it is saved; what is rounded never had it. So sC&W and
sDDN are pushed on photographs, and so is C&W, which is shorter then and is what sC&W is compared with; DDN, which is
rough anyhow and shorter rounded, goes on rounding. Rounded, C&W and sC&W have their margin in 8 bits too; pushed, they
only fool, which is a part of why they are shorter.
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
from core.attacks import ATTACKS, Attack, run
from core.attacks.push import Storable
from core.data import ImageSet
from core.evaluate import correct
from core.metrics import l2, roughness

WAYS: dict[str, dict[str, Any]] = {
    "as found": {"quantised": False, "push": False},
    "rounded": {"quantised": True, "push": False},
    "pushed": {"quantised": False, "push": True},
}
ATTACKED = ("cw", "ddn", "cddn", "scw", "sddn", "deepfool", "smoothfool")
SMOOTH = {"alpha": 0.997}
MEASURES = ("l2", "omega_n", "l2_saved", "omega_n_saved", "factor")


def ways(name: str) -> dict[str, Attack]:
    """The attack `name` in each of WAYS that it has."""
    cls = ATTACKS[name]
    smooth = SMOOTH if "alpha" in cls.model_fields else {}
    if issubclass(cls, Storable):
        return {way: cls(**smooth | values) for way, values in WAYS.items()}
    unrounded = {way: {"push": WAYS[way]["push"]} for way in ("as found", "pushed")}
    return {way: cls(**values) for way, values in unrounded.items()}


def measure(attack: Attack, model: models.Classifier, images: ImageSet) -> dict[str, Any]:
    """One attack on all images, one after the other."""
    counting, seconds = Counting(model).eval(), 0.0
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    saved = 0
    for x, y in zip(images.images.split(1), images.labels.split(1), strict=True):
        start = time.process_time()
        result = run(attack, counting, x, y)
        seconds += time.process_time() - start
        saved += int(result.success_8bit)
        if not bool(result.success):
            continue
        for end, r in (("", result.perturbation), ("_saved", result.adversarial_8bit - x)):
            found["l2" + end].append(float(l2(r)))
            found["omega_n" + end].append(1000 * float(roughness(r, 1.0, normalised=True)))
        found["factor"].append(float(result.trace["push"][-1, 0]) if "push" in result.trace else 1.0)
    passes = (counting.forwards + counting.backwards) / 2 / len(images) - 1.5  # the run's own three checks
    return {"n": len(images), "saved": saved, "passes": passes, "seconds": seconds / len(images), "values": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, metavar="folder:PATH", help="photographs, named NNN_name by class")
    parser.add_argument("--n", type=int, default=8, help="of them, classified correctly (default %(default)s)")
    parser.add_argument("--attacks", nargs="+", choices=ATTACKED, default=list(ATTACKED))
    parser.add_argument("--json", type=Path, help="write the numbers here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = models.load(NETWORK)
    images = correct(model, data.load(arguments.photos), arguments.n)
    console = Console(highlight=False, width=140)
    table = Table("attack", "way", "fool saved", "L2", "Ω_n × 10³", "saved: L2", "Ω_n × 10³", "factor", "passes", "s")
    table.title = f"{model.card.name}, {images.name}, n = {len(images)}, medians (ranges)"
    rows = []
    for name in arguments.attacks:
        for way, attack in ways(name).items():
            row = {"attack": name, "way": way, "parameters": attack.values()} | measure(attack, model, images)
            rows.append(row)
            cells = [said(summary(values)) if values else "-" for values in row["values"].values()]
            table.add_row(
                name, way, f"{row['saved']} of {row['n']}", *cells, f"{row['passes']:.0f}", f"{row['seconds']:.1f}"
            )
            console.print(
                f"{name}, {way}: {row['saved']} of {row['n']}, {', '.join(cells)}; {row['passes']:.1f} passes"
            )
    console.print(table)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
