"""What the Embeddings page keeps in the session: its job, and which images are selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from core.data import ImageSet
from pages.parts.shell import page
from pages.parts.shell.jobs import Look, Slot

SCOPE = "embed"

slot: Slot[str, Any, Callable[[Any], object]] = Slot(SCOPE, every=0.5)
"""What a job is for is what is done with its result."""


def take(result: Any, keep: Callable[[Any], object]) -> None:
    """Keep what a job has given."""
    keep(result)


def underway(look: Look[str], keep: Callable[[Any], object]) -> None:
    """Progress of a job."""
    left, right = st.columns([6, 1], vertical_alignment="center")
    left.progress(look.fraction, f"{page.plain(look.snapshot or look.standing)}, {look.elapsed:.0f} s")
    right.button("Stop", icon=":material/stop:", on_click=slot.stop, key=f"{SCOPE}.stop", width="stretch")


def _key(images: ImageSet) -> str:
    return f"{SCOPE}.selected.{images.name}"


def selected(images: ImageSet) -> list[int]:
    """The rows that are lit up; every data set has its own.

    They are kept by the images' places in the test split, which every view of the set shares.
    """
    places = {int(index): row for row, index in enumerate(images.indices)}
    return [places[i] for i in st.session_state.get(_key(images), []) if i in places]


def select(images: ImageSet, rows: Sequence[int]) -> None:
    """Light up rows."""
    st.session_state[_key(images)] = [int(images.indices[row]) for row in rows]
