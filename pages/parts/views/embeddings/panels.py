"""What the Embeddings page shows: a panel for each network, the selection beside them, and maps still to be made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from core.data import ImageSet, gallery
from core.features.projections import Linear, Projection
from core.features.regions import CELLS
from core.models import Card
from core.papers.graph_smoothness.claims import CLUSTERED
from pages.parts.components.scatter import Panel, extents, scatter
from pages.parts.engine.networks import Network
from pages.parts.shell import links, page
from pages.parts.views import verdicts
from pages.parts.views.embeddings import selection, spaces
from pages.parts.views.embeddings import trail as trails
from pages.parts.views.embeddings.controls import ALL, GALLERY, SPLITS, title
from pages.parts.views.embeddings.session import SCOPE, Task, forming, select, selected, slot
from pages.parts.views.embeddings.spaces import Drawn, View
from pages.parts.views.embeddings.trail import TRAIL
from pages.parts.work import maps

BESIDE = [3.4, 1]
"""Widths of the panels and of what is beside them: three thumbnails in a row, in a window of 1280."""


LAST = f"{SCOPE}.last"
"""Where the session keeps how it saw a view of the gallery last."""


def view_of(cards: Sequence[Card], which: str, projection: Projection) -> tuple[list[Drawn] | None, View | None]:
    """The maps that are there without waiting, and their view; offers to compute what is not.

    Meanwhile the old map stays. None where there is nothing to draw, or where the job under way draws it.
    """
    if which == GALLERY:
        return _of_gallery(cards, projection)
    split = SPLITS[which]
    if not projection.quick:
        st.info("These images are shown in a linear projection only; choose one, or the test images of all epochs.")
        return None, None
    known = spaces.seen_now(cards, split)
    if known is None:
        what = "all test images" if which == ALL else f"{gallery.SIZES[split]} training images"
        if page.begin(f"Send {what} through the networks", slot.busy):
            seen_by = [(Network.of(card), card.title) for card in cards]
            slot.start(Task(partial(spaces.keep_seen, cards, split)), maps.features, cards[0].dataset, split, seen_by)
            st.rerun()
        return None, None
    _say(projection, known)
    return spaces.drawn_of(known, projection), known


def _of_gallery(cards: Sequence[Card], projection: Projection) -> tuple[list[Drawn] | None, View | None]:
    name, view = spaces.key(cards, projection), spaces.view(cards)
    if forming(name):
        return None, None
    drawn = spaces.at_once(cards, projection)
    if drawn is not None:
        st.session_state[LAST] = projection
        _say(projection, view)
        return drawn, view
    before: Projection = st.session_state.get(LAST, Linear())
    old = spaces.at_once(cards, before)
    if old is None:
        before = Linear()
        old = spaces.at_once(cards, before)
    assert old is not None  # a linear map needs no waiting
    if page.begin(f"Fit {projection.title}", slot.busy):
        shown = [network.space for network in view.networks]
        task = Task(partial(spaces.keep, cards, projection), name, partial(_draw_forming, old, view.images))
        slot.start(task, maps.fit, shown, projection)
        st.rerun()
    st.info(
        f"{projection.title} with these parameters has not been fitted to these networks yet; until it has, this is "
        f"the {before.title.lower() if before.quick else before.title}."
    )
    return old, view


def _say(projection: Projection, view: View) -> None:
    if not slot.busy:
        page.say(f"{projection.title} of {len(view.images)} images.")


def _draw_forming(old: Sequence[Drawn], images: ImageSet, fitting: maps.Fitting | None) -> None:
    """Maps as they form; the old one of a network whose turn has not come."""
    cards = [each.network.card for each in old]
    panels = []
    for each, points in zip(old, fitting.points if fitting is not None else [None] * len(old), strict=True):
        last = each.map.points[-1:] if points is None else points[None]
        note = "Its turn has not come: this is the map of before." if points is None else "It is forming."
        panels.append(Panel(title(each.network.card, cards), each.epochs[-1:], last, each.answers[-1:], note))
    scatter(panels, images, selected(images), f"{SCOPE}.forming", lambda rows: select(images, rows))


def draw(drawn: Sequence[Drawn], images: ImageSet) -> None:
    """The panels and what can be done with them below, and the selection beside them."""
    chosen = selected(images)
    cards = [each.network.card for each in drawn]
    trail = trails.of(cards)
    one_scale = links.flag("one_scale", f"{SCOPE}.one_scale")
    flat = any(each.flat for each in drawn)
    shaded = flat and links.flag("regions", f"{SCOPE}.regions", True)
    panels = []
    for each, extent in zip(drawn, extents([each.map.points for each in drawn], one_scale), strict=True):
        seen = trail.seen.get(each.network.card.name) if trail is not None else None
        panels.append(
            Panel(
                title(each.network.card, cards),
                each.epochs,
                each.map.points,
                each.answers,
                each.note,
                None if seen is None else each.map.place(seen.features),
                None if seen is None else seen.flip,
                each.regions(extent) if shaded else None,
            )
        )
    plots, beside = st.columns(BESIDE, gap="medium")
    with plots:
        scatter(panels, images, chosen, f"{SCOPE}.scatter", lambda rows: select(images, rows), one_scale)
        if shaded:
            page.note(
                "Shaded, at the last epoch: the class that the finished network names at each place of the plane, "
                f"asked of its head at {CELLS} × {CELLS} places; a line where the answer changes."
            )
        with st.container(horizontal=True, vertical_alignment="center"):
            selection.tools(drawn, images)
            st.download_button(
                "Coordinates (CSV)",
                lambda: spaces.table(drawn, images),
                "embeddings.csv",
                "text/csv",
                icon=":material/download:",
                on_click="ignore",
                key=f"{SCOPE}.csv",
            )
            st.toggle("One scale for all", key=f"{SCOPE}.one_scale", persist_state="session")
            if flat:
                st.toggle("Decision regions", key=f"{SCOPE}.regions", persist_state="session")
            if trail is not None:
                st.button(
                    "Remove the trail",
                    icon=":material/close:",
                    key=f"{SCOPE}.untrail",
                    on_click=lambda: st.session_state.pop(TRAIL, None),
                )
        if trail is not None:
            trails.say(trail, cards, images)
        if images.split == "train":
            _clusters(drawn, images)
    with beside:
        if chosen:
            selection.show(drawn, images, chosen)
        else:
            watch = "Press ▶ to watch the training. " if any(len(each.epochs) > 1 for each in drawn) else ""
            page.note(
                f"Draw round some points, and their pictures come here. {watch}Every class has its own colour and "
                "shape."
            )


def _clusters(drawn: Sequence[Drawn], images: ImageSet) -> None:
    """Whether graph smoothness gathers what was trained on better than cross-entropy, where both are shown."""
    by_loss = {each.network.card.loss: each.network.space.features[-1] for each in reversed(drawn)}
    if {"graph-smoothness", "cross-entropy"} <= by_loss.keys():
        both = by_loss["graph-smoothness"], by_loss["cross-entropy"]
        verdicts.draw(CLUSTERED, CLUSTERED.decide(*both, images.labels))
        page.note(
            "Silhouette, from −1 to 1: how much nearer an image lies to its own class than to the nearest other one; "
            f"{len(images)} training images among each other."
        )
