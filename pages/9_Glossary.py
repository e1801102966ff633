"""Glossary: what the pages' terms mean, a sentence each."""

from __future__ import annotations

import pages.parts.shell.ready  # noqa: F401  before all else, see there

# isort: split
import streamlit as st

from core import glossary
from pages.parts.charts import sketches
from pages.parts.shell import links, page

SCOPE = "glossary"

page.setup("Glossary")
terms = glossary.terms()
st.markdown("#### What the words on these pages mean\nBelow each term stand the pages on which it is met.")
links.choice("term", f"{SCOPE}.term", "", ["", *terms])
chosen = st.selectbox(
    "Term",
    ["", *sorted(terms, key=lambda slug: terms[slug].term.lower())],
    key=f"{SCOPE}.term",
    format_func=lambda slug: terms[slug].term if slug else "all of them",
    persist_state="session",
    width=360,
)
for slug, term in sorted(terms.items(), key=lambda item: item[1].term.lower()):
    if chosen in ("", slug):
        with st.container(key=f"{SCOPE}.{slug}", gap="xxsmall"):
            st.markdown(f"**{page.plain(term.term)}.** {page.plain(term.meaning)}")
            if term.formula:
                st.latex(term.formula, width="content")
            if (sketch := sketches.of(slug)) is not None:
                st.html(sketches.figure(sketch))
            with st.container(horizontal=True, gap="small"):
                for name in term.pages:
                    at = "" if name == glossary.START else name
                    st.page_link(page.file(at), label=name.replace("_", " "))
page.finish()
