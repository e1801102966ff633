"""Points in three dimensions that can be walked around: drag, arrow keys, buttons; several views turn together.

    orbit([Scene("MMC", [Cloud("digit 3", points, colour, "square")], radius=10.0)], key="centres")

A Plotly figure is remounted when it changes, and its 3D camera with it lost; here the camera belongs to the browser's
window and stays where it was put while sliders move. A canvas without WebGL serves: there are thousands of points at
most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pages.parts.components.transport import Arrays, draw
from pages.parts.shell import theme
from pages.parts.shell.component import component

_orbit = component(Path(__file__).parent)


@dataclass(frozen=True)
class Cloud:
    """Points of one colour and one shape.

    points: (n, 3). size: of a marker, in CSS pixels. solid: drawn with an outline, in front of fainter ones.
    labels: written beside the points. notes: what is said of the point under the cursor (default: the name).
    """

    name: str
    points: Tensor
    colour: str
    symbol: str = theme.SYMBOLS[0]
    size: float = 4.0
    solid: bool = False
    labels: Sequence[str] = ()
    notes: Sequence[str] = ()
    legend: bool = True


@dataclass(frozen=True)
class Lines:
    """Straight lines from starts (m, 3) to ends (m, 3). strong: in the theme's own colour, and thicker."""

    starts: Tensor
    ends: Tensor
    strong: bool = False
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Scene:
    """One view.

    radius: half the extent of what is shown. sphere: radius of a sphere about the origin, drawn as its outline; 0 none.
    alt: what a screen reader says.
    """

    title: str
    clouds: Sequence[Cloud]
    radius: float
    lines: Sequence[Lines] = ()
    sphere: float = 0.0
    note: str = ""
    alt: str = ""


class _Points:
    """All points of all scenes, one array."""

    def __init__(self) -> None:
        self.parts: list[Tensor] = []
        self.total = 0

    def rows(self, points: Tensor) -> list[int]:
        """Which of all points these (n, 3) are: the first of them, and the first behind them."""
        self.parts.append(points.detach())
        self.total += len(points)
        return [self.total - len(points), self.total]


def _described(scene: Scene, points: _Points) -> dict[str, Any]:
    for part in scene.clouds:
        if part.points.ndim != 2 or part.points.shape[1] != 3:
            raise ValueError(f"points of {part.name!r} must be (n, 3); got {tuple(part.points.shape)}.")
    return {
        "title": scene.title,
        "radius": scene.radius,
        "sphere": scene.sphere,
        "note": scene.note,
        "alt": scene.alt or f"{scene.title}. {scene.note}".strip(),
        "clouds": [
            {
                "name": c.name,
                "rows": points.rows(c.points),
                "colour": c.colour,
                "symbol": c.symbol,
                "size": c.size,
                "solid": c.solid,
                "labels": list(c.labels),
                "notes": list(c.notes),
                "legend": c.legend,
            }
            for c in scene.clouds
        ],
        "lines": [
            {
                "starts": points.rows(line.starts),
                "ends": points.rows(line.ends),
                "strong": line.strong,
                "labels": list(line.labels),
            }
            for line in scene.lines
        ],
    }


def orbit(scenes: Sequence[Scene], key: str, height: int = 460) -> None:
    """Draw `scenes` side by side (below each other where the window is narrow), all seen from one direction.

    key: of the element, stable from run to run; the camera is kept under it for as long as the browser's window is
    open. height: of a view at most, in CSS pixels.
    """
    points, arrays = _Points(), Arrays()
    described = [_described(scene, points) for scene in scenes]
    joined = torch.cat([part.cpu().float() for part in points.parts]) if points.parts else torch.zeros(0, 3)
    data = {"view": key, "height": height, "points": arrays.name(joined), "scenes": described}
    draw(_orbit, data, arrays, key)
