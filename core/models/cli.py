"""`python -m core models list`, `... get NAME` and `... show NAME`."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from core.models import VISION, card, survey, vision
from core.params import Subparsers


def add_commands(subparsers: Subparsers) -> None:
    """Register `models` with its verbs."""
    parser = subparsers.add_parser("models", help="what networks there are")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="one line per model")
    listing.set_defaults(run=list_models)
    getting = verbs.add_parser("get", help="download the weights of one of torchvision's networks")
    getting.add_argument("name", metavar="NAME", help=f"one of {', '.join(VISION)}")
    getting.set_defaults(run=lambda arguments: get_model(arguments.name))
    show = verbs.add_parser("show", help="a model's card")
    show.add_argument("name")
    show.set_defaults(run=lambda arguments: show_model(arguments.name))


def list_models(arguments: argparse.Namespace) -> int:
    """Print a table of all models; one that cannot be used is a line of its own and hides no other."""
    table = Table(Column("name", no_wrap=True), "network", "data", "loss", "accuracy")
    usable, unusable = survey()
    for c in usable.values():
        share = f"{100 * c.accuracy.value:.2f} % of {c.accuracy.n}" if c.accuracy else ""
        share += f"\n({100 * c.mirrored.value:.2f} % with mirror images)" if c.mirrored else ""
        table.add_row(c.name, c.network, c.dataset, escape(c.loss), share)
    for name, why in unusable.items():
        table.add_row(escape(name), escape(why))
    for name in VISION.keys() - usable.keys() - unusable.keys():
        table.add_row(name, VISION[name].title, "imagenet", "", f"not here: python -m core models get {name}")
    Console().print(table)
    return 0


def get_model(name: str) -> int:
    """Download the weights of one of torchvision's networks; ValueError in one sentence if that cannot be done."""
    if name not in VISION:
        raise ValueError(f"{name} is not a network to get; there are {', '.join(VISION)}.")
    print(f"{name} is in {vision.get(name)}")
    return 0


def show_model(name: str) -> int:
    """Print the card of `name` as JSON."""
    Console().print_json(card(name).model_dump_json())
    return 0
