"""Smoothing in a real Chromium: the impulse response follows the pointer and is core's; the link opens the same."""

import re

import pytest
import torch
from playwright.sync_api import expect

from core import data
from core.graph import PixelGraph, Smoother

pytestmark = pytest.mark.browser


def answer(image, alpha, x, y):
    """(1, 1, H, W) the impulse response of s^_alpha at a pixel, in double precision."""
    impulse = torch.zeros(1, 1, *image.shape[2:], dtype=torch.float64)
    impulse[0, 0, y, x] = 1
    return Smoother(PixelGraph(image.double()), alpha)(impulse)


def test_one_pixel_follows_the_pointer_and_is_what_core_computes(open_page):
    sent: list[object] = []

    def listen(page):
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))

    page = open_page("/Smoothing?at=40,150", listen=listen)
    response = page.locator(".response")
    expect(response).to_have_attribute("data-at", "40,150")
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    photos = data.load("photos")
    image = photos.images[photos.names.index("coffee")][None]
    canvas = page.locator(".response canvas").first
    box, before = canvas.bounding_box(), len(sent)
    assert box["width"] == 224
    page.mouse.move(box["x"] + 90.5, box["y"] + 60.5)
    expect(response).to_have_attribute("data-at", "90,60")
    expect(response).to_have_attribute("data-residual", re.compile(r"^\d\.\d+e-(09|9)$"))  # at rest
    assert len(sent) == before
    expected = answer(image, 0.997, 90, 60)
    assert float(response.get_attribute("data-here")) == pytest.approx(float(expected[0, 0, 60, 90]), rel=1e-4)
    assert float(response.get_attribute("data-sum")) == pytest.approx(float(expected.sum()), rel=1e-4)

    # A click keeps the pixel; the slider goes by keyboard, and both are in the link.
    page.mouse.down()
    page.mouse.up()
    expect(page).to_have_url(re.compile("at=90%2C60"))
    page.mouse.move(0, 0)
    page.get_by_role("slider", name="alpha").press("Home")
    expect(page).to_have_url(re.compile("alpha=0.0"))
    expect(response).to_have_attribute("data-here", "1")
    expect(response).to_have_attribute("data-sum", "1")
    canvas.press("ArrowDown")
    expect(page).to_have_url(re.compile("at=90%2C61"))
    again = open_page(page.url.removeprefix(page.url.partition("/Smoothing")[0]))
    expect(again.locator(".response")).to_have_attribute("data-at", "90,61")
    expect(again.locator(".response")).to_have_attribute("data-alpha", "0")
    again.get_by_text("Whole pictures").click()
    expect(again.locator(".viewer")).to_be_visible()
    expect(again.get_by_role("slider", name="Smoothness")).to_have_attribute("aria-valuetext", "0")


@pytest.mark.parametrize("width", [390, pytest.param(1280, marks=pytest.mark.slow)])
def test_four_pictures_fit_the_window(open_page, width):
    page = open_page("/Smoothing?pictures=mnist", width=width, height=720)
    expect(page.locator(".response")).to_have_attribute("data-at", "9,14")
    boxes = [canvas.bounding_box() for canvas in page.locator(".response canvas").all()]
    assert all(box["x"] + box["width"] <= width for box in boxes)
    assert [round(box["y"]) == round(boxes[0]["y"]) for box in boxes] == [True, True, width > 640, width > 640]
