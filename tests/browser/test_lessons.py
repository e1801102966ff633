"""Lessons in a real Chromium: walked from the first stop to the last by keyboard alone, and reached by everybody."""

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from test_reach import grave, said, settled

from core.lessons import Lesson, Stop, handout, reading

pytestmark = pytest.mark.browser
LESSONS = reading.lessons()


def path(lesson: Lesson, number: int, **more: str) -> str:
    stop = lesson.stops[number - 1]
    return f"/{stop.page}?{urlencode({**stop.parameters, 'lesson': lesson.name, 'stop': number, **more})}"


def text(markdown: str) -> str:
    """What is read of a sentence of a lesson, which has no markup but emphasis and links."""
    return re.sub(r"\s+", " ", re.sub(r"[*`]", "", markdown))


def asked_about(page: Page, stop: Stop) -> Locator:
    """What the words of a stop name, on its page."""
    there = re.compile(rf"^\s*{re.escape(stop.words)}")
    return page.locator(".stMain").get_by_text(there).filter(visible=True).first


def walk(page: Page, lesson: Lesson, stops: int | None = None) -> None:
    """From the first stop, which is open, to the last and out, by the keys that buttons name; or some stops only."""
    strip = page.locator(".st-key-lesson")
    last = stops or len(lesson.stops)
    for number, stop in enumerate(lesson.stops[:last], 1):
        expect(strip).to_contain_text(f"{number} of {len(lesson.stops)}: {stop.title}")
        expect(strip).to_contain_text(text(stop.question))
        settled(page)
        # Nothing of the page is there before the answer: no picture, no chart, no number.
        expect(page.locator(".stMain").locator("canvas, img, .js-plotly-plot, figure")).to_have_count(0)
        page.keyboard.press(str(stop.seen + 1))
        expect(strip).to_contain_text(text(stop.look))
        expect(strip).to_contain_text("You said it")
        settled(page)
        expect(page.locator(".stMain").locator("canvas, img, .js-plotly-plot, figure").first).to_be_visible()
        expect(page.get_by_text("was left out of the link")).to_have_count(0)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        if stop.words:
            expect(asked_about(page, stop)).to_be_in_viewport()
        if number < last:
            page.keyboard.press("n")
    page.get_by_role("button", name="End" if last == len(lesson.stops) else "Leave", exact=True).focus()
    page.keyboard.press("Enter")
    expect(strip).to_have_count(0)
    expect(page).not_to_have_url(re.compile("lesson="))


@pytest.mark.parametrize("stops", [2, pytest.param(None, marks=pytest.mark.slow)], ids=["two stops", "whole"])
def test_a_lesson_by_keyboard(open_page: Callable[..., Page], stops: int | None):
    lesson = LESSONS["2-smooth-like-the-image"]
    page = open_page("/")
    link = page.get_by_role("link", name=lesson.title)
    expect(link).to_be_in_viewport(ratio=1)
    settled(page)
    link.focus()
    page.keyboard.press("Enter")
    walk(page, lesson, stops)


@pytest.mark.slow
@pytest.mark.parametrize("present", ["0", "1"])
@pytest.mark.parametrize("name", LESSONS)
def test_every_lesson(open_page: Callable[..., Page], name: str, present: str):
    page = open_page(path(LESSONS[name], 1, present=present))
    walk(page, LESSONS[name])
    assert page.get_by_test_id("stSidebar").is_visible() is (present == "0" and LESSONS[name].stops[-1].page != "")
    assert ("present=1" in page.url) is (present == "1")


def test_a_stop_is_reached_by_all(open_page: Callable[..., Page]):
    lesson = LESSONS["2-smooth-like-the-image"]
    page = open_page(path(lesson, 3))
    settled(page)
    assert said(page) == f"Stop 3 of {len(lesson.stops)}: {lesson.stops[2].title}. A question, before it is seen."
    assert grave(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    for button in page.locator(".st-key-lesson-answers button").all():  # all on a phone's first screen
        expect(button).to_be_in_viewport(ratio=1)
    page.locator(".st-key-lesson-answers button").nth(1).click()
    expect(page.locator(".st-key-lesson")).to_contain_text("Seen is:")
    settled(page)
    assert said(page).startswith(f"Not as you said: {lesson.stops[2].answers[lesson.stops[2].seen]}")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert grave(page) == []


BELOW = {"1-magnification": (4, 3), "5-centres-and-uncertainty": (6, 1, 3), "6-what-smoothness-costs": (2,)}
"""Stops whose picture or table is below a projector's window as the page opens."""


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param(name, number, marks=[] if number == 4 else [pytest.mark.slow])
        for name, numbers in BELOW.items()
        for number in numbers
    ],
)
def test_what_a_stop_asks_about_is_brought_below_its_strip(open_page: Callable[..., Page], name: str, number: int):
    stop = LESSONS[name].stops[number - 1]
    page = open_page(path(LESSONS[name], number), width=1280, height=720)
    page.locator(".st-key-lesson-answers button").first.click()
    place = asked_about(page, stop)
    expect(place).to_be_in_viewport(ratio=1)
    whole = place.locator("xpath=ancestor::figure")
    for picture in whole.locator("canvas, dl:has(div)").all():  # with the numbers below it
        expect(picture).to_be_in_viewport(ratio=1)
    strip = page.locator(".st-key-lesson")
    expect(strip).to_be_in_viewport(ratio=1)
    expect(strip).to_contain_text(text(stop.look))
    page.wait_for_function(
        "([strip, place]) => strip.getBoundingClientRect().bottom <= place.getBoundingClientRect().top",
        arg=[strip.element_handle(), place.element_handle()],
    )
    # Whoever moves the page themselves has it stay there.
    page.mouse.move(900, 500)
    page.mouse.wheel(0, -5000)
    expect(page.locator(".st-key-navigation")).to_be_in_viewport()
    page.wait_for_timeout(500)
    expect(page.locator(".st-key-navigation")).to_be_in_viewport()


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_a_lesson_on_paper_is_one_sheet(browser: Browser, paper: str):
    page = browser.new_page()
    page.set_content(handout.page(list(LESSONS.values())))
    printed = page.pdf(format=paper)
    page.close()
    # Three stops on either side, as no stop is torn apart.
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2 * len(LESSONS)


def test_a_stop_is_recorded(open_page: Callable[..., Page]):
    page = open_page("/Smoothing?alpha=0.95&lesson=2-smooth-like-the-image&stop=1")
    page.locator(".st-key-lesson-answers button").first.click()
    settled(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Record a stop").click()
    expect(page.get_by_role("status").filter(has_text="Paste it into a lesson's file.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    lesson, problems = reading.parse(f"---\ntitle: A\nsummary: B\nminutes: 32\n---\n\n{4 * (copied + chr(10))}", "a")
    assert lesson is not None, problems
    assert (lesson.stops[0].page, lesson.stops[0].parameters) == ("Smoothing", {"alpha": "0.95"})


def test_a_term_leads_to_the_glossary_and_all_can_read_it(open_page: Callable[..., Page]):
    page = open_page("/")
    settled(page)
    with page.context.expect_page() as opened:  # beside the page, which stays as it is
        page.get_by_role("link", name="MAD").first.click()
    glossary = opened.value
    settled(glossary)
    expect(glossary.locator("h1")).to_have_text("Glossary")
    expect(glossary.get_by_text("Most apparent distortion, a score")).to_be_visible()
    assert grave(glossary) == []
    glossary.goto(glossary.url.partition("?")[0])
    settled(glossary)
    expect(glossary.get_by_text("A picture that was changed on purpose")).to_be_visible()
    glossary.set_viewport_size({"width": 390, "height": 844})
    assert glossary.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert grave(glossary) == []
