"""Smoothscope's start page: a finished example at once, and the ways on from there.

It reads pictures, numbers and verdicts from assets/examples and computes nothing; not even PyTorch is imported to draw
it.
"""

from __future__ import annotations

import pages.parts.engine  # noqa: F401  first: PyTorch reads the environment that it sets

# isort: split
import base64
import html
import json
import threading
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import streamlit as st

from core.lessons import Lesson
from pages.parts.shell import lesson, links, numbers, page

EXAMPLE = page.ROOT / "assets" / "examples" / "start"
COLUMNS = {"original": "Original", "cw": "Carlini & Wagner", "scw": "Smooth C&W"}
HELD = {"success": "Equal success", "length": "Equal length"}
HEADLINES = {
    "success": "To you, three times the same picture. To the network, two of them are something else.",
    "length": "Much longer than they need to be, both attacks begin to show, each in its own way.",
}
WORDS = {"holds": "holds here", "fails": "does not hold here", "undecided": "undecided here"}
NUMBERS = {6: "Six", 7: "Seven", 8: "Eight", 9: "Nine"}
KEY = "start.held"


def figure(path: Path, title: str, note: str) -> str:
    """A picture of the example, pixel for pixel."""
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    title, note = html.escape(title), html.escape(note)
    return (
        f'<figure><figcaption><b>{title}</b></figcaption><img alt="{title}: {note}" width="224" height="224" '
        f'src="data:image/png;base64,{encoded}"><span class="ss-note">{note}</span></figure>'
    )


@st.cache_data(show_spinner=False)
def example() -> dict[str, Any]:
    """The example's record. Read as it stands: to check it takes PyTorch."""
    (facts,) = json.loads((EXAMPLE / "example.json").read_text(encoding="utf-8"))["records"]
    return dict(facts)


def distances(fact: dict[str, Any]) -> str:
    """What lies between a picture and the original."""
    return f"L2 {fact['l2']:.2f}, MAD {fact['mad']:.1f}, colour {fact['ciede2000']:.1f}"


@st.cache_data(show_spinner=False)
def grid(held: str) -> str:
    """The pictures of one comparison, and the same magnified."""
    pictures = example()["compared"][held]["pictures"]
    first, second = [], []
    for name, title in COLUMNS.items():
        fact = pictures[name]
        clean = name == "original"
        path = EXAMPLE / ("original.png" if clean else f"{held}-{name}.png")
        first.append(figure(path, title, f"“{fact['label']}”, {100 * fact['probability']:.0f} %"))
        note = "what any photograph shows" if clean else distances(fact)
        second.append(figure(EXAMPLE / f"{held}-{name}-magnified.png", "… magnified", note))
    style = "grid-template-columns: repeat(auto-fill, 226px); max-width: 702px"
    return f'<div class="ss-grid" style="{style}">{"".join(first + second)}</div>'


def told(held: str) -> str:
    """What is held equal, and what then differs, in the example's numbers."""
    facts = example()
    pictures = facts["compared"][held]["pictures"]
    plain, smooth = pictures["cw"], pictures["scw"]
    if held == "success":
        return (
            "Each attack is shown where it was shortest and still fooled the network once the picture is saved. The "
            f"smooth one is **{smooth['l2'] / plain['l2']:.1f} times longer** here; look whether you see either."
        )
    needed = facts["compared"]["success"]["pictures"]
    times = [f"{found['l2'] / needed[name]['l2']:.0f}" for name, found in (("cw", plain), ("scw", smooth))]
    return (
        f"Both are brought to one length, L2 = {facts['norm']:g}: {' and '.join(times)} times what they need. Now "
        "magnification shows of what kind they are: **noise** on the one side, **clouds** on the other."
    )


def verdicts() -> str:
    """What our own measurements say to the claims about the two attacks, one a line."""
    lines = []
    for found in example()["verdicts"]:
        value, low, high = (numbers.signed(found[name]) for name in ("value", "low", "high"))
        measured = page.plain(f"{found['of']}: {value} ({low} to {high}), p = {numbers.general(found['p'], 1)}")
        said = page.plain(f"{found['statement'][0].upper()}{found['statement'][1:]} ({found['paper']})")
        lines.append(f"- {said}: **{WORDS[found['outcome']]}**. {measured}.")
    return "\n".join(lines)


def link(held: str) -> dict[str, str]:
    """The lab's link to the photograph and the smooth attack that are seen here."""
    facts = example()
    attack = facts["attacks"][f"{held}-scw"]["attack"]
    opened = {"model": facts["network"]["name"], "image": facts["protocol"]["parameters"]["photo"]}
    values = {name: "none" if value is None else str(value) for name, value in attack["parameters"].items()}
    return opened | {"attack": attack["name"]} | values


def minutes(lessons: Iterable[Lesson]) -> str:
    """How long lessons take."""
    low, *_, high = sorted(each.minutes for each in lessons) * 2
    return f"{low} minutes" if low == high else f"{low} to {high} minutes"


page.setup("")
facts = example()
links.choice("held", KEY, "success", HELD)
words, shown = st.columns([470, 704], gap="medium")
with shown:
    held = page.switch("Compared at", HELD, KEY)
    st.html(grid(held))
with words:
    st.title("Smoothscope", anchor=False)
    page.tell(
        f"#### {HEADLINES[held]}\n"
        "A small change of the pixels is enough. The plain attack moves every pixel on its own; the **smooth** one "
        "moves neighbours together unless an edge lies between them. **Magnification** brings out what is too faint to "
        f"be seen.\n\n{told(held)}"
    )
    ways = st.container(horizontal=True)
    if ways.button("Try it in the Attack lab", type="primary", icon=":material/science:"):
        st.switch_page(page.file("Attack_lab"), query_params=link(held))
    if ways.button("Compare attacks", icon=":material/compare:"):
        st.switch_page(page.file("Compare"))
    lessons = lesson.every()
    if lessons:
        st.markdown(f"##### {NUMBERS.get(len(lessons), len(lessons))} lessons, {minutes(lessons.values())} each")
    with st.container(horizontal=True, key="lessons"):
        for number, each in enumerate(lessons.values(), 1):
            first = page.file(each.stops[0].page)
            query = lesson.address(each, 1)
            st.page_link(first, label=f"{number} **{each.title}**", help=each.summary, query_params=query)
with st.container(horizontal=True, gap="small", key="seen"):
    for name, sentence in page.SEEN.items():
        st.page_link(page.file(name), label=sentence, icon=page.ICONS[name])
if st.button("What is here, and what is missing", type="tertiary", icon=":material/inventory_2:"):
    import_module("pages.parts.views.here").show()
page.note(verdicts())
alpha = facts["attacks"]["success-scw"]["attack"]["parameters"]["alpha"]
page.note(
    f"{facts['photo_title']} ({facts['photo_credit']}), EfficientNet-Lite0 trained on ImageNet; α = {alpha:g}. "
    "L2: length of the change. MAD: most apparent distortion, 0 is invisible. Colour: the largest difference, "
    "CIEDE2000, about 1 is just seen. Everything is of the 8-bit pictures shown; magnified ones share one scale. "
    f"Remake all of it: `{facts['command']}`"
)

page.finish()

# What the other pages need is brought in while the visitor reads; who clicks at once waits for the rest of it.
threading.Thread(target=import_module, args=("pages.parts.shell.ready",), daemon=True, name="warm-up").start()
