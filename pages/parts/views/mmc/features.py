"""The Features tab: the features of two networks around the centres of their classes."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
import torch

from core.data import DATASETS
from core.features.around import Around, Hierarchy
from core.features.density import class_means
from core.models import Card, features_of
from core.models.heads import CenterHead
from pages.parts.charts import feature_plots, plots
from pages.parts.components.orbit import orbit
from pages.parts.inputs import choose
from pages.parts.shell import cache, links, page
from pages.parts.views.mmc.shared import SCOPE


@st.cache_resource(max_entries=12, show_spinner="Computing features")
def around(name: str, sha256: str) -> Around:
    """A network's features of its thousand pictures, with their distances to the centres."""
    model = cache.model(name, sha256)
    shelf = choose.shelf(model.card)
    assert shelf is not None
    z = features_of(model, shelf.images)
    head = model.head
    centers = head.centers.cpu() if isinstance(head, CenterHead) else class_means(z, shelf.labels, model.card.classes)
    return Around.of(z, shelf.labels, centers)


def _classes_control(card: Card) -> list[int]:
    """Which classes are drawn."""
    names = [str(i) for i in range(card.classes)]
    titles = DATASETS[card.dataset].classes
    key = f"{SCOPE}.classes.{card.dataset}"

    def parse(text: str) -> list[str]:
        found = text.split(".")
        if len(found) < 2 or len(set(found)) < len(found) or not set(found) <= set(names):
            raise ValueError("it must be two or more different class numbers with points between.")
        return found

    links.read("drawn", key, names[:4], parse, ".".join)
    picked = st.pills(
        "Classes that are drawn",
        names,
        selection_mode="multi",
        key=key,
        format_func=lambda i: titles[int(i)],
        persist_state="session",
    )
    return sorted(int(i) for i in picked)


def _hierarchy(mmc: Card, ce: Card, both: Sequence[Around]) -> None:
    """How centres in superclasses lie, and whether mistakes stay within them."""
    dataset = DATASETS[mmc.dataset]
    groups = dataset.groups
    if groups is None:  # of a card that a stranger wrote
        return
    st.markdown("##### Centres in superclasses (HMMC)")
    found = [Hierarchy.of(one, groups) for one in both]
    members = [
        ", ".join(name for name, group in zip(dataset.classes, groups, strict=True) if group == each)
        for each in range(max(groups) + 1)
    ]
    if len(members) <= 3:
        page.tell("Superclasses: " + "; ".join(f"**{each}**" for each in members) + ".")
    page.tell(
        f"Centres of one superclass are {found[0].within:.1f} apart or more, those of different superclasses "
        f"{found[0].between:.1f} or more. **Look for:** mistakes that stay within the superclass, "
        "since to leave it is the longer way."
    )
    for card, one in zip((mmc, ce), found, strict=True):
        share = f", {100 * one.strayed / one.wrong:.0f} %" if one.wrong else ""
        page.tell(
            f"{page.plain(card.title)}: {one.wrong} of {len(both[0].labels)} images are nearest to another class's "
            f"centre, {one.strayed} of those to one of another superclass{share}."
        )


def draw(mmc: Card, ce: Card) -> None:
    """Features of both networks around the centres of their classes."""
    both = [around(card.name, card.sha256) for card in (mmc, ce)]
    names = DATASETS[mmc.dataset].classes
    page.tell(
        "**Look for:** with fixed centres each class is a tight ball about its own; with cross-entropy it spreads, "
        "above all outwards. The unit of length is the mean distance between two centres, in each network its own, so "
        "that both pictures have one scale. Of up to four classes the centres are seen where they are; features fill "
        "more than three dimensions, and how much of them is in view stands below."
    )
    chosen = _classes_control(mmc)
    if len(chosen) < 2:
        st.info("Choose at least two classes.")
        return
    titles = [card.title for card in (mmc, ce)]
    orbit(
        feature_plots.features_scenes(list(zip(titles, both, strict=True)), chosen, names),
        f"{SCOPE}.features",
        height=430,
    )
    page.let_draw()
    page.note(
        f"{int(torch.isin(both[0].labels, torch.tensor(chosen)).sum())} test images of the gallery. Cross-entropy has "
        "no centres of its own: the mean feature of each class, of all these test images, stands for one."
    )
    if mmc.loss_arguments.get("centers") == "hierarchical":
        _hierarchy(mmc, ce, both)
    mine = torch.isin(both[0].labels, torch.tensor(chosen))
    reach = max(float(torch.quantile(torch.cat([one.own[mine], one.other[mine]]), 0.999)) for one in both)
    st.markdown("##### Distance to the own centre, and to the nearest other")
    columns = st.columns(2, gap="medium")
    for place, (column, one) in enumerate(zip(columns, both, strict=True)):
        with column:
            page.tell(f"**{page.plain(titles[place])}**")
            st.plotly_chart(
                feature_plots.own_against_other(one, chosen, names, reach),
                key=f"{SCOPE}.own.{place}",
                config=plots.CONFIG,
            )
            st.plotly_chart(
                feature_plots.distance_histogram(one, chosen, reach),
                key=f"{SCOPE}.histogram.{place}",
                config=plots.CONFIG,
            )
            nearer = float((one.own[mine] < one.other[mine]).double().mean())
            page.note(
                f"Nearer to its own centre than to any other: {100 * nearer:.1f} %. Median distance to the own centre "
                f"{float(one.own[mine].median()):.3f}, to the nearest other {float(one.other[mine].median()):.3f}; the "
                f"unit is {one.unit:.2f} in the features' own length."
            )
    with st.expander("The same by class, as numbers"):
        st.dataframe(
            [
                {"class": names[label], "images": int((both[0].labels == label).sum())}
                | {
                    f"{title}, {short}": round(float(values[one.labels == label].median()), 4)
                    for short, one in zip(("fixed centres", "linear"), both, strict=True)
                    for title, values in (("own", one.own), ("nearest other", one.other))
                }
                for label in range(len(names))
            ],
            hide_index=True,
            key=f"{SCOPE}.table",
        )
        page.note("Medians, in units of the mean distance between two centres.")
