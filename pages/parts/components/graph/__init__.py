"""The similarity graph of a batch: its images as points, what joins them as lines, the picture behind every point.

    graph(points, images, weights, punished, temperature, notes, picked=-1, key="graph", on_pick=...)

Our own canvas, because Plotly's script takes a browser seconds to read before its first chart, and its points cannot
show pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
import torch
from torch import Tensor

from core.data import ImageSet
from pages.parts.components.sheets import sheet
from pages.parts.components.transport import Arrays, draw
from pages.parts.shell import theme
from pages.parts.shell.component import component

FAINTEST = 0.02
"""Edges of less opacity are left out."""

_graph = component(Path(__file__).parent)


def opacities(weights: Tensor, temperature: float) -> Tensor:
    """(n, n) how strongly each edge is drawn: (weight / largest weight)^(1/T)."""
    largest = weights.max().clamp_min(torch.finfo(weights.dtype).tiny)
    return (weights / largest) ** (1 / temperature)


def edges(weights: Tensor, punished: Tensor, temperature: float) -> list[tuple[int, int, float, float, bool]]:
    """(i, j, weight, opacity, whether the loss punishes it) of every edge that is drawn, i < j, the strongest last.

    weights (n, n), 0 where nothing joins two images; punished (n, n) bool.
    """
    strength = opacities(weights, temperature)
    pairs = ((strength >= FAINTEST) & (weights > 0)).triu(1).nonzero()
    found = [(i, j, float(weights[i, j]), float(strength[i, j]), bool(punished[i, j])) for i, j in pairs.tolist()]
    return sorted(found, key=lambda edge: edge[2])


def graph(
    points: Tensor,
    images: ImageSet,
    weights: Tensor,
    punished: Tensor,
    temperature: float,
    notes: Sequence[str],
    picked: int,
    key: str,
    on_pick: Callable[[int], None],
) -> None:
    """Draw the graph of n `images` at `points` (n, 2), edges that the loss punishes in the warning colour.

    weights (n, n): of the edges, 0 where there is none; punished (n, n) bool. temperature: see `opacities`. notes: (n,)
    said of the image under the pointer. picked: the row whose edges alone are drawn, -1 for all. on_pick: gets the row
    that a person has clicked, -1 where there was none.
    """
    if points.shape != (len(images), 2) or len(notes) != len(images):
        raise ValueError(f"points must be ({len(images)}, 2), one note each; got {tuple(points.shape)}, {len(notes)}.")
    low, high = points.amin(0), points.amax(0)
    pad = 0.06 * float((high - low).max().clamp_min(1e-6))
    drawn = edges(weights, punished, temperature)

    def reported() -> None:
        row = st.session_state[key].picked
        if isinstance(row, int) and -1 <= row < len(images):
            on_pick(row)

    arrays = Arrays()
    data = {
        "view": key,
        "points": arrays.name(points),
        "labels": arrays.name(images.labels),
        "ends": arrays.name(torch.tensor([[edge[0] for edge in drawn], [edge[1] for edge in drawn]])),
        "weights": arrays.name(torch.tensor([edge[2] for edge in drawn])),
        "opacities": arrays.name(torch.tensor([round(edge[3], 3) for edge in drawn])),
        "punished": arrays.name(torch.tensor([edge[4] for edge in drawn])),
        "extent": [float(low[0]) - pad, float(high[0]) + pad, float(low[1]) - pad, float(high[1]) + pad],
        "notes": list(notes),
        "classes": list(images.classes),
        "colours": theme.CLASSES,
        "symbols": theme.SYMBOLS,
        "picked": picked,
        "inks": [theme.GREY, theme.WARNING],
        "sheet": sheet(images.images, arrays),
        "alt": f"Graph of {len(images)} images; {sum(edge[4] for edge in drawn)} edges between classes.",
    }
    draw(_graph, data, arrays, key, on_picked_change=reported)
