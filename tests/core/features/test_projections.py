"""core.features.projections: frames against the variance they must find, circles against the simplex, maps against
what they keep."""

import importlib
import itertools
import math
import warnings

import pytest
import torch
from sklearn.decomposition import PCA

from core.features import projections
from core.features.projections import Circle, Linear, Space, Tsne, Umap
from core.losses import max_mahalanobis_centers
from tests.problems import normal


def clusters(n=60, d=6, epochs=3, seed=0):
    """Three well separated classes that drift apart over the epochs: (E, n, d), (n,)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    centres = 8 * torch.eye(3, d)[labels]
    noise = torch.randn(n, d, generator=generator)
    return torch.stack([centres * (e + 1) / epochs + noise for e in range(epochs)]), labels


def test_the_shared_frame_is_that_of_the_largest_variance():
    generator = torch.Generator().manual_seed(0)
    scales = torch.tensor([1.0, 5.0, 0.1, 3.0])
    features = torch.randn(4, 500, 4, generator=generator) * scales + 7
    mean, axes = projections.shared_frame(features)
    torch.testing.assert_close(mean, features.mean((0, 1)))
    torch.testing.assert_close(axes.T @ axes, torch.eye(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(axes.abs(), torch.eye(4)[:, [1, 3]], atol=0.05, rtol=0)
    assert float(axes[1, 0]) > 0 < float(axes[3, 1])
    flat = normal(10, 2)
    assert torch.equal(projections.project(flat, projections.shared_frame(flat)), flat)
    with pytest.raises(ValueError, match="features must be finite"):
        projections.shared_frame(torch.full((2, 3), torch.nan))


def test_the_shared_frame_is_scikit_learns_pca():
    features, _ = clusters()
    rows = features.reshape(-1, 6)
    theirs = PCA(2).fit(rows.numpy())
    ours = projections.project(rows, projections.shared_frame(features))
    for axis in range(2):
        theirs_on_axis = torch.from_numpy(theirs.transform(rows.numpy()))[:, axis]
        sign = torch.sign((theirs_on_axis * ours[:, axis]).sum())
        torch.testing.assert_close(sign * theirs_on_axis, ours[:, axis], atol=1e-4, rtol=1e-4)


def test_one_frame_serves_all_epochs_and_all_networks_of_equal_width():
    features, labels = clusters()
    other = torch.randn(2, 60, 6, generator=torch.Generator().manual_seed(1)) * 100 + 5
    narrow = torch.randn(4, 60, 2, generator=torch.Generator().manual_seed(2))
    spaces = [Space(features, labels), Space(other, labels), Space(narrow, labels)]
    first, second, third = projections.fitted(Linear(), spaces)
    assert all(torch.equal(a, b) for a, b in zip(first.frame, second.frame, strict=True))
    for space, made in zip(spaces, (first, second, third), strict=True):
        assert made.epoch_rows == tuple(range(len(space.features)))
        for epoch in range(len(space.features)):
            assert torch.equal(made.points[epoch], projections.project(space.features[epoch], made.frame))
    assert torch.equal(third.points, narrow)
    # A network of long features does not decide alone: the plane of the other's clusters can still be told.
    assert projections.distortion(first.points[-1], features[-1]).variance > 0.3


@pytest.mark.parametrize("angle", [0.3, 1.0, 1.4])
def test_clouds_count_equally_however_long_or_many(angle):
    """Each on a line of its own: of equal weight, the axes halve the angle between the lines and stand on that."""
    u, v = torch.eye(5, dtype=torch.float64)[1], torch.zeros(5, dtype=torch.float64)
    v[1], v[3] = math.cos(angle), math.sin(angle)
    few = 0.01 * torch.tensor([-1.0, 1.0], dtype=torch.float64)[:, None] * u
    many = 100 * torch.linspace(-1, 3, 40, dtype=torch.float64)[:, None] * v
    mean, axes = projections.joint_frame([few + 7, many.view(8, 5, 5) - 3])
    half = torch.tensor([[math.cos(angle / 2), -math.sin(angle / 2)], [math.sin(angle / 2), math.cos(angle / 2)]])
    expected = torch.zeros(5, 2)
    expected[[1, 3]] = half
    # Of either sign; the second line's mean is not zero.
    torch.testing.assert_close((axes.T @ expected).abs(), torch.eye(2), rtol=0, atol=1e-6)
    torch.testing.assert_close(mean, ((7 + 100 * v - 3) / 2).float(), rtol=1e-6, atol=0)


def test_it_is_the_total_of_a_cloud_that_is_one():
    """A flat cloud, even in axes 0 and 1, and a line at 60 degrees to it: trace for trace the scatter in axes 0 and 2
    is (1/2 + 1/4, sqrt(3)/4; sqrt(3)/4, 3/4), whose first axis is their diagonal, and 1/2 in axis 1."""
    flat = 5 * torch.tensor([[1.0, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]])
    line = torch.tensor([[1.0], [-1.0]]) * torch.tensor([[0.5, 0, math.sqrt(3) / 2]])
    _, axes = projections.joint_frame([flat, line])
    half = math.sqrt(0.5)
    torch.testing.assert_close(axes.abs(), torch.tensor([[half, 0], [0, 1], [half, 0]]), rtol=0, atol=1e-6)


def test_the_axes_of_the_class_means_span_them():
    features, labels = clusters()
    (made,) = projections.fitted(Linear(axes="class means"), [Space(features, labels)])
    means = projections.class_means(features[-1], labels)
    torch.testing.assert_close(means[1], features[-1][labels == 1].mean(0))
    drawn = projections.project(means, made.frame)
    # Three means lie in a plane, and this is it: no distance between them is lost.
    torch.testing.assert_close(torch.cdist(drawn, drawn), torch.cdist(means, means), atol=0.02, rtol=0.002)


@pytest.mark.parametrize(("classes", "dim"), [(10, 64), (10, 9), (3, 2), (5, 7)])
def test_the_circle_of_a_simplex_is_an_orthogonal_projection_to_a_regular_polygon(classes, dim):
    centers = max_mahalanobis_centers(classes, dim, 10.0)
    (mean, axes), off = projections.circle_frame(centers)
    assert off < 1e-5
    torch.testing.assert_close(axes.T @ axes, torch.eye(2), atol=1e-5, rtol=0)
    corners = projections.project(centers, (mean, axes))
    radius = 10 * math.sqrt(2 / (classes - 1)) if classes > 2 else 10.0
    torch.testing.assert_close(corners.norm(dim=1), torch.full((classes,), radius), atol=1e-3, rtol=1e-4)
    turns = torch.atan2(corners[:, 1], corners[:, 0])
    steps = (turns.roll(-1) - turns) % (2 * math.pi)
    torch.testing.assert_close(steps, torch.full((classes,), 2 * math.pi / classes), atol=1e-4, rtol=0)


def test_the_circle_takes_the_losss_centres_else_the_class_means():
    features, labels = clusters(d=9)
    centers = max_mahalanobis_centers(3, 9, 10.0)
    own, means = projections.fitted(Circle(), [Space(features, labels, centers), Space(features, labels)])
    assert "centres of the loss" in own.note
    assert "class means" in means.note
    placed = own.place(centers)
    torch.testing.assert_close(placed.norm(dim=1), placed.norm(dim=1)[:1].expand(3))
    with pytest.raises(ValueError, match="two dimensions and two classes"):
        projections.fitted(Circle(), [Space(features[..., :1], labels)])


def test_nothing_is_lost_where_nothing_is_left_out():
    flat = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    turned = flat @ torch.linalg.qr(torch.randn(5, 2, generator=torch.Generator().manual_seed(1)))[0].T
    kept = projections.distortion(flat, turned)
    assert kept.trustworthiness == pytest.approx(1, abs=1e-9)
    assert kept.variance == pytest.approx(1, abs=1e-9)
    assert kept.n == 50


def test_the_variance_kept_is_that_of_the_principal_components():
    features, _ = clusters()
    points = projections.project(features[-1], projections.shared_frame(features[-1]))
    explained = PCA().fit(features[-1].double().numpy()).explained_variance_ratio_[:2].sum()
    assert projections.distortion(points, features[-1]).variance == pytest.approx(explained, abs=1e-5)
    shuffled = points[torch.randperm(60, generator=torch.Generator().manual_seed(0))]
    lost = projections.distortion(shuffled, features[-1])
    assert lost.variance < 0.2
    assert lost.trustworthiness < 0.7


@pytest.mark.parametrize("projection", [Umap(neighbours=8, epochs=2), Tsne(perplexity=8, epochs=2)])
def test_maps_of_neighbours_keep_clusters_and_repeat(projection):
    features, labels = clusters()
    (made,) = projections.fitted(projection, [Space(features, labels)])
    assert made.epoch_rows == (0, 2)
    assert made.points.shape == (2, 60, 2)
    last = made.points[-1]
    nearest = torch.cdist(last, last).fill_diagonal_(torch.inf).argmin(1)
    assert (labels[nearest] == labels).all()
    # What is known lies where it lies; what lies between two known ones is placed near them.
    torch.testing.assert_close(made.place(features[-1][:5]), last[:5], atol=1e-3, rtol=1e-3)
    (again,) = projections.fitted(projection, [Space(features, labels)])
    assert torch.equal(again.points, made.points)


def starts(monkeypatch, projection, spaces):
    """The maps, and what each run of the library behind them was told to start from."""
    seen = []
    module, name, argument = LIBRARIES[projection.name]
    with warnings.catch_warnings():  # that TensorFlow is not there
        warnings.simplefilter("ignore", ImportWarning)
        library = importlib.import_module(module)
    real = getattr(library, name)

    class Spy(real):
        def __init__(self, **arguments):
            seen.append(torch.as_tensor(arguments[argument]).double().clone())
            super().__init__(**arguments)

    monkeypatch.setattr(library, name, Spy)
    return projections.fitted(projection, spaces), seen


LIBRARIES = {"umap": ("umap", "UMAP", "init"), "tsne": ("openTSNE", "TSNE", "initialization")}


@pytest.mark.parametrize("projection", [Umap(neighbours=8, epochs=3), Tsne(perplexity=8, epochs=3)])
def test_each_map_starts_from_the_one_before(monkeypatch, projection):
    """The first of every space from its shared frame. t-SNE's is centred and shrunk, both axes alike, to a standard
    deviation of 1e-4 along the longer (Kobak and Berens 2019); UMAP stretches its own."""
    spaces = [Space(*clusters()), Space(*clusters(epochs=1, seed=1))]
    maps, seen = starts(monkeypatch, projection, spaces)
    expected = []
    for space, made in zip(spaces, maps, strict=True):
        first = projections.project(space.features[0], projections.shared_frame(space.features))
        expected += [first, *made.points[:-1]]
    for start, points in zip(seen, expected, strict=True):
        points = points.double()
        if projection.name == "tsne":
            centred = points - points.mean(0)
            points = 1e-4 * centred / centred.square().mean(0).max().sqrt()
        torch.testing.assert_close(start, points, rtol=1e-5, atol=1e-9)


def unfolded(projection, features, start):
    """All that is seen of one map, the finished one last."""
    seen = []
    work = projection._unfold(features.double().numpy(), start.double().numpy())
    while True:
        try:
            seen.append(torch.from_numpy(next(work)[2].copy()))
        except StopIteration as end:
            return [*seen, torch.from_numpy(end.value)]


def of_the_library(projection, features, start):
    """The same map by the library's own fit, from one end to the other."""
    z, start = features.double().numpy(), start.double().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if projection.name == "umap":
            from sklearn.neighbors import NearestNeighbors
            from umap import UMAP

            near = NearestNeighbors(n_neighbors=projection.neighbours, algorithm="brute").fit(z).kneighbors(z)
            knn = near[1], near[0].astype("float32"), None
            mapper = UMAP(
                n_neighbors=projection.neighbours,
                min_dist=projection.min_dist,
                init=start.astype("float32"),
                n_jobs=1,
                random_state=projection.seed,
                precomputed_knn=knn,
                n_epochs=projections.STEPS,
            )
            return torch.from_numpy(mapper.fit_transform(z.astype("float32"))).double()
        from openTSNE import TSNE

        small = 1e-4 * (start - start.mean(0)) / start.std(0).max()
        mapper = TSNE(
            perplexity=projection.perplexity, initialization=small, random_state=0, n_jobs=1, neighbors="exact"
        )
        return torch.from_numpy(mapper.fit(z).__array__())


@pytest.mark.parametrize("projection", [Umap(neighbours=8), Tsne(perplexity=8)])
@pytest.mark.parametrize("doubled", [False, True])
def test_a_map_that_is_looked_at_as_it_forms_is_the_librarys(projection, doubled):
    features, _ = clusters()
    z = features[-1]
    start = projections.project(z, projections.shared_frame(features))
    if doubled:  # points that lie on each other, which UMAP moves a little
        start = torch.cat([start[:30], start[:30]])
    seen = unfolded(projection, z, start)
    assert len(seen) > 20
    assert sum(not torch.equal(a, b) for a, b in itertools.pairwise(seen)) > 20
    torch.testing.assert_close(seen[-1].double(), of_the_library(projection, z, start), atol=1e-4, rtol=1e-6)


def test_a_fit_counts():
    spaces = [Space(*clusters()), Space(*clusters(epochs=1, seed=1))]
    told = list(Umap(neighbours=8, epochs=2).fit(spaces))
    assert [(each.space, each.map, each.maps) for each in told if each.points is None] == [
        (0, 1, 3),
        (0, 2, 3),
        (1, 3, 3),
    ]
    shares = [each.share for each in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    moving = [each for each in told if each.points is not None]
    assert [each.step for each in moving[:3]] == [10, 20, 30]
    assert {each.steps for each in moving} == {projections.STEPS}
    assert {tuple(each.points.shape) for each in moving} == {(60, 2)}


@pytest.mark.parametrize("projection", [Umap(neighbours=8), Tsne(perplexity=8)])
def test_where_a_map_starts_is_where_its_clusters_stay(projection):
    """Three clusters, begun at the corners of a triangle: they end round the map as they began, the other way round
    where the start is a mirror image."""
    features, labels = clusters()
    corners = torch.tensor([[math.cos(t), math.sin(t)] for t in (0, 2 * math.pi / 3, 4 * math.pi / 3)])
    noise = 0.01 * torch.randn(60, 2, generator=torch.Generator().manual_seed(3))
    for start in (corners[labels] + noise, corners[labels] * torch.tensor([1.0, -1.0]) + noise):
        points = unfolded(projection, features[-1], start)[-1].double()
        begun, ended = (projections.class_means(z, labels) - z.float().mean(0) for z in (start, points))
        cosines = torch.nn.functional.cosine_similarity(begun[:, None], ended, dim=2)
        assert cosines.argmax(1).tolist() == [0, 1, 2], cosines


def test_too_few_images_for_a_map_are_named():
    features, labels = clusters(n=12)
    with pytest.raises(ValueError, match="neighbours must be below the 12 images; got 15"):
        projections.fitted(Umap(), [Space(features, labels)])
    with pytest.raises(ValueError, match="perplexity must be at most a third of the 12 images; got 30"):
        projections.fitted(Tsne(), [Space(features, labels)])
    with pytest.raises(ValueError, match=r"features must be finite, \(E, n, d\)"):
        Space(torch.full((1, 3, 2), torch.inf), torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="labels must be 3"):
        Space(torch.zeros(1, 3, 2), torch.zeros(4, dtype=torch.long))


def test_chosen_epochs_lie_evenly_and_end_with_the_last():
    assert projections.chosen_epochs(21, 3) == (0, 10, 20)
    assert projections.chosen_epochs(21, 1) == (20,)
    assert projections.chosen_epochs(2, 10) == (0, 1)
    assert projections.chosen_epochs(1, 3) == (0,)


def test_movers_are_those_that_went_furthest():
    features = torch.zeros(3, 10, 4)
    features[2, 7] = 5.0
    features[2, 3] = 2.0
    assert projections.movers(features, 2, 2).tolist() == [7, 3]
    with pytest.raises(ValueError, match="row must be from 1 to 2; got 0"):
        projections.movers(features, 0)
