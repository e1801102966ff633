"""`python -m core evaluate`: the papers' tables and figures, and other tables of many images, one verb each."""

from __future__ import annotations

import core.papers.graph_smoothness.cli
import core.papers.mmc.cli
from core.evaluate import front_cli, maps
from core.papers import (
    rough_to_smooth,
    smooth_adversarial_examples,
    smooth_curves,
    smoothfool,
    smoothfool_defences,
    smoothfool_transfer,
)
from core.params import Subparsers


def add_command(subparsers: Subparsers) -> None:
    """Register `evaluate` with the verbs of all papers."""
    verbs = subparsers.add_parser("evaluate", help="the papers' tables").add_subparsers(required=True, metavar="TABLE")
    smooth_adversarial_examples.add_verb(verbs)
    smooth_curves.add_verb(verbs)
    smoothfool.add_verb(verbs)
    smoothfool_defences.add_verb(verbs)
    smoothfool_transfer.add_verbs(verbs)
    core.papers.graph_smoothness.cli.add_verbs(verbs)
    core.papers.mmc.cli.add_verbs(verbs)
    rough_to_smooth.add_verb(verbs)
    front_cli.add_verb(verbs)
    maps.add_verb(verbs)
