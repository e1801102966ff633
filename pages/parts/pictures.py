"""Pictures as they are: lossless PNG, every pixel shown, whole-number zoom, no smoothing."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
import torch
from torch import Tensor

from core.data.files import to_png

EDGE = 224
"""Width on the page, in CSS pixels, that small pictures are enlarged to (by a whole number)."""
GAP = 12
"""CSS pixels between two pictures; as in style.css."""


@dataclass(frozen=True)
class Picture:
    """One picture of a grid. pixels: (C, H, W) in [0, 1]; title above; note below, plain text."""

    pixels: Tensor
    title: str
    note: str = ""


def zoom(width: int, edge: int = EDGE) -> int:
    """The whole number of screen pixels for one image pixel at which a picture is at most `edge` wide, at least 1."""
    return max(edge // width, 1)


def data_url(pixels: Tensor) -> str:
    """(C, H, W) in [0, 1] as a PNG that a browser can show without asking the server."""
    return "data:image/png;base64," + base64.b64encode(to_png(pixels)).decode("ascii")


def perturbation(r: Tensor, gain: float | None = None) -> tuple[Tensor, float]:
    """A perturbation (C, H, W) around mid-grey, and the gain it is shown with.

    gain: the factor; None takes the largest at which nothing is clipped.
    """
    if gain is None:
        peak = float(r.abs().max())
        gain = 0.5 / peak if peak > 0 else 1.0
    return (0.5 + gain * r).clamp(0, 1), gain


def figure(picture: Picture, edge: int = EDGE) -> str:
    """The picture as an HTML figure."""
    height, width = picture.pixels.shape[-2:]
    factor = zoom(width, edge)
    title, note = html.escape(picture.title), html.escape(picture.note)
    return (
        f"<figure><figcaption><b>{title}</b></figcaption>"
        f'<img src="{data_url(picture.pixels)}" alt="{title}. {note}" '
        f'width="{width * factor}" height="{height * factor}">'
        f'<span class="ss-note">{note}</span></figure>'
    )


def grid(pictures: Sequence[Picture], columns: int | None = None, edge: int = EDGE) -> None:
    """Draw pictures side by side; they wrap where the window is narrow. columns: at most this many in a row."""
    widest = max(p.pixels.shape[-1] * zoom(p.pixels.shape[-1], edge) for p in pictures) + 2
    limit = f"max-width: {columns * widest + (columns - 1) * GAP}px;" if columns else ""
    style = f"grid-template-columns: repeat(auto-fill, {widest}px); {limit}"
    st.html(f'<div class="ss-grid" style="{style}">{"".join(figure(p, edge) for p in pictures)}</div>')


def bars(names: Sequence[str], logits: Tensor, top: int = 3, mark: int | None = None) -> str:
    """The `top` most probable classes of one image's logits (K,) as HTML bars; `mark` (the true class) is coloured."""
    probabilities = torch.softmax(logits.double(), 0)
    order = probabilities.argsort(descending=True)[:top].tolist()
    rows = []
    for i in order:
        p = float(probabilities[i])
        colour = "#0f8a7e" if i == mark else "#c8553d"
        name = html.escape(names[i])
        rows.append(
            f'<span class="ss-name" title="{name}">{name}</span><span class="ss-value">{100 * p:.1f} %</span>'
            f'<span class="ss-track"><span class="ss-fill" style="display:block;width:{100 * p:.2f}%;'
            f'background:{colour}"></span></span>'
        )
    return f'<div class="ss-bars">{"".join(rows)}</div>'
