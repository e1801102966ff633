"""Data sets and image files: everything that becomes float32 images (N, C, H, W) in [0, 1].

`load(name)` gives an `ImageSet`; `DATASETS` says which names there are; `read_image` reads what a person uploads.

>>> digits = load("mnist", n=5, seed=1)
>>> tuple(digits.images.shape)
(5, 1, 28, 28)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from core.data import gallery, imagenet, photos, store
from core.data.files import ImageError, fit, load_folder, quantize, read_image, to_png
from core.data.imageset import DataError, ImageSet, draw, from_levels
from core.data.registry import DATASETS, Dataset
from core.data.store import home

__all__ = [
    "DATASETS",
    "DataError",
    "Dataset",
    "ImageError",
    "ImageSet",
    "fit",
    "gallery",
    "home",
    "imagenet",
    "load",
    "load_folder",
    "photos",
    "quantize",
    "raw",
    "read_image",
    "to_png",
]

FOLDER_PREFIX = "folder:"


def _dataset(name: str, split: str) -> Dataset:
    if name not in DATASETS:
        raise DataError(f"There is no data set {name!r}; there are {', '.join(DATASETS)}, or folder:PATH.")
    dataset = DATASETS[name]
    if split not in dataset.splits:
        raise DataError(f"split must be {' or '.join(dataset.splits)} for {name}; got {split!r}.")
    return dataset


def raw(name: str, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """The full set as it is stored, for those who train: uint8 images (N, C, H, W), memory-mapped, and int64 labels.

    DataError if the full set is not installed.
    """
    dataset = _dataset(name, split)
    if dataset.origin != "get":
        raise DataError(f"{name} is not stored as arrays; use load({name!r}).")
    if not dataset.installed():
        raise DataError(f"The full {dataset.title} set is not installed; get it with: python -m core data get {name}")
    total = dataset.splits[split]
    images = store.read(name, f"{split}-images", (total, *dataset.shape))
    return images, store.read(name, f"{split}-labels", (total,)).astype(np.int64)


def load(name: str, split: str = "test", n: int | None = None, seed: int = 0) -> ImageSet:
    """Images of a data set, or of a folder of pictures as "folder:PATH" (see `load_folder`).

    n: how many, drawn by a permutation seeded with `seed`; None gives all, in their official order. Where the full set
    is not installed and the gallery suffices (at most a thousand of the test split), the images are drawn from the
    gallery instead, and the result's `source` and `note` say so; they are other images than the full set would give.
    DataError (a ValueError), one sentence: no such set or split, n or seed out of range, the set is not installed.
    """
    if name.startswith(FOLDER_PREFIX):
        if split != "test":
            raise DataError(f"split must be test for a folder of pictures; got {split!r}.")
        return load_folder(name.removeprefix(FOLDER_PREFIX), n=n, seed=seed)
    dataset = _dataset(name, split)
    if dataset.origin == "packages":
        return photos.load(n=n, seed=seed)
    if dataset.gallery and split == "test" and n is not None and n <= gallery.SIZE and not dataset.installed():
        images = gallery.read(name)[draw(n, gallery.SIZE, seed)]
        missing = f" The full set is not installed (python -m core data get {name})."
        return replace(images, note=images.note + missing)
    levels, labels = raw(name, split)
    chosen = draw(n, len(labels), seed)
    return ImageSet(
        images=from_levels(levels if n is None else levels[chosen]),
        labels=torch.from_numpy(labels[chosen]),
        classes=dataset.classes,
        name=name,
        split=split,
        source="full",
        note=f"{len(chosen):,} of the {len(labels):,} {split} images of {dataset.title}.",
        indices=torch.from_numpy(chosen),
    )
