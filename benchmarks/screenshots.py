"""Pictures of every page, and of every stop of every lesson, in both themes, on a projector and on a phone.

    python benchmarks/screenshots.py --out FOLDER [--only TEXT ...] [--themes light] [--sizes 1280x720] [--address URL]

Files are called NAME-THEME-SIZE.png; NAME is the page's, or LESSON-STOP with what is asked, and LESSON-STOP-seen once
the first answer was chosen. A page that fails is a line that says so, and the exit status is 1 then.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page
from serving import ROOT, serving

from core.lessons import places, reading

PATIENCE = 120_000  # milliseconds
SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def wanted(only: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """(name, path, whether it is a stop) of what has one of `only` in its name; of all, if that is empty."""
    pages = [(name or "Start", f"/{name}", False) for name in places.names()]
    stops = [
        (f"{lesson.name}-{number}", _path(stop.page, stop.parameters, lesson.name, number), True)
        for lesson in reading.lessons().values()
        for number, stop in enumerate(lesson.stops, 1)
    ]
    for each in [*pages, *stops]:
        if not only or any(text in each[0] for text in only):
            yield each


def _path(page: str, parameters: Mapping[str, str], lesson: str, number: int) -> str:
    return f"/{page}?{urlencode({**parameters, 'lesson': lesson, 'stop': number})}"


def settle(page: Page) -> None:
    """Wait until a page is drawn, charts and pictures too."""
    page.wait_for_selector(SETTLED, timeout=PATIENCE)
    page.wait_for_timeout(2500)
    page.wait_for_selector(SETTLED, timeout=PATIENCE)


def take(
    browser: Browser, address: str, path: str, stop: bool, theme: str, size: tuple[int, int], file: Path
) -> list[str]:
    """Picture a page, of a stop before and after an answer; what went wrong."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if theme == "dark" else "light"
    )
    page, wrong = context.new_page(), list[str]()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{address}{path}")
    settle(page)
    page.screenshot(path=file)
    if stop:
        page.locator(".st-key-lesson-answers button").first.click()
        page.locator(".st-key-lesson-answers").wait_for(state="detached", timeout=PATIENCE)
        settle(page)
        page.screenshot(path=file.with_name(file.name.replace(f"-{theme}-", f"-seen-{theme}-")))
    if page.get_by_test_id("stException").count():
        wrong.append("an exception is on the page")
    wrong += [text for text in page.get_by_test_id("stAlert").all_inner_texts() if "left out of the link" in text]
    context.close()
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--only", nargs="*", default=[], help="names, or parts of them (default: all)")
    parser.add_argument("--themes", nargs="*", default=["light", "dark"], choices=["light", "dark"])
    parser.add_argument("--sizes", nargs="*", default=["1280x720", "390x844"])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = False
    with serving(ROOT / "app.py") as (address, browser):
        for name, path, stop in wanted(arguments.only):
            for theme in arguments.themes:
                for size in arguments.sizes:
                    width, height = map(int, size.split("x"))
                    file = arguments.out / f"{name}-{theme}-{size}.png"
                    wrong = take(browser, address, path, stop, theme, (width, height), file)
                    print(f"{file.name}: {'; '.join(wrong) or 'taken'}", flush=True)
                    failed = failed or bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
