"""Jobs: how many at once, how they wait, stop, fail and end. Threads meet at events; nothing depends on how fast."""

import ast
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from streamlit.testing.v1 import AppTest

from pages.parts.shell import jobs
from pages.parts.shell.jobs import AT_ONCE, Busy, Job, Progress, Stop

ROOT = Path(__file__).parents[2]
LONG = 60  # seconds until a test gives up


class Gate:
    """Work that yields its progress, and goes on only when it is let."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.go = threading.Event()
        self.computing = 0
        self.most = 0
        self.lock = threading.Lock()
        self.jobs: list[Job[int, str]] = []

    def work(self):
        with self.lock:
            self.computing += 1
            self.most = max(self.most, self.computing)
        self.inside.release()
        try:
            yield Progress(0.5, 1)
            while not self.go.wait(0.01):
                yield Progress(0.5, 1)
            return "all"
        except Stop:
            return "half"
        finally:
            with self.lock:
                self.computing -= 1

    def start(self) -> Job[int, str]:
        self.jobs.append(Job(self.work))
        return self.jobs[-1]

    def fill(self) -> list[Job[int, str]]:
        """All places taken by jobs that compute."""
        started = [self.start() for _ in range(AT_ONCE)]
        for _ in started:
            assert self.inside.acquire(timeout=LONG)
        return started


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.go.set()
    for job in gate.jobs:
        assert job.wait(LONG)


def test_few_compute_and_the_rest_wait_for_their_turn(gate: Gate):
    first = gate.fill()
    rest = [gate.start() for _ in range(3)]
    assert not gate.inside.acquire(timeout=0.3)  # nobody else comes in
    assert [job.state for job in first + rest] == ["running"] * AT_ONCE + ["waiting"] * 3
    assert [job.progress for job in rest] == [None] * 3
    gate.go.set()
    for job in first + rest:
        assert job.wait(LONG)
        assert (job.state, job.result, job.error) == ("done", "all", "")
    assert gate.most == AT_ONCE


def test_stopped_while_waiting_never_begins(gate: Gate):
    gate.fill()
    begun = []
    job: Job[int, None] = Job(lambda: begun.append(1))  # type: ignore[arg-type, func-returns-value]
    job.stop()
    assert job.wait(LONG)
    assert (job.state, job.result, job.error, job.elapsed) == ("stopped", None, "", 0.0)
    assert not begun


def test_stopped_while_running_returns_what_it_has(gate: Gate):
    job = gate.start()
    assert gate.inside.acquire(timeout=LONG)
    job.stop()
    assert job.wait(LONG)
    assert (job.state, job.result, job.error) == ("stopped", "half", "")
    assert job.finished


def endless():
    while True:
        yield Progress(0.1, None)


def test_stopped_work_that_keeps_nothing_has_no_result():
    job: Job[None, None] = Job(endless)
    job.stop()
    assert job.wait(LONG)
    assert (job.state, job.result, job.error) == ("stopped", None, "")


def failing(error: BaseException) -> Callable:
    def work():
        yield Progress(0.5, None)
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "sentence", "logged"),
    [
        (ValueError("alpha must be at most 1; got 2."), "alpha must be at most 1; got 2.", False),
        (MemoryError(), "There was not enough memory; choose a smaller picture or fewer images.", False),
        (KeyError("secret"), "Something unexpected went wrong; the server's log has the details.", True),
    ],
    ids=["ValueError", "MemoryError", "KeyError"],
)
def test_what_goes_wrong_is_one_sentence(gate: Gate, caplog, error, sentence: str, logged: bool):
    for _ in range(AT_ONCE + 1):  # and the places are free again, or the last would wait for ever
        job: Job[None, None] = Job(failing(error))
        assert job.wait(LONG)
        assert (job.state, job.result, job.error) == ("failed", None, sentence)
    assert ("secret" in caplog.text) == logged
    gate.fill()


def test_a_crowd_is_refused(gate: Gate, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "WAITING", 2)
    gate.fill()
    waiting = [gate.start(), gate.start()]
    with pytest.raises(Busy, match="try again in a minute"):
        gate.start()
    waiting[0].stop()
    assert waiting[0].wait(LONG)
    gate.start()  # a place in the queue is free again


def test_elapsed_and_remaining_time(monkeypatch: pytest.MonkeyPatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: clock.now))
    reached, go = threading.Semaphore(0), threading.Semaphore(0)

    def work():
        for fraction in (0.0, 0.25, 1.0):
            yield Progress(fraction, None)
            reached.release()  # the one before this has been taken note of
            assert go.acquire(timeout=LONG)

    job: Job[None, None] = Job(work)
    assert reached.acquire(timeout=LONG)
    assert job.elapsed == 0
    assert job.remaining is None  # nothing to estimate from
    clock.now += 10
    go.release()
    assert reached.acquire(timeout=LONG)
    assert job.progress == Progress(0.25, None)
    assert job.elapsed == 10
    assert job.remaining == pytest.approx(30)
    go.release()
    assert reached.acquire(timeout=LONG)
    assert job.remaining == 0
    clock.now += 5
    go.release()
    assert job.wait(LONG)
    clock.now += 1000
    assert job.elapsed == 15


def test_a_job_whose_visitor_has_left_stops(gate: Gate, monkeypatch: pytest.MonkeyPatch):
    here = {"one": True, "other": True}
    runtime = SimpleNamespace(is_active_session=here.__getitem__)
    visitor = SimpleNamespace(session_id="one")
    monkeypatch.setattr(jobs, "get_script_run_ctx", lambda suppress_warning: visitor)
    monkeypatch.setattr(jobs, "exists", lambda: True)
    monkeypatch.setattr(jobs, "get_instance", lambda: runtime)
    left = gate.start()
    visitor.session_id = "other"
    stays = gate.start()
    for _ in range(2):
        assert gate.inside.acquire(timeout=LONG)
    here["one"] = False
    assert left.wait(LONG)
    assert (left.state, left.result) == ("stopped", "half")
    assert stays.state == "running"


def test_jobs_share_the_cores(gate: Gate, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "_CORES", 4)
    before = torch.get_num_threads()
    seen: list[int] = []
    both, go = threading.Event(), threading.Event()

    def work():
        yield Progress(0.1, None)
        seen.append(torch.get_num_threads())
        both.set()
        assert go.wait(LONG)
        yield Progress(0.2, None)
        seen.append(torch.get_num_threads())

    job: Job[None, None] = Job(work)
    assert both.wait(LONG)
    gate.start()
    assert gate.inside.acquire(timeout=LONG)
    go.set()
    assert job.wait(LONG)
    assert seen == [4, 2]
    assert torch.get_num_threads() == before


def page_with_a_slot() -> None:
    import streamlit as st

    from pages.parts.shell.jobs import Slot

    slot = Slot("test", every=60.0)

    def draw(look, about):
        st.progress(look.fraction, look.standing if look.snapshot is None else f"{about}: {look.snapshot}")

    def take(result, about):
        st.session_state["taken"] = result, about

    if st.button("Start", key="start"):
        slot.start("for me", st.session_state["work"])
    st.button("Stop", key="stop", on_click=slot.stop)
    st.text(f"{slot.busy} {slot.about}")
    slot.complain()
    slot.watch(draw, take)


class Opened:
    """The page with a slot, as a person has it before them."""

    def __init__(self, work: Callable) -> None:
        self.app = AppTest.from_function(page_with_a_slot, default_timeout=LONG)
        self.app.session_state["work"] = work
        self.app.run()

    def press(self, key: str) -> None:
        self.app.button(key=key).click().run()

    def end(self) -> None:
        """Wait for the job, and for the page's next look at it, unless it has seen the end already."""
        if running := self.app.session_state.get("test.running"):
            assert running.job.wait(LONG)
            self.app.run()

    @property
    def words(self) -> list[str]:
        """Whether something is under way and for what, what is drawn of it, what is complained of."""
        assert not self.app.exception
        bars = [bar.text for bar in self.app.get("progress")]
        return [self.app.text[0].value, *bars, *(error.value for error in self.app.error)]

    @property
    def taken(self) -> object:
        return self.app.session_state.get("taken")


def test_a_slot_starts_watches_and_takes(gate: Gate):
    opened = Opened(gate.work)
    assert (opened.words, opened.taken) == (["False None"], None)
    opened.press("start")
    assert gate.inside.acquire(timeout=LONG)
    while opened.app.session_state["test.running"].job.progress is None:
        opened.app.session_state["test.running"].job.wait(0.01)
    opened.app.run()
    assert (opened.words, opened.taken) == (["True for me", "for me: 1"], None)
    gate.go.set()
    opened.end()
    assert (opened.words, opened.taken) == (["False None"], ("all", "for me"))


def test_a_slot_stops_and_keeps_what_was_reached(gate: Gate):
    opened = Opened(gate.work)
    opened.press("start")
    assert gate.inside.acquire(timeout=LONG)
    opened.press("stop")
    opened.end()
    assert (opened.words, opened.taken) == (["False None"], ("half", "for me"))


def test_a_slot_waits_for_a_free_place(gate: Gate):
    gate.fill()
    opened = Opened(gate.work)
    opened.press("start")
    assert opened.words == ["True for me", "Waiting for a free place"]
    opened.press("stop")  # before it began: there is nothing to take, and nothing to complain of
    opened.end()
    assert (opened.words, opened.taken) == (["False None"], None)


def test_a_slot_says_once_why_not(gate: Gate, monkeypatch: pytest.MonkeyPatch):
    gate.fill()
    monkeypatch.setattr(jobs, "WAITING", 0)
    opened = Opened(gate.work)
    opened.press("start")
    assert opened.words == ["False None", "Too many people are computing at the moment\\; try again in a minute\\."]
    opened.app.run()
    assert opened.words == ["False None"]


def test_a_slot_says_once_what_went_wrong(gate: Gate):
    def work():
        yield from gate.work()
        raise ValueError("alpha must be at most 1")

    opened = Opened(work)
    opened.press("start")
    gate.go.set()
    opened.end()
    assert (opened.words, opened.taken) == (["False None", "alpha must be at most 1"], None)
    opened.app.run()
    assert opened.words == ["False None"]


def test_a_slot_is_the_only_door():
    """Pages know of a job what its work is made of, and the slot that it runs in."""
    sources = [*ROOT.glob("pages/*.py"), *ROOT.glob("pages/parts/**/*.py"), ROOT / "app.py"]
    known = {
        alias.name
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "pages.parts.shell.jobs"
        for alias in node.names
    }
    assert known == {"Look", "Progress", "Slot", "Stop"}
    assert not [path for path in sources if "import jobs" in path.read_text(encoding="utf-8")]
