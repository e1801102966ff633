"""`smoothscope doctor`: what there is to know of a machine on which Smoothscope is slow, or does not start."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PACKAGES = ("streamlit", "torch", "torchvision", "numpy", "pillow", "plotly", "pydantic", "filelock")
WIDTH = 100
"""Columns of the page."""
NEEDED = {"mnist-c4-ce": 0.010, "imagenet-efficientnet-lite0": 0.100}
"""Networks that are timed -> seconds that a gradient on one picture takes on a machine on which pages do not wait."""
ROOM = 2e9
"""Bytes of memory that a server and its workers want each, at photographs."""
DISK = 2e9
"""Bytes that should be free where trainings and data sets go."""
WRITING = 20e6
"""Bytes a second that a disk should take."""


@dataclass(frozen=True)
class Finding:
    """Something that is said of the machine; `advice` where it is slow, or wrong."""

    name: str
    text: str
    advice: str = ""


def report() -> tuple[str, bool]:
    """The page, and whether everything that must work does."""
    findings = [*_versions(), *_machine(), *_homes(), *_settings(), *_speed()]
    lines = ["Smoothscope, looked over", ""]
    for finding in findings:
        lines += _row(finding.name, finding.text)
    advice = [finding.advice for finding in findings if finding.advice]
    lines += ["", "What is slow or wrong, and why:" if advice else "Nothing is slow or wrong."]
    for sentence in advice:
        lines += _row("  -", sentence, 4)
    return "\n".join(lines), not any(finding.name == "not legal" for finding in findings)


def _row(name: str, text: str, indent: int = 14) -> list[str]:
    """`text` wrapped, with `name` before its first line."""
    lines, line = [], name.ljust(indent)
    for word in text.split(" "):
        if len(line) + len(word) > WIDTH and line.strip() != name.strip():
            lines.append(line.rstrip())
            line = " " * indent
        line += word + " "
    return [*lines, line.rstrip()]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _versions() -> Iterator[Finding]:
    import core

    yield Finding("Smoothscope", f"{core.__version__}, Python {platform.python_version()}, {platform.platform()}")
    found = {package: _version(package) for package in PACKAGES}
    missing = [package for package, version in found.items() if version == "missing"]
    advice = f"{', '.join(missing)}: not installed here; install Smoothscope again." if missing else ""
    yield Finding("packages", ", ".join(f"{package} {version}" for package, version in found.items()), advice)


def cores() -> float:
    """Processors that this process may use: those of the machine, as far as affinity and the container allow."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return min(float(allowed), float(quota) / float(period))
    except (OSError, ValueError):  # no such group, or "max"
        return float(allowed)


def memory() -> float | None:
    """Bytes of memory that this process may use; None where the system does not say."""
    try:
        whole = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return None
    try:
        return min(whole, float(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):
        return whole


def _machine() -> Iterator[Finding]:
    import torch

    from core.models import default_device
    from pages.parts.shell.settings import settings

    device = default_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    built = f"PyTorch built for CUDA {torch.version.cuda}" if torch.version.cuda else "PyTorch without CUDA"
    advice = ""
    if device.type == "cpu":
        advice = "There is no GPU that PyTorch can use: attacks on photographs and trainings on CIFAR-10 are slow."
        if torch.version.cuda:
            advice += " This PyTorch is built for one; its build for CPUs is several GB smaller."
    yield Finding("device", f"{name}; {built}", advice)

    there, threads, workers = cores(), torch.get_num_threads(), settings().workers
    words = {variable: os.environ.get(variable, "") for variable in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")}
    said = "".join(f", {variable}={value}" for variable, value in words.items() if value)
    advice = ""
    if workers > there:
        advice = (
            f"{workers} workers share {there:g} processors: jobs get in each other's way; set SMOOTHSCOPE_WORKERS to "
            f"{max(int(there), 1)}."
        )
    elif threads > there:
        advice = f"PyTorch uses {threads} threads on {there:g} processors; set OMP_NUM_THREADS to {max(int(there), 1)}."
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    yield Finding("processors", f"{there:g}, {threads} threads for a job that is alone{said}; load {load:.1f}", advice)
    if load > 1.5 * there:
        yield Finding(
            "load", f"{load:.1f}", f"The machine does other things: {load:.1f} processes want {there:g} cores."
        )

    room, wanted = memory(), ROOM * (1 + workers)
    if room is not None:
        advice = f"{_size(room)} of memory is little for {workers} workers; {_size(wanted)} would do." * (room < wanted)
        yield Finding("memory", _size(room), advice)


def _size(number: float) -> str:
    from core.data.careful import size

    return size(int(number))


def _homes() -> Iterator[Finding]:
    from core import models
    from core.data import DATASETS, home, store
    from core.train import runs

    usable, unusable = models.survey()
    shipped = sum(models.is_shipped(name) for name in usable)
    advice = f"Checkpoints that cannot be used: {len(unusable)}; smoothscope models list says why." if unusable else ""
    yield Finding("networks", f"{shipped} shipped, {len(usable) - shipped} own", advice)
    installed = [name for name, dataset in DATASETS.items() if name != "photos" and dataset.installed()]
    yield Finding("data sets", ", ".join(installed) or "none whole; the galleries serve")
    try:
        folder = home()
        store.check_writable(folder)
    except ValueError as error:
        yield Finding("home", os.environ.get("SMOOTHSCOPE_HOME", ""), str(error))
        return
    visitors = [path for path in store.listing("runs") if path.is_dir()]
    others = sum(len(runs.listing(path.name)) for path in visitors)
    text = f"{folder}, {len(runs.listing())} unfinished trainings"
    yield Finding("home", text + (f", {others} of {len(visitors)} visitors" if visitors else ""))
    free = shutil.disk_usage(folder).free
    speed = _writing(folder)
    advice = f"There is little room for data sets and trainings: {_size(free)}." if free < DISK else ""
    if speed < WRITING:
        advice = f"{advice} The disk takes {_size(speed)} a second: keeping a training takes long.".strip()
    yield Finding("disk", f"{_size(free)} free, takes {_size(speed)} a second", advice)


def _writing(folder: Path, amount: int = 8_000_000) -> float:
    """Bytes a second that a file in `folder` takes until it is on the disk."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            start = time.perf_counter()
            file.write(bytes(amount))
            file.flush()
            os.fsync(file.fileno())
            return amount / (time.perf_counter() - start)
    except OSError:
        return 0.0


def _settings() -> Iterator[Finding]:
    from pages.parts.shell import settings as module

    settings = module.settings()
    if (problem := module.problem()) is not None:
        yield Finding("not legal", problem, f"No page is served until this is put right: {problem}")
    set_here = {name for name, field in type(settings).model_fields.items() if getattr(settings, name) != field.default}
    values = [f"{name}={getattr(settings, name)}" for name in type(settings).model_fields if name in set_here]
    yield Finding("settings", ", ".join(values) or "all as they come")
    usual = [f"{n}={v:g}" for n, v in settings if n not in set_here and isinstance(v, int | float)]
    yield Finding("as they come", ", ".join(usual))
    for name, meant in module.unknown().items():
        hint = f"; did you mean {meant}?" if meant else "."
        yield Finding("unknown", name, f"{name} sets nothing{hint}")
    if settings.cluster is not None:
        if importlib.util.find_spec("distributed") is None:
            advice = "SMOOTHSCOPE_CLUSTER takes the package distributed, which is not installed; jobs cannot run."
            yield Finding("cluster", "cannot be asked", advice)
        elif not _answers(settings.cluster):
            yield Finding("cluster", "does not answer", f"No scheduler answers at {settings.cluster}; jobs cannot run.")


def _answers(address: str) -> bool:
    """Whether something listens at the address of a scheduler."""
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=3):
            return True
    except OSError:
        return False


def _speed() -> Iterator[Finding]:
    import torch

    from core import models

    for name, needed in NEEDED.items():
        try:
            model = models.load(name)
        except ValueError as error:
            yield Finding("gradient", name, str(error))
            continue
        x = torch.full((1, *model.card.input_shape), 0.5, requires_grad=True, device=next(model.buffers()).device)
        seconds = []
        for _ in range(4):  # the first prepares
            start = time.perf_counter()
            model(x).amax().backward()
            seconds.append(time.perf_counter() - start)
        best = min(seconds)
        text = f"{1000 * best:.1f} ms on one picture, {name}"
        steps = f"an attack of 200 steps takes {200 * best:.0f} s"
        advice = f"A gradient of {name} takes {1000 * best:.0f} ms, so that {steps}." if best > needed else ""
        yield Finding("gradient", text, advice)


def main() -> int:
    """Print the page; returns the exit status, 1 if the settings are not legal."""
    text, good = report()
    print(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
