"""SmoothFool's Table 4: how often attacks get past defences of which they know nothing, or everything."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.models import Card
from core.papers import smoothfool_defences
from core.papers.smoothfool_defences import ATTACKS, BYPASSES, DEFENCES, PAPER, RESISTS, Box, DefenceRecord, pick
from pages.parts.charts import plots, rate_plots
from pages.parts.shell import links, page
from pages.parts.views import results, verdicts
from pages.parts.views.curves.session import SCOPE

TITLES = {
    "IGSM": "IGSM",
    "DF": "DeepFool",
    "SF1": "SmoothFool, σ_g = 1",
    "SF2": "SmoothFool, σ_g = 3",
    "SF3": "SmoothFool, σ_g = 5",
}
PROTECTIONS = {
    "none": "nothing",
    "Adv.": "Adv.: trained against FGSM or step l.l.",
    "PGD": "PGD: trained against it",
    "Ens.": "Ens.: against several networks'",
    "SAT": "SAT: trained against SmoothFool, σ_g = 1",
    "HGD": "HGD: denoiser in front",
    "MagNet": "MagNet: autoencoders and detectors",
}
BOXES: dict[Box, str] = {"gray": "Gray box: it knows nothing of the defence", "white": "White box: it knows all of it"}
LOOK_FOR: dict[Box, str] = {
    "gray": "whether the points of a defence lie in the order of their smoothness, as the paper's (open diamonds) do. "
    "Attacks that stop at the bare network's boundary hardly get past anything here.",
    "white": "what the same attacks do once they are made on what defends. A defence that only gray-box attacks meet "
    "has not been tested. The paper has no such numbers.",
}
_BOX = f"{SCOPE}.box"


def follow() -> None:
    """Take the box from the page's link."""
    links.choice("box", _BOX, "gray", BOXES)


def draw(card: Card) -> None:
    """The chart, the table, the claims and how it was made."""
    found = smoothfool_defences.of_bare(results.stored(DEFENCES), card)
    if not found:
        results.absent(f"python -m core evaluate {DefenceRecord.kind} --model {card.name} --n 100")
        return
    chosen = st.segmented_control(
        "What the attack knows",
        list(BOXES),
        key=_BOX,
        format_func=BOXES.__getitem__,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    box: Box = chosen or "gray"
    page.tell(f"**Look for:** {LOOK_FOR[box]}")
    there = [name for name in PROTECTIONS if pick(found, name, "SF1", box) is not None]
    rows = [_short(name) for name in there]
    ours: dict[str, dict[str, Estimate]] = {}
    paper: dict[str, dict[str, float]] = {}
    for attack in ATTACKS:
        records = {name: pick(found, name, attack, box) for name in there}
        ours[TITLES[attack]] = {_short(name): r.rate for name, r in records.items() if r is not None}
        known = {_short(n): r.published for n, r in records.items() if r is not None and r.published is not None}
        if known:
            paper[TITLES[attack]] = known
    chart = f"{SCOPE}.defences.{box}"
    st.plotly_chart(
        rate_plots.rates(rows, ours, paper, "fooled under the defence", chart),
        key=chart,
        config=plots.CONFIG,
        alt="Share of images that five attacks fool a network on under each defence.",
    )
    st.html(_table(found, box, there))
    page.note(
        f"n = {', '.join(map(str, sorted({r.data.n for r in found})))} test images, which all of these networks name "
        "rightly when clean and no detector refuses; 95 % intervals (Wilson). What a detector refuses fools nobody. "
        "The paper's: ResNet-18 on CIFAR-10, gray box; ours is of digits, so its colour shift is left out."
    )
    verdicts.each((BYPASSES, RESISTS), verdicts.stamp(found), found)
    results.made(
        found,
        "The attacks as published, to the first success: made on the bare network and shown to what defends (gray), "
        "or made on what defends (white). The command goes on with what is there:",
    )
    results.files(found, f"smoothfool-defences-{card.name}", f"{SCOPE}.defences", _about)


def _about(record: DefenceRecord) -> dict[str, object]:
    return {"defence": record.defence, "box": record.box, "attack": record.attack}


def _short(name: str) -> str:
    """A defence on an axis."""
    return "nothing" if name == "none" else name


def _table(found: Sequence[DefenceRecord], box: Box, there: Sequence[str]) -> str:
    heads = ["fooled under", *(TITLES[attack] for attack in ATTACKS)]
    lines: list[list[str]] = []
    papers: list[int] = []
    for name in there:
        cells = [pick(found, name, attack, box) for attack in ATTACKS]
        lines.append([PROTECTIONS[name], *("-" if one is None else percent(one.rate, 0) for one in cells)])
        if box == "gray" and name in PAPER:
            papers.append(len(lines))
            lines.append(["paper, ResNet-18", *(f"{100 * PAPER[name][attack]:.1f} %" for attack in ATTACKS)])
    return results.table(heads, lines, papers)
