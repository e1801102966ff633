"""Where Smoothscope's own files lie: the pages, lessons, assets and checkpoints; and where its user's do.

In the repository, installed editable or not at all, they lie beside core. A wheel cannot put folders called `pages` and
`assets` among everybody's packages; in an installed Smoothscope they lie in the package `smoothscope`, which is beside
core too.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

PACKAGES = Path(__file__).resolve().parents[1]
"""The folder that core is imported from: the repository, or an environment's site-packages."""


def root(packages: Path = PACKAGES) -> Path:
    """The folder of app.py, pages, lessons, assets and checkpoints; core is imported from the folder `packages`."""
    installed = packages / "smoothscope"
    return installed if (installed / "app.py").is_file() else packages


ASSETS = root() / "assets"
CHECKPOINTS = root() / "checkpoints"


def home() -> Path:
    """The user's folder: $SMOOTHSCOPE_HOME, or "smoothscope" under the user's cache directory. It need not exist yet.

    ValueError in one sentence if it begins with the name of a user ("~name") who is not known here.
    """
    given = os.environ.get("SMOOTHSCOPE_HOME")
    try:
        return Path(given).expanduser() if given else platformdirs.user_cache_path("smoothscope", appauthor=False)
    except RuntimeError:
        user = Path(given or "~").parts[0]
        raise ValueError(
            f"SMOOTHSCOPE_HOME begins with {user}, and no such user is known here; name a folder."
        ) from None
