"""The gallery: images of MNIST and of CIFAR-10 that come with Smoothscope, in assets/gallery.

A thousand test images of each set and, to see what a network makes of images that it was trained on, four hundred
training images. Each is one lossless sheet (PNG, COLUMNS images a row) and one JSON of the labels and the official
indices. Image i has the class i mod 10, so that any beginning of the gallery is as balanced as it can be.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from core.data import store
from core.data.imageset import DataError, ImageSet, from_levels
from core.data.registry import DATASETS, Dataset
from core.layout import ASSETS

SIZES = {"test": 1000, "train": 400}
"""Split -> how many of its images there are."""
SIZE = SIZES["test"]
COLUMNS = 40
FOLDER = ASSETS / "gallery"


def _dataset(name: str) -> Dataset:
    dataset = DATASETS.get(name)
    if dataset is None or not dataset.gallery:
        with_gallery = ", ".join(entry.name for entry in DATASETS.values() if entry.gallery)
        raise DataError(f"There is no gallery of {name}; there are {with_gallery}.")
    return dataset


def _stem(name: str, split: str) -> str:
    return name if split == "test" else f"{name}-{split}"


def make(name: str, folder: Path = FOLDER, seed: int = 0, split: str = "test") -> Path:
    """Draw the gallery of a split from the installed full set and write it to `folder`; returns the sheet's path.

    The same seed draws the same images. DataError if the full set is not installed.
    """
    dataset = _dataset(name)
    if not dataset.installed():
        raise DataError(f"The gallery is drawn from the full set; install it with: python -m core data get {name}")
    total, size, kinds = dataset.splits[split], SIZES[split], len(dataset.classes)
    labels = store.read(name, f"{split}-labels", (total,))
    order = np.random.RandomState(seed).permutation(total)
    # A row a class; read down the columns, classes take turns.
    rows = np.stack([order[labels[order] == label][: size // kinds] for label in range(kinds)])
    indices = rows.T.ravel()
    images = store.read(name, f"{split}-images", (total, *dataset.shape))[indices]
    channels, height, width = dataset.shape
    sheet = images.reshape(-1, COLUMNS, channels, height, width).transpose(0, 3, 1, 4, 2)
    sheet = sheet.reshape(-1, COLUMNS * width, channels)
    png = io.BytesIO()
    Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet).save(png, "PNG", optimize=True)
    lists = {"labels": labels[indices].tolist(), "indices": indices.tolist()}
    text = json.dumps({"dataset": name, "split": split, "seed": seed, **lists}) + "\n"
    path = folder / f"{_stem(name, split)}.png"
    store.write_together(
        {
            path: lambda file: file.write(png.getvalue()),
            path.with_suffix(".json"): lambda file: file.write(text.encode()),
        }
    )
    return path


def read(name: str, folder: Path = FOLDER, split: str = "test") -> ImageSet:
    """The gallery of `name`, in its own order (classes take turns). DataError if there is none, or it is damaged."""
    dataset = _dataset(name)
    channels, height, width = dataset.shape
    path, size = folder / f"{_stem(name, split)}.png", SIZES[split]
    try:
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        with Image.open(path, formats=["PNG"]) as picture:
            sheet = np.asarray(picture)
        levels = sheet.reshape(size // COLUMNS, height, COLUMNS, width, channels).transpose(0, 2, 4, 1, 3)
        labels, indices = (torch.tensor(facts[key], dtype=torch.int64) for key in ("labels", "indices"))
        kind = "test" if split == "test" else "training"
        return ImageSet(
            images=from_levels(levels.reshape(size, channels, height, width)),
            labels=labels,
            classes=dataset.classes,
            name=name,
            split=split,
            source="gallery",
            note=f"From the gallery: {size:,} of the {dataset.splits[split]:,} {kind} images of {dataset.title}, "
            "which come with Smoothscope.",
            indices=indices,
        )
    except (OSError, ValueError, LookupError, TypeError, SyntaxError):
        raise DataError(f"The gallery of {name} in assets/gallery is damaged; check it out again.") from None
