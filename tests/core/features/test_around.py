"""Features around their centres: distances, and a view that shows up to four centres where they are."""

import pytest
import torch

from core.features.around import Around
from core.losses import max_mahalanobis_centers
from tests.problems import normal


def clouds(classes: int, dim: int, n: int = 40) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    centers = max_mahalanobis_centers(classes, dim)
    labels = torch.arange(n) % classes
    return centers[labels] + normal(n, dim), labels, centers


def test_lengths_are_in_mean_distances_of_two_centres():
    z, labels, centers = clouds(4, 6)
    found = Around.of(z, labels, centers)
    assert found.unit == pytest.approx(10 * (8 / 3) ** 0.5, rel=1e-5)  # of a simplex of norm 10
    own = (z - centers[labels]).norm(dim=1) / found.unit
    torch.testing.assert_close(found.own.float(), own)
    assert (found.other > 0).all()


@pytest.mark.parametrize("chosen", [[0, 1], [0, 2, 5], [1, 3, 4, 7]])
def test_up_to_four_centres_are_where_they_are(chosen: list[int]):
    z, labels, centers = clouds(8, 20)
    view = Around.of(z, labels, centers).seen(chosen)
    unit = float(torch.pdist(centers.double()).mean())
    torch.testing.assert_close(torch.pdist(view.centers), torch.pdist(centers[chosen].double()) / unit)
    assert view.kept == pytest.approx(1)
    torch.testing.assert_close(view.centers.mean(0), torch.zeros(3, dtype=torch.float64))
    assert set(view.labels.tolist()) == set(chosen)
    assert len(view.points) == len(view.own) == int(torch.isin(labels, torch.tensor(chosen)).sum())
    assert 0 < view.share < 1  # features fill more dimensions than three


def test_more_centres_are_a_shadow():
    z, labels, centers = clouds(8, 20)
    view = Around.of(z, labels, centers).seen(range(8))
    assert view.kept == pytest.approx(3 / 7)  # a simplex of 8 fills 7 dimensions evenly
