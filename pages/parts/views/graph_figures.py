"""The Graph loss page's figures: Figures 2, 3 and 4 of the paper, from the stored run."""

from __future__ import annotations

import streamlit as st

from core import models
from core.data import DATASETS
from core.papers.graph_smoothness import figures
from pages.parts.charts import loss_plots, plots

LABELS = {"k": "neighbours k", "dim": "dimensions d", "alpha": "kernel α"}
PAPER = {
    "k": "**Figure 2.** More neighbours are better; from about as many as there are classes on it matters little.",
    "dim": "**Figure 3.** Enough dimensions for the classes are needed; many more do little harm.",
    "alpha": "**Figure 4.** Small α hardly matter; where α is large, weights vanish and nothing pushes classes apart.",
}


def draw(scope: str) -> None:
    """Figures 2, 3 and 4 of the paper, from the stored run."""
    report = figures.read()
    study = report["study"]
    base = figures.cross_entropy(report)
    drawn = {name: (figures.series(report, name), figures.series(report, name, "argmax")) for name in figures.SWEEPS}
    lowest = min(min(series.low, default=1.0) for both in drawn.values() for series in both)
    highest = max([*base.high, *(max(series.high, default=0.0) for both in drawn.values() for series in both)])
    span = max(0.0, lowest - 0.03), min(1.0, highest + 0.03)
    st.markdown("##### Accuracy against the loss's three parameters, one moved at a time (section 4.3)")
    for column, (name, (near, own)) in zip(st.columns(3, gap="medium"), drawn.items(), strict=True):
        with column:
            st.plotly_chart(
                loss_plots.accuracy(near, own, base, LABELS[name], span),
                key=f"{scope}.figure.{name}",
                config=plots.CONFIG,
            )
            st.markdown(PAPER[name])
    st.caption(
        f"CPU-sized run: {models.TITLES[study['network']]} on {DATASETS[study['dataset']].title}, {study['n']:,} "
        f"training images, {study['epochs']} epochs of batches of {study['batch_size']}, accuracy on "
        f"{study['test_n']:,} test images; mean of {study['seeds']} trainings, bars from the lowest to the highest. "
        "The rest: k = all, d = 10, α = 2. The sentences are the paper's observations on PreActResNet-18 after 200 "
        "epochs; judge by the curves whether they hold here. AdamW instead of SGD, so that the curves show the loss "
        "and not the size of its step."
    )
    st.code(report["command"], language="bash")
