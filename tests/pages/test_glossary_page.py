"""The glossary as a page: all terms, or the one that a link names, and below every page its own."""

from driver import ROOT, TIMEOUT
from streamlit.testing.v1 import AppTest

from core import glossary


def opened(script: str, **address: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=TIMEOUT)
    app.switch_page(f"pages/{script}.py")
    for name, text in address.items():
        app.query_params[name] = text
    app.run()
    assert not app.exception
    return app


def test_all_terms_or_the_one_of_the_link():
    app = opened("9_Glossary")
    assert len([m for m in app.markdown if m.value.startswith("**")]) == len(glossary.terms())
    app = opened("9_Glossary", term="mad")
    (told,) = [m.value for m in app.markdown if m.value.startswith("**")]
    assert told.startswith("**MAD.** Most apparent distortion")
    app.selectbox(key="glossary.term").set_value("simplex").run()
    assert app.query_params["term"] in ("simplex", ["simplex"])


def test_below_a_page_stand_its_terms():
    app = opened("3_Smoothing", pictures="mnist")
    (told,) = [c.value for c in app.caption if c.value.startswith("Terms: ")]
    assert "[low\\-pass kernel](Glossary?term=low-pass-kernel)" in told
    assert "simplex" not in told
