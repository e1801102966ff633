"""Errors of networks under common corruptions, a row a corruption."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from core.data.corruptions import CORRUPTIONS
from core.evaluate.statistics import Estimate
from pages.parts.charts import curve_plots
from pages.parts.shell import theme


def errors(
    lines: Mapping[str, tuple[str, Mapping[str, Estimate]]],
    clean: Mapping[str, Estimate],
    pointed: tuple[str, str] | None,
    key: str,
) -> go.Figure:
    """Shares of images that are named wrongly, with their intervals.

    lines: by title, what a click gives with a corruption's key, and the error under each corruption. clean: by title,
    the error without one, dotted. pointed: corruption and title of the point whose images are looked at.
    """
    figure = go.Figure()
    for index, (title, (name, found)) in enumerate(lines.items()):
        colour, symbol = theme.colour(index), theme.symbol(index)
        rows = [CORRUPTIONS[each].title for each in found]
        estimates = list(found.values())
        figure.add_scatter(
            x=[100 * one.value for one in estimates],
            y=rows,
            mode="markers",
            marker={
                "color": colour,
                "symbol": symbol,
                "size": [18 if pointed == (each, title) else 12 for each in found],
                "line": {"width": 1, "color": theme.OUTLINE},
            },
            error_x=curve_plots.ends(estimates, 100),
            customdata=[[each, name] for each in found],
            hovertemplate="%{y}: %{x:.1f} % wrong<br>click for the images<extra>" + title + "</extra>",
            name=title,
            **curve_plots.seen(),
        )
        if title in clean:
            line = {"color": colour, "width": 1.5, "dash": theme.REFERENCE.dash}
            figure.add_vline(x=100 * clean[title].value, line=line)
    figure.update_xaxes(title="named wrongly (dotted: clean images)", ticksuffix=" %", rangemode="tozero")
    titles = [corruption.title for corruption in CORRUPTIONS.values()]
    figure.update_yaxes(title="", categoryorder="array", categoryarray=titles[::-1])
    return curve_plots.style(figure, 500, key)
