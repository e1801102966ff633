"""SmoothFool's Table 4: how often attacks get past defences of which they know nothing, or everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.evaluate.records import Record
from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.models import Card
from core.papers import smoothfool_defences
from core.papers.smoothfool_defences import (
    ATTACKS,
    BYPASSES,
    DEFENCES,
    GRAY,
    PAPER,
    RESISTS,
    WHITE,
    Box,
    DefenceRecord,
    pick,
)
from pages.parts.charts import rate_plots
from pages.parts.engine.networks import Network
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Slot
from pages.parts.views import many, results, verdicts
from pages.parts.views.curves import session, wall
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.curves.wall import Behind
from pages.parts.views.many import Task
from pages.parts.work import growing as work
from pages.parts.work.curves import Counted

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
BOXES: dict[Box, str] = {GRAY: "Gray box: it knows nothing of the defence", WHITE: "White box: it knows all of it"}
LOOK_FOR: dict[Box, str] = {
    GRAY: "whether the points of a defence lie in the order of their smoothness, as the paper's (open diamonds) do. "
    "Attacks that stop at the bare network's boundary hardly get past anything here.",
    WHITE: "what the same attacks do once they are made on what defends. A defence that only gray-box attacks meet "
    "has not been tested. The paper has no such numbers.",
}
_BOX = f"{SCOPE}.box"
_VIEW = "defences"


def follow() -> None:
    """Take the box from the page's link."""
    links.choice("box", _BOX, GRAY, BOXES)


def offer(slot: Slot[Counted, Sequence[Record], Task], card: Card) -> None:
    """What is to be measured now: an attack under all that protects the network, on so many images more."""
    if card.dataset != smoothfool_defences.DATASET:
        return

    def known(name: str) -> list[DefenceRecord]:
        every = smoothfool_defences.of_bare(many.with_own(results.read(DEFENCES), DefenceRecord), card)
        return [r for r in every if r.attack == name and r.data.source == "gallery"]

    def start(name: str, n: int, before: list[DefenceRecord]) -> None:
        slot.start(many.task(card, TITLES[name]), work.defended, Network.of(card), name, n, before)

    many.offer(slot, card, TITLES, f"{SCOPE}.{_VIEW}", "attack", known, start)


def draw(card: Card) -> None:
    """The chart, the table, the claims and how it was made."""
    stored = many.with_own(results.stored(DEFENCES), DefenceRecord)
    found = smoothfool_defences.of_bare(stored, card)
    if not found:
        measured = [record.made_on.name for record in stored if record.defence == "none"]
        session.absent(f"python -m core evaluate {DefenceRecord.kind} --model {card.name} --n 100", measured)
        return
    box = page.switch("What the attack knows", BOXES, _BOX)
    behind = _behind(found, box)
    wall.open_lab(behind)
    page.tell(f"**Look for:** {LOOK_FOR[box]}{wall.CLICK}")
    there = [name for name in PROTECTIONS if pick(found, name, "SF1", box) is not None]
    ours: dict[str, tuple[str, dict[str, Estimate]]] = {}
    paper: dict[str, dict[str, float]] = {}
    for attack in ATTACKS:
        records = {name: one for name in there if (one := pick(found, name, attack, box)) is not None}
        ours[TITLES[attack]] = attack, {name: record.rate for name, record in records.items()}
        known = {name: record.published for name, record in records.items() if record.published is not None}
        if known:
            paper[TITLES[attack]] = known
    chart, rows = f"{SCOPE}.defences.{box}", {name: "nothing" if name == "none" else name for name in there}
    figure = rate_plots.rates(
        rows, ours, paper, "fooled under the defence", wall.pointed(_VIEW) if behind else None, chart
    )
    wall.beside(behind, figure, _VIEW, chart, "Share of images that five attacks fool a network on under each defence.")
    st.html(_table(found, box, there))
    page.note(
        f"n = {many.counts(found)} test images, which all of these networks name "
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


def _behind(found: Sequence[DefenceRecord], box: Box) -> Behind | None:
    """The images of the point that is looked at, if it is drawn. The lab sees them through the defence where it is one
    in front; else it has the network that the attack was made on."""
    attack, name = wall.pointed(_VIEW) or ("", "")
    record = pick(found, name, attack, box)
    if record is None or record.rows is None:
        return None
    fools, refused, lengths = (record.rows[column] for column in ("fooled", "refused", "l2"))
    through = {} if record.front is None else {"through": record.front.name, "box": box}
    source = record.made_on.name
    return Behind(
        record,
        f"**{TITLES[attack]}**, {page.plain(PROTECTIONS[name])}",
        wall.fooled(np.ones(len(fools), bool), fools, lengths.astype(float)),
        lambda row: f"L2 {lengths[row]:.3g}, " + ("fooled" if fools[row] else "refused" if refused[row] else "held"),
        lambda images, index: wall.link(source, images, index, ATTACKS[attack]) | through,
    )


def _table(found: Sequence[DefenceRecord], box: Box, there: Sequence[str]) -> str:
    heads = ["fooled under", *(TITLES[attack] for attack in ATTACKS)]
    lines: list[list[str]] = []
    papers: list[int] = []
    for name in there:
        cells = [pick(found, name, attack, box) for attack in ATTACKS]
        lines.append([PROTECTIONS[name], *("-" if one is None else percent(one.rate, 0) for one in cells)])
        if box == GRAY and name in PAPER:
            papers.append(len(lines))
            lines.append(["paper, ResNet-18", *(f"{100 * PAPER[name][attack]:.1f} %" for attack in ATTACKS)])
    return results.table(heads, lines, papers)
