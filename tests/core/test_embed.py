"""core.embed: frames against the variance they must find."""

import pytest
import torch

from core import embed


def test_the_shared_frame_is_that_of_the_largest_variance():
    generator = torch.Generator().manual_seed(0)
    scales = torch.tensor([1.0, 5.0, 0.1, 3.0])
    features = torch.randn(4, 500, 4, generator=generator) * scales + 7
    mean, axes = embed.shared_frame(features)
    torch.testing.assert_close(mean, features.mean((0, 1)))
    torch.testing.assert_close(axes.T @ axes, torch.eye(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(axes.abs(), torch.eye(4)[:, [1, 3]], atol=0.05, rtol=0)
    assert float(axes[1, 0]) > 0 < float(axes[3, 1])
    flat = torch.randn(10, 2)
    assert torch.equal(embed.project(flat, embed.shared_frame(flat)), flat)
    with pytest.raises(ValueError, match="features must be finite"):
        embed.shared_frame(torch.full((2, 3), torch.nan))
