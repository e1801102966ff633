"""What a checkpoint kept of its training, read whole or refused in a sentence."""

import pytest
import torch
from safetensors.torch import save

from core import models
from core.models.history import read
from tests.problems import normal

CARD = models.card("mnist-lenet-ce")
WHOLE = {
    "epochs": torch.tensor([0, 3]),
    "features": normal(2, 5, 4).half(),
    "predictions": torch.zeros(2, 5, dtype=torch.int16),
    "indices": torch.arange(5),
    "labels": torch.zeros(5, dtype=torch.int64),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "embeddings.safetensors"


def test_what_was_kept_is_read(path):
    path.write_bytes(save(WHOLE))
    kept = read(path, CARD, 4)
    assert kept.epochs == (0, 3)
    assert torch.equal(kept.features, WHOLE["features"].float())
    assert kept.predictions.dtype == torch.int64


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": torch.tensor([0])},
        {"labels": torch.zeros(4, dtype=torch.int64)},
        {"predictions": torch.zeros(2, 4, dtype=torch.int16)},
        {"features": torch.full((2, 5, 4), torch.nan)},
        {"features": torch.zeros(2, 5)},
        {"indices": None},
    ],
)
def test_what_is_damaged_is_said(path, change):
    path.write_bytes(save({k: v for k, v in (WHOLE | change).items() if v is not None}))
    with pytest.raises(ValueError, match=r"^mnist-lenet-ce: its embeddings\.safetensors is damaged"):
        read(path, CARD, 4)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="damaged"):
        read(path, CARD, 4)


def test_features_of_another_width_are_not_this_networks(path):
    path.write_bytes(save(WHOLE))
    with pytest.raises(ValueError, match="damaged"):
        read(path, CARD, 5)


def test_a_model_that_kept_nothing_has_none():
    assert models.kept_features("imagenet-efficientnet-lite0") is None
    kept = models.kept_features("mnist-lenet-graph-2d")
    assert kept.features.shape == (21, 1000, 2)
    with pytest.raises(ValueError, match="there is no model 'none-such'"):
        models.kept_features("none-such")
