"""Charts in one style: legible on a projector, colours that colour-blind people can tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import torch
from torch import Tensor

from core.features.regions import Regions
from pages.parts.shell import theme

CONFIG = {"displaylogo": False, "displayModeBar": False}
"""Plotly's own buttons are left out: on a projector they only get in the way."""


LEGEND_ABOVE = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}


def style(figure: go.Figure, height: int, key: str, **layout: Any) -> go.Figure:
    """Give `figure` its height, type and margins. key: of what a person has zoomed, which stays as long as it does."""
    margin = {"l": 8, "r": 8, "t": 8, "b": 8} | layout.pop("margin", {})
    return figure.update_layout({"font_size": 14} | layout, height=height, uirevision=key, margin=margin)


def of_class(index: int, **more: Any) -> dict[str, Any]:
    """Colour, shape and outline of a class's marker; the darkest is seen on a dark page too. more: its size, ..."""
    line = {"width": 0.8, "color": theme.OUTLINE}
    return {"color": theme.colour(index), "symbol": theme.symbol(index), "line": line} | more


def spectrum(frequencies: Tensor, power: Tensor, image: int = 0) -> go.Figure:
    """A perturbation's energy by spatial frequency: (bins,) and (N, bins) of core.metrics.radial_power_spectrum."""
    share = 100 * power[image] / power[image].sum()
    figure = go.Figure()
    figure.add_bar(
        x=frequencies.tolist(),
        y=share.tolist(),
        marker={"color": theme.GREEN, "line": {"width": 0}},
        hovertemplate="%{x:.2f} cycles/pixel: %{y:.1f} %<extra></extra>",
    )
    figure.update_xaxes(title="cycles per pixel")
    figure.update_yaxes(title="of its energy", ticksuffix=" %")
    figure.update_layout(
        title={"text": "Energy of the perturbation by frequency", "font": {"size": 14}},
        height=230,
        font_size=14,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        bargap=0,
        showlegend=False,
    )
    return figure


def spectra(found: Mapping[str, tuple[Tensor, Tensor]]) -> go.Figure:
    """Energy by spatial frequency of several perturbations: name -> what `spectrum` takes, of its first image."""
    figure = go.Figure()
    for index, (name, (frequencies, power)) in enumerate(found.items()):
        total = power[0].sum()
        if total > 0:
            figure.add_scatter(
                x=frequencies.tolist(),
                y=(100 * power[0] / total).tolist(),
                name=name,
                mode="lines",
                line={"color": theme.colour(index), "width": 3, "dash": theme.dash(index)},
                hovertemplate="%{x:.2f} cycles/pixel: %{y:.1f} %",
            )
    figure.update_xaxes(title="cycles per pixel")
    figure.update_yaxes(title="of its energy", ticksuffix=" %", rangemode="tozero")
    return style(figure, 260, "spectra", showlegend=True, legend=LEGEND_ABOVE)


def passed(found: Mapping[str, tuple[Tensor, Tensor]]) -> go.Figure:
    """Energy by spatial frequency before (the first) and after several filters, all in shares of what there was."""
    figure = go.Figure()
    total = next(iter(found.values()))[1][0].sum()
    for index, (name, (frequencies, power)) in enumerate(found.items()):
        figure.add_scatter(
            x=frequencies.tolist(),
            y=(power[0] / total).clamp_min(1e-9).tolist(),
            name=name,
            mode="lines",
            line={"color": theme.colour(index), "width": 3, "dash": theme.dash(index)},
            hovertemplate="%{x:.2f} cycles/pixel: %{y:.1e}",
        )
    figure.update_xaxes(title="cycles per pixel")
    figure.update_yaxes(title="share of the energy before", type="log", exponentformat="power")
    return style(figure, 280, "passed", legend=LEGEND_ABOVE)


def reach(frames: Sequence[Tensor]) -> tuple[float, float, float, float]:
    """The part of the plane that frames of points (n, 2) are first seen in: (left, right, bottom, top).

    The first frames of a training may lie far away from all others; what is outside is reached by zooming out.
    """
    every = torch.cat(list(frames[len(frames) // 3 :]))
    low, high = (every.double().quantile(share, 0) for share in (0.005, 0.995))
    pad = 0.12 * float((high - low).max().clamp_min(1e-6))
    return float(low[0]) - pad, float(high[0]) + pad, float(low[1]) - pad, float(high[1]) + pad


def shade(regions: Regions | None, classes: int) -> go.Heatmap:
    """What a network names where, in the classes' colours; Plotly draws it behind all points."""
    share = [(c + end) / classes for c in range(classes) for end in (0, 1)]
    scale = [[at, theme.colour(c // 2)] for c, at in enumerate(share)]
    look: dict[str, Any] = {"showscale": False, "hoverinfo": "skip", "opacity": 0.2, "colorscale": scale}
    look |= {"zmin": -0.5, "zmax": classes - 0.5}
    if regions is None:
        return go.Heatmap(z=[[None]], **look)
    (left, right, bottom, top), (rows, columns) = regions.extent, regions.answers.shape
    dx, dy = (right - left) / columns, (top - bottom) / rows
    answers = regions.answers.to(torch.int8 if classes < 128 else torch.int16).numpy()
    return go.Heatmap(z=answers, x0=left + dx / 2, dx=dx, y0=top - dy / 2, dy=-dy, **look)


def embedding(
    frames: Sequence[Tensor],
    labels: Tensor,
    names: Sequence[str],
    titles: Sequence[str],
    regions: Sequence[Regions | None] = (),
    axes: tuple[str, str] = ("first feature", "second feature"),
) -> go.Figure:
    """Points of the plane over time: frames of (n, 2) with labels (n,), one trace a class, one step a frame.

    All frames share one range, that of the later ones. titles: one a frame, for the slider; no slider if there is one.
    axes: what lies to the right and upwards.
    regions: what a network names where, one a frame, drawn by a trace after those of the classes.
    """
    left, right, bottom, top = reach(frames)
    shaded = any(each is not None for each in regions)

    def traces(number: int) -> list[go.Scatter | go.Heatmap]:
        points, found = frames[number], []
        for index, name in enumerate(names):
            mine = points[labels == index]
            found.append(
                go.Scatter(
                    x=mine[:, 0].tolist(),
                    y=mine[:, 1].tolist(),
                    mode="markers",
                    name=str(name),
                    hoverinfo="name",
                    marker=of_class(index, size=6, opacity=0.8),
                )
            )
        return [*found, shade(regions[number], len(names))] if shaded else found

    figure = go.Figure(traces(len(frames) - 1))
    style(figure, 470, "embedding", legend={"itemsizing": "constant", "title": ""})
    figure.update_xaxes(range=[left, right], zeroline=False, title=axes[0])
    figure.update_yaxes(range=[bottom, top], zeroline=False, title=axes[1], scaleanchor="x", scaleratio=1)
    if len(frames) > 1:
        figure.frames = [go.Frame(data=traces(number), name=title) for number, title in enumerate(titles)]
        # Plotly moves points without drawing all anew; a picture behind them it does not.
        moment = {"mode": "immediate", "frame": {"duration": 0, "redraw": shaded}, "transition": {"duration": 0}}
        play = {"fromcurrent": True, "frame": {"duration": 350, "redraw": shaded}, "transition": {"duration": 300}}
        figure.update_layout(
            height=560,
            sliders=[
                {
                    "active": len(frames) - 1,
                    "currentvalue": {"prefix": "after epoch "},
                    "pad": {"t": 28},
                    "x": 0.24,
                    "len": 0.76,
                    "steps": [{"label": t, "method": "animate", "args": [[t], moment]} for t in titles],
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
                    "pad": {"t": 58},
                    "showactive": False,
                    "buttons": [
                        {"label": "▶", "method": "animate", "args": [None, play]},
                        {"label": "❚❚", "method": "animate", "args": [[None], moment]},
                    ],
                }
            ],
        )
    return figure


def curves(
    losses: Sequence[tuple[float, float]],
    accuracies: Sequence[tuple[float, float]],
    epochs: int,
    changes: Sequence[tuple[float, str]] = (),
) -> go.Figure:
    """Loss of the training batches and accuracy on test images (in %) by epoch, on two axes.

    changes: epochs at which something was set otherwise, and what, at upright lines.
    """
    figure = go.Figure()
    for at, words in changes:
        figure.add_vline(
            at,
            line={"color": theme.REFERENCE.colour, "dash": theme.REFERENCE.dash, "width": 2},
            annotation={"text": words, "textangle": -90, "font": {"size": 12}, "yanchor": "top", "xanchor": "right"},
        )
    figure.add_scatter(
        x=[x for x, _ in losses],
        y=[y for _, y in losses],
        name="training loss",
        line={"color": theme.ORANGE, "width": 2},
        hovertemplate="loss %{y:.4g}<extra></extra>",
    )
    figure.add_scatter(
        x=[x for x, _ in accuracies],
        y=[y for _, y in accuracies],
        name="test accuracy",
        yaxis="y2",
        mode="lines+markers",
        line={"color": theme.BLUE, "width": 3, "dash": theme.dash(2)},
        marker={"symbol": theme.symbol(1), "size": 8},
        hovertemplate="accuracy %{y:.2f} %<extra></extra>",
    )
    return style(
        figure,
        300,
        "curves",
        legend={"orientation": "h", "y": 1.12, "x": 0},
        xaxis={"title": "epoch", "range": [0, epochs]},
        yaxis={"title": {"text": "loss", "font": {"color": theme.ORANGE}}, "rangemode": "tozero"},
        yaxis2={
            "title": {"text": "accuracy", "font": {"color": theme.BLUE}},
            "overlaying": "y",
            "side": "right",
            "range": [0, 100],
            "tickvals": [0, 25, 50, 75, 100],
            "ticksuffix": " %",
            "showgrid": False,
        },
    )
