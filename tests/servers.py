"""Servers of this machine that tests and benchmarks start: a port for one, and whether it answers."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Goes through no proxy, whatever the environment says: what is asked is on this machine."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def healthy(address: str, patience: float = 5) -> bool:
    """Whether the Streamlit server at `address` says within `patience` seconds that it is well."""
    try:
        with _DIRECT.open(f"{address}/_stcore/health", timeout=patience) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@contextmanager
def serving(
    environment: Mapping[str, str], script: str | Path = "app.py", log: Path = Path(os.devnull)
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a server of a script, and its process, which may be killed meanwhile; it has ended afterwards.

    environment: variables. log: gets what it prints. RuntimeError, with what it printed, if it does not start.
    """
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / script), "--server.port", str(port)]
    variables = os.environ | {"PYTHONPATH": str(ROOT), **environment}
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        give_up = time.monotonic() + 60
        while not healthy(address):
            if server.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.2)
        yield address, server
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


_CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    made = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, protocol="tcp")
    print(made.scheduler_address, flush=True)
    sys.stdin.read()
    made.close()
"""


@contextmanager
def dask(*folders: Path) -> Iterator[str]:
    """The address of a Dask scheduler with two workers, each a process of one thread.

    folders: where its workers find modules beside the project's.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, *folders)))}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "cluster.py"
        script.write_text(_CLUSTER)
        command = [sys.executable, str(script)]
        with subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as started:
            assert started.stdout is not None
            yield started.stdout.readline().strip()
            assert started.stdin is not None
            started.stdin.close()
            started.wait(180)


def family(pid: int) -> list[int]:
    """A process and all that it has started, and those have."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += family(int(child))
    return found


def workers(pid: int) -> list[int]:
    """The worker processes of a server."""
    found = []
    for each in family(pid)[1:]:
        try:
            command = Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile
            continue
        if any(b"loky" in word for word in command) and not any(b"resource_tracker" in word for word in command):
            found.append(each)
    return found
