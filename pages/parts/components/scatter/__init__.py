"""Embeddings side by side: the same images in every panel, over the epochs, with the picture behind every point.

    scatter([Panel("Graph smoothness", epochs, points, ...), ...], images, selected, key="embeddings", on_pick=...)

One slider plays all panels. What is selected by box, lasso or click lights up in all of them and is reported;
everything else of looking (playing, zooming, hovering, hiding classes) happens in the browser alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from torch import Tensor

from core.data import ImageSet
from core.features.regions import Regions
from pages.parts.components.packing import pack_steps
from pages.parts.components.sheets import sheet
from pages.parts.components.transport import Arrays, draw
from pages.parts.shell import theme
from pages.parts.shell.component import component

_scatter = component(Path(__file__).parent)


@dataclass(frozen=True)
class Panel:
    """One embedding over time.

    epochs: (M,) rising; points: (M, n, 2); answers: (M, n) the classes that the network names. Between two of its
    epochs a panel shows the earlier one. note: below the panel. trail: (T, 2), from the clean image to the adversarial
    one; flip: the first of its points that is named otherwise. regions: what the network names where, at its last
    epoch, when they and the trail are drawn.
    """

    title: str
    epochs: Sequence[int]
    points: Tensor
    answers: Tensor
    note: str = ""
    trail: Tensor | None = None
    flip: int | None = None
    regions: Regions | None = None

    def __post_init__(self) -> None:
        if self.points.ndim != 3 or self.points.shape[2] != 2 or len(self.points) != len(self.epochs):
            raise ValueError(
                f"points of {self.title!r} must be ({len(self.epochs)}, n, 2); got {tuple(self.points.shape)}."
            )
        if self.answers.shape != self.points.shape[:2]:
            raise ValueError(
                f"answers of {self.title!r} must be {tuple(self.points.shape[:2])}; got {tuple(self.answers.shape)}."
            )


def extent(points: Tensor) -> tuple[float, float, float, float]:
    """The part of the plane that a panel opens with, (left, right, bottom, top): all but a few outliers.

    The first epochs of a training may lie far from all others; what is outside is reached by zooming out.
    """
    later = points[len(points) // 3 :].reshape(-1, 2).double().numpy()
    low, high = np.quantile(later, [0.002, 0.998], axis=0)
    last = points[-1].double().numpy()
    low, high = np.minimum(low, np.quantile(last, 0.001, 0)), np.maximum(high, np.quantile(last, 0.999, 0))
    pad = 0.06 * max(float((high - low).max()), 1e-6)
    return float(low[0] - pad), float(high[0] + pad), float(low[1] - pad), float(high[1] + pad)


def extents(every: Sequence[Tensor], one_scale: bool = False) -> list[tuple[float, float, float, float]]:
    """The `extent` of each panel's points (M, n, 2). one_scale: all show the same part of the plane."""
    found = [extent(points) for points in every]
    if not one_scale:
        return found
    left, right, bottom, top = zip(*found, strict=True)
    return [(min(left), max(right), min(bottom), max(top))] * len(found)


def scatter(
    panels: Sequence[Panel],
    images: ImageSet,
    selected: Collection[int],
    key: str,
    on_pick: Callable[[list[int]], None],
    one_scale: bool = False,
) -> None:
    """Draw `panels`, whose points are `images` (n of them, thumbnails of which are shown under the pointer).

    selected: rows that are lit up; all where it is empty. on_pick: gets the rows that a person has selected. one_scale:
    all panels show the same part of the plane.
    """
    if not panels or any(panel.points.shape[1] != len(images) for panel in panels):
        raise ValueError(f"panels must show the {len(images)} images; got {[p.points.shape[1] for p in panels]}.")
    arrays = Arrays()

    def shaded(regions: Regions | None) -> dict[str, Any] | None:
        if regions is None:
            return None
        rows, columns = regions.answers.shape
        answers = arrays.name(pack_steps(regions.answers.numpy()[None], [1.0]))
        return {"answers": answers, "rows": rows, "columns": columns, "extent": regions.extent}

    opening = extents([panel.points for panel in panels], one_scale)
    content = {
        "panels": [
            {
                "title": panel.title,
                "epochs": list(panel.epochs),
                "points": arrays.name(panel.points),
                "answers": arrays.name(pack_steps(panel.answers.numpy().astype(np.int16), [1.0] * len(panel.epochs))),
                "extent": where,
                "note": panel.note,
                "regions": shaded(panel.regions),
            }
            for panel, where in zip(panels, opening, strict=True)
        ],
        "labels": arrays.name(images.labels),
        "indices": arrays.name(images.indices),
        "classes": list(images.classes),
        "colours": theme.CLASSES,
        "muted": theme.MUTED,
        "symbols": theme.SYMBOLS,
        "sheet": sheet(images.images, arrays),
    }
    trails = [
        None if panel.trail is None else {"points": arrays.name(panel.trail), "flip": panel.flip} for panel in panels
    ]
    data = {"content": content, "selected": sorted(selected), "trails": trails}

    def picked() -> None:
        rows = st.session_state[key].picked
        if isinstance(rows, list) and all(isinstance(row, int) and 0 <= row < len(images) for row in rows):
            on_pick(sorted(set(rows)))

    draw(_scatter, data, arrays, key, on_picked_change=picked)
