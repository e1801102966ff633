"""Who computes: a process of its own, a thread of the server, or a cluster. Each one job after the other.

loky starts the processes, one executor for each, because where one of several in an executor dies, all jobs of it fail.
Its workers get their environment before they import anything, do not run the server's `__main__` again, which is a
page's script, and can be killed; `concurrent.futures` does none of the three. Neither tells of progress or takes
orders, so a pipe goes with each.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from loky import ProcessPoolExecutor
from loky.process_executor import BrokenProcessPool, ShutdownExecutorError

from pages.parts.engine import networks, parcel
from pages.parts.engine.performing import MEMORY, STOP, UNEXPECTED, Order, Outcome, Request, Word, perform, tidy
from pages.parts.engine.progress import Progress

DIED = (
    "The process that computed this has died, most likely for want of memory; try again, with a smaller picture or "
    "fewer images."
)
GONE = "The cluster that computes for this server cannot be reached; try again later."
NICE = 5
"""How far a worker stands back: pages are drawn between two steps of an attack."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Worker(Protocol):
    """Computes one job at a time; all is called from one thread, and nothing waits."""

    def begin(self, request: Request, threads: int) -> None:
        """Compute it. TypeError if it cannot be sent."""

    def order(self, order: Order) -> None:
        """Stop the job under way, or have it compute with so many threads."""

    def look(self) -> tuple[Progress[Any] | None, list[Any]]:
        """The newest progress, if there was any since the last time; and the parts of the result that have come."""

    def outcome(self) -> Outcome | None:
        """How the job has ended; None while it is under way."""

    def kill(self) -> None:
        """End the job whatever it does, if that is possible; `outcome` says what comes of it."""

    def close(self) -> None:
        """No job comes any more."""


class _Queues:
    """The line to a thread."""

    def __init__(self) -> None:
        self.newest: Progress[Any] | None = None
        self.parts: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.ordered: queue.SimpleQueue[Order] = queue.SimpleQueue()

    def tell(self, progress: Progress[Any], again: bool) -> None:
        if progress.part is not None:
            self.parts.put(progress.part)
        self.newest = Progress(progress.fraction, progress.snapshot)

    def orders(self) -> Iterator[Order]:
        yield from _emptied(self.ordered)


def _emptied(full: queue.SimpleQueue[T]) -> Iterator[T]:
    with contextlib.suppress(queue.Empty):
        while True:
            yield full.get_nowait()


class InThread:
    """A thread of the server: needs no memory of its own, but pages wait for it, and it cannot be killed."""

    def __init__(self) -> None:
        self._line = _Queues()
        self._outcome: Outcome | None = None

    def begin(self, request: Request, threads: int) -> None:
        self._line, self._outcome = _Queues(), None

        def run(line: _Queues) -> None:
            outcome = perform(request, line, threads)
            gc.collect()
            if line is self._line:
                self._outcome = outcome

        threading.Thread(target=run, args=(self._line,), daemon=True, name="job").start()

    def order(self, order: Order) -> None:
        self._line.ordered.put(order)

    def look(self) -> tuple[Progress[Any] | None, list[Any]]:
        found, self._line.newest = self._line.newest, None
        return found, list(_emptied(self._line.parts))

    def outcome(self) -> Outcome | None:
        return self._outcome

    def kill(self) -> None:
        """It goes on, unseen, until its step ends."""
        self._line.ordered.put(STOP)
        self._line, self._outcome = _Queues(), Outcome("stopped")

    def close(self) -> None:
        pass


class _Wire:
    """The line to another process; there, `tell` and `orders` are its ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.job = 0
        """The number of the job under way: an order may come too late for the job before, or before its own begins."""

    def tell(self, progress: Progress[Any], again: bool) -> None:
        snapshot = None if again else (progress.snapshot,)
        self._connection.send_bytes(parcel.pack((progress.fraction, snapshot, progress.part)))

    def orders(self) -> Iterator[Order]:
        while self._connection.poll():
            job, order = parcel.unpack(self._connection.recv_bytes())
            if job == self.job:
                yield order


_wire: _Wire | None = None


def _end_with(server: int) -> None:
    """End this process when the server was killed, which nobody else would tell it; what is on the disk is whole."""
    while os.getppid() == server:
        time.sleep(1)
    os._exit(1)


def _settle_in(server: int, connection: Connection, modules: Iterable[str], networks_kept: int) -> None:
    """The first that a worker process does; `server` may have been killed before."""
    global _wire
    _wire = _Wire(connection)
    threading.Thread(target=_end_with, args=(server,), daemon=True, name="end").start()
    with contextlib.suppress(OSError):
        os.nice(NICE)
    for module in modules:
        importlib.import_module(module)
    networks.keep(networks_kept)
    gc.collect()
    gc.freeze()


def _perform(request: bytes, threads: int, job: int) -> bytes:
    """In the worker process: a job."""
    assert _wire is not None
    _wire.job = job
    outcome = perform(parcel.unpack(request), _wire, threads)
    try:
        return parcel.pack(outcome)
    except TypeError as error:
        return parcel.pack(Outcome("failed", error=UNEXPECTED, log=str(error)))
    finally:
        del outcome
        tidy()


class InProcess:
    """A process of its own, which is replaced when it dies."""

    def __init__(self, modules: Iterable[str], networks_kept: int, environment: dict[str, str]) -> None:
        """modules: to import at once, so that the first job need not. environment: set before anything is imported."""
        self._modules, self._networks, self._environment = tuple(modules), networks_kept, environment
        self._future: Future[bytes] | None = None
        self._snapshot: Any = None
        self._late: list[Any] = []
        self._killed = False
        self._job = 0
        self._again: tuple[bytes, int, int] | None = None
        """The job under way, while nothing has been heard of it: it can be begun once more."""
        self._ordered: list[Order] = []
        """Of the job under way."""
        self._start()

    def _start(self) -> None:
        self._ours, self._theirs = Pipe()
        self._executor = ProcessPoolExecutor(
            1,
            timeout=None,
            initializer=_settle_in,
            initargs=(os.getpid(), self._theirs, self._modules, self._networks),
            env=self._environment,
        )
        self._pid = self._executor.submit(os.getpid)  # has the process started now, rather than with the first job

    @property
    def pid(self) -> int:
        """Of the process; waits until it is there."""
        found: int = self._pid.result()
        return found

    def begin(self, request: Request, threads: int) -> None:
        content = parcel.pack(request)
        self._drain()
        self._snapshot, self._killed = None, False
        self._job += 1
        self._again, self._ordered = (content, threads, self._job), []
        try:
            self._future = self._executor.submit(_perform, *self._again)
        except (BrokenProcessPool, ShutdownExecutorError):  # it died while it had nothing to do
            self._begin_again()

    def _begin_again(self) -> None:
        assert self._again is not None
        self._replace()
        self._future = self._executor.submit(_perform, *self._again)
        self._again = None
        for order in self._ordered:
            self._send(order)

    def order(self, order: Order) -> None:
        self._ordered.append(order)
        self._send(order)

    def _send(self, order: Order) -> None:
        with contextlib.suppress(OSError):
            self._ours.send_bytes(parcel.pack((self._job, order)))

    def look(self) -> tuple[Progress[Any] | None, list[Any]]:
        found, parts = None, []
        told, self._late = [*self._late, *self._drain()], []
        if told:
            self._again = None
        for fraction, snapshot, part in told:
            if snapshot is not None:
                (self._snapshot,) = snapshot
            if part is not None:
                parts.append(part)
            found = Progress(fraction, self._snapshot)
        return found, parts

    def _drain(self) -> list[Any]:
        """Everything that has been told; nothing if the process died in the middle of a word."""
        found = []
        with contextlib.suppress(OSError, EOFError):
            while self._ours.poll():
                found.append(parcel.unpack(self._ours.recv_bytes()))
        return found

    def outcome(self) -> Outcome | None:
        if self._future is None or not self._future.done():
            return None
        try:
            content = self._future.result()
            found: Outcome = parcel.unpack(content)
        except MemoryError:
            found = Outcome("failed", error=MEMORY)
        except (BrokenProcessPool, ShutdownExecutorError, CancelledError) as error:
            _log.warning("a worker has died: %s", str(error).partition("\n")[0])
            self._late = self._drain()
            if self._again is not None and not self._late and not self._killed:
                self._begin_again()
                return None
            self._replace()
            found = Outcome("stopped") if self._killed else Outcome("failed", error=DIED)
        self._future = None
        return found

    def kill(self) -> None:
        self._killed = True
        threading.Thread(target=self._executor.shutdown, kwargs={"kill_workers": True}, daemon=True).start()

    def _replace(self) -> None:
        self._ours.close()
        self._theirs.close()
        self._start()

    def close(self) -> None:
        self._executor.shutdown(wait=True, kill_workers=True)
        self._ours.close()
        self._theirs.close()


class _Variables:
    """The line to a cluster: variables at its scheduler for the newest progress, each part, and all orders so far."""

    EVERY = 0.25
    """Seconds between two questions to the scheduler."""

    def __init__(self, name: str) -> None:
        self._name, self._variable = name, _distributed().Variable
        self._progress, self._orders = self._variable(f"{name}-progress"), self._variable(f"{name}-orders")
        self._parts = self._seen = 0
        self._told, self._asked = -self.EVERY, time.monotonic()

    def tell(self, progress: Progress[Any], again: bool) -> None:
        if progress.part is not None:
            self._variable(f"{self._name}-{self._parts}").set(parcel.pack(progress.part))
            self._parts += 1
        if time.monotonic() - self._told >= self.EVERY or progress.part is not None:
            self._told = time.monotonic()
            self._progress.set(parcel.pack((progress.fraction, progress.snapshot, self._parts)))

    def orders(self) -> Iterator[Order]:
        if time.monotonic() - self._asked < self.EVERY:
            return
        self._asked = time.monotonic()
        ordered: list[str | bytes] = self._orders.get(timeout=10)
        for order in ordered[self._seen :]:
            yield parcel.unpack(order) if isinstance(order, bytes) else STOP
        self._seen = len(ordered)


def _perform_there(request: bytes, name: str) -> bytes:
    """On the cluster: a job."""
    import torch

    try:
        return parcel.pack(perform(parcel.unpack(request), _Variables(name), torch.get_num_threads()))
    except TypeError as error:
        return parcel.pack(Outcome("failed", error=UNEXPECTED, log=str(error)))


class OnCluster:
    """A place on the cluster of a Dask scheduler, whose workers can import this project."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._job = 0
        self._newest: Progress[Any] | None = None
        self._outcome: Outcome | None = None
        self._ordered: list[str | bytes] = []
        self._parts: list[Any] = []

    def begin(self, request: Request, threads: int) -> None:
        content = parcel.pack(request)
        with self._lock:
            self._job += 1
            self._newest, self._outcome, self._ordered, self._parts = None, None, [], []
        threading.Thread(target=self._follow, args=(self._job, content), daemon=True, name="cluster").start()

    def _follow(self, job: int, content: bytes) -> None:
        """All that waits for the network."""
        try:
            outcome = self._ask(job, content)
        except OSError as error:  # TimeoutError is one
            _log.warning("the cluster cannot be reached: %s", error)
            outcome = Outcome("failed", error=GONE)
        except Exception:
            _log.exception("the cluster has failed")
            outcome = Outcome("failed", error=DIED)
        with self._lock:
            if job == self._job:
                self._outcome = outcome

    def _ask(self, job: int, content: bytes) -> Outcome:
        client, variable = _client(self._address), _distributed().Variable
        name = f"smoothscope-{secrets.token_hex(8)}"
        orders, progress = variable(f"{name}-orders", client=client), variable(f"{name}-progress", client=client)
        orders.set([])
        future = client.submit(_perform_there, content, name, key=name, pure=False, retries=0)
        sent, come = 0, 0
        try:
            over = False
            while not over and job == self._job:
                over = future.done()  # first: what was told before the end is there after it
                if len(self._ordered) > sent:
                    sent = len(self._ordered)
                    orders.set(self._ordered[:sent])
                with contextlib.suppress(TimeoutError):
                    fraction, snapshot, parts = parcel.unpack(progress.get(timeout=_Variables.EVERY))
                    new = [variable(f"{name}-{number}", client=client) for number in range(come, parts)]
                    found = [parcel.unpack(part.get(timeout=10)) for part in new]
                    come = parts
                    with self._lock:
                        self._newest = Progress(fraction, snapshot)
                        self._parts += found
                    for part in new:
                        part.delete()
                time.sleep(0 if over else _Variables.EVERY / 2)
            if job != self._job:
                future.cancel()
                return Outcome("stopped")
            ended: Outcome = parcel.unpack(future.result())
            return ended
        finally:
            progress.delete()
            orders.delete()

    def order(self, order: Order) -> None:
        if order == STOP:
            self._ordered.append(STOP)
        elif isinstance(order, Word):  # how many threads a task gets is the cluster's business
            self._ordered.append(parcel.pack(order))

    def look(self) -> tuple[Progress[Any] | None, list[Any]]:
        with self._lock:
            found, parts = self._newest, self._parts
            self._newest, self._parts = None, []
            return found, parts

    def outcome(self) -> Outcome | None:
        with self._lock:
            return self._outcome

    def kill(self) -> None:
        with self._lock:
            self._job += 1
            self._outcome = Outcome("stopped")

    def close(self) -> None:
        self.kill()


def _distributed() -> Any:
    """Dask's package, which is there where somebody has a cluster."""
    return importlib.import_module("distributed")


_connecting = threading.Lock()
_clients: dict[str, Any] = {}


def _client(address: str) -> Any:
    """The connection to a scheduler, made anew if it has broken. OSError or TimeoutError if there is none."""
    with _connecting:
        known = _clients.get(address)
        if known is None or known.status != "running":
            known = _clients[address] = _distributed().Client(
                address, timeout=5, set_as_default=False, name="smoothscope"
            )
        return known
