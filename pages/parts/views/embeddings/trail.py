"""An attack's way through the feature spaces: followed by a job, drawn, and put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from torch import Tensor

from core.attacks import Attack
from core.data import ImageSet
from core.features.trails import AttackTrail, FeatureTrail
from core.models import Card
from pages.parts.engine.networks import Network
from pages.parts.shell import page
from pages.parts.views import attacking
from pages.parts.views.attacking import Shown
from pages.parts.views.embeddings.controls import title
from pages.parts.views.embeddings.session import SCOPE, Task, slot
from pages.parts.views.embeddings.spaces import Drawn
from pages.parts.work import attacks

TRAIL = f"{SCOPE}.trail"
"""Where the session keeps the `Trail` that is drawn."""


@dataclass(frozen=True)
class Trail:
    """An attack's path as every network of a view sees it. attacked: the name of the network that it fools."""

    attack: Attack
    attacked: str
    image: str
    """Which it is of: "test image 7"."""
    path: AttackTrail
    seen: dict[str, FeatureTrail]
    """By the networks' names."""
    viewers: tuple[Network, ...]
    """Those networks, with their weights: a retrained one has seen nothing."""

    def belongs(self, cards: Sequence[Card]) -> bool:
        """Whether the networks of `cards` are still those it is about.

        The one that it fools must be among them, if it was when the trail was followed (that of the lab's attack need
        not be), else one of those that have seen it.
        """
        attacked = [network for network in self.viewers if network.name == self.attacked]
        return not {Network.of(card) for card in cards}.isdisjoint(attacked or self.viewers)


def start(
    attack: Attack, cards: Sequence[Card], attacked: Card, image: Tensor, label: int, which: str, seed: int
) -> None:
    """Attack `attacked` on image (1, C, H, W), and have the path drawn in the spaces of all of `cards`.

    which: what the image is called, "test image 7".
    """

    def keep(found: tuple[AttackTrail, dict[str, FeatureTrail]]) -> None:
        st.session_state[TRAIL] = Trail(attack, attacked.name, which, *found, tuple(viewers))

    viewers = [Network.of(card) for card in cards]
    slot.start(Task(keep), attacks.trail, attack, Network.of(attacked), viewers, image, label, seed)


def of(cards: Sequence[Card]) -> Trail | None:
    """The session's trail, if it belongs to the networks of `cards`; else it is forgotten."""
    trail: Trail | None = st.session_state.get(TRAIL)
    if trail is not None and not trail.belongs(cards):
        del st.session_state[TRAIL]
        return None
    return trail


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
    page.tell(f"{trail.attack.title} on {trail.image}, L2 = {distance:.3g}. " + "; ".join(words) + ".")


def offer_lab(drawn: Sequence[Drawn]) -> None:
    """Draw the trail of the attack that was made in the lab last, where it was on one of these data sets."""
    shown: Shown | None = st.session_state.get(attacking.IN_LAB)
    cards = [each.network.card for each in drawn]
    if shown is None or shown.choice.card.dataset != cards[0].dataset or shown.choice.index is None:
        return
    if shown.choice.defense is not None:  # a trail is of the bare network
        return
    if st.button(
        "Trail of the lab's attack",
        icon=":material/route:",
        key=f"{SCOPE}.lab",
        help=f"{shown.attack.title} on {shown.choice.title}",
    ):
        start(
            shown.attack,
            cards,
            shown.choice.card,
            shown.choice.image,
            shown.choice.attacked,
            f"test image {shown.choice.index}",
            shown.run.result.seed,
        )
        st.rerun()
