"""A job on a page against the same work in a process of its own: a training, a map, an attack.

    python benchmarks/engine.py [--rounds 3] [--before 0] [--only training map digit photograph] [--json FILE]

A page's time is from the click to the finished result on the page, drawing and polling included: in Chromium, which
draws without a GPU on the cores that the work needs as well, and as a visitor has it whose browser is another machine's
(tests/visitors.py). The third is that of the same work alone, in a process that has loaded everything and done it once.
All take turns in every round, so that whatever else the machine does hits them alike; a ratio is within one round, to
the work alone. `--before`
has the server make as many attacks on a digit first, one after another, as one that is some hours old has.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, expect
from rich.console import Console
from rich.table import Table
from serving import ROOT, serving

from tests.visitors import Visitor

PATIENCE = 600_000  # milliseconds

BARE = """
import sys, tempfile, time
from pathlib import Path
import torch
from core import data, models
from core.attacks import SmoothCarliniWagner, run
from core.features.projections import Space, Umap
from core.losses import GraphSmoothness
from core.train import Recipe, Training

def training(seed):
    recipe = Recipe(**{**Recipe.presets["ten seconds"], "seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "engine.safetensors"
        made = Training("lenet", "mnist", recipe, "engine", GraphSmoothness(dim=2, references=200), {}, state)
        for _ in made.steps():
            pass

def map(seed):
    spaces = []
    for name in ("mnist-lenet-graph-2d", "mnist-lenet-ce-2d"):
        kept = models.kept_features(name)
        spaces.append(Space(kept.features, kept.labels))
    for _ in Umap(seed=seed).fit(spaces):
        pass

loaded = {}

def attack(name, images, values, seed):
    model = loaded.setdefault(name, None) or models.load(name)
    loaded[name] = model
    run(SmoothCarliniWagner(**values), model, images.images[:1], images.labels[:1], seed)

def digit(seed):
    attack("mnist-c4-ce", data.gallery.read("mnist"), {}, seed)

def photograph(seed):
    attack("imagenet-efficientnet-lite0", data.load("photos"), SmoothCarliniWagner.presets["photograph"], seed)

work = globals()[sys.argv[1]]
work(0)
print("ready", flush=True)
for line in sys.stdin:
    begun = time.perf_counter()
    work(int(line))
    print(time.perf_counter() - begun, flush=True)
"""


def fresh(browser: Browser, address: str, path: str) -> Page:
    """A tab of its own that shows a page and has come to rest."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/{path}")
    page.locator(".ss-ready, canvas, .js-plotly-plot, p").first.wait_for()
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    page.wait_for_timeout(1000)
    return page


def training(page: Page) -> None:
    page.get_by_role("button", name="Start").last.click()
    expect(page.get_by_role("button", name="Keep")).to_be_visible(timeout=PATIENCE)


def map_(page: Page) -> None:
    page.get_by_role("button", name="Fit UMAP").click()
    stop = page.get_by_role("button", name="Stop", exact=True)  # the map is seen while it forms
    expect(stop).to_be_visible(timeout=PATIENCE)
    expect(stop).to_be_hidden(timeout=PATIENCE)
    expect(page.locator(".panels canvas")).to_have_count(2, timeout=PATIENCE)


def attack(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=False).first.click()
    page.locator("p.ss-verdict").first.wait_for()


@dataclass(frozen=True)
class Work:
    """Something that is done on a page."""

    path: str
    query: dict[str, str]
    button: str
    """Begins it; comes back when it is done."""
    done: Callable[[Page], None]
    """Presses it in a browser, and waits for the result."""


WORK = {
    "training": Work("Training", {}, "Start", training),
    "map": Work("Embeddings", {"dataset": "mnist", "projection": "umap"}, "Fit UMAP", map_),
    "digit": Work("Attack_lab", {"attack": "scw", "model": "mnist-c4-ce"}, "Run", attack),
    "photograph": Work("Attack_lab", {"attack": "scw", "model": "imagenet-efficientnet-lite0"}, "Run", attack),
}


@contextmanager
def bare(name: str) -> Iterator[Callable[[int], float]]:
    """A function that does the work `name` with a seed in a process without pages, and says the seconds it took."""
    command = [sys.executable, "-c", BARE, name]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            sys.exit(f"{name} cannot be done without pages; the message above says why.")

        def once(seed: int) -> float:
            print(seed, file=process.stdin, flush=True)
            return float(process.stdout.readline())  # type: ignore[union-attr]

        yield once
        process.stdin.close()


def in_browser(browser: Browser, address: str, work: Work, seed: int) -> float:
    """Seconds from the click to the result."""
    page = fresh(browser, address, f"{work.path}?{urlencode({**work.query, 'seed': seed})}")
    begun = time.perf_counter()
    work.done(page)
    seconds = time.perf_counter() - begun
    page.context.close()
    return seconds


def by_protocol(address: str, work: Work, seed: int) -> float:
    """The same for who draws elsewhere."""
    with Visitor(address) as visitor:
        visitor.open(work.path, **work.query, seed=seed)
        begun = time.perf_counter()
        visitor.press(work.button)
        over = visitor.until(
            lambda: visitor.at_rest and not any(b.button.label == "Stop" for b in visitor.of("button"))
        )
        if not over or visitor.errors:
            sys.exit(f"{work.path}: {' '.join(visitor.errors) or 'it has not ended'}")
        return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="(default %(default)s)")
    parser.add_argument("--before", type=int, default=0, help="attacks beforehand (default %(default)s)")
    parser.add_argument("--only", nargs="+", default=list(WORK), choices=list(WORK))
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    arguments = parser.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = {}
    with serving(ROOT / "app.py") as (address, browser):
        for seed in range(arguments.before):
            by_protocol(address, WORK["digit"], 10_000 + seed)
        for name in arguments.only:
            work = WORK[name]
            with bare(name) as alone:
                in_browser(browser, address, work, 1000)
                by_protocol(address, work, 1001)
                found[name] = [
                    (in_browser(browser, address, work, seed), by_protocol(address, work, 100 + seed), alone(seed))
                    for seed in range(1, arguments.rounds + 1)
                ]
    heads = ["", "rounds", "Chromium, s", "visitor, s", "alone, s", "Chromium / alone", "visitor / alone"]
    table = Table(*heads, title=f"After {arguments.before} attacks")
    for name, rows in found.items():
        ratios = [(here / alone, there / alone) for here, there, alone in rows]
        columns = [*zip(*rows, strict=True), *zip(*ratios, strict=True)]
        cells = [f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})" for values in columns]
        table.add_row(name, str(len(rows)), *cells)
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
