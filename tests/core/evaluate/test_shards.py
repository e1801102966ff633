"""The engine for many images: the same rows bit for bit, whoever computes, and only what is missing."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core import models
from core.__main__ import main
from core.attacks import SPSA, SmoothDDN
from core.evaluate import front, records, shards
from core.evaluate.attacking import correct, drawn
from core.evaluate.front import FrontRecord, measure
from core.evaluate.records import Rows
from core.evaluate.shards import Engine, Part, gather
from tests.servers import dask

ROOT = Path(__file__).parents[3]
LONG = 120


@dataclass(frozen=True)
class Squares:
    """Squares of a few numbers, and who computed them with how many threads; each time is noted in a file."""

    numbers: tuple[int, ...]
    log: Path

    def depends_on(self):
        return repr(self.numbers)

    def compute(self, told=lambda share: None):
        with self.log.open("a") as file:
            file.write(f"{self.numbers[0]}\n")
        told(0.5)
        if 13 in self.numbers:
            raise ValueError("13 is not squared here.")
        squares = np.square(self.numbers)
        who = np.full(len(squares), os.getpid()), np.full(len(squares), torch.get_num_threads())
        return Part(Rows({"square": squares, "by": who[0], "threads": who[1]}), 0.5)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def squares(log: Path, *groups: tuple[int, ...]) -> list[Squares]:
    return [Squares(group, log) for group in groups]


def computed(log: Path) -> list[int]:
    """First numbers of the shards that were computed, sorted."""
    found = sorted(map(int, log.read_text().split())) if log.exists() else []
    log.unlink(missing_ok=True)
    return found


LAYERS = """
import resource, torch
from core.evaluate.records import Rows
from core.evaluate.shards import Engine, Part, gather

class Layers:
    def depends_on(self):
        return "layers"

    def compute(self, told=lambda share: None):
        for again in range(20):
            if again == 1:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            layers = [torch.ones(1 << 20) for _ in range(4)]
            del layers
        return Part(Rows({"pages": [resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]}), 0.5)

print(Layers().compute().rows["pages"][0], gather([Layers()], None, Engine())[0].rows["pages"][0])
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="a C library other than glibc")
def test_memory_that_a_batch_freed_is_the_next_ones():
    """Of twenty passes over four layers' worth of memory, 4 MB each, how many pages were new to the process."""
    small = {"MALLOC_MMAP_THRESHOLD_": str(1 << 17), "MALLOC_TRIM_THRESHOLD_": str(1 << 17)}  # as one begins
    command = [sys.executable, "-c", LAYERS]
    found = subprocess.run(command, cwd=ROOT, env=os.environ | small, capture_output=True, text=True, check=True)
    given_back, kept = map(int, found.stdout.split())
    assert given_back > 19 * 4 * 1000  # pages of 4 kB
    assert kept < given_back / 10


GROUPS = (1, 2), (3,), (4, 5, 6)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_parts_come_in_the_order_of_the_shards_and_from_one_thread(log, jobs):
    before, told = torch.get_num_threads(), []
    found = gather(squares(log, *GROUPS), None, Engine(jobs=jobs), told.append)
    assert [part.rows["square"].tolist() for part in found] == [[1, 4], [9], [16, 25, 36]]
    assert all((part.rows["threads"] == 1).all() for part in found)
    assert ({int(part.rows["by"][0]) for part in found} == {os.getpid()}) == (jobs == 1)
    assert torch.get_num_threads() == before
    assert (told[0], told[-1], told) == (0.0, 1.0, sorted(told))
    assert len(told) == (7 if jobs == 1 else 4)  # one process tells within a shard too


@pytest.mark.parametrize("jobs", [1, 2])
def test_only_what_is_missing_is_computed(log, tmp_path, jobs):
    engine = Engine(jobs=jobs)
    first = gather(squares(log, *GROUPS[:2]), tmp_path / "new" / "parts", engine)
    assert computed(log) == [1, 3]
    told: list[float] = []
    more = gather(squares(log, *GROUPS), tmp_path / "new" / "parts", engine, told.append)
    assert computed(log) == [4]
    assert [part.rows for part in more[:2]] == [part.rows for part in first]
    assert (more[0].seconds, told[0]) == (0.5, pytest.approx(2 / 3))
    gather(squares(log, *GROUPS), tmp_path / "new" / "parts", engine)
    assert computed(log) == []


def test_what_was_done_before_something_went_wrong_is_kept(log, tmp_path):
    with pytest.raises(ValueError, match="13 is not squared"):
        gather(squares(log, (1,), (2,), (13,), (4,)), tmp_path, Engine())
    assert computed(log) == [1, 2, 13]
    gather(squares(log, (1,), (2,), (3,), (4,)), tmp_path, Engine())
    assert computed(log) == [3, 4]


@pytest.mark.parametrize("harm", ["cut off", "empty", "other rows", "no part", "not a Parquet file"])
def test_a_part_that_is_not_what_was_written_is_made_again(log, tmp_path, harm):
    gather(squares(log, *GROUPS), tmp_path, Engine())
    computed(log)
    path = shards._file(tmp_path, Squares((3,), log))
    if harm == "other rows":
        import pyarrow.parquet as parquet

        table = parquet.read_table(path)
        parquet.write_table(table.set_column(0, "square", [[10]]), path)
    elif harm == "no part":
        import pyarrow as pa
        import pyarrow.parquet as parquet

        parquet.write_table(pa.table({"square": [9]}), path)
    else:
        content = path.read_bytes()
        path.write_bytes({"cut off": content[:-9], "empty": b"", "not a Parquet file": b"Dear all,"}[harm])
    found = gather(squares(log, *GROUPS), tmp_path, Engine())
    assert computed(log) == [3]
    assert found[1].rows["square"].tolist() == [9]


def test_a_full_disk_is_said_in_a_sentence_and_leaves_no_half_part(log, tmp_path, monkeypatch):
    def full(files):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards, "write_together", full)
    with pytest.raises(ValueError, match=r"cannot be written \(No space left on device\); free some space\."):
        gather(squares(log, *GROUPS), tmp_path / "parts", Engine())
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize(
    ("where", "jobs", "sentence"),
    [
        ("threads", 1, "engine must be processes, dask:ADDRESS or ray; got 'threads'"),
        ("dask", 1, "engine must be processes, dask:ADDRESS or ray; got 'dask'"),
        ("processes:4", 1, "engine must be processes, dask:ADDRESS or ray; got 'processes:4'"),
        ("processes", 0, "jobs must be at least 1; got 0"),
    ],
)
def test_an_engine_that_there_is_not_is_refused(where, jobs, sentence):
    with pytest.raises(ValueError, match=sentence):
        Engine(where, jobs)


def test_a_cluster_that_is_not_there_is_said_in_a_sentence(log, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match="Ray is not installed here; get it with: pip install ray"):
        gather(squares(log, *GROUPS), None, Engine("ray"))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="Dask is not installed here; get it with: pip install distributed"):
        gather(squares(log, *GROUPS), None, Engine("dask:tcp://127.0.0.1:1"))


# --- Fronts ---


@pytest.fixture(scope="module")
def images():
    return correct(models.load("mnist-c4-ce"), drawn("mnist", 0), 20)


def of(attack, images, **options) -> FrontRecord:
    return measure(attack, models.load("mnist-c4-ce"), images, metrics=("l2", "roughness"), batch_size=6, **options)


ATTACK = SmoothDDN(passes=8, quantised=True)


@pytest.fixture(scope="module")
def alone(images) -> FrontRecord:
    return of(ATTACK, images, norms=(1.5,))


def test_two_processes_give_the_same_rows_as_one(images, alone):
    both = of(ATTACK, images, norms=(1.5,), engine=Engine(jobs=2))
    assert both.rows == alone.rows
    assert both.fooled == alone.fooled > 0


def test_more_images_begin_with_the_same_rows(images, alone, tmp_path):
    of(ATTACK, images[:12], norms=(1.5,), parts=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    more = of(ATTACK, images, norms=(1.5,), parts=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    assert more.rows == alone.rows
    of(ATTACK, images, norms=(1.0,), parts=tmp_path)
    of(ATTACK.replace(passes=9), images, norms=(1.5,), parts=tmp_path)
    assert len(list(tmp_path.iterdir())) == 12  # of another norm, and of another attack, all are others


def test_what_is_drawn_at_random_is_another_s_in_every_shard(images):
    """The same pictures in two shards: SPSA's signs differ, and are the same in every run."""
    twice = replace(images[[0, 1, 2, 3, 4, 5] * 2], indices=torch.arange(12))
    attack = SPSA(epsilon=0.1, rounds=1, samples=2)
    found, again = (of(attack, twice, in_float=True, norms=(1.0,)).column("roughness_at_1") for _ in range(2))
    assert np.array_equal(found, again)
    assert np.isfinite(found).all()
    assert (found[:6] != found[6:]).all()


def test_a_network_that_is_another_elsewhere_is_refused(images):
    shard = front.AttackShard(
        ATTACK, records.Network(name="mnist-c4-ce", sha256="0" * 64), None, images[:2], ("l2",), (), False, 0
    )
    with pytest.raises(ValueError, match="mnist-c4-ce is another network where this was to be computed"):
        shard.compute()


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a Dask scheduler with two workers, each a process."""
    with dask(Path(__file__).parent) as address:
        yield address


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_rows(images, alone, scheduler):
    there = of(ATTACK, images, norms=(1.5,), engine=Engine(f"dask:{scheduler}"))
    assert there.rows == alone.rows


def test_a_cluster_computes_in_its_own_processes(log, scheduler):
    found = gather(squares(log, *GROUPS), None, Engine(f"dask:{scheduler}"))
    assert [part.rows["square"].tolist() for part in found] == [[1, 4], [9], [16, 25, 36]]
    assert os.getpid() not in {int(part.rows["by"][0]) for part in found}


MODEL = ["evaluate", "front", "--model", "mnist-c4-ce", "--n", "24", "--batch-size", "4"]
COMMAND = [*MODEL, "--attacks", "sddn:passes=30", "--metrics", "mad", "--norms"]


def test_a_run_that_was_killed_goes_on_and_gives_the_same_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    whole, killed = tmp_path / "whole.json", tmp_path / "killed.json"
    assert main([*COMMAND, "--jobs", "1", "--out", str(whole)]) == 0
    parts = tmp_path / "killed.parts"
    command = [sys.executable, "-m", "core", *COMMAND, "--jobs", "2", "--out", str(killed)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    give_up = time.monotonic() + LONG
    while not list(parts.glob("*.parquet")):
        assert process.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in parts.glob("*.parquet")}
    assert not killed.exists()
    assert main([*COMMAND, "--jobs", "1", "--out", str(killed)]) == 0
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())
    (one,), (other,) = records.read(whole, FrontRecord), records.read(killed, FrontRecord)
    assert one.rows == other.rows
    assert len(list(parts.glob("*.parquet"))) == 6
    capsys.readouterr()
    assert main([*COMMAND, "--engine", "dask"]) == 2
    assert capsys.readouterr().err == "error: engine must be processes, dask:ADDRESS or ray; got 'dask'.\n"
