"""glibc's malloc, where it is the one in use: what it keeps of freed memory, and what it gives back. Else nothing."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

ARENA_MAX, TRIM_THRESHOLD, MMAP_THRESHOLD = -8, -1, -3
"""Options of its malloc.h."""


def tune(option: int, value: int) -> None:
    """Set an option of this process."""
    if (mallopt := _function("mallopt")) is not None:
        mallopt(option, value)


def give_back() -> None:
    """Give all freed memory of this process back to the system."""
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def _function(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
