"""SmoothFool's Tables 5 and 6: cells held against attacks made directly, claims by hand-made records, more images."""

import numpy as np
import pytest
import torch

from core import models
from core.__main__ import main
from core.attacks import FGSM, run
from core.attacks.universal import apply_universal, fit_universal, fooling_rate
from core.data import photos, to_png
from core.data.imageset import draw
from core.evaluate import transfer
from core.evaluate.claims import every
from core.evaluate.records import Data, Network, Rows, Setting, versions
from core.evaluate.statistics import wilson
from core.evaluate.transfer import Showing, sized
from core.models import logits_of
from core.papers import smoothfool_transfer as table
from core.papers.smooth_curves import pictures
from core.papers.smoothfool_transfer import (
    BALL,
    BOUND,
    NONE,
    OF_TABLE5,
    OF_TABLE6,
    PAPER5,
    PAPER6,
    PATTERNS,
    TRANSFERS,
    UNIVERSALS,
    BlackBoxRecord,
    UniversalRecord,
)

A, B = "cifar10-resnet32-ce", "cifar10-preactresnet18-ce"
N = 40
WIDE = "gaussian-5"


def network(name):
    return Network.of(models.card(name))


def made_up(source, row, fooled, fools=N):
    """A row of Table 5: the first `fooled` images fool the other, the first `fools` its own."""
    rows = {"index": np.arange(N, dtype=np.int32), "label": np.zeros(N, np.int16), "attacked": np.ones(N, bool)}
    rows |= {"fools": np.arange(N) < fools, "l2": np.ones(N, np.float32), "roughness": np.ones(N, np.float32)}
    for judge in (A, B):
        rows |= {f"right {judge}": np.ones(N, bool), f"wrong {judge}": rows["fools"]}
        rows[f"at {judge}"] = rows["fools"] & (np.arange(N) < (fools if judge == source else fooled))
    return BlackBoxRecord(
        network=network(source),
        data=Data(name="cifar10", split="test", source="gallery", n=N, seed=0),
        protocol=Setting.of(table.attacks("cifar10")[row]),
        command="-",
        versions=versions(),
        judges=(network(A), network(B)),
        length=BOUND,
        fooled=fools,
        seconds=1.0,
        rows=Rows(rows),
    )


def test_an_image_that_is_not_fooled_at_home_fools_nobody():
    one = made_up(A, NONE, 40, fools=30)
    assert one.attack == NONE
    assert made_up(A, WIDE, 1).attack == WIDE
    assert one.rate(B, at_length=True) == wilson(30, N)
    assert one.rate(A, at_length=True) == wilson(30, N)


@pytest.mark.parametrize(
    ("rough", "narrow", "wide", "outcomes"),
    [
        (5, 15, 30, ("holds", "holds")),
        (30, 15, 5, ("fails", "fails")),
        (5, 30, 31, ("holds", "undecided")),
    ],
)
def test_claims_of_table_5(rough, narrow, wide, outcomes):
    found = []
    for source in (A, B):
        found.append(made_up(source, NONE, rough))
        for kernel in table.KERNELS:
            found += [made_up(source, f"{kernel}-1", narrow), made_up(source, f"{kernel}-5", wide)]
    verdicts = [claim.decide(found) for claim in OF_TABLE5]
    assert tuple(verdict.outcome for verdict in verdicts[:2]) == outcomes
    first = verdicts[0].findings[0].estimate
    assert first.value == pytest.approx((wide - rough) / N)
    assert len(verdicts[0].findings) == 3
    assert verdicts[2].outcome == "undecided"  # 80 of 80 are not enough for more than 99 %
    assert verdicts[2].findings[0].estimate == wilson(2 * N, 2 * N)
    found[0] = made_up(A, NONE, 0, fools=10)
    assert OF_TABLE5[2].decide(found).outcome == "fails"
    assert [claim.decide([]).outcome for claim in OF_TABLE5] == ["undecided"] * 3


def universal(source, sigma, fooled):
    rows = {"index": np.arange(N, dtype=np.int32), "label": np.zeros(N, np.int16)}
    for judge in (A, B):
        rows |= {f"right {judge}": np.arange(N) < 30, f"fooled {judge}": np.arange(N) < fooled}
    told = Data(name="cifar10", split="test", source="gallery", n=N, seed=0)
    return UniversalRecord(
        network=network(source),
        data=told,
        protocol=Setting.of(table.universal(sigma)),
        command="-",
        versions=versions(),
        fitted_on=told,
        fits=0.5,
        judges=(network(A), network(B)),
        fooled={A: min(fooled, 30), B: min(fooled, 30)},
        rows=Rows(rows),
    )


def test_claims_of_table_6():
    found = [universal(A, sigma, n) for sigma, n in ((0.1, 4), (5.0, 20), (10.0, 8))]
    verdicts = [claim.decide(found) for claim in OF_TABLE6]
    assert [verdict.outcome for verdict in verdicts] == ["holds", "holds"]
    assert verdicts[0].findings[0].estimate.value == pytest.approx(16 / 30)
    assert found[0].rate(B) == wilson(4, 30)
    assert OF_TABLE6[1].decide([universal(A, 5.0, 8), universal(A, 10.0, 20)]).outcome == "fails"
    assert [claim.decide([]).outcome for claim in OF_TABLE6] == ["undecided"] * 2
    assert every([]).outcome == "undecided"


def test_the_papers_rates_are_whole():
    assert {len(rows) for rows in PAPER5.values()} == {7}
    assert PAPER5["VGG16"][NONE] == pytest.approx({"VGG16": 1.0, "ResNet-101": 0.126, "Inception-v3": 0.089})
    assert all(set(rows) == set(table.attacks("imagenet")) for rows in PAPER5.values())
    assert PAPER6["ResNet-152"][5.0] == pytest.approx(0.703)
    assert len(table.attacks("cifar10")) == 7


def test_cells_of_table_5_are_attacks_made_directly(tmp_path, monkeypatch):
    rows = {NONE: FGSM(epsilon=0.03), WIDE: table.attacks("cifar10")[WIDE]}  # one is enough to wait for
    monkeypatch.setattr(table, "attacks", lambda dataset: rows)
    out = TRANSFERS.at(tmp_path / "t.json")
    words = ["evaluate", "smoothfool-transfer", "--models", A, B, "--jobs", "1", "--out", str(out.path)]
    assert main([*words, "--n", "2"]) == 0
    found = out.read()
    assert [(r.network.name, r.attack, r.data.n) for r in found] == [(s, k, 2) for k in (NONE, WIDE) for s in (A, B)]
    assert found[0].command == (f"python -m core evaluate smoothfool-transfer --models {A} {B} --n 2 --seed 0")
    images, record = pictures("cifar10", 0)[:2], found[2]
    result = run(rows[WIDE], models.load(A), images.images, images.labels, 0)
    r = result.adversarial - images.images
    scale = BOUND / r.flatten(1).abs().amax(1).clamp_min(1e-9)
    brought = (images.images + r * scale[:, None, None, None]).clamp(0, 1)
    assert record.rows["fools"].tolist() == result.success.tolist()
    for judge in (A, B):
        wrong = (logits_of(models.load(judge), brought).argmax(1) != images.labels) & result.success
        assert record.rows[f"at {judge}"].tolist() == wrong.tolist()


def test_a_network_of_another_size_sees_the_same_picture(tmp_path, monkeypatch):
    """Two networks that see 224 and 240 pixels, and a folder of pictures."""
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for number, image in enumerate(x):
        (tmp_path / f"{number:03d}_picture.png").write_bytes(to_png(image))
    cards = [models.card(f"imagenet-efficientnet-lite{i}") for i in (0, 1)]
    views = [table.seen_by(card, f"folder:{tmp_path}", None, 0) for card in cards]
    assert [tuple(view.images.shape[2:]) for view in views] == [(224, 224), (240, 240)]
    order = draw(2, 2, 0).tolist()
    assert views[0].indices.tolist() == order
    assert table.seen_by(cards[0], f"folder:{tmp_path}", 1, 0).indices.tolist() == order[:1]
    photographs = [table.seen_by(card, "photos", 3, 0) for card in cards]
    assert [tuple(view.images.shape[2:]) for view in photographs] == [(224, 224), (240, 240)]
    assert photographs[0].names == photographs[1].names
    for card, view in zip(cards, photographs, strict=True):
        named = logits_of(models.load(card.name), view.images).argmax(1)
        true = torch.tensor([photos.PHOTOS[name].label for name in view.names])
        assert view.labels.tolist() == torch.where(true < 0, named, true).tolist()
    clean = x[:1, :, :24, :24]
    assert sized(clean, (24, 24)) is clean
    larger = sized(torch.full((1, 3, 24, 24), 0.25), (30, 28))
    assert torch.allclose(larger, torch.full((1, 3, 30, 28), 0.25), atol=1e-6)
    with pytest.raises(ValueError, match="dataset must be photos or folder:PATH"):
        table.seen_by(cards[0], "imagenet", 1, 0)


def test_a_row_of_table_6_is_a_perturbation_fitted_directly(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "UNIVERSAL_SIGMAS", (5.0,))
    attack = table.universal(5.0).replace(set_passes=1)
    assert attack.linf_ball == BALL
    monkeypatch.setattr(table, "universal", lambda sigma: attack)
    out = UNIVERSALS.at(tmp_path / "u.json")
    words = ["evaluate", "smoothfool-universal", "--models", A, B, "--n", "6", "--fit", "8", "--out", str(out.path)]
    assert main(words) == 0
    shelf, model = pictures("cifar10", 0), models.load(A)
    fitting = shelf[len(shelf) - 8 :]
    mine = fitting[logits_of(model, fitting.images).argmax(1) == fitting.labels]
    r = fit_universal(attack, model, mine.images, mine.labels, 0)
    record, images = out.read()[0], shelf[:6]
    assert record.fitted_on.n == len(mine)
    kept = PATTERNS.at(tmp_path / "u-patterns.json").read()
    assert [pattern.is_of(row) for pattern, row in zip(kept, out.read(), strict=True)] == [True, True]
    step = BALL / table.LEVELS
    assert (kept[0].r - r).abs().max() <= step / 2 + 1e-7
    r = (r / step).round() * step  # what is kept is what is shown
    assert kept[0].fits == pytest.approx(fooling_rate(model, r, mine.images, mine.labels))
    for judge in (A, B):
        shown = logits_of(models.load(judge), apply_universal(r, images.images)).argmax(1) != images.labels
        assert record.rows[f"fooled {judge}"].tolist() == shown.tolist()
    # More images are shown the same, and those that were are not shown again.
    grown = table.show_pattern(kept[0], record.judges, shelf[:9], 0, "-", record)
    assert grown.rows == table.show_pattern(kept[0], record.judges, shelf[:9]).rows
    assert grown.rows["label"][:6].tolist() == record.rows["label"].tolist()
    assert table.goes_on(record, kept[0], record.judges, shelf[:9])
    assert not table.goes_on(record, kept[1], record.judges, shelf[:9])
    assert not table.goes_on(record, kept[0], record.judges, shelf[1:9])
    monkeypatch.setattr(table, "fitting", lambda *_: pytest.fail("fitted again"))
    assert main(words) == 0


def test_what_cannot_be_measured_is_refused(capsys):
    for models_of, told in ((["mnist-lenet-ce", "mnist-lenet-mmc"], "of one data set"), ([A], "two or more")):
        assert main(["evaluate", "smoothfool-transfer", "--models", *models_of]) != 0
        assert told in capsys.readouterr().err
    assert main(["evaluate", "smoothfool-universal", "--models", A, B, "--n", "900", "--fit", "200"]) != 0
    assert "n and fit must be 1000 together at most" in capsys.readouterr().err
    showing = Showing(network(A), (network(A),), table.attacks("cifar10")[NONE], BOUND)
    assert transfer.before([made_up(A, NONE, 1)], showing, pictures("cifar10", 0)[:N]) is None  # of other judges
