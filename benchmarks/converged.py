"""How far every search for the shortest perturbation ends from the best that is known, and what it says of itself.

The section `converged` of `benchmarks/attacks.py`, which has the figures. Every network of checkpoints/, every attack
that seeks the shortest perturbation at its default budget and margin 0, and against them the shortest that any of ours,
DDN, sDDN (with rho and without) or adv-lib's ALMA with 1000 passes finds.

What is known of an image is kept in a file a network, so that a run that was killed goes on, and more images do only
what is missing. What a reference found stays found, whatever becomes of the code; what an attack finds at its
default budget is found again once its parameters or core/attacks have changed.

Measured: median over the best known (its 95 % interval by bootstrap), how many of the n images say that they have
converged, and the median of these. What sC&W as published and SmoothFool come to is what their smoothness costs.
Digits, 12 or 48 of a network, then 2 photographs and pictures of CIFAR-10, of most networks 3.

  network            n  C&W                     DDN                     DeepFool                sC&W, ρ 30
  c4-mmc             12 1.09 (1.02-1.30) 3 1.04 1.03 (1.01-1.13) 7 1.01 1.17 (1.07-1.32) 5 1.02 1.01 (1.01-1.10) 4 1.01
  c4-ce              12 1.01 (1.01-1.02) 4 1.00 1.00 (1.00-1.01) 8 1.00 1.03 (1.02-1.05) 7 1.02 1.01 (1.01-1.02) 6 1.01
  c4-ce-fgsm         12 1.10 (1.02-1.16) 1 1.01 1.03 (1.01-1.11) 1 1.04 1.05 (1.04-1.15) 2 1.04 1.01 (1.01-1.03) 0
  c4-graph           12 1.04 (1.01-1.18) 1 1.01 1.03 (1.01-1.10) 3 1.01 1.09 (1.02-1.16) 5 1.02 1.02 (1.01-1.08) 2 1.02
  c4-mmc-fgsm        12 1.02 (1.01-1.06) 1 1.01 1.01 (1.00-1.04) 8 1.00 1.08, 11 fool 6 1.03    1.03 (1.01-1.08) 1 1.01
  fc2-ce             12 1.01 (1.00-1.04) 3 1.00 1.00 (1.00-1.00) 5 1.00 1.02 (1.01-1.02) 5 1.01 1.01 (1.01-1.03) 4 1.00
  lenet-ce           12 1.03 (1.02-1.06) 0      1.02 (1.01-1.05) 0      1.12 (1.06-1.15) 0      1.01 (1.00-1.07) 1 1.00
  lenet-ce-ll        48 1.05 (1.04-1.09) 1 1.03 1.05 (1.03-1.07) 6 1.06 1.11 (1.08-1.14) 2 1.02 1.01 (1.01-1.01) 9 1.01
  lenet-ce-ens       12 1.03 (1.02-1.10) 0      1.03 (1.02-1.09) 1 1.02 1.15 (1.10-1.22) 2 1.05 1.02 (1.01-1.02) 3 1.01
  lenet-ce-pgd       12 1.02 (1.01-1.04) 2 1.02 1.00 (1.00-1.03) 4 1.00 1.04 (1.03-1.10) 3 1.03 1.01 (1.00-1.01) 2 1.00
  lenet-ce-sat       12 1.03 (1.02-1.10) 0      1.02 (1.01-1.04) 1 1.02 1.05 (1.04-1.13) 2 1.03 1.01 (1.00-1.02) 2 1.01
  lenet-center-loss  48 1.03 (1.02-1.04) 0      1.01 (1.01-1.02) 1 1.00 1.07 (1.06-1.09) 0      1.02 (1.01-1.03) 3 1.01
  lenet-g-sce        12 1.03 (1.02-1.06) 0      1.02 (1.01-1.04) 0      1.07 (1.06-1.09) 0      1.02 (1.01-1.04) 0
  lenet-large-margin 12 1.03 (1.02-1.06) 1 1.03 1.01 (1.00-1.06) 0      1.07 (1.05-1.15) 0      1.02 (1.01-1.02) 0
  lenet-mm-lda       48 1.03 (1.02-1.05) 0      1.01 (1.01-1.02) 2 1.00 1.06 (1.05-1.08) 2 1.02 1.02 (1.01-1.03) 2 1.02
  lenet-mmc          12 1.04 (1.02-1.06) 0      1.02 (1.01-1.03) 0      1.08 (1.03-1.09) 1 1.04 1.01 (1.01-1.02) 4 1.01
  lenet-mmc-rand     12 1.05 (1.03-1.40) 0      1.04 (1.03-1.16) 0      1.08, 11 fool 0         1.02 (1.01-1.05) 2 1.00
  lenet-graph        48 1.04 (1.03-1.06) 0      1.02 (1.01-1.05) 2 1.01 1.06 (1.04-1.08) 2 1.03 1.02 (1.01-1.04) 6 1.00
  lenet-ce-2d        12 1.05 (1.03-1.06) 0      1.04 (1.02-1.04) 0      1.11, 11 fool 0         1.05 (1.01-1.10) 0
  lenet-graph-2d     12 1.05 (1.01-1.09) 0      1.04 (1.02-1.28) 0      1.13 (1.06-1.45) 1 1.02 1.04 (1.01-1.12) 1 1.01
  photographs, lite0 2  1.01 (1.01-1.02) 1 1.02 1.00 (1.00-1.01) 1 1.00 1.02 (1.01-1.03) 1 1.01 1.01 (1.00-1.01) 0
  cifar10-mmc        10 1.05 (1.02-1.11) 3 1.02 1.08 (1.01-1.34) 7 1.01 1.07 (1.01-1.27) 6 1.02 1.03 (1.00-1.16) 4 1.01
  cifar10-graph      3  1.01 (1.00-1.25) 1 1.00 1.00 (1.00-1.19) 1 1.00 1.02 (1.01-1.45) 1 1.02 1.01 (1.00-1.07) 1 1.00
  cifar10-ce-adv     3  1.00 (1.00-1.01) 3 1.00 1.00 (1.00-1.01) 3 1.00 1.01 (1.01-1.02) 3 1.01 1.00 (1.00-1.01) 3 1.00
  cifar10-resnet32-ce3  1.00 (1.00-1.02) 2 1.00 1.00 (1.00-1.04) 3 1.00 1.01 (1.01-1.06) 3 1.01 1.00 (1.00-1.02) 2 1.00
  cifar10-ce         3  1.00 (1.00-1.01) 3 1.00 1.00 (1.00-1.10) 2 1.00 1.12 (1.02-1.17) 1 1.02 1.02 (1.01-1.02) 2 1.01
  cifar10-graph-2d   3  1.00 (1.00-1.12) 2 1.00 1.00 (1.00-1.11) 3 1.00 1.02 (1.01-1.11) 2 1.01 1.02 (1.00-1.05) 1 1.00
  cifar10-ce-2d      3  1.00 (1.00-1.01) 2 1.01 1.00 (1.00-1.00) 2 1.00 1.01 (1.01-1.03) 2 1.01 1.00 (1.00-1.06) 2 1.00

  network            n  sDDN                    sDDN, ρ 30              sC&W                    SmoothFool
  c4-mmc             12 1.00 (1.00-1.01) 5 1.00 1.00 (1.00-1.09) 8 1.00 1.28 (1.16-1.35)        1.72 (1.57-1.90)
  c4-ce              12 1.00 (1.00-1.00) 8 1.00 1.00 (1.00-1.00) 8 1.00 1.15 (1.13-1.22)        1.93 (1.84-2.10)
  c4-ce-fgsm         12 1.01 (1.01-1.04) 3 1.00 1.01 (1.00-1.02) 0      1.20 (1.15-1.36)        1.85, 11 fool
  c4-graph           12 1.05 (1.00-1.16) 1 1.01 1.01 (1.00-1.12) 7 1.00 1.17 (1.13-1.30)        1.88 (1.62-2.15)
  c4-mmc-fgsm        12 1.01 (1.00-1.02) 6 1.01 1.01 (1.00-1.12) 5 1.00 1.29 (1.11-1.64)        2.11, 11 fool
  fc2-ce             12 1.00 (1.00-1.00) 3 1.00 1.00 (1.00-1.00) 4 1.00 1.11 (1.09-1.13)        1.47 (1.39-1.65)
  lenet-ce           12 1.01 (1.01-1.01) 1 1.01 1.00 (1.00-1.01) 1 1.01 1.32 (1.22-1.41)        2.51 (2.48-2.70)
  lenet-ce-ll        48 1.00 (1.00-1.01)10 1.00 1.00 (1.00-1.00)16 1.00 1.22 (1.19-1.26)        2.06 (1.99-2.17)
  lenet-ce-ens       12 1.01 (1.00-1.06) 0      1.00 (1.00-1.01) 3 1.00 1.31 (1.24-1.43)        2.66 (2.38-2.98)
  lenet-ce-pgd       12 1.00 (1.00-1.01) 6 1.00 1.00 (1.00-1.01) 6 1.00 1.10 (1.07-1.14)        1.71 (1.53-1.81)
  lenet-ce-sat       12 1.00 (1.00-1.01) 6 1.00 1.00 (1.00-1.01) 2 1.00 1.32 (1.27-1.60)        2.17 (2.05-2.42)
  lenet-center-loss  48 1.01 (1.01-1.01) 3 1.01 1.00 (1.00-1.01) 5 1.00 1.31 (1.28-1.35)        2.86 (2.71-3.01)
  lenet-g-sce        12 1.01 (1.01-1.03) 1 1.03 1.00 (1.00-1.01) 1 1.00 1.34 (1.25-1.40)        2.81 (2.59-3.04)
  lenet-large-margin 12 1.01 (1.00-1.02) 1 1.01 1.00 (1.00-1.01) 3 1.00 1.25 (1.21-1.32)        2.42 (2.27-2.76)
  lenet-mm-lda       48 1.01 (1.01-1.01)10 1.01 1.00 (1.00-1.00)11 1.00 1.26 (1.24-1.29)        2.78 (2.64-2.92)
  lenet-mmc          12 1.01 (1.00-1.03) 4 1.01 1.00 (1.00-1.01) 7 1.00 1.35 (1.24-1.52)        2.03 (1.95-2.49)
  lenet-mmc-rand     12 1.01 (1.00-1.02) 2 1.03 1.01 (1.00-1.22) 3 1.00 1.55 (1.30-1.98)        2.41 (2.32-3.05)
  lenet-graph        48 1.01 (1.01-1.02) 2 1.00 1.01 (1.00-1.03)10 1.00 1.31 (1.25-1.34)        2.73 (2.60-2.85)
  lenet-ce-2d        12 1.03 (1.01-1.05) 0      1.02 (1.00-1.05) 0      1.27 (1.21-1.34)        2.28 (2.19-2.34)
  lenet-graph-2d     12 1.02 (1.00-1.12) 0      1.03 (1.00-1.24) 3 1.00 1.61 (1.25-2.55)        2.72 (2.42-3.87)
  photographs, lite0 2  1.00 (1.00-1.00) 1 1.00 1.00 (1.00-1.00) 0      1.12 (1.10-1.15)        2.46 (2.26-2.67)
  cifar10-mmc        10 1.08 (1.02-1.34) 5 1.03 1.04 (1.00-1.26) 7 1.03 1.49 (1.29-2.08)        6.07 (4.91-8.79)
  cifar10-graph      3  1.01 (1.00-1.07) 2 1.04 1.00 (1.00-1.06) 2 1.03 1.34 (1.13-2.26)        6.46 (6.30-11.48)
  cifar10-ce-adv     3  1.00 (1.00-1.01) 3 1.00 1.00 (1.00-1.00) 3 1.00 1.08 (1.05-1.13)        1.83 (1.55-2.01)
  cifar10-resnet32-ce3  1.00 (1.00-1.01) 3 1.00 1.00 (1.00-1.00) 3 1.00 1.20 (1.18-1.30)        6.41 (4.57-8.27)
  cifar10-ce         3  1.00 (1.00-1.00) 3 1.00 1.00 (1.00-1.00) 3 1.00 1.23 (1.19-1.31)        4.71 (4.24-5.64)
  cifar10-graph-2d   3  1.00 (1.00-1.15) 2 1.00 1.00 (1.00-1.00) 3 1.00 1.11 (1.07-1.81)        4.48 (3.58-5.40)
  cifar10-ce-2d      3  1.00 (1.00-1.01) 2 1.00 1.00 (1.00-1.01) 2 1.00 1.44 (1.10-1.50)        8.76 (8.28-8.95)

Above 1.05 in the median: C&W on c4-mmc and c4-ce-fgsm, DDN and sDDN on CIFAR-10's MMC, and DeepFool, which is no search
for an optimum, on most. The four networks of 48 images were above with 12: C&W at 1.06 to 1.08, DDN at 1.06 and 1.08,
sDDN with rho at 1.15. Of those that say they have converged the median is above 1.05 in one place, DDN's six images of
lenet-ce-ll. On C4's MMC these are local optima, where DDN in 1000 passes ends too (1.05); ALMA gets out of them in 200
passes (1.00) and not in 100 (1.15). Tried on five networks of digits and not shorter in all: C&W's multiplier by
Newton, a third question, a restart in the third quarter, log odds of logits scaled to one gap, DDN's steps along a
running mean of the last ones, starts from noise.

MM-LDA stood at 1.28 (C&W) and 1.31 (DDN) until its head dropped |z|^2 from the logits: how far behind a boundary is
more than rounding was as far as that.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn

from benchmarks.adversaries import Perturb, console, imported
from core import data, models
from core.attacks import ATTACKS, DDN, Attack, CarliniWagner, DeepFool, SmoothCarliniWagner, SmoothDDN, SmoothFool, run
from core.data import ImageSet
from core.data.store import write_together
from core.evaluate import correct
from core.evaluate.statistics import bootstrap
from core.metrics import l2

RHO = 30.0
DRAWN = 120  # test images of a data set, from which the first that are classified correctly are taken
AT_ONCE = {28: 12, 32: 3}  # images in a batch by their size; one of any other
SHARE = {28: 1, 32: 2}  # of n images, a so-manieth of pictures of that size; a third of any other

DEFAULTS: dict[str, Attack] = {
    "C&W": CarliniWagner(margin=0),
    "DDN": ATTACKS["ddn"](),
    "DeepFool": DeepFool(push=False),
    f"sC&W, ρ {RHO:g}": SmoothCarliniWagner(margin=0, rho=RHO),
    "sDDN": SmoothDDN(),
    f"sDDN, ρ {RHO:g}": SmoothDDN(rho=RHO),
    "sC&W": SmoothCarliniWagner(margin=0),
    "SmoothFool": SmoothFool(push=False),
}
"""In the order of the table."""
COSTLY = ("sC&W", "SmoothFool")  # of which the ratio says what their smoothness costs, not how far they converged


@dataclass(frozen=True)
class Outcome:
    """What an attack came to on one image. Infinite where it does not fool."""

    l2: float
    energy: float
    """|r|_K, K = I + RHO (D - W)."""
    converged: bool | None
    """Its own verdict; None of adv-lib's."""


@dataclass
class Kept:
    """What is known of a network: by attack and image, in a file or for this run only."""

    path: Path | None
    found: dict[str, dict[str, Outcome]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path | None, card: models.Card) -> Kept:
        """What `folder` knows of the network; nothing where there is no folder, or of other weights."""
        if folder is None:
            return cls(None)
        path = folder / f"{card.name}.{card.sha256[:12]}.json"
        if not path.exists():
            return cls(path)
        known = json.loads(path.read_text())
        return cls(path, {key: {image: Outcome(*row) for image, row in rows.items()} for key, rows in known.items()})

    def add(self, key: str, outcomes: dict[str, Outcome]) -> None:
        """Take note, on the disk too."""
        self.found.setdefault(key, {}).update(outcomes)
        if self.path is not None:
            rows = {
                key: {image: (o.l2, o.energy, o.converged) for image, o in rows.items()}
                for key, rows in self.found.items()
            }
            text = json.dumps(rows).encode()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_together({self.path: lambda file: file.write(text)})


def code() -> str:
    """A hash of what the attacks are made of."""
    files = sorted((Path(__file__).resolve().parents[1] / "core" / "attacks").glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def references(budget: int) -> dict[str, Attack | Perturb]:
    """What looks for the best, with so many passes each; adv-lib's where it is installed."""
    found: dict[str, Attack | Perturb] = {
        "DDN": DDN(passes=budget),
        f"sDDN, ρ {RHO:g}": SmoothDDN(rho=RHO, passes=budget),
        "sDDN": SmoothDDN(passes=budget),
    }
    if (lagrangian := imported("adv_lib.attacks.augmented_lagrangian")) is not None:
        found["ALMA"] = lambda model, x, y: lagrangian.alma(model, x, y, num_steps=budget)
    return {f"{name}, {budget} passes": attack for name, attack in found.items()}


def outcomes(attack: Attack | Perturb, model: nn.Module, x: Tensor, y: Tensor) -> list[Outcome]:
    """Of the images x (n, C, H, W) with labels y (n,)."""
    verdicts: list[bool | None] = [None] * len(x)
    if isinstance(attack, Attack):
        result = run(attack, model, x, y)
        adversarial = result.adversarial
        if result.converged is not None:
            verdicts = list(result.converged.tolist())
    else:
        adversarial = attack(model, x, y).detach()
    with torch.no_grad():
        logits = model(adversarial)
    inside = ((adversarial >= 0) & (adversarial <= 1)).flatten(1).all(1)
    won = (logits.argmax(1) != y) & logits.isfinite().all(1) & inside
    energy = SmoothDDN(rho=RHO).energy(x)(adversarial - x).sqrt()
    lengths = (torch.where(won, values, torch.inf).tolist() for values in (l2(adversarial, x), energy))
    return [Outcome(*row) for row in zip(*lengths, verdicts, strict=True)]


def measure(
    name: str, attacks: dict[str, Attack], n: int, photos: str | None, folder: Path | None, budget: int
) -> list[dict[str, Any]]:
    """One row an attack, of the network `name`; none where it needs photographs and there are none."""
    model = models.load(name, device="cpu")
    photographs = model.card.dataset == "imagenet"
    if photographs and not photos:
        console.print(f"{name}: left out, needs --photos")
        return []
    source = data.load(photos) if photographs and photos else data.load(model.card.dataset, "test", n=DRAWN)
    size = model.card.input_shape[-1]
    images = correct(model, source, max(n // SHARE.get(size, 3), 2), batch_size=8)
    names = [hashlib.sha256(image.numpy().tobytes()).hexdigest()[:16] for image in images.images]
    kept, version = Kept.of(folder, model.card), code()
    against = references(budget)
    keys = {key: f"{key}, {json.dumps(attack.values(), sort_keys=True)}, {version}" for key, attack in attacks.items()}
    for key, attack in [*against.items(), *((keys[key], attack) for key, attack in attacks.items())]:
        complete(kept, key, attack, model, images, names)
    best = {measured: [shortest(kept, image, measured) for image in names] for measured in ("l2", "energy")}
    reference = kept.found[f"sDDN, {budget} passes"]
    rows: list[dict[str, Any]] = []
    for key, attack in attacks.items():
        mine = [kept.found[keys[key]][image] for image in names]
        measured = "energy" if getattr(attack, "rho", 0.0) else "l2"
        # sDDN without rho goes along a smooth direction: what it is compared with is its own 1000 passes.
        least = [min(o.l2, reference[image].l2) for o, image in zip(mine, names, strict=True)]
        ratios = [
            getattr(o, measured) / shortest if math.isfinite(shortest) else math.inf
            for o, shortest in zip(mine, least if key == "sDDN" else best[measured], strict=True)
        ]
        said_so = [bool(o.converged) for o in mine]
        sure = [ratio for ratio, certain in zip(ratios, said_so, strict=True) if certain]
        rows.append(
            {
                "network": name,
                "attack": key,
                "n": len(mine),
                "ratios": ratios,
                "converged": len(sure),
                "sure": statistics.median(sure) if sure else None,
            }
        )
    return rows


def complete(
    kept: Kept, key: str, attack: Attack | Perturb, model: models.Classifier, images: ImageSet, names: Sequence[str]
) -> None:
    """Attack those of `images`, of these `names`, that are not known under `key`."""
    missing = [i for i, name in enumerate(names) if name not in kept.found.get(key, {})]
    size = AT_ONCE.get(images.images.shape[-1], 1)
    for start in range(0, len(missing), size):
        part = missing[start : start + size]
        found = outcomes(attack, model, images.images[part], images.labels[part])
        kept.add(key, dict(zip((names[i] for i in part), found, strict=True)))


def shortest(kept: Kept, image: str, measured: str) -> float:
    """The least that anything found on an image."""
    values: list[float] = [getattr(rows[image], measured) for rows in kept.found.values() if image in rows]
    return min(values)


def cell(row: dict[str, Any]) -> str:
    """The median over the best known, its 95 % interval, how many say that they have converged, and their median."""
    ratios = [ratio for ratio in row["ratios"] if math.isfinite(ratio)]
    median = statistics.median(row["ratios"])
    if len(ratios) < len(row["ratios"]):
        text = f"{median:.2f}, {len(ratios)} fool"
    else:
        interval = bootstrap(ratios, "median") if len(ratios) > 1 else None
        text = f"{median:.2f}" + (f" ({interval.low:.2f}-{interval.high:.2f})" if interval else "")
    if row["attack"] in COSTLY:
        return text
    return f"{text} {row['converged']}" + (f": {row['sure']:.2f}" if row["converged"] else "")


def table(rows: list[dict[str, Any]], columns: Sequence[str], title: str) -> Table:
    """Networks by attacks, `columns` of them."""
    made = Table("network", "n", *columns, title=title)
    for name in dict.fromkeys(row["network"] for row in rows):
        mine = {row["attack"]: row for row in rows if row["network"] == name}
        cells = [cell(mine[key]) if key in mine else "-" for key in columns]
        made.add_row(name, str(next(iter(mine.values()))["n"]), *cells)
    return made


def measure_converged(
    networks: Sequence[str],
    only: Sequence[str] | None,
    n: int,
    photos: str | None,
    folder: Path | None,
    budget: int,
) -> list[dict[str, Any]]:
    """Network by network, each attack's default budget over the best known.

    only: words, of which an attack's name has one (default: all). n: digits; half as many pictures of CIFAR-10, a
    third as many photographs. photos: "folder:PATH" of these. folder: where what is known is kept.
    """
    attacks = {key: attack for key, attack in DEFAULTS.items() if not only or any(word in key for word in only)}
    rows: list[dict[str, Any]] = []
    for name in networks:
        found = measure(name, attacks, n, photos, folder, budget)
        console.print("; ".join([name, *(f"{row['attack']} {cell(row)}" for row in found)]))
        rows += found
    title = "median over the best known (95 %), how many say that they have converged: the median of these"
    for part in (list(attacks)[:4], list(attacks)[4:]):
        if part:
            console.print(table(rows, part, title))
    return rows
