"""How sure a network is, and whether rightly: section 4.4 of the MMC report.

Two scores say how much an image looks like one of the classes. Cross-entropy's is its largest probability; MMC's is the
negative squared distance of the feature to the nearest centre. AUROC is the chance that an image of the test set scores
higher than one that belongs to no class.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, model_validator
from torch import Tensor

from core import data, models
from core.data import DATASETS, ImageSet, gallery, photos, store
from core.data.imageset import DataError, from_levels
from core.evaluate import records
from core.evaluate.records import Collection, Data, Frozen, Network, Record, Rows, Setting
from core.evaluate.statistics import auroc
from core.models import Card, Classifier, logits_of
from core.models.heads import CenterHead

Score = Literal["max-probability", "min-distance"]

SHEET = gallery.FOLDER / "fashion_mnist.png"
SHEET_ROWS, SHEET_COLUMNS = 15, 20
"""Of the Fashion-MNIST pictures that come with the project, so that there are images of no class without a download."""
KEEP = 0.99
"""Share of the test set that a threshold on a score is to keep."""

PAPER_TOP3 = {
    ("mnist", "cross-entropy"): (0.997, 0.00292, 0.00004),
    ("mnist", "max-mahalanobis"): (-1618.7, -1670.0, -1680.0),
    ("cifar10", "cross-entropy"): (1.0, 0.0, 0.0),
    ("cifar10", "max-mahalanobis"): (-10143.0, -10152.0, -10564.0),
}
"""(data set, loss) -> the three highest scores of one image of no class: a lion for MNIST's networks, a digit for
CIFAR-10's (MMC report, Table 3)."""


def log_odds(logits: Tensor) -> Tensor:
    """(N, K) -> (N,) float64: log(p / (1 - p)) of the largest softmax probability p.

    It orders images as p does, and still does where p is 1 to the last digit of a float and images would tie.
    """
    z = logits.double()
    best = z.argmax(1, keepdim=True)
    return z.gather(1, best)[:, 0] - z.scatter(1, best, -torch.inf).logsumexp(1)


def certainty(odds: Tensor) -> Tensor:
    """Log odds -> -log10(1 - p), the number of nines: 1 is 90 %, 2 is 99 %."""
    return F.softplus(odds.double(), threshold=700) / math.log(10)


def negative_distances(model: Classifier, logits: Tensor) -> Tensor:
    """(N, K) logits -> (N, K) minus the squared distances to the centres. ValueError where the logits are others."""
    if (head := _head_of_distances(model)) is None:
        raise ValueError(
            f"model must have distances for logits, as MMC's; {model.card.name} has a head {model.card.head!r}."
        )
    return logits / head.scale


def score(name: Score, model: Classifier, logits: Tensor) -> Tensor:
    """(N,) float64, higher for what looks more like a class: "max-probability" as `log_odds`, or "min-distance"."""
    if name == "max-probability":
        return log_odds(logits)
    return negative_distances(model, logits).amax(1).double()


def scores(model: Classifier) -> tuple[Score, ...]:
    """The scores a network has, its own first."""
    return ("min-distance", "max-probability") if _head_of_distances(model) else ("max-probability",)


def _head_of_distances(model: Classifier) -> CenterHead | None:
    head = model.head
    return head if isinstance(head, CenterHead) and not head.linear else None


def as_input(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Images (N, C, H, W) in [0, 1] as a network of `shape` (C, H, W) takes them.

    Colours become grey by their luminance (0.299, 0.587, 0.114), grey becomes three equal channels, and the size is
    changed bilinearly, antialiased.
    """
    channels, height, width = shape
    if images.shape[1] == 3 and channels == 1:
        images = (images * images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    elif images.shape[1] == 1 and channels == 3:
        images = images.expand(-1, 3, -1, -1)
    if images.shape[2:] != (height, width):
        images = F.interpolate(images, (height, width), mode="bilinear", antialias=True, align_corners=False)
    return images.clamp(0, 1).contiguous()


OUTSIDE = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "photos": "photographs",
    "noise": "noise",
}
"""What belongs to no class, by name: the data sets other than a network's own, photographs, and uniform noise."""


def outside(name: str, shape: Sequence[int], n: int, seed: int = 0, full: bool = False) -> Tensor:
    """(<= n, C, H, W) images of `OUTSIDE` as a network of `shape` takes them.

    full: drawn from the full test set, which must be installed; else from what comes with the project. ValueError for
    an unknown name, DataError where the full set is missing.
    """
    if name not in OUTSIDE:
        raise ValueError(f"there is no {name!r}; there are {', '.join(OUTSIDE)}.")
    if name == "noise":
        return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))
    if name == "photos":
        images = photos.load().images
    elif full:
        images = data.load(name, "test", n=n, seed=seed).images
    else:
        images = sheet() if name == "fashion_mnist" else gallery.read(name).images
    return as_input(images[:n], shape)


def make_sheet(path: Path = SHEET) -> Path:
    """Write the Fashion-MNIST pictures that come with the project: the first 30 test images of each class."""
    images, labels = data.raw("fashion_mnist")
    order = np.argsort(labels, kind="stable").reshape(10, -1)[:, : SHEET_ROWS * SHEET_COLUMNS // 10].T.ravel()
    levels = images[order].reshape(SHEET_ROWS, SHEET_COLUMNS, 28, 28).transpose(0, 2, 1, 3)
    png = io.BytesIO()
    Image.fromarray(levels.reshape(SHEET_ROWS * 28, SHEET_COLUMNS * 28)).save(png, "PNG", optimize=True)
    store.write_together({path: lambda file: file.write(png.getvalue())})
    return path


@lru_cache(maxsize=1)
def sheet(path: Path = SHEET) -> Tensor:
    """(300, 1, 28, 28) the Fashion-MNIST pictures that come with the project, classes in turns."""
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            levels = np.asarray(picture).reshape(SHEET_ROWS, 28, SHEET_COLUMNS, 28).transpose(0, 2, 1, 3)
    except (OSError, ValueError):
        raise DataError(f"{path.name} in assets/gallery is damaged; check it out again.") from None
    return from_levels(levels.reshape(-1, 1, 28, 28))


@dataclass(frozen=True)
class Standing:
    """Where one image's score stands among those of the test set."""

    below: float
    """Share of the test set that scores lower, that is: of which the network is less sure."""
    threshold: float
    """The score that KEEP of the test set reach."""
    refused: bool
    """The image does not reach it."""


def threshold(among: Tensor) -> float:
    """The score that KEEP of the scores (N,) of the test set reach; what scores lower is refused."""
    return float(among.double().quantile(1 - KEEP))


def standing(score: float, among: Tensor) -> Standing:
    """Where `score` stands among the scores (N,) of the test set."""
    least = threshold(among)
    return Standing(float((among.double() < score).double().mean()), least, score < least)


class Area(Frozen):
    """How well a score tells the test set from images of no class."""

    outside: Data
    auroc: float = Field(ge=0, le=1)
    standard_error: float = Field(ge=0)
    """Hanley and McNeil's."""


class CertaintyRecord(Record):
    """One score of one network on its test set and on images of no class.

    Rows: "set", 0 for the test set and i for areas[i - 1].outside, "index" of the image in it, and its "score".
    """

    kind: ClassVar[str] = "mmc-uncertainty"

    areas: tuple[Area, ...]

    @model_validator(mode="after")
    def _agree(self) -> Self:
        wanted = [self.data.n, *(area.outside.n for area in self.areas)]
        if self.rows is None and self.lacks:
            return self
        if self.rows is None or np.bincount(self.rows["set"], minlength=len(wanted)).tolist() != wanted:
            raise ValueError("rows must hold a score for each image")
        return self

    @property
    def score(self) -> Score:
        """Which score it is."""
        return "min-distance" if self.protocol.name == "min-distance" else "max-probability"

    def area(self, outside: str) -> Area | None:
        """Against the images of no class of that name; None if it was not measured."""
        return next((area for area in self.areas if area.outside.name == outside), None)

    def scores(self, outside: str) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """The scores inside (N,) and outside (M,); None where they were not kept. ValueError for another set."""
        if self.rows is None:
            return None
        place = [area.outside.name for area in self.areas].index(outside) + 1
        return self.rows["score"][self.rows["set"] == 0], self.rows["score"][self.rows["set"] == place]


CERTAINTIES = Collection.shipped(CertaintyRecord)


@dataclass(frozen=True)
class Strangers:
    """Images of no class, as a network takes them."""

    data: Data
    indices: Tensor
    """(M,) places in their own official split."""
    images: Tensor
    """(M, C, H, W)."""

    @classmethod
    def of(cls, name: str, shape: Sequence[int], n: int, seed: int = 0) -> Self:
        """n of the full set `name` of OUTSIDE, for a network of `shape` (C, H, W); DataError if it is not installed."""
        images = outside(name, shape, n, seed, full=True)
        if name == "noise":
            split, source, indices = "made", "made", torch.arange(len(images))
        else:
            found = data.load(name, "test", n=n, seed=seed)
            split, source, indices = found.split, found.source, found.indices
        told = Data(name=name, split=split, source=source, n=len(images), seed=seed, sha256=records.identity(images))
        return cls(told, indices, images)


def measure(
    model: Classifier, inside: ImageSet, others: Sequence[Strangers], command: str, seed: int = 0
) -> Iterator[CertaintyRecord]:
    """A record for each score of the network, on its test set, which `seed` drew, and on sets of images of no class."""
    answers = [logits_of(model, inside.images), *(logits_of(model, other.images) for other in others)]
    index = torch.cat([inside.indices, *(other.indices for other in others)])
    for kind in scores(model):
        found = [score(kind, model, z).float() for z in answers]
        areas = [auroc(found[0], one) for one in found[1:]]
        yield CertaintyRecord(
            network=Network.of(model.card),
            data=Data.of(inside, seed),
            protocol=Setting(name=kind),
            command=command,
            versions=records.versions(),
            areas=tuple(
                Area(outside=other.data, auroc=area, standard_error=error)
                for other, (area, error) in zip(others, areas, strict=True)
            ),
            rows=Rows(
                {
                    "set": torch.cat([torch.full((len(one),), i, dtype=torch.int8) for i, one in enumerate(found)]),
                    "index": index.int(),
                    "score": torch.cat(found),
                }
            ),
        )


def top(values: Tensor, count: int = 3) -> tuple[list[int], list[float]]:
    """The `count` highest of scores (K,): classes and scores."""
    best = values.double().topk(count)
    return best.indices.tolist(), best.values.tolist()


def outsiders(card: Card) -> list[str]:
    """The sets of images of no class that a network is measured on: fifteen photographs are too few for a curve."""
    return [name for name in OUTSIDE if name not in (card.dataset, "photos")]


def sweep(name: str, n: int, collection: Collection[CertaintyRecord], command: str) -> Iterator[CertaintyRecord]:
    """The scores of the network `name` on n test images and as many of no class, put into `collection` if not there.

    DataError where a full data set is not installed.
    """
    card = models.card(name)
    there = [record for record in collection.read() if record.network == Network.of(card) and record.data.n == n]
    # As `scores`, without the weights.
    distances = card.head == "centers" and not card.head_arguments.get("linear")
    if {record.score for record in there} >= (
        {"min-distance", "max-probability"} if distances else {"max-probability"}
    ):
        return
    model, inside = models.load(name), data.load(card.dataset, "test", n=n)
    others = [Strangers.of(kind, card.input_shape, n) for kind in outsiders(card)]
    for record in measure(model, inside, others, command):
        collection.put(record)
        yield record


def chosen(names: Sequence[str] | None, alike: bool = True) -> list[str]:
    """The networks that a command measures: those named, or those that cross-entropy and MMC trained.

    alike: only those of a kind (data set, network, its arguments) that MMC trained too, so that they can be compared.
    """
    if names:
        return list(names)
    cards = [card for card in models.cards().values() if card.dataset in DATASETS]

    def kind(card: Card) -> str:
        return f"{card.dataset} {card.network} {card.network_arguments}"

    kinds = {kind(card) for card in cards if card.loss == "max-mahalanobis"}
    return [
        card.name
        for card in cards
        if card.loss in ("cross-entropy", "max-mahalanobis") and (not alike or kind(card) in kinds)
    ]
