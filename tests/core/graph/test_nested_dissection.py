"""Nested dissection against SciPy's sparse direct solver, on images of every shape."""

import pytest
import scipy.sparse
import scipy.sparse.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.graph import PixelGraph, nested_dissection


def solve(graph, alpha, z):
    size = graph.height, graph.width, graph.neighbourhood
    signals = z.shape[1] // graph.graphs
    factors = nested_dissection.factorise(graph, alpha)
    levels, way = nested_dissection.plan(*size, z.device), nested_dissection.route(*size, signals, z.device)
    factors = nested_dissection.both_ways(levels, factors)
    return nested_dissection.solve(levels, way, factors, z.reshape(-1, signals, graph.height * graph.width))


def reference(graph, alpha, z):
    out = torch.empty(z.shape, dtype=torch.float64)
    for i in range(z.shape[0]):
        for c in range(z.shape[1]):
            S = graph.sparse(i, c if graph.graphs > 1 else 0).astype("float64")
            matrix = scipy.sparse.csc_array((scipy.sparse.eye_array(S.shape[0]) - alpha * S) / (1 - alpha))
            solution = scipy.sparse.linalg.splu(matrix).solve(z[i, c].double().flatten().numpy())
            out[i, c] = torch.from_numpy(solution).view(z.shape[2:])
    return out


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 33),
    width=st.integers(1, 33),
    neighbourhood=st.sampled_from([4, 8]),
    distance=st.sampled_from(["joint", "per-channel"]),
    alpha=st.sampled_from([0.1, 0.95, 0.999]),
    hard=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_shape_agrees_with_scipy(height, width, neighbourhood, distance, alpha, hard, seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 2, height, width, dtype=torch.float64, generator=generator)
    graph = PixelGraph(images.round() if hard else images, neighbourhood=neighbourhood, color_distance=distance)
    z = torch.randn(2, 2, height, width, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(solve(graph, alpha, z).view(z.shape), reference(graph, alpha, z), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("height", "width"), [(100, 1), (1, 100), (3, 200), (97, 64)])
@pytest.mark.parametrize("neighbourhood", [4, 8])
def test_long_and_larger_shapes(height, width, neighbourhood):
    image = torch.rand(1, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    graph = PixelGraph(image, neighbourhood=neighbourhood)
    z = torch.randn(1, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = reference(graph, 0.997, z)
    torch.testing.assert_close(solve(graph, 0.997, z).view(z.shape), expected, rtol=1e-9, atol=1e-9)

    graph = PixelGraph(image.float(), neighbourhood=neighbourhood)
    expected = reference(graph, 0.997, z.float())
    single = solve(graph, 0.997, z.float()).view(z.shape)
    assert (single - expected).abs().max() < 2e-6 * expected.abs().max()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 5), (28, 28), (50, 31)])
def test_every_pixel_is_eliminated_once(height, width):
    levels = nested_dissection.plan(height, width, 4, torch.device("cpu"))
    pixels = torch.cat([torch.from_numpy(level.inner).flatten() for level in levels])
    assert sorted(pixels[pixels >= 0].tolist()) == list(range(height * width))


@pytest.mark.parametrize(("size", "lines"), [((224, 224), 2), ((31, 31), 1), ((380, 380), 1)])
def test_two_lines_divide_where_that_reads_less(size, lines):
    """224 = 111 + 2 + 111 and so on: nothing is padded; 380 would need thick lines on nearly every level."""
    levels = nested_dissection.plan(*size, 4, torch.device("cpu"))
    assert (levels[0].inner >= 0).sum() == lines * size[1]
    padded = sum(int((level.inner < 0).sum()) for level in levels)
    assert (padded > 0) == (size == (380, 380))


def test_a_batch_is_solved_as_its_images_are():
    """One image's products are written in place, those of several are not."""
    images = torch.rand(3, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    z = torch.randn(3, 3, 40, 56, generator=torch.Generator().manual_seed(1))
    whole = solve(PixelGraph(images), 0.99, z).view(z.shape)
    for i in range(3):
        alone = solve(PixelGraph(images[i : i + 1]), 0.99, z[i : i + 1]).view(1, 3, 40, 56)
        torch.testing.assert_close(whole[i : i + 1], alone, rtol=1e-6, atol=1e-6)


def test_factors_have_no_negative_entries():
    """I - alpha S is an M-matrix; that nothing cancels is why single precision is enough."""
    graph = PixelGraph(torch.rand(1, 3, 40, 30, generator=torch.Generator().manual_seed(0)), neighbourhood=8)
    assert all((f >= 0).all() for f in nested_dissection.factorise(graph, 0.999))


def test_nan_stays_in_its_image():
    graph = PixelGraph(torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0)))
    z = torch.ones(2, 1, 12, 12)
    z[0, 0, 3, 3] = torch.nan
    assert torch.isfinite(solve(graph, 0.9, z)[1]).all()
