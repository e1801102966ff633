"""Losses: what shapes a feature space. `LOSSES` lists them; `core.losses.base` says how training uses any of them."""

from core.losses.base import Loss, choose_references
from core.losses.center_loss import CenterLoss
from core.losses.centers import hierarchical_centers, max_mahalanobis_centers, random_centers
from core.losses.classifiers import CLASSIFIERS, classify
from core.losses.cross_entropy import CrossEntropy
from core.losses.graph_smoothness import (
    GraphSmoothness,
    graph_smoothness,
    label_smoothness,
    neighbour_graph,
    similarity_graph,
)
from core.losses.large_margin import GeneralizedSoftmax, LargeMargin
from core.losses.max_mahalanobis import MaxMahalanobis, MaxMahalanobisLDA, max_mahalanobis

LOSSES: dict[str, type[Loss]] = {
    cls.name: cls
    for cls in (
        CrossEntropy,
        GraphSmoothness,
        MaxMahalanobis,
        MaxMahalanobisLDA,
        CenterLoss,
        GeneralizedSoftmax,
        LargeMargin,
    )
}

__all__ = [
    "CLASSIFIERS",
    "LOSSES",
    "CenterLoss",
    "CrossEntropy",
    "GeneralizedSoftmax",
    "GraphSmoothness",
    "LargeMargin",
    "Loss",
    "MaxMahalanobis",
    "MaxMahalanobisLDA",
    "choose_references",
    "classify",
    "graph_smoothness",
    "hierarchical_centers",
    "label_smoothness",
    "max_mahalanobis",
    "max_mahalanobis_centers",
    "neighbour_graph",
    "random_centers",
    "similarity_graph",
]
