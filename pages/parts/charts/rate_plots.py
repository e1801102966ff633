"""Shares of images with their intervals, a row for each of several things: a paper's table as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.evaluate.statistics import Estimate
from pages.parts.charts import curve_plots
from pages.parts.shell import theme

_SPREAD = 0.62
"""Of a row's height, over which its points lie one below another."""


def rates(
    rows: Sequence[str],
    ours: Mapping[str, Mapping[str, Estimate]],
    paper: Mapping[str, Mapping[str, float]],
    axis: str,
    key: str,
) -> go.Figure:
    """ours: by what they are of and row; drawn with intervals. paper: likewise, its own numbers, of which none need be
    among ours; one that has the name of ours lies beside it, in its colour."""
    figure = go.Figure()
    height = {name: _SPREAD * ((i + 0.5) / len(ours) - 0.5) for i, name in enumerate(ours)}
    for index, (name, found) in enumerate(ours.items()):
        estimates = list(found.values())
        figure.add_scatter(
            x=[100 * one.value for one in estimates],
            y=[rows.index(row) + height[name] for row in found],
            mode="markers",
            marker={
                "color": theme.colour(index),
                "symbol": theme.symbol(index),
                "size": 11,
                "line": {"width": 1, "color": theme.OUTLINE},
            },
            error_x=curve_plots.ends(estimates, 100),
            name=name,
            customdata=list(found),
            hovertemplate="%{customdata}: %{x:.1f} %<extra>" + name + "</extra>",
        )
    for index, (name, numbers) in enumerate(paper.items()):
        alike = list(ours).index(name) if name in ours else None
        figure.add_scatter(
            x=[100 * rate for rate in numbers.values()],
            y=[rows.index(row) + height.get(name, 0.0) for row in numbers],
            mode="markers",
            marker={
                "color": theme.PAPER.colour if alike is None else theme.colour(alike),
                "symbol": theme.SOLIDS[3 + index % 3] if alike is None else theme.PAPER.symbol,
                "size": 12,
                "line": {"width": 2.5},
            },
            name=f"paper, {name}" if alike is None else "the paper's",
            legendgroup=None if alike is None else "paper",
            showlegend=alike is None or index == 0,
            customdata=list(numbers),
            hovertemplate="%{customdata}: %{x:.1f} %<extra>paper, " + name + "</extra>",
        )
    figure.update_xaxes(title=axis, ticksuffix=" %", range=[-2, 103])
    figure.update_yaxes(title="", tickvals=list(range(len(rows))), ticktext=list(rows), range=[len(rows) - 0.5, -0.5])
    return curve_plots.style(figure, max(300, 90 + 54 * len(rows)), key)
