"""Sliders whose range follows a value outside it: whatever is moved afterwards, in whatever order, no page breaks."""

from streamlit.testing.v1 import AppTest

KEY = "test.epochs"


def page_with_a_range() -> None:
    import streamlit as st

    from core.params import fields
    from core.train import Recipe
    from pages.parts.inputs import forms

    info = next(info for info in fields(Recipe) if info.name == "epochs")
    st.button("far", key="far", on_click=lambda: st.session_state.update({"test.epochs": 200}))
    st.text(str(forms.widget(info, "test.epochs", 5)))


def opened() -> AppTest:
    app = AppTest.from_function(page_with_a_range, default_timeout=60).run()
    assert not app.exception
    return app


def moved(app: AppTest, value: int) -> None:
    app.slider(key=KEY).set_value(value).run()
    assert not app.exception, app.exception[0].message
    assert app.text[0].value == str(value)
    assert app.slider(key=KEY).value == value


def test_a_value_beyond_the_range_is_moved_back():
    app = opened()
    usual = app.slider(key=KEY).max
    assert usual == 60
    app.button(key="far").click().run()
    assert (app.slider(key=KEY).value, app.slider(key=KEY).max) == (200, 200)
    for value in (150, 120, 3, 50):
        moved(app, value)


def test_it_is_set_beyond_again_and_again():
    app = opened()
    for value in (110, 2, 140):
        app.button(key="far").click().run()
        assert not app.exception
        assert app.slider(key=KEY).value == 200
        moved(app, value)
