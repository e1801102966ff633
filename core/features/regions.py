"""Where in the plane of two features a network names which class: the regions whose borders an attack must cross."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from core.features.projections import Frame

CELLS = 240
"""Cells along either side of a picture: of two or three CSS pixels in a panel."""
AT_ONCE = 1024
"""Cells of which a head is asked at once: a kernel head compares each with all it has stored, quickest in the cache."""


@dataclass(frozen=True)
class Regions:
    """The classes that a head names over a rectangle of the plane, (left, right, bottom, top).

    answers: (rows, columns) int16, each that of the middle of its cell; the first row is the uppermost.
    """

    extent: tuple[float, float, float, float]
    answers: Tensor

    @property
    def places(self) -> Tensor:
        """(rows, columns, 2) the middles of the cells."""
        return _places(self.extent, *self.answers.shape)


def regions(
    head: nn.Module,
    extent: tuple[float, float, float, float],
    frame: Frame | None = None,
    rows: int = CELLS,
    columns: int = CELLS,
) -> Regions:
    """Ask `head`, which takes features (N, 2), for its class at every cell of a part of the plane.

    extent: (left, right, bottom, top) of the plane. frame: the linear map to the plane in which features were drawn
    (`core.features.projections.project`); they themselves if left out. Every place of the plane must be that of one
    feature: ValueError if the map flattens the plane, if there are not two features, or for an empty extent.
    """
    left, right, bottom, top = extent
    if not (left < right and bottom < top) or min(rows, columns) < 1:
        raise ValueError(f"extent must be left < right, bottom < top, with cells; got {extent}, {rows} x {columns}.")
    z = _places(extent, rows, columns).reshape(-1, 2)
    if frame is not None:
        mean, axes = (part.double() for part in frame)
        if axes.shape != (2, 2) or float(torch.linalg.det(axes).abs()) < 1e-9 * float(axes.square().sum()):
            raise ValueError(f"frame must map two features to the whole plane; got axes {axes.tolist()}.")
        z = mean + z @ torch.linalg.inv(axes)
    like = next(chain(head.parameters(), head.buffers()))
    with torch.no_grad():
        named = [head(part).argmax(1) for part in z.to(like).split(AT_ONCE)]
    return Regions(extent, torch.cat(named).to("cpu", torch.int16).reshape(rows, columns))


def widened(extent: tuple[float, float, float, float], factor: float) -> tuple[float, float, float, float]:
    """A rectangle about the same middle whose sides are `factor` times the longer side of `extent`: a square."""
    left, right, bottom, top = extent
    half = factor * max(right - left, top - bottom) / 2
    x, y = (left + right) / 2, (bottom + top) / 2
    return x - half, x + half, y - half, y + half


def _places(extent: tuple[float, float, float, float], rows: int, columns: int) -> Tensor:
    left, right, bottom, top = extent
    x = left + (right - left) * (torch.arange(columns, dtype=torch.float64) + 0.5) / columns
    y = top - (top - bottom) * (torch.arange(rows, dtype=torch.float64) + 0.5) / rows
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
