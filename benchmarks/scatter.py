"""How smoothly many embeddings play in the browser: the frames of a whole play, in Chromium without a GPU.

    python benchmarks/scatter.py [--points 1000 10000] [--panels 2] [--epochs 8] [--json FILE]

Random points in ten classes, made only to be drawn. The play of the epochs takes a fixed time however long a frame
takes, so a slow browser shows fewer of them; counted are the frames that were drawn and the time between two. The aim:
10,000 points in two panels at ten frames a second or more, below which a movement is seen as single pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.conftest import find_chromium  # noqa: E402

PAGE = """
import streamlit as st
import torch
from core.data import ImageSet
from pages.parts.scatter import Panel, scatter

n, panels, epochs = {points}, {panels}, {epochs}
generator = torch.Generator().manual_seed(0)
labels = torch.arange(n) % 10
images = ImageSet(torch.rand(n, 1, 28, 28, generator=generator), labels, tuple("0123456789"), "none", "test", "files",
                  "", torch.arange(n))
points = [10 * torch.randn(10, 2, generator=generator)[labels] + torch.randn(epochs, n, 2, generator=generator)
          for _ in range(panels)]
answers = labels.expand(epochs, n)
st.set_page_config(layout="wide")
scatter([Panel(str(i), range(epochs), p, answers) for i, p in enumerate(points)], images, [], "scatter", print)
"""
PLAY = """async () => {
    const host = document.querySelector(".scatter") ??
        [...document.querySelectorAll("*")].map((e) => e.shadowRoot?.querySelector(".scatter")).find(Boolean);
    const gaps = [];
    let last = performance.now();
    host.querySelector(".play").click();
    while (host.querySelector(".play").getAttribute("aria-label") === "Pause") {
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        gaps.push(now - last);
        last = now;
    }
    return gaps.slice(1);
}"""


def play(chromium: str, points: int, panels: int, epochs: int) -> list[float]:
    """Milliseconds between the frames of one play."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "page.py"
        script.write_text(textwrap.dedent(PAGE.format(points=points, panels=panels, epochs=epochs)), encoding="utf-8")
        command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.2)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(f"http://127.0.0.1:{port}")
                page.wait_for_selector(".panels canvas", timeout=120_000)
                page.wait_for_timeout(1000)
                gaps: list[float] = page.evaluate(PLAY)
                browser.close()
            return gaps
        finally:
            server.terminate()
            server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--panels", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    arguments = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        sys.exit("There is no Chromium here; `make test` installs one, or set CHROMIUM to its path.")
    table = Table("points", "panels", "frames", "frames / s", "longest gap, ms", title="Playing embeddings")
    found = []
    for points in arguments.points:
        gaps = play(chromium, points, arguments.panels, arguments.epochs)
        rate = 1000 / statistics.mean(gaps)
        table.add_row(f"{points:,}", str(arguments.panels), str(len(gaps)), f"{rate:.1f}", f"{max(gaps):.0f}")
        found.append({"points": points, "panels": arguments.panels, "gaps_ms": gaps})
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
