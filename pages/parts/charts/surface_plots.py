"""Contours of losses in the plane, and how densely features lie between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from core.features.density import SampleDensity
from core.features.surfaces import WINDOW, Surface
from pages.parts.charts import plots
from pages.parts.shell import theme

SHADOW = ", ".join([f"0 0 3px {theme.WHITE}"] * 4)
"""Around numbers on the colours of a loss, dark ones among them."""


def contours(surface: Surface, label: int, low: float, high: float) -> go.Figure:
    """Contours of a loss in the plane, the band between two of them in orange."""
    inside = surface.at.abs() <= WINDOW + 1e-9
    at, values = surface.at[inside].tolist(), surface.values[inside][:, inside].clamp_min(1e-6)
    # Equal steps in the logarithm: the loss of SCE halves again and again.
    figure = go.Figure(
        go.Contour(
            x=at,
            y=at,
            z=values.log2().tolist(),
            customdata=values.tolist(),
            colorscale=theme.LOSSES,
            showscale=False,
            contours={"start": -6, "end": 5, "size": 1},
            line={"width": 1},
            zmin=-6,
            zmax=6,
            hovertemplate="loss %{customdata:.3g}<extra></extra>",
        )
    )
    figure.add_contour(
        x=at,
        y=at,
        z=values.log2().tolist(),
        showscale=False,
        hoverinfo="skip",
        fillcolor=theme.BAND,
        showlegend=False,
        contours={"type": "constraint", "operation": "][", "value": [math.log2(low), math.log2(high)]},
        line={"width": 2, "color": theme.ORANGE},
    )
    for row, (x, y) in enumerate(surface.marks.tolist()):
        figure.add_scatter(
            x=[x],
            y=[y],
            mode="markers+text",
            text=[str(row + 1)],
            textposition="top center",
            showlegend=False,
            textfont={"size": 16, "color": theme.INK, "shadow": SHADOW},
            hoverinfo="skip",
            marker=plots.of_class(
                row, size=15 if row == label else 11, line={"width": 2 if row == label else 1, "color": theme.WHITE}
            ),
        )
    figure.update_xaxes(title="first feature", range=[-WINDOW, WINDOW], constrain="domain", zeroline=False)
    figure.update_yaxes(
        title="second feature", range=[-WINDOW, WINDOW], scaleanchor="x", constrain="domain", zeroline=False
    )
    title = {"text": surface.title, "font": {"size": 16}}
    return plots.style(figure, 330, "contours", title=title, margin={"t": 36})


def densities(found: Sequence[tuple[str, SampleDensity]]) -> go.Figure:
    """Sample density by shell of the loss, one line a network: every class a point, the line their median."""
    figure = go.Figure()
    for (name, density), look in zip(found, (theme.FIRST, theme.SECOND), strict=True):
        classes, shells = density.by_contour.shape
        x = [float(s + 1) for s in range(shells)]
        figure.add_scatter(
            x=x * classes,
            y=[_number(v) for v in density.by_contour.reshape(-1).tolist()],
            mode="markers",
            showlegend=False,
            marker={"color": look.colour, "symbol": look.symbol, "size": 8, "opacity": 0.45},
            hovertemplate=f"{name}: 10^%{{y:.1f}}<extra></extra>",
        )
        figure.add_scatter(
            x=x,
            y=[_number(v) for v in density.by_contour.nanmedian(0).values.tolist()],
            name=name,
            mode="lines+markers",
            line={"color": look.colour, "width": 3, "dash": look.dash},
            marker={"symbol": look.symbol, "size": 11, "line": {"width": 1, "color": theme.OUTLINE}},
            hovertemplate=f"{name}, median of the classes: 10^%{{y:.2f}}<extra></extra>",
        )
    figure.update_xaxes(
        title="images by their loss, lowest fifth to highest" if shells == 5 else "images by their loss",
        tickvals=x,
        range=[0.6, shells + 0.4],
    )
    figure.update_yaxes(title="sample density, power of ten", zeroline=False)
    return plots.style(figure, 400, "density", legend=plots.LEGEND_ABOVE)


def neighbour_densities(found: Sequence[tuple[str, SampleDensity]]) -> go.Figure:
    """The check without contours: how many images have how many others around them."""
    figure = go.Figure()
    for (name, density), look in zip(found, (theme.FIRST, theme.SECOND), strict=True):
        values = density.by_neighbours[density.by_neighbours.isfinite()]
        figure.add_histogram(
            x=values.tolist(),
            name=name,
            opacity=0.8,
            marker={"color": look.colour, "pattern": {"shape": look.pattern}},
            xbins={"size": 0.5},
            hovertemplate=f"{name}: %{{y}} images at 10^%{{x}}<extra></extra>",
        )
    figure.update_xaxes(title="density of neighbours, power of ten")
    figure.update_yaxes(title="images")
    return plots.style(figure, 400, "neighbours", barmode="overlay", legend=plots.LEGEND_ABOVE)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
