"""Long work beside the page: a generator on a worker thread, with progress, stop, and a cap for the whole server.

A worker never calls Streamlit. A page has a `Slot`: it starts a job there, watches it and takes its result, and knows
nothing else of it but what the work is made of, `Progress` and `Stop`.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, Literal, ParamSpec, TypeVar

import streamlit as st
import torch
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.parts.shell import page

AT_ONCE = 2
"""Jobs that compute at the same time; more only slow each other down and fill the memory."""
WAITING = 24
"""Jobs that may wait for their turn."""

_turns = threading.BoundedSemaphore(AT_ONCE)
_lock = threading.Lock()
_running = 0
_waiting = 0
_CORES = torch.get_num_threads()
"""Threads for one job that is alone: the machine's cores, or fewer where OMP_NUM_THREADS says so."""

S = TypeVar("S")
R = TypeVar("R")
A = TypeVar("A")
P = ParamSpec("P")

State = Literal["waiting", "running", "done", "stopped", "failed"]


class Stop(Exception):  # noqa: N818
    """Thrown into a job's generator when its person presses stop; the generator returns what it has."""


class Busy(Exception):  # noqa: N818
    """So many jobs wait already that another would not be served in reasonable time."""


@dataclass(frozen=True)
class Progress(Generic[S]):
    """What a job's generator yields: how far it is (0 to 1) and something to show."""

    fraction: float
    snapshot: S


class Job(Generic[S, R]):
    """A generator of `Progress[S]` that returns R, run on a worker thread."""

    def __init__(self, work: Callable[[], Generator[Progress[S], None, R]]) -> None:
        self.state: State = "waiting"
        self.progress: Progress[S] | None = None
        self.result: R | None = None
        self.error = ""
        self._stop = threading.Event()
        self._began: float | None = None
        self._ended: float | None = None
        self._alive = _session_alive()
        global _waiting
        with _lock:
            if _waiting >= WAITING:
                raise Busy("Too many people are computing at the moment; try again in a minute.")
            _waiting += 1
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True, name="job")
        self._thread.start()

    @property
    def finished(self) -> bool:
        return self.state in ("done", "stopped", "failed")

    @property
    def elapsed(self) -> float:
        """Seconds of computing so far, waiting not counted."""
        if self._began is None:
            return 0.0
        return (self._ended or time.monotonic()) - self._began

    @property
    def remaining(self) -> float | None:
        """Estimated seconds to go; None while there is nothing to estimate from."""
        if self.progress is None or self.progress.fraction <= 0.02:
            return None
        return self.elapsed * (1 - self.progress.fraction) / self.progress.fraction

    def stop(self) -> None:
        """Ask the job to end after its current step; what it reached becomes its result."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the job has ended; False if it has not within `seconds`."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self, work: Callable[[], Generator[Progress[S], None, R]]) -> None:
        global _running, _waiting
        got = False
        while not (got or self._stopping()):
            got = _turns.acquire(timeout=0.1)
        with _lock:
            _waiting -= 1
            _running += got
        try:
            if not got:
                self.state = "stopped"
                return
            self._began = time.monotonic()
            self.state = "running"
            self.state = self._drive(work)
        except ValueError as error:  # core's own sentences
            self.error, self.state = str(error), "failed"
        except MemoryError:
            self.error, self.state = "There was not enough memory; choose a smaller picture or fewer images.", "failed"
        except Exception:
            logging.getLogger(__name__).exception("a job failed")
            self.error, self.state = "Something unexpected went wrong; the server's log has the details.", "failed"
        finally:
            self._ended = time.monotonic()
            if got:
                gc.collect()  # generators and their tensors hang in circles; quick once `memory.settle` was called
                with _lock:
                    _running -= 1
                _turns.release()

    def _drive(self, work: Callable[[], Generator[Progress[S], None, R]]) -> State:
        generator = work()
        threads = 0
        try:
            while True:
                share = max(_CORES // max(_running, 1), 1)
                if share != threads:  # holds for this thread alone
                    torch.set_num_threads(share)
                    threads = share
                if self._stopping():
                    try:
                        generator.throw(Stop())
                    except StopIteration as end:
                        self.result = end.value
                    except Stop:
                        pass
                    return "stopped"
                self.progress = next(generator)
        except StopIteration as end:
            self.result = end.value
            return "done"

    def _stopping(self) -> bool:
        return self._stop.is_set() or not self._alive()


def _session_alive() -> Callable[[], bool]:
    """A function that says whether the browser tab that is being served now is still connected."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or not exists():
        return lambda: True
    runtime, session = get_instance(), context.session_id
    return lambda: runtime.is_active_session(session)


@dataclass(frozen=True)
class Running(Generic[S, R, A]):
    """A job that is under way, and what it is for."""

    job: Job[S, R]
    about: A


@dataclass(frozen=True)
class Look(Generic[S]):
    """What is seen of a job under way."""

    fraction: float
    """Of the work that is done, 0 to 1."""
    snapshot: S | None
    """None before there is anything to show."""
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

    def __init__(self, scope: str, every: float) -> None:
        """scope: of the page's keys in the session. every: seconds from look to look."""
        self._key = f"{scope}.running"
        self._problem = f"{scope}.problem"
        self._every = every

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
        """Begin `work(*args, **kwargs)` as a job; where the server takes no more, `complain` will say so."""
        try:
            st.session_state[self._key] = Running(Job(lambda: work(*args, **kwargs)), about)
        except Busy as error:
            self.refuse(str(error))

    def stop(self) -> None:
        """Ask the job under way to end; for a button's on_click."""
        if self._running is not None:
            self._running.job.stop()

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
            st.fragment(self._watch, run_every=self._every)(self._running, draw, take)

    def _watch(
        self, running: Running[S, R, A], draw: Callable[[Look[S], A], None], take: Callable[[R, A], None]
    ) -> None:
        job = running.job
        if job.finished:
            st.session_state.pop(self._key, None)
            if job.result is not None:
                take(job.result, running.about)
            elif job.error:
                self.refuse(job.error)
            st.rerun()
        progress = job.progress
        standing = "Waiting for a free place" if job.state == "waiting" else "Preparing"
        if progress is None:
            look: Look[S] = Look(0.0, None, job.elapsed, None, standing)
        else:
            look = Look(min(progress.fraction, 1.0), progress.snapshot, job.elapsed, job.remaining, standing)
        draw(look, running.about)
