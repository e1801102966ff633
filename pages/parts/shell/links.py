"""Everything is a link: the address bar always holds what the page shows, and opening it shows the same again.

Whatever can be set on a page calls `read` with its name in the link before its widget is drawn. `begin` and `end`,
which `page.setup` and `page.finish` call, frame a run of a page's script; `end` writes the address, with only what
differs from the page's start. A link that cannot be followed to the letter is followed as far as it goes: what is wrong
with it is left out and said in a sentence. One that can stays as it was opened, though it says more than it must: every
address that is written is a step more that the browser's Back button takes.

The browser's Back button is a link too: it brings an older address of the same page, and that state with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")

_KEY = "link"
_STALE = 1.5
"""Seconds in which the address before the present one is a late message of the browser's, not the Back button."""
_LONGEST = 60
"""Characters of a link that a notice repeats."""


@dataclass(frozen=True)
class _Entry:
    """One thing that can be set: where its state is kept, where the page starts, how it is written."""

    key: str
    default: Any
    text: Callable[[Any], str]


@dataclass
class _Link:
    """The link of the page that a session looks at."""

    page: str
    entries: dict[str, _Entry] = field(default_factory=dict)
    previous: dict[str, _Entry] = field(default_factory=dict)
    """Of the run before."""
    given: dict[str, str] | None = None
    """What the address said, while it is being followed; None where it is not."""
    followed: set[str] = field(default_factory=set)
    """Names of `given` that were read: by this run, or by one before it that was interrupted."""
    running: bool = True
    """The page's script has begun and not ended."""
    meant: dict[str, str] = field(default_factory=dict)
    """What these set, as the page would write it."""
    address: dict[str, str] = field(default_factory=dict)
    """As it was last written, or opened."""
    says: dict[str, str] = field(default_factory=dict)
    """The state that it stands for, as the page would write it."""
    before: dict[str, str] = field(default_factory=dict)
    """The one that it replaced."""
    at: float = -_STALE
    """When it was."""
    notices: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def state(self) -> dict[str, str]:
        """The address of what the page shows now."""
        found = {}
        for name, entry in self.entries.items():
            value = st.session_state.get(entry.key, entry.default)
            if value != entry.default:
                found[name] = entry.text(value)
        return found


def _link() -> _Link:
    link: _Link = st.session_state[_KEY]
    return link


def page() -> str:
    """The title of the page whose script runs."""
    return _link().page


def leave() -> None:
    """Follow the next address to the letter, also one of this page or of a moment ago."""
    st.session_state.pop(_KEY, None)


def begin(page: str) -> None:
    """Look at the address: once at the start of a page's script, before anything calls `read`."""
    link: _Link | None = st.session_state.get(_KEY)
    address = st.query_params.to_dict()
    if link is None or link.page != page:
        link = st.session_state[_KEY] = _Link(page)
        follow = bool(address)  # a page that is opened without a link keeps what was set on it before
    elif link.given is not None:
        follow = True  # the run that followed it was interrupted, perhaps by a widget that was moved
        if address != link.given:
            link.followed.clear()
            link.meant.clear()
    else:
        # A widget that was moved a moment ago comes with the address of before, which is no link to follow.
        untouched = link.state() == link.says
        late = address == link.before and time.monotonic() - link.at < _STALE
        follow = untouched and not late and address != link.address
        link.followed.clear()
        link.meant.clear()
        if not untouched:
            link.notices.clear()
    if follow and not link.followed:
        link.notices.clear()
    link.given = address if follow else None
    link.previous, link.entries = link.entries, {}
    link.absent = []
    link.running = True


def read(name: str, key: str, default: T, parse: Callable[[str], T], text: Callable[[T], str] = str) -> None:
    """Give `st.session_state[key]` what the link says of `name`, else the default; without a link, what it has.

    parse: from a link's text; ValueError in one sentence for what is not legal. text: the other way.
    """
    link = _link()
    again = name in link.followed
    link.entries[name] = _Entry(key, default, text)
    if link.given is None or again:
        st.session_state.setdefault(key, default)
        return
    link.followed.add(name)
    value = default
    if name in link.given:
        try:
            value = parse(link.given[name])
        except ValueError as error:
            link.notices.append(f"{_quoted(name, link.given[name])} was left out of the link: {error}")
    st.session_state[key] = value
    if value != default:
        link.meant[name] = text(value)


def choice(name: str, key: str, default: T, choices: Iterable[T]) -> None:
    """`read` for one of `choices`, written as their text."""
    legal = {str(one): one for one in choices}

    def parse(text: str) -> T:
        if text not in legal:
            raise ValueError(f"there is no such {name.rpartition('.')[2].replace('_', ' ')} here.")
        return legal[text]

    read(name, key, default, parse)


def whole(name: str, key: str, default: int, low: int, high: int) -> None:
    """`read` for a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
        if number is None or not low <= number <= high:
            raise ValueError(f"it must be a whole number from {low} to {high}.")
        return number

    read(name, key, default, parse)


def flag(name: str, key: str, default: bool = False) -> bool:
    """`read` for something that is on or off, 1 or 0 in the link; returns whether it is on."""

    def parse(text: str) -> bool:
        if text not in ("0", "1"):
            raise ValueError("it must be 1, or 0.")
        return text == "1"

    read(name, key, default, parse, lambda on: str(int(on)))
    return bool(st.session_state[key])


def keep(prefix: str) -> None:
    """What was set by names that begin so stays in the address, though no widget shows it at the moment."""
    link = _link()
    for name, entry in link.previous.items():
        if name.startswith(prefix):
            link.entries.setdefault(name, entry)


def leave_out(sentence: str) -> None:
    """Say of something on the page that it cannot be in a link; beside the button that copies the link."""
    _link().absent.append(sentence)


def write() -> None:
    """Write the address; at the end of a fragment that has widgets in the link."""
    link = _link()
    if link.running:  # its entries are not all there yet
        return
    state = link.state()
    address = link.address if state == link.says else state
    if address != link.address or address != st.query_params.to_dict():
        _now_at(address, state)
        st.query_params.from_dict(address)


def _now_at(address: dict[str, str], state: dict[str, str]) -> None:
    """The browser shows `address`, which stands for `state`."""
    link = _link()
    link.before, link.address, link.says, link.at = link.address, address, state, time.monotonic()


def end() -> tuple[list[str], list[str]]:
    """Write the address, at the end of a page's script.

    Returns sentences to show: what was left out of the link that was followed, and what the page's link leaves out.
    """
    link = _link()
    for name, text in (link.given or {}).items():
        if name not in link.entries:
            link.notices.append(f"{_quoted(name, text)} was left out of the link: this page has no such setting.")
    if link.given is not None and not link.notices and link.state() == link.meant:
        _now_at(link.given, link.meant.copy())
    link.given, link.running = None, False
    write()
    return link.notices, link.absent


def _quoted(name: str, text: str) -> str:
    whole = f"{name}={text}"
    return f"“{whole if len(whole) <= _LONGEST else whole[:_LONGEST] + '…'}”"
