"""Losses: what shapes a feature space. `LOSSES` lists them; `core.losses.base` says how training uses any of them."""

from core.losses.base import Loss, choose_references
from core.losses.center_loss import CenterLoss
from core.losses.centers import hierarchical_centers, max_mahalanobis_centers, random_centers
from core.losses.classifiers import CLASSIFIERS, FITTED, classify
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
from core.models.card import Card

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


def trained_with(card: Card) -> Loss:
    """The loss of the network of `card`. ValueError in one sentence if it is unknown, or not with its arguments."""
    if card.loss not in LOSSES:
        raise ValueError(f"{card.name}: unknown loss {card.loss!r}; known are {', '.join(LOSSES)}.")
    try:
        return LOSSES[card.loss](**card.loss_arguments)
    except ValueError as error:
        raise ValueError(f"{card.name}, loss {card.loss}: {error}") from None


__all__ = [
    "CLASSIFIERS",
    "FITTED",
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
    "trained_with",
]
