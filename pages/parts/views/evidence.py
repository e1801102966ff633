"""What distance to a centre tells: uncertainty, relative dependency, the report's tables, attacks on the centres."""

from __future__ import annotations

import html
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
import torch
from torch import Tensor

from core import models
from core.data import DATASETS, gallery, photos
from core.evaluate.statistics import auroc
from core.models import Card, Classifier, logits_of
from core.models.heads import CenterHead
from core.papers.mmc import attacks as mmc_attacks
from core.papers.mmc import tables as mmc_tables
from core.papers.mmc import uncertainty as unsure
from core.papers.mmc.uncertainty import OUTSIDE, Score
from core.train import ADVERSARIES
from pages.parts.charts import evidence_plots, plots
from pages.parts.components import picker
from pages.parts.inputs import choose
from pages.parts.shell import cache, links, page, pictures, theme

SHOWN = 20
"""Pictures of each set that can be clicked."""
OUTSIDE_N = 300
"""Images of no class that the live histograms are made of: as many as there are of Fashion-MNIST."""
KEEP = 0.99
"""Share of the test set that a threshold is to keep."""
LION = "cat"
"""The photograph that a page opens with: of those that are always there the nearest to the report's lion."""
OWN = "own"


@st.cache_resource(max_entries=24, show_spinner="Asking the network")
def _logits(name: str, sha256: str, source: str) -> Tensor:
    """(N, K) what a network says of its own data set's pictures that are always there, or of images of no class."""
    model = cache.model(name, sha256)
    if source != model.card.dataset:
        return logits_of(model, _images(source, model.card.input_shape)[:OUTSIDE_N])
    shelf = choose.shelf(model.card)
    assert shelf is not None  # the page offers no network without
    return logits_of(model, shelf.images)


@st.cache_resource(max_entries=16, show_spinner="Loading the pictures")
def _images(source: str, shape: tuple[int, int, int]) -> Tensor:
    """The images of one of OUTSIDE as a network of `shape` takes them."""
    return unsure.outside(source, shape, gallery.SIZE)


def _pair(sce_name: str, mmc_name: str) -> tuple[tuple[Card, Classifier], tuple[Card, Classifier]]:
    """Cards and networks by name."""
    found = []
    for name in (sce_name, mmc_name):
        card = models.card(name)
        found.append((card, cache.model(name, card.sha256)))
    return found[0], found[1]


def _result(name: str) -> dict[str, Any] | None:
    """A shipped result, or None after having said that there is none."""
    try:
        found = mmc_tables.read(name)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return None
    if found is None:
        st.info(page.plain(f"This result is not there; make it with: python -m core evaluate {name}"))
    return found


def _origin(found: Mapping[str, Any], what: str) -> None:
    """What a shipped result is, and the command that makes it again."""
    versions = ", ".join(f"{name} {value}" for name, value in found["versions"].items())
    st.caption(f"{what} Remade by `{found['command']}` ({page.plain(versions)}).")


def _names(card: Card) -> tuple[str, ...]:
    return choose.class_names(card)


def _missing(points: Sequence[Mapping[str, Any]], cards: Sequence[Card], command: str) -> None:
    """Say which of the two networks a shipped result does not know."""
    known = {point["model"] for point in points if point["sha256"] in {card.sha256 for card in cards}}
    lacking = [card.name for card in cards if card.name not in known]
    if lacking:
        st.info(
            page.plain(
                f"No result is shipped for {' and '.join(lacking)}; add it with: {command} --models {' '.join(lacking)}"
            )
        )


# --- Uncertainty ---


def _pick(key: str, row: int) -> None:
    st.session_state[key] = row


def _own_picture(scope: str, card: Card) -> Tensor | None:
    """The picture that was uploaded, as the network takes it; None after having said why there is none."""
    file = choose.upload(f"{scope}.outside.file")
    if file is None:
        st.info("Drop a picture here: a lion, a face, a drawing; anything but one of the classes.")
        return None
    seen = f"{scope}.outside.seen"
    own = st.session_state[seen] = choose.taken(file, st.session_state.get(seen))
    image = choose.fitted(own, card)
    if image is not None:
        links.leave_out("Your own picture is not in the link: it opens with one of the others.")
    return image


def _titles(card: Card) -> dict[str, str]:
    """What the sets of images are called for a network, in the order in which they are offered."""
    others = {name: title for name, title in OUTSIDE.items() if name not in (card.dataset, "photos", "noise")}
    if card.input_shape[0] == 1 and "cifar10" in others:
        others["cifar10"] = "CIFAR-10 in grey"
    own = {card.dataset: f"{DATASETS[card.dataset].title} (belongs)"}
    return {"photos": "A photograph"} | others | {"noise": "Noise", OWN: "Your own"} | own


def _source(scope: str, card: Card) -> str:
    """The control that says where the image comes from."""
    titles = _titles(card)
    key = f"{scope}.outside.{card.dataset}"
    links.choice("outside", key, "photos", titles)
    chosen = st.pills(
        "An image of",
        list(titles),
        key=key,
        format_func=lambda name: titles[name],
        required=True,
        persist_state="session",
    )
    return chosen or "photos"


def _outsider(scope: str, card: Card, source: str) -> tuple[Tensor, str] | None:
    """Controls that choose an image of a set: ((1, C, H, W), what it is called); None after saying what lacks."""
    if source == OWN:
        image = _own_picture(scope, card)
        return None if image is None else (image, "your picture")
    images = _images(source, card.input_shape)[:SHOWN]
    titles = [photo.title for photo in photos.PHOTOS.values()]
    if source != "photos":
        titles = [f"{_titles(card)[source]}, {i + 1}" for i in range(len(images))]
    key = f"{scope}.which.{source}"
    links.whole("which", key, list(photos.PHOTOS).index(LION) if source == "photos" else 0, 0, len(images) - 1)
    row = min(int(st.session_state[key]), len(images) - 1)
    picker.wall(images, list(range(len(images))), titles, row, f"{scope}.wall.{source}", lambda i: _pick(key, i))
    return images[row : row + 1], titles[row]


def _distance_bars(names: Sequence[str], squared: Tensor, usual: float) -> str:
    """The three nearest centres as HTML bars: minus the squared distances, beside what is usual for the test set."""
    classes, values = unsure.top(-squared)
    longest = max(-values[-1], usual) ** 0.5
    rows = []
    for index, value in zip(classes, values, strict=True):
        name, width, mark = html.escape(names[index]), 100 * (-value) ** 0.5 / longest, 100 * usual**0.5 / longest
        rows.append(
            f'<span class="ss-name" title="{name}">{name}</span><span class="ss-value">−{-value:.1f}</span>'
            f'<span class="ss-track" style="position:relative"><span class="ss-fill" style="display:block;'
            f'width:{width:.2f}%;background:{theme.ORANGE if -value > usual else theme.GREEN}"></span>'
            f'<span style="position:absolute;left:{mark:.2f}%;top:-3px;bottom:-3px;width:3px;'
            f'background:currentColor"></span></span>'
        )
    return f'<div class="ss-bars">{"".join(rows)}</div>'


def _below(value: float, among: Tensor) -> float:
    """Share of the scores `among` that are lower, in percent."""
    return 100 * float((among < value).double().mean())


def uncertainty(scope: str, sce_name: str, mmc_name: str) -> None:
    """Drop an image that belongs to no class: what cross-entropy's probabilities say, and MMC's distances."""
    (sce_card, sce), (mmc_card, mmc) = _pair(sce_name, mmc_name)
    st.markdown(
        "**Look for:** an image that belongs to no class. A softmax must give its whole certainty to the classes it "
        "has; a distance can be far from all of them. Does the red line fall outside the blue histogram?"
    )
    kind: Score = "min-distance" if isinstance(mmc.head, CenterHead) else "max-probability"
    kinds: tuple[Score, Score] = ("max-probability", kind)
    source = _source(scope, sce_card)
    left, right = st.columns([1, 1.6], gap="large")
    with left:
        found = _outsider(scope, sce_card, source)
    if found is None:
        return
    image, title = found
    own = DATASETS[sce_card.dataset].title
    asked = [logits_of(model, image) for model in (sce, mmc)]
    inside = [_logits(card.name, card.sha256, card.dataset) for card in (sce_card, mmc_card)]
    # One own picture makes no histogram, and fifteen photographs hardly one.
    others = (
        source
        if source in OUTSIDE and source not in ("photos", sce_card.dataset)
        else ("mnist" if sce_card.dataset == "cifar10" else "cifar10")
    )
    outer = [_logits(card.name, card.sha256, others) for card in (sce_card, mmc_card)]
    scores = [
        [unsure.score(which, model, z) for z in (a, i, o)]
        for which, model, a, i, o in zip(kinds, (sce, mmc), asked, inside, outer, strict=True)
    ]
    kept = [float(values[1].quantile(1 - KEEP)) for values in scores]
    names = _names(sce_card)
    with right:
        picture, first, second = st.columns([0.8, 1, 1], gap="medium")
        side = max(image.shape[-1], 140 // image.shape[-1] * image.shape[-1])
        big = image.repeat_interleave(side // image.shape[-1], 2).repeat_interleave(side // image.shape[-1], 3)
        picture.html(
            f'<img src="{pictures.data_url(big[0])}" alt="{html.escape(title)}" style="width:100%;'
            'max-width:168px;image-rendering:pixelated;border:1px solid var(--ss-frame)">'
        )
        picture.caption(page.plain(title))
        first.markdown("**Cross-entropy:** probabilities")
        first.html(pictures.bars(names, asked[0][0]))
        second.markdown("**MMC:** −(distance to centre)²" if kind == "min-distance" else "**Second:** probabilities")
        if kind == "min-distance":
            squared = -unsure.negative_distances(mmc, asked[1])[0]
            second.html(_distance_bars(names, squared, -kept[1]))
            second.caption(f"The bar is the distance; the mark: {100 * KEEP:.0f} % of the test images are nearer.")
        else:
            second.html(pictures.bars(names, asked[1][0]))
        _verdict(title, own, names, asked, scores, kept, kind)
    columns = st.columns(2, gap="medium")
    for index, (column, card) in enumerate(zip(columns, (sce_card, mmc_card), strict=True)):
        drawn = [_on_axis(values, "max-probability" if index == 0 else kind) for values in scores[index]]
        every = torch.cat(drawn)
        linear = index == 0 or kind == "max-probability"
        ticks = (
            evidence_plots.nines_ticks(float(every.max()))
            if linear
            else evidence_plots.distance_ticks(float(every.min()), float(every.max()))
        )
        with column:
            st.markdown(f"##### {'Cross-entropy: largest probability' if index == 0 else 'MMC: nearest centre'}")
            st.plotly_chart(
                evidence_plots.histogram(
                    drawn[1],
                    drawn[2],
                    float(drawn[0][0]),
                    (f"test set of {own}", OUTSIDE[others], "this image"),
                    ticks,
                    "largest probability →  surer" if linear else "−(distance to the nearest centre)² →  surer",
                    f"{scope}.histogram",
                ),
                key=f"{scope}.histogram.{index}",
                config=plots.CONFIG,
            )
            area, error = auroc(scores[index][1], scores[index][2])
            st.caption(
                f"AUROC {area:.4f} ± {error:.4f}: {len(scores[index][1]):,} test images of the gallery against "
                f"{len(scores[index][2]):,} of {OUTSIDE[others]}, computed now ({page.plain(card.name)})."
            )
    _areas(scope, sce_card, mmc_card, kind)


def _on_axis(values: Tensor, kind: str) -> Tensor:
    """A score as the histograms draw it: nines of certainty, or minus the logarithm of the squared distance."""
    return unsure.certainty(values) if kind == "max-probability" else -(-values).clamp_min(1e-12).log10()


def _verdict(
    title: str,
    own: str,
    names: Sequence[str],
    asked: Sequence[Tensor],
    scores: Sequence[Sequence[Tensor]],
    kept: Sequence[float],
    kind: str,
) -> None:
    """What the two networks make of one image, in words."""
    p = float(torch.softmax(asked[0][0].double(), 0).max())
    low = [_below(float(values[0][0]), values[1]) for values in scores]
    refused = [float(values[0][0]) < limit for values, limit in zip(scores, kept, strict=True)]
    said = names[int(asked[0].argmax())]
    text = (
        f"Cross-entropy gives class **{said}** {100 * p:.2f} %: {low[0]:.1f} % of the test images of {own} make it "
        "less sure "
        "than this. "
    )
    if kind == "min-distance":
        text += f"MMC's nearest centre is √{-float(scores[1][0][0]):.0f} away; "
        text += f"{low[1]:.1f} % of the test images are farther. "
    words = {True: "turns it away", False: "lets it in"}
    text += (
        f"A threshold that keeps {100 * KEEP:.0f} % of the test images **{words[refused[0]]}** by probability and "
        f"**{words[refused[1]]}** by {'distance' if kind == 'min-distance' else 'the second network'}."
    )
    st.markdown(text)


def _areas(scope: str, sce_card: Card, mmc_card: Card, kind: str) -> None:
    """AUROC on the full test sets, as shipped, beside the report's Table 3."""
    st.markdown("##### On the full test sets: which score tells strangers from the classes?")
    found = _result("mmc-uncertainty")
    if found is None:
        return
    points = list(found["points"].values())
    _missing(points, (sce_card, mmc_card), found["command"])
    titles = {(sce_card.name, "max-probability"): "cross-entropy, probability", (mmc_card.name, kind): "MMC, distance"}
    titles.setdefault((mmc_card.name, "max-probability"), "MMC, its softmax's probability")
    mine = [
        point
        for point in points
        if (point["model"], point["score"]) in titles and point["sha256"] in (sce_card.sha256, mmc_card.sha256)
    ]
    order = list(titles)
    mine.sort(key=lambda point: order.index((point["model"], point["score"])))
    if mine:
        grey = " in grey" if sce_card.input_shape[0] == 1 else ""
        rows = [
            (
                OUTSIDE[p["outside"]] + (grey if p["outside"] == "cifar10" else ""),
                titles[p["model"], p["score"]],
                p["auroc"],
                p["spread"],
            )
            for p in mine
        ]
        left, right = st.columns([1.3, 1], gap="large")
        left.plotly_chart(evidence_plots.areas(rows, f"{scope}.areas"), key=f"{scope}.areas", config=plots.CONFIG)
        with right:
            st.markdown(_compared(mine, sce_card, mmc_card, kind))
            n = max(p["n_inside"] for p in mine)
            _origin(
                found,
                f"{n:,} test images against as many of each set; bars are two standard errors. "
                "AUROC: 1 always tells them apart, 0.5 is a coin.",
            )
    with st.expander("The report's Table 3, and what these networks say of such images"):
        st.markdown(
            "The report shows one image of no class to each network: a lion to MNIST's, a digit to CIFAR-10's. The "
            "three "
            "highest scores:\n\n| network | report, Table 3 |\n|---|---|\n"
            + "\n".join(
                f"| {dataset}, {loss} | {', '.join(f'{value:g}' for value in values)} |"
                for (dataset, loss), values in unsure.PAPER_TOP3.items()
            )
        )
        st.caption(
            "The bars above are the same for the image that is chosen. The report's distances are those of its "
            "own ResNet-32, whose features are not bounded either."
        )


def _compared(rows: Sequence[Mapping[str, Any]], sce_card: Card, mmc_card: Card, kind: str) -> str:
    """Whether the report's claim holds for these networks, from the numbers."""
    sce = {row["outside"]: row for row in rows if row["model"] == sce_card.name}
    mmc = {row["outside"]: row for row in rows if row["model"] == mmc_card.name and row["score"] == kind}
    both = [name for name in sce if name in mmc]
    if not both:
        return ""
    margin = {name: mmc[name]["auroc"] - sce[name]["auroc"] for name in both}
    noise = {name: 2 * (mmc[name]["spread"] ** 2 + sce[name]["spread"] ** 2) ** 0.5 for name in both}
    better = [OUTSIDE[name] for name in both if margin[name] > noise[name]]
    worse = [OUTSIDE[name] for name in both if margin[name] < -noise[name]]
    text = f"**MMC's distance is the better score for {len(better)} of {len(both)} sets**"
    text += f" ({', '.join(better)})" if better else ""
    text += f", the worse for {len(worse)}" + (f" ({', '.join(worse)})" if worse else "")
    text += ", by more than two standard errors. "
    holds = len(better) == len(both)
    return text + (
        "The report's claim holds here."
        if holds
        else "So the report's claim, that the distance is the reliable one, holds here only in part."
        if better
        else "The report's claim, that the distance is the reliable one, does not hold here."
    )


# --- Relative dependency ---


def dependency(sce_name: str, mmc_name: str) -> None:
    """How often the runner-up logit stands for the log-sum of all others (section 4.5)."""
    (sce_card, _), (mmc_card, _) = _pair(sce_name, mmc_name)
    st.latex(r"\log\sum_{l\neq y} e^{h_l} \;\approx\; h_{\tilde y},\qquad \tilde y = \arg\max_{l\neq y} h_l")
    st.markdown(
        "The theory of cross-entropy's sample density replaces the sum over all wrong classes by its largest term. "
        "**Look for:** the share of images in the red band, for which the next class counts nearly as much."
    )
    titles = {"cross-entropy": (sce_card, sce_name), "MMC": (mmc_card, mmc_name)}
    found = {}
    for title, (card, name) in titles.items():
        shelf = choose.shelf(card)
        assert shelf is not None
        found[title] = unsure.dependency(_logits(name, card.sha256, card.dataset), shelf.labels)
    columns = st.columns(3)
    for column, (title, one) in zip(columns, found.items(), strict=False):
        share, error = one.comparable()
        column.metric(
            f"Within 5 times, {title}",
            f"{100 * share:.1f} ± {100 * error:.1f} %",
            help=f"{len(one.ratio):,} test images of the gallery, one standard error.",
        )
    columns[2].metric("Report", f"{100 * unsure.PAPER_COMPARABLE:.2f} %", help="ResNet-32 on CIFAR-10, cross-entropy.")
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("##### How far ahead is the runner-up?")
        st.plotly_chart(
            evidence_plots.ratios({k: v.ratio for k, v in found.items()}, 5.0, "dependency"),
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
    most = found["cross-entropy"].missing.quantile(0.95, 0)
    share, _ = found["cross-entropy"].comparable()
    holds = "is not always a good stand-in" if share > 0.01 else "is nearly always a good stand-in"
    st.markdown(
        f"On this network the runner-up **{holds}**: for {100 * share:.1f} % of the images the next class is within 5 "
        f"times of it. Keeping it alone misses up to {float(most[0]):.2f} in the logarithm for 95 % of the images; "
        f"keeping the top five, as the report advises, {float(most[-1]):.2g}. MMC's loss has no such sum, and its "
        "logits, drawn for comparison, would be worse: at a centre all others are equally far, so all wrong classes "
        "tie."
    )
    full = _result("mmc-dependency")
    if full is None:
        return
    mine = [point for point in full["points"].values() if point["sha256"] in (sce_card.sha256, mmc_card.sha256)]
    _missing(mine, (sce_card, mmc_card), full["command"])
    told = "; ".join(
        f"{page.plain(point['model'])}: {100 * point['comparable']:.2f} ± {100 * point['spread']:.2f} % of "
        f"{point['n']:,}"
        for point in mine
    )
    if told:
        _origin(full, f"On the full test set, {told}.")
    with st.expander("How the report's sentence was read"):
        st.markdown(
            "The report says that “around 9.16 % of the samples have comparable (< 5×) second and third class scores”, "
            "and not what the factor is of. Here it is of $e^{h}$, that is of the softmax's scores: their ratio does "
            "not change when all logits are shifted, as the loss does not. Second and third are the two largest among "
            "the "
            "wrong classes."
        )


# --- Tables ---


def _seeds(points: Sequence[Mapping[str, Any]], by: str) -> dict[Any, list[Mapping[str, Any]]]:
    """The points of each value of `by`."""
    return {value: [p for p in points if p[by] == value] for value in dict.fromkeys(p[by] for p in points)}


def tables() -> None:
    """The report's Tables 4, 2 and 1 at a CPU's size."""
    st.markdown(
        "Small runs that a laptop repeats in minutes, beside the report's on a GPU: other networks, fewer images and "
        "epochs. Compare the **shape** of a curve, not its height."
    )
    left, right = st.columns(2, gap="large")
    with left:
        _norms()
    with right:
        _optimisers()
    _times()


def _norms() -> None:
    st.markdown("##### How far out should the centres be? (Table 4)")
    found = _result("mmc-norms")
    if found is None:
        return
    groups = _seeds(list(found["points"].values()), "norm")
    ours = {norm: mmc_tables.spread([100 * p["accuracy"] for p in points]) for norm, points in groups.items()}
    st.plotly_chart(
        evidence_plots.sweep(ours, mmc_tables.NORM_PAPER, "tables.norms"), key="tables.norms", config=plots.CONFIG
    )
    best = max(ours, key=lambda norm: ours[norm][0])
    chance = [f"{norm:g}" for norm, (mean, _) in ours.items() if mean < 15]
    text = f"Best here is C_MM = **{best:g}** ({ours[best][0]:.1f} ± {ours[best][1]:.1f} %); the report's best is 10. "
    text += ("They agree. " if best == 10 else "They do not agree: ") + (
        "" if best == 10 else f"at 10 it is {ours[10.0][0]:.1f} ± {ours[10.0][1]:.1f} %. "
    )
    if chance:
        text += (
            f"At {' and '.join(chance)} training ends at chance, as the report's does at 100: loss and gradients grow "
        )
        text += "with the norm, and the steps overshoot."
    st.markdown(text.replace("C_MM", "$C_{MM}$"))
    rate = mmc_tables.OPTIMISERS["sgd"]
    _origin(
        found,
        f"CPU-sized run: {_settings(found)}, momentum SGD at {rate:g} (the report's 0.01 diverges now and then without "
        "batch norm); mean ± standard deviation over seeds, on all 10,000 test images.",
    )


def _settings(found: Mapping[str, Any]) -> str:
    settings = found["settings"]
    return (
        f"{models.TITLES[settings['network']]} on {settings['n']:,} images of MNIST, {settings['epochs']} epochs, "
        f"{settings['seeds']} seeds"
    )


def _optimisers() -> None:
    st.markdown("##### Which optimiser suits MMC? (Table 2)")
    found = _result("mmc-optimisers")
    if found is None:
        return
    titles = {"sgd": "momentum SGD", "adam": "Adam", "rmsprop": "RMSProp"}
    lines, means = [], {}
    base = mmc_tables.OPTIMISER_PAPER["sgd"][1]
    groups = _seeds(list(found["points"].values()), "optimiser")
    for name, points in groups.items():
        mean, deviation = mmc_tables.spread([100 * p["accuracy"] for p in points])
        means[name] = mean
        cost = [p["time"] for p in points]
        accuracy, minutes = mmc_tables.OPTIMISER_PAPER[name]
        lines.append(
            f"| {titles[name]} | {mean:.1f} ± {deviation:.1f} % | {statistics.median(cost):.2f} | "
            f"{100 * accuracy:.1f} % | "
            f"{minutes / base:.2f} |"
        )
    st.markdown("| | ours | time / SGD's | report | time / SGD's |\n|---|---|---|---|---|\n" + "\n".join(lines))
    best = max(means, key=lambda name: means[name])
    times = [statistics.median(p["time"] for p in points) for points in groups.values()]
    text = "The report finds momentum SGD the most accurate and the quickest. "
    text += f"Here **{titles[best]}** ends highest" + (
        ", as there" if best == "sgd" else ", so that does not hold here"
    )
    st.markdown(f"{text}; a step of the slowest takes {max(times) / min(times):.2f} times that of the quickest.")
    rates = ", ".join(f"{titles[k]} {v:g}" for k, v in mmc_tables.OPTIMISERS.items())
    _origin(
        found,
        f"CPU-sized run: {_settings(found)}. Learning rates: {rates} (the report gives 0.01 for SGD). The three take "
        "turns, batch by batch; time is the median ratio.",
    )


def _times() -> None:
    st.markdown("##### What does MMC cost? (Table 1)")
    found = _result("mmc-times")
    if found is None:
        return
    rows, ratios, factor = [], [], None
    for point in found["points"].values():
        attacked = point["adversarial"] != "none"
        paper = mmc_tables.TIME_PAPER.get((point["dataset"], point["adversarial"]))
        name = f"{DATASETS[point['dataset']].title}, {'adversarial' if attacked else 'standard'}"
        rows.append((name, point["ratios"], paper[1] / paper[0] if paper else None))
        ratios.append(statistics.median(point["ratios"]))
        factor = statistics.median(point["over_standard"]) if attacked else factor
    st.plotly_chart(evidence_plots.costs(rows, "tables.costs"), key="tables.costs", config=plots.CONFIG)
    text = f"A step with MMC takes {min(ratios):.2f} to {max(ratios):.2f} of one with cross-entropy: "
    text += (
        "the claim that it costs little holds here." if max(ratios) < 1.2 else "more than the report's 1.02 to 1.21."
    )
    if factor is not None:
        text += f" Adversarial training multiplies cross-entropy's time by {factor:.1f}; the report's by about 7."
    st.markdown(text)
    settings = found["settings"]
    _origin(
        found,
        f"CPU-sized run: {settings['rounds']} rounds of {settings['n']} images (a fifth under attack), batches of 50, "
        "PGD of 10 steps; both losses in turns within one run. CIFAR-100 was not run.",
    )


# --- Attacks ---


def adversarial(sce_name: str, mmc_name: str) -> None:
    """Accuracy under attack, and where attacks push features relative to the centres."""
    (sce_card, _), (mmc_card, _) = _pair(sce_name, mmc_name)
    found = _result("mmc-attacks")
    if found is None:
        return
    if sce_card.dataset not in mmc_attacks.EPSILONS:
        known = " and ".join(DATASETS[name].title for name in mmc_attacks.EPSILONS)
        st.info(f"Attacks are measured on networks for {known} only; choose such a pair.")
        return
    points = [p for p in found["points"].values() if p["dataset"] == sce_card.dataset]
    cards = models.cards()
    points = [p for p in points if p["model"] in cards and cards[p["model"]].sha256 == p["sha256"]]
    _missing(points, (sce_card, mmc_card), found["command"])
    if not points:
        return
    trained = {p["model"]: p for p in points}
    order = sorted(
        trained,
        key=lambda name: (trained[name]["adversarial"] != "none", trained[name]["loss"] != "cross-entropy", name),
    )
    titles = {p["attack"]: p["title"] for p in points}
    attacks = [key for key in mmc_attacks.trials(sce_card.dataset) if key in titles]
    st.markdown("##### Where does an attack push the features?")
    st.markdown(
        "**Look for:** with MMC an image falls the moment its feature crosses the dashed line, where two centres are "
        "equally near. Adaptive attacks push straight away from the own centre; the plain one often finds no slope "
        "and moves nothing."
    )
    links.choice("attack", "evidence.attack", attacks[1] if len(attacks) > 1 else attacks[0], attacks)
    chosen = st.selectbox(
        "Attack", attacks, key="evidence.attack", format_func=lambda key: titles[key], persist_state="session"
    )
    shown = {(p["model"], p["attack"]): p for p in points}
    drawn = []
    for name in (sce_name, mmc_name):
        # An adaptive attack on cross-entropy is the plain one.
        for key in (chosen, chosen.replace("adaptive", "plain")):
            if (name, key) in shown:
                drawn.append(shown[name, key])
                break
    if drawn:
        reach = 1.05 * max(max(max(row) for row in p["moves"]) for p in drawn)
        for index, (column, point) in enumerate(zip(st.columns(2, gap="medium"), drawn, strict=False)):
            with column:
                st.plotly_chart(
                    evidence_plots.moved(
                        torch.tensor(point["moves"]),
                        [bool(v) for v in point["right"]],
                        f"{_column(point)}: {point['title']}",
                        reach,
                        f"moved.{reach:.2f}",
                    ),
                    key=f"evidence.moved.{index}",
                    config=plots.CONFIG,
                )
                _told(point)
        st.caption(
            "The unit is the mean distance between two centres, in each network its own. Cross-entropy has no "
            f"centres: the mean feature of each class over {mmc_attacks.TRAIN_N:,} training images stands for one, and "
            "the dashed line is not its boundary."
        )
    st.markdown("##### Accuracy under attack")
    cells = {
        (attacks.index(p["attack"]), order.index(p["model"])): (p["accuracy"], p["spread"], p["n"])
        for p in points
        if p["attack"] in attacks
    }
    headings = [_column(trained[name]) for name in order]
    if len(set(headings)) < len(order):
        headings = [f"{heading}: {name}" for heading, name in zip(headings, order, strict=True)]
    st.html(evidence_plots.accuracies([titles[a] for a in attacks], headings, cells))
    st.markdown(_robust(shown, sce_name, mmc_name, attacks))
    st.markdown(_hardened(trained, shown, attacks))
    sizes = sorted({p["n"] for p in points})
    _origin(
        found,
        f"CPU-sized run: {' to '.join(f'{n}' for n in (sizes[0], sizes[-1]))} test images an attack, ± one binomial "
        "standard error; an image that is named wrongly when clean counts as wrong. An empty cell is an adaptive "
        "attack on cross-entropy, which is the plain one.",
    )


def _column(point: Mapping[str, Any]) -> str:
    """What a network is called in the table."""
    loss = {"cross-entropy": "SCE", "max-mahalanobis": "MMC"}.get(point["loss"], point["loss"])
    return loss if point["adversarial"] == "none" else f"{loss}, {_against(point['adversarial'])}"


def _against(adversarial: str) -> str:
    """What a network was trained against, by its recipe."""
    return "plainly trained" if adversarial == "none" else f"trained against {ADVERSARIES[adversarial]}"


def _told(point: Mapping[str, Any]) -> None:
    """Where one attack pushed one network's features, in numbers."""
    rows = torch.tensor(point["moves"])
    before, after = rows[:, 0].median(), rows[:, 2].median()
    crossed = int((rows[:, 2] > rows[:, 3]).sum())
    st.caption(
        f"{len(rows)} images. Median distance to the own centre {float(before):.2f} before, {float(after):.2f} after; "
        f"to the nearest other {float(rows[:, 1].median()):.2f} and {float(rows[:, 3].median()):.2f}. {crossed} end "
        f"nearer to another centre, {len(rows) - sum(point['right'])} are named wrongly. Accuracy "
        f"{100 * point['accuracy']:.1f} ± {100 * point['spread']:.1f} % of {point['n']}."
    )


def _robust(shown: Mapping[tuple[str, str], Mapping[str, Any]], sce: str, mmc: str, attacks: Sequence[str]) -> str:
    """Which of the report's claims hold for these networks, from the numbers."""
    sentences = []
    plain = [a for a in attacks if a.endswith("|plain")]
    gaps = _gaps(shown, mmc, [(a, a.replace("plain", "adaptive")) for a in plain])
    if gaps:
        told = " and ".join(f"{100 * gap:.0f}" for gap, _ in gaps)
        holds = all(gap > noise for gap, noise in gaps)
        sentences.append(
            "The report finds accuracy under plain PGD always well above that under adaptive PGD: on this MMC network "
            f"it is {told} points above" + ("." if holds else ", not always by two standard errors.")
        )
    targeted = [a for a in attacks if a.endswith("plain, targeted")]
    gaps = _gaps(shown, mmc, [(a.replace("plain", "adaptive"), a) for a in targeted])
    if len(gaps) == 2:
        (small, _), (large, _) = gaps
        sure = all(abs(gap) > noise for gap, noise in gaps)
        sentences.append(
            "Of targeted PGD it finds the adaptive form the milder in the smaller ball and the stronger in the "
            f"larger: here it leaves {100 * small:+.0f} and {100 * large:+.0f} points"
            + (", the same" if small > 0 > large else ", not the same")
            + ("." if sure else ", though not both beyond two standard errors.")
        )
    white = [a for a in attacks if a.split("|")[0] in ("pgd", "mim", "spsa", "cw") and "targeted" not in a]
    mild = [a for a in white if plain and a.startswith(("pgd", "mim")) and f"|{plain[0].split('|')[1]}" in a]
    ours, theirs = _worst(shown, mmc, mild), _worst(shown, sce, mild)
    if ours and theirs:
        gap, noise = ours[0] - theirs[0], 2 * (ours[1] ** 2 + theirs[1] ** 2) ** 0.5
        verdict = "no difference beyond two standard errors"
        if abs(gap) > noise:
            verdict = f"{'MMC' if gap > 0 else 'cross-entropy'} is the more robust of the two"
        sentences.append(
            f"Against the strongest gradient attack of the smaller ball cross-entropy keeps {100 * theirs[0]:.0f} % "
            f"and MMC {100 * ours[0]:.0f} %: {verdict}."
        )
    ours, theirs = _worst(shown, mmc, white), _worst(shown, sce, white)
    if ours and theirs:
        sentences.append(
            f"The strongest attack of all leaves cross-entropy {100 * theirs[0]:.0f} % and MMC {100 * ours[0]:.0f} %"
            + (": neither withstands it." if max(ours[0], theirs[0]) < 0.05 else ".")
        )
    return " ".join(sentences)


def _hardened(
    trained: Mapping[str, Mapping[str, Any]], shown: Mapping[tuple[str, str], Mapping[str, Any]], attacks: Sequence[str]
) -> str:
    """What adversarial training brought each loss against the strongest gradient attack of each ball."""
    sizes = list(dict.fromkeys(a.split("|")[1] for a in attacks if "|" in a))
    sentences = []
    for loss in dict.fromkeys(p["loss"] for p in trained.values()):
        mine = {p["adversarial"]: name for name, p in trained.items() if p["loss"] == loss}
        told = []
        for kind, name in mine.items():
            left = [
                _worst(shown, name, [a for a in attacks if a.startswith(("pgd", "mim")) and f"|{size}" in a])
                for size in sizes
            ]
            values = " and ".join(f"{100 * one[0]:.0f} %" for one in left if one)
            told.append(f"{values} {_against(kind)}")
        if len(told) > 1:
            sentences.append(f"{_column(dict(trained[mine['none']]))}: {'; '.join(told)}" if "none" in mine else "")
    if not any(sentences):
        return ""
    dataset = next(iter(trained.values()))["dataset"]
    balls = " and ".join(mmc_attacks.radius(dataset, float(size)) for size in sizes)
    return (
        f"**Adversarial training**, strongest gradient attack of ε = {balls}. "
        + ". ".join(sentence for sentence in sentences if sentence)
        + "."
        + _unlike([name for name, p in trained.items() if p["adversarial"] != "none"])
    )


def _unlike(names: Sequence[str]) -> str:
    """A warning where networks were trained for different lengths, from their cards; else nothing."""
    told = {}
    for name in names:
        card = models.card(name)
        n = card.recipe.get("n") or DATASETS[card.dataset].splits["train"]
        told[name] = f"{n:,} images, {card.recipe.get('epochs', 'unknown')} epochs"
    if len(set(told.values())) < 2:
        return ""
    return f" Not quite like for like: {'; '.join(f'{name} saw {seen}' for name, seen in told.items())}."


def _gaps(
    shown: Mapping[tuple[str, str], Mapping[str, Any]], name: str, pairs: Sequence[tuple[str, str]]
) -> list[tuple[float, float]]:
    """(accuracy under the first attack minus that under the second, two standard errors of that) of each pair."""
    found = []
    for first, second in pairs:
        if (name, first) in shown and (name, second) in shown:
            a, b = shown[name, first], shown[name, second]
            found.append((a["accuracy"] - b["accuracy"], 2 * (a["spread"] ** 2 + b["spread"] ** 2) ** 0.5))
    return found


def _worst(
    shown: Mapping[tuple[str, str], Mapping[str, Any]], name: str, attacks: Sequence[str]
) -> tuple[float, float] | None:
    """Lowest accuracy of a network under any of `attacks`, with its standard error; None if none was run."""
    found = [shown[name, a] for a in attacks if (name, a) in shown]
    if not found:
        return None
    lowest = min(found, key=lambda point: float(point["accuracy"]))
    return lowest["accuracy"], lowest["spread"]
