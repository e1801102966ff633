"""Copy the page's link to the clipboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pages.parts.shell.component import component

_share = component(Path(__file__).parent)


def button(absent: Sequence[str], key: str) -> None:
    """A button that copies the address of the page as the browser has it. absent: what the link leaves out."""
    _share(data={"absent": " ".join(absent)}, key=key)
