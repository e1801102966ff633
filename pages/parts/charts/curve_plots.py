"""Charts of many images: success against distortion, what smoothness costs by budget, a paper's table beside ours.

What can be clicked carries the entry, the budget and a rank: the point stands for the images up to that rank, from the
least distorted on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.evaluate.curves import Characteristic, CurveRecord
from core.evaluate.front import METRICS
from core.evaluate.statistics import Estimate
from core.papers.smooth_curves import JUDGES
from pages.parts.charts import plots
from pages.parts.shell import theme
from pages.parts.shell.theme import Look

DRAWN = 160
"""Steps of a curve at most: more are not seen."""
DOTS = 12
"""Points of a curve to click."""
UNITS = {"l2": ", pixels in [0, 1]", "linf": ", in [0, 1]", "mad": ", 0 is invisible"}


def named(metric: str) -> str:
    """What a measure is called on a page."""
    return "Ω / L2²" if metric == "roughness" else METRICS[metric].title


@dataclass(frozen=True)
class Curve:
    """A record as it is drawn."""

    record: CurveRecord
    title: str
    apart: bool = False
    """Of other data than the other curves: a run of one's own."""

    @property
    def key(self) -> str:
        """Of the entry."""
        return self.record.protocol.name

    def point(self, rank: int) -> list[str | int]:
        """What a click on a point of it gives."""
        return [self.key, self.record.budget or 0, rank, *(["own"] if self.apart else [])]


def look(key: str) -> Look:
    """Colour, marker and dash of an entry, whoever judges it."""
    for judge in JUDGES:
        key = key.removeprefix(judge)
    return theme.CURVES.get(key, theme.POINTED)


def style(figure: go.Figure, height: int, key: str, **layout: Any) -> go.Figure:
    """The figure as the Curves page has its own: a legend above, and letters that are read from the last row."""
    legend = plots.LEGEND_ABOVE | {"title": "", "font": {"size": 14}}
    plots.style(figure, height, key, font_size=15, margin={"r": 14, "t": 30}, legend=legend, **layout)
    for axes in (figure.update_xaxes, figure.update_yaxes):
        axes(tickfont={"size": 14}, title_font={"size": 15})
    return figure


def marker(drawn: Look, size: int | list[int]) -> dict[str, Any]:
    """What can be clicked. Open symbols are drawn by their outline alone."""
    outline = drawn.colour if drawn.symbol.endswith("-open") else theme.OUTLINE
    width = 2 if drawn.symbol.endswith("-open") else 1
    return {"color": drawn.colour, "symbol": drawn.symbol, "size": size, "line": {"width": width, "color": outline}}


def seen() -> dict[str, Any]:
    """Of markers: what is not selected looks as before."""
    return {"unselected": {"marker": {"opacity": 1}}, "selected": {"marker": {"opacity": 1}}}


def ends(estimates: Sequence[Estimate], factor: float = 1, thickness: float = 2) -> dict[str, Any]:
    """Intervals as error bars, of values that are drawn `factor` times as large."""
    return {
        "symmetric": False,
        "array": [factor * (one.high - one.value) for one in estimates],
        "arrayminus": [factor * (one.value - one.low) for one in estimates],
        "thickness": thickness,
    }


def success(curves: Sequence[Curve], metric: str, pointed: tuple[Curve, int] | None, key: str) -> go.Figure:
    """P(D), eq. 21 of Smooth Adversarial Examples: the share of images fooled within a bound, with Wilson's intervals.

    pointed: curve and rank of the point whose images are looked at.
    """
    figure, more = go.Figure(), METRICS[metric].more
    for curve in curves:
        drawn, found = look(curve.key), curve.record.characteristic(metric)
        count = len(found.bounds)
        if not count:  # it fools none: nothing but its name
            line = {"color": drawn.colour, "width": 3, "dash": drawn.dash}
            figure.add_scatter(x=[1.0 if more else 0.0], y=[0.0], mode="lines", line=line, name=curve.title)
            continue
        take = np.unique(np.linspace(0, count - 1, min(count, DRAWN)).round().astype(int))
        bounds, shares = found.bounds[take], 100 * found.shares[take]
        low, high = (100 * end[take] for end in found.band())
        band: dict[str, Any] = {"line": {"width": 0, "shape": "hv"}, "mode": "lines", "hoverinfo": "skip"}
        band |= {"showlegend": False, "legendgroup": curve.title, "fillcolor": theme.faded(drawn.colour, 0.13)}
        figure.add_scatter(x=bounds, y=low, **band)
        figure.add_scatter(x=bounds, y=high, fill="tonexty", **band)
        figure.add_scatter(
            x=[1.0 if more else 0.0, *bounds],
            y=[0.0, *shares],
            mode="lines",
            line={"color": drawn.colour, "width": 3, "dash": drawn.dash, "shape": "hv"},
            hoverinfo="skip",
            name=curve.title,
            legendgroup=curve.title,
        )
        ranks = _ranks(count)
        figure.add_scatter(
            x=found.bounds[ranks - 1],
            y=100 * found.shares[ranks - 1],
            mode="markers",
            marker=marker(drawn, 10),
            customdata=[curve.point(int(rank)) for rank in ranks],
            hovertemplate=f"%{{y:.0f}} % within {named(metric)} %{{x:.3g}}<br>click for the images"
            f"<extra>{curve.title}</extra>",
            showlegend=False,
            legendgroup=curve.title,
            **seen(),
        )
        if pointed is not None and curve is pointed[0] and pointed[1] <= count:
            _ring(figure, found.bounds[pointed[1] - 1], 100 * found.shares[pointed[1] - 1])
    title = f"{named(metric)} at {'least' if more else 'most'}{UNITS.get(metric, '')}"
    figure.update_xaxes(title=title, rangemode="tozero")
    if more:
        figure.update_xaxes(autorange="reversed", rangemode="normal")
    figure.update_yaxes(title="fooled", range=[0, 103], ticksuffix=" %")
    return style(figure, 450, key)


def _ranks(count: int) -> NDArray[np.intp]:
    """Which of so many images are points to click."""
    return np.unique(np.linspace(1, count, min(count, DOTS)).round().astype(np.intp))


def _ring(figure: go.Figure, x: float, y: float) -> None:
    """Around the point that is looked at."""
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        marker={"color": theme.RING.colour, "symbol": theme.RING.symbol, "size": 20, "line": {"width": 3}},
        hoverinfo="skip",
        showlegend=False,
        **seen(),
    )


def _passes(stop: Stop, path: Sequence[Stop]) -> str:
    """What is written at the ends of a path: its passes."""
    return str(stop.curve.record.budget) if len(path) > 1 and stop in (path[0], path[-1]) else ""


_SIDES = {
    "top center": (0, 1),
    "bottom center": (0, -1),
    "middle right": (1, 0),
    "middle left": (-1, 0),
    "top right": (1, 1),
    "top left": (-1, 1),
    "bottom right": (1, -1),
    "bottom left": (-1, -1),
}
"""Where a label can lie, the first first, and in which direction from its point."""
_PLANES = ((275, 230), (480, 310), (860, 330))
"""Its width and height in pixels: a phone's, beside the images of a point, alone on a projector."""
_LABEL, _AWAY = (30, 17), (22, 15)
"""A label of three digits, and how far from its point it lies."""
_NEAR = (22, 16)
"""How near a label comes to another's point before it covers it."""


def _sides(labelled: Sequence[tuple[float, float]], points: Sequence[tuple[float, float]]) -> list[str]:
    """Where the labels of points go, each in turn: where they lie on fewest others, and on fewest points.

    labelled, points: x and y, in shares of the plane; the ones are among the others.
    """
    taken: list[tuple[float, float, str]] = []
    for x, y in labelled:
        others = [point for point in points if point != (x, y)]
        taken.append((x, y, min(_SIDES, key=lambda side: _met((x, y, side), taken, others))))
    return [side for _, _, side in taken]


def _met(
    label: tuple[float, float, str], others: Sequence[tuple[float, float, str]], points: Sequence[tuple[float, float]]
) -> float:
    """How much of other labels, and of points, a label covers, in windows of all sizes."""
    found = 0.0
    for plane in _PLANES:
        here = _middle(label, plane)
        found += 4 * sum(_over(here, _middle(other, plane), _LABEL) for other in others)
        found += sum(_over(here, (x * plane[0], y * plane[1]), _NEAR) for x, y in points)
    return found


def _middle(label: tuple[float, float, str], plane: tuple[int, int]) -> tuple[float, float]:
    """Of a label, in pixels."""
    x, y, side = label
    across, up = _SIDES[side]
    return x * plane[0] + across * _AWAY[0], y * plane[1] + up * _AWAY[1]


def _over(one: tuple[float, float], other: tuple[float, float], size: tuple[float, float]) -> float:
    """The share of a box of a size that lies on another, by their middles."""
    return math.prod(max(0.0, 1 - abs(a - b) / length) for a, b, length in zip(one, other, size, strict=True))


@dataclass(frozen=True)
class Stop:
    """A record on the picture of costs: its means over the images that all fool."""

    curve: Curve
    x: float
    y: float
    x_interval: Estimate | None = None
    y_interval: Estimate | None = None
    """Where the intervals are drawn."""


def cost(stops: Mapping[str, Sequence[Stop]], metric: str, paper: Mapping[str, float], key: str) -> go.Figure:
    """Mean L2 against the mean of another measure, by budget: a path for every family, from few passes to many.

    paper: its own mean distortions, by what they are of.
    """
    figure = go.Figure()
    sides = iter(_sides(*_places(stops, paper)))
    for name, path in stops.items():
        drawn = look(path[0].curve.key)
        sizes = [9 + 3 * i for i in range(len(path))]
        figure.add_scatter(
            x=[stop.x for stop in path],
            y=[stop.y for stop in path],
            mode="lines+markers+text",
            name=name,
            line={"color": drawn.colour, "width": 2.5, "dash": drawn.dash},
            marker=marker(drawn, sizes),
            text=[_passes(stop, path) for stop in path],
            textposition=[next(sides) if _passes(stop, path) else "top center" for stop in path],
            textfont={"size": 12},
            cliponaxis=False,  # a label may stand beyond the plane
            customdata=[stop.curve.point(stop.curve.record.fooled) for stop in path],
            hovertemplate=f"L2 %{{x:.3g}}, {named(metric)} %{{y:.3g}}, %{{customdata[1]}} passes<br>click for "
            f"the images<extra>{name}</extra>",
            **seen(),
        )
        for stop in path:
            if stop.x_interval is not None and stop.y_interval is not None:
                _cross(figure, stop.x_interval, stop.y_interval, drawn.colour)
    for of, value in paper.items():
        figure.add_vline(x=value, line={"color": theme.PAPER.colour, "width": 2, "dash": theme.PAPER.dash})
        figure.add_annotation(
            x=value,
            y=1,
            yref="paper",
            yanchor="top",
            xanchor="left",
            xshift=3,
            showarrow=False,
            textangle=90,
            text=of,
            font={"color": theme.PAPER.colour, "size": 13},
        )
    figure.update_xaxes(title=f"mean L2{UNITS['l2']}")
    figure.update_yaxes(title=f"mean {named(metric)}{UNITS.get(metric, '')}", rangemode="tozero")
    return style(figure, 450, key)


def _places(
    stops: Mapping[str, Sequence[Stop]], paper: Mapping[str, float]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Where the stops that are labelled lie, and all that is drawn: x and y, in shares of the plane."""
    every = [stop for path in stops.values() for stop in path]
    drawn = [(stop.x, stop.y) for stop in every]
    for stop in every:
        if stop.x_interval is not None:
            ends = np.linspace(stop.x_interval.low, stop.x_interval.high, 9)
            drawn += [(float(x), stop.y) for x in ends]
    wide = [x for x, _ in drawn] + list(paper.values())
    low, across, high = min(wide), max(wide) - min(wide) or 1.0, max(y for _, y in drawn) or 1.0
    found = [((x - low) / across, y / high) for x, y in drawn]
    written = [bool(_passes(stop, path)) for path in stops.values() for stop in path]
    return [place for place, is_written in zip(found, written, strict=False) if is_written], found


def _cross(figure: go.Figure, x: Estimate, y: Estimate, colour: str) -> None:
    """The intervals of a point."""
    figure.add_scatter(
        x=[x.value],
        y=[y.value],
        mode="markers",
        marker={"size": 1, "color": colour},
        error_x=ends([x]),
        error_y=ends([y]),
        hoverinfo="skip",
        showlegend=False,
    )


def table(
    rows: Sequence[tuple[str, Curve | None, Estimate | None]], paper: Mapping[str, Sequence[float]], key: str
) -> go.Figure:
    """Mean distortions of a table's attacks: ours with its interval, and the paper's on each of its networks.

    rows: the attack's name, its curve and its mean L2, of those that were measured. paper: by network, an entry a row.
    """
    figure = go.Figure()
    ours = [(name, curve, mean) for name, curve, mean in rows if curve is not None and mean is not None]
    for index, (network, values) in enumerate(paper.items()):
        figure.add_scatter(
            x=list(values),
            y=[name for name, _, _ in rows],
            mode="markers",
            name=f"paper, {network}",
            marker={
                "color": theme.PAPER.colour,
                "symbol": (theme.PAPER.symbol, theme.CENTER)[index % 2],
                "size": 14,
                "line": {"width": 2.5},
            },
            hovertemplate=f"%{{y}}: %{{x:.2f}}<extra>paper, {network}</extra>",
            **seen(),
        )
    figure.add_scatter(
        x=[mean.value for _, _, mean in ours],
        y=[name for name, _, _ in ours],
        mode="markers",
        name="ours",
        marker={"color": theme.FIRST.colour, "symbol": theme.FIRST.symbol, "size": 14},
        error_x=ends([mean for _, _, mean in ours]),
        customdata=[curve.point(curve.record.fooled) for _, curve, _ in ours],
        hovertemplate="%{y}: %{x:.3g}<br>click for the images<extra>ours</extra>",
        **seen(),
    )
    figure.update_xaxes(title="mean L2 over the images that are fooled", rangemode="tozero")
    order = [name for name, _, _ in rows]
    figure.update_yaxes(title="", categoryorder="array", categoryarray=order[::-1])
    return style(figure, 130 + 42 * len(rows), key)


def networks(lines: Mapping[str, tuple[str, Characteristic]], pointed: tuple[str, int] | None, key: str) -> go.Figure:
    """P(D) by L2 of several networks, by title, with Wilson's intervals; with each what a click gives beside a rank.

    pointed: what the point whose images are looked at gives.
    """
    figure = go.Figure()
    for index, (title, (name, found)) in enumerate(lines.items()):
        colour, dash = theme.CLASSES[index % len(theme.CLASSES)], theme.DASHES[index % 3]
        low, high = (100 * end for end in found.band())
        band: dict[str, Any] = {"line": {"width": 0, "shape": "hv"}, "mode": "lines", "hoverinfo": "skip"}
        band |= {"showlegend": False, "legendgroup": title, "fillcolor": theme.faded(colour, 0.13)}
        figure.add_scatter(x=found.bounds, y=low, **band)
        figure.add_scatter(x=found.bounds, y=high, fill="tonexty", **band)
        figure.add_scatter(
            x=[0.0, *found.bounds],
            y=[0.0, *(100 * found.shares)],
            mode="lines",
            line={"color": colour, "width": 3, "dash": dash, "shape": "hv"},
            hoverinfo="skip",
            name=title,
            legendgroup=title,
        )
        ranks = _ranks(len(found.bounds))
        figure.add_scatter(
            x=found.bounds[ranks - 1],
            y=100 * found.shares[ranks - 1],
            mode="markers",
            marker={"color": colour, "symbol": theme.symbol(index), "size": 9},
            customdata=[[name, int(rank)] for rank in ranks],
            hovertemplate=f"%{{y:.0f}} % within L2 %{{x:.3g}}<br>click for the images<extra>{title}</extra>",
            showlegend=False,
            legendgroup=title,
            **seen(),
        )
        if pointed is not None and pointed[0] == name and 1 <= pointed[1] <= len(found.bounds):
            _ring(figure, found.bounds[pointed[1] - 1], 100 * found.shares[pointed[1] - 1])
    figure.update_xaxes(title=f"L2 at most{UNITS['l2']}", rangemode="tozero")
    figure.update_yaxes(title="fooled", range=[0, 103], ticksuffix=" %")
    return style(figure, 400, key)


def spread(values: np.ndarray, here: float | None, metric: str, titles: tuple[str, str], key: str) -> go.Figure:
    """How a measure is spread over many images, and where one of them lies. values: (n,), of those that are fooled.

    titles: of the images, and of the one.
    """
    figure = go.Figure()
    every = [*values.tolist(), *([] if here is None else [here])]
    edges = np.linspace(min(every), max(every) + 1e-12, 31)
    counts, _ = np.histogram(values, edges)
    figure.add_bar(
        x=(edges[1:] + edges[:-1]) / 2,
        y=counts,
        width=edges[1] - edges[0],
        marker={"color": theme.FIRST.colour, "line": {"width": 0}},
        name=titles[0],
        hovertemplate="%{y} images at %{x:.3g}<extra></extra>",
    )
    if here is not None:
        figure.add_vline(x=here, line={"color": theme.POINTED.colour, "width": 4, "dash": theme.POINTED.dash})
    figure.update_xaxes(title=f"{named(metric)}{UNITS.get(metric, '')}", zeroline=False)
    figure.update_yaxes(title="images", rangemode="tozero")
    return style(figure, 220, key, bargap=0.03, showlegend=False)
