"""C&W and sC&W at equal success and at equal length: arithmetic by hand, and what was measured."""

import numpy as np
import pytest
import torch

from core import data, models
from core.data import quantize
from core.evaluate import visibility
from core.evaluate.records import Data, Network, Rows, Setting, versions
from core.evaluate.visibility import COSTS, CostRecord, compared
from core.metrics import l2
from core.papers import smooth_adversarial_examples as paper
from core.papers.smooth_adversarial_examples import CLAIMS, HIDDEN, LESS_VISIBLE, SHORTER

N = 12


def record(name: str, fools: list[bool] | None = None, **columns: np.ndarray) -> CostRecord:
    """A record of N images; columns that are not given are all one."""
    found: dict[str, np.ndarray] = {"index": np.arange(N, dtype=np.int32)}
    for held in ("success", "length"):
        for figure in visibility.FIGURES:
            found[f"{held}_{figure}"] = np.ones(N, bool if figure == "fools" else np.float32)
    found |= columns
    if fools is not None:
        found["success_fools"] = np.array(fools)
    return CostRecord(
        network=Network(name="n", sha256="0" * 64),
        data=Data(name="photos", split="test", source="files", n=N),
        protocol=Setting(name=name),
        command="-",
        versions=versions(),
        norm=3.0,
        fooled=int(found["success_fools"].sum()),
        rows=Rows(found),
    )


RISING = np.arange(1, N + 1, dtype=np.float32)


@pytest.mark.parametrize(
    ("claim", "column"), [(SHORTER, "success_l2"), (LESS_VISIBLE, "success_mad"), (HIDDEN, "length_mad")]
)
def test_a_claim_is_decided_by_its_own_column(claim, column):
    low, high = record("cw"), record("scw", **{column: 1 + RISING})
    assert claim.decide(low, high).outcome == "fails"
    assert claim.decide(record("cw", **{column: 1 + RISING}), record("scw")).outcome == "holds"
    mixed = 1 + 0.1 * RISING * np.where(np.arange(N) % 2, 1, -1).astype(np.float32)
    assert claim.decide(record("cw"), record("scw", **{column: mixed})).outcome == "undecided"
    assert claim.decide(record("cw"), None).outcome == "undecided"
    verdict = claim.decide(low, high)
    assert verdict.findings[0].estimate.value == pytest.approx(float(np.median(RISING)))
    assert verdict.p == pytest.approx(2 / 2**N)  # all signs alike: Wilcoxon's smallest


def test_records_of_two_networks_are_not_compared():
    other = record("scw").model_copy(update={"network": Network(name="other", sha256="0" * 64)})
    assert all(claim.decide(record("cw"), other).why == "It was not measured." for claim in CLAIMS)


def test_the_papers_tables():
    assert len(paper.COLUMNS) == 3
    assert {len(row) for row in paper.TABLE1.values()} == {3}
    assert {len(row) for row in paper.TABLE2.values()} == {2}
    assert paper.TABLE1["sC&W"][1] == paper.Published(0.99, 3.00)
    assert paper.SHORTER.published["C4, C&W"] == 2.49
    assert paper.COLUMNS[0][0] in data.DATASETS


def test_images_that_one_attack_does_not_fool_do_not_count():
    fools = [i >= 2 for i in range(N)]
    plain, smooth = record("cw"), record("scw", fools, success_l2=np.where(fools, 0.5, 99.0).astype(np.float32))
    verdict = SHORTER.decide(plain, smooth)
    assert verdict.outcome == "holds"
    assert verdict.findings[0].estimate.n == N - 2
    assert SHORTER.decide(plain, record("scw", [False] * N)).outcome == "undecided"


def test_shares_of_lower_and_equal_mad():
    mads = np.array([0.0] * 3 + [2.0] * 9, np.float32)
    verdict = LESS_VISIBLE.decide(
        record("cw", success_mad=np.where(mads > 0, 3.0, 0.0).astype(np.float32)), record("scw", success_mad=mads)
    )
    assert [f.estimate.value for f in verdict.findings[1:]] == [pytest.approx(9 / 12), pytest.approx(3 / 12)]


def test_a_norm_holds_after_rounding():
    model = models.load("mnist-c4-ce", "cpu")
    clean = data.gallery.read("mnist").images[:2]
    answer = model(clean).argmax(1)
    attack = visibility.ATTACKS["scw"]
    patch = pytest.MonkeyPatch()
    patch.setitem(attack.presets, visibility.PRESET, {"iterations": 20})
    found = visibility.pictures("scw", model, clean, answer, 2.5)
    patch.undo()
    assert l2(quantize(found["length"].adversarial) - clean).tolist() == pytest.approx([2.5, 2.5], rel=2e-3)
    assert bool((model(found["length"].adversarial_8bit).argmax(1) != answer).eq(found["length"].success_8bit).all())
    assert torch.equal(found["success"].images, clean)


def test_shipped_records_are_of_all_photographs_and_decide_every_claim():
    plain, smooth = compared(COSTS.read(), "photos")
    assert plain is not None
    assert smooth is not None
    assert plain.data.n == smooth.data.n == len(data.load("photos"))
    assert plain.fooled == smooth.fooled == plain.data.n
    for found in (plain, smooth):
        assert found.rows is not None
        assert found.rows["length_l2"].tolist() == pytest.approx([found.norm] * found.data.n, rel=0.04)
    assert all(claim.decide(plain, smooth).findings for claim in CLAIMS)
