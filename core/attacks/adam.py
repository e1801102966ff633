"""Adam for a batch of independent problems, some of which leave before the others."""

from __future__ import annotations

import torch
from torch import Tensor


class Adam:
    """Kingma and Ba's Adam (with their default betas) on a batch (N, ...), every row a problem of its own.

    rate: the step size, one for all or a tensor that broadcasts against the batch, with as many rows.
    torch.optim.Adam keeps its moments by parameter object; here rows must be dropped as images finish.
    """

    def __init__(
        self, like: Tensor, rate: float | Tensor, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        self.rate, self.betas, self.eps = rate, betas, eps
        self.first = torch.zeros_like(like)
        self.second = torch.zeros_like(like)
        self.count = 0

    def step(self, variable: Tensor, gradient: Tensor, share: float = 1.0) -> None:
        """Move `variable` (N, ...) in place against `gradient` (N, ...), by `share` of the rate."""
        self.count += 1
        b1, b2 = self.betas
        self.first.lerp_(gradient, 1 - b1)
        self.second.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        denominator = (self.second / (1 - b2**self.count)).sqrt_().add_(self.eps)
        move = torch.div(self.first, denominator, out=denominator)
        variable.sub_(move.mul_(self.rate * (share / (1 - b1**self.count))))

    def forget(self, rows: Tensor) -> None:
        """Start anew with the moments of these rows (a mask)."""
        self.first[rows], self.second[rows] = 0, 0

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only (a mask or indices)."""
        self.first, self.second = self.first[rows], self.second[rows]
        if isinstance(self.rate, Tensor):
            self.rate = self.rate[rows]
