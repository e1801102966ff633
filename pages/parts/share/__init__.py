"""Copy the page's link to the clipboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent

_share = st.components.v2.component(
    "smoothscope.share",
    html='<button type="button">Copy link</button><input type="text" readonly hidden aria-label="Link to this page">'
    '<span role="status"></span>',
    css=(HERE / "share.css").read_text(encoding="utf-8"),
    js=(HERE / "share.js").read_text(encoding="utf-8"),
)


def button(absent: Sequence[str], key: str) -> None:
    """A button that copies the address of the page as the browser has it. absent: what the link leaves out."""
    _share(data={"absent": " ".join(absent)}, key=key)
