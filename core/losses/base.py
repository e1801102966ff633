"""What every loss shares, so that training can use any of them without knowing which.

A loss is a frozen set of declared parameters. `layout` says what it wants between the network and the logits, as
entries of a card; `core.models.build` makes it; `prepare` fills in what does not come from the network's
initialisation (centres); calling the loss gives the scalar to minimise. Whatever must outlive a batch is in the head:

    card = Card(..., **loss.layout(classes, features))
    model = build(card)
    initialise(model, generator)
    loss.prepare(model.head, generator)
    value = loss(model.head, model.features(x), y)
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.params import Parameters


class Loss(Parameters, abc.ABC):
    """Base of all losses: constructor = hyper-parameters, call = head, features and labels."""

    name: ClassVar[str]
    """Key in LOSSES."""
    title: ClassVar[str]
    formula: ClassVar[str]
    """What is minimised, in LaTeX."""
    look_for: ClassVar[str]
    """One line: what a person should look for in the feature space."""
    paper: ClassVar[str]
    classifiers: ClassVar[tuple[str, ...]] = ("argmax",)
    """Keys in CLASSIFIERS that its papers use on the features; "argmax" is that of the head's logits."""
    adaptive: ClassVar[bool] = False
    """Whether its adaptive attack differs from the attack on the cross-entropy of the logits."""

    changeable: ClassVar[tuple[str, ...]] = ()
    """Parameters that may be set otherwise while a network is trained: they change neither its layers nor centres."""

    @property
    def wanted_references(self) -> int:
        """How many training features the head stores; `choose_references` picks them, `head.refer` takes them."""
        return 0

    @abc.abstractmethod
    def layout(self, classes: int, features: int) -> dict[str, Any]:
        """Entries of the card of a network of `features` features for `classes` classes: embedding and head."""

    def entries(self, classes: int, features: int) -> dict[str, Any]:
        """All entries of the card that the loss decides: `layout`, its own name and its changed parameters."""
        return {"loss": self.name, "loss_arguments": self.changed()} | self.layout(classes, features)

    def prepare(self, head: nn.Module, generator: torch.Generator, groups: Sequence[int] | None = None) -> None:
        """Give `head`, fresh from `core.models.build` and initialised, its first centres; randomness from `generator`.

        groups: the superclass of every class, for losses that use them.
        """

    @abc.abstractmethod
    def __call__(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        """The scalar to minimise, for features (N, d), float32 or float64, with labels (N,)."""

    def attack(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        """(N,) what an adaptive attack increases for the true labels (untargeted), or decreases for targets."""
        return F.cross_entropy(head(features), labels, reduction="none")


def check_features(features: Tensor, labels: Tensor, name: str = "features", classes: int | None = None) -> None:
    """ValueError in one sentence unless features are floats (N, d) and labels N whole numbers (below `classes`)."""
    if features.ndim != 2 or not features.is_floating_point() or not len(features):
        raise ValueError(f"{name} must be a float tensor (N, d), N >= 1; got {tuple(features.shape)} {features.dtype}.")
    if labels.shape != features.shape[:1] or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be {len(features)} integers; got {tuple(labels.shape)} {labels.dtype}.")
    if classes is not None and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels must be from 0 to {classes - 1}; got {int(labels.min())} to {int(labels.max())}.")


def choose_references(labels: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Row numbers (n,) of a random choice from labels (N,) with every class as often as any other, as far as n allows.

    ValueError if a class has too few: take fewer.
    """
    classes = int(labels.max()) + 1
    sizes = [n // classes + (c < n % classes) for c in range(classes)]
    rows = []
    for c, size in enumerate(sizes):
        members = (labels == c).nonzero()[:, 0]
        if len(members) < size or not size:
            raise ValueError(f"n must leave each class 1 to {len(members)} rows (class {c} has no more); got {n}.")
        rows.append(members[torch.randperm(len(members), generator=generator)[:size].to(members.device)])
    return torch.cat(rows)
