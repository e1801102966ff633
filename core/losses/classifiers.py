"""The classifiers that the papers put on top of features: what a head says, or neighbours and support vectors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.losses.base import check_features
from core.models.batches import device_of
from core.models.heads import distances

Classify = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]


def argmax(head: nn.Module, train: Tensor, labels: Tensor, features: Tensor) -> Tensor:
    """The class of the largest logit."""
    with torch.no_grad():
        logits: Tensor = head(features)
    return logits.argmax(1)


def nearest_center(head: nn.Module, train: Tensor, labels: Tensor, features: Tensor) -> Tensor:
    """The class of the nearest of the head's centres; ValueError if it has none."""
    centers = getattr(head, "centers", None)
    if centers is None:
        raise ValueError(f"head must have centres for nearest-center; got {type(head).__name__}: choose argmax.")
    with torch.no_grad():
        return distances(features, centers).argmin(1)


def neighbours(k: int) -> Classify:
    """The majority among the k nearest training features (graph smoothness paper, section 4.3)."""

    def classify(head: nn.Module, train: Tensor, labels: Tensor, features: Tensor) -> Tensor:
        from sklearn.neighbors import KNeighborsClassifier

        if len(train) < k:
            raise ValueError(f"train must hold at least {k} features for {k}-nn; got {len(train)}.")
        model = KNeighborsClassifier(k, algorithm="brute")
        return _fitted(model, train, labels, features)

    return classify


def rbf_svc(head: nn.Module, train: Tensor, labels: Tensor, features: Tensor) -> Tensor:
    """A support vector classifier with radial basis functions, scikit-learn's defaults (the paper gives no values)."""
    from sklearn.svm import SVC

    return _fitted(SVC(), train, labels, features)


def _fitted(model: object, train: Tensor, labels: Tensor, features: Tensor) -> Tensor:
    model.fit(train.detach().cpu().numpy(), labels.cpu().numpy())  # type: ignore[attr-defined]
    predicted = model.predict(features.detach().cpu().numpy())  # type: ignore[attr-defined]
    return torch.from_numpy(predicted).to(features.device)


CLASSIFIERS: dict[str, Classify] = {
    "argmax": argmax,
    "nearest-center": nearest_center,
    "1-nn": neighbours(1),
    "10-nn": neighbours(10),
    "rbf-svc": rbf_svc,
}
"""Classifiers by name, each called with (head, training features, training labels, features)."""

FITTED = ("1-nn", "10-nn", "rbf-svc")
"""Those that look at the training features."""


def classify(name: str, head: nn.Module, train: Tensor, labels: Tensor, features: Tensor) -> Tensor:
    """(N,) the class that classifier `name` gives each of features (N, d).

    head: of the network; train (M, d), labels (M,): training features, for those classifiers that look at them. All on
    any device; the classes lie where `features` do. ValueError in one sentence for an unknown name or features that do
    not fit.
    """
    if name not in CLASSIFIERS:
        raise ValueError(f"there is no classifier {name!r}; there are {', '.join(CLASSIFIERS)}.")
    check_features(train, labels, "train")
    if features.ndim != 2 or features.shape[1] != train.shape[1]:
        raise ValueError(f"features must be (N, {train.shape[1]}) as those of training; got {tuple(features.shape)}.")
    device = device_of(head, features)
    return CLASSIFIERS[name](head, train.to(device), labels.to(device), features.to(device)).to(features.device)
