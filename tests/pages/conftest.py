"""Pages are driven without a browser, in a home that holds nothing but what the project ships; jobs are threads."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from driver import Lab

from core import models
from pages.parts.engine.aside import Aside
from pages.parts.engine.workers import InThread
from pages.parts.shell import jobs, page, reading, settings
from pages.parts.views import attacking


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home: no full data set, no checkpoint but the project's; no result and no time from another test."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    monkeypatch.setattr(attacking, "results", type(attacking.results)(attacking.results.size))
    monkeypatch.setattr(attacking, "took", type(attacking.took)(attacking.took.size))
    monkeypatch.setattr(page, "PAUSE", 0.0)  # there is no browser to wait for
    with settings.overridden(workers=0):  # what a test has put in a function's place, another process would not see
        pool = jobs.make_pool()
    monkeypatch.setattr(jobs, "_pool", pool)
    monkeypatch.setattr(reading, "_aside", Aside(InThread, idle=3600))
    models.refresh()
    yield tmp_path
    pool.close()
    monkeypatch.undo()
    models.refresh()


@pytest.fixture
def lab() -> Lab:
    """The Attack lab, just opened."""
    return Lab()
