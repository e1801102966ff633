"""Small pictures of what a term means, drawn by the functions that compute it: SVG in colours that both themes show."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from xml.sax.saxutils import quoteattr

import torch
from torch import Tensor

from core import filters
from core.attacks.smoothfool import LowPassParameters
from core.evaluate import statistics
from core.filters import kernel
from core.graph import PixelGraph, Smoother
from core.losses import max_mahalanobis_centers, similarity_graph
from core.magnify import local_statistics
from core.metrics import roughness
from core.papers import two_pixels
from pages.parts.shell import theme

WIDTH, HEIGHT = 260, 130
"""Of a sketch, in CSS pixels."""
EDGE = 8
"""Around what is drawn."""
SOLID, DASHED, DOTTED = theme.STROKES
LINES = ((theme.BLUE, SOLID), (theme.RED, DASHED), (theme.GREEN, DOTTED))
"""Of the first, second and third of several lines, which their captions name by how they are drawn."""

Point = tuple[float, float]
Window = tuple[float, float, float, float]
"""What a sketch shows of the plane: left, right, bottom, top."""


@dataclass(frozen=True)
class Sketch:
    """A picture, and what is said of it."""

    parts: tuple[str, ...]
    """SVG elements."""
    alt: str
    """What is drawn, for who does not see it."""
    caption: str
    """What it shows."""

    @property
    def svg(self) -> str:
        """The whole picture, an SVG document."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'fill="none" stroke-linecap="round" stroke-linejoin="round">{"".join(self.parts)}</svg>'
        )


def of(slug: str) -> Sketch | None:
    """The sketch of a term of the glossary, if it has one."""
    return _drawn(slug) if slug in SKETCHES else None


@cache
def _drawn(slug: str) -> Sketch:
    return SKETCHES[slug]()


def _at(window: Window, x: float, y: float) -> Point:
    """Where a place of the plane lies in a sketch, in CSS pixels."""
    left, right, bottom, top = window
    return (
        EDGE + (x - left) / (right - left) * (WIDTH - 2 * EDGE),
        HEIGHT - EDGE - (y - bottom) / (top - bottom) * (HEIGHT - 2 * EDGE),
    )


def _plane(x: float, y: float, reach: float) -> Window:
    """A window about (x, y), to `reach` above and below it, in which a circle is one."""
    wide = reach * (WIDTH - 2 * EDGE) / (HEIGHT - 2 * EDGE)
    return x - wide, x + wide, y - reach, y + reach


def _line(
    window: Window, points: Iterable[Sequence[float]], colour: str, stroke: str = SOLID, width: float = 2.5
) -> str:
    """A line through points of the plane."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_at(window, *point) for point in points))
    dashes = f' stroke-dasharray="{theme.STROKES[stroke]}"' if theme.STROKES[stroke] else ""
    return f'<polyline points="{places}" stroke="{colour}" stroke-width="{width:.2f}"{dashes}/>'


def _dot(window: Window, point: Sequence[float], colour: str, radius: float = 4) -> str:
    x, y = _at(window, *point)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}"/>'


def _cell(window: Window, x: float, y: float, colour: str, opacity: float) -> str:
    """The unit square whose lower left corner is (x, y), filled."""
    (left, bottom), (right, top) = _at(window, x, y), _at(window, x + 1, y + 1)
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" fill="{colour}" '
        f'fill-opacity="{opacity:.3f}"/>'
    )


def _ring(window: Window, point: Sequence[float], radius: float, colour: str, stroke: str = SOLID) -> str:
    """A circle in the plane."""
    turns = [2 * math.pi * i / 72 for i in range(73)]
    x, y = point
    return _line(window, [(x + radius * math.cos(t), y + radius * math.sin(t)) for t in turns], colour, stroke)


def _curves(window: Window, x: Sequence[float], lines: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """Up to three lines over one x."""
    return tuple(
        _line(window, zip(x, y, strict=True), colour, stroke) for y, (colour, stroke) in zip(lines, LINES, strict=False)
    )


def _noise(*shape: int) -> Tensor:
    return torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(0))


def _smoothness() -> Sketch:
    pixels, edge, at = 49, 30, 20
    row = torch.where(torch.arange(pixels) < edge, 0.2, 0.8).view(1, 1, 1, pixels)
    put = torch.zeros_like(row)
    put[..., at] = 1
    alphas = (0.9, 0.99, 0.999)
    found = [Smoother(PixelGraph(row, bandwidth=0.05), alpha)(put).flatten() for alpha in alphas]
    window = 0.0, pixels - 1.0, 0.0, 1.0
    lines = _curves(window, range(pixels), [(each / each.max()).tolist() for each in found])
    wall = _line(window, [(edge - 0.5, 0), (edge - 0.5, 1)], theme.GREY, width=1.5)
    told = ", ".join(f"{alpha:g} ({stroke})" for alpha, stroke in zip(alphas, theme.DRAWN, strict=True))
    return Sketch(
        (wall, *lines),
        "Three bell curves on a row of pixels, each wider than the one before; all stop at an edge of the picture.",
        f"One pixel of a row is changed and smoothed with α = {told}; each curve has its own height. At the edge of "
        "the picture, in grey, all stop.",
    )


def _impulse() -> Sketch:
    height, width, at = 13, 27, (6, 10)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    bright = columns - rows / 2 > 12
    put = torch.zeros(1, 1, height, width)
    put[0, 0, *at] = 1
    picture = torch.where(bright, 0.9, 0.2)[None, None]
    found = Smoother(PixelGraph(picture, bandwidth=0.1), 0.95)(put)[0, 0]
    share = (found / found.max()).clamp(0, 1).sqrt()
    window = _plane(width / 2, height / 2, height / 2)
    ground = [_cell(window, x, height - 1 - y, theme.GREY, 0.35) for y, x in bright.nonzero().tolist()]
    cells = [
        _cell(window, x, height - 1 - y, theme.BLUE, float(share[y, x]))
        for y in range(height)
        for x in range(width)
        if share[y, x] > 0.02
    ]
    return Sketch(
        (*ground, *cells),
        "A blue patch of pixels, darkest at one pixel and fading around it, cut off along a slanting edge.",
        "A change of one pixel, smoothed along a picture of two surfaces: it stays on its own.",
    )


def _pixel_graph() -> Sketch:
    height, width = 4, 9
    columns = torch.arange(width).expand(height, width)
    picture = torch.where(columns < 5, 0.25, 0.75)[None, None]
    picture = (picture + 0.03 * _noise(height, width)).clamp(0, 1)
    graph = PixelGraph(picture, bandwidth=0.1)
    window = -0.4, width - 0.6, -0.4, height - 0.6

    def place(pixel: int) -> Point:
        return float(pixel % width), float(height - 1 - pixel // width)

    ties = [
        _line(window, [place(a), place(b)], theme.BLUE, width=0.3 + 4 * weight)
        for a, b, weight in zip(*graph.edges.tolist(), graph.weights.flatten().tolist(), strict=True)
    ]
    shades = (theme.GREY, theme.ORANGE)
    dots = [_dot(window, place(i), shades[int(value > 0.5)], 5) for i, value in enumerate(picture.flatten().tolist())]
    return Sketch(
        (*ties, *dots),
        "A grid of dots, grey on the left and orange on the right, tied by thick lines within a colour and by thin "
        "ones across.",
        "Thick: heavy ties, between pixels that are alike. Between the two surfaces there are next to none.",
    )


def _bandwidth() -> Sketch:
    widths = (0.05, 0.1, 0.3)
    x = [i / 100 for i in range(61)]
    pictures = torch.tensor([[0.0, difference] for difference in x], dtype=torch.float64).view(-1, 1, 1, 2)
    lines = [PixelGraph(pictures, bandwidth=tau).weights.flatten().tolist() for tau in widths]
    told = ", ".join(f"{tau:g} ({stroke})" for tau, stroke in zip(widths, theme.DRAWN, strict=True))
    return Sketch(
        _curves((0, 0.6, 0, 1), x, lines),
        "Three falling curves: the smaller the bandwidth, the faster the weight falls.",
        f"The weight of a tie, from 1 down to 0, over a difference of colour from 0 to 0.6, for τ = {told}.",
    )


def _omega() -> Sketch:
    noise = _noise(64, 64)
    cloud = filters.low_pass(noise, kernel("gaussian", 3.0), "reflect")
    cloud *= noise.norm() / cloud.norm()
    share = [float(roughness(each, 1.0, normalised=True)[0]) for each in (noise, cloud)]
    rows = [each[0, 0, 32].tolist() for each in (noise, cloud)]
    window = 0.0, 63.0, -9.0, 4.0
    lines = [
        _line(window, zip(range(64), (value - down for value in row), strict=True), colour, width=2)
        for row, down, colour in zip(rows, (0, 6), (theme.BLUE, theme.RED), strict=True)
    ]
    return Sketch(
        tuple(lines),
        "Above a jagged line, below a gently waving one.",
        f"A row of two changes of one length: above noise, Ω / L2² = {share[0]:.2f}, below a cloud, {share[1]:.3f}.",
    )


def _magnified() -> Sketch:
    noise = _noise(24, 64)
    columns = torch.arange(64)
    strength = torch.where(columns < 32, 0.004, 0.1)
    picture = (torch.where(columns < 32, 0.3, 0.6) + strength * noise).clamp(0, 1)
    magnified = local_statistics(picture).magnify()[0, 0, 12]
    window = 0.0, 63.0, -1.0, 1.2
    above = [0.2 + float(value) for value in picture[0, 0, 12]]
    below = [-0.5 + 0.4 * float(value) / float(magnified.abs().max()) for value in magnified]
    return Sketch(
        tuple(
            _line(window, zip(range(64), line, strict=True), colour, width=2)
            for line, colour in ((above, theme.BLUE), (below, theme.RED))
        ),
        "Above a line that is flat on the left and jagged on the right, below one that is jagged on both sides.",
        "Above a row of a picture, flat on the left; below the same magnified: the grain of the flat part is seen.",
    )


def _frequency() -> Sketch:
    x = [i / 8 for i in range(32 * 8 + 1)]
    window = 0.0, 32.0, -4.2, 1.2
    lines = [
        _line(window, [(t, math.sin(2 * math.pi * cycles * t) - down) for t in x], colour)
        for cycles, down, colour in ((1 / 16, 0, theme.BLUE), (1 / 4, 3, theme.RED))
    ]
    return Sketch(
        tuple(lines),
        "Above two slow waves, below eight fast ones, over the same width.",
        "32 pixels: above a wave of 1/16, below one of 1/4 cycles a pixel. The highest frequency there is has 1/2.",
    )


def _kernels() -> Sketch:
    taps = [kernel(kind, 3.0, dtype=torch.float64) for kind in ("gaussian", "linear", "uniform")]
    reach = len(taps[0]) // 2 + 1
    window = -float(reach), float(reach), 0.0, float(max(each.max() for each in taps))
    x = list(range(-reach, reach + 1))
    return Sketch(
        _curves(window, x, [[0.0, *each.tolist(), 0.0] for each in taps]),
        "A bell, a triangle and a box over the same width.",
        "Weights of SmoothFool's kernels: Gaussian (solid), linear (dashed) and uniform (dotted), all of σ = 3 pixels.",
    )


def _widths() -> Sketch:
    sigmas = (1.0, 2.0, 4.0)
    taps = [kernel("gaussian", sigma, dtype=torch.float64) for sigma in sigmas]
    reach = len(taps[-1]) // 2
    x = list(range(-reach, reach + 1))
    lines = [[0.0] * (reach - len(each) // 2) + each.tolist() + [0.0] * (reach - len(each) // 2) for each in taps]
    told = ", ".join(f"{sigma:g} ({stroke})" for sigma, stroke in zip(sigmas, theme.DRAWN, strict=True))
    return Sketch(
        _curves((-float(reach), float(reach), 0.0, float(taps[0].max())), x, lines),
        "Three bell curves about one middle, a high narrow one, a lower wider one, a low and broad one.",
        f"The Gaussian kernel g for σ_g = {told} pixels.",
    )


_STEP = -20.0, LowPassParameters(sigma_g=1.0)
_FRAME = _plane(0.62, 0.5, 0.2)


def _boundary(found: two_pixels.Step) -> tuple[str, str]:
    """The line and the picture."""
    return _line(_FRAME, found.line.tolist(), theme.GREY), _dot(_FRAME, found.point.tolist(), theme.GREEN, 6)


def _way(found: two_pixels.Step, r: Tensor, which: int) -> tuple[str, str]:
    """A way from the picture, and its end."""
    colour, stroke = LINES[which]
    end = (found.point + r).tolist()
    return _line(_FRAME, [found.point.tolist(), end], colour, stroke, 3), _dot(_FRAME, end, colour)


def _deepfool() -> Sketch:
    found = two_pixels.step(*_STEP)
    return Sketch(
        (*_boundary(found), *_way(found, found.straight, 0)),
        "A dot, a slanting line, and a way from the dot that meets the line at a right angle.",
        "Of a picture (green) the shortest way to a boundary (grey) is at a right angle to it.",
    )


def _smoothfool() -> Sketch:
    found = two_pixels.step(*_STEP)
    return Sketch(
        (*_boundary(found), *_way(found, found.straight, 0), *_way(found, found.smooth, 1)),
        "A dot, a slanting line, and two ways from the dot to it: one at a right angle, and a longer one that slants.",
        f"DeepFool's way to the boundary (solid), and SmoothFool's (dashed), {found.factor:.2f} times as long, on "
        "which both pixels of this picture change more alike.",
    )


def _success() -> Sketch:
    found = two_pixels.step(*_STEP)
    ways = float(found.straight.norm()), float(found.smooth.norm())
    return Sketch(
        (*_boundary(found), *_way(found, found.straight, 0), *_way(found, found.smooth, 1)),
        "Two ways of different length from a dot, both ending on one line.",
        f"Both end where the network's answer changes; they are {ways[0]:.2f} and {ways[1]:.2f} long.",
    )


def _length() -> Sketch:
    found = two_pixels.step(*_STEP)
    length = float(found.smooth.norm())
    ways = [length * r / r.norm() for r in (found.straight, found.smooth)]
    return Sketch(
        (
            _ring(_FRAME, found.point.tolist(), length, theme.GREY, DOTTED),
            *_boundary(found),
            *_way(found, ways[0], 0),
            *_way(found, ways[1], 1),
        ),
        "Two ways from a dot, both ending on one circle about it; the first goes beyond the line on which the second "
        "ends.",
        f"Both are {length:.2f} long and end on one circle; now only the direction differs.",
    )


def _balls() -> Sketch:
    window = _plane(0.0, 0.0, 1.2)
    square = [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]
    return Sketch(
        (
            _dot(window, (0, 0), theme.GREEN),
            _ring(window, (0, 0), 1, theme.BLUE),
            _line(window, square, theme.RED, DASHED),
        ),
        "A circle within a square.",
        "Of a picture of two pixels (green) all changes with L2 = 1 (solid), and all with L∞ = 1 (dashed).",
    )


def _centres() -> Sketch:
    centres = max_mahalanobis_centers(3, 2, 1.0)
    spread = 0.2 * torch.randn(3, 14, 2, generator=torch.Generator().manual_seed(0))
    window = _plane(0.0, 0.0, 1.2)
    points = [_dot(window, point, theme.colour(c), 2) for c in range(3) for point in (centres[c] + spread[c]).tolist()]
    rings = [_ring(window, centre, 0.12, theme.GREY) for centre in centres.tolist()]
    return Sketch(
        (*points, *rings),
        "Three clouds of dots, each about a ring; the three rings are equally far from each other.",
        "Three classes at their centres (rings), which stand as far from each other as can be.",
    )


def _simplex() -> Sketch:
    centres = max_mahalanobis_centers(4, 3, 1.0).double()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))[0]
    flat = (centres @ turn)[:, :2].tolist()
    window = _plane(0.0, 0.0, 1.1)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    return Sketch(
        (
            *(_line(window, [flat[i], flat[j]], theme.GREY, width=1.5) for i, j in pairs),
            *(_dot(window, point, theme.colour(i), 6) for i, point in enumerate(flat)),
        ),
        "A tetrahedron: four dots, each tied to all others.",
        "Four points in space, all six distances the same: a tetrahedron, seen aslant.",
    )


def _cross_entropy() -> Sketch:
    x = [i / 100 for i in range(2, 101)]
    lines = [[-math.log(p) for p in x]]
    return Sketch(
        _curves((0.0, 1.0, 0.0, 4.0), x, lines),
        "A curve that falls from very high on the left to nothing on the right.",
        "Over the probability of the true class, from 0 to 1: a certain mistake costs without bound.",
    )


def _auroc() -> Sketch:
    x = [i / 20 for i in range(-70, 111)]
    bells = [[math.exp(-((t - middle) ** 2) / 2) for t in x] for middle in (0.0, 1.8)]
    quantiles = torch.special.ndtri((torch.arange(400, dtype=torch.float64) + 0.5) / 400)
    area, _ = statistics.auroc((quantiles + 1.8).numpy(), quantiles.numpy())
    return Sketch(
        _curves((-3.5, 5.5, 0.0, 1.0), x, bells),
        "Two bell curves that overlap.",
        f"Scores of strangers (solid) and of pictures that belong (dashed); where they overlap like this, AUROC is "
        f"{area:.2f}.",
    )


def _bilateral() -> Sketch:
    columns = torch.arange(64)
    picture = (torch.where(columns < 32, 0.3, 0.7) + 0.03 * _noise(24, 64)).clamp(0, 1)
    kept = filters.bilateral(picture, sigma_domain=4.0, sigma_range=0.12)
    blurred = filters.low_pass(picture, kernel("gaussian", 4.0), "reflect")
    lines = [
        _line((0.0, 63.0, 0.15, 0.85), zip(range(64), each[0, 0, 12].tolist(), strict=True), colour, stroke, width)
        for each, colour, stroke, width in (
            (picture, theme.GREY, SOLID, 1.2),
            (kept, theme.BLUE, SOLID, 3),
            (blurred, theme.RED, DASHED, 2.5),
        )
    ]
    return Sketch(
        tuple(lines),
        "A noisy step, a smooth line that keeps the step, and a dashed one that turns it into a slope.",
        "A noisy edge (grey): the bilateral filter (solid) keeps it, a Gaussian (dashed) makes a slope of it.",
    )


def _wilson() -> Sketch:
    window = 0.0, 1.0, -0.6, 2.6
    parts = []
    for row, n in enumerate((1000, 100, 10)):
        found = statistics.wilson(7 * n // 10, n)
        parts.append(_line(window, [(found.low, row), (found.high, row)], theme.BLUE, width=4))
        parts.append(_dot(window, (found.value, row), theme.BLUE, 6))
    return Sketch(
        tuple(parts),
        "Three dots below each other with bars about them, the first wide, the second narrower, the third hardly seen.",
        "7 of 10, 70 of 100, 700 of 1,000, from nothing (left) to all (right): the more images, the less is left open.",
    )


def _ties() -> Sketch:
    generator = torch.Generator().manual_seed(3)
    points = 0.45 * torch.randn(10, 2, generator=generator)
    points[:5, 0] -= 0.8
    points[5:, 0] += 0.8
    labels = [0] * 5 + [1] * 5
    weights = similarity_graph(points, 2.0).tolist()
    window = _plane(0.0, 0.0, float(points[:, 1].abs().max()) + 0.1)
    flat = points.tolist()
    ties = [
        _line(window, [flat[i], flat[j]], theme.WARNING, width=0.2 + 6 * weights[i][j])
        for i in range(10)
        for j in range(i)
        if labels[i] != labels[j]
    ]
    return Sketch(
        (*ties, *(_dot(window, point, theme.colour(c), 5) for point, c in zip(flat, labels, strict=True))),
        "Dots of two classes; red lines between the classes, thickest where dots are near.",
        "What the loss adds up is red: ties between classes, heavier where images are near each other.",
    )


SKETCHES: dict[str, Callable[[], Sketch]] = {
    "auroc": _auroc,
    "bandwidth-τ": _bandwidth,
    "bilateral-filter": _bilateral,
    "cross-entropy": _cross_entropy,
    "deepfool": _deepfool,
    "equal-length": _length,
    "equal-success": _success,
    "graph-smoothness-loss": _ties,
    "impulse-response": _impulse,
    "l": _balls,
    "low-pass-kernel": _kernels,
    "magnification": _magnified,
    "mmc": _centres,
    "pixel-graph": _pixel_graph,
    "simplex": _simplex,
    "smoothfool": _smoothfool,
    "spatial-frequency": _frequency,
    "wilson-s-interval": _wilson,
    "α-smoothness": _smoothness,
    "σ_g": _widths,
    "ω-roughness": _omega,
}
"""Terms of the glossary, by their slugs, and what draws them."""


def figure(sketch: Sketch) -> str:
    """A sketch with its caption as HTML."""
    source = "data:image/svg+xml;base64," + base64.b64encode(sketch.svg.encode()).decode("ascii")
    return (
        f'<figure class="ss-sketch"><img src="{source}" width="{WIDTH}" height="{HEIGHT}" alt={quoteattr(sketch.alt)}>'
        f"<figcaption>{html.escape(sketch.caption)}</figcaption></figure>"
    )
