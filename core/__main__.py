"""The command line: python -m core {data, models, train, attack, ...}. Errors are one sentence, exit status 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import core.data.cli
import core.evaluate.cli
import core.examples
import core.lessons.cli
import core.models.cli
import core.papers.cli
import core.train.cli
import core.train.defending
from core.papers.smooth_adversarial_examples import CLAIMS
from core.params import CommandParser, Subparsers


def main(
    argv: list[str] | None = None, prog: str = "python -m core", add_others: Callable[[Subparsers], None] | None = None
) -> int:
    """Run one command; returns the exit status.

    prog: what the command line is called. add_others: adds verbs that are not core's, as core's own parts do.
    """
    parser: argparse.ArgumentParser = CommandParser(prog=prog, description="Smoothscope's command line.")
    parser.set_defaults(more=False)  # True: the command parses further options itself
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    data = commands.add_parser("data", help="what data sets there are; install one")
    data.set_defaults(run=core.data.cli.run)
    core.data.cli.add_commands(data.add_subparsers(required=True, metavar="VERB"))
    core.models.cli.add_commands(commands)
    core.train.cli.add_command(commands)
    core.train.defending.add_command(commands)
    core.evaluate.cli.add_command(commands)
    core.papers.cli.add_command(commands)
    core.examples.add_command(commands, CLAIMS)
    core.lessons.cli.add_command(commands)
    if add_others is not None:
        add_others(commands)
    try:
        arguments, rest = parser.parse_known_args(argv)
        if rest and not arguments.more:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        return int(arguments.run(arguments, rest) if arguments.more else arguments.run(arguments))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
