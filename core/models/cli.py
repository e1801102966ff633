"""`python -m core models list` and `python -m core models show NAME`."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Column, Table

from core.models import MODELS, card
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
    """Print a table of all models; a damaged card is a line of its own and does not hide the others."""
    table = Table(Column("name", no_wrap=True), "network", "data", "loss", "accuracy")
    for name in MODELS:
        try:
            c = card(name)
        except ValueError as error:
            table.add_row(name, str(error))
            continue
        share = f"{100 * c.accuracy.value:.2f} % of {c.accuracy.n}" if c.accuracy else ""
        table.add_row(c.name, c.network, c.dataset, c.loss, share)
    Console().print(table)
    return 0


def show_model(name: str) -> int:
    """Print the card of `name` as JSON."""
    Console().print_json(card(name).model_dump_json())
    return 0
