"""Attacks on centres: closed forms on a network whose features are its pixels, and records of what they did."""

import pytest
import torch

from core import data, models
from core.attacks import IteratedFGSM
from core.data import gallery
from core.evaluate import records
from core.evaluate.records import Rows
from core.features.density import own_and_nearest
from core.losses import LOSSES
from core.papers.mmc import attacks as mmc_attacks
from core.papers.mmc.attacks import ACCURACIES, Trial


@pytest.mark.parametrize("key", ["pgd|0.1|adaptive", "pgd|0.1|plain, targeted", "mim|0.1"])
def test_attacks_stay_in_their_ball(key):
    images = gallery.read("mnist")[:4]
    made = trial(key).make(models.load("mnist-c4-mmc", "cpu"), images.images, images.labels, 0)
    assert float((made - images.images).abs().max()) <= 0.1 + 1e-6
    assert 0 <= float(made.amin()) <= float(made.amax()) <= 1
    assert float((made - images.images).abs().max()) > 0.05


def test_adaptive_pgd_moves_features_farther_from_their_centres_than_plain():
    model, images = models.load("mnist-c4-mmc", "cpu"), gallery.read("mnist")[:10]
    centers = mmc_attacks.class_centers(model, images.images, images.labels)
    assert torch.equal(centers, model.head.centers)
    ends = {}
    for adaptive in (False, True):
        made = mmc_attacks.Trial("", "", mmc_attacks.pgd(0.1, adaptive, False)).make(
            model, images.images, images.labels, 0
        )
        ends[adaptive] = mmc_attacks.moves(model, images.images, made, images.labels, centers)
    assert torch.equal(ends[False][:, :2], ends[True][:, :2])
    assert ends[True][:, 2].median() > 2 * ends[False][:, 2].median()
    assert (ends[True][:, 2] > ends[True][:, 0]).all()


def test_cross_entropys_centres_are_class_means():
    model, images = models.load("mnist-c4-ce", "cpu"), gallery.read("mnist")[:40]
    centers = mmc_attacks.class_centers(model, images.images, images.labels)
    with torch.no_grad():
        z = model.features(images.images)
    assert torch.allclose(centers[3], z[images.labels == 3].mean(0), atol=1e-4)
    went = mmc_attacks.moves(model, images.images, images.images, images.labels, centers)
    assert torch.allclose(went[:, :2], went[:, 2:], atol=1e-5)
    unit = float(torch.pdist(centers.double()).mean())
    own, other = own_and_nearest(z.double() / unit, images.labels, centers.double() / unit)
    assert torch.allclose(went[:, :2], torch.stack([own, other], 1), atol=1e-4)


def trial(key, dataset="mnist"):
    return next(one for one in mmc_attacks.trials(dataset) if one.key == key)


def nothing(n=None):
    """An attack that changes nothing."""
    return Trial("nothing", "nothing", IteratedFGSM(epsilon=0, updates=1), n)


def test_an_attack_that_does_nothing_leaves_the_clean_accuracy():
    model, images = models.load("mnist-c4-ce", "cpu"), gallery.read("mnist")[:30]
    wrong = data.ImageSet(
        images.images,
        (images.labels + (torch.arange(30) < 5)) % 10,
        images.classes,
        "mnist",
        "test",
        "gallery",
        "",
        images.indices,
    )
    found = mmc_attacks.measure(nothing(25), model, wrong, images, "make it")
    assert (found.data.n, found.right, found.mean_l2) == (25, 20, 0.0)
    assert (found.accuracy.value, found.accuracy.n) == (0.8, 25)
    assert found.rows["right"].tolist() == found.rows["clean"].tolist() == [False] * 5 + [True] * 20
    assert torch.equal(found.moves[:, :2], found.moves[:, 2:])
    assert found.network == records.Network.of(model.card)
    assert found.data.sha256 == records.identity(wrong.images[:25])
    assert found.centers.n == 30  # cross-entropy has none of its own


def test_what_is_named_wrongly_when_clean_stays_wrong():
    """Its labels are wrong, so an attack could only make it right by chance, and that must not count."""
    model, images = models.load("mnist-c4-ce", "cpu"), gallery.read("mnist")[:20]
    named = model(images.images).argmax(1)
    other = data.ImageSet(
        images.images, (named + 1) % 10, images.classes, "mnist", "test", "gallery", "", images.indices
    )
    found = mmc_attacks.measure(trial("noise"), model, other, images, "")
    assert found.right == 0
    assert not found.rows["clean"].any()


def test_batches_are_attacked_with_seeds_of_their_own(monkeypatch):
    """The images after the first BATCH with the next seed, and every image in its place."""
    monkeypatch.setattr(mmc_attacks, "BATCH", 4)
    model, images = models.load("mnist-c4-mmc", "cpu"), gallery.read("mnist")[:10]
    found = mmc_attacks.measure(trial("pgd|0.1|plain"), model, images, images, "", seed=7)
    parts = [
        trial("pgd|0.1|plain").make(model, images.images[i : i + 4], images.labels[i : i + 4], 7 + i // 4)
        for i in (0, 4, 8)
    ]
    length = (torch.cat(parts) - images.images).flatten(1).norm(dim=1)
    assert torch.from_numpy(found.rows["l2"].copy()).allclose(length)
    assert found.centers is None
    assert found.seed == 7


def test_a_record_contradicts_itself_in_vain():
    model, images = models.load("mnist-c4-ce", "cpu"), gallery.read("mnist")[:10]
    found = mmc_attacks.measure(nothing(), model, images, images, "")
    for change, words in (
        ({"right": found.right - 1}, "right must be the number of rows"),
        ({"mean_l2": 0.1}, "mean_l2 must be the mean"),
        ({"rows": Rows({name: column[:9] for name, column in found.rows.columns.items()})}, "number of rows"),
        ({"rows": None}, "number of rows"),
    ):
        with pytest.raises(ValueError, match=words):
            mmc_attacks.AccuracyRecord(**{**dict(found), **change})


def test_every_attack_of_the_table_runs():
    model, images = models.load("mnist-c4-mmc", "cpu"), gallery.read("mnist")[:2]
    for dataset in mmc_attacks.EPSILONS:
        found = mmc_attacks.trials(dataset)
        assert len({one.key for one in found}) == len({one.title for one in found}) == len(found) == 14
        assert {one.epsilon for one in found if one.epsilon} == set(mmc_attacks.EPSILONS[dataset])
        assert sum(one.adaptive for one in found) == sum(one.targeted for one in found) == 4
        for one in found:
            plain = mmc_attacks.plain(one, dataset)
            assert not plain.adaptive
            assert (plain.epsilon, plain.targeted) == (one.epsilon, one.targeted)
            assert plain == one or one.adaptive
    for key in ("cw", "noise", "rotation"):
        assert trial(key).make(model, images.images, images.labels, 0).shape == images.images.shape
    with pytest.raises(ValueError, match="dataset must be one of mnist, cifar10; got 'photos'"):
        mmc_attacks.trials("photos")


def test_a_record_knows_its_attack():
    model, images = models.load("mnist-c4-mmc", "cpu"), gallery.read("mnist")[:3]
    for key in ("noise", "mim|0.1", "pgd|0.3|adaptive, targeted"):
        found = mmc_attacks.measure(trial(key), model, images, images, "")
        assert mmc_attacks.trial_of(found) == trial(key)
        assert found.title == f"mnist-c4-mmc, {trial(key).title}"
    other = mmc_attacks.measure(Trial("x", "x", IteratedFGSM(epsilon=0.123)), model, images, images, "")
    assert mmc_attacks.trial_of(other) is None
    assert "epsilon 0.123" in other.title


def test_a_sweep_measures_only_what_is_missing(tmp_path, monkeypatch):
    digits = gallery.read("mnist")
    monkeypatch.setattr(data, "load", lambda name, split, n: digits[:n])
    monkeypatch.setattr(mmc_attacks, "TRAIN_N", 40)
    wanted = [trial(key) for key in ("pgd|0.1|plain", "pgd|0.1|adaptive", "noise")]
    collection = ACCURACIES.at(tmp_path / "a.json")

    def sweep(name="mnist-c4-mmc", n=6, command="first"):
        return [r.title.partition(", ")[2] for r in mmc_attacks.sweep(name, n, collection, command, wanted)]

    first = mmc_attacks.sweep("mnist-c4-mmc", 6, collection, "first", wanted)
    next(first)  # and interrupted
    assert len(collection.read()) == 1
    assert sweep() == [one.title for one in wanted[1:]]
    assert sweep() == []
    assert sweep(n=5, command="fewer") == [one.title for one in wanted]
    assert [(r.data.n, r.command) for r in collection.read()] == [(5, "fewer")] * 3
    assert sweep("mnist-c4-ce", 5) == ["PGD, plain, ε = 0.1", "Noise, σ = 0.3"]  # its adaptive attack is the plain one
    assert sweep("imagenet-efficientnet-lite0") == []
    old = collection.read()[0]
    changed = old.network.model_copy(update={"sha256": "0" * 64})
    records.write(collection.path, [old.model_copy(update={"network": changed}), *collection.read()[1:]])
    assert sweep(n=5) == [wanted[0].title]  # trained anew since


def test_the_stored_table_is_whole():
    found = ACCURACIES.read()
    names = {record.network.name for record in found}
    assert {"mnist-c4-ce", "mnist-c4-mmc", "mnist-c4-ce-fgsm", "mnist-c4-mmc-fgsm"} <= names
    assert {"cifar10-preactresnet18-ce", "cifar10-preactresnet18-mmc", "cifar10-preactresnet18-ce-adv"} <= names
    for name in names:
        mine = [record for record in found if record.network.name == name]
        keys = {mmc_attacks.trial_of(record).key for record in mine}
        card = models.card(name)
        adaptive = LOSSES[card.loss].adaptive
        assert keys == {t.key for t in mmc_attacks.trials(mine[0].data.name) if adaptive or not t.adaptive}
        for record in mine:
            assert record.data.n == min(200, mmc_attacks.trial_of(record).n or 200)
            assert (record.centers is None) == (card.head == "centers")
            if card.loss == "max-mahalanobis":  # named rightly exactly where the own centre is the nearest
                for (_, _, own, other), right, clean in zip(
                    record.moves.tolist(), record.rows["right"], record.rows["clean"], strict=True
                ):
                    assert abs(own - other) < 1e-3 or (own < other) == bool(right) or not clean
    same = {}
    for record in found:  # the same images everywhere, so that networks can be compared image by image
        index = tuple(record.rows["index"][:50].tolist())
        assert same.setdefault(record.data.name, index) == index
        assert bool(record.moves.isfinite().all())
