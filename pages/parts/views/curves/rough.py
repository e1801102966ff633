"""From rough to smooth: what networks of different losses withstand, beside what they withstand of corruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from core import models
from core.data import DATASETS
from core.evaluate import transfer
from core.evaluate.records import Network, Record
from core.evaluate.statistics import Estimate
from core.evaluate.tables import percent
from core.evaluate.transfer import Showing
from core.models import Card
from core.papers import rough_to_smooth
from core.papers.graph_smoothness.corruptions import CorruptionRecord
from core.papers.rough_to_smooth import LENGTHS, ROUGHNESS, SIGMAS, RoughnessRecord, by_sigma
from pages.parts.charts import roughness_plots
from pages.parts.inputs import choose
from pages.parts.shell import links, page
from pages.parts.shell.jobs import Slot
from pages.parts.views import results, verdicts
from pages.parts.views.curves import corrupted, session, showing, wall
from pages.parts.views.curves.session import SCOPE
from pages.parts.views.curves.wall import Behind
from pages.parts.views.many import Task
from pages.parts.views.verdicts import Stamp
from pages.parts.work.curves import Counted

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
_VIEW = "rough"
_NETWORKS = " **Click a point:** the networks behind it open, and behind each of those its images."


def follow() -> None:
    """Take what is shown from the page's link."""
    links.choice("rough", _ASPECT, NEEDED, ASPECTS)


def _found(card: Card) -> list[RoughnessRecord]:
    """Of the networks of its data set, with the session's own in their place."""
    return rough_to_smooth.of_data(showing.with_own(ROUGHNESS, results.stored(ROUGHNESS)), card.dataset)


def offer(slot: Slot[Counted, Sequence[Record], Task], card: Card) -> None:
    """What is to be measured now: one sigma_g against the network, on so many images more."""
    if card.dataset not in LENGTHS:
        return

    def wanted(name: str, network: Network, judges: Sequence[Network]) -> Showing:
        return rough_to_smooth.showing(network, judges, card.dataset, float(name))

    told = {f"{sigma:g}": f"SmoothFool, σ_g = {sigma:g}" for sigma in SIGMAS}
    showing.offer(slot, card, ROUGHNESS, told, lambda record: f"{record.sigma:g}", wanted, _VIEW)


def draw(card: Card) -> None:
    """The chart, the images of a point, the table, the claims and how it was made."""
    found = _found(card)
    if card.name not in rough_to_smooth.networks(found):
        names = [card.name, *(name for name in rough_to_smooth.networks(found) if name != card.name)]
        session.absent(transfer.command(RoughnessRecord, names, 100), names[1:])
        return
    aspect = page.switch("What", ASPECTS, _ASPECT)
    behind = _behind(found, card, aspect)
    wall.open_lab(behind)
    page.tell(f"**Look for:** {LOOK_FOR[aspect]}{_NETWORKS if aspect == GOES else wall.CLICK}")
    noise = _withstood(corrupted.found(card))
    titles = choose.menu(models.survey()[0])
    if aspect == GOES:
        _goes(found, noise, titles, behind)
    else:
        _lines(found, card, aspect, titles, behind)
    st.html(_table(found, noise, titles))
    counts = sorted({len(record.lengths) for record in found})
    n = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    page.note(
        f"n = {n} images that each network names rightly; medians count what is not fooled as "
        f"longer than any. Shown to others at L2 = {LENGTHS[card.dataset]:g}: of the images that both networks name "
        "rightly and that the own one is fooled on. Intervals: bootstrap, Wilson; of ρ Bonett and Wright's."
    )
    _by_class(card, found)
    verdicts.each(rough_to_smooth.CLAIMS, verdicts.stamp(found), found, noise)
    results.made(
        found,
        "SmoothFool with σ_g from 0.5 to 100 pixels on every network, unpushed and in float, and what it found shown "
        "to all of them. The command goes on with what is there; with a larger --n it adds images:",
    )
    results.files(found, f"roughness-{card.dataset}", f"{SCOPE}.rough", _about)


def _lines(
    found: Sequence[RoughnessRecord], card: Card, aspect: str, titles: Mapping[str, str], behind: Behind | None
) -> None:
    """A line a network, and the images of the point that is looked at."""
    chart = f"{SCOPE}.rough.{aspect}.{card.dataset}"
    points = _medians(verdicts.stamp(found), found) if aspect == NEEDED else _rates(found, card, aspect == SHOWN)
    names = [name for name in rough_to_smooth.networks(found) if points.get(name)]
    drawn = {titles.get(name, name): (name, points[name]) for name in names}
    point = wall.pointed(_VIEW)
    at = None if point is None or behind is None else (point[0], float(point[1]))
    figure = roughness_plots.lines(drawn, SIGMAS, aspect != NEEDED, titles.get(card.name, card.name), at, chart)
    wall.beside(behind, figure, _VIEW, chart, f"{ASPECTS[aspect]}, against the filter's width.")


def _goes(
    found: Sequence[RoughnessRecord], noise: Mapping[str, Estimate], titles: Mapping[str, str], behind: Behind | None
) -> None:
    """A correlation a sigma_g; the networks behind the one that is looked at, and the images behind one of those."""
    pairs = {sigma: rough_to_smooth.together(found, noise, sigma) for sigma in SIGMAS}
    known = {sigma: pair[0] for sigma, pair in pairs.items() if pair is not None}
    if not known:
        st.info("Fewer than five networks of these images are measured in both ways.")
        return
    name, width = wall.pointed(_VIEW) or ("", "")
    sigma = next((sigma for sigma in known if f"{sigma:g}" == width), None)
    chart = f"{SCOPE}.rough.{GOES}.{found[0].data.name}"
    figure = roughness_plots.correlations(known, SIGMAS, GOES, sigma, chart)
    told = f"{ASPECTS[GOES]}, against the filter's width."
    if sigma is None:
        wall.chart(figure, _VIEW, chart, told)
        return
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        wall.chart(figure, _VIEW, chart, told)
    with right:
        needed = _medians(verdicts.stamp(found), found)
        points = {
            titles.get(each, each): (each, noise[each], needed[each][sigma])
            for each in rough_to_smooth.networks(found)
            if each in noise and sigma in needed[each]
        }
        chart = f"{chart}.{sigma:g}"
        figure = roughness_plots.networks(points, sigma, name if behind else "", chart)
        wall.chart(
            figure,
            _VIEW,
            chart,
            f"Median L2 of networks at σ_g = {sigma:g}, against what they withstand of corruptions.",
        )
        if behind is not None:
            wall.show(behind, _VIEW)
        else:
            page.note("Each point is a network; a click opens its images. Those of which half hold out are left out.")


def _behind(found: Sequence[RoughnessRecord], card: Card, aspect: str) -> Behind | None:
    """The images of the point that is looked at, if it is drawn: of the network that was attacked, or as another is
    shown what was made on `card`."""
    name, sigma = wall.pointed(_VIEW) or ("", "")
    of_itself = aspect in (NEEDED, GOES)
    source = name if of_itself else card.name
    record = {f"{width:g}": record for width, record in by_sigma(found, source).items()}.get(sigma)
    if record is None or (not of_itself and name not in [judge.name for judge in record.judges]):
        return None
    lengths = np.where(record.column("fools"), record.column("l2"), np.inf).astype(float)
    if of_itself:
        asked, fools = record.column("attacked").astype(bool), record.column("fools").astype(bool)
    else:
        asked, fools = record.transferred(name, aspect == SHOWN)
    title = page.plain(choose.menu(models.survey()[0]).get(name, name))
    attack = rough_to_smooth.attack(record.sigma)
    return Behind(
        record,
        f"**{title}**, σ_g = {sigma}",
        wall.fooled(asked, fools, lengths),
        lambda row: f"L2 {lengths[row]:.3g}" if np.isfinite(lengths[row]) else "not fooled",
        lambda images, index: wall.link(source, images, index, attack),
    )


def _by_class(card: Card, found: Sequence[RoughnessRecord]) -> None:
    """What the chosen network withstands, class by class."""
    if card.dataset not in DATASETS:
        return
    mine, noisy = by_sigma(found, card.name), corrupted.found(card)
    stamp = verdicts.stamp([*mine.values(), *noisy])
    with st.expander("By class", icon=":material/table_rows:"):
        heads = ["median L2 at σ_g =", *(f"{sigma:g}" for sigma in mine), "right under corruptions"]
        lines = [
            [name, *_class_cells(*_of_class(stamp, card.name, label, list(mine.values()), noisy))]
            for label, name in enumerate(DATASETS[card.dataset].classes)
        ]
        st.html(results.table(heads, lines))
        st.caption(
            "Medians over the images of a class with bootstrapped 95 % intervals; - where too few are fooled to tell. "
            "Each interval is for itself: of ten classes some lie far apart by chance."
        )


def _class_cells(medians: Sequence[Estimate | None], share: Estimate | None) -> list[str]:
    told = ["-" if m is None else f"{m.value:.2f} ({m.low:.2f} to {m.high:.2f}), n = {m.n}" for m in medians]
    return [*told, "-" if share is None else f"{percent(share, 0)}, n = {share.n}"]


@st.cache_resource(max_entries=128, show_spinner=False)
def _of_class(
    of: Stamp, name: str, label: int, _mine: Sequence[RoughnessRecord], _noisy: Sequence[CorruptionRecord]
) -> tuple[list[Estimate | None], Estimate | None]:
    mine = [record for record in _noisy if record.network is not None and record.network.name == name]
    return [record.median(label) for record in _mine], rough_to_smooth.withstands(mine, label).get(name)


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
