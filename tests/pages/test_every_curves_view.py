"""Every view of the Curves page, with the results that come with the project: what can be asked of each is there."""

import re

import pytest
from driver import curves as opened
from driver import unescaped

from pages.parts.views import verdicts
from pages.parts.views.curves import controls

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
