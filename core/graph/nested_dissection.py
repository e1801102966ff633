"""An exact solver for pixel graphs: nested dissection, all fronts of a level at once.

A line of pixels splits an image into two halves that do not touch, lines split the halves, and so on down to small
tiles (George, Nested dissection of a regular finite element mesh, SIAM J. Numer. Anal. 10, 1973). Eliminating tiles
first and the dividing lines last, level by level, keeps the factors small. On a grid all regions of a level have nearly
the same size, so that, padded to the same size, a level is one batched matrix product: the solver is a few dozen
tensor operations, on any device, and one factorisation serves any number of signals.

What a solve costs is to read the factors once on the way up and half of them on the way down. Where an extent is even,
two lines leave halves of exactly the same size, and no padding on any level below; where it is worth that, they divide.

With A = I - alpha S, s the pixels that a region eliminates and b the pixels around it, a front holds P = A_ss^-1 and
Q = -P A_sb: on the way up w_s = P z_s and z_b += Q^T z_s, on the way down x_s = w_s + Q x_b. A has no positive entry
off its diagonal, so P and Q have no negative ones: nothing cancels, and single precision keeps its digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.graph.pixel_graph import PixelGraph, edge_list

# Pixels of the largest tile that is not split again: the fastest of 16, 36 and 64 with halves of nearly one size,
# and of 16, 25 and 36 with equal halves.
_TILE = 36
_EQUAL_TILE = 25

Array = np.ndarray[Any, np.dtype[np.int64]]
Regions = list[tuple[Array, Array]]


@dataclass(frozen=True)
class Level:
    """One level's K regions: s pixels eliminated in each, b pixels around it, m = s + b (padded to the same size)."""

    regions: int
    size: int
    border: int
    inner: Array
    """(K, s) the pixels that are eliminated; -1 for padding."""
    outer: Array
    """(K, b) the pixels around; -1 for padding."""
    entries: Tensor
    """Flat positions in the fronts (K, m + 1, m + 1) of the edges that are eliminated here, and ..."""
    edges: Tensor
    """... which edges they are."""
    lift: Tensor
    """(K, b): where the pixels around stand in the parent's front; its m for padding."""


@dataclass(frozen=True)
class Route:
    """Where the numbers of R signals travel in a solve; see `solve` for the two buffers. Indices are of 32 bits, of
    which half as many bytes are read."""

    enter: Tensor
    """The place in the signals (R n) of each number of the first buffer; of padding any, for nobody reads it."""
    leave: Tensor
    """The place in the first buffer of each number of the signals."""
    inbox: tuple[Tensor, ...]
    """Per level (J K R s): the J messages that each of the eliminated pixels receives from deeper levels."""
    around: tuple[Tensor, ...]
    """Per level (K R b): the places in the first buffer of the pixels around the regions."""
    slots: tuple[int, ...]
    """Numbers of the first buffer that are each level's."""
    messages: tuple[int, ...]
    """Numbers of the second buffer that are each level's, and one that is nobody's."""


def _regions(height: int, width: int, equal: bool) -> Regions:
    """Per level the regions (K, 4) as row, column, height, width, and of each what is eliminated: the line or two that
    divide it into halves, which with `equal` are of one size, or the whole of it.
    """
    levels: Regions = []
    regions = np.array([[0, 0, height, width]])
    while True:
        extents = regions[:, 2:]
        axis = int(extents[:, 1].max() > extents[:, 0].max())
        if extents.max(axis=0).prod() <= (_EQUAL_TILE if equal else _TILE) or extents[:, axis].min() < 3:
            return [*levels, (regions, regions)]
        extent = regions[:, 2 + axis]
        thickness = np.where(extent % 2, 1, 2) if equal else np.ones_like(extent)
        half = (extent - thickness) // 2
        lines, first, second = regions.copy(), regions.copy(), regions.copy()
        lines[:, axis] += half
        lines[:, 2 + axis] = thickness
        levels.append((regions, lines))
        first[:, 2 + axis] = half
        second[:, axis] += half + thickness
        second[:, 2 + axis] -= half + thickness
        regions = np.stack([first, second], axis=1).reshape(-1, 4)


def _reading(levels: Regions) -> int:
    """Numbers that a solve reads, about: of each region s (s + b) on the way up and s b on the way down."""
    total = 0
    bottom, right = levels[0][0][0, 2:]
    for regions, lines in levels:
        row, column, h, w = regions.T
        around = w * ((row > 0) * 1 + (row + h < bottom)) + h * ((column > 0) * 1 + (column + w < right))
        s = int(lines[:, 2:].max(axis=0).prod())
        total += len(regions) * s * (s + 2 * int(around.max()))
    return total


def _dissection(height: int, width: int) -> Regions:
    """Of the two ways to divide the one that makes a solve read less; of 24 sizes the faster one on 24."""
    return min((_regions(height, width, equal) for equal in (False, True)), key=_reading)


def _rectangles(rectangles: Array, height: int, width: int) -> Array:
    """The pixels of rectangles (K, 4), padded to the size of the largest; -1 is padding, or outside the image."""
    row, column, h, w = (rectangles[:, i, None, None] for i in range(4))
    dy, dx = np.arange(max(h.max(), 0))[:, None], np.arange(max(w.max(), 0))
    y, x = row + dy, column + dx
    inside = (dy < h) & (dx < w) & (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return np.where(inside, y * width + x, -1).reshape(len(rectangles), -1)


def _left_aligned(pixels: Array) -> Array:
    """Rows with their padding (-1) moved to the right and cut where all rows are padded."""
    aligned = np.take_along_axis(pixels, np.argsort(pixels < 0, axis=1, kind="stable"), axis=1)
    return aligned[:, : (aligned >= 0).sum(axis=1).max(initial=0)]


def _border(regions: Array, height: int, width: int, corners: bool) -> Array:
    """The pixels around each region (K, b)."""
    row, column, h, w = regions.T
    one, c = np.ones_like(row), int(corners)
    sides = [
        (row - 1, column - c, one, w + 2 * c),
        (row + h, column - c, one, w + 2 * c),
        (row, column - 1, h, one),
        (row, column + w, h, one),
    ]
    return _left_aligned(np.concatenate([_rectangles(np.stack(s, axis=1), height, width) for s in sides], axis=1))


def _find(table: Array, rows: Array, pixels: Array, n: int) -> Array:
    """The column of table (K, m) in which each pixel stands in its row; m where it does not."""
    k, m = table.shape
    keys = np.where(table >= 0, np.arange(k)[:, None] * n + table, -1).ravel()
    order = np.argsort(keys, kind="stable")
    wanted = np.where(pixels >= 0, rows * n + pixels, -2)
    at = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), max(k * m - 1, 0))] if k * m else wanted * 0
    found = (keys[at] == wanted) if k * m else np.zeros(wanted.shape, bool)
    columns: Array = np.where(found, at % max(m, 1), m)
    return columns


@lru_cache(maxsize=16)
def plan(height: int, width: int, neighbourhood: int, device: torch.device) -> tuple[Level, ...]:
    """The order of elimination for images of one size, the root first and the tiles last."""
    n = height * width
    levels = _dissection(height, width)
    inner, outer = [], []
    for regions, lines in levels:
        inner.append(_rectangles(lines, height, width))
        outer.append(_border(regions, height, width, corners=neighbourhood == 8))

    level_of, region_of = np.empty(n, int), np.empty(n, int)
    for depth, p in enumerate(inner):
        level_of[p[p >= 0]] = depth
        region_of[p[p >= 0]] = np.nonzero(p >= 0)[0]
    # Every edge is eliminated with the deeper of its ends.
    edges = edge_list(height, width, neighbourhood)
    deeper = level_of[edges[0]] >= level_of[edges[1]]
    own, other = np.where(deeper, edges[0], edges[1]), np.where(deeper, edges[1], edges[0])

    made: list[Level] = []
    fronts = [np.concatenate(both, axis=1) for both in zip(inner, outer, strict=True)]
    for depth, (p, q, front) in enumerate(zip(inner, outer, fronts, strict=True)):
        (k, s), m = p.shape, front.shape[1]
        here = np.flatnonzero(level_of[own] == depth)
        region = region_of[own[here]]
        i, j = _find(front, region, own[here], n), _find(front, region, other[here], n)
        both = j < s
        row = region * (m + 1)
        entries = np.concatenate([(row + i) * (m + 1) + j, ((row + j) * (m + 1) + i)[both]])
        lift = _find(fronts[depth - 1], np.arange(k)[:, None] // 2, q, n) if depth else q
        tensors = (torch.tensor(t, device=device) for t in (entries, np.concatenate([here, here[both]]), lift))
        made.append(Level(k, s, m - s, p, q, *tensors))
    return tuple(made)


@lru_cache(maxsize=16)
def route(height: int, width: int, neighbourhood: int, signals: int, device: torch.device) -> Route:
    """The ways of `signals` signals through the plan."""
    n = height * width
    levels = plan(height, width, neighbourhood, device)
    r = np.arange(signals)[:, None]
    place = np.zeros((n, signals), int)  # of each pixel of each signal in the first buffer
    enter, slots, messages = [], [], []
    sender, addressee = [], []
    slot = message = 0
    for level in levels:
        k, s, m = level.regions, level.size, level.size + level.border
        pixel = np.broadcast_to(level.inner[:, None, :], (k, signals, s))
        enter.append(np.where(pixel >= 0, r * n + pixel, 0).ravel())
        at = slot + np.arange(k * signals * s).reshape(k, signals, s)
        place[pixel[pixel >= 0], np.broadcast_to(r, pixel.shape)[pixel >= 0]] = at[pixel >= 0]
        sent = message + np.arange(k * signals * m).reshape(k, signals, m)[:, :, s:]
        to = np.broadcast_to(level.outer[:, None, :], sent.shape)
        sender.append(sent[to >= 0])
        addressee.append((to[to >= 0], np.broadcast_to(r, to.shape)[to >= 0]))
        slots.append(at.size)
        messages.append(k * signals * m)
        slot, message = slot + slots[-1], message + messages[-1]

    senders = np.concatenate(sender)
    target = np.concatenate([place[a] for a in addressee])
    order = np.argsort(target, kind="stable")
    senders, target = senders[order], target[order]
    rank = np.arange(len(target)) - np.searchsorted(target, target)
    inbox, around = [], []
    ends = np.cumsum(slots)
    for level, start, stop in zip(levels, ends - slots, ends, strict=True):
        mine = slice(*np.searchsorted(target, [start, stop]))
        box = np.full((rank[mine].max(initial=-1) + 1, stop - start), message)
        box[rank[mine], target[mine] - start] = senders[mine]
        inbox.append(box.ravel())
        outer = np.broadcast_to(level.outer[:, None, :], (level.regions, signals, level.border))
        around.append(np.where(outer >= 0, place[outer, r], 0).ravel())

    def index(places: Array) -> Tensor:
        return torch.tensor(places, dtype=torch.int32, device=device)

    return Route(
        index(np.concatenate(enter)),
        index(place.T.ravel()),
        tuple(map(index, inbox)),
        tuple(map(index, around)),
        tuple(slots),
        (*messages, 1),
    )


def factorise(graph: PixelGraph, alpha: float) -> list[Tensor]:
    """[(1 - alpha) P, Q] (N G, K, s, s + b) of every level, made in double precision and kept in the graph's."""
    levels = plan(graph.height, graph.width, graph.neighbourhood, graph.device)
    values = graph.normalised_weights.flatten(0, 1).double() * -alpha
    factors = []
    schur = values.new_zeros(0)
    for depth in reversed(range(len(levels))):
        level = levels[depth]
        k, s, m = level.regions, level.size, level.size + level.border
        # The last row and column take what the padding of the level below adds; nobody reads them.
        front = values.new_zeros(len(values), k, m + 1, m + 1)
        front[:, :, :s, :s].diagonal(dim1=2, dim2=3).fill_(1)
        front.flatten(1)[:, level.entries] = values[:, level.edges]
        if depth + 1 < len(levels):
            at = levels[depth + 1].lift + torch.arange(2 * k, device=front.device)[:, None] // 2 * (m + 1)
            to = (at[:, :, None] * (m + 1) + levels[depth + 1].lift[:, None, :]).flatten()
            for row, addend in zip(front.flatten(1), schur.flatten(1), strict=True):
                row.index_add_(0, to, addend)
        A_sb = front[:, :, :s, s:m]
        P = torch.cholesky_inverse(torch.linalg.cholesky(front[:, :, :s, :s]))
        Q = -P @ A_sb
        schur = front[:, :, s:m, s:m] + A_sb.mT @ Q
        factors.append(torch.cat([P * (1 - alpha), Q], dim=3).to(graph.dtype))
    return factors[::-1]


def both_ways(levels: tuple[Level, ...], factors: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """What `solve` multiplies by, level by level: views of the factors (B, K, s, m) of B graphs, with all of them on
    the way up (B K, s, m), and Q transposed on the way down (B K, b, s).
    """
    flat = [factor.flatten(0, 1) for factor in factors]
    return [(up, up[..., level.size :].mT) for level, up in zip(levels, flat, strict=True)]


def solve(levels: tuple[Level, ...], way: Route, factors: list[tuple[Tensor, Tensor]], z: Tensor) -> Tensor:
    """x (B, R, n) with L_alpha x = z, for z (B, R, n): R signals on each of B graphs, with factors `both_ways`.

    The first buffer holds the numbers of the eliminated pixels, level by level as (K, R, s); the second what a level's
    product gives, (K, R, m): its own w, then the messages to the pixels around. The gathers between them are most of
    the work beside the products, hence one flat index each.
    """
    graphs, signals = z.shape[:2]
    x = _pick(z.reshape(graphs, -1), way.enter).view(graphs, -1)
    messages = z.new_empty(graphs, sum(way.messages))
    slots, rooms = x.split(way.slots, dim=1), messages.split(way.messages, dim=1)
    rooms[-1].zero_()  # what a pixel without a message in its inbox receives

    for depth in reversed(range(len(levels))):
        level, inbox, y = levels[depth], way.inbox[depth], slots[depth]
        if len(inbox):
            y = y + _pick(messages, inbox).view(graphs, -1, way.slots[depth]).sum(dim=1)
        _put(rooms[depth], torch.bmm, y.reshape(-1, signals, level.size), factors[depth][0])
    for depth, level in enumerate(levels):
        w = rooms[depth].reshape(-1, signals, level.size + level.border)[:, :, : level.size]
        if level.border:
            around = _pick(x, way.around[depth]).view(-1, signals, level.border)
            _put(slots[depth], torch.baddbmm, w, around, factors[depth][1])
        else:
            slots[depth].copy_(w.reshape(graphs, -1))
    return _pick(x, way.leave).view(z.shape)


def _pick(rows: Tensor, index: Tensor) -> Tensor:
    """rows[:, index]; of a single row in one dimension, where it is much faster."""
    return rows.view(-1).index_select(0, index) if len(rows) == 1 else rows.index_select(1, index)


def _put(room: Tensor, product: Callable[..., Tensor], *operands: Tensor) -> None:
    """What a batched product gives, into `room` (B, ...): at once where that lies in one piece, as one graph's does."""
    if len(room) == 1:
        product(*operands, out=room.view(*operands[0].shape[:2], -1))
    else:
        room.copy_(product(*operands).view(room.shape))
