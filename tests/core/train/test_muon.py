"""core.train.muon: what it does to singular values, and that the size of a gradient makes no difference."""

import pytest
import torch

from core.train.muon import QUINTIC, Muon, orthogonalised


def matrix(n, m, seed=0):
    return torch.randn(n, m, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "m"), [(6, 6), (4, 9), (9, 4), (1, 5)])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_singular_vectors_stay_and_values_go_through_the_polynomial(n, m, steps):
    given = matrix(n, m)
    u, values, v = torch.linalg.svd(given, full_matrices=False)
    values = values / values.norm()
    a, b, c = QUINTIC
    for _ in range(steps):
        values = a * values + b * values**3 + c * values**5
    torch.testing.assert_close(orthogonalised(given, steps), u * values @ v, atol=1e-6, rtol=0)


def test_after_five_steps_all_singular_values_are_about_one():
    values = torch.linalg.svdvals(orthogonalised(matrix(8, 20), 5))
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.3


def test_nothing_comes_of_nothing():
    assert torch.equal(orthogonalised(torch.zeros(3, 4)), torch.zeros(3, 4))


def trained(scale, steps=4):
    """A kernel and a bias after some steps on one function, multiplied by `scale`."""
    kernel = torch.nn.Parameter(matrix(4, 18).view(4, 2, 3, 3).clone())
    bias = torch.nn.Parameter(matrix(1, 4, 1)[0].clone())
    groups = [{"params": [kernel], "kernels": True, "lr": 0.1}, {"params": [bias], "weight_decay": 0.1}]
    optimiser = Muon(groups, lr=0.01, momentum=0.5, dtype=torch.float64)
    for _ in range(steps):
        optimiser.zero_grad()
        (scale * ((kernel - 1).square().sum() + (bias - 2).pow(4).sum())).backward()
        optimiser.step()
    return kernel.detach(), bias.detach()


def test_the_size_of_the_gradients_makes_no_difference():
    for once, again in zip(trained(1.0), trained(1e4), strict=True):
        torch.testing.assert_close(once, again, atol=1e-6, rtol=0)


def test_one_step_turns_a_kernel_of_length_root_of_its_filters():
    begun = matrix(4, 18)
    begun = begun * 4**0.5 / begun.norm()
    # Momentum's first value is the gradient, and Nesterov's look ahead a multiple of it.
    gradient = 2 * (matrix(4, 18) - 1)
    kernel, _ = trained(1.0, 1)
    torch.testing.assert_close(kernel.flatten(1), begun - 0.1 * orthogonalised(gradient))


def test_what_is_no_kernel_goes_as_with_adamw():
    _, bias = trained(1.0)
    same = torch.nn.Parameter(matrix(1, 4, 1)[0].clone())
    optimiser = torch.optim.AdamW([same], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    for _ in range(4):
        optimiser.zero_grad()
        (same - 2).pow(4).sum().backward()
        optimiser.step()
    torch.testing.assert_close(bias, same.detach())


def test_what_has_no_gradient_stays_and_a_closure_is_called():
    still = torch.nn.Parameter(torch.ones(2, 2, 1, 1))
    optimiser = Muon([{"params": [still], "kernels": True}])
    assert optimiser.step(lambda: 3.0) == 3.0
    assert torch.equal(still.detach(), torch.ones(2, 2, 1, 1))
