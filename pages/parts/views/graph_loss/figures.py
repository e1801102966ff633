"""The Graph loss page's figures: Figures 2, 3 and 4 of the paper from the stored trainings, and what they decide."""

from __future__ import annotations

import streamlit as st

from core import models
from core.data import DATASETS
from core.papers.graph_smoothness import claims, figures
from core.papers.graph_smoothness.figures import FIGURES
from pages.parts.charts import loss_plots, plots
from pages.parts.shell import page
from pages.parts.views import results, verdicts

CORRUPTED = "cifar10-preactresnet18-graph"
"""The network that the paper's Table 2 is about, as it comes with the project."""
LABELS = {"k": "neighbours k", "dim": "dimensions d", "alpha": "kernel α"}


def draw(scope: str) -> None:
    """All three, each with its claim."""
    found = results.stored(FIGURES)
    if not found:
        return
    study = figures.study_of(found)
    base = figures.cross_entropy(found)
    drawn = {name: (figures.series(found, name), figures.series(found, name, "argmax")) for name in figures.SWEEPS}
    lowest = min(min(series.low, default=1.0) for both in drawn.values() for series in both)
    highest = max([*base.high, *(max(series.high, default=0.0) for both in drawn.values() for series in both)])
    span = max(0.0, lowest - 0.03), min(1.0, highest + 0.03)
    if base.mean:
        st.markdown("##### Beside cross-entropy (section 4.3, Table 1)")
        page.tell(f"On the same network and images cross-entropy reaches **{100 * base.mean[0]:.1f} %**, dotted below.")
        verdicts.draw(claims.CLOSE, claims.CLOSE.decide(found))
    st.markdown("##### Accuracy against the loss's three parameters, one moved at a time (section 4.3)")
    for column, (name, (near, own)) in zip(st.columns(3, gap="medium"), drawn.items(), strict=True):
        with column:
            st.plotly_chart(
                loss_plots.accuracy(near, own, base, LABELS[name], span),
                key=f"{scope}.figure.{name}",
                config=plots.CONFIG,
            )
            verdicts.draw(claims.CLAIMS[name], claims.CLAIMS[name].decide(found))
    page.note(
        f"CPU-sized run: {models.TITLES[study.network]} on {DATASETS[study.dataset].title}, {study.n:,} training "
        f"images, {study.epochs} epochs of batches of {study.batch_size}, accuracy on {study.test_n:,} test images; "
        f"mean of {study.seeds} trainings, bars from the lowest to the highest. The rest: k = all, d = 10, α = 2. The "
        "paper trains PreActResNet-18 for 200 epochs; what matters little here changes accuracy by "
        f"{100 * claims.LITTLE:g} points at most. AdamW instead of SGD, so that the curves show the loss and not the "
        "size of its step."
    )
    st.page_link(
        page.file("Curves"),
        label="Table 2: what corruptions do to it, beside cross-entropy",
        icon=":material/foggy:",
        query_params={"view": "corrupted", "model": CORRUPTED},
    )
    for command in dict.fromkeys(record.command for record in found):
        st.code(command, language="bash")
    st.caption(results.known(found))
