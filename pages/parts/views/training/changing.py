"""What can be set otherwise while a network is trained: the learning rate, and what its loss weighs."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.params import ParameterInfo, fields
from core.train import Recipe, changeable
from pages.parts.inputs import forms
from pages.parts.views.training.session import SCOPE, About, slot

_KEY = f"{SCOPE}.now"


def _key(name: str) -> str:
    return f"{_KEY}.{name}"


def forget() -> None:
    """A training has begun: its controls begin as it does."""
    for key in [key for key in st.session_state if str(key).startswith(f"{_KEY}.")]:
        del st.session_state[key]


def controls(about: About) -> None:
    """Sliders for the training under way: what they say is told to it, and its card notes since which step."""
    now: dict[str, Any] = {**about.recipe.values(), **about.loss.values()}
    now |= {change.parameter: change.value for change in about.changes}
    declared = {info.name: info for info in (*fields(type(about.loss)), *fields(Recipe))}
    st.caption("Change it while it runs: from the next step on. The card of the network says from which.")
    names = changeable(about.loss)
    for column, name in zip(st.columns(max(3, len(names))), names, strict=False):
        with column:
            _control(declared[name], now[name])


def _control(info: ParameterInfo, begun: Any) -> None:
    told = f"{_key(info.name)}.told"
    st.session_state.setdefault(told, begun)
    value = forms.widget(info, _key(info.name), begun)
    if value != st.session_state[told]:
        st.session_state[told] = value
        slot.tell((info.name, value))
