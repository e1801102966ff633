"""How far every search for the shortest perturbation ends from the best that is known, and what it says of itself.

The section `converged` of `benchmarks/attacks.py`, which has the figures. Every network of checkpoints/, every attack
that seeks the shortest perturbation at its default budget and margin 0, and against them the shortest that any of ours,
DDN, sDDN (with rho and without) or adv-lib's ALMA with 1000 passes finds.

What is known of an image is kept in a file a network, so that a run that was killed goes on, and more images do only
what is missing. What a reference found stays found, whatever becomes of the code; what an attack finds at its
default budget is found again once its parameters or core/attacks have changed.

Measured: median over the best known (its 95 % interval by bootstrap), and how many of the n images say that they have
converged. What sC&W as published and SmoothFool come to is what their smoothness costs. Digits, then 2 photographs and
pictures of CIFAR-10.

  network              n  C&W                  DDN                  DeepFool             sC&W, ρ 30
  c4-mmc               48 1.01 (1.01-1.05)  9  1.00 (1.00-1.01) 32  1.01 (1.00-1.01) 35  1.01 (1.01-1.03) 15
  c4-ce                48 1.01 (1.01-1.01) 13  1.00 (1.00-1.00) 32  1.00 (1.00-1.01) 39  1.01 (1.01-1.01) 18
  c4-ce-fgsm           48 1.04 (1.02-1.06)  5  1.02 (1.01-1.02) 14  1.02 (1.01-1.04) 15  1.02 (1.01-1.03)  6
  c4-graph             48 1.04 (1.02-1.07)  4  1.02 (1.01-1.06) 15  1.01 (1.00-1.02) 20  1.03 (1.02-1.07)  7
  c4-mmc-fgsm          48 1.02 (1.01-1.03)  6  1.00 (1.00-1.01) 31  1.01 (1.01-1.06) 27  1.02 (1.01-1.09) 11
  fc2-ce               48 1.01 (1.00-1.01) 15  1.00 (1.00-1.01) 26  1.00 (1.00-1.01) 24  1.01 (1.00-1.01) 10
  lenet-ce             48 1.04 (1.02-1.05)  1  1.02 (1.01-1.02)  1  1.02 (1.01-1.03) 12  1.02 (1.01-1.03)  2
  lenet-ce-ll          48 1.05 (1.04-1.09)  1  1.05 (1.03-1.07)  6  1.05 (1.03-1.09) 12  1.01 (1.01-1.01)  9
  lenet-ce-ens         48 1.06 (1.04-1.07)  0  1.03 (1.03-1.05)  3  1.04 (1.03-1.05) 16  1.02 (1.01-1.03)  7
  lenet-ce-pgd         48 1.02 (1.01-1.05)  4  1.00 (1.00-1.02) 19  1.01 (1.01-1.03) 27  1.01 (1.01-1.01) 13
  lenet-ce-sat         48 1.02 (1.02-1.03)  3  1.02 (1.01-1.02)  7  1.02 (1.01-1.03) 21  1.01 (1.01-1.01) 17
  lenet-center-loss    48 1.03 (1.02-1.04)  0  1.01 (1.01-1.02)  1  1.02 (1.02-1.03)  5  1.02 (1.01-1.03)  3
  lenet-g-sce          48 1.03 (1.02-1.05)  0  1.01 (1.01-1.02)  0  1.03 (1.02-1.05)  4  1.02 (1.01-1.02)  3
  lenet-large-margin   48 1.02 (1.01-1.04)  0  1.01 (1.01-1.02)  2  1.01 (1.01-1.02) 12  1.01 (1.01-1.02)  2
  lenet-mm-lda         48 1.03 (1.02-1.05)  0  1.01 (1.01-1.02)  2  1.02 (1.02-1.04)  8  1.02 (1.01-1.03)  2
  lenet-mmc            48 1.03 (1.02-1.04)  1  1.04 (1.03-1.07)  1  1.02, 47 fool 20     1.01 (1.01-1.02) 12
  lenet-mmc-rand       48 1.03 (1.02-1.05)  0  1.04 (1.02-1.07)  1  1.02 (1.01-1.07) 16  1.01 (1.01-1.02)  5
  lenet-graph          48 1.04 (1.03-1.07)  0  1.02 (1.01-1.05)  2  1.02 (1.01-1.03) 12  1.02 (1.01-1.04)  6
  lenet-ce-2d          48 1.03 (1.02-1.05)  0  1.01 (1.01-1.03)  0  1.02 (1.01-1.03)  2  1.02 (1.01-1.03)  1
  lenet-graph-2d       48 1.07 (1.04-1.22)  0  1.04 (1.02-1.07)  0  1.04 (1.02-1.12)  5  1.01 (1.00-1.05) 11
  photographs, lite0   2  1.01 (1.01-1.02)  1  1.00 (1.00-1.01)  1  1.01 (1.00-1.01)  1  1.01 (1.00-1.01)  0
  cifar10-mmc          12 1.01 (1.00-1.02)  5  1.01 (1.00-1.13)  7  1.02 (1.00-1.07)  5  1.01 (1.01-1.06)  6
  cifar10-graph        3  1.04 (1.04-1.05)  0  1.01 (1.01-1.38)  1  1.00 (1.00-1.01)  0  1.02 (1.01-1.19)  1
  cifar10-ce-adv       3  1.02 (1.00-1.34)  1  1.01 (1.00-1.02)  3  1.01 (1.00-1.24)  2  1.01 (1.01-1.03)  2
  cifar10-resnet32-ce  3  1.01 (1.00-1.04)  2  1.00 (1.00-1.00)  2  1.00 (1.00-1.03)  2  1.01 (1.00-1.06)  2
  cifar10-ce           3  1.01 (1.01-1.01)  1  1.00 (1.00-1.00)  2  1.00 (1.00-1.01)  2  1.01 (1.00-1.01)  2
  cifar10-graph-2d     12 1.09 (1.04-1.19)  0  1.05 (1.01-1.22)  3  1.02 (1.00-1.27)  1  1.11 (1.05-1.20)  1
  cifar10-ce-2d        12 1.02 (1.01-1.03)  3  1.00 (1.00-1.04)  7  1.00 (1.00-1.01)  5  1.01 (1.00-1.02)  5
  whitened-mmc         12 1.01 (1.01-1.03)  3  1.01 (1.00-1.02) 10  1.01 (1.00-1.08)  6  1.01 (1.00-1.02)  7
  whitened-ce          12 1.02 (1.00-1.27)  5  1.00 (1.00-1.01) 10  1.01 (1.00-1.14)  8  1.01 (1.00-1.20)  7
  whitened-graph       3  1.01 (1.00-1.06)  1  1.00 (1.00-1.00)  1  1.00 (1.00-1.00)  1  1.03 (1.00-1.21)  2
  cifar10-resnet18-ce  3  1.01 (1.01-1.02)  1  1.00 (1.00-1.00)  2  1.00 (1.00-1.02)  2  1.01 (1.00-1.06)  2
  cifar10-vggf-ce      3  1.01 (1.00-1.01)  3  1.00 (1.00-1.00)  3  1.00 (1.00-1.00)  2  1.00 (1.00-1.01)  3
  cifar10-resnet32-mmc 3  1.01 (1.00-1.02)  2  1.03 (1.00-1.21)  2  1.08 (1.00-1.20)  1  1.01 (1.01-1.01)  2

  network              n  sDDN                 sDDN, ρ 30           sC&W                 SmoothFool
  c4-mmc               48 1.00 (1.00-1.00) 20  1.00 (1.00-1.00) 27  1.15 (1.13-1.17)     1.59 (1.52-1.73)
  c4-ce                48 1.00 (1.00-1.00) 23  1.00 (1.00-1.00) 28  1.16 (1.13-1.18)     1.82 (1.77-1.94)
  c4-ce-fgsm           48 1.01 (1.00-1.02) 12  1.01 (1.00-1.01)  9  1.19 (1.16-1.23)     1.75, 44 fool
  c4-graph             48 1.05 (1.01-1.14)  5  1.01 (1.00-1.04) 17  1.21 (1.17-1.27)     1.86, 46 fool
  c4-mmc-fgsm          48 1.00 (1.00-1.01) 15  1.01 (1.00-1.05) 16  1.33 (1.21-1.40)     1.98, 44 fool
  fc2-ce               48 1.00 (1.00-1.00) 20  1.00 (1.00-1.00) 17  1.12 (1.10-1.13)     1.55 (1.52-1.65)
  lenet-ce             48 1.01 (1.00-1.01)  6  1.00 (1.00-1.00) 13  1.25 (1.23-1.27)     2.49 (2.42-2.59)
  lenet-ce-ll          48 1.00 (1.00-1.01) 10  1.00 (1.00-1.00) 16  1.22 (1.19-1.26)     2.06 (1.99-2.17)
  lenet-ce-ens         48 1.01 (1.01-1.01)  5  1.00 (1.00-1.01)  8  1.33 (1.27-1.37)     2.54 (2.48-2.68)
  lenet-ce-pgd         48 1.00 (1.00-1.00) 29  1.00, 47 fool 17     1.14 (1.10-1.18)     1.65 (1.61-1.77)
  lenet-ce-sat         48 1.00 (1.00-1.00) 20  1.00 (1.00-1.00) 21  1.21 (1.17-1.22)     2.16 (2.06-2.23)
  lenet-center-loss    48 1.01 (1.01-1.01)  3  1.00 (1.00-1.01)  5  1.31 (1.28-1.35)     2.86 (2.71-3.01)
  lenet-g-sce          48 1.01 (1.01-1.01)  3  1.00 (1.00-1.01)  6  1.29 (1.26-1.34)     3.00 (2.82-3.11)
  lenet-large-margin   48 1.01 (1.01-1.01)  7  1.00 (1.00-1.00) 12  1.27 (1.25-1.28)     2.49 (2.43-2.57)
  lenet-mm-lda         48 1.01 (1.01-1.01) 10  1.00 (1.00-1.00) 11  1.26 (1.24-1.29)     2.78 (2.64-2.92)
  lenet-mmc            48 1.01 (1.01-1.01)  8  1.00 (1.00-1.01) 14  1.29 (1.24-1.36)     2.40, 46 fool
  lenet-mmc-rand       48 1.01 (1.00-1.01)  5  1.00 (1.00-1.01) 13  1.37 (1.30-1.44)     2.50, 46 fool
  lenet-graph          48 1.01 (1.01-1.02)  2  1.01 (1.00-1.03) 10  1.31 (1.25-1.34)     2.73 (2.60-2.86)
  lenet-ce-2d          48 1.01 (1.01-1.03)  1  1.01 (1.00-1.01)  2  1.23 (1.19-1.26)     2.30 (2.23-2.44)
  lenet-graph-2d       48 1.01 (1.00-1.02)  1  1.01 (1.00-1.02) 12  1.38 (1.33-1.62)     2.91 (2.73-3.21)
  photographs, lite0   2  1.00 (1.00-1.00)  1  1.00 (1.00-1.00)  0  1.12 (1.10-1.15)     2.46 (2.26-2.67)
  cifar10-mmc          12 1.00 (1.00-1.02) 11  1.00 (1.00-1.07)  9  1.36 (1.16-2.12)     5.65, 11 fool
  cifar10-graph        3  1.00 (1.00-1.01)  1  1.00 (1.00-1.18)  1  1.21 (1.17-5.02)     7.09 (4.71-7.10)
  cifar10-ce-adv       3  1.00 (1.00-1.00)  3  1.00 (1.00-1.00)  3  1.40 (1.08-1.65)     2.00 (1.54-3.13)
  cifar10-resnet32-ce  3  1.00 (1.00-1.01)  2  1.00 (1.00-1.01)  2  1.19 (1.16-1.32)     5.77 (4.47-9.71)
  cifar10-ce           3  1.00 (1.00-1.00)  2  1.00 (1.00-1.00)  3  1.17 (1.15-1.25)     4.34 (3.44-6.37)
  cifar10-graph-2d     12 1.02 (1.00-1.06)  4  1.01 (1.00-1.09)  4  1.73 (1.35-3.49)     9.21 (7.66-13.63)
  cifar10-ce-2d        12 1.00 (1.00-1.02)  6  1.00 (1.00-1.03)  8  1.33 (1.21-1.63)     7.87 (7.63-8.89)
  whitened-mmc         12 1.00 (1.00-1.01) 10  1.01 (1.00-1.02) 12  1.24 (1.14-1.28)     6.24 (5.10-7.04)
  whitened-ce          12 1.00 (1.00-1.00) 10  1.01 (1.00-1.04) 11  1.28 (1.15-2.20)     6.35 (5.92-8.69)
  whitened-graph       3  1.01 (1.00-1.03)  2  1.00 (1.00-1.02)  2  1.29 (1.08-1.48)     5.38 (4.04-5.87)
  cifar10-resnet18-ce  3  1.01 (1.00-1.01)  2  1.00 (1.00-1.00)  2  1.33 (1.20-1.33)     8.99 (8.55-10.20)
  cifar10-vggf-ce      3  1.00 (1.00-1.00)  3  1.00 (1.00-1.00)  3  1.15 (1.12-1.29)     2.89 (2.78-3.84)
  cifar10-resnet32-mmc 3  1.00 (1.00-1.00)  3  1.00 (1.00-1.00)  3  1.44 (1.21-1.59)     7.87 (5.81-13.01)

Above 1.05 in the median, of attacks that seek the shortest: C&W on lenet-ce-ll (1.054), lenet-ce-ens, lenet-graph-2d
and cifar10-graph-2d, where one image of 156 says that it has converged (60 iterations for 50 bring the three LeNets to
1.040 to 1.046); on cifar10-graph-2d DDN (1.052) and sC&W with rho too; sDDN on c4-graph (1.053); DeepFool on ResNet-32
with MMC (n = 3). Of those that say they have converged the median is above 1.05 in three places, each of few images:
DDN's six of lenet-ce-ll (1.06), sDDN's one of lenet-ce-2d, two of sC&W's with rho on whitened-graph. Few images say
little: on whitened-ce C&W stood at 1.22 with three of them and at 1.02 with twelve, on C4's MMC at 1.09 with twelve.

DeepFool stood at 1.05 to 1.17 on most networks of digits until its way was turned along the mean of its projections
(`core.attacks.returning`): 80 to 110 passes for 50, on 8 photographs 98 (40 to 132) forwards for 33 (20 to 58), 2 to
7 % shorter. Tried for the others on five networks of digits, not shorter in all: C&W's multiplier by Newton, a third
question, a restart in the third quarter, log odds of logits scaled to one gap, DDN's steps along a running mean of the
last ones, starts from noise.

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
