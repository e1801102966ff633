"""Which parameters stay at hand before an audience, where there is no sidebar."""

from __future__ import annotations

import streamlit as st

from core.attacks import Attack
from core.params import ParameterInfo, fields
from pages.parts.inputs import forms
from pages.parts.shell import links
from pages.parts.views.lab.result import SCOPE

MOST = 4
"""Sliders that have room beside the pictures."""


def slid(cls: type[Attack]) -> dict[str, ParameterInfo]:
    """The parameters of an attack that are slid, by name; those people come to turn first."""
    numbers = [info for info in fields(cls) if info.kind in ("int", "float") and info.name != "target"]
    return {info.name: info for info in sorted(numbers, key=lambda info: (not info.first, info.advanced))}


def opening(cls: type[Attack]) -> list[str]:
    """What is kept of an attack where nobody has chosen: what people come to turn, else the first two sliders."""
    infos = slid(cls)
    return ([name for name, info in infos.items() if info.first] or list(infos)[:2])[:MOST]


def _key(cls: type[Attack]) -> str:
    return f"{SCOPE}.pins.{cls.name}"


def kept(cls: type[Attack]) -> list[str]:
    """The names of the sliders that stay. In the link: `pins`, with dots between."""
    infos = slid(cls)

    def parse(text: str) -> list[str]:
        names = [name for name in text.split(".") if name]
        if len(names) > MOST or not set(names) <= set(infos):
            raise ValueError(f"it must be at most {MOST} of {', '.join(infos)}, with dots between them.")
        return names

    links.read("pins", _key(cls), opening(cls), parse, ".".join)
    return list(st.session_state[_key(cls)])


def controls(cls: type[Attack]) -> None:
    """A box in which a teacher pins the sliders to keep."""
    infos = slid(cls)
    with st.expander("Present"):
        st.multiselect(
            "Sliders that stay",
            list(infos),
            key=_key(cls),
            format_func=lambda name: forms.label(infos[name]),
            max_selections=MOST,
            persist_state="session",
            help=f"At most {MOST}; beside the pictures, where Present hides the sidebar.",
        )
