"""How often SmoothFool fools, and what that takes, against sigma_g: its Figure 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.evaluate.statistics import Estimate
from pages.parts.charts import curve_plots
from pages.parts.charts.curve_plots import Curve, named
from pages.parts.shell import theme
from pages.parts.shell.theme import Look


@dataclass(frozen=True)
class Stop:
    """A record on the chart."""

    sigma: int
    curve: Curve
    rate: Estimate
    mean: Estimate | None
    """Of the measure below, over the images that are fooled."""
    at_length: float | None = None
    """The share that is fooled by perturbations of one length, where that is drawn."""


def widths(
    lines: Mapping[str, tuple[Look, Sequence[Stop]]],
    paper: Mapping[str, Mapping[float, float]],
    metric: str,
    length: float,
    key: str,
) -> go.Figure:
    """Above the fooling rate with Wilson's intervals, below the mean of a measure of what fools.

    lines: by title. paper: its own rates by what they are of and sigma_g. length: L2 of `Stop.at_length`.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.07, row_heights=[0.58, 0.42])
    for title, (look, stops) in lines.items():
        x = [stop.sigma for stop in stops]
        band: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        band |= {"legendgroup": title, "fillcolor": theme.faded(look.colour, 0.13), "row": 1, "col": 1}
        figure.add_scatter(x=x, y=[100 * stop.rate.low for stop in stops], **band)
        figure.add_scatter(x=x, y=[100 * stop.rate.high for stop in stops], fill="tonexty", **band)
        line: dict[str, Any] = {
            "x": x,
            "mode": "lines+markers",
            "line": {"color": look.colour, "width": 3, "dash": look.dash},
            "marker": curve_plots.marker(look, 11),
            "customdata": [stop.curve.point(stop.curve.record.fooled) for stop in stops],
            "name": title,
            "legendgroup": title,
            "col": 1,
            **curve_plots.seen(),
        }
        figure.add_scatter(
            y=[100 * stop.rate.value for stop in stops],
            hovertemplate="%{y:.0f} % at σ_g = %{x}<br>click for the images<extra>" + title + "</extra>",
            row=1,
            **line,
        )
        known = [(stop, stop.mean) for stop in stops if stop.mean is not None]
        line |= {"x": [stop.sigma for stop, _ in known], "showlegend": False}
        line["customdata"] = [stop.curve.point(stop.curve.record.fooled) for stop, _ in known]
        figure.add_scatter(
            y=[mean.value for _, mean in known],
            error_y=curve_plots.ends([mean for _, mean in known]),
            hovertemplate=f"{named(metric)} %{{y:.3g}} at σ_g = %{{x}}<br>click for the images<extra>{title}</extra>",
            row=2,
            **line,
        )
        limited = [(stop.sigma, 100 * stop.at_length) for stop in stops if stop.at_length is not None]
        if limited:
            figure.add_scatter(
                x=[sigma for sigma, _ in limited],
                y=[share for _, share in limited],
                mode="lines",
                line={"color": look.colour, "width": 2.5, "dash": theme.REFERENCE.dash},
                name=f"{title}, at L2 = {length:g}",
                hovertemplate=f"%{{y:.0f}} % at σ_g = %{{x}} and L2 = {length:g}<extra>{title}</extra>",
                row=1,
                col=1,
            )
    for index, (of, rates) in enumerate(paper.items()):
        figure.add_scatter(
            x=list(rates),
            y=[100 * rate for rate in rates.values()],
            mode="markers",
            name=f"paper, {of}",
            marker={
                "color": theme.PAPER.colour,
                "symbol": (theme.PAPER.symbol, theme.CENTER, theme.SOLIDS[4])[index % 3],
                "size": 13,
                "line": {"width": 2.5},
            },
            hovertemplate=f"%{{y:.0f}} % at σ_g = %{{x}}<extra>paper, {of}</extra>",
            row=1,
            col=1,
            **curve_plots.seen(),
        )
    ticks = sorted({stop.sigma for _, stops in lines.values() for stop in stops})
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[str(tick) for tick in ticks])
    figure.update_xaxes(title="σ_g, pixels", row=2)
    figure.update_yaxes(title="fooled", range=[0, 107], ticksuffix=" %", row=1)
    below: dict[str, Any] = {"type": "log"} if metric == "roughness" else {"rangemode": "tozero"}
    figure.update_yaxes(title=f"mean {named(metric)}", **below, row=2)
    return curve_plots.style(figure, 480, key)
