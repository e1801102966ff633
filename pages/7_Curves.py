"""Curves: attacks on many images, a paper's numbers beside ours, and the images behind every point."""

from __future__ import annotations

import pages.parts.shell.ready  # noqa: F401  before all else, see there

# isort: split
import streamlit as st

from core.papers import smooth_curves, smoothfool_curves
from core.papers.smooth_curves import BUDGETS
from pages.parts.shell import page
from pages.parts.views import many
from pages.parts.views.curves import (
    across,
    behind,
    controls,
    corrupted,
    cost,
    defences,
    fooling,
    networks,
    rough,
    session,
    success,
    table,
    taking,
    transfer,
    widths,
)
from pages.parts.views.curves.controls import (
    ACROSS,
    CORRUPTED,
    COST,
    DEFENCES,
    FOOLING,
    NETWORKS,
    ROUGH,
    SUCCESS,
    TABLE,
    THROUGH,
    WIDTH,
)
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.curves.taking import slot

page.setup("Curves", controls=True)
apart = {
    CORRUPTED: corrupted.draw,
    ROUGH: rough.draw,
    FOOLING: fooling.draw,
    DEFENCES: defences.draw,
    ACROSS: across.draw,
}  # whose records are not curves
offers = {
    CORRUPTED: corrupted.offer,
    ROUGH: rough.offer,
    FOOLING: fooling.offer,
    DEFENCES: defences.offer,
    ACROSS: across.offer,
}
controls.follow()
head = st.container(horizontal=True, vertical_alignment="center")
with head:
    view = controls.view()
with st.sidebar:
    card = controls.network(view)
found = session.stored(card)
with st.sidebar:
    of_families = view in (SUCCESS, COST)
    against = controls.metric(view) if of_families or view == WIDTH else "l2"
    most = controls.budget() if of_families else BUDGETS[-1]
    judge = transfer.chosen() if view == THROUGH else ""
    entries = controls.entries(found) if of_families else [f"{judge}{key}" for key in smooth_curves.IN_TABLE1]
with head:
    if view in offers:
        offers[view](taking.slot, card)
    elif view == WIDTH:
        taking.run(card, most, smoothfool_curves.KEYS, "width")
    else:
        taking.run(card, most)
controls.tell_instead(view, card)
slot.complain()
if slot.busy:
    slot.watch(lambda look, task: many.underway(slot, look, task, SCOPE), many.take)
if view in apart:
    apart[view](card)
elif view == NETWORKS:
    others = networks.found(card)
    networks.draw(others, card)
    networks.claims(others, card)
    if not networks.origin(others) and found:
        taking.origin(found, card)
elif not found:
    st.info(
        "Nothing is measured for this network yet: run it now on a few images, or many by the command that it says."
    )
    st.code(f"python -m core evaluate curves --model {card.name} --n 100", None, wrap_lines=True)
else:
    drawn = session.every(found, entries, most) if view == COST else session.at_budget(found, entries, most)
    if view == WIDTH:
        drawn = widths.drawn(found)
    point = session.pointed(drawn)
    behind.open_lab(None if point is None else point[0])
    look_for = {SUCCESS: success.LOOK_FOR[against], COST: cost.LOOK_FOR, TABLE: table.look_for(card)}
    look_for[WIDTH] = widths.LOOK_FOR
    look_for[THROUGH] = transfer.LOOK_FOR[judge or smooth_curves.FILTERED]
    page.tell(f"**Look for:** {look_for[view]} **Click a point:** the images behind it open.")
    left, right = (st.container(), None) if point is None else st.columns([1.7, 1], gap="medium")
    with left:
        if view == SUCCESS or (view == THROUGH and drawn):
            success.draw(drawn, against, point, f"{SCOPE}.{view}.{judge or against}")
            success.counted(drawn)
        elif view == COST:
            cost.draw(found, entries, most, against, card)
        elif view == WIDTH:
            widths.draw(found, card, against)
        elif view == TABLE:
            table.draw(found, card)
    if view == THROUGH:
        transfer.draw(found, card, judge)
    if right is not None and point is not None:
        with right:
            behind.draw(point[0], against if view == SUCCESS else "l2", point[1])
    if view == SUCCESS:
        success.claims(session.one_data(found), against)
    elif view == COST:
        cost.claims(session.one_data(found))
    elif view == WIDTH:
        widths.claims(session.one_data(found))
    elif view == THROUGH:
        transfer.claims(session.one_data(found), judge)
    elif view == TABLE:
        table.claims(session.one_data(found), card)
    taking.origin(found, card)
page.finish()
