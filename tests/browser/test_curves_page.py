"""Curves in a real Chromium: a point is clicked, its images open, one of them opens the lab with that attack."""

import re
from itertools import combinations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def click_the_first_point(page):
    """Which says on being pointed at that it can be clicked."""
    dot = page.locator(".js-plotly-plot .scatterlayer .trace .points path").first
    dot.wait_for()
    box = dot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".js-plotly-plot .hoverlayer")).to_contain_text("click for the images")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_from_a_point_to_its_images_to_the_lab(open_page):
    page = open_page("/Curves")
    points = page.locator(".js-plotly-plot .scatterlayer .trace .points path")
    points.first.wait_for()
    expect(page.locator(".wall")).to_have_count(0)
    # The last dot of the first curve: all that it fools.
    dot = page.locator(".js-plotly-plot .scatterlayer .trace:has(.points path)").first.locator(".points path").last
    box = dot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".js-plotly-plot .hoverlayer")).to_contain_text("click for the images")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    thumbnails = page.locator(".wall button")
    thumbnails.first.wait_for()
    expect(page).to_have_url(re.compile("point="))
    entry = re.search(r"point=([a-z-]+)", page.url).group(1)
    assert entry == "published-cw"
    label = thumbnails.first.get_attribute("aria-label")
    index = re.search(r"test image (\d+): L2", label).group(1)
    thumbnails.first.click()
    expect(page).to_have_url(re.compile(r"/Attack_lab\?.*"))
    expect(page).to_have_url(re.compile(f"image={index}"))
    expect(page.get_by_text(f"test image {index}").first).to_be_visible()
    expect(page).to_have_url(re.compile("initial_c=15.0"))
    # Back on the page, by the browser's button or by its name, the same point is open.
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(1600)  # what comes sooner is taken for a late message of the browser's
    page.go_back()
    expect(page).to_have_url(re.compile(r"/Curves\?point=published-cw"))
    thumbnails.first.wait_for()
    for name in ("Smoothing", "Curves"):
        page.locator(".st-key-navigation").get_by_role("link", name=name).click()
    thumbnails.first.wait_for()
    expect(page).to_have_url(re.compile(r"/Curves\?point=published-cw"))


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_page_fits_a_projector_and_a_phone(open_page, dark):
    page = open_page("/Curves", width=1280, height=720, dark=dark)
    plot = page.locator(".js-plotly-plot").first
    expect(plot.locator(".scatterlayer .trace").first).to_be_visible()
    box = plot.bounding_box()
    assert box["y"] + box["height"] <= 720  # the whole first picture
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(400)
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 390
    if dark:
        return
    # No two labels lie on each other, wherever paths end.
    page.get_by_text("What smoothness costs", exact=True).click()
    labels = page.locator(".js-plotly-plot .textpoint text")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        expect(labels.first).to_be_visible()
        page.wait_for_timeout(400)
        boxes = [label.bounding_box() for label in labels.all()]
        assert len(boxes) >= 6
        for one, other in combinations(boxes, 2):
            apart = [abs(one[a] - other[a]) >= min(one[b], other[b]) for a, b in (("x", "width"), ("y", "height"))]
            assert any(apart), (one, other)


@pytest.mark.slow
def test_views_turn_by_paper_and_a_point_of_roughness_opens_its_images(open_page):
    page = open_page("/Curves?model=mnist-lenet-ce&view=success", width=1280, height=720)
    page.get_by_role("combobox", name="Paper").click()
    page.get_by_role("option", name="Networks", exact=True).click()
    page.get_by_text("Roughness", exact=True).click()
    expect(page).to_have_url(re.compile("view=rough"))
    for paper in ("SmoothFool", "Networks"):  # the view's tabs end on the page, whatever the paper
        page.get_by_role("combobox", name="Paper").click()
        page.get_by_role("option", name=paper, exact=True).click()
        tabs = page.locator(".stMain [data-testid=stButtonGroup]").first.bounding_box()
        assert tabs["x"] + tabs["width"] < 1150
    page.get_by_text("Roughness", exact=True).click()
    click_the_first_point(page)
    thumbnails = page.locator(".wall button")
    thumbnails.first.wait_for()
    expect(page).to_have_url(re.compile("behind=rough"))
    index = re.search(r"test image (\d+): L2", thumbnails.first.get_attribute("aria-label")).group(1)
    thumbnails.first.click()
    for part in (r"/Attack_lab\?", f"image={index}", "attack=smoothfool", r"sigma_g=0\.5"):
        expect(page).to_have_url(re.compile(part))


@pytest.mark.slow
def test_a_universal_perturbation_is_on_the_images_that_its_point_opens(open_page):
    network = "cifar10-preactresnet18-ce"
    page = open_page(f"/Curves?view=across&across=universal&model={network}", width=1280, height=900)
    click_the_first_point(page)
    expect(page).to_have_url(re.compile("behind=universal"))
    page.get_by_text(re.compile(r"^Not fooled \d+$")).click()  # those that it fails on are there too
    thumbnails = page.locator(".wall button")
    expect(thumbnails.first).to_have_attribute("aria-label", re.compile("not fooled"))
    index = re.search(r"test image (\d+): not fooled", thumbnails.first.get_attribute("aria-label")).group(1)
    thumbnails.first.click()
    for part in (r"/Attack_lab\?", f"image={index}", "attack=universal", f"model={network}"):
        expect(page).to_have_url(re.compile(part))
    expect(page.get_by_text(f"test image {index}").first).to_be_visible()


def test_the_script_of_charts_is_here_before_a_page_with_a_chart_is_opened(open_page):
    asked: list[str] = []
    page = open_page("/", listen=lambda page: page.on("request", lambda request: asked.append(request.url)))
    page.locator(".ss-grid img").first.wait_for()
    ahead = page.locator('link[rel="modulepreload"][href*="PlotlyChart"]')
    expect(ahead).to_have_count(1)
    for _ in range(100):
        if any("PlotlyChart" in url for url in asked):
            break
        page.wait_for_timeout(100)
    before = [url for url in asked if "PlotlyChart" in url]
    assert len(before) == 1
    page.locator(".st-key-navigation").get_by_role("link", name="Curves").click()
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert [url for url in asked if "PlotlyChart" in url] == before
