"""Jobs: how many at once, how they wait, stop, fail and end. Threads meet at events; nothing depends on how fast."""

import ast
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
import torch
import works
from streamlit.testing.v1 import AppTest

from pages.parts.engine import pool as pools
from pages.parts.engine.performing import Request
from pages.parts.engine.pool import Busy, Job, Limits, Pool
from pages.parts.engine.progress import Progress, Stop
from pages.parts.engine.workers import InThread
from pages.parts.shell import jobs, settings
from pages.parts.shell import visitor as visitors

ROOT = Path(__file__).parents[2]
LONG = 60  # seconds until a test gives up
AT_ONCE = 2


class Gate:
    """Work that yields its progress, and goes on only when it is let; every job of another visitor."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
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

    def start(self, visitor: str = "", present: Callable[[], bool] = lambda: True, longest: float = LONG) -> Job:
        self.jobs.append(submit(self.pool, self.work, visitor or f"visitor {len(self.jobs)}", present, longest))
        return self.jobs[-1]

    def enter(self) -> None:
        """One more has begun to compute."""
        assert self.inside.acquire(timeout=LONG)

    def fill(self) -> list[Job[int, str]]:
        """All places taken by jobs that compute."""
        started = [self.start() for _ in range(AT_ONCE)]
        for _ in started:
            self.enter()
        return started


def submit(
    pool: Pool, work: Callable, visitor: str = "", present: Callable[[], bool] = lambda: True, longest: float = LONG
) -> Job:
    return pool.submit(Request(work), visitor, present, longest)


def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread does."""
    for _ in range(100 * LONG):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never came")


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool([InThread] * AT_ONCE, Limits(waiting=24, each=2, grace=0), cores=torch.get_num_threads())
    yield made
    made.close()


@pytest.fixture
def gate(pool: Pool) -> Iterator[Gate]:
    gate = Gate(pool)
    yield gate
    gate.go.set()
    for job in gate.jobs:
        assert job.wait(LONG)


def test_few_compute_and_the_rest_wait_for_their_turn(gate: Gate):
    first = gate.fill()
    rest = [gate.start() for _ in range(3)]
    assert not gate.inside.acquire(timeout=0.3)  # nobody else comes in
    assert [job.state for job in first + rest] == ["running"] * AT_ONCE + ["waiting"] * 3
    assert [job.place for job in first + rest] == [0] * AT_ONCE + [1, 2, 3]
    until(lambda: [job.behind for job in first] == [3] * AT_ONCE)
    assert [job.progress for job in rest] == [None] * 3
    gate.go.set()
    for job in first + rest:
        assert job.wait(LONG)
        assert (job.state, job.result, job.error) == ("done", "all", "")
    assert gate.most == AT_ONCE


def test_a_second_job_waits_behind_the_first_of_everybody_else(gate: Gate):
    busy = [gate.start("one"), gate.start("other")]
    for _ in busy:
        gate.enter()
    second = gate.start("one")
    third, fourth = gate.start("new"), gate.start("newest")
    assert [job.place for job in (second, third, fourth)] == [3, 1, 2]
    busy[0].stop()  # now "one" has nothing under way: their waiting job is a first one too, and the earliest
    gate.enter()
    until(lambda: (second.state, third.place, fourth.place) == ("running", 1, 2))


def test_nobody_has_more_than_their_share(gate: Gate):
    gate.start("one")
    gate.start("one")
    with pytest.raises(Busy, match=r"You have 2 jobs under way already; stop one, or wait until it has ended\."):
        gate.start("one")
    other = gate.start("other")
    gate.jobs[0].stop()
    assert gate.jobs[0].wait(LONG)
    gate.start("one")
    assert not other.finished


def test_stopped_while_waiting_never_begins(gate: Gate):
    gate.fill()
    begun = []
    job = submit(gate.pool, lambda: begun.append(1))
    job.stop()
    assert job.wait(LONG)
    assert (job.state, job.result, job.error, job.elapsed) == ("stopped", None, "", 0.0)
    assert not begun


def test_stopped_while_running_returns_what_it_has(gate: Gate):
    job = gate.start()
    gate.enter()
    job.stop()
    assert job.wait(LONG)
    assert (job.state, job.result, job.error) == ("stopped", "half", "")
    assert job.finished


@pytest.mark.parametrize("work", [works.heedless, lambda: (Progress(0.1, None) for _ in iter(int, 1))])
def test_stopped_work_that_keeps_nothing_has_no_result(pool: Pool, work):
    job = submit(pool, work)
    job.stop()
    assert job.wait(LONG)
    assert (job.state, job.result, job.error) == ("stopped", None, "")


def test_a_step_that_does_not_end_is_given_up(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pools, "PATIENCE", 0.1)
    held, go = threading.Event(), threading.Event()

    def work():
        held.set()
        assert go.wait(LONG)
        yield Progress(0.5, None)

    job = submit(pool, work)
    assert held.wait(LONG)
    job.stop()
    assert job.wait(LONG)
    assert (job.state, job.result, job.error) == ("stopped", None, "")
    other = submit(pool, lambda: works.count(3))
    assert other.wait(LONG)  # whoever had the deaf one can be asked again
    assert (other.state, other.result) == ("done", 3)
    go.set()


def test_what_takes_too_long_is_stopped_and_keeps_what_it_has(gate: Gate):
    job = gate.start(longest=0.05)
    assert job.wait(LONG)
    assert (job.state, job.result, job.overdue) == ("stopped", "half", True)


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
        job = submit(gate.pool, failing(error))
        assert job.wait(LONG)
        assert (job.state, job.result, job.error) == ("failed", None, sentence)
    assert ("secret" in caplog.text) == logged
    gate.fill()


def test_parts_of_a_result_come_at_once_and_are_its_beginning(pool: Pool):
    reached, go = threading.Event(), threading.Event()

    def work():
        for i in range(3):  # faster than progress is told
            yield Progress(0.1 * i, None, part=i)
        reached.set()
        assert go.wait(LONG)
        yield Progress(0.5, None)
        return ("the", "rest")

    job = submit(pool, work)
    assert reached.wait(LONG)
    until(lambda: job.parts == (0, 1, 2))
    go.set()
    assert job.wait(LONG)
    assert job.result == (0, 1, 2, "the", "rest")


def test_parts_outlive_a_failure(pool: Pool):
    def work():
        yield Progress(0.1, None, part="found")
        raise ValueError("but then this.")

    job = submit(pool, work)
    assert job.wait(LONG)
    assert (job.state, job.result, job.error) == ("failed", ("found",), "but then this.")


def test_a_crowd_is_refused(pool: Pool, gate: Gate):
    pool.limits = Limits(waiting=2, each=2, grace=0)
    gate.fill()
    waiting = [gate.start(), gate.start()]
    with pytest.raises(Busy, match="try again in a minute"):
        gate.start()
    waiting[0].stop()
    assert waiting[0].wait(LONG)
    gate.start()  # a place in the queue is free again


def test_elapsed_remaining_and_waiting_time(monkeypatch: pytest.MonkeyPatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(pools, "time", SimpleNamespace(monotonic=lambda: clock.now))
    pool = Pool([InThread], Limits(24, 2, 0), cores=1)
    reached, go = threading.Semaphore(0), threading.Semaphore(0)

    def work():
        for fraction in (0.0, 0.25, 1.0):
            yield Progress(fraction, None, part=fraction)  # so that none is skipped
            reached.release()  # the one before this has been told
            assert go.acquire(timeout=LONG)

    job, other, third = (submit(pool, work, visitor, longest=1e9) for visitor in ("one", "other", "third"))
    assert reached.acquire(timeout=LONG)
    until(lambda: len(job.parts) == 1)
    assert job.elapsed == 0
    assert job.remaining is None  # nothing to estimate from
    assert other.wait_for is None
    clock.now += 10
    go.release()
    assert reached.acquire(timeout=LONG)
    until(lambda: len(job.parts) == 2)
    assert job.progress == Progress(0.25, None)
    assert job.elapsed == 10
    assert job.remaining == pytest.approx(30)
    until(lambda: third.wait_for is not None)
    assert (other.wait_for, third.wait_for) == (pytest.approx(30), pytest.approx(60))
    go.release()
    assert reached.acquire(timeout=LONG)
    until(lambda: len(job.parts) == 3)
    assert job.remaining == 0
    clock.now += 5
    for waiting in (other, third):
        waiting.stop()
        assert waiting.wait(LONG)
    go.release()
    assert job.wait(LONG)
    clock.now += 1000
    assert job.elapsed == 15
    pool.close()


def test_a_job_whose_visitor_has_left_stops_when_the_grace_is_over(monkeypatch: pytest.MonkeyPatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(pools, "time", SimpleNamespace(monotonic=lambda: clock.now))
    pool = Pool([InThread] * AT_ONCE, Limits(24, 2, grace=60), cores=1)
    gate, here = Gate(pool), {"one": True, "other": True}
    left = gate.start("one", lambda: here["one"], 1e9)
    stays = gate.start("other", lambda: here["other"], 1e9)
    waits = gate.start("one", lambda: here["one"], 1e9)
    for _ in range(2):
        gate.enter()
    here["one"] = False
    until(lambda: left.left == waits.left == 100)
    clock.now += 59
    assert not left.wait(0.2)
    here["one"] = True  # the connection was only broken
    until(lambda: left.left is None)
    here["one"] = False
    until(lambda: left.left == 159)
    clock.now += 59
    assert not left.wait(0.2)
    clock.now += 2
    assert left.wait(LONG)
    assert waits.wait(LONG)
    assert (left.state, left.result, waits.state, waits.result) == ("stopped", "half", "stopped", None)
    assert stays.state == "running"
    gate.go.set()
    assert stays.wait(LONG)
    pool.close()


@pytest.fixture
def tabs(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Sessions of the runtime, and whether they are connected; the first of them is served."""
    here = {"one": True, "two": True}
    runtime = SimpleNamespace(is_active_session=here.__getitem__)
    monkeypatch.setattr(
        jobs, "get_script_run_ctx", lambda suppress_warning: SimpleNamespace(session_id=next(iter(here)))
    )
    monkeypatch.setattr(jobs, "exists", lambda: True)
    monkeypatch.setattr(jobs, "get_instance", lambda: runtime)
    monkeypatch.setattr(st, "session_state", {})
    return here


def test_at_one_s_own_machine_a_visitor_is_a_connected_session(tabs):
    with settings.overridden(shared=False):
        visitor, present = jobs._visitor()
    assert (visitor, present()) == ("one", True)
    tabs["one"] = False
    assert not present()


def test_all_tabs_of_a_browser_are_one_visitor_of_a_shared_server(tabs, monkeypatch: pytest.MonkeyPatch):
    cookies = {visitors.COOKIE: "a" * 32}
    monkeypatch.setattr(type(st.context), "cookies", property(lambda self: cookies))
    with settings.overridden(shared=True):
        first, present = jobs._visitor()
        del tabs["one"]
        st.session_state.clear()
        second, still = jobs._visitor()
        assert first == second
        tabs["two"] = False
        assert not still()
        with pytest.raises(KeyError):
            present()  # of its own tab, nevertheless
        cookies.clear()
        st.session_state.clear()
        assert jobs._visitor()[0] not in (first, "two")  # a browser that keeps none


def test_jobs_share_the_cores():
    pool = Pool([InThread] * AT_ONCE, Limits(24, 2, 0), cores=4)
    gate = Gate(pool)
    before = torch.get_num_threads()
    seen: list[int] = []
    both, go = threading.Event(), threading.Event()

    def work():
        yield Progress(0.1, None)
        seen.append(torch.get_num_threads())
        both.set()
        assert go.wait(LONG)
        while torch.get_num_threads() != 2:  # orders come between two steps
            yield Progress(0.2, None)
        seen.append(2)

    job = submit(pool, work)
    assert both.wait(LONG)
    gate.start()
    gate.enter()
    go.set()
    assert job.wait(LONG)
    assert seen == [4, 2]
    assert torch.get_num_threads() == before
    gate.go.set()
    assert gate.jobs[0].wait(LONG)
    pool.close()


def page_with_a_slot() -> None:
    import streamlit as st

    from pages.parts.shell.jobs import Slot

    slot = Slot("test", every=60.0)

    def draw(look, about):
        st.progress(look.fraction, f"{about}: {look.snapshot}" if look.begun else look.standing)

    def take(result, about):
        if st.session_state.pop("interrupted", False):
            st.rerun()  # as a message of the browser's does that comes now
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

    @property
    def job(self) -> Job:
        return self.app.session_state["test.running"].job

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


@pytest.fixture
def on_page(pool: Pool, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """The gate, its pool being that of the pages."""
    monkeypatch.setattr(jobs, "_pool", pool)
    return gate


def test_a_slot_starts_watches_and_takes(on_page: Gate):
    opened = Opened(on_page.work)
    assert (opened.words, opened.taken) == (["False None"], None)
    opened.press("start")
    on_page.enter()
    until(lambda: opened.job.progress)
    opened.app.run()
    assert (opened.words, opened.taken) == (["True for me", "for me: 1"], None)
    on_page.go.set()
    opened.end()
    assert (opened.words, opened.taken) == (["False None"], ("all", "for me"))


def test_what_is_interrupted_while_it_is_taken_is_taken_again(on_page: Gate):
    opened = Opened(on_page.work)
    opened.press("start")
    on_page.enter()
    on_page.go.set()
    opened.app.session_state["interrupted"] = True
    opened.end()
    assert (opened.words, opened.taken) == (["False None"], ("all", "for me"))


def test_the_last_look_waits_for_the_end(on_page: Gate, monkeypatch: pytest.MonkeyPatch):
    asked, wait = [], Job.wait

    def lets_go(job: Job, seconds: float | None = None) -> bool:
        asked.append(seconds)
        on_page.go.set()
        return wait(job, LONG)

    opened = Opened(on_page.work)
    opened.press("start")
    on_page.enter()
    monkeypatch.setattr(Job, "wait", lets_go)
    monkeypatch.setattr(Job, "remaining", 61.0)
    opened.app.run()
    assert (asked, opened.taken) == ([], None)  # the next look, 60 s later, comes first
    monkeypatch.setattr(Job, "remaining", 0.25)
    opened.app.run()
    assert (asked, opened.words, opened.taken) == ([0.5], ["False None"], ("all", "for me"))


def test_a_slot_stops_and_keeps_what_was_reached(on_page: Gate):
    opened = Opened(on_page.work)
    opened.press("start")
    on_page.enter()
    opened.press("stop")
    opened.end()
    assert (opened.words, opened.taken) == (["False None"], ("half", "for me"))


def test_a_slot_waits_for_a_free_place_and_says_which(on_page: Gate):
    on_page.fill()
    opened = Opened(on_page.work)
    opened.press("start")
    standing, waiting = opened.words
    assert (standing, waiting.partition(", about")[0]) == ("True for me", "Waiting for a free place, next in turn")
    opened.press("stop")  # before it began: there is nothing to take, and nothing to complain of
    opened.end()
    assert (opened.words, opened.taken) == (["False None"], None)


@pytest.mark.parametrize(
    ("place", "seconds", "words"),
    [
        (1, None, "Waiting for a free place, next in turn"),
        (4, None, "Waiting for a free place, 3 before you"),
        (1, 0.2, "Waiting for a free place, next in turn, about 1 s"),
        (2, 89.4, "Waiting for a free place, 1 before you, about 89 s"),
        (2, 200.0, "Waiting for a free place, 1 before you, about 3 min"),
    ],
)
def test_what_those_who_wait_are_told(place, seconds, words):
    job: Job = Job(Request(works.deaf), "", lambda: True, 1.0)
    job.place, job.wait_for = place, seconds
    assert jobs.standing(job) == words
    job.state = "running"
    assert jobs.standing(job) == "Preparing"


@pytest.mark.parametrize(
    ("seconds", "pace"), [(None, 1.0), (0.5, 0.4), (8.0, 1.0), (16.0, 2.0), (24.0, 3.0), (600.0, 3.0)]
)
def test_who_waits_long_looks_less_often(seconds: float | None, pace: float):
    job: Job = Job(Request(works.deaf), "", lambda: True, 1.0)
    job.wait_for = seconds
    assert jobs.pace(job, 0.4) == pace
    job.state = "running"
    assert jobs.pace(job, 0.4) == 0.4
    job.behind = 1
    assert (jobs.pace(job, 0.4), jobs.pace(job, 1.5)) == (1.0, 1.5)


def test_a_slot_says_once_why_not(on_page: Gate):
    on_page.fill()
    on_page.pool.limits = Limits(waiting=0, each=2, grace=0)
    opened = Opened(on_page.work)
    opened.press("start")
    assert opened.words == ["False None", "Too many people are computing at the moment\\; try again in a minute\\."]
    opened.app.run()
    assert opened.words == ["False None"]


def test_a_slot_says_once_what_went_wrong(on_page: Gate):
    def work():
        yield from on_page.work()
        raise ValueError("alpha must be at most 1")

    opened = Opened(work)
    opened.press("start")
    on_page.go.set()
    opened.end()
    assert (opened.words, opened.taken) == (["False None", "alpha must be at most 1"], None)
    opened.app.run()
    assert opened.words == ["False None"]


def test_a_slot_says_that_it_took_too_long_and_keeps_what_there_is(on_page: Gate):
    opened = Opened(on_page.work)
    with settings.overridden(longest_job=1):
        opened.press("start")
    opened.end()
    assert opened.taken == ("half", "for me")
    assert opened.words == ["False None", "It was stopped after 1 s\\, which is the most that a job may take here\\."]


def test_a_slot_is_the_only_door():
    """Pages know of a job the slot that it runs in; who computes it, and how, they need not."""
    sources = [*ROOT.glob("pages/*.py"), *ROOT.glob("pages/parts/**/*.py"), ROOT / "app.py"]
    known: dict[str, set[str]] = {}
    for path in sources:
        if path.parent.name not in {"engine", "shell"}:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module is not None:
                    known.setdefault(node.module, set()).update(alias.name for alias in node.names)
    assert known["pages.parts.shell.jobs"] == {"Look", "Slot"}
    assert known["pages.parts.engine.progress"] == {"Progress", "Stop"}
    engine = {name for name in known if name.startswith("pages.parts.engine")}
    assert engine == {f"pages.parts.engine{name}" for name in ("", ".progress", ".networks", ".bounded")}
    assert known["pages.parts.engine"] == {"networks"}
