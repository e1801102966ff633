"""Training in a real Chromium: start, watch, keep, and attack what was trained."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

POINTS = "() => [...document.querySelectorAll('.js-plotly-plot')][0].data.reduce((n, trace) => n + trace.x.length, 0)"
COORDINATES = """() => {
    const plot = document.querySelector(".js-plotly-plot");  // none while the page draws it anew
    return plot?.data ? JSON.stringify(plot.data.map(trace => trace.x)) : null;
}"""


def test_train_a_network_and_attack_it(open_page):
    page = open_page("/Training?epochs=4")
    page.wait_for_selector(".js-plotly-plot")
    assert page.evaluate(POINTS) == 200
    before = page.evaluate(COORDINATES)
    page.get_by_role("button", name="Start").last.click()
    expect(page.get_by_test_id("stMetricValue").first).to_have_text("4 of 4")
    keep = page.get_by_role("button", name="Keep")
    expect(keep).to_be_visible()
    page.wait_for_function(f"before => ![null, before].includes(({COORDINATES})())", arg=before)
    assert page.evaluate(POINTS) == 200
    page.get_by_label("Keep it as").fill("seen-in-a-browser")
    keep.click()
    expect(
        page.get_by_text(re.compile(r"Kept as seen-in-a-browser: [\d.]+ % of 200 test images right"))
    ).to_be_visible()
    page.get_by_role("link", name="Attack it in the lab").click()
    expect(page.locator("figcaption").first).to_have_text("Original")
    expect(page.get_by_role("combobox", name="Network")).to_have_value(re.compile("^Own: seen-in-a-browser, MNIST "))
