"""Scatter plot, graph and spheres in a real Chromium, with points whose places on the screen are known exactly."""

import json
import math
from collections.abc import Callable, Iterator

import drawings
import pytest
import torch
from conftest import serving
from playwright.sync_api import Locator, Page, expect

from pages.parts.shell import theme

pytestmark = pytest.mark.browser

AT = """(canvas, [x, y]) => {
    const ratio = canvas.width / canvas.clientWidth;
    return [...canvas.getContext("2d").getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data];
}"""
# How many pixels of a canvas have exactly a colour, and the middle of them in CSS pixels.
OF_COLOUR = """(canvas, [r, g, b]) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let [count, x, y] = [0, 0, 0];
    for (let i = 0; i < data.length / 4; i++) {
        if (data[4 * i] !== r || data[4 * i + 1] !== g || data[4 * i + 2] !== b || data[4 * i + 3] !== 255) continue;
        count++;
        x += i % canvas.width;
        y += Math.floor(i / canvas.width);
    }
    const ratio = canvas.width / canvas.clientWidth;
    return [count, (x / count + 0.5) / ratio, (y / count + 0.5) / ratio];
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Instead of Smoothscope's: a page with nothing but drawings."""
    with serving("tests/browser/drawings.py", tmp_path_factory.mktemp("drawings")) as address:
        yield address


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    opened = open_page(height=1900)
    expect(opened.locator(".orbit canvas[data-points]")).to_have_count(2)
    expect(opened.locator(".graph[data-places]")).to_have_count(1)
    expect(opened.locator(".panels canvas[data-view]")).to_have_count(2)
    drawn(opened)
    return opened


def drawn(page: Page) -> None:
    """No script is running, nothing has failed, everything has been drawn."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def rgb(colour: str) -> list[int]:
    return list(bytes.fromhex(colour.removeprefix("#")))


# --- the scatter plot -------------------------------------------------------------------------------------------------


def panel(page: Page, index: int = 0) -> Locator:
    return page.locator(".panels canvas").nth(index)


def view(page: Page, index: int = 0) -> list[float]:
    """What a panel shows: middle (x, y), CSS pixels for one unit, width and height."""
    return json.loads(str(panel(page, index).get_attribute("data-view")))


def spot(page: Page, index: int, x: float, y: float) -> tuple[float, float]:
    """Where (x, y) of a panel's plane is in the window."""
    middle_x, middle_y, scale, width, height = view(page, index)
    box = panel(page, index).bounding_box()
    assert box
    return box["x"] + width / 2 + (x - middle_x) * scale, box["y"] + height / 2 - (y - middle_y) * scale


def drag(page: Page, *way: tuple[float, float]) -> None:
    page.mouse.move(*way[0])
    page.mouse.down()
    for place in way[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()
    drawn(page)


def chosen(page: Page, rows: list[int]) -> None:
    """The server has been told of just these rows, and they are lit up."""
    expect(page.get_by_text("chosen:")).to_have_text(f"chosen: {rows}")
    expect(page.locator(".scatter")).to_have_attribute("data-selected", str(len(rows)))


def test_what_is_selected_is_inside_and_visible(page: Page):
    corners = [(-0.1, -0.2), (2.5, -0.2), (2.5, 2.4), (-0.1, 2.4)]
    around = [spot(page, 0, *corner) for corner in corners]
    drag(page, *around, around[0])
    chosen(page, [0, 1, 2, 4, 5, 6, 8, 9, 10])
    page.get_by_role("button", name="odd", exact=True).click()
    drag(page, *around, around[0])
    chosen(page, [0, 1, 2, 8, 9, 10])  # nothing of the class that nobody sees
    # Nor does a click on where one of them would be find it, or the pointer show it.
    page.mouse.move(*spot(page, 0, 1, 1))
    expect(page.locator(".scatter .tip")).to_be_hidden()
    page.mouse.click(*spot(page, 0, 1, 1))
    chosen(page, [])
    page.mouse.click(*spot(page, 0, 3, 2))
    chosen(page, [11])
    # A lasso need not be convex: round the left column, below the middle, and up again on the right.
    page.get_by_role("button", name="odd", exact=True).click()
    outline = [(-0.1, 2.4), (-0.1, -0.2), (3.1, -0.2), (3.1, 2.4), (2.6, 2.4), (2.6, 0.5), (0.4, 0.5), (0.4, 2.4)]
    drag(page, *[spot(page, 0, *corner) for corner in [*outline, outline[0]]])
    chosen(page, [0, 1, 2, 3, 4, 7, 8, 11])
    # A box from any corner, in the panel that shows (y, x).
    page.get_by_role("button", name="Box", exact=True).click()
    drag(page, spot(page, 1, 2.4, 0.6), spot(page, 1, 0.6, 2.4))
    chosen(page, [5, 6, 9, 10])
    page.get_by_role("button", name="Clear selection").click()
    chosen(page, [])


def pixel(page: Page, index: int, x: float, y: float) -> list[int]:
    """The colour of a panel at (x, y) of its plane."""
    middle_x, middle_y, scale, width, height = view(page, index)
    where = [width / 2 + (x - middle_x) * scale, height / 2 - (y - middle_y) * scale]
    return panel(page, index).evaluate(AT, where)[:3]


def over(ground: list[float], colour: str, opacity: float) -> list[float]:
    """A colour laid over a ground."""
    return [below + opacity * (above - below) for below, above in zip(ground, rgb(colour), strict=True)]


def test_regions_are_shaded_in_their_classes_colours_and_parted_by_a_line(page: Page):
    paper: list[float] = [*rgb(str(theme.PAGE["light"]["backgroundColor"]))]
    left, right = (over(paper, theme.CLASSES[c], 0.2) for c in (0, 1))
    expect(panel(page)).to_have_attribute("data-regions", "true")
    expect(panel(page, 1)).to_have_attribute("data-regions", "false")
    assert pixel(page, 0, 0.53, 0.47) == pytest.approx(left, abs=3)
    assert pixel(page, 0, 2.53, 0.47) == pytest.approx(right, abs=3)
    assert pixel(page, 1, 0.53, 0.47) == pytest.approx(paper, abs=3)
    # The line lies where the answer changes, to a cell of the grid, and follows the plane.
    page.get_by_role("button", name="Move", exact=True).click()
    drag(page, spot(page, 0, 1, 1), spot(page, 0, 1.5, 1.25))
    line = [min(sum(pixel(page, 0, drawings.BORDER + i * 0.01, 0.47)) for i in range(-6, 7))]
    assert line[0] < sum(left) - 90
    assert pixel(page, 0, drawings.BORDER - 0.15, 0.47) == pytest.approx(left, abs=3)
    assert pixel(page, 0, drawings.BORDER + 0.15, 0.47) == pytest.approx(right, abs=3)


def test_what_is_not_selected_keeps_its_hue_and_loses_its_colour(page: Page):
    paper: list[float] = [*rgb(str(theme.PAGE["light"]["backgroundColor"]))]
    ink = str(theme.PAGE["light"]["textColor"])
    ground = over(paper, ink, 0.15)  # one or two lines of the grid, a tenth of ink each, are below a point
    at = {0: (0.0, 2.0), 1: (3.0, 1.0)}  # in the second panel, which has no regions, (y, x)
    for c, (x, y) in at.items():
        assert pixel(page, 1, y, x) == pytest.approx(over(ground, theme.CLASSES[c], 0.85), abs=12)
    page.mouse.click(*spot(page, 0, 1, 0))
    chosen(page, [1])
    for c, (x, y) in at.items():
        assert pixel(page, 1, y, x) == pytest.approx(over(ground, theme.MUTED[c], 0.45), abs=12)
    assert pixel(page, 1, 0, 1) == pytest.approx(over(ground, theme.CLASSES[0], 0.85), abs=12)


def test_the_wheel_keeps_the_point_under_the_cursor(page: Page):
    before, other = view(page), view(page, 1)
    box = panel(page).bounding_box()
    assert box
    mouse = round(box["x"]) + 120, round(box["y"]) + 70  # off the middle, up and to the left
    at = mouse[0] - box["x"], mouse[1] - box["y"]
    page.mouse.move(*mouse)

    def under() -> tuple[float, float]:
        middle_x, middle_y, scale, width, height = view(page)
        return middle_x + (at[0] - width / 2) / scale, middle_y - (at[1] - height / 2) / scale

    point = under()
    page.mouse.wheel(0, -200)  # without Move the page scrolls
    drawn(page)
    assert view(page) == before
    page.get_by_role("button", name="Move", exact=True).click()
    page.mouse.move(*mouse)
    for turned, factor in ((-200, math.exp(0.5)), (-100, math.exp(0.75)), (700, math.exp(-1))):
        page.mouse.wheel(0, turned)
        page.wait_for_function(
            "([canvas, scale]) => Math.abs(JSON.parse(canvas.dataset.view)[2] / scale - 1) < 1e-9",
            arg=[panel(page).element_handle(), before[2] * factor],
        )
        assert under() == pytest.approx(point, abs=1e-9)
    assert view(page)[:2] != before[:2]
    assert view(page, 1) == other
    # A drag takes the point along, to the very pixel.
    drag(page, mouse, (mouse[0] + 60, mouse[1] - 25))
    at = at[0] + 60, at[1] - 25
    assert under() == pytest.approx(point, abs=1e-9)
    page.get_by_role("button", name="Reset view").first.click()
    assert view(page) == before


# --- the graph --------------------------------------------------------------------------------------------------------


def places(page: Page) -> list[list[int]]:
    """CSS pixels of every image's point on the board."""
    return json.loads(str(page.locator(".graph").get_attribute("data-places")))


def on_board(page: Page, x: float, y: float) -> tuple[float, float]:
    box = page.locator(".graph canvas.board").bounding_box()
    assert box
    return box["x"] + x, box["y"] + y


def visible(page: Page) -> set[tuple[int, int]]:
    """The edges that have ink in their middles; those that cross in the origin, a quarter of the way along."""
    board, where = page.locator(".graph canvas.board"), places(page)
    found = set()
    for i, j in drawings.EDGES:
        along = 0.25 if (i, j) in [(0, 1), (2, 3), (6, 7)] else 0.5
        middle = [(1 - along) * a + along * b for a, b in zip(where[i], where[j], strict=True)]
        if board.evaluate(AT, middle)[3]:
            found.add((i, j))
    return found


def test_an_image_has_all_its_edges_and_the_tip_is_of_the_strongest(page: Page):
    root, tip = page.locator(".graph"), page.locator(".graph .tip")
    edges = set(drawings.EDGES)
    assert visible(page) == edges
    expect(root).to_have_attribute("data-edges", str(len(edges)))
    where = places(page)
    crossing = on_board(page, (where[0][0] + where[1][0]) / 2, (where[0][1] + where[1][1]) / 2)
    # Three edges cross here. The strongest is between images of one class, which is not punished.
    page.mouse.move(*crossing)
    expect(tip).to_have_text("even – odd: weight 0.9")
    page.mouse.move(*on_board(page, *where[2]))
    expect(tip).to_have_text("even: image 2")
    page.mouse.click(*on_board(page, *where[2]))
    expect(page.get_by_text("picked:")).to_have_text("picked: 2")
    own = {edge for edge in edges if 2 in edge}
    assert own == {(0, 2), (1, 2), (2, 3), (2, 5)}
    expect(root).to_have_attribute("data-edges", str(len(own)))
    drawn(page)
    assert visible(page) == own
    page.mouse.move(*crossing)
    expect(tip).to_have_text("even – odd: weight 0.3")  # of those that are drawn
    # With the keyboard on to the next, and back to all.
    root.locator("canvas.board").press("ArrowRight")
    expect(page.get_by_text("picked:")).to_have_text("picked: 3")
    drawn(page)
    assert visible(page) == {(2, 3), (3, 4)}
    root.locator("canvas.board").press("Escape")
    expect(page.get_by_text("picked:")).to_have_text("picked: -1")
    drawn(page)
    assert visible(page) == edges


def test_the_graph_goes_with_the_pointer_and_grows_with_the_wheel(page: Page):
    before = places(page)
    width, height = page.locator(".graph canvas.board").evaluate("e => [e.clientWidth, e.clientHeight]")
    page.mouse.move(*on_board(page, 200, 300))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -90)
    page.keyboard.up("Control")
    drawn(page)
    factor = math.exp(0.3)
    for (x, y), (u, v) in zip(before, places(page), strict=True):
        assert u - width / 2 == pytest.approx(factor * (x - width / 2), abs=1.2)
        assert v - height / 2 == pytest.approx(factor * (y - height / 2), abs=1.2)
    grown = places(page)
    drag(page, on_board(page, 200, 300), on_board(page, 260, 270))
    assert places(page) == [[x + 60, y - 30] for x, y in grown]
    expect(page.get_by_text("picked:")).to_have_text("picked: -1")  # what moves is no click


# --- the spheres ------------------------------------------------------------------------------------------------------


def sphere(page: Page, index: int = 0) -> Locator:
    return page.locator(".orbit figure canvas").nth(index)


def middle(page: Page) -> tuple[float, float]:
    """Of the first sphere, in the window."""
    sphere(page).scroll_into_view_if_needed()
    box = sphere(page).bounding_box()
    assert box
    return round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)


def camera(page: Page) -> list[float]:
    drawn(page)
    return json.loads(str(page.locator(".orbit").get_attribute("data-camera")))


def projected(page: Page, point: torch.Tensor) -> tuple[float, float]:
    """Where a point is on a sphere's canvas: the eye is 4.2 radii away, its focal length 4."""
    turn, tilt, zoom = camera(page)
    depth, right, up = (drawings.axes(turn, tilt) @ point).tolist()
    width, height = sphere(page).evaluate("canvas => [canvas.clientWidth, canvas.clientHeight]")
    scale = 4 / (4.2 - depth) * 0.92 * min(width, height) / 2 * zoom
    return width / 2 + right * scale, height / 2 - up * scale


def test_what_is_dragged_goes_with_the_pointer(page: Page):
    (alone,) = drawings.in_line(-0.3, -0.2, 0.6)
    assert camera(page) == [drawings.TURN, drawings.TILT, 1]
    width = sphere(page).evaluate("canvas => canvas.clientWidth")
    count, *before = sphere(page).evaluate(OF_COLOUR, rgb(drawings.ALONE))
    assert count > 100
    assert before == pytest.approx(projected(page, alone), abs=1)
    start = middle(page)
    drag(page, start, (start[0] + 30, start[1] + 20))
    turned = 3.4 / width
    assert camera(page) == pytest.approx([drawings.TURN - 30 * turned, drawings.TILT + 20 * turned, 1])
    _, *after = sphere(page).evaluate(OF_COLOUR, rgb(drawings.ALONE))
    assert after == pytest.approx(projected(page, alone), abs=1)
    assert after[0] > before[0] + 10  # it lies in front, and so goes where the pointer goes
    assert after[1] > before[1] + 5
    # The arrow keys walk round it, a press 0.12 radians.
    put = camera(page)
    for key, turn, tilt in (
        ("ArrowLeft", 0.12, 0),
        ("ArrowRight", -0.12, 0),
        ("ArrowUp", 0, -0.12),
        ("ArrowDown", 0, 0.12),
    ):
        earlier = camera(page)
        sphere(page).press(key)
        assert camera(page) == pytest.approx([earlier[0] + turn, earlier[1] + tilt, 1])
    assert camera(page) == pytest.approx(put)
    # No farther than to the pole, however far one drags.
    drag(page, start, (start[0], start[1] + 900))
    assert camera(page)[1] == pytest.approx(math.pi / 2)
    sphere(page).press("Home")
    assert camera(page) == [drawings.TURN, drawings.TILT, 1]


def test_what_is_nearer_lies_in_front(page: Page):
    # Two pairs in one line of sight each, given in either order: of the farther ones nothing is to be seen.
    hidden, *_ = sphere(page).evaluate(OF_COLOUR, rgb(drawings.FAR))
    assert hidden == 0
    for right, up in ((0, 0.5), (0.5, 0)):
        (near,) = drawings.in_line(right, up, 0.5)
        assert sphere(page).evaluate(AT, projected(page, near)) == [*rgb(drawings.NEAR), 255]
    # From the other side it is the other way round.
    start, width = middle(page), sphere(page).evaluate("canvas => canvas.clientWidth")
    drag(page, start, (start[0] + math.pi * width / 3.4, start[1] - 2 * drawings.TILT * width / 3.4))
    assert camera(page)[:2] == pytest.approx([drawings.TURN - math.pi, -drawings.TILT], abs=0.01)
    far = drawings.in_line(0, 0.5, -0.5)[0]
    assert sphere(page).evaluate(AT, projected(page, far)) == [*rgb(drawings.FAR), 255]
    # From above, what is on top.
    sphere(page).press("Home")
    start = middle(page)
    drag(page, start, (start[0], start[1] + 900))
    assert sphere(page).evaluate(OF_COLOUR, rgb(drawings.TOP))[0] > 100
    assert sphere(page).evaluate(OF_COLOUR, rgb(drawings.BOTTOM))[0] == 0
    # A line before a point is seen, one behind it is not.
    sphere(page).press("Home")
    (before,), (behind,) = drawings.in_line(-0.5, 0, 0.0), drawings.in_line(0.5, 0, 0.0)
    assert sphere(page, 1).evaluate(AT, projected(page, behind)) == [*rgb(drawings.FAR), 255]
    line = sphere(page, 1).evaluate(AT, projected(page, before))
    assert line[3] == 255
    assert line[:3] != rgb(drawings.FAR)
