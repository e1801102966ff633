"""s_alpha and its normalised form s^_alpha (Smooth Adversarial Examples, eqs. 6 to 9), differentiable."""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from torch import Tensor

from core.graph.pixel_graph import Index, PixelGraph
from core.graph.solvers import ConjugateGradients, DenseSolver, DirectSolver, Solver, SolveReport

SolverName = Literal["auto", "dense", "direct", "cg"]

# A dense inverse pays for a handful of small images only: measured at 28 x 28, one solve takes 0.1 ms against 0.4 ms,
# but the inverses of a hundred take twenty times as long to make, and twice as long to multiply by, as sparse factors.
_LARGEST_DENSE = 1100  # pixels
_MOST_DENSE = 4_000_000  # numbers in all inverses together


class _Solve(torch.autograd.Function):
    """L_alpha^-1, which is symmetric: the backward pass is the same solve."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, smoother: Smoother) -> Tensor:
        ctx.smoother = smoother
        return smoother._solve(z)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _solution(gradient, ctx.smoother), None


def _solution(z: Tensor, smoother: Smoother) -> Tensor:
    """L_alpha^-1 z, differentiable."""
    solution: Tensor = _Solve.apply(z, smoother)  # type: ignore[no-untyped-call]
    return solution


class Smoother:
    """s^_alpha(z) = s_alpha(z) / s_alpha(1), with s_alpha(z) = L_alpha^-1 z (eqs. 8 and 9), for a batch of images.

    graph: the pixel graphs of N images; the smoother computes in the graph's precision.
    alpha: from 0 (the identity, exactly and at no cost) to 0.9999 (a strong low-pass filter).
    solver: "dense" (inverse matrices), "direct" (factors by nested dissection), "cg" (conjugate gradients with a
    tolerance; the slowest, but it needs no factors), all of them on any device, or "auto": dense for a few small
    images, direct for all others.
    tolerance, max_iterations: of conjugate gradients; |z - L_alpha s| <= tolerance |z|, which bounds |s - s*| too.
    A solve that misses it warns (ConvergenceWarning) and says so in `report`.

    `smoother(z)` is s^_alpha(z) and `smoother.raw(z)` is s_alpha(z), for z (N, C, H, W) on any device. Both are
    differentiable: the gradient of s^_alpha is the transpose L_alpha^-1 (g / s_alpha(1)), not s^_alpha(g) (the paper's
    "equivalent to smoothing", section 4.2, is loose). `smoother[index]` serves some of the images without factorising
    again. Raises ValueError for arguments out of range and for z of another size than the images.
    """

    def __init__(
        self,
        graph: PixelGraph,
        alpha: float,
        solver: SolverName = "auto",
        tolerance: float = 1e-5,
        max_iterations: int = 1000,
    ) -> None:
        if not 0 <= alpha <= 0.9999:
            raise ValueError(f"alpha must be from 0 to 0.9999; got {alpha}.")
        if not 0 < tolerance < 1:
            raise ValueError(f"tolerance must lie between 0 and 1; got {tolerance}.")
        if max_iterations < 1:
            raise ValueError(f"max_iterations must be at least 1; got {max_iterations}.")
        if solver not in ("auto", "dense", "direct", "cg"):
            raise ValueError(f"solver must be 'auto', 'dense', 'direct' or 'cg'; got {solver!r}.")
        self.graph, self.alpha = graph, alpha
        self._last: tuple[Tensor, Tensor, SolveReport | None] | None = None
        if alpha == 0:
            return
        if solver == "auto":
            n = graph.height * graph.width
            small = n <= _LARGEST_DENSE and len(graph) * graph.graphs * n**2 <= _MOST_DENSE
            solver = "dense" if small else "direct"
        self._solver: Solver
        if solver == "cg":
            self._solver = ConjugateGradients(graph, alpha, tolerance, max_iterations)
        else:
            self._solver = DenseSolver(graph, alpha) if solver == "dense" else DirectSolver(graph, alpha)

    def __call__(self, z: Tensor) -> Tensor:
        """s^_alpha(z) (N, C, H, W), eq. 9."""
        self.graph.check_signal(z)
        if self.alpha == 0:
            return z
        # s^ of a constant is that constant, so the mean can go around the solver: constants stay exact to the last
        # digit whatever the solver's error. For the same reason the detour adds nothing to the gradient.
        mean = z.detach().mean(dim=(2, 3), keepdim=True)
        return torch.addcdiv(mean, _solution(z - mean, self), self._solver.ones.to(z))

    def raw(self, z: Tensor) -> Tensor:
        """s_alpha(z) = L_alpha^-1 z (N, C, H, W), eq. 8: not normalised, a constant does not stay constant."""
        self.graph.check_signal(z)
        if self.alpha == 0:
            return z
        mean = z.detach().mean(dim=(2, 3), keepdim=True)
        return _solution(z - mean, self) + self._solver.ones.to(z) * mean

    def inverse(self, r: Tensor) -> Tensor:
        """z (N, C, H, W) with s^_alpha(z) = r: L_alpha (s_alpha(1) r), which takes no solve."""
        self.graph.check_signal(r)
        if self.alpha == 0:
            return r
        q = r * self._solver.ones.to(r)
        return (q - self.alpha * self.graph.matvec(q)) / (1 - self.alpha)

    def _solve(self, z: Tensor) -> Tensor:
        inner = z.detach().to(self._solver.ones)
        solution, report = self._solver.solve(inner)
        self._last = inner, solution, report
        return solution.to(z)

    @property
    def report(self) -> SolveReport:
        """What the last solve did, forward or backward. RuntimeError before the first."""
        if self._last is None:
            raise RuntimeError("there is nothing to report: this smoother has not solved anything yet.")
        z, s, report = self._last
        if report is not None:
            return report
        z, s = z.double(), s.double()
        difference = z - (s - self.alpha * self.graph.matvec(s)) / (1 - self.alpha)
        residual = difference.flatten(2).norm(dim=2) / z.flatten(2).norm(dim=2).clamp(min=torch.finfo(z.dtype).tiny)
        worst = residual.amax(dim=1)
        return SolveReport(self._solver.name, 0, worst, torch.isfinite(worst))

    def __getitem__(self, index: Index) -> Self:
        """The smoother of some of the images: an int (still a batch), slice, list, integer or boolean tensor."""
        part = object.__new__(type(self))
        part.graph, part.alpha, part._last = self.graph[index], self.alpha, None
        if self.alpha > 0:
            part._solver = self._solver[index]
        return part
