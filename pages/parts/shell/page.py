"""What frames every page: configuration, navigation, style, and the link that says all of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import streamlit as st

from core import glossary, layout
from pages.parts.shell import frame, links, memory, settings, share, theme, visitor

K = TypeVar("K", bound=str)

ROOT = layout.root()

ICONS = {
    "Attack_lab": ":material/science:",
    "Compare": ":material/compare:",
    "Smoothing": ":material/grain:",
    "Embeddings": ":material/scatter_plot:",
    "Graph_loss": ":material/polyline:",
    "MMC_centres": ":material/hub:",
    "Curves": ":material/show_chart:",
    "Training": ":material/model_training:",
}
"""The pages by their names, which are their addresses too, in the order of the navigation, which numbers the files."""

SEEN = {
    "Attack_lab": "Fool a network yourself, and watch every step of it.",
    "Compare": "One picture, fooled in several ways, side by side.",
    "Smoothing": "What becomes of one pixel, smoothed along a picture.",
    "Embeddings": "Images as points, where each loss has put them.",
    "Graph_loss": "Which images a loss ties together, and which it parts.",
    "MMC_centres": "Fixed centres to walk around, and the images at them.",
    "Curves": "Many images at once: how many fall, and how much it takes.",
    "Training": "A network that learns: its classes part as you look on.",
}
"""What is seen on each of them, in a short sentence for who has never been there."""


BESIDE = ("Glossary",)
"""Pages that other pages link to, and that have no place in the navigation."""


def file(name: str) -> str:
    """The script of a page, as Streamlit wants it; "" is the start page's name."""
    return f"pages/{[*ICONS, *BESIDE].index(name) + 1}_{name}.py" if name else "app.py"


def term(slug: str, text: str = "") -> str:
    """A link to what the glossary says of a term, in Markdown. KeyError for one that it does not have."""
    found = glossary.terms()[slug]
    return f"[{text or plain(found.term)}](Glossary?term={slug})"


def linked(text: str, fragment: str = "") -> str:
    """`text`, which is Markdown, with each term of this page linked to the glossary where the page first writes it.

    Call in the order in which the texts stand on the page. fragment: a name of that in which the text stands, if one
    draws it: drawn again, it links what it linked before.
    """
    places: dict[str, str] = st.session_state.setdefault(_LINKED, {})
    known = [slug for slug, place in places.items() if not fragment or place != fragment]
    found, done = glossary.linked(text, glossary.of(here()), lambda each, written: term(each.slug, written), known)
    places.update(dict.fromkeys(done, fragment))
    return found


def tell(text: str, fragment: str = "") -> None:
    """Write `text` on the page, its terms `linked`."""
    st.markdown(linked(text, fragment))


def note(text: str, fragment: str = "") -> None:
    """The same as a caption."""
    st.caption(linked(text, fragment))


def switch(
    label: str,
    titles: Mapping[K, str],
    key: str,
    names: Sequence[K] | None = None,
    on_change: Callable[[], None] | None = None,
) -> K:
    """Which of `names` is looked at, of all `titles` by default: side by side, by their titles. label: for a reader.

    What `key` holds in the session is chosen at first; a link's `choice` puts it there.
    """
    shown = list(titles if names is None else names)
    chosen = st.segmented_control(
        label,
        shown,
        key=key,
        format_func=titles.__getitem__,
        on_change=on_change,
        required=True,
        label_visibility="collapsed",
        wrap=True,
        persist_state="session",
    )
    return chosen or shown[0]


def here() -> str:
    """The name of the page whose script runs."""
    return links.page().replace(" ", "_")


SIDEBAR = 264
"""Width of the controls, in CSS pixels: leaves room for three pictures and the numbers in a window of 1280."""
STYLE = Path(__file__).with_name("style.css")
PRESENTATION = Path(__file__).with_name("presentation.css")
"""On top of the style where a page is shown to an audience: no controls, large type."""
PAUSE = 0.5
"""Seconds that a browser is given for the first picture."""
at_begin: list[Callable[[], None]] = []
"""What is done before a page is drawn, by those who come above this module."""
at_end: list[Callable[[], None]] = []
"""What is done when it has been drawn."""
_DRAWN = "page.drawn"
_PRESENT = "page.present"
_FRAME = "page.frame"
_SAID = "page.said"
_BRING = "page.bring"
_LINKED = "page.linked"
"""Where the session keeps which terms are linked on the page, and the name of the fragment that did, or ""."""


def setup(title: str, controls: bool = False) -> None:
    """Configure the page and draw the navigation. Call first on every page, and `finish` last.

    controls: the page uses the sidebar.
    """
    st.set_page_config(
        page_title=f"{title} · Smoothscope" if title else "Smoothscope",
        page_icon=str(ROOT / "assets" / "icon.png"),
        layout="wide",
        initial_sidebar_state=SIDEBAR if controls else "collapsed",
    )
    if (problem := settings.problem()) is not None:
        st.error(plain(f"This server is not set up rightly, and serves nothing until it is: {problem}"))
        st.stop()
    links.begin(title)
    st.session_state[_LINKED] = {}
    present = links.flag("present", _PRESENT)
    st.html(f"<style>{theme.css()}{STYLE.read_text(encoding='utf-8')}</style>")
    if present:
        st.html(PRESENTATION)
    unseen = st.container(key="unseen")
    if title:  # the start page shows its own
        unseen.html(f"<h1>{title}</h1>")
    with st.container(horizontal=True, gap="medium", vertical_alignment="center", key="navigation"):
        if not present:
            st.page_link("app.py", label="Start", icon=":material/home:")
            for name, icon in ICONS.items():
                st.page_link(file(name), label=name.replace("_", " "), icon=icon)
        sharing = st.container(
            horizontal=True, width="content", gap="medium", vertical_alignment="center", key="sharing"
        )
    # Here already: what comes to the line at the end must not make it higher, and push the page down under a pointer.
    sharing.button(
        "Leave presentation" if present else "Present",
        key="page.toggle",
        on_click=_turn,
        args=(not present,),
        type="tertiary",
        icon=":material/close_fullscreen:" if present else ":material/slideshow:",
        help="Show the controls again" if present else "Hide the controls and enlarge the type, for a projector",
    )
    st.session_state[_FRAME] = unseen, sharing, st.container()
    for each in at_begin:
        each()


def presenting() -> bool:
    """The page is shown to an audience: without the sidebar."""
    return bool(st.session_state.get(_PRESENT))


def begin(label: str, disabled: bool = False) -> bool:
    """The button that begins what a page is for, wherever the keyboard is: Ctrl+Enter, or Cmd+Enter, presses it."""
    icon = ":material/play_arrow:"
    return st.button(label, type="primary", icon=icon, shortcut="Ctrl+Enter", wrap=False, disabled=disabled)


def say(sentence: str) -> None:
    """Have it said, when the page has been drawn, to who listens rather than looks: what has come of what was begun.

    Problems need no word here: Streamlit's boxes are announced. Not from a fragment, which may be run without the page.
    """
    st.session_state.setdefault(_SAID, []).append(sentence)


def bring(stop: str, words: str) -> None:
    """Have the window moved to `words` of the page, once for each stop of a lesson that is opened; "" is its top."""
    st.session_state[_BRING] = {"stop": stop, "words": words}


def cover() -> NoReturn:
    """End the run before the page is drawn; its link is followed when it is. Only before the page's own script."""
    _speak()
    st.stop()


def finish() -> None:
    """Write the page's link, offer to copy it, and say what the link that was opened got wrong. Call last."""
    notices, absent = links.end()
    _speak()
    _, sharing, board = st.session_state[_FRAME]
    with sharing:
        share.button(absent, key="page.share")
    with st.container(key="footer", gap="xxsmall"):
        if met := glossary.of(here()):
            st.caption(f"Terms: {', '.join(term(each.slug) for each in met)}.")
        share.record(links.page(), here(), key="page.record")
    for notice in notices:
        board.warning(plain(notice), icon=":material/link_off:")
    memory.settle()
    for each in at_end:
        each()


def _speak() -> None:
    with st.session_state[_FRAME][0]:
        frame.draw(" ".join(st.session_state.pop(_SAID, [])), st.session_state.pop(_BRING, None), key="page.voice")
        visitor.remember()


def let_draw() -> None:
    """Call between a page's first picture and its charts; waits, once a session, while the browser draws the picture.

    A browser that has not read Plotly's script yet does nothing else for a second or two once a chart has come.
    """
    if not st.session_state.get(_DRAWN):
        st.session_state[_DRAWN] = True
        time.sleep(PAUSE)


def _turn(present: bool) -> None:
    st.session_state[_PRESENT] = present


def plain(text: str) -> str:
    """`text` as it is where Streamlit would read Markdown in it: file names hold any character."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
