"""Servers of this machine that tests and benchmarks start: a port for one, and whether it answers."""

import socket
import urllib.error
import urllib.request

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
