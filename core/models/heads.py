"""What follows a network: an embedding of its features, and the head that turns features (N, d) into logits (N, K).

The state of a loss that outlives a batch (centres, fixed or learned; stored training features) lives in its head, so it
is saved, verified and resumed with the weights, and every attack reaches it through `model(x) -> logits`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["none", "l2", "batch"]


class Embedding(nn.Module):
    """A linear layer from a network's features to d dimensions, then a normalisation: (N, features) -> (N, d).

    norm: "none"; "l2", each output on the unit sphere; "batch", batch norm, whose scale is not learned: a learned one
    could scatter the outputs without bound, which is what normalising is to prevent (graph smoothness, section 4.1).
    """

    def __init__(self, features: int, dim: int, norm: Norm = "none") -> None:
        super().__init__()
        self.linear = nn.Linear(features, dim)
        self.norm = norm
        self.batch_norm = nn.BatchNorm1d(dim, affine=False) if norm == "batch" else None

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.linear(x)
        if self.batch_norm is not None:
            z = self.batch_norm(z)
        elif self.norm == "l2":
            z = F.normalize(z.float() if z.dtype == torch.bfloat16 else z)
        return z


class CenterHead(nn.Module):
    """Logits -|z - mu_i|^2; the centres are buffers, "untrainable" (MMC report, section 2.3).

    half: logits -|z - mu_i|^2 / 2, those of which the MMC loss is the negative. linear: logits 2 z.mu_i - |mu_i|^2,
    without the -|z|^2 that all classes share, for a loss that knows the logits' differences only: it does not keep
    features near the centres, and where |z| is 2600 a float32 holds |z|^2 to 0.5. The centres are zero until a loss
    prepares them or a checkpoint brings them.
    """

    centers: Tensor

    def __init__(self, dim: int, classes: int, half: bool = False, linear: bool = False) -> None:
        super().__init__()
        self.scale, self.linear = 0.5 if half else 1.0, linear
        self.register_buffer("centers", torch.zeros(classes, dim))

    def forward(self, z: Tensor) -> Tensor:
        if self.linear:
            return self.scale * (2 * z @ self.centers.T - self.centers.square().sum(1))
        # Differences, not |z|^2 - 2 z.mu + |mu|^2: near a centre that is a difference of large numbers.
        return -self.scale * (z[:, None] - self.centers).square().sum(2)


class LinearCenterHead(nn.Linear):
    """A linear head that also keeps a learned centre per class, of which its logits know nothing (centre loss)."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__(dim, classes)
        self.centers = nn.Parameter(torch.zeros(classes, dim))


class QuadraticHead(nn.Module):
    """Logits -1/2 (z - mu_i)^T Lambda_i (z - mu_i) + B_i, centres learned (g-SCE, MMC report, section 2.2).

    diagonal: Lambda_i is a learned positive diagonal, else the identity. bias: "free", B_i is learned; "gaussian",
    B_i = log|Lambda_i|/2, so the logits are log-likelihoods of Gaussians up to a constant. half: whether there is the
    1/2; without it Lambda_i is the report's Sigma_i, and they are no log-likelihoods, so "gaussian" is refused.
    """

    def __init__(
        self,
        dim: int,
        classes: int,
        diagonal: bool = True,
        bias: Literal["free", "gaussian"] = "free",
        half: bool = True,
    ) -> None:
        super().__init__()
        if bias not in {"free", "gaussian"}:
            raise ValueError(f"bias must be 'free' or 'gaussian'; got {bias!r}.")
        if bias == "gaussian" and not half:
            raise ValueError("half must be true where bias is 'gaussian': its logits are log-likelihoods.")
        self.scale = 0.5 if half else 1.0
        self.centers = nn.Parameter(torch.zeros(classes, dim))
        self.log_precision = nn.Parameter(torch.zeros(classes, dim)) if diagonal else None
        self.bias = nn.Parameter(torch.zeros(classes)) if bias == "free" else None

    def distances(self, z: Tensor) -> Tensor:
        """(N, d) -> (N, K): the squared Mahalanobis distance to every centre, or half of it."""
        squares = (z[:, None] - self.centers).square()
        return self.scale * (squares if self.log_precision is None else squares * self.log_precision.exp()).sum(2)

    def offsets(self) -> Tensor:
        """(K,) the B_i."""
        if self.bias is not None:
            return self.bias
        if self.log_precision is not None:
            return 0.5 * self.log_precision.sum(1)
        return self.centers.new_zeros(len(self.centers))

    def forward(self, z: Tensor) -> Tensor:
        return self.offsets() - self.distances(z)


class KernelHead(nn.Module):
    """Logit of a class: log of the sum over its stored training features f_mu of exp(-alpha |f - f_mu|).

    The differentiable stand-in for the 10-nearest-neighbour classifier of the graph smoothness paper, section 4.3 (the
    paper attacks nothing by gradient and has none). `refer` stores the features; until then all are zero.
    """

    references: Tensor
    reference_labels: Tensor

    def __init__(self, dim: int, classes: int, alpha: float = 10.0, references: int = 1000) -> None:
        super().__init__()
        if references < classes:
            raise ValueError(f"references must be at least {classes}, one for each class; got {references}.")
        if not 0 < alpha < float("inf"):
            raise ValueError(f"alpha must be a finite number greater than 0; got {alpha}.")
        self.alpha, self.classes = alpha, classes
        self.register_buffer("references", torch.zeros(references, dim))
        labels = torch.zeros(references, dtype=torch.long)
        if not labels.is_meta:  # there, PyTorch imports SymPy to count: a second of every process that lists
            labels = torch.arange(references) % classes
        self.register_buffer("reference_labels", labels)

    @property
    def labelled(self) -> bool:
        """Whether every stored feature is of one of the classes."""
        return bool(((self.reference_labels >= 0) & (self.reference_labels < self.classes)).all())

    def refer(self, features: Tensor, labels: Tensor) -> None:
        """Store training features (M, d) with their labels (M,), M as constructed, every class among them."""
        if features.shape != self.references.shape or labels.shape != self.reference_labels.shape:
            raise ValueError(
                f"features must be {tuple(self.references.shape)} with one label each; got {tuple(features.shape)} "
                f"and {tuple(labels.shape)}."
            )
        if not torch.equal(labels.unique().cpu(), torch.arange(self.classes)):
            raise ValueError(f"labels must hold each of 0 to {self.classes - 1}; give every class a reference.")
        self.references.copy_(features.detach())
        self.reference_labels.copy_(labels)

    def forward(self, z: Tensor) -> Tensor:
        scores = -self.alpha * distances(z.to(self.references.dtype), self.references)
        classes = self.reference_labels.expand(len(z), -1)
        # The largest of each class is taken out of the sum, so none underflows to log 0.
        largest = scores.new_full((len(z), self.classes), -torch.inf).scatter_reduce(
            1, classes, scores.detach(), "amax"
        )
        sums = torch.zeros_like(largest).scatter_add(1, classes, (scores - largest.gather(1, classes)).exp())
        return sums.log() + largest


def distances(a: Tensor, b: Tensor) -> Tensor:
    """(N, d), (M, d) -> (N, M): Euclidean distances from differences, with gradient zero where they vanish."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


HEADS: dict[str, Callable[..., nn.Module]] = {
    "linear": nn.Linear,
    "centers": CenterHead,
    "linear-centers": LinearCenterHead,
    "quadratic": QuadraticHead,
    "kernel": KernelHead,
}
"""Heads by name, each built from (d, K, **arguments)."""
