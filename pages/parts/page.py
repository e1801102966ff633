"""What frames every page: configuration, navigation, style."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[2]

PAGES: tuple[tuple[str, str, str], ...] = (
    ("app.py", "Start", ":material/home:"),
    ("pages/1_Attack_lab.py", "Attack lab", ":material/science:"),
)
"""File, label and icon, in the order of the navigation."""

SIDEBAR = 264
"""Width of the controls, in CSS pixels: leaves room for three pictures and the numbers in a window of 1280."""
STYLE = Path(__file__).with_name("style.css")


def setup(title: str, controls: bool = False) -> None:
    """Configure the page and draw the navigation. Call first on every page. controls: the page uses the sidebar."""
    st.set_page_config(
        page_title=f"{title} · Smoothscope" if title else "Smoothscope",
        page_icon=str(ROOT / "assets" / "icon.png"),
        layout="wide",
        initial_sidebar_state=SIDEBAR if controls else "collapsed",
    )
    st.html(STYLE)
    with st.container(horizontal=True, gap="medium", key="navigation"):
        for file, label, icon in PAGES:
            st.page_link(file, label=label, icon=icon)


def plain(text: str) -> str:
    """`text` as it is where Streamlit would read Markdown in it: file names hold any character."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
