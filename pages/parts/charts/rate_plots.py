"""A paper's table as a picture: shares of images with their intervals, a row for each of several things; and what
attacks come to, how long and how rough."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from core.evaluate.statistics import Estimate
from pages.parts.charts import curve_plots
from pages.parts.shell import theme

_SPREAD = 0.62
"""Of a row's height, over which its points lie one below another."""


def rates(
    rows: Mapping[str, str],
    ours: Mapping[str, tuple[str, Mapping[str, Estimate]]],
    paper: Mapping[str, Mapping[str, float]],
    axis: str,
    pointed: tuple[str, str] | None,
    key: str,
) -> go.Figure:
    """rows: their titles by key. ours: by what they are of, what a click gives with a row's key, and the rates by row;
    drawn with intervals. paper: likewise its own numbers, of which none need be among ours; what has the name of ours
    lies beside it, in its colour. pointed: what the point whose images are looked at gives."""
    figure, places = go.Figure(), {row: place for place, row in enumerate(rows)}
    height = {name: _SPREAD * ((i + 0.5) / len(ours) - 0.5) for i, name in enumerate(ours)}
    for index, (name, (given, found)) in enumerate(ours.items()):
        estimates = list(found.values())
        figure.add_scatter(
            x=[100 * one.value for one in estimates],
            y=[places[row] + height[name] for row in found],
            mode="markers",
            marker={
                "color": theme.colour(index),
                "symbol": theme.symbol(index),
                "size": [17 if pointed == (given, row) else 11 for row in found],
                "line": {"width": 1, "color": theme.OUTLINE},
            },
            error_x=curve_plots.ends(estimates, 100),
            name=name,
            customdata=[[given, row, rows[row]] for row in found],
            hovertemplate="%{customdata[2]}: %{x:.1f} %<br>click for the images<extra>" + name + "</extra>",
            **curve_plots.seen(),
        )
    for index, (name, numbers) in enumerate(paper.items()):
        alike = list(ours).index(name) if name in ours else None
        figure.add_scatter(
            x=[100 * rate for rate in numbers.values()],
            y=[places[row] + height.get(name, 0.0) for row in numbers],
            mode="markers",
            marker={
                "color": theme.PAPER.colour if alike is None else theme.colour(alike),
                "symbol": f"{theme.symbol(index)}-open" if alike is None else theme.PAPER.symbol,
                "size": 12,
                "line": {"width": 2.5},
            },
            name=f"paper, {name}" if alike is None else "the paper's",
            legendgroup=None if alike is None else "paper",
            showlegend=alike is None or index == 0,
            text=[rows[row] for row in numbers],
            hovertemplate="%{text}: %{x:.1f} %<extra>paper, " + name + "</extra>",
            **curve_plots.seen(),
        )
    figure.update_xaxes(title=axis, ticksuffix=" %", range=[-2, 103])
    n = len(rows)
    figure.update_yaxes(title="", tickvals=list(range(n)), ticktext=list(rows.values()), range=[n - 0.5, -0.5])
    return curve_plots.style(figure, max(300, 90 + 54 * n), key)


def smoothness(
    ours: Mapping[str, tuple[str, Estimate, Estimate]],
    paper: Mapping[str, tuple[float, float]],
    network: str,
    pointed: str | None,
    key: str,
) -> go.Figure:
    """Mean L2 against mean Omega_n of attacks, with intervals, and a paper's own beside them.

    ours: by title what a click gives, L2 and Omega_n. paper: by title, on its network. pointed: what the point whose
    images are looked at gives.
    """
    figure = go.Figure()
    every = dict.fromkeys([*ours, *paper])
    for index, name in enumerate(every):
        colour = theme.colour(index)
        if name in ours:
            given, length, rough = ours[name]
            figure.add_scatter(
                x=[length.value],
                y=[rough.value],
                mode="markers",
                marker={
                    "color": colour,
                    "symbol": theme.symbol(index),
                    "size": 19 if pointed == given else 14,
                    "line": {"width": 1, "color": theme.OUTLINE},
                },
                error_x=curve_plots.ends([length]),
                error_y=curve_plots.ends([rough]),
                customdata=[["ours", given]],
                name=name,
                hovertemplate="L2 %{x:.2f}, Ω_n %{y:.2g}<br>click for the images<extra>" + name + "</extra>",
                **curve_plots.seen(),
            )
        if name in paper:
            figure.add_scatter(
                x=[paper[name][0]],
                y=[paper[name][1]],
                mode="markers",
                marker={"color": colour, "symbol": theme.PAPER.symbol, "size": 13, "line": {"width": 2.5}},
                name=f"paper, {network}: {name}",
                hovertemplate="L2 %{x:.2f}, Ω_n %{y:.2g}<extra>paper, " + f"{network}: {name}" + "</extra>",
                **curve_plots.seen(),
            )
    figure.update_xaxes(title=f"mean L2{curve_plots.UNITS['l2']}", rangemode="tozero")
    figure.update_yaxes(
        title="mean Ω_n: how much of it is rough", type="log", tickvals=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
    )
    return curve_plots.style(figure, 380, key)
