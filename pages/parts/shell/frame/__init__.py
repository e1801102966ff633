"""What a page does for those who do not look at it, or cannot see all of it: see frame.js."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import streamlit as st

from pages.parts.shell.component import component

_frame = component(Path(__file__).parent)


def draw(said: str, bring: Mapping[str, str] | None, key: str) -> None:
    """Say `said` to who listens, if it is not what was said last; name widgets in words; show the page's own link.

    bring: "stop", a lesson's, and "words" of the page to bring into the window once for that stop; "" is its top.
    """
    _frame(data={"said": said, "bring": bring, "ahead": _charts()}, key=key)


@cache
def _charts() -> str:
    """The name of Streamlit's script that draws charts; "" where it has another."""
    folder = Path(st.__file__).parent / "static" / "static" / "js"
    return next((path.name for path in sorted(folder.glob("PlotlyChart.*.js"))), "")
