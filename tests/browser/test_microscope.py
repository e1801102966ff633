"""The image microscope in a real Chromium: what its canvases hold is what was computed, whatever is done to them."""

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

import microscope
import numpy as np
import pytest
import torch
from conftest import serving
from playwright.sync_api import Locator, Page, expect
from test_windows import CONTRAST

from core.data.files import quantize
from pages.parts.components.film import FRAMES, chosen
from pages.parts.components.viewer import Panel, levels

pytestmark = pytest.mark.browser

TITLES = ["Original", "Perturbed", "Perturbation", "Magnified"]
READ_BACK = """canvas => {
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let rgba = "";
    for (let i = 0; i < data.length; i += 4096) rgba += String.fromCharCode(...data.subarray(i, i + 4096));
    return [canvas.width, canvas.height, btoa(rgba)];
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Instead of Smoothscope's: a page with nothing but a microscope."""
    with serving("tests/browser/microscope.py", tmp_path_factory.mktemp("microscope")) as address:
        yield address


class Lens:
    """The microscope on a page, and what it must show."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.size, self.channels = 224, 3
        expect(page.locator(".viewer canvas")).to_have_count(4)
        self.settled()

    def settled(self) -> None:
        """No script is running, nothing has failed, everything has been drawn."""
        self.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        expect(self.page.get_by_test_id("stException")).to_have_count(0)
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def choose(self, option: str) -> None:
        self.page.get_by_test_id("stButtonGroup").get_by_text(option, exact=True).click()
        if option in microscope.SIZES:
            self.size, self.channels = microscope.SIZES[option]
            expect(self.page.locator(".steps")).to_be_visible()
        self.page.wait_for_timeout(300)
        self.settled()

    def canvas(self, title: str) -> Locator:
        return self.page.locator(f'.viewer canvas[data-title="{title}"]')

    def pixels(self, title: str) -> np.ndarray:
        """(H, W, 3) of a canvas; all of it is opaque."""
        width, height, rgba = self.canvas(title).evaluate(READ_BACK)
        pixels = np.frombuffer(base64.b64decode(rgba), np.uint8).reshape(height, width, 4)
        assert (pixels[..., 3] == 255).all()
        return pixels[..., :3]

    @property
    def pictures(self) -> tuple[torch.Tensor, torch.Tensor]:
        return microscope.pictures(self.size, self.channels)

    def expected(self, gain: float = 5) -> dict[str, np.ndarray]:
        """Levels (H, W, 3) of every panel."""
        clean, perturbed = self.pictures
        r = perturbed - clean
        panels = [
            Panel("Original", clean),
            Panel("Perturbed", perturbed),
            Panel("Perturbation", r, 1 / gain),
            Panel("Magnified", 3 * r, 0.3, "σ"),
        ]
        return {panel.title: in_colour(levels(panel)) for panel in panels}

    @property
    def zoom(self) -> str:
        return self.page.locator(".viewer .ratio").inner_text()

    @property
    def slider(self) -> Locator:
        return self.page.locator(".viewer .steps input")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settled()

    def below(self, title: str, what: str) -> Locator:
        return self.page.locator(f'figure:has(canvas[data-title="{title}"]) .{what}')

    def readout(self, title: str) -> str:
        return self.below(title, "readout").inner_text()


def in_colour(shown: np.ndarray) -> np.ndarray:
    return np.broadcast_to(shown, (*shown.shape[:2], 3))


def enlarged(shown: np.ndarray, scale: int, left: int, top: int, width: int, height: int) -> np.ndarray:
    """What a canvas must hold if the picture begins at (left, top) and each of its pixels is scale x scale."""
    x, y = (np.arange(width) - left) // scale, (np.arange(height) - top) // scale
    return shown[y][:, x]


def grown(shown: np.ndarray, width: int, height: int) -> np.ndarray:
    """What a canvas must hold if all of the picture fills it, by nearest neighbour."""
    y, x = (
        ((np.arange(n) + 0.5) * size / n).astype(int) for n, size in zip((height, width), shown.shape[:2], strict=True)
    )
    return shown[y][:, x]


@pytest.fixture
def lens(open_page: Callable[..., Page]) -> Lens:
    """In a window in which a photograph has room for each of its pixels once, and little more."""
    return Lens(open_page(width=940))


def test_lossless_at_every_scale(lens: Lens):
    assert lens.zoom == "×1"
    expected = lens.expected()
    for title in TITLES:
        np.testing.assert_array_equal(lens.pixels(title), expected[title])
    lens.canvas("Original").focus()
    lens.press("+", "+", "+")  # around the middle
    assert lens.zoom == "×4"
    left = 112 - 112 * 4
    for title in TITLES:
        np.testing.assert_array_equal(lens.pixels(title), enlarged(expected[title], 4, left, left, 224, 224))
    lens.choose("digit")
    assert lens.zoom == "×8"  # another size: all of it, as large as fits
    expected = lens.expected()
    for title in TITLES:
        np.testing.assert_array_equal(lens.pixels(title), expected[title].repeat(8, 0).repeat(8, 1))


def test_no_third_of_the_room_stays_empty(open_page: Callable[..., Page]):
    lens = Lens(open_page(width=1280, height=1000))
    expected = lens.expected()
    for title in TITLES:
        pixels = lens.pixels(title)
        height, width = pixels.shape[:2]
        assert 224 * 1.22 < width == height
        np.testing.assert_array_equal(pixels, grown(expected[title], width, height))
        box = lens.canvas(title).bounding_box()
        assert box
        assert (box["width"], box["height"]) == (width, height)  # screen pixel by screen pixel
        assert lens.zoom == f"×{width / 224:.2f}".rstrip("0")
    # What is pointed at is what is seen there.
    for x, y in ((0, 0), (101, 207), (width - 1, height - 1)):
        lens.canvas("Perturbed").hover(position={"x": x + 0.5, "y": y + 0.5})
        lens.settled()
        levels_there = " ".join(map(str, lens.pixels("Original")[y, x]))
        assert f"level {levels_there}" in lens.readout("Original").replace("\n", " ")
    lens.canvas("Original").focus()
    lens.press("+")
    assert lens.zoom == "×2"  # nearer, whole numbers of screen pixels again


def test_steps_are_lossless_and_cost_nothing(open_page: Callable[..., Page]):
    """Every frame is what the step was; scrubbing through all of them sends nothing; all of it is under 12 MB."""
    sent: list[Any] = []
    received: list[int] = []

    def listen(page: Page) -> None:
        def connected(socket: Any) -> None:
            socket.on("framesent", lambda frame: sent.append(frame))
            socket.on("framereceived", lambda frame: received.append(len(frame)))

        page.on("websocket", connected)

    lens = Lens(open_page(width=940, listen=listen))
    assert sum(received) > 1_000_000  # the frames were among it
    assert sum(received) < 12_000_000
    clean, perturbed = lens.pictures
    order = chosen(microscope.STEPS, microscope.BEST - 1)
    assert len(order) == FRAMES == 64
    lens.slider.focus()
    lens.press("Home")
    sent.clear()
    received.clear()
    for i in order:
        step = i + 1
        expect(lens.page.locator(".heading")).to_contain_text(f"Step {step} of 247")
        best = step == microscope.BEST
        image = perturbed if best else microscope.iterate(clean, perturbed, step)
        lens.settled()
        expected = in_colour(levels(Panel("p", quantize(image))))
        np.testing.assert_array_equal(lens.pixels("Perturbed"), expected)
        shown = lens.pixels("Perturbation").astype(int)
        assert np.abs(shown - in_colour(levels(Panel("p", image - clean, 1 / 5)))).max() <= (0 if best else 1)
        note = lens.below("Perturbed", "note")
        fools = "fools the network" if step >= 100 else "does not fool the network"
        expect(note).to_have_text("fools" if best else re.compile(f"^step {step}: {fools}"))
        lens.page.keyboard.press("ArrowRight")
    np.testing.assert_array_equal(lens.pixels("Original"), lens.expected()["Original"])
    expect(lens.below("Magnified", "note")).to_have_text(
        f"of the result (step {microscope.BEST}), not of step {microscope.STEPS}"
    )
    lens.page.wait_for_timeout(300)
    assert sent == []
    assert received == []


def test_the_slider_and_the_traces_move_each_other(lens: Lens):
    page = lens.page
    heading = page.locator(".heading")
    expect(heading).to_have_text(f"Step {microscope.BEST} of 247, the result")
    expect(page.locator(".curve output")).to_have_text(["0.00667", "1"])
    plot = page.locator(".plot").first
    box = plot.bounding_box()
    assert box
    plot.click(position={"x": 0.4 * box["width"], "y": 10})
    expect(heading).to_have_text("Step 101 of 247")
    expect(lens.slider).to_have_value("101")
    cursor = page.locator(".cursor").first.bounding_box()
    assert cursor
    assert abs(cursor["x"] + 1 - (box["x"] + box["width"] * 100 / 246)) < 1.5
    expect(page.locator(".curve output")).to_have_text(["0.0099", "1"])
    lens.slider.focus()
    lens.press("ArrowLeft")
    expect(heading).to_have_text("Step 97 of 247")
    expect(page.locator(".curve output")).to_have_text(["0.0103", "−1"])
    assert "step 97 of 247, does not fool the network, loss 0.0103" in str(lens.slider.get_attribute("aria-valuetext"))
    lens.press("Home")
    expect(heading).to_have_text("Step 1 of 247")
    lens.press("End")
    expect(heading).to_have_text("Step 247 of 247")
    page.get_by_role("button", name="Result").click()
    expect(heading).to_have_text(f"Step {microscope.BEST} of 247, the result")
    page.get_by_role("button", name="Step on").click()
    expect(heading).to_have_text("Step 153 of 247")
    lens.press("Home")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(heading).to_have_text("Step 247 of 247")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    # A changed display keeps the step, another run starts from its own result.
    lens.slider.focus()
    lens.press("ArrowLeft")
    lens.choose("10")
    expect(heading).to_have_text("Step 245 of 247")
    lens.choose("1")
    expect(heading).to_have_text("Step 245 of 247")
    lens.choose("another run")
    expect(heading).to_have_text(f"Step {microscope.BEST} of 247, the result")


def test_zoom_is_locked_and_survives(lens: Lens):
    canvas = lens.canvas("Perturbation")
    box = canvas.bounding_box()
    assert box
    lens.page.keyboard.down("Control")
    lens.page.mouse.move(box["x"] + 50, box["y"] + 180)
    for _ in range(5):
        lens.page.mouse.wheel(0, -60)
        lens.settled()
    lens.page.keyboard.up("Control")
    assert lens.zoom == "×6"
    # What was under the cursor has stayed there; then it is dragged.
    left, top = 50 - 50 * 6, 180 - 180 * 6
    lens.page.mouse.down()
    lens.page.mouse.move(box["x"] + 80, box["y"] + 160, steps=4)
    lens.page.mouse.up()
    lens.settled()
    expected = lens.expected()
    near = range(-6, 7)  # the page may stand between two pixels of the screen
    places = [(left + 30 + x, top - 20 + y) for x in near for y in near]
    (place,) = {
        (x, y)
        for x, y in places
        if np.array_equal(lens.pixels("Original"), enlarged(expected["Original"], 6, x, y, 224, 224))
    }
    for title in TITLES:
        np.testing.assert_array_equal(lens.pixels(title), enlarged(expected[title], 6, *place, 224, 224))

    def unmoved(gain: float) -> None:
        assert lens.zoom == "×6"
        for title in TITLES:
            shown = lens.expected(gain)[title]
            np.testing.assert_array_equal(lens.pixels(title), enlarged(shown, 6, *place, 224, 224))

    lens.choose("10")
    unmoved(10)
    toggle = lens.page.get_by_test_id("stCheckbox")
    toggle.click()  # a run goes on: another viewer in another place
    expect(lens.canvas("So far")).to_be_visible()
    lens.settled()
    assert lens.zoom == "×6"
    shown = lens.pixels("Original")
    x, y = ((shown.shape[1] - 224) // 2, (shown.shape[0] - 224) // 2)  # the same middle
    np.testing.assert_array_equal(
        shown, enlarged(expected["Original"], 6, place[0] + x, place[1] + y, shown.shape[1], shown.shape[0])
    )
    toggle.click()
    expect(lens.page.locator(".steps")).to_be_visible()
    lens.settled()
    unmoved(10)
    lens.page.get_by_role("button", name="Fit").click()
    lens.settled()
    assert lens.zoom == "×1"
    np.testing.assert_array_equal(lens.pixels("Original"), expected["Original"])


def test_every_panel_says_the_value_under_the_cursor(lens: Lens):
    clean, perturbed = lens.pictures
    x, y = 37, 101
    lens.canvas("Magnified").hover(position={"x": x + 0.5, "y": y + 0.5})
    lens.settled()
    values = [v.item() for v in clean[:, y, x]]
    assert lens.readout("Original").split() == [
        "x",
        str(x),
        "y",
        str(y),
        "level",
        *(f"{255 * v:.0f}" for v in values),
        *(f"{v:.4f}" for v in values),
    ]
    r = perturbed - clean
    written = " ".join(f"{v:+.4f}".replace("-", "−") for v in r[:, y, x].tolist())
    assert written in lens.readout("Perturbation")
    written = " ".join(f"{255 * v:+.1f}".replace("-", "−") for v in r[:, y, x].tolist())
    assert f"{written} /255" in lens.readout("Perturbation")
    shown = lens.expected()["Magnified"][y, x]
    assert f"grey {' '.join(map(str, shown))}" in lens.readout("Magnified")
    assert lens.readout("Magnified").endswith(" σ")
    lens.page.mouse.move(2, 2)
    lens.settled()
    expect(lens.page.locator(".readout:visible")).to_have_count(0)
    # And with the keyboard alone, read out by a screen reader.
    lens.canvas("Original").focus()
    lens.press("Shift+ArrowRight")
    assert lens.readout("Perturbed").startswith("x 113  y 112")
    expect(lens.page.locator(".viewer .status")).to_have_text(re.compile(r"^x 113  y 112  level "))


def test_blink_and_swipe(open_page: Callable[..., Page]):
    lens = Lens(open_page(reduced_motion="reduce"))
    page = lens.page
    expected = lens.expected()
    lens.canvas("Original").focus()
    lens.press(" ")  # with reduced motion it does not begin to blink by itself
    expect(page.locator(".viewer canvas")).to_have_count(1)
    height, width = lens.pixels("Original").shape[:2]
    assert width >= 2 * 224
    for title in ("Original", "Perturbed", "Original"):
        np.testing.assert_array_equal(lens.pixels(title), grown(expected[title], width, height))
        expect(page.locator("figcaption")).to_have_text(title)
        lens.press(" ")
    page.get_by_role("button", name="Blink by itself").click()
    for title in ("Original", "Perturbed"):
        expect(page.locator("figcaption")).to_have_text(title)
    page.get_by_role("button", name="Swipe").click()
    page.get_by_role("combobox", name="First picture").select_option("Perturbation")
    page.get_by_role("combobox", name="Second picture").select_option("Magnified")
    divider = page.get_by_role("slider", name="Border between the two pictures")
    divider.focus()
    lens.press("Home", "PageUp", "PageUp", "PageUp")
    expect(divider).to_have_attribute("aria-valuenow", "30")
    at = round(0.3 * width)
    pair = [grown(expected[title], width, height) for title in ("Perturbation", "Magnified")]
    shown = lens.pixels("Perturbation | Magnified")
    np.testing.assert_array_equal(shown[:, :at], pair[0][:, :at])
    np.testing.assert_array_equal(shown[:, at:], pair[1][:, at:])
    box = page.locator(".viewer canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + at, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40, steps=3)
    page.mouse.up()
    expect(divider).to_have_attribute("aria-valuenow", "50")
    lens.choose("10")  # mode and pair survive
    expect(page.locator("figcaption")).to_have_text("Perturbation | Magnified")
    shown = lens.pixels("Perturbation | Magnified")
    np.testing.assert_array_equal(
        shown[:, : width // 3], grown(lens.expected(10)["Perturbation"], width, height)[:, : width // 3]
    )
    page.locator(".viewer canvas").focus()
    lens.press("Escape")
    expect(page.locator(".viewer canvas")).to_have_count(4)


def test_full_screen(lens: Lens):
    page = lens.page
    before = lens.canvas("Original").bounding_box()
    page.get_by_role("button", name="Full screen").click()
    page.get_by_role("button", name="Leave full screen (Esc)").wait_for()
    lens.settled()
    after, root = lens.canvas("Original").bounding_box(), page.locator(".viewer").bounding_box()
    assert before
    assert after
    assert root
    assert after["width"] > before["width"]
    assert (root["x"], root["y"], root["width"], root["height"]) == (0, 0, 940, 800)
    assert page.locator(".viewer").evaluate("e => e.scrollHeight <= e.clientHeight")
    # The picture stands in the middle of its place, pixel for pixel.
    width, height, rgba = lens.canvas("Perturbed").evaluate(READ_BACK)
    pixels = np.frombuffer(base64.b64decode(rgba), np.uint8).reshape(height, width, 4)
    opaque = pixels[..., 3] == 255
    across, down = int(opaque.any(0).sum()), int(opaque.any(1).sum())
    left, top = (width - across) // 2, (height - down) // 2
    inside = pixels[top : top + down, left : left + across, :3]
    np.testing.assert_array_equal(inside, grown(lens.expected()["Perturbed"], across, down))
    assert (across * down) / (width * height) > 2 / 3 or across > 224 * 1.2
    page.get_by_role("button", name="Leave full screen (Esc)").click()
    page.get_by_role("button", name="Full screen").wait_for()
    lens.settled()
    np.testing.assert_array_equal(lens.pixels("Original"), lens.expected()["Original"])


def test_fingers(open_page: Callable[..., Page]):
    lens = Lens(open_page(width=390, height=844, has_touch=True, is_mobile=True, device_scale_factor=3))
    assert lens.zoom == "×2"
    devtools = lens.page.context.new_cdp_session(lens.page)
    lens.canvas("Original").scroll_into_view_if_needed()
    box = lens.canvas("Original").bounding_box()
    assert box

    def touch(kind: str, *fingers: tuple[float, float]) -> None:
        points = [{"x": box["x"] + x, "y": box["y"] + y, "id": i} for i, (x, y) in enumerate(fingers)]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        lens.settled()

    touch("touchStart", (80, 90))
    touch("touchStart", (80, 90), (120, 90))
    for spread in (30, 40, 50, 60):
        touch("touchMove", (100 - spread, 90), (100 + spread, 90))
    touch("touchEnd")
    assert lens.zoom == "×6"  # three times as far apart
    before = lens.pixels("Original")
    touch("touchStart", (100, 100))
    touch("touchMove", (80, 100))
    touch("touchMove", (70, 90))
    touch("touchEnd")
    after = lens.pixels("Original")
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after[:-30, :-90], before[30:, 90:])  # it went with the finger
    assert lens.readout("Perturbed").startswith("x ")


@pytest.mark.slow
def test_more_pixels_than_the_screen_has_are_averaged_and_it_says_so(open_page: Callable[..., Page]):
    lens = Lens(open_page(width=390, height=844))
    lens.choose("large")
    assert lens.zoom == "1 : 2"
    assert lens.page.locator(".ratio").evaluate("e => getComputedStyle(e, '::after').content") == '" averaged"'
    shown = lens.expected()["Perturbed"].astype(float)
    mean = shown.reshape(300, 2, 300, 2, 3).mean((1, 3))
    assert np.abs(lens.pixels("Perturbed") - mean).max() <= 0.5


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["light", "dark"])
def test_on_a_phone(open_page: Callable[..., Page], dark: bool):
    lens = Lens(open_page(width=390, height=844, dark=dark))
    page = lens.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    lens.canvas("Original").focus()
    lens.press(" ")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in (".toolbar", ".body", ".steps", ".viewer canvas"):
        for box in [element.bounding_box() for element in page.locator(part).all()]:
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
    page.get_by_role("button", name="Side by side").click()
    page.get_by_role("button", name="Keys and gestures").click()
    lens.canvas("Perturbed").hover()
    text = page.locator(".viewer :is(figcaption, .note, .readout, dt, dd, .name *, .heading *, th, td, button:enabled)")
    contrasts = text.evaluate_all(CONTRAST)
    assert len(contrasts) > 20
    assert [(words, ratio) for words, ratio in contrasts if ratio < 4.5] == []


def test_names_focus_order_and_visible_focus(lens: Lens):
    page = lens.page
    expect(lens.canvas("Original")).to_have_attribute("aria-label", "A clean picture of noise")
    expect(lens.canvas("Perturbed")).to_have_attribute("aria-label", "Perturbed. fools")
    expect(page.locator(".viewer canvas[role=img]")).to_have_count(4)
    page.get_by_role("button", name="Side by side").focus()
    page.keyboard.press("Shift+Tab")
    order = []
    for _ in range(14):
        page.keyboard.press("Tab")
        lens.settled()
        order.append(
            page.evaluate("""() => {
                let e = document.activeElement;
                while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
                const style = getComputedStyle(e);
                return [e.getAttribute("aria-label") || e.textContent, style.outlineStyle, style.outlineWidth];
            }""")
        )
    names = [name for name, *_ in order]
    assert names == [
        "Side by side",
        "Blink",
        "Swipe",
        "Zoom out (−)",
        "Zoom in (+)",
        "Full screen",
        "Keys and gestures",
        "A clean picture of noise",
        "Step of the attack",
        "Step back",
        "Play",
        "Step on",
        names[12],
        names[13],
    ]
    assert [(name, style, width) for name, style, width in order[:12] if (style, width) != ("solid", "3px")] == []
