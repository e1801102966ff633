"""The cache folder: where full data sets lie, as 8-bit .npy files that are memory-mapped and written atomically."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from core import layout
from core.data import careful
from core.data.imageset import DataError

Arrays = dict[str, np.ndarray]
"""Keyed "train-images", "train-labels", ...; images uint8 (N, C, H, W), labels uint8 (N,)."""


def home() -> Path:
    """The cache folder, `layout.home`. DataError if SMOOTHSCOPE_HOME begins with the name of an unknown user."""
    try:
        return layout.home()
    except ValueError as error:
        raise DataError(str(error)) from None


def folder(name: str) -> Path:
    """Where the arrays of the data set `name` lie."""
    return home() / "data" / name


def listing(*parts: str) -> list[Path]:
    """What lies in the folder `parts` of the cache folder, sorted; nothing where that is none, or cannot be read."""
    try:
        return careful.listing(home().joinpath(*parts))
    except DataError:
        return []


def remedy(error: OSError) -> str:
    """What a person can do where `error` came from writing into the cache folder; the end of a sentence."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "free some space"
        case errno.ENAMETOOLONG:
            return "choose a shorter name"
        case _:
            return "point SMOOTHSCOPE_HOME at a folder that can be written"


def write_together(files: Mapping[Path, Callable[[IO[bytes]], object]]) -> None:
    """Write several files so that a failure at any moment leaves the old ones, whole, and no half-written new one.

    Each value is called with the open file. All are written beside their targets and flushed to the disk before the
    first takes its place. OSError if the disk is full or not writable.
    """
    temporary: dict[Path, Path] = {}
    try:
        for path, write in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary[path] = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
            with temporary[path].open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        for path, written in temporary.items():
            os.replace(written, path)
    finally:
        for written in temporary.values():
            with contextlib.suppress(OSError):
                written.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Make `folder`, if it is not there. DataError in one sentence if files cannot be put into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(f"{folder} cannot be written ({error.strerror}); {remedy(error)}.") from None


def put(files: Mapping[Path, bytes], what: str, where: Path) -> None:
    """Write all of `files` or none. DataError in one sentence that calls them `what`, if they cannot be put `where`."""

    def writer(content: bytes) -> Callable[[IO[bytes]], object]:
        return lambda file: file.write(content)

    try:
        write_together({path: writer(content) for path, content in files.items()})
    except OSError as error:
        reason = error.strerror or "write failed"
        raise DataError(f"{what} cannot be written to {where.name} ({reason}); {remedy(error)}.") from None


SUMS = "sha256.json"
"""File beside a data set's arrays: their SHA-256 as they were installed, where no official ones are known."""


def read_sums(name: str) -> dict[str, str]:
    """The SHA-256 that were recorded as the data set `name` was installed. `careful.Unreadable` (a ValueError) if none
    were, or they are damaged."""
    found = careful.parse_json(careful.read_bytes(folder(name) / SUMS, 10_000)[0])
    if not isinstance(found, dict):
        raise careful.Unreadable("is damaged")
    return {str(key): str(value) for key, value in found.items()}


def write(name: str, arrays: Arrays, sums: Mapping[str, str] | None = None) -> None:
    """Put a data set's arrays into the cache folder, all of them or none; with `sums`, their SHA-256, beside them."""

    def writer(array: np.ndarray) -> Callable[[IO[bytes]], None]:
        array = np.ascontiguousarray(array)

        def write_npy(file: IO[bytes]) -> None:
            # Not np.save: it writes around Python's file object, and its error on a full disk carries no errno.
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
            file.write(array.data)

        return write_npy

    files: dict[Path, Callable[[IO[bytes]], object]] = {}
    files |= {folder(name) / f"{key}.npy": writer(array) for key, array in arrays.items()}
    if sums is not None:
        text = json.dumps(dict(sums), indent=1).encode()
        files[folder(name) / SUMS] = lambda file: file.write(text)
    write_together(files)


def read(name: str, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """One array, memory-mapped and read-only, so that a few images of many cost little. DataError if it is damaged."""
    path = folder(name) / f"{key}.npy"
    array: np.ndarray | None
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        array = None
    if array is None or array.shape != shape or array.dtype != np.uint8:
        raise DataError(f"The file {name}/{path.name} is damaged; put it right with: python -m core data get {name}")
    return array
