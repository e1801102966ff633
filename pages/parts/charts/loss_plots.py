"""The charts of the Graph loss page."""

from __future__ import annotations

import html
import itertools
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from core.losses.playground import Motion
from core.papers.graph_smoothness.figures import Series
from pages.parts.charts import plots
from pages.parts.shell import theme
from pages.parts.shell.pictures import data_url

ORIGIN = {"zeroline": True, "zerolinewidth": 1, "zerolinecolor": theme.FAINT}
_FONT = {"font_size": 15, "margin": {"l": 8, "r": 8, "t": 8, "b": 8}}


def signals(found: Tensor, classes: Sequence[str]) -> go.Figure:
    """s_c^T L s_c (K,) of every class as bars; their sum is the loss."""
    values = found.tolist()
    figure = go.Figure(
        go.Bar(
            x=values,
            y=[str(name) for name in classes],
            orientation="h",
            marker={
                "color": [theme.colour(i) for i in range(len(classes))],
                "line": {"width": 1, "color": theme.GREY},
            },
            text=[f"{v:.3g}" for v in values],
            textposition="outside",
            textfont={"size": 14},
            hovertemplate="%{y}: %{x:.4g}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", title="", type="category", tickfont={"size": 15})
    reach = 1.22 * max(*values, 1e-9)  # leaves room for the numbers
    figure.update_xaxes(title="weight of the edges that leave the class", range=[0, reach], showgrid=False)
    figure.update_layout(height=90 + 25 * len(classes), bargap=0.25, uirevision="signals", **_FONT)
    return figure


def weights(matrix: Tensor, labels: Tensor, classes: Sequence[str]) -> go.Figure:
    """The weight matrix (n, n) sorted by class: what the loss punishes lies outside the blocks of the diagonal."""
    order = labels.argsort(stable=True)
    found, named = matrix[order][:, order], labels[order]
    edges = [0, *((named.diff() > 0).nonzero()[:, 0] + 1).tolist(), len(named)]
    middles = [(a + b - 1) / 2 for a, b in itertools.pairwise(edges)]
    names = [str(classes[int(named[a])]) for a in edges[:-1]]
    figure = go.Figure(
        go.Heatmap(
            z=[[round(v, 5) for v in row] for row in found.tolist()],
            colorscale=theme.WEIGHTS,
            zmin=0,
            colorbar={"title": {"text": "weight"}, "thickness": 14},
            hovertemplate="weight %{z:.3g}<extra></extra>",
        )
    )
    whole = {"type": "line", "line": {"color": theme.RULED, "width": 1}}
    rules = []  # one by one, with add_hline, they take as long as all the rest of the page
    for at in [edge - 0.5 for edge in edges[1:-1]]:
        rules.append({**whole, "xref": "x domain", "x0": 0, "x1": 1, "y0": at, "y1": at})
        rules.append({**whole, "yref": "y domain", "y0": 0, "y1": 1, "x0": at, "x1": at})
    figure.update_xaxes(title="class", tickvals=middles, ticktext=names, showgrid=False, constrain="domain")
    figure.update_yaxes(
        title="class",
        tickvals=middles,
        ticktext=names,
        autorange="reversed",
        showgrid=False,
        scaleanchor="x",
        constrain="domain",
    )
    figure.update_layout(height=460, uirevision="weights", shapes=rules, **_FONT)
    return figure


def over_training(epochs: Sequence[int], losses: Sequence[float], now: int) -> go.Figure:
    """The loss of one batch after every epoch; the one that is looked at is marked."""
    figure = go.Figure()
    figure.add_scatter(
        x=list(epochs),
        y=list(losses),
        mode="lines",
        line={"color": theme.ORANGE, "width": 3},
        showlegend=False,
        hovertemplate="after epoch %{x}: %{y:.4g}<extra></extra>",
    )
    figure.add_scatter(
        x=[now],
        y=[losses[list(epochs).index(now)]],
        mode="markers",
        showlegend=False,
        hoverinfo="skip",
        marker={"size": 13, "color": theme.WARNING},
    )
    figure.update_xaxes(title="epoch", zeroline=False)
    figure.update_yaxes(title="loss", rangemode="tozero")
    figure.update_layout(height=190, uirevision="over", **_FONT)
    return figure


def pairs(images: Tensor, labels: Tensor, classes: Sequence[str], found: Sequence[tuple[int, int, float]]) -> str:
    """HTML: the two images of each punished pair (i, j, weight) beside each other."""
    cells = []
    for i, j, weight in found:
        gap = images.new_ones(*images.shape[1:3], 2)
        both = data_url(torch.cat([images[i], gap, images[j]], 2))
        names = f"{html.escape(classes[int(labels[i])])} – {html.escape(classes[int(labels[j])])}"
        cells.append(
            f'<figure><img alt="{names}, weight {weight:.3f}" src="{both}" style="width:100%"><span class="ss-note">'
            f"<b>{names}</b> {weight:.3f}</span></figure>"
        )
    style = "grid-template-columns: repeat(auto-fill, minmax(122px, 1fr)); max-width: 1180px"
    return f'<div class="ss-grid" style="{style}">{"".join(cells)}</div>'


def short(title: str) -> str:
    """A loss's title without what stands in brackets."""
    return title.split(" (")[0]


def motions(found: Mapping[str, Motion], labels: Tensor, classes: Sequence[str]) -> go.Figure:
    """Points moved by one or several losses, side by side, played in the browser: title -> motion of n points.

    All motions have the same steps. In the plane each panel has one range, which holds points and centres at every
    moment of the last two thirds.
    """
    flat = next(iter(found.values())).positions.shape[-1] == 2
    kind = "xy" if flat else "scene"
    titles = [short(title) for title in found]
    figure = make_subplots(
        1, len(found), subplot_titles=titles, specs=[[{"type": kind}] * len(found)], horizontal_spacing=0.03
    )
    steps = next(iter(found.values())).steps
    for column, motion in enumerate(found.values(), 1):
        figure.add_traces(_panel(motion, len(steps) - 1, labels, classes, column == 1), rows=1, cols=column)
        every = motion.positions[len(steps) // 3 :].flatten(0, 1)
        if motion.centers is not None:
            every = torch.cat([every, motion.centers[len(steps) // 3 :].flatten(0, 1)])
        reach = 1.08 * float(every.abs().amax())
        if flat:
            figure.update_xaxes(range=[-reach, reach], showgrid=False, showticklabels=False, col=column, **ORIGIN)
            figure.update_yaxes(
                range=[-reach, reach],
                showgrid=False,
                showticklabels=False,
                col=column,
                **ORIGIN,
                scaleanchor=f"x{column if column > 1 else ''}",
                constrain="domain",
            )
        else:
            axis = {"range": [-reach, reach], "showticklabels": False, "title": ""}
            figure.update_scenes(xaxis=axis, yaxis=axis, zaxis=axis, aspectmode="cube", col=column)
    figure.frames = [
        go.Frame(
            data=[trace for motion in found.values() for trace in _panel(motion, t, labels, classes, False)],
            name=str(step),
            traces=list(range(len(figure.data))),
        )
        for t, step in enumerate(steps)
    ]
    moment = {"mode": "immediate", "frame": {"duration": 0, "redraw": not flat}, "transition": {"duration": 0}}
    play = {"fromcurrent": True, "frame": {"duration": 60, "redraw": not flat}, "transition": {"duration": 0}}
    figure.update_annotations(font_size=17)
    figure.update_layout(
        height=500,
        uirevision="motions",
        font_size=15,
        margin={"l": 4, "r": 4, "t": 34, "b": 4},
        legend={"itemsizing": "constant", "orientation": "h", "y": -0.32, "title": ""},
        sliders=[
            {
                "active": len(steps) - 1,
                "currentvalue": {"prefix": "after step "},
                "pad": {"t": 8},
                "x": 0.16,
                "len": 0.84,
                "steps": [{"label": str(s), "method": "animate", "args": [[str(s)], moment]} for s in steps],
            }
        ],
        updatemenus=[
            {
                "type": "buttons",
                "direction": "left",
                "x": 0,
                "y": 0,
                "xanchor": "left",
                "yanchor": "top",
                "pad": {"t": 34},
                "showactive": False,
                "font": {"size": 18},
                "buttons": [
                    {"label": "▶", "method": "animate", "args": [None, play]},
                    {"label": "❚❚", "method": "animate", "args": [[None], moment]},
                ],
            }
        ],
    )
    return figure


def _panel(motion: Motion, t: int, labels: Tensor, classes: Sequence[str], legend: bool) -> list[go.Scatter]:
    """The traces of one loss at one moment: one a class, and the head's centres."""
    flat = motion.positions.shape[-1] == 2
    cls, symbols = (go.Scatter, theme.SYMBOLS) if flat else (go.Scatter3d, theme.SOLIDS)
    found = []
    for index, name in enumerate(classes):
        place = motion.positions[t, labels == index]
        found.append(
            cls(
                **_coordinates(place),
                mode="markers",
                name=str(name),
                legendgroup=str(name),
                showlegend=legend,
                hoverinfo="name",
                marker={
                    "size": 7 if flat else 4,
                    "color": theme.colour(index),
                    "symbol": symbols[index % len(symbols)],
                    "opacity": 0.85,
                    "line": {"width": 1, "color": theme.OUTLINE},
                },
            )
        )
    if motion.centers is not None:
        found.append(
            cls(
                **_coordinates(motion.centers[t]),
                mode="markers",
                name="centre",
                showlegend=False,
                hoverinfo="name",
                marker={
                    "size": 15 if flat else 7,
                    "symbol": theme.CENTER,
                    "color": [theme.colour(i) for i in range(len(motion.centers[t]))],
                    "line": {"width": 2},
                },
            )
        )
    return found


def _coordinates(points: Tensor) -> dict[str, list[float]]:
    return {axis: [round(v, 3) for v in points[:, i].tolist()] for i, axis in zip(range(points.shape[1]), "xyz")}  # noqa: B905


def falling(found: Mapping[str, Motion]) -> go.Figure:
    """Each motion's loss by step, relative to where it began."""
    figure = go.Figure()
    for index, (title, motion) in enumerate(found.items()):
        start = motion.losses[0].abs().clamp_min(1e-12)
        figure.add_scatter(
            x=list(motion.steps),
            y=(100 * motion.losses / start).tolist(),
            name=short(title),
            mode="lines",
            line={"color": theme.colour(index), "width": 3, "dash": theme.dash(index)},
            customdata=motion.losses.tolist(),
            hovertemplate="step %{x}: loss %{customdata:.4g}",
        )
    figure.update_xaxes(title="step", zeroline=False)
    figure.update_yaxes(title="loss, % of its start", rangemode="tozero")
    figure.update_layout(
        height=260, uirevision="falling", showlegend=True, legend=plots.LEGEND_ABOVE | {"title": ""}, **_FONT
    )
    return figure


def accuracy(near: Series, own: Series, base: Series, label: str, span: tuple[float, float]) -> go.Figure:
    """Accuracy against one parameter: 10-NN and the head's own, mean with smallest and largest; cross-entropy's too.

    label: of the horizontal axis. span: of the vertical one, 0 to 1.
    """
    figure = go.Figure()
    stops = ["all" if value is None else f"{value:g}" for value in near.values]
    for series, name, look in ((near, "10-NN", theme.FIRST), (own, "kernel head", theme.SECOND)):
        mean = torch.tensor(series.mean)
        figure.add_scatter(
            x=stops,
            y=(100 * mean).tolist(),
            name=name,
            mode="lines+markers",
            line={"color": look.colour, "width": 3, "dash": look.dash},
            marker={"size": 10, "symbol": look.symbol},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": (100 * (torch.tensor(series.high) - mean)).tolist(),
                "arrayminus": (100 * (mean - torch.tensor(series.low))).tolist(),
                "thickness": 1.5,
                "width": 5,
            },
            hovertemplate="%{x}: %{y:.2f} %",
        )
    if base.mean:
        figure.add_scatter(
            x=stops,
            y=[100 * base.mean[0]] * len(stops),
            name="cross-entropy",
            mode="lines",
            line={"color": theme.REFERENCE.colour, "width": 2, "dash": theme.REFERENCE.dash},
            hovertemplate="cross-entropy: %{y:.2f} %<extra></extra>",
        )
    figure.update_xaxes(title=label, type="category")
    figure.update_yaxes(title="accuracy", range=[100 * span[0], 100 * span[1]], ticksuffix=" %")
    figure.update_layout(
        height=340,
        uirevision=label,
        showlegend=True,
        legend={"x": 0.03, "y": 0.04, "yanchor": "bottom", "title": ""},
        **_FONT,
    )
    return figure
