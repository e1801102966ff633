"""Pick a picture from a wall of thumbnails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
from torch import Tensor

from pages.parts.components.sheets import sheet
from pages.parts.components.transport import Arrays, draw
from pages.parts.shell.component import component

SMALL = 48
"""Pixels up to which thumbnails are shown at twice their size."""

_picker = component(Path(__file__).parent)


def wall(
    images: Tensor, rows: Sequence[int], labels: Sequence[str], selected: int, key: str, on_pick: Callable[[int], None]
) -> None:
    """Show `images` (N, C, H, W) as thumbnails that can be clicked.

    rows: the number that each reports; labels: what a screen reader says; selected: the row that is marked.
    """
    arrays = Arrays()
    thumbnails = sheet(images, arrays)
    data = {
        "sheet": thumbnails,
        "zoom": 2 if thumbnails["width"] <= SMALL else 1,
        "items": [{"row": row, "label": label} for row, label in zip(rows, labels, strict=True)],
        "selected": selected,
    }

    def picked() -> None:
        row = st.session_state[key].picked
        if isinstance(row, int) and row in rows:
            on_pick(row)

    draw(_picker, data, arrays, key, on_picked_change=picked)
