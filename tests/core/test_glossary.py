"""The glossary: every term is one sentence, met on a page that exists, and linked where a text writes it first."""

import re

from core import glossary
from core.lessons import places

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
        assert term.written, slug
    assert {page for term in TERMS.values() for page in term.pages} == pages  # no page is without
    written = [name for term in TERMS.values() for name in term.written]
    assert len(set(written)) == len(written)


def linked(text: str, *names: str, known: tuple[str, ...] = ()) -> tuple[str, list[str]]:
    """`text` with the terms of these slugs between bars."""
    return glossary.linked(text, [TERMS[name] for name in names], lambda term, written: f"|{written}|", known)


def test_a_term_is_linked_where_it_is_written_first():
    assert linked("MAD, then MAD.", "mad") == ("|MAD|, then MAD.", ["mad"])
    assert linked("MAD, then MAD.", "mad", known=("mad",)) == ("MAD, then MAD.", [])
    assert linked("No term.", "mad") == ("No term.", [])
    assert linked("No term.") == ("No term.", [])


def test_the_longer_of_two_terms_counts():
    text = "sC&W beside C&W, smooth C&W once more."
    found = linked(text, "c-w", "smooth-c-w-sc-w")
    assert found == ("|sC&W| beside |C&W|, smooth C&W once more.", ["smooth-c-w-sc-w", "c-w"])
    assert linked("Ω / L2² falls, L2 rises.", "l2", "ω-roughness")[0] == "|Ω / L2²| falls, |L2| rises."


def test_case_plural_and_escapes():
    assert linked("Perturbations and", "perturbation")[0] == "|Perturbations| and"
    assert linked(r"by C\&W and mad", "c-w", "mad")[0] == r"by |C\&W| and mad"
    assert linked("of σ\\_g = 2", "σ_g")[0] == "of |σ\\_g| = 2"
    assert linked("I-FGSM and PGD₂, reattacks", "fgsm", "pgd", "attack")[0] == "I-FGSM and |PGD₂|, reattacks"


def test_nothing_is_linked_in_code_formulas_links_and_headings():
    text = "##### MAD\n`MAD` $MAD$ [MAD](x) <b title=MAD> :mad/mad: MAD"
    assert linked(text, "mad")[0] == text[:-3] + "|MAD|"


def test_the_terms_of_a_page_are_those_that_name_it():
    assert "mad" in [term.slug for term in glossary.of("Compare")]
    assert "mad" in [term.slug for term in glossary.of("")]
    assert "simplex" not in [term.slug for term in glossary.of("Compare")]
