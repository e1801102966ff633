"""A real server and a real Chromium."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests import servers

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 60_000  # milliseconds; on a machine that does other things too

expect.set_options(timeout=PATIENCE)


STICKING_OUT = """all => {
    // What stands in a row of its own that is moved sideways, as the pages' names do, sticks out of nothing.
    const moved = e => e.closest(".katex") || (e = e.parentElement ?? e.getRootNode().host) && !e.matches(".stMain") &&
        (["auto", "scroll"].includes(getComputedStyle(e).overflowX) || moved(e));
    const wider = all.filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !moved(e));
    return wider.map(e => e.outerHTML.slice(0, 200));
}"""


def sticking_out(page: Page) -> list[str]:
    """What of a page is wider than the window; the page scrolls in a box of its own, which could hide it."""
    main = page.locator(".stMain *")
    assert main.count() > 20
    found: list[str] = main.evaluate_all(STICKING_OUT)
    return found


@contextmanager
def serving(script: str, folder: Path, **settings: str) -> Iterator[str]:
    """The address of a server of `script` whose home is empty: nothing here needs a full data set.

    settings: environment variables.
    """
    log = folder / "log"
    environment = {"SMOOTHSCOPE_HOME": str(folder), "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"} | settings
    with servers.serving(environment, script, log) as (address, process):
        yield address
        assert process.poll() is None, f"the server died:\n{log.read_text(errors='replace')}"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running Smoothscope."""
    with serving("app.py", tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Browser, server: str) -> Iterator[Callable[..., Page]]:
    """Opens a page of the server in a window of its own; nothing may leave this machine, nothing may fail."""
    contexts: list[BrowserContext] = []
    requests: list[str] = []
    complaints: list[str] = []

    def complain(message: ConsoleMessage) -> None:
        # Streamlit looks for its own endpoints below a page's address first, which is a 404 by design.
        if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):
            complaints.append(message.text)

    def opened(
        path: str = "/",
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        listen: Callable[[Page], object] = lambda page: None,
        **options: Any,
    ) -> Page:
        """listen: is given the page before it goes anywhere; options: of the window, as Playwright has them."""
        scheme: Literal["dark", "light"] = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.on("websocket", lambda socket: requests.append(socket.url.replace("ws://", "http://")))
        listen(page)
        page.goto(f"{server}{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert len(requests) > 10  # it was listened at all
    assert [url for url in requests if not url.startswith((f"{server}/", "data:", f"blob:{server}/"))] == []
    assert complaints == []
