"""What the MMC report claims, and how our measurements decide it.

Where two networks, or two attacks, met the same images, they are compared image by image (McNemar); two scores of the
same images by DeLong's test; trainings by seed (Student). The report's own numbers stand at each claim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from core.evaluate import statistics
from core.evaluate.claims import NOT_MEASURED, Claim, Finding, Part, Verdict, every, within
from core.evaluate.statistics import Estimate
from core.features.density import SampleDensity
from core.papers.graph_smoothness.errors import ErrorRecord
from core.papers.mmc import tables
from core.papers.mmc.attacks import EPSILONS, AccuracyRecord, Trial, radius, trials
from core.papers.mmc.dependency import PAPER_COMPARABLE, DependencyRecord
from core.papers.mmc.tables import NormRecord, OptimiserRecord, TimesRecord
from core.papers.mmc.uncertainty import OUTSIDE, CertaintyRecord

PAPER = "MMC reproducibility report"

# --- Abstract and section 4.7: accuracy ---

COMPARABLE = 0.01
"""Difference of two accuracies that is called comparable: 1 point. The report gives no number."""


def _gained(of: str, records: Sequence[ErrorRecord], network: str, other: str) -> Part | None:
    """Accuracy of a network's logits minus that of another's, on the images that both were shown; None without one."""
    first, second = (
        next(
            (r.rows for r in records if r.network is not None and r.network.name == name and r.classifier == "argmax"),
            None,
        )
        for name in (network, other)
    )
    if first is None or second is None:
        return None
    mine, theirs = first.common(second)
    return Part(of, statistics.mcnemar(~first["wrong"][mine], ~second["wrong"][theirs]))


def _as_accurate(records: Sequence[ErrorRecord], sce: str, mmc: str) -> Verdict:
    found = _gained("MMC minus SCE", records, mmc, sce)
    if found is None:
        return NOT_MEASURED
    difference = Finding(of=found.of, unit="points", estimate=found.comparison.difference, p=found.comparison.p)
    return within((-COMPARABLE, COMPARABLE), [difference])


AS_ACCURATE = Claim(
    "MMC's accuracy is comparable to that of SCE, within a point",
    PAPER,
    "abstract",
    _as_accurate,
)
"""decide(records, network that cross-entropy trained, one that MMC trained)."""


def _not_beaten(records: Sequence[ErrorRecord], mmc: str, hmmc: str) -> Verdict:
    found = _gained("MMC minus HMMC", records, mmc, hmmc)
    if found is None:
        return NOT_MEASURED
    return every([found])


NOT_BEATEN = Claim(
    "hierarchical centres do not beat MMC's accuracy",
    PAPER,
    "section 4.7",
    _not_beaten,
)
"""decide(records, network that MMC trained, one with hierarchical centres)."""

# --- Section 4.1: attacks ---


def _of(records: Sequence[AccuracyRecord], network: str, trial: Trial) -> AccuracyRecord | None:
    """What a network keeps under an attack; an adaptive attack that is the plain one was not run."""
    return next(
        (
            record
            for record in records
            if record.network is not None and record.network.name == network and record.protocol.is_of(trial.attack)
        ),
        None,
    )


Side = Literal[-1, 1]
"""On which a claim has a difference."""


def _pair(
    of: str, first: AccuracyRecord | None, second: AccuracyRecord | None, expected: Literal[-1, 1] = 1
) -> list[Part]:
    """Accuracy under the first minus that under the second, on the images that both were run on; [] without either."""
    if first is None or second is None or first.rows is None or second.rows is None:
        return []
    mine, theirs = first.rows.common(second.rows)
    found = statistics.mcnemar(first.rows["right"][mine], second.rows["right"][theirs])
    return [Part(of, found, expected)]


def _dataset(records: Sequence[AccuracyRecord], network: str) -> str | None:
    return next((r.data.name for r in records if r.network is not None and r.network.name == network), None)


def _pgd(dataset: str, epsilon: float, adaptive: bool, targeted: bool) -> Trial:
    return next(
        trial
        for trial in trials(dataset)
        if trial.is_pgd and (trial.epsilon, trial.adaptive, trial.targeted) == (epsilon, adaptive, targeted)
    )


def _plain_above_adaptive(records: Sequence[AccuracyRecord], network: str) -> Verdict:
    dataset = _dataset(records, network)
    if dataset is None:
        return NOT_MEASURED
    parts: list[Part] = []
    for epsilon in EPSILONS[dataset]:
        plain, adaptive = (_of(records, network, _pgd(dataset, epsilon, kind, False)) for kind in (False, True))
        parts += _pair(f"plain minus adaptive PGD, ε = {radius(dataset, epsilon)}", plain, adaptive)
    return every(parts)


PLAIN_ABOVE_ADAPTIVE = Claim(
    "accuracy under plain PGD is always significantly greater than under adaptive PGD",
    PAPER,
    "section 4.1",
    _plain_above_adaptive,
)
"""decide(records, network): of a network that MMC trained."""


def _targeted(records: Sequence[AccuracyRecord], network: str) -> Verdict:
    dataset = _dataset(records, network)
    if dataset is None:
        return NOT_MEASURED
    parts: list[Part] = []
    sides: tuple[Side, ...] = (1, -1)
    for epsilon, expected in zip(EPSILONS[dataset], sides, strict=True):
        adaptive, plain = (_of(records, network, _pgd(dataset, epsilon, kind, True)) for kind in (True, False))
        parts += _pair(f"adaptive minus plain targeted PGD, ε = {radius(dataset, epsilon)}", adaptive, plain, expected)
    return every(parts)


TARGETED = Claim(
    "of targeted PGD the adaptive form leaves more accuracy in the smaller ball and less in the larger",
    PAPER,
    "section 4.1",
    _targeted,
)
"""decide(records, network): of a network that MMC trained."""


def strongest(records: Sequence[AccuracyRecord], network: str, among: Callable[[Trial], bool]) -> AccuracyRecord | None:
    """The record of a network's lowest accuracy under the attacks for which `among` is true; None if none was run."""
    dataset = _dataset(records, network)
    found = [
        record
        for trial in (trials(dataset) if dataset else ())
        if among(trial) and (record := _of(records, network, trial)) is not None
    ]
    return min(found, key=lambda record: record.accuracy.value, default=None)


def gradient(epsilon: float) -> Callable[[Trial], bool]:
    """Untargeted attacks that follow a gradient in the ball of radius `epsilon`."""
    return lambda trial: trial.epsilon == epsilon and not trial.targeted


def white(trial: Trial) -> bool:
    """Attacks that look for what fools the network, in any ball: all but targeted ones, noise and rotation."""
    return not trial.targeted and trial.key not in ("noise", "rotation")


def share(of: str, record: AccuracyRecord) -> Finding:
    """The accuracy that a record holds."""
    return Finding(of=of, unit="share", estimate=record.accuracy)


def _more_robust(records: Sequence[AccuracyRecord], sce: str, mmc: str) -> Verdict:
    dataset = _dataset(records, mmc)
    if dataset is None:
        return NOT_MEASURED
    among = gradient(EPSILONS[dataset][0])
    theirs, ours = (strongest(records, name, among) for name in (sce, mmc))
    if theirs is None or ours is None:
        return NOT_MEASURED
    verdict = every(_pair("MMC minus cross-entropy", ours, theirs))
    found = share("cross-entropy", theirs), share("MMC", ours)
    return verdict.model_copy(update={"findings": found + verdict.findings})


MORE_ROBUST = Claim(
    "MMC is more robust than cross-entropy: it keeps more under the strongest gradient attack of the smaller ball",
    PAPER,
    "sections 1 and 5",
    _more_robust,
)
"""decide(records, network of cross-entropy, network of MMC). The strongest attack of each network is that which leaves
the lowest accuracy; the two are compared image by image."""

WITHSTANDS = 0.05
"""Accuracy below which a network does not withstand an attack."""


def _reliable(records: Sequence[AccuracyRecord], sce: str, mmc: str) -> Verdict:
    theirs, ours = (strongest(records, name, white) for name in (sce, mmc))
    if ours is None:
        return NOT_MEASURED
    verdict = within((WITHSTANDS, 1.0), [share("MMC", ours)])
    if theirs is None:
        return verdict
    return verdict.model_copy(update={"findings": (share("cross-entropy", theirs), *verdict.findings)})


RELIABLE = Claim(
    f"MMC's robustness is reliable under strong attacks: it keeps more than {WITHSTANDS:.0%} under the strongest",
    PAPER,
    "sections 2.4 and 5",
    _reliable,
)
"""decide(records, network of cross-entropy, network of MMC): by MMC's interval; cross-entropy's stands beside it."""


def _hardened(records: Sequence[AccuracyRecord], plain: str, hardened: str) -> Verdict:
    dataset = _dataset(records, hardened)
    if dataset is None:
        return NOT_MEASURED
    parts: list[Part] = []
    found: list[Finding] = []
    for epsilon in EPSILONS[dataset]:
        before, after = (strongest(records, name, gradient(epsilon)) for name in (plain, hardened))
        size = f"ε = {radius(dataset, epsilon)}"
        found += [
            share(f"{of}, {size}", one) for of, one in (("plainly trained", before), ("against attacks", after)) if one
        ]
        parts += _pair(f"gain, {size}", after, before)
    verdict = every(parts)
    return verdict.model_copy(update={"findings": (*found, *verdict.findings)})


HARDENED = Claim(
    "adversarial training makes a network more robust, in both balls",
    PAPER,
    "section 1",
    _hardened,
)
"""decide(records, network plainly trained, network trained against attacks): the strongest gradient attack of each."""

# --- Section 4.2: training time ---

LITTLE = max(mmc / sce for sce, mmc in tables.TIME_PAPER.values())
"""What the report calls little: its largest ratio, 1.21."""


def mean_ratio(ratios: Sequence[float]) -> Estimate:
    """The geometric mean of ratios over rounds, with Student's interval of their logarithms; ValueError for one."""
    found = statistics.student(np.log(ratios))
    low, value, high = (math.exp(v) for v in (found.low, found.value, found.high))
    return Estimate(value=value, low=low, high=high, n=found.n, method="Student, of logarithms")


def _little_cost(records: Sequence[TimesRecord]) -> Verdict:
    return within(
        (0.0, LITTLE),
        [
            Finding(
                of=record.timed.title,
                unit="ratio",
                estimate=mean_ratio(record.ratios),
            )
            for record in records
        ],
    )


LITTLE_COST = Claim(
    "MMC costs little more training time than cross-entropy",
    PAPER,
    "section 4.2, Table 1",
    _little_cost,
    {
        f"{dataset}, {'standard' if kind == 'none' else kind}": b / a
        for (dataset, kind), (a, b) in tables.TIME_PAPER.items()
    },
)
"""decide(records): by the intervals of the ratios."""

# --- Section 4.3: optimisers ---


def _paired(of: str, first: Sequence[float], second: Sequence[float], expected: Side = 1) -> list[Part]:
    """Values of the same seeds, first minus second; [] with fewer than two seeds."""
    if len(first) != len(second) or len(first) < 2:
        return []
    return [Part(of, statistics.paired_means(first, second), expected)]


def _sgd_most_accurate(records: Sequence[OptimiserRecord]) -> Verdict:
    groups = {group.value: group.accuracies for group in tables.by_optimiser(records)}
    return every(
        [
            part
            for other in groups
            if other != "sgd" and "sgd" in groups
            for part in _paired(f"momentum SGD minus {TITLES[other]}", groups["sgd"], groups[other])
        ]
    )


TITLES = {"sgd": "momentum SGD", "adam": "Adam", "rmsprop": "RMSProp"}
"""What the optimisers are called."""

SGD_MOST_ACCURATE = Claim(
    "with MMC momentum SGD gives the best accuracy",
    PAPER,
    "section 4.3, Table 2",
    _sgd_most_accurate,
    {TITLES[name]: accuracy for name, (accuracy, _) in tables.OPTIMISER_PAPER.items()},
)
"""decide(records): against each of the others, by seed."""


def _sgd_quickest(records: Sequence[OptimiserRecord]) -> Verdict:
    times = {o: [r.time for r in records if r.optimiser == o] for o in tables.OPTIMISERS if o != "sgd"}
    times = {other: found for other, found in times.items() if len(found) > 1}
    parts = [
        part
        for other, found in times.items()
        for part in _paired(f"{TITLES[other]} over momentum SGD", np.log(found).tolist(), [0.0] * len(found))
    ]
    findings = tuple(
        Finding(of=part.of, unit="ratio", estimate=mean_ratio(found), p=part.comparison.p)
        for part, found in zip(parts, times.values(), strict=True)
    )
    return every(parts).model_copy(update={"findings": findings})


SGD_QUICKEST = Claim(
    "with MMC momentum SGD takes the least time",
    PAPER,
    "section 4.3, Table 2",
    _sgd_quickest,
    {TITLES[name]: minutes / tables.OPTIMISER_PAPER["sgd"][1] for name, (_, minutes) in tables.OPTIMISER_PAPER.items()},
)
"""decide(records): the time of a step over momentum SGD's in the same run, by seed."""

# --- Section 4.4: uncertainty ---


def _distance_reliable(records: Sequence[CertaintyRecord], sce: str, mmc: str) -> Verdict:
    theirs, ours = (
        next((r for r in records if r.network is not None and (r.network.name, r.score) == wanted), None)
        for wanted in ((sce, "max-probability"), (mmc, "min-distance"))
    )
    if theirs is None or ours is None:
        return NOT_MEASURED
    parts: list[Part] = []
    for area in ours.areas:
        other = theirs.area(area.outside.name)
        if other is None or (other.outside, theirs.data) != (area.outside, ours.data):
            continue  # not the same images, hence no pairs
        name = area.outside.name
        mine, others = ours.scores(name), theirs.scores(name)
        if mine is None or others is None:
            return Verdict(outcome="undecided", why="The scores of the images were not kept, so no test compares them.")
        parts.append(Part(OUTSIDE[name], statistics.delong(mine, others)))
    return every(parts, unit="area")


DISTANCE_RELIABLE = Claim(
    "MMC's distance is the more reliable measure of uncertainty: it tells images of no class better than "
    "cross-entropy's probability does",
    PAPER,
    "section 4.4, Table 3",
    _distance_reliable,
)
"""decide(records, network of cross-entropy, network of MMC): AUROC on each set of images of no class, of MMC's distance
minus of cross-entropy's probability. The report's Table 3 shows one image a network."""

# --- Section 4.5: relative dependency ---

SELDOM = 0.01
"""Share of images up to which the runner-up nearly always stands alone."""


def _runner_up(record: DependencyRecord) -> Verdict:
    return within((SELDOM, 1.0), [Finding(of="comparable", unit="share", estimate=record.share)])


RUNNER_UP = Claim(
    "the runner-up does not always stand for all other logits: for some images the next is comparable",
    PAPER,
    "Remark 3 and section 4.5",
    _runner_up,
    {"share": PAPER_COMPARABLE},
)
"""decide(record): by the interval of the share, which must lie above SELDOM."""


def _worse_at_centers(sce: DependencyRecord, mmc: DependencyRecord) -> Verdict:
    if sce.rows is None or mmc.rows is None or sce.data != mmc.data:
        found = statistics.fisher(mmc.comparable, mmc.data.n, sce.comparable, sce.data.n)
    else:
        mine, theirs = mmc.rows.common(sce.rows)
        found = statistics.mcnemar(mmc.rows["comparable"][mine], sce.rows["comparable"][theirs])
    return every([Part("MMC minus cross-entropy", found)])


WORSE_AT_CENTERS = Claim(
    "MMC's logits, at whose centres all wrong classes tie, have more such images than cross-entropy's",
    "ours",
    "from the definition of the centres",
    _worse_at_centers,
)
"""decide(record of cross-entropy, record of MMC): image by image where the same images are known, else by Fisher."""

# --- Section 4.6: the norm of the centres ---

BEST_NORM, WORST_NORM = 10.0, 100.0
CHANCE = 0.15
"""Accuracy of ten classes up to which a training has ended at chance."""


def _best_norm(records: Sequence[NormRecord]) -> Verdict:
    groups = {group.value: group.accuracies for group in tables.by_norm(records)}
    return every(
        [
            part
            for norm in groups
            if norm != BEST_NORM and BEST_NORM in groups
            for part in _paired(f"C_MM = {BEST_NORM:g} minus {norm:g}", groups[BEST_NORM], groups[norm])
        ]
    )


TEN_IS_BEST = Claim(
    "C_MM = 10 gives the best accuracy",
    PAPER,
    "section 4.6, Table 4",
    _best_norm,
    {f"C_MM = {norm:g}": accuracy for norm, accuracy in tables.NORM_PAPER.items()},
)
"""decide(records): against each of the others, by seed."""


def _chance(records: Sequence[NormRecord]) -> Verdict:
    return within(
        (0.0, CHANCE),
        [
            Finding(of=f"seed {record.seed}", unit="share", estimate=record.estimate())
            for record in records
            if record.norm == WORST_NORM
        ],
    )


HUNDRED_IS_CHANCE = Claim(
    "at C_MM = 100 training fails to converge and ends at chance",
    PAPER,
    "section 4.6, Table 4",
    _chance,
    {"C_MM = 100": tables.NORM_PAPER[100.0]},
)
"""decide(records): every training's interval must lie below CHANCE."""

# --- Sections 2.3 and 4.7: sample density ---


def _denser(mmc: SampleDensity, sce: SampleDensity) -> Verdict:
    by_class = [_class_medians(one) for one in (mmc, sce)]
    parts = []
    for of, first, second in zip(("between contours", "by neighbours"), *by_class, strict=True):
        known = np.isfinite(first) & np.isfinite(second)
        if known.sum() < 2:
            continue
        parts.append(Part(f"MMC over cross-entropy, {of}", statistics.signed_ranks(first[known], second[known])))
    return every(parts, unit="powers of ten")


def _class_medians(found: SampleDensity) -> tuple[np.ndarray, np.ndarray]:
    """The median density of each class by both estimates, decimal logarithms (K,), NaN where there is none."""
    classes = len(found.by_contour)
    neighbours = [found.by_neighbours[found.labels == label] for label in range(classes)]
    return (
        found.by_contour.nanmedian(1).values.numpy(),
        np.array([float(values.nanmedian()) if len(values) else np.nan for values in neighbours]),
    )


DENSER = Claim(
    "MMC induces a higher sample density than cross-entropy",
    PAPER,
    "sections 2.3 and 4.7",
    _denser,
)
"""decide(density of MMC, density of cross-entropy): the medians of the classes, by both estimates."""

CLAIMS: tuple[Claim[...], ...] = (
    AS_ACCURATE,
    NOT_BEATEN,
    PLAIN_ABOVE_ADAPTIVE,
    TARGETED,
    MORE_ROBUST,
    RELIABLE,
    HARDENED,
    LITTLE_COST,
    SGD_MOST_ACCURATE,
    SGD_QUICKEST,
    DISTANCE_RELIABLE,
    RUNNER_UP,
    WORSE_AT_CENTERS,
    TEN_IS_BEST,
    HUNDRED_IS_CHANCE,
    DENSER,
)
"""All that the report claims and a page prints."""
