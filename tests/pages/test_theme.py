"""One module knows what colours, markers and dashes there are; nobody else writes one down."""

import ast
import re
import tomllib
from itertools import combinations
from pathlib import Path

import pytest

from pages.parts.shell import theme

ROOT = Path(__file__).parents[2]
THEME = Path(theme.__file__)
SOURCES = sorted(
    path
    for path in [ROOT / "app.py", *(ROOT / "pages").rglob("*")]
    if path.suffix in {".py", ".js", ".mjs", ".ts", ".css", ".html"} and path != THEME
)
NAMES = "white|black|gr[ae]y|red|green|blue|orange|yellow|purple|crimson|magenta|cyan|silver|brown|pink"
WRITTEN = re.compile(
    r"(?<![\w&.#])#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})(?![\w-])"  # "#1b1b1b"
    rf"|\b(?:rgb|hsl|hwb|oklab|oklch|lab|lch)a?\(\s*\d[^)]*\)"  # "rgb(1, 2, 3)"
    rf"|(?<=['\"`])(?:{NAMES})(?=['\"`])"  # "white"
)
NAMED = re.compile(rf"(?<=[:, ])(?:{NAMES})(?=[; ,)}}])")  # border: 1px solid white;


def colours(text: str, suffix: str) -> list[str]:
    """Colours that are written down in the `text` of such a file, comments of style sheets and scripts left out."""
    if suffix != ".py":
        text = re.sub(r"/\*.*?\*/|(?m:^\s*//.*$)", "", text, flags=re.DOTALL)
    return WRITTEN.findall(text) + (NAMED.findall(text) if suffix == ".css" else [])


def shapes(source: str) -> list[str]:
    """Markers and dashes that are written down in a Python module, whatever is a key of a dictionary left out."""
    known = {*theme.SYMBOLS, *theme.SOLIDS, *theme.DASHES} - {"x"}
    tree = ast.parse(source)
    keys = {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in known and id(node) not in keys
    ]


@pytest.mark.parametrize(
    ("text", "suffix", "found"),
    [
        ('marker={"color": "#1b1b1b"}', ".py", ["#1b1b1b"]),
        ("background: #fff;", ".css", ["#fff"]),
        ("border: 1px solid #00000080;", ".css", ["#00000080"]),
        ('"rgba(128,128,128,0.45)"', ".py", ["rgba(128,128,128,0.45)"]),
        ("color: hsl(120 50% 50%);", ".css", ["hsl(120 50% 50%)"]),
        ('context.fillStyle = "white";', ".js", ["white"]),
        ("border: 1px solid white;", ".css", ["white"]),
        ("white-space: nowrap; color: var(--ss-white); /* black on #fff */", ".css", []),
        ("#help th { text-align: left; }", ".css", []),
        ("  // like #fff\n", ".js", []),
        ('st.markdown("##### Added, in red")', ".py", []),
        ("f'&#10003; {a}'", ".py", []),
    ],
)
def test_a_planted_colour_is_found(text: str, suffix: str, found: list[str]):
    assert colours(text, suffix) == found


def test_a_planted_marker_is_found():
    assert shapes('line = {"dash": "dot"}\nmark(symbol="star")') == ["dot", "star"]
    assert shapes('axes = {"cross": 1, "x": 2}') == []


def test_no_colour_is_written_down_elsewhere():
    assert len(SOURCES) > 50  # it was looked at all
    found = {path.relative_to(ROOT): colours(path.read_text(encoding="utf-8"), path.suffix) for path in SOURCES}
    assert {path: written for path, written in found.items() if written} == {}


def test_no_marker_and_no_dash_is_written_down_elsewhere():
    drawing = [p for p in SOURCES if p.suffix == ".py" and {"charts", "components"} & set(p.parts)]
    assert len(drawing) > 8
    found = {path.relative_to(ROOT): shapes(path.read_text(encoding="utf-8")) for path in drawing}
    assert {path: written for path, written in found.items() if written} == {}


def test_the_page_is_coloured_as_declared():
    given = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    assert {mode: given[mode] for mode in theme.PAGE} == theme.PAGE
    assert not [name for name in given if "olor" in name]  # for both modes at once


def test_variables_are_used_and_declared():
    used = {name for path in SOURCES for name in re.findall(r"--ss-([\w-]+)", path.read_text(encoding="utf-8"))}
    assert used == set(theme.VARIABLES)
    assert theme.css(":host").startswith(":host { --ss-white: #ffffff; --ss-black: #000000; ")


def test_nothing_is_told_apart_by_its_colour_alone():
    assert len(set(theme.CLASSES)) == len(set(theme.SYMBOLS)) == 10
    sets = ((theme.FIRST, theme.SECOND, theme.REFERENCE), theme.NETWORKS, (theme.FIRST, theme.PAPER))
    for one, other in (pair for looks in sets for pair in combinations(looks, 2)):
        assert one.colour != other.colour
        assert one.symbol != other.symbol
        assert one.dash != other.dash
    assert theme.FIRST.pattern != theme.SECOND.pattern  # bars
    assert len({look.symbol for look in (theme.BEFORE, theme.FIRST, theme.POINTED)}) == 3  # an attack's points


def colourfulness(colour: str) -> int:
    """The largest level of "#rrggbb" less the smallest: none in a grey."""
    levels = bytes.fromhex(colour.removeprefix("#"))
    return max(levels) - min(levels)


def test_no_class_is_grey_and_what_is_beside_a_selection_has_little_colour():
    for solid, muted in zip(theme.CLASSES, theme.MUTED, strict=True):
        assert colourfulness(solid) > 80, solid
        assert colourfulness(muted) == pytest.approx(0.25 * colourfulness(solid), abs=2)
        assert luminance(muted) == pytest.approx(luminance(solid), abs=0.12)
    assert theme.muted("#808080") == "#808080"


def luminance(colour: str) -> float:
    """WCAG's relative luminance of "#rrggbb"."""
    levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in levels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("mode", theme.PAGE)
def test_every_class_is_seen_on_the_ground_of_the_page(mode: str):
    ground = luminance(str(theme.PAGE[mode]["backgroundColor"]))
    for colour in theme.CLASSES:
        low, high = sorted((ground, luminance(colour)))
        assert (high + 0.05) / (low + 0.05) > 2, colour


def test_faded():
    assert theme.faded("#e69f00", 0.75) == "rgba(230,159,0,0.75)"
