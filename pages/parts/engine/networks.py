"""Networks where jobs are computed: they travel by name and are loaded once."""

from __future__ import annotations

from dataclasses import dataclass

from core import models
from core.defenses import Defended, Defense
from core.models import Card, Classifier
from pages.parts.engine.bounded import Bounded


@dataclass(frozen=True)
class Network:
    """A network, for the way to where it is needed."""

    name: str
    sha256: str
    """Of its weights: a retrained one is another."""
    defense: Defense | None = None
    """What it sees pictures through."""

    @classmethod
    def of(cls, card: Card, defense: Defense | None = None) -> Network:
        """The network that a card describes, perhaps behind a defence."""
        return cls(card.name, card.sha256, defense)


_loaded: Bounded[Classifier] = Bounded(4)


def keep(most: int) -> None:
    """Keep at most so many networks in memory."""
    _loaded.size = most


def load(network: Network) -> Classifier:
    """The frozen network. ValueError in one sentence if it is not there any more, or another has its name now."""
    known = _loaded.get(f"{network.name} {network.sha256}")
    if known is None:
        known = models.load(network.name)
        if known.card.sha256 != network.sha256:
            raise ValueError(f"{network.name} is another network now; choose it again.")
        _loaded.put(f"{network.name} {network.sha256}", known)
    return known if network.defense is None else Defended(known, network.defense)
