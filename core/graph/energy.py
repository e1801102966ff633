r"""The energy of a signal on the pixel graph, |r|_K^2 = |r|^2 + rho sum_ij w_ij (r_i - r_j)^2 over edges ij.

It counts how long r is, and how much it changes where the image does not.

It is the squared Sobolev norm (H^1) of the graph: K = I + rho (D - W), with W the weights of eq. 5 of Smooth
Adversarial Examples and D their sums. Why this Laplacian, and not I - S = D^-1/2 (D - W) D^-1/2 of eq. 14?

- D - W punishes differences of r itself, so a constant costs its length alone, K 1 = 1. I - S leaves D^1/2 1 free
  instead, which is rough wherever degrees are: at the image's border, and on texture. With I - S, K would be L_alpha
  for alpha = rho / (1 + rho); its smoothing s_alpha is what eq. 9 has to normalise, and loses its symmetry over.
- K is symmetric, with eigenvalues from 1 to 1 + 2 rho max D, so positive definite. The rows and columns of K^-1 sum to
  1 and have no negative entry: it is the symmetric smoothing filter that needs no normalisation. On a flat image,
  where all weights are 1, its gain at frequency k (radians a pixel) is 1 / (1 + rho k^2) for small k: it spreads over
  sqrt(rho) pixels.
- It costs what s_alpha costs. With M = I + rho D, K = M^1/2 (I - S_rho) M^1/2 and S_rho = rho M^-1/2 W M^-1/2, whose
  eigenvalues lie below 1: the solvers of L_alpha solve it.
"""

from __future__ import annotations

from typing import Self

from torch import Tensor

from core.graph.pixel_graph import Index, PixelGraph, take
from core.graph.smoothing import Smoother, SolverName

_ALPHA = 0.5  # any would do: the solvers invert (I - alpha S) / (1 - alpha), and S is given as S_rho / alpha


class GraphEnergy:
    """|r|_K^2 = r'K r, K r and K^-1 g with K = I + rho (D - W), for a batch of images.

    graph: the pixel graphs of N images. rho: from 0 (K = I, at no cost) to 1e6, in pixels squared. solver: as of
    `Smoother`. `energy[index]` serves some of the images without factorising again. Raises ValueError for a rho out of
    range and for signals of another size than the images.
    """

    def __init__(self, graph: PixelGraph, rho: float, solver: SolverName = "auto") -> None:
        if not 0 <= rho <= 1e6:
            raise ValueError(f"rho must be from 0 to 1e6; got {rho}.")
        self.graph, self.rho = graph, rho
        if rho == 0:
            return
        # In double precision: I - S_rho is nearly singular for large rho, and rounding in single would be all that is
        # left of the difference.
        scale = (1 + rho * graph.sums(graph.weights.double())).rsqrt()
        self._smoother = Smoother(graph.rescaled(scale * (rho / _ALPHA) ** 0.5), _ALPHA, solver)
        self._scale = scale.to(graph.dtype)

    def __call__(self, r: Tensor) -> Tensor:
        """|r|_K^2 (N,) of r (N, C, H, W), differentiable."""
        return (r * self.apply(r)).flatten(1).sum(1)

    def apply(self, r: Tensor) -> Tensor:
        """K r (N, C, H, W), differentiable."""
        self.graph.check_signal(r)
        return r + self.rho * self.graph.laplacian(r) if self.rho else r

    def solve(self, g: Tensor) -> Tensor:
        """K^-1 g (N, C, H, W): the steepest direction of a function with gradient g, a step counted by its energy."""
        self.graph.check_signal(g)
        if self.rho == 0:
            return g
        scale = self._scale.to(g)
        return scale * self._smoother.raw(scale * g) / (1 - _ALPHA)

    @property
    def largest(self) -> Tensor:
        """(N,) a bound of K's eigenvalues: |r|_K^2 is never more than that times |r|^2."""
        return 1 + 2 * self.rho * self.graph.degrees.flatten(1).amax(1)

    def __getitem__(self, index: Index) -> Self:
        """The energy of some of the images: an int (still a batch), slice, list, integer or boolean tensor."""
        part = object.__new__(type(self))
        part.graph, part.rho = self.graph[index], self.rho
        if self.rho:
            part._scale, part._smoother = take(self._scale, index), self._smoother[index]
        return part
