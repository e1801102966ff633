"""Live: an attack begins by itself when a slider rests, where it was measured to be quick enough for that."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.attacks import Attack
from core.models import Card
from pages.parts.shell import links
from pages.parts.views import attacking
from pages.parts.views.lab.result import SCOPE

WHAT = "The attack begins by itself as soon as a slider rests"
_KEY = f"{SCOPE}.live"


def wanted(attack: Attack | None, card: Card) -> bool:
    """Whether the attack is to begin by itself: it is wished, and its last run on this network was quick enough.

    One that nobody has measured begins once, which measures it.
    """
    on = links.flag("live", _KEY)
    if attack is None:
        return False
    took = attacking.measured(attack, card)
    return on and (took is None or took <= attacking.AT_ONCE)


def switch(place: DeltaGenerator, attack: Attack | None, card: Card) -> None:
    """The switch, which can be turned on where the last run was quick enough, and off always."""
    took = None if attack is None else attacking.measured(attack, card)
    most = f"{attacking.AT_ONCE:g} s"
    if took is None:
        why = f"; offered where a run takes {most} at most. Press Run once: it is measured."
    else:
        why = f": the last run on this network took {took:.2g} s. "
        why += (
            f"At most {most} is quick enough." if took <= attacking.AT_ONCE else f"That is too long, {most} it may be."
        )
    offered = took is not None and took <= attacking.AT_ONCE
    on = bool(st.session_state[_KEY])
    place.toggle("Live", key=_KEY, persist_state="session", help=f"{WHAT}{why}", disabled=not (offered or on))
    if on and took is not None and not offered:
        place.caption(f"rests: {took:.1f} s is more than {most}")
