"""Pictures that strangers bring are decoded in a process of their own.

Decoders are C, and a file of a kilobyte may take half a gigabyte and seconds: what breaks, or keeps what it has taken,
is not the server, and pages are drawn meanwhile. Not one of the jobs: a picture is waited for with the page open, and
need not wait for other people's attacks.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Generator

from torch import Tensor

from core.data import ImageError, read_image
from pages.parts.engine import process
from pages.parts.engine.aside import Aside
from pages.parts.engine.performing import Request
from pages.parts.engine.progress import Progress
from pages.parts.engine.workers import InProcess, InThread, Worker
from pages.parts.shell.settings import settings

LONGEST = 60.0
"""Seconds that a picture may take: the largest takes two."""
IDLE = 120.0
"""Seconds that the process is kept after the last picture: it takes two to start, and a quarter of a gigabyte."""
TOO_LONG = f"The picture takes more than {LONGEST:g} s to decode; choose another copy."

_log = logging.getLogger(__name__)


def _worker() -> Worker:
    return InThread() if settings().workers == 0 else InProcess((__name__,), 1, process.missing())


_aside = Aside(_worker, IDLE)
atexit.register(_aside.close)


def _read(
    content: bytes, shape: tuple[int, int, int], crop_fraction: float, largest: int
) -> Generator[Progress[None], None, Tensor]:
    """A picture as a network takes it, for the process that decodes."""
    yield from ()
    channels, height, width = shape
    return read_image(content, (height, width), 1 if channels == 1 else 3, crop_fraction, megapixels=largest)


def picture(content: bytes, shape: tuple[int, int, int], crop_fraction: float, largest: int) -> Tensor:
    """The picture in a file, (1, C, H, W) in [0, 1]; waits for it.

    shape: (C, H, W). largest: megapixels that are decoded at most. ImageError in one sentence if it cannot be used.
    """
    outcome = _aside.compute(Request(_read, (content, shape, crop_fraction, largest)), LONGEST)
    if outcome is None:
        raise ImageError(TOO_LONG)
    if outcome.log:
        _log.error("a picture could not be decoded\n%s", outcome.log)
    if not isinstance(outcome.result, Tensor):
        raise ImageError(outcome.error)
    return outcome.result
