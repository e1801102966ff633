"""Copy the page's link to the clipboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent

_share = st.components.v2.component(
    "smoothscope.share",
    html=(HERE / "share.html").read_text(encoding="utf-8"),
    css=(HERE / "share.css").read_text(encoding="utf-8"),
    js=(HERE / "share.js").read_text(encoding="utf-8"),
)


def button(absent: Sequence[str], key: str) -> None:
    """A button that copies the address of the page as the browser has it. absent: what the link leaves out."""
    _share(data={"absent": " ".join(absent)}, key=key)
