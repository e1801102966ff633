"""Charts in one style: legible on a projector, colours that colour-blind people can tell apart."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
"""From Okabe and Ito's palette."""


def traces(
    trace: Mapping[str, Tensor], panels: Mapping[str, tuple[str, str]], image: int = 0, total: int | None = None
) -> go.Figure:
    """Scalars over the steps, one panel each. trace: as in AttackResult; panels: scalar -> (title, colour)."""
    figure = make_subplots(
        cols=len(panels), subplot_titles=[title for title, _ in panels.values()], horizontal_spacing=0.06
    )
    steps = trace["step"].tolist()
    for column, (name, (title, colour)) in enumerate(panels.items(), 1):
        figure.add_scatter(
            x=steps, y=trace[name][:, image].tolist(), mode="lines", name=title, showlegend=False,
            line={"color": colour, "width": 2}, row=1, col=column, hovertemplate="step %{x}: %{y:.4g}<extra></extra>",
        )  # fmt: skip
        if name == "margin":
            figure.add_hline(y=0, line={"color": "gray", "dash": "dot"}, row=1, col=column)
        figure.update_xaxes(title="step", range=[0, total] if total else None, row=1, col=column)
    figure.update_layout(height=230, margin={"l": 10, "r": 10, "t": 30, "b": 10}, font_size=14)
    return figure


def spectrum(frequencies: Tensor, power: Tensor) -> go.Figure:
    """A radial power spectrum (1, bins) over its frequencies (bins,) in cycles per pixel."""
    share = power[0] / power[0].sum()
    figure = go.Figure(layout={"title": {"text": "energy by frequency", "font": {"size": 15}, "x": 0.5, "y": 0.97}})
    figure.add_bar(
        x=frequencies.tolist(), y=(100 * share).tolist(), marker_color=BLUE,
        hovertemplate="%{x:.2f} cycles/pixel: %{y:.1f} %<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title="cycles per pixel")
    figure.update_yaxes(ticksuffix=" %")
    figure.update_layout(height=230, margin={"l": 10, "r": 10, "t": 30, "b": 10}, font_size=14, bargap=0)
    return figure


CONFIG = {"displaylogo": False, "displayModeBar": False}
"""Plotly's own buttons are left out: on a projector they only get in the way."""
