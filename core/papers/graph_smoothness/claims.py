"""What the graph smoothness paper claims of its loss's parameters, and how our trainings decide it.

Trainings of one seed see the same images in the same order, so points are compared by seed (Student's t, paired). Where
the paper says that something matters little, a change must be shown to be small: its interval must lie within LITTLE.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from core.evaluate import statistics
from core.evaluate.claims import NOT_MEASURED, Claim, Finding, Part, Verdict, both, every, within
from core.evaluate.statistics import Floats
from core.losses import CrossEntropy
from core.papers.graph_smoothness.errors import PAPER as PUBLISHED
from core.papers.graph_smoothness.figures import CLASSES, SWEEPS, FigureRecord, point, reached

PAPER = "Introducing graph smoothness loss"
LITTLE = 0.02
"""Change of accuracy that is called little: 2 points. The paper gives no number."""

Values = dict[float | None, tuple[float, ...]]


def _values(records: Sequence[FigureRecord], name: str) -> Values:
    """Accuracies of 10-NN by seed, at each value of a parameter that has at least two trainings."""
    found = {value: reached(records, point(name, value)) for value in SWEEPS[name]}
    return {value: seen for value, seen in found.items() if len(seen) > 1}


def _gain(of: str, values: Values, to: float | None, since: float | None) -> list[Part]:
    """What is gained from one value of the parameter to another, by seed."""
    if to not in values or since not in values or len(values[to]) != len(values[since]):
        return []
    return [Part(of, statistics.paired_means(values[to], values[since]))]


def _changes(values: Values, names: dict[str, tuple[float | None, float | None]]) -> Verdict:
    """The verdict on a claim that steps of the parameter change accuracy by LITTLE at most, up or down."""
    found = [
        Finding(
            of=of,
            unit="points",
            estimate=statistics.student(np.subtract(values[to], values[since])),
        )
        for of, (to, since) in names.items()
        if to in values and since in values and len(values[to]) == len(values[since])
    ]
    return within((-LITTLE, LITTLE), found)


def _neighbours(records: Sequence[FigureRecord]) -> Verdict:
    values = _values(records, "k")
    return both(
        every(_gain(f"k = 1 to {CLASSES}", values, CLASSES, 1) + _gain("k = 1 to all", values, None, 1)),
        _changes(values, {f"k = {CLASSES} to all": (None, CLASSES)}),
    )


NEIGHBOURS = Claim(
    "the more neighbours k, the higher the accuracy; from as many as there are classes on it matters little",
    PAPER,
    "section 4.3, Figure 2",
    _neighbours,
)
"""decide(records)."""


def _dimensions(records: Sequence[FigureRecord]) -> Verdict:
    values = _values(records, "dim")
    if len(values) < 2:
        return NOT_MEASURED
    return both(
        every(_gain(f"d = 2 to {CLASSES}", values, CLASSES, 2)),
        _changes(values, {f"d = {CLASSES} to 200": (200, CLASSES)}),
    )


DIMENSIONS = Claim(
    "accuracy needs enough dimensions d for the classes; many more do little harm",
    PAPER,
    "section 4.3, Figure 3",
    _dimensions,
)
"""decide(records)."""


def _alpha(records: Sequence[FigureRecord]) -> Verdict:
    values = _values(records, "alpha")
    return both(
        _changes(values, {"α = 0.5 to 2": (2.0, 0.5), "α = 1 to 2": (2.0, 1.0)}),
        every(_gain("α = 50 to 2", values, 2.0, 50.0)),
    )


ALPHA = Claim(
    "there is almost no dependence on α while it is small; where it is large, weights vanish and accuracy falls",
    PAPER,
    "section 4.3, Figure 4",
    _alpha,
)
"""decide(records)."""


def _close(records: Sequence[FigureRecord]) -> Verdict:
    near, own = reached(records, point("k", None)), reached(records, CrossEntropy(), "argmax")
    if len(near) < 2 or len(near) != len(own):
        return NOT_MEASURED
    of = "graph smoothness (k = all, d = 10, α = 2) less cross-entropy"
    return within(
        (-LITTLE, LITTLE), [Finding(of=of, unit="points", estimate=statistics.student(np.subtract(near, own)))]
    )


CLOSE = Claim(
    "10-NN on the features of graph smoothness is about as accurate as cross-entropy",
    PAPER,
    "section 4.3, Table 1",
    _close,
    {
        f"CIFAR-10, {loss}": 1 - PUBLISHED["cifar10", loss, classifier]
        for loss, classifier in (("cross-entropy", "argmax"), ("graph-smoothness", "10-nn"))
    },
)
"""decide(records)."""


def silhouettes(features: Tensor, labels: Tensor, angle: bool = False) -> Floats:
    """(n,) how much nearer each image lies to its own class than to the nearest other one, from -1 to 1.

    features: (n, d); labels: (n,) of at least two classes. Rousseeuw 1987, "Silhouettes": (b - a) / max(a, b), a being
    the mean distance to the others of its class, b the smallest mean distance to another class; 0 for a class of one
    image. By Euclidean distance; angle: of the features at length one. (1 - cosine would be the square of that, in
    which every ratio, and so every silhouette, is larger.)
    """
    from sklearn.metrics import silhouette_samples

    z = features.double()
    found: Floats = silhouette_samples((F.normalize(z) if angle else z).numpy(), labels.numpy())
    return found


def _clustered(graph: Tensor, ce: Tensor, labels: Tensor) -> Verdict:
    near, far, turned = silhouettes(graph, labels), silhouettes(ce, labels), silhouettes(ce, labels, angle=True)
    decided = every(
        [
            Part("graph smoothness less cross-entropy, both by distance", statistics.paired_means(near, far)),
            Part("less cross-entropy by angle", statistics.paired_means(near, turned)),
        ],
        "plain",
    )
    named = {"graph smoothness": near, "cross-entropy": far, "cross-entropy by angle": turned}
    own = (
        Finding(of=f"mean silhouette, {of}", unit="plain", estimate=statistics.student(v)) for of, v in named.items()
    )
    return decided.model_copy(update={"findings": (*own, *decided.findings)})


CLUSTERED = Claim(
    "at the end of training, training images are better clustered by the graph smoothness loss than by cross-entropy",
    PAPER,
    "section 4.2, Figure 1",
    _clustered,
)
"""decide(features (n, d) by graph smoothness, by cross-entropy, labels (n,)) of the same training images.

Cross-entropy's are asked by Euclidean distance and by angle, in which the paper finds that they lie; graph smoothness
must have the larger mean silhouette beside both. Images are taken as drawn one by one, though each one's silhouette is
among the others.
"""

CLAIMS: dict[str, Claim[...]] = {"k": NEIGHBOURS, "dim": DIMENSIONS, "alpha": ALPHA}
"""By the parameter whose figure shows it."""
