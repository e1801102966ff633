"""The images behind a point, as any view shows them: groups, thumbnails, and the way to the Attack lab."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st
import torch
from torch import Tensor

from core import models
from core.attacks import Attack
from core.data import DATASETS, ImageSet
from core.evaluate.records import Record
from pages.parts.components import picker
from pages.parts.inputs import choose
from pages.parts.shell import cache, page

SHOWN = 120
"""Thumbnails at most."""
HEIGHT = 330
"""Of the wall, in CSS pixels; those beyond are scrolled to within it."""
FEW = 15
"""Thumbnails that need no such bound."""


def shelf(record: Record) -> ImageSet | None:
    """The set that its images are of, where it is here; None where it is not."""
    name = record.data.name
    if record.data.source == "gallery":
        return cache.gallery(name)
    if name in DATASETS and DATASETS[name].installed():
        return cache.images(name)
    return None


def rows(images: ImageSet, indices: Sequence[int]) -> list[int]:
    """Where in a set the images lie that have these indices."""
    places = {int(index): row for row, index in enumerate(images.indices)}
    return [places[int(index)] for index in indices]


def group(names: Sequence[str], key: str) -> int:
    """Which group of images is looked at."""
    chosen = st.segmented_control(
        "Which images",
        list(range(len(names))),
        key=key,
        format_func=names.__getitem__,
        default=0,
        required=True,
        label_visibility="collapsed",
    )
    return chosen or 0


def absent(record: Record) -> None:
    """Say that its images are not here."""
    st.caption(
        f"The {record.data.n} images of {page.plain(record.data.name)} do not come with Smoothscope, so their "
        "thumbnails cannot be shown and they cannot be opened in the lab; their numbers are in the files below."
    )


def draw(
    images: Tensor, numbers: Sequence[int], labels: Sequence[str], key: str, pick: Callable[[int], None], note: str
) -> None:
    """Thumbnails of images (N, C, H, W); a click on one gives its number. note: what a click does."""
    with st.container(height=HEIGHT if len(numbers) > FEW else "content", border=False):
        picker.wall(images, list(numbers), list(labels), -1, key, pick)
    page.note(note)


def taken(images: ImageSet, rows: Sequence[int]) -> Tensor:
    """The images at these rows."""
    return images.images[torch.tensor(rows)]


def named(images: ImageSet, row: int) -> str:
    """What an image is: its class and its name or number."""
    what = images.names[row] if images.names else f"test image {int(images.indices[row])}"
    return f"{images.classes[int(images.labels[row])]}, {what}"


def link(network: str, images: ImageSet, index: int, attack: Attack) -> dict[str, str]:
    """The lab's link to the image with this index and an attack, every parameter with it."""
    names = {int(i): name for i, name in zip(images.indices, images.names, strict=False)}
    values = {name: "none" if value is None else str(value) for name, value in attack.values().items()}
    opened = {"model": network, "image": names.get(index, str(index))}
    shown = choose.shelf(models.card(network))
    if shown is None or index not in shown.indices:
        opened.pop("image")  # of the full set, and not on the lab's shelf
    return opened | {"attack": attack.name} | values
