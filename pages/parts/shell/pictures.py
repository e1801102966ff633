"""Small pictures and bars as HTML."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import torch
from torch import Tensor

from core.data.files import to_png


def data_url(pixels: Tensor) -> str:
    """(C, H, W) in [0, 1] as a PNG that a browser can show without asking the server."""
    return "data:image/png;base64," + base64.b64encode(to_png(pixels)).decode("ascii")


def bars(names: Sequence[str], logits: Tensor, top: int = 3, mark: int | None = None) -> str:
    """The `top` most probable classes of one image's logits (K,) as HTML bars; `mark` (the true class) is coloured."""
    probabilities = torch.softmax(logits.double(), 0)
    order = probabilities.argsort(descending=True)[:top].tolist()
    rows = []
    for i in order:
        p = float(probabilities[i])
        name = html.escape(names[i])
        rows.append(
            f'<span class="ss-name" title="{name}">{name}</span><span class="ss-value">{100 * p:.1f} %</span>'
            f'<span class="ss-track"><span class="ss-fill{" ss-true" if i == mark else ""}" '
            f'style="width:{100 * p:.2f}%"></span></span>'
        )
    return f'<div class="ss-bars">{"".join(rows)}</div>'
