"""Smoothscope's start page: a finished example at once, and the ways on from there.

It reads pictures and numbers from assets/examples and computes nothing; not even PyTorch is imported to draw it.
"""

from __future__ import annotations

import base64
import html
import json
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import streamlit as st

from pages.parts.shell import page

TOUR = page.ROOT / "assets" / "examples" / "start"
COLUMNS = {"original": "Original", "cw": "Carlini & Wagner", "scw": "Smooth C&W"}
REMARKS = {
    "original": "edges and texture, as in any photograph",
    "cw": "noise on every flat surface gives it away",
    "scw": "flat stays flat: nothing to see",
}


def figure(path: Path, title: str, note: str) -> str:
    """A picture of the tour, pixel for pixel."""
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    title, note = html.escape(title), html.escape(note)
    return (
        f'<figure><figcaption><b>{title}</b></figcaption><img alt="{title}: {note}" width="224" height="224" '
        f'src="data:image/png;base64,{encoded}"><span class="ss-note">{note}</span></figure>'
    )


@st.cache_data(show_spinner=False)
def example() -> tuple[dict[str, Any], str]:
    """The tour's facts and its two rows of pictures."""
    tour = json.loads((TOUR / "tour.json").read_text(encoding="utf-8"))
    pictures = tour["pictures"]
    first = [
        figure(TOUR / f"{name}.png", title, f"“{pictures[name]['label']}”, {100 * pictures[name]['probability']:.0f} %")
        for name, title in COLUMNS.items()
    ]
    second = [figure(TOUR / f"{name}-magnified.png", "… magnified", REMARKS[name]) for name in COLUMNS]
    style = "grid-template-columns: repeat(auto-fill, 226px); max-width: 702px"
    return tour, f'<div class="ss-grid" style="{style}">{"".join(first + second)}</div>'


page.setup("")
words, pictures = st.columns([470, 704], gap="medium")
with words:
    st.title("Smoothscope", anchor=False)
    st.markdown(
        "#### Three pictures that look alike. The network gives three different answers.\n"
        "A small change of the pixels was enough. In the plain attack it is noise, and **magnification** shows it. "
        "The **smooth** attack changes only what may change without being seen: it follows the picture, flat where it "
        "is flat, sharp only across its edges."
    )
    ways = st.container(horizontal=True)
    if ways.button("Try it in the Attack lab", type="primary", icon=":material/science:"):
        st.switch_page(page.file("Attack_lab"))
    if ways.button("Compare attacks", icon=":material/compare:"):
        st.switch_page(page.file("Compare"))
with pictures:
    tour, grid = example()
    st.html(grid)
facts = tour["pictures"]
st.caption(
    f"{tour['title']} ({tour['credit']}), EfficientNet-Lite0 trained on ImageNet. Distortion L2: C&W "
    f"{facts['cw']['l2']:.2f}, sC&W {facts['scw']['l2']:.2f}, at the same margin {tour['margin']:g}, α = "
    f"{facts['scw']['parameters']['alpha']:g}. Labels, distortion and magnification are of the 8-bit pictures shown; "
    f"the three magnified ones share one scale. Remake all of it: `{tour['made by']}`"
)

page.finish()

# The lab needs PyTorch; it is brought in while the visitor reads. Nothing of core with it: who clicks at once imports
# core in another thread, and of two that do so each comes upon what the other has half done, so that both fail.
threading.Thread(target=import_module, args=("torch",), daemon=True, name="warm-up").start()
