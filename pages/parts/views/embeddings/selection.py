"""Images that are selected: ways to select them, their pictures, and what can be done with one of them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.attacks import ATTACKS
from core.data import ImageSet
from core.features import projections
from pages.parts.components import picker
from pages.parts.inputs import choose
from pages.parts.shell import page
from pages.parts.views import attacking
from pages.parts.views.embeddings import trail
from pages.parts.views.embeddings.controls import title
from pages.parts.views.embeddings.session import SCOPE, select, slot
from pages.parts.views.embeddings.spaces import KINDS, Drawn

SHOWN = 120
"""Thumbnails at most."""
HEIGHT = 268
"""Of the wall of thumbnails, in CSS pixels; those beyond are scrolled to within it, and what follows stays in reach."""
FEW = 12
"""Thumbnails that need no such bound."""


def tools(drawn: Sequence[Drawn], images: ImageSet) -> None:
    """Ways to select that need no lasso."""
    with st.popover("Select", icon=":material/filter_alt:"):
        names = {each.network.card.name: each for each in drawn}
        name = st.selectbox(
            "Of the network",
            list(names),
            key=f"{SCOPE}.select.network",
            format_func=lambda n: title(names[n].network.card, [d.network.card for d in drawn]),
        )
        network = names[name].network
        wrong = (network.answers[-1] != images.labels).nonzero()[:, 0].tolist()
        st.button(
            f"Misclassified ({len(wrong)})",
            on_click=select,
            args=(images, wrong),
            disabled=not wrong,
            key=f"{SCOPE}.select.wrong",
            width="stretch",
        )
        label = st.selectbox(
            "Class", range(len(images.classes)), format_func=images.classes.__getitem__, key=f"{SCOPE}.select.class"
        )
        members = (images.labels == label).nonzero()[:, 0].tolist()
        st.button(
            f"All of this class ({len(members)})",
            on_click=select,
            args=(images, members),
            key=f"{SCOPE}.select.members",
            width="stretch",
        )
        if len(network.epochs) > 1:
            epoch = st.selectbox(
                "Epoch", network.epochs[1:], index=len(network.epochs) - 2, key=f"{SCOPE}.select.epoch.{name}"
            )
            rows = projections.movers(network.space.features, network.epochs.index(epoch)).tolist()
            st.button(
                f"Its movers ({len(rows)})",
                on_click=select,
                args=(images, rows),
                key=f"{SCOPE}.select.movers",
                help="Those whose features went furthest from the epoch kept before to this one.",
                width="stretch",
            )


def show(drawn: Sequence[Drawn], images: ImageSet, chosen: Sequence[int]) -> None:
    """Thumbnails of the selected images, and what can be done with one of them; for a narrow column."""
    key = f"{SCOPE}.one"
    indices = [int(images.indices[row]) for row in chosen]
    one = st.session_state.get(key)
    row = chosen[indices.index(one)] if one in indices else chosen[0]
    more = f", the first {SHOWN} of them shown" if len(chosen) > SHOWN else ""
    st.markdown(f"**{len(chosen):,} selected**{more}")
    labels = [images.classes[int(images.labels[r])] for r in chosen[:SHOWN]]

    def pick(number: int) -> None:
        st.session_state[key] = int(images.indices[number])

    with st.container(height=HEIGHT if len(chosen) > FEW else "content", border=False):
        picker.wall(images.images[list(chosen[:SHOWN])], list(chosen[:SHOWN]), labels, row, f"{SCOPE}.wall", pick)
    index, label = int(images.indices[row]), int(images.labels[row])
    kind = KINDS[images.split].capitalize()
    st.markdown(f"**{kind} image {index}: {page.plain(images.classes[label])}**")
    for each in drawn:
        card, answer = each.network.card, int(each.network.answers[-1, row])
        st.markdown(
            f"{page.plain(title(card, [d.network.card for d in drawn]))}: **{page.plain(images.classes[answer])}**"
        )
    attackable = [d.network for d in drawn if int(d.network.answers[-1, row]) == label]
    if not attackable:
        st.caption("Every network here gets it wrong, so there is nothing to attack.")
        return
    names = {network.card.name: network.card for network in attackable}
    name = st.selectbox(
        "Attack",
        list(names),
        key=f"{SCOPE}.attacked.{'.'.join(names)}",
        format_func=lambda n: title(names[n], [d.network.card for d in drawn]),
    )
    attack = ATTACKS[
        st.selectbox(
            "with",
            list(ATTACKS),
            key=f"{SCOPE}.attack",
            format_func=lambda n: ATTACKS[n].title,
            persist_state="session",
        )
    ]
    if st.button(
        "Draw its trail",
        type="primary",
        icon=":material/route:",
        width="stretch",
        disabled=slot.busy,
    ):
        cards = [each.network.card for each in drawn]
        values = attacking.start_values(attack, names[name])
        image = images.images[row : row + 1]
        trail.start(attack(**values), cards, names[name], image, label, f"{KINDS[images.split]} image {index}", 0)
        st.rerun()
    shelf = choose.shelf(names[name])
    if shelf is not None and images.split == "test" and index in shelf.indices:
        st.page_link(
            page.file("Attack_lab"),
            label="Attack this one in the lab",
            icon=":material/science:",
            query_params={"model": name, "image": str(index)},
        )
