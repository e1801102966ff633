"""What a page does for those who do not look at it, or cannot see all of it: see frame.js."""

from __future__ import annotations

from pathlib import Path

from pages.parts.shell.component import component

_frame = component(Path(__file__).parent)


def draw(said: str, key: str) -> None:
    """Say `said` to who listens, if it is not what was said last; name widgets in words; show the page's own link."""
    _frame(data={"said": said}, key=key)
