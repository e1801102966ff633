"""What is here: the machine, networks, data sets and lessons, what is missing, and how to get it."""

from __future__ import annotations

import streamlit as st
import torch

from core import models
from core.data import DATASETS, fetch
from core.lessons import reading
from core.models import Card, default_device
from pages.parts.shell import page


def rows() -> list[tuple[str, str, str]]:
    """(what, how it stands, how to get what is missing or more), each a line."""
    return [_device(), *_networks(), *_data(), _lessons()]


def _device() -> tuple[str, str, str]:
    device = default_device()
    if device.type == "cuda":
        return "Computes on", torch.cuda.get_device_name(device), ""
    threads = torch.get_num_threads()
    slow = "Enough for digits at once, for a photograph in some seconds; a GPU that PyTorch finds is used by itself."
    return "Computes on", f"the processor, {threads} thread{'s' * (threads > 1)}", slow


def _networks() -> list[tuple[str, str, str]]:
    usable, unusable = models.survey()

    def counted(cards: list[Card]) -> str:
        sets: dict[str, int] = {}
        for card in cards:
            title = DATASETS[card.dataset].title if card.dataset in DATASETS else "ImageNet"
            sets[title] = sets.get(title, 0) + 1
        return ", ".join(f"{count} of {title}" for title, count in sorted(sets.items())) or "none"

    shipped = [card for card in usable.values() if models.is_shipped(card.name)]
    own = [card for card in usable.values() if not models.is_shipped(card.name)]
    found = [
        (
            "Networks",
            counted(shipped),
            "torchvision's for ImageNet: `python -m core models get NAME`, where the internet can be reached.",
        ),
        ("Your networks", counted(own), "Train one on the Training page and keep it."),
    ]
    if unusable:
        found.append(("Cannot be used", f"{len(unusable)} checkpoints", "`python -m core models list` says why."))
    return found


def _data() -> list[tuple[str, str, str]]:
    found = []
    for name, dataset in DATASETS.items():
        if dataset.installed():
            count = sum(dataset.splits.values())
            found.append((dataset.title, f"all {count:,} images" if count > 1000 else f"{count} of them", ""))
            continue
        state = "a thousand test images" if dataset.gallery else "not here"
        way = f"The whole set: `python -m core data get {name}`" if name in fetch.WAYS else ""
        found.append((dataset.title, state, way))
    return found


def _lessons() -> tuple[str, str, str]:
    own = sum(lesson.own for lesson in reading.lessons().values())
    text = "A Markdown file in `lessons` of SMOOTHSCOPE_HOME; “Record a stop” below every page begins one, "
    return "Your lessons", str(own or "none"), f"{text}`python -m core lessons check` says what is wrong with it."


@st.dialog("What is here", width="large")
def show() -> None:
    """All of it, in a dialog."""
    lines = [f"| **{what}** | {page.plain(state)} | {way} |" for what, state, way in rows()]
    st.markdown("\n".join(["| | here | how to get more |", "|---|---|---|", *lines]))
    st.caption("`smoothscope doctor` says more: versions, memory, what is slow on this machine and why.")
