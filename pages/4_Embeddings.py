"""Embeddings: what each loss does to the feature space, over training, with the picture behind every point."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import models
from core.attacks import ATTACKS
from core.data import DATASETS, ImageSet
from core.features import projections
from core.features.projections import PROJECTIONS, Projection
from core.losses import LOSSES
from core.models import Card
from core.train import ADVERSARIES
from pages.parts.components import picker
from pages.parts.components.scatter import Panel, scatter
from pages.parts.inputs import choose, forms
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Look, Slot
from pages.parts.views import attacking, embedding
from pages.parts.views.attacking import Shown
from pages.parts.views.embedding import Drawn, Trail, View

SCOPE = "embed"
SHOWN = 120
# Thumbnails of a selection, at most.
NONE = "none"
FIRST = ("graph-2d", "ce-2d", NONE)
# Ends of the names of the networks that the page opens with: the pair of Figure 1.
LOSS_PAIR = ("graph", "ce", "mmc")
GALLERY, ALL = "gallery", "all"
IMAGES = {GALLERY: "The gallery's, all epochs", ALL: "All test images, now"}
ATTACK = "scw"


# A job's result goes into the session under the name that it is for; nowhere if it is empty: the server keeps it.
slot: Slot[str, object, str] = Slot(SCOPE, every=0.5)


def ending(cards: Sequence[Card], end: str) -> str:
    """The first network whose name ends so, or no network."""
    return next((card.name for card in cards if card.name.endswith(f"-{end}")), NONE)


def set_networks(dataset: str, names: Sequence[str], projection: str) -> None:
    """Set the select boxes to a well-known view."""
    for place, name in enumerate(names, 1):
        st.session_state[f"{SCOPE}.{dataset}.{place}"] = name
    st.session_state[f"{SCOPE}.projection"] = projection
    st.session_state[f"{SCOPE}.images"] = GALLERY


def networks(offered: dict[str, list[Card]]) -> list[Card]:
    """Which networks to show; the first is always there, the others may be left out."""
    sets = list(offered)
    paired = [name for name in sets if ending(offered[name], "graph-2d") != NONE]
    opening = "mnist" if "mnist" in paired else (paired or sets)[0]
    links.choice("dataset", f"{SCOPE}.dataset", opening, sets)
    dataset = st.selectbox(
        "Data", sets, key=f"{SCOPE}.dataset", format_func=lambda n: DATASETS[n].title, persist_state="session"
    )
    cards = {card.name: card for card in offered[dataset]}
    known = [ending(offered[dataset], end) for end in FIRST]
    if known[0] == NONE:
        known[0] = next(iter(cards))
    pairs = {
        "Figure 1: two dimensions": (known, "linear"),
        "Three losses": ([ending(offered[dataset], end) for end in LOSS_PAIR], "circle"),
    }
    for label, (names, projection) in pairs.items():
        if NONE not in names[:2]:
            st.button(
                label, key=f"{SCOPE}.{label}", on_click=set_networks, args=(dataset, names, projection), width="stretch"
            )
    chosen = []
    for place, label in enumerate(("First network", "Second", "Third"), 1):
        options = list(cards) if place == 1 else [NONE, *cards]
        key = f"{SCOPE}.{dataset}.{place}"
        links.choice(str(place), key, known[place - 1], options)
        if st.session_state[key] not in options:  # it was deleted meanwhile
            st.session_state[key] = options[0]
        name = st.selectbox(
            label,
            options,
            key=key,
            persist_state="session",
            format_func=lambda n: "none" if n == NONE else title(cards[n], offered[dataset]),
        )
        if name != NONE and cards[name] not in chosen:
            chosen.append(cards[name])
    return chosen


def title(card: Card, among: Sequence[Card]) -> str:
    """A network's loss and what tells it from others with the same."""
    loss = LOSSES[card.loss].title if card.loss in LOSSES else card.loss
    adversarial = card.recipe.get("adversarial", "none")
    words = [loss, models.TITLES.get(card.network, card.network)]
    if card.embedding == 2:
        words.append("2D")
    if adversarial != "none":
        words.append(f"against {ADVERSARIES.get(adversarial, adversarial)}")
    own = ", ".join(words)
    alike = [
        c
        for c in among
        if c.loss == card.loss
        and c.network == card.network
        and c.embedding == card.embedding
        and c.recipe.get("adversarial", "none") == adversarial
    ]
    return own if len(alike) < 2 else f"{own} ({card.name})"


def projection_controls() -> Projection | None:
    """How the spaces are mapped to the plane."""
    links.choice("projection", f"{SCOPE}.projection", "linear", PROJECTIONS)
    name = st.selectbox(
        "Projection",
        list(PROJECTIONS),
        key=f"{SCOPE}.projection",
        format_func=lambda n: PROJECTIONS[n].title,
        persist_state="session",
    )
    cls = PROJECTIONS[name]
    st.caption(cls.about)
    return forms.form(cls, SCOPE, {}, link="")


def take(result: object, into: str) -> None:
    """Keep what a job has given."""
    if into:
        st.session_state[into] = result


def draw_underway(look: Look[str], into: str) -> None:
    """Progress of a job."""
    left, right = st.columns([6, 1], vertical_alignment="center")
    left.progress(look.fraction, f"{page.plain(look.snapshot or look.standing)}, {look.elapsed:.0f} s")
    right.button("Stop", icon=":material/stop:", on_click=slot.stop, key=f"{SCOPE}.stop", width="stretch")


def selected(images: ImageSet) -> list[int]:
    """The rows that are lit up; they are kept by the images' places in the test split, which every view shares."""
    places = {int(index): row for row, index in enumerate(images.indices)}
    return [places[i] for i in st.session_state.get(f"{SCOPE}.selected", []) if i in places]


def select(images: ImageSet, rows: Sequence[int]) -> None:
    """Light up rows."""
    st.session_state[f"{SCOPE}.selected"] = [int(images.indices[row]) for row in rows]


def selection_tools(drawn: Sequence[Drawn], images: ImageSet) -> None:
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


def draw(drawn: Sequence[Drawn], images: ImageSet) -> None:
    """The panels, and below them the selection."""
    chosen = selected(images)
    trail: Trail | None = st.session_state.get(f"{SCOPE}.trail")
    one_scale = links.flag("one_scale", f"{SCOPE}.one_scale")
    panels = []
    for each in drawn:
        card = each.network.card
        seen = trail.seen.get(card.name) if trail is not None else None
        panels.append(
            Panel(
                title(card, [d.network.card for d in drawn]),
                each.epochs,
                each.map.points,
                each.answers,
                each.note,
                None if seen is None else each.map.place(seen.features),
                None if seen is None else seen.flip,
            )
        )
    scatter(panels, images, chosen, f"{SCOPE}.scatter", lambda rows: select(images, rows), one_scale)
    with st.container(horizontal=True, vertical_alignment="center"):
        selection_tools(drawn, images)
        st.download_button(
            "Coordinates (CSV)",
            lambda: embedding.table(drawn, images),
            "embeddings.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key=f"{SCOPE}.csv",
        )
        st.toggle("One scale for all", key=f"{SCOPE}.one_scale", persist_state="session")
        if trail is not None:
            st.button(
                "Remove the trail",
                icon=":material/close:",
                key=f"{SCOPE}.untrail",
                on_click=lambda: st.session_state.pop(f"{SCOPE}.trail", None),
            )
    if trail is not None:
        say(trail, [each.network.card for each in drawn], images)
    if chosen:
        show_selection(drawn, images, chosen)
    else:
        st.caption(
            "Draw round some points to see their pictures; press ▶ to watch the training. Every class has its own "
            "colour and shape."
        )


def say(trail: Trail, cards: Sequence[Card], images: ImageSet) -> None:
    """What the attack did, in a sentence for each network."""
    words = []
    for card in cards:
        if card.name not in trail.seen:
            continue
        first, last = (images.classes[int(answer)] for answer in trail.seen[card.name].answers[[0, -1]])
        on = ", which was attacked" if card.name == trail.attacked else ""
        end = f"“{first}” becomes “{last}”" if first != last else f"it stays “{first}”"
        words.append(f"**{page.plain(title(card, cards))}**{on}: {page.plain(end)}")
    distance = float(trail.path.result.l2[0])
    st.markdown(f"{trail.attack.title} on test image {trail.index}, L2 = {distance:.3g}. " + "; ".join(words) + ".")


def show_selection(drawn: Sequence[Drawn], images: ImageSet, chosen: Sequence[int]) -> None:
    """Thumbnails of the selected images, and what can be done with one of them."""
    key = f"{SCOPE}.one"
    indices = [int(images.indices[row]) for row in chosen]
    one = st.session_state.get(key)
    row = chosen[indices.index(one)] if one in indices else chosen[0]
    left, right = st.columns([2.2, 1], gap="medium")
    with left:
        more = f", the first {SHOWN} of them shown" if len(chosen) > SHOWN else ""
        st.markdown(f"**{len(chosen):,} selected**{more}")
        labels = [images.classes[int(images.labels[r])] for r in chosen[:SHOWN]]

        def pick(number: int) -> None:
            st.session_state[key] = int(images.indices[number])

        picker.wall(images.images[list(chosen[:SHOWN])], list(chosen[:SHOWN]), labels, row, f"{SCOPE}.wall", pick)
    with right:
        index, label = int(images.indices[row]), int(images.labels[row])
        st.markdown(f"**Test image {index}: {page.plain(images.classes[label])}**")
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
            slot.start(
                f"{SCOPE}.trail",
                embedding.follow,
                attack(**values),
                cards,
                names[name],
                images.images[row : row + 1],
                label,
                index,
                0,
            )
            st.rerun()
        shelf = choose.shelf(names[name])
        if shelf is not None and index in shelf.indices:
            st.page_link(
                "pages/1_Attack_lab.py",
                label="Attack this one in the lab",
                icon=":material/science:",
                query_params={"model": name, "image": str(index)},
            )


def offer_lab(drawn: Sequence[Drawn], images: ImageSet) -> None:
    """Draw the trail of the attack that was made in the lab last, where it was on one of these data sets."""
    shown: Shown | None = st.session_state.get(attacking.IN_LAB)
    cards = [each.network.card for each in drawn]
    if shown is None or shown.choice.card.dataset != cards[0].dataset or shown.choice.index is None:
        return
    if st.button(
        "Trail of the lab's attack",
        icon=":material/route:",
        key=f"{SCOPE}.lab",
        help=f"{shown.attack.title} on {shown.choice.title}",
    ):
        slot.start(
            f"{SCOPE}.trail",
            embedding.follow,
            shown.attack,
            cards,
            shown.choice.card,
            shown.choice.image,
            shown.choice.attacked,
            shown.choice.index,
            shown.run.result.seed,
        )
        st.rerun()


def view_of(cards: Sequence[Card], which: str, projection: Projection) -> tuple[list[Drawn] | None, View | None]:
    """The maps that are there without waiting, and their view; offers to compute what is not."""
    if which == GALLERY:
        drawn = embedding.at_once(cards, projection)
        if drawn is None and st.button(
            f"Fit {projection.title}",
            type="primary",
            icon=":material/play_arrow:",
            disabled=slot.busy,
        ):
            slot.start("", embedding.fit, cards, projection)
            st.rerun()
        if drawn is None:
            st.info(f"{projection.title} with these parameters has not been fitted to these networks yet.")
        return drawn, embedding.view(cards)
    if not projection.quick:
        st.info("All test images at once are shown in a linear projection only; choose one, or the gallery's images.")
        return None, None
    known = embedding.all_at_once(cards)
    if known is None:
        if st.button(
            "Send all test images through the networks",
            type="primary",
            icon=":material/play_arrow:",
            disabled=slot.busy,
        ):
            slot.start("", embedding.look_at_all, cards)
            st.rerun()
        return None, None
    return embedding.drawn_of(known, projection), known


page.setup("Embeddings", controls=True)
with st.sidebar:
    cards_here, unusable = models.survey()
    cards = networks(embedding.offered(cards_here.values()))
    choose.tell_unusable(unusable)
    projection = projection_controls()
    links.choice("attack", f"{SCOPE}.attack", ATTACK, ATTACKS)  # its box is there once something is selected
    installed = DATASETS[cards[0].dataset].installed()
    links.choice("images", f"{SCOPE}.images", GALLERY, IMAGES if installed else [GALLERY])
    which = st.radio(
        "Images",
        list(IMAGES) if installed else [GALLERY],
        key=f"{SCOPE}.images",
        format_func=IMAGES.__getitem__,
        persist_state="session",
    )
st.markdown(
    "**The same test images, as each network sees them.** Graph smoothness pushes classes apart as clusters, "
    "cross-entropy stretches them along lines from the centre, MMC gathers them at fixed centres."
)
slot.complain()
slot.watch(draw_underway, take)
if projection is not None:
    try:
        drawn, shown = view_of(cards, which, projection)
        if drawn is not None and shown is not None:
            draw(drawn, shown.images)
            offer_lab(drawn, shown.images)
    except ValueError as error:
        st.error(page.plain(str(error)))
page.finish()
