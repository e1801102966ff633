"""Pages are numbered in the order of the navigation; their addresses are their names, which stay."""

import ast
from pathlib import Path

import pytest
from streamlit.source_util import page_icon_and_name

from pages.parts.shell import page

ROOT = Path(__file__).parents[2]
ADDRESSES = [
    "Attack_lab",
    "Compare",
    "Smoothing",
    "Embeddings",
    "Graph_loss",
    "MMC_centres",
    "Curves",
    "Training",
    "Glossary",
]
"""As links have them."""
LONGEST = 150
"""Lines of a page's script, about: it lays out controls, calls, and draws; what it shows are views."""


def scripts() -> list[Path]:
    return sorted(ROOT.glob("pages/[0-9]*.py"))


def test_the_files_are_those_of_the_navigation():
    assert [f"pages/{path.name}" for path in scripts()] == [page.file(name) for name in (*page.ICONS, *page.BESIDE)]
    assert [int(path.name.partition("_")[0]) for path in scripts()] == list(range(1, len(scripts()) + 1))


def test_addresses_stay():
    assert [page_icon_and_name(path)[1] for path in scripts()] == ADDRESSES


def test_scripts_are_short():
    lines = {path.name: path.read_text(encoding="utf-8").count("\n") for path in scripts()}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


@pytest.mark.parametrize("script", sorted([*ROOT.glob("pages/[0-9]*.py"), ROOT / "app.py"]), ids=lambda path: path.stem)
def test_nothing_stands_alone_in_a_page_s_script(script: Path):
    """Streamlit would show it: a string below a name, but for the one that the file begins with, or a bare value."""
    first, *body = ast.parse(script.read_text(encoding="utf-8")).body
    assert isinstance(first, ast.Expr)
    alone = [each for each in body if isinstance(each, ast.Expr) and not isinstance(each.value, ast.Call)]
    assert [ast.unparse(each) for each in alone] == []
