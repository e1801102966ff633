"""All results that come with the project, in assets/results."""

from __future__ import annotations

from typing import Any

from core.evaluate.records import Collection
from core.papers.graph_smoothness.figures import FIGURES
from core.papers.mmc.attacks import ACCURACIES
from core.papers.mmc.dependency import DEPENDENCIES
from core.papers.mmc.tables import NORM_RECORDS, OPTIMISER_RECORDS, TIMES_RECORDS
from core.papers.mmc.uncertainty import CERTAINTIES

COLLECTIONS: tuple[Collection[Any], ...] = (
    ACCURACIES,
    CERTAINTIES,
    DEPENDENCIES,
    NORM_RECORDS,
    OPTIMISER_RECORDS,
    TIMES_RECORDS,
    FIGURES,
)
