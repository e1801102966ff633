"""Declared parameters as widgets: whatever `core.params` knows of a parameter, its widget shows and enforces."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from types import MappingProxyType
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.params import ParameterInfo, Parameters, fields
from pages.parts.shell import links, page

P = TypeVar("P", bound=Parameters)

AUTOMATIC = "automatic"
"""The stop of a slider that stands for None, where a parameter may be left out."""
LATE = 1.5
"""Seconds in which a slider's value of before its box was written into is a late message of the browser's."""
STOPS = 61
"""Stops of a logarithmic slider."""


def declared(cls: type[Parameters], name: str) -> ParameterInfo:
    """The declaration of one parameter."""
    return next(info for info in fields(cls) if info.name == name)


def help_text(info: ParameterInfo) -> str:
    """What the question mark beside a widget says."""
    unit = f" Unit: {info.unit}." if info.unit else ""
    paper = f"\n\n*{info.paper}*" if info.paper else ""
    return f"{info.help}{unit}{paper}"


def label(info: ParameterInfo) -> str:
    """The parameter's title with its symbol, subscripts set as such."""
    symbol = info.symbol
    if symbol and "_" in symbol:  # in braces, or LaTeX would lower its first letter alone
        symbol = "$" + re.sub(r"_(\w+)", r"_{\1}", symbol) + "$"
    return f"{info.title} {symbol}" if symbol else info.title


def _range(info: ParameterInfo) -> tuple[float, float]:
    low, high = info.slider or (info.low, info.high)
    if low is None or high is None:
        raise TypeError(f"{info.name} has no range to slide in; declare bounds or a slider")
    return low, high


def _typed(info: ParameterInfo, value: Any) -> Any:
    """A parameter's value as its widget has it: numbers all of one type, where a declaration may say 1 for 1.0."""
    if value is None:
        return AUTOMATIC
    if value == AUTOMATIC or info.kind not in ("int", "float"):
        return value
    return int(value) if info.kind == "int" else float(value)


def logarithmic_stops(low: float, high: float, include: Collection[float]) -> list[float]:
    """About STOPS round numbers (two digits) from low to high, with the values of `include` among them."""
    exponents = [math.log10(low) + (math.log10(high) - math.log10(low)) * i / (STOPS - 1) for i in range(STOPS)]
    stops = {float(f"{10**e:.2g}") for e in exponents}
    return sorted({s for s in stops if low <= s <= high} | {low, high} | {float(v) for v in include})


def stops_near_one(low: float, high: float, include: Collection[float]) -> list[float]:
    """About STOPS values from low to high, both in [0, 1), even in -log(1 - value): what lacks to 1 in two digits."""
    lacking = logarithmic_stops(1 - high, 1 - low, ())
    between = {round(1 - lack, 12) for lack in lacking[1:-1]}
    return sorted({float(low), float(high)} | between | {float(v) for v in include})


def _stops(info: ParameterInfo, low: float, high: float, include: Collection[float]) -> list[float]:
    """The values that the slider of a parameter offers which is not even, those of `include` among them."""
    if info.log:
        return logarithmic_stops(low, high, include)
    if info.near_one:
        return stops_near_one(low, high, {*info.marks, *include})
    step = info.step or 1
    even = [low + i * step for i in range(int((high - low) / step + 1e-9) + 1)]
    return sorted({_typed(info, v) for v in [*even, *include]})


def _shown(value: float) -> str:
    return f"{value:.6g}"


def _decimals(value: float) -> int:
    """How many a number needs, as it is written; 6 at most."""
    return len(f"{value:.6f}".rstrip("0").partition(".")[2])


def _state(info: ParameterInfo, key: str, default: Any, link: str | None) -> Any:
    """What the widget of a parameter begins with: what it has, what the link says, or `default`."""
    start = _typed(info, info.default if default is None else default)
    if link is not None:
        links.read(
            link, key, start, lambda text: _typed(info, info.read(text)), lambda v: "none" if v == AUTOMATIC else str(v)
        )
    return st.session_state.setdefault(key, start)


def follow(cls: type[Parameters], scope: str, link: str) -> None:
    """Take the parameters of `cls` from the page's link where `form` draws no widgets for them yet."""
    for info in fields(cls):
        _state(info, widget_key(info, scope), None, f"{link}{info.name}")


def widget(info: ParameterInfo, key: str, default: Any = None, link: str | None = None) -> Any:
    """Draw the widget of one parameter and return its value: of a number, a slider and a box for the number itself.

    default: another start than the declared one. link: the parameter's name in the page's link, if it is in it.
    """
    value = _written(key, _state(info, key, default, link))
    common: dict[str, Any] = {"key": key, "help": help_text(info), "persist_state": "session"}
    if info.kind == "bool":
        return st.toggle(label(info), **common)
    if info.kind == "choice":
        return st.segmented_control(label(info), info.choices, required=True, **common)
    if info.kind == "str":
        return st.text_input(label(info), max_chars=300, **common)
    with st.container(horizontal=True, gap="small", key=f"{key}.number"):
        with st.container(gap=None):
            chosen = _slider(info, key, value, common)
        _box(info, key, chosen)
    if problem := st.session_state.pop(f"{key}.problem", None):
        st.error(page.plain(problem))
    return None if chosen == AUTOMATIC else chosen


def named(info: ParameterInfo, key: str, names: Sequence[str], link: str | None = None) -> int | None:
    """A box to search in for what an optional parameter's number stands for: one of `names`, counted from 0."""
    value = _state(info, key, None, link)
    numbers = [AUTOMATIC, *range(len(names))]
    if value not in numbers:  # of a network with other classes
        st.session_state[key] = AUTOMATIC
    chosen = st.selectbox(
        label(info),
        numbers,
        key=key,
        format_func=lambda n: info.none if n == AUTOMATIC else names[n],
        help=help_text(info),
        persist_state="session",
    )
    return None if chosen == AUTOMATIC else int(chosen)


def _slider(info: ParameterInfo, key: str, value: Any, common: Mapping[str, Any]) -> Any:
    low, high = _range(info)
    if info.optional or info.log or info.near_one:
        legal = [] if info.optional else [info.default]
        stops = _stops(info, low, high, {*legal, value} - {AUTOMATIC})
        _hold(key, value, stops)
        options = [AUTOMATIC, *stops] if info.optional else stops
        chosen = st.select_slider(
            label(info), options, format_func=lambda v: info.none if v == AUTOMATIC else _shown(v), **common
        )
        if info.marks:
            _marks({mark: options.index(mark) / (len(options) - 1) for mark in info.marks})
        return chosen
    kind = int if info.kind == "int" else float
    step = kind(info.step or 1)
    low, high = min(low, value), max(high, value)  # a preset or a link may lie outside the slider's usual range
    _hold(key, value, [low, high])
    decimals = 0 if kind is int else max(_decimals(step), _decimals(value))
    return st.slider(
        label(info), kind(low), kind(high), step=step, format="%d" if kind is int else f"%.{decimals}f", **common
    )


def _marks(places: Mapping[float, float]) -> None:
    """Values written below a slider, each at its share of the slider's length."""
    marks = "".join(f'<span style="left: {100 * place:.2f}%">{mark:g}</span>' for mark, place in places.items())
    st.html(f'<div class="ss-marks" aria-hidden="true">{marks}</div>')


def _box(info: ParameterInfo, key: str, value: Any) -> None:
    """A box beside a slider, for a number that no hand meets on it; empty where the parameter is left out.

    To every value its own box: one that were given a new value by the script would be sent back with the old one by a
    browser that has not heard of it yet. So is a box that is gone by now; `_take` knows it by its value.
    """
    kind = int if info.kind == "int" else float
    number = None if value == AUTOMATIC or not math.isfinite(value) else kind(value)
    legal = number is None or ((info.low is None or number >= info.low) and (info.high is None or number <= info.high))
    options: dict[str, Any] = {
        "min_value": None if info.low is None or not legal else kind(info.low),
        "max_value": None if info.high is None or not legal else kind(info.high),
        "value": None if info.optional else "min" if number is None else number,
        "step": kind(info.step or 1) if kind is int or info.step else None,
        "format": "%d" if kind is int else "%.6g",
        "placeholder": info.none if info.optional else None,
    }
    name, box = f"{label(info)}, as a number", f"{key}.box.{number}"
    if info.optional:
        # It can be emptied only if it opens empty. Told in every run: a browser that is behind draws the last one
        # alone, and would send back that it is empty.
        st.session_state[box] = number
    st.number_input(
        name, key=box, on_change=_take, args=(info, key, box, number), label_visibility="collapsed", **options
    )


def _take(info: ParameterInfo, key: str, box: str, opened: float | None) -> None:
    """Give the slider what was written into its box, if it still has the value that the box opened with."""
    written, value = st.session_state[box], st.session_state.get(key)
    if (
        opened != (None if value == AUTOMATIC else value)
        or written == opened
        or (written is None and not info.optional)
    ):
        return
    try:
        st.session_state[key] = AUTOMATIC if written is None else _typed(info, info.read(str(written)))
        st.session_state[f"{key}.written"] = value, st.session_state[key], time.monotonic()
    except ValueError as error:
        st.session_state[f"{key}.problem"] = str(error)


def _written(key: str, value: Any) -> Any:
    """The value of a slider: what was written into its box, where the browser presses on with the one of before.

    It does where a box is left by pressing a button: the press is sent before the slider has heard of its new value.
    """
    before, written, at = st.session_state.get(f"{key}.written", (None, None, -LATE))
    if value == before and value != written and time.monotonic() - at < LATE:
        st.session_state[key] = written
        return written
    return value


def _hold(key: str, value: Any, extent: Sequence[Any]) -> None:
    """Give a slider of a new extent the value: for Streamlit it is another widget, which begins with an older one."""
    if st.session_state.get(f"{key}.extent") != list(extent):
        st.session_state[f"{key}.extent"] = list(extent)
        st.session_state[key] = value


def widget_key(info: ParameterInfo, scope: str) -> str:
    """Classes that inherit a parameter share its widget: a margin set for an attack holds for its smooth version."""
    return f"{scope}.{info.owner}.{info.name}"


def apply(cls: type[Parameters], scope: str, values: Mapping[str, Any]) -> None:
    """Set the widgets of `cls` to `values`, the declared defaults where it says nothing. Only from a callback."""
    for info in fields(cls):
        st.session_state[widget_key(info, scope)] = _typed(info, values.get(info.name, info.default))


def presets(cls: type[Parameters], scope: str, key: str) -> None:
    """A button for every preset of `cls`, which sets its widgets to it. key: what the buttons' keys begin with."""
    for name, values in cls.presets.items():
        st.button(f"Values of: {name}", key=f"{key}.{name}", on_click=apply, args=(cls, scope, values), width="stretch")


def form(
    cls: type[P],
    scope: str,
    defaults: Mapping[str, Any],
    link: str | None = None,
    without: Collection[str] = (),
    apart: Mapping[str, DeltaGenerator] = MappingProxyType({}),
    names: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> P | None:
    """Widgets for the parameters of `cls`; those declared to be first on top, advanced ones folded away.

    defaults: values of the chosen preset. link: what stands before the parameters' names in the page's link, if they
    are in it. without: parameters that have no widget and keep those values. apart: where the widgets of some are drawn
    instead. names: what the numbers 0, 1 ... of some stand for, to be searched among. Returns the validated parameters,
    or None after having said what is wrong.
    """

    def draw(info: ParameterInfo) -> Any:
        name = None if link is None else f"{link}{info.name}"
        with apart.get(info.name, nullcontext()):
            if info.name in names:
                return named(info, widget_key(info, scope), names[info.name], name)
            return widget(info, widget_key(info, scope), defaults.get(info.name), name)

    order = sorted((info for info in fields(cls) if info.name not in without), key=lambda info: not info.first)
    values = {name: defaults[name] for name in without if name in defaults}
    for info in order:
        if not info.advanced or info.name in apart:
            values[info.name] = draw(info)
    advanced = [info for info in order if info.advanced and info.name not in apart]
    if advanced:
        with st.expander("More parameters"):
            for info in advanced:
                values[info.name] = draw(info)
    try:
        return cls(**values)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return None
