"""Class centres in three dimensions, and their pairs and coordinates as squares of colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import torch
from torch import Tensor

from core.losses.centers import CenterSet, shadow
from pages.parts.charts import plots
from pages.parts.components.orbit import Cloud, Lines, Scene
from pages.parts.shell import theme


def _colour(i: int, groups: Sequence[int] | None) -> tuple[str, str]:
    """Colour and marker of a centre: of hierarchical ones the colour is the superclass's, the shape the member's."""
    if groups is None:
        return theme.colour(i), theme.symbol(i)
    return theme.colour(groups[i]), theme.symbol(groups[:i].count(groups[i]))


def centres_scene(centres: CenterSet, placed: int | None = None) -> tuple[Scene, float]:
    """Centres as a view, and the share of their squared lengths that it shows; placed: only so many of them."""
    points, groups = centres.points.double(), centres.groups
    count = len(points)
    axes, kept = shadow(points, groups)
    seen = points @ axes
    here = seen[:placed]
    clouds = []
    for i in range(len(here)):
        colour, symbol = _colour(i, groups)
        title = f"centre {i + 1}" + (f", superclass {groups[i] + 1}" if groups is not None else "")
        clouds.append(
            Cloud(
                title,
                here[i : i + 1],
                colour,
                symbol,
                9.0 if count <= 20 else 6.0,
                True,
                [str(i + 1)] if count <= 20 else [],
                [f"{title}\nnorm {float(points[i].norm()):.4g}"],
                legend=False,
            )
        )
    lines = []
    if len(here) > 1:
        pairs = torch.combinations(torch.arange(len(here)))
        if len(here) > 12:
            near = centres.distances[: len(here), : len(here)].fill_diagonal_(torch.inf)
            pairs = (near <= near.min(1, keepdim=True).values * (1 + 1e-5)).triu().nonzero()
            pairs = pairs if len(pairs) <= 3 * len(here) else pairs[:0]  # a simplex: all pairs are nearest ones
        lines.append(Lines(here[pairs[:, 0]], here[pairs[:, 1]]))
        first, second = centres.closest() if placed is None or placed == count else (0, len(here) - 1)
        both, none = here[[first, second]], torch.zeros(2, 3)
        angle = f"{float(centres.angles[first, second]):.2f}°"
        middle = 0.22 * both.sum(0, keepdim=True)
        lines += [Lines(none, both, True), Lines(middle, middle, True, [angle])]
    norm = float(points.norm(dim=1).max())
    fill = norm if kept > 0.999 else float(seen.norm(dim=1).max())
    scene = Scene(
        "",
        clouds,
        max(fill, 1e-9) * 1.08,
        lines,
        norm if kept > 0.999 else 0.0,
        alt=f"{len(here)} class centres in three dimensions; the arrow keys turn the view.",
    )
    return scene, kept


def pair_matrix(values: Tensor, unit: str) -> go.Figure:
    """(L, L) of pairs as a square of colours, numbers in the cells where there is room."""
    count = len(values)
    shown = values.clone()
    shown.fill_diagonal_(torch.nan)
    names = [str(i + 1) for i in range(count)]
    off = shown[~shown.isnan()]
    low, high = float(off.min()), float(off.max())
    flat = high - low < 1e-3 * max(abs(high), 1e-9)  # equal but for rounding: one colour
    return _cells(
        [[None if math.isnan(v) else v for v in row] for row in shown.tolist()],
        names,
        names,
        colorscale=theme.PAIRS,
        zmin=low - (0.1 * abs(low) if flat else 0),
        zmax=high + (0.1 * abs(high) if flat else 0),
        texttemplate="%{z:.1f}" if count <= 10 else None,
        colorbar={"thickness": 12, "ticksuffix": unit, "tickfont": {"size": 14}},
        hovertemplate=f"centres %{{y}} and %{{x}}: %{{z:.4f}}{unit}<extra></extra>",
    )


def coordinate_matrix(rows: Tensor, placed: int) -> go.Figure:
    """Coordinates (L, L - 1) of a construction: filled up to the centre that was placed last."""
    count, dim = rows.shape
    largest = float(rows.abs().max())
    figure = _cells(
        [[v if i < placed and j <= i else None for j, v in enumerate(row)] for i, row in enumerate(rows.tolist())],
        [str(j + 1) for j in range(dim)],
        [str(i + 1) for i in range(count)],
        colorscale=theme.SIGNED,
        zmin=-largest,
        zmax=largest,
        texttemplate="%{z:.3g}" if dim <= 8 else None,
        colorbar={"thickness": 12, "tickfont": {"size": 14}},
        hovertemplate="centre %{y}, coordinate %{x}: %{z:.6f}<extra></extra>",
    )
    figure.update_xaxes(title="coordinate", side="top", range=[-0.5, dim - 0.5])
    figure.update_yaxes(title="centre", scaleanchor=None)
    return figure


def _cells(values: Sequence[Sequence[float | None]], x: Sequence[str], y: Sequence[str], **look: Any) -> go.Figure:
    """Numbers as squares of colour, the first row on top, the columns called x and the rows y."""
    count = len(y)
    gap = 1 if count <= 30 else 0
    cells = go.Heatmap(z=values, x=x, y=y, textfont={"size": 14}, xgap=gap, ygap=gap, hoverongaps=False, **look)
    figure = go.Figure(cells)
    axis = {"type": "category", "showgrid": False, "zeroline": False, "nticks": 12, "tickfont": {"size": 14}}
    figure.update_xaxes(axis, range=[-0.5, count - 0.5], constrain="domain")
    figure.update_yaxes(axis, range=[count - 0.5, -0.5], scaleanchor="x", constrain="domain")
    return plots.style(figure, 430, "matrix")
