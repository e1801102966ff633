"""The garbage collector: nobody waits for it, and nothing is kept for ever."""

import gc
import sys
import tomllib
import weakref
from pathlib import Path
from types import ModuleType

import pytest

from pages.parts.engine.performing import Request
from pages.parts.engine.pool import Limits, Pool
from pages.parts.engine.progress import Progress
from pages.parts.engine.workers import InThread
from pages.parts.shell import memory

ROOT = Path(__file__).parents[2]


class Node:
    """Something in a circle, which only a collection frees."""

    def __init__(self) -> None:
        self.me = self


def circle() -> weakref.ref[Node]:
    return weakref.ref(Node())


@pytest.fixture
def by_hand():
    """No collection but those that are asked for; nothing stays frozen."""
    gc.collect()
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


def imported(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    for i in range(count):
        monkeypatch.setitem(sys.modules, f"planted_{i}", ModuleType(f"planted_{i}"))


def test_streamlit_collects_after_no_run():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["runner"]["postScriptGC"] is False


def test_what_imports_brought_is_frozen_once(by_hand, monkeypatch):
    monkeypatch.setattr(memory, "_modules", len(sys.modules))
    gc.unfreeze()
    imported(monkeypatch, memory.GROWN - 1)
    assert not memory.settle()
    assert gc.get_freeze_count() == 0
    imported(monkeypatch, memory.GROWN)
    assert memory.settle()
    assert gc.get_freeze_count() > 10_000
    assert not memory.settle()


def test_garbage_is_not_frozen(by_hand, monkeypatch):
    garbage = circle()
    monkeypatch.setattr(memory, "_modules", 0)
    assert garbage() is not None
    assert memory.settle()
    assert garbage() is None


def test_a_job_leaves_nothing_behind(by_hand):
    garbage = []

    def work():
        garbage.append(circle())
        yield Progress(0.5, None)
        return "done"

    pool = Pool([InThread], Limits(24, 2, 0), cores=1)
    job = pool.submit(Request(work), "", lambda: True, 60)
    assert job.wait(60)
    assert job.result == "done"
    pool.close()
    assert [made() for made in garbage] == [None]
