"""Embeddings: what each loss does to the feature space, over training, with the picture behind every point."""

from __future__ import annotations

import pages.parts.shell.ready  # noqa: F401  before all else, see there

# isort: split
from functools import partial

import streamlit as st

from core import models
from core.attacks import ATTACKS
from pages.parts.inputs import choose
from pages.parts.shell import links, page
from pages.parts.views.embeddings import controls, panels, session, spaces, trail
from pages.parts.views.embeddings.session import SCOPE, slot

ATTACK = "scw"

page.setup("Embeddings", controls=True)
with st.sidebar:
    usable, unusable = models.survey()
    cards = controls.networks(spaces.offered(usable.values()))
    choose.tell_unusable(unusable)
    projection = controls.projection()
    links.choice("attack", f"{SCOPE}.attack", ATTACK, ATTACKS)  # its box is there once something is selected
    which = controls.images(cards[0].dataset)
page.tell(
    "**The same images, as each network sees them.** Graph smoothness pushes classes apart as clusters, "
    "cross-entropy stretches them along lines from the centre, MMC gathers them at fixed centres."
)
slot.complain()
if slot.busy:
    page.say("It is being computed.")
looked_at = "" if projection is None or which != controls.GALLERY else spaces.key(cards, projection)
slot.watch(partial(session.underway, looked_at=looked_at), session.take)
if projection is not None:
    try:
        drawn, shown = panels.view_of(cards, which, projection)
        if drawn is not None and shown is not None:
            panels.draw(drawn, shown.images)
            trail.offer_lab(drawn)
    except ValueError as error:
        st.error(page.plain(str(error)))
page.finish()
