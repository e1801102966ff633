"""What stays of trainings on the disk: states of unfinished runs, and networks. Whose they are, and how many may be.

Where the home is one person's, all of it is theirs, without limits. On a shared server a visitor's runs lie in a folder
of their own, a network they kept names them in a file beside its card, and both count. On a public one nothing stays.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import streamlit as st

from core import models
from core.data import careful, home, store
from core.train import runs
from pages.parts.shell import visitor
from pages.parts.shell.settings import settings

OWNER = "visitor"
"""The file of a network's folder that says who kept it."""
HOUR = 3600


def folder() -> Path | None:
    """Where this visitor's runs are kept; None where nothing is."""
    if settings().public:
        return None
    key = visitor.key()
    return home() / "runs" if key is None else home() / "runs" / key


def unfinished() -> dict[str, Path]:
    """Name -> state of each of this visitor's runs."""
    if settings().public:
        return {}
    key = visitor.key()
    return runs.listing() if key is None else runs.listing(key)


def networks() -> list[str]:
    """The networks that this visitor of a shared server kept, and may delete; none where the home is one person's."""
    key = visitor.key()
    return [] if key is None or settings().public else [path.name for path in _networks() if _owner(path) == key]


def check_room() -> None:
    """ValueError in one sentence if there is no room for another training of this visitor's."""
    if settings().public or visitor.key() is None:
        return
    mine, most = len(unfinished()) + len(networks()), settings().trainings_kept
    if mine + 1 > most:
        raise ValueError(f"You keep {mine} trainings here, and may keep {most}; delete one first.")
    everybody, most = _everybody(), settings().trainings_of_all
    if everybody + 1 > most:
        raise ValueError(f"This server keeps {everybody} trainings, which is all it may; try again another day.")


def delete_network(name: str) -> None:
    """Delete a network that this visitor kept. ValueError in one sentence if it is not theirs, or the disk refuses."""
    if name not in networks():
        raise ValueError(f"{name} is no network that you kept.")
    try:
        shutil.rmtree(home() / "checkpoints" / name)
    except OSError as error:
        raise ValueError(f"{name} cannot be deleted ({error.strerror}).") from None
    models.refresh()


def owner() -> dict[str, bytes]:
    """What is to lie beside a network that this visitor keeps."""
    key = visitor.key()
    return {} if key is None else {OWNER: key.encode()}


@st.cache_data(ttl=HOUR, max_entries=1, show_spinner=False)
def sweep(days: float) -> None:
    """Delete what visitors kept more than `days` ago (0: never), and what is left of a Keep that was cut off.

    Once an hour at most.
    """
    for path in store.listing("checkpoints"):
        cut_off = path.name.startswith(".keeping-") and careful.age(path) > 24 * HOUR
        old = days > 0 and _owner(path) is not None and careful.age(path / OWNER) > 24 * HOUR * days
        if cut_off or old:
            shutil.rmtree(path, ignore_errors=True)
    if days > 0:
        for path in store.listing("runs"):
            if path.is_dir():
                runs.expire(path, days)


def _networks() -> list[Path]:
    return [path for path in store.listing("checkpoints") if models.is_name(path.name)]


def _owner(path: Path) -> str | None:
    """Who kept the network in the folder `path`; None of one that was put there otherwise."""
    try:
        return careful.read_bytes(path / OWNER, 100)[0].decode("ascii")
    except ValueError:  # of which Unreadable is one, and what is no text
        return None


def _everybody() -> int:
    states = sum(len(runs.listing(path.name)) for path in store.listing("runs") if path.is_dir())
    return states + sum(_owner(path) is not None for path in _networks())
