"""A job's generator is driven, where it is computed."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import torch

from core import heap
from pages.parts.engine.progress import Progress, Stop

EVERY = 0.05
"""Seconds between two messages at least: an attack on a digit makes a thousand steps in one, of which few are seen."""

STOP: Final = "stop"


@dataclass(frozen=True)
class Word:
    """Something for the work itself to hear: its generator's next `yield` gives a tuple of what was said, or None."""

    value: Any


Order = Literal["stop"] | int | Word
"""To a job under way: stop, compute with so many threads, or hear a word."""

State = Literal["waiting", "running", "done", "stopped", "failed"]

MEMORY = "There was not enough memory; choose a smaller picture or fewer images."
UNEXPECTED = "Something unexpected went wrong; the server's log has the details."


class Line(Protocol):
    """What connects a job with those who watch it."""

    def tell(self, progress: Progress[Any], again: bool) -> None:
        """Take note of the newest progress, and of its part for good. again: its snapshot is that of the one before."""

    def orders(self) -> Iterable[Order]:
        """What has been ordered since the last time."""


@dataclass(frozen=True)
class Request:
    """What is to be computed. work: importable by its name."""

    work: Callable[..., Generator[Progress[Any], Any, Any]]
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a job has ended."""

    state: State
    result: Any = None
    error: str = ""
    """One sentence, where it failed."""
    log: str = ""
    """Where it failed as nobody has foreseen."""


def perform(request: Request, line: Line, threads: int) -> Outcome:
    """Compute to the end, or to the order to stop. Raises nothing."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        return _drive(request, line)
    except ValueError as error:  # core's own sentences
        return Outcome("failed", error=str(error))
    except MemoryError:
        return Outcome("failed", error=MEMORY)
    except Exception:
        return Outcome("failed", error=UNEXPECTED, log=traceback.format_exc())
    finally:
        torch.set_num_threads(before)


def _drive(request: Request, line: Line) -> Outcome:
    generator = request.work(*request.arguments, **request.named)
    told, shown = -EVERY, None
    words: list[Any] = []
    begun = False
    try:
        while True:
            for order in line.orders():
                if order == STOP:
                    return _stop(generator)
                if isinstance(order, Word):
                    words.append(order.value)
                else:
                    torch.set_num_threads(order)
            if begun and words:
                heard, words = tuple(words), []
                progress = generator.send(heard)
            else:
                progress, begun = next(generator), True
            if (now := time.monotonic()) - told >= EVERY or progress.part is not None:
                line.tell(progress, progress.snapshot is shown and told >= 0)
                told, shown = now, progress.snapshot
    except StopIteration as end:
        return Outcome("done", end.value)


def _stop(generator: Generator[Progress[Any], Any, Any]) -> Outcome:
    try:
        generator.throw(Stop())
    except StopIteration as end:
        return Outcome("stopped", end.value)
    except Stop:
        pass
    else:
        generator.close()
    return Outcome("stopped")


def tidy() -> None:
    """Give memory back after a job: generators and their tensors hang in circles, and glibc keeps what was freed."""
    gc.collect()
    heap.give_back()
