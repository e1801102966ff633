"""A page with nothing but a scatter plot, a graph and two spheres, whose points the tests know. Served by
test_drawings.py."""

import math

import streamlit as st
import torch

from core.data import ImageSet
from core.features.regions import Regions, regions
from pages.parts.components.graph import graph
from pages.parts.components.orbit import Cloud, Lines, Scene, orbit
from pages.parts.components.scatter import Panel, scatter

# --- the scatter plot: two classes, in rows that lie between each other -----------------------------------------------

POINTS = torch.tensor([[float(i % 4), float(i // 4)] for i in range(12)])
LABELS = torch.tensor([(i // 4) % 2 for i in range(12)])
"""Rows of four points at heights 0, 1 and 2; those of the middle row are of class 1."""


BORDER = 1.6
"""Left of it the first panel's regions are of class 0, right of it of class 1."""


def parted() -> Regions:
    """What a linear head with logits 0 and x - BORDER names."""
    head = torch.nn.Linear(2, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        head.bias.copy_(torch.tensor([0.0, -BORDER]))
    return regions(head, (-4.0, 7.0, -5.0, 6.0))


def images(labels: torch.Tensor) -> ImageSet:
    """Pictures of 8 x 8 pixels, each of one grey."""
    n = len(labels)
    grey = torch.arange(n)[:, None, None, None] / torch.tensor(255.0)
    return ImageSet(grey.expand(n, 1, 8, 8), labels, ("even", "odd"), "none", "test", "files", "", torch.arange(n))


# --- the graph: edges that cross in the middle ------------------------------------------------------------------------

PLACES = torch.tensor([[-4, -3], [4, 3], [-4, 3], [4, -3], [6, 0.5], [-6, -0.7], [0.5, 5], [-0.4, -5]])
CLASSES = torch.tensor([0, 1, 0, 1, 0, 1, 1, 1])
EDGES = {
    (0, 1): 0.9,
    (2, 3): 0.3,
    (6, 7): 0.95,
    (0, 2): 0.5,
    (1, 2): 0.6,
    (2, 5): 0.4,
    (3, 4): 1.0,
}
"""Weight by its two images. (0, 1), (2, 3) and (6, 7) cross at the origin; all but (6, 7) and (0, 2) are punished."""


def joining() -> tuple[torch.Tensor, torch.Tensor]:
    """The weights, and which of them are punished."""
    weights = torch.zeros(len(PLACES), len(PLACES))
    for (i, j), weight in EDGES.items():
        weights[i, j] = weights[j, i] = weight
    return weights, (weights > 0) & (CLASSES[:, None] != CLASSES)


# --- the spheres ------------------------------------------------------------------------------------------------------

TURN, TILT = 0.72, 0.4
"""Of the camera at first, radians."""
AWAY = 4.2
"""Of the eye from the origin."""
NEAR, FAR, ALONE, TOP, BOTTOM = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#7b3294"


def axes(turn: float, tilt: float) -> torch.Tensor:
    """(3, 3): towards the eye, to the right and upwards, as the camera stands."""
    (ct, st_), (cl, sl) = (math.cos(turn), math.sin(turn)), (math.cos(tilt), math.sin(tilt))
    return torch.tensor([[ct * cl, st_ * cl, sl], [-st_, ct, 0.0], [-ct * sl, -st_ * sl, cl]])


def in_line(right: float, up: float, *depths: float) -> list[torch.Tensor]:
    """Points behind each other for the camera as it stands at first, on its way to (right, up) of depth 0."""
    towards, across, upwards = axes(TURN, TILT)
    eye, goal = AWAY * towards, right * across + up * upwards
    return [eye + (goal - eye) * (1 - depth / AWAY) for depth in depths]


def spheres() -> list[Scene]:
    near, far = in_line(0.0, 0.5, 0.5, -0.5)
    far_2, near_2 = in_line(0.5, 0.0, -0.5, 0.5)
    (alone,) = in_line(-0.3, -0.2, 0.6)
    poles = [(torch.tensor([0, 0, 0.35]), TOP), (torch.tensor([0, 0, -0.35]), BOTTOM)]
    points = [(near, NEAR), (far, FAR), (far_2, FAR), (near_2, NEAR), (alone, ALONE), *poles]
    first = Scene(
        "Points", [Cloud("p", p[None], colour, size=8, solid=True, legend=False) for p, colour in points], 1.0
    )
    behind, before = in_line(-0.5, 0.0, -0.5, 0.5)
    (middle,) = in_line(-0.5, 0.0, 0.0)
    other, hidden = in_line(0.5, 0.0, 0.0, -0.5)
    up = 0.3 * axes(TURN, TILT)[2]
    lines = Lines(torch.stack([before - up, hidden - up]), torch.stack([before + up, hidden + up]), strong=True)
    spots = Cloud("spot", torch.stack([middle, other]), FAR, size=12, solid=True)
    return [
        first,
        Scene("Lines", [spots], 1.0, lines=[lines, Lines(behind[None] - up, behind[None] + up, strong=True)]),
    ]


def pick(row: int) -> None:
    st.session_state.picked = row


def draw() -> None:
    st.set_page_config(layout="wide")
    chosen = st.session_state.setdefault("chosen", [])
    answers = LABELS[None].clone()
    answers[0, 5] = 0
    scatter(
        [
            Panel(title, [1], POINTS[None].flip(flipped) if flipped else POINTS[None], answers, regions=shaded)
            for (title, flipped), shaded in zip(PANELS, [parted(), None], strict=True)
        ],
        images(LABELS),
        chosen,
        "scatter",
        lambda rows: st.session_state.update(chosen=rows),
    )
    st.text(f"chosen: {chosen}")
    picked = st.session_state.setdefault("picked", -1)
    notes = [f"image {i}" for i in range(len(PLACES))]
    edges = joining()
    graph(PLACES, images(CLASSES), *edges, 1.0, notes, picked, "graph", lambda row: st.session_state.update(picked=row))
    st.text(f"picked: {picked}")
    orbit(spheres(), "spheres")


PANELS = [("first", ()), ("second", (2,))]
"""Title, and which axes of the points are turned round: the second shows (y, x) of the first's (x, y)."""

if __name__ == "__main__":
    draw()
