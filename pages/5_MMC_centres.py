"""MMC centres: centres one can walk around, features around them, and how densely a loss packs them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st
import torch
from torch import Tensor

from core import models
from core.data import DATASETS
from core.features.density import SampleDensity, class_means, own_and_nearest, sample_density
from core.losses import MaxMahalanobis, trained_with
from core.losses.centers import best_angle, simplex
from core.models import Card, features_of
from core.models.heads import CenterHead
from core.params import fields
from pages.parts.charts import center_plots, plots
from pages.parts.charts.center_plots import Around, Arrangement, Centres, power
from pages.parts.components.orbit import orbit
from pages.parts.inputs import choose, forms
from pages.parts.shell import cache, links, page
from pages.parts.views import evidence

SCOPE = "mmc"
# The two networks that the page opens with, where they are there.
FIRST = ("mnist-c4-mmc", "mnist-c4-ce")
SHELLS, NEIGHBOURS = 5, 10


def widget(cls: type[Any], name: str, **changes: Any) -> Any:
    """The widget of one declared parameter, for the link too; changes: of its range."""
    info = next(info for info in fields(cls) if info.name == name)
    return forms.widget(replace(info, **changes), forms.widget_key(info, SCOPE), link=name)


def show_example(values: Mapping[str, Any]) -> None:
    """Set the controls to an example."""
    forms.apply(Arrangement, SCOPE, {k: v for k, v in values.items() if k != "centers"})
    for info in fields(MaxMahalanobis):
        key = forms.widget_key(info, SCOPE)
        if info.name == "centers":
            st.session_state[key] = values.get("centers", info.default)
    st.session_state[f"{SCOPE}.build"] = False


def arrangement_controls() -> tuple[MaxMahalanobis, Arrangement] | None:
    """Kind, number, dimensions, norms; None after having said what is wrong."""
    kind = widget(MaxMahalanobis, "centers", title="Kind of centres")
    values: dict[str, Any] = {}
    if kind == "hierarchical":
        values["superclasses"] = widget(Arrangement, "superclasses")
        values["subclasses"] = widget(Arrangement, "subclasses")
        count = values["superclasses"] * values["subclasses"]
    else:
        count = values["classes"] = widget(Arrangement, "classes")
    values["dim"] = widget(Arrangement, "dim", slider=(2, max(count - 1, 4)))
    loss: dict[str, Any] = {
        "centers": kind,
        "norm": widget(MaxMahalanobis, "norm", symbol="C_MM" if kind != "hierarchical" else "C_1"),
    }
    if kind == "hierarchical":
        loss["sub_norm"] = widget(MaxMahalanobis, "sub_norm")
    if kind == "random":
        values["seed"] = widget(Arrangement, "seed")
    try:
        return MaxMahalanobis(dim=values["dim"], **loss), Arrangement(**values)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return None


@st.cache_data(max_entries=32, show_spinner="Spreading the centres")
def placed(loss_values: str, arrangement_values: str, _loss: MaxMahalanobis, _arrangement: Arrangement) -> Centres:
    """The centres that a training with this loss would begin with."""
    groups, count = None, _arrangement.classes
    if _loss.centers == "hierarchical":
        count = _arrangement.superclasses * _arrangement.subclasses
        groups = tuple(i // _arrangement.subclasses for i in range(count))
    head = CenterHead(_arrangement.dim, count)
    _loss.prepare(head, torch.Generator().manual_seed(_arrangement.seed), groups)
    return Centres(head.centers, groups)


def how_made(loss: MaxMahalanobis, count: int, dim: int, groups: Sequence[int] | None) -> str:
    """How such centres come about, in a sentence."""
    if loss.centers == "random":
        return "Independent random directions, all of one norm: the comparison that the paper calls MMC-10 (rand)."
    if groups is not None:
        return (
            f"Each of the {max(groups) + 1} superclasses has an optimal centre of norm $C_1$ = {loss.norm:g}; around "
            f"it its classes have optimal centres of norm $C_2$ = {loss.sub_norm:g}. Colours are superclasses."
        )
    if count <= dim + 1:
        return "The regular simplex: every centre is equally far from every other, and no arrangement does better."
    if dim == 2:
        return "The regular polygon: in the plane nothing is better."
    if count <= 2 * dim:
        return (
            "Fewer dimensions than a simplex needs: then right angles are the best there is (Rankin), and simplices in "
            "orthogonal subspaces reach them."
        )
    return (
        "Fewer dimensions than a simplex needs: spread numerically, by lowering a soft maximum of the cosines that "
        "hardens step by step."
    )


def what_is_hidden(centres: Centres, kept: float, radii: Tensor, dim: int) -> str:
    """What the picture shows of the centres, and what it cannot."""
    count = len(centres.points)
    rank = int(torch.linalg.matrix_rank(centres.points.double(), rtol=1e-6))
    if kept > 0.999:
        where = "" if dim <= 3 else f" They fill {rank} of the {dim} dimensions; those are drawn."
        return f"**Exact:** these are the {count} centres themselves, on the sphere of their norm.{where}"
    low, high = centres.spread()
    seen = torch.pdist(radii)
    text = (
        f"**A shadow:** the centres fill {rank} dimensions, and three can be drawn, with {100 * kept:.0f}\u00a0% of "
        f"the squared lengths. In truth any two are {low:.2f} to {high:.2f} apart; in the shadow "
        f"{float(seen.min()):.2f} to {float(seen.max()):.2f}. Centres that seem close here part in "
        "dimensions that the shadow hides."
    )
    if centres.groups is not None:
        text += " Its directions are diagonals between those of superclasses and those of classes, to show both."
    return text


def centres_tab(loss: MaxMahalanobis, arrangement: Arrangement) -> None:
    """Centres in three dimensions, their pairs, and how they are built."""
    try:
        centres = placed(str(loss.values()), str(arrangement.values()), loss, arrangement)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return
    count, dim = centres.points.shape
    simple = loss.centers == "optimal" and count <= dim + 1
    low, high = centres.spread()
    angles = centres.angles[~torch.eye(count, dtype=torch.bool)]
    smallest = float(angles.min())
    simplex_angle = math.degrees(math.acos(-1 / (count - 1)))
    best = best_angle(count, dim)
    st.markdown(
        "**Look for:** MMC fixes a centre for every class before training, all on one sphere and as far apart as can "
        "be. From L − 1 dimensions on, every angle is the same; take dimensions away and the smallest angle falls."
    )
    with st.container(horizontal=True, gap="small"):
        for label, values in center_plots.EXAMPLES.items():
            st.button(label, key=f"{SCOPE}.example.{label}", on_click=show_example, args=(values,), type="tertiary")
    with st.container(horizontal=True, gap="small"):
        st.metric("Smallest angle", f"{smallest:.4f}°", width=170)
        st.metric(
            "arccos(−1/(L−1))",
            f"{simplex_angle:.4f}°",
            width=170,
            help="The optimum for L centres; it is reached where there are at least L − 1 dimensions.",
        )
        st.metric(
            "Best known here",
            "not known" if best is None else f"{math.degrees(best[0]):.4f}°",
            width=170,
            help=f"In {dim} dimensions" + ("." if best is None else f": {best[1]}."),
        )
        st.metric("Smallest distance", f"{low:.4g}", width=170, help=f"The largest is {high:.4g}.")

    left, right = st.columns([1.15, 1], gap="medium")
    building, which = False, None
    step = count
    with right:
        if simple:
            building = links.flag("build", f"{SCOPE}.build")
            building = st.toggle("Build it step by step", key=f"{SCOPE}.build")
        if building:
            key = f"{SCOPE}.step"
            links.whole("step", key, 1, 1, 100)
            st.session_state[key] = min(st.session_state[key], count)
            step = st.slider("Centres placed", 1, count, key=key, persist_state="session")
            rows = torch.from_numpy(simplex(count))
            st.plotly_chart(
                center_plots.coordinate_matrix(rows, step),
                key=f"{SCOPE}.coordinates",
                config=plots.CONFIG,
                alt="Coordinates of the centres placed so far.",
            )
            st.markdown(placing(rows, step, count))
        else:
            links.choice("pairs", f"{SCOPE}.pairs", "angles", ("angles", "distances"))
            which = st.segmented_control(
                "Pairs",
                ("angles", "distances"),
                key=f"{SCOPE}.pairs",
                required=True,
                persist_state="session",
                label_visibility="collapsed",
            )
    with left:
        scene, kept = center_plots.centres_scene(centres, step)
        orbit([scene], f"{SCOPE}.orbit", height=470)
        page.let_draw()
        seen = torch.cat([cloud.points for cloud in scene.clouds])
        st.markdown(how_made(loss, count, dim, centres.groups))
        if len(seen) == count:
            st.markdown(what_is_hidden(centres, kept, seen, dim))
    if which is not None:
        pairs, unit = (centres.angles, "°") if which == "angles" else (centres.distances, "")
        right.plotly_chart(
            center_plots.pair_matrix(pairs, unit),
            key=f"{SCOPE}.matrix",
            config=plots.CONFIG,
            alt=f"The {which} of all pairs of centres.",
        )
    cosines = centres.cosines[~torch.eye(count, dtype=torch.bool)]
    norms = centres.points.double().norm(dim=1)
    facts = f"Norms {float(norms.min()):.6f} to {float(norms.max()):.6f}."
    if simple:
        facts += (
            f" The cosines differ from −1/(L−1) = {-1 / (count - 1):.7f} by "
            f"{float((cosines + 1 / (count - 1)).abs().max()):.0e} at most, float32's rounding."
        )
    st.caption(facts)


def placing(rows: Tensor, step: int, count: int) -> str:
    """What the step of the construction that placed centre `step` did (Pang et al. 2018, Algorithm 1)."""
    if step == 1:
        return "**Centre 1** is the first unit vector. All norms are 1 here; $C_{MM}$ multiplies everything at the end."
    earlier = "centre 1" if step == 2 else ("centres 1 and 2" if step == 3 else f"centres 1 to {step - 1}")
    text = (
        f"**Centre {step}**: its cosine with {earlier} must be −1/(L−1) = {-1 / (count - 1):.4f}. One coordinate after "
        "the other is solved for, the j-th from the cosine with centre j: "
    )
    shown = [f"{v:.4f}" for v in rows[step - 1, : min(step - 1, 4)].tolist()]
    text += ", ".join(shown) + (", …" if step - 1 > 4 else "") + ". "
    if step < count:
        own = float(rows[step - 1, step - 1])
        rest = float(rows[step - 1, : step - 1].square().sum())
        return text + (
            f"Coordinate {step}, not used so far, takes what is left to length 1: √(1 − {rest:.4f}) = {own:.4f}."
        )
    return text + f"They have length 1 already: the last of {count} centres needs no new dimension, so L − 1 suffice."


def network_controls() -> tuple[Card, Card] | None:
    """A network with fixed centres, and a linear one on the same data; None after having said what lacks."""
    cards, unusable = models.survey()
    choose.tell_unusable(unusable)
    labelled = {name for name, card in cards.items() if card.dataset in DATASETS and choose.shelf(card) is not None}
    fixed = [name for name in cards if cards[name].head == "centers" and name in labelled]
    if not fixed:
        st.info("There is no network with fixed centres; train one with the MMC loss on the Training page.")
        return None
    key = f"{SCOPE}.fixed"
    links.choice("mmc", key, FIRST[0] if FIRST[0] in fixed else fixed[0], fixed)
    mmc = cards[_select("Network with fixed centres", key, fixed, cards)]
    others = [name for name, card in cards.items() if card.dataset == mmc.dataset and card.head.startswith("linear")]
    if not others:
        st.info(page.plain(f"There is no network with linear logits on {mmc.dataset}; train one with cross-entropy."))
        return None
    key = f"{SCOPE}.linear.{mmc.dataset}"
    links.choice("ce", key, FIRST[1] if FIRST[1] in others else others[0], others)
    ce = cards[_select("Beside it, linear logits", key, others, cards)]
    try:
        for card in (mmc, ce):
            cache.model(card.name, card.sha256)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return None
    return mmc, ce


def _select(label: str, key: str, names: list[str], cards: Mapping[str, Card]) -> str:
    if st.session_state[key] not in names:  # it was deleted meanwhile
        st.session_state[key] = names[0]
    return st.selectbox(
        label,
        names,
        key=key,
        format_func=lambda name: cards[name].title,
        persist_state="session",
        help="\n\n".join(names),
    )


@st.cache_resource(max_entries=12, show_spinner="Computing features")
def around(name: str, sha256: str) -> Around:
    """A network's features of its thousand pictures, with their distances to the centres."""
    model = cache.model(name, sha256)
    shelf = choose.shelf(model.card)
    assert shelf is not None
    z = features_of(model, shelf.images)
    head = model.head
    centers = head.centers.cpu() if isinstance(head, CenterHead) else class_means(z, shelf.labels, model.card.classes)
    unit = float(torch.pdist(centers.double()).mean())
    own, other = own_and_nearest(z.double() / unit, shelf.labels, centers.double() / unit)
    return Around(model.card.title, z, shelf.labels, centers, unit, own, other)


@st.cache_resource(max_entries=12, show_spinner="Measuring the density")
def density(name: str, sha256: str) -> SampleDensity | str:
    """A network's sample density, or why there is none."""
    model, found = cache.model(name, sha256), around(name, sha256)
    try:
        loss = trained_with(model.card)
        return sample_density(loss, model.head, found.features, found.labels, SHELLS, neighbours=NEIGHBOURS)
    except ValueError as error:
        return str(error)


def classes_control(card: Card) -> list[int]:
    """Which classes are drawn."""
    names = [str(i) for i in range(card.classes)]
    titles = DATASETS[card.dataset].classes
    key = f"{SCOPE}.classes.{card.dataset}"

    def parse(text: str) -> list[str]:
        found = text.split(".")
        if len(found) < 2 or len(set(found)) < len(found) or not set(found) <= set(names):
            raise ValueError("it must be two or more different class numbers with points between.")
        return found

    links.read("drawn", key, names[:4], parse, ".".join)
    picked = st.pills(
        "Classes that are drawn",
        names,
        selection_mode="multi",
        key=key,
        format_func=lambda i: titles[int(i)],
        persist_state="session",
    )
    return sorted(int(i) for i in picked)


def features_tab(mmc: Card, ce: Card) -> None:
    """Features of both networks around the centres of their classes."""
    both = [around(card.name, card.sha256) for card in (mmc, ce)]
    names = DATASETS[mmc.dataset].classes
    st.markdown(
        "**Look for:** with fixed centres each class is a tight ball about its own; with cross-entropy it spreads, "
        "above all outwards. The unit of length is the mean distance between two centres, in each network its own, so "
        "that both pictures have one scale. Up to four classes are seen without any shadow."
    )
    chosen = classes_control(mmc)
    if len(chosen) < 2:
        st.info("Choose at least two classes.")
        return
    orbit(center_plots.features_scenes(both, chosen, names), f"{SCOPE}.features", height=430)
    st.caption(
        f"{int(torch.isin(both[0].labels, torch.tensor(chosen)).sum())} test images of the gallery. Cross-entropy has "
        "no centres of its own: the mean feature of each class, of all these test images, stands for one."
    )
    mine = torch.isin(both[0].labels, torch.tensor(chosen))
    reach = max(float(torch.quantile(torch.cat([one.own[mine], one.other[mine]]), 0.999)) for one in both)
    st.markdown("##### Distance to the own centre, and to the nearest other")
    columns = st.columns(2, gap="medium")
    for place, (column, one) in enumerate(zip(columns, both, strict=True)):
        with column:
            st.plotly_chart(
                center_plots.own_against_other(one, chosen, names, reach),
                key=f"{SCOPE}.own.{place}",
                config=plots.CONFIG,
            )
            st.plotly_chart(
                center_plots.distance_histogram(one, chosen, reach),
                key=f"{SCOPE}.histogram.{place}",
                config=plots.CONFIG,
            )
            nearer = float((one.own[mine] < one.other[mine]).double().mean())
            st.caption(
                f"Nearer to its own centre than to any other: {100 * nearer:.1f} %. Median distance to the own centre "
                f"{float(one.own[mine].median()):.3f}, to the nearest other {float(one.other[mine].median()):.3f}; the "
                f"unit is {one.unit:.2f} in the features' own length."
            )
    with st.expander("The same by class, as numbers"):
        st.dataframe(
            [
                {"class": names[label], "images": int((both[0].labels == label).sum())}
                | {
                    f"{title}, {short}": round(float(values[one.labels == label].median()), 4)
                    for short, one in zip(("fixed centres", "linear"), both, strict=True)
                    for title, values in (("own", one.own), ("nearest other", one.other))
                }
                for label in range(len(names))
            ],
            hide_index=True,
            key=f"{SCOPE}.table",
        )
        st.caption("Medians, in units of the mean distance between two centres.")


def loss_pictures() -> None:
    """Contours of three losses in the plane, with the volume between two of them."""
    st.markdown(
        "**Look for:** the orange band holds what the report calls ΔB: all points of the class whose loss lies between "
        "two contours. MMC's is a ring about the centre. SCE's is a strip without end: going outwards lowers the loss, "
        "so features run away, and the room for one sample has no bound."
    )
    controls = st.columns(3, gap="medium")
    names = ("1", "2", "3")
    links.choice("label", f"{SCOPE}.label", "1", names)
    label = (
        int(
            controls[0].segmented_control(
                "Class whose loss is drawn", names, key=f"{SCOPE}.label", required=True, persist_state="session"
            )
            or names[0]
        )
        - 1
    )
    stops = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0]
    links.choice("level", f"{SCOPE}.level", 0.5, stops)
    low = controls[1].select_slider("Loss C of the inner contour", stops, key=f"{SCOPE}.level", persist_state="session")
    ratios = [0.25, 0.5, 1.0, 1.5, 2.0, 4.0]
    links.choice("ratio", f"{SCOPE}.ratio", 4.0, ratios)
    ratio = controls[2].select_slider(
        "σ of the class over the others' σ (g-SCE)",
        ratios,
        key=f"{SCOPE}.ratio",
        persist_state="session",
        help="Report, section 2.2: with equal σ the contours are straight; otherwise circles.",
    )
    high = 1.5 * low
    half = center_plots.WINDOW
    for place, (column, surface) in enumerate(zip(st.columns(3), surfaces(label, ratio), strict=True)):
        with column:
            st.plotly_chart(
                center_plots.contours(surface, label, low, high), key=f"{SCOPE}.contours.{place}", config=plots.CONFIG
            )
            inner, outer = surface.area(low, high, half), surface.area(low, high, 2 * half)
            note = f"Area of the band: {inner:.1f} in this window, {outer:.1f} in one twice as wide."
            if place == 2:
                note += f" In closed form 2π ΔC = {2 * math.pi * (high - low):.2f}."
            st.caption(note)
    st.caption(
        f"The loss of three classes in two dimensions, computed by the training losses on a grid; contours halve and "
        f"double it. Band: C = {low:g} to {high:g}. Markers: the centres; for SCE the rows of the weight."
    )


@st.cache_resource(max_entries=24, show_spinner=False)
def surfaces(label: int, ratio: float) -> list[center_plots.Surface]:
    """The three losses over the plane."""
    return center_plots.surfaces(label, ratio)


def density_section(mmc: Card, ce: Card) -> None:
    """Sample density of both networks."""
    st.markdown("##### Sample density of the trained networks")
    st.latex(
        r"\mathrm{SD}(z) = \frac{\Delta N}{\mathrm{Vol}(\Delta B)},\qquad "
        r"\Delta B = \{z : \mathcal L(z, y) \in [C, C + \Delta C]\}"
    )
    both = [density(card.name, card.sha256) for card in (mmc, ce)]
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
    holds = medians[0] > medians[1] and near[0] > near[1]
    st.markdown(
        f"**The claim that MMC's density is higher {'holds' if holds else 'does not hold'} for these two networks.** "
        f"One image has a cube of side {first.room(medians[0]):.3f} to itself with fixed centres, and of side "
        f"{second.room(medians[1]):.3f} with linear logits (1 is the distance between two centres; {first.dim} "
        f"dimensions). By neighbours instead of contours the medians are {power(near[0])} and {power(near[1])}. In the "
        f"outermost shell, where images are hardest, they are {power(outer[0])} and {power(outer[1])}."
    )
    titles = [f"{card.loss} ({card.name})" for card in (mmc, ce)]
    found = list(zip(titles, (first, second), strict=True))
    left, right = st.columns(2, gap="medium")
    left.plotly_chart(center_plots.densities(found), key=f"{SCOPE}.density", config=plots.CONFIG)
    right.plotly_chart(center_plots.neighbour_densities(found), key=f"{SCOPE}.neighbours", config=plots.CONFIG)
    with st.expander("How this is estimated, and what was taken where the definition leaves it open"):
        st.markdown(
            f"- **Images:** the gallery's test images that each network classifies correctly ({first.n} and "
            f"{second.n}), class by class, ordered by loss and cut into {SHELLS} shells of equal numbers.\n"
            f"- **Space:** densities of different dimensions cannot be compared. Both are measured in the {first.dim} "
            "dimensions on which the differences of the logits depend (the span of the centres, or of the weight's "
            "differences). A linear head's loss knows nothing of other directions; "
            f"{100 * first.hidden:.2g} % and {100 * second.hidden:.2g} % of the features' squared spread lie there.\n"
            "- **Length:** the unit is the mean distance between two centres, so a larger norm alone makes nothing "
            "denser.\n- **Volume:** MMC's contours are spheres; the volume between two has a closed form. "
            "Cross-entropy's are open, so their volume is infinite, and the density to the letter zero. It is cut by "
            "the smallest ball about the class's mean that holds the class's images, and measured there with 20,000 "
            "random points: in favour of cross-entropy.\n"
            f"- **Check:** the density of neighbours ({NEIGHBOURS - 1} over the volume up to neighbour {NEIGHBOURS}, "
            "in the class) needs neither contours nor a cut. It is higher for both, since images fill neither shell "
            "nor ball evenly."
        )


page.setup("MMC centres", controls=True)
TABS = ["Centres", "Features", "Loss and density", "Uncertainty", "Runner-up", "Attacks", "Tables"]
links.choice("tab", f"{SCOPE}.tab", TABS[0], TABS)
if st.session_state[f"{SCOPE}.tab"] == "Centres":
    st.latex(r"\lVert\mu^*_i\rVert = C_{MM},\quad \cos\angle(\mu^*_i, \mu^*_j) = -\tfrac{1}{L-1}")
tabs = dict(zip(TABS, st.tabs(TABS, key=f"{SCOPE}.tab", on_change="rerun"), strict=True))
opened = next((name for name, tab in tabs.items() if tab.open), TABS[0])
if opened == "Centres":
    with st.sidebar:
        arranged = arrangement_controls()
    with tabs["Centres"]:
        if arranged is not None:
            centres_tab(*arranged)
elif opened == "Tables":
    with tabs[opened]:
        evidence.tables()
else:
    with st.sidebar:
        pair = network_controls()
    with tabs[opened]:
        if opened == "Loss and density":
            loss_pictures()
        if pair is not None:
            mmc, ce = pair
            match opened:
                case "Features":
                    features_tab(mmc, ce)
                case "Loss and density":
                    density_section(mmc, ce)
                case "Uncertainty":
                    evidence.uncertainty(SCOPE, ce.name, mmc.name)
                case "Runner-up":
                    evidence.dependency(ce.name, mmc.name)
                case "Attacks":
                    evidence.adversarial(ce.name, mmc.name)
page.finish()
