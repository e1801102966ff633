"""Shipped maps are those of the committed weights, and no others are shown."""

import pytest
import torch
from safetensors.torch import load_file

from core import models
from core.data import gallery
from core.evaluate import maps, records
from core.features.projections import Tsne, Umap
from core.models import features_of

SHIPPED = sorted(path.stem for path in maps.FOLDER.glob("*.json"))
KEPT = sorted(path.parent.name for path in models.CHECKPOINTS.glob(f"*/{models.EMBEDDINGS}"))


def test_every_committed_checkpoint_that_kept_features_has_its_maps():
    assert KEPT == SHIPPED


def test_a_network_that_kept_nothing_is_asked_for_the_images_that_others_kept(tmp_path):
    name = "cifar10-resnet32-ce"
    path = maps.keep_features(name, tmp_path)
    kept, model = load_file(path), models.load(name, "cpu")
    assert torch.equal(kept["indices"], models.kept_features("cifar10-preactresnet18-ce").indices)
    place = {index: row for row, index in enumerate(gallery.read("cifar10").indices.tolist())}
    shown = gallery.read("cifar10").images[[place[index] for index in kept["indices"].tolist()[:20]]]
    torch.testing.assert_close(kept["features"][0, :20].float(), features_of(model, shown), atol=2e-3, rtol=2e-3)
    assert kept["epochs"].tolist() == [16]
    with pytest.raises(ValueError, match="kept features of its training, which are not to be replaced"):
        maps.keep_features(name, tmp_path)


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
    # MM-LDA's features, which share an offset forty times as long as their spread, have no such neighbours to keep.
    assert kept > there - 0.05 or (name == "mnist-lenet-mm-lda" and there < 0.3)
    assert maps.read(card.model_copy(update={"sha256": "0" * 64}), projection, space) is None
    assert maps.read(card, projection.replace(seed=1), space) is None


def test_a_damaged_or_missing_file_is_no_map(tmp_path):
    card = models.card(SHIPPED[0])
    space = maps.space_of(card)
    assert maps.read(card, Umap(), space, tmp_path) is None
    (tmp_path / f"{card.name}.json").write_text("{ not really")
    assert maps.read(card, Umap(), space, tmp_path) is None


def test_a_map_whose_points_were_changed_is_no_map(tmp_path):
    card = models.card(SHIPPED[0])
    space, (first, second) = maps.space_of(card), maps.collection(card.name).read()
    moved = records.Rows({**first.rows.columns, "x": first.rows["x"] + 1})
    records.write(tmp_path / f"{card.name}.json", [first, second])
    assert torch.equal(maps.read(card, Umap(), space, tmp_path).points[-1], maps.read(card, Umap(), space).points[-1])
    records.write(tmp_path / "moved.json", [first.model_copy(update={"rows": moved}), second])
    (tmp_path / "moved.parquet").replace(tmp_path / f"{card.name}.parquet")
    assert maps.read(card, Umap(), space, tmp_path) is None
    other = type(space)(space.features + 1, space.labels)
    assert maps.read(card, Umap(), other) is None


@pytest.mark.parametrize("name", SHIPPED)
def test_every_point_is_of_an_image_that_was_kept(name):
    kept = models.kept_features(name)
    for record in maps.collection(name).read():
        assert records.complaint(record) is None
        assert record.data.n == len(kept.indices)
        assert record.features == records.identity(kept.features)
        for epoch in set(record.rows["epoch"].tolist()):
            assert record.rows["index"][record.rows["epoch"] == epoch].tolist() == kept.indices.tolist()


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
