"""Three ways to solve L_alpha s = z on a pixel graph: a dense inverse, a sparse direct solver, conjugate gradients.

L_alpha = (I - alpha S) / (1 - alpha) is symmetric and positive definite. Its smallest eigenvalue is 1, so that the
error of a solution is never larger than its residual: |s - s*| <= |z - L_alpha s|.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from core.graph import nested_dissection
from core.graph.pixel_graph import Index, PixelGraph, take

_CHUNK = 100_000  # pixels factorised at once


class ConvergenceWarning(UserWarning):
    """An iterative solver stopped before it reached its tolerance."""


@dataclass(frozen=True)
class SolveReport:
    """What the last solve did. Tensors are of shape (N,), one value an image (the worst of its channels)."""

    solver: str
    iterations: int
    """Steps taken; 0 for the direct solvers."""
    residual: Tensor
    """|z - L_alpha s| / |z|, which bounds the relative error |s - s*| / |z|."""
    converged: Tensor
    """Whether the residual is within the tolerance; always true of the direct solvers."""


class Solver(Protocol):
    """Solves L_alpha s = z for signals z (N, C, H, W) on a graph."""

    name: str
    ones: Tensor
    """s_alpha(1) (N, G, H, W)."""

    def solve(self, z: Tensor) -> tuple[Tensor, SolveReport | None]:
        """s (N, C, H, W) and a report, or None where there is nothing to report but the residual."""

    def __getitem__(self, index: Index) -> Self:
        """The solver of some of the images, at no new cost."""


class DenseSolver:
    """Multiplies by L_alpha^-1, computed once in double precision; memory n^2 a graph."""

    name = "dense"

    def __init__(self, graph: PixelGraph, alpha: float) -> None:
        self.shape = graph.height, graph.width
        n = graph.height * graph.width
        self.inverse = graph.weights.new_empty(len(graph), graph.graphs, n, n)
        self.ones = graph.weights.new_empty(len(graph), graph.graphs, *self.shape)
        for i in range(len(graph)):
            for g in range(graph.graphs):
                matrix = graph.dense(i, g).double().mul_(-alpha)
                matrix.diagonal().add_(1)
                inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix)).mul_(1 - alpha)
                self.inverse[i, g] = inverse
                self.ones[i, g] = inverse.sum(dim=1).unflatten(0, self.shape)

    def solve(self, z: Tensor) -> tuple[Tensor, None]:
        n, c = z.shape[:2]
        graphs = self.inverse.shape[1]
        # The inverse is symmetric: signals can stay rows.
        rows = z.reshape(n * graphs, c // graphs, -1) @ self.inverse.flatten(0, 1)
        return rows.reshape(z.shape), None

    def __getitem__(self, index: Index) -> Self:
        part = object.__new__(type(self))
        part.shape = self.shape
        part.inverse, part.ones = take(self.inverse, index), take(self.ones, index)
        return part


class DirectSolver:
    """Factors by nested dissection (`core.graph.nested_dissection`): exact, about 300 bytes a pixel in float32."""

    name = "direct"

    def __init__(self, graph: PixelGraph, alpha: float) -> None:
        self.graphs = graph.graphs
        self.size = graph.height, graph.width, graph.neighbourhood
        # Some images at a time, to bound the memory that double precision takes meanwhile.
        chunk = max(1, _CHUNK // (graph.graphs * graph.height * graph.width))
        parts = [nested_dissection.factorise(graph[i : i + chunk], alpha) for i in range(0, len(graph), chunk)]
        self._take([torch.cat(level).unflatten(0, (len(graph), -1)) for level in zip(*parts, strict=True)])
        self.ones = self.solve(graph.weights.new_ones(len(graph), graph.graphs, graph.height, graph.width))[0]

    def solve(self, z: Tensor) -> tuple[Tensor, None]:
        signals = z.shape[1] // self.graphs
        levels = nested_dissection.plan(*self.size, z.device)
        way = nested_dissection.route(*self.size, signals, z.device)
        rows = z.reshape(-1, signals, z.shape[2] * z.shape[3])
        return nested_dissection.solve(levels, way, self._products, rows).view(z.shape), None

    def _take(self, factors: list[Tensor]) -> None:
        levels = nested_dissection.plan(*self.size, factors[0].device)
        self.factors = factors
        self._products = nested_dissection.both_ways(levels, [f.flatten(0, 1) for f in factors])

    def __getitem__(self, index: Index) -> Self:
        part = object.__new__(type(self))
        part.graphs, part.size = self.graphs, self.size
        part._take([take(f, index) for f in self.factors])
        part.ones = take(self.ones, index)
        return part


class ConjugateGradients:
    """Conjugate gradients on all systems of the batch at once, each stopping at its own tolerance.

    Runs in double precision: rounding in single precision alone leaves a residual of 2/(1-alpha) 6e-8. A solve starts
    from the better of the last two solutions (a forward and a backward pass alternate), which saves steps where signals
    change little, as along an attack. No preconditioner: the diagonal is constant, and a multigrid cycle on 2 x 2
    blocks of pixels cut the steps to a quarter but not the time (224 x 224, alpha 0.997: 141 steps in 160 ms against 33
    in 178 ms).
    """

    name = "cg"

    def __init__(self, graph: PixelGraph, alpha: float, tolerance: float, max_iterations: int) -> None:
        self.graph, self.alpha = graph, alpha
        self.max_iterations = max_iterations
        self._recent: list[Tensor] = []
        # Everything is divided by s_alpha(1), which is solved only once: take it more exactly.
        self.tolerance = tolerance / 100
        self.ones = self.solve(graph.weights.new_ones(len(graph), graph.graphs, graph.height, graph.width))[0]
        self.tolerance, self._recent = tolerance, []

    def solve(self, z: Tensor) -> tuple[Tensor, SolveReport]:
        b = z.double() * (1 - self.alpha)
        goal = self.tolerance * _norm(b)
        x, r = torch.zeros_like(b), b
        for candidate in self._recent:
            left = b - (candidate - self.alpha * self.graph.matvec(candidate))
            better = _norm(left) < _norm(r)
            x, r = torch.where(better, candidate, x), torch.where(better, left, r)
        p, rr, steps = r, _dot(r, r), 0
        while steps < self.max_iterations and bool((rr.sqrt() > goal).any()):
            q = p - self.alpha * self.graph.matvec(p)
            # A system that has arrived (or holds NaN) stands still; the others go on.
            active = rr.sqrt() > goal
            step = torch.where(active, rr / _dot(p, q), 0)
            x = x + step * p
            r = r - step * q
            rr, previous = _dot(r, r), rr
            p = r + torch.where(active, rr / previous, 0) * p
            steps += 1
        if bool(torch.isfinite(x).all()):
            self._recent = [x, *self._recent[:1]]
        residual, scale = _norm(r), _norm(b)
        relative = torch.where(scale > 0, residual / scale, residual).flatten(1).amax(dim=1)
        report = SolveReport(self.name, steps, relative, (residual <= goal).flatten(1).all(dim=1))
        if not bool(report.converged.all()):
            warnings.warn(
                f"Conjugate gradients stopped after {steps} steps at a relative residual of {relative.max():.1e}, "
                f"above the tolerance {self.tolerance:g}; allow more iterations or use the direct solver.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return x.to(z), report

    def __getitem__(self, index: Index) -> Self:
        part = object.__new__(type(self))
        part.graph, part.alpha = self.graph[index], self.alpha
        part.tolerance, part.max_iterations = self.tolerance, self.max_iterations
        part._recent = [take(x, index) for x in self._recent]
        part.ones = take(self.ones, index)
        return part


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(2, 3), keepdim=True)


def _norm(a: Tensor) -> Tensor:
    return _dot(a, a).sqrt()
