"""Widgets from declared parameters."""

import itertools
import math

import pytest
from driver import Lab
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import NumberInput

from core.attacks import ATTACKS
from core.magnify import MagnifyParameters
from core.params import fields
from pages.parts.inputs import forms
from pages.parts.inputs.forms import AUTOMATIC, STOPS, help_text, logarithmic_stops, stops_near_one, widget_key


@given(
    st.floats(-12, 5),
    st.floats(0.1, 10),
    st.lists(st.floats(0, 1), max_size=3),
)
def test_logarithmic_stops(exponent: float, decades: float, places: list[float]):
    low, high = 10**exponent, 10 ** (exponent + decades)
    include = [min(max(low * (high / low) ** place, low), high) for place in places]
    stops = logarithmic_stops(low, high, include)
    assert stops == sorted(set(stops))
    assert {low, high, *include} <= set(stops)
    assert (stops[0], stops[-1]) == (low, high)
    assert len(stops) <= STOPS + 2 + len(include)
    others = set(stops) - {low, high, *include}
    assert all(math.isclose(stop, float(f"{stop:.1e}"), rel_tol=1e-12) for stop in others)
    # Evenly spread: no gap is much wider than a step of the slider, but for rounding to two digits.
    step = decades / (STOPS - 1)
    gaps = [math.log10(b / a) for a, b in itertools.pairwise(stops)]
    assert max(gaps) <= 2 * step + 0.045


def test_a_value_outside_the_usual_range_has_a_stop():
    assert logarithmic_stops(1, 10, {0.5, 20.0})[0] == 0.5
    assert logarithmic_stops(1, 10, {0.5, 20.0})[-1] == 20.0


@settings(deadline=None)
@given(st.floats(0, 0.9), st.floats(1e-4, 0.05), st.floats(0, 1))
def test_stops_near_one_are_even_in_the_logarithm_of_what_lacks(low: float, lack: float, place: float):
    high = 1 - lack
    include = {low + (high - low) * place}
    stops = stops_near_one(low, high, include)
    assert stops == sorted(set(stops))
    assert (stops[0], stops[-1]) == (low, high)
    assert include <= set(stops)
    assert len(stops) <= STOPS + 3
    step = math.log10((1 - low) / lack) / (STOPS - 1)
    assert max(math.log10((1 - a) / (1 - b)) for a, b in itertools.pairwise(stops)) <= 2 * step + 0.045


def test_few_presses_of_a_key_lead_from_no_smoothing_to_the_papers():
    (alpha,) = [info for info in fields(ATTACKS["scw"]) if info.name == "alpha"]
    stops = stops_near_one(0, 0.999, {*alpha.marks, alpha.default})
    assert stops.index(0.997) < 60  # it was 997
    assert stops.index(0.997) - stops.index(0.95) < 30


def page() -> None:
    import streamlit as st

    from core.magnify import MagnifyParameters
    from pages.parts.inputs import forms

    st.session_state["made"] = forms.form(MagnifyParameters, "test", {"beta": 0.3})


def test_a_form_gives_what_its_widgets_say():
    app = AppTest.from_function(page, default_timeout=60).run()
    assert app.session_state["made"] == MagnifyParameters(beta=0.3)
    first, *others = app.get("slider") + app.get("select_slider")
    names = ("beta", "sigma_domain", "sigma_range", "radius")
    assert {widget.key for widget in (first, *others)} == {f"test.MagnifyParameters.{name}" for name in names}
    radius = app.select_slider(key="test.MagnifyParameters.radius")
    assert radius.value == AUTOMATIC  # optional: left out
    radius.set_value(7).run()
    assert app.session_state["made"] == MagnifyParameters(beta=0.3, radius=7)
    app.select_slider(key="test.MagnifyParameters.radius").set_value(AUTOMATIC).run()
    assert app.session_state["made"] == MagnifyParameters(beta=0.3)
    app.slider(key="test.MagnifyParameters.beta").set_value(1.0).run()
    assert app.session_state["made"] == MagnifyParameters(beta=1.0)


def test_a_box_beside_a_slider_takes_any_legal_number():
    app = AppTest.from_function(page, default_timeout=60).run()

    def box(name: str) -> NumberInput:
        (found,) = [each for each in app.number_input if str(each.key).startswith(f"test.MagnifyParameters.{name}.box")]
        return found

    assert (box("beta").value, box("radius").value) == (0.3, None)
    box("beta").set_value(0.123456).run()
    assert app.session_state["made"] == MagnifyParameters(beta=0.123456)
    assert app.slider(key="test.MagnifyParameters.beta").value == 0.123456
    box("radius").set_value(9).run()
    assert app.session_state["made"] == MagnifyParameters(beta=0.123456, radius=9)
    app.slider(key="test.MagnifyParameters.beta").set_value(0.5).run()
    assert box("beta").value == 0.5
    box("radius").set_value(None).run()
    assert app.session_state["made"] == MagnifyParameters(beta=0.5)
    assert not app.exception
    assert not app.warning


def test_a_browser_that_is_behind_does_not_empty_a_box():
    """Of two runs it may draw the last alone, and then it says of a box what that run says: not that it is empty."""
    app = AppTest.from_function(page, default_timeout=60).run()
    (box,) = [each for each in app.number_input if str(each.key).startswith("test.MagnifyParameters.radius.box")]
    box.set_value(9).run()
    for _ in range(2):
        app.run()
        (box,) = [each for each in app.number_input if str(each.key).startswith("test.MagnifyParameters.radius.box")]
        assert not box.proto.HasField("default")  # it can be emptied
        assert (box.proto.set_value, box.proto.value) == (True, 9)


def test_what_is_written_is_not_taken_back_by_a_slider_that_has_not_heard_of_it(monkeypatch: pytest.MonkeyPatch):
    """A button that is pressed as the box is left comes with the slider's value of before."""
    monkeypatch.setattr(forms, "LATE", 1000.0)  # on a machine that does other things too
    app = AppTest.from_function(page, default_timeout=60).run()
    beta = "test.MagnifyParameters.beta"
    (box,) = [each for each in app.number_input if str(each.key).startswith(f"{beta}.box")]
    box.set_value(0.7).run()
    app.slider(key=beta).set_value(0.3).run()
    assert app.session_state["made"] == MagnifyParameters(beta=0.7)
    app.slider(key=beta).set_value(0.4).run()  # a hand's
    assert app.session_state["made"] == MagnifyParameters(beta=0.4)
    monkeypatch.setattr(forms, "LATE", 0.0)
    app.slider(key=beta).set_value(0.3).run()  # later it is a hand's too
    assert app.session_state["made"] == MagnifyParameters(beta=0.3)


def smooth() -> None:
    from core.attacks import SmoothCarliniWagner
    from pages.parts.inputs import forms

    forms.form(SmoothCarliniWagner, "test", {})


def test_what_is_declared_to_be_first_is_drawn_first():
    app = AppTest.from_function(smooth, default_timeout=60).run()
    keys = [w.key for w in app.main if w.key and not w.key.endswith(".number") and ".box." not in w.key]
    first = ["test.SmoothingParameters.alpha", "test.EnergyParameters.rho", "test.CarliniWagnerBase.margin"]
    assert keys[: len(first)] == first
    assert "test.CarliniWagnerBase.iterations" in keys[len(first) :]


def test_the_help_says_all_that_is_declared():
    (info,) = [info for info in fields(MagnifyParameters) if info.name == "sigma_domain"]
    text = help_text(info)
    assert info.help in text
    assert "Unit: pixels." in text
    assert "*Smooth Adversarial Examples, Appendix A*" in text


def test_attacks_share_what_they_inherit(lab: Lab):
    keys = {name: {info.name: widget_key(info, "s") for info in fields(ATTACKS[name])} for name in ("cw", "scw")}
    shared = keys["cw"].keys() & keys["scw"].keys()
    assert {"margin", "iterations", "search_steps", "learning_rate"} <= shared
    assert all(keys["cw"][name] == keys["scw"][name] for name in shared)
    lab.set(margin=3.0)
    lab.rerun()
    lab.choose("cw")
    assert lab.widget(lab.key("cw", "margin")).value == 3.0
