"""Networks that are trained for a table and not kept: the record of one, with what it reached on the test set."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from core.evaluate import statistics
from core.evaluate.records import Frozen, Record, Setting
from core.evaluate.statistics import Estimate
from core.losses import Loss
from core.train import Recipe, Training


class Trained(Frozen):
    """How a network was trained."""

    network: str
    """Key in core.models.NETWORKS."""
    dataset: str
    loss: Setting
    """Key in core.losses.LOSSES, and its parameters."""
    recipe: dict[str, Any]
    """All values of core.train.Recipe."""

    @classmethod
    def of(cls, network: str, dataset: str, loss: Loss, recipe: Recipe) -> Trained:
        """A training that is going to be, or was."""
        return cls(network=network, dataset=dataset, loss=Setting.of(loss), recipe=recipe.values())

    @property
    def protocol(self) -> Setting:
        """As a record has it."""
        return Setting(name="training", parameters=self.model_dump(mode="json"))

    def is_of(self, network: str, dataset: str, loss: Loss, recipe: Recipe) -> bool:
        """Whether it is this training; a parameter that was added since counts as at its default."""
        same = (self.network, self.dataset) == (network, dataset) and self.loss.is_of(loss)
        return same and Recipe(**self.recipe) == recipe


class TrainingRecord(Record):
    """What one training reached. `data` is the test set."""

    right: dict[str, int]
    """Test images that are named rightly, by classifier: "argmax" of the logits, "10-nn" of the features."""
    loss: float | None = Field(None)
    """The mean training loss of the last epoch; None where it was not finite, or was not kept."""

    @property
    def training(self) -> Trained:
        """How the network was trained."""
        return Trained.model_validate(self.protocol.parameters)

    @property
    def title(self) -> str:
        """What was trained, in a few words."""
        training = self.training
        return (
            f"{training.network} on {training.dataset}, {training.loss.name} ({training.loss.said()}), seed {self.seed}"
        )

    @property
    def seed(self) -> int:
        """Of the training; it also draws the training images."""
        return int(self.training.recipe["seed"])

    def accuracy(self, classifier: str = "argmax") -> float:
        """Share of the test images that are named rightly. KeyError for a classifier that was not asked."""
        return self.right[classifier] / self.data.n

    def estimate(self, classifier: str = "argmax") -> Estimate:
        """The same with Wilson's interval: of this one network, not of its kind."""
        return statistics.wilson(self.right[classifier], self.data.n)


def finished(training: Training) -> float | None:
    """Train to the end; the last epoch's mean training loss, None if it is not finite."""
    last = list(training)[-1]
    return last.loss if math.isfinite(last.loss) else None
