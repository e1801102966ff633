"""What the work of a job is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

S = TypeVar("S")


class Stop(Exception):  # noqa: N818
    """Thrown into a job's generator when its person presses stop; the generator returns what it has."""


@dataclass(frozen=True)
class Progress(Generic[S]):
    """What a job's generator yields: how far it is (0 to 1) and something to show.

    A snapshot that has not changed is best the very same object: it is not sent again. part: of a result that is a
    tuple, one that is finished, sent once; what the generator returns then is the rest of the tuple.
    """

    fraction: float
    snapshot: S
    part: Any = None
