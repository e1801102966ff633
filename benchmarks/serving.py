"""A server of a Streamlit script and a Chromium without a GPU, for benchmarks of pages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests import servers  # noqa: E402
from tests.conftest import find_chromium  # noqa: E402


@contextmanager
def serving(script: Path) -> Iterator[tuple[str, Browser]]:
    """The address of a server of `script`, and a browser; both are gone afterwards. Exits if there is no Chromium."""
    chromium = find_chromium()
    if chromium is None:
        sys.exit("There is no Chromium here; `make test` installs one, or set CHROMIUM to its path.")
    with servers.serving({}, script) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield address, browser
        browser.close()
