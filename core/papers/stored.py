"""All records that come with the project: results, maps and examples."""

from __future__ import annotations

from typing import Any

from core import examples
from core.evaluate import maps
from core.evaluate.records import Collection
from core.evaluate.visibility import COSTS
from core.papers.graph_smoothness.corruptions import RECORDS as CORRUPTED
from core.papers.graph_smoothness.errors import ERRORS
from core.papers.graph_smoothness.figures import FIGURES
from core.papers.mmc.attacks import ACCURACIES
from core.papers.mmc.dependency import DEPENDENCIES
from core.papers.mmc.nearest import NEAREST
from core.papers.mmc.tables import NORM_RECORDS, OPTIMISER_RECORDS, TIMES_RECORDS
from core.papers.mmc.uncertainty import CERTAINTIES
from core.papers.rough_to_smooth import ROUGHNESS
from core.papers.smooth_curves import FOLDER, collection
from core.papers.smoothfool import TABLE2
from core.papers.smoothfool_defences import DEFENCES
from core.papers.smoothfool_transfer import PATTERNS, TRANSFERS, UNIVERSALS

RESUMED: tuple[Collection[Any], ...] = (
    ACCURACIES,
    CERTAINTIES,
    DEPENDENCIES,
    ERRORS,
    NORM_RECORDS,
    OPTIMISER_RECORDS,
    TIMES_RECORDS,
    FIGURES,
)
"""Results of the papers' experiments whose commands go on where they stopped."""
COLLECTIONS: tuple[Collection[Any], ...] = (
    *RESUMED,
    COSTS,
    CORRUPTED,
    NEAREST,
    ROUGHNESS,
    TABLE2,
    DEFENCES,
    TRANSFERS,
    UNIVERSALS,
    PATTERNS,
)
"""All results in assets/results."""


def everything() -> list[Collection[Any]]:
    """Those, the maps in assets/results/maps, the curves in assets/results/curves, and the examples."""
    mapped = [maps.collection(path.stem) for path in sorted(maps.FOLDER.glob("*.json"))]
    drawn = [collection(path.stem) for path in sorted(FOLDER.glob("*.json"))]
    return [*COLLECTIONS, *mapped, *drawn, examples.START, examples.COMPARE, examples.FILMSTRIP]
