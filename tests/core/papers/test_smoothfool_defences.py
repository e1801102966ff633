"""SmoothFool's Table 4: its networks and defences, its cells held against attacks made directly, its claims."""

import numpy as np
import pytest
import torch

from core import models
from core.__main__ import main
from core.attacks import FGSM, run
from core.data import gallery
from core.defenses import Defended
from core.evaluate import records
from core.evaluate.records import Data, Network, Rows, Setting
from core.models import logits_of
from core.papers import smoothfool_defences as table
from core.papers.smoothfool_defences import DEFENCES, PAPER, DefenceRecord

LENET = "mnist-lenet-ce"


def protections():
    return table.protections(models.card(LENET))


def test_what_protects_a_lenet_is_what_was_trained_for_it():
    found = {one.card.name if one.defense is None else one.name: one.name for one in protections()}
    assert next(iter(found)) == LENET
    assert found[LENET] == "none"
    expected = {f"{LENET}-ll": "Adv.", f"{LENET}-ens": "Ens.", "MagNet": "MagNet", "HGD": "HGD"}
    assert expected.items() <= found.items()
    assert set(found.values()) <= {"none", *PAPER}
    assert "mnist-lenet-ce-2d" not in found
    with pytest.raises(ValueError, match=r"^model must be of mnist; cifar10-resnet32-ce is of cifar10\.$"):
        table.protections(models.card("cifar10-resnet32-ce"))


def test_every_image_is_named_rightly_by_all_and_refused_by_none():
    found = protections()
    images = table.common(found, 30, 0)
    assert len(images) == 30
    for one in found:
        assert (logits_of(one.load(), images.images).argmax(1) == images.labels).all()
        assert not one.refuses(images.images).any()
    with pytest.raises(ValueError, match=r"^n must be at most \d+, the images that every network names rightly; got 1"):
        table.common(found, 1001, 0)


@pytest.fixture
def one_attack(monkeypatch):
    """A table of one short attack."""
    monkeypatch.setattr(table, "ATTACKS", {"SF1": FGSM(epsilon=0.2)})


def test_cells_are_attacks_made_directly(one_attack, tmp_path):
    out = DEFENCES.at(tmp_path / "table.json")
    found = list(table.sweep(LENET, 12, out, "make it"))
    names = [one.name for one in protections()]
    assert [(r.defence, r.box) for r in found] == [(n, "gray") for n in names] + [(n, "white") for n in names[1:]]
    shelf = gallery.read("mnist")
    first = found[0].rows["index"]
    rows = [int((shelf.indices == index).nonzero()) for index in first]
    x, y = shelf.images[rows], shelf.labels[rows]
    bare = models.load(LENET, "cpu")
    gray = run(FGSM(epsilon=0.2), bare, x, y).adversarial
    for record in found:
        one = next(one for one in protections() if one.name == record.defence)
        model = models.load(one.card.name, "cpu")
        model = Defended(model, one.defense) if one.defense else model
        made = gray if record.box == "gray" else run(FGSM(epsilon=0.2), model, x, y).adversarial
        refused = one.refuses(made)
        fooled = (logits_of(model, made).argmax(1) != y) & ~refused
        assert record.rows["fooled"].tolist() == fooled.tolist()
        assert record.rows["refused"].tolist() == refused.tolist()
        assert record.rows["index"].tolist() == first.tolist()
        assert record.rows["l2"] == pytest.approx((made - x).flatten(1).norm(dim=1).numpy(), abs=1e-5)
        assert record.published == (
            PAPER[record.defence]["SF1"] if record.box == "gray" and one.name in PAPER else None
        )
    assert list(table.sweep(LENET, 12, out, "make it")) == []
    assert [r.digest() for r in out.read()] == [r.digest() for r in found]


def test_the_command_prints_what_it_stores(one_attack, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(table, "protections", lambda card, made=table.protections: made(card)[:2])
    out = tmp_path / "table.json"
    assert main(["evaluate", "smoothfool-defences", "--n", "5", "--out", str(out)]) == 0
    found = records.read(out, DefenceRecord)
    printed = capsys.readouterr().out
    assert f"{100 * found[0].rate.value:.1f} % (" in printed
    assert found[0].command == "python -m core evaluate smoothfool-defences --model mnist-lenet-ce --n 5"
    assert main(["evaluate", "smoothfool-defences", "--n", "0", "--out", str(out)]) == 2
    assert "n must be at least 1; got 0." in capsys.readouterr().err


def made_up(defence, attack, fooled):
    rows = {"index": np.arange(100), "fooled": np.arange(100) < fooled}
    rows |= {"refused": np.zeros(100, bool), "l2": np.ones(100)}
    network = Network(name=LENET, sha256="0" * 64)
    return DefenceRecord(
        network=network,
        data=Data(name="mnist", split="test", source="full", n=100, seed=0),
        protocol=Setting(name="smoothfool"),
        command="",
        versions={},
        attack=attack,
        defence=defence,
        front=None,
        box="gray",
        made_on=network,
        fooled=fooled,
        rows=Rows(rows),
    )


@pytest.mark.parametrize(("smooth", "outcome"), [(60, "holds"), (42, "undecided"), (20, "fails")])
def test_smoother_perturbations_bypass_more(smooth, outcome):
    found = [made_up(name, attack, n) for name in PAPER for attack, n in (("SF1", 40), ("SF3", 60))]
    found = [r for r in found if (r.defence, r.attack) != ("PGD", "SF3")] + [made_up("PGD", "SF3", smooth)]
    verdict = table.BYPASSES.decide(found)
    assert verdict.outcome == outcome
    assert len(verdict.findings) == len(PAPER)
    assert table.BYPASSES.decide([]).outcome == "undecided"


def test_sat_resists_its_own_smoothness():
    found = [made_up("SAT", f"SF{place}", fooled) for place, fooled in ((1, 10), (2, 40), (3, 50))]
    verdict = table.RESISTS.decide(found)
    assert verdict.outcome == "holds"
    assert [one.estimate.value for one in verdict.findings] == pytest.approx([0.3, 0.4])
    assert table.RESISTS.decide(found[:1]).outcome == "undecided"


def test_the_papers_rates_are_whole():
    assert {len(rates) for rates in PAPER.values()} == {6}
    assert PAPER["SAT"]["SF1"] == 0.115
    assert torch.tensor([list(rates.values()) for rates in PAPER.values()]).max() == pytest.approx(0.78)
