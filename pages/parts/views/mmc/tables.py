"""The Tables tab: the report's Tables 4, 2 and 1 at a CPU's size, and the errors of all losses."""

from __future__ import annotations

import statistics as averages
from collections.abc import Sequence

import streamlit as st

from core import models
from core.data import DATASETS
from core.papers.mmc import claims
from core.papers.mmc import tables as mmc_tables
from core.papers.trainings import TrainingRecord
from pages.parts.charts import evidence_plots, plots
from pages.parts.shell import page
from pages.parts.views import results, verdicts
from pages.parts.views.mmc import errors


def draw() -> None:
    """The three, and the errors of the networks that come with the project."""
    page.tell(
        "Small runs that a laptop repeats in minutes, beside the report's on a GPU: other networks, fewer images and "
        "epochs. Compare the **shape** of a curve, not its height."
    )
    left, right = st.columns(2, gap="large")
    with left:
        _norms()
    with right:
        _optimisers()
    _times()
    errors.draw()


def _norms() -> None:
    st.markdown("##### How far out should the centres be? (Table 4)")
    found = results.stored(mmc_tables.NORM_RECORDS)
    if not found:
        return
    groups = mmc_tables.by_norm(found)
    ours = {group.value: (100 * group.mean, 100 * group.deviation) for group in groups}
    st.plotly_chart(
        evidence_plots.sweep(ours, mmc_tables.NORM_PAPER, "tables.norms"), key="tables.norms", config=plots.CONFIG
    )
    best = max(groups, key=lambda group: group.mean)
    page.tell(
        f"The highest mean here is at $C_{{MM}}$ = **{best.value:g}** ({100 * best.mean:.1f} ± "
        f"{100 * best.deviation:.1f} %)."
    )
    verdicts.draw(claims.TEN_IS_BEST, claims.TEN_IS_BEST.decide(found))
    verdicts.draw(claims.HUNDRED_IS_CHANCE, claims.HUNDRED_IS_CHANCE.decide(found))
    page.tell("Loss and gradients grow with the norm, and the steps overshoot.")
    rate = mmc_tables.OPTIMISERS["sgd"]
    results.origin(
        found,
        f"CPU-sized run: {_settings(found)}, momentum SGD at {rate:g} (the report's 0.01 diverges now and then without "
        "batch norm); mean ± standard deviation over seeds, on all 10,000 test images.",
    )


def _settings(found: Sequence[TrainingRecord]) -> str:
    training = found[0].training
    return (
        f"{models.TITLES[training.network]} on {training.recipe['n']:,} images of {DATASETS[training.dataset].title}, "
        f"{training.recipe['epochs']} epochs, {len({record.seed for record in found})} seeds"
    )


def _optimisers() -> None:
    st.markdown("##### Which optimiser suits MMC? (Table 2)")
    found = results.stored(mmc_tables.OPTIMISER_RECORDS)
    if not found:
        return
    base = mmc_tables.OPTIMISER_PAPER["sgd"][1]
    lines = []
    for group in mmc_tables.by_optimiser(found):
        cost = averages.median(record.time for record in found if record.optimiser == group.value)
        accuracy, minutes = mmc_tables.OPTIMISER_PAPER[group.value]
        lines.append(
            f"| {claims.TITLES[group.value]} | {100 * group.mean:.1f} ± {100 * group.deviation:.1f} % | {cost:.2f} | "
            f"{100 * accuracy:.1f} % | {minutes / base:.2f} |"
        )
    st.markdown("| | ours | time / SGD's | report | time / SGD's |\n|---|---|---|---|---|\n" + "\n".join(lines))
    for claim in (claims.SGD_MOST_ACCURATE, claims.SGD_QUICKEST):
        verdicts.draw(claim, claim.decide(found))
    rates = ", ".join(f"{claims.TITLES[name]} {rate:g}" for name, rate in mmc_tables.OPTIMISERS.items())
    results.origin(
        found,
        f"CPU-sized run: {_settings(found)}. Learning rates: {rates} (the report gives 0.01 for SGD). The three take "
        "turns, batch by batch; time is the median ratio.",
    )


def _times() -> None:
    st.markdown("##### What does MMC cost? (Table 1)")
    found = results.stored(mmc_tables.TIMES_RECORDS)
    if not found:
        return
    rows = [(record.timed.title, record.ratios, record.published) for record in found]
    st.plotly_chart(evidence_plots.costs(rows, "tables.costs"), key="tables.costs", config=plots.CONFIG)
    verdicts.draw(claims.LITTLE_COST, claims.LITTLE_COST.decide(found))
    for record in found:
        if record.over_standard is not None:
            page.tell(
                f"Adversarial training multiplies cross-entropy's time by {averages.median(record.over_standard):.1f}; "
                f"the report's by {mmc_tables.PAPER_OVER_STANDARD:.1f}."
            )
    largest = max(found, key=lambda record: record.timed.images).timed
    results.origin(
        found,
        f"CPU-sized run: {largest.rounds} rounds of {largest.images} images (a fifth under attack), batches of 50, "
        "PGD of 10 steps; both losses in turns within one run; the full marker is the median of the rounds, the bar "
        "their range. CIFAR-100 was not run.",
    )
