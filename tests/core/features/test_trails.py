"""An attack's path begins with the clean image, ends with the adversarial one, and flips where the network says."""

import pytest
import torch

from core import models
from core.attacks import ATTACKS, run
from core.data import gallery
from core.features import trails


@pytest.fixture(scope="module")
def model():
    return models.load("mnist-lenet-ce-2d", "cpu")


def followed(attack, model, image, label, seed=0):
    going, shares = trails.follow(attack, model, image, label, seed), []
    while True:
        try:
            shares.append(next(going))
        except StopIteration as end:
            return end.value, shares


@pytest.mark.parametrize("name", ["scw", "deepfool", "ddn"])
def test_a_path_is_that_of_the_attack(model, name):
    images = gallery.read("mnist")
    attack = ATTACKS[name]()
    x, y = images.images[:1], int(images.labels[0])
    path, shares = followed(attack, model, x, y)
    assert shares == sorted(shares)
    assert torch.equal(path.images[0], x[0])
    alone = run(attack, model, x, torch.tensor([y]))
    torch.testing.assert_close(path.images[-1], alone.adversarial[0], atol=1e-6, rtol=0)
    assert 2 <= len(path.images) <= trails.LONGEST + 2
    seen = trails.seen_by(model, path.images)
    assert torch.equal(seen.answers, model(path.images).argmax(1))
    torch.testing.assert_close(seen.features, model.features(path.images))
    assert int(seen.answers[0]) == y != int(seen.answers[-1])
    assert 1 <= seen.flip < len(path.images)
    assert (seen.answers[: seen.flip] == y).all()
    assert int(seen.answers[seen.flip]) != y


def test_what_is_stopped_ends_with_what_it_has(model):
    images = gallery.read("mnist")
    going = trails.follow(ATTACKS["scw"](), model, images.images[:1], int(images.labels[0]))
    next(going)
    next(going)
    with pytest.raises(StopIteration) as end:
        going.throw(trails.StopFollowing())
    assert end.value.value.result.stopped
    assert torch.equal(end.value.value.images[0], images.images[0])


def test_no_flip_is_none():
    still = trails.FeatureTrail(torch.zeros(3, 2), torch.tensor([4, 4, 4]))
    assert still.flip is None
