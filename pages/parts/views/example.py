"""The finished comparison that Compare opens with, and Smoothing takes apart."""

from __future__ import annotations

import streamlit as st

from core import examples
from core.attacks import AttackResult
from core.evaluate.visibility import LENGTH, SUCCESS
from core.models import Classifier
from pages.parts.inputs.choose import Choice
from pages.parts.work.attacks import Finished

EXAMPLE = examples.comparison()
"""What it is of: network, photograph, attacks, how it was made."""


@st.cache_resource(max_entries=2, show_spinner=False)
def results(_model: Classifier, sha256: str) -> dict[str, list[AttackResult]]:
    """The example's results; sha256: of the weights, by which they are kept."""
    return examples.read_comparison(_model)


def runs(choice: Choice) -> tuple[tuple[Finished, ...], tuple[Finished, ...]] | None:
    """The example's runs, at equal success and for one norm; None unless its network and photograph are chosen."""
    if choice.card.name != EXAMPLE.model:
        return None
    found = results(choice.model, choice.card.sha256)
    if not found[SUCCESS][0].images.equal(choice.image):
        return None
    shortest, free = (tuple(Finished(result, None) for result in found[held]) for held in (SUCCESS, LENGTH))
    return shortest, free
