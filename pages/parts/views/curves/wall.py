"""The images behind a point, as any view shows them: groups, thumbnails, and the way to the Attack lab.

Views whose points stand for two things, as a network and a width, keep theirs here, as "VIEW:ONE:OTHER".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from numpy.typing import NDArray
from torch import Tensor

from core import models
from core.attacks import Attack
from core.data import DATASETS, ImageSet, fetch
from core.evaluate.records import Record
from pages.parts.charts import plots
from pages.parts.components import picker
from pages.parts.inputs import choose
from pages.parts.shell import cache, links, page
from pages.parts.views.curves.session import SCOPE

SHOWN = 120
"""Thumbnails at most."""
HEIGHT = 330
"""Of the wall, in CSS pixels; those beyond are scrolled to within it."""
FEW = 15
"""Thumbnails that need no such bound."""
CLICK = " **Click a point:** the images behind it open."
_POINT, _OPEN = f"{SCOPE}.behind", f"{SCOPE}.behind.open"


def follow() -> None:
    """Take the point from the page's link."""

    def parse(text: str) -> str:
        if text and (len(text.split(":")) != 3 or not all(text.split(":"))):
            raise ValueError("it must be VIEW:ONE:OTHER, as a click on a point writes it.")
        return text

    links.read("behind", _POINT, "", parse)


def pointed(view: str) -> tuple[str, str] | None:
    """The two things that the point which is looked at stands for, if it is of this view."""
    of, _, rest = st.session_state.get(_POINT, "").partition(":")
    one, _, other = rest.partition(":")
    return (one, other) if of == view else None


def _clicked(view: str, chart: str) -> Callable[[], None]:
    """What to do when a point of the chart with this key was clicked, whose points carry the two things."""

    def keep() -> None:
        state: Mapping[str, Any] = st.session_state[chart]
        points = state["selection"]["points"]
        if points and points[0].get("customdata"):
            one, other = points[0]["customdata"][:2]
            st.session_state[_POINT] = f"{view}:{one}:{other}"

    return keep


def _forget() -> None:
    st.session_state[_POINT] = ""


@dataclass(frozen=True)
class Behind:
    """A point's images."""

    record: Record
    said: str
    """What it is, in a few words."""
    groups: Mapping[str, NDArray[np.intp]]
    """By what became of them, rows of the record."""
    label: Callable[[int], str]
    """What became of a row."""
    link: Callable[[ImageSet, int], dict[str, str]]
    """The lab's link to the image of the set that has an index."""
    shown: Callable[[Tensor], Tensor] = lambda images: images
    """What is shown of images (N, C, H, W)."""
    note: str = "The shortest first. A click opens the image in the Attack lab, with this attack."


def fooled(asked: NDArray[np.bool_], fools: NDArray[np.bool_], lengths: NDArray[np.float64]) -> dict[str, Any]:
    """Groups of rows: those of the images asked that fool, and the others, the shortest first."""
    order = np.argsort(lengths, kind="stable")
    return {"Fooled": order[(asked & fools)[order]], "Not fooled": order[(asked & ~fools)[order]]}


def open_lab(behind: Behind | None) -> None:
    """Go to the Attack lab with the image that was clicked; call before anything is drawn."""
    index = st.session_state.pop(_OPEN, None)
    images = None if behind is None else shelf(behind.record)
    if index is not None and behind is not None and images is not None:
        st.switch_page(page.file("Attack_lab"), query_params=behind.link(images, int(index)))


def show(behind: Behind, view: str) -> None:
    """The images of a point, a group at a time; a click opens one in the lab."""
    first, *rest = behind.groups.values()
    n = len(first) + sum(map(len, rest))
    page.tell(f"{behind.said}: {len(first)} of {n} images are fooled.")
    names = list(behind.groups)
    place = group([f"{name} {len(behind.groups[name])}" for name in names], f"{SCOPE}.{view}.group")
    images, chosen = shelf(behind.record), behind.groups[names[place]]
    assert behind.record.rows is not None
    if images is not None:
        chosen = here(images, behind.record, chosen)[:SHOWN]
    if images is None:
        absent(behind.record)
    elif not len(chosen):
        st.caption("None.")
    else:
        numbers = behind.record.rows["index"][chosen].tolist()
        at = rows(images, numbers)
        labels = [f"{named(images, row)}: {behind.label(int(mine))}" for row, mine in zip(at, chosen, strict=True)]

        def pick(number: int) -> None:
            st.session_state[_OPEN] = int(number)

        draw(behind.shown(taken(images, at)), numbers, labels, f"{SCOPE}.{view}.wall.{place}", pick, behind.note)
    st.button("Close", icon=":material/close:", key=f"{SCOPE}.{view}.close", on_click=_forget, type="tertiary")


def chart(figure: go.Figure, view: str, key: str, told: str) -> None:
    """A chart of a view whose points can be clicked. told: what it shows, to who does not see it."""
    st.plotly_chart(
        figure, key=key, config=plots.CONFIG, on_select=_clicked(view, key), selection_mode="points", alt=told
    )


def beside(behind: Behind | None, figure: go.Figure, view: str, key: str, told: str) -> None:
    """Such a chart, and beside it the images of the point that is looked at, if there is one."""
    if behind is None:
        chart(figure, view, key, told)
        return
    left, right = st.columns([1.7, 1], gap="medium")
    with left:
        chart(figure, view, key, told)
    with right:
        show(behind, view)


def shelf(record: Record) -> ImageSet | None:
    """The set that its images are of, where it is here; where it is not, those of them that come with the project, None
    where none do."""
    name = record.data.name
    known = DATASETS.get(name)
    if known is None:
        return None
    if name == "photos":
        card = None if record.network is None else models.card(record.network.name)
        return cache.images(name) if card is None else cache.photographs(card.input_shape, card.crop_fraction)
    if known.gallery and (record.data.source == "gallery" or not known.installed()):
        return cache.gallery(name)
    return cache.images(name) if known.installed() else None


def here(images: ImageSet, record: Record, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    """Those of the chosen rows of a record whose images are in a set, after having said how many are not, and what
    brings them."""
    assert record.rows is not None
    found = np.isin(record.rows["index"], images.indices.numpy())
    missing = int((~found[chosen]).sum())
    if missing:
        name = record.data.name
        st.caption(
            f"{missing} of these {len(chosen)} do not come with Smoothscope; the full {DATASETS[name].title} has them: "
            f"`python -m core data get {name}`"
        )
    return chosen[found[chosen]]


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
    """Say that its images are not here, and what brings them if anything does."""
    name = record.data.name
    get = f" The whole set: `python -m core data get {name}`." if name in fetch.WAYS else ""
    st.caption(
        f"The {record.data.n} images of {page.plain(name)} do not come with Smoothscope, so their "
        f"thumbnails cannot be shown and they cannot be opened in the lab; their numbers are in the files below.{get}"
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
    label = int(images.labels[row])
    return what if label < 0 else f"{images.classes[label]}, {what}"


def link(network: str, images: ImageSet, index: int, attack: Attack) -> dict[str, str]:
    """The lab's link to the image with this index and an attack, every parameter with it."""
    names = {int(i): name for i, name in zip(images.indices, images.names, strict=False)}
    values = {name: "none" if value is None else str(value) for name, value in attack.values().items()}
    opened = {"model": network, "image": names.get(index, str(index))}
    shown = choose.shelf(models.card(network))
    if shown is None or index not in shown.indices:
        opened.pop("image")  # of the full set, and not on the lab's shelf
    return opened | {"attack": attack.name} | values
