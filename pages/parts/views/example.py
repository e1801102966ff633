"""The finished comparisons that Compare opens with, the first of which Smoothing takes apart."""

from __future__ import annotations

import streamlit as st

from core import examples
from core.attacks import AttackResult
from core.evaluate.visibility import LENGTH, SUCCESS
from core.examples import CompareRecord
from core.models import Classifier
from pages.parts.inputs.choose import Choice
from pages.parts.work.attacks import Finished

EXAMPLE = examples.comparison()
"""What it is of: network, photograph, attacks, how it was made."""
FILMSTRIP = examples.filmstrip()
"""The same of one attack along a parameter."""


@st.cache_resource(max_entries=2, show_spinner=False)
def results(_model: Classifier, sha256: str) -> dict[str, list[AttackResult]]:
    """The example's results; sha256: of the weights, by which they are kept."""
    return examples.read_comparison(_model)


@st.cache_resource(max_entries=2, show_spinner=False)
def strip(_model: Classifier, sha256: str) -> dict[str, list[AttackResult]]:
    """The film strip's; sha256: of the weights, by which they are kept."""
    return examples.read_filmstrip(_model)


def record(along: bool) -> CompareRecord:
    """What an example is of: the film strip along a parameter, or attacks side by side."""
    return FILMSTRIP if along else EXAMPLE


def runs(choice: Choice, along: bool) -> tuple[tuple[Finished, ...], tuple[Finished, ...]] | None:
    """An example's runs, at equal success and for one norm; None unless its network and photograph are chosen."""
    if choice.card.name != record(along).model:
        return None
    found = (strip if along else results)(choice.model, choice.card.sha256)
    if not found[SUCCESS][0].images.equal(choice.image):
        return None
    shortest, free = (tuple(Finished(result, None) for result in found[held]) for held in (SUCCESS, LENGTH))
    return shortest, free
