"""`python -m core data list | get NAME | gallery`."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from core.data import DATASETS, DataError, fetch, gallery, home
from core.params import Subparsers


def add_commands(subparsers: Subparsers) -> None:
    """Add `list`, `get` and `gallery` to the subparsers of `python -m core data`; `run` carries out what was chosen."""
    listing = subparsers.add_parser("list", help="the data sets there are, and which are installed")
    listing.set_defaults(data_action=_list)
    getting = subparsers.add_parser("get", help="download a data set into the cache folder")
    getting.add_argument("name", metavar="NAME", help=f"one of {', '.join(fetch.WAYS)}")
    getting.set_defaults(data_action=_get)
    making = subparsers.add_parser("gallery", help="remake assets/gallery from the installed full sets")
    making.set_defaults(data_action=_gallery)


def run(args: argparse.Namespace) -> int:
    """Carry out the parsed command; 0, or 2 after one sentence on stderr (130 if interrupted)."""
    try:
        args.data_action(args)
    except (DataError, OSError) as error:
        Console(stderr=True, soft_wrap=True, markup=False, highlight=False).print(str(error))
        return 2
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted; nothing was left behind.")
        return 130
    return 0


def _list(args: argparse.Namespace) -> None:
    table = Table("name", "title", "image", "images", "installed")
    for dataset in DATASETS.values():
        here = "yes" if dataset.installed() else ("gallery only" if dataset.gallery else "no")
        counts = "\n".join(f"{count:,} {split}" for split, count in dataset.splits.items())
        table.add_row(dataset.name, dataset.title, " x ".join(map(str, dataset.shape)), counts, here)
    console = Console()
    console.print(table)
    console.print(f"Full sets lie in {home()} (SMOOTHSCOPE_HOME).", soft_wrap=True, markup=False, highlight=False)


def _get(args: argparse.Namespace) -> None:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"getting {args.name}", total=1.0)
        folder = fetch.get(args.name, lambda share, text: progress.update(task, completed=share, description=text))
    print(f"{args.name} is installed in {folder}")


def _gallery(args: argparse.Namespace) -> None:
    for dataset in DATASETS.values():
        if dataset.gallery:
            for split in gallery.SIZES:
                path = gallery.make(dataset.name, split=split)
                print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
