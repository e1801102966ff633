"""Typed rows as a table on the console: one writer for every command, one way to write a number with its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column as RichColumn
from rich.table import Table

from core.evaluate.statistics import Estimate

T = TypeVar("T")


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column of a table of rows T."""

    title: str
    cell: Callable[[T], str]
    whole: bool = False
    """Never broken into two lines, as names must not be."""


def bars(console: Console | None = None) -> Progress:
    """Bars of long work: what it is, the share that is done, the time it took and will take."""
    columns = (BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *columns, console=console)


def show(
    title: str, columns: Sequence[Column[T]], rows: Iterable[T], note: str = "", console: Console | None = None
) -> None:
    """Print rows as a table, and below it a note."""
    console = console or Console()
    table = Table(*(RichColumn(column.title, no_wrap=column.whole) for column in columns), title=title)
    for row in rows:
        table.add_row(*(column.cell(row) for column in columns))
    console.print(table)
    if note:
        console.print(note, highlight=False)


def percent(estimate: Estimate, digits: int = 1) -> str:
    """A share with its interval: "2.0 % (0.8 to 5.0)"."""
    low, high = (f"{100 * bound:.{digits}f}" for bound in (estimate.low, estimate.high))
    return f"{100 * estimate.value:.{digits}f} % ({low} to {high})"


def mean_and_deviation(values: tuple[float, float | None] | None, form: str, factor: float = 1) -> str:
    """A mean with its standard deviation: "2.32 ± 0.41"; "-" without any, the mean alone without a deviation."""
    if values is None:
        return "-"
    mean, deviation = values
    told = format(factor * mean, form)
    return told if deviation is None else f"{told} ± {format(factor * deviation, form)}"
