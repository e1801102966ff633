"""The glossary: every term that a page links to is there, is met on a page that exists, and is one sentence."""

import re
from pathlib import Path

from core import glossary, layout
from core.lessons import places

ROOT = Path(__file__).resolve().parents[2]
TERMS = glossary.terms()


def test_every_term_is_a_sentence_of_its_own_and_met_somewhere():
    assert len(TERMS) >= 40
    assert len({term.term.lower() for term in TERMS.values()}) == len(TERMS)
    pages = {name or glossary.START for name in places.names()} - {"Glossary"}
    for slug, term in TERMS.items():
        assert re.fullmatch(r"[\wα-ωΑ-Ω∞-]+", slug), slug
        assert term.meaning.endswith("."), slug
        assert set(term.pages) <= pages, slug
        assert len(set(term.pages)) == len(term.pages), slug
    assert {page for term in TERMS.values() for page in term.pages} == pages  # no page is without


def test_every_link_to_a_term_leads_to_one():
    found = set()
    for path in [layout.root() / "app.py", *(layout.root() / "pages").rglob("*.py")]:
        found |= set(re.findall(r"page\.term\([\'\"]([^\'\"]+)[\'\"]", path.read_text(encoding="utf-8")))
    assert {"mad", "impulse-response"} <= found <= set(TERMS)


def test_the_terms_of_a_page_are_those_that_name_it():
    assert "mad" in [term.slug for term in glossary.of("Compare")]
    assert "mad" in [term.slug for term in glossary.of("")]
    assert "simplex" not in [term.slug for term in glossary.of("Compare")]
