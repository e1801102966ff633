"""What a person does with Smoothscope, in a real Chromium."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from test_reach import grave

from core import data, examples, models
from core.attacks import ATTACKS, run
from pages.parts.components.viewer import Panel, levels
from pages.parts.shell.page import SEEN

pytestmark = pytest.mark.browser

FIVE = ["Original", "Adversarial", "Perturbation", "Magnified original", "Magnified adversarial"]

READ_BACK = """element => {
    let canvas = element;
    if (element.tagName === "IMG") {
        canvas = document.createElement("canvas");
        canvas.width = element.naturalWidth;
        canvas.height = element.naturalHeight;
        canvas.getContext("2d").drawImage(element, 0, 0);
    }
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let rgba = "";
    for (let i = 0; i < data.length; i += 4096) rgba += String.fromCharCode(...data.subarray(i, i + 4096));
    return {
        rgba: btoa(rgba),
        size: [canvas.width, canvas.height],
        shown: [element.clientWidth, element.clientHeight],  // the border is not part of it
        rendering: getComputedStyle(element).imageRendering,
        src: element.src,
    };
}"""


def settled(page: Page) -> None:
    """No script is running, nothing has failed."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.get_by_test_id("stException")).to_have_count(0)


def titles(page: Page) -> Locator:
    return page.locator("figcaption")


def slider(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stSlider").filter(has_text=label).locator("input[type=range]")


def read_back(picture: Locator) -> tuple[np.ndarray, dict]:
    """Levels (H, W, 4) of an image or a canvas, and what else is to be known of it."""
    seen = picture.evaluate(READ_BACK)
    width, height = seen["size"]
    return np.frombuffer(base64.b64decode(seen["rgba"]), np.uint8).reshape(height, width, 4), seen


def check_pixels(page: Page) -> int:
    """Every picture arrives on the screen exactly as it was sent, enlarged by a whole number; returns how many."""
    pictures = page.locator("figure img").all()
    for picture in pictures:
        pixels, seen = read_back(picture)
        sent = base64.b64decode(seen["src"].removeprefix("data:image/png;base64,"))
        with Image.open(io.BytesIO(sent)) as image:
            np.testing.assert_array_equal(pixels, np.array(image.convert("RGBA")))
        zoom = seen["shown"][0] // seen["size"][0]
        assert zoom >= 1
        assert seen["shown"] == [zoom * size for size in seen["size"]]
        assert seen["rendering"] == "pixelated"
    return len(pictures)


def check_canvas(page: Page, title: str, image: torch.Tensor) -> None:
    """A picture of the microscope, screen pixel by screen pixel, is `image` (C, H, W), by nearest neighbour."""
    pixels, seen = read_back(page.locator(f'.viewer canvas[data-title="{title}"]'))
    width, size = seen["size"][0], image.shape[-1]
    assert width >= size
    assert seen["shown"] == seen["size"] == [width, width]
    nearest = ((np.arange(width) + 0.5) * size / width).astype(int)
    expected = levels(Panel(title, image))[nearest][:, nearest]
    np.testing.assert_array_equal(pixels[..., :3], np.broadcast_to(expected, (*expected.shape[:2], 3)))
    assert (pixels[..., 3] == 255).all()


def test_fool_a_network(open_page):
    page = open_page()
    expect(titles(page)).to_have_text(["Original", "Carlini & Wagner", "Smooth C&W", *["… magnified"] * 3])
    assert check_pixels(page) == 6
    # Every page is introduced by what one sees there, and is one click away.
    main = page.locator(".stMain")
    for name, sentence in SEEN.items():
        expect(main.get_by_role("link", name=sentence)).to_have_attribute("href", re.compile(f"{name}$"))
    # What is tried in the lab is the very picture and attack, and one step of the browser's leads back.
    example = examples.start()
    page.get_by_role("button", name="Try it in the Attack lab").click()
    expect(titles(page)).to_have_text(["Original", "Magnified original"])
    settled(page)
    photos = data.load("photos")
    check_canvas(page, "Original", photos.images[photos.names.index(example.photo)])
    tried = example.attacks["success-scw"].attack
    expect(page.get_by_role("combobox", name=re.compile("Attack"))).to_have_value(ATTACKS[tried.name].title)
    expect(slider(page, "Smoothing")).to_have_attribute("aria-valuetext", f"{tried.parameters['alpha']:g}")
    expect(slider(page, "Iterations")).to_have_value(str(tried.parameters["iterations"]))
    page.wait_for_timeout(1600)  # what comes sooner is taken for a late message of the browser's
    page.go_back()
    expect(page.get_by_role("button", name="Try it in the Attack lab")).to_be_visible()

    page = open_page("/Attack_lab?seed=1862")  # of its own: what others ran on this server is not known here
    expect(titles(page)).to_have_text(["Original", "Magnified original"])
    settled(page)
    page.get_by_role("button", name="Gallery").click()
    page.get_by_role("dialog").get_by_text("7", exact=True).click()
    digit = page.locator(".wall button[title$=': 7']").nth(2)
    name = digit.get_attribute("title")
    digit.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".viewer .note").first).to_have_text(name)
    settled(page)

    alpha = slider(page, "Smoothing")
    expect(alpha).to_have_attribute("aria-valuetext", "0.95")
    alpha.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    expect(alpha).to_have_attribute("aria-valuetext", "0.911")
    iterations = slider(page, "Iterations")
    iterations.focus()
    page.keyboard.press("Home")
    expect(iterations).to_have_value("10")
    page.get_by_role("button", name="Run").click()
    expect(titles(page)).to_have_text(FIVE)
    expect(page.locator(".ss-verdict")).to_have_text(re.compile(r"^7 is now [0-9]$"))
    # What was moved a moment before Run is what was run.
    expect(page.get_by_text("The settings have changed")).to_have_count(0)
    settled(page)
    digits = data.gallery.read("mnist")
    row = digits.indices.tolist().index(int(re.findall(r"\d+", name)[0]))
    image, label = digits.images[row : row + 1], digits.labels[row : row + 1]
    torch.set_num_threads(1)  # as the server's: sums in another order end in other last digits
    attack = ATTACKS["scw"](alpha=0.911, iterations=10)
    result = run(attack, models.load("mnist-c4-ce"), image, label)
    check_canvas(page, "Original", image[0])
    check_canvas(page, "Adversarial", result.adversarial_8bit[0])

    # A photograph and its network take longer: time enough to stop half way.
    network = page.get_by_role("combobox", name=re.compile("Network"))
    network.scroll_into_view_if_needed()  # before it opens: scrolling closes its list
    expect(network).to_be_in_viewport()
    network.focus()
    page.keyboard.type("Lite0")  # what is far down in the list is not drawn before it is sought
    page.get_by_role("option", name=re.compile("EfficientNet-Lite0")).click()
    page.mouse.move(900, 700)  # where no help is in the way
    expect(titles(page)).to_have_text(["Original", "Magnified original"])
    settled(page)
    iterations = slider(page, "Iterations")
    iterations.focus()
    page.keyboard.press("End")
    expect(iterations).to_have_value("500")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text(re.compile(r"^Step \d+ of 501"))).to_be_visible()  # and the push
    assert grave(page) == []  # meanwhile
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("stopped before its end")).to_be_visible()
    expect(titles(page)).to_have_count(5)  # the pictures come after the words
    reached = titles(page).all_inner_texts()
    assert reached[1] in ("Adversarial", "Nearest attempt")
    settled(page)
    expect(page.locator(".viewer canvas")).to_have_count(5)
    steps = int(page.locator(".ss-table tr", has_text="Steps").locator("td").nth(1).inner_text())
    assert 1 <= steps < 500


def pair(page: Page) -> list[str]:
    """What Blink opens on."""
    page.get_by_role("button", name="Blink", exact=True).click()
    return [page.get_by_role("combobox", name=f"{which} picture").input_value() for which in ("First", "Second")]


@pytest.mark.slow
def test_blink_opens_on_what_is_to_be_compared(open_page):
    """Whatever stood there before: the clean picture with its magnification, or an attack that is running."""
    start = "/Attack_lab?model=mnist-c4-ce&iterations=10&seed=11"
    for cached in (False, True):
        page = open_page(start)
        if not cached:  # else it is there at once
            expect(titles(page)).to_have_text(["Original", "Magnified original"])
            settled(page)
            page.get_by_role("button", name="Run").click()
        expect(titles(page)).to_have_text(FIVE)
        settled(page)
        expect(page.get_by_text("kept from an identical run")).to_have_count(int(cached))
        assert pair(page) == ["Original", "Adversarial"]
    # What a person has chosen stays for as long as the pictures are these.
    page.get_by_role("combobox", name="Second picture").select_option("Perturbation")
    detail = slider(page, "Domain")
    detail.focus()
    page.keyboard.press("ArrowRight")
    settled(page)
    assert pair(page) == ["Original", "Perturbation"]

    page = open_page("/Compare")
    expect(titles(page)).to_have_count(8)
    settled(page)
    assert pair(page) == ["Original", "Carlini & Wagner (C&W)"]
