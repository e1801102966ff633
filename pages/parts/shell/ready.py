"""What every page but the first needs, imported once and by one thread: a page's script imports this before all else.

Two visitors who open different pages of a server that has just started run two scripts in two threads. Each would
import core from another end, and where they meet Python hands out modules that are not finished. Whoever comes second
waits for this module instead, because a module that is being imported is locked.
"""

from __future__ import annotations

import importlib

import pages.parts.engine  # noqa: F401  first: PyTorch reads the environment that it sets

MODULES = (
    *(f"core.{name}" for name in ("data", "models", "losses", "attacks", "features", "magnify", "metrics")),
    *(f"core.{name}" for name in ("evaluate.claims", "train", "papers", "examples", "export.archive")),
    "plotly.graph_objects",
    "skimage.metrics",
    "pages.parts.shell.jobs",
    "pages.parts.shell.lesson",
    "pages.parts.shell.page",
)

for module in MODULES:
    importlib.import_module(module)
