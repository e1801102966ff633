"""What smoothness costs: the entries, the claims by hand-made records, and the command that goes on."""

import shlex

import numpy as np
import pytest

from core import models
from core.__main__ import main
from core.attacks import CarliniWagner, SmoothCarliniWagner
from core.defenses import Bilateral
from core.evaluate import curves, records
from core.evaluate.curves import MEASURED, CurveRecord, Entry
from core.evaluate.front import at
from core.evaluate.records import Collection, Data, Network, Rows, versions
from core.papers import smooth_curves as paper
from core.papers.smooth_curves import CLAIMS, FILTERED, HARDENED, KEYS, entries, pick

N = 120
CARD = models.card("mnist-c4-ce")


def test_the_entries_are_the_papers_table_and_the_families():
    found = {(entry.key, entry.budget): entry for entry in entries(CARD, (10, 30))}
    assert set(KEYS) == {key for key, _ in found}
    assert found["published-cw", 500].attacks == (CarliniWagner.preset("paper, MNIST"),)
    assert found["published-scw", 500].attacks == (SmoothCarliniWagner.preset("paper, MNIST"),)
    sizes = [attack.epsilon for attack in found["fgsm", None].attacks]
    assert (len(sizes), sizes[-1], sizes) == (8, 0.3, sorted(sizes))
    assert found["pgd2", None].attacks[-1].radius == 5
    assert {found["scw", budget].attacks[0].alpha for budget in (10, 30)} == {0.95}
    assert {found[key, 10].attacks[0].margin for key in ("cw", "scw", "scw-rho")} == {0.0}
    filtered, transferred = found[f"{FILTERED}pgd2", None], found[f"{HARDENED}published-cw", 500]
    assert [(a.radius, a.keep) for a in filtered.attacks] == [(5.0, "last")]
    assert filtered.judge == Bilateral(sigma_domain=0.5, sigma_range=0.2)
    assert (transferred.judge.name, transferred.attacks) == ("mnist-c4-ce-fgsm", found["published-cw", 500].attacks)
    photographs = {entry.key: entry for entry in entries(models.card("imagenet-efficientnet-lite0"), (10,))}
    assert photographs["scw"].attacks[0].alpha == 0.997
    assert [attack.radius for attack in photographs["pgd2"].attacks] == [0.156, 0.312, 0.625, 1.25, 2.5, 5.0]


def record(key, budget=None, fools=None, at_length=None, **columns):
    """A record of N images; measures that are not given are all one."""
    fools = np.ones(N, bool) if fools is None else np.asarray(fools)
    found = {"index": np.arange(N, dtype=np.int32), "label": np.zeros(N, np.int16), "status": np.full(N, "fooled")}
    found |= {"fools": fools, "converged": fools, "passes": np.full(N, 7, np.float32)}
    for name in MEASURED:
        found[name] = np.where(fools, columns.get(name, np.ones(N)), np.nan).astype(np.float32)
        found[at(name, 2.0)] = np.asarray((at_length or {}).get(name, np.ones(N)), np.float32)
    found |= {at("fools", 2.0): fools, "target": np.where(fools, 0, -1).astype(np.int8)}
    made = next(e for e in entries(CARD, () if budget is None else (budget,)) if e.key == key)
    return CurveRecord(
        network=Network(name="n", sha256="0" * 64),
        data=Data(name="mnist", split="test", source="gallery", n=N, seed=0),
        protocol=Entry(key, made.attacks, budget if budget is not None else made.budget).setting(),
        command="-",
        versions=versions(),
        metrics=MEASURED,
        in_float=True,
        norms=(2.0,),
        n=N,
        fooled=int(fools.sum()),
        converged=int(fools.sum()),
        seconds_per_image=1.0,
        seconds=float(N),
        rows=Rows(found),
    )


RISING = np.arange(1, N + 1) / 10


def outcomes(*found):
    return {claim.statement: claim.decide(found).outcome for claim in CLAIMS}


def test_claims_are_decided_by_the_records():
    found = (
        record("published-cw", l2=RISING, mad=RISING, at_length={"mad": RISING}),
        record("published-scw", l2=0.8 * RISING, mad=0.5 * RISING, at_length={"mad": 2 * RISING}),
        record("cw", 10, l2=3 * RISING),
        record("cw", 30, l2=RISING, roughness=RISING),
        record("scw", 30, l2=1.1 * RISING),
        record("scw", 10, l2=0.1 * RISING),
        record("scw-rho", 30, l2=1.5 * RISING, roughness=0.5 * RISING),
        record("pgd2", l2=0.9 * RISING),
        record("qpgd2", l2=2 * RISING),
    )
    decided = [claim.decide(found).outcome for claim in CLAIMS]
    assert decided == ["holds", "holds", "fails", "holds", "holds", "holds", "fails", "holds"]
    told = {finding.of: finding for finding in paper.LESS_VISIBLE.decide(found).findings}
    assert told["images with a lower MAD"].estimate.value == 1
    # Where both have several budgets, the largest that both have counts.
    assert "(30 passes)" in paper.FREE.decide(found).findings[0].of
    assert set(outcomes().values()) == {"undecided"}
    assert set(outcomes(record("published-cw")).values()) == {"undecided"}


def test_only_images_that_both_fool_are_compared():
    some = np.arange(N) % 2 == 0
    verdict = paper.SHORTER.decide(
        (record("published-cw", l2=RISING), record("published-scw", l2=0.9 * RISING, fools=some))
    )
    assert verdict.findings[0].estimate.n == N // 2
    often = paper.AS_OFTEN.decide((record("published-cw"), record("published-scw", fools=some)))
    assert often.outcome == "fails"
    assert often.findings[0].estimate.value == pytest.approx(-0.5)


def test_a_budget_is_the_largest_that_is_allowed():
    found = (record("cw", 10), record("cw", 100), record("fgsm"))
    assert pick(found, "cw", 99).budget == 10
    assert pick(found, "cw").budget == 100
    assert pick(found, "cw", 5) is None
    assert pick(found, "fgsm", 10).protocol.name == "fgsm"


def test_the_papers_numbers_are_of_the_same_data():
    assert paper.published(CARD, "published-scw")["C4"].l2 == 1.97
    assert set(paper.published(models.card("imagenet-efficientnet-lite0"), "pgd2")) == {"InceptionV3", "ResNetV2"}
    assert paper.published(CARD, "ddn") == {}
    hardened = models.card("mnist-c4-ce-fgsm")
    assert {key: row.l2 for key, row in paper.published(hardened, "published-cw").items()} == {"C4": 3.03}
    few = np.arange(N) % 2 == 0
    found = record("published-cw", fools=few), record("published-scw")
    verdict = paper.STILL.decide(found)
    assert (verdict.outcome, verdict.findings[0].estimate.value) == ("holds", pytest.approx(0.5))
    assert paper.STILL.decide(found[:1]).outcome == "undecided"


def test_claims_about_who_is_not_attacked():
    most, few = np.arange(N) < 110, np.arange(N) < 5
    found = [record(f"{FILTERED}{key}", fools=most) for key in ("published-cw", "pgd2")]
    found += [record(f"{FILTERED}published-scw", fools=np.arange(N) < 80)]
    found += [record(f"{HARDENED}{key}", fools=few) for key in paper.IN_TABLE1]
    decided = [claim.decide(found).outcome for several in paper.OF_TABLE3.values() for claim in several]
    assert decided == ["holds", "holds", "holds"]
    assert paper.EFFICIENT.decide(found[:-1]).outcome == "undecided"
    assert (
        paper.published(models.card("imagenet-efficientnet-lite0"), f"{FILTERED}published-scw")["InceptionV3"].l2
        == 2.91
    )


def test_few_commands_say_how_many_records_are_made():
    command = "python -m core evaluate curves --model n --n {} --entries {}{} --seed 0"
    made = [
        record(key, budget).model_copy(update={"command": command.format(n, key, f" --budgets {b}" if b else "")})
        for key, budget, b, n in (
            ("published-cw", None, 500, 9),
            ("fgsm", None, 0, 9),
            ("cw", 10, 10, 9),
            ("cw", 30, 30, 9),
            ("ddn", 10, 10, 9),
            ("ddn", 30, 30, 9),
            ("scw", 10, 10, 5),
        )
    ]
    base = "python -m core evaluate curves --model n --n"
    assert paper.commands(made) == [
        f"{base} 9 --seed 0 --entries published-cw fgsm",
        f"{base} 9 --seed 0 --entries cw ddn --budgets 10 30",
        f"{base} 5 --seed 0 --entries scw --budgets 10",
    ]


COMMAND = ["evaluate", "curves", "--entries", "fgsm", "ddn", "--budgets", "5", "--batch-size", "4", "--jobs", "1"]


def test_the_command_goes_on_with_more_images(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    path, whole = tmp_path / "curves.json", tmp_path / "whole.json"
    assert main([*COMMAND, "--n", "4", "--out", str(path)]) == 0
    first = records.read(path, CurveRecord)
    assert [r.protocol.name for r in first] == ["fgsm", "ddn"]
    assert first[0].data.source == "gallery"
    out = capsys.readouterr().out
    assert "paper, C4" in out
    assert "undecided: sC&W succeeds roughly as often as C&W" in out
    begun = []
    compute = curves.AttackShard.compute
    monkeypatch.setattr(curves.AttackShard, "compute", lambda s, *a: begun.append(len(s.images)) or compute(s, *a))
    assert main([*COMMAND, "--n", "8", "--out", str(path)]) == 0
    assert begun == [4] * 9  # eight targets of FGSM, and DDN, of the four images that are new
    assert not path.with_suffix(".parts").exists()
    found = records.read(path, CurveRecord)
    assert main([*shlex.split(found[1].command)[3:], "--batch-size", "4", "--jobs", "1", "--out", str(whole)]) == 0
    (again,) = records.read(whole, CurveRecord)
    assert again.rows == found[1].rows
    begun.clear()
    assert main([*COMMAND, "--n", "3", "--out", str(path)]) == 0
    assert begun == []  # more is there
    assert main([*COMMAND, "--n", "9", "--seed", "1", "--out", str(path)]) == 2
    assert "is there of other images" in capsys.readouterr().err
    assert main([*COMMAND, "--entries", "x"]) == 2
    assert "entries must be some of" in capsys.readouterr().err


@pytest.mark.parametrize("name", [path.stem for path in sorted(paper.FOLDER.glob("*.json"))])
def test_what_is_stored_keeps_the_protocols_rules(name):
    """P(0) = 0, P(D_max) = P_suc, monotone, for every entry and measure; and all entries begin with the same images."""
    found = Collection(CurveRecord, paper.FOLDER / f"{name}.json").read()
    card = models.card(name)
    first = max(found, key=lambda r: r.data.n)
    for one in found:
        assert one.protocol.name in KEYS
        assert any(one.is_of(entry) for entry in entries(card, [one.budget or 10]))
        assert one.column("index").tolist() == first.column("index")[: one.data.n].tolist()
        assert one.norms == (paper.norm(card),)
        assert one.n == one.data.n or "judge" in one.protocol.parameters  # who names some of them wrongly already
        curve = one.characteristic("l2")
        assert curve.at(0) == 0
        assert curve.at(float("inf")) == pytest.approx(one.success.value)
        assert (np.diff(curve.bounds) >= 0).all()
    assert {verdict.outcome for verdict in (claim.decide(found) for claim in CLAIMS)} <= {"holds", "fails", "undecided"}


def test_a_parameter_that_was_added_since_counts_as_at_its_default():
    """A record that knows of no warm start is of SmoothFool without one, not of any other."""
    found = Collection(CurveRecord, paper.FOLDER / "mnist-c4-ce.json").read()
    record = next(one for one in found if one.protocol.name == "smoothfool")
    assert "warm_start" not in record.protocol.parameters["attacks"][0]["parameters"]
    (attack,) = record.attacks
    assert record.is_of(Entry("smoothfool", (attack,)))
    assert not record.is_of(Entry("smoothfool", (attack.replace(warm_start=True),)))
    assert not record.is_of(Entry("smoothfool", (attack, attack)))
    assert not record.is_of(Entry("sf-2", (attack,)))
    assert not record.is_of(Entry("smoothfool", (attack,), 100))
