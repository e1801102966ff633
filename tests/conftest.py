"""What all tests share: one thread, a real Chromium, and a word on what was not run."""

import os
import sys
from pathlib import Path

import pytest

# Before torch is imported anywhere: the same sums in the same order on every machine, and no two threads for one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def find_chromium() -> str | None:
    """The Chromium to test with: $CHROMIUM, the system's, or Playwright's own."""
    if given := os.environ.get("CHROMIUM"):
        return given
    if Path("/usr/bin/chromium").exists():
        return "/usr/bin/chromium"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium executable. Without one, tests skip on a desk and fail in CI: there they must have run."""
    path = find_chromium()
    if path is not None and os.access(path, os.X_OK):
        return path
    message = f"no Chromium at {path or '/usr/bin/chromium'}; `make test` installs one, or set CHROMIUM to its path."
    if "CHROMIUM" in os.environ or "CI" in os.environ:
        pytest.fail(message)
    pytest.skip(message)


slow = pytest.StashKey[int]()
"""How many slow tests were left out."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[slow] = 0


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash[slow] += item.get_closest_marker("slow") is not None


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # one of several processes: each has left out the same
        session.config.workeroutput["slow"] = session.config.stash[slow]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    node.config.stash[slow] = getattr(node, "workeroutput", {}).get("slow", 0)


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    if left_out := config.stash[slow]:
        terminalreporter.write_line(f"Not run: {left_out} slow tests; run them with: make test-slow")


if __name__ == "__main__":  # the Makefile asks for the path
    print(find_chromium() or sys.exit("Playwright has installed no Chromium."))
