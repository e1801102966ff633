"""What the Embeddings page keeps in the session: its job, and which images are selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.data import ImageSet
from pages.parts.shell import page
from pages.parts.shell.jobs import Look, Slot
from pages.parts.work.maps import Fitting

SCOPE = "embed"


@dataclass(frozen=True)
class Task:
    """What a job is for."""

    keep: Callable[[Any], object]
    """What is done with its result."""
    maps: str = ""
    """Which maps it fits, in a word that is equal exactly when they are; empty where it fits none."""
    draw: Callable[[Fitting | None], None] | None = None
    """Draws them as they form; None before there is anything to draw."""


slot: Slot[Any, Any, Task] = Slot(SCOPE, every=0.5)
"""What is seen of its job meanwhile is a word on how far it is, or `Fitting`."""


def take(result: Any, task: Task) -> None:
    """Keep what a job has given."""
    task.keep(result)


def forming(maps: str) -> bool:
    """These maps are being fitted, and drawn as they form."""
    return slot.about is not None and slot.about.maps == maps


def underway(look: Look[str | Fitting], task: Task, looked_at: str) -> None:
    """Progress of a job, and the maps that it fits, if they are those that are `looked_at`."""
    seen = look.snapshot
    left, right = st.columns([6, 1], vertical_alignment="center")
    words = seen.words if isinstance(seen, Fitting) else seen or look.standing
    left.progress(look.fraction, f"{page.plain(words)}, {look.elapsed:.0f} s")
    right.button("Stop", icon=":material/stop:", on_click=slot.stop, key=f"{SCOPE}.stop", width="stretch")
    if task.draw is not None and task.maps == looked_at:
        task.draw(seen if isinstance(seen, Fitting) else None)


def _key(images: ImageSet) -> str:
    return f"{SCOPE}.selected.{images.name}" + ("" if images.split == "test" else f".{images.split}")


def selected(images: ImageSet) -> list[int]:
    """The rows that are lit up; every data set has its own, and its training images theirs.

    They are kept by the images' places in their split, which every view of it shares.
    """
    places = {int(index): row for row, index in enumerate(images.indices)}
    return [places[i] for i in st.session_state.get(_key(images), []) if i in places]


def select(images: ImageSet, rows: Sequence[int]) -> None:
    """Light up rows."""
    st.session_state[_key(images)] = [int(images.indices[row]) for row in rows]
