"""The paper's Table 3: what was made on one network, judged by another, or by the same behind a filter."""

from __future__ import annotations

import streamlit as st

from core.models import Card
from core.papers import smooth_curves
from core.papers.smooth_curves import FILTERED, HARDENED, IN_TABLE1, JUDGES, OF_TABLE3
from pages.parts.shell import links, page
from pages.parts.views import results
from pages.parts.views.curves import session, table
from pages.parts.views.curves.session import SCOPE, Found

LOOK_FOR = {
    FILTERED: "what still fools when a bilateral filter stands in front. Attacks that go to the end of their ball "
    "(FGSM, I-FGSM, PGD₂) have length to spare, C&W stops at the boundary; and what the filter takes away is what is "
    "rough.",
    HARDENED: "what was made on the plain network, shown to one that was trained against FGSM. Attacks that stop at "
    "the plain network's boundary, and those that go to the end of their ball, are of very different length.",
}
_KEY = f"{SCOPE}.judge"


def follow() -> None:
    """Take who judges from the page's link."""
    links.choice("judge", _KEY, FILTERED, JUDGES)


def chosen() -> str:
    """Who judges: what stands before the keys of the entries."""
    judge = st.radio(
        "Judged by the network", list(JUDGES), key=_KEY, format_func=JUDGES.__getitem__, persist_state="session"
    )
    return str(judge)


def draw(found: Found, card: Card, judge: str) -> None:
    """All numbers, beside the paper's."""
    keys = [f"{judge}{key}" for key in IN_TABLE1]
    if not any(smooth_curves.pick(found, key) for key in keys):
        results.absent(f"python -m core evaluate curves --model {card.name} --n 100 --entries {' '.join(keys)}")
        return
    st.html(table.numbers(found, card, keys))
    page.note(
        "One target distortion each, the paper's; I-FGSM and PGD₂ make all their steps (section 5.5). An image counts "
        "where who judges names it rightly when it is clean."
    )


def claims(found: Found, judge: str) -> None:
    """What the paper says of it."""
    session.decide(OF_TABLE3[judge], found)
