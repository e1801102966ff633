"""Streamlit components that draw for themselves, in one style."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from pages.parts.shell import theme
from pages.parts.shell.scripts import joined, packed

CONTROLS = Path(__file__).with_name("controls.css")


def component(folder: Path) -> Callable[..., Any]:
    """The component whose script and style are `folder`'s NAME.js and NAME.css, NAME being the folder's.

    Its markup is NAME.html, or where there is none an empty div of the class NAME, into which it draws. The style is
    added to that of controls.css; the script imports what it shares with others, as `joined` allows.
    """
    name = folder.name
    style = theme.css(":host") + "".join(p.read_text(encoding="utf-8") for p in (CONTROLS, folder / f"{name}.css"))
    markup = folder / f"{name}.html"
    return st.components.v2.component(
        f"smoothscope.{name}",
        html=markup.read_text(encoding="utf-8") if markup.exists() else f'<div class="{name}"></div>',
        css=style,
        js=packed(joined(folder / f"{name}.js"), f"{name}.js"),
    )
