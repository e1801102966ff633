"""Which networks a view of the Curves page has something to show of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from core import models
from core.evaluate.curves import CurveRecord
from core.evaluate.records import Collection, Record
from core.papers import smooth_curves
from core.papers.graph_smoothness.corruptions import RECORDS
from core.papers.mmc.nearest import NEAREST
from core.papers.rough_to_smooth import ROUGHNESS
from core.papers.smooth_curves import JUDGES
from core.papers.smoothfool import TABLE2
from core.papers.smoothfool_curves import KINDS
from core.papers.smoothfool_defences import DEFENCES, DefenceRecord
from core.papers.smoothfool_transfer import TRANSFERS, UNIVERSALS
from pages.parts.views import many, results
from pages.parts.views.curves import across


def _names(found: Iterable[Record]) -> list[str]:
    return [record.network.name for record in found if record.network is not None]


def _of(collection: Collection[Any]) -> list[str]:
    return _names(many.with_own(results.read(collection), collection.of))


def _curves(belongs: Callable[[CurveRecord], bool] = lambda record: True) -> list[str]:
    """Networks with curves of which `belongs` says that the view draws them."""
    there = [smooth_curves.collection(name) for name in models.survey()[0]]
    found = [record for each in there if each.path.exists() for record in results.read(each)]
    return _names(record for record in many.with_own(found, CurveRecord) if belongs(record))


def _defended() -> list[str]:
    found = many.with_own(results.read(DEFENCES), DefenceRecord)
    return [record.made_on.name for record in found if record.defence == "none"]


_KNOWN: Mapping[str, Callable[[], list[str]]] = {
    "through": lambda: _curves(lambda record: record.protocol.name.startswith(tuple(JUDGES))),
    "width": lambda: _curves(lambda record: record.protocol.name.rpartition("-")[0] in KINDS),
    "fooling": lambda: _of(TABLE2),
    "defences": _defended,
    "across": lambda: _of(UNIVERSALS if across.universal() else TRANSFERS),
    "networks": lambda: [*_of(NEAREST), *_curves()],
    "corrupted": lambda: _of(RECORDS),
    "rough": lambda: _of(ROUGHNESS),
}
"""By view; the others draw any curve."""


def names(view: str) -> list[str]:
    """The networks that are here and that a view has something to show of, in the order of its records.

    None where the records cannot be read, of which the view itself says why.
    """
    cards, _ = models.survey()
    try:
        found = _KNOWN.get(view, _curves)()
    except ValueError:
        return []
    return [name for name in dict.fromkeys(found) if name in cards]
