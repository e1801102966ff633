"""How long a page keeps a visitor waiting for its first picture, in Chromium without a GPU, on a warm server.

    python benchmarks/pages.py [--n 5] [--json FILE]

Every visit has a fresh browser profile, so nothing is in its cache. Two ways in: a click in the navigation of the start
page, and the page's own address, which adds the time that Streamlit's script takes to be read. The aim: 2 seconds.
Beside it, what the server has sent until then through the page's web socket: its elements with their data and scripts.
The last line is of the Smoothing page: from a move of the pointer to the impulse response that follows it. The aim:
0.15 seconds. Measured on two cores: 0.080 (0.068 to 0.127), n = 19.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from playwright.sync_api import Browser
from rich.console import Console
from rich.table import Table
from serving import ROOT, serving

PAGES = {
    "Attack lab": ("Attack_lab", ".viewer canvas"),
    "Compare": ("Compare", ".viewer canvas"),
    "Smoothing": ("Smoothing", ".response[data-at]"),
    "Embeddings": ("Embeddings", ".panels canvas"),
    "Graph loss": ("Graph_loss", ".graph[data-places]"),
    "MMC centres": ("MMC_centres", ".orbit canvas[data-points]"),
    "Curves": ("Curves", ".js-plotly-plot .main-svg"),
    "Training": ("Training", ".js-plotly-plot .main-svg"),
}
"""Name in the navigation -> address, and what is there once the first picture is drawn."""
PATIENCE = 120_000  # milliseconds


def visit(browser: Browser, address: str, name: str, click: bool) -> tuple[float, int]:
    """Seconds from the click in the navigation, or from the start of loading the page's address, to its picture, and
    the bytes that came meanwhile."""
    path, picture = PAGES[name]
    page = browser.new_context(viewport={"width": 1500, "height": 900}).new_page()
    received: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
    if click:
        page.goto(address)
        page.locator(".ss-grid img").first.wait_for(timeout=PATIENCE)
        page.wait_for_timeout(1500)  # as one who reads a line
        received.clear()
        begun = time.perf_counter()
        page.locator(".st-key-navigation").get_by_role("link", name=name).click()
    else:
        begun = time.perf_counter()
        page.goto(f"{address}/{path}", wait_until="commit")
    page.locator(picture).first.wait_for(timeout=PATIENCE)
    seconds = time.perf_counter() - begun
    page.context.close()
    return seconds, sum(received)


FOLLOWING = """async (response, [x, y]) => {
    const canvas = response.querySelector("canvas");
    const box = canvas.getBoundingClientRect();
    const [before, begun] = [response.dataset.at, performance.now()];
    const clientX = box.left + x * box.width, clientY = box.top + y * box.height;
    canvas.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
    while (response.dataset.at === before) await new Promise(requestAnimationFrame);
    return (performance.now() - begun) / 1000;
}"""
"""A promise of the seconds after which the pixel at a place of the picture, from 0 to 1, has its impulse response."""


def following(browser: Browser, address: str, n: int) -> list[float]:
    """Seconds from a move of the pointer to the impulse response there, in a photograph of 224 x 224 pixels."""
    page = browser.new_context(viewport={"width": 1500, "height": 900}).new_page()
    page.goto(f"{address}/Smoothing")
    response = page.locator(".response[data-at]")
    response.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(2000)
    places = [((7 * i) % n / n + 0.01, (3 * i) % n / n + 0.02) for i in range(1, n)]
    found: list[float] = [response.evaluate(FOLLOWING, place) for place in places]
    page.context.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=5, help="visits of each page in each way (default %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    arguments = parser.parse_args()
    found = []
    table = Table("page", "way in", "n", "median, s", "fastest to slowest, s", "received, kB", title="First picture")
    with serving(ROOT / "app.py") as (address, browser):
        for name in PAGES:
            visit(browser, address, name, click=False)  # the server has nothing in its caches yet
            for click in (True, False):
                visits = [visit(browser, address, name, click) for _ in range(arguments.n)]
                seconds, received = [took for took, _ in visits], [sent for _, sent in visits]
                way, extremes = "navigation" if click else "address", f"{min(seconds):.2f} to {max(seconds):.2f}"
                table.add_row(
                    name,
                    way,
                    str(arguments.n),
                    f"{statistics.median(seconds):.2f}",
                    extremes,
                    f"{statistics.median(received) / 1000:.0f}",
                )
                found.append({"page": name, "click": click, "seconds": seconds, "received": received})
        Console().print(table)
        moves = following(browser, address, 4 * arguments.n)
    extremes = f"{min(moves):.3f} to {max(moves):.3f}"
    print(f"Impulse response after {statistics.median(moves):.3f} s ({extremes}), n = {len(moves)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
