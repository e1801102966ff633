"""What an attack did to many images, as a record: `python -m core attack --out`."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from core.attacks import Attack
from core.data import ImageSet
from core.evaluate import records, statistics
from core.evaluate.attacking import Outcome
from core.evaluate.records import Data, Network, Record, Rows, Setting
from core.evaluate.statistics import Estimate
from core.models import Classifier


class AttackRecord(Record):
    """Success and distortion of an attack (eq. 20 of Smooth Adversarial Examples).

    Rows: "index", "label", "status", "prediction_clean", "prediction", "prediction_8bit", "l2" and "linf".
    """

    kind: ClassVar[str] = "attack"

    seed: int
    """Of the choice of images and of the attack."""
    n: int = Field(ge=0)
    """Images that the network classified correctly: the N of eq. 20."""
    fooled: int = Field(ge=0)
    fooled_8bit: int = Field(ge=0)
    """After rounding to 8 bits."""
    mean_l2: float | None
    """Over the fooled images; None without any."""
    deviation_l2: float | None
    """The standard deviation; None with fewer than two."""
    mean_linf: float | None
    seconds_per_image: float | None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows = self.rows
        if rows is None or len(rows) != self.data.n or int((rows["status"] == "fooled").sum()) != self.fooled:
            raise ValueError("fooled must be the number of rows that are")
        if not self.fooled_8bit <= self.fooled <= self.n <= self.data.n:
            raise ValueError("fooled_8bit, fooled and n must be in this order")
        return self

    @property
    def success(self) -> Estimate | None:
        """P_suc; None where nothing was attacked."""
        return statistics.wilson(self.fooled, self.n) if self.n else None

    @property
    def success_8bit(self) -> Estimate | None:
        """The same after rounding to 8 bits."""
        return statistics.wilson(self.fooled_8bit, self.n) if self.n else None

    @classmethod
    def of(cls, attack: Attack, model: Classifier, images: ImageSet, outcome: Outcome, seed: int, command: str) -> Self:
        """The record of an outcome."""
        summary = outcome.summary()
        return cls(
            network=Network.of(model.card),
            data=Data.of(images, seed),
            protocol=Setting.of(attack),
            command=command,
            versions=records.versions(),
            seed=seed,
            n=outcome.n,
            fooled=int(outcome.fooled.sum()),
            fooled_8bit=int(outcome.survives.sum()),
            mean_l2=summary["mean_l2"],
            deviation_l2=summary["std_l2"],
            mean_linf=summary["mean_linf"],
            seconds_per_image=summary["seconds_per_image"],
            rows=Rows({"index": images.indices.int(), **outcome.columns()}),
        )
