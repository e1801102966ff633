"""What all tests share: an empty home, one thread, a real Chromium, and a word on what was not run."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
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


HOME = "SMOOTHSCOPE_HOME"
LEFT_OUT = {"slow": "make test-slow", "full_data": "make test-full"}
"""Markers that the default suite leaves out, and what runs them. A test with several counts for the last."""
left_out = pytest.StashKey[dict[str, int]]()
persons_home = pytest.StashKey[str | None]()
empty_home = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Before any test is collected: what a person has fetched or trained must not be seen, nor be touched."""
    config.stash[left_out] = dict.fromkeys(LEFT_OUT, 0)
    one_of_several = getattr(config, "workerinput", None)  # a process of pytest-xdist, begun in the first one's home
    config.stash[persons_home] = one_of_several[HOME] if one_of_several is not None else os.environ.get(HOME)
    config.stash[empty_home] = os.environ[HOME] = tempfile.mkdtemp(prefix="smoothscope-tests-")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    node.workerinput[HOME] = node.config.stash[persons_home]


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[empty_home], ignore_errors=True)
    if (given := config.stash[persons_home]) is not None:
        os.environ[HOME] = given


@pytest.fixture(autouse=True)
def full_data(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests marked full_data see the person's own home, and the sets that the marker names must be there."""
    marker = request.node.get_closest_marker("full_data")
    if marker is None:
        yield
        return
    from core.data import DATASETS

    with pytest.MonkeyPatch.context() as patch:
        given = request.config.stash[persons_home]
        patch.delenv(HOME) if given is None else patch.setenv(HOME, given)
        for name in marker.args:
            if not DATASETS[name].installed():
                pytest.fail(f"the full {name} is not here; `make test-full` gets it, and then runs this test.")
        yield


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        marks = [name for name in LEFT_OUT if item.get_closest_marker(name) is not None]
        if marks:
            item.config.stash[left_out][marks[-1]] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # one of several processes: each has left out the same
        session.config.workeroutput["left_out"] = session.config.stash[left_out]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    node.config.stash[left_out] = getattr(node, "workeroutput", {}).get("left_out", node.config.stash[left_out])


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    for name, count in config.stash[left_out].items():
        if count:
            terminalreporter.write_line(f"Not run: {count} tests marked {name}; run them with: {LEFT_OUT[name]}")


if __name__ == "__main__":  # the Makefile asks for the path
    print(find_chromium() or sys.exit("Playwright has installed no Chromium."))
