"""The image microscope: pictures side by side under one lens.

    viewer([Panel("Original", x), Panel("Adversarial", a), Panel("Perturbation", a - x, span=0.1)], key="lab")

Pan and zoom are locked; every panel says position and value of the pixel under the cursor; two panels can be blinked or
swiped; a `Film` can be scrubbed in the browser alone. Panels hold the computed values, and the browser makes the
pixels from them, so that what is seen and what is read are the same numbers. The arithmetic is that of `levels`, in
float32, exactly.

An array is sent once however many panels show it: a page whose display slider moves sends only what the slider has
changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pages.parts.components.film import Film
from pages.parts.components.transport import Arrays, draw
from pages.parts.shell.component import component

_viewer = component(Path(__file__).parent)


@dataclass(frozen=True)
class Panel:
    """One picture.

    title: above the picture, and its name among those that can be blinked: make it unique in a viewer.
    values: (C, H, W), C 1 or 3, finite; all panels of a viewer have one H and W.
    span: None for a picture in [0, 1]. Otherwise zero is shown as mid-grey and +-span/2 as white and black, and the
        readout is signed: a perturbation amplified by g has span 1/g, a magnified picture 2 * DisplayScale.limit.
    unit: what signed values are in ("σ"); where empty they are changes of a picture, and read in 8-bit levels as well.
    note: below the picture, plain text; lines are kept. facts: (name, value) pairs in a small table below the note.
    alt: what a screen reader says; title and note if left out.
    follows: the strip of the film that the panel shows while a step is looked at. base: (C, H, W) what is added to it.
    spans: of each step, where they are too different for one span.
    keys: which of the film's steps (0 ...) the strip holds, where it holds key frames only; the nearest one is shown.
    result: the panel shows the result whichever step is looked at, and says so then.
    """

    title: str
    values: Tensor
    span: float | None = None
    unit: str = ""
    note: str = ""
    facts: Sequence[tuple[str, str]] = ()
    alt: str = ""
    follows: str = ""
    base: Tensor | None = None
    spans: Sequence[float] | None = None
    keys: Sequence[int] | None = None
    result: bool = False

    def __post_init__(self) -> None:
        shape = tuple(self.values.shape)
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise ValueError(f"values of {self.title!r} must be (C, H, W) with C 1 or 3; got shape {shape}.")
        if self.span is not None and not self.span > 0:
            raise ValueError(f"span of {self.title!r} must be above 0; got {self.span}.")
        if self.base is not None and self.base.shape != self.values.shape:
            raise ValueError(
                f"base of {self.title!r} must have the shape of values, {shape}; got {tuple(self.base.shape)}."
            )


@dataclass(frozen=True)
class Trace:
    """A scalar at every step, drawn beside the pictures. zero: draw a line at 0."""

    title: str
    values: Sequence[float]
    zero: bool = False


def levels(panel: Panel) -> NDArray[np.uint8]:
    """The 8-bit levels (H, W, C) that the browser shows of a panel at its own size."""
    values = panel.values.detach().float().cpu()
    shown = values if panel.span is None else 0.5 + values / torch.tensor(panel.span)
    rounded: NDArray[np.uint8] = (shown.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return rounded


def viewer(
    panels: Sequence[Panel],
    key: str,
    *,
    columns: int = 3,
    row: bool = False,
    stack: int = 1,
    film: Film | None = None,
    said: Sequence[str] = (),
    traces: Sequence[Trace] = (),
    view: str | None = None,
) -> None:
    """Draw `panels`.

    key: of the element, stable from run to run. columns: at most this many cells in a row; where the window is narrower
    they wrap. row: they stay beside each other for as long as they can be read, averaged where there is no room for
    every pixel, and it says so.
    stack: so many panels stand above each other in one cell (panels[0:stack] are the first cell), for pictures that
    belong together, as an adversarial one and its magnification. film: steps to scrub through; panels say with
    `follows` what they show of it. said: of each of its steps, in a few words. traces: equally long. view: viewers with
    equal names share zoom, position and mode, also one after the other (default: key); they are kept for as long as the
    browser's window is open.
    """
    if not panels:
        raise ValueError("panels must hold at least one panel; got none.")
    height, width = panels[0].values.shape[-2:]
    arrays = Arrays()
    described = []
    for panel in panels:
        if tuple(panel.values.shape[-2:]) != (height, width):
            raise ValueError(
                f"panels must have one height and width, {height} x {width}; got "
                f"{' x '.join(map(str, panel.values.shape[-2:]))} in {panel.title!r}."
            )
        described.append(
            {
                "title": panel.title,
                "array": arrays.name(panel.values),
                "span": panel.span,
                "spans": panel.spans,
                "unit": panel.unit,
                "note": panel.note,
                "facts": list(panel.facts),
                "alt": panel.alt or f"{panel.title}. {panel.note}".strip(),
                "strip": arrays.name(film.strips[panel.follows]) if film and panel.follows else None,
                "notes": film.notes.get(panel.follows) if film and panel.follows else None,
                "base": arrays.name(panel.base) if film and panel.follows and panel.base is not None else None,
                "keys": list(panel.keys) if film and panel.keys is not None else None,
                "result": panel.result,
            }
        )
    data: dict[str, Any] = {
        "view": view or key,
        "width": width,
        "height": height,
        "columns": columns,
        "row": row,
        "stack": stack,
        "panels": described,
        "film": {"steps": film.steps, "best": film.best, "said": list(said) or None} if film else None,
        "traces": [{"title": t.title, "zero": t.zero} for t in traces],
        "curves": arrays.name(torch.tensor([list(t.values) for t in traces])) if traces else None,
    }
    draw(_viewer, data, arrays, key)
