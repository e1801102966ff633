"""The glossary: what the pages' terms mean, a sentence each, from assets/glossary.yaml."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from functools import cache

import yaml
from pydantic import BaseModel, ConfigDict, Field

from core.layout import ASSETS

PATH = ASSETS / "glossary.yaml"
START = "Start"
"""What the start page, whose name in its address is empty, is called in the file."""
_KEPT = r"`[^`]*`|\$[^$]*\$|!?\[(?:[^\]\\]|\\.)*\]\([^)]*\)|^#{1,6} .*$|:[a-z]+/[a-z_]+:|<[^>]*>"
"""What no link is put into: code, formulas, links, headings, icons, tags."""


class Term(BaseModel):
    """A term; `pages` are the names of those on which it is met."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    term: str = Field(min_length=1, max_length=40)
    meaning: str = Field(min_length=20, max_length=240)
    formula: str = ""
    """LaTeX."""
    also: list[str] = []
    """What else it is called in a text, where `term` is not what is written there; a plural's s is understood."""
    pages: list[str] = Field(min_length=1)

    @property
    def slug(self) -> str:
        """What a link calls it: "smooth-c-w-sc-w"."""
        return re.sub(r"\W+", "-", self.term.lower()).strip("-")

    @property
    def written(self) -> list[str]:
        """How it is written in a text."""
        return [self.term, *self.also] if "(" not in self.term else list(self.also)


@cache
def terms() -> dict[str, Term]:
    """All terms by their slugs, in the order of the file."""
    found = [Term.model_validate(each) for each in yaml.safe_load(PATH.read_text(encoding="utf-8"))]
    return {term.slug: term for term in found}


def of(page: str) -> list[Term]:
    """The terms that are met on a page, by its name; "" is the start page."""
    return [term for term in terms().values() if (page or START) in term.pages]


def linked(
    text: str, found: Iterable[Term], link: Callable[[Term, str], str], known: Collection[str] = ()
) -> tuple[str, list[str]]:
    """`text`, which is Markdown, with each of the terms linked where it is written first; and the slugs of these.

    link: of a term and of how it is written, in Markdown, to the link. known: slugs of terms that need none any more.
    Of terms within each other (C&W, smooth C&W) the longer one counts.
    """
    terms = list(found)
    names = sorted(((name, term) for term in terms for name in term.written), key=lambda pair: -len(pair[0]))
    if not names:
        return text, []
    pattern = re.compile(
        f"(?P<kept>{_KEPT})|" + "|".join(f"(?P<n{i}>{_spelt(name)})" for i, (name, _) in enumerate(names)),
        re.MULTILINE,
    )
    done: list[str] = []

    def put(match: re.Match[str]) -> str:
        if match.lastgroup is None or match.lastgroup == "kept":
            return match[0]
        term = names[int(match.lastgroup[1:])][1]
        if term.slug in done or term.slug in known:
            return match[0]
        done.append(term.slug)
        return link(term, match[0])

    return pattern.sub(put, text), done


def _spelt(name: str) -> str:
    """A pattern of `name` as it stands in Markdown, where any punctuation may be escaped; also in the plural."""
    letters = (re.escape(c) if c.isalnum() else r"\s" if c == " " else rf"\\?{re.escape(c)}" for c in name)
    first, *rest = letters
    if name == name.lower() and name[0].isalpha() and name[0] != name[0].upper() and len(name) > 1:
        first = f"[{name[0]}{name[0].upper()}]"
    return rf"(?<![\w-]){first}{''.join(rest)}s?(?!\w)"
