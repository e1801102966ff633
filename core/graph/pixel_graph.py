"""The pixel graph that guides smoothing: one vertex a pixel, edges between neighbours, heavy where colours agree."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, Literal, Self

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from core.params import Parameters, parameter

FeatureKernel = Literal["laplacian", "gaussian"]
ColorDistance = Literal["joint", "per-channel"]
Index = int | slice | list[int] | Tensor

# (row, column) offsets from a pixel to its neighbours; the opposite offsets are the same edges seen from the other end.
_OFFSETS: dict[int, tuple[tuple[int, int], ...]] = {4: ((0, 1), (1, 0)), 8: ((0, 1), (1, 0), (1, 1), (1, -1))}


def _ends(offset: tuple[int, int], height: int, width: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The two windows of an image whose pixels, taken pairwise, are the ends of all edges along `offset`."""
    down, right = offset
    left = max(-right, 0)
    first = slice(0, height - down), slice(left, width - max(right, 0))
    second = slice(down, height), slice(left + right, width - max(right, 0) + right)
    return first, second


@lru_cache(maxsize=32)
def edge_list(height: int, width: int, neighbourhood: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Edges (2, E) between the pixels i = row * width + column of an image, each once, smaller end first."""
    pixels = np.arange(height * width).reshape(height, width)
    ends = [_ends(offset, height, width) for offset in _OFFSETS[neighbourhood]]
    pairs = [np.stack([pixels[first].ravel(), pixels[second].ravel()]) for first, second in ends]
    return np.concatenate(pairs, axis=1)


class PixelGraph:
    """Weighted graphs of a batch of images (Smooth Adversarial Examples, section 3, eq. 5).

    w_ij = max(k_f(x_i, x_j), floor) for neighbouring pixels i, j, and 0 for all others. The spatial kernel is 1 on the
    neighbourhood (diagonal neighbours count like the others): the paper only says that it vanishes outside.

    images: (N, C, H, W), finite, in [0, 1]; float32 or float64, which is also the precision of everything derived.
    neighbourhood: 4 or 8 pixels.
    feature_kernel: "laplacian" exp(-|dx|/bandwidth), which the paper names, or "gaussian" exp(-|dx|^2/(2 bandwidth^2)).
    bandwidth: tau > 0, in units of the colours.
    color_distance: "joint", |dx| is the Euclidean distance of the colour vectors and there is one graph an image
    (G = 1), or "per-channel", one graph a channel (G = C), as the authors' code has it.
    floor: the smallest weight, above zero. Kernels underflow at strong edges, and a pixel with no weight at all would
    divide by zero; the default is small enough to leave every weight that matters alone.

    Raises ValueError for arguments outside these ranges.
    """

    def __init__(
        self,
        images: Tensor,
        *,
        neighbourhood: Literal[4, 8] = 4,
        feature_kernel: FeatureKernel = "laplacian",
        bandwidth: float = 0.1,
        color_distance: ColorDistance = "joint",
        floor: float = 1e-12,
    ) -> None:
        if images.ndim != 4 or 0 in images.shape:
            raise ValueError(f"images must have shape (N, C, H, W), none of them empty; got {tuple(images.shape)}.")
        if images.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"images must be float32 or float64; got {images.dtype}.")
        if not bool(torch.isfinite(images).all()):
            raise ValueError("images must be finite; got NaN or infinite values.")
        if neighbourhood not in _OFFSETS:
            raise ValueError(f"neighbourhood must be 4 or 8; got {neighbourhood!r}.")
        if feature_kernel not in ("laplacian", "gaussian"):
            raise ValueError(f"feature_kernel must be 'laplacian' or 'gaussian'; got {feature_kernel!r}.")
        if color_distance not in ("joint", "per-channel"):
            raise ValueError(f"color_distance must be 'joint' or 'per-channel'; got {color_distance!r}.")
        if not 0 < bandwidth < float("inf"):
            raise ValueError(f"bandwidth must be a positive number; got {bandwidth}.")
        if not 1e-30 <= floor <= 1:
            raise ValueError(f"floor must be from 1e-30 to 1; got {floor}.")
        self.neighbourhood = neighbourhood
        self.height, self.width = images.shape[2:]
        images = images.detach()
        weights = []
        for first, second in self._windows():
            squared = (images[:, :, *first] - images[:, :, *second]).square()
            if color_distance == "joint":
                squared = squared.sum(dim=1, keepdim=True)
            exponent = squared.sqrt() / bandwidth if feature_kernel == "laplacian" else squared / (2 * bandwidth**2)
            weights.append(exponent.neg().exp().clamp(min=floor).flatten(2))
        self._set_weights(torch.cat(weights, dim=2))

    def _set_weights(self, weights: Tensor) -> None:
        self.weights = weights
        degrees = self.sums(weights)
        self.degrees = degrees.flatten(2)
        # Only an image of one pixel has a vertex without edges; S is zero there and s^ the identity.
        self.normalised_weights = self._between(torch.where(degrees > 0, degrees, 1).rsqrt())

    def sums(self, weights: Tensor) -> Tensor:
        """(N, G, H, W) for every pixel the sum of its edges' `weights` (N, G, E)."""
        out = weights.new_zeros(*weights.shape[:2], self.height, self.width)
        for weight, first, second in self._by_direction(weights):
            out[:, :, *first] += weight
            out[:, :, *second] += weight
        return out

    def _between(self, scale: Tensor) -> Tensor:
        """scale_i w_ij scale_j of every edge (N, G, E), for scale (N, G, H, W), in the finer of their precisions."""
        parts = self._by_direction(self.weights)
        return torch.cat([(w * scale[:, :, *a] * scale[:, :, *b]).flatten(2) for w, a, b in parts], dim=2)

    def rescaled(self, scale: Tensor) -> Self:
        """The same edges, with scale_i w_ij scale_j in place of the normalised weights; scale: (N, G, H, W).

        Solvers compute in this graph's precision, but make their factors in double: `scale` may be double for them.
        """
        other = self[:]
        other.normalised_weights = self._between(scale)
        return other

    def _windows(self) -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
        return [_ends(offset, self.height, self.width) for offset in _OFFSETS[self.neighbourhood]]

    def _by_direction(self, weights: Tensor) -> list[tuple[Tensor, tuple[slice, slice], tuple[slice, slice]]]:
        """For each direction: the edges' values as a picture (N, G, h, w), and the two windows they join."""
        parts, start = [], 0
        for first, second in self._windows():
            h, w = (max(s.stop - s.start, 0) for s in first)
            parts.append((weights[:, :, start : start + h * w].unflatten(2, (h, w)), first, second))
            start += h * w
        return parts

    def __len__(self) -> int:
        """Number of images N."""
        return self.weights.shape[0]

    @property
    def graphs(self) -> int:
        """Graphs an image G: 1 (joint) or C (per channel)."""
        return self.weights.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        return self.weights.dtype

    @property
    def device(self) -> torch.device:
        return self.weights.device

    @property
    def edges(self) -> Tensor:
        """(2, E) integers: the pixels that each edge joins, i = row * width + column, in the order of `weights`."""
        return torch.tensor(edge_list(self.height, self.width, self.neighbourhood), device=self.device)

    def check_signal(self, z: Tensor) -> None:
        """ValueError unless `z` is a float signal (N, C, H, W) on this graph's pixels."""
        fits = z.ndim == 4 and z.shape[0] == len(self) and tuple(z.shape[2:]) == (self.height, self.width)
        if not fits or (self.graphs > 1 and z.shape[1] != self.graphs):
            expected = f"({len(self)}, {self.graphs if self.graphs > 1 else 'C'}, {self.height}, {self.width})"
            raise ValueError(f"z must have the shape {expected} of the images of its graph; got {tuple(z.shape)}.")
        if not z.is_floating_point():
            raise ValueError(f"z must be of a floating point type; got {z.dtype}.")

    def matvec(self, z: Tensor) -> Tensor:
        """S z = D^-1/2 W D^-1/2 z for z (N, C, H, W); the same shape, type and device as z."""
        self.check_signal(z)
        out = torch.zeros_like(z)
        for weight, first, second in self._by_direction(self.normalised_weights.to(z)):
            out[:, :, *first] += weight * z[:, :, *second]
            out[:, :, *second] += weight * z[:, :, *first]
        return out

    def laplacian(self, z: Tensor) -> Tensor:
        """(D - W) z for z (N, C, H, W), not normalised; the same shape, type and device as z. Of a constant it is 0."""
        self.check_signal(z)
        out = torch.zeros_like(z)
        for weight, first, second in self._by_direction(self.weights.to(z)):
            flow = weight * (z[:, :, *first] - z[:, :, *second])
            out[:, :, *first] += flow
            out[:, :, *second] -= flow
        return out

    def sparse(self, image: int, graph: int = 0) -> scipy.sparse.csc_array:
        """S of one image (and channel, where each has its graph) as a SciPy matrix (n, n)."""
        first, second = edge_list(self.height, self.width, self.neighbourhood)
        n = self.height * self.width
        values = self.normalised_weights[image, graph].cpu().numpy()
        upper = scipy.sparse.csc_array((values, (first, second)), shape=(n, n))
        return scipy.sparse.csc_array(upper + upper.T)

    def dense(self, image: int, graph: int = 0) -> Tensor:
        """S of one image (and channel, where each has its graph) as a matrix (n, n)."""
        first, second = self.edges
        n = self.height * self.width
        matrix = self.normalised_weights.new_zeros(n, n)
        matrix[first, second] = matrix[second, first] = self.normalised_weights[image, graph]
        return matrix

    def __getitem__(self, index: Index) -> Self:
        """The graphs of some of the images: an int (still a batch), slice, list, integer or boolean tensor."""
        part = object.__new__(type(self))
        part.neighbourhood, part.height, part.width = self.neighbourhood, self.height, self.width
        part.weights, part.degrees = take(self.weights, index), take(self.degrees, index)
        part.normalised_weights = take(self.normalised_weights, index)
        return part


def take(batch: Tensor, index: Index) -> Tensor:
    """`batch[index]`, always with the batch dimension kept, for an index that may live on another device."""
    if isinstance(index, int):
        return batch[[index]]
    return batch[index.to(batch.device) if isinstance(index, Tensor) else index]


class GraphParameters(Parameters):
    """The declared parameters of a pixel graph; an attack that smooths inherits them."""

    neighbourhood: Literal[4, 8] = parameter(
        4,
        help="How many neighbours a pixel is joined to: along rows and columns, or diagonally too.",
        paper="Smooth Adversarial Examples, eq. 5",
    )
    feature_kernel: Literal["laplacian", "gaussian"] = parameter(
        "laplacian",
        help="How the weight of an edge falls with the colour difference: exp(-|Δx|/τ) or exp(-|Δx|²/2τ²).",
        paper="Smooth Adversarial Examples, section 5.2",
    )
    # Neighbouring pixels of photographs (scikit-image's astronaut and cat at 224 pixels) differ by 0.03 in the median,
    # clear edges by 0.3 and more. 0.1 lies between: texture keeps a weight of 0.7, an edge of 0.5 less than 0.01.
    bandwidth: float = parameter(
        0.1,
        ge=0.001,
        le=10.0,
        log=True,
        slider=(0.01, 1.0),
        symbol="τ",
        unit="colour, 0 to 1",
        help="Colour difference that still counts as similar. Small: every edge and texture stops the smoothing; "
        "large: the image hardly guides it. The paper gives no value.",
        paper="Smooth Adversarial Examples, eq. 5",
    )
    color_distance: Literal["joint", "per-channel"] = parameter(
        "joint",
        help="One graph from the distance of whole colours, or one graph per channel (the authors' code).",
        paper="Smooth Adversarial Examples, eq. 5",
    )
    weight_floor: float = parameter(
        1e-12,
        ge=1e-30,
        le=0.01,
        log=True,
        advanced=True,
        help="Smallest weight of an edge; keeps pixels whose weights all underflow from dividing zero by zero.",
    )

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # exp(-c dx^2) is a Gaussian of bandwidth 1/sqrt(2c).
        "authors' code, exp(-10 Δx²)": {
            "feature_kernel": "gaussian",
            "bandwidth": 20**-0.5,
            "color_distance": "per-channel",
        },
        "authors' code, exp(-300 Δx²)": {
            "feature_kernel": "gaussian",
            "bandwidth": 600**-0.5,
            "color_distance": "per-channel",
        },
    }

    def graph(self, images: Tensor) -> PixelGraph:
        """The pixel graph of `images` (N, C, H, W) with these parameters."""
        return PixelGraph(
            images,
            neighbourhood=self.neighbourhood,
            feature_kernel=self.feature_kernel,
            bandwidth=self.bandwidth,
            color_distance=self.color_distance,
            floor=self.weight_floor,
        )
