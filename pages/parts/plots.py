"""Charts in one style: legible on a projector, colours that colour-blind people can tell apart."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

BLUE, ORANGE, GREEN, RED, PURPLE = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7"
"""From Okabe and Ito's palette."""


def with_gaps(steps: list[float], values: list[float]) -> tuple[list[float], list[float | None]]:
    """The same curve, broken where steps were skipped, so that no line is drawn over what was not computed."""
    x: list[float] = []
    y: list[float | None] = []
    for i, (step, value) in enumerate(zip(steps, values, strict=True)):
        if i and step > steps[i - 1] + 1:
            x.append(steps[i - 1])
            y.append(None)
        x.append(step)
        y.append(value)
    return x, y


def traces(
    trace: Mapping[str, Tensor],
    panels: Mapping[str, tuple[str, str]],
    image: int = 0,
    total: int | None = None,
    spectrum: tuple[Tensor, Tensor] | None = None,
) -> go.Figure:
    """Scalars over the steps, one panel each, and last the perturbation's spectrum.

    trace: as in AttackResult; panels: scalar -> (title, colour); total: the number of steps to come in all; spectrum:
    (frequencies (bins,), power (N, bins)) as from core.metrics.radial_power_spectrum.
    """
    titles = [title for title, _ in panels.values()] + (["energy by frequency"] if spectrum else [])
    figure = make_subplots(cols=len(titles), subplot_titles=titles, horizontal_spacing=0.055)
    for column, (name, (title, colour)) in enumerate(panels.items(), 1):
        steps, values = with_gaps(trace["step"].tolist(), trace[name][:, image].tolist())
        figure.add_scatter(
            x=steps, y=values, mode="lines+markers", marker={"size": 3}, name=title, showlegend=False,
            line={"color": colour, "width": 2}, row=1, col=column, hovertemplate="step %{x}: %{y:.4g}<extra></extra>",
        )  # fmt: skip
        if name == "margin":
            figure.add_hline(y=0, line={"color": "gray", "dash": "dot"}, row=1, col=column)
        figure.update_xaxes(title="step", range=[0, total] if total else None, row=1, col=column)
    if spectrum:
        frequencies, power = spectrum
        share = 100 * power[image] / power[image].sum()
        figure.add_bar(
            x=frequencies.tolist(), y=share.tolist(), marker={"color": GREEN, "line": {"width": 0}}, showlegend=False,
            row=1, col=len(titles), hovertemplate="%{x:.2f} cycles/pixel: %{y:.1f} %<extra></extra>",
        )  # fmt: skip
        figure.update_xaxes(title="cycles per pixel", row=1, col=len(titles))
        figure.update_yaxes(ticksuffix=" %", row=1, col=len(titles))
    figure.update_annotations(font_size=14)
    figure.update_layout(height=230, margin={"l": 10, "r": 10, "t": 30, "b": 10}, font_size=14, bargap=0)
    return figure


CONFIG = {"displaylogo": False, "displayModeBar": False}
"""Plotly's own buttons are left out: on a projector they only get in the way."""
