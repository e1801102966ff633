"""The command `smoothscope`: the verbs of `python -m core`, and `smoothscope app`, which serves the app.

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
SERVING = {"MALLOC_ARENA_MAX": "2", "OMP_WAIT_POLICY": "passive"}
"""Few memory arenas and sleeping OpenMP threads, unless the environment says otherwise: what keeps memory and the other
sessions well when a class presses Run at once. Both are read when a process starts."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if (sentence := stranger()) is not None:
        print(f"error: {sentence}", file=sys.stderr)
        return 2
    if arguments[:1] == ["app"]:  # at once: the server needs none of what the other verbs import
        serve(arguments[1:])
    from core.__main__ import main as run

    return run(arguments, prog="smoothscope", add_others=_add_app)


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


def serve(arguments: Sequence[str]) -> NoReturn:
    """Become a server of the app; `arguments` are Streamlit's."""
    from core.layout import root

    parser = argparse.ArgumentParser(
        prog="smoothscope app",
        description="Serve the app, at http://127.0.0.1:8501 unless told otherwise, until interrupted. Further "
        "arguments are for Streamlit: --server.port 8600, --server.address 0.0.0.0; all: streamlit run --help.",
        allow_abbrev=False,
    )
    _, rest = parser.parse_known_args(arguments)
    # -P: the folder that one happens to be in is not searched for packages; it may hold another core.
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(root() / "app.py"), *rest]
    os.execve(sys.executable, command, SERVING | os.environ)


def _add_app(commands: Subparsers) -> None:
    parser = commands.add_parser("app", help="serve the app in the browser", add_help=False)
    parser.set_defaults(run=lambda _, rest: serve(rest), more=True)


if __name__ == "__main__":
    sys.exit(main())
