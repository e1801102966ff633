"""core.data.load, ImageSet, the gallery and the photographs."""

import argparse
import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from core import data
from core.data import cli, fetch, gallery, imageset, store


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    """A machine without any full set."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def small_cifar(empty_home, monkeypatch):
    """A machine with a full set "cifar10" of which the test split has 40 images, the train split 8."""
    monkeypatch.setitem(
        data.DATASETS, "cifar10", dataclasses.replace(data.DATASETS["cifar10"], splits={"train": 8, "test": 40})
    )
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 8), ("test", 40)):
        arrays[f"{split}-images"] = random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
        arrays[f"{split}-labels"] = np.arange(count, dtype=np.uint8) % 10
    store.write("cifar10", arrays)
    return arrays


def images(count=5):
    values = torch.arange(count * 4, dtype=torch.float32).reshape(count, 1, 2, 2) / 255
    return data.ImageSet(
        values,
        torch.arange(count),
        tuple("abcde"),
        "x",
        "test",
        "files",
        "",
        torch.arange(count),
        tuple("vwxyz"[:count]),
    )


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (2, [2]),
        (-1, [4]),
        (np.int64(3), [3]),
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -1), [4, 3, 2, 1, 0]),
        ([4, 0], [4, 0]),
        ([], []),
        (torch.tensor([1, 1]), [1, 1]),
        (torch.tensor(2), [2]),
        (torch.tensor([True, False, False, False, True]), [0, 4]),
        (np.array([3, 2]), [3, 2]),
    ],
)
def test_indexing_takes_every_field_along(index, rows):
    whole = images()
    part = whole[index]
    assert part.indices.tolist() == rows == part.labels.tolist()
    assert part.names == tuple(whole.names[row] for row in rows)
    assert torch.equal(part.images, whole.images[torch.tensor(rows, dtype=torch.int64)])
    assert (part.name, part.classes) == (whole.name, whole.classes)


def test_a_set_can_be_walked_through_and_ends():
    assert [int(one.labels) for one in images()] == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        images()[5]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("images", torch.zeros(5, 2, 2)),
        ("images", torch.zeros(5, 1, 2, 2, dtype=torch.float64)),
        ("labels", torch.zeros(4, dtype=torch.int64)),
        ("labels", torch.zeros(5)),
        ("indices", torch.zeros(5, 1, dtype=torch.int64)),
        ("names", ("only one",)),
    ],
)
def test_an_image_set_refuses_what_does_not_fit(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be"):
        dataclasses.replace(images(), **{field: value})


def test_levels_are_exactly_k_over_255():
    levels = np.arange(256, dtype=np.uint8)
    exact = torch.tensor([k / 255 for k in range(256)], dtype=torch.float64).to(torch.float32)
    assert torch.equal(imageset.from_levels(levels), exact)
    for size in (1, 3, 7, 17):  # the ends of a vectorised loop round as its middle does
        assert torch.equal(imageset.from_levels(levels[:size]), exact[:size])


def test_draws_are_prefixes_of_one_permutation():
    everything = imageset.draw(100, 100, seed=3)
    assert sorted(everything) == list(range(100))
    assert np.array_equal(imageset.draw(10, 100, seed=3), everything[:10])
    assert not np.array_equal(imageset.draw(10, 100, seed=4), everything[:10])
    assert imageset.draw(None, 4, seed=3).tolist() == [0, 1, 2, 3]
    # Pinned: a link made today must find the same images for good.
    assert imageset.draw(4, 10_000, seed=0).tolist() == [9394, 898, 2398, 5906]


@pytest.mark.parametrize(
    ("n", "seed", "name"), [(0, 0, "n"), (11, 0, "n"), (-1, 0, "n"), (1, -1, "seed"), (1, 2**32, "seed")]
)
def test_draws_out_of_range_are_refused(n, seed, name):
    with pytest.raises(data.DataError, match=f"^{name} must be from .* got"):
        imageset.draw(n, 10, seed)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_without_the_full_set_the_gallery_serves_and_says_so(name, empty_home):
    drawn = data.load(name, n=50, seed=7)
    assert drawn.source == "gallery"
    assert "gallery" in drawn.note
    assert f"python -m core data get {name}" in drawn.note
    assert drawn.images.shape == (50, *data.DATASETS[name].shape)
    again = data.load(name, n=50, seed=7)
    assert torch.equal(drawn.images, again.images)
    assert not torch.equal(drawn.indices, data.load(name, n=50, seed=8).indices)
    assert torch.equal(drawn.indices[:20], data.load(name, n=20, seed=7).indices)
    whole = gallery.read(name)
    for one in drawn[:5]:
        assert torch.equal(one.images, whole[whole.indices == one.indices].images)
    assert not empty_home.exists()  # reading writes nothing


@pytest.mark.parametrize(
    ("name", "split", "n"),
    [("mnist", "test", None), ("mnist", "test", 1001), ("cifar10", "train", 5), ("fashion_mnist", "test", 5)],
)
def test_where_the_gallery_does_not_suffice_the_command_is_named(name, split, n, empty_home):
    with pytest.raises(data.DataError, match=rf"not installed; get it with: python -m core data get {name}$"):
        data.load(name, split, n)


def test_the_full_set_is_preferred_and_drawn_from_by_the_seed(small_cifar):
    everything = data.load("cifar10")
    assert everything.source == "full"
    assert torch.equal((everything.images * 255).round().to(torch.uint8), torch.from_numpy(small_cifar["test-images"]))
    assert everything.labels.tolist() == [i % 10 for i in range(40)]
    drawn = data.load("cifar10", n=6, seed=2)
    assert drawn.source == "full"
    assert torch.equal(drawn.images, everything[drawn.indices].images)
    assert torch.equal(drawn.labels, everything[drawn.indices].labels)
    assert len(data.load("cifar10", "train")) == 8
    with pytest.raises(data.DataError, match=r"^n must be from 1 to 40"):
        data.load("cifar10", n=41)


def test_raw_arrays_are_mapped_not_read(small_cifar):
    levels, labels = data.raw("cifar10", "train")
    assert isinstance(levels, np.memmap)
    assert not levels.flags.writeable
    assert labels.dtype == np.int64
    assert np.array_equal(levels, small_cifar["train-images"])
    with pytest.raises(data.DataError, match="not stored as arrays"):
        data.raw("photos")


@pytest.mark.parametrize("damage", ["cut", "other shape", "pickle"])
def test_a_damaged_set_is_named_with_its_remedy(damage, small_cifar):
    path = store.folder("cifar10") / "test-images.npy"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        np.save(path, np.zeros((2, 2), np.uint8) if damage == "other shape" else np.array([{}], dtype=object))
    with pytest.raises(data.DataError, match=r"test-images\.npy is damaged.*python -m core data get cifar10"):
        data.load("cifar10", n=3)


@pytest.mark.parametrize(
    ("name", "split", "complaint"),
    [
        ("nist", "test", "There is no data set 'nist'; there are mnist,"),
        ("mnist", "validation", "split must be train or test for mnist; got 'validation'"),
        ("photos", "train", "split must be test for photos"),
        ("folder:nowhere", "train", "split must be test for a folder"),
        ("folder:nowhere", "test", "There is no folder nowhere"),
    ],
)
def test_what_does_not_exist_is_said_so(name, split, complaint):
    with pytest.raises(data.DataError, match=complaint):
        data.load(name, split, n=1)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_gallery_is_balanced_and_takes_turns(name):
    thousand = gallery.read(name)
    assert torch.equal(thousand.labels, torch.arange(1000) % 10)
    assert len(set(thousand.indices.tolist())) == 1000
    assert int(thousand.indices.min()) >= 0
    assert int(thousand.indices.max()) < 10_000
    # Spread over the official test set: no stretch of a thousand is left out (drawn at random, about 100 fall in each).
    assert int(torch.bincount(thousand.indices // 1000, minlength=10).min()) > 50
    assert thousand.source == "gallery"


@pytest.mark.parametrize(("name", "total"), [("mnist", 60_000), ("cifar10", 50_000)])
def test_the_gallery_has_training_images_too(name, total):
    trained_on, tested = gallery.read(name, split="train"), gallery.read(name)
    assert torch.equal(trained_on.labels, torch.arange(400) % 10)
    assert len(set(trained_on.indices.tolist())) == 400
    assert int(trained_on.indices.max()) >= total // 2  # of the training split: the test split has 10,000
    assert trained_on.split == "train"
    assert trained_on.note.startswith(f"From the gallery: 400 of the {total:,} training images")
    assert not (trained_on.images[:, None] == tested.images[None, :200]).flatten(2).all(2).any()


@pytest.mark.full_data("mnist", "cifar10")
@pytest.mark.parametrize("split", ["test", "train"])
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_gallery_is_the_full_sets_images(name, split):
    some, official = gallery.read(name, split=split), data.load(name, split)
    assert torch.equal(some.images, official[some.indices].images)
    assert torch.equal(some.labels, official[some.indices].labels)


@pytest.mark.full_data("mnist", "cifar10")
@pytest.mark.parametrize(("split", "stem"), [("test", ""), ("train", "-train")])
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_gallery_can_be_remade(name, split, stem, tmp_path):
    gallery.make(name, tmp_path, split=split)
    made, kept = gallery.read(name, tmp_path, split), gallery.read(name, split=split)
    assert torch.equal(made.images, kept.images)
    assert torch.equal(made.indices, kept.indices)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}{stem}.json", f"{name}{stem}.png"]


def test_a_damaged_gallery_is_said_so(tmp_path):
    Image.new("L", (28, 28)).save(tmp_path / "mnist.png")
    (tmp_path / "mnist.json").write_text(json.dumps({"labels": [1], "indices": [1]}))
    with pytest.raises(data.DataError, match="The gallery of mnist in assets/gallery is damaged"):
        gallery.read("mnist", tmp_path)
    with pytest.raises(data.DataError, match="There is no gallery of photos; there are mnist, cifar10"):
        gallery.read("photos")


@pytest.mark.full_data("mnist", "fashion_mnist", "cifar10")
@pytest.mark.parametrize(
    ("name", "beginning", "mean"),
    [  # the means are those that everyone normalises with
        ("mnist", [7, 2, 1, 0, 4, 1, 4, 9], [0.1307]),
        ("fashion_mnist", [9, 2, 1, 1, 6, 1, 4, 6], [0.2860]),
        ("cifar10", [3, 8, 8, 0, 6, 6, 1, 6], [0.4914, 0.4822, 0.4465]),
    ],
)
def test_the_full_sets_are_the_official_ones(name, beginning, mean):
    levels, labels = data.raw(name, "train")
    assert levels.mean((0, 2, 3)) / 255 == pytest.approx(mean, abs=6e-5)
    first = data.load(name)
    assert first.labels[:8].tolist() == beginning
    if name != "mnist":  # MNIST's test set is not balanced
        assert torch.bincount(first.labels).tolist() == [1000] * 10
        assert np.bincount(labels).tolist() == [len(labels) // 10] * 10


def test_the_photographs():
    photos = data.load("photos")
    assert photos.images.shape == (len(data.photos.PHOTOS), 3, 224, 224)
    assert float(photos.images.min()) >= 0
    assert float(photos.images.max()) <= 1
    assert (photos.images * 255).frac().abs().max() < 1e-4  # whole 8-bit levels
    assert len(photos.classes) == 1000
    named = {
        name: photos.classes[label]
        for name, label in zip(photos.names, photos.labels.tolist(), strict=True)
        if label >= 0
    }
    assert named == {"cat": "tabby", "coffee": "espresso"}
    assert torch.equal(data.load("photos", n=3, seed=1).images, photos[data.load("photos", n=3, seed=1).indices].images)
    assert data.DATASETS["photos"].installed()


def test_a_missing_photograph_says_what_to_install(monkeypatch):
    monkeypatch.setattr(data.photos, "PHOTOS", {"x": data.photos.Photo("x", "X", -1, "skimage", "data/no.png", "")})
    assert not data.DATASETS["photos"].installed()
    with pytest.raises(data.DataError, match=r"photograph x is missing; run: python -m pip install"):
        data.photos.load()


def test_the_class_names():
    names = data.imagenet.classes()
    assert len(names) == 1000
    assert (names[0], names[504], names[999]) == ("tench", "coffee mug", "toilet tissue")


def command(*words):
    parser = argparse.ArgumentParser()
    cli.add_commands(parser.add_subparsers(required=True))
    return cli.run(parser.parse_args(words))


def test_the_commands(small_cifar, capsys):
    assert command("list") == 0
    listed = capsys.readouterr().out
    assert "gallery only" in listed
    assert all(name in listed for name in data.DATASETS)
    assert command("get", "photos") == 2
    told = f"photos is not a data set to get; there are {', '.join(fetch.WAYS)}."
    assert capsys.readouterr().err.strip() == told
    assert command("gallery") == 2
    assert "install it with: python -m core data get mnist" in capsys.readouterr().err
