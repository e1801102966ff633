"""The graph smoothness loss (Bontonou et al., "Introducing graph smoothness loss"): only pairs of other classes count.

The pieces are public because a page draws them: distances -> k-NN graph -> kernel weights -> smoothness of the labels.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from core.losses.base import Loss, check_features
from core.models.heads import distances
from core.params import parameter


def neighbour_graph(separations: Tensor, k: int | None = None) -> Tensor:
    """(n, n) bool: which vertices are connected in the k-nearest-neighbour graph of distances (n, n).

    Symmetrised by union: i and j are connected where either is among the other's k nearest. None connects all pairs. No
    vertex is connected with itself. ValueError unless k is from 1 to n - 1.
    """
    n = len(separations)
    connected = ~torch.eye(n, dtype=torch.bool, device=separations.device)
    if k is None:
        return connected
    if not 1 <= k < n:
        raise ValueError(f"k must be from 1 to {n - 1}, one less than the {n} embeddings, or None for all; got {k}.")
    nearest = separations.detach().masked_fill(~connected, torch.inf).topk(k, dim=1, largest=False).indices
    chosen = torch.zeros_like(connected).scatter(1, nearest, True)
    return chosen | chosen.T


def similarity_graph(embeddings: Tensor, alpha: float, k: int | None = None) -> Tensor:
    """(n, n) weights W of G_k, section 3.2: exp(-alpha |f_i - f_j|) where connected, else 0; differentiable.

    embeddings: (n, d) floats, n >= 1. alpha > 0. k: see `neighbour_graph`.
    """
    check_features(embeddings, torch.zeros(len(embeddings), dtype=torch.long), "embeddings")
    if not 0 < alpha < float("inf"):
        raise ValueError(f"alpha must be a finite number greater than 0; got {alpha}.")
    separations = distances(embeddings, embeddings)
    return torch.exp(-alpha * separations).masked_fill(~neighbour_graph(separations, k), 0.0)


def label_smoothness(weights: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(C,) the smoothness s_c^T L s_c of every class's label signal on the graph of symmetric weights (n, n).

    L is the combinatorial Laplacian; with s_c in {0, 1} the form is the weight of all edges that leave the class.
    """
    signals = torch.nn.functional.one_hot(labels, classes).to(weights.dtype)
    return (signals * (weights @ (1 - signals))).sum(0)


def graph_smoothness(embeddings: Tensor, labels: Tensor, alpha: float, k: int | None = None) -> Tensor:
    """The graph smoothness loss, Definition 1: a scalar, the sum over connected ordered pairs of different class of
    exp(-alpha |f_i - f_j|), which is the sum over classes of s_c^T L s_c.

    embeddings: (n, d) floats; labels: (n,) integers; alpha: of the kernel, > 0; k: neighbours in the graph, 1 to n - 1,
    None for all pairs. ValueError in one sentence for anything else.
    """
    check_features(embeddings, labels, "embeddings")
    return (similarity_graph(embeddings, alpha, k) * (labels[:, None] != labels)).sum()


class GraphSmoothness(Loss):
    """Graph smoothness on the graph of each mini-batch, its outputs normalised; classified by their neighbours."""

    name: ClassVar[str] = "graph-smoothness"
    title: ClassVar[str] = "Graph smoothness"
    formula: ClassVar[str] = (
        r"\sum_{c} s_c^\top L\, s_c = \sum_{\mu\nu \in G_k,\; y_\mu \neq y_\nu} e^{-\alpha\lVert f_\mu - f_\nu\rVert}"
    )
    look_for: ClassVar[str] = "Classes move apart as clusters; nothing asks a class to be one cluster."
    paper: ClassVar[str] = "Graph smoothness loss, Definition 1"
    classifiers: ClassVar[tuple[str, ...]] = ("argmax", "1-nn", "10-nn", "rbf-svc")
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, Table 1": {"reduction": "sum"},
        "paper, Table 2": {"reduction": "sum", "dim": 200},
        "paper, Figure 1": {"reduction": "sum", "dim": 2},
    }

    alpha: float = parameter(
        2.0,
        gt=0,
        le=100,
        step=0.1,
        slider=(0.1, 20),
        log=True,
        symbol="α",
        title="Kernel",
        paper="Graph smoothness loss, section 3.2 and Figure 4",
        help="How fast the weight of an edge falls with its length. Large values stop pushing classes apart early.",
    )
    k: int | None = parameter(
        None,
        ge=1,
        le=8191,
        step=1,
        slider=(1, 100),
        symbol="k",
        title="Neighbours",
        none="all",
        paper="Graph smoothness loss, section 3.2 and Figure 2",
        help="Each image is connected with its k nearest in the batch; none connects all (so does a smaller batch).",
    )
    dim: int | None = parameter(
        None,
        ge=1,
        le=4096,
        step=1,
        slider=(1, 512),
        symbol="d",
        title="Dimensions",
        none="as classes",
        paper="Graph smoothness loss, section 4.1 and Figure 3",
        help="Width of the network's output; none means as many as there are classes.",
    )
    norm: Literal["auto", "l2", "batch"] = parameter(
        "auto",
        title="Normalisation",
        paper="Graph smoothness loss, sections 4.1 and 4.2",
        advanced=True,
        help="Outputs on the unit sphere (l2) or batch-normalised; auto takes batch for two dimensions, where the "
        "sphere is but a circle.",
    )
    reduction: Literal["mean", "sum"] = parameter(
        "mean",
        paper="Graph smoothness loss, Definition 1",
        advanced=True,
        help="The paper's sum over pairs grows with the square of the batch; the mean over all pairs lets one learning "
        "rate serve every batch size.",
    )
    references: int = parameter(
        1000,
        ge=2,
        le=50_000,
        step=100,
        slider=(100, 10_000),
        advanced=True,
        unit="images",
        help="Training features that the differentiable classifier on top keeps.",
    )
    head_alpha: float = parameter(
        10.0,
        gt=0,
        le=1000,
        slider=(0.5, 100),
        log=True,
        symbol="α'",
        title="Classifier's kernel",
        advanced=True,
        help="Kernel of the differentiable classifier on top. It is nearest to 10 neighbours around 10 (C4 on 6,000 "
        "digits: 93 % agreement after one epoch, 99 % after four; with the loss's own 2, 84 and 98 %).",
    )

    @property
    def wanted_references(self) -> int:
        return self.references

    changeable: ClassVar[tuple[str, ...]] = ("alpha", "k")

    def layout(self, classes: int, features: int) -> dict[str, Any]:
        dim = self.dim or classes
        norm = ("batch" if dim == 2 else "l2") if self.norm == "auto" else self.norm
        head = {"alpha": self.head_alpha, "references": self.references}
        return {"embedding": dim, "embedding_norm": norm, "head": "kernel", "head_arguments": head}

    def __call__(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        n = len(features)
        k = self.k if self.k is not None and self.k < n else None  # the last batch of an epoch may be small
        total = graph_smoothness(features, labels, self.alpha, k)
        return total if self.reduction == "sum" else total / max(n * (n - 1), 1)
