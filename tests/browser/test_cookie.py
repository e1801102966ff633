"""A server that several share, in a real Chromium: a reload finds one's own trainings, another visitor does not."""

import re

import pytest
from conftest import PATIENCE, serving
from playwright.sync_api import Browser, BrowserContext, Page, expect

from pages.parts.shell import visitor

pytestmark = pytest.mark.browser


def opened(page: Page, address: str) -> Page:
    page.goto(f"{address}/Training?epochs=200")
    page.wait_for_selector(".js-plotly-plot")
    expect(page.get_by_role("button", name="Start").last).to_be_enabled()
    return page


def numbers(context: BrowserContext) -> list[str]:
    """What says who it is."""
    return [cookie["value"] for cookie in context.cookies() if cookie["name"] == visitor.COOKIE]


@pytest.mark.slow
def test_a_reload_finds_one_s_own_trainings_and_another_browser_does_not(browser: Browser, tmp_path):
    with serving("app.py", tmp_path, SMOOTHSCOPE_SHARED="true") as address:
        mine, other = browser.new_context(), browser.new_context()
        for context in (mine, other):
            context.set_default_timeout(PATIENCE)
        first = other.new_page()
        first.goto(address)
        first.wait_for_function("name => document.cookie.includes(name)", arg=visitor.COOKIE)  # whatever page it is
        number = numbers(other)
        page = opened(mine.new_page(), address)
        page.get_by_role("button", name="Start").last.click()
        expect(page.get_by_test_id("stMetricValue").first).to_have_text(re.compile("of 200"))
        page.get_by_role("button", name="Stop", exact=True).click()
        unfinished = page.get_by_role("button", name="Unfinished runs")
        expect(unfinished).to_be_visible()
        (cookie,) = [cookie for cookie in mine.cookies() if cookie["name"] == visitor.COOKIE]
        assert re.fullmatch("[0-9a-f]{32}", cookie["value"])
        assert (cookie["path"], cookie["sameSite"]) == ("/", "Strict")
        (folder,) = (tmp_path / "runs").iterdir()
        assert folder.name not in cookie["value"]
        opened(page, address)
        expect(unfinished).to_be_visible()
        stranger = opened(other.new_page(), address)
        expect(stranger.get_by_role("button", name="Unfinished runs")).to_have_count(0)
        assert numbers(other) == number
        for context in (mine, other):
            context.close()
