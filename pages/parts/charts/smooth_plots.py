"""Charts of SmoothFool's step: the plane of two pixels, and low-pass kernels beside their frequency responses."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import torch
from torch import Tensor

from core.filters import frequency_response
from core.papers.two_pixels import Step
from pages.parts.charts import plots
from pages.parts.shell import theme


def two_pixels(step: Step) -> go.Figure:
    """The picture as a point of the plane, the line, and the two ways to it."""
    figure = go.Figure()
    line = step.line.tolist()
    figure.add_scatter(
        x=[x for x, _ in line],
        y=[y for _, y in line],
        mode="lines",
        name="boundary",
        line={"color": theme.GREY, "width": 3},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="both pixels alike",
        line={"color": theme.GREY, "width": 1, "dash": theme.REFERENCE.dash},
        hoverinfo="skip",
    )
    start = step.point.tolist()
    for way, name, look in (
        (step.straight, "DeepFool", theme.FIRST),
        (step.smooth, "SmoothFool", theme.SECOND),
    ):
        end = (step.point + way).tolist()
        figure.add_scatter(
            x=[start[0], end[0]],
            y=[start[1], end[1]],
            mode="lines+markers",
            name=name,
            line={"color": look.colour, "width": 4, "dash": look.dash},
            marker={"color": look.colour, "symbol": look.symbol, "size": [1, 12]},
            hovertemplate=f"{name}: %{{x:.3f}}, %{{y:.3f}}<extra></extra>",
        )
    figure.add_scatter(
        x=[start[0]],
        y=[start[1]],
        mode="markers",
        name="the picture",
        marker={"color": theme.GREEN, "symbol": theme.symbol(7), "size": 15},
        hovertemplate="the picture: %{x:.2f}, %{y:.2f}<extra></extra>",
    )
    figure.update_xaxes(title="first pixel", range=[0, 1], constrain="domain")
    figure.update_yaxes(title="second pixel", range=[0, 1], scaleanchor="x", scaleratio=1)
    return plots.style(figure, 400, "two_pixels", legend=plots.LEGEND_ABOVE)


def taps(kernels: Mapping[str, Tensor]) -> go.Figure:
    """Weights of kernels (taps,) by name, about their middle."""
    figure = go.Figure()
    for index, (name, taps) in enumerate(kernels.items()):
        figure.add_scatter(
            x=[k - len(taps) // 2 for k in range(len(taps))],
            y=taps.tolist(),
            mode="lines+markers",
            name=name,
            line={"color": theme.colour(index), "width": 3, "dash": theme.dash(index)},
            marker={"color": theme.colour(index), "symbol": theme.symbol(index)},
            hovertemplate="%{x} pixels: %{y:.3f}",
        )
    figure.update_xaxes(title="pixels from the middle")
    figure.update_yaxes(title="weight", rangemode="tozero")
    return plots.style(figure, 250, "taps", legend=plots.LEGEND_ABOVE)


def responses(kernels: Mapping[str, Tensor]) -> go.Figure:
    """What kernels leave of waves of each frequency."""
    frequencies = torch.linspace(0, 0.5, 201, dtype=torch.float64)
    figure = go.Figure()
    for index, (name, taps) in enumerate(kernels.items()):
        figure.add_scatter(
            x=frequencies.tolist(),
            y=frequency_response(taps, frequencies).tolist(),
            mode="lines",
            name=name,
            line={"color": theme.colour(index), "width": 3, "dash": theme.dash(index)},
            hovertemplate="%{x:.3f} cycles/pixel: %{y:.3f}",
        )
    figure.add_hline(y=0, line={"color": theme.GREY, "width": 1})
    figure.update_xaxes(title="cycles per pixel")
    figure.update_yaxes(title="share that is left")
    return plots.style(figure, 250, "responses", legend=plots.LEGEND_ABOVE)
