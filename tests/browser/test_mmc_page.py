"""MMC centres in a real Chromium: the camera stays while sliders move, and what is drawn is there."""

import io
import json
import math
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

# How many pixels of a canvas are of about a colour.
COLOURED = """(canvas, [r, g, b]) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    count += data[i + 3] > 200 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24;
  }
  return count;
}"""
BLUE = [0, 114, 178]  # of the first class


def camera(page):
    """[turn, tilt, zoom] as they were drawn last."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return json.loads(page.locator(".orbit").get_attribute("data-camera"))


def view(page, index=0):
    return page.locator(".orbit figure canvas").nth(index)


def drag(page, dx, dy):
    view(page).scroll_into_view_if_needed()
    box = view(page).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=6)
    page.mouse.up()


def where(page, point, radius):
    """Where on the screen a point is drawn: turned about the upright axis, tilted, seen from 4.2 radii away."""
    turn, tilt, zoom = camera(page)
    a, b, c = (value / radius for value in point)
    across, away = math.cos(turn) * b - math.sin(turn) * a, math.cos(turn) * a + math.sin(turn) * b
    depth, up = math.cos(tilt) * away + math.sin(tilt) * c, math.cos(tilt) * c - math.sin(tilt) * away
    box = view(page).bounding_box()
    scale = 4 / (4.2 - depth) * 0.92 * min(box["width"], box["height"]) / 2 * zoom
    return box["x"] + box["width"] / 2 + across * scale, box["y"] + box["height"] / 2 - up * scale


def test_the_camera_stays_where_it_was_put(open_page):
    page = open_page("/MMC_centres")
    expect(view(page)).to_have_attribute("data-points", "4")
    start = camera(page)
    assert view(page).evaluate(COLOURED, BLUE) > 50
    drag(page, 120, 40)
    page.get_by_role("button", name="Nearer").click()
    put = camera(page)
    assert abs(put[0] - start[0]) > 0.2
    assert abs(put[1] - start[1]) > 0.05
    assert put[2] > start[2]
    for label, points in (("Classes", "5"), ("Dimensions", "5"), ("Norm", "5")):
        page.get_by_role("slider", name=label).press("ArrowRight")
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        expect(view(page)).to_have_attribute("data-points", points)
        assert camera(page) == put
    page.get_by_text("Build it step by step").click()
    expect(view(page)).to_have_attribute("data-points", "1")
    page.get_by_role("slider", name="Centres placed").press("ArrowRight")
    expect(view(page)).to_have_attribute("data-points", "2")
    assert camera(page) == put
    view(page).press("Home")
    assert camera(page) == start


def test_arrow_keys_turn_and_a_point_says_what_it_is(open_page):
    page = open_page("/MMC_centres?classes=2&dim=2")
    expect(view(page)).to_have_attribute("data-points", "2")
    start = camera(page)
    view(page).press("ArrowLeft")
    assert camera(page)[0] == pytest.approx(start[0] + 0.12)
    expect(page.locator(".said")).to_be_hidden()
    page.mouse.move(*where(page, (10.0, 0.0, 0.0), radius=10.8))
    expect(page.locator(".said")).to_contain_text("centre 1")
    expect(page.locator(".said")).to_contain_text("norm 10")


@pytest.mark.slow
def test_both_networks_are_seen_from_one_side(open_page):
    page = open_page("/MMC_centres?tab=Features")
    expect(view(page, 1)).to_have_attribute("data-points", "404")  # a hundred images of four classes, four centres
    expect(view(page, 0)).to_have_attribute("data-points", "404")
    first = [view(page, place).evaluate("canvas => canvas.toDataURL()") for place in (0, 1)]
    drag(page, 90, 0)
    put = camera(page)
    turned = [view(page, place).evaluate("canvas => canvas.toDataURL()") for place in (0, 1)]
    assert turned[0] != first[0]
    assert turned[1] != first[1]
    page.get_by_role("toolbar", name="Classes that are drawn").get_by_role("button", name="4", exact=True).click()
    expect(view(page, 0)).to_have_attribute("data-points", "505")
    assert camera(page) == put


@pytest.mark.parametrize(
    "tab", ["Centres", *(pytest.param(tab, marks=pytest.mark.slow) for tab in ("Features", "Loss and density"))]
)
def test_a_phone_shows_all_without_scrolling_sideways(open_page, tab):
    page = open_page(f"/MMC_centres?tab={tab}", width=390, height=800)
    page.wait_for_selector(".orbit canvas" if tab != "Loss and density" else ".js-plotly-plot")
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    assert page.evaluate("() => document.scrollingElement.scrollWidth") <= 390
    wide = "() => document.querySelector('[data-testid=stMain]').scrollWidth"
    assert page.evaluate(wide) <= 390


def test_noise_then_an_own_picture_meets_distances_and_the_tabs_hold_their_evidence(open_page):
    file = io.BytesIO()
    Image.effect_noise((60, 40), 80).save(file, "PNG")
    page = open_page("/MMC_centres?tab=Uncertainty")
    # It opens where the distance tells something; what it lets in follows as such.
    expect(page.get_by_role("radio", name="Noise", exact=True)).to_be_checked()
    told = page.locator("p", has_text="lets it in by probability and turns it away by distance")
    counter = page.get_by_role("heading", name="Counter-examples: strangers that the distance lets in")
    expect(told).to_be_visible()
    assert told.bounding_box()["y"] < counter.bounding_box()["y"]
    page.get_by_text("Your own", exact=True).click()
    expect(page.get_by_text("Drop a picture here")).to_be_visible()
    page.locator("input[type=file]").set_input_files(
        {"name": "noise.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    expect(page.get_by_text("MMC's nearest centre is")).to_be_visible()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    page.get_by_role("tab", name="Attacks").click()
    expect(page.get_by_text("Accuracy under attack")).to_be_visible()
    expect(page.get_by_text("python -m core evaluate mmc-attacks")).to_be_visible()
    expect(page).to_have_url(re.compile("tab=Attacks"))
