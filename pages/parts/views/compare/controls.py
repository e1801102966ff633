"""The Compare page's controls: several attacks, or one attack along a parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core import models
from core.attacks import Attack
from core.defenses import DEFENSES, suited
from core.examples import COMPARED
from core.models import Card
from core.params import ParameterInfo, fields
from pages.parts.inputs import choose, forms
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Slot
from pages.parts.views import attacking
from pages.parts.views.compare.comparison import MOST, SCOPE
from pages.parts.views.compare.networks import Column

SAME, BARE = "same", "none"
"""In the place of a network, the one that the attack is made on; in that of a defence, none."""
DEFENDED = ("jpeg", "median", "bilateral", "bit_depth")
"""The defences that columns open with, after the networks."""

FIRST = ("cw", "scw", "smoothfool", "sddn", "ddn", "deepfool")
"""What the columns open with."""


def head(slot: Slot[Any, Any, Any], able: bool, words: str) -> bool:
    """Run, or Stop while a job is under way, beside it what is compared; whether Run was pressed. able: it can be."""
    with st.container(horizontal=True, vertical_alignment="center", key="head"):
        press, about = st.container(width="content", key="press"), st.container(key="about")
    pressed = False
    if slot.busy:
        press.button("Stop", type="primary", icon=":material/stop:", on_click=slot.stop)
    else:
        with press:
            pressed = page.begin("Run", disabled=not able)
    about.markdown(page.linked(words))
    slot.complain()
    return pressed


def several(card: Card) -> list[Attack]:
    """Controls of several attacks, each with its own parameters; those whose parameters are legal."""
    links.whole("columns", f"{SCOPE}.columns", len(COMPARED), 1, MOST)
    count = st.slider("Columns", 1, MOST, key=f"{SCOPE}.columns", persist_state="session")
    found = []
    for i in range(1, count + 1):
        cls = choose.attack(f"Column {i}", f"{SCOPE}.{i}.attack", FIRST[i - 1], f"{i}.attack")
        with st.expander("Parameters", key=f"{SCOPE}.{i}.parameters"):
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
    with st.expander("Other parameters", key=f"{SCOPE}.along.parameters"):
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


def networks(card: Card) -> tuple[Attack, tuple[Column, ...]] | None:
    """Controls of an attack on a network and of the columns that are asked about it; None if its parameters are wrong.

    Asked are networks of the same data set, which take pictures of the same size.
    """
    cls = choose.attack("Attack", f"{SCOPE}.networks.attack", "scw")
    with st.expander("Parameters", key=f"{SCOPE}.networks.parameters"):
        values, names = attacking.start_values(cls, card), {"target": choose.class_names(card)}
        attack = forms.form(cls, f"{SCOPE}.{card.dataset}.networks", values, link="", names=names)
    if attack is None:
        st.error("The parameters of the attack do not go together.")
    cards = models.survey()[0]
    kin = {n: c for n, c in cards.items() if (c.dataset, c.input_shape) == (card.dataset, card.input_shape)}
    links.whole("columns", f"{SCOPE}.networks.columns", len(COMPARED) + 1, 1, MOST)
    count = st.slider("Columns", 1, MOST, key=f"{SCOPE}.networks.columns", persist_state="session")
    opening = _opening([name for name in choose.menu(kin) if name != card.name])
    found = [_column(i, card, kin, *opening[i - 1]) for i in range(1, count + 1)]
    columns = tuple(each for each in found if each is not None)
    return None if attack is None or len(columns) < count else (attack, columns)


def _opening(others: Sequence[str]) -> list[tuple[str, str]]:
    """Network and defence of each column as the page opens: itself, another network, then itself behind defences."""
    opening = [(SAME, BARE), *((name, BARE) for name in others[:1]), *((SAME, name) for name in DEFENDED)]
    return [*opening, (SAME, BARE)][:MOST]


def _column(i: int, card: Card, kin: Mapping[str, Card], first: str, behind: str) -> Column | None:
    """Controls of column `i`, and what they say. kin: the networks that can be asked, by name."""
    scope = f"{SCOPE}.networks.{card.dataset}.{i}"
    titles = {SAME: "The attacked network"} | choose.menu(kin)
    key = f"{scope}.network"
    links.choice(f"{i}.network", key, first, titles)
    if st.session_state[key] not in titles:  # of another size, or deleted meanwhile
        st.session_state[key] = SAME
    name = st.selectbox(f"Column {i}", list(titles), key=key, format_func=titles.__getitem__, persist_state="session")
    key = f"{scope}.defense"
    defenses = {BARE: "as it is"} | {each: f"through {cls.title}" for each, cls in suited(card.dataset).items()}
    links.choice(f"{i}.defense", key, behind, defenses)
    chosen = st.selectbox(
        f"How column {i} is shown it",
        list(defenses),
        key=key,
        format_func=defenses.__getitem__,
        label_visibility="collapsed",
        persist_state="session",
    )
    asked = card if name == SAME else kin[name]
    if chosen == BARE:
        return Column(asked, None)
    with st.expander("Parameters", key=f"{scope}.parameters"):
        defense = forms.form(DEFENSES[chosen], scope, {}, link=f"{i}.", without=("weights",))
    return None if defense is None else Column(asked, defense)


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
