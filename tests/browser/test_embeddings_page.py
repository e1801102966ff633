"""Embeddings in a real Chromium: play, select, look at the pictures, draw an attack's trail, go on to the lab."""

import json
import re

import pytest
from playwright.sync_api import Page, expect
from test_reach import grave

from core import models

pytestmark = pytest.mark.browser

PAIR = ("mnist-lenet-graph-2d", "mnist-lenet-ce-2d")


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.get_by_test_id("stException")).to_have_count(0)


def on_screen(page: Page, panel: int, x: float, y: float) -> tuple[float, float]:
    """Where a point of a panel's plane is in the window."""
    canvas = page.locator(".panels canvas").nth(panel)
    centre_x, centre_y, scale, width, height = json.loads(canvas.get_attribute("data-view"))
    box = canvas.bounding_box()
    return box["x"] + width / 2 + (x - centre_x) * scale, box["y"] + height / 2 - (y - centre_y) * scale


def ink(page: Page, panel: int) -> int:
    """Pixels of a panel that have a colour of their own, greys left out."""
    return (
        page.locator(".panels canvas")
        .nth(panel)
        .evaluate(
            """canvas => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let found = 0;
            for (let i = 0; i < data.length; i += 4) {
                const [r, g, b, a] = data.slice(i, i + 4);
                found += a > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 60;
            }
            return found;
        }"""
        )
    )


def test_play_select_and_attack(open_page):
    page = open_page("/Embeddings?dataset=mnist&attack=deepfool", height=1000)
    expect(page.locator(".panels canvas")).to_have_count(2)
    settled(page)
    captions = page.locator(".scatter figcaption b").all_inner_texts()
    assert captions == ["Graph smoothness, LeNet, 2D", "Cross-entropy (SCE), LeNet, 2D"]
    lit = [ink(page, 0), ink(page, 1)]
    assert min(lit) > 1000

    # The slider moves the picture in the browser alone, and playing ends at the last epoch.
    slider = page.locator(".player input")
    before = page.locator(".panels canvas").first.evaluate("canvas => canvas.toDataURL()")
    slider.fill("3")
    expect(page.locator(".epoch")).to_have_text("after epoch 3")
    assert page.locator(".panels canvas").first.get_attribute("data-epoch") == "3"
    assert page.locator(".panels canvas").first.evaluate("canvas => canvas.toDataURL()") != before
    slider.fill("18")
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".epoch")).to_have_text("after epoch 20")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert page.locator(".panels canvas").first.evaluate("canvas => canvas.toDataURL()") == before

    # A lasso round one class: its pictures appear, all else loses its colour, in the other panel too.
    kept = models.kept_features(PAIR[0])
    mine = kept.features[-1][(kept.labels == 0) & (kept.predictions[-1] == 0)]
    middle = mine.median(0).values
    reach = 1.2 * float((mine - middle).norm(dim=1).quantile(0.9))
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]
    way = [on_screen(page, 0, float(middle[0]) + u * reach, float(middle[1]) + v * reach) for u, v in corners]
    draw_lasso(page, way)
    expect(page.get_by_text(re.compile(r"^\d+ selected$"))).to_be_visible()
    settled(page)
    count = int(page.locator(".scatter").get_attribute("data-selected"))
    assert 60 < count < 130
    expect(page.locator(".wall button")).to_have_count(min(count, 120))
    titles = page.locator(".wall button").evaluate_all("buttons => buttons.map(button => button.title)")
    assert titles.count("0") > 0.9 * len(titles)
    assert 0 < ink(page, 1) < 0.4 * lit[1]

    # A click on a thumbnail chooses it; its attack leaves a trail in both panels.
    page.locator(".wall button").nth(3).click()
    expect(page.locator(".wall button").nth(3)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Draw its trail").click()
    expect(page.get_by_text(re.compile(r"^DeepFool on test image \d+, L2 = "))).to_be_visible()
    settled(page)
    chosen = re.search(r"test image (\d+)", page.get_by_text(re.compile("^DeepFool on test image")).inner_text())[1]

    assert grave(page) == []
    page.get_by_role("link", name="Attack this one in the lab").click()
    expect(page.get_by_text(re.compile(rf"^test image {chosen}: 0")).first).to_be_visible()  # above, later below it too
    assert f"image={chosen}" in page.url
    assert f"model={PAIR[0]}" in page.url


def draw_lasso(page: Page, way: list[tuple[float, float]]) -> None:
    """Along a way on the screen."""
    page.mouse.move(*way[0])
    page.mouse.down()
    for corner in way[1:]:
        page.mouse.move(*corner, steps=4)
    page.mouse.up()


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_lassos_pictures_are_beside_the_plots_and_regions_behind_them(open_page, dark):
    page = open_page("/Embeddings?dataset=mnist&attack=deepfool", width=1280, height=720, dark=dark)
    expect(page.locator(".panels canvas")).to_have_count(2)
    settled(page)
    for canvas in page.locator(".panels canvas").all():
        expect(canvas).to_have_attribute("data-regions", "true")
    box = page.locator(".panels canvas").first.bounding_box()
    corners = [(0.3, 0.1), (0.7, 0.1), (0.7, 0.5), (0.3, 0.5), (0.3, 0.1)]
    way = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in corners]
    assert max(y for _, y in way) < 720
    draw_lasso(page, way)
    expect(page.get_by_text(re.compile(r"^\d+ selected"))).to_be_visible()
    settled(page)
    assert page.locator('[data-testid="stMain"]').evaluate("main => main.scrollTop") == 0
    right = max(c.bounding_box()["x"] + c.bounding_box()["width"] for c in page.locator(".panels canvas").all())
    first = page.locator(".wall button").first.bounding_box()
    assert first["x"] >= right
    assert first["y"] + first["height"] <= 720
    # At an earlier epoch there is no head of the network to be asked, so nothing is shaded.
    page.locator(".player input").fill("3")
    expect(page.locator(".panels canvas").first).to_have_attribute("data-regions", "false")
    page.locator(".player input").fill("20")
    expect(page.locator(".panels canvas").first).to_have_attribute("data-regions", "true")
    page.get_by_text("Decision regions", exact=True).click()
    expect(page.locator(".panels canvas").first).to_have_attribute("data-regions", "false")
    expect(page).to_have_url(re.compile("regions=0"))
    settled(page)


def test_a_point_says_what_it_is_and_a_class_can_be_hidden(open_page):
    page = open_page("/Embeddings?dataset=mnist", dark=True)
    expect(page.locator(".panels canvas")).to_have_count(2)
    settled(page)
    kept = models.kept_features(PAIR[0])
    far = kept.features[-1].norm(dim=1).argmax()
    page.mouse.move(*on_screen(page, 0, *kept.features[-1][far].tolist()))
    expect(page.locator(".tip")).to_be_visible()
    expect(page.locator(".tip")).to_contain_text("test image")
    full = ink(page, 0)
    page.get_by_role("button", name="0", exact=True).click()
    expect(page.get_by_role("button", name="0", exact=True)).to_have_attribute("aria-pressed", "false")
    assert ink(page, 0) < full
    # Moving: a drag takes the plane along, and Reset view brings it back.
    view = page.locator(".panels canvas").first.get_attribute("data-view")
    page.get_by_role("button", name="Move", exact=True).click()
    box = page.locator(".panels canvas").first.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 130, steps=4)
    page.mouse.up()
    assert page.locator(".panels canvas").first.get_attribute("data-view") != view
    page.get_by_role("button", name="Reset view").click()
    assert page.locator(".panels canvas").first.get_attribute("data-view") == view


@pytest.mark.slow
def test_the_old_map_stays_until_the_new_one_has_formed(open_page):
    page = open_page("/Embeddings?dataset=mnist&1=mnist-c4-graph&2=none&projection=tsne&perplexity=7&epochs=1")
    expect(page.locator(".panels canvas")).to_have_count(1)
    settled(page)
    expect(page.get_by_text("until it has, this is the shared linear frame")).to_be_visible()
    view = page.locator(".panels canvas").get_attribute("data-view")
    page.get_by_role("button", name="Fit t-SNE").click()
    seen = set()
    while page.get_by_text("perplexity 7, seed 0").count() == 0:
        words = page.get_by_text(re.compile(r"t-SNE: map 1 of 1, step \d+ of 750")).all_inner_texts()
        canvas = page.locator(".panels canvas")
        if words and canvas.count() == 1 and page.get_by_text("It is forming.").count():
            seen.add((re.search(r"step (\d+)", words[0])[1], canvas.get_attribute("data-view")))
        page.wait_for_timeout(100)
    assert len({step for step, _ in seen}) > 1
    assert len({where for _, where in seen} - {view}) > 1  # the view follows the points
    settled(page)
    expect(page.get_by_text("until it has")).to_have_count(0)


def test_narrow_windows_show_one_panel_below_the_other(open_page):
    page = open_page("/Embeddings?dataset=mnist", width=390, height=844)
    expect(page.locator(".panels canvas")).to_have_count(2)
    settled(page)
    first, second = (canvas.bounding_box() for canvas in page.locator(".panels canvas").all())
    assert first["x"] == second["x"] >= 0
    assert second["y"] > first["y"] + first["height"]
    assert first["x"] + first["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
