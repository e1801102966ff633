"""CIEDE2000's metric tensor against scikit-image's CIEDE2000 of small changes."""

import pytest
import torch

from core.metrics import ciede2000, ciede2000_tensor
from tests.problems import normal, uniform


def form(images, r):
    """(r'G r)^{1/2} of every pixel, (N, H, W)."""
    return torch.einsum("nchw,ncdhw,ndhw->nhw", r, ciede2000_tensor(images), r).sqrt()


@pytest.mark.parametrize("low", [0.0, 0.4])
def test_it_is_ciede2000_of_small_changes(low):
    """Of all colours: light, dark (where the transfer function is a straight line), and dull."""
    x = (low + (1 - 2 * low) * uniform(2, 3, 40, 40, dtype=torch.float64)).clamp(0.002, 0.998)
    x[1] = (0.05 * x[1]).clamp(0.002, 1)
    r = 1e-5 * normal(2, 3, 40, 40, seed=1, dtype=torch.float64)
    ratio = form(x, r) / ciede2000(x, x + r)
    assert float((ratio - 1).abs().median()) < 1e-3
    assert float((ratio - 1).abs().max()) < 0.01


def test_greys_change_as_greys():
    x, r = (
        uniform(2, 1, 12, 12, dtype=torch.float64).clamp(0.01, 0.99),
        1e-6 * normal(2, 1, 12, 12, dtype=torch.float64),
    )
    tensor = ciede2000_tensor(x)
    assert tensor.shape == (2, 1, 1, 12, 12)
    torch.testing.assert_close(form(x, r), form(x.expand(-1, 3, -1, -1), r.expand(-1, 3, -1, -1)), rtol=1e-3, atol=0)
    torch.testing.assert_close(form(x, r), ciede2000(x, x + r), rtol=1e-3, atol=0)


def test_it_is_symmetric_and_positive_definite():
    corners = torch.tensor([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)], dtype=torch.float64).T.reshape(1, 3, 2, 4)
    for images in (corners, uniform(1, 3, 30, 30, dtype=torch.float64)):
        matrices = ciede2000_tensor(images).permute(0, 3, 4, 1, 2)
        torch.testing.assert_close(matrices, matrices.mT)
        assert float(torch.linalg.eigvalsh(matrices).min()) > 0


def test_dtype_and_refusals():
    assert ciede2000_tensor(uniform(1, 3, 4, 5)).dtype == torch.float32
    assert not ciede2000_tensor(uniform(1, 3, 4, 5).requires_grad_()).requires_grad
    with pytest.raises(ValueError, match=r"images must have 1 or 3 channels for a colour difference; got 2\."):
        ciede2000_tensor(uniform(1, 2, 4, 4))
