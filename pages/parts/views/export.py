"""The button that packs what is shown into a file."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.export.archive import Item, package
from core.magnify import MagnifyParameters


def button(
    items: Sequence[Item], classes: Sequence[str], magnify: MagnifyParameters, gain: float | None, key: str
) -> None:
    """Download `items` as one zip, which is made only when the button is pressed. magnify, gain: as they are shown."""
    st.download_button(
        "Take it home",
        lambda: package(items, classes, magnify, gain),
        f"{'-'.join(i.name for i in items)[:80]}.zip",
        "application/zip",
        key=key,
        on_click="ignore",
        icon=":material/download:",
        help="One zip: lossless pictures, float arrays, parameters, and a script that makes the images again; its "
        "README.md says with which command.",
    )
