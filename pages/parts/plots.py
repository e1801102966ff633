"""Charts in one style: legible on a projector, colours that colour-blind people can tell apart."""

from __future__ import annotations

import plotly.graph_objects as go
from torch import Tensor

BLUE, ORANGE, GREEN, RED, PURPLE = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7"
"""From Okabe and Ito's palette."""


def spectrum(frequencies: Tensor, power: Tensor, image: int = 0) -> go.Figure:
    """A perturbation's energy by spatial frequency: (bins,) and (N, bins) of core.metrics.radial_power_spectrum."""
    share = 100 * power[image] / power[image].sum()
    figure = go.Figure()
    figure.add_bar(
        x=frequencies.tolist(), y=share.tolist(), marker={"color": GREEN, "line": {"width": 0}},
        hovertemplate="%{x:.2f} cycles/pixel: %{y:.1f} %<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title="cycles per pixel")
    figure.update_yaxes(ticksuffix=" %")
    figure.update_layout(
        title={"text": "Energy of the perturbation by frequency", "font": {"size": 14}}, height=230, font_size=14,
        margin={"l": 10, "r": 10, "t": 30, "b": 10}, bargap=0, showlegend=False,
    )  # fmt: skip
    return figure


CONFIG = {"displaylogo": False, "displayModeBar": False}
"""Plotly's own buttons are left out: on a projector they only get in the way."""
