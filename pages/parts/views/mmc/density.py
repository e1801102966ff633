"""The Loss and density tab, its lower half: the sample density of two trained networks."""

from __future__ import annotations

import streamlit as st

from core.features.density import SampleDensity, sample_density
from core.losses import trained_with
from core.models import Card
from core.papers.mmc import claims
from pages.parts.charts import plots, surface_plots
from pages.parts.shell import cache, page
from pages.parts.shell.numbers import power
from pages.parts.views import verdicts
from pages.parts.views.mmc.features import around
from pages.parts.views.mmc.shared import SCOPE

SHELLS, NEIGHBOURS = 5, 10


@st.cache_resource(max_entries=12, show_spinner="Measuring the density")
def _density(name: str, sha256: str) -> SampleDensity | str:
    """A network's sample density, or why there is none."""
    model, found = cache.model(name, sha256), around(name, sha256)
    try:
        loss = trained_with(model.card)
        return sample_density(loss, model.head, found.features, found.labels, SHELLS, neighbours=NEIGHBOURS)
    except ValueError as error:
        return str(error)


def draw(mmc: Card, ce: Card) -> None:
    """Sample density of both networks."""
    st.markdown("##### Sample density of the trained networks")
    st.latex(
        r"\mathrm{SD}(z) = \frac{\Delta N}{\mathrm{Vol}(\Delta B)},\qquad "
        r"\Delta B = \{z : \mathcal L(z, y) \in [C, C + \Delta C]\}"
    )
    both = [_density(card.name, card.sha256) for card in (mmc, ce)]
    for card, one in zip((mmc, ce), both, strict=True):
        if isinstance(one, str):
            st.info(page.plain(f"{card.title}: {one}"))
    first, second = both
    if isinstance(first, str) or isinstance(second, str):
        return
    medians = [float(one.by_contour.nanmedian()) for one in (first, second)]
    near = [float(one.by_neighbours.nanmedian()) for one in (first, second)]
    columns = st.columns(3)
    columns[0].metric("Fixed centres", power(medians[0]), help="Median over classes and shells of the loss.")
    columns[1].metric("Linear logits", power(medians[1]), help="Median over classes and shells of the loss.")
    columns[2].metric(
        "Ratio",
        power(medians[0] - medians[1]),
        help=f"Without contours, by {NEIGHBOURS} neighbours: {power(near[0] - near[1])}.",
    )
    outer = [float(one.by_contour[:, -1].nanmedian()) for one in (first, second)]
    verdicts.draw(claims.DENSER, claims.DENSER.decide(first, second))
    page.tell(
        f"One image has a cube of side {first.room(medians[0]):.3f} to itself with fixed centres, and of side "
        f"{second.room(medians[1]):.3f} with linear logits (1 is the distance between two centres; {first.dim} "
        f"dimensions). By neighbours instead of contours the medians are {power(near[0])} and {power(near[1])}. In the "
        f"outermost shell, where images are hardest, they are {power(outer[0])} and {power(outer[1])}."
    )
    titles = [f"{card.loss} ({card.name})" for card in (mmc, ce)]
    found = list(zip(titles, (first, second), strict=True))
    left, right = st.columns(2, gap="medium")
    left.plotly_chart(surface_plots.densities(found), key=f"{SCOPE}.density", config=plots.CONFIG)
    right.plotly_chart(surface_plots.neighbour_densities(found), key=f"{SCOPE}.neighbours", config=plots.CONFIG)
    with st.expander("How this is estimated, and what was taken where the definition leaves it open"):
        page.tell(
            f"- **Images:** the gallery's test images that each network classifies correctly ({first.n} and "
            f"{second.n}), class by class, ordered by loss and cut into {SHELLS} shells of equal numbers.\n"
            f"- **Space:** densities of different dimensions cannot be compared. Both are measured in the {first.dim} "
            "dimensions on which the differences of the logits depend (the span of the centres, or of the weight's "
            "differences). A linear head's loss knows nothing of other directions; "
            f"{100 * first.hidden:.2g} % and {100 * second.hidden:.2g} % of the features' variance lie there.\n"
            "- **Length:** the unit is the mean distance between two centres, so a larger norm alone makes nothing "
            "denser.\n- **Volume:** MMC's contours are spheres; the volume between two has a closed form. "
            "Cross-entropy's are open, so their volume is infinite, and the density to the letter zero. It is cut by "
            "the smallest ball about the class's mean that holds the class's images, and measured there with 20,000 "
            "random points: in favour of cross-entropy.\n"
            f"- **Check:** the density of neighbours ({NEIGHBOURS - 1} over the volume up to neighbour {NEIGHBOURS}, "
            "in the class) needs neither contours nor a cut. It is higher for both, since images fill neither shell "
            "nor ball evenly."
        )
