"""A lesson's file -> a `Lesson`, or what is wrong with it, each with the line on which it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.lessons import ANSWERS, FOLDER, STOPS, Lesson, Stop, own_folder
from core.params import one_sentence

LARGEST = 100_000
"""Bytes of a file that is read as a lesson."""
LONGEST = 300
"""Characters of a question, of an answer and of what to look at: more is no sentence to read beside a picture."""
PREDICT, LOOK = "Predict:", "Look:"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HEADING = re.compile(r"(.+?)\s*\((\d{1,3}) min\)")
_ANSWER = re.compile(r"\[([ xX])\]\s*(.*)", re.DOTALL)
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong, in a sentence, and on which line of the file; 1 is the first."""

    line: int
    sentence: str


class Header(BaseModel):
    """What stands between the two lines of three hyphens."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = Field(min_length=1, max_length=80)
    summary: str = Field(min_length=1, max_length=LONGEST)
    minutes: int = Field(ge=5, le=300)


@dataclass
class _Draft:
    """A stop while it is read."""

    line: int
    title: str
    minutes: int | None
    links: list[tuple[int, str]] = field(default_factory=list)
    questions: list[tuple[int, str]] = field(default_factory=list)
    answers: list[tuple[int, bool, str]] = field(default_factory=list)
    """Line, whether it is marked as seen, text."""
    looks: list[tuple[int, str]] = field(default_factory=list)


def read(path: Path, own: bool = False) -> tuple[Lesson | None, list[Problem]]:
    """The lesson in a file, and what is wrong with it; None where it cannot be walked. Links are not followed.

    own: it lies in the user's folder.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        text = content.decode("utf-8")
    except OSError as error:
        return None, [Problem(1, f"the file cannot be read ({error.strerror}).")]
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return None, [Problem(line, "the file is not UTF-8; save it as such.")]
    if len(content) > LARGEST:
        return None, [Problem(1, f"the file is longer than {LARGEST // 1000} kB: that is no lesson.")]
    found, problems = parse(text, path.stem, own, path)
    if not _NAME.fullmatch(path.stem):
        problems.insert(0, Problem(1, "the file's name must be of small letters, digits and hyphens: it is in links."))
        found = None
    return found, problems


def parse(text: str, name: str, own: bool = False, path: Path = Path()) -> tuple[Lesson | None, list[Problem]]:
    """The lesson that `text` is, and what is wrong with it, by line; None where anything is."""
    lines = text.removeprefix("\ufeff").splitlines()
    end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if not lines or lines[0].rstrip() != "---" or end is None:
        return None, [Problem(1, "a lesson begins with a header between two lines of three hyphens (---).")]
    header, problems = _header("\n".join(lines[1:end]))
    drafts = _stops("\n".join([""] * (end + 1) + lines[end + 1 :]), problems)  # so that lines are those of the file
    stops = [stop for draft in drafts if (stop := _stop(draft, problems)) is not None]
    if not drafts:
        problems.append(Problem(end + 1, f"there is no stop; one begins with a heading, ## Title ({STOPS.start} min)."))
    elif len(drafts) not in STOPS:
        which = drafts[STOPS.stop - 1].line if len(drafts) >= STOPS.stop else drafts[-1].line
        problems.append(
            Problem(which, f"a lesson has from {STOPS[0]} to {STOPS[-1]} stops; this one has {len(drafts)}.")
        )
    minutes = [draft.minutes for draft in drafts if draft.minutes is not None]
    if header is not None and len(minutes) == len(drafts) > 0 and sum(minutes) != header[0].minutes:
        said = f"minutes is {header[0].minutes}, and the stops take {sum(minutes)} together."
        problems.append(Problem(header[1]["minutes"], said))
    if header is None or problems:
        return None, sorted(problems)
    told = header[0]
    return Lesson(name, told.title, told.summary, told.minutes, tuple(stops), own, path), []


def _header(text: str) -> tuple[tuple[Header, dict[str, int]] | None, list[Problem]]:
    """The header and the line of each of its keys; `text` begins on the file's second line."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        what = getattr(error, "problem", None) or "it is not YAML"
        return None, [Problem(2 + _at(error, text), f"the header cannot be read: {what}.")]
    if not isinstance(node, yaml.MappingNode) or not isinstance(values, dict):
        return None, [Problem(2, "the header has no lines like “title: Smooth like the image”.")]
    lines = {str(key.value): key.start_mark.line + 2 for key, _ in node.value}
    if twice := [key for i, (key, _) in enumerate(node.value) if key.value in {k.value for k, _ in node.value[:i]}]:
        return None, [Problem(twice[0].start_mark.line + 2, f"{twice[0].value} is there twice.")]
    try:
        return (Header.model_validate(values), lines), []
    except ValidationError as error:
        problems = []
        for each in error.errors():
            name = str(each["loc"][0])
            if each["type"] == "missing":
                problems.append(Problem(1, f"the header lacks {name}."))
            else:
                again: Any = {key: each[key] for key in ("type", "loc", "input", "ctx") if key in each}
                alone = ValidationError.from_exception_data("header", [again])
                problems.append(Problem(lines.get(name, 1), one_sentence(alone)))
        return None, problems


def _at(error: yaml.YAMLError, text: str) -> int:
    """The line of `text` that cannot be read, counted from 0.

    What is opened and not closed is noticed where the text ends, and is to be mended where it begins. Only a block,
    which is the header itself, begins long before the line that is no part of it.
    """
    if isinstance(error, yaml.reader.ReaderError):
        return text.count("\n", 0, error.position)
    if not isinstance(error, yaml.MarkedYAMLError):
        return 0
    within_block = "block" in (error.context or "")
    mark = error.problem_mark if within_block else error.context_mark or error.problem_mark
    return int(mark.line) if mark is not None else 0


def _stops(body: str, problems: list[Problem]) -> list[_Draft]:
    """What each second-level heading begins; what belongs to no stop is a problem."""
    drafts: list[_Draft] = []
    tokens = _MARKDOWN.parse(body)
    i = 0
    while i < len(tokens):
        token = tokens[i]
        line = token.map[0] + 1 if token.map else 0
        end = _closing(tokens, i)
        if token.type == "heading_open" and token.tag == "h2":
            drafts.append(_heading(line, tokens[i + 1].content, problems))
        elif not drafts:
            problems.append(
                Problem(line, "this stands before the first stop; one begins with a heading, ## Title (8 min).")
            )
        elif token.type == "paragraph_open":
            _paragraph(drafts[-1], line, tokens[i + 1], problems)
        elif token.type == "bullet_list_open":
            drafts[-1].answers += _answers(tokens[i : end + 1], problems)
        else:
            problems.append(Problem(line, _strange(f"this {token.type.removesuffix('_open').replace('_', ' ')}")))
        i = end + 1
    return drafts


def _strange(what: str) -> str:
    return f"{what} is no part of a stop: a link, **{PREDICT}** a question, a list of answers, **{LOOK}** a sentence."


def _closing(tokens: list[Token], i: int) -> int:
    """The place of the token that closes what `tokens[i]` opens."""
    depth = 0
    for j in range(i, len(tokens)):
        depth += tokens[j].nesting
        if depth == 0:
            return j
    return len(tokens) - 1


def _heading(line: int, text: str, problems: list[Problem]) -> _Draft:
    match = _HEADING.fullmatch(text.strip())
    if match is None:
        problems.append(Problem(line, "a stop's heading ends with its minutes, as in ## Title (8 min)."))
        return _Draft(line, text, None)
    minutes = int(match[2])
    if minutes == 0:
        problems.append(Problem(line, "a stop takes a minute at least."))
    return _Draft(line, match[1], minutes)


def _paragraph(draft: _Draft, line: int, inline: Token, problems: list[Problem]) -> None:
    """A link that stands alone, a question, or what to look at."""
    children = inline.children or []
    if [child.type for child in children] == ["link_open", "text", "link_close"]:
        draft.links.append((line, str(children[0].attrs["href"])))
        return
    for word, place in ((PREDICT, draft.questions), (LOOK, draft.looks)):
        mark = f"**{word}**"
        if inline.content.startswith(mark):
            text = " ".join(inline.content.removeprefix(mark).split())
            if not text:
                problems.append(Problem(line, f"nothing stands after {mark}."))
            elif len(text) > LONGEST:
                problems.append(Problem(line, f"{len(text)} characters after {mark}; at most {LONGEST} are read."))
            place.append((line, text))
            return
    problems.append(Problem(line, _strange("this paragraph")))


def _answers(tokens: list[Token], problems: list[Problem]) -> Iterator[tuple[int, bool, str]]:
    for i, token in enumerate(tokens):
        if token.type != "list_item_open" or token.level != 1:
            continue
        line = token.map[0] + 1 if token.map else 0
        inside = tokens[i + 1 : i + 1 + _closing(tokens[i:], 0)]
        text = next((inner.content for inner in inside if inner.type == "inline"), "")
        match = _ANSWER.fullmatch(text)
        if match is None or not match[2].strip():
            problems.append(Problem(line, "an answer begins with [ ], or with [x] if it is what is seen."))
        elif len(match[2]) > LONGEST:
            problems.append(Problem(line, f"{len(match[2])} characters of an answer; at most {LONGEST} are read."))
        else:
            yield line, match[1] != " ", " ".join(match[2].split())


def _stop(draft: _Draft, problems: list[Problem]) -> Stop | None:
    """The stop that a draft has become; None after having said what it lacks."""
    before = len(problems)
    link = _one(draft, draft.links, "link to a page, as in [Compare](Compare?model=mnist-c4-ce)", problems)
    question = _one(draft, draft.questions, f"question, after **{PREDICT}**", problems)
    look = _one(draft, draft.looks, f"sentence that says what to look at, after **{LOOK}**", problems)
    if question is not None and len(draft.answers) not in ANSWERS:
        line = draft.answers[ANSWERS.stop - 1][0] if len(draft.answers) >= ANSWERS.stop else question[0]
        many = len(draft.answers)
        problems.append(
            Problem(line, f"a question has from {ANSWERS[0]} to {ANSWERS[-1]} answers; this one has {many}.")
        )
    marked = [i for i, (_, seen, _) in enumerate(draft.answers) if seen]
    if question is not None and draft.answers and len(marked) != 1:
        line = draft.answers[marked[1]][0] if marked else draft.answers[0][0]
        problems.append(Problem(line, f"one answer is what is seen, and marked by [x]; here {len(marked)} are."))
    texts = [text for _, _, text in draft.answers]
    for i, text in enumerate(texts):
        if text in texts[:i]:
            problems.append(Problem(draft.answers[i][0], "this answer is there twice."))
    page, parameters, words = "", dict[str, str](), ""
    if link is not None:
        try:
            page, parameters = place(link[1])
            words = unquote_plus(urlsplit(link[1]).fragment).strip()
        except ValueError as error:
            problems.append(Problem(link[0], str(error)))
    if len(problems) > before or link is None or question is None or look is None or draft.minutes is None:
        return None
    lines = tuple(line for line, _, _ in draft.answers)
    return Stop(
        draft.title,
        draft.minutes,
        page,
        parameters,
        question[1],
        tuple(texts),
        marked[0],
        look[1],
        words,
        draft.line,
        link[0],
        lines,
    )


def _one(draft: _Draft, found: list[tuple[int, str]], what: str, problems: list[Problem]) -> tuple[int, str] | None:
    if len(found) == 1:
        return found[0]
    if found:
        problems.append(Problem(found[1][0], f"a stop has one {what}; this is another."))
    else:
        problems.append(Problem(draft.line, f"the stop has no {what}."))
    return None


def place(address: str) -> tuple[str, dict[str, str]]:
    """The page's name and what the link sets, of an address: whole as a browser has it, or from the page's name on.

    ValueError in one sentence if a setting is there twice.
    """
    parts = urlsplit(address)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ValueError(f"the link sets {name} twice.")
    return parts.path.rpartition("/")[2], dict(pairs)


def files() -> list[tuple[Path, bool]]:
    """Every lesson's file, and whether it is the user's own; those of the project first, each by name."""
    try:
        folders = [(FOLDER, False), (own_folder(), True)]
    except ValueError:
        folders = [(FOLDER, False)]
    return [(path, own) for folder, own in folders for path in _listing(folder)]


def _listing(folder: Path) -> Iterable[Path]:
    try:
        return sorted(path for path in folder.glob("*.md") if path.is_file())
    except OSError:
        return []


def lessons() -> dict[str, Lesson]:
    """Every lesson that can be walked, by name, the project's first; no own one replaces one of these."""
    found: dict[str, Lesson] = {}
    for path, own in files():
        lesson, _ = read(path, own)
        if lesson is not None:
            found.setdefault(lesson.name, lesson)
    return found
