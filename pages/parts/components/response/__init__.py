"""What s^_alpha makes of one pixel, which follows the pointer: solved in the browser, on the graph that core has made.

response(image, graph, alphas, alpha, at, key="response", on_change=...)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
import torch
from torch import Tensor

from core.graph import PixelGraph
from pages.parts.components.transport import Arrays, draw
from pages.parts.shell.component import component

_response = component(Path(__file__).parent)


def planes(graph: PixelGraph, weights: Tensor) -> tuple[Tensor, Tensor]:
    """(H, W) twice: `weights` (E,) of the edges to a pixel's right and down, 0 where there is none.

    graph: of one image, whose pixels have 4 neighbours; ValueError otherwise.
    """
    if len(graph) != 1 or graph.graphs != 1 or graph.neighbourhood != 4:
        raise ValueError("the browser solves on one graph of one image whose pixels have 4 neighbours.")
    first, second = graph.edges
    across = first // graph.width == second // graph.width
    found = []
    for mine in (across, ~across):
        plane = weights.new_zeros(graph.height * graph.width)
        plane[first[mine]] = weights[mine]
        found.append(plane.view(graph.height, graph.width))
    return found[0], found[1]


def likeness(graph: PixelGraph) -> Tensor:
    """(N, G, H, W) the mean weight of a pixel's edges, 0 to 1."""
    return graph.sums(graph.weights) / graph.sums(torch.ones_like(graph.weights)).clamp_min(1)


def response(
    image: Tensor,
    graph: PixelGraph,
    alphas: Sequence[float],
    alpha: float,
    at: tuple[int, int],
    key: str,
    on_change: Callable[[float, tuple[int, int]], None],
) -> None:
    """Draw image (C, H, W), its graph, and the impulse response of s^_alpha at the pixel `at` (column, row).

    alphas: rising, where the slider stops; alpha is one of them. on_change: gets both when a person has let go.
    """
    height, width = image.shape[1:]

    def reported() -> None:
        told = st.session_state[key].picked
        if not isinstance(told, dict):
            return
        match told.get("alpha"), told.get("at"):
            case float() | int() as chosen, [int(x), int(y)] if chosen in alphas and 0 <= x < width and 0 <= y < height:
                on_change(float(chosen), (x, y))

    right, down = planes(graph, graph.normalised_weights[0, 0])
    arrays = Arrays()
    data = {
        "picture": arrays.name(image),
        "likeness": arrays.name(likeness(graph)[0]),
        "right": arrays.name(right),
        "down": arrays.name(down),
        "alphas": [float(value) for value in alphas],
        "alpha": float(alpha),
        "at": [math.floor(value) for value in at],
    }
    draw(_response, data, arrays, key, on_picked_change=reported)
