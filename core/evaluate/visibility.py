"""What smoothness costs, and whether it hides: C&W and sC&W on photographs, at equal success and at equal length.

At equal success the shortest perturbations are compared that fool after rounding to 8 bits; at equal length what the
same search finds in float, brought to one L2 norm. Both attacks have their preset "photograph": one margin, and c
corrected as the search goes, in float, and the push at the end (`core.attacks.push`), which leaves either shorter than
rounding every iterate does (`benchmarks/saved.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from core.attacks import ATTACKS, AttackResult, run
from core.data import ImageSet
from core.evaluate import records, statistics
from core.evaluate.comparison import asked, at_norm_8bit
from core.evaluate.records import Collection, Data, Network, Record, Rows, Setting
from core.evaluate.statistics import Estimate
from core.metrics import ciede2000, l2, mad
from core.models import Classifier, logits_of

PRESET = "photograph"
COMPARED = ("cw", "scw")
NORM = 3.0
"""Of the comparison at equal length, for pictures of 224 x 224 x 3 values in [0, 1]: MAD finds most plain there."""
SUCCESS, LENGTH = "success", "length"
FIGURES = ("fools", "l2", "mad", "ciede2000")


def figures(clean: Tensor, pictures: Tensor, fools: Tensor) -> dict[str, Tensor]:
    """`FIGURES` of 8-bit pictures (N, C, H, W), (N,) each: L2, MAD, and the largest difference of colour."""
    return {
        "fools": fools.cpu(),
        "l2": l2(pictures - clean),
        "mad": mad(clean, pictures),
        "ciede2000": ciede2000(clean, pictures).amax((1, 2)),
    }


def pictures(name: str, model: nn.Module, clean: Tensor, answer: Tensor, norm: float) -> dict[str, AttackResult]:
    """What the attack `name` makes of `clean` (N, C, H, W), named `answer` (N,): as short as it fools, and at one norm.

    The first is lengthened by as little as makes it fool when saved. The second is the same search without that, at
    `norm` after rounding (`at_norm_8bit`).
    """
    attack = ATTACKS[name].preset(PRESET)
    shortest = run(attack, model, clean, answer)
    free = run(attack.replace(push=False), model, clean, answer)
    return {SUCCESS: shortest, LENGTH: asked(free, at_norm_8bit(free.images, free.adversarial, norm), model)}


class CostRecord(Record):
    """An attack's perturbations of photographs, as short as they fool and at one length.

    Rows: "index", then `FIGURES` behind "success_" and behind "length_".
    """

    kind: ClassVar[str] = "smoothness-cost"

    norm: float = Field(gt=0)
    """L2, of the comparison at equal length."""
    fooled: int = Field(ge=0)
    """Images that fool the network in 8 bits, as found."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows = self.rows
        if rows is None or len(rows) != self.data.n or int(rows["success_fools"].sum()) != self.fooled:
            raise ValueError("fooled must be the number of rows that do")
        return self

    @property
    def success(self) -> Estimate:
        """Share of images that fool in 8 bits, with Wilson's interval."""
        return statistics.wilson(self.fooled, self.data.n)

    def median(self, name: str) -> Estimate:
        """Median of a column over the images that fool as found, with its bootstrap interval."""
        assert self.rows is not None
        return statistics.bootstrap(self.rows[name][self.rows["success_fools"]].astype(float), "median")


COSTS = Collection.shipped(CostRecord)


def measure(
    name: str,
    model: Classifier,
    images: ImageSet,
    norm: float,
    command: str,
    on_image: Callable[[], object] = lambda: None,
) -> CostRecord:
    """Attack with `name` what `model` answers on each of `images`, which must have the shape that it takes."""
    found: list[dict[str, Tensor]] = []
    for clean in images.images.split(1):
        answer = logits_of(model, clean).argmax(1)
        row: dict[str, Tensor] = {}
        for held, result in pictures(name, model, clean, answer, norm).items():
            told = figures(clean, result.adversarial_8bit, result.success_8bit)
            row |= {f"{held}_{figure}": values for figure, values in told.items()}
        found.append(row)
        on_image()
    columns = {column: torch.cat([row[column] for row in found]) for column in found[0]}
    return CostRecord(
        network=Network.of(model.card),
        data=Data.of(images, None),
        protocol=Setting.of(ATTACKS[name].preset(PRESET)),
        command=command,
        versions=records.versions(),
        norm=norm,
        fooled=int(columns["success_fools"].sum()),
        rows=Rows({"index": images.indices.int(), **columns}),
    )


def compared(found: tuple[CostRecord, ...], dataset: str) -> tuple[CostRecord | None, CostRecord | None]:
    """C&W's record and sC&W's on a data set; None where there is none."""
    by_name = {record.protocol.name: record for record in found if record.data.name == dataset}
    return by_name.get(COMPARED[0]), by_name.get(COMPARED[1])
