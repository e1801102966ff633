"""Links, presentation and packages as a person uses them, in a real browser."""

import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

QUICK = "iterations=10&search_steps=2"


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.get_by_test_id("stException")).to_have_count(0)


def slider(page: Page, label: str):
    return page.get_by_test_id("stSlider").filter(has_text=label).locator("input[type=range]")


def run(page: Page) -> list[str]:
    """Run the attack and read its numbers, all but the time."""
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".ss-verdict")).to_be_visible()
    settled(page)
    rows = page.locator(".ss-table tr").all_inner_texts()
    assert len(rows) >= 9
    return [page.locator(".ss-verdict").inner_text(), *(row for row in rows if not row.startswith("Time"))]


def test_a_copied_link_shows_the_same_and_gives_the_same_numbers(open_page: Callable[..., Page]):
    page = open_page(f"/Attack_lab?{QUICK}&seed=5")
    settled(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Next picture").click()
    expect(page).to_have_url(re.compile("image="))
    settled(page)
    alpha = slider(page, "Smoothing")
    alpha.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(r"alpha=0\.929"))
    settled(page)
    beta = slider(page, "Beta")
    beta.focus()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(r"view\.beta=0\.75"))  # a fragment's own widget
    numbers = run(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url

    fresh = open_page(link[link.index("/Attack_lab") :])
    settled(fresh)
    expect(slider(fresh, "Smoothing")).to_have_attribute("aria-valuetext", "0.929")
    expect(slider(fresh, "Beta")).to_have_value("0.75")
    expect(slider(fresh, "Iterations")).to_have_value("10")
    assert run(fresh) == numbers
    assert fresh.url == link


def test_back_undoes(open_page: Callable[..., Page]):
    page = open_page("/Attack_lab")
    settled(page)
    seed = page.get_by_label("Seed")
    for text in ("1", "2"):
        seed.fill(text)
        seed.press("Enter")
        expect(page).to_have_url(re.compile(f"seed={text}$"))
        settled(page)
    page.wait_for_timeout(1600)  # what comes sooner is taken for a late message of the browser's
    page.go_back()
    expect(seed).to_have_value("1")
    settled(page)
    expect(page).to_have_url(re.compile("seed=1$"))


def test_a_wrong_link_is_followed_as_far_as_it_goes(open_page: Callable[..., Page]):
    page = open_page("/Attack_lab?alpha=2&margin=3&colour=%3Cb%3Ered%3C/b%3E")
    settled(page)
    notices = page.get_by_test_id("stAlert")
    expect(notices).to_have_text(
        [
            "link_off“alpha=2” was left out of the link: alpha must be at most 0.9999; got 2.0.",
            "link_off“colour=<b>red</b>” was left out of the link: this page has no such setting.",
        ]
    )
    expect(slider(page, "Margin")).to_have_value("3")
    expect(page).to_have_url(re.compile(r"\?margin=3\.0$"))


@pytest.mark.slow
def test_without_a_clipboard_the_link_is_shown(open_page: Callable[..., Page]):
    page = open_page("/Attack_lab?seed=3")
    settled(page)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_role("button", name="Copy link").click()
    field = page.get_by_label("Link to this page")
    expect(field).to_be_focused()
    expect(field).to_have_value(page.url)
    assert page.evaluate("field => [field.selectionStart, field.selectionEnd]", field.element_handle()) == [
        0,
        len(page.url),
    ]


@pytest.mark.parametrize(
    "path", ["/", *(pytest.param(path, marks=pytest.mark.slow) for path in ("/Attack_lab", "/Compare"))]
)
def test_presentation(open_page: Callable[..., Page], path: str):
    page = open_page(path)
    settled(page)
    text = page.get_by_test_id("stMarkdown").last
    size = "element => parseFloat(getComputedStyle(element.querySelector('p, h4')).fontSize)"
    before = text.evaluate(size)
    page.get_by_role("button", name="Present").click()
    expect(page).to_have_url(re.compile(r"\?present=1$"))
    settled(page)
    expect(page.get_by_test_id("stSidebar")).not_to_be_visible()
    expect(page.get_by_role("link", name="Attack lab")).to_have_count(0)
    assert text.evaluate(size) >= 1.25 * before
    fresh = open_page(f"{path}?present=1")
    settled(fresh)
    expect(fresh.get_by_test_id("stSidebar")).not_to_be_visible()
    fresh.get_by_role("button", name="Leave presentation").click()
    expect(fresh.get_by_role("link", name="Attack lab")).to_be_visible()
    expect(fresh).not_to_have_url(re.compile("present"))


@pytest.mark.slow
def test_take_it_home(open_page: Callable[..., Page], tmp_path: Path):
    page = open_page(f"/Attack_lab?{QUICK}")
    settled(page)
    run(page)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Take it home").click()
    download = downloading.value
    assert download.suggested_filename == "scw.zip"
    with zipfile.ZipFile(io.BytesIO(download.path().read_bytes())) as zipped:
        assert zipped.testzip() is None
        assert {"clean.png", "scw.png", "arrays.npz", "parameters.json", "reproduce.py"} <= set(zipped.namelist())
        zipped.extractall(tmp_path)
    settled(page)
    # Its script runs by the command that the package itself gives, and makes the same again.
    (command,) = re.findall(r"^    \.venv/bin/python (.*)$", (tmp_path / "README.md").read_text(encoding="utf-8"), re.M)
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    given = [sys.executable, command.replace("FOLDER", str(tmp_path))]
    done = subprocess.run(given, cwd=ROOT, env=bare, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("scw: ")
