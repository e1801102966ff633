"""The energy |r|_K^2, K = I + rho (D - W), against an explicit Laplacian in double precision."""

import pytest
import torch

from core.graph import GraphEnergy, PixelGraph
from tests.problems import normal, uniform


def explicit(graph, rho, image=0, channel=0):
    """K as a matrix (n, n), from the edges."""
    n = graph.height * graph.width
    W = torch.zeros(n, n, dtype=torch.float64)
    first, second = graph.edges
    W[first, second] = W[second, first] = graph.weights[image, channel].double()
    return torch.eye(n, dtype=torch.float64) + rho * (torch.diag(W.sum(1)) - W)


@pytest.fixture(params=[(4, "joint"), (8, "per-channel")], ids=["4", "8, per channel"])
def graph(request):
    neighbourhood, distance = request.param
    images = uniform(2, 3, 6, 7, dtype=torch.float64)
    return PixelGraph(images, neighbourhood=neighbourhood, color_distance=distance)


@pytest.mark.parametrize("rho", [0.0, 0.3, 30.0, 1e5])
@pytest.mark.parametrize("solver", ["dense", "direct"])
def test_it_is_the_explicit_quadratic_form_and_its_inverse(graph, solver, rho):
    energy, r = GraphEnergy(graph, rho, solver), normal(2, 3, 6, 7, dtype=torch.float64)
    for i in range(2):
        total = 0.0
        for c in range(3):
            K, signal = explicit(graph, rho, i, c if graph.graphs > 1 else 0), r[i, c].flatten()
            total += float(signal @ K @ signal)
            assert torch.allclose(energy.apply(r)[i, c].flatten(), K @ signal, rtol=1e-12, atol=1e-12)
            assert torch.allclose(energy.solve(r)[i, c].flatten(), torch.linalg.solve(K, signal), rtol=0, atol=1e-9)
            assert float(torch.linalg.eigvalsh(K).max()) <= float(energy.largest[i]) * (1 + 1e-9) or not rho
        assert float(energy(r)[i]) == pytest.approx(total, rel=1e-12)


def test_conjugate_gradients_agree(graph):
    r = normal(2, 3, 6, 7, dtype=torch.float64)
    expected = GraphEnergy(graph, 7.0, "direct").solve(r)
    assert torch.allclose(GraphEnergy(graph, 7.0, "cg").solve(r), expected, rtol=0, atol=1e-4)


def test_a_constant_costs_its_length_and_is_smoothed_to_itself(graph):
    """K 1 = 1 and so K^-1 1 = 1, whatever the weights; K^-1 is symmetric, and no entry is negative."""
    energy, ones = GraphEnergy(graph, 50.0), torch.ones(2, 3, 6, 7, dtype=torch.float64)
    assert energy(ones).tolist() == pytest.approx([126.0, 126.0])
    assert torch.allclose(energy.solve(ones), ones, rtol=0, atol=1e-10)
    basis = torch.eye(42, dtype=torch.float64).view(42, 1, 6, 7).expand(42, 3, 6, 7)
    filters = torch.stack([energy[0].solve(e[None])[0, 0].flatten() for e in basis])
    assert torch.allclose(filters, filters.T, rtol=0, atol=1e-12)
    assert float(filters.min()) >= 0


def test_its_gradient_is_twice_k_r(graph):
    energy, r = GraphEnergy(graph, 4.0), normal(2, 3, 6, 7, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(energy(r).sum(), r)
    assert torch.allclose(slope, 2 * energy.apply(r.detach()), rtol=1e-12, atol=1e-12)


def test_some_of_the_images(graph):
    energy, r = GraphEnergy(graph, 4.0), normal(2, 3, 6, 7, dtype=torch.float64)
    part = energy[torch.tensor([1])]
    assert torch.equal(part.solve(r[1:]), energy.solve(r)[1:])
    assert torch.equal(part(r[1:]), energy(r)[1:])
    assert torch.equal(part.largest, energy.largest[1:])


def test_single_precision_keeps_its_digits_where_weights_are_tiny_and_rho_large():
    """Black strokes on white: weights of exp(-10) and 1 side by side."""
    images = torch.ones(1, 1, 20, 20)
    images[:, :, 5:8] = 0
    r = normal(1, 1, 20, 20)
    single, double = (GraphEnergy(PixelGraph(x), 1e4).solve(r.to(x)) for x in (images, images.double()))
    assert torch.allclose(single.double(), double, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rho", [-1.0, 2e6, float("nan")])
def test_a_rho_out_of_range_is_refused(graph, rho):
    with pytest.raises(ValueError, match="rho must be from 0 to 1e6; got"):
        GraphEnergy(graph, rho)


def test_signals_of_another_size_are_refused(graph):
    energy = GraphEnergy(graph, 1.0)
    for of in (energy, energy.apply, energy.solve):
        with pytest.raises(ValueError, match="z must have the shape"):
            of(torch.zeros(2, 3, 7, 6))
