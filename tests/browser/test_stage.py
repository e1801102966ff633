"""The lab before an audience: what a projector's window holds, and what a teacher's hand reaches there."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from test_main_path import FIVE, read_back, settled, slider, titles

pytestmark = pytest.mark.browser

DIGIT = "model=mnist-c4-ce&iterations=10"
PHOTOGRAPH = "model=imagenet-efficientnet-lite0&attack=fgsm"
PROJECTOR = {"width": 1280, "height": 720}


def attacked(page: Page) -> Page:
    """The page with what its attack has given."""
    settled(page)
    page.get_by_role("button", name="Run").click()
    expect(titles(page)).to_have_text(FIVE)
    settled(page)
    page.mouse.move(5, 5)
    return page


def height(page: Page, selector: str) -> float:
    """Of the lowest edge of any of them."""
    return max(box["y"] + box["height"] for each in page.locator(selector).all() if (box := each.bounding_box()))


@pytest.mark.parametrize("present", ["", "&present=1"], ids=["lab", "present"])
@pytest.mark.parametrize("what", [DIGIT, PHOTOGRAPH], ids=["digit", "photograph"])
def test_five_pictures_and_the_steps_without_scrolling(open_page: Callable[..., Page], what: str, present: str):
    page = attacked(open_page(f"/Attack_lab?{what}{present}", **PROJECTOR))
    assert page.locator(".viewer canvas").count() == 5
    for part in (".viewer canvas", ".viewer .steps", ".stMain button[kind=primary]", ".ss-verdict"):
        assert 0 < height(page, part) <= 720


def test_present_and_full_screen_enlarge(open_page: Callable[..., Page]):
    def size(page: Page) -> int:
        pixels, seen = read_back(page.locator('.viewer canvas[data-title="Original"]'))
        assert seen["shown"] == seen["size"]
        opaque = pixels[..., 3] == 255
        across = int(opaque.any(0).sum())
        scale = page.locator(".viewer .ratio").inner_text()
        assert scale == f"×{np.round(across / 224, 2):g}"  # as it is written
        return across

    page = attacked(open_page(f"/Attack_lab?{PHOTOGRAPH}", **PROJECTOR))
    usual = size(page)
    page.get_by_role("button", name="Present").click()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    settled(page)
    assert size(page) >= 1.15 * usual
    page.get_by_role("button", name="Full screen").click()
    page.get_by_role("button", name="Leave full screen (Esc)").wait_for()
    page.wait_for_timeout(300)
    assert size(page) >= 1.15 * usual


def test_a_larger_window_has_larger_pictures(open_page: Callable[..., Page]):
    page = attacked(open_page(f"/Attack_lab?{PHOTOGRAPH}", width=1440, height=900))
    _, seen = read_back(page.locator('.viewer canvas[data-title="Original"]'))
    assert seen["size"][0] > 1.2 * 224


def test_present_keeps_the_sliders_that_a_teacher_pins(open_page: Callable[..., Page]):
    page = open_page(f"/Attack_lab?{DIGIT}&pins=margin.alpha", **PROJECTOR)
    settled(page)
    page.get_by_role("button", name="Present").click()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    settled(page)
    seen = page.locator(".stMain .st-key-slid").get_by_test_id("stSlider")
    expect(seen).to_have_count(2)
    expect(seen.nth(0)).to_contain_text("Smoothing")
    expect(seen.nth(1)).to_contain_text("Margin")
    for each in seen.all():
        expect(each).to_be_in_viewport(ratio=1)
    margin = slider(page, "Margin")
    margin.focus()
    page.keyboard.press("ArrowRight")
    settled(page)
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".ss-verdict")).to_be_visible()
    expect(page.get_by_text("The settings have changed")).to_have_count(0)
    expect(page).to_have_url(re.compile("pins=margin.alpha"))
    page.get_by_role("button", name="Leave presentation").click()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    settled(page)
    expect(page.locator(".stMain .st-key-slid").get_by_test_id("stSlider")).to_have_count(0)
    expect(slider(page, "Margin")).not_to_have_value("1")  # what was slid has stayed


def test_alpha_is_slid_where_it_matters(open_page: Callable[..., Page]):
    page = open_page(f"/Attack_lab?{DIGIT}&alpha=0", **PROJECTOR)
    settled(page)
    alpha, margin = slider(page, "Smoothing"), slider(page, "Margin")
    expect(alpha).to_have_attribute("aria-valuetext", "0")
    expect(page.locator(".ss-marks").first).to_have_text("0.950.997")
    alpha.focus()
    for presses in range(1, 13):  # no press is lost while the page is busy, whatever comes back late from a box
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(100)
        expect(alpha).to_have_value(str(presses))
    page.wait_for_timeout(1000)
    settled(page)
    expect(alpha).to_have_value("12")
    for _ in range(60):  # it was 997
        if alpha.get_attribute("aria-valuetext") == "0.997":
            break
        page.keyboard.press("ArrowRight")
    expect(alpha).to_have_attribute("aria-valuetext", "0.997")
    settled(page)
    margin.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(60)
    settled(page)
    expect(page).to_have_url(re.compile(r"alpha=0\.997.*margin=3\.5|margin=3\.5.*alpha=0\.997"))
    expect(alpha).to_have_attribute("aria-valuetext", "0.997")
    # A number that no hand would meet.
    box = page.get_by_role("spinbutton", name="Smoothing α, as a number")
    box.fill("0.98765")
    box.press("Enter")
    expect(page).to_have_url(re.compile(r"alpha=0\.98765"))
    settled(page)
    expect(slider(page, "Smoothing")).to_have_attribute("aria-valuetext", "0.98765")


def test_a_target_is_searched_for_by_its_name(open_page: Callable[..., Page]):
    page = open_page(f"/Attack_lab?{DIGIT}&attack=deepfool", **PROJECTOR)
    settled(page)
    target = page.get_by_role("combobox", name=re.compile("Target"))
    target.scroll_into_view_if_needed()
    target.focus()
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("target=3"))
    attacked(page)
    expect(page.locator(".ss-verdict")).to_have_text(re.compile(r" is now 3$"))
