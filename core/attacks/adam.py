"""Adam for a batch of independent problems, some of which leave before the others."""

from __future__ import annotations

import torch
from torch import Tensor


class Adam:
    """Kingma and Ba's Adam (with their default betas) on a batch (N, ...), every row a problem of its own.

    torch.optim.Adam keeps its moments by parameter object; here rows must be dropped as images finish.
    """

    def __init__(self, like: Tensor, rate: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        self.rate, self.betas, self.eps = rate, betas, eps
        self.first = torch.zeros_like(like)
        self.second = torch.zeros_like(like)
        self.count = 0

    def step(self, variable: Tensor, gradient: Tensor) -> None:
        """Move `variable` (N, ...) in place against `gradient` (N, ...)."""
        self.count += 1
        b1, b2 = self.betas
        self.first.lerp_(gradient, 1 - b1)
        self.second.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        denominator = (self.second / (1 - b2**self.count)).sqrt_().add_(self.eps)
        variable.addcdiv_(self.first, denominator, value=-self.rate / (1 - b1**self.count))

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only (a mask or indices)."""
        self.first, self.second = self.first[rows], self.second[rows]
