"""What the server keeps is bounded, and found again by its values alone."""

import pytest
import torch

from pages.parts.engine.bounded import Bounded, fingerprint
from tests.problems import uniform


def test_the_least_recently_used_goes_first():
    kept: Bounded[int] = Bounded(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert [kept.get(key) for key in "abc"] == [1, None, 3]
    kept.put("a", 4)  # put again, it is recent
    kept.put("d", 5)
    assert [kept.get(key) for key in "acd"] == [4, None, 5]


def test_what_is_not_there_is_none():
    kept: Bounded[int] = Bounded(1)
    assert kept.get("a") is None
    kept.put("b", 1)
    assert kept.get("a") is None


def test_equal_parts_have_one_fingerprint():
    image = uniform(1, 3, 4, 5)
    name = fingerprint("scw", {"alpha": 0.95}, image, 0)
    assert fingerprint("scw", {"alpha": 0.95}, image.clone(), 0) == name
    # Only the values count, not how they lie in memory.
    assert fingerprint("scw", {"alpha": 0.95}, image.to(memory_format=torch.channels_last), 0) == name
    assert fingerprint("scw", {"alpha": 0.95}, image.clone().requires_grad_(), 0) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((torch.zeros(4),), (torch.tensor([0, 0, 0, 1e-30]),)),
        ((torch.zeros(4),), (torch.zeros(2, 2),)),
        ((torch.zeros(4),), (torch.zeros(4, dtype=torch.int32),)),
        ((torch.zeros(4),), (torch.zeros(4, dtype=torch.float64),)),
        (("a", "b"), ("ab",)),
        (("a", "b"), ("b", "a")),
        (("1",), (1,)),
        ((1,), (1.0,)),
        (({"alpha": 0.95},), ({"alpha": 0.951},)),
        ((None,), ()),
    ],
    ids=str,
)
def test_different_parts_have_different_fingerprints(one, other):
    assert fingerprint(*one) != fingerprint(*other)
