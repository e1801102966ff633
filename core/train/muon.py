"""Muon: the momentum of each convolution's kernels is made orthogonal before it is a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

QUINTIC = 3.4445, -4.7750, 2.0315
"""a, b, c of a s + b s^3 + c s^5, which takes every singular value of (0, 1] to about 1 when repeated."""


def orthogonalised(matrix: Tensor, steps: int = 3) -> Tensor:
    """(n, m) -> (n, m): the same singular vectors, all singular values nearly alike, after Newton and Schulz.

    Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks": the matrix is divided by its norm,
    then `steps` times its singular values go through QUINTIC. Those that are small against the largest stay below 1. In
    the precision of `matrix`; of zeros it makes zeros.
    """
    a, b, c = QUINTIC
    wide = matrix.shape[0] <= matrix.shape[1]
    x: Tensor = matrix / (matrix.norm() + 1e-7)
    x = x if wide else x.T
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide else x.T


class Muon(torch.optim.Optimizer):
    """SGD with Nesterov's momentum and orthogonal steps for kernels (D, ...), AdamW for everything else.

    How large the loss's gradients are makes no difference to either, so that losses of very different scale (graph
    smoothness, MMC, cross-entropy) train with one learning rate.

    groups: as PyTorch's; "kernels" says which kind a group is. Kernels are scaled to sqrt(D) before each step, which
    replaces their weight decay, as in airbench94_muon.py of Jordan's cifar10-airbench; that trains what is no kernel by
    SGD. Orthogonalising is done in `dtype`.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float = 0.1,
        momentum: float = 0.6,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        self.dtype = dtype
        settings = {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(groups, settings | {"kernels": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; parameters without a gradient stay."""
        value = None
        if closure is not None:
            with torch.enable_grad():
                value = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    (self._turn if group["kernels"] else self._adapt)(parameter, parameter.grad, group)
        return value

    def _turn(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        momentum = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        ahead = gradient.add(momentum, alpha=group["momentum"])
        parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
        step = orthogonalised(ahead.flatten(1).to(self.dtype)).to(parameter.dtype)
        parameter.sub_(group["lr"] * step.view(parameter.shape))

    def _adapt(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """AdamW's step (Loshchilov and Hutter 2019, algorithm 2)."""
        state = self.state[parameter]
        if not state:
            state |= {"taken": 0, "mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
        state["taken"] += 1
        first, second = group["betas"]
        mean = state["mean"].lerp_(gradient, 1 - first) / (1 - first ** state["taken"])
        square = state["square"].lerp_(gradient.square(), 1 - second) / (1 - second ** state["taken"])
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.sub_(group["lr"] * mean / (square.sqrt() + group["eps"]))
