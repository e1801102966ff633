"""Cross-entropy on quadratic logits: the family g-SCE, and in it the large-margin Gaussian mixture loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.losses.base import Loss
from core.models.heads import QuadraticHead
from core.params import parameter


class QuadraticLoss(Loss):
    """What the members of the family share: learned centres, begun at standard normal random points.

    As with fixed centres, the softmax saturates, so the adaptive attack goes by the distance to the own centre.
    """

    adaptive: ClassVar[bool] = True
    classifiers: ClassVar[tuple[str, ...]] = ("argmax", "nearest-center")

    covariance: Literal["diagonal", "identity"] = parameter(
        "diagonal",
        paper="MMC report, section 2.2",
        help="Whether each class learns its own variance along every dimension, or all are round.",
    )
    dim: int | None = parameter(
        None,
        ge=1,
        le=4096,
        step=1,
        slider=(1, 512),
        symbol="d",
        title="Dimensions",
        none="the network's",
        help="Width of the features; none means as many as the network has.",
    )

    bias: ClassVar[Literal["free", "gaussian"]]

    def layout(self, classes: int, features: int) -> dict[str, Any]:
        head = {"diagonal": self.covariance == "diagonal", "bias": self.bias}
        return {"embedding": self.dim or features, "head": "quadratic", "head_arguments": head}

    def prepare(self, head: nn.Module, generator: torch.Generator, groups: Sequence[int] | None = None) -> None:
        assert isinstance(head, QuadraticHead)
        nn.init.normal_(head.centers, generator=generator)

    def __call__(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(head(features), labels)

    def attack(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        assert isinstance(head, QuadraticHead)
        return head.distances(features).gather(1, labels[:, None])[:, 0]


class GeneralizedSoftmax(QuadraticLoss):
    """g-SCE: cross-entropy of h_i = -(z - mu_i)^T Sigma_i (z - mu_i) + B_i, everything learned, Sigma_i diagonal.

    As in section 2.2 of the report there is no 1/2, so that with covariance "identity" and equal B_i these are MM-LDA's
    logits -|z - mu_i|^2, with centres that are learned. A learned Sigma_i takes up any factor; the identity cannot. Its
    quadratic terms in z cancel in the softmax: it is softmax regression with W = 2 mu, b_i = B_i - |mu_i|^2.
    (Networks whose card says nothing of `half` were trained with the 1/2, and keep it.)
    """

    name: ClassVar[str] = "g-sce"
    title: ClassVar[str] = "Generalised cross-entropy (g-SCE)"
    formula: ClassVar[str] = r"-\log\,\mathrm{softmax}(h)_y,\qquad h_i = -(z - \mu_i)^\top \Sigma_i (z - \mu_i) + B_i"
    look_for: ClassVar[str] = "Boundaries bend, yet features still spread: the loss knows only differences of logits."
    paper: ClassVar[str] = "MMC report, section 2.2"
    bias: ClassVar[Literal["free", "gaussian"]] = "free"

    def layout(self, classes: int, features: int) -> dict[str, Any]:
        found = super().layout(classes, features)
        return found | {"head_arguments": found["head_arguments"] | {"half": False}}


class LargeMargin(QuadraticLoss):
    """Large-margin Gaussian mixture: Wan et al. 2018, "Rethinking feature distribution for loss functions", eq. 17.

    Features are modelled as equally likely Gaussians; the true class must win although its distance d_y counts
    1 + alpha times (the report's m delta_iy with the paper's m = alpha d_y), and features must be likely. The paper has
    the 1/2 in d_i, which the report leaves out of its h_i; here it stays, for with it the logits are log-likelihoods.
    """

    name: ClassVar[str] = "large-margin"
    title: ClassVar[str] = "Large-margin Gaussian mixture"
    formula: ClassVar[str] = (
        r"-\log \frac{|\Lambda_y|^{1/2} e^{-(1+\alpha) d_y}}{|\Lambda_y|^{1/2} e^{-(1+\alpha) d_y} + "
        r"\sum_{i\neq y} |\Lambda_i|^{1/2} e^{-d_i}} + \lambda\big(d_y - \tfrac12\log|\Lambda_y|\big),\qquad "
        r"d_i = \tfrac12 (z - \mu_i)^\top \Lambda_i (z - \mu_i)"
    )
    look_for: ClassVar[str] = "Each class becomes a Gaussian cloud around a centre of its own, with room between."
    paper: ClassVar[str] = "Wan et al. 2018, eqs. 10 to 17; MMC report, section 2.2"
    bias: ClassVar[Literal["free", "gaussian"]] = "gaussian"

    margin: float = parameter(
        0.3,
        ge=0,
        le=10,
        step=0.05,
        slider=(0, 2),
        symbol="α",
        paper="Wan et al. 2018, eq. 14",
        help="By how much more the distance to the own centre counts than to the others.",
    )
    likelihood: float = parameter(
        0.1,
        ge=0,
        le=10,
        step=0.01,
        slider=(0, 1),
        symbol="λ",
        paper="Wan et al. 2018, eq. 12",
        help="Weight of the features being likely at all, not only likelier than under the other classes.",
    )

    changeable: ClassVar[tuple[str, ...]] = ("margin", "likelihood")

    def __call__(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        assert isinstance(head, QuadraticHead)
        distances, offsets = head.distances(features), head.offsets()
        own = F.one_hot(labels, distances.shape[1])
        classification = F.cross_entropy(offsets - distances * (1 + self.margin * own), labels)
        unlikelihood = ((distances - offsets) * own).sum(1).mean()
        return classification + self.likelihood * unlikelihood
