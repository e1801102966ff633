"""Training in a real Chromium: start, watch, keep, and attack what was trained."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

POINTS = """() => document.querySelector(".js-plotly-plot").data.filter(({ type }) => type === "scatter")
    .reduce((n, trace) => n + trace.x.length, 0)"""
REGIONS = """() => {
    const { z } = document.querySelector(".js-plotly-plot").data.find(({ type }) => type === "heatmap");
    return [...z].flatMap(row => [...row]);
}"""
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
    # What the network names is shaded behind the points, and follows the epochs that are played back.
    named = page.evaluate(REGIONS)
    assert len(named) == 80 * 80
    assert len(set(named)) > 3
    page.locator(".js-plotly-plot .slider-rail-touch-rect").first.click(position={"x": 60, "y": 8})
    page.wait_for_function(
        f"before => JSON.stringify(({REGIONS})()) !== before", arg=page.evaluate(f"JSON.stringify(({REGIONS})())")
    )
    page.get_by_label("Keep it as").fill("seen-in-a-browser")
    keep.click()
    expect(
        page.get_by_text(re.compile(r"Kept as seen-in-a-browser: [\d.]+ % of 200 test images right"))
    ).to_be_visible()
    page.get_by_role("link", name="Attack it in the lab").click()
    expect(page.locator("figcaption").first).to_have_text("Original")
    expect(page.get_by_role("combobox", name="Network")).to_have_value(re.compile("^Own: seen-in-a-browser, MNIST "))
