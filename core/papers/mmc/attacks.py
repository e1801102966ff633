"""Attacks on cross-entropy and on MMC: accuracy, and where the features go (sections 3.1 and 4.1 of the MMC report).

PGD comes in the report's two forms: plain, up the cross-entropy of the logits, and adaptive, up the loss's own
objective (`Loss.attack`: for MMC the squared distance to the centre of the true class). The other attacks are those of
`core.attacks`; their margins and log odds of MMC's logits are differences of squared distances, so they do not suffer
from the softmax's vanishing gradient.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from core import data, models
from core.attacks import SPSA, Attack, CarliniWagner, MomentumIterative, Noise, Rotation, run
from core.attacks.fgsm import SignDescent
from core.data import ImageSet
from core.features.density import class_means, own_and_nearest
from core.losses import LOSSES
from core.losses.base import Loss
from core.metrics import l2
from core.models import Classifier, features_of, logits_of
from core.models.heads import CenterHead
from core.papers.mmc.tables import RESULTS, Record
from core.papers.mmc.uncertainty import chosen
from core.params import Subparsers

EPSILONS: dict[str, tuple[float, float]] = {"mnist": (0.1, 0.3), "cifar10": (8 / 256, 16 / 256)}
"""Largest change of a value, by data set: CIFAR-10's are the report's. The report does not say what it takes for MNIST;
ours are a small one, and that of Madry et al. 2018."""
NOISES = {"mnist": 0.3, "cifar10": 0.05}
"""Standard deviation of the noise; 0.05 is the report's."""
UPDATES = 10
"""Of PGD and MIM: the report's PGD-10."""
KEPT = 40
"""Images whose distances to the centres are kept, before and after."""
TRAIN_N = 2000
"""Training images whose mean features are the centres of a network that has none of its own."""


@dataclass(frozen=True)
class Trial:
    """One attack as the table has it."""

    title: str
    look_for: str
    make: Callable[[Classifier, Tensor, Tensor, int], Tensor]
    """(model, images, labels, seed) -> adversarial images."""
    n: int | None = None
    """At most so many images, where an attack is costly."""


def objective(model: Classifier, x: Tensor, y: Tensor, adaptive: bool) -> Tensor:
    """(N,) what PGD climbs: the cross-entropy of the logits, or what the network's loss calls its adaptive attack."""
    z = model.features(x)
    if adaptive:
        return _loss(model).attack(model.head, z, y)
    return F.cross_entropy(model.head(z), y, reduction="none")


def _loss(model: Classifier) -> Loss:
    cls, arguments = LOSSES[model.card.loss], model.card.loss_arguments
    return cls(**{name: value for name, value in arguments.items() if name in cls.model_fields})


def pgd(
    model: Classifier, images: Tensor, labels: Tensor, seed: int, epsilon: float, adaptive: bool, targeted: bool = False
) -> Tensor:
    """Projected gradient descent in the Linf ball (Madry et al. 2018): UPDATES steps of 2.5 epsilon / UPDATES.

    From a random start; the last iterate counts, also of images that were fooled on the way. targeted: towards a
    random other class. Where the gradient is exactly zero, as cross-entropy's on sure MMC logits is, an image stays.
    """
    generator = torch.Generator(device=images.device).manual_seed(seed)
    ball = SignDescent(epsilon, 2.5 * epsilon / UPDATES, random_start=True)
    wanted = labels
    if targeted:
        shift = torch.randint(1, model.card.classes, labels.shape, generator=generator, device=labels.device)
        wanted = (labels + shift) % model.card.classes
    x = ball.start(images, generator)
    for _ in range(UPDATES):
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(objective(model, x, wanted, adaptive).sum(), x)
        x = ball.move(x.detach(), gradient if targeted else -gradient, images)
    return x.detach()


def _with(attack: Attack, model: Classifier, images: Tensor, labels: Tensor, seed: int) -> Tensor:
    return run(attack, model, images, labels, seed).adversarial


def radius(dataset: str, epsilon: float) -> str:
    """`epsilon` as the report writes it: for colour pictures in 256ths."""
    return f"{epsilon:g}" if dataset == "mnist" else f"{256 * epsilon:g}/256"


def trials(dataset: str) -> dict[str, Trial]:
    """The attacks of the table by key, for a data set of EPSILONS; ValueError for any other."""
    if dataset not in EPSILONS:
        raise ValueError(f"dataset must be one of {', '.join(EPSILONS)}; got {dataset!r}.")
    found: dict[str, Trial] = {}
    for epsilon in EPSILONS[dataset]:
        size = f"ε = {radius(dataset, epsilon)}"
        for targeted in (False, True):
            for adaptive in (False, True):
                kind = f"{'adaptive' if adaptive else 'plain'}{', targeted' if targeted else ''}"
                found[f"pgd|{epsilon:g}|{kind}"] = Trial(
                    f"PGD, {kind}, {size}",
                    "Straight away from the own centre."
                    if adaptive and not targeted
                    else "Towards the centre of a random other class."
                    if targeted
                    else "Where cross-entropy's slope leads; on MMC it is often zero and the image stays.",
                    partial(pgd, epsilon=epsilon, adaptive=adaptive, targeted=targeted),
                )
        mim = MomentumIterative(epsilon=epsilon, step_size=2.5 * epsilon / UPDATES, updates=UPDATES, keep="strongest")
        found[f"mim|{epsilon:g}"] = Trial(
            f"MIM, {size}", "Over the boundary and on, with momentum.", partial(_with, mim)
        )
    # The size of the last, larger ball.
    spsa = SPSA(epsilon=epsilon, rounds=10, samples=64, adam_step=epsilon / 5, delta=0.01)
    found["spsa"] = Trial(f"SPSA, {size}", "It only asks questions.", partial(_with, spsa), n=50)
    found["cw"] = Trial(
        "C&W (L2)", "Just over the boundary: halfway between two centres.", partial(_with, CarliniWagner()), n=100
    )
    noise = Noise(noise_bound=NOISES[dataset], levels=1, trials=1)
    found["noise"] = Trial(f"Noise, σ = {NOISES[dataset]:g}", "Away from all centres alike.", partial(_with, noise))
    rotation = Rotation.preset("MMC report")
    found["rotation"] = Trial("Rotation up to 30°", "The worst of 31 angles.", partial(_with, rotation))
    return found


def centres(model: Classifier, images: Tensor, labels: Tensor) -> Tensor:
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


def measure(trial: Trial, model: Classifier, images: ImageSet, centers: Tensor, seed: int = 0) -> dict[str, object]:
    """Accuracy under one attack with n and its binomial standard error, mean L2, and the first features' moves.

    An image that is named wrongly when clean counts as wrong.
    """
    images = images[: trial.n] if trial.n else images
    made = [
        trial.make(model, x, y, seed + i)
        for i, (x, y) in enumerate(zip(images.images.split(100), images.labels.split(100), strict=True))
    ]
    adversarial = torch.cat(made)
    clean = logits_of(model, images.images).argmax(1) == images.labels
    right = clean & (logits_of(model, adversarial).argmax(1) == images.labels)
    share = float(right.double().mean())
    part = slice(0, KEPT)
    went = moves(model, images.images[part], adversarial[part], images.labels[part], centers)
    return {
        "accuracy": share,
        "n": len(images),
        "spread": math.sqrt(share * (1 - share) / len(images)),
        "l2": float(l2(adversarial - images.images).mean()),
        "moves": [[round(v, 4) for v in row] for row in went.tolist()],
        "labels": images.labels[part].tolist(),
        "right": right[part].int().tolist(),
    }


def sweep(name: str, n: int, record: Record) -> Iterator[tuple[str, float]]:
    """Every attack on the network `name`, each put into `record`; yields (key, accuracy) of the new ones.

    A network on other data than EPSILONS has is passed over, and so is an adaptive attack that is the plain one.
    """
    card = models.card(name)
    if card.dataset not in EPSILONS:
        return
    attacks = {
        key: trial
        for key, trial in trials(card.dataset).items()
        if ("adaptive" not in key or LOSSES[card.loss].adaptive)
        and record.points.get(f"{name}|{key}", {}).get("sha256") != card.sha256
    }
    if not attacks:
        return
    model = models.load(name)
    images = data.load(card.dataset, "test", n=n)
    train = data.load(card.dataset, "train", n=TRAIN_N)
    centers = centres(model, train.images, train.labels)
    for key, trial in attacks.items():
        facts = {
            "model": name,
            "dataset": card.dataset,
            "loss": card.loss,
            "adversarial": card.recipe.get("adversarial", "none"),
            "attack": key,
            "title": trial.title,
            "sha256": card.sha256,
        }
        record.put(f"{name}|{key}", facts | measure(trial, model, images, centers))
        yield key, record.points[f"{name}|{key}"]["accuracy"]


def add_verbs(verbs: Subparsers) -> None:
    """Register the command that makes the table."""
    parser = verbs.add_parser("mmc-attacks", help="MMC report, section 4.1: accuracy under attack, and features' moves")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="default: cross-entropy's and MMC's networks")
    parser.add_argument(
        "--n", type=int, default=200, help="test images; fewer for costly attacks (default %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "mmc-attacks.json", help="(default: what is shipped)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if not 1 <= arguments.n <= 10_000:
        raise ValueError(f"n must be from 1 to 10000; got {arguments.n}.")
    record = Record(
        arguments.out, f"python -m core evaluate mmc-attacks --n {arguments.n}", {"n": arguments.n, "seed": 0}
    )
    console = Console()
    for name in chosen(arguments.models):
        for key, value in sweep(name, arguments.n, record):
            console.print(f"{name}, {key}: {100 * value:.1f} %", highlight=False)
    table = Table("network", "attack", "n", "accuracy", title="mmc-attacks")
    for point in record.points.values():
        share = f"{100 * point['accuracy']:.1f} ± {100 * point['spread']:.1f} %"
        table.add_row(point["model"], point["title"], str(point["n"]), share)
    console.print(table)
    return 0
