"""Whatever the image, network and parameters: these attacks stay in [0, 1] and claim only what holds.

The others are in test_gradient.py.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.attacks import ATTACKS, Attack, Run
from core.params import ParameterInfo, fields
from tests.problems import uniform

SIDES = st.integers(2, 9)
NAMES = ("cw", "scw", "deepfool", "smoothfool", "iterative_smooth", "color_shift")
BUDGETS = {
    "deepfool_steps": 8,
    "projections": 4,
    "clip_steps": 25,
    "descent_steps": 8,
    "color_trials": 6,
    "set_passes": 2,
    "iterations": 12,
    "search_steps": 3,
}


def values(info: ParameterInfo) -> st.SearchStrategy[Any]:
    if info.optional:
        return st.none() | values(replace(info, optional=False))
    if info.name in BUDGETS:
        return st.integers(1, BUDGETS[info.name])
    if info.kind == "bool":
        return st.booleans()
    if info.kind == "choice":
        return st.sampled_from(info.choices)
    low, high = info.slider or (info.low, info.high)
    return st.integers(int(low), int(high)) if info.kind == "int" else st.floats(low, high)


@st.composite
def attacks(draw: st.DrawFn, name: str) -> Attack:
    cls = ATTACKS[name]
    # A target is one of the classes that a network has, and what fools is then another thing: see test_aim.py.
    return cls(**{info.name: draw(values(info)) for info in fields(cls) if info.name != "target"})


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_image_is_in_range_and_every_claim_holds(name, data):
    check(name, data)


@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_universal_perturbations_too(data):
    check("universal", data)


def check(name: str, data: st.DataObject) -> None:
    attack = data.draw(attacks(name))
    torch.manual_seed(seed := data.draw(st.integers(0, 1000)))  # of the network's weights
    shape = (3 if name == "color_shift" else data.draw(st.sampled_from([1, 3])), *data.draw(st.tuples(*2 * [SIDES])))
    size, classes = shape[0] * shape[1] * shape[2], data.draw(st.integers(2, 12))
    scale = data.draw(st.sampled_from([1e-4, 1.0, 300.0]))  # nearly constant, ordinary, and very steep
    hidden = nn.Linear(size, 8)
    model = nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), nn.Linear(8, classes)).requires_grad_(False)
    hidden.weight *= scale
    images = uniform(3, *shape, seed=seed)
    if data.draw(st.booleans()):
        images = (2 * images - 0.5).clamp(0, 1)  # much exact black and white
    labels = model(images).argmax(1)
    run = Run(attack, model, images, labels, seed=1)
    for step in run:
        for pictures in (step.images, step.best):
            assert ((pictures >= 0) & (pictures <= 1)).all()
        assert 1 <= step.index <= step.total
    assert step.index == step.total
    result = run.result()
    fooled = model(result.adversarial).argmax(1) != labels
    assert torch.equal(step.found, fooled)
    assert torch.equal(result.success, fooled)
    assert step.finite.all()
