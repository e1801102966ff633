"""Features around their centres: distances, and a view that shows up to four centres where they are."""

import pytest
import torch

from core.features.around import Around, Hierarchy
from core.losses import hierarchical_centers, max_mahalanobis_centers
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


def test_superclasses_are_as_far_apart_as_their_centres_and_mistakes_are_counted():
    groups = [0, 0, 1, 1, 1]
    centers = hierarchical_centers(groups, 8, 10.0, 1.0)
    labels = torch.tensor([0, 0, 2, 2, 4, 4])
    z = centers[torch.tensor([0, 1, 2, 3, 0, 4])].clone()  # right, in the superclass, right, in it, out of it, right
    found = Hierarchy.of(Around.of(z, labels, centers), groups)
    assert (found.wrong, found.strayed) == (3, 1)
    assert found.within == pytest.approx(3**0.5, rel=1e-5)  # a triangle of norm 1; the pair's two are 2 apart
    # Super-centres opposite each other, and sub-centres at right angles to them and turned alike.
    expected = torch.cdist(centers[:2].double(), centers[2:].double()).amin()
    assert found.between == pytest.approx(float(expected))
    assert found.between >= 20
    with pytest.raises(ValueError, match=r"^groups must be one for each of 5 classes; got 2\.$"):
        Hierarchy.of(Around.of(z, labels, centers), [0, 1])


def test_a_superclass_of_one_has_no_pair():
    centers = max_mahalanobis_centers(3, 4)
    found = Hierarchy.of(Around.of(centers.clone(), torch.arange(3), centers), [0, 1, 2])
    assert (found.within, found.wrong) == (float("inf"), 0)
