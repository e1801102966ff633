"""The command `smoothscope`: the verbs of `python -m core`, `smoothscope app`, which serves the app, and `doctor`.

It does not lie in core, because other packages are called core too: this is where it is said if Python finds one of
those instead.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from core.params import Subparsers

PACKAGES = Path(__file__).resolve().parents[1]
"""The folder that this package is imported from; core must come from there too."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if (sentence := stranger()) is not None:
        print(f"error: {sentence}", file=sys.stderr)
        return 2
    if arguments[:1] == ["app"]:  # at once: the server needs none of what the other verbs import
        try:
            serve(arguments[1:])
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    from core.__main__ import main as run

    return run(arguments, prog="smoothscope", add_others=_add_others)


def stranger(packages: Path = PACKAGES) -> str | None:
    """What is wrong, in one sentence, if `import core` would not give the core that lies in `packages`; else None."""
    ours = packages / "core" / "__init__.py"
    if not ours.is_file():
        return f"Smoothscope's package core is missing in {packages}; install Smoothscope again."
    if "Smoothscope" not in ours.read_text(encoding="utf-8"):
        return (
            f"another package called core has been installed over Smoothscope's, into {ours.parent}; install "
            "Smoothscope into a virtual environment of its own."
        )
    found = importlib.util.find_spec("core")  # runs nothing of it
    origin = Path((found and found.origin) or "").resolve()
    if origin != ours:
        return (
            f"Python finds another package called core, {origin.parent}, before Smoothscope's; install Smoothscope "
            "into a virtual environment of its own, and keep that folder out of PYTHONPATH."
        )
    return None


LOCAL = ("localhost", "127.0.0.1", "::1")
"""Names by which a server that listens on this machine alone is reached."""


def serve(arguments: Sequence[str]) -> NoReturn:
    """Become a server of the app; `arguments` are Streamlit's. ValueError in one sentence if a setting is not legal."""
    from core.layout import root

    _find_pages()
    from pages.parts.engine import process
    from pages.parts.shell.settings import Settings

    parser = argparse.ArgumentParser(
        prog="smoothscope app",
        description="Serve the app, at http://127.0.0.1:8501 unless told otherwise, until interrupted. Further "
        "arguments are for Streamlit: --server.port 8600, --server.address 0.0.0.0; all: streamlit run --help.",
        allow_abbrev=False,
    )
    _, rest = parser.parse_known_args(arguments)
    # -P: the folder that one happens to be in is not searched for packages; it may hold another core.
    hosts = [f"--server.allowedHosts={host.strip('[]')}" for host in Settings().allowed_hosts or _local(rest)]
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(root() / "app.py"), *hosts, *rest]
    os.execve(sys.executable, command, process.missing() | os.environ)


def _local(arguments: Sequence[str]) -> Sequence[str]:
    """LOCAL if a server with Streamlit's `arguments` listens on this machine alone and no other names are allowed it.

    Else a stranger's page could have its own name lead here, and the browser would take this server for that page's
    own (DNS rebinding).
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--server.address", dest="address", default=os.environ.get("STREAMLIT_SERVER_ADDRESS"))
    parser.add_argument("--server.allowedHosts", dest="hosts", default=os.environ.get("STREAMLIT_SERVER_ALLOWED_HOSTS"))
    given, _ = parser.parse_known_args(arguments)
    return LOCAL if given.hosts is None and (given.address or LOCAL[1]) in LOCAL else ()


def _find_pages() -> None:
    """Have `import pages` give the pages of this Smoothscope, which an installed one has in its own package."""
    from core.layout import root

    if str(root()) not in sys.path:
        sys.path.insert(0, str(root()))


def _examine() -> int:
    _find_pages()
    from smoothscope.doctor import main

    return main()


def _add_others(commands: Subparsers) -> None:
    parser = commands.add_parser("app", help="serve the app in the browser", add_help=False)
    parser.set_defaults(run=lambda _, rest: serve(rest), more=True)
    text = "what there is to know of this machine, and what is slow here and why, on one page"
    parser = commands.add_parser("doctor", help=text, description=f"Print {text}.")
    parser.set_defaults(run=lambda _: _examine())


if __name__ == "__main__":
    sys.exit(main())
