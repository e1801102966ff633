"""The images behind a point: thumbnails from the least distorted to the most, those that were not fooled too."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data import ImageSet
from core.evaluate.curves import CurveRecord
from core.evaluate.front import METRICS
from pages.parts.charts import curve_plots
from pages.parts.charts.curve_plots import Curve
from pages.parts.shell import page
from pages.parts.views.curves import session, wall
from pages.parts.views.curves.session import SCOPE

_OPEN = f"{SCOPE}.open"
"""Where the session keeps the image that is to be opened in the lab, as a row of the record."""


def draw(curve: Curve, metric: str, rank: int) -> None:
    """The images of `curve` up to a rank by `metric`, and the others; a click on one opens it in the Attack lab."""
    record = curve.record
    groups = _groups(record, metric, rank)
    bound = f"{curve_plots.named(metric)} {'≥' if METRICS[metric].more else '≤'} {_bound(record, metric, rank)}"
    page.tell(f"**{page.plain(curve.title)}**, {page.plain(bound)}: {len(groups[0])} of {record.n} images are fooled.")
    names = [f"Within {len(groups[0])}", f"Beyond {len(groups[1])}", f"Not fooled {len(groups[2])}"]
    place = wall.group(names, f"{SCOPE}.group")
    images = wall.shelf(record)
    if images is None:
        wall.absent(record)
    else:
        _wall(record, images, groups[place], metric, place)
    st.button("Close", icon=":material/close:", key=f"{SCOPE}.close", on_click=session.forget, type="tertiary")


def _bound(record: CurveRecord, metric: str, rank: int) -> str:
    return format(record.characteristic(metric).bounds[rank - 1], METRICS[metric].form)


def _groups(record: CurveRecord, metric: str, rank: int) -> tuple[NDArray[np.intp], ...]:
    """Rows of the images within the point, those nearest to it first; beyond it; and those that were not fooled."""
    values = record.column(metric).astype(float) * (-1 if METRICS[metric].more else 1)
    fooled = np.flatnonzero(record.fools)
    order = fooled[np.argsort(values[fooled], kind="stable")]
    return order[:rank][::-1], order[rank:], np.flatnonzero(record.attacked & ~record.fools)


def _wall(record: CurveRecord, images: ImageSet, chosen: NDArray[np.intp], metric: str, place: int) -> None:
    """Thumbnails of the chosen rows."""
    if not len(chosen):
        st.caption("None.")
        return
    if len(chosen) > wall.SHOWN:
        st.caption(f"The {wall.SHOWN} nearest to the point.")
    shown = chosen[: wall.SHOWN]
    rows = wall.rows(images, record.column("index")[shown].tolist())

    def pick(number: int) -> None:
        st.session_state[_OPEN] = int(number)

    numbers = [int(row) for row in shown]
    labels = [_label(record, images, row, at, metric) for row, at in zip(numbers, rows, strict=True)]
    note = "A click opens the image in the Attack lab, with this attack."
    wall.draw(wall.taken(images, rows), numbers, labels, f"{SCOPE}.wall.{place}", pick, note)


def _label(record: CurveRecord, images: ImageSet, row: int, at: int, metric: str) -> str:
    """What is said of an image: what it is, and how far it had to be changed."""
    told = wall.named(images, at)
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
    images = wall.shelf(record)
    assert record.network is not None
    assert images is not None  # else there were nothing to click
    target = int(record.column("target")[row])
    attack = record.attacks[target]  # of several targets the one that counts; the largest where none fools
    index = int(record.column("index")[row])
    st.switch_page(page.file("Attack_lab"), query_params=wall.link(record.network.name, images, index, attack))
