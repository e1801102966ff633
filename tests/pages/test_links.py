"""Links: what a page shows is in its address, and an address shows it again."""

import io
import json

import pytest
from driver import Lab
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.attacks import ATTACKS
from core.params import fields
from pages.parts.shell import links


def page() -> None:
    import streamlit as st

    from core.magnify import MagnifyParameters
    from pages.parts.inputs import forms
    from pages.parts.shell import links

    links.begin("Test")
    links.choice("colour", "test.colour", "red", ["red", "green", "dark blue"])
    if colour := st.session_state.pop("clicked", None):  # while the page is being made
        st.session_state["test.colour"] = colour
        st.rerun()
    st.selectbox("Colour", ["red", "green", "dark blue"], key="test.colour")
    links.whole("seed", "test.seed", 0, 0, 2**31 - 1)
    st.number_input("Seed", 0, 2**31 - 1, key="test.seed")
    on = links.flag("large", "test.large")
    st.session_state["made"] = forms.form(MagnifyParameters, "test", {"beta": 0.3}, link="m.")
    if st.session_state.get("busy"):
        links.keep("view.")
    else:
        links.whole("view.gain", "test.gain", 1, 1, 9)
        st.number_input("Gain", 1, 9, key="test.gain", persist_state="session")
    if st.session_state.get("own"):
        links.leave_out("Not this one.")
    notices, absent = links.end()
    st.session_state["said"] = on, list(notices), list(absent)


def opened(**address: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    for name, text in address.items():
        app.query_params[name] = text
    return app.run()


def state(app: AppTest) -> tuple:
    return app.session_state["test.colour"], app.session_state["test.seed"], app.session_state["made"].values()


def address(app: AppTest) -> dict[str, str]:
    return {name: text if isinstance(text, str) else text[-1] for name, text in app.query_params.items()}


def test_nothing_is_written_of_a_page_at_its_start():
    app = opened()
    assert not app.exception
    assert address(app) == {}
    assert app.session_state["said"] == (False, [], [])


def test_what_is_moved_is_in_the_address_and_the_address_shows_it_again():
    app = opened()
    app.selectbox(key="test.colour").set_value("dark blue")
    app.number_input(key="test.seed").set_value(7)
    app.slider(key="test.MagnifyParameters.beta").set_value(0.85)
    app.select_slider(key="test.MagnifyParameters.radius").set_value(9).run()
    written = address(app)
    assert written == {"colour": "dark blue", "seed": "7", "m.beta": "0.85", "m.radius": "9"}
    again = opened(**written)
    assert not again.exception
    assert state(again) == state(app)
    assert address(again) == written
    assert again.session_state["said"] == (False, [], [])
    # Moved back, it is left out.
    again.select_slider(key="test.MagnifyParameters.radius").set_value("automatic").run()
    assert address(again) == {"colour": "dark blue", "seed": "7", "m.beta": "0.85"}


def test_a_value_between_the_stops_of_a_slider():
    app = opened(**{"m.beta": "0.123", "m.sigma_range": "0.0123456789"})
    assert not app.exception
    made = app.session_state["made"]
    assert (made.beta, made.sigma_range) == (0.123, 0.0123456789)
    assert address(app) == {"m.beta": "0.123", "m.sigma_range": "0.0123456789"}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("colour", "pink", "there is no such colour here."),
        ("seed", "-1", "it must be a whole number from 0 to 2147483647."),
        ("seed", "2147483648", "it must be a whole number from 0 to 2147483647."),
        ("seed", "three", "it must be a whole number from 0 to 2147483647."),
        ("seed", "³", "it must be a whole number from 0 to 2147483647."),
        ("large", "yes", "it must be 1, or 0."),
        ("m.beta", "1.5", "beta must be at most 1; got 1.5."),
        ("m.beta", "nan", "beta must be a finite number; got nan."),
        ("m.beta", "half", "beta must be a number; got 'half'."),
        ("m.radius", "2.5", "radius must be a whole number; got '2.5'."),
        ("shape", "round", "this page has no such setting."),
        ("m.gamma", "2", "this page has no such setting."),
    ],
)
def test_a_wrong_value_is_left_out_and_said(name: str, text: str, reason: str):
    app = opened(**{name: text, "m.sigma_domain": "6.5"})
    assert not app.exception
    assert app.session_state["said"] == (False, [f"“{name}={text}” was left out of the link: {reason}"], [])
    assert app.session_state["made"].sigma_domain == 6.5  # the rest of it is followed
    assert address(app) == {"m.sigma_domain": "6.5"}
    start = opened(**{"m.sigma_domain": "6.5"})
    assert state(app) == state(start)
    # It is said until something else is done.
    app.run()
    assert len(app.session_state["said"][1]) == 1
    app.number_input(key="test.seed").set_value(3).run()
    assert app.session_state["said"][1] == []
    assert address(app) == {"m.sigma_domain": "6.5", "seed": "3"}


def test_a_long_value_is_not_repeated_in_full():
    (notice,) = opened(colour="x" * 5000).session_state["said"][1]
    assert len(notice) < 150


def test_the_back_button_is_a_link(monkeypatch: pytest.MonkeyPatch):
    app = opened()
    app.number_input(key="test.seed").set_value(1).run()
    app.number_input(key="test.seed").set_value(2).run()
    monkeypatch.setattr(links, "_STALE", 0.0)  # a while later
    app.query_params["seed"] = "1"
    app.run()
    assert app.session_state["test.seed"] == 1
    app.query_params.clear()
    app.run()
    assert app.session_state["test.seed"] == 0
    assert address(app) == {}


def test_a_link_that_says_more_than_it_must_stays_as_it_was_opened(monkeypatch: pytest.MonkeyPatch):
    """Were it written anew, Back would lead from what was written to what was opened, and there be written anew."""
    wordy = {"colour": "red", "seed": "7", "m.beta": "0.30"}
    app = opened(**wordy)
    assert address(app.run()) == wordy
    app.number_input(key="test.seed").set_value(8).run()
    assert address(app) == {"seed": "8"}
    monkeypatch.setattr(links, "_STALE", 0.0)  # a while later
    app.query_params.clear()
    for name, text in wordy.items():
        app.query_params[name] = text
    assert app.run().session_state["test.seed"] == 7
    assert address(app) == wordy
    app.selectbox(key="test.colour").set_value("green").run()
    assert address(app) == {"colour": "green", "seed": "7"}


def test_a_late_address_is_no_link():
    """A person who moves two widgets quickly: the browser sends the second with the address of before the first."""
    app = opened()
    app.number_input(key="test.seed").set_value(1).run()
    app.query_params.clear()
    app.selectbox(key="test.colour").set_value("green").run()
    assert state(app)[:2] == ("green", 1)
    assert address(app) == {"seed": "1", "colour": "green"}
    # The same with a button, which changes nothing that the address holds.
    app.query_params.clear()
    app.query_params["seed"] = "1"
    app.run()
    assert state(app)[:2] == ("green", 1)


def test_what_is_set_while_a_link_is_followed_stays_set():
    """A person is quicker than the first run of the page's script, and interrupts it."""
    app = AppTest.from_function(page, default_timeout=60)
    for name, text in {"colour": "dark blue", "seed": "7", "m.beta": "9"}.items():
        app.query_params[name] = text
    app.session_state["clicked"] = "green"
    app.run()
    assert state(app)[:2] == ("green", 7)
    assert address(app) == {"colour": "green", "seed": "7"}
    assert len(app.session_state["said"][1]) == 1  # of beta


def test_what_is_not_shown_at_the_moment_stays_in_the_address():
    app = opened(**{"view.gain": "5"})
    app.session_state["busy"] = True
    assert address(app.run()) == {"view.gain": "5"}
    app.session_state["busy"] = False
    assert address(app.run()) == {"view.gain": "5"}
    assert app.session_state["test.gain"] == 5


RESERVED = {"model", "image", "attack", "seed", "present", "compare", "columns", "parameter", "values"}


@pytest.mark.parametrize("name", list(ATTACKS))
def test_an_attacks_parameters_and_the_pages_own_settings_have_different_names(name: str):
    assert not RESERVED & {info.name for info in fields(ATTACKS[name])}


@pytest.mark.parametrize(
    ("name", "preset"), [("scw", "paper, ImageNet"), ("ddn", "Rony et al."), ("smoothfool", "authors' code")]
)
def test_a_preset_as_a_link(name: str, preset: str):
    """Every declared parameter of an attack reaches the lab through the link, folded away or not."""
    attack = ATTACKS[name].preset(preset)
    lab = Lab({"attack": name} | {key: "none" if v is None else str(v) for key, v in attack.changed().items()})
    assert lab.attack == name
    for info in fields(type(attack)):
        value, wanted = lab.widget(lab.key(name, info.name)).value, getattr(attack, info.name)
        assert value == ("automatic" if wanted is None else wanted)
    assert "left out" not in lab.words


def test_an_own_picture_is_not_in_the_link(lab: Lab):
    def told() -> str:
        shares = [e.proto for e in lab.app.get("bidi_component") if e.proto.component_name == "smoothscope.share"]
        (link,) = [told for share in shares if (told := json.loads(share.json))["label"] == "Copy link"]
        return link["absent"]

    assert told() == ""
    file = io.BytesIO()
    Image.new("L", (28, 28), 99).save(file, "PNG")
    lab.app.file_uploader(key="lab.file").set_value(("mine.png", file.getvalue(), "image/png")).run()
    lab.sound()
    assert told() == "Your own picture is not in the link: it opens with one of the gallery's."


def test_what_cannot_be_in_a_link_is_told():
    app = opened()
    app.session_state["own"] = True
    assert app.run().session_state["said"] == (False, [], ["Not this one."])
