"""The graph smoothness paper's claims of its parameters: on trainings whose accuracies are known, and on ours."""

import math

import pytest
import torch
from test_graph_smoothness_figures import record

from core.losses import CrossEntropy
from core.papers.graph_smoothness import claims
from core.papers.graph_smoothness.figures import FIGURES, SWEEPS, point


def trainings(name, **accuracies):
    """Three seeds at each value of a parameter: a name like "v10" or "all" -> the accuracy of 10-NN, by seed."""
    found = []
    for key, seen in accuracies.items():
        value = None if key == "all" else float(key[1:].replace("_", "."))
        found += [record(point(name, value), seed, near, 0.5) for seed, near in enumerate(seen)]
    return found


FLAT = (0.90, 0.91, 0.90)
UP = (0.91, 0.92, 0.91)


@pytest.mark.parametrize(
    ("one", "ten", "every", "outcome"),
    [
        ((0.70, 0.72, 0.71), FLAT, UP, "holds"),
        ((0.95, 0.97, 0.96), FLAT, UP, "fails"),
        ((0.70, 0.99, 0.60), FLAT, UP, "undecided"),
        ((0.70, 0.72, 0.71), FLAT, (0.98, 0.99, 0.98), "fails"),  # that much is gained beyond the classes
        ((0.70, 0.72, 0.71), FLAT, (0.90, 0.95, 0.88), "undecided"),
    ],
)
def test_neighbours(one, ten, every, outcome):
    verdict = claims.NEIGHBOURS.decide(trainings("k", v1=one, v10=ten, all=every))
    assert verdict.outcome == outcome
    assert [finding.of for finding in verdict.findings] == ["k = 1 to 10", "k = 1 to all", "k = 10 to all"]


@pytest.mark.parametrize(
    ("two", "ten", "many", "outcome"),
    [
        ((0.70, 0.72, 0.71), FLAT, FLAT, "holds"),
        ((0.90, 0.91, 0.90), FLAT, FLAT, "undecided"),
        ((0.70, 0.72, 0.71), FLAT, (0.80, 0.81, 0.80), "fails"),
    ],
)
def test_dimensions(two, ten, many, outcome):
    assert claims.DIMENSIONS.decide(trainings("dim", v2=two, v10=ten, v200=many)).outcome == outcome


@pytest.mark.parametrize(
    ("half", "large", "outcome"),
    [
        (FLAT, (0.5, 0.52, 0.51), "holds"),
        ((0.80, 0.81, 0.80), (0.5, 0.52, 0.51), "fails"),
        (FLAT, (0.95, 0.96, 0.95), "fails"),
        (FLAT, (0.5, 0.92, 0.7), "undecided"),
    ],
)
def test_alpha(half, large, outcome):
    found = trainings("alpha", v0_5=half, v1=FLAT, v2=FLAT, v50=large)
    assert claims.ALPHA.decide(found).outcome == outcome


@pytest.mark.parametrize(
    ("near", "own", "outcome"),
    [
        (FLAT, UP, "holds"),
        ((0.84, 0.85, 0.84), FLAT, "fails"),
        ((0.96, 0.97, 0.96), FLAT, "fails"),  # better is not about as accurate either
        ((0.85, 0.90, 0.93), FLAT, "undecided"),
        ((0.84, 0.85), FLAT, "undecided"),  # not of the same seeds
    ],
)
def test_close_to_cross_entropy(near, own, outcome):
    found = trainings("k", all=near)
    found += [record(CrossEntropy(), seed, 0.5, accuracy) for seed, accuracy in enumerate(own)]
    assert claims.CLOSE.decide(found).outcome == outcome
    assert claims.CLOSE.published == pytest.approx(
        {"CIFAR-10, cross-entropy": 0.9494, "CIFAR-10, graph-smoothness": 0.9452}
    )


def test_one_seed_decides_nothing():
    found = [record(point("k", value), 0, 0.5, 0.5) for value in SWEEPS["k"]]
    assert claims.NEIGHBOURS.decide(found).outcome == "undecided"
    found.append(record(CrossEntropy(), 0, 0.5, 0.5))
    assert claims.CLOSE.decide(found).outcome == "undecided"
    for claim in [claims.CLOSE, *claims.CLAIMS.values()]:
        assert claim.decide([]).outcome == "undecided"


def test_ours():
    found = FIGURES.read()
    decided = {name: claim.decide(found).outcome for name, claim in claims.CLAIMS.items()}
    assert decided == {"k": "holds", "dim": "holds", "alpha": "undecided"}
    assert list(decided) == list(SWEEPS)
    close = claims.CLOSE.decide(found)
    assert close.outcome == "fails"
    difference = close.findings[0].estimate
    assert (difference.value, difference.low, difference.high) == pytest.approx((-0.0597, -0.0734, -0.0459), abs=1e-4)


def test_silhouettes_of_four_points_on_a_line():
    features, labels = torch.tensor([[0.0], [1.0], [10.0], [11.0]]), torch.tensor([0, 0, 1, 1])
    expected = [9.5 / 10.5, 8.5 / 9.5, 8.5 / 9.5, 9.5 / 10.5]
    assert claims.silhouettes(features, labels) == pytest.approx(expected, abs=1e-12)
    # By angle: the second lies 60 degrees off the first, of its own class, and 30 degrees off the others.
    features = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)], [0.0, 3.0], [0.0, 9.0]])
    expected = [1 - 1 / math.sqrt(2), 2 * math.sin(math.pi / 12) - 1, 1.0, 1.0]
    assert claims.silhouettes(features, labels, angle=True) == pytest.approx(expected, abs=1e-6)


def test_clusters_and_lines_are_told_apart():
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 10
    turns = labels * (2 * math.pi / 10)
    rays = torch.stack([turns.cos(), turns.sin()], 1)
    noise = torch.randn(400, 2, generator=g)
    clusters, lines = 5 * rays + 0.1 * noise, rays * (0.2 + 20 * torch.rand(400, 1, generator=g)) + 0.001 * noise
    better = claims.CLUSTERED.decide(clusters, lines, labels)
    by = {finding.of: finding.estimate for finding in better.findings}
    assert by["mean silhouette, cross-entropy"].value == pytest.approx(claims.silhouettes(lines, labels).mean())
    assert by["mean silhouette, cross-entropy by angle"].value > 0.99
    assert by["graph smoothness less cross-entropy, both by distance"].low > 0.5
    assert better.outcome == "fails"  # lines are gathered better still by angle
    blurred = lines + 3 * noise
    assert claims.CLUSTERED.decide(clusters, blurred, labels).outcome == "holds"
    assert claims.CLUSTERED.decide(blurred, clusters, labels).outcome == "fails"
