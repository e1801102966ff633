"""How far every search for the shortest perturbation ends from the best that is known, and what it says of itself.

The section `converged` of `benchmarks/attacks.py`, which has the figures. Every network of checkpoints/, every attack
that seeks the shortest perturbation at its default budget and margin 0, and against them the shortest that any of ours,
DDN, sDDN (with rho and without) or adv-lib's ALMA with 1000 passes finds.

What is known of an image is kept in a file a network, so that a run that was killed goes on, and more images do only
what is missing. What a reference found stays found, whatever becomes of the code; what an attack finds at its
default budget is found again once its parameters or core/attacks have changed.

Measured: median over the best known (its 95 % interval by bootstrap), and how many of the n images say that they have
converged. What sC&W as published and SmoothFool come to is what their smoothness costs. Digits (--n 48 --skip 0 120: on
the first 48 most budgets were chosen, on the others none), then 2 photographs and pictures of CIFAR-10.

  network              n   C&W                  DDN                  DeepFool             sC&W, ρ 30
  c4-mmc               96  1.01 (1.00-1.01) 52  1.00 (1.00-1.01) 63  1.01 (1.01-1.01) 70  1.00 (1.00-1.01) 59
  c4-ce                96  1.01 (1.01-1.01) 35  1.00 (1.00-1.00) 62  1.01 (1.00-1.01) 74  1.00 (1.00-1.00) 52
  c4-ce-fgsm           96  1.02 (1.01-1.02) 19  1.01 (1.01-1.02) 27  1.01 (1.01-1.02) 36  1.01 (1.00-1.01) 15
  c4-graph             96  1.01 (1.01-1.03) 25  1.04 (1.02-1.07) 30  1.01 (1.01-1.02) 45  1.01 (1.01-1.01) 38
  c4-mmc-fgsm          96  1.01 (1.01-1.02) 35  1.00 (1.00-1.01) 67  1.01 (1.01-1.02) 69  1.00 (1.00-1.02) 42
  fc2-ce               96  1.00 (1.00-1.01) 33  1.00 (1.00-1.00) 53  1.00 (1.00-1.00) 56  1.00 (1.00-1.00) 35
  lenet-ce             96  1.02 (1.01-1.02)  5  1.02 (1.01-1.02)  4  1.01 (1.01-1.02) 23  1.01 (1.00-1.01) 15
  lenet-ce-ll          96  1.04 (1.03-1.06)  2  1.05 (1.03-1.06)  8  1.04 (1.04-1.06) 31  1.00 (1.00-1.01) 28
  lenet-ce-ens         96  1.04 (1.03-1.04)  3  1.03 (1.02-1.04)  2  1.04 (1.03-1.05) 17  1.01 (1.00-1.01) 13
  lenet-ce-pgd         96  1.01 (1.01-1.02) 23  1.01 (1.00-1.01) 39  1.01 (1.01-1.02) 59  1.00 (1.00-1.01) 45
  lenet-ce-sat         96  1.02 (1.01-1.02)  9  1.02 (1.01-1.02) 18  1.02 (1.01-1.02) 49  1.00 (1.00-1.00) 41
  lenet-center-loss    96  1.02 (1.01-1.03)  1  1.02 (1.01-1.02)  1  1.02 (1.01-1.02)  9  1.00 (1.00-1.01)  8
  lenet-g-sce          96  1.02 (1.01-1.03)  1  1.01 (1.01-1.02)  2  1.02 (1.01-1.02) 12  1.01 (1.01-1.01)  8
  lenet-large-margin   96  1.01 (1.01-1.02)  0  1.01 (1.01-1.02)  4  1.02 (1.01-1.02) 20  1.01 (1.00-1.01) 14
  lenet-mm-lda         96  1.02 (1.01-1.03)  2  1.01 (1.01-1.02)  2  1.02 (1.01-1.02) 14  1.01 (1.00-1.01) 11
  lenet-mmc            96  1.02 (1.01-1.02)  1  1.03 (1.02-1.04)  6  1.03 (1.02-1.04) 36  1.00 (1.00-1.00) 40
  lenet-mmc-rand       96  1.02 (1.02-1.02)  2  1.04 (1.02-1.05)  3  1.03 (1.02-1.04) 40  1.01 (1.00-1.01) 26
  lenet-graph          96  1.02 (1.01-1.03)  0  1.05 (1.03-1.07)  4  1.02 (1.02-1.03) 22  1.01 (1.00-1.01) 17
  lenet-ce-2d          96  1.02 (1.01-1.02)  2  1.01 (1.01-1.02)  2  1.01 (1.01-1.02)  6  1.01 (1.01-1.01)  6
  lenet-graph-2d       96  1.05 (1.03-1.09)  2  1.03 (1.02-1.05)  2  1.05 (1.03-1.07)  5  1.01 (1.00-1.02) 29
  photographs, lite0   2   1.00 (1.00-1.00)  1  1.00 (1.00-1.00)  1  1.01 (1.00-1.01)  1  1.01 (1.00-1.01)  0
  cifar10-mmc          12  1.00 (1.00-1.01) 10  1.02 (1.00-1.13) 11  1.03 (1.00-1.12)  6  1.01 (1.00-1.03) 11
  cifar10-graph        12  1.00 (1.00-1.02)  6  1.01 (1.00-1.06)  6  1.00 (1.00-1.01)  4  1.00 (1.00-1.01)  9
  cifar10-ce-adv       12  1.00 (1.00-1.01)  8  1.00 (1.00-1.01) 11  1.01 (1.00-1.03)  6  1.00 (1.00-1.00)  9
  cifar10-resnet32-ce  12  1.01 (1.00-1.02)  9  1.00 (1.00-1.01) 10  1.01 (1.00-1.02)  6  1.00 (1.00-1.01)  8
  cifar10-ce           12  1.00 (1.00-1.01)  7  1.00 (1.00-1.01) 10  1.00 (1.00-1.02)  7  1.00 (1.00-1.01) 12
  cifar10-graph-2d     24  1.01 (1.01-1.05)  5  1.02 (1.01-1.03)  8  1.02, 22 fool     4  1.01 (1.00-1.02)  8
  cifar10-ce-2d        12  1.01 (1.00-1.02)  7  1.00 (1.00-1.03)  8  1.00 (1.00-1.01)  7  1.00 (1.00-1.01)  9
  whitened-mmc         12  1.00 (1.00-1.01)  7  1.01 (1.00-1.01) 12  1.03 (1.00-1.11)  7  1.00 (1.00-1.01) 12
  whitened-ce          12  1.00 (1.00-1.02)  7  1.00 (1.00-1.01) 11  1.00 (1.00-1.08)  8  1.00 (1.00-1.01) 10
  whitened-graph       12  1.00 (1.00-1.03)  5  1.00 (1.00-1.08)  7  1.02 (1.00-1.10)  3  1.00 (1.00-1.01)  8
  cifar10-resnet18-ce  12  1.00 (1.00-1.01)  9  1.00 (1.00-1.00)  9  1.01 (1.00-1.01)  7  1.00 (1.00-1.01)  8
  cifar10-vggf-ce      12  1.00 (1.00-1.01)  8  1.00 (1.00-1.00)  9  1.00 (1.00-1.02)  7  1.00 (1.00-1.00)  9
  cifar10-resnet32-mmc 24  1.00 (1.00-1.01) 19  1.02 (1.00-1.12) 17  1.02 (1.00-1.12) 13  1.00 (1.00-1.00) 22

  network              n   sDDN                 sDDN, ρ 30           sC&W                 SmoothFool
  c4-mmc               96  1.00 (1.00-1.00) 48  1.00 (1.00-1.00) 60  1.08 (1.07-1.09)     1.69 (1.58-1.74)
  c4-ce                96  1.00 (1.00-1.00) 41  1.00 (1.00-1.00) 60  1.09 (1.08-1.10)     1.82 (1.78-1.90)
  c4-ce-fgsm           96  1.01 (1.00-1.01) 20  1.01 (1.00-1.01) 14  1.11 (1.10-1.12)     1.72, 91 fool
  c4-graph             96  1.01 (1.00-1.02) 17  1.03 (1.01-1.07) 27  1.12 (1.10-1.14)     1.93, 93 fool
  c4-mmc-fgsm          96  1.00 (1.00-1.01) 42  1.01 (1.00-1.03) 44  1.15 (1.13-1.18)     1.97, 91 fool
  fc2-ce               96  1.00 (1.00-1.00) 30  1.00 (1.00-1.00) 33  1.07 (1.06-1.08)     1.54 (1.51-1.58)
  lenet-ce             96  1.00 (1.00-1.01) 12  1.00 (1.00-1.00) 24  1.14 (1.13-1.16)     2.46 (2.39-2.53)
  lenet-ce-ll          96  1.00 (1.00-1.00) 25  1.00 (1.00-1.01) 38  1.13 (1.11-1.17)     2.06 (2.00-2.10)
  lenet-ce-ens         96  1.01 (1.00-1.01)  7  1.00 (1.00-1.00) 16  1.19 (1.15-1.20)     2.54 (2.48-2.63)
  lenet-ce-pgd         96  1.00 (1.00-1.00) 58  1.00, 95 fool    40  1.06 (1.05-1.08)     1.64 (1.60-1.73)
  lenet-ce-sat         96  1.00 (1.00-1.00) 48  1.00 (1.00-1.00) 55  1.12 (1.11-1.15)     2.11 (2.07-2.18)
  lenet-center-loss    96  1.01 (1.00-1.01)  8  1.00 (1.00-1.00) 15  1.16 (1.15-1.18)     2.81 (2.71-2.90)
  lenet-g-sce          96  1.01 (1.01-1.01)  3  1.00 (1.00-1.01) 12  1.15 (1.14-1.17)     2.94 (2.85-3.04)
  lenet-large-margin   96  1.01 (1.00-1.01) 12  1.00 (1.00-1.00) 21  1.15 (1.13-1.16)     2.51 (2.45-2.57)
  lenet-mm-lda         96  1.01 (1.00-1.01) 12  1.00 (1.00-1.00) 17  1.14 (1.13-1.16)     2.67 (2.61-2.80)
  lenet-mmc            96  1.00 (1.00-1.01) 17  1.00 (1.00-1.01) 49  1.17 (1.14-1.18)     2.28, 93 fool
  lenet-mmc-rand       96  1.01 (1.00-1.01) 13  1.00 (1.00-1.01) 32  1.19 (1.17-1.21)     2.51, 94 fool
  lenet-graph          96  1.01 (1.00-1.02)  5  1.01 (1.00-1.04) 21  1.15 (1.13-1.17)     2.69 (2.57-2.76)
  lenet-ce-2d          96  1.01 (1.00-1.01)  1  1.01 (1.00-1.01)  5  1.11 (1.10-1.14)     2.26 (2.23-2.32)
  lenet-graph-2d       96  1.01 (1.00-1.01)  8  1.00 (1.00-1.01) 30  1.29 (1.21-1.44)     3.01 (2.81-3.34)
  photographs, lite0   2   1.00 (1.00-1.00)  1  1.00 (1.00-1.00)  1  1.04 (1.02-1.05)     2.46 (2.26-2.67)
  cifar10-mmc          12  1.00 (1.00-1.01) 11  1.00 (1.00-1.06) 11  1.10 (1.04-1.33)     5.68, 11 fool
  cifar10-graph        12  1.01 (1.00-1.04)  8  1.00 (1.00-1.03)  8  1.07 (1.04-1.15)     6.91 (6.06-7.13)
  cifar10-ce-adv       12  1.00 (1.00-1.00) 12  1.00 (1.00-1.00)  9  1.07 (1.05-1.19)     1.80 (1.72-2.09)
  cifar10-resnet32-ce  12  1.00 (1.00-1.01)  9  1.00 (1.00-1.00)  9  1.05 (1.03-1.08)     6.56 (5.23-8.08)
  cifar10-ce           12  1.00 (1.00-1.00)  9  1.00 (1.00-1.00) 12  1.05 (1.04-1.06)     4.67 (3.76-5.46)
  cifar10-graph-2d     24  1.02 (1.00-1.08)  6  1.01 (1.00-1.04) 10  1.52 (1.07-2.14)     8.64 (7.13-10.40)
  cifar10-ce-2d        12  1.01 (1.00-1.01)  8  1.00 (1.00-1.02)  8  1.10 (1.04-1.13)     7.87 (7.63-8.89)
  whitened-mmc         12  1.00 (1.00-1.00) 11  1.00 (1.00-1.02) 12  1.04 (1.03-1.07)     6.27 (5.10-7.05)
  whitened-ce          12  1.00 (1.00-1.00) 11  1.00 (1.00-1.04) 12  1.06 (1.02-1.55)     6.37 (5.92-8.69)
  whitened-graph       12  1.00 (1.00-1.01)  8  1.01 (1.00-1.03)  9  1.31 (1.12-2.86)     6.10 (5.36-7.43)
  cifar10-resnet18-ce  12  1.00 (1.00-1.01)  9  1.00 (1.00-1.00) 12  1.04 (1.03-1.08)     8.74 (7.27-9.34)
  cifar10-vggf-ce      12  1.00 (1.00-1.00) 10  1.00 (1.00-1.00) 10  1.05 (1.03-1.07)     3.46 (3.17-4.03)
  cifar10-resnet32-mmc 24  1.01 (1.00-1.04) 17  1.00 (1.00-1.04) 19  1.18 (1.07-1.86)     8.33 (7.10-11.87)

None is above 1.05 in the median. 24 pictures were taken where 12 left one above with an interval that reached below:
few say little. Of those that say they have converged the median is above 1.05 once: of sDDN's one image of lenet-ce-2d.
Nearest to it are C&W, DDN and DeepFool on lenet-ce-ll, 1.051 (1.042 to 1.059), 1.050 (1.046 to 1.060) and 1.049 (1.043
to 1.057) on 320 digits, and on lenet-graph-2d, 1.037, 1.037 and 1.041 on as many; the last 100 of these (--skip 260)
were seen only once all was chosen, and gave 1.06, 1.05 and 1.05, and 1.03, 1.04 and 1.04. DDN on c4-graph is at 1.05
(1.04 to 1.08) on 220.

C&W with 75 steps instead of 100 stood at 1.06 on lenet-graph-2d (n = 220; 1.09 on 48 of these), with 50 at 1.05 to 1.09
on four networks; DDN, sDDN and sC&W with rho with 50 passes instead of 60 and 100 at 1.05 to 1.11 on one each. DeepFool
stood at 1.05 to 1.17 on most networks of digits until its way was turned along the mean of its projections
(`core.attacks.returning`), on lenet-graph-2d and lenet-ce-ll at 1.06 (n = 220) until it walked to a class whose
boundary looks nearly as near in the end, and on lenet-graph-2d with steps of 0.7. By network a digit takes it 67 to 173
forwards and 45 to 97 gradients, a photograph 131 (52 to 278, n = 8) and 62; without that second way 54 to 111 and 34 to
56, 112 and 56. Tried for the others on five networks of digits, not shorter in all: C&W's multiplier by Newton, a third
question, a restart in the third quarter, log odds of logits scaled to one gap, DDN's steps along a running mean of the
last ones, starts from noise, DeepFool's turns after C&W; for DeepFool, to go on from what it found to the boundary of a
class that looks nearer, and finer turns.

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
    name: str, attacks: dict[str, Attack], n: int, skip: int, photos: str | None, folder: Path | None, budget: int
) -> list[dict[str, Any]]:
    """One row an attack, of the network `name`; none where it needs photographs and there are none."""
    model = models.load(name, device="cpu")
    photographs = model.card.dataset == "imagenet"
    if photographs and not photos:
        console.print(f"{name}: left out, needs --photos")
        return []
    source = data.load(photos) if photographs and photos else data.load(model.card.dataset, "test", n=skip + DRAWN)
    source = source[slice(skip, None)]
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
                "sure": sure,
            }
        )
    return rows


def together(parts: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of the same attacks on several lots of images as one."""
    first, *others = parts
    for row, *more in zip(first, *others, strict=True):
        for other in more:
            row["n"] += other["n"]
            row["ratios"] += other["ratios"]
            row["sure"] += other["sure"]
    return first


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
    return f"{text} {len(row['sure'])}" + (f": {statistics.median(row['sure']):.2f}" if row["sure"] else "")


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
    skips: Sequence[int],
    photos: str | None,
    folder: Path | None,
    budget: int,
) -> list[dict[str, Any]]:
    """Network by network, each attack's default budget over the best known.

    only: words, of which an attack's name has one (default: all). n: digits; half as many pictures of CIFAR-10, a
    third as many photographs. skips: how many images of each set are left out before; for several, n after each.
    photos: "folder:PATH" of photographs. folder: where what is known is kept.
    """
    attacks = {key: attack for key, attack in DEFAULTS.items() if not only or any(word in key for word in only)}
    rows: list[dict[str, Any]] = []
    for name in networks:
        found = together([measure(name, attacks, n, skip, photos, folder, budget) for skip in skips])
        console.print("; ".join([name, *(f"{row['attack']} {cell(row)}" for row in found)]))
        rows += found
    title = "median over the best known (95 %), how many say that they have converged: the median of these"
    for part in (list(attacks)[:4], list(attacks)[4:]):
        if part:
            console.print(table(rows, part, title))
    return rows
