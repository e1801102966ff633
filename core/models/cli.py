"""`python -m core models list` and `python -m core models show NAME`."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from core.models import card, survey
from core.params import Subparsers


def add_commands(subparsers: Subparsers) -> None:
    """Register `models` with its two verbs."""
    parser = subparsers.add_parser("models", help="what networks there are")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="one line per model")
    listing.set_defaults(run=list_models)
    show = verbs.add_parser("show", help="a model's card")
    show.add_argument("name")
    show.set_defaults(run=lambda arguments: show_model(arguments.name))


def list_models(arguments: argparse.Namespace) -> int:
    """Print a table of all models; one that cannot be used is a line of its own and hides no other."""
    table = Table(Column("name", no_wrap=True), "network", "data", "loss", "accuracy")
    usable, unusable = survey()
    for c in usable.values():
        share = f"{100 * c.accuracy.value:.2f} % of {c.accuracy.n}" if c.accuracy else ""
        table.add_row(c.name, c.network, c.dataset, escape(c.loss), share)
    for name, why in unusable.items():
        table.add_row(escape(name), escape(why))
    Console().print(table)
    return 0


def show_model(name: str) -> int:
    """Print the card of `name` as JSON."""
    Console().print_json(card(name).model_dump_json())
    return 0
