"""The server's jobs: which computes, which waits, and who comes next."""

from __future__ import annotations

import logging
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from pages.parts.engine.performing import STOP, UNEXPECTED, Outcome, Request, State, Word
from pages.parts.engine.progress import Progress
from pages.parts.engine.workers import Worker

S = TypeVar("S")
R = TypeVar("R")

TICK = 0.02
"""Seconds between two looks at the workers."""
PATIENCE = 30.0
"""Seconds that a job is given to obey an order to stop, until its worker is killed: one step of it may be long."""

_log = logging.getLogger(__name__)


class Busy(Exception):  # noqa: N818
    """So many jobs wait already that another would not be served in reasonable time."""


@dataclass(frozen=True)
class Limits:
    """Fair shares."""

    waiting: int
    """Jobs that may wait, of all visitors."""
    each: int
    """Jobs of one visitor, under way and waiting."""
    grace: float
    """Seconds that a job goes on without its visitor."""


class Job(Generic[S, R]):
    """Work that waits for its turn, is under way, or has ended; looked at from any thread."""

    def __init__(self, request: Request, visitor: str, present: Callable[[], bool], longest: float) -> None:
        self.state: State = "waiting"
        self.progress: Progress[S] | None = None
        self.parts: tuple[Any, ...] = ()
        """What is finished of a result that is a tuple."""
        self.result: R | None = None
        self.error = ""
        self.place = 0
        """Jobs that come before it; 0 once it computes."""
        self.behind = 0
        """Jobs that wait while it computes."""
        self.wait_for: float | None = None
        """Estimated seconds until it computes; None while there is nothing to estimate from."""
        self.overdue = False
        """It was stopped because it took longer than a job may."""
        self.request, self.visitor, self.present, self.longest = request, visitor, present, longest
        self.worker: Worker | None = None
        self.stop_asked = False
        self.words: deque[Any] = deque()
        """Said to the work and not passed on yet: it hears them once it has been heard of."""
        self.told_to_stop: float | None = None
        self.left: float | None = None
        """When its visitor was seen to be gone."""
        self._began: float | None = None
        self._ended: float | None = None
        self._over = threading.Event()

    @property
    def finished(self) -> bool:
        return self._over.is_set()

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
        self.stop_asked = True

    def tell(self, word: Any) -> None:
        """Say something to the work, if it listens: a plain value, which the `yield` of its generator gives it."""
        self.words.append(word)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the job has ended; False if it has not within `seconds`."""
        return self._over.wait(seconds)

    def begin(self, worker: Worker) -> None:
        """It computes now."""
        self._began = time.monotonic()
        self.worker, self.state, self.place, self.wait_for = worker, "running", 0, None

    def end(self, outcome: Outcome) -> None:
        """It has ended."""
        self._ended = time.monotonic()
        self.error, self.state, self.worker = outcome.error, outcome.state, None
        self.result = cast("R", (*self.parts, *(outcome.result or ()))) if self.parts else outcome.result
        self._over.set()


class Pool:
    """Workers, and the jobs of all visitors; looked after by one thread while there are any."""

    def __init__(self, make: Sequence[Callable[[], Worker]], limits: Limits, cores: int) -> None:
        """make: makes each worker, when it is first needed or `prepare` is called. cores: threads shared by jobs."""
        self._make, self.limits, self._cores = list(make), limits, cores
        self._places = len(make)
        self._idle: list[Worker] = []
        self._lock = threading.Condition()
        self._waiting: list[Job[Any, Any]] = []
        self._running: list[Job[Any, Any]] = []
        self._lengths: deque[float] = deque(maxlen=20)
        self._threads = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def prepare(self, at_least: int | None = None) -> None:
        """Make the workers that there are not yet, or so many in all, beside whatever else happens."""
        missing = 0 if at_least is None else max(self._places - at_least, 0)
        with self._lock:
            if len(self._make) > missing and not self._closed:
                threading.Thread(target=self._prepare, args=(missing,), daemon=True, name="prepare").start()

    def _prepare(self, missing: int) -> None:
        with self._lock:
            while len(self._make) > missing:
                self._idle.insert(0, self._make.pop()())  # the last in the list is taken first: it has begun first

    def submit(self, request: Request, visitor: str, present: Callable[[], bool], longest: float) -> Job[Any, Any]:
        """Have something computed, now or when it is its turn. Busy, in one sentence, if that would be too long.

        present: says whether the visitor is still there. longest: seconds after which it is stopped.
        """
        with self._lock:
            own = sum(job.visitor == visitor for job in self._waiting + self._running)
            if own >= self.limits.each:
                raise Busy(f"You have {own} jobs under way already; stop one, or wait until it has ended.")
            places = len(self._make) + len(self._idle)
            if len(self._waiting) >= self.limits.waiting + places:
                raise Busy("Too many people are computing at the moment; try again in a minute.")
            job: Job[Any, Any] = Job(request, visitor, present, longest)
            self._waiting.append(job)
            self._number()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look_after, daemon=True, name="pool")
                self._thread.start()
            self._lock.notify_all()
            return job

    def close(self) -> None:
        """End everything at once: the server ends."""
        with self._lock:
            self._closed = True
            self._make.clear()
            for job in self._running:
                if job.worker is not None:
                    job.worker.close()
            for worker in self._idle:
                worker.close()
            self._idle.clear()
            self._lock.notify_all()

    def _look_after(self) -> None:
        with self._lock:
            while not self._closed and (self._waiting or self._running):
                try:
                    self._look()
                except Exception:  # nobody else would look after the jobs of everybody
                    _log.exception("the jobs could not be looked after")
                self._lock.wait(TICK)
            self._thread = None

    def _look(self) -> None:
        now = time.monotonic()
        for job in list(self._running):
            self._look_at(job, now)
        for job in list(self._waiting):
            if job.stop_asked or self._abandoned(job, now):
                self._waiting.remove(job)
                job.end(Outcome("stopped"))
        while self._waiting and (self._idle or self._make):
            self._begin(self._order()[0])
        if (threads := max(self._cores // max(len(self._running), 1), 1)) != self._threads:
            self._threads = threads
            for job in self._running:
                if job.worker is not None:
                    job.worker.order(threads)
        self._number()

    def _look_at(self, job: Job[Any, Any], now: float) -> None:
        worker = job.worker
        assert worker is not None
        outcome = worker.outcome()
        progress, parts = worker.look()  # last, for it has told everything before its end
        if progress is not None:
            job.progress = progress
        job.parts += tuple(parts)
        if outcome is not None:
            if outcome.log:
                _log.error("a job failed\n%s", outcome.log)
            if outcome.state == "done":
                self._lengths.append(job.elapsed)
            self._running.remove(job)
            self._idle.append(worker)
            job.end(outcome)
            return
        if job.elapsed > job.longest:
            job.overdue = job.stop_asked = True
        while job.words and job.progress is not None:
            worker.order(Word(job.words.popleft()))
        if job.told_to_stop is None and (job.stop_asked or self._abandoned(job, now)):
            job.told_to_stop = now
            worker.order(STOP)
        elif job.told_to_stop is not None and now - job.told_to_stop > PATIENCE:
            job.told_to_stop = float("inf")
            worker.kill()

    def _abandoned(self, job: Job[Any, Any], now: float) -> bool:
        if job.present():
            job.left = None
        elif job.left is None:
            job.left = now
        return job.left is not None and now - job.left >= self.limits.grace

    def _begin(self, job: Job[Any, Any]) -> None:
        self._waiting.remove(job)
        worker = self._idle.pop() if self._idle else self._make.pop()()
        try:
            worker.begin(job.request, max(self._cores // (len(self._running) + 1), 1))
        except TypeError as error:
            _log.error("a job %s", error)
            self._idle.append(worker)
            job.end(Outcome("failed", error=UNEXPECTED))
            return
        job.begin(worker)
        self._running.append(job)

    def _order(self) -> list[Job[Any, Any]]:
        """Those that wait, the next first: a visitor's second job comes after the first ones of all others."""
        own: dict[str, int] = {}
        for job in self._running:
            own[job.visitor] = own.get(job.visitor, 0) + 1
        turns = []
        for number, job in enumerate(self._waiting):
            turns.append((own.get(job.visitor, 0), number, job))
            own[job.visitor] = own.get(job.visitor, 0) + 1
        return [job for *_, job in sorted(turns, key=lambda turn: turn[:2])]

    def _number(self) -> None:
        """Tell those that wait of their places, and how long it may take."""
        usual = statistics.median(self._lengths) if self._lengths else None
        left = [job.remaining if job.remaining is not None else usual for job in self._running]
        known = [seconds for seconds in left if seconds is not None]
        workers = max(len(self._running), 1)
        for job in self._running:
            job.behind = len(self._waiting)
        for place, job in enumerate(self._order(), 1):
            job.place = place
            job.wait_for = None
            if known or usual is not None:
                job.wait_for = (sum(known) + (place - 1) * (usual or statistics.mean(known))) / workers
