"""One way of writing everywhere: icons of one set, numbers and percentages alike."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import layout
from pages.parts.shell.numbers import general, power, signed

FILES = [layout.root() / "app.py", *sorted((layout.root() / "pages").rglob("*.py"))]
SCRIPTS = sorted((layout.root() / "pages").rglob("*.js"))
PLAYERS = "▶❚"
"""On the buttons of players, which Plotly draws; no icon font is there."""
NUMBERS = {
    0.0: "0",
    0.9: "0.9",
    -0.0123456: "−0.0123",
    123.456: "123",
    999.96: "1,000",
    12345.6: "12,346",
    1.5e-5: "1.5\u00a0×\u00a010⁻⁵",
    -1234567: "−1.23\u00a0×\u00a010⁶",
    float("nan"): "–",
}


def pictorial(text: str) -> list[str]:
    """Signs in it that are drawn as pictures: emojis, dingbats and the like."""
    return [c for c in text if (0x2600 <= ord(c) < 0x27C0 or 0x25A0 <= ord(c) < 0x2600 or ord(c) >= 0x1F000)]


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every string of a file with its line; what an f-string puts in is {}, with its format where it has one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = []
            for part in node.values:
                if isinstance(part, ast.Constant):
                    parts.append(str(part.value))
                elif isinstance(part, ast.FormattedValue):
                    form = "" if part.format_spec is None else ast.unparse(part.format_spec)[2:-1]
                    parts.append(f"{{:{form}}}")
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_icons_are_of_one_set():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "icon" and isinstance(node.value, ast.Constant):
                assert re.fullmatch(r":material/[a-z_0-9]+:", str(node.value.value)), ast.unparse(node)
        for line, text in strings(path):
            assert set(pictorial(text)) <= set(PLAYERS), f"{path.name}:{line}: {text}"
    for path in SCRIPTS:
        assert set(pictorial(path.read_text(encoding="utf-8"))) <= set(PLAYERS), path.name


def test_percentages_have_a_space_and_numbers_no_e():
    for path in FILES:
        for line, text in strings(path):
            if any(
                each in text for each in ("width:", "left:", "{ ", "<style", "%{")
            ):  # style sheets, Plotly's formats
                continue
            assert not re.search(r"[\d}]%", text), f"{path.name}:{line}: {text}"
            assert not re.search(r"\{:[^}]*[eE]\}", text), f"{path.name}:{line}: {text}"


@pytest.mark.parametrize("value", NUMBERS)
def test_a_number(value: float):
    assert general(value) == NUMBERS[value]


def test_signs_and_powers():
    assert (signed(0.5), signed(-0.5), signed(0.0)) == ("+0.5", "−0.5", "0")
    assert (power(14.4), power(-2.0)) == ("2.5 × 10¹⁴", "1.0 × 10⁻²")
    assert (general(0.00999, 1), general(9.96e-6, 2)) == ("0.01", "1\u00a0×\u00a010⁻⁵")
