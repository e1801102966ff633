"""What can be set on the Curves page, and how a link says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core import models
from core.models import Card
from core.papers.smooth_curves import BUDGETS, TITLES
from pages.parts.inputs import choose
from pages.parts.shell import links, page
from pages.parts.views.curves import across, corrupted, defences, known, rough, session, transfer, wall
from pages.parts.views.curves.session import FIRST, SCOPE, Found

SUCCESS, COST, WIDTH, TABLE, THROUGH, NETWORKS = "success", "cost", "width", "table", "through", "networks"
FOOLING, DEFENCES, ACROSS, CORRUPTED, ROUGH = "fooling", "defences", "across", "corrupted", "rough"
VIEWS = {
    SUCCESS: "Success",
    COST: "What smoothness costs",
    TABLE: "The paper's table",
    THROUGH: "Transfer",
    WIDTH: "How smooth can it get",
    FOOLING: "Beside others",
    DEFENCES: "Defences",
    ACROSS: "Other networks",
    NETWORKS: "Hardest to fool",
    CORRUPTED: "Corruptions",
    ROUGH: "Roughness",
}
"""What a link calls them, and their tabs."""
GROUPS = {
    "Smooth adversarial examples": (SUCCESS, COST, TABLE, THROUGH),
    "SmoothFool": (WIDTH, FOOLING, DEFENCES, ACROSS),
    "Networks": (NETWORKS, CORRUPTED, ROUGH),
}
"""Papers, and what joins them, with their views: as many tabs as fit beside each other."""
WIDTH_OF_GROUP = 260
"""CSS pixels."""
_VIEW, _GROUP = f"{SCOPE}.view", f"{SCOPE}.group_of_views"
_MODEL, _TURNED, _INSTEAD = f"{SCOPE}.model", f"{SCOPE}.turned", f"{SCOPE}.instead_of"
AGAINST = {"l2": "L2", "mad": "MAD", "roughness": "Ω / L2²", "linf": "L∞", "ssim": "SSIM", "ciede2000": "Colour"}


MEANS = {COST: ["roughness", "mad"], WIDTH: ["l2", "roughness", "mad"]}
"""Measures of which a view draws the mean."""


def view() -> str:
    """The view: which paper's, and which of its."""
    now = st.session_state[_VIEW]
    st.session_state[_GROUP] = next(group for group, views in GROUPS.items() if now in views)

    def turned() -> None:
        st.session_state[_TURNED] = True

    def turn() -> None:
        st.session_state[_VIEW] = GROUPS[st.session_state[_GROUP]][0]
        turned()

    group = st.selectbox(
        "Paper", list(GROUPS), key=_GROUP, on_change=turn, label_visibility="collapsed", width=WIDTH_OF_GROUP
    )
    return page.switch("View", VIEWS, _VIEW, GROUPS[group], on_change=turned)


def network(view: str) -> Card:
    """A select box of all networks, those first of which the view has something to show.

    The page opens with one of them. Who turns to a view that knows nothing of the network is shown one that it knows,
    and told so; who chooses another network, or opens a link to one, is not led away from it.
    """
    cards, unusable = models.survey()
    titles = choose.menu(cards)
    there = known.names(view)
    names = sorted(titles, key=lambda name: name not in there)
    usual = choose.FIRST if choose.FIRST in names else names[0]
    first = _nearest(usual, there, cards)
    links.choice("model", _MODEL, first, names)
    now, turned = st.session_state[_MODEL], st.session_state.pop(_TURNED, False)
    if now not in names:  # it was deleted meanwhile
        st.session_state[_MODEL] = first
    elif turned and there and now not in there:
        st.session_state[_MODEL] = _nearest(now, there, cards)
        st.session_state[_INSTEAD] = view, titles[now], st.session_state[_MODEL]
    name = st.selectbox("Network", names, key=_MODEL, format_func=titles.__getitem__, persist_state="session")
    choose.tell_unusable(unusable)
    return cards[name]


def _nearest(name: str, there: Sequence[str], cards: Mapping[str, Card]) -> str:
    """`name` if it is among those that are `there`, else one of its data set if one is, else the first of them."""
    alike = [other for other in there if cards[other].dataset == cards[name].dataset]
    return name if name in there else [*alike, *there, name][0]


def tell_instead(view: str, card: Card) -> None:
    """Say which network the view shows in the place of which it does not know."""
    asked, missing, shown = st.session_state.get(_INSTEAD, ("", "", ""))
    if (asked, shown) == (view, card.name):
        page.note(page.plain(f"{missing} is not measured here. Shown is {choose.menu(models.survey()[0])[shown]}."))


def metric(view: str) -> str:
    """The measure on an axis."""
    key = f"{SCOPE}.against.{view}"
    label = {SUCCESS: "Distortion", COST: "Beside L2", WIDTH: "Below"}[view]
    names = list(AGAINST) if view == SUCCESS else MEANS[view]
    chosen = st.segmented_control(
        label, names, key=key, format_func=AGAINST.__getitem__, required=True, persist_state="session"
    )
    return str(chosen)


def budget() -> int:
    """Passes at most."""
    text = "Of each attack the curve with the most passes that are allowed is drawn; published ones take 500."
    return int(st.select_slider("Passes", BUDGETS, key=f"{SCOPE}.budget", help=text, persist_state="session"))


def entries(found: Found) -> list[str]:
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

    links.choice("view", _VIEW, SUCCESS, VIEWS)
    links.choice("against", f"{SCOPE}.against.{SUCCESS}", "l2", AGAINST)
    links.choice("beside", f"{SCOPE}.against.{COST}", "roughness", MEANS[COST])
    links.choice("below", f"{SCOPE}.against.{WIDTH}", "l2", MEANS[WIDTH])
    links.choice("budget", f"{SCOPE}.budget", BUDGETS[-1], BUDGETS)
    links.read("curves", f"{SCOPE}.entries", list(FIRST), parse, ",".join)
    transfer.follow()
    corrupted.follow()
    rough.follow()
    defences.follow()
    across.follow()
    wall.follow()
    session.follow()
