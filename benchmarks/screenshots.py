"""Pictures of every page, and of every stop of every lesson, in both themes, on a projector and on a phone.

    python benchmarks/screenshots.py --out FOLDER [--only TEXT ...] [--themes light] [--sizes 1280x720]
    python benchmarks/screenshots.py --readme

Files are called NAME-THEME-SIZE.png; NAME is the page's, PAGE-VIEW for its views, or LESSON-STOP with what is asked,
and LESSON-STOP-seen once the first answer was chosen. A page that fails is a line that says so, and the exit status is
1 then. --readme makes the README's pictures again, docs/NAME.png: light, 1280 x 720, with few colours.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Browser, Error, Page
from serving import ROOT, serving

from core.lessons import places, reading

PATIENCE = 120_000  # milliseconds
VIEWS = {
    "Start-length": "/?held=length",
    "Attack_lab-run": "/Attack_lab?model=imagenet-efficientnet-lite0&image=rocket&attack=smoothfool",
    "Attack_lab-through": "/Attack_lab?through=jpeg",
    "Compare-along": "/Compare?compare=along",
    "Compare-networks": "/Compare?compare=networks&model=mnist-c4-ce",
    "Compare-norm": "/Compare?view.match=norm",
    "Compare-perturbations": "/Compare?view.perturbations=1",
    "Smoothing-pictures": "/Smoothing?view=pictures",
    "Smoothing-magnification": "/Smoothing?view=magnification",
    "Smoothing-solver": "/Smoothing?view=solver",
    "Smoothing-toy": "/Smoothing?view=toy",
    "Smoothing-steps": "/Smoothing?view=steps",
    "Embeddings-umap": "/Embeddings?1=mnist-c4-graph&2=mnist-c4-ce&projection=umap",
    "Embeddings-circle": "/Embeddings?1=mnist-c4-graph&2=mnist-c4-ce&3=mnist-c4-mmc&projection=circle",
    "Graph_loss-playground": "/Graph_loss?view=playground",
    "Graph_loss-figures": "/Graph_loss?view=figures",
    "MMC_centres-step": "/MMC_centres?build=1",
    "MMC_centres-hierarchical": "/MMC_centres?centers=hierarchical&dim=64",
    "MMC_centres-features": "/MMC_centres?tab=Features",
    "MMC_centres-density": "/MMC_centres?tab=Loss+and+density",
    "MMC_centres-uncertainty": "/MMC_centres?tab=Uncertainty",
    "MMC_centres-runner-up": "/MMC_centres?tab=Runner-up",
    "MMC_centres-attacks": "/MMC_centres?tab=Attacks",
    "MMC_centres-tables": "/MMC_centres?tab=Tables",
    "Curves-cost": "/Curves?view=cost",
    "Curves-table": "/Curves?view=table",
    "Curves-through": "/Curves?view=through",
    "Curves-before": "/Curves?view=through&judge=hardened-",
    "Curves-images": "/Curves?view=table&point=published-cw.500.1",
    "Curves-width": "/Curves?view=width",
    "Curves-fooling": "/Curves?view=fooling",
    "Curves-defences": "/Curves?view=defences",
    "Curves-white": "/Curves?view=defences&model=mnist-lenet-ce&box=white",
    "Curves-across": "/Curves?view=across",
    "Curves-universal": "/Curves?view=across&model=cifar10-resnet32-ce&across=universal",
    "Curves-photographs": "/Curves?view=across&model=imagenet-efficientnet-lite0",
    "Curves-networks": "/Curves?view=networks",
    "Curves-corrupted": "/Curves?view=corrupted",
    "Curves-rough": "/Curves?view=rough",
    "Curves-rough-shown": "/Curves?view=rough&model=mnist-lenet-ce&rough=shown",
    "Curves-rough-found": "/Curves?view=rough&model=mnist-lenet-ce&rough=found",
    "Curves-rough-goes": "/Curves?view=rough&model=mnist-lenet-ce&rough=goes",
    "Glossary-term": "/Glossary?term=pixel-graph",
}
"""Pages as they are seen only after a click, by the name of their picture; those that end in -run are run first."""
README = {
    "start": "Start-length",
    "attack-lab": "Attack_lab-run",
    "compare": "Compare-norm",
    "smoothing": "Smoothing",
    "embeddings": "Embeddings",
    "mmc-centres": "MMC_centres-features",
    "curves": "Curves-cost",
    "lesson": "2-smooth-like-the-image-1",
}
"""The README's pictures, by what is pictured."""
COLOURS = 96
"""Of the README's pictures, so that the repository stays small."""
SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def wanted(only: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """(name, path, whether it is a stop) of what has one of `only` in its name; of all, if that is empty."""
    pages = [(name or "Start", f"/{name}", False) for name in places.names()]
    pages += [(name, path, False) for name, path in VIEWS.items()]
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
    """Wait until a page is drawn, charts and pictures too, and nothing of it moves."""
    page.wait_for_selector(SETTLED, timeout=PATIENCE)
    page.wait_for_load_state("networkidle", timeout=PATIENCE)
    page.wait_for_selector('[data-testid="stSkeleton"]', state="detached", timeout=PATIENCE)
    page.wait_for_timeout(2500)
    page.wait_for_selector(SETTLED, timeout=PATIENCE)
    before, end = b"", time.monotonic() + PATIENCE / 1000
    while (now := page.screenshot()) != before and time.monotonic() < end:
        before = now
        page.wait_for_timeout(500)


def take(
    browser: Browser,
    address: str,
    path: str,
    stop: bool,
    themes: Sequence[str],
    size: tuple[int, int],
    folder: Path,
    name: str,
) -> list[str]:
    """Picture a page in some themes, of a stop before and after an answer; what went wrong."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page, wrong = context.new_page(), list[str]()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    dress(page, themes[0])
    try:
        page.goto(f"{address}{path}")
        settle(page)
        if name.endswith("-run"):
            page.keyboard.press("Control+Enter")
            page.locator(".ss-verdict").wait_for(timeout=5 * PATIENCE)  # at once, where it was run before
            settle(page)
        picture(page, themes, size, folder, name)
        if stop:
            page.locator(".st-key-lesson-answers button").first.click()
            page.locator(".st-key-lesson-answers").wait_for(state="detached", timeout=PATIENCE)
            settle(page)
            picture(page, themes, size, folder, f"{name}-seen")
        if page.get_by_test_id("stException").count():
            wrong.append("an exception is on the page")
        wrong += [text for text in page.get_by_test_id("stAlert").all_inner_texts() if "left out of the link" in text]
    except Error as error:
        wrong.append(error.message.partition("\n")[0])
    context.close()
    return wrong


def dress(page: Page, theme: str) -> None:
    """Have a page shown in a theme."""
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")


def picture(page: Page, themes: Sequence[str], size: tuple[int, int], folder: Path, name: str) -> None:
    """Picture a page as it is in some themes; the first is on."""
    for theme in themes:
        dress(page, theme)
        page.wait_for_timeout(800 if theme != themes[0] else 0)
        page.screenshot(path=folder / f"{name}-{theme}-{size[0]}x{size[1]}.png")
    dress(page, themes[0])


def readme() -> bool:
    """Make the README's pictures again; whether one failed."""
    failed = False
    folder = ROOT / "docs"
    folder.mkdir(exist_ok=True)
    with TemporaryDirectory() as made, serving(ROOT / "app.py") as (address, browser):
        there = {name: (path, stop) for name, path, stop in wanted([])}
        for name, what in README.items():
            path, stop = there[what]
            wrong = take(browser, address, path, stop, ["light"], (1280, 720), Path(made), what)
            with Image.open(Path(made) / f"{what}{'-seen' if stop else ''}-light-1280x720.png") as shot:
                few = shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            few.save(folder / f"{name}.png", optimize=True)
            size = (folder / f"{name}.png").stat().st_size
            print(f"docs/{name}.png: {'; '.join(wrong) or f'{size / 1000:.0f} kB'}", flush=True)
            failed = failed or bool(wrong)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="folder of the pictures")
    what.add_argument("--readme", action="store_true", help="make the README's pictures again")
    parser.add_argument("--only", nargs="*", default=[], help="names, or parts of them (default: all)")
    parser.add_argument("--themes", nargs="*", default=["light", "dark"], choices=["light", "dark"])
    parser.add_argument("--sizes", nargs="*", default=["1280x720", "390x844"])
    arguments = parser.parse_args()
    if arguments.readme:
        return int(readme())
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = False
    with serving(ROOT / "app.py") as (address, browser):
        for name, path, stop in wanted(arguments.only):
            for size in arguments.sizes:
                width, height = map(int, size.split("x"))
                wrong = take(browser, address, path, stop, arguments.themes, (width, height), arguments.out, name)
                print(f"{name}, {size}: {'; '.join(wrong) or 'taken'}", flush=True)
                failed = failed or bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
