"""The data sets there are: what each holds, under which licence, and whether it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from core.data import careful, cifar100, imagenet, photos, store


@dataclass(frozen=True)
class Dataset:
    """A data set that `core.data.load` knows by `name`.

    shape: (C, H, W) of an image. splits: how many images each split has. origin: how the full set is had: "get" it with
    `python -m core data get NAME`, or it comes with the installed "packages". gallery: a thousand of its test images
    are in assets/gallery.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    splits: Mapping[str, int]
    licence: str
    origin: Literal["get", "packages"] = "get"
    gallery: bool = False
    groups: tuple[int, ...] | None = None
    """The superclass of every class, numbered from 0; none where the data set has no superclasses."""

    def installed(self) -> bool:
        """Whether the full set is on this machine."""
        if self.origin == "packages":
            return photos.available()
        here = {path.name for path in store.listing("data", self.name) if careful.is_file(path)}
        return here >= {f"{split}-{part}.npy" for split in self.splits for part in ("images", "labels")}


_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="mnist",
            title="MNIST",
            classes=tuple("0123456789"),
            shape=(1, 28, 28),
            splits={"train": 60_000, "test": 10_000},
            licence="Y. LeCun, C. Cortes and C. Burges, 1998, made from NIST's Special Databases 1 and 3; its page "
            "states no licence, and it is often said to be under CC BY-SA 3.0.",
            gallery=True,
        ),
        Dataset(
            name="fashion_mnist",
            title="Fashion-MNIST",
            classes=_FASHION,
            shape=(1, 28, 28),
            splits={"train": 60_000, "test": 10_000},
            licence="H. Xiao, K. Rasul and R. Vollgraf, 2017; MIT licence, copyright Zalando SE.",
        ),
        Dataset(
            name="cifar10",
            title="CIFAR-10",
            classes=_CIFAR10,
            shape=(3, 32, 32),
            splits={"train": 50_000, "test": 10_000},
            licence="A. Krizhevsky, V. Nair and G. Hinton, 2009; its page states no licence and asks to cite "
            "'Learning Multiple Layers of Features from Tiny Images'; the pictures were collected from the web.",
            gallery=True,
            # Not the data set's own, as CIFAR-100's are: the two kinds of things that its classes are.
            groups=tuple(int(name in _ANIMALS) for name in _CIFAR10),
        ),
        Dataset(
            name="cifar100",
            title="CIFAR-100",
            classes=cifar100.CLASSES,
            shape=(3, 32, 32),
            splits={"train": 50_000, "test": 10_000},
            licence="A. Krizhevsky, V. Nair and G. Hinton, 2009; its page states no licence and asks to cite "
            "'Learning Multiple Layers of Features from Tiny Images'; the pictures were collected from the web.",
            groups=cifar100.GROUPS,
        ),
        Dataset(
            name="svhn",
            title="SVHN",
            classes=tuple("0123456789"),
            shape=(3, 32, 32),
            splits={"train": 73_257, "test": 26_032},
            licence="Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu and A. Y. Ng, 2011; non-commercial use only.",
        ),
        Dataset(
            name="photos",
            title="Photographs",
            classes=imagenet.classes(),
            shape=(3, 224, 224),
            splits={"test": len(photos.PHOTOS)},
            licence="The photographers named in core/data/photos.py; public domain, CC0, CC BY 2.0, or as the packages "
            "scikit-image and scikit-learn distribute them.",
            origin="packages",
        ),
    )
}
