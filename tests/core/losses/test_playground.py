"""The playground against closed forms: what moves is what the losses say."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from core.losses import LOSSES, graph_smoothness, max_mahalanobis_centers
from core.losses.playground import Playground, normalised, play, principal_components

SMALL = {"points": 40, "steps": 20}


def pictures(n=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 4
    means = torch.rand(4, 1, 6, 6, generator=generator)
    return (means[labels] + 0.2 * torch.randn(n, 1, 6, 6, generator=generator)).clamp(0, 1), labels


@pytest.mark.parametrize("dim", [2, 3])
def test_free_points_approach_their_mmc_centres_geometrically(dim):
    """n times the gradient of the mean of |z - mu|^2 / 2 is z - mu: every step leaves (1 - rate) of the way."""
    images, labels = pictures()
    setting = Playground(mover="points", dim=dim, rate=0.1, **SMALL)
    motion = play(LOSSES["max-mahalanobis"](norm=3), setting, images, labels, 4, keep=21)
    centers = max_mahalanobis_centers(4, dim, 3)
    assert motion.steps == tuple(range(21))
    start = principal_components(images, dim) - centers[labels]
    for step, z in zip(motion.steps, motion.positions, strict=True):
        torch.testing.assert_close(z, centers[labels] + 0.9**step * start, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(motion.losses, 0.5 * 0.81 ** torch.arange(21) * start.square().sum(1).mean())
    torch.testing.assert_close(motion.centers, centers.expand(21, -1, -1))


@pytest.mark.parametrize("mover", ["points", "network"])
@pytest.mark.parametrize("dim", [2, 3])
def test_graph_smoothness_sees_normalised_points(dim, mover):
    images, labels = pictures()
    setting = Playground(mover=mover, dim=dim, start="random", **SMALL)
    motion = play(LOSSES["graph-smoothness"](alpha=3, k=7), setting, images, labels, 4, keep=5)
    for z, value in zip(motion.positions, motion.losses, strict=True):
        torch.testing.assert_close(value, graph_smoothness(z, labels, 3, 7) / (40 * 39))
        if dim == 2:
            torch.testing.assert_close(z.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
            torch.testing.assert_close(z.var(0, correction=0), torch.ones(2), atol=1e-3, rtol=0)
        else:
            torch.testing.assert_close(z.norm(dim=1), torch.ones(40))
    assert motion.losses[-1] < motion.losses[0]
    assert motion.centers is None


@pytest.mark.parametrize("mover", ["points", "network"])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_falls(name, mover):
    images, labels = pictures()
    motion = play(LOSSES[name](), Playground(mover=mover, **SMALL), images, labels, 4)
    assert motion.positions.shape == (21, 40, 2)
    assert bool(motion.positions.isfinite().all())
    assert motion.losses[-1] < 0.97 * motion.losses[0]
    again = play(LOSSES[name](), Playground(mover=mover, **SMALL), images, labels, 4)
    assert torch.equal(motion.positions, again.positions)


def test_cross_entropy_draws_lines_and_mmc_spots():
    """Of a network's points, how far they lie along the class's direction to how far across it."""
    images, labels = pictures(80)
    setting = Playground(points=80, steps=150)
    shares = {}
    for name in ("cross-entropy", "max-mahalanobis"):
        z = play(LOSSES[name](), setting, images, labels, 4).positions[-1]
        along, across, length = 0.0, 0.0, 0.0
        for label in range(4):
            mine = z[labels == label]
            direction = torch.nn.functional.normalize(mine.mean(0), dim=0)
            radial = mine @ direction
            along += float(radial.var())
            across += float((mine - radial[:, None] * direction).square().sum(1).mean())
            length += float(radial.mean()) ** 2
        shares[name] = along / length, along / across
    assert shares["cross-entropy"][1] > 1.5
    assert shares["max-mahalanobis"][0] < 0.1 * shares["cross-entropy"][0]


def test_principal_components_are_scikit_learns():
    images, _ = pictures()
    ours = principal_components(images, 5).numpy()
    theirs = PCA(5, svd_solver="full").fit_transform(images.flatten(1).double().numpy())
    theirs /= theirs[:, 0].std(ddof=1)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-5)
    assert principal_components(images[:3], 10).shape == (3, 10)


def test_random_starts_are_the_seeds():
    images, labels = pictures()
    settings = [Playground(mover="points", start="random", seed=seed, **SMALL) for seed in (1, 1, 2)]
    one, same, other = (play(LOSSES["cross-entropy"](), setting, images, labels, 4) for setting in settings)
    assert torch.equal(one.positions, same.positions)
    assert not torch.equal(one.positions[0], other.positions[0])


@pytest.mark.parametrize("setting", [{"mover": "network"}, {"mover": "points", "start": "random"}])
def test_all_losses_begin_alike(setting):
    images, labels = pictures()
    one, other = (
        play(LOSSES[name](), Playground(**setting, **SMALL), images, labels, 4)
        for name in ("cross-entropy", "center-loss")
    )
    assert torch.equal(one.positions[0], other.positions[0])
    assert not torch.equal(one.positions[-1], other.positions[-1])


def test_what_is_wrong_is_said():
    images, labels = pictures()
    with pytest.raises(ValueError, match="labels must be from 0 to 2; got 0 to 3"):
        play(LOSSES["cross-entropy"](), Playground(), images, labels, 3)
    with pytest.raises(ValueError, match="norm must be none, l2 or batch; got 'max'"):
        normalised(torch.ones(3, 2), "max")
