"""How smooth can it get? SmoothFool, section 4.2: how often it fools as sigma_g grows, and how long what fools is.

Figure 6 and Table 3 with the three ways in which a perturbation can be kept within black and white
(`core.attacks.smoothfool.smooth_clip`), for that is what decides how often a wide one arrives: ours goes on plainly
where the smooth clip would leave next to nothing, which fools more often and leaves edges. Its roughness says which of
the two a success is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.attacks import SmoothFool
from core.evaluate import curves, statistics
from core.evaluate.claims import NOT_MEASURED, Claim, Finding, Part, Verdict, every, within
from core.evaluate.curves import CurveRecord, Entry
from core.evaluate.statistics import Estimate
from core.models import Card

PAPER_NAME = "SmoothFool"

SIGMAS = (1, 2, 4, 8, 20, 60, 100, 200)
"""Pixels: sigma_g of the entries. 20, 60 and 100 are Table 3's."""
OURS, RELEASED, PUBLISHED = "sf", "sfcode", "sfpaper"
KINDS = {OURS: "SmoothFool", RELEASED: "SmoothFool, authors' code", PUBLISHED: "SmoothFool, the paper's clip"}
"""Of entries, by what stands before their sigma_g."""
KEYS = {f"{kind}-{sigma}": f"{title}, σ_g = {sigma}" for kind, title in KINDS.items() for sigma in SIGMAS}
"""Keys of the entries and their titles."""
_PRESETS = {"mnist": "paper, MNIST", "fashion_mnist": "paper, MNIST", "cifar10": "paper, CIFAR-10"}

FIGURE6: dict[str, Mapping[float, float]] = {
    "mnist": {4.1: 1.0, 7.8: 0.2},
    "cifar10": {8.4: 1.0, 32.8: 0.5, 124.4: 0.2},
    "imagenet": {19.3: 1.0, 165.3: 0.2},
}
"""By data set sigma_g^{A%}, the largest sigma_g that fools a share A, of the network on which it is smaller."""
TABLE3: dict[str, dict[int, tuple[float, ...]]] = {
    "VGG-F": {
        20: (0.750, 0.587, 0.934, 1.000, 0.872, 0.787, 0.888, 0.745, 0.790, 0.739),
        60: (0.295, 0.108, 0.652, 0.583, 0.600, 0.489, 0.511, 0.290, 0.325, 0.326),
        100: (0.250, 0.065, 0.521, 0.437, 0.490, 0.404, 0.466, 0.236, 0.255, 0.217),
    },
    "ResNet-18": {
        20: (0.673, 0.333, 0.651, 0.653, 0.780, 0.751, 0.689, 0.703, 0.814, 0.685),
        60: (0.347, 0.066, 0.418, 0.211, 0.402, 0.555, 0.448, 0.259, 0.351, 0.314),
        100: (0.282, 0.022, 0.325, 0.173, 0.360, 0.527, 0.413, 0.222, 0.296, 0.228),
    },
}
"""CIFAR-10: fooling rates by network and sigma_g, of its ten classes in their order."""
ALL_OF_TABLE3 = {
    "VGG-F": {20: 0.838, 60: 0.458, 100: 0.376},
    "ResNet-18": {20: 0.672, 60: 0.330, 100: 0.279},
}
"""Of all classes."""

Found = Sequence[CurveRecord]
"""Of one network."""


def entries(card: Card) -> list[Entry]:
    """SmoothFool with every sigma_g and each of the three clips, unpushed: the fooling rate is of images in float."""
    kinds = {
        OURS: SmoothFool(push=False),
        RELEASED: SmoothFool.preset("authors' code"),
        PUBLISHED: SmoothFool.preset(_PRESETS.get(card.dataset, "paper, ImageNet")),
    }
    return [
        Entry(f"{kind}-{sigma}", (attack.replace(sigma_g=float(sigma)),))
        for kind, attack in kinds.items()
        for sigma in SIGMAS
    ]


def by_width(found: Found, kind: str) -> dict[int, CurveRecord]:
    """The records of a kind by sigma_g, from the least smooth on."""
    mine = {record.protocol.name: record for record in found}
    return {sigma: mine[key] for sigma in SIGMAS if (key := f"{kind}-{sigma}") in mine}


@dataclass(frozen=True)
class Width:
    """sigma_g^{A%} with the interval in which the bands of the fooling rate cross A; infinite where the rate does not
    fall below A within what was measured, 0 where it is never above."""

    value: float
    low: float
    high: float


def widest(records: Mapping[int, CurveRecord], share: float) -> Width | None:
    """sigma_g^{A%} (section 4.1): the largest sigma_g with which at least `share` of the images are fooled.

    Between two that were measured it is interpolated in log sigma_g. None without a record.
    """
    rates = {sigma: record.success for sigma, record in records.items()}
    known = {sigma: rate for sigma, rate in rates.items() if rate is not None}
    if not known:
        return None
    return Width(
        _crossing({sigma: rate.value for sigma, rate in known.items()}, share),
        _crossing({sigma: rate.low for sigma, rate in known.items()}, share),
        _crossing({sigma: rate.high for sigma, rate in known.items()}, share),
    )


def _crossing(rates: Mapping[int, float], share: float) -> float:
    """Where `rates`, linear in log sigma, last fall below `share`."""
    pairs = list(rates.items())
    if pairs[-1][1] >= share:
        return math.inf
    for (left, above), (right, below) in reversed(list(itertools.pairwise(pairs))):
        if above >= share:
            place = (above - share) / (above - below)
            return math.exp(math.log(left) + place * (math.log(right) - math.log(left)))
    return 0.0


def by_class(record: CurveRecord, classes: int) -> list[Estimate | None]:
    """The fooling rate of each class, with Wilson's interval; None of a class of which no image was attacked."""
    labels, fools = record.column("label")[record.attacked], record.fools[record.attacked]
    counts: list[tuple[int, int]] = [(int(fools[labels == k].sum()), int((labels == k).sum())) for k in range(classes)]
    return [statistics.wilson(fooled, n) if n else None for fooled, n in counts]


def _ends(found: Found, kind: str) -> tuple[int, int] | None:
    widths = [sigma for sigma in by_width(found, kind) if sigma >= 2]
    return (widths[0], widths[-1]) if len(widths) > 1 else None


def _falls(kind: str) -> Callable[[Found], Verdict]:
    def decide(found: Found) -> Verdict:
        ends, records = _ends(found, kind), by_width(found, kind)
        difference = None if ends is None else curves.shares(records[ends[1]], records[ends[0]])
        if ends is None or difference is None:
            return NOT_MEASURED
        of = f"fooling rate at σ_g = {ends[1]} less that at {ends[0]}, n = {difference.difference.n}"
        return every([Part(of, difference, -1)], unit="points")

    return decide


def _differs(kind: str, metric: str, expected: int) -> Callable[[Found], Verdict]:
    def decide(found: Found) -> Verdict:
        ends, records = _ends(found, kind), by_width(found, kind)
        compared = None if ends is None else curves.compared(records[ends[1]], records[ends[0]], metric)
        if ends is None or compared is None:
            return NOT_MEASURED
        name = "L2" if metric == "l2" else "Ω_n"
        of = f"median {name} at σ_g = {ends[1]} less that at {ends[0]}, n = {compared.difference.n}"
        return every([Part(of, compared, 1 if expected > 0 else -1)], unit="plain")

    return decide


def _nearly_all(kind: str) -> Callable[[Found], Verdict]:
    def decide(found: Found) -> Verdict:
        record = by_width(found, kind).get(2)
        share = None if record is None else record.success
        if share is None:
            return NOT_MEASURED
        of = f"fooling rate at σ_g = 2, n = {share.n}"
        return within((0.99, 1.0), [Finding(of=of, unit="share", estimate=share)])

    return decide


def claims(kind: str) -> tuple[Claim[[Found]], ...]:
    """What the paper says, of one of KINDS. decide(records of one network)."""
    return (
        Claim(
            "with σ_g = 2 nearly every image is fooled: more than 99 %",
            PAPER_NAME,
            "section 4.2, Table 2",
            _nearly_all(kind),
            {"all networks": 0.999},
        ),
        Claim(
            "the smoother a perturbation has to be, the fewer images it fools",
            PAPER_NAME,
            "section 4.2, Figure 6 a to c",
            _falls(kind),
        ),
        Claim(
            "the smoother a perturbation has to be, the longer it is",
            PAPER_NAME,
            "section 4.2, Figure 6 d",
            _differs(kind, "l2", 1),
        ),
        Claim(
            "a larger σ_g makes what fools smoother",
            PAPER_NAME,
            "section 4.1",
            _differs(kind, "roughness", -1),
        ),
    )


def most_and_least(rates: Sequence[Estimate | None]) -> tuple[int, int] | None:
    """The classes that are fooled most and least often; None with fewer than two."""
    known: NDArray[np.float64] = np.array([np.nan if rate is None else rate.value for rate in rates])
    if np.isfinite(known).sum() < 2:
        return None
    return int(np.nanargmax(known)), int(np.nanargmin(known))
