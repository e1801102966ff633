"""How smooth can it get: widths that are known, classes that are counted by hand, claims by hand-made records."""

import math

import numpy as np
import pytest
from test_smooth_curves import CARD, N, record

from core.evaluate import statistics
from core.papers import smoothfool_curves as paper
from core.papers.smoothfool_curves import KEYS, OURS, SIGMAS, by_class, by_width, entries, widest

RISING = np.arange(1, N + 1) / 10


def fooled(count):
    return np.arange(N) < count


def test_each_entry_has_its_sigma_and_its_clip():
    found = {entry.key: entry.attacks[0] for entry in entries(CARD)}
    assert list(found) == list(KEYS)
    assert [found[f"sf-{sigma}"].sigma_g for sigma in SIGMAS] == list(SIGMAS)
    clips = {kind: found[f"{kind}-20"].smooth_clip for kind in paper.KINDS}
    assert clips == {"sf": "released", "sfcode": "released", "sfpaper": "paper"}
    assert [found[f"{kind}-20"].least_progress > 0 for kind in paper.KINDS] == [True, False, False]
    assert not any(attack.push for attack in found.values())


def test_the_widest_is_interpolated_where_the_rate_last_falls_below():
    # 100 %, 75 %, 25 %: half of the images are fooled up to the geometric middle of 2 and 8.
    records = by_width([record("sf-1"), record("sf-2", fools=fooled(90)), record("sf-8", fools=fooled(30))], OURS)
    half = widest(records, 0.5)
    assert half.value == pytest.approx(4)
    low, high = (statistics.wilson(count, N) for count in (90, 30))
    place = (low.low - 0.5) / (low.low - high.low)
    assert half.low == pytest.approx(2 * 4**place)
    assert half.low < half.value < half.high
    # It never falls below a fifth; it rises again to 60 %; it is never above.
    assert widest(records, 0.2).value == math.inf
    again = by_width([record("sf-2", fools=fooled(30)), record("sf-8", fools=fooled(72))], OURS)
    assert widest(again, 0.5).value == math.inf
    assert widest(by_width([record("sf-2", fools=fooled(30))], OURS), 0.5).value == 0
    assert widest({}, 0.5) is None


def test_other_kinds_are_left_out():
    found = [record("sf-4"), record("sfcode-2"), record("cw", 10), record("sf-2")]
    assert list(by_width(found, OURS)) == [2, 4]


def test_classes_are_counted_apart():
    one = record("sf-20", fools=fooled(30))
    first, second, third = by_class(one, 3)  # all of class 0
    assert (first.value, first.n) == (0.25, N)
    assert (second, third) == (None, None)
    assert paper.most_and_least([first, None, statistics.wilson(1, 2)]) == (2, 0)
    assert paper.most_and_least([first, None]) is None


def test_claims_are_decided_by_the_records():
    def outcomes(*found):
        return [claim.decide(found).outcome for claim in paper.claims(OURS)]

    assert outcomes() == ["undecided"] * 4
    ends = (
        record("sf-2", l2=RISING, roughness=2 * RISING),
        record("sf-60", fools=fooled(60), l2=3 * RISING, roughness=RISING),
    )
    assert outcomes(*ends)[1:] == ["holds", "holds", "holds"]
    turned = (
        record("sf-2", fools=fooled(60), l2=RISING, roughness=RISING),
        record("sf-60", l2=RISING / 2, roughness=2 * RISING),
    )
    assert outcomes(*turned) == ["fails"] * 4
    # Of 120 images, all of which are fooled, Wilson's interval reaches below 99 %.
    assert outcomes(record("sf-2"))[0] == "undecided"
    # Below sigma_g = 2 the filter hardly does anything, and nothing is said of it.
    assert outcomes(record("sf-1", l2=9 * RISING), ends[0])[1:] == ["undecided"] * 3
