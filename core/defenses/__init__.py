"""Defences in front of a network: what is done to a picture before the network sees it. `DEFENSES` lists them."""

from core.defenses.base import Defended, Defense
from core.defenses.bilateral import Bilateral
from core.defenses.jpeg import JPEG
from core.defenses.squeezing import BitDepth, Median

DEFENSES: dict[str, type[Defense]] = {cls.name: cls for cls in (JPEG, BitDepth, Median, Bilateral)}

__all__ = ["DEFENSES", "JPEG", "Bilateral", "BitDepth", "Defended", "Defense", "Median"]
