"""Results as data: a record says what was measured, on what, how and with which numbers; one reader, one writer.

A record is frozen, checks its own numbers when it is made, and goes into a file together with a digest of its content:
a number that was changed by hand is refused when it is read. Records of one kind lie in one `Collection`: a JSON file
for a person to read and, where there is a row an image, a Parquet file of the same name beside it.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import IO, Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from torch import Tensor

import core
from core import models
from core.data import ImageSet
from core.data.store import write_together
from core.layout import ASSETS
from core.models import Card, Classifier
from core.params import Parameters, fields

RESULTS = ASSETS / "results"
"""Where the results lie that pages draw."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """Base of everything in a record: closed, finite, not to be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)


class Network(Frozen):
    """A trained network, by the weights that were measured."""

    name: str
    sha256: Sha256

    @classmethod
    def of(cls, card: Card) -> Network:
        """The network that `card` describes."""
        return cls(name=card.name, sha256=card.sha256)

    def load(self) -> Classifier:
        """The network by its name, as another process has it. ValueError in one sentence if it is not there, or another
        has its name."""
        found = models.load(self.name)
        if found.card.sha256 != self.sha256:
            raise ValueError(f"{self.name} is another network where this was to be computed.")
        return found


class Data(Frozen):
    """The images that were measured: the first `n` of a split, in the order that `seed` draws."""

    name: str
    """Key in core.data.DATASETS, "folder:NAME", or what was made for the purpose."""
    split: str
    source: Literal["full", "gallery", "files", "made"]
    n: int = Field(ge=1)
    seed: int | None = None
    """None: all of the split, in its own order."""
    sha256: Sha256 | None = None
    """Of shape and pixels; None only where a record says that it lacks it."""

    @classmethod
    def of(cls, images: ImageSet, seed: int | None) -> Data:
        """These images, which `seed` drew."""
        return cls(
            name=images.name,
            split=images.split,
            source=images.source,
            n=len(images),
            seed=seed,
            sha256=identity(images.images),
        )


def identity(images: Tensor) -> str:
    """SHA-256 of images (N, C, H, W): of their shape and their float32 values."""
    found = hashlib.sha256(repr(tuple(images.shape)).encode())
    found.update(images.detach().float().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


class Setting(Frozen):
    """Something with declared parameters, by name and values: an attack, a loss, a projection, a protocol."""

    name: str
    parameters: dict[str, Any] = {}

    @classmethod
    def of(cls, declared: Parameters) -> Setting:
        """All values of `declared`, under its own name."""
        return cls(name=str(getattr(declared, "name", type(declared).__name__)), parameters=declared.values())

    def is_of(self, declared: Parameters) -> bool:
        """Whether it is `declared`; a parameter that was added since it was written counts as at its default."""
        values = declared.values()
        if self.name != getattr(declared, "name", type(declared).__name__) or not set(self.parameters) <= set(values):
            return False
        defaults = {info.name: info.default for info in fields(type(declared))}
        return all(self.parameters.get(name, defaults[name]) == value for name, value in values.items())

    def said(self) -> str:
        """The parameters in one line: "epsilon 0.1, updates 10"."""
        return ", ".join(f"{name} {value}" for name, value in self.parameters.items())


class Rows:
    """A row an image: columns (N,) by name, numbers, booleans or text, which cannot be changed."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        """columns: arrays, tensors or lists (N,). ValueError unless there is one and all are as long."""
        found: dict[str, NDArray[Any]] = {}
        for name, values in columns.items():
            array = np.array(values.detach().cpu().numpy() if isinstance(values, Tensor) else values)
            array.setflags(write=False)
            found[name] = array
        if not found or {a.shape for a in found.values()} != {(len(next(iter(found.values()))),)}:
            told = ", ".join(f"{name} {array.shape}" for name, array in found.items())
            raise ValueError(f"columns must be one or more of shape (N,), all of one length; got {told or 'none'}.")
        self.columns: Mapping[str, NDArray[Any]] = MappingProxyType(found)

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """One after the other, one or more of the same columns."""
        return cls({name: np.concatenate([part[name] for part in parts]) for name in parts[0].columns})

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and self.digest() == other.digest()

    def __hash__(self) -> int:
        return hash(self.digest())

    def __reduce__(self) -> tuple[type[Rows], tuple[dict[str, NDArray[Any]]]]:
        return Rows, (dict(self.columns),)  # a mapping proxy cannot be pickled

    def __repr__(self) -> str:
        return f"Rows({len(self)} x {', '.join(self.columns)})"

    def digest(self) -> str:
        """SHA-256 of names, types and values."""
        found = hashlib.sha256()
        for name, array in sorted(self.columns.items()):
            text = array.dtype.kind in "UO"
            found.update(f"{name} {'text' if text else array.dtype.str} {len(array)}\n".encode())
            found.update("\0".join(array.tolist()).encode() if text else array.tobytes())
        return found.hexdigest()

    def common(self, other: Rows, on: str = "index") -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Row numbers, in the one and in the other, of the images that both hold, in the same order."""
        _, mine, theirs = np.intersect1d(self[on], other[on], assume_unique=True, return_indices=True)
        return mine, theirs


class Record(Frozen):
    """What was measured, on what, how, and with which numbers, which subclasses add."""

    kind: ClassVar[str]
    """Of this record; a file holds records of one kind."""

    network: Network | None = None
    """The network that was measured; None where networks were trained for the purpose and not kept."""
    data: Data
    """The images that it was measured on."""
    protocol: Setting
    """What was done: an attack with all its parameters, or the steps of a paper's experiment."""
    command: str
    """What makes it again."""
    versions: dict[str, str]
    lacks: str = ""
    """What is not known of it, for instance because an older result was converted."""
    rows: Rows | None = Field(None, exclude=True, repr=False)
    """A row an image, where the kind has them."""

    @property
    def key(self) -> tuple[object, ...]:
        """What it is the result of; of two records with one key the later replaces the earlier."""
        name = None if self.network is None else self.network.name
        return (
            name,
            self.data.name,
            self.data.split,
            self.protocol.name,
            json.dumps(self.protocol.parameters, sort_keys=True),
        )

    @property
    def title(self) -> str:
        """The record in a few words, for messages and the names of tests."""
        subject = self.data.name if self.network is None else self.network.name
        return f"{subject}, {self.protocol.name} ({self.protocol.said()})"

    def digest(self) -> str:
        """SHA-256 of everything in the record, its rows included."""
        body = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        rows = "" if self.rows is None else self.rows.digest()
        return hashlib.sha256(f"{self.kind}\n{body}\n{rows}".encode()).hexdigest()


R = TypeVar("R", bound=Record)


def versions() -> dict[str, str]:
    """What a number may depend on besides what a record says."""
    return {
        "smoothscope": core.__version__,
        "torch": torch.__version__.split("+")[0],
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


def lacking(known: Record | None) -> str:
    """What a record that goes on from `known` lacks: what that lacks, and that its images were measured with other
    versions, if they were."""
    if known is None:
        return ""
    told = ", ".join(f"{name} {version}" for name, version in known.versions.items())
    mixed = "" if known.versions == versions() else f"The first {known.data.n} images were measured with {told}."
    return f"{known.lacks} {mixed}".strip()


def write(path: Path, records: Sequence[Record]) -> None:
    """Write records to `path`, a JSON file, and their rows into the Parquet file of the same name, both or neither.

    ValueError in one sentence as `contents`, and if the disk is full or refuses.
    """
    found = contents(path, records)
    try:
        write_together({file: partial(_put, content) for file, content in found.items()})
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror}); free some space or choose another.") from None


def contents(path: Path, records: Sequence[Record]) -> dict[Path, bytes]:
    """What `write` puts into the file `path`, and into the one beside it if there are rows.

    ValueError in one sentence unless records are at least one, all of a kind, all with rows or none.
    """
    kinds = sorted({record.kind for record in records})
    if len(kinds) != 1:
        raise ValueError(f"records must be of one kind, at least one; got {', '.join(kinds) or 'none'}.")
    entries = [record.model_dump(mode="json") | {"digest": record.digest()} for record in records]
    text = json.dumps({"kind": kinds[0], "records": entries}, indent=1, ensure_ascii=False)
    found = {path: f"{text}\n".encode()}
    rows = [record.rows for record in records]
    if any(one is not None for one in rows):
        found[beside(path)] = _parquet([one for one in rows if one is not None], len(records))
    return found


def beside(path: Path) -> Path:
    """The Parquet file with the rows of the records in `path`."""
    return path.with_suffix(".parquet")


def _put(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _parquet(rows: Sequence[Rows], records: int) -> bytes:
    """All rows as one Parquet file; the column "record" says which record a row belongs to. What another record's rows
    have and a record's have not is null."""
    import pyarrow as pa
    from pyarrow import parquet

    if len(rows) != records:
        raise ValueError("records of one file must have rows, all of them or none.")
    table: dict[str, Any] = {"record": np.repeat(np.arange(records, dtype=np.int32), [len(one) for one in rows])}
    floats, words = [], []
    for name in dict.fromkeys(name for one in rows for name in one.columns):
        there = [one[name] for one in rows if name in one.columns]
        floats += [name] * (there[0].dtype.kind == "f")
        words += [name] * (there[0].dtype.kind not in "fiub")
        table[name] = np.concatenate(there)
        if len(there) < records:
            kind = pa.array(table[name]).type
            each = [pa.array(one[name]) if name in one.columns else pa.nulls(len(one), kind) for one in rows]
            table[name] = pa.concat_arrays(each)
    buffer = io.BytesIO()
    parquet.write_table(
        pa.table(table),
        buffer,
        compression="zstd",
        compression_level=19,
        use_dictionary=words,
        use_byte_stream_split=floats,
        # A column on one page: what records share, the same images mostly, is found again within a page only.
        data_page_size=2**26,
        max_rows_per_page=2**24,
    )
    return buffer.getvalue()


def read(path: Path, of: type[R]) -> tuple[R, ...]:
    """The records of the class `of` in the file `path`, with their rows; none if there is no such file.

    ValueError in one sentence if the file is damaged, holds records of another kind, or if a record is not what was
    measured: its digest is another's.
    """
    kind, entries = entries_of(path)
    if entries and kind != of.kind:
        raise ValueError(f"{path.name} holds results of the kind {kind!r}, not {of.kind!r}; choose another file.")
    return tuple(checked(path, entry, of) for entry in entries)


@dataclass(frozen=True)
class Entry:
    """A record as it stands in a file, not checked yet."""

    content: Mapping[str, Any]
    rows: Rows | None


def entries_of(path: Path) -> tuple[str, list[Entry]]:
    """The kind of the records in a file, and its entries; "" and none if there is no such file.

    ValueError in one sentence if it is damaged.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        kind, contents = str(body["kind"]), [dict(content) for content in body["records"]]
        rows = _rows(beside(path), len(contents)) if beside(path).exists() else [None] * len(contents)
    except FileNotFoundError:
        return "", []
    except (OSError, ValueError, LookupError, TypeError):
        raise ValueError(f"{path.name} is damaged; check it out again, or delete it to begin anew.") from None
    return kind, [Entry(content, mine) for content, mine in zip(contents, rows, strict=True)]


def checked(path: Path, entry: Entry, of: type[R]) -> R:
    """The record of an entry of the file `path`; ValueError in one sentence if it is not what was measured."""
    content = {name: value for name, value in entry.content.items() if name != "digest"}
    try:
        record = of.model_validate(content | {"rows": entry.rows})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "a number"
        raise ValueError(f"{path.name}: {where} of a record is wrong ({first['msg']}); check it out again.") from None
    if record.digest() != entry.content.get("digest"):
        raise ValueError(
            f"{path.name}: the record of {record.title} is not what was measured; make it again with: {record.command}"
        )
    return record


def _rows(path: Path, records: int) -> list[Rows]:
    """The rows of each record, each with the columns that are its own."""
    from pyarrow import parquet

    table = parquet.read_table(path)
    ends = np.searchsorted(table["record"].to_numpy(), np.arange(records + 1))
    found: list[dict[str, NDArray[Any]]] = [{} for _ in range(records)]
    for name in table.column_names[1:]:
        column = table[name]
        whole = None if column.null_count else column.to_numpy()
        for mine, (start, end) in zip(found, pairwise(ends), strict=True):
            if whole is not None:
                mine[name] = whole[start:end]
            elif not (part := column.slice(start, end - start)).null_count:
                mine[name] = part.to_numpy()
    return [Rows(mine) for mine in found]


@dataclass(frozen=True)
class Collection(Generic[R]):
    """The records of one kind that come with the project, or lie at another place."""

    of: type[R]
    path: Path

    @classmethod
    def shipped(cls, of: type[R]) -> Collection[R]:
        """The one that comes with the project: assets/results/KIND.json."""
        return cls(of, RESULTS / f"{of.kind}.json")

    def at(self, path: Path) -> Self:
        """The same kind of records in another file."""
        return replace(self, path=path)

    def read(self) -> tuple[R, ...]:
        """All records; ValueError in one sentence as `read`."""
        return read(self.path, self.of)

    def put(self, record: R, beside: Callable[[R], bool] = lambda other: True) -> None:
        """Add a record, in place of the one with its key if there is one, and write the file.

        beside: which of the others may stand beside it; the rest, of another run, is dropped.
        """
        kept = [other for other in self.read() if beside(other)]
        places = [i for i, other in enumerate(kept) if other.key == record.key]
        kept[places[0] if places else len(kept) : (places[0] + 1) if places else len(kept)] = [record]
        write(self.path, kept)


def complaint(record: Record) -> str | None:
    """Why a record must not be shown beside the networks that are here: one sentence, or None.

    Its network is not there or cannot be used, or it has other weights now than those that were measured.
    """
    if record.network is None:
        return None
    name = record.network.name
    try:
        card = models.card(name)
    except ValueError:
        return f"The stored result for {name} is left out: there is no such network here."
    if card.sha256 != record.network.sha256:
        return f"The stored result for {name} is left out: it is of other weights; make it again with: {record.command}"
    return None


def sound(records: Iterable[R]) -> tuple[list[R], list[str]]:
    """The records of networks as they are here, and one sentence for each network whose records are refused."""
    kept: list[R] = []
    asked: dict[Network | None, str | None] = {}
    for record in records:
        if record.network not in asked:
            asked[record.network] = complaint(record)
        if asked[record.network] is None:
            kept.append(record)
    return kept, [told for told in asked.values() if told is not None]
