"""Every view of the Curves page, with the results that come with the project: what can be asked of each is there."""

import re

import pytest
from driver import curves as opened
from driver import sound, unescaped

from core import models
from pages.parts.inputs import choose
from pages.parts.views import verdicts
from pages.parts.views.curves import controls, known

LENET, PREACT = "mnist-lenet-ce", "cifar10-preactresnet18-ce"
STATES = {
    "success": [{}],
    "cost": [{}],
    "table": [{}],
    "through": [{}],
    "width": [{}],
    "fooling": [{}],
    "defences": [{"model": LENET, "box": box} for box in ("gray", "white")],
    "across": [{"model": PREACT, "across": kind} for kind in ("single", "universal")],
    "networks": [{"model": LENET}],
    "corrupted": [{"model": LENET}],
    "rough": [{"model": LENET, "rough": aspect} for aspect in ("needed", "shown", "found", "goes")],
}


def test_none_is_left_out():
    assert set(STATES) == set(controls.VIEWS)


@pytest.mark.slow
@pytest.mark.parametrize("view", STATES)
def test_a_view_has_claims_counts_intervals_its_origin_files_and_a_run(view):
    for state in STATES[view]:
        app = opened(view=view, **state)
        texts = [unescaped(element.value) for element in [*app.markdown, *app.caption]]
        tables = [html.value for html in app.get("html") if "<table" in html.value]
        assert len(app.get("plotly_chart")) == 1
        assert any("Click a point" in text for text in texts)
        assert any(f"**{word}:**" in text for text in texts for word in verdicts.WORDS.values())
        counted = any(re.search(r"n = \d|over the \d+ images", text) for text in texts)
        assert counted or any("<th>n</th>" in table for table in tables)
        assert any("95 %" in text for text in texts)
        assert "How this was made" in [expander.label for expander in app.expander]
        assert {button.proto.label for button in app.get("download_button")} == {"CSV", "Parquet"}
        assert any("come with Smoothscope" in text and "measured" in text for text in texts)  # what can be run now


@pytest.mark.parametrize("view", [*STATES, "across&across=universal"])
def test_it_opens_with_a_network_that_is_measured(view):
    name, _, rest = view.partition("&")
    address = dict([rest.split("=")]) if rest else {}
    app = opened(view=name, **address)
    assert [info.value for info in app.info] == []
    assert len(app.get("plotly_chart")) == 1
    network = app.selectbox(key="curves.model")
    assert network.value in known.names(name)
    there = {models.card(one).dataset for one in known.names(name)}
    assert models.card(network.value).dataset == "mnist" or "mnist" not in there
    assert "model" not in app.query_params  # a link to the view is one to this network
    listed = [network.options.index(choose.menu(models.survey()[0])[one]) for one in known.names(name)]
    assert sorted(listed) == list(range(len(listed)))  # those first


def turn(app, view):
    """Press its tab."""
    app.button_group(key="curves.view").set_value(view)
    return sound(app.run())


def test_who_turns_to_a_view_that_does_not_know_the_network_is_shown_one_that_it_knows():
    app = opened(view="networks")
    assert app.selectbox(key="curves.model").value == "mnist-c4-ce"
    turn(app, "rough")
    assert app.selectbox(key="curves.model").value == known.names("rough")[0] == LENET
    told = "MNIST CE, C4 is not measured here. Shown is MNIST CE, LeNet."
    assert told in [unescaped(caption.value) for caption in app.caption]
    turn(app, "corrupted")  # which knows it
    assert app.selectbox(key="curves.model").value == LENET
    assert told not in [unescaped(caption.value) for caption in app.caption]
    # What is chosen by hand stays, also where nothing is known of it; so does a link.
    app.selectbox(key="curves.model").set_value("mnist-c4-ce")
    sound(app.run())
    assert [info.value for info in app.info] == ["This is not measured for this network."]
    app = opened(view="rough", model="mnist-c4-ce")
    assert [info.value for info in app.info] == ["This is not measured for this network."]
    # Where none of its data set is known, it is the one that the view opens with.
    app = opened(view="success")
    app.selectbox(key="curves.group_of_views").set_value("SmoothFool")
    sound(app.run())
    turn(app, "across")
    assert app.selectbox(key="curves.model").value == opened(view="across").selectbox(key="curves.model").value
    assert len(app.get("plotly_chart")) == 1
