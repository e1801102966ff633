"""How smoothly many embeddings play in the browser: the frames of a whole play, in Chromium without a GPU.

    python benchmarks/scatter.py [--points 1000 10000] [--panels 2] [--epochs 8] [--json FILE]

Random points in ten classes, made only to be drawn. The play of the epochs takes a fixed time however long a frame
takes, so a slow browser shows fewer of them; counted are the frames that were drawn and the time between two. The aim:
10,000 points in two panels at ten frames a second or more, below which a movement is seen as single pictures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import textwrap
from pathlib import Path

from rich.console import Console
from rich.table import Table
from serving import serving

PAGE = """
import streamlit as st
import torch
from core.data import ImageSet
from pages.parts.components.scatter import Panel, scatter

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


def play(points: int, panels: int, epochs: int) -> list[float]:
    """Milliseconds between the frames of one play."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "page.py"
        script.write_text(textwrap.dedent(PAGE.format(points=points, panels=panels, epochs=epochs)), encoding="utf-8")
        with serving(script) as (address, browser):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(address)
            page.wait_for_selector(".panels canvas", timeout=120_000)
            page.wait_for_timeout(1000)
            gaps: list[float] = page.evaluate(PLAY)
            return gaps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--panels", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    arguments = parser.parse_args()
    table = Table("points", "panels", "frames", "frames / s", "longest gap, ms", title="Playing embeddings")
    found = []
    for points in arguments.points:
        gaps = play(points, arguments.panels, arguments.epochs)
        rate = 1000 / statistics.mean(gaps)
        table.add_row(f"{points:,}", str(arguments.panels), str(len(gaps)), f"{rate:.1f}", f"{max(gaps):.0f}")
        found.append({"points": points, "panels": arguments.panels, "gaps_ms": gaps})
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
