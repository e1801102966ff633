"""What a page waits for, and should not be computed in the server: in a worker of its own, beside the jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pages.parts.engine.performing import Outcome, Request
from pages.parts.engine.workers import Worker

LOOK = 0.01
"""Seconds between two looks at the worker."""


class Aside:
    """Computes one thing after the other; its worker is made when there is something, and let go a while after."""

    def __init__(self, make: Callable[[], Worker], idle: float) -> None:
        """idle: seconds that the worker is kept after the last."""
        self._make, self._idle = make, idle
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._rest: threading.Timer | None = None

    def compute(self, request: Request, longest: float) -> Outcome | None:
        """Compute it while the caller waits; None if it was not done in `longest` seconds, and has been ended."""
        with self._lock:
            if self._rest is not None:
                self._rest.cancel()
            worker = self._worker = self._worker or self._make()
            try:
                worker.begin(request, 1)
                return self._outcome(worker, time.monotonic() + longest)
            finally:
                self._rest = threading.Timer(self._idle, self.close)
                self._rest.daemon = True
                self._rest.start()

    def _outcome(self, worker: Worker, until: float) -> Outcome | None:
        killed = False
        while True:
            worker.look()
            if (outcome := worker.outcome()) is not None:
                return None if killed else outcome
            if not killed and time.monotonic() > until:
                killed = True
                worker.kill()
            time.sleep(LOOK)

    def close(self) -> None:
        """Let the worker go; the next thing has another."""
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None
