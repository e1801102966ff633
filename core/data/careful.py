"""Files that a stranger may have made: what is read of them is bounded, and half a sentence says what is wrong.

A checkpoint or a run is a folder or a file that anybody may have put there. A name may stand for a folder, a pipe that
never ends, or a file of a terabyte, and a JSON of a kilobyte may be nested deeper than any stack.
"""

from __future__ import annotations

import functools
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

MOMENT = 2.0
"""Seconds after a change in which another one could leave a file's times as they are."""


class Unreadable(ValueError):  # noqa: N818
    """What is wrong with a file, as the end of a sentence that begins with its name: "is larger than 2 MB"."""


def listing(folder: Path) -> list[Path]:
    """What lies in `folder`, sorted; nothing where that is none, or cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def is_file(path: Path) -> bool:
    """Whether `path` is a plain file, as far as can be seen."""
    return os.path.isfile(path)  # pathlib's own raises what is wrong with some names and folders


def age(path: Path) -> float:
    """Seconds since `path` was last written; 0 where it cannot be seen."""
    try:
        return max(time.time() - os.stat(path).st_mtime, 0.0)
    except (OSError, ValueError):
        return 0.0


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What every change of the plain file `path` changes; None where there is no relying on it."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode) or time.time() - found.st_ctime < MOMENT:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def kept(read: Callable[..., T]) -> Callable[..., T]:
    """`read`, which reads the files whose paths it is given, made to do so again only when one of them has changed.

    The last 256 answers are kept, and shared by all who ask; what it raises is not.
    """
    known = functools.lru_cache(256)(lambda paths, _: read(*paths))

    @functools.wraps(read)
    def asked(*paths: Path) -> T:
        stamps = tuple(_stamp(path) for path in paths)
        return read(*paths) if None in stamps else known(paths, stamps)

    return asked


def size(number: int) -> str:
    """A number of bytes for a person: "64 kB"."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number} bytes"


def read_bytes(path: Path, limit: int, first: int | None = None) -> tuple[bytes, int]:
    """The content of the plain file `path`, and its size; at most its `first` bytes, all of them if None.

    Unreadable if it is not there, is no plain file, or has more than `limit` bytes; nothing is read then.
    """
    try:
        # Asked before it is opened: opening a pipe waits for whoever writes into it.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Unreadable("is no plain file")
        with path.open("rb") as file:
            whole = os.fstat(file.fileno()).st_size
            if whole > limit:
                raise Unreadable(f"is larger than {size(limit)}")
            return file.read(limit if first is None else first), whole
    except (OSError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"cannot be read ({getattr(error, 'strerror', None) or 'a wrong name'})") from None


def parse_json(content: bytes | str, finite: bool = True) -> Any:
    """What the JSON `content` (UTF-8) says; Unreadable if it is none, or nested too deep.

    finite: NaN and infinity, which are no JSON, are refused.
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        return json.loads(text, parse_constant=_refuse if finite else None)
    except (ValueError, RecursionError):
        raise Unreadable("is damaged") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def shown(text: object, longest: int = 60) -> str:
    """`text` in quotation marks as it may stand in a sentence: what cannot be printed escaped, its end cut off."""
    whole = str(text)
    return repr(whole if len(whole) <= longest else whole[: longest - 1] + "…")
