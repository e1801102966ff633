"""The glossary's small pictures: of terms that are there, told to who does not see them, and drawn as they say."""

import re
from xml.etree import ElementTree

import pytest

from core import glossary
from pages.parts.charts import sketches
from pages.parts.shell import theme

POINTS = re.compile(r"-?\d+\.\d+,-?\d+\.\d+")


def dots(slug: str, colour: str) -> list[tuple[float, float]]:
    """Where a sketch has dots of a colour."""
    root = ElementTree.fromstring(sketches.of(slug).svg)
    return [(float(e.get("cx")), float(e.get("cy"))) for e in root.iter() if e.get("fill") == colour and e.get("cx")]


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5


@pytest.mark.parametrize("slug", sketches.SKETCHES)
def test_a_sketch_is_of_a_term_and_told(slug: str):
    assert slug in glossary.terms()
    sketch = sketches.of(slug)
    assert len(ElementTree.fromstring(sketch.svg)) == len(sketch.parts) > 0
    assert "nan" not in sketch.svg
    assert "inf" not in sketch.svg
    for text in (sketch.alt, sketch.caption):
        assert len(text) > 20
        assert text.endswith(".")
    assert sketch.alt in sketches.figure(sketch)


def test_what_has_no_sketch():
    assert len(sketches.SKETCHES) >= 15
    assert sketches.of("psnr") is None


def test_both_ways_end_at_the_boundary_or_on_a_circle():
    (start,) = dots("equal-success", theme.GREEN)
    root = ElementTree.fromstring(sketches.of("equal-success").svg)
    (line,) = [e.get("points") for e in root.iter() if e.get("stroke") == theme.GREY]
    (ax, ay), (bx, by) = [tuple(map(float, point.split(","))) for point in POINTS.findall(line)]
    ends = [dots("equal-success", colour)[0] for colour in (theme.BLUE, theme.RED)]
    for x, y in ends:  # on the line: no area between
        assert abs((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / distance((ax, ay), (bx, by)) < 0.2
    assert distance(start, ends[1]) > 1.2 * distance(start, ends[0])
    ends = [dots("equal-length", colour)[0] for colour in (theme.BLUE, theme.RED)]
    assert distance(start, ends[0]) == pytest.approx(distance(start, ends[1]), abs=0.2)


def test_wilsons_intervals_are_drawn_about_one_share():
    shares = dots("wilson-s-interval", theme.BLUE)
    assert len(shares) == 3
    assert {x for x, _ in shares} == {round(sketches.EDGE + 0.7 * (sketches.WIDTH - 2 * sketches.EDGE), 1)}
