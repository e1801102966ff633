"""How the curves were made, runs from the page, and files to take home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.evaluate.curves import CurveRecord
from core.evaluate.records import Record
from core.models import Card
from core.papers import smooth_curves
from core.papers.smooth_curves import TITLES
from pages.parts.shell import page
from pages.parts.shell.jobs import Slot
from pages.parts.views import many, results
from pages.parts.views.curves.session import SCOPE, Found
from pages.parts.views.many import Task
from pages.parts.work.curves import Counted

slot: Slot[Counted, Sequence[Record], Task] = Slot(SCOPE, every=0.7)


def run(card: Card, budget: int, titles: Mapping[str, str] = TITLES, key: str = "entry") -> None:
    """What is to be measured now, one of the entries that `titles` names, and on how many images more.

    key: of the choice, another one for other titles.
    """
    made = {entry.key: entry for entry in smooth_curves.entries(card, [budget])}
    told = {
        name: title if made[name].budget is None else f"{title} {made[name].budget}"
        for name, title in titles.items()
        if name in made
    }

    def known(name: str) -> list[CurveRecord]:
        before = many.known(card, made[name])
        return [] if before is None else [before]

    def start(name: str, n: int, before: Sequence[CurveRecord]) -> None:
        many.start(slot, card, made[name], told[name], n, before[0] if before else None)

    many.offer(slot, card, told, SCOPE, key, known, start)


def origin(found: Found, card: Card) -> None:
    """How it was made, and the files."""
    with st.expander("How this was made", icon=":material/terminal:"):
        page.tell(
            "An image counts where the network names it rightly. Distortions are of the images as found, in float; "
            "where an attack has a target distortion, it is run with several, and an image counts with the least "
            "distorted success (section 5.1). **Published**: the paper's parameters, 5 searches of 100 passes. The "
            "families (C&W to sDDN) have margin 0 and as many passes as it says beside them; the smooth optimum has "
            f"ρ = {smooth_curves.RHO:g}. Bands and brackets are 95 % intervals: Wilson's of shares, bootstrapped of "
            "means. Each of these commands goes on with what is there; with a larger --n it adds images:"
        )
        st.code("\n".join(smooth_curves.commands(found)), None, wrap_lines=True)
        st.caption(results.known(found))
    results.files(found, f"curves-{card.name}", SCOPE, _about)


def _about(record: CurveRecord) -> dict[str, object]:
    return {"attack": record.protocol.name, "budget": record.budget or 0}
