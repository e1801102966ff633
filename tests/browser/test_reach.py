"""What a hand on the keyboard, an ear and a weak eye reach: every page by axe-core, and what no rule of it knows."""

import re
from collections.abc import Callable
from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from core import glossary

pytestmark = pytest.mark.browser

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
"""axe-core as the package brings it: nothing is fetched."""
QUICK = "model=mnist-c4-ce&iterations=10"
LAB = f"/Attack_lab?{QUICK}"
PAGES = {
    "/": "Smoothscope",
    "/?held=length": "Smoothscope",
    LAB: "Attack lab",
    "/Compare": "Compare",
    "/Compare?compare=along": "Compare",
    "/Compare?compare=networks&model=mnist-c4-ce": "Compare",
    "/Smoothing": "Smoothing",
    "/Smoothing?view=pictures": "Smoothing",
    "/Smoothing?view=magnification": "Smoothing",
    "/Smoothing?view=solver": "Smoothing",
    "/Smoothing?view=toy": "Smoothing",
    "/Smoothing?view=steps": "Smoothing",
    "/Embeddings": "Embeddings",
    "/Graph_loss": "Graph loss",
    "/Graph_loss?view=playground": "Graph loss",
    "/Graph_loss?view=figures": "Graph loss",
    "/MMC_centres": "MMC centres",
    "/MMC_centres?tab=Features": "MMC centres",
    "/MMC_centres?tab=Features&mmc=cifar10-whitened-hmmc&ce=cifar10-resnet32-ce": "MMC centres",
    "/MMC_centres?tab=Loss+and+density": "MMC centres",
    "/MMC_centres?tab=Uncertainty": "MMC centres",
    "/MMC_centres?tab=Runner-up": "MMC centres",
    "/MMC_centres?tab=Attacks": "MMC centres",
    "/MMC_centres?tab=Attacks&mmc=cifar10-whitened-mmc&ce=cifar10-whitened-ce": "MMC centres",
    "/MMC_centres?tab=Tables": "MMC centres",
    "/Curves": "Curves",
    "/Curves?view=cost": "Curves",
    "/Curves?view=width": "Curves",
    "/Curves?view=table&point=published-cw.500.1": "Curves",
    "/Curves?view=through": "Curves",
    "/Curves?view=through&judge=hardened-": "Curves",
    "/Curves?view=fooling": "Curves",
    "/Curves?view=defences&model=mnist-lenet-ce": "Curves",
    "/Curves?view=defences&model=mnist-lenet-ce&box=white": "Curves",
    "/Curves?view=across&model=cifar10-resnet32-ce": "Curves",
    "/Curves?view=across&model=cifar10-resnet32-ce&across=universal": "Curves",
    "/Curves?view=networks&model=mnist-lenet-ce": "Curves",
    "/Curves?view=corrupted&model=cifar10-preactresnet18-graph": "Curves",
    "/Curves?view=rough&model=mnist-lenet-ce": "Curves",
    **{f"/Curves?view=rough&model=mnist-lenet-ce&rough={aspect}": "Curves" for aspect in ("shown", "found", "goes")},
    "/Training": "Training",
    "/Glossary?term=pixel-graph": "Glossary",
}
GRAVE = """async () => {
    const { violations } = await axe.run({ resultTypes: ["violations"] });
    const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    return grave.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) =>
        `${id}: ${target.join(" ")}: ${failureSummary.replace(/\\s+/g, " ")}`));
}"""
GROUND = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
DARK = f"dark => ({GROUND}.match(/[0-9]+/)[0] < 128) === dark"
NAMES = """() => [...document.querySelectorAll("button, [aria-label]")].filter(e => e.checkVisibility()).map(e => {
    const said = e.cloneNode(true);
    for (const unsaid of said.querySelectorAll("[aria-hidden=true]")) unsaid.remove();
    return e.getAttribute("aria-label") ?? said.textContent;
})"""


TEXTS = """() => [...document.querySelectorAll(".stMain :is([data-testid=stMarkdownContainer], " +
        "[data-testid=stCaptionContainer]) :is(p, li)")].filter(e => e.checkVisibility() &&
    !e.closest(".st-key-footer, .st-key-lesson, button, label, a, table, [role=tab], details")).map(e => {
    const text = e.cloneNode(true);
    for (const other of text.querySelectorAll(".katex, code, [data-testid=stIconMaterial]")) other.remove();
    for (const link of text.querySelectorAll("a")) {
        const term = new URL(link.href).searchParams.get("term");
        link.replaceWith(term === null ? "" : `{${term}}`);
    }
    return text.textContent;
})"""
"""The sentences of a page, in its order; {SLUG} is what a link to the glossary has become."""


NAMELESS = """() => [...document.querySelectorAll(".js-plotly-plot")].flatMap(({ _fullLayout: all }) =>
    Object.entries(all).filter(([name, axis]) => /^[xy]axis[0-9]*$/.test(name) && axis.visible &&
        axis.showticklabels && !axis.matches && axis.type !== "category" && axis.tickmode !== "array" &&
        !axis.title?.text).map(([name]) => `${all.uirevision}: ${name}`))"""
"""Axes of numbers in charts that no word stands beside; categories, and what a chart spells out, name themselves."""
CUT = """() => [...document.querySelectorAll("[data-tag] > span, .stMain [role=radio] p, .stMain [role=tab] p")].filter(
    e => e.checkVisibility() && e.getBoundingClientRect().left >= 0 && e.scrollWidth > e.clientWidth,
).map(e => e.textContent)"""
"""What can be chosen, or is, and is not seen in whole words. A sidebar that is folded away lies to the left."""


def unlinked(page: Page) -> list[str]:
    """Terms that the page writes before it has linked them."""
    found, known = [], set[str]()
    name = page.url.partition("?")[0].rpartition("/")[2]
    for part in re.split(r"(\{[^{}]*\})", "\n".join(page.evaluate(TEXTS))):
        if part.startswith("{"):
            known.add(part[1:-1])
        else:
            _, first = glossary.linked(part, glossary.of(name), lambda term, written: written, known)
            found += first
    assert known <= set(glossary.terms())
    return found


def settled(page: Page) -> None:
    page.locator(".st-key-page-voice .frame").wait_for(state="attached")  # the last thing that comes to life
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def said(page: Page) -> str:
    return str(page.locator(".st-key-page-voice .frame").text_content())


def grave(page: Page) -> list[str]:
    """What axe-core calls serious or critical, in the light theme and in the dark one."""
    page.evaluate(AXE)
    found, grounds = [], set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(DARK, arg=scheme == "dark")
        page.wait_for_timeout(400)  # colours fade into each other
        grounds.add(page.evaluate(GROUND))
        found += [f"{scheme}: {each}" for each in page.evaluate(GRAVE)]
    assert len(grounds) == 2  # it was seen in both
    return found


# Every page as it opens; its other views are slow tests.
@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[pytest.mark.slow] if "=" in path and path != LAB else []) for path in PAGES]
)
def test_every_page_in_both_themes(open_page: Callable[..., Page], path: str):
    page = open_page(path)
    settled(page)
    assert grave(page) == []
    expect(page.locator("h1")).to_have_text([PAGES[path]])
    names = page.evaluate(NAMES)
    assert len(names) > 3
    unsayable = re.compile(r"\$|_|\\|\bicon$|^\s*$")
    assert [name for name in names if unsayable.search(name)] == []
    assert unlinked(page) == []
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(CUT) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(400)
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 390  # no page moves sideways
    assert page.evaluate(CUT) == []
    ends = page.locator(".stMain .katex-display .base").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect().right)"
    )
    assert all(end <= 390 - 12 for end in ends)  # nor is a formula cut


def test_a_planted_violation_is_found(open_page: Callable[..., Page]):
    page = open_page("/")
    settled(page)
    page.evaluate("document.querySelector('.stMain').append(document.createElement('button'))")
    assert [each.split(":")[:2] for each in grave(page)] == [["light", " button-name"], ["dark", " button-name"]]


MAC = """for (const [name, value] of [["platform", "MacIntel"], ["userAgentData", { platform: "macOS" }]]) {
    Object.defineProperty(navigator, name, { get: () => value });
}"""


@pytest.mark.parametrize("keys", ["Control+Enter", pytest.param("Meta+Enter", marks=pytest.mark.slow)])
def test_the_lab_by_keyboard_and_ear(open_page: Callable[..., Page], keys: str):
    on_a_mac = keys.startswith("Meta")
    listen = (lambda page: page.add_init_script(MAC)) if on_a_mac else (lambda page: None)
    page = open_page(f"/Attack_lab?{QUICK}", listen=listen)
    settled(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "MAIN"
    # What is typed into a box counts, though the box has not been left.
    seed = page.get_by_role("spinbutton", name="Seed")
    seed.fill("77")
    page.keyboard.press(keys)
    expect(page.locator(".ss-verdict")).to_be_visible()
    settled(page)
    verdict = page.locator(".ss-verdict").inner_text()
    assert said(page).startswith(f"{verdict}. L2 ")
    expect(page).to_have_url(re.compile("seed=77"))
    expect(page.get_by_text("The settings have changed")).to_have_count(0)
    if not on_a_mac:
        assert grave(page) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/Compare?model=mnist-c4-ce&columns=2&2.attack=ddn&1.iterations=10000", "/Training"])
def test_the_same_keys_begin_on_other_pages(open_page: Callable[..., Page], path: str):
    page = open_page(path)
    settled(page)
    page.keyboard.press("Control+Enter")
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_visible()
    expect(page.locator(".st-key-page-voice .frame")).to_have_text(re.compile("is running"))
    found = grave(page)
    if stop.is_visible():
        stop.click()
    expect(stop).to_have_count(0)
    assert found == []


def test_problems_are_announced(open_page: Callable[..., Page]):
    page = open_page("/Attack_lab?model=none")
    settled(page)
    expect(page.get_by_role("alert")).to_have_text(re.compile("model"))


@pytest.mark.parametrize("width", [390, *(pytest.param(wider, marks=pytest.mark.slow) for wider in (640, 720, 1280))])
@pytest.mark.parametrize("path", [LAB, pytest.param("/Training", marks=pytest.mark.slow)])
def test_the_button_and_the_formula_are_whole(open_page: Callable[..., Page], path: str, width: int):
    page = open_page(path, width=width, height=720)
    settled(page)
    for what in (".stMain button[kind=primary] p", ".katex-display"):
        first = page.locator(what).first
        expect(first).to_be_in_viewport(ratio=1)
        assert first.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    # Nothing lies over the pages, whether the sidebar is folded away or not.
    for link in page.locator(".st-key-navigation a").all()[:3]:
        assert link.evaluate(
            """e => { const {left, top, width, height} = e.getBoundingClientRect();
            return e.contains(document.elementFromPoint(left + width / 2, top + height / 2)); }"""
        ) or link.evaluate("e => e.getBoundingClientRect().left < 0")


def test_a_tab_that_a_link_opens_is_seen_on_a_phone(open_page: Callable[..., Page]):
    page = open_page("/MMC_centres?tab=Tables", width=390, height=844)
    settled(page)
    expect(page.get_by_role("tab", name="Tables")).to_be_in_viewport(ratio=1)


def test_the_pages_take_one_row_of_a_phone(open_page: Callable[..., Page]):
    page = open_page("/Training", width=390, height=844)
    settled(page)
    row = page.locator(".st-key-navigation").bounding_box()
    assert row
    assert row["y"] + row["height"] < 70
    here = page.locator(".st-key-navigation").get_by_role("link", name="Training")
    expect(here).to_be_in_viewport(ratio=1)
