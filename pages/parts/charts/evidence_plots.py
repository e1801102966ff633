"""Charts of what distance to a centre tells: histograms of two scores, AUROC, sweeps, accuracy under attack, moves."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.colors import sample_colorscale
from torch import Tensor

from core.evaluate.statistics import Estimate
from pages.parts.charts import plots
from pages.parts.shell import theme

BINS = 40


def _style(figure: go.Figure, height: int, key: str, **layout: Any) -> go.Figure:
    legend = plots.LEGEND_ABOVE | {"title": "", "font": {"size": 15}}
    plots.style(figure, height, key, font_size=15, margin={"r": 12, "t": 36}, legend=legend, **layout)
    for axes in (figure.update_xaxes, figure.update_yaxes):
        axes(tickfont={"size": 14}, title_font={"size": 15})
    return figure


def nines_ticks(largest: float) -> tuple[list[float], list[str]]:
    """Ticks of an axis of -log10(1 - p): probabilities while they can be read, then what is missing to 1."""
    ticks = {1: "90 %", 3: "99.9 %"}
    step = max(3, 3 * math.ceil(largest / 15))
    ticks |= {v: f"1−10<sup>−{v}</sup>" for v in range(3 + step, math.ceil(largest) + 1, step)}
    return [float(v) for v in ticks], list(ticks.values())


def distance_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Ticks of an axis of -log10(squared distance), written as the negative squared distances they stand for."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    return [float(p) for p in powers], [f"−{10.0**-p:g}" for p in powers]


def histogram(
    inside: Tensor,
    outside: Tensor,
    chosen: float,
    titles: tuple[str, str, str],
    ticks: tuple[list[float], list[str]],
    axis: str,
    key: str,
) -> go.Figure:
    """How a score is spread over the test set and over images of no class, and where one image falls.

    inside (N,), outside (M,), chosen: the score on the axis as it is drawn, larger for surer. titles: of the test set,
    of the others, of the image.
    """
    every = torch.cat([inside, outside, torch.tensor([chosen], dtype=inside.dtype)])
    edges = np.linspace(float(every.min()), float(every.max()) + 1e-9, BINS + 1)
    centres, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    figure = go.Figure()
    for values, title, look in ((inside, titles[0], theme.FIRST), (outside, titles[1], theme.SECOND)):
        counts, _ = np.histogram(values.numpy(), edges)
        figure.add_bar(
            x=centres,
            y=100 * counts / len(values),
            width=width,
            name=title,
            opacity=0.72,
            marker={"color": look.colour, "line": {"width": 0}, "pattern": {"shape": look.pattern, "size": 6}},
            hovertemplate="%{y:.1f} % of the images<extra></extra>",
        )
    figure.add_vline(x=chosen, line={"color": theme.POINTED.colour, "width": 4, "dash": theme.POINTED.dash})
    right = chosen > (edges[0] + edges[-1]) / 2
    figure.add_annotation(
        x=chosen,
        y=0.97,
        yref="paper",
        text=f"<b>{titles[2]}</b>",
        showarrow=False,
        font={"color": theme.POINTED.colour, "size": 16},
        xanchor="right" if right else "left",
        xshift=-6 if right else 6,
    )
    keep = [i for i, v in enumerate(ticks[0]) if edges[0] - width <= v <= edges[-1] + width]
    figure.update_xaxes(
        title=axis,
        tickvals=[ticks[0][i] for i in keep],
        ticktext=[ticks[1][i] for i in keep],
        zeroline=False,
        tickangle=0,
    )
    figure.update_yaxes(ticksuffix=" %", title="of the images")
    return _style(figure, 300, key, barmode="overlay", bargap=0)


def areas(rows: Sequence[tuple[str, str, float, float]], key: str) -> go.Figure:
    """AUROC with its standard error: (set, score, area, error), one line a set, one marker a score."""
    figure = go.Figure()
    for index, name in enumerate(dict.fromkeys(row[1] for row in rows)):
        mine = [row for row in rows if row[1] == name]
        look = theme.NETWORKS[index % len(theme.NETWORKS)]
        figure.add_scatter(
            x=[row[2] for row in mine],
            y=[row[0] for row in mine],
            mode="markers",
            name=name,
            marker={"color": look.colour, "symbol": look.symbol, "size": 14},
            error_x={"array": [2 * row[3] for row in mine], "thickness": 2, "color": look.colour},
            hovertemplate="%{y}: %{x:.4f}<extra>" + name + "</extra>",
        )
    figure.update_xaxes(
        title="AUROC",
        nticks=5,
        range=[1 - 1.4 * (1 - min(row[2] - 2 * row[3] for row in rows)), 1 + 0.05 * (1 - min(row[2] for row in rows))],
    )
    figure.update_yaxes(autorange="reversed", title="")
    return _style(figure, 130 + 46 * len({row[0] for row in rows}), key)


def ratios(found: Mapping[str, Tensor], factor: float, key: str) -> go.Figure:
    """How many times the runner-up exceeds the next, by network, on a logarithmic axis, and the factor asked for.

    What exceeds 10^8 is drawn there.
    """
    figure = go.Figure()
    logs = {name: values.clamp(max=1e8).log10() for name, values in found.items()}
    edges = np.linspace(0, max(float(v.max()) for v in logs.values()) + 1e-9, BINS + 1)
    for (name, values), look in zip(logs.items(), theme.NETWORKS, strict=False):
        counts, _ = np.histogram(values.numpy(), edges)
        figure.add_scatter(
            x=(edges[1:] + edges[:-1]) / 2,
            y=100 * counts / len(values),
            mode="lines",
            name=name,
            line={"color": look.colour, "width": 3, "dash": look.dash, "shape": "hvh"},
            hovertemplate="%{y:.1f} %<extra></extra>",
        )
    figure.add_vrect(x0=0, x1=math.log10(factor), fillcolor=theme.POINTED.colour, opacity=0.15, line_width=0)
    figure.add_annotation(
        x=math.log10(factor),
        y=0.97,
        yref="paper",
        xanchor="left",
        xshift=6,
        showarrow=False,
        text=f"left of here: less than {factor:g} times",
        font={"color": theme.POINTED.colour, "size": 15},
    )
    powers = range(int(edges[-1]) + 1)
    step = max(1, len(powers) // 6)
    figure.update_xaxes(
        title="exp h₂ / exp h₃, runner-up over the next",
        tickvals=list(powers[::step]),
        ticktext=[f"10<sup>{p}</sup>" if p else "1" for p in powers[::step]],
        zeroline=False,
    )
    figure.update_yaxes(title="of the images", ticksuffix=" %", rangemode="tozero")
    return _style(figure, 320, key)


def missing(found: Mapping[str, Tensor], key: str) -> go.Figure:
    """What is left out of log sum exp when only the largest 1, 2, ... other logits are kept: (N, terms) by network."""
    figure = go.Figure()
    for (name, values), look in zip(found.items(), theme.NETWORKS, strict=False):
        terms = list(range(1, values.shape[1] + 1))
        for share, kind in ((0.95, 0), (0.5, 2)):
            figure.add_scatter(
                x=terms,
                y=values.quantile(share, 0).clamp_min(1e-6).tolist(),
                mode="lines+markers",
                name=f"{name}, {'95 % of images are below' if share > 0.5 else 'median'}",
                line={"color": look.colour, "width": 3, "dash": theme.dash(kind)},
                marker={"symbol": theme.symbol(kind), "size": 9},
                hovertemplate="%{x} terms: %{y:.3g}<extra></extra>",
            )
    figure.update_xaxes(title="logits kept in the sum", dtick=1)
    figure.update_yaxes(title="error of the logarithm", type="log", exponentformat="power", dtick=1)
    _style(figure, 320, key)
    return figure.update_layout(margin={"t": 76})


def sweep(ours: Mapping[float, tuple[float, float]], paper: Mapping[float, float], key: str) -> go.Figure:
    """Accuracy in % against C_MM: mean and standard deviation over seeds, beside the report's."""
    figure = go.Figure()
    figure.add_scatter(
        x=list(ours),
        y=[mean for mean, _ in ours.values()],
        name="ours, MNIST",
        mode="lines+markers",
        error_y={"array": [deviation for _, deviation in ours.values()], "thickness": 2, "width": 6},
        line={"color": theme.FIRST.colour, "width": 3, "dash": theme.FIRST.dash},
        marker={"size": 12, "symbol": theme.FIRST.symbol},
        hovertemplate="C_MM %{x}: %{y:.2f} %<extra></extra>",
    )
    figure.add_scatter(
        x=list(paper),
        y=[100 * value for value in paper.values()],
        name="report, CIFAR-10",
        mode="lines+markers",
        line={"color": theme.PAPER.colour, "width": 2, "dash": theme.PAPER.dash},
        marker={"size": 11, "symbol": theme.PAPER.symbol},
        hovertemplate="C_MM %{x}: %{y:.2f} %<extra></extra>",
    )
    figure.update_xaxes(
        title="norm of the centres, C_MM", type="log", tickvals=list(ours), ticktext=[f"{value:g}" for value in ours]
    )
    figure.update_yaxes(ticksuffix=" %", range=[0, 103], title="accuracy")
    return _style(figure, 330, key)


def accuracies(
    titles: Sequence[str],
    columns: Sequence[str],
    cells: Mapping[tuple[int, int], Estimate],
    words: Mapping[tuple[int, int], str],
) -> str:
    """Accuracy under attack as an HTML table, attacks down and networks across, which scrolls in a narrow window.

    cells: (row, column) -> accuracy, a share with its interval; words: what stands in cells that have none.
    """
    head = "".join(f'<th style="padding:0.2rem 0.6rem;text-align:center">{html.escape(name)}</th>' for name in columns)
    rows = []
    for row, title in enumerate(titles):
        line = f'<td style="padding:0.2rem 0.8rem 0.2rem 0;white-space:nowrap">{html.escape(title)}</td>'
        for column in range(len(columns)):
            if (row, column) not in cells:
                text = html.escape(words.get((row, column), ""))
                line += f'<td style="text-align:center;opacity:0.75"><small>{text}</small></td>'
                continue
            cell = cells[row, column]
            ground = sample_colorscale(theme.SHARES, cell.value)[0]
            line += (
                f'<td title="{cell.n} images" style="background:{ground};color:{theme.INK};'
                'text-align:center;white-space:nowrap;padding:0.2rem 0.6rem;font-variant-numeric:tabular-nums">'
                f"{100 * cell.value:.0f} % <small>({100 * cell.low:.0f} to {100 * cell.high:.0f})</small></td>"
            )
        rows.append(f"<tr>{line}</tr>")
    return (
        '<div style="overflow-x:auto" tabindex="0"><table style="border-collapse:separate;border-spacing:2px;'
        f'width:100%;font-size:0.95rem"><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def moved(rows: Tensor, right: Sequence[bool], title: str, reach: float, key: str) -> go.Figure:
    """Where an attack pushes features: (n, 4) distance to the own centre and to the nearest other, before and after.

    right: whether the network still names the image rightly. reach: of both axes.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[0, reach],
        y=[0, reach],
        mode="lines",
        name="equally far",
        hoverinfo="skip",
        line={"color": theme.REFERENCE.colour, "width": 2, "dash": theme.REFERENCE.dash},
    )
    lines_x: list[float | None] = []
    lines_y: list[float | None] = []
    for own, other, own_after, other_after in rows.tolist():
        lines_x += [own, own_after, None]
        lines_y += [other, other_after, None]
    figure.add_scatter(
        x=lines_x,
        y=lines_y,
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        line={"color": theme.FAINT, "width": 1.5},
    )
    figure.add_scatter(
        x=rows[:, 0].tolist(),
        y=rows[:, 1].tolist(),
        mode="markers",
        name="before",
        marker={"color": theme.BEFORE.colour, "symbol": theme.BEFORE.symbol, "size": 9, "line": {"width": 2}},
        hovertemplate="own %{x:.2f}, other %{y:.2f}<extra>before</extra>",
    )
    kept = torch.tensor(right, dtype=torch.bool)
    for mask, name, look in (
        (kept, "after, still right", theme.FIRST),
        (~kept, "after, fooled", theme.POINTED),
    ):
        mine = rows[mask]
        figure.add_scatter(
            x=mine[:, 2].tolist(),
            y=mine[:, 3].tolist(),
            mode="markers",
            name=name,
            marker={"color": look.colour, "symbol": look.symbol, "size": 10, "opacity": 0.9},
            hovertemplate="own %{x:.2f}, other %{y:.2f}<extra>" + name + "</extra>",
        )
    figure.update_xaxes(title="distance to the own centre", range=[0, reach], zeroline=False)
    figure.update_yaxes(title="to the nearest other", range=[0, reach], zeroline=False)
    _style(figure, 400, key, title={"text": title, "font": {"size": 16}, "y": 0.99, "yanchor": "top"})
    return figure.update_layout(margin={"t": 84})


def costs(rows: Sequence[tuple[str, Sequence[float], float | None]], key: str) -> go.Figure:
    """Training time of MMC over cross-entropy: (what, ratios of the rounds, the report's ratio)."""
    figure = go.Figure()
    names = [name for name, _, _ in rows]
    middle = [float(np.median(values)) for _, values, _ in rows]
    figure.add_scatter(
        x=middle,
        y=names,
        mode="markers",
        name="ours: median, range",
        marker={"color": theme.FIRST.colour, "size": 14, "symbol": theme.FIRST.symbol},
        error_x={
            "type": "data",
            "symmetric": False,
            "thickness": 2,
            "array": [max(values) - m for (_, values, _), m in zip(rows, middle, strict=True)],
            "arrayminus": [m - min(values) for (_, values, _), m in zip(rows, middle, strict=True)],
        },
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    figure.add_scatter(
        x=[paper for _, _, paper in rows],
        y=names,
        mode="markers",
        name="report",
        marker={"color": theme.PAPER.colour, "size": 13, "symbol": theme.PAPER.symbol, "line": {"width": 3}},
        hovertemplate="%{y}: %{x:.3f}<extra>report</extra>",
    )
    figure.add_vline(x=1, line={"color": theme.REFERENCE.colour, "width": 2, "dash": theme.REFERENCE.dash})
    figure.update_xaxes(title="time with MMC / with cross-entropy")
    figure.update_yaxes(autorange="reversed", title="")
    return _style(figure, 150 + 46 * len(rows), key)
