"""From rough to smooth: what networks of different losses withstand, beside what they withstand of corruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from core import models
from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.models import Card
from core.papers import rough_to_smooth
from core.papers.graph_smoothness.corruptions import CorruptionRecord
from core.papers.rough_to_smooth import LENGTHS, ROUGHNESS, SIGMAS, RoughnessRecord, by_sigma
from pages.parts.charts import plots, roughness_plots
from pages.parts.inputs import choose
from pages.parts.shell import links, page
from pages.parts.views import results, verdicts
from pages.parts.views.curves import corrupted
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.verdicts import Stamp

NEEDED, SHOWN, FOUND, GOES = "needed", "shown", "found", "goes"
ASPECTS = {
    NEEDED: "Length it takes",
    SHOWN: "Shown to others at one length",
    FOUND: "Shown as found",
    GOES: "With corruptions",
}
LOOK_FOR = {
    NEEDED: "which loss makes a network hard to fool by rough perturbations (left), and whether the same one is by "
    "clouds (right). Each is attacked as a white box; the chosen network is drawn thick, with its intervals.",
    SHOWN: "perturbations that were made on the chosen network, brought to one length and shown to the others. A "
    "length that is much for a rough one is little for a smooth one.",
    FOUND: "the same as they were found, each as long as it had to be: a short rough one is its own network's alone, a "
    "long smooth one fools almost everybody.",
    GOES: "whether networks that withstand noise, blur and weather also need longer perturbations: above 0 the two go "
    "together, below 0 they are at each other's cost. There are few networks, so the intervals are wide.",
}
_ASPECT = f"{SCOPE}.rough"


def follow() -> None:
    """Take what is shown from the page's link."""
    links.choice("rough", _ASPECT, NEEDED, ASPECTS)


def draw(card: Card) -> None:
    """The chart, the table, the claims and how it was made."""
    found = rough_to_smooth.of_data(results.stored(ROUGHNESS), card.dataset)
    if card.name not in rough_to_smooth.networks(found):
        told = " ".join([card.name, *(n for n in rough_to_smooth.networks(found) if n != card.name)])
        results.absent(f"python -m core evaluate roughness --models {told} --n 100")
        return
    aspect = st.segmented_control(
        "What",
        list(ASPECTS),
        key=_ASPECT,
        format_func=ASPECTS.__getitem__,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    aspect = aspect or NEEDED
    page.tell(f"**Look for:** {LOOK_FOR[aspect]}")
    noise = _withstood(corrupted.found(card))
    titles = choose.menu(models.survey()[0])
    chart = f"{SCOPE}.rough.{aspect}.{card.dataset}"
    names = rough_to_smooth.networks(found)
    if aspect == GOES:
        pairs = {sigma: rough_to_smooth.together(found, noise, sigma) for sigma in SIGMAS}
        known = {sigma: pair[0] for sigma, pair in pairs.items() if pair is not None}
        if not known:
            st.info("Fewer than five networks of these images are measured in both ways.")
            return
        figure = roughness_plots.correlations(known, SIGMAS, chart)
    else:
        points = _medians(verdicts.stamp(found), found) if aspect == NEEDED else _rates(found, card, aspect == SHOWN)
        drawn = {titles.get(name, name): points[name] for name in names if points.get(name)}
        mine = titles.get(card.name, card.name)
        figure = roughness_plots.lines(drawn, SIGMAS, aspect != NEEDED, mine, chart)
    st.plotly_chart(figure, key=chart, config=plots.CONFIG, alt=f"{ASPECTS[aspect]}, against the filter's width.")
    st.html(_table(found, noise, titles))
    counts = sorted({len(record.lengths) for record in found})
    n = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    page.note(
        f"n = {n} images that each network names rightly; medians count what is not fooled as "
        f"longer than any. Shown to others at L2 = {LENGTHS[card.dataset]:g}: of the images that both networks name "
        "rightly and that the own one is fooled on. Intervals: bootstrap, Wilson; of ρ Bonett and Wright's."
    )
    verdicts.each(rough_to_smooth.CLAIMS, verdicts.stamp(found), found, noise)
    results.made(
        found,
        "SmoothFool with σ_g from 0.5 to 100 pixels on every network, unpushed and in float, and what it found shown "
        "to all of them. The command goes on with what is there; with a larger --n it adds images:",
    )
    results.files(found, f"roughness-{card.dataset}", f"{SCOPE}.rough", _about)


def _about(record: RoughnessRecord) -> dict[str, object]:
    return {"attacked": "" if record.network is None else record.network.name, "sigma_g": record.sigma}


def _rates(found: Sequence[RoughnessRecord], card: Card, at_length: bool) -> dict[str, dict[float, Estimate]]:
    """How often what was made on the chosen network fools each, at one length or as found."""
    mine = by_sigma(found, card.name)
    judges = [judge.name for record in mine.values() for judge in record.judges]
    return {
        judge: {s: rate for s, record in mine.items() if (rate := record.rate(judge, at_length)) is not None}
        for judge in dict.fromkeys(judges)
    }


def _table(found: Sequence[RoughnessRecord], noise: Mapping[str, Estimate], titles: Mapping[str, str]) -> str:
    heads = ["median L2 at σ_g =", *(f"{sigma:g}" for sigma in SIGMAS), "right under corruptions"]
    lines = []
    for name in rough_to_smooth.networks(found):
        mine = by_sigma(found, name)
        cells = [titles.get(name, name)]
        for sigma in SIGMAS:
            median = float(np.median(mine[sigma].lengths)) if sigma in mine and len(mine[sigma].lengths) else None
            cells.append("-" if median is None else f"{median:.2f}" if np.isfinite(median) else "half hold out")
        one = noise.get(name)
        told = "-" if one is None else percent(one)
        lines.append([*cells, told])
    return results.table(heads, lines)


@st.cache_resource(max_entries=16, show_spinner=False)
def _medians(of: Stamp, _found: Sequence[RoughnessRecord]) -> dict[str, dict[float, Estimate]]:
    every = {name: by_sigma(_found, name) for name in rough_to_smooth.networks(_found)}
    return {
        name: {sigma: median for sigma, record in mine.items() if (median := record.median()) is not None}
        for name, mine in every.items()
    }


def _withstood(records: Sequence[CorruptionRecord]) -> dict[str, Estimate]:
    return _kept(verdicts.stamp(records), records)


@st.cache_resource(max_entries=16, show_spinner=False)
def _kept(of: Stamp, _records: Sequence[CorruptionRecord]) -> dict[str, Estimate]:
    return rough_to_smooth.withstands(_records)
