"""Where Smoothscope's own files lie: the pages, assets and checkpoints.

In the repository, installed editable or not at all, they lie beside core. A wheel cannot put folders called `pages` and
`assets` among everybody's packages; in an installed Smoothscope they lie in the package `smoothscope`, which is beside
core too.
"""

from __future__ import annotations

from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[1]
"""The folder that core is imported from: the repository, or an environment's site-packages."""


def root(packages: Path = PACKAGES) -> Path:
    """The folder of app.py, pages, assets and checkpoints, where core is imported from the folder `packages`."""
    installed = packages / "smoothscope"
    return installed if (installed / "app.py").is_file() else packages


ASSETS = root() / "assets"
CHECKPOINTS = root() / "checkpoints"
