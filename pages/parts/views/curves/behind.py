"""The images behind a point: thumbnails from the least distorted to the most, those that were not fooled too."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray

from core import models
from core.attacks import Attack
from core.data import DATASETS, ImageSet
from core.evaluate.curves import CurveRecord
from core.evaluate.front import METRICS
from pages.parts.charts import curve_plots
from pages.parts.charts.curve_plots import Curve
from pages.parts.components import picker
from pages.parts.inputs import choose
from pages.parts.shell import cache, page
from pages.parts.views.curves import session
from pages.parts.views.curves.session import SCOPE

SHOWN = 120
"""Thumbnails at most."""
HEIGHT = 330
"""Of the wall, in CSS pixels; those beyond are scrolled to within it."""
FEW = 15
"""Thumbnails that need no such bound."""
_OPEN = f"{SCOPE}.open"
"""Where the session keeps the image that is to be opened in the lab, as a row of the record."""


def draw(curve: Curve, metric: str, rank: int) -> None:
    """The images of `curve` up to a rank by `metric`, and the others; a click on one opens it in the Attack lab."""
    record = curve.record
    groups = _groups(record, metric, rank)
    bound = f"{curve_plots.named(metric)} {'≥' if METRICS[metric].more else '≤'} {_bound(record, metric, rank)}"
    page.tell(f"**{page.plain(curve.title)}**, {page.plain(bound)}: {len(groups[0])} of {record.n} images are fooled.")
    names = [f"Within {len(groups[0])}", f"Beyond {len(groups[1])}", f"Not fooled {len(groups[2])}"]
    place = st.segmented_control(
        "Which images",
        list(range(3)),
        key=f"{SCOPE}.group",
        format_func=names.__getitem__,
        default=0,
        required=True,
        label_visibility="collapsed",
    )
    chosen = groups[place or 0]
    images = shelf(record)
    if images is None:
        st.caption(
            f"The {record.data.n} images of {page.plain(record.data.name)} do not come with Smoothscope, so their "
            "thumbnails cannot be shown and they cannot be opened in the lab; their numbers are in the files below."
        )
    else:
        _wall(record, images, chosen, metric, place or 0)
    st.button("Close", icon=":material/close:", key=f"{SCOPE}.close", on_click=session.forget, type="tertiary")


def _bound(record: CurveRecord, metric: str, rank: int) -> str:
    return format(record.characteristic(metric).bounds[rank - 1], METRICS[metric].form)


def _groups(record: CurveRecord, metric: str, rank: int) -> tuple[NDArray[np.intp], ...]:
    """Rows of the images within the point, those nearest to it first; beyond it; and those that were not fooled."""
    values = record.column(metric).astype(float) * (-1 if METRICS[metric].more else 1)
    fooled = np.flatnonzero(record.fools)
    order = fooled[np.argsort(values[fooled], kind="stable")]
    return order[:rank][::-1], order[rank:], np.flatnonzero(record.attacked & ~record.fools)


def shelf(record: CurveRecord) -> ImageSet | None:
    """The set that its images are of, where it is here; None where it is not."""
    name = record.data.name
    if record.data.source == "gallery":
        return cache.gallery(name)
    if name in DATASETS and DATASETS[name].installed():
        return cache.images(name)
    return None


def _wall(record: CurveRecord, images: ImageSet, chosen: NDArray[np.intp], metric: str, place: int) -> None:
    """Thumbnails of the chosen rows."""
    if not len(chosen):
        st.caption("None.")
        return
    if len(chosen) > SHOWN:
        st.caption(f"The {SHOWN} nearest to the point.")
    shown = chosen[:SHOWN]
    places = {int(index): row for row, index in enumerate(images.indices)}
    rows = [places[int(index)] for index in record.column("index")[shown]]

    def pick(number: int) -> None:
        st.session_state[_OPEN] = int(number)

    numbers = [int(row) for row in shown]
    labels = [_label(record, images, row, at, metric) for row, at in zip(numbers, rows, strict=True)]
    with st.container(height=HEIGHT if len(shown) > FEW else "content", border=False):
        picker.wall(images.images[torch.tensor(rows)], numbers, labels, -1, f"{SCOPE}.wall.{place}", pick)
    page.note("A click opens the image in the Attack lab, with this attack.")


def _label(record: CurveRecord, images: ImageSet, row: int, at: int, metric: str) -> str:
    """What is said of an image: what it is, and how far it had to be changed."""
    what = images.names[at] if images.names else f"test image {int(images.indices[at])}"
    told = f"{images.classes[int(images.labels[at])]}, {what}"
    if not record.fools[row]:
        return f"{told}: not fooled"
    measures = dict.fromkeys((metric, "l2", "roughness", "mad"))
    return f"{told}: " + ", ".join(
        f"{curve_plots.named(name)} {record.column(name)[row]:{METRICS[name].form}}" for name in measures
    )


def open_lab(curve: Curve | None) -> None:
    """Go to the Attack lab with the image that was clicked; call where the page's script may be left."""
    row = st.session_state.pop(_OPEN, None)
    if row is None or curve is None:
        return
    record = curve.record
    images = shelf(record)
    assert record.network is not None
    assert images is not None  # else there were nothing to click
    target = int(record.column("target")[row])
    attack = record.attacks[target]  # of several targets the one that counts; the largest where none fools
    st.switch_page(page.file("Attack_lab"), query_params=link(record.network.name, images, record, row, attack))


def link(network: str, images: ImageSet, record: CurveRecord, row: int, attack: Attack) -> dict[str, str]:
    """The lab's link to an image of a record and its attack, every parameter with it."""
    index = int(record.column("index")[row])
    names = {int(i): name for i, name in zip(images.indices, images.names, strict=False)}
    values = {name: "none" if value is None else str(value) for name, value in attack.values().items()}
    opened = {"model": network, "image": names.get(index, str(index))}
    shown = choose.shelf(models.card(network))
    if shown is None or index not in shown.indices:
        opened.pop("image")  # of the full set, and not on the lab's shelf
    return opened | {"attack": attack.name} | values
