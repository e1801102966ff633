"""Attacks on cross-entropy and on MMC: accuracy, and where the features go (sections 3.1 and 4.1 of the MMC report).

PGD comes in the report's two forms: plain, up the cross-entropy of the logits, and adaptive, up the loss's own
objective (`Loss.attack`: for MMC the squared distance to the centre of the true class). The other attacks raise log
odds or margins, which of MMC's logits are differences of squared distances, so they do not suffer from the softmax's
vanishing gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from core import data, models
from core.attacks import SPSA, Attack, CarliniWagner, IteratedFGSM, MomentumIterative, Noise, Rotation, run
from core.attacks.gradient import Goal, Objective
from core.data import ImageSet
from core.evaluate import records, statistics
from core.evaluate.records import Collection, Data, Network, Record, Rows, Setting
from core.evaluate.statistics import Estimate
from core.features.density import class_means, own_and_nearest
from core.losses import LOSSES
from core.metrics import l2
from core.models import Classifier, features_of, logits_of
from core.models.heads import CenterHead

EPSILONS: dict[str, tuple[float, float]] = {"mnist": (0.1, 0.3), "cifar10": (8 / 256, 16 / 256)}
"""Largest change of a value, by data set: CIFAR-10's are the report's. The report does not say what it takes for MNIST;
ours are a small one, and that of Madry et al. 2018."""
NOISES = {"mnist": 0.3, "cifar10": 0.05}
"""Standard deviation of the noise; 0.05 is the report's."""
UPDATES = 10
"""Of PGD and MIM: the report's PGD-10."""
BATCH = 100
"""Images attacked at a time; each batch has a seed of its own."""
TRAIN_N = 2000
"""Training images whose mean features are the centres of a network that has none of its own."""


def pgd(epsilon: float, adaptive: bool, targeted: bool) -> IteratedFGSM:
    """Projected gradient descent in the Linf ball (Madry et al. 2018): UPDATES steps of 2.5 epsilon / UPDATES.

    From a random start; the last iterate counts, also of images that were fooled on the way. targeted: towards a
    random other class. Where the gradient is exactly zero, as cross-entropy's on sure MMC logits is, an image stays.
    """
    return IteratedFGSM(
        epsilon=epsilon,
        step_size=2.5 * epsilon / UPDATES,
        updates=UPDATES,
        random_start=True,
        objective="own loss" if adaptive else "cross-entropy",
        keep="last",
        goal="random" if targeted else "untargeted",
    )


@dataclass(frozen=True)
class Trial:
    """One attack of the table."""

    key: str
    """Its name in a link."""
    title: str
    attack: Attack
    n: int | None = None
    """At most so many images, where an attack is costly."""

    @property
    def protocol(self) -> Setting:
        """The attack as a record has it."""
        return Setting.of(self.attack)

    @property
    def epsilon(self) -> float | None:
        """Radius of the Linf ball of a gradient attack; None for the others."""
        return self.attack.epsilon if isinstance(self.attack, IteratedFGSM | MomentumIterative) else None

    @property
    def is_pgd(self) -> bool:
        """The report's PGD, in one of its forms."""
        return isinstance(self.attack, IteratedFGSM)

    @property
    def targeted(self) -> bool:
        """Towards a class, not only away from the true one."""
        return isinstance(self.attack, Goal) and self.attack.goal != "untargeted"

    @property
    def adaptive(self) -> bool:
        """Up the loss's own objective."""
        return isinstance(self.attack, Objective) and self.attack.objective == "own loss"

    def make(self, model: Classifier, images: Tensor, labels: Tensor, seed: int) -> Tensor:
        """Adversarial images (N, C, H, W) on the CPU; what the network names wrongly when clean is left as it is."""
        return run(self.attack, model, images, labels, seed).adversarial


def radius(dataset: str, epsilon: float) -> str:
    """`epsilon` as the report writes it: for colour pictures in 256ths."""
    return f"{epsilon:g}" if dataset == "mnist" else f"{256 * epsilon:g}/256"


def trials(dataset: str) -> tuple[Trial, ...]:
    """The attacks of the table for a data set of EPSILONS, in its order; ValueError for any other."""
    if dataset not in EPSILONS:
        raise ValueError(f"dataset must be one of {', '.join(EPSILONS)}; got {dataset!r}.")
    found: list[Trial] = []
    for epsilon in EPSILONS[dataset]:
        size = f"ε = {radius(dataset, epsilon)}"
        for targeted in (False, True):
            for adaptive in (False, True):
                kind = f"{'adaptive' if adaptive else 'plain'}{', targeted' if targeted else ''}"
                found.append(Trial(f"pgd|{epsilon:g}|{kind}", f"PGD, {kind}, {size}", pgd(epsilon, adaptive, targeted)))
        mim = MomentumIterative(epsilon=epsilon, step_size=2.5 * epsilon / UPDATES, updates=UPDATES, keep="strongest")
        found.append(Trial(f"mim|{epsilon:g}", f"MIM, {size}", mim))
    # The size of the last, larger ball.
    spsa = SPSA(epsilon=epsilon, rounds=10, samples=64, adam_step=epsilon / 5, delta=0.01)
    found.append(Trial("spsa", f"SPSA, {size}", spsa, n=50))
    found.append(Trial("cw", "C&W (L2)", CarliniWagner(iterations=50), n=100))
    noise = Noise(noise_bound=NOISES[dataset], levels=1, trials=1)
    found.append(Trial("noise", f"Noise, σ = {NOISES[dataset]:g}", noise))
    found.append(Trial("rotation", "Rotation up to 30°", Rotation.preset("MMC report")))
    return tuple(found)


def plain(trial: Trial, dataset: str) -> Trial:
    """The plain form of an adaptive attack; any other attack is its own."""
    if not trial.adaptive:
        return trial
    wanted = trial.attack.replace(objective="cross-entropy")
    return next(other for other in trials(dataset) if other.attack == wanted)


class AccuracyRecord(Record):
    """Accuracy of a network under one attack, and what happened to each image and to its features.

    Rows: "index", "label", "clean" and "right" (named rightly before and, if so, still after the attack), "l2" of the
    perturbation, and the feature's distance to its own centre and to the nearest other, "own_before", "other_before",
    "own_after", "other_after", in units of the mean distance between two centres.
    """

    kind: ClassVar[str] = "mmc-attacks"

    seed: int
    """Of the first batch of BATCH images; the next has the next."""
    centers: Data | None
    """Training images whose mean features stand for centres; None where the network has fixed ones."""
    right: int = Field(ge=0)
    """Images that are named rightly under attack; what is named wrongly when clean counts as wrong."""
    mean_l2: float = Field(ge=0)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows = self.rows
        if rows is None or len(rows) != self.data.n or int(rows["right"].sum()) != self.right:
            raise ValueError("right must be the number of rows that are")
        if abs(float(rows["l2"].mean()) - self.mean_l2) > 1e-4 * max(self.mean_l2, 1):
            raise ValueError("mean_l2 must be the mean of the rows")
        return self

    @property
    def title(self) -> str:
        """The network and the attack as the table has it."""
        trial = trial_of(self)
        name = "" if self.network is None else self.network.name
        return super().title if trial is None else f"{name}, {trial.title}"

    @property
    def accuracy(self) -> Estimate:
        """Share of the images that are named rightly, with Wilson's interval."""
        return statistics.wilson(self.right, self.data.n)

    @property
    def moves(self) -> Tensor:
        """(N, 4) distances to the own centre and to the nearest other, before and after."""
        assert self.rows is not None
        names = ("own_before", "other_before", "own_after", "other_after")
        return torch.from_numpy(np.stack([self.rows[name] for name in names], 1).astype(np.float64))


ACCURACIES = Collection.shipped(AccuracyRecord)


def trial_of(record: AccuracyRecord) -> Trial | None:
    """The attack of the table that a record is of; None if it was another, or had other parameters."""
    if record.data.name not in EPSILONS:
        return None
    return next((trial for trial in trials(record.data.name) if record.protocol.is_of(trial.attack)), None)


def class_centers(model: Classifier, images: Tensor, labels: Tensor) -> Tensor:
    """(K, d) the head's own fixed centres; else the mean feature of each class among images (N, C, H, W), labels (N,).

    ValueError if a class has no image.
    """
    if isinstance(model.head, CenterHead):
        return model.head.centers.detach().float().cpu()
    return class_means(features_of(model, images), labels, model.card.classes)


def moves(model: Classifier, before: Tensor, after: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """(N, 4) distances of the features to the own centre and to the nearest other, before an attack and after.

    The unit is the mean distance between two centres. On MMC's boundary own and other are equal, and at least 1/2.
    """
    unit = torch.pdist(centers.double()).mean()
    found: list[Tensor] = []
    for x in (before, after):
        found += own_and_nearest(features_of(model, x).double() / unit, labels, centers.double() / unit)
    return torch.stack(found, 1)


def measure(
    trial: Trial,
    model: Classifier,
    images: ImageSet,
    train: ImageSet,
    command: str,
    seed: int = 0,
) -> AccuracyRecord:
    """One attack on a network: `images`, drawn by `seed`, at most as many as the trial takes; centres of `train`."""
    images = images[: trial.n] if trial.n else images
    made = [
        trial.make(model, x, y, seed + i)
        for i, (x, y) in enumerate(zip(images.images.split(BATCH), images.labels.split(BATCH), strict=True))
    ]
    adversarial = torch.cat(made)
    clean = logits_of(model, images.images).argmax(1) == images.labels
    right = clean & (logits_of(model, adversarial).argmax(1) == images.labels)
    went = moves(model, images.images, adversarial, images.labels, class_centers(model, train.images, train.labels))
    length = l2(adversarial - images.images)
    rows = {
        "index": images.indices.int(),
        "label": images.labels.short(),
        "clean": clean,
        "right": right,
        "l2": length.float(),
    }
    names = ("own_before", "other_before", "own_after", "other_after")
    rows |= {name: column.float() for name, column in zip(names, went.mul(1e4).round().div(1e4).T, strict=True)}
    return AccuracyRecord(
        network=Network.of(model.card),
        data=Data.of(images, seed),
        protocol=trial.protocol,
        command=command,
        versions=records.versions(),
        seed=seed,
        centers=None if isinstance(model.head, CenterHead) else Data.of(train, seed),
        right=int(right.sum()),
        mean_l2=float(length.mean()),
        rows=Rows(rows),
    )


def sweep(
    name: str, n: int, collection: Collection[AccuracyRecord], command: str, wanted: Sequence[Trial] | None = None
) -> Iterator[AccuracyRecord]:
    """Every attack (or those `wanted`) on n images of the network `name`, put into `collection`; yields the new ones.

    A network on other data than EPSILONS has is passed over, and so is an adaptive attack that is the plain one.
    """
    card = models.card(name)
    if card.dataset not in EPSILONS:
        return
    there = [record for record in collection.read() if record.network == Network.of(card)]
    todo = [
        trial
        for trial in wanted or trials(card.dataset)
        if (not trial.adaptive or LOSSES[card.loss].adaptive)
        and not any(one.protocol.is_of(trial.attack) and one.data.n == min(n, trial.n or n) for one in there)
    ]
    if not todo:
        return
    model = models.load(name)
    images, train = data.load(card.dataset, "test", n=n), data.load(card.dataset, "train", n=TRAIN_N)
    for trial in todo:
        record = measure(trial, model, images, train, command)
        collection.put(record)
        yield record
