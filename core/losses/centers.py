"""Centres for the classes: Max-Mahalanobis ones, as far apart as can be, random ones, hierarchical ones.

Pang et al., "Max-Mahalanobis linear discriminant analysis networks" (2018) and "Rethinking softmax cross-entropy loss
for adversarial robustness" (2020), section 2.3 of the reproducibility report. Its Python generator takes the square
outside the root (norms 0.7 to 14.8 instead of 1); nothing here follows it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded where they are first asked for
import torch
from torch import Tensor
from torch.nn import functional


def _check(classes: int, dim: int, norm: float) -> None:
    if classes < 1:
        raise ValueError(f"classes must be at least 1; got {classes}.")
    if dim < 1 or (dim == 1 and classes > 2):
        raise ValueError(f"dim must be at least {min(classes - 1, 2) or 1} for {classes} classes; got {dim}.")
    if not 0 < norm < math.inf:
        raise ValueError(f"norm must be a finite number greater than 0; got {norm}.")


def simplex(points: int) -> np.ndarray:
    """(L, L - 1) float64: L unit vectors with all cosines -1/(L - 1), in the order of Pang et al. 2018, Algorithm 1.

    Row i is zero beyond column i; solved for the diagonal, the algorithm's recursion has a closed form.
    """
    j = np.arange(points - 1)
    diagonal = np.sqrt(points * (points - j - 1) / ((points - 1) * (points - j))) if points > 1 else np.zeros(0)
    below = np.tril(np.broadcast_to(-diagonal / (points - j - 1), (points, points - 1)), -1)
    below[j, j] = diagonal
    return below


@functools.lru_cache(maxsize=64)
def _unit_centers(classes: int, dim: int) -> np.ndarray:
    """(L, d) float64 unit vectors, the smallest distance between any two as large as we can make it."""
    if classes == 1:
        return np.eye(1, dim)
    if dim == 2:
        angles = 2 * np.pi * np.arange(classes) / classes
        return np.stack([np.cos(angles), np.sin(angles)], 1)
    if classes > 2 * dim:
        return _separated(classes, dim)
    # Up to d + 1 vectors one simplex is best; up to 2d, Rankin's bound of right angles is met by L - d simplices in
    # orthogonal subspaces.
    units, row, column = np.zeros((classes, dim)), 0, 0
    for block in np.array_split(np.arange(classes), max(classes - dim, 1)):
        size = len(block)
        units[row : row + size, column : column + size - 1] = simplex(size)
        row, column = row + size, column + size - 1
    return units


def _separated(points: int, dim: int) -> np.ndarray:
    """(L, d) unit vectors that minimise the largest cosine, by a soft maximum that hardens step by step (L-BFGS).

    The best of several seeded starts; fewer and shorter ones where there are many points, to stay within seconds.
    """
    generator = np.random.default_rng(0)
    starts, steps = min(6, max(1, 200 // points)), min(200, max(30, 20_000 // points))
    upper = np.triu_indices(points, 1)

    def energy(flat: np.ndarray, hardness: float) -> tuple[float, np.ndarray]:
        raw = flat.reshape(points, dim)
        lengths = np.linalg.norm(raw, axis=1, keepdims=True)
        units = raw / lengths
        cosines = (units @ units.T)[upper]
        largest = cosines.max()
        pulls = np.exp(hardness * (cosines - largest))
        total = pulls.sum()
        weights = np.zeros((points, points))
        weights[upper] = pulls / total
        gradient = (weights + weights.T) @ units
        gradient = (gradient - units * (gradient * units).sum(1, keepdims=True)) / lengths
        return largest + math.log(total) / hardness, gradient.ravel()

    best, lowest = np.zeros((points, dim)), math.inf
    # Soft beginnings may all fall into one valley (14 points in 3D: 1.6 % short), hard ones into poor ones (24 in 4D):
    # some of each.
    for start in range(starts + (starts + 1) // 2):
        flat = generator.standard_normal(points * dim)
        for hardness in (4.0, 16.0, 64.0, 256.0, 1024.0, 8192.0)[0 if start < starts else 2 :]:
            flat = scipy.optimize.minimize(
                energy, flat, (hardness,), method="L-BFGS-B", jac=True, options={"maxiter": steps}
            ).x
        units = flat.reshape(points, dim)
        units /= np.linalg.norm(units, axis=1, keepdims=True)
        if (largest := (units @ units.T)[upper].max()) < lowest:
            best, lowest = units, largest
    return best


def max_mahalanobis_centers(classes: int, dim: int, norm: float = 10.0) -> Tensor:
    """(L, d) float32 centres of norm C_MM, their smallest distance as large as possible.

    dim >= L - 1: the regular simplex, all cosines -1/(L - 1). Below that the report gives no construction: in the plane
    the regular polygon; for L <= 2 dim the exact optimum, right angles between simplices; else spread numerically, the
    same every time. ValueError in one sentence if classes < 1, norm <= 0, or dim is too small for distinct centres.
    """
    _check(classes, dim, norm)
    return torch.from_numpy(norm * _unit_centers(classes, dim)).float()


def random_centers(classes: int, dim: int, norm: float, generator: torch.Generator) -> Tensor:
    """(L, d) float32 centres of norm C_MM in independent random directions: "MMC-10 (rand)" of the MMC report."""
    _check(classes, dim, norm)
    return norm * functional.normalize(torch.randn(classes, dim, generator=generator))


def hierarchical_centers(groups: Sequence[int], dim: int, norm: float = 10.0, sub_norm: float = 1.0) -> Tensor:
    """(L, d) float32 HMMC centres mu_i + mu_j of class j of superclass i (MMC report, section 4.7).

    groups: the superclass 0 ... S - 1 of every class, in the order of the labels (the report's code takes label order
    for superclasses). norm: C_1, of the S super-centres; sub_norm: C_2, of the sub-centres around each; an only class
    stays at its super-centre. Where dim allows, sub-centres lie in dimensions that no super-centre uses: then classes
    of other superclasses are never nearer than their super-centres, and every distance has a closed form. The report
    leaves that open. ValueError in one sentence unless groups number their superclasses from 0 without a gap.
    """
    supers = max(groups, default=-1) + 1
    if not groups or set(groups) != set(range(supers)):
        raise ValueError(f"groups must number the superclasses from 0 without a gap; got {list(groups)[:12]}.")
    members = [[label for label, group in enumerate(groups) if group == s] for s in range(supers)]
    largest = max(map(len, members))
    if not 0 < sub_norm < math.inf:
        raise ValueError(f"sub_norm must be a finite number greater than 0; got {sub_norm}.")
    apart = dim >= max(supers - 1, 1) + largest - 1
    centers = max_mahalanobis_centers(supers, dim, norm)[list(groups)]
    for labels in members:
        if len(labels) > 1:
            subs = max_mahalanobis_centers(len(labels), dim, sub_norm)
            # A simplex fills the first dimensions; turned round, the last ones.
            centers[labels] += subs.flip(1) if apart else subs
    return centers


TAMMES = {
    5: 90.0,
    7: 77.8695421,
    8: 74.8584922,
    9: 70.5287794,
    10: 66.1468220,
    11: 63.4349488,
    12: 63.4349488,
    13: 57.1367031,
    14: 55.6705700,
    24: 43.6907671,
}
"""Largest possible smallest angle, in degrees, of so many points on the sphere in 3D, where it is proven (Schuette and
van der Waerden 1951, Danzer 1963, Robinson 1961, Musin and Tarasov 2012 and 2015)."""


def best_angle(classes: int, dim: int) -> tuple[float, str] | None:
    """The largest that the smallest angle of L directions in d dimensions can be, in radians, and whose result it is.

    None where no exact value is known to us.
    """
    _check(classes, dim, 1.0)
    if classes < 2:
        return None
    if classes <= dim + 1:
        return math.acos(-1 / (classes - 1)), "regular simplex"
    if dim == 2:
        return 2 * math.pi / classes, "regular polygon"
    if classes <= 2 * dim:
        return math.pi / 2, "Rankin's bound"
    if dim == 3 and classes in TAMMES:
        return math.radians(TAMMES[classes]), "Tammes' problem"
    return None


@dataclass(frozen=True)
class CenterSet:
    """Centres (L, d) with what can be measured of them."""

    points: Tensor
    groups: Sequence[int] | None
    """The superclass of every class, where there are superclasses."""

    @property
    def cosines(self) -> Tensor:
        """(L, L) float64."""
        units = functional.normalize(self.points.double())
        return (units @ units.T).clamp(-1, 1)

    @property
    def angles(self) -> Tensor:
        """(L, L) in degrees, from the chord of the unit vectors: exact for small angles too."""
        units = functional.normalize(self.points.double())
        return torch.rad2deg(2 * torch.asin((torch.cdist(units, units) / 2).clamp(max=1)))

    @property
    def distances(self) -> Tensor:
        """(L, L)."""
        points = self.points.double()
        return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")

    def closest(self) -> tuple[int, int]:
        """The two with the smallest angle between them; of several such pairs the first."""
        angles = self.angles.fill_diagonal_(torch.inf)
        near = angles <= angles.min() + 1e-4
        first, second = near.nonzero()[0].tolist()
        return first, second

    def distance_range(self) -> tuple[float, float]:
        """Smallest and largest distance of two."""
        pairs = torch.pdist(self.points.double())
        return float(pairs.min()), float(pairs.max())


def shadow(points: Tensor, groups: Sequence[int] | None = None) -> tuple[Tensor, float]:
    """A linear shadow of points (L, d) in three dimensions: axes (d, 3), orthonormal, and the share of the squared
    lengths that it keeps; 1 where it hides nothing.

    Points that fill no more than three dimensions keep their places; coordinates of their own where those suffice.
    Otherwise the axes are the first three principal directions about the origin. Where more than three directions are
    equally principal, as in a simplex, the choice among them is free: that in which the points come nearest to a spiral
    evenly wound round the sphere. Where there are fewer than three dimensions, the last axes are zero.

    groups: the superclass of every point. The principal directions of hierarchical centres show the superclasses alone;
    then each axis is the diagonal between one of theirs and one of the subclasses'.
    """
    if points.ndim != 2 or not points.is_floating_point() or not points.numel() or not bool(points.isfinite().all()):
        raise ValueError(f"points must be a finite float tensor (L, d); got {tuple(points.shape)} {points.dtype}.")
    rows = points.double().cpu().numpy()
    axes = _shadow_axes(rows)
    kept = float(np.square(rows @ axes).sum()) / max(float(np.square(rows).sum()), 1e-300)
    if groups is not None and kept < 1 - 1e-9:
        of_group = np.asarray(groups)
        means = np.stack([rows[of_group == group].mean(0) for group in groups])
        supers, subs = _shadow_axes(means), _shadow_axes(rows - means)
        if np.abs(supers.T @ subs).max() < 1e-6:
            axes = (supers + subs) / np.maximum(np.linalg.norm(supers + subs, axis=0), 1e-300)
            kept = float(np.square(rows @ axes).sum() / np.square(rows).sum())
    return torch.from_numpy(axes).to(points.dtype), min(kept, 1.0)


def _shadow_axes(rows: np.ndarray) -> np.ndarray:
    """(L, d) -> (d, 3): see `shadow`."""
    d, largest = rows.shape[1], np.abs(rows).max()
    if d <= 3 or not np.any(np.abs(rows[:, 3:]) > 1e-9 * largest):
        return np.eye(d, 3)
    _, lengths, directions = np.linalg.svd(rows, full_matrices=False)
    axes = np.zeros((d, 3))
    equal = int((lengths > lengths[0] * (1 - 1e-6)).sum())
    if equal > 3:
        flat = rows @ directions[:equal].T / largest
        _, which = np.unique(flat.round(6), axis=0, return_inverse=True)
        left, _, right = np.linalg.svd(flat.T @ _spiral(int(which.max()) + 1)[which.ravel()], full_matrices=False)
        axes[:] = directions[:equal].T @ (left @ right)
    else:
        real = int((lengths[:3] > 1e-9 * lengths[0]).sum())
        axes[:, :real] = directions[:real].T
    return axes


def _spiral(points: int) -> np.ndarray:
    """(n, 3) unit vectors, nearly evenly spread: steps of the golden angle from pole to pole."""
    i = np.arange(points) + 0.5
    height, turn = 1 - 2 * i / points, i * math.pi * (3 - math.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), height], 1)
