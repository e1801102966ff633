"""What a process of this server is before it computes: read when libraries are loaded, so set before they are."""

from __future__ import annotations

import os

from core import heap

ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "OMP_WAIT_POLICY": "passive"}
"""Few memory arenas and sleeping OpenMP threads, unless the environment says otherwise: what keeps memory and the other
sessions well when a class presses Run at once."""


def missing() -> dict[str, str]:
    """What of `ENVIRONMENT` is not set otherwise."""
    return {name: value for name, value in ENVIRONMENT.items() if name not in os.environ}


def settle() -> None:
    """Make this process as `ENVIRONMENT` says: before PyTorch is imported, however the server was started."""
    added = missing()
    os.environ.update(added)
    if "MALLOC_ARENA_MAX" in added:  # the environment is too late for it
        heap.tune(heap.ARENA_MAX, int(added["MALLOC_ARENA_MAX"]))
