"""Every attack of the registry has its widgets, takes whatever they offer, and ends in a page that says how it went."""

import math

import pytest
import torch
from driver import Lab

from core import data, models
from core.attacks import ADVICE, ATTACKS, Run, run
from core.params import ParameterInfo, fields, quick
from pages.parts.inputs import forms

MNIST = data.gallery.read("mnist")
EVERY = pytest.mark.parametrize("name", list(ATTACKS))


def opened(name: str, **state) -> Lab:
    return Lab(lab__attack=name, **state)


def ends(info: ParameterInfo) -> tuple:
    """What its widget offers at its two ends."""
    if info.kind == "bool":
        return False, True
    if info.kind == "choice":
        return info.choices[0], info.choices[-1]
    low, high = info.slider or (info.low, info.high)
    kind = int if info.kind == "int" else float
    return kind(low), kind(high)


@EVERY
def test_every_attack_runs(name: str):
    cls = ATTACKS[name]
    lab = opened(name)
    lab.run(**quick(cls))
    if name == "color_shift":  # it says so where there are no colours to shift
        assert lab.verdict is None
        assert "three colours" in lab.words
        return
    result = lab.result
    assert result.attack == name
    assert not result.stopped
    # The values of the widgets are those of the attack, and a direct run gives the same.
    values = result.parameters
    assert values == cls(**values).values()
    assert quick(cls).items() <= values.items()
    direct = run(cls(**values), models.load("mnist-c4-ce"), MNIST.images[:1], MNIST.labels[:1], 0)
    assert torch.equal(result.adversarial, direct.adversarial)
    assert len(lab.pictures) >= 5
    if result.status == ("fooled",):
        assert lab.verdict is not None
    else:
        assert lab.verdict is None
        assert ADVICE[result.status[0]] in lab.words
    assert f"{cls.title} on" in lab.words
    film = lab.shown.run.film
    if film is not None and film.details:  # an attack that says what its steps went through
        *_, last = Run(cls(**values), models.load("mnist-c4-ce"), MNIST.images[:1], MNIST.labels[:1], 0)
        assert list(last.detail) == list(film.details)
        peak = max(float(r.abs().max()) for r in last.detail.values())  # all of a step share one scale
        for title, r in last.detail.items():
            seen = lab.pictures[title[0].upper() + title[1:]]
            assert (seen.values - r[0]).abs().max() <= peak / 4000
            assert f"L2 {r[0].norm():.3g}" in seen.note


@EVERY
def test_widgets_take_both_ends(name: str):
    lab = opened(name)
    infos = fields(ATTACKS[name])
    for end in (0, 1):
        for info in infos:
            lab.widget(forms.widget_key(info, "lab.mnist")).set_value(ends(info)[end])
        lab.rerun()
        assert lab.errors == []
        for info in infos:  # a slider of steps may land beside its end by less than a step
            value = lab.app.session_state[forms.widget_key(info, "lab.mnist")]
            expected = ends(info)[end]
            assert value == pytest.approx(expected) if isinstance(expected, float) else value == expected
        assert any(button.label == "Run" for button in lab.app.button)


@EVERY
def test_presets_set_every_widget(name: str):
    cls = ATTACKS[name]
    lab = opened(name)
    for label in cls.presets:
        for info in fields(cls):
            lab.widget(forms.widget_key(info, "lab.mnist")).set_value(ends(info)[1])
        lab.rerun()
        lab.press(f"Values of: {label}")
        assert lab.errors == []
        for parameter, value in cls.preset(label).values().items():
            shown = lab.widget(lab.key(name, parameter)).value
            expected = forms.AUTOMATIC if value is None else value
            assert shown == (pytest.approx(value) if isinstance(value, float) else expected)


@EVERY
def test_values_beyond_the_widgets_do_no_harm(name: str):
    """As from a link that somebody has typed: legal values are shown as they are, others refused in a sentence."""
    infos = [info for info in fields(ATTACKS[name]) if info.kind in ("int", "float") and not info.optional]
    keys = {info.name: forms.widget_key(info, "lab.mnist") for info in infos}
    for bound in ("low", "high"):
        values = {info.name: type(info.default)(getattr(info, bound)) for info in infos}
        lab = opened(name, **{keys[info.name]: values[info.name] for info in infos})
        assert lab.errors == []
        for info in infos:
            assert lab.widget(keys[info.name]).value == pytest.approx(values[info.name])
    lab = opened(name, **{keys[info.name]: type(info.default)(2 * info.high + 1) for info in infos})
    (error,) = lab.errors
    assert any(error.startswith(f"{info.name} must be at most") for info in infos)
    assert [button.disabled for button in lab.app.button if button.label == "Run"] == [True]
    assert "Original" in lab.pictures


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attack", "no such attack"),
        ("model", "no such model"),
        ("gain", "×7"),
        ("sigma_h", 3.0),
        ("row.mnist", 10**6),
        ("row.mnist", -5),
        ("seed", -1),
        ("seed", 2**40),
        ("MagnifyParameters.beta", 7.0),
        ("MagnifyParameters.sigma_domain", -1.0),
        ("MagnifyParameters.sigma_range", math.nan),
        ("scw.neighbourhood", 5),
        ("scw.alpha", math.nan),
        ("scw.iterations", 10**9),
    ],
)
def test_wrong_values_of_a_session_do_not_break_the_page(key: str, value):
    parameters = {f"scw.{info.name}": forms.widget_key(info, "mnist") for info in fields(ATTACKS["scw"])}
    lab = Lab(**{f"lab.{parameters.get(key, key)}": value})
    lab.rerun()
    assert "Original" in lab.pictures
    refused = [error for error in lab.errors if key.rsplit(".")[-1] in error]
    assert lab.errors == refused  # a sentence that names the value, or nothing because another one serves
