"""How many centres the Centres tab places, and where: its parameters and its examples."""

from __future__ import annotations

from core.params import Parameters, parameter


class Arrangement(Parameters):
    """How many centres in how many dimensions; norms and kind are the loss's own parameters."""

    classes: int = parameter(
        4,
        ge=2,
        le=100,
        step=1,
        symbol="L",
        title="Classes",
        paper="MMC report, section 2.3",
        help="How many centres are placed, one for each class.",
    )
    superclasses: int = parameter(
        4,
        ge=2,
        le=20,
        step=1,
        title="Superclasses",
        paper="MMC report, section 4.7",
        help="Groups of classes; CIFAR-100 has 20.",
    )
    subclasses: int = parameter(
        5,
        ge=2,
        le=5,
        step=1,
        title="Classes in each",
        paper="MMC report, section 4.7",
        help="Classes of a superclass; CIFAR-100 has 5.",
    )
    dim: int = parameter(
        3,
        ge=1,
        le=512,
        step=1,
        symbol="d",
        title="Dimensions",
        paper="MMC report, section 2.3",
        help="Of the space in which the centres lie. From L - 1 on, all are equally far apart; below, they are spread "
        "as evenly as can be: regularly in the plane, numerically in most other cases.",
    )
    seed: int = parameter(
        0,
        ge=0,
        le=99,
        step=1,
        title="Seed",
        help="Of the random directions.",
    )


EXAMPLES: dict[str, dict[str, int | str]] = {
    "3 in the plane": {"classes": 3, "dim": 2},
    "4 in space": {"classes": 4, "dim": 3},
    "10 classes, 9 dimensions": {"classes": 10, "dim": 9},
    "12 in space": {"classes": 12, "dim": 3},
    "20 superclasses of 5": {"superclasses": 20, "subclasses": 5, "dim": 64, "centers": "hierarchical"},
    "100 classes": {"classes": 100, "dim": 99},
}
"""Settings to begin with; what they do not say is as declared."""
