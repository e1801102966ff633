"""Pick a picture from a wall of thumbnails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
import torch
import torch.nn.functional as F
from torch import Tensor

from pages.parts.shell.cache import fingerprint
from pages.parts.shell.pictures import data_url

HERE = Path(__file__).parent
COLUMNS = 20
THUMBNAIL = 112
"""Largest thumbnail, in pixels; larger pictures are averaged down by a whole factor, only here."""

_wall = st.components.v2.component(
    "smoothscope.picker",
    html='<div class="wall"></div>',
    css=(HERE / "picker.css").read_text(encoding="utf-8"),
    js=(HERE / "picker.js").read_text(encoding="utf-8"),
)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs={Tensor: fingerprint})
def sheet(images: Tensor) -> tuple[str, int, int, int]:
    """All thumbnails of images (N, C, H, W) in one PNG: (data URL, width of one, height of one, columns)."""
    factor = -(-images.shape[-1] // THUMBNAIL)
    small = F.avg_pool2d(images, factor) if factor > 1 else images
    n, c, h, w = small.shape
    rows = -(-n // COLUMNS)
    padded = torch.cat([small, small.new_ones(rows * COLUMNS - n, c, h, w)])
    joined = padded.view(rows, COLUMNS, c, h, w).permute(2, 0, 3, 1, 4).reshape(c, rows * h, COLUMNS * w)
    return data_url(joined), w, h, COLUMNS


def wall(
    images: Tensor, rows: Sequence[int], labels: Sequence[str], selected: int, key: str, on_pick: Callable[[int], None]
) -> None:
    """Show `images` (N, C, H, W) as thumbnails that can be clicked.

    rows: the number that each reports; labels: what a screen reader says; selected: the row that is marked.
    """
    url, width, height, columns = sheet(images)
    items = [
        {"row": row, "label": label, "cell": cell} for cell, (row, label) in enumerate(zip(rows, labels, strict=True))
    ]
    zoom = 2 if width <= 48 else 1
    data = {
        "sheet": url,
        "width": width,
        "height": height,
        "columns": columns,
        "zoom": zoom,
        "items": items,
        "selected": selected,
    }

    def picked() -> None:
        row = st.session_state[key].picked
        if isinstance(row, int) and row in rows:
            on_pick(row)

    _wall(data=data, key=key, on_picked_change=picked)
