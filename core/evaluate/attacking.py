"""An attack on many images, a batch at a time: success and distortion, eq. 20 of Smooth Adversarial Examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.attacks import Attack, AttackResult, Run, Status
from core.data import DATASETS, ImageSet, gallery, load
from core.models import Card, Classifier, logits_of

PIXELS_AT_ONCE = 256 * 28 * 28
"""Pixels in a batch unless told otherwise: 256 digits, or 4 photographs of 224 pixels, stay well below 1.5 GB."""


def at_once(images: ImageSet, batch_size: int | None = None, most: int | None = None) -> int:
    """Images in a batch: `batch_size`, else as many as PIXELS_AT_ONCE holds, `most` at most.

    ValueError if there are no images, or batch_size is below 1.
    """
    if not len(images):
        raise ValueError("images is empty; give at least one image.")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1; got {batch_size}.")
    fit = max(PIXELS_AT_ONCE // images.images[0, 0].numel(), 1)
    return batch_size or (fit if most is None else min(fit, most))


@dataclass(frozen=True)
class Outcome:
    """What an attack did to many images. Per image (N,); the pictures themselves are not kept."""

    parameters: dict[str, object]
    labels: Tensor
    status: tuple[Status, ...]
    predictions_clean: Tensor
    predictions: Tensor
    predictions_8bit: Tensor
    l2: Tensor
    linf: Tensor
    seconds: float
    targets: Tensor | None = None
    """Of a targeted attack; -1 for an image that was not attacked."""

    @property
    def fooled(self) -> Tensor:
        """(N,) bool."""
        return torch.tensor([s == "fooled" for s in self.status])

    @property
    def n(self) -> int:
        """Images that the network classifies correctly: the N of eq. 20."""
        return sum(s != "already misclassified" for s in self.status)

    @property
    def survives(self) -> Tensor:
        """(N,) bool: fooled, and still so after rounding to 8 bits."""
        wanted = self.predictions_8bit != self.labels if self.targets is None else self.predictions_8bit == self.targets
        return self.fooled & wanted

    def summary(self) -> dict[str, float | None]:
        """P_suc, the same after rounding to 8 bits, and the conditional mean distortion (None without a success)."""
        l2, linf = self.l2[self.fooled], self.linf[self.fooled]
        return {
            "n": self.n,
            "success": float(self.fooled.sum()) / self.n if self.n else None,
            "success_8bit": float(self.survives.sum()) / self.n if self.n else None,
            "mean_l2": float(l2.mean()) if len(l2) else None,
            "std_l2": float(l2.std()) if len(l2) > 1 else None,
            "mean_linf": float(linf.mean()) if len(linf) else None,
            "seconds_per_image": self.seconds / self.n if self.n else None,
        }

    def columns(self) -> dict[str, Tensor | list[str]]:
        """What happened to each image, (N,) each, as the rows of a record."""
        return {
            "label": self.labels.short(),
            "status": list(self.status),
            "prediction_clean": self.predictions_clean.short(),
            "prediction": self.predictions.short(),
            "prediction_8bit": self.predictions_8bit.short(),
            "l2": self.l2.float(),
            "linf": self.linf.float(),
        }


def own(card: Card) -> str:
    """The data set that a network is attacked on where nobody names one: its own, or for one of ImageNet, which cannot
    be had here, the photographs that come with the project."""
    return "photos" if card.dataset == "imagenet" else card.dataset


def drawn(name: str, seed: int) -> ImageSet:
    """All test images in an order drawn by `seed`; those of the gallery where the full set is not installed."""
    known = DATASETS.get(name)
    if known is None:
        return load(name, seed=seed)
    available = gallery.SIZE if known.gallery and not known.installed() else known.splits["test"]
    return load(name, "test", n=available, seed=seed)


def correct(model: Classifier, images: ImageSet, n: int, batch_size: int = 64) -> ImageSet:
    """The first `n` images that `model` classifies correctly. ValueError if there are fewer, or of another shape."""
    rows: list[int] = []
    if tuple(images.images.shape[1:]) != model.card.input_shape:
        raise ValueError(
            f"{model.card.name} takes images of shape {model.card.input_shape}; "
            f"those of {images.name} have {tuple(images.images.shape[1:])}: choose another data set."
        )
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        right = logits_of(model, images.images[part], batch_size).argmax(1) == images.labels[part]
        rows += (right.nonzero()[:, 0] + start).tolist()
        if len(rows) >= n:
            return images[torch.tensor(rows[:n])]
    raise ValueError(f"n must be at most {len(rows)}, the images of {images.name} classified correctly; got {n}.")


def attack_many(
    attack: Attack,
    model: Classifier,
    images: ImageSet,
    batch_size: int | None = None,
    seed: int = 0,
    on_progress: Callable[[float], object] | None = None,
    on_result: Callable[[AttackResult], object] | None = None,
) -> Outcome:
    """Attack all of `images`, `batch_size` at a time (default: PIXELS_AT_ONCE).

    on_progress hears 0 ... 1; on_result gets each batch's result, which holds the pictures.
    """
    size = at_once(images, batch_size)
    results: list[AttackResult] = []
    for start in range(0, len(images), size):
        part = images[slice(start, start + size)]
        run = Run(attack, model, part.images, part.labels, seed)
        for step in run:
            if on_progress is not None:
                on_progress((start + len(part) * step.index / step.total) / len(images))
        results.append(run.result())
        if on_result is not None:
            on_result(results[-1])
    targets = [r.targets for r in results]  # None too where a batch held nothing to attack
    return Outcome(
        parameters=attack.values(),
        labels=torch.cat([r.labels for r in results]),
        status=tuple(s for r in results for s in r.status),
        predictions_clean=torch.cat([r.predictions_clean for r in results]),
        predictions=torch.cat([r.predictions for r in results]),
        predictions_8bit=torch.cat([r.predictions_8bit for r in results]),
        l2=torch.cat([r.l2 for r in results]),
        linf=torch.cat([r.linf for r in results]),
        seconds=sum(r.seconds for r in results),
        targets=None
        if all(t is None for t in targets)
        else torch.cat(
            [torch.full_like(r.labels, -1) if t is None else t for r, t in zip(results, targets, strict=True)]
        ),
    )
