"""Stored results on a page: the records of the networks that are here, where they come from, and what is missing."""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import streamlit as st

from core.evaluate import records
from core.evaluate.records import Collection, Record
from core.models import Card
from pages.parts.shell import page

R = TypeVar("R", bound=Record)


def stored(collection: Collection[R]) -> list[R]:
    """The shipped records of the networks that are here, after having said which are refused, or that there are none.

    Empty after an error, too.
    """
    try:
        found = read(collection)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return []
    if not found:
        kind = collection.of.kind
        st.info(page.plain(f"This result is not there; make it with: python -m core evaluate {kind}"))
    kept, refused = records.sound(found)
    for sentence in refused:
        st.warning(page.plain(sentence))
    return kept


def read(collection: Collection[R]) -> tuple[R, ...]:
    """All records as they are shipped, none if there are none. ValueError in one sentence if they cannot be read."""
    return _read(collection, str(collection.path), _stamp(collection))


@st.cache_resource(max_entries=16, show_spinner=False)
def _read(_collection: Collection[R], path: str, stamp: tuple[int, ...]) -> tuple[R, ...]:
    """The records as the files are that have this stamp."""
    return _collection.read()


def _stamp(collection: Collection[R]) -> tuple[int, ...]:
    files = (collection.path, records.beside(collection.path))
    return tuple(number for file in files if file.exists() for number in (file.stat().st_mtime_ns, file.stat().st_size))


def of(found: Sequence[R], card: Card) -> list[R]:
    """The records of one network."""
    return [record for record in found if record.network is not None and record.network.name == card.name]


def origin(found: Sequence[Record], what: str) -> None:
    """What stored results are, what is not known of them, and the commands that make them again."""
    commands = " and ".join(f"`{command}`" for command in dict.fromkeys(record.command for record in found))
    page.note(f"{what} Remade by {commands}. {known(found)}")


def known(found: Sequence[Record]) -> str:
    """The versions that stored results were measured with, and what is not known of them, as Markdown."""
    versions = dict.fromkeys(", ".join(f"{k} {v}" for k, v in record.versions.items()) for record in found)
    lacks = dict.fromkeys(record.lacks for record in found if record.lacks)
    return page.plain(" ".join([f"Measured with {'; '.join(versions)}.", *lacks]))


def lacking(found: Sequence[Record], cards: Sequence[Card], kind: str) -> None:
    """Say which of the networks no stored result knows."""
    names = [card.name for card in cards if not of(found, card)]
    if names:
        st.info(
            page.plain(
                f"No result is stored for {' and '.join(names)}; add it with: python -m core evaluate {kind} "
                f"--models {' '.join(names)}"
            )
        )


def absent(command: str) -> None:
    """Say that a network's result is not there, and what makes it."""
    st.info("This is not measured for this network.")
    st.code(command, None, wrap_lines=True)


def made(found: Sequence[Record], how: str) -> None:
    """How results were made, folded away: in words, the commands, the versions."""
    with st.expander("How this was made", icon=":material/terminal:"):
        page.tell(how)
        st.code("\n".join(dict.fromkeys(record.command for record in found)), None, wrap_lines=True)
        st.caption(known(found))


def files(
    found: Sequence[R], name: str, key: str, about: Callable[[R], Mapping[str, object]], what: str = "image"
) -> None:
    """Buttons that give the rows of results as NAME.csv and NAME.parquet.

    key: of the widgets. about: of a record, by column, what its rows have to say of it in the CSV. what: of which there
    is a row.
    """
    with st.container(horizontal=True):
        st.download_button(
            "CSV",
            lambda: _csv(found, about),
            f"{name}.csv",
            "text/csv",
            key=f"{key}.csv",
            on_click="ignore",
            icon=":material/download:",
            help=f"A row for each {what} and result.",
        )
        st.download_button(
            "Parquet",
            lambda: _parquet(found),
            f"{name}.parquet",
            "application/vnd.apache.parquet",
            key=f"{key}.parquet",
            on_click="ignore",
            icon=":material/download:",
            help="The same with its types; the column record counts the results.",
        )


def _csv(found: Sequence[R], about: Callable[[R], Mapping[str, object]]) -> bytes:
    import pyarrow as pa
    from pyarrow import csv

    tables = []
    for record in found:
        assert record.rows is not None
        told = {name: np.full(len(record.rows), value) for name, value in about(record).items()}
        tables.append(pa.table({**told, **record.rows.columns}))
    file = io.BytesIO()
    csv.write_csv(pa.concat_tables(tables, promote_options="default"), file)
    return file.getvalue()


def _parquet(found: Sequence[Record]) -> bytes:
    path = records.RESULTS / "results.json"  # only its name is used
    return records.contents(path, found)[records.beside(path)]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], theirs: Sequence[int] = ()) -> str:
    """A table as HTML that scrolls in a narrow window.

    theirs: the numbers, from 0, of rows that are a paper's; they are told apart.
    """
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
    lines = []
    for number, row in enumerate(rows):
        cells = [f"<i>{html.escape(cell)}</i>" if number in theirs else html.escape(cell) for cell in row]
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return (
        '<div style="overflow-x:auto" tabindex="0"><table class="ss-table ss-wide"><thead>'
        f"<tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
