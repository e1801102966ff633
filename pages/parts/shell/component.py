"""Streamlit components that draw for themselves, in one style."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from pages.parts.shell import theme

CONTROLS = Path(__file__).with_name("controls.css")
DRAWING = Path(__file__).with_name("drawing.js")


def component(folder: Path) -> Callable[..., Any]:
    """The component whose script and style are `folder`'s NAME.js and NAME.css, NAME being the folder's.

    It draws into a div of the class NAME; the style is added to that of controls.css, the script to that of drawing.js.
    """
    name = folder.name
    css = theme.css(":host") + "".join(p.read_text(encoding="utf-8") for p in (CONTROLS, folder / f"{name}.css"))
    js = "".join(path.read_text(encoding="utf-8") for path in (DRAWING, folder / f"{name}.js"))
    return st.components.v2.component(f"smoothscope.{name}", html=f'<div class="{name}"></div>', css=css, js=js)
