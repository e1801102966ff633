"""How sure a network is, and whether rightly: sections 4.4 and 4.5 of the MMC report.

Two scores say how much an image looks like one of the classes. Cross-entropy's is its largest probability; MMC's is the
negative squared distance of the feature to the nearest centre. AUROC is the chance that an image of the test set scores
higher than one that belongs to no class.
"""

from __future__ import annotations

import argparse
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from core import data, models
from core.data import DATASETS, gallery, photos, store
from core.data.imageset import DataError, from_levels
from core.evaluate.statistics import auroc
from core.models import Card, Classifier, logits_of
from core.models.heads import CenterHead
from core.papers.mmc.tables import RESULTS, Record
from core.params import Subparsers

Score = Literal["max-probability", "min-distance"]

SHEET = gallery.FOLDER / "fashion_mnist.png"
SHEET_ROWS, SHEET_COLUMNS = 15, 20
"""Of the Fashion-MNIST pictures that come with the project, so that there are images of no class without a download."""

PAPER_TOP3 = {
    ("mnist", "cross-entropy"): (0.997, 0.00292, 0.00004),
    ("mnist", "max-mahalanobis"): (-1618.7, -1670.0, -1680.0),
    ("cifar10", "cross-entropy"): (1.0, 0.0, 0.0),
    ("cifar10", "max-mahalanobis"): (-10143.0, -10152.0, -10564.0),
}
"""(data set, loss) -> the three highest scores of one image of no class: a lion for MNIST's networks, a digit for
CIFAR-10's (MMC report, Table 3)."""

PAPER_COMPARABLE = 0.0916
"""Share of CIFAR-10's images whose second and third scores are within a factor of 5, ResNet-32 (section 4.5)."""


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
    """(N, K) logits -> (N, K) minus the squared distances to the centres. ValueError for a head without fixed ones."""
    if not isinstance(model.head, CenterHead):
        raise ValueError(f"model must have fixed centres, as MMC's; {model.card.name} has a head {model.card.head!r}.")
    return logits / model.head.scale


def score(name: Score, model: Classifier, logits: Tensor) -> Tensor:
    """(N,) float64, higher for what looks more like a class: "max-probability" as `log_odds`, or "min-distance"."""
    if name == "max-probability":
        return log_odds(logits)
    return negative_distances(model, logits).amax(1).double()


def scores(model: Classifier) -> tuple[Score, ...]:
    """The scores a network has, its own first."""
    return ("min-distance", "max-probability") if isinstance(model.head, CenterHead) else ("max-probability",)


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
class Row:
    """How well one score of one network tells its test set from images of no class."""

    model: str
    score: Score
    outside: str
    n_inside: int
    n_outside: int
    auroc: float
    spread: float
    """One standard error."""


def compare(model: Classifier, inside: Tensor, others: dict[str, Tensor]) -> Iterator[Row]:
    """A row for each score of the network and each set of `others`, from logits (N, K) of the test set and (M, K)."""
    for name, logits in others.items():
        for kind in scores(model):
            area, error = auroc(score(kind, model, inside), score(kind, model, logits))
            yield Row(model.card.name, kind, name, len(inside), len(logits), area, error)


@dataclass(frozen=True)
class Dependency:
    """How well the runner-up stands for all other logits (section 4.5). Per image (N,), but `missing`."""

    ratio: Tensor
    """exp of the largest other logit over exp of the next: the report's second over third."""
    missing: Tensor
    """(N, terms): log of the sum of exp over all other logits, minus that over only the largest 1, 2, ... of them."""

    def comparable(self, factor: float = 5.0) -> tuple[float, float]:
        """Share of the images whose ratio is below `factor`, and its binomial standard error."""
        share = float((self.ratio < factor).double().mean())
        return share, math.sqrt(share * (1 - share) / len(self.ratio))


def dependency(logits: Tensor, labels: Tensor, terms: int = 5) -> Dependency:
    """Whether log sum_{l != y} exp h_l is h of the runner-up, for logits h (N, K) with true labels (N,).

    MMC report, Remark 3 and section 4.5: "second and third class scores" are comparable if within a factor of 5. The
    report does not say of what the factor is. We read it as of exp(h), the softmax's scores, whose ratio does not
    depend on a shift of all logits, as the softmax does not; second and third are the two largest l != y, which for a
    rightly named image are the second and third of all. ValueError unless 1 <= terms < K, K >= 3.
    """
    if logits.ndim != 2 or logits.shape[1] < 3 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits must be (N, K), K >= 3, with N labels; got {tuple(logits.shape)}, {len(labels)}.")
    if not 1 <= terms < logits.shape[1]:
        raise ValueError(f"terms must be from 1 to {logits.shape[1] - 1}; got {terms}.")
    others = logits.double().scatter(1, labels[:, None], -torch.inf).sort(1, descending=True).values[:, :-1]
    partial = others.logcumsumexp(1)
    return Dependency((others[:, 0] - others[:, 1]).exp(), partial[:, -1:] - partial[:, :terms])


def top(values: Tensor, count: int = 3) -> tuple[list[int], list[float]]:
    """The `count` highest of scores (K,): classes and scores."""
    best = values.double().topk(count)
    return best.indices.tolist(), best.values.tolist()


def add_verbs(verbs: Subparsers) -> None:
    """Register the commands that make the shipped results from the full test sets."""
    for name, title in (
        ("mmc-uncertainty", "MMC report, section 4.4: AUROC of max-probability against min-distance"),
        ("mmc-dependency", "MMC report, section 4.5: whether the runner-up stands for all other logits"),
    ):
        parser = verbs.add_parser(name, help=title)
        parser.add_argument("--models", nargs="+", metavar="NAME", help="default: cross-entropy's and MMC's networks")
        parser.add_argument("--n", type=int, default=10_000, help="images of each set (default %(default)s: all)")
        parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json", help="(default: what is shipped)")
        parser.set_defaults(run=_run, name=name)
    parser = verbs.add_parser("mmc-sheet", help="remake the Fashion-MNIST pictures in assets/gallery")
    parser.set_defaults(run=lambda arguments: print(make_sheet()) or 0)


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


def _run(arguments: argparse.Namespace) -> int:
    if not 2 <= arguments.n <= 10_000:
        raise ValueError(f"n must be from 2 to 10000; got {arguments.n}.")
    command = f"python -m core evaluate {arguments.name} --n {arguments.n}"
    record = Record(arguments.out, command, {"n": arguments.n, "seed": 0})
    make: Callable[[Classifier, int, Record], Iterator[tuple[str, ...]]]
    make = _uncertainty if arguments.name == "mmc-uncertainty" else _dependency
    table = Table("network", "", "of", "value", title=arguments.name)
    for name in chosen(arguments.models, alike=arguments.name == "mmc-uncertainty"):
        for row in make(models.load(name), arguments.n, record):
            table.add_row(*row)
    Console().print(table)
    return 0


def _uncertainty(model: Classifier, n: int, record: Record) -> Iterator[tuple[str, ...]]:
    card = model.card
    own = None
    for name in OUTSIDE:
        if name in (card.dataset, "photos"):  # fifteen photographs are too few for a curve
            continue
        keys = [f"{card.name}|{kind}|{name}" for kind in scores(model)]
        if any(record.points.get(key, {}).get("sha256") != card.sha256 for key in keys):
            own = logits_of(model, data.load(card.dataset, "test", n=n).images) if own is None else own
            others = {name: logits_of(model, outside(name, card.input_shape, n, full=True))}
            for key, row in zip(keys, compare(model, own, others), strict=True):
                record.put(key, row.__dict__ | {"dataset": card.dataset, "loss": card.loss, "sha256": card.sha256})
        for key in keys:
            point = record.points[key]
            yield card.name, point["score"], OUTSIDE[name], f"{point['auroc']:.4f} ± {point['spread']:.4f}"


def _dependency(model: Classifier, n: int, record: Record) -> Iterator[tuple[str, ...]]:
    card = model.card
    if record.points.get(card.name, {}).get("sha256") != card.sha256:
        images = data.load(card.dataset, "test", n=n)
        found = dependency(logits_of(model, images.images), images.labels)
        share, error = found.comparable()
        record.put(
            card.name,
            {
                "model": card.name,
                "dataset": card.dataset,
                "loss": card.loss,
                "n": len(images),
                "comparable": share,
                "spread": error,
                "sha256": card.sha256,
                "missing": {q: [float(v) for v in found.missing.quantile(float(q), 0)] for q in ("0.5", "0.95")},
            },
        )
    point = record.points[card.name]
    yield (
        card.name,
        "second within 5 times the third",
        f"{point['n']:,}",
        (f"{100 * point['comparable']:.2f} ± {100 * point['spread']:.2f} %"),
    )
