"""How densely a loss packs features: sample density by loss contours and by neighbours, and distances to centres.

Sections 2.1 to 2.3 of the MMC reproducibility report: SD(z) = Delta N / Vol(Delta B), the samples between two contours
of the loss over the volume between them.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.losses import Loss, MaxMahalanobis
from core.losses.base import check_features
from core.models.heads import CenterHead


def log_ball_volume(dim: int, radius: Tensor) -> Tensor:
    """Natural logarithm of the volume of balls of `radius` (any shape, > 0) in `dim` >= 1 dimensions."""
    if dim < 1:
        raise ValueError(f"dim must be at least 1; got {dim}.")
    return dim / 2 * math.log(math.pi) - math.lgamma(dim / 2 + 1) + dim * radius.double().log()


def log_shell_volume(dim: int, inner: Tensor, outer: Tensor) -> Tensor:
    """Natural logarithm of the volume between two spheres about one centre; `inner` >= 0 and below `outer`."""
    return log_ball_volume(dim, outer) + torch.log1p(-((inner.double() / outer.double()) ** dim))


def pointwise_loss(loss: Loss, head: nn.Module, points: Tensor, label: int) -> Tensor:
    """(N,) the loss of each feature of points (N, d) alone, were its label `label`: for pictures of the loss.

    points lie where the head does.
    """
    y = torch.tensor([label], device=points.device)
    values: Tensor = torch.func.vmap(lambda z: loss(head, z[None], y))(points)
    return values.detach()


def class_means(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(K, d) the mean feature of every class: what serves as a centre where a network has none. NaN without samples."""
    check_features(features, labels, classes=classes)
    sums = features.new_zeros(classes, features.shape[1]).index_add_(0, labels, features)
    return sums / labels.bincount(minlength=classes)[:, None]


def own_and_nearest(features: Tensor, labels: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Euclidean distances (N,) of features (N, d) to the centre of their label, and to the nearest other centre.

    centers: (K, d), K >= 2; rows that are not finite stand for classes that are not there.
    """
    check_features(features, labels, classes=len(centers))
    if len(centers) < 2:
        raise ValueError(f"centers must be at least 2, so that there is another one; got {len(centers)}.")
    every = torch.cdist(features, centers, compute_mode="donot_use_mm_for_euclid_dist").nan_to_num(nan=torch.inf)
    own = every.gather(1, labels[:, None])
    return own[:, 0], every.scatter(1, labels[:, None], torch.inf).min(1).values


def deciding_axes(head: nn.Module) -> Tensor:
    """(d, k) float64, orthonormal: the directions of feature space on which the differences of the logits depend.

    k is K - 1 in general: that of the differences of a linear head's rows, or of fixed centres. ValueError for a head
    whose logits are neither linear nor the distances to fixed centres.
    """
    if isinstance(head, nn.Linear):
        rows = head.weight
    elif isinstance(head, CenterHead):
        rows = head.centers
    else:
        raise ValueError(f"head must be linear or have fixed centres; got {type(head).__name__}.")
    differences: Tensor = rows.detach().double().cpu() - rows.detach().double().cpu().mean(0)
    axes: Tensor
    _, lengths, axes = torch.linalg.svd(differences, full_matrices=False)
    return axes[: int((lengths > 1e-6 * lengths[0]).sum())].T


@dataclass(frozen=True)
class SampleDensity:
    """Samples per unit of volume, in the k dimensions that decide the class; decimal logarithms."""

    dim: int
    """k."""
    unit: float
    """The mean distance between the centres of two classes, in the features' own length; 1 in the densities."""
    hidden: float
    """Share of the features' squared lengths (about their mean) that lies outside those k dimensions."""
    n: int
    """Samples that count: those that are classified correctly."""
    by_contour: Tensor
    """(K, shells): of every class, from its lowest losses to its highest. NaN where a class has too few samples."""
    by_neighbours: Tensor
    """(n,): of every sample that counts, among those of its class."""
    bounded: bool
    """Whether the contours enclose finite volumes themselves; else they are cut by a ball (see `sample_density`)."""
    labels: Tensor
    """(n,) classes of the samples that count."""

    def room(self, log_density: float) -> float:
        """The side of a cube that holds one sample on average, in units: 10^(-log density / k)."""
        return float(10 ** (-log_density / self.dim))


def neighbour_density(points: Tensor, neighbours: int = 10) -> Tensor:
    """(N,) natural logarithm of the density of points (N, d) around each: (m - 1) / volume up to the m-th neighbour.

    m - 1, not m: so it is unbiased where points are scattered evenly (Poisson). ValueError if there are not more points
    than neighbours, or fewer than 2 neighbours.
    """
    if not 2 <= neighbours < len(points):
        raise ValueError(
            f"neighbours must be from 2 to {len(points) - 1}, below the number of points; got {neighbours}."
        )
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    radius = distances.kthvalue(neighbours + 1, dim=1).values  # the nearest is the point itself
    return math.log(neighbours - 1) - log_ball_volume(points.shape[1], radius)


def sample_density(
    loss: Loss,
    head: nn.Module,
    features: Tensor,
    labels: Tensor,
    shells: int = 5,
    draws: int = 20_000,
    neighbours: int = 10,
    seed: int = 0,
) -> SampleDensity:
    """Estimate SD(z) = Delta N / Vol(Delta B) of a network from features (N, d) with labels (N,).

    The correctly classified samples of each class are ordered by their loss and cut into `shells` of equal numbers;
    Delta B is what lies between the contours of the lowest and the highest loss of a shell.

    The report compares densities of different losses, which needs a common space and length. Here that is the space on
    which the logits' differences depend (`deciding_axes`), of K - 1 dimensions for either, the unit of length being the
    mean distance between the classes' centres (fixed ones, or the mean features). The loss of a linear head knows
    nothing of other directions; of MMC's, half the squared distance in those directions is left out. There

    - MMC's contours are spheres, and the volume between two has a closed form;
    - softmax cross-entropy's are open (for a linear head they go to infinity), so that the volume is infinite and SD,
      taken to the letter, zero. It is cut by the smallest ball about the class's mean that holds the class's samples,
      and measured there by `draws` random points; that is in favour of cross-entropy.

    `by_neighbours` needs no contours (`neighbour_density`, within the class) and checks the result. ValueError in one
    sentence for a head without `deciding_axes`, or labels that do not fit.
    """
    check_features(features, labels)
    if shells < 1 or draws < 1:
        raise ValueError(f"shells and draws must be at least 1; got {shells} and {draws}.")
    head = copy.deepcopy(head).cpu().double()
    axes = deciding_axes(head)
    z, labels = features.double().cpu(), labels.cpu()
    correct = head(z).argmax(1) == labels
    deviations = z - z.mean(0)
    hidden = 1 - float((deviations @ axes).square().sum() / deviations.square().sum())
    points, labels = (z @ axes)[correct], labels[correct]
    spherical = isinstance(loss, MaxMahalanobis)
    classes = head(z[:1]).shape[1]
    centers: Tensor = head.centers @ axes if isinstance(head, CenterHead) else class_means(points, labels, classes)
    unit = float(torch.pdist(centers[centers.isfinite().all(1)]).mean())
    points, centers = points / unit, centers / unit
    generator = torch.Generator().manual_seed(seed)

    def levels(at: Tensor, label: int) -> Tensor:
        """What rises with the loss: the distance to the centre, or log(e^loss - 1), which never rounds to zero."""
        if spherical:
            distances: Tensor = (at - centers[label]).norm(dim=1)
            return distances
        logits: Tensor = head(unit * at @ axes.T)
        others = logits.clone()
        others[:, label] = -torch.inf
        return others.logsumexp(1) - logits[:, label]

    k = axes.shape[1]
    by_contour = torch.full((classes, shells), torch.nan, dtype=torch.float64)
    by_neighbours = torch.full((len(points),), torch.nan, dtype=torch.float64)
    for label in range(classes):
        mine = points[labels == label]
        if len(mine) > neighbours:
            by_neighbours[labels == label] = neighbour_density(mine, neighbours) / math.log(10)
        if len(mine) < 2 * shells:
            continue
        ordered = levels(mine, label).sort().values
        edges = ordered[torch.linspace(0, len(mine) - 1, shells + 1).round().long()]
        counts = torch.linspace(0, len(mine) - 1, shells + 1).round().diff()
        if spherical:
            volumes = log_shell_volume(k, edges[:-1], edges[1:])
        else:
            middle = mine.mean(0)
            radius = (mine - middle).norm(dim=1).max()
            steps = torch.randn(draws, k, generator=generator, dtype=torch.float64)
            lengths = torch.rand(draws, 1, generator=generator, dtype=torch.float64) ** (1 / k)
            drawn = levels(middle + radius * lengths * torch.nn.functional.normalize(steps), label)
            hits = torch.histogram(drawn, edges).hist
            volumes = log_ball_volume(k, radius) + (hits / draws).log()
        found = (counts.double().log() - volumes) / math.log(10)
        by_contour[label] = found.where(found.isfinite(), torch.nan)
    return SampleDensity(k, unit, hidden, len(points), by_contour, by_neighbours, spherical, labels)
