"""How smooth can it get? SmoothFool's fooling rate against sigma_g, what that takes, and which classes give way."""

from __future__ import annotations

import math
from functools import partial

import streamlit as st

from core.data import DATASETS
from core.evaluate.curves import CurveRecord
from core.evaluate.front import at
from core.evaluate.statistics import Estimate
from core.models import Card
from core.papers import smooth_curves, smoothfool_curves
from core.papers.smoothfool_curves import ALL_OF_TABLE3, FIGURE6, KINDS, OURS, TABLE3, Width
from pages.parts.charts import curve_plots, plots, width_plots
from pages.parts.charts.curve_plots import Curve
from pages.parts.charts.width_plots import Stop
from pages.parts.shell import page, theme
from pages.parts.views import results
from pages.parts.views.curves import session
from pages.parts.views.curves.session import SCOPE, Found

LOOK_FOR = (
    "how wide a cloud may be made and still fool (above), and what it then takes (below). **Dotted**: the same "
    "perturbations at one length; wide ones fool because they are long. Where Ω / L2² rises again, the edges of black "
    "and white are in it: it fools, but it is no cloud any more."
)
FLIPPED = 0.99
"""L∞ above which black has become white, or white black."""
IN_TABLE = (2, 20, 60, 100)
"""sigma_g of the table by class: the paper's, and the one that it uses everywhere."""


def drawn(found: Found) -> list[Curve]:
    """All records of the picture."""
    most = session.one_data(found)
    return [
        Curve(record, smooth_curves.titled(record))
        for kind in KINDS
        for record in smoothfool_curves.by_width(most, kind).values()
    ]


def draw(found: Found, card: Card, metric: str) -> None:
    """The chart, what it comes to, and the table by class."""
    most, length = session.one_data(found), smooth_curves.norm(card)
    lines = {}
    for kind, title in KINDS.items():
        stops = [
            Stop(
                sigma,
                Curve(record, smooth_curves.titled(record)),
                record.success,
                _mean(record.title, record.data.n, record.data.sha256 or "", metric, record),
                float(record.column(at("fools", length)).sum()) / record.n if kind == OURS else None,
            )
            for sigma, record in smoothfool_curves.by_width(most, kind).items()
            if record.success is not None
        ]
        if stops:
            lines[title] = (theme.CURVES[kind], stops)
    if not lines:
        keys = " ".join(key for key in smoothfool_curves.KEYS if key.startswith(f"{OURS}-"))
        results.absent(f"python -m core evaluate curves --model {card.name} --n 100 --entries {keys}")
        return
    paper = {"the weaker network": FIGURE6[card.dataset]} if card.dataset in FIGURE6 else {}
    if card.dataset == "cifar10":
        paper |= {network: dict(rates.items()) for network, rates in ALL_OF_TABLE3.items()}
    chart = f"{SCOPE}.widths.{metric}"
    st.plotly_chart(
        width_plots.widths(lines, paper, metric, length, chart),
        key=chart,
        config=plots.CONFIG,
        on_select=partial(session.clicked, chart),
        selection_mode="points",
        alt=f"Share of images that SmoothFool fools, and mean {curve_plots.named(metric)}, against its kernel's width.",
    )
    n = {stop.rate.n for _, stops in lines.values() for stop in stops}
    page.note(f"n = {', '.join(map(str, sorted(n)))}; bands and brackets: 95 % intervals (Wilson, bootstrap).")
    _widest(most, card)
    if card.classes == 10:
        _by_class(most, card)


def _widest(most: Found, card: Card) -> None:
    """sigma_g^{A%} in a sentence."""
    records = smoothfool_curves.by_width(most, OURS)
    told = []
    for share in (0.99, 0.5):
        width = smoothfool_curves.widest(records, share)
        if width is not None:
            told.append(f"**{100 * share:.0f} %** of the images {_said(width, max(records))}")
    size = card.input_shape[-1]
    last = records[max(records)] if records else None
    if last is not None and last.fooled:
        flips = int((last.column("linf")[last.fools].astype(float) > FLIPPED).sum())
        told.append(f"at σ_g = {max(records)}, {flips} of {last.fooled} successes turn black into white somewhere")
    if told:
        page.tell(f"{KINDS[OURS]} still fools {'; '.join(told)}. An image is {size} pixels wide.")


def _said(width: Width, last: int) -> str:
    def number(value: float) -> str:
        return f"beyond {last}" if math.isinf(value) else "below the least" if value == 0 else f"{value:.3g}"

    if math.isinf(width.low):
        return f"with every σ_g up to {last}"
    return f"up to σ_g = **{number(width.value)}** (95 %: {number(width.low)} to {number(width.high)})"


def _by_class(most: Found, card: Card) -> None:
    """The paper's Table 3, ours beside it where it has numbers."""
    records = {s: r for s, r in smoothfool_curves.by_width(most, OURS).items() if s in IN_TABLE}
    if not records:
        return
    names = DATASETS[card.dataset].classes
    rates = {sigma: smoothfool_curves.by_class(record, card.classes) for sigma, record in records.items()}
    papers = [(n, s) for n, by_sigma in TABLE3.items() for s in by_sigma] if card.dataset == "cifar10" else []
    heads = ["", *(f"σ_g = {sigma}" for sigma in rates), *(f"paper, {network}, {sigma}" for network, sigma in papers)]
    lines = [
        [name, *(_rate(of[k]) for of in rates.values()), *(f"{100 * TABLE3[n][s][k]:.0f} %" for n, s in papers)]
        for k, name in enumerate(names)
    ]
    with st.expander("By class (the paper's Table 3)", icon=":material/table_rows:"):
        st.html(results.table(heads, lines))
        widest = max(rates)
        ends = smoothfool_curves.most_and_least(rates[widest])
        if ends is not None and len({rates[widest][k] for k in ends}) > 1:
            most_often, least = (f"{names[k]}, {_rate(rates[widest][k])}" for k in ends)
            st.caption(
                f"At σ_g = {widest} most often fooled: {most_often}; least often: {least}. Each interval is for "
                "itself: of ten classes some lie far apart by chance."
            )


def _rate(rate: Estimate | None) -> str:
    if rate is None:
        return "-"
    return f"{100 * rate.value:.0f} % ({100 * rate.low:.0f} to {100 * rate.high:.0f}), n = {rate.n}"


def claims(found: Found) -> None:
    """What the paper says of it."""
    session.decide(smoothfool_curves.claims(OURS), found)


@st.cache_resource(max_entries=512, show_spinner=False)
def _mean(title: str, n: int, images: str, metric: str, _record: CurveRecord) -> Estimate | None:
    return _record.mean(metric)
