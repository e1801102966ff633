"""What each attack of the registry owes: an outcome per image whatever the network, whatever the sign of its logits."""

import math

import pytest
import torch
from torch import nn

from core.attacks import ATTACKS, Attack, run
from core.params import fields, quick
from tests.problems import Constant, linear

WITHOUT_GRADIENT = ("color_shift", "spsa", "noise", "rotation")
EVERY = pytest.mark.parametrize("name", list(ATTACKS))


def short(name: str, **values) -> Attack:
    cls = ATTACKS[name]
    return cls(**quick(cls) | values)


@EVERY
def test_a_network_that_names_one_class_for_everything_is_not_fooled(name):
    images, labels = torch.full((2, 3, 6, 6), 0.5), torch.zeros(2, dtype=torch.long)
    for kind in ("without gradient", "zero gradient", "tiny gradient"):
        assert run(short(name), Constant(kind), images, labels).status == ("failed", "failed"), kind
    status = "failed" if name in WITHOUT_GRADIENT else "not finite"
    assert run(short(name), Constant("NaN gradient"), images, labels).status == (status, status)


@EVERY
def test_what_is_wrong_already_is_left_alone_and_the_rest_is_attacked(name):
    problem = linear(n=4, classes=4, shape=(3, 8, 8), deviation=0.02)
    labels = problem.labels.clone()
    labels[1] = (labels[1] + 1) % 4
    result = run(short(name), problem.model, problem.images, labels)
    assert result.status[1] == "already misclassified"
    assert torch.equal(result.adversarial[1], problem.images[1])
    assert {result.status[i] for i in (0, 2, 3)} <= {"fooled", "failed"}
    assert "fooled" in result.status


@EVERY
def test_logits_that_are_all_negative_are_attacked_as_their_shifted_twin(name):
    ordinary, negative = (linear(classes=4, shape=(3, 10, 10), deviation=0.02, shift=s) for s in (0.0, -500.0))
    assert (negative.model(negative.images) < 0).all()
    a, b = (run(short(name), p.model, p.images, p.labels) for p in (ordinary, negative))
    assert a.status == b.status
    assert torch.allclose(a.adversarial, b.adversarial, rtol=0, atol=1e-3)


@EVERY
def test_values_out_of_range_are_refused_in_one_sentence(name):
    cls = ATTACKS[name]
    for info in fields(cls):
        wrong = {"int": (-(10**9), 10**9), "float": (-1e9, 1e9, math.nan), "choice": ("no such thing",)}
        for value in wrong.get(info.kind, ()):
            with pytest.raises(ValueError, match=rf"^{info.name} must be .*; got .*\.$"):
                cls(**{info.name: value})


@EVERY
def test_declared_values_are_legal_and_the_small_budget_is_smaller(name):
    cls, problem = ATTACKS[name], linear(n=1, classes=3, shape=(3, 8, 8))
    for info in fields(cls):
        for value in info.telling:
            cls(**{info.name: value})
    if name != "fgsm":  # which has no budget: it takes one step
        total, usual = (
            next(attack.steps(problem.model, problem.images, problem.labels)).total for attack in (short(name), cls())
        )
        assert total < usual


@pytest.mark.parametrize("attack", [short("cw"), short("fgsm", goal="next")], ids=lambda a: a.name)
def test_a_network_of_a_single_class_is_refused(attack):
    class Single(nn.Module):
        def forward(self, x):
            return x.sum((1, 2, 3))[:, None]

    with pytest.raises(ValueError, match="at least 2 classes apart; got 1"):
        run(attack, Single(), torch.full((1, 1, 2, 2), 0.5), torch.tensor([0]))
