"""Features of many dimensions as points of the plane: for the eye, with a score that says how much to believe it.

spaces = [Space(features, labels, centers), ...]     # one for each network, of the same images
maps = fitted(PROJECTIONS["linear"](), spaces)       # one Map for each
distortion(maps[0].points[-1], features[-1])
"""

from __future__ import annotations

import abc
import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.models.heads import distances
from core.params import Parameters, parameter

Frame = tuple[Tensor, Tensor]
"""Mean (d,) and axes (d, 2) of a linear map to the plane."""


@dataclass(frozen=True)
class Space:
    """The features of one network after some of the epochs of its training.

    features: (E, n, d), the last ones those of the finished network; labels: (n,); centers: (K, d) where the network
    has some that its loss draws features to. All on the CPU, where maps are made. ValueError if they do not fit.
    """

    features: Tensor
    labels: Tensor
    centers: Tensor | None = None

    def __post_init__(self) -> None:
        if self.features.ndim != 3 or not self.features.numel() or not bool(self.features.isfinite().all()):
            raise ValueError(f"features must be finite, (E, n, d), none empty; got {tuple(self.features.shape)}.")
        if any(t is not None and t.device.type != "cpu" for t in (self.features, self.labels, self.centers)):
            raise ValueError(
                f"features, labels and centers must lie on the CPU; got features on {self.features.device}."
            )
        if self.labels.shape != self.features.shape[1:2]:
            raise ValueError(f"labels must be {self.features.shape[1]}, one per row; got {tuple(self.labels.shape)}.")

    @property
    def dim(self) -> int:
        return self.features.shape[2]


@dataclass(frozen=True)
class Map:
    """A space drawn in the plane.

    epoch_rows: which rows of the space's features (E, n, d) are drawn, rising, the last one among them. points: (M, n,
    2), M of them. frame: of a linear map. note: one sentence on what the map is, with its numbers.
    """

    epoch_rows: tuple[int, ...]
    points: Tensor
    note: str
    frame: Frame | None = None
    known: Tensor | None = None
    """(n, d) the features of the last epoch, by which a map that is not linear places others."""

    def place(self, z: Tensor) -> Tensor:
        """Where features (m, d) of the same network lie: (m, 2).

        A linear map says. In another one, at the mean of their 5 nearest neighbours' points at the last epoch,
        weighted by one over the distance.
        """
        if self.frame is not None:
            return project(z, self.frame)
        assert self.known is not None
        distance, rows = distances(z.float(), self.known.float()).topk(min(5, len(self.known)), largest=False)
        weight = 1 / distance.clamp_min(1e-9)
        return (self.points[-1][rows] * (weight / weight.sum(1, keepdim=True))[..., None]).sum(1)


@dataclass(frozen=True)
class Distortion:
    """How faithful a map is. Both are 1 where nothing is lost."""

    trustworthiness: float
    """Whether the 10 nearest neighbours in the map are near in the space as well (Venna and Kaski 2001)."""
    variance: float
    """Share of the features' variance that a linear function of the two coordinates gives back."""
    n: int
    """Rows that it was measured on."""


MEASURED = 1000
"""Rows on which a distortion is measured: all pairs of them are compared."""


def distortion(points: Tensor, features: Tensor) -> Distortion:
    """How faithfully points (n, 2) show features (n, d); on MEASURED of them, evenly spaced, where there are more."""
    from sklearn.manifold import trustworthiness

    if len(points) != len(features) or len(points) < 3:
        raise ValueError(f"points and features must be equally many, at least 3; got {len(points)}, {len(features)}.")
    rows = torch.linspace(0, len(points) - 1, min(len(points), MEASURED)).long()
    p, z = points[rows].double(), features[rows].double()
    neighbours = min(10, (len(p) - 1) // 2)
    centered = z - z.mean(0)
    given = torch.cat([p, torch.ones(len(p), 1, dtype=p.dtype)], 1)
    left = centered - given @ torch.linalg.lstsq(given, centered, driver="gelsd").solution
    total = float(centered.square().sum())
    return Distortion(
        float(trustworthiness(z.numpy(), p.numpy(), n_neighbors=neighbours)),
        1 - float(left.square().sum()) / total if total else 1.0,
        len(p),
    )


def shared_frame(features: Tensor) -> Frame:
    """One linear frame for features (n, d) or (E, n, d), fitted jointly over all E epochs.

    Returns the mean (d,) and two orthonormal axes (d, 2), those of the largest variance; for d = 2 the features' own
    axes about the origin, so that what is drawn is what the network computes. For d = 1 the second coordinate is zero.
    ValueError if there is nothing to fit.
    """
    if features.ndim not in (2, 3) or not features.numel() or not bool(features.isfinite().all()):
        raise ValueError(f"features must be finite, (n, d) or (E, n, d), none empty; got {tuple(features.shape)}.")
    return joint_frame([features])


def joint_frame(clouds: Sequence[Tensor]) -> Frame:
    """One linear frame for several clouds of equal dimension, each (..., d): all epochs of all networks of a view.

    The axes are those of the largest variance summed over the clouds, each about its own mean and of unit total, so
    that a network with long features has no more to say than others; mean: that of the clouds' means. For d <= 2 as
    in `shared_frame`.
    """
    rows = [cloud.reshape(-1, cloud.shape[-1]).double() for cloud in clouds]
    d = rows[0].shape[1]
    if any(cloud.shape[1] != d for cloud in rows):
        raise ValueError(f"clouds must have one dimension; got {sorted({cloud.shape[1] for cloud in rows})}.")
    if d <= 2:
        return torch.zeros(d), torch.eye(d, 2)
    means = torch.stack([cloud.mean(0) for cloud in rows])
    centered = [cloud - mean for cloud, mean in zip(rows, means, strict=True)]
    scatter = torch.stack([c.T @ c / c.square().sum().clamp_min(1e-30) for c in centered]).sum(0)
    two = torch.linalg.eigh(scatter).eigenvectors[:, [-1, -2]]
    two = two * torch.where(two.gather(0, two.abs().argmax(0, keepdim=True)) < 0, -1.0, 1.0)  # a sign that stays
    return means.mean(0).float(), two.float()


def project(features: Tensor, frame: Frame) -> Tensor:
    """(..., d) -> (..., 2) coordinates in a frame."""
    mean, axes = frame
    return (features.float() - mean) @ axes


def class_means(features: Tensor, labels: Tensor) -> Tensor:
    """(..., n, d), (n,) -> (..., K, d): the mean of each class that has an image, in rising order."""
    return torch.stack([features[..., labels == label, :].float().mean(-2) for label in labels.unique()], -2)


def movers(features: Tensor, row: int, n: int = 20) -> Tensor:
    """The rows (n,) whose features (E, N, d) moved furthest to epoch `row` from the one before, the furthest first.

    ValueError unless there is an epoch before.
    """
    if not 1 <= row < len(features):
        raise ValueError(f"row must be from 1 to {len(features) - 1}; got {row}.")
    way: Tensor = (features[row].float() - features[row - 1].float()).norm(dim=1)
    return way.topk(min(n, len(way))).indices


@dataclass(frozen=True)
class Forming:
    """Maps that are being fitted, at one moment."""

    share: float
    """Of all the work, 0 to 1."""
    space: int = 0
    """The place of the one that is fitted, among the spaces."""
    points: Tensor | None = None
    """(n, 2) where its points are; None before there are any."""
    map: int = 1
    """Which of `maps` it is, counted from 1: one for each epoch that is drawn of each space."""
    maps: int = 1
    step: int = 0
    """Steps of the optimisation that are done, of `steps`."""
    steps: int = 0


class Projection(Parameters, abc.ABC):
    """From spaces to maps: parameters as a constructor, spaces as a call."""

    name: ClassVar[str]
    """Key in PROJECTIONS."""
    title: ClassVar[str]
    about: ClassVar[str]
    """One sentence for the page."""
    quick: ClassVar[bool] = True
    """At once for a thousand images and all epochs."""

    @abc.abstractmethod
    def fit(self, spaces: Sequence[Space]) -> Generator[Forming, None, list[Map]]:
        """One map for each space; yields how far it is. ValueError in one sentence if a space does not fit."""


def fitted(projection: Projection, spaces: Sequence[Space]) -> list[Map]:
    """`projection.fit`, run to its end."""
    fit = projection.fit(spaces)
    while True:
        try:
            next(fit)
        except StopIteration as end:
            maps: list[Map] = end.value
            return maps


def _linear(space: Space, frame: Frame, note: str) -> Map:
    return Map(tuple(range(len(space.features))), project(space.features, frame), note, frame)


class Linear(Projection):
    """One linear frame for all epochs, and for all networks whose features have equally many dimensions."""

    name: ClassVar[str] = "linear"
    title: ClassVar[str] = "Shared linear frame"
    about: ClassVar[str] = (
        "One flat view for all epochs: what moves has moved. Features of two dimensions are drawn as they are."
    )

    axes: Literal["variance", "class means"] = parameter(
        "variance",
        help="The two directions in which the features vary most (PCA), or those in which the class means do.",
    )

    def fit(self, spaces: Sequence[Space]) -> Generator[Forming, None, list[Map]]:
        yield Forming(0.0)
        frames = {}
        for d in {space.dim for space in spaces}:
            alike = [space for space in spaces if space.dim == d]
            clouds = [s.features if self.axes == "variance" else class_means(s.features, s.labels) for s in alike]
            frames[d] = joint_frame(clouds)
        what = "of largest variance" if self.axes == "variance" else "in which the class means differ most"
        return [
            _linear(
                space,
                frames[space.dim],
                "The network's own two features."
                if space.dim <= 2
                else f"The two directions {what}, of {space.dim}, the same at all epochs.",
            )
            for space in spaces
        ]


class Circle(Projection):
    """The report's isometric projection on a circle: the linear map that lays the classes' centres evenly round one.

    The report names it (section 4.6, Figures 2 and 3) without a formula. For the centres of a regular simplex, those
    of MMC, the map is an orthogonal projection that shortens every centre alike, as an isometric drawing does with the
    edges of a cube. Where the loss has no centres the class means of the last epoch take their place; then, and in
    fewer than K - 1 dimensions, it is the linear map that comes nearest, and its axes need not be orthogonal.
    """

    name: ClassVar[str] = "circle"
    title: ClassVar[str] = "Circle of centres"
    about: ClassVar[str] = "The flat view in which the centres of the classes stand evenly round a circle."

    def fit(self, spaces: Sequence[Space]) -> Generator[Forming, None, list[Map]]:
        yield Forming(0.0)
        maps = []
        for space in spaces:
            own = space.centers is not None
            centers = space.centers if space.centers is not None else class_means(space.features[-1], space.labels)
            if len(centers) < 2 or space.dim < 2:
                raise ValueError(
                    f"features must have two dimensions and two classes for a circle; got {space.dim} and "
                    f"{len(centers)}."
                )
            frame, off = circle_frame(centers)
            what = "centres of the loss" if own else "class means of the last epoch"
            misfit = "" if off < 1e-3 else f", off by {100 * off:.0f} % of its radius"
            maps.append(_linear(space, frame, f"The {what} stand evenly round a circle{misfit}."))
        return maps


def circle_frame(centers: Tensor) -> tuple[Frame, float]:
    """The frame that sends centers (K, d) nearest to a regular K-gon, and the largest miss as a share of its radius.

    Scaled so that the two axes have unit length on average; for a simplex they are orthonormal.
    """
    k = len(centers)
    angle = 2 * torch.pi * torch.arange(k, dtype=torch.float64) / k
    corners = torch.stack([angle.cos(), angle.sin()], 1)
    mean = centers.double().mean(0)
    axes = torch.linalg.lstsq(centers.double() - mean, corners, driver="gelsd").solution
    off = ((centers.double() - mean) @ axes - corners).norm(dim=1).max()
    axes = axes * (2**0.5 / axes.norm().clamp_min(1e-30))
    return (mean.float(), axes.float()), float(off)


STEPS = 300
"""Of UMAP's optimisation."""
EVERY = 10
"""Steps of an optimisation from look to look."""


class _Unfolding(Projection):
    """Maps that are fitted to neighbourhoods: each epoch by itself, started from the map of the one before."""

    quick: ClassVar[bool] = False

    epochs: int = parameter(
        3,
        ge=1,
        le=50,
        step=1,
        slider=(1, 10),
        unit="epochs",
        help="Epochs that are mapped, evenly spread over the training; each starts from the map of the one before, and "
        "still every point may move when one class changes.",
    )
    seed: int = parameter(0, ge=0, le=2**31 - 1, step=1, slider=(0, 100), help="Of the map's random numbers.")

    def fit(self, spaces: Sequence[Space]) -> Generator[Forming, None, list[Map]]:
        chosen = [chosen_epochs(len(space.features), self.epochs) for space in spaces]
        done, total, maps = 0, sum(map(len, chosen)), []
        for place, (space, epoch_rows) in enumerate(zip(spaces, chosen, strict=True)):
            points: list[NDArray[np.float64]] = []
            for row in epoch_rows:
                z = space.features[row].double().numpy()
                start = points[-1] if points else project(space.features[row], shared_frame(space.features)).numpy()
                yield Forming(done / total, place, map=done + 1, maps=total)
                forming = self._unfold(z, np.asarray(start, np.float64))
                while True:
                    try:
                        step, steps, now = next(forming)
                    except StopIteration as end:
                        points.append(end.value)
                        break
                    share = (done + step / steps) / total
                    yield Forming(share, place, torch.tensor(now).float(), done + 1, total, step, steps)
                done += 1
            stacked = torch.from_numpy(np.stack(points)).float()
            note = f"{self.title} of {space.dim} dimensions, {self._values()}; distances between clusters mean little."
            maps.append(Map(epoch_rows, stacked, note, known=space.features[-1]))
        return maps

    @abc.abstractmethod
    def _unfold(
        self, z: NDArray[np.float64], start: NDArray[np.float64]
    ) -> Generator[tuple[int, int, NDArray[np.floating]], None, NDArray[np.float64]]:
        """(n, d) features and where the map starts, (n, 2) -> (n, 2); yields steps done, steps, and (n, 2) by then."""

    @abc.abstractmethod
    def _values(self) -> str:
        """Its parameters, for the note."""


def chosen_epochs(epochs: int, n: int) -> tuple[int, ...]:
    """At most n of the rows 0 ... epochs - 1, evenly spread, the last among them; the first too if n > 1."""
    if n == 1:
        return (epochs - 1,)
    return tuple(sorted({round(i * (epochs - 1) / (n - 1)) for i in range(n)}))


class Umap(_Unfolding):
    """UMAP (McInnes et al. 2018), by umap-learn."""

    name: ClassVar[str] = "umap"
    title: ClassVar[str] = "UMAP"
    about: ClassVar[str] = "Keeps neighbours together; says little of distances."

    neighbours: int = parameter(
        15, ge=2, le=200, step=1, slider=(2, 100), unit="images", help="How many neighbours each image keeps."
    )
    min_dist: float = parameter(0.1, ge=0, le=0.99, step=0.01, help="How close points may lie in the map.")

    def _values(self) -> str:
        return f"{self.neighbours} neighbours, min_dist {self.min_dist:g}, seed {self.seed}"

    def _unfold(
        self, z: NDArray[np.float64], start: NDArray[np.float64]
    ) -> Generator[tuple[int, int, NDArray[np.floating]], None, NDArray[np.float64]]:
        from sklearn.neighbors import NearestNeighbors

        with warnings.catch_warnings():  # it regrets that TensorFlow is not there, which only a variant of it needs
            warnings.simplefilter("ignore", ImportWarning)
            from umap import UMAP

        class Graph(UMAP):  # type: ignore[misc]
            """UMAP without its optimisation, which is this method's: the library has it so that it can be replaced."""

            def _fit_embed_data(
                self, _z: Any, _epochs: Any, init: NDArray[np.float32], random_state: np.random.RandomState
            ) -> tuple[NDArray[np.float32], dict[str, Any]]:
                self.random = random_state
                return init, {}

        if len(z) <= self.neighbours:
            raise ValueError(f"neighbours must be below the {len(z)} images; got {self.neighbours}.")
        # Handed the neighbours, it compiles nothing: that would take longer than all the rest.
        distance, index = NearestNeighbors(n_neighbors=self.neighbours, algorithm="brute").fit(z).kneighbors(z)
        begun = Graph(
            n_neighbors=self.neighbours,
            min_dist=self.min_dist,
            init=start.astype(np.float32),
            n_jobs=1,
            random_state=self.seed,
            precomputed_knn=(index, distance.astype(np.float32), None),
            n_epochs=STEPS,
        )
        with warnings.catch_warnings():  # it says that it could not place further points, which `Map.place` does
            warnings.filterwarnings("ignore", message="precomputed_knn")
            begun.fit(z.astype(np.float32))
        points = start.astype(np.float32)
        optimising = _drawn_together(begun, points)
        for step, points in enumerate(optimising, 1):
            if step % EVERY == 0:
                yield step, STEPS, points
        return points.astype(np.float64)


def _drawn_together(begun: Any, start: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """UMAP's optimisation step by step, in the numbers of `umap.umap_.simplicial_set_embedding`: a test holds it to it.

    begun: a fitted `umap.UMAP`, of its graph and parameters, and its random state. Yields the same array, (n, 2), each
    time.
    """
    from umap.layouts import _get_optimize_layout_euclidean_single_epoch_fn
    from umap.umap_ import INT32_MAX, INT32_MIN, make_epochs_per_sample

    graph = begun.graph_.tocoo()
    graph.sum_duplicates()
    graph.data[graph.data < graph.data.max() / STEPS] = 0.0
    graph.eliminate_zeros()
    points = start
    if len(np.unique(start, axis=0)) < len(start):  # points on each other would stay there
        near = np.mean(_second_nearest(start))
        points = start + begun.random.normal(scale=0.001 * near, size=start.shape).astype(np.float32)
    state = begun.random.randint(INT32_MIN, INT32_MAX, 3).astype(np.int64)
    low, high = points.min(0), points.max(0)
    points = (10.0 * (points - low) / (high - low)).astype(np.float32, order="C")
    every = make_epochs_per_sample(graph.data, STEPS)
    repelled = every / begun.negative_sample_rate
    next_drawn, next_repelled = every.copy(), repelled.copy()
    own_state = np.full((len(points), 3), state, dtype=np.int64)
    own_state += points[:, 0].astype(np.float64).view(np.int64).reshape(-1, 1)
    # What only densMAP uses comes last.
    none = np.zeros(1, dtype=np.float32)
    unused = (False, none, none, 0, 0, 0, 0, none, none, 0)
    step = _get_optimize_layout_euclidean_single_epoch_fn(False)
    rate = begun._initial_alpha
    fixed = (points, points, graph.row, graph.col, graph.shape[1], every, begun._a, begun._b, own_state)
    for number in range(STEPS):
        step(*fixed, begun.repulsion_strength, 2, True, rate, repelled, next_repelled, next_drawn, number, *unused)
        rate = begun._initial_alpha * (1.0 - number / STEPS)
        yield points


def _second_nearest(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) distances to the nearest other point."""
    from sklearn.neighbors import KDTree

    found: NDArray[np.float64] = KDTree(points).query(points, k=2)[0][:, 1]
    return found


class Tsne(_Unfolding):
    """t-SNE (van der Maaten and Hinton 2008), by openTSNE."""

    name: ClassVar[str] = "tsne"
    title: ClassVar[str] = "t-SNE"
    about: ClassVar[str] = "Keeps the nearest neighbours nearest; sizes and gaps of clusters are made up."

    perplexity: float = parameter(
        30.0,
        ge=2,
        le=200,
        step=1,
        slider=(2, 100),
        unit="images",
        help="About how many neighbours each image keeps; at most a third of the images.",
    )

    def _values(self) -> str:
        return f"perplexity {self.perplexity:g}, seed {self.seed}"

    def _unfold(
        self, z: NDArray[np.float64], start: NDArray[np.float64]
    ) -> Generator[tuple[int, int, NDArray[np.floating]], None, NDArray[np.float64]]:
        from openTSNE import TSNE

        if 3 * self.perplexity > len(z) - 1:
            raise ValueError(f"perplexity must be at most a third of the {len(z)} images; got {self.perplexity:g}.")
        small = 1e-4 * (start - start.mean(0)) / max(float(start.std(0).max()), 1e-12)
        mapper = TSNE(
            perplexity=self.perplexity,
            initialization=small,
            random_state=self.seed,
            n_jobs=1,
            neighbors="exact" if len(z) <= 2000 else "auto",
        )
        points = mapper.prepare_initial(z)
        # As `mapper.fit` does, to the last digits, with a look now and then: the optimiser keeps its momentum from call
        # to call. The attraction is exaggerated here, once: a division after each call would not give it back exactly.
        phases = (
            (mapper.early_exaggeration_iter, mapper.early_exaggeration, mapper.initial_momentum),
            (mapper.n_iter, mapper.exaggeration or 1, mapper.final_momentum),
        )
        steps, done = sum(count for count, *_ in phases), 0
        for count, exaggeration, momentum in phases:
            points.affinities.P.data *= exaggeration
            for _ in range(count // EVERY):
                points.optimize(
                    EVERY, exaggeration=1, learning_rate=len(z) / exaggeration, momentum=momentum, inplace=True
                )
                done += EVERY
                yield done, steps, np.array(points, np.float64)
            points.affinities.P.data /= exaggeration
        return np.array(points, np.float64)


PROJECTIONS: dict[str, type[Projection]] = {cls.name: cls for cls in (Linear, Circle, Umap, Tsne)}
