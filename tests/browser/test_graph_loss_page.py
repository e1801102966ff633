"""The Graph loss page in a real Chromium: click an image, play the playground, come back by the link."""

import json
import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PATIENCE = 60_000  # milliseconds; drawing is slow where the browser shares its processor
POINTS = ".js-plotly-plot .points path"
COORDINATES = "() => JSON.stringify(document.querySelector('.js-plotly-plot').data.map(trace => trace.x))"


def test_click_an_image_and_see_its_own_edges(open_page):
    page = open_page("/Graph_loss?model=mnist-lenet-graph-2d", height=1000)
    graph = page.locator(".graph")
    expect(graph).to_have_attribute("data-places", re.compile("]]"), timeout=3 * PATIENCE)
    # Until then the page grows, and nothing must move between pointing and clicking.
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=3 * PATIENCE)
    every = graph.get_attribute("data-edges")
    assert every is not None

    def point(row):
        page.mouse.move(0, 0)  # away from where it was, so that a tip comes anew
        x, y = json.loads(graph.get_attribute("data-places"))[row]
        box = graph.locator("canvas.board").bounding_box()
        page.mouse.move(box["x"] + x, box["y"] + y)

    point(61)
    expect(graph.locator(".tip")).to_contain_text(re.compile(r"6: test image \d+; its edges to other classes weigh"))
    index = re.search(r"test image (\d+)", graph.locator(".tip").inner_text())[1]
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("heading", name=f"What test image {index}, 6, is pushed away from")).to_be_visible()
    assert int(graph.get_attribute("data-edges")) < int(every)
    expect(page).to_have_url(re.compile(f"image={index}"))
    page.get_by_role("button", name="All edges again").click()
    expect(page.get_by_role("heading", name="The pairs it pushes apart hardest")).to_be_visible()
    expect(graph).to_have_attribute("data-edges", every)


def test_play_and_scrub_without_asking_the_server(open_page):
    sent: list[object] = []

    def listen(page):
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))

    page = open_page("/Graph_loss?view=playground&points=40&steps=20", listen=listen)
    page.locator(POINTS).first.wait_for(state="attached", timeout=3 * PATIENCE)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    last, before = page.evaluate(COORDINATES), len(sent)
    first = "JSON.stringify(document.querySelector('.js-plotly-plot')._transitionData._frames[0].data.map(t => t.x))"
    rail = page.locator(".slider-rail-touch-rect").first.bounding_box()
    page.mouse.click(rail["x"] + 2, rail["y"] + rail["height"] / 2)
    page.wait_for_function(f"({COORDINATES})() === {first}")
    page.locator(".updatemenu-button").first.click()
    page.wait_for_function(f"last => ({COORDINATES})() === last", arg=last)
    assert len(sent) == before
    sideways = page.get_by_text("move them sideways")
    expect(sideways).to_be_hidden()  # all panels are there
    page.set_viewport_size({"width": 390, "height": 844})
    expect(sideways).to_be_visible()


@pytest.mark.slow
def test_the_papers_figures(open_page):
    page = open_page("/Graph_loss?view=figures")
    expect(page.locator(".js-plotly-plot")).to_have_count(3)
    expect(page.get_by_text("python -m core evaluate graph-figures")).to_be_visible()
