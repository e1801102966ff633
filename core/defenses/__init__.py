"""Defences in front of a network: what is done to a picture before the network sees it. `DEFENSES` lists them."""

from core.defenses.base import Defended, Defense
from core.defenses.bilateral import Bilateral
from core.defenses.guided import GuidedDenoiser
from core.defenses.jpeg import JPEG
from core.defenses.magnet import MagNet
from core.defenses.squeezing import BitDepth, Median

DEFENSES: dict[str, type[Defense]] = {
    cls.name: cls for cls in (JPEG, BitDepth, Median, Bilateral, MagNet, GuidedDenoiser)
}


def suited(dataset: str) -> dict[str, type[Defense]]:
    """Those of DEFENSES for pictures of the data set `dataset` (or of "imagenet")."""
    return {name: cls for name, cls in DEFENSES.items() if not cls.data or dataset in cls.data}


__all__ = [
    "DEFENSES",
    "JPEG",
    "Bilateral",
    "BitDepth",
    "Defended",
    "Defense",
    "GuidedDenoiser",
    "MagNet",
    "Median",
    "suited",
]
