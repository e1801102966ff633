"""The claims of Smooth Adversarial Examples, on hand-made records and on the start page's example."""

import numpy as np
import pytest

from core import data, examples
from core.evaluate.records import Data, Network, Rows, Setting
from core.evaluate.report import AttackRecord
from core.papers import smooth_adversarial_examples as paper


def attacked(name, lengths, fooled=None, index=None):
    """An attack on digits that needed these lengths."""
    n = len(lengths)
    kept = np.ones(n, bool) if fooled is None else np.asarray(fooled)
    zeros = np.zeros(n, int)
    rows = {"index": np.arange(n) if index is None else index, "label": zeros, "prediction_clean": zeros}
    rows |= {"prediction": zeros, "prediction_8bit": zeros, "linf": np.ones(n), "l2": np.asarray(lengths)}
    return AttackRecord(
        network=Network(name="mnist-c4-ce", sha256="0" * 64),
        data=Data(name="mnist", split="test", source="full", n=n),
        protocol=Setting(name=name),
        command="",
        versions={},
        seed=0,
        n=n,
        fooled=int(kept.sum()),
        fooled_8bit=0,
        mean_l2=1.0,
        deviation_l2=None,
        mean_linf=1.0,
        seconds_per_image=1.0,
        rows=Rows(rows | {"status": ["fooled" if one else "failed" for one in kept]}),
    )


def test_shorter_by_the_images_that_both_fool():
    long, short = np.linspace(2, 3, 10), np.linspace(1, 1.5, 10)
    decide = paper.SHORTER.decide
    verdict = decide(attacked("cw", long), attacked("scw", short))
    assert verdict.outcome == "holds"
    assert verdict.findings[0].estimate.value == pytest.approx(np.log10(2))
    assert decide(attacked("cw", short), attacked("scw", long)).outcome == "fails"
    assert decide(attacked("cw", long), attacked("scw", short, np.arange(10) < 4)).outcome == "undecided"
    elsewhere = attacked("scw", short, index=np.arange(10) + 5)
    assert decide(attacked("cw", long), elsewhere).outcome == "undecided"  # five images in common
    other = elsewhere.model_copy(update={"network": Network(name="other", sha256="0" * 64)})
    assert decide(attacked("cw", long), other).why == "It was not measured."


def test_the_papers_tables():
    assert len(paper.COLUMNS) == 3
    assert {len(row) for row in paper.TABLE1.values()} == {3}
    assert {len(row) for row in paper.TABLE2.values()} == {2}
    assert paper.TABLE1["sC&W"][1] == paper.Published(0.99, 3.00)
    assert paper.SHORTER.published["C4, C&W"] == 2.49
    assert paper.COLUMNS[0][0] in data.DATASETS


def test_the_start_page_says_what_its_example_holds():
    example = examples.start()
    for claim in (paper.THREE_ANSWERS, paper.SMOOTHER):
        verdict = claim.decide(example)
        assert (verdict.outcome, verdict.p, verdict.why) == ("holds", None, paper.ONE_PICTURE)
    pictures = dict(example.pictures)
    same = pictures | {"scw": pictures["scw"].model_copy(update={"label": pictures["cw"].label})}
    assert paper.THREE_ANSWERS.decide(example.model_copy(update={"pictures": same})).outcome == "fails"
    rough = pictures | {"scw": pictures["scw"].model_copy(update={"roughness": 100.0})}
    assert paper.SMOOTHER.decide(example.model_copy(update={"pictures": rough})).outcome == "fails"
