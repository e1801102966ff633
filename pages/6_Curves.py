"""Curves: attacks on many images, a paper's numbers beside ours, and the images behind every point."""

from __future__ import annotations

import pages.parts.shell.ready  # noqa: F401  before all else, see there

# isort: split
import streamlit as st

from core import models
from core.models import Card
from core.papers import smooth_curves
from core.papers.smooth_curves import BUDGETS, TITLES
from pages.parts.inputs import choose
from pages.parts.shell import links, page
from pages.parts.views import many
from pages.parts.views.curves import behind, cost, session, success, table, taking
from pages.parts.views.curves.session import FIRST, SCOPE, Found
from pages.parts.views.curves.taking import slot

SUCCESS, COST, TABLE = "success", "cost", "table"
VIEWS = {SUCCESS: "Success against distortion", COST: "What smoothness costs", TABLE: "The paper's table"}
AGAINST = {"l2": "L2", "mad": "MAD", "roughness": "Ω / L2²", "linf": "L∞", "ssim": "SSIM", "ciede2000": "Colour"}


def network() -> Card:
    """A select box of all networks, those first of which there is something to see."""
    cards, unusable = models.survey()
    titles = choose.menu(cards)
    names = sorted(titles, key=lambda name: not smooth_curves.collection(name).path.exists())
    first = choose.FIRST if choose.FIRST in names else names[0]
    links.choice("model", f"{SCOPE}.model", first, names)
    if st.session_state[f"{SCOPE}.model"] not in names:  # it was deleted meanwhile
        st.session_state[f"{SCOPE}.model"] = first
    name = st.selectbox("Network", names, key=f"{SCOPE}.model", format_func=titles.__getitem__, persist_state="session")
    choose.tell_unusable(unusable)
    return cards[name]


def metric(view: str) -> str:
    """The measure on an axis."""
    key = f"{SCOPE}.against.{view}"
    label = "Distortion" if view == SUCCESS else "Beside L2"
    names = list(AGAINST) if view == SUCCESS else ["roughness", "mad"]
    chosen = st.segmented_control(
        label, names, key=key, format_func=AGAINST.__getitem__, required=True, persist_state="session"
    )
    return str(chosen)


def budget() -> int:
    """Passes at most."""
    text = "Of each attack the curve with the most passes that are allowed is drawn; published ones take 500."
    return int(st.select_slider("Passes", BUDGETS, key=f"{SCOPE}.budget", help=text, persist_state="session"))


def chosen_entries(found: Found) -> list[str]:
    """The attacks that are drawn."""
    key, there = f"{SCOPE}.entries", {record.protocol.name for record in found}
    options = [name for name in TITLES if name in there or name in st.session_state[key]]
    return st.pills(
        "Attacks", options, key=key, selection_mode="multi", format_func=TITLES.__getitem__, persist_state="session"
    )


def follow() -> None:
    """Take all that can be set from the page's link, also what this view has no widget for."""

    def parse(text: str) -> list[str]:
        keys = [key for key in text.split(",") if key]
        if not set(keys) <= set(TITLES):
            raise ValueError("there is no such curve here.")
        return keys

    links.choice("view", f"{SCOPE}.view", SUCCESS, VIEWS)
    links.choice("against", f"{SCOPE}.against.{SUCCESS}", "l2", AGAINST)
    links.choice("beside", f"{SCOPE}.against.{COST}", "roughness", ["roughness", "mad"])
    links.choice("budget", f"{SCOPE}.budget", BUDGETS[-1], BUDGETS)
    links.read("curves", f"{SCOPE}.entries", list(FIRST), parse, ",".join)
    session.follow()


page.setup("Curves", controls=True)
follow()
head = st.container(horizontal=True, vertical_alignment="center")
with head:
    chosen = st.segmented_control(
        "View",
        list(VIEWS),
        key=f"{SCOPE}.view",
        format_func=VIEWS.__getitem__,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
view = chosen or SUCCESS
with st.sidebar:
    card = network()
found = session.stored(card)
with st.sidebar:
    against = metric(view) if view != TABLE else "l2"
    most = budget() if view != TABLE else BUDGETS[-1]
    entries = chosen_entries(found) if view != TABLE else list(smooth_curves.IN_TABLE1)
with head:
    taking.run(card, most)
slot.complain()
if slot.busy:
    slot.watch(lambda look, task: many.underway(slot, look, task, SCOPE), many.take)
if not found:
    st.info(
        "Nothing is measured for this network yet: run it now on a few images, or many by the command that it says."
    )
    st.code(f"python -m core evaluate curves --model {card.name} --n 100", language="bash")
else:
    drawn = session.every(found, entries, most) if view == COST else session.at_budget(found, entries, most)
    point = session.pointed(drawn)
    behind.open_lab(None if point is None else point[0])
    look_for = {SUCCESS: success.LOOK_FOR[against], COST: cost.LOOK_FOR, TABLE: table.look_for(card)}
    st.markdown(f"**Look for:** {look_for[view]} **Click a point:** the images behind it open.")
    left, right = (st.container(), None) if point is None else st.columns([1.7, 1], gap="medium")
    with left:
        if view == SUCCESS:
            success.draw(drawn, against, point)
        elif view == COST:
            cost.draw(found, entries, most, against, card)
        else:
            table.draw(found, card)
    if right is not None and point is not None:
        with right:
            behind.draw(point[0], against if view == SUCCESS else "l2", point[1])
    if view == SUCCESS:
        success.claims(session.one_data(found), against)
    elif view == COST:
        cost.claims(session.one_data(found))
    else:
        table.claims(session.one_data(found), card)
    taking.origin(found, card)
page.finish()
