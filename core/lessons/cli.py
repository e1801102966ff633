"""`python -m core lessons list | check [FILE ...] | handout [NAME ...] --out FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from core.lessons import handout, places, reading, runs
from core.params import Subparsers


def add_command(subparsers: Subparsers) -> None:
    """Register `lessons` with its verbs."""
    parser = subparsers.add_parser("lessons", help="guided lessons: list them, check their files, print a handout")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list", help="one line a lesson").set_defaults(run=lambda _: list_lessons())
    check = verbs.add_parser(
        "check", help="what is wrong with lessons' files, line by line; exit status 1 if anything is"
    )
    check.add_argument("files", nargs="*", type=Path, help="files to check (default: the project's and your own)")
    check.set_defaults(run=lambda arguments: check_files(arguments.files))
    text = "run the attacks that the project's lessons show and that are not kept yet, into assets/lessons"
    verbs.add_parser("runs", help=text).set_defaults(run=lambda _: make_runs())
    paper = verbs.add_parser("handout", help="lessons as one HTML page that prints well")
    paper.add_argument("names", nargs="*", help="lessons (default: all)")
    paper.add_argument("--out", type=Path, required=True, help="the HTML file to write")
    paper.add_argument("--address", default=handout.ADDRESS, help="where the app is (default %(default)s)")
    paper.add_argument("--answers", action="store_true", help="with what is seen, for who teaches")
    paper.set_defaults(run=write_handout)


def list_lessons() -> int:
    """Print a table of all lessons; one that cannot be walked is a line of its own and hides no other."""
    table = Table(Column("name", no_wrap=True), "title", "stops", "minutes", "whose")
    walked = reading.lessons()
    for path, own in reading.files():
        lesson, wrong = reading.read(path, own)
        whose = "own" if own else "shipped"
        if lesson is not None and walked.get(lesson.name) == lesson:
            table.add_row(lesson.name, escape(lesson.title), str(len(lesson.stops)), str(lesson.minutes), whose)
        else:
            why = wrong[0].sentence if wrong else "a lesson that is shipped has this name; choose another."
            table.add_row(escape(path.stem), escape(why), "", "", whose)
    Console().print(table)
    return 0


def check_files(paths: list[Path]) -> int:
    """Print what is wrong, FILE:LINE: SENTENCE; returns 1 if anything is."""
    files = [(path, False) for path in paths] or reading.files()
    shipped = {path.stem for path, own in reading.files() if not own}
    wrong, minutes = 0, 0
    for path, own in files:
        lesson, found = reading.read(path, own)
        if lesson is not None:
            found = places.problems(lesson)
            minutes += lesson.minutes
        if own and path.stem in shipped:
            found = [*found, reading.Problem(1, "a lesson that is shipped has this name; choose another.")]
        for problem in sorted(found):
            print(f"{path}:{problem.line}: {problem.sentence}")
        wrong += bool(found)
    told = f"{len(files)} lessons, {minutes} minutes" if len(files) != 1 else f"1 lesson, {minutes} minutes"
    print(f"{told}; {wrong} with something to mend." if wrong else f"{told}: nothing is wrong.")
    return 1 if wrong else 0


def make_runs() -> int:
    """Make and keep the finished attacks of the project's lessons, a line for each."""
    for line in runs.make([each for each in reading.lessons().values() if not each.own], also=runs.early()):
        print(line)
    return 0


def write_handout(arguments: argparse.Namespace) -> int:
    """Write the page. ValueError in one sentence for a lesson that is not there, or a file that cannot be written."""
    known = reading.lessons()
    if unknown := [name for name in arguments.names if name not in known]:
        raise ValueError(f"there is no lesson {unknown[0]}; there are {', '.join(known) or 'none'}.")
    chosen = [known[name] for name in arguments.names] or list(known.values())
    if not chosen:
        raise ValueError("there is no lesson here.")
    try:
        arguments.out.write_text(handout.page(chosen, arguments.address, arguments.answers), encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{arguments.out} cannot be written ({error.strerror}); choose another file.") from None
    print(arguments.out)
    return 0
