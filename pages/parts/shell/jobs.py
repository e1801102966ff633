"""Long work beside the page: a generator that a worker computes, with progress, stop, and fair shares of the server.

A page has a `Slot`: it starts a job there, watches it and takes its result. What is computed lies in
`pages.parts.work`, who computes it in `pages.parts.engine`.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

import streamlit as st
import torch
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.parts.engine import process
from pages.parts.engine.performing import Request
from pages.parts.engine.pool import Busy, Job, Limits, Pool
from pages.parts.engine.progress import Progress
from pages.parts.engine.workers import InProcess, InThread, OnCluster, Worker
from pages.parts.shell import page, visitor
from pages.parts.shell.settings import settings

WORK = (
    "pages.parts.work.attacks",
    "pages.parts.work.curves",
    "pages.parts.work.growing",
    "pages.parts.work.maps",
    "pages.parts.work.trainings",
)
"""What worker processes import at once."""

S = TypeVar("S")
R = TypeVar("R")
A = TypeVar("A")
P = ParamSpec("P")

_lock = threading.Lock()
_pool: Pool | None = None


def pool() -> Pool:
    """The server's workers and jobs."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = make_pool()
            atexit.register(_pool.close)
        return _pool


page.at_begin.append(lambda: pool().prepare(1))  # who presses at once finds one that has begun to start
page.at_end.append(lambda: pool().prepare())  # the others start while the first page is read


def make_pool() -> Pool:
    """Workers as the settings say."""
    own = settings()

    def worker() -> Worker:
        if own.cluster is not None:
            return OnCluster(own.cluster)
        if own.workers == 0:
            return InThread()
        return InProcess(WORK, own.networks_kept, process.missing())

    limits = Limits(own.jobs_waiting, own.jobs_per_session, own.grace)
    return Pool([worker] * (own.workers or IN_THREADS), limits, torch.get_num_threads())


IN_THREADS = 2
"""Jobs at the same time where the server computes them itself."""
LONGEST_PACE = 3.0
"""Seconds from look to look at most."""
CROWDED = 1.0
"""Seconds from look to look at least at a job that others wait for."""
UNKNOWN = 8.0
"""Seconds that who waits may have to, while there is nothing to estimate from."""


def _visitor() -> tuple[str, Callable[[], bool]]:
    """Who is served now, and a function that says whether their browser tab is still connected.

    Where several people share the server all tabs of one browser are one visitor; at one's own machine each tab is.
    """
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or not exists():
        return "", lambda: True
    runtime, session = get_instance(), context.session_id
    return visitor.key() or session, lambda: runtime.is_active_session(session)


@dataclass(frozen=True)
class Running(Generic[S, R, A]):
    """A job that is under way, and what it is for."""

    job: Job[S, R]
    about: A


@dataclass(frozen=True)
class Look(Generic[S]):
    """What is seen of a job under way."""

    begun: bool
    """There is something to say of how far it is."""
    fraction: float
    """Of the work that is done, 0 to 1."""
    snapshot: S | None
    """None before there is anything to show."""
    parts: tuple[Any, ...]
    """What is finished of a result that is a tuple."""
    elapsed: float
    """Seconds of computing so far."""
    remaining: float | None
    """Estimated seconds to go; None while there is nothing to estimate from."""
    standing: str
    """What is said while there is nothing to show."""


class Slot(Generic[S, R, A]):
    """A page's place for one job: start it, say why not, watch it, stop it, take its result.

    S is what the job shows meanwhile, R its result, and A what it is for (`about`): what the page needs to draw the one
    and to keep the other, and the work does not. A slot is only a name; all it holds is in the session that is served.
    """

    def __init__(self, scope: str, every: float, longest: Callable[[], float] | None = None) -> None:
        """scope: of the page's keys in the session. every: seconds from look to look.

        longest: seconds after which a job is stopped; `settings().longest_job` if left out.
        """
        self._key = f"{scope}.running"
        self._problem = f"{scope}.problem"
        self._every = every
        self._longest = longest or (lambda: settings().longest_job)

    @property
    def _running(self) -> Running[S, R, A] | None:
        running: Running[S, R, A] | None = st.session_state.get(self._key)
        return running

    @property
    def busy(self) -> bool:
        """A job is under way here."""
        return self._running is not None

    @property
    def about(self) -> A | None:
        """What the job under way is for; None where there is none."""
        return None if self._running is None else self._running.about

    def start(
        self, about: A, work: Callable[P, Generator[Progress[S], None, R]], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Begin `work(*args, **kwargs)` as a job; where the server takes no more, `complain` will say so.

        work: importable by its name; it gets copies of plain values, and so does who takes its result.
        """
        who, present = _visitor()
        try:
            job: Job[S, R] = pool().submit(Request(work, args, kwargs), who, present, self._longest())
            st.session_state[self._key] = Running(job, about)
        except Busy as error:
            self.refuse(str(error))

    def settle(self, seconds: float, take: Callable[[R, A], None]) -> None:
        """Wait for the job under way, `seconds` at most, and take its result: what is quick needs not be watched."""
        if self._running is not None and self._running.job.wait(seconds):
            self._end(self._running, take)

    def _end(self, running: Running[S, R, A], take: Callable[[R, A], None]) -> None:
        """Take what a job has given that has ended, and keep why it has not."""
        job = running.job
        if job.result is not None:
            take(job.result, running.about)
        if job.error:
            self.refuse(job.error)
        elif job.overdue:
            self.refuse(f"It was stopped after {job.longest:g} s, which is the most that a job may take here.")
        # Last: another run of the page may end this one wherever it asks for the session's state, and comes here again.
        st.session_state.pop(self._key, None)

    def stop(self) -> None:
        """Ask the job under way to end; for a button's on_click."""
        if self._running is not None:
            self._running.job.stop()

    def tell(self, word: Any) -> None:
        """Say something to the job under way, if it listens: a plain value, which the `yield` of its work gives it."""
        if self._running is not None:
            self._running.job.tell(word)

    def refuse(self, sentence: str) -> None:
        """Have `complain` say why something did not begin."""
        st.session_state[self._problem] = sentence

    def complain(self) -> None:
        """Say, once, why the last job did not begin, or what went wrong with it."""
        if problem := st.session_state.pop(self._problem, None):
            st.error(page.plain(problem))

    def watch(self, draw: Callable[[Look[S], A], None], take: Callable[[R, A], None]) -> None:
        """Draw the job under way, if there is one, again and again until it ends; then run the page's script again.

        take: gets its result, also of a job that was stopped, if it had one by then.
        """
        if self._running is not None:
            every = pace(self._running.job, self._every)
            st.fragment(self._watch, run_every=every)(self._running, draw, take, every)

    def _watch(
        self,
        running: Running[S, R, A],
        draw: Callable[[Look[S], A], None],
        take: Callable[[R, A], None],
        every: float,
    ) -> None:
        job = running.job
        if job.finished:
            self._end(running, take)
            st.rerun()
        now = pace(job, self._every)
        if max(now, every) >= 2 * min(now, every):
            st.rerun()  # a fragment keeps its pace until the whole page is drawn
        progress = job.progress
        look: Look[S] = Look(
            begun=progress is not None,
            fraction=0.0 if progress is None else min(progress.fraction, 1.0),
            snapshot=None if progress is None else progress.snapshot,
            parts=job.parts,
            elapsed=job.elapsed,
            remaining=job.remaining,
            standing=standing(job),
        )
        draw(look, running.about)
        if job.remaining is not None and job.remaining < self._every and job.wait(2 * job.remaining):
            self._end(running, take)  # the next look would see it only `every` later
            st.rerun()


def pace(job: Job[S, R], every: float) -> float:
    """Seconds from look to look at a job, `every` while it computes and nobody waits.

    Every look is paid for by those who compute: where others wait it comes less often, and to who waits long as well.
    """
    if job.state != "waiting":
        return max(every, CROWDED) if job.behind else every
    return min(max(every, (UNKNOWN if job.wait_for is None else job.wait_for) / 8), LONGEST_PACE)


def standing(job: Job[S, R]) -> str:
    """What is said of a job that has nothing to show yet."""
    if job.state != "waiting":
        return "Preparing"
    before = job.place - 1
    words = f"Waiting for a free place, {before} before you" if before > 0 else "Waiting for a free place, next in turn"
    return words if job.wait_for is None else f"{words}, about {_rounded(job.wait_for)}"


def _rounded(seconds: float) -> str:
    return f"{max(seconds, 1):.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
