"""What must hold whatever a person brings along: a broken file, a phone, a dark theme."""

import io

import pytest
from conftest import sticking_out
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

PAGES = ["/", "/Attack_lab"]
SMALL_PRINT = ".ss-note, .viewer .note, figcaption, .ss-name, .ss-value, [data-testid='stCaptionContainer'] p"

CONTRAST = """elements => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 1;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    const rgba = colour => {  // whatever way the colour is written
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
        return {rgb: [r, g, b], a: a / 255};
    };
    const over = (top, a, below) => top.map((value, i) => a * value + (1 - a) * below[i]);
    const luminance = rgb => {
        const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    return elements.filter(e => e.checkVisibility() && e.textContent.trim()).map(element => {
        const chain = [];
        for (let e = element; e; e = e.parentElement ?? e.getRootNode().host) chain.unshift(getComputedStyle(e));
        let ground = [255, 255, 255], opacity = 1;
        for (const style of chain) {
            opacity *= Number(style.opacity);
            const {rgb, a} = rgba(style.backgroundColor);
            ground = over(rgb, a, ground);
        }
        const {rgb, a} = rgba(getComputedStyle(element).color);
        const [low, high] = [luminance(ground), luminance(over(rgb, a * opacity, ground))].sort((x, y) => x - y);
        return [element.textContent.trim(), (high + 0.05) / (low + 0.05)];
    });
}"""


def settled(page: Page) -> None:
    page.wait_for_selector("figure img, .viewer canvas")
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_on_a_phone(open_page, path: str, dark: bool):
    page = open_page(path, width=390, height=844, dark=dark)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert sticking_out(page) == []
    contrasts = page.locator(SMALL_PRINT).evaluate_all(CONTRAST)
    assert len(contrasts) >= 4
    assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == []
    ground = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert (sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) < 200) == dark


@pytest.mark.parametrize("width", [390, 1280, *(pytest.param(other, marks=pytest.mark.slow) for other in (640, 1600))])
def test_what_comes_last_pushes_nothing_down(open_page, width: int):
    # The link's button is drawn when the script is done: on a slow machine a person points at something by then.
    page = open_page("/Graph_loss?view=figures", width=width)
    page.get_by_title("Copy link").wait_for()
    high = "() => document.querySelector('.st-key-navigation').offsetHeight"
    done = page.evaluate(high)
    page.evaluate("document.querySelector('.st-key-sharing').lastElementChild.remove()")
    assert page.get_by_title("Copy link").count() == 0
    assert page.get_by_test_id("stButton").filter(has_text="Present").count() == 1
    assert page.evaluate(high) == done


def test_an_upload_is_shown_by_its_name(open_page):
    page = open_page("/Attack_lab")
    settled(page)
    page.get_by_role("button", name="Own picture").click()
    file, name = io.BytesIO(), "a_b*c* $x$ :red[d] <b> 1.png"
    Image.new("RGB", (30, 30), "teal").save(file, "PNG")
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": file.getvalue()})
    expect(page.locator(".viewer .note").first).to_have_text(name)
    expect(page.get_by_test_id("stMarkdown").get_by_text(name, exact=True)).to_be_visible()


def test_a_broken_upload_gets_one_sentence(open_page):
    page = open_page("/Attack_lab")
    settled(page)
    page.get_by_role("button", name="Own picture").click()
    broken = {"name": "holiday.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n but no more"}
    page.locator("input[type=file]").set_input_files(broken)
    message = page.get_by_test_id("stAlertContainer")
    expect(message).to_have_count(1)
    assert message.inner_text().strip().startswith("holiday.png: The file is not a picture that can be read here")
    page.keyboard.press("Escape")
    before = page.locator(".viewer .note").first.inner_text()
    page.get_by_role("button", name="Next picture").click()
    expect(page.locator(".viewer .note").first).not_to_have_text(before)
    settled(page)
