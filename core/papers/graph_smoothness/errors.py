"""Test errors of networks under the classifiers of their losses: Table 1 of the graph smoothness paper."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from core.data import ImageSet
from core.losses import LOSSES, classify
from core.models import Classifier, features_of

PAPER: dict[tuple[str, str, str], float] = {
    ("cifar10", "cross-entropy", "argmax"): 0.0506,
    ("cifar10", "graph-smoothness", "1-nn"): 0.0563,
    ("cifar10", "graph-smoothness", "10-nn"): 0.0548,
    ("cifar10", "graph-smoothness", "rbf-svc"): 0.0550,
    ("cifar10", "max-mahalanobis", "argmax"): 0.0743,
    ("mnist", "max-mahalanobis", "argmax"): 0.0031,
}
"""(data set, loss, classifier) -> error. PreActResNet-18 after 200 epochs (graph smoothness, Table 1); MMC's is that of
ResNet-32 after 200 epochs in Table 4 of the MMC report, C_MM = 10. Neither paper gives errors on MNIST for these but
the report's 99.69 % with momentum SGD (Table 2)."""


@dataclass(frozen=True)
class Row:
    """The error of one classifier on one network's features."""

    model: str
    loss: str
    classifier: str
    n: int
    error: float
    """Share of the n test images that are named wrongly."""
    agreement: float
    """Share of them that it names as the head's own logits do."""

    @property
    def spread(self) -> float:
        """One standard error of `error`, binomial."""
        return math.sqrt(self.error * (1 - self.error) / self.n)


def measure(
    model: Classifier, train: ImageSet, test: ImageSet, on_batch: Callable[[int], object] = lambda done: None
) -> Iterator[Row]:
    """One row for each classifier of the network's loss, the training images' features being what neighbours see."""
    known = features_of(model, train.images, on_batch=on_batch)
    asked = features_of(model, test.images, on_batch=lambda done: on_batch(len(train) + done))
    head = copy.deepcopy(model.head).cpu()  # the network's own stays where it is
    own = classify("argmax", head, known, train.labels, asked)
    for name in LOSSES[model.card.loss].classifiers:
        named = classify(name, head, known, train.labels, asked)
        wrong = (named != test.labels).double().mean().item()
        yield Row(model.card.name, model.card.loss, name, len(test), wrong, (named == own).double().mean().item())
