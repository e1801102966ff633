"""Thumbnails: all pictures of a set in one array."""

from __future__ import annotations

from typing import Any

import streamlit as st
import torch
import torch.nn.functional as F
from torch import Tensor

from core.data.files import quantize
from pages.parts.components.packing import Parcel, pack
from pages.parts.components.transport import Arrays
from pages.parts.engine.bounded import fingerprint

COLUMNS = 20
THUMBNAIL = 112
"""Largest thumbnail, in pixels; larger pictures are averaged down by a whole factor, only here."""


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs={Tensor: fingerprint})
def _joined(images: Tensor) -> tuple[Parcel, int, int]:
    """Thumbnails of images (N, C, H, W), row by row; width and height of one."""
    factor = -(-images.shape[-1] // THUMBNAIL)
    small = F.avg_pool2d(images, factor) if factor > 1 else images
    n, c, h, w = small.shape
    rows = -(-n // COLUMNS)
    padded = torch.cat([small, small.new_ones(rows * COLUMNS - n, c, h, w)])
    joined = padded.view(rows, COLUMNS, c, h, w).permute(2, 0, 3, 1, 4).reshape(c, rows * h, COLUMNS * w)
    return pack(quantize(joined)), w, h


def sheet(images: Tensor, arrays: Arrays) -> dict[str, Any]:
    """What a component is told of the thumbnails of images (N, C, H, W), whose array is added to `arrays`."""
    parcel, width, height = _joined(images)
    return {"array": arrays.name(parcel), "width": width, "height": height, "columns": COLUMNS}
