"""Three ways to solve L_alpha s = z on a pixel graph: a dense inverse, a sparse direct solver, conjugate gradients.

L_alpha = (I - alpha S) / (1 - alpha) is symmetric and positive definite. Its smallest eigenvalue is 1, so that the
error of a solution is never larger than its residual: |s - s*| <= |z - L_alpha s|.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Protocol, Self

import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor

from core.graph.pixel_graph import Index, PixelGraph, take


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

    def ones(self) -> Tensor:
        """s_alpha(1) (N, G, H, W), as exact as the solver can."""

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
        self._ones = graph.weights.new_empty(len(graph), graph.graphs, *self.shape)
        for i in range(len(graph)):
            for g in range(graph.graphs):
                matrix = graph.dense(i, g).double().mul_(-alpha)
                matrix.diagonal().add_(1)
                inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix)).mul_(1 - alpha)
                self.inverse[i, g] = inverse
                self._ones[i, g] = inverse.sum(dim=1).unflatten(0, self.shape)

    def ones(self) -> Tensor:
        return self._ones

    def solve(self, z: Tensor) -> tuple[Tensor, None]:
        n, c = z.shape[:2]
        graphs = self.inverse.shape[1]
        # The inverse is symmetric: signals can stay rows.
        rows = z.reshape(n * graphs, c // graphs, -1) @ self.inverse.flatten(0, 1)
        return rows.reshape(z.shape), None

    def __getitem__(self, index: Index) -> Self:
        part = object.__new__(type(self))
        part.shape = self.shape
        part.inverse, part._ones = take(self.inverse, index), take(self._ones, index)
        return part


class DirectSolver:
    """Sparse LU factors on the CPU."""

    name = "direct"

    def __init__(self, graph: PixelGraph, alpha: float) -> None:
        self.alpha, self.shape, self.graphs = alpha, (graph.height, graph.width), graph.graphs
        self.reference = graph.weights
        identity = scipy.sparse.identity(graph.height * graph.width)
        self.factors = [
            [
                scipy.sparse.linalg.splu(
                    scipy.sparse.csc_matrix(identity - alpha * graph.sparse(i, g).astype("float64")),
                    permc_spec="MMD_AT_PLUS_A",
                    options={"SymmetricMode": True},
                )
                for g in range(graph.graphs)
            ]
            for i in range(len(graph))
        ]

    def ones(self) -> Tensor:
        ones = torch.ones(len(self.factors), self.graphs, *self.shape, dtype=torch.float64)
        return self.solve(ones)[0].to(self.reference)

    def solve(self, z: Tensor) -> tuple[Tensor, None]:
        rows = z.flatten(2).cpu().double().numpy()
        out = torch.empty(z.shape, dtype=torch.float64)
        for i, factors in enumerate(self.factors):
            for c in range(z.shape[1]):
                solution = factors[c if self.graphs > 1 else 0].solve(rows[i, c])
                out[i, c] = torch.from_numpy(solution).reshape(self.shape)
        return out.mul_(1 - self.alpha).to(z), None

    def __getitem__(self, index: Index) -> Self:
        part = object.__new__(type(self))
        part.alpha, part.shape, part.graphs, part.reference = self.alpha, self.shape, self.graphs, self.reference
        part.factors = [self.factors[i] for i in take(torch.arange(len(self.factors)), index).tolist()]
        return part


@dataclass
class ConjugateGradients:
    """Conjugate gradients on all systems of the batch at once, each stopping at its own tolerance.

    Runs in double precision: rounding in single precision alone leaves a residual of 2/(1-alpha) 6e-8. A solve starts
    from the last solution, which saves steps where signals change little, as along an attack.
    """

    graph: PixelGraph
    alpha: float
    tolerance: float
    max_iterations: int
    name: str = "cg"
    _last: Tensor | None = field(default=None, repr=False)

    def ones(self) -> Tensor:
        ones = self.graph.weights.new_ones(len(self.graph), self.graph.graphs, self.graph.height, self.graph.width)
        exact = type(self)(self.graph, self.alpha, self.tolerance / 100, self.max_iterations)
        return exact.solve(ones)[0]

    def solve(self, z: Tensor) -> tuple[Tensor, SolveReport]:
        b = z.double() * (1 - self.alpha)
        goal = self.tolerance * _norm(b)
        x = self._last if self._last is not None and self._last.shape == b.shape else torch.zeros_like(b)
        r = b - (x - self.alpha * self.graph.matvec(x))
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
        self._last = x if bool(torch.isfinite(x).all()) else None
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
        last = None if self._last is None else take(self._last, index)
        return type(self)(self.graph[index], self.alpha, self.tolerance, self.max_iterations, _last=last)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(2, 3), keepdim=True)


def _norm(a: Tensor) -> Tensor:
    return _dot(a, a).sqrt()


SOLVERS: dict[str, type[Solver]] = {"dense": DenseSolver, "direct": DirectSolver, "cg": ConjugateGradients}
