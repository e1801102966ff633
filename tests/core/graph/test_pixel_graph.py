"""The pixel graph against eq. 5 written out, and against networkx."""

import math

import networkx
import numpy as np
import pytest
import torch

from core.graph import GraphParameters, PixelGraph
from tests.problems import normal, uniform

KERNELS = {
    "laplacian": lambda distance, tau: math.exp(-distance / tau),
    "gaussian": lambda distance, tau: math.exp(-(distance**2) / (2 * tau**2)),
}


def explicit_weights(image, neighbourhood, kernel, tau, floor=1e-12):
    """W (n, n) of one graph on an image (C, H, W), pixel by pixel."""
    _, height, width = image.shape
    W = np.zeros((height * width, height * width))
    for i in range(height * width):
        for j in range(height * width):
            dy, dx = abs(i // width - j // width), abs(i % width - j % width)
            near = (dy + dx == 1) if neighbourhood == 4 else (max(dy, dx) == 1)
            if near:
                a, b = image[:, i // width, i % width], image[:, j // width, j % width]
                W[i, j] = max(KERNELS[kernel](float(np.linalg.norm(a - b)), tau), floor)
    return W


@pytest.fixture
def images():
    return torch.rand(2, 3, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("neighbourhood", [4, 8])
@pytest.mark.parametrize("kernel", ["laplacian", "gaussian"])
@pytest.mark.parametrize("distance", ["joint", "per-channel"])
def test_weights_degrees_and_matrices_are_those_of_equation_5(images, neighbourhood, kernel, distance):
    graph = PixelGraph(
        images, neighbourhood=neighbourhood, feature_kernel=kernel, bandwidth=0.3, color_distance=distance
    )
    assert graph.graphs == (1 if distance == "joint" else 3)
    first, second = graph.edges.numpy()
    for i in range(2):
        for g in range(graph.graphs):
            image = images[i].numpy() if distance == "joint" else images[i, g : g + 1].numpy()
            W = explicit_weights(image, neighbourhood, kernel, 0.3)
            assert len(first) == np.count_nonzero(W) / 2
            np.testing.assert_allclose(graph.weights[i, g], W[first, second], rtol=1e-12)
            np.testing.assert_allclose(graph.degrees[i, g], W.sum(axis=1), rtol=1e-12)
            scale = np.diag(W.sum(axis=1) ** -0.5)
            np.testing.assert_allclose(graph.dense(i, g), scale @ W @ scale, rtol=1e-12)
            np.testing.assert_array_equal(graph.sparse(i, g).toarray(), graph.dense(i, g))


@pytest.mark.parametrize("neighbourhood", [4, 8])
@pytest.mark.parametrize("distance", ["joint", "per-channel"])
def test_matvec_is_the_matrix(images, neighbourhood, distance):
    graph = PixelGraph(images, neighbourhood=neighbourhood, color_distance=distance)
    z = normal(2, 3, 3, 4, dtype=torch.float64)
    product = graph.matvec(z).flatten(2)
    for i in range(2):
        for c in range(3):
            matrix = graph.dense(i, c if distance == "per-channel" else 0)
            torch.testing.assert_close(product[i, c], matrix @ z[i, c].flatten())


def test_normalised_matrix_agrees_with_networkx(images):
    graph = PixelGraph(images, bandwidth=0.2)
    peer = networkx.grid_2d_graph(3, 4)
    for a, b in peer.edges:
        difference = images[0][:, a[0], a[1]] - images[0][:, b[0], b[1]]
        peer.edges[a, b]["weight"] = math.exp(-float(difference.norm()) / 0.2)
    laplacian = networkx.normalized_laplacian_matrix(peer, nodelist=sorted(peer.nodes)).toarray()
    np.testing.assert_allclose(np.eye(12) - graph.dense(0).numpy(), laplacian, atol=1e-12)


def test_the_square_root_of_the_degrees_is_kept():
    """S D^1/2 1 = D^1/2 1: the eigenvector of the largest eigenvalue, 1, whatever the image."""
    graph = PixelGraph((uniform(1, 1, 30, 20) > 0.5).double(), neighbourhood=8)
    root = graph.degrees.sqrt().view(1, 1, 30, 20)
    torch.testing.assert_close(graph.matvec(root), root)


@pytest.mark.parametrize(
    ("name", "factor"), [("authors' code, exp(-10 Δx²)", 10), ("authors' code, exp(-300 Δx²)", 300)]
)
def test_presets_are_the_kernels_of_the_authors_code(images, name, factor):
    graph = GraphParameters.preset(name).graph(images)
    first, second = graph.edges
    difference = images.flatten(2)[:, :, first] - images.flatten(2)[:, :, second]
    torch.testing.assert_close(graph.weights, torch.exp(-factor * difference.square()).clamp(min=1e-12))


def test_parameters_reach_the_graph(images):
    values = {"neighbourhood": 8, "feature_kernel": "gaussian", "bandwidth": 0.5, "color_distance": "per-channel"}
    parameters = GraphParameters(**values, weight_floor=0.01)
    torch.testing.assert_close(parameters.graph(images).weights, PixelGraph(images, **values, floor=0.01).weights)
    torch.testing.assert_close(GraphParameters().graph(images).weights, PixelGraph(images).weights)


def test_underflowing_weights_are_floored():
    board = (torch.arange(5)[:, None] + torch.arange(6)) % 2 * torch.ones(1, 3, 1, 1)
    graph = PixelGraph(board, feature_kernel="gaussian", bandwidth=0.01)
    assert torch.exp(torch.tensor(-3 / (2 * 0.01**2))) == 0
    assert (graph.weights == 1e-12).all()
    # All weights are equal again, so S is that of a constant image.
    torch.testing.assert_close(graph.dense(0), PixelGraph(torch.zeros(1, 3, 5, 6)).dense(0))


@pytest.mark.parametrize(
    ("height", "width", "edges4", "edges8"), [(1, 1, 0, 0), (1, 5, 4, 4), (5, 1, 4, 4), (2, 2, 4, 6)]
)
def test_degenerate_images(height, width, edges4, edges8):
    image = uniform(1, 3, height, width)
    for neighbourhood, edges in ((4, edges4), (8, edges8)):
        graph = PixelGraph(image, neighbourhood=neighbourhood)
        assert graph.edges.shape == (2, edges)
        assert graph.weights.shape == (1, 1, edges)
        assert torch.isfinite(graph.matvec(image)).all()
    assert (PixelGraph(image[:, :, :1, :1]).dense(0) == 0).all()


@pytest.mark.parametrize(
    "index", [1, -1, [2, 0], slice(1, None), torch.tensor([0, 2]), torch.tensor([True, False, True])]
)
def test_indexing_equals_rebuilding(index):
    images = uniform(3, 2, 4, 5)
    graph = PixelGraph(images, neighbourhood=8, color_distance="per-channel")[index]
    rebuilt = PixelGraph(
        images[[index] if isinstance(index, int) else index], neighbourhood=8, color_distance="per-channel"
    )
    assert len(graph) == len(rebuilt)
    torch.testing.assert_close(graph.weights, rebuilt.weights, rtol=0, atol=0)
    torch.testing.assert_close(graph.degrees, rebuilt.degrees, rtol=0, atol=0)
    z = normal(len(graph), 2, 4, 5)
    torch.testing.assert_close(graph.matvec(z), rebuilt.matvec(z), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("images", "arguments", "complaint"),
    [
        (uniform(3, 4, 4), {}, r"images must have shape \(N, C, H, W\)"),
        (uniform(1, 3, 0, 4), {}, "none of them empty"),
        (torch.ones(1, 3, 4, 4, dtype=torch.int64), {}, "images must be float32 or float64; got torch.int64"),
        (torch.full((1, 1, 2, 2), torch.nan), {}, "images must be finite"),
        (uniform(1, 1, 2, 2), {"neighbourhood": 6}, "neighbourhood must be 4 or 8; got 6"),
        (uniform(1, 1, 2, 2), {"feature_kernel": "box"}, "feature_kernel must be 'laplacian' or 'gaussian'"),
        (uniform(1, 1, 2, 2), {"color_distance": "lab"}, "color_distance must be 'joint' or 'per-channel'"),
        (uniform(1, 1, 2, 2), {"bandwidth": 0.0}, "bandwidth must be a positive number; got 0.0"),
        (uniform(1, 1, 2, 2), {"bandwidth": math.nan}, "bandwidth must be a positive number; got nan"),
        (uniform(1, 1, 2, 2), {"floor": 0.0}, "floor must be from 1e-30 to 1; got 0.0"),
    ],
)
def test_bad_arguments(images, arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        PixelGraph(images, **arguments)


def test_signals_of_another_size_are_refused():
    graph = PixelGraph(uniform(2, 3, 4, 5), color_distance="per-channel")
    for z in (uniform(2, 3, 5, 4), uniform(1, 3, 4, 5), uniform(2, 1, 4, 5), uniform(3, 4, 5)):
        with pytest.raises(ValueError, match=r"z must have the shape \(2, 3, 4, 5\) of the images of its graph"):
            graph.matvec(z)
    with pytest.raises(ValueError, match="floating point"):
        graph.matvec(torch.ones(2, 3, 4, 5, dtype=torch.int64))
