"""Python's garbage collector, kept from stopping everybody.

A full collection looks at every object there is while it holds the interpreter's lock: with PyTorch, Plotly and their
kin loaded about 0.2 s, in which no other session's script, job or poll moves. Streamlit would make one after every run
of a script, each poll of a job among them; `.streamlit/config.toml` turns that off. Instead, what imports have brought
is frozen, so that no later collection looks at it: one is milliseconds then, and jobs make one when they end.
"""

from __future__ import annotations

import gc
import sys
import threading

GROWN = 20
"""Modules that must have been imported since the last time before what there is is frozen again."""

_lock = threading.Lock()
_modules = 0


def settle() -> bool:
    """Freeze what imports have brought, if there were many since the last time; says whether it has.

    Cheap where nothing was imported; call it at the end of a page's script, which is when its imports are done.
    """
    global _modules
    with _lock:
        if len(sys.modules) < _modules + GROWN:
            return False
        _modules = len(sys.modules)
        gc.collect()  # else garbage that is in a circle would be frozen, and never freed
        gc.freeze()
        return True
