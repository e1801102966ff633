"""The Compare page in a real browser: the example at once, one lens over all columns, columns that come one by one."""

import re
from collections.abc import Callable

import pytest
from conftest import sticking_out
from playwright.sync_api import Page, expect
from test_reach import grave
from test_stage import apart

pytestmark = pytest.mark.browser

START = "model=mnist-c4-ce&columns=2&2.attack=ddn&1.iterations=10&1.search_steps=2&2.passes=10"


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.get_by_test_id("stException")).to_have_count(0)


def titles(page: Page) -> list[str]:
    return page.locator(".viewer figcaption").all_inner_texts()


def test_the_example_is_there_at_once_under_one_lens(open_page: Callable[..., Page]):
    page = open_page("/Compare")
    captions = page.locator(".viewer figcaption")
    expect(captions).to_have_count(8)
    settled(page)
    assert titles(page)[::2] == ["Original", "Carlini & Wagner (C&W)", "Smooth C&W (sC&W)", "SmoothFool"]
    assert page.locator(".viewer .facts").filter(has_text="MAD").count() == 3
    # All pictures of a row stand at one height, the four columns beside each other, however long a note above them is.
    page.locator(".viewer .note").nth(2).evaluate("note => { note.textContent = '1\\n2\\n3\\n4\\n5'; }")
    boxes = [canvas.bounding_box() for canvas in page.locator(".viewer figure canvas").all()]
    assert len(boxes) == 8
    for row in (boxes[::2], boxes[1::2]):
        assert len({round(box["y"]) for box in row}) == 1
        assert len({round(box["x"]) for box in row}) == 4
    # Whatever is looked at in one is looked at in all.
    page.locator(".viewer figure canvas").first.hover(position={"x": 60, "y": 60})
    readouts = page.locator(".viewer .readout")
    expect(readouts.first).to_have_text(re.compile(r"\d"))
    positions = {re.search(r"\d+\D+\d+", text)[0] for text in readouts.all_inner_texts() if text.strip()}
    assert len(positions) == 1
    assert sum(bool(text.strip()) for text in readouts.all_inner_texts()) == 8


def test_columns_come_one_by_one_and_the_layout_stays(open_page: Callable[..., Page]):
    page = open_page(f"/Compare?{START}&2.attack=scw&2.iterations=200&2.search_steps=9")
    settled(page)
    page.get_by_role("button", name="Run").click()
    done = page.locator(".viewer .facts").filter(has_text="MAD")
    expect(done).to_have_count(1)  # the first column is done, the second is not
    expect(page.get_by_text(re.compile("^Column 2 of 2"))).to_be_visible()
    during = page.locator(".viewer figure canvas").first.bounding_box()
    assert titles(page)[::2] == ["Original", "Carlini & Wagner (C&W)", "Smooth C&W (sC&W)"]
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("stopped before its end")).to_be_visible()
    settled(page)
    after = page.locator(".viewer figure canvas").first.bounding_box()
    assert (after["x"], after["width"]) == (during["x"], during["width"])
    expect(done).to_have_count(2)


@pytest.mark.slow
def test_a_link_to_a_finished_comparison(open_page: Callable[..., Page]):
    def shown(page: Page) -> list[str]:
        expect(page.get_by_role("button", name="Take it home")).to_be_visible()
        settled(page)
        expect(page.locator(".viewer .facts div").first).to_be_visible()
        return [text for text in page.locator(".viewer .facts div").all_inner_texts() if "Time" not in text]

    page = open_page(f"/Compare?{START}")
    settled(page)
    page.get_by_role("button", name="Run").click()
    numbers = shown(page)
    assert len(numbers) == 2 * 8
    page.get_by_text("norm", exact=True).click()
    expect(page).to_have_url(re.compile("view.match=norm"))
    settled(page)
    fresh = open_page(page.url[page.url.index("/Compare") :])
    again = shown(fresh)  # at once: it has been computed
    assert again == shown(page)
    assert again != numbers


def places(page: Page, rows: int = 2) -> list[dict[str, float]]:
    """Of the upper picture of each column."""
    return [canvas.bounding_box() for canvas in page.locator(".viewer figure canvas").all()[::rows]]


@pytest.mark.slow
def test_a_filmstrip_of_photographs_is_one_row(open_page: Callable[..., Page]):
    page = open_page("/Compare", width=1280, height=720)
    expect(page.locator(".viewer figcaption")).to_have_count(8)
    page.get_by_text("Filmstrip", exact=True).click()
    # A finished strip at once; of another attack the places of what is to come, not what is no strip.
    expect(page.locator(".viewer .facts").filter(has_text="MAD")).to_have_count(4)
    settled(page)
    assert titles(page)[::3] == ["Original", "α = 0", "α = 0.9", "α = 0.99", "α = 0.997"]
    assert len({round(box["y"]) for box in places(page, 3)}) == 1
    page.get_by_role("combobox", name=re.compile("^Attack|Attack$")).fill("FGSM")
    page.keyboard.press("Enter")
    expect(page.locator(".viewer .note").filter(has_text="to come")).to_have_count(12)
    settled(page)
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".viewer .facts").filter(has_text="MAD")).to_have_count(4)
    settled(page)
    strip = places(page, 3)
    assert len({round(box["x"]) for box in strip}) == len(strip) == 5
    assert len({round(box["y"]) for box in strip}) == 1
    assert page.locator(".viewer .ratio").inner_text().startswith("1 : 1.")  # averaged, and it says so
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.querySelector('.stMain').scrollWidth <= 390")
    assert len({round(box["x"]) for box in places(page, 3)}) < 5


@pytest.mark.slow
def test_networks_are_asked_about_one_attack_through_defences(open_page: Callable[..., Page]):
    page = open_page("/Compare?model=mnist-c4-ce&iterations=10&search_steps=2", width=1280, height=720)
    settled(page)
    page.get_by_text("Networks", exact=True).click()
    expect(page).to_have_url(re.compile("compare=networks"))
    settled(page)
    expect(page.locator(".viewer figcaption")).to_have_text(["Original", "Magnified original"])
    # What is shown to the third column is chosen by hand: JPEG, at a low quality.
    shown = page.get_by_role("combobox", name=re.compile("How column 3 is shown it"))
    expect(shown).to_have_value("through JPEG")
    page.locator("summary", has_text="Parameters").nth(2).click()
    page.get_by_role("spinbutton", name="Quality, as a number").fill("20")
    page.get_by_role("button", name="Run").click()  # what is typed counts, though its box was left only now
    expect(page).to_have_url(re.compile("3.quality=20"))
    facts = page.locator(".viewer .facts").filter(has_text="Clean picture")
    expect(facts).to_have_count(4)
    settled(page)
    names = ["CE, C4", "CE + FGSM, C4", "CE, C4, JPEG 20", "CE, C4, Median filter 3"]
    assert titles(page)[::2] == ["Original", *names]
    strip = places(page)
    assert len({round(box["x"]) for box in strip}) == len(strip) == 5
    assert len({round(box["y"]) for box in strip}) == 1
    notes = page.locator(".viewer .note").all_inner_texts()[2::2]
    assert all(re.match(r"“\d”, [\d.]+ %\n(not )?fooled$", note) for note in notes), notes
    assert notes[0].endswith("\nfooled")
    assert apart(page) == []
    told = page.locator("p", has_text="Look for").inner_text()
    who = [
        [n for n, note in zip(names, notes, strict=True) if note.endswith(f"\n{v}")] for v in ("fooled", "not fooled")
    ]
    assert told == f"Look for who is fooled: {' · '.join(who[0])}; not fooled: {' · '.join(who[1])}."
    # Opened as a link it is there at once, on a phone too, where nothing is wider than the window.
    phone = open_page(page.url[page.url.index("/Compare") :], width=390, height=844)
    expect(phone.locator(".viewer .facts").filter(has_text="Clean picture")).to_have_count(4)
    settled(phone)
    assert phone.locator(".viewer .note").all_inner_texts()[2::2] == notes
    assert phone.evaluate("document.querySelector('.stMain').scrollWidth") <= 390
    assert grave(phone) == []


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["light", "dark"])
def test_on_a_phone(open_page: Callable[..., Page], dark: bool):
    page = open_page("/Compare", width=390, height=844, dark=dark)
    expect(page.locator(".viewer figcaption")).to_have_count(8)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert sticking_out(page) == []
    # A column stands as a whole: its magnified picture right below it.
    boxes = [canvas.bounding_box() for canvas in page.locator(".viewer figure canvas").all()]
    for above, below in zip(boxes[::2], boxes[1::2], strict=True):
        assert above["x"] == below["x"]
        assert below["y"] > above["y"] + above["height"]
