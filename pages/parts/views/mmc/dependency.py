"""The Runner-up tab: how often the runner-up logit stands for the log-sum of all others (section 4.5)."""

from __future__ import annotations

import streamlit as st

from core.models import Card
from core.papers.mmc import claims
from core.papers.mmc import dependency as runner_up
from core.papers.mmc.dependency import DEPENDENCIES, FACTOR, PAPER_COMPARABLE, DependencyRecord
from pages.parts.charts import evidence_plots, plots
from pages.parts.inputs import choose
from pages.parts.shell import cache, page
from pages.parts.views import results, verdicts
from pages.parts.views.mmc import shared


def draw(sce: Card, mmc: Card) -> None:
    """Ratio of the two largest other logits, what a sum of few terms misses, and whether that matters."""
    st.latex(r"\log\sum_{l\neq y} e^{h_l} \;\approx\; h_{\tilde y},\qquad \tilde y = \arg\max_{l\neq y} h_l")
    page.tell(
        "The theory of cross-entropy's sample density replaces the sum over all wrong classes by its largest term. "
        "**Look for:** the share of images in the red band, for which the next class counts nearly as much."
    )
    found, live = {}, {}
    for title, card in (("cross-entropy", sce), ("MMC", mmc)):
        images = choose.shelf(card)
        assert images is not None
        said, model = shared.logits(card.name, card.sha256, card.dataset), cache.model(card.name, card.sha256)
        found[title] = runner_up.dependency(said, images.labels)
        live[title] = runner_up.of_logits(model, said, images, "", None)
    columns = st.columns(3)
    for column, (title, record) in zip(columns, live.items(), strict=False):
        share = record.share
        column.metric(
            f"Within {FACTOR:g} times, {title}",
            f"{100 * share.value:.1f} %",
            help=f"95 % interval {100 * share.low:.1f} to {100 * share.high:.1f} %, of {share.n:,} test images of the "
            "gallery.",
        )
    columns[2].metric("Report", f"{100 * PAPER_COMPARABLE:.2f} %", help="ResNet-32 on CIFAR-10, cross-entropy.")
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("##### How far ahead is the runner-up?")
        st.plotly_chart(
            evidence_plots.ratios({k: v.ratio for k, v in found.items()}, FACTOR, "dependency"),
            key="dependency.ratios",
            config=plots.CONFIG,
        )
    with right:
        st.markdown("##### What a sum of only a few terms misses")
        st.plotly_chart(
            evidence_plots.missing({k: v.missing for k, v in found.items()}, "dependency"),
            key="dependency.missing",
            config=plots.CONFIG,
        )
    verdicts.draw(claims.RUNNER_UP, claims.RUNNER_UP.decide(live["cross-entropy"]))
    most = live["cross-entropy"].missing_95
    page.tell(
        f"Keeping the runner-up alone misses up to {most[0]:.2f} in the logarithm for 95 % of the images; keeping the "
        f"top five, as the report advises, {most[-1]:.2g}. MMC's loss has no such sum; its logits are drawn for "
        "comparison: at a centre all others are equally far, so all wrong classes tie."
    )
    verdicts.draw(claims.WORSE_AT_CENTERS, claims.WORSE_AT_CENTERS.decide(live["cross-entropy"], live["MMC"]))
    full = results.stored(DEPENDENCIES)
    if full:
        results.lacking(full, (sce, mmc), DependencyRecord.kind)
        mine = [record for card in (sce, mmc) for record in results.of(full, card)]
        told = "; ".join(f"{_name(record)}: {verdicts.share(record.share, 2)} of {record.data.n:,}" for record in mine)
        if told:
            results.origin(mine, f"On the full test set, {told}.")
    with st.expander("How the report's sentence was read"):
        page.tell(
            "The report says that “around 9.16 % of the samples have comparable (< 5×) second and third class scores”, "
            "and not what the factor is of. Here it is of $e^{h}$, that is of the softmax's scores: their ratio does "
            "not change when all logits are shifted, as the loss does not. Second and third are the two largest among "
            "the wrong classes."
        )


def _name(record: DependencyRecord) -> str:
    return "" if record.network is None else page.plain(record.network.name)
