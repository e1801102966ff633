"""Lessons: guided walks through the pages, each a Markdown file that a teacher writes without Python.

A file `NAME.md` in the project's folder `lessons`, or in `lessons` of the user's own folder, is the lesson NAME:

    ---
    title: Smooth like the image
    summary: One sentence for the list of lessons.
    minutes: 45
    ---

    ## A title of the stop (8 min)

    [Smoothing](Smoothing?alpha=0.997#words+of+the+page)

    **Predict:** A question, before the picture is seen?

    - [ ] An answer
    - [x] The one that is seen

    **Look:** One sentence, once the picture is seen.

What follows # in a link may be left out: the page is scrolled to these words of its own, as to a picture's title, where
what is asked about would not be in the window otherwise.

`reading` says what of a file is wrong, line by line; `places` what a link may say. Neither this module nor `reading`
imports PyTorch: the start page lists lessons before anything is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core import layout

FOLDER = layout.root() / "lessons"
"""The project's own."""
STOPS = range(4, 8)
"""How many a lesson may have."""
ANSWERS = range(2, 5)
"""How many a question may have."""


@dataclass(frozen=True)
class Stop:
    """A page as a link opens it, a question to answer before it is seen, and what to look at then."""

    title: str
    minutes: int
    page: str
    """Its name, as in its address; "" is the start page."""
    parameters: Mapping[str, str]
    """What the link sets; the page's own start holds for the rest."""
    question: str
    """Markdown, as are the answers and `look`."""
    answers: tuple[str, ...]
    seen: int
    """The place in `answers` of what is seen."""
    look: str
    words: str = ""
    """Of the page, at which what is asked about begins; "" where it is seen as the page opens."""
    line: int = 0
    """Of the file, where the stop begins; of the link and of the answers below."""
    link_line: int = 0
    answer_lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class Lesson:
    """A lesson whose file could be read."""

    name: str
    """Of its file, and in a link."""
    title: str
    summary: str
    minutes: int
    stops: tuple[Stop, ...]
    own: bool = False
    """It lies in the user's folder."""
    path: Path = field(default=Path(), compare=False)


def own_folder() -> Path:
    """Where a user's lessons lie; it need not exist. ValueError in one sentence if SMOOTHSCOPE_HOME names no folder."""
    return layout.home() / "lessons"
