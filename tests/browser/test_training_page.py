"""Training in a real Chromium: start, watch, keep, and attack what was trained."""

import re

import pytest
from playwright.sync_api import expect
from test_reach import grave

pytestmark = pytest.mark.browser

POINTS = """() => document.querySelector(".js-plotly-plot").data.filter(({ type }) => type === "scatter")
    .reduce((n, trace) => n + trace.x.length, 0)"""
REGIONS = """() => {
    const { z } = document.querySelector(".js-plotly-plot")._fullData.find(({ type }) => type === "heatmap");
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
    rail = page.locator(".js-plotly-plot .slider-rail-touch-rect").first
    rail.click(position={"x": rail.bounding_box()["width"] / 3, "y": rail.bounding_box()["height"] / 2})
    expect(page.locator(".js-plotly-plot .slider-label").first).to_have_text("after epoch 1")
    page.wait_for_function(f"named => String(({REGIONS})()) !== String(named)", arg=named)
    assert grave(page) == []
    page.get_by_label("Keep it as").fill("seen-in-a-browser")
    keep.click()
    expect(
        page.get_by_text(re.compile(r"Kept as seen-in-a-browser: [\d.]+ % of 200 test images right"))
    ).to_be_visible()
    page.get_by_role("link", name="Attack it in the lab").click()
    expect(page.locator("figcaption").first).to_have_text("Original")
    expect(page.get_by_role("combobox", name="Network")).to_have_value(re.compile("^Own: seen-in-a-browser, MNIST "))


@pytest.mark.slow
def test_rate_and_loss_are_changed_while_it_runs(open_page):
    page = open_page("/Training?epochs=400")
    page.wait_for_selector(".js-plotly-plot")
    expect(page.get_by_text("Change it while it runs")).to_have_count(0)
    page.get_by_role("button", name="Start").last.click()
    expect(page.get_by_text("Change it while it runs")).to_be_visible()
    expect(page.get_by_test_id("stMetricValue").first).to_be_visible()
    rate, kernel = (page.locator("[class*='st-key-train-now-']").get_by_role("slider").nth(i) for i in (0, 1))
    for slider, told in (
        (rate, r"^Learning rate [\d.e-]+ from step [\d,]+ on\.$"),
        (kernel, r"^Alpha [\d.]+ from step"),
    ):
        slider.press("ArrowRight")
        expect(page.get_by_text(re.compile(told))).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Keep")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^Learning rate [\d.e-]+ from step [\d,]+ on\.$"))).to_be_visible()
    expect(page.locator(".js-plotly-plot .annotation-text")).to_have_text(
        [re.compile("^learning rate "), re.compile("^alpha ")]
    )
    page.get_by_role("button", name="Unfinished runs").click()
    page.get_by_role("button", name="Delete").click()
