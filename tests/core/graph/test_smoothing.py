"""Smoothing against its equations, its gradient, and its solvers against one another."""

import warnings

import pytest
import torch

from core.graph import ConvergenceWarning, PixelGraph, Smoother
from tests.problems import normal, uniform

SOLVERS = ["dense", "direct", "cg"]


def generator():
    return torch.Generator().manual_seed(0)


def hard_images():
    """One of each kind, 17 x 14: strokes of exactly 0 and 1, noise, a constant."""
    strokes = torch.zeros(1, 3, 17, 14)
    strokes[:, :, 3:14, 5:7] = strokes[:, :, 8, 2:12] = 1
    noise = torch.rand(1, 3, 17, 14, generator=generator())
    return {"strokes": strokes, "noise": noise, "constant": torch.full((1, 3, 17, 14), 0.3)}


def smoothers(graph, alpha, **options):
    return {solver: Smoother(graph, alpha, solver=solver, **options) for solver in SOLVERS}


def explicit(graph, alpha, z, image, channel):
    """Eqs. 8 and 9 with explicit matrices: s_alpha(z) and s^_alpha(z) of one channel."""
    S = graph.dense(image, channel if graph.graphs > 1 else 0).double()
    inverse = torch.linalg.inv((torch.eye(len(S), dtype=torch.float64) - alpha * S) / (1 - alpha))
    s = inverse @ z[image, channel].double().flatten()
    return s.view(z.shape[2:]), (s / inverse.sum(dim=1)).view(z.shape[2:])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("neighbourhood", [4, 8])
@pytest.mark.parametrize("distance", ["joint", "per-channel"])
def test_equations_8_and_9(solver, neighbourhood, distance):
    images = torch.rand(2, 3, 5, 7, dtype=torch.float64, generator=generator())
    graph = PixelGraph(images, neighbourhood=neighbourhood, color_distance=distance)
    z = torch.randn(2, 3, 5, 7, dtype=torch.float64, generator=generator())
    smoother = Smoother(graph, 0.9, solver=solver, tolerance=1e-11)
    raw, normalised = smoother.raw(z), smoother(z)
    for i in range(2):
        for c in range(3):
            s, s_hat = explicit(graph, 0.9, z, i, c)
            torch.testing.assert_close(raw[i, c], s, rtol=1e-8, atol=1e-9)
            torch.testing.assert_close(normalised[i, c], s_hat, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("neighbourhood", [4, 8])
def test_the_raw_signal_minimises_equation_6(neighbourhood):
    image = torch.rand(1, 3, 6, 5, dtype=torch.float64, generator=generator())
    graph = PixelGraph(image, neighbourhood=neighbourhood)
    alpha, z = 0.8, torch.randn(1, 3, 6, 5, dtype=torch.float64, generator=generator())
    r = Smoother(graph, alpha).raw(z).requires_grad_()

    first, second = graph.edges
    r_hat = r[0].flatten(1) / graph.degrees[0, 0].sqrt()
    # The sum over i, j runs over ordered pairs, hence twice the sum over edges.
    smoothness = 2 * (graph.weights[0, 0] * (r_hat[:, first] - r_hat[:, second]).square()).sum()
    phi = alpha / 2 * smoothness + (1 - alpha) * (r - z).square().sum()
    (gradient,) = torch.autograd.grad(phi, r)
    assert gradient.abs().max() < 1e-12


@pytest.mark.parametrize("neighbourhood", [4, 8])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.95, 0.999])
@pytest.mark.parametrize("kind", ["strokes", "noise", "constant"])
def test_a_constant_stays_that_constant(kind, neighbourhood, alpha):
    graph = PixelGraph(hard_images()[kind], neighbourhood=neighbourhood)
    constant = torch.tensor([0.7, -3.0, 1e-3]).view(1, 3, 1, 1).expand(1, 3, 17, 14)
    for solver, smoother in smoothers(graph, alpha).items():
        assert (smoother(constant) - constant).abs().max() <= 1e-6, solver


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_constant_beside_a_signal_stays_on_the_whole(solver):
    """s^(z + c) = s^(z) + c also where the mean of z is not c, so that the mean alone cannot make the test pass."""
    graph = PixelGraph(hard_images()["strokes"])
    smoother = Smoother(graph, 0.999, solver=solver, tolerance=1e-7)
    z = torch.randn(1, 3, 17, 14, generator=generator())
    ones = smoother.raw(torch.ones_like(z))
    torch.testing.assert_close(smoother(z) * ones, smoother.raw(z), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(smoother(z + 0.5), smoother(z) + 0.5, rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", ["strokes", "noise"])
@pytest.mark.parametrize("neighbourhood", [4, 8])
@pytest.mark.parametrize("alpha", [0.5, 0.95, 0.997, 0.999])
def test_solvers_agree(kind, neighbourhood, alpha):
    image = hard_images()[kind]
    z = torch.randn(1, 3, 17, 14, generator=generator())
    graph = PixelGraph(image, neighbourhood=neighbourhood)
    # The reference starts from the same (float32) graph, so that only the solvers are compared.
    expected = torch.stack([explicit(graph, alpha, z, 0, c)[1] for c in range(3)])[None].float()
    for solver, smoother in smoothers(graph, alpha, tolerance=1e-6).items():
        assert (smoother(z) - expected).abs().max() <= 1e-5 * expected.abs().max(), solver


def test_smoothing_never_leaves_the_range_of_the_signal():
    """The rows of s^ are weights that are positive and sum to one."""
    graph = PixelGraph(torch.rand(2, 3, 40, 33, generator=generator()))
    z = torch.rand(2, 3, 40, 33, generator=generator())
    for alpha in (0.5, 0.999, 0.9999):
        s = Smoother(graph, alpha, solver="direct")(z)
        assert s.min() >= z.min()
        assert s.max() <= z.max()
        assert s.std() < z.std()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("distance", ["joint", "per-channel"])
def test_gradient(solver, distance):
    images = (torch.rand(1, 2, 3, 4, dtype=torch.float64, generator=generator()) > 0.5).double()
    graph = PixelGraph(images, bandwidth=0.3, color_distance=distance)
    smoother = Smoother(graph, 0.9, solver=solver, tolerance=1e-13)
    z = torch.randn(1, 2, 3, 4, dtype=torch.float64, generator=generator(), requires_grad=True)
    assert torch.autograd.gradcheck(smoother, z)
    assert torch.autograd.gradcheck(smoother.raw, z)
    assert torch.autograd.gradgradcheck(lambda z: smoother(z) ** 2, z)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_backward_pass_is_the_transpose_and_not_the_smoothing(solver):
    image = hard_images()["strokes"].double()
    smoother = Smoother(PixelGraph(image), 0.95, solver=solver, tolerance=1e-10)
    z = torch.zeros_like(image, requires_grad=True)
    g = torch.randn(image.shape, dtype=torch.float64, generator=generator())
    (gradient,) = torch.autograd.grad(smoother(z), z, g)
    torch.testing.assert_close(gradient, smoother.raw(g / smoother.raw(torch.ones_like(g))), rtol=1e-7, atol=1e-8)
    assert (gradient - smoother(g)).abs().max() > 0.1 * gradient.abs().max()


def test_alpha_zero_is_the_identity():
    z = normal(1, 3, 8, 8)
    smoother = Smoother(PixelGraph(uniform(1, 3, 8, 8)), 0)
    assert smoother(z) is z
    assert smoother.raw(z) is z
    assert smoother[[0]](z) is z


def test_conjugate_gradients_report_what_they_reached():
    graph = PixelGraph(torch.rand(2, 3, 24, 24, generator=generator()))
    z = torch.randn(2, 3, 24, 24, generator=generator())
    smoother = Smoother(graph, 0.997, solver="cg", tolerance=1e-5)
    s = smoother.raw(z - z.mean(dim=(2, 3), keepdim=True)).double()
    report = smoother.report
    assert report.solver == "cg"
    assert 0 < report.iterations < 1000
    assert report.converged.all()
    assert (report.residual <= 1e-5).all()
    centred = (z - z.mean(dim=(2, 3), keepdim=True)).double()
    residual = centred - (s - 0.997 * graph.matvec(s)) / 0.003
    # The solution is rounded to float32 on return, which alone leaves 2/(1-alpha) 6e-8.
    assert residual.norm() / centred.norm() < 5e-5


def test_conjugate_gradients_that_miss_the_tolerance_say_so():
    # The constant image lets the first system arrive at once; only the second is out of steps.
    images = torch.stack([torch.zeros(3, 24, 24), torch.rand(3, 24, 24, generator=generator())])
    graph = PixelGraph(images)
    with pytest.warns(ConvergenceWarning, match="stopped after 5 steps at a relative residual"):
        smoother = Smoother(graph, 0.997, solver="cg", max_iterations=5)
    z = torch.randn(2, 3, 24, 24, generator=generator())
    z[0] = 0
    with pytest.warns(ConvergenceWarning, match="above the tolerance 1e-05"):
        smoother(z)
    assert smoother.report.iterations == 5
    assert smoother.report.converged.tolist() == [True, False]
    assert smoother.report.residual[1] > 1e-5
    z[1] = torch.nan
    with pytest.warns(ConvergenceWarning, match="nan"):
        smoother(z)
    assert smoother.report.converged.tolist() == [True, False]


def test_conjugate_gradients_start_from_the_last_forward_and_backward_solutions():
    smoother = Smoother(PixelGraph(torch.rand(2, 3, 24, 24, generator=generator())), 0.99, solver="cg")
    z = torch.randn(2, 3, 24, 24, generator=generator(), requires_grad=True)
    g = torch.randn(2, 3, 24, 24, generator=generator())
    s = smoother(z)
    cold = smoother.report.iterations
    s.backward(g)
    part = smoother[1]
    s = smoother(z)
    assert smoother.report.iterations == 0
    s.backward(g)
    assert smoother.report.iterations == 0
    smoother(z * 1.001)
    assert 0 < smoother.report.iterations < cold / 2
    part(z[1:])
    assert part.report.iterations == 0


def test_direct_solvers_report_their_residual():
    graph = PixelGraph(torch.rand(2, 3, 20, 20, dtype=torch.float64, generator=generator()))
    for solver in ("dense", "direct"):
        smoother = Smoother(graph, 0.95, solver=solver)
        with pytest.raises(RuntimeError, match="not solved anything yet"):
            _ = smoother.report
        smoother(normal(2, 3, 20, 20, dtype=torch.float64))
        assert smoother.report.solver == solver
        assert smoother.report.residual.shape == (2,)
        assert (smoother.report.residual < 1e-12).all()
        assert smoother.report.converged.all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("index", [1, [2, 0], slice(0, 2), torch.tensor([True, False, True])])
def test_part_of_the_batch_equals_rebuilding(solver, index):
    images = torch.rand(3, 3, 9, 11, dtype=torch.float64, generator=generator())
    z = torch.randn(3, 3, 9, 11, dtype=torch.float64, generator=generator())
    rows = [index] if isinstance(index, int) else index
    for distance in ("joint", "per-channel"):
        whole = Smoother(PixelGraph(images, color_distance=distance), 0.95, solver=solver, tolerance=1e-12)
        rebuilt = Smoother(PixelGraph(images[rows], color_distance=distance), 0.95, solver=solver, tolerance=1e-12)
        torch.testing.assert_close(whole[index](z[rows]), rebuilt(z[rows]))
        torch.testing.assert_close(whole[index](z[rows]), whole(z)[rows])


@pytest.mark.parametrize("solver", SOLVERS)
def test_degenerate_images(solver):
    one = uniform(2, 3, 1, 1)
    z = normal(2, 3, 1, 1)
    torch.testing.assert_close(Smoother(PixelGraph(one), 0.95, solver=solver)(z), z)
    for shape in ((1, 9), (9, 1), (2, 2)):
        z = normal(1, 1, *shape, seed=1)
        smoother = Smoother(PixelGraph(uniform(1, 1, *shape, seed=1), neighbourhood=8), 0.9, solver=solver)
        _, expected = explicit(smoother.graph, 0.9, z, 0, 0)
        torch.testing.assert_close(smoother(z)[0, 0], expected.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_edges_whose_weights_underflow_stop_the_smoothing(solver):
    """Two flat halves with a hard edge between: each takes its own mean as alpha tends to 1, and nothing is NaN."""
    image = torch.zeros(1, 1, 8, 8)
    image[..., 4:] = 1
    z = torch.randn(1, 1, 8, 8, generator=generator())
    smoother = Smoother(PixelGraph(image, feature_kernel="gaussian", bandwidth=0.02), 0.9999, solver=solver)
    s = smoother(z)
    assert s[..., :4].std() < 0.02
    assert s[..., 4:].std() < 0.02
    assert (s[..., :4].mean() - s[..., 4:].mean()).abs() > 0.05


def test_types_and_channels():
    graph = PixelGraph(uniform(1, 3, 6, 6))
    smoother = Smoother(graph, 0.9)
    assert smoother(normal(1, 3, 6, 6, dtype=torch.float64)).dtype == torch.float64
    # A joint graph smooths any number of channels.
    z = normal(1, 5, 6, 6, seed=1)
    torch.testing.assert_close(smoother(z)[:, 2:3], smoother(z[:, 2:3]))


def test_auto_takes_dense_for_few_small_images_and_direct_for_the_rest():
    def chosen(n, size):
        smoother = Smoother(PixelGraph(uniform(n, 1, size, size)), 0.9)
        smoother(torch.zeros(n, 1, size, size))
        return smoother.report.solver

    assert chosen(1, 28) == chosen(3, 32) == "dense"
    assert chosen(10, 28) == chosen(1, 40) == "direct"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"alpha": 1.0}, "alpha must be from 0 to 0.9999; got 1.0"),
        ({"alpha": -0.1}, "alpha must be from 0 to 0.9999; got -0.1"),
        ({"alpha": float("nan")}, "alpha must be from 0 to 0.9999; got nan"),
        ({"alpha": 0.5, "solver": "lu"}, "solver must be 'auto', 'dense', 'direct' or 'cg'; got 'lu'"),
        ({"alpha": 0.5, "tolerance": 0.0}, "tolerance must lie between 0 and 1; got 0.0"),
        ({"alpha": 0.5, "max_iterations": 0}, "max_iterations must be at least 1; got 0"),
    ],
)
def test_bad_arguments(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        Smoother(PixelGraph(uniform(1, 1, 4, 4)), **arguments)


def test_signals_of_another_size_are_refused():
    for alpha in (0, 0.5):
        smoother = Smoother(PixelGraph(uniform(2, 3, 4, 5)), alpha)
        for z in (uniform(2, 3, 4, 4), uniform(1, 3, 4, 5), uniform(2, 4, 5)):
            with pytest.raises(ValueError, match=r"z must have the shape \(2, C, 4, 5\)"):
                smoother(z)
            with pytest.raises(ValueError, match="z must have the shape"):
                smoother.raw(z)


def test_no_warning_at_the_default_tolerance():
    images = torch.cat(list(hard_images().values()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Smoother(PixelGraph(images), 0.999, solver="cg")(torch.randn(3, 3, 17, 14, generator=generator()))


@pytest.mark.parametrize("distance", ["joint", "per-channel"])
@pytest.mark.parametrize("alpha", [0.0, 0.9, 0.997])
def test_the_inverse_takes_smoothing_back(alpha, distance):
    graph = PixelGraph(uniform(2, 3, 6, 7, dtype=torch.float64), color_distance=distance)
    smoother, z = Smoother(graph, alpha), normal(2, 3, 6, 7, dtype=torch.float64)
    torch.testing.assert_close(smoother.inverse(smoother(z)), z, rtol=0, atol=1e-9)
