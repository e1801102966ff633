"""The Compare page's controls: several attacks, or one attack along a parameter."""

from __future__ import annotations

import re

import streamlit as st

from core.attacks import Attack
from core.examples import COMPARED
from core.models import Card
from core.params import ParameterInfo, fields
from pages.parts.inputs import choose, forms
from pages.parts.shell import links
from pages.parts.views import attacking
from pages.parts.views.compare.comparison import MOST, SCOPE

FIRST = ("cw", "scw", "smoothfool", "sddn", "ddn", "deepfool")
"""What the columns open with."""


def several(card: Card) -> list[Attack]:
    """Controls of several attacks, each with its own parameters; those whose parameters are legal."""
    links.whole("columns", f"{SCOPE}.columns", len(COMPARED), 1, MOST)
    count = st.slider("Columns", 1, MOST, key=f"{SCOPE}.columns", persist_state="session")
    found = []
    for i in range(1, count + 1):
        cls = choose.attack(f"Column {i}", f"{SCOPE}.{i}.attack", FIRST[i - 1], f"{i}.attack")
        with st.popover("Parameters", width="stretch", key=f"{SCOPE}.{i}.parameters"):
            values = attacking.start_values(cls, card)
            names = {"target": choose.class_names(card)}
            attack = forms.form(cls, f"{SCOPE}.{card.dataset}.{i}", values, link=f"{i}.", names=names)
        if attack is None:
            st.error(f"The parameters of column {i} do not go together.")
        else:
            found.append(attack)
    return found


def along(card: Card) -> list[Attack]:
    """Controls of one attack along a parameter; empty after having said what is wrong."""
    cls = choose.attack("Attack", f"{SCOPE}.along.attack", "scw")
    infos = sweepable(cls)
    key = f"{SCOPE}.along.{cls.name}.parameter"
    links.choice("parameter", key, next(iter(infos)), infos)
    name = st.selectbox("Along", list(infos), key=key, format_func=lambda n: infos[n].label, persist_state="session")
    info = infos[name]
    key = f"{SCOPE}.along.{cls.name}.{name}.values"

    def read(text: str) -> str:
        parse_values(text, info)
        return text

    links.read("values", key, opening_values(info), read)
    text = st.text_input("Values", key=key, persist_state="session", help=forms.help_text(info))
    with st.popover("Other parameters", width="stretch", key=f"{SCOPE}.along.parameters"):
        values = attacking.start_values(cls, card)
        names = {"target": choose.class_names(card)}
        attack = forms.form(cls, f"{SCOPE}.{card.dataset}.along", values, link="", without=[name], names=names)
    if attack is None:
        st.error("The parameters of the attack do not go together.")
        return []
    try:
        return [attack.replace(**{name: value}) for value in parse_values(text, info)]
    except ValueError as error:
        st.error(str(error))
        return []


def sweepable(cls: type[Attack]) -> dict[str, ParameterInfo]:
    """The numbers among an attack's parameters; those people ask for first."""
    numbers = {info.name: info for info in fields(cls) if info.kind in ("int", "float") and info.name != "target"}
    return {name: numbers[name] for name in sorted(numbers, key=lambda n: (not numbers[n].first, numbers[n].advanced))}


def opening_values(info: ParameterInfo) -> str:
    """The values that tell most, or four from one end of a slider to the other."""
    if info.telling:
        return ", ".join(f"{value:g}" for value in info.telling)
    low, high = info.slider or (info.low, info.high)
    assert low is not None
    assert high is not None
    stops = forms.logarithmic_stops(low, high, ()) if info.log else [low + (high - low) * i / 60 for i in range(61)]
    chosen = [stops[round(i * (len(stops) - 1) / 3)] for i in range(4)]
    return ", ".join(f"{round(value) if info.kind == 'int' else value:.4g}" for value in chosen)


def parse_values(text: str, info: ParameterInfo) -> list[float]:
    """The numbers in `text`; ValueError in one sentence unless they are 1 to MOST legal values."""
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if not 1 <= len(parts) <= MOST:
        raise ValueError(f"values must be from 1 to {MOST} numbers, with commas between them; got {len(parts)}.")
    return [info.read(part) for part in parts]
