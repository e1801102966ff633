"""Many images in shards: computed here, by processes of this machine, or by a cluster, through joblib.

A shard is a batch of images with everything that its rows depend on. Whoever computes it has one thread, for sums in
another order end in other last digits: the rows are the same bit for bit wherever they come from, and however often
they were begun anew. What is done lies in a folder, a Parquet part each, written whole or not at all and named by a
hash of what it depends on: a run that was killed, or that is asked for more images, does only what is missing.

joblib starts the processes and shares out the work; Dask and Ray take its place by the backends that they register with
it. Their workers need the project and, for networks that do not come with it, the same SMOOTHSCOPE_HOME.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import joblib
import torch

from core import heap
from core.data.store import remedy, write_together
from core.evaluate.records import Rows

PROCESSES, DASK, RAY = "processes", "dask", "ray"
_ABOUT = b"smoothscope"
"""Where a part's file says what else there is to say of it."""
_WAVES = 4
"""Shards for each worker that are sent together to a backend that gives nothing back until all are done."""
_LARGE = 1 << 25  # bytes: the largest block that glibc can be told to keep

Told = Callable[[float], object]


@dataclass(frozen=True)
class Part:
    """What came of a shard."""

    rows: Rows
    seconds: float
    """Of one thread, which it took where it was computed first."""


class Shard(Protocol):
    """A batch of images and what is to be done with them. It can be pickled."""

    def depends_on(self) -> str:
        """All that the rows depend on, as text: of two shards with the same one need not be computed."""

    def compute(self, told: Told = ...) -> Part:
        """The rows; `told` hears 0 ... 1 meanwhile."""


@dataclass(frozen=True)
class Engine:
    """Who computes.

    ValueError in one sentence unless `where` is "processes", "dask:ADDRESS" (as dask:tcp://127.0.0.1:8786) or "ray" and
    `jobs` is at least 1.
    """

    where: str = PROCESSES
    jobs: int = 1
    """Shards at a time; a cluster has as many as it has places."""

    def __post_init__(self) -> None:
        name, _, address = self.where.partition(":")
        if (name == DASK) != bool(address) or name not in (PROCESSES, DASK, RAY):
            raise ValueError(f"engine must be {PROCESSES}, {DASK}:ADDRESS or {RAY}; got {self.where!r}.")
        if self.jobs < 1:
            raise ValueError(f"jobs must be at least 1; got {self.jobs}.")

    def compute(self, shards: Sequence[Shard], told: Told) -> Iterator[tuple[int, Part]]:
        """Number and part of each shard, in the order in which they are done; `told` hears 0 ... 1."""
        if self.where == PROCESSES and min(self.jobs, len(shards)) == 1:
            yield from _here(shards, told)
            return
        for done, (number, part) in enumerate(self._elsewhere(shards), 1):
            yield number, part
            told(done / len(shards))

    def _elsewhere(self, shards: Sequence[Shard]) -> Iterator[tuple[int, Part]]:
        calls = [joblib.delayed(_there)(number, shard) for number, shard in enumerate(shards)]
        with self._backend() as workers:
            if self.where == RAY:
                for start in range(0, len(calls), _WAVES * workers):
                    yield from joblib.Parallel(workers)(calls[start : start + _WAVES * workers])
            else:
                yield from joblib.Parallel(workers, return_as="generator_unordered", max_nbytes=None)(calls)

    @contextmanager
    def _backend(self) -> Iterator[int]:
        """joblib's backend, and how many shards it gets at a time."""
        name, _, address = self.where.partition(":")
        if name == PROCESSES:
            with joblib.parallel_config("loky", inner_max_num_threads=1):
                yield self.jobs
        elif name == DASK:
            client = _imported("distributed", "Dask").Client
            try:
                connected = client(address, timeout=10, set_as_default=False)
            except (OSError, ValueError) as error:
                raise ValueError(f"There is no Dask scheduler at {address} ({str(error).splitlines()[0]}).") from None
            with connected, joblib.parallel_config("dask", client=connected):
                yield max(sum(connected.nthreads().values()), 1)
        else:
            _imported("ray.util.joblib", "Ray").register_ray()
            with joblib.parallel_config("ray"):
                yield max(joblib.effective_n_jobs(-1), 1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How a command's work is shared out, which `engine_of` reads."""
    parser.add_argument("--batch-size", type=int, help="images in a shard (default: 50, or as many as fit well)")
    parser.add_argument("--jobs", type=int, help="shards at a time, a thread each (default: one for each core)")
    parser.add_argument(
        "--engine",
        default=PROCESSES,
        metavar="ENGINE",
        help="processes of this machine (default), dask:ADDRESS or ray; requirements-cluster.txt has what Dask needs",
    )


def engine_of(arguments: argparse.Namespace) -> Engine:
    """The engine that was asked for. ValueError in one sentence if there is none such."""
    return Engine(arguments.engine, joblib.cpu_count() if arguments.jobs is None else arguments.jobs)


def gather(shards: Sequence[Shard], folder: Path | None, engine: Engine, told: Told = lambda share: None) -> list[Part]:
    """The part of each shard, in their order: from `folder` where it is there, else computed, and kept there.

    told hears 0 ... 1. ValueError in one sentence if the folder cannot be written.
    """
    found = [None if folder is None else _read(_file(folder, shard)) for shard in shards]
    missing = [number for number, part in enumerate(found) if part is None]
    before = 1 - len(missing) / max(len(shards), 1)

    def hear(share: float) -> None:
        told(before + (1 - before) * share)

    hear(0.0)
    if missing:
        for place, part in engine.compute([shards[number] for number in missing], hear):
            found[missing[place]] = part
            if folder is not None:
                _write(_file(folder, shards[missing[place]]), part)
    return [part for part in found if part is not None]


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes with one thread meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _here(shards: Sequence[Shard], told: Told) -> Iterator[tuple[int, Part]]:
    _keep_freed()
    for number, shard in enumerate(shards):

        def hear(share: float, number: int = number) -> None:
            told((number + share) / len(shards))

        with one_thread():
            part = shard.compute(hear)
        yield number, part
        hear(1.0)


def _there(number: int, shard: Shard) -> tuple[int, Part]:
    """In another process."""
    _keep_freed()
    with one_thread():
        return number, shard.compute()


@cache
def _keep_freed() -> None:
    """This process keeps the memory of a freed batch for the next.

    glibc gives large blocks back at once, to ask for them, and have them filled with zeros, at every layer again.
    """
    heap.tune(heap.MMAP_THRESHOLD, _LARGE)
    heap.tune(heap.TRIM_THRESHOLD, 2 * _LARGE)


def _imported(module: str, project: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ValueError(f"{project} is not installed here; get it with: pip install {module.split('.')[0]}") from None


def _file(folder: Path, shard: Shard) -> Path:
    return folder / f"{hashlib.sha256(shard.depends_on().encode()).hexdigest()}.parquet"


def _write(path: Path, part: Part) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    about = json.dumps({"seconds": part.seconds, "digest": part.rows.digest()}).encode()
    table = pa.table(dict(part.rows.columns)).replace_schema_metadata({_ABOUT: about})
    content = io.BytesIO()
    parquet.write_table(table, content, compression="zstd")
    try:
        write_together({path: lambda file: file.write(content.getvalue())})
    except OSError as error:
        raise ValueError(f"{path.parent} cannot be written ({error.strerror}); {remedy(error)}.") from None


def _read(path: Path) -> Part | None:
    """The part in a file; None if there is no such file, or if it is not what was written."""
    import pyarrow as pa
    from pyarrow import parquet

    if not path.exists():
        return None
    try:
        table = parquet.read_table(path)
        about = json.loads(table.schema.metadata[_ABOUT])
        part = Part(Rows({name: table[name].to_numpy() for name in table.column_names}), float(about["seconds"]))
        return part if part.rows.digest() == about["digest"] else None
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException):
        return None
