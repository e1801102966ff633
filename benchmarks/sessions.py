"""Several people computing at once: attacks on a digit in tabs of their own, one after another and all together.

    python benchmarks/sessions.py [--n 4] [--rounds 5] [--attack scw] [--model NAME] [--json FILE]

Chromium without a GPU presses Run on the Attack lab of a real server. A time is from the click to the finished result
on the page, polling and drawing included. Every attack has a seed of its own, so none is answered from the results that
are kept. The ratio compares the two ways within one round; it is below 1 where two jobs compute at once. The last line
says how long the server's health address took to answer meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page
from rich.console import Console
from rich.table import Table
from serving import ROOT, healthy, serving

PATIENCE = 300_000  # milliseconds


def open_lab(browser: Browser, address: str, seed: int, attack: str, model: str) -> Page:
    """A tab of its own with the lab as a link says."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/Attack_lab?seed={seed}&attack={attack}&model={model}")
    page.locator(".viewer canvas").first.wait_for()
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    return page


def press(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=False).first.click()


def wait(page: Page) -> None:
    page.locator("p.ss-verdict").first.wait_for()


@contextmanager
def listening(address: str) -> Iterator[list[float]]:
    """Seconds that the server's health address takes to answer, asked twenty times a second."""
    answers: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.05):
            begun = time.perf_counter()
            if not healthy(address, patience=300):
                raise ConnectionError(f"{address} does not answer.")
            answers.append(time.perf_counter() - begun)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    yield answers
    stop.set()
    thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=4, help="tabs (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default %(default)s)")
    parser.add_argument("--attack", default="scw", help="(default %(default)s)")
    parser.add_argument("--model", default="mnist-c4-ce", help="(default %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    arguments = parser.parse_args()
    seeds = itertools.count(1)
    found = []
    with serving(ROOT / "app.py") as (address, browser):

        def tabs() -> list[Page]:
            chosen = itertools.islice(seeds, arguments.n)
            return [open_lab(browser, address, seed, arguments.attack, arguments.model) for seed in chosen]

        for page in (warm := tabs()):
            press(page)
            wait(page)
        for page in warm:
            page.context.close()
        with listening(address) as answers:
            for _ in range(arguments.rounds):
                times = []
                for together in (False, True):
                    pages = tabs()
                    begun = time.perf_counter()
                    if together:
                        for page in pages:
                            press(page)
                        for page in pages:
                            wait(page)
                    else:
                        for page in pages:
                            press(page)
                            wait(page)
                    times.append(time.perf_counter() - begun)
                    for page in pages:
                        page.context.close()
                found.append({"apart": times[0], "together": times[1]})
    table = Table("", "rounds", "median", "range", title=f"{arguments.n} sessions, {arguments.attack}")
    rows = {
        "one after another, s": [row["apart"] for row in found],
        "all at once, s": [row["together"] for row in found],
        "ratio": [row["together"] / row["apart"] for row in found],
    }
    for name, values in rows.items():
        table.add_row(
            name, str(len(values)), f"{statistics.median(values):.2f}", f"{min(values):.2f} to {max(values):.2f}"
        )
    console = Console()
    console.print(table)
    answers.sort()
    console.print(
        f"Health address: {len(answers)} answers, 95 % within {answers[int(0.95 * len(answers))]:.3f} s, slowest "
        f"{answers[-1]:.3f} s.",
        highlight=False,
    )
    if arguments.json:
        arguments.json.write_text(json.dumps({"rounds": found, "health": answers}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
