"""Copy the page's link to the clipboard, alone or as a lesson's file has it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pages.parts.shell.component import component

_share = component(Path(__file__).parent)

STOP = """\
## A title of the stop (8 min)

[{page}]({name}{{query}})

**Predict:** A question, before this is seen?

- [x] The answer that is seen
- [ ] Another answer

**Look:** One sentence, once it is seen.
"""
"""A stop of a lesson, for `core.lessons`."""


def button(absent: Sequence[str], key: str) -> None:
    """A button that copies the address of the page as the browser has it. absent: what the link leaves out."""
    _share(data={"label": "Copy link", "absent": " ".join(absent), "text": ""}, key=key)


def record(page: str, name: str, key: str) -> None:
    """A button that copies a stop of a lesson which leads here. page: its title; name: in its address."""
    text = STOP.format(page=page or "Start", name=name or "/")
    _share(data={"label": "Record a stop", "absent": "Paste it into a lesson's file.", "text": text}, key=key)
