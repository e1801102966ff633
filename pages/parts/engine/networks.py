"""Networks where jobs are computed: they travel by name and are loaded once."""

from __future__ import annotations

from dataclasses import dataclass

from core import models
from core.models import Card, Classifier
from pages.parts.engine.bounded import Bounded


@dataclass(frozen=True)
class Network:
    """A network, for the way to where it is needed."""

    name: str
    sha256: str
    """Of its weights: a retrained one is another."""

    @classmethod
    def of(cls, card: Card) -> Network:
        """The network that a card describes."""
        return cls(card.name, card.sha256)


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
    return known
