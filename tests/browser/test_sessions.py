"""Several people at once, each in a tab of their own."""

import itertools
import time

import pytest
from playwright.sync_api import Page
from test_main_path import settled

pytestmark = pytest.mark.browser

SEEDS = itertools.count(1)


def test_four_who_attack_at_once_do_not_stall_each_other(open_page):
    """The order of what four such attacks take one after another: it was 113 s against 4 when each poll collected."""

    def lab() -> Page:
        # A seed of its own: nothing is answered from kept results.
        page = open_page(f"/Attack_lab?model=mnist-c4-ce&seed={next(SEEDS)}")
        page.locator(".viewer canvas").first.wait_for()
        settled(page)
        return page

    def press(page: Page) -> None:
        page.get_by_role("button", name="Run").first.click()

    def wait(page: Page) -> None:
        page.locator("p.ss-verdict").wait_for()

    warm = lab()
    press(warm)
    wait(warm)
    apart, together = [lab() for _ in range(2)], [lab() for _ in range(4)]
    begun = time.perf_counter()
    for page in apart:
        press(page)
        wait(page)
    one = (time.perf_counter() - begun) / len(apart)
    begun = time.perf_counter()
    for page in together:
        press(page)
    for page in together:
        wait(page)
        settled(page)
    assert time.perf_counter() - begun < 3 * 4 * one + 5
