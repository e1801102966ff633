"""The glossary: what the pages' terms mean, a sentence each, from assets/glossary.yaml."""

from __future__ import annotations

import re
from functools import cache

import yaml
from pydantic import BaseModel, ConfigDict, Field

from core.layout import ASSETS

PATH = ASSETS / "glossary.yaml"
START = "Start"
"""What the start page, whose name in its address is empty, is called in the file."""


class Term(BaseModel):
    """A term; `pages` are the names of those on which it is met."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    term: str = Field(min_length=1, max_length=40)
    meaning: str = Field(min_length=20, max_length=240)
    formula: str = ""
    """LaTeX."""
    pages: list[str] = Field(min_length=1)

    @property
    def slug(self) -> str:
        """What a link calls it: "smooth-c-w-sc-w"."""
        return re.sub(r"\W+", "-", self.term.lower()).strip("-")


@cache
def terms() -> dict[str, Term]:
    """All terms by their slugs, in the order of the file."""
    found = [Term.model_validate(each) for each in yaml.safe_load(PATH.read_text(encoding="utf-8"))]
    return {term.slug: term for term in found}


def of(page: str) -> list[Term]:
    """The terms that are met on a page, by its name; "" is the start page."""
    return [term for term in terms().values() if (page or START) in term.pages]
