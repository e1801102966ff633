"""Robustness against roughness: what networks withstand as perturbations grow smoother, and whether that goes with
withstanding corruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.evaluate.statistics import Estimate
from pages.parts.charts import curve_plots
from pages.parts.shell import theme


def _style(figure: go.Figure, sigmas: Sequence[float], key: str) -> go.Figure:
    figure.update_xaxes(
        type="log",
        tickvals=list(sigmas),
        ticktext=[f"{sigma:g}" for sigma in sigmas],
        title="σ_g, pixels: from rough to smooth",
    )
    return curve_plots.style(figure, 470, key)


def lines(
    found: Mapping[str, tuple[str, Mapping[float, Estimate]]],
    sigmas: Sequence[float],
    share: bool,
    mine: str,
    pointed: tuple[str, float] | None,
    key: str,
) -> go.Figure:
    """A line a network against sigma_g, with intervals: the length that it takes, or with `share` how often it is
    fooled.

    found: by title, what a click gives with a sigma_g, and the estimates by sigma_g. mine: the title of the network
    that is chosen. pointed: what the point whose images are looked at gives.
    """
    figure = go.Figure()
    factor = 100 if share else 1
    told = ("%{y:.0f} %" if share else "L2 %{y:.2f}") + " at σ_g = %{x}<br>click for the images"
    for index, (title, (name, points)) in enumerate(found.items()):
        values, size = list(points.values()), 12 if title == mine else 9
        figure.add_scatter(
            x=list(points),
            y=[factor * one.value for one in values],
            mode="lines+markers",
            line={"color": theme.colour(index), "width": 4 if title == mine else 2, "dash": theme.dash(index // 10)},
            marker={
                "symbol": theme.symbol(index),
                "size": [18 if pointed == (name, sigma) else size for sigma in points],
            },
            customdata=[[name, f"{sigma:g}"] for sigma in points],
            error_y=curve_plots.ends(values, factor, 1.5) if title == mine else None,
            name=title,
            hovertemplate=told + "<extra>" + title + "</extra>",
            **curve_plots.seen(),
        )
    figure = _style(figure, sigmas, key)
    if share:
        figure.update_yaxes(title="fooled", range=[0, 103], ticksuffix=" %")
    else:
        figure.update_yaxes(title="median L2 that fools", type="log", tickvals=[0.25, 0.5, 1, 2, 4, 8, 16])
    return figure


def correlations(
    found: Mapping[float, Estimate], sigmas: Sequence[float], given: str, pointed: float | None, key: str
) -> go.Figure:
    """Spearman's correlation over networks against sigma_g, with its interval. given: what a click gives with a
    sigma_g. pointed: that whose networks are looked at."""
    figure = go.Figure()
    values = list(found.values())
    figure.add_hline(y=0, line={"color": theme.REFERENCE.colour, "width": 1.5, "dash": theme.REFERENCE.dash})
    figure.add_scatter(
        x=list(found),
        y=[one.value for one in values],
        mode="lines+markers",
        line={"color": theme.FIRST.colour, "width": 3},
        marker={"symbol": theme.FIRST.symbol, "size": [18 if sigma == pointed else 12 for sigma in found]},
        error_y=curve_plots.ends(values, thickness=1.5),
        customdata=[[given, f"{sigma:g}"] for sigma in found],
        name="Spearman's ρ",
        hovertemplate="ρ = %{y:.2f} at σ_g = %{x}<br>click for the networks<extra></extra>",
        showlegend=False,
        **curve_plots.seen(),
    )
    figure = _style(figure, sigmas, key)
    figure.update_yaxes(title="corruptions withstood with length needed: Spearman's ρ", range=[-1.05, 1.05])
    return figure


def networks(found: Mapping[str, tuple[str, Estimate, Estimate]], sigma: float, pointed: str, key: str) -> go.Figure:
    """What networks withstand of corruptions against the length that it takes at one sigma_g, with intervals.

    found: by title, what a click gives with the sigma_g, the share that is named rightly, and the median L2. pointed:
    what the point whose images are looked at gives.
    """
    figure = go.Figure()
    for index, (title, (name, right, length)) in enumerate(found.items()):
        figure.add_scatter(
            x=[100 * right.value],
            y=[length.value],
            mode="markers",
            marker={
                "color": theme.colour(index),
                "symbol": theme.symbol(index),
                "size": 17 if name == pointed else 11,
                "line": {"width": 1, "color": theme.OUTLINE},
            },
            error_x=curve_plots.ends([right], 100, 1),
            error_y=curve_plots.ends([length], thickness=1),
            customdata=[[name, f"{sigma:g}"]],
            name=title,
            hovertemplate="%{x:.1f} % right, L2 %{y:.2f}<br>click for the images<extra>" + title + "</extra>",
            showlegend=False,
            **curve_plots.seen(),
        )
    figure.update_xaxes(title="right under corruptions", ticksuffix=" %")
    figure.update_yaxes(title=f"median L2 at σ_g = {sigma:g}")
    return curve_plots.style(figure, 380, key)
