"""Shipped maps are those of the committed weights, and no others are shown."""

import pytest
import torch

from core import models
from core.features import maps
from core.features.projections import Tsne, Umap

SHIPPED = sorted(path.stem for path in maps.FOLDER.glob("*.npz"))
KEPT = sorted(path.parent.name for path in models.CHECKPOINTS.glob(f"*/{models.EMBEDDINGS}"))


def test_every_committed_checkpoint_that_kept_features_has_its_maps():
    assert KEPT == SHIPPED


def alike(points, labels):
    """Share of the points whose nearest neighbour has their label."""
    nearest = torch.cdist(points, points).fill_diagonal_(torch.inf).argmin(1)
    return float((labels[nearest] == labels).float().mean())


@pytest.mark.parametrize("projection", [Umap(), Tsne()])
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_maps_are_of_these_weights_and_parameters(name, projection):
    card = models.card(name)
    space = maps.space_of(card)
    found = maps.read(card, projection, space)
    assert found is not None
    assert found.points.shape == (len(found.epoch_rows), space.features.shape[1], 2)
    assert found.points.isfinite().all()
    assert projection.title in found.note
    # The nearest neighbours are of one class in the map as often as in the space: that is what such a map is for.
    kept, there = (alike(p, space.labels) for p in (found.points[-1], space.features[-1]))
    assert kept > there - 0.05
    assert maps.read(card.model_copy(update={"sha256": "0" * 64}), projection, space) is None
    assert maps.read(card, projection.replace(seed=1), space) is None


def test_a_damaged_or_missing_file_is_no_map(tmp_path):
    card = models.card(SHIPPED[0])
    space = maps.space_of(card)
    assert maps.read(card, Umap(), space, tmp_path) is None
    (tmp_path / f"{card.name}.npz").write_bytes(b"PK not really")
    assert maps.read(card, Umap(), space, tmp_path) is None


@pytest.mark.slow
def test_a_map_is_remade_by_its_command(tmp_path):
    name = "mnist-c4-graph"
    card = models.card(name)
    space = maps.space_of(card)
    maps.make(name, folder=tmp_path)
    for projection in (Umap(), Tsne()):
        made, shipped = maps.read(card, projection, space, tmp_path), maps.read(card, projection, space)
        assert made.epoch_rows == shipped.epoch_rows
        # The same machine gives the same bits; another may end in other last digits, which iterations enlarge.
        near = [torch.cdist(m.points[-1], m.points[-1]).topk(11, largest=False).indices[:, 1:] for m in (made, shipped)]
        common = [len(set(a) & set(b)) for a, b in zip(near[0].tolist(), near[1].tolist(), strict=True)]
        assert sum(common) / len(common) > 6
