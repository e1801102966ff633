"""Features and logits in batches are those of all images at once, and come to the CPU."""

import pytest
import torch

from core import models
from core.models import features_of, logits_of


@pytest.fixture(scope="module")
def model():
    return models.load("mnist-c4-ce", "cpu")


@pytest.fixture(scope="module")
def images():
    return torch.rand(7, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_batches_are_what_all_images_at_once_give(model, images):
    with torch.no_grad():
        features, logits = model.features(images), model(images)
    for size in (1, 3, 7, 500):
        torch.testing.assert_close(features_of(model, images, size), features)
        torch.testing.assert_close(logits_of(model, images, size), logits)


def test_the_last_batch_is_smaller_and_every_batch_is_heard_of(model, images):
    heard, sizes = [], []
    hook = model.network.register_forward_pre_hook(lambda module, arguments: sizes.append(len(arguments[0])))
    features_of(model, images, 3, heard.append)
    hook.remove()
    assert (heard, sizes) == ([3, 6, 7], [3, 3, 1])


def test_no_gradient_flows_and_what_comes_is_float32(model, images):
    found = logits_of(model, images.requires_grad_(True))
    assert not found.requires_grad
    images.requires_grad_(False)
    with torch.autocast("cpu", torch.bfloat16):
        assert features_of(model, images).dtype == torch.float32


def test_nothing_to_do_and_no_batch_size_are_refused(model, images):
    with pytest.raises(ValueError, match="images is empty"):
        features_of(model, images[:0])
    with pytest.raises(ValueError, match="batch_size must be at least 1; got 0"):
        logits_of(model, images, 0)


def test_the_device_is_where_the_weights_are():
    model = models.load("mnist-c4-ce", "cpu")
    assert model.device == torch.device("cpu")
    assert model.to("meta").device == torch.device("meta") == next(model.parameters()).device
