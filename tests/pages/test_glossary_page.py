"""The glossary as a page: all terms, or the one that a link names, and below every page its own."""

from driver import opened

from core import glossary


def test_all_terms_or_the_one_of_the_link():
    app = opened("Glossary")
    assert len([m for m in app.markdown if m.value.startswith("**")]) == len(glossary.terms())
    app = opened("Glossary", term="mad")
    (told,) = [m.value for m in app.markdown if m.value.startswith("**")]
    assert told.startswith("**MAD.** Most apparent distortion")
    app.selectbox(key="glossary.term").set_value("simplex").run()
    assert app.query_params["term"] in ("simplex", ["simplex"])


def test_below_a_page_stand_its_terms():
    app = opened("Smoothing", pictures="mnist")
    (told,) = [c.value for c in app.caption if c.value.startswith("Terms: ")]
    assert "[low\\-pass kernel](Glossary?term=low-pass-kernel)" in told
    assert "simplex" not in told
