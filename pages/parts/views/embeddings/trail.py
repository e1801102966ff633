"""An attack's way through the feature spaces: the job that follows it, and what is said of it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import streamlit as st
from torch import Tensor

from core.attacks import Attack
from core.data import ImageSet
from core.features import trails
from core.features.trails import AttackTrail, FeatureTrail
from core.models import Card
from pages.parts.shell import cache, page
from pages.parts.shell.jobs import Progress, Stop
from pages.parts.views import attacking
from pages.parts.views.attacking import Shown
from pages.parts.views.embeddings.controls import title
from pages.parts.views.embeddings.session import SCOPE, slot
from pages.parts.views.embeddings.spaces import Drawn

TRAIL = f"{SCOPE}.trail"
"""Where the session keeps the `Trail` that is drawn."""


@dataclass(frozen=True)
class Trail:
    """An attack's path as every network of a view sees it. attacked: the name of the network that it fools."""

    attack: Attack
    attacked: str
    index: int
    path: AttackTrail
    seen: dict[str, FeatureTrail]
    """By the networks' names."""


class _Enough(trails.StopFollowing):
    """The person has pressed stop."""


def follow(
    attack: Attack, cards: Sequence[Card], attacked: Card, image: Tensor, label: int, index: int, seed: int
) -> Generator[Progress[str], None, Trail]:
    """Attack `attacked` on image (1, C, H, W), as a job's generator, and send the path through all of `cards`."""
    going = trails.follow(attack, cache.model(attacked.name, attacked.sha256), image, label, seed)
    try:
        share = next(going)
        while True:
            try:
                yield Progress(share, "Attacking")
            except Stop:
                going.throw(_Enough())
            share = next(going)
    except StopIteration as end:
        path: AttackTrail = end.value
    seen = {c.name: trails.seen_by(cache.model(c.name, c.sha256), path.images) for c in cards}
    return Trail(attack, attacked.name, index, path, seen)


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


def offer_lab(drawn: Sequence[Drawn]) -> None:
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
            TRAIL,
            follow,
            shown.attack,
            cards,
            shown.choice.card,
            shown.choice.image,
            shown.choice.attacked,
            shown.choice.index,
            shown.run.result.seed,
        )
        st.rerun()
