"""The Uncertainty tab: an image that belongs to no class, cross-entropy's probabilities and MMC's distances."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
import torch
from torch import Tensor

from core.data import DATASETS, photos
from core.evaluate import statistics
from core.models import Card, Classifier, logits_of
from core.papers.mmc import claims
from core.papers.mmc import uncertainty as unsure
from core.papers.mmc.uncertainty import CERTAINTIES, KEEP, OUTSIDE, CertaintyRecord, Score, Standing
from pages.parts.charts import evidence_plots, plots
from pages.parts.components import picker
from pages.parts.inputs import choose
from pages.parts.shell import cache, links, page, pictures, theme
from pages.parts.views import results, verdicts
from pages.parts.views.mmc import shared

SHOWN = 20
"""Pictures of each set that can be clicked."""
FIRST = "noise"
"""What the tab opens with: images of which the distance tells what the probability does not."""
LION = "cat"
"""The photograph that comes first: of those that are always there the nearest to the report's lion."""
OWN = "own"
KINDS: tuple[Score, Score] = ("max-probability", "min-distance")
"""Cross-entropy's score, and MMC's."""


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
    return {FIRST: "Noise"} | others | {"photos": "A photograph", OWN: "Your own"} | own


def _source_key(scope: str, card: Card) -> str:
    return f"{scope}.outside.{card.dataset}"


def _row_key(scope: str, source: str) -> str:
    return f"{scope}.which.{source}"


def _source(scope: str, card: Card) -> str:
    """The control that says where the image comes from."""
    titles = _titles(card)
    key = _source_key(scope, card)
    # The tab once opened with photographs: a link of then that names a picture and no set means one of them.
    of_before = "which" in st.query_params and "outside" not in st.query_params
    links.choice("outside", key, "photos" if of_before else FIRST, titles)
    chosen = st.pills(
        "An image of",
        list(titles),
        key=key,
        format_func=lambda name: titles[name],
        required=True,
        persist_state="session",
    )
    return chosen or FIRST


def _names(card: Card, source: str, count: int) -> list[str]:
    """What the first `count` images of a set are called."""
    if source == "photos":
        return [photo.title for photo in photos.PHOTOS.values()][:count]
    return [f"{_titles(card)[source]}, {i + 1}" for i in range(count)]


@st.cache_resource(max_entries=24, show_spinner=False)
def _refused(name: str, sha256: str, kind: Score, source: str) -> Tensor:
    """(<= SHOWN,) bool: which of the images of a set a threshold turns away that keeps KEEP of the test set."""
    model = cache.model(name, sha256)
    least = unsure.threshold(unsure.score(kind, model, shared.logits(name, sha256, model.card.dataset)))
    return unsure.score(kind, model, logits_of(model, shared.images(source, model.card.input_shape)[:SHOWN])) < least


def _both_refused(sce: Card, mmc: Card, source: str) -> tuple[Tensor, Tensor]:
    """`_refused` by cross-entropy's probability, and by MMC's distance."""
    by_probability, by_distance = (
        _refused(card.name, card.sha256, kind, source) for card, kind in zip((sce, mmc), KINDS, strict=True)
    )
    return by_probability, by_distance


def _first_row(sce: Card, mmc: Card, source: str) -> int:
    """The picture that a set opens with: one that the distance turns away and the probability does not, if there is."""
    if source == "photos":
        return list(photos.PHOTOS).index(LION)
    by_probability, by_distance = _both_refused(sce, mmc, source)
    telling = (by_distance & ~by_probability).nonzero()
    return int(telling[0]) if len(telling) else 0


def _outsider(scope: str, sce: Card, mmc: Card, source: str) -> tuple[Tensor, str] | None:
    """Controls that choose an image of a set: ((1, C, H, W), what it is called); None after saying what lacks."""
    if source == OWN:
        image = _own_picture(scope, sce)
        return None if image is None else (image, "your picture")
    images = shared.images(source, sce.input_shape)[:SHOWN]
    titles = _names(sce, source, len(images))
    key = _row_key(scope, source)
    first = _first_row(sce, mmc, source)
    links.whole("which", key, first, 0, len(images) - 1)
    if int(st.session_state[key]) != first:  # a link that names a picture names its set, see `_source`
        links.choice("outside", _source_key(scope, sce), "", _titles(sce))
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


TOLD = {
    (False, True): "Here the distance tells what the probability does not.",
    (True, True): "Here the distance tells no more than the probability.",
    (False, False): "A counter-example: neither tells that it is a stranger.",
    (True, False): "A counter-example: the probability tells what the distance does not.",
}
"""What an image of no class shows, by whether the probability and whether the distance turns it away."""


@dataclass(frozen=True)
class _Asked:
    """What one network says: of the image, of its test set, and of images of no class."""

    card: Card
    model: Classifier
    kind: Score
    logits: Tensor
    """(K,) of the image."""
    image: float
    """Score of the image."""
    inside: Tensor
    outside: Tensor

    @property
    def standing(self) -> Standing:
        """Where the image stands in the test set."""
        return unsure.standing(self.image, self.inside)

    @property
    def drawn(self) -> tuple[Tensor, Tensor, float]:
        """The scores inside and outside and that of the image, on the axis of the histogram."""
        every = torch.cat([self.inside, self.outside, torch.tensor([self.image], dtype=torch.float64)])
        # Nines of certainty, or minus the logarithm of the squared distance.
        shown = unsure.certainty(every) if self.kind == KINDS[0] else -(-every).clamp_min(1e-12).log10()
        n = len(self.inside)
        return shown[:n], shown[n:-1], float(shown[-1])


def _ask(card: Card, kind: Score, image: Tensor, others: str) -> _Asked:
    model = cache.model(card.name, card.sha256)
    said = logits_of(model, image)
    inside, outside = (
        unsure.score(kind, model, shared.logits(card.name, card.sha256, source)) for source in (card.dataset, others)
    )
    return _Asked(card, model, kind, said[0], float(unsure.score(kind, model, said)[0]), inside, outside)


def draw(sce: Card, mmc: Card) -> None:
    """Drop an image that belongs to no class: what cross-entropy's probabilities say, and MMC's distances."""
    page.tell(
        "**Look for:** an image that belongs to no class. A softmax must give its whole certainty to the classes it "
        "has; a distance can be far from all of them. Does the red line fall outside the blue histogram?"
    )
    source = _source(shared.SCOPE, sce)
    left, right = st.columns([1, 1.6], gap="large")
    with left:
        found = _outsider(shared.SCOPE, sce, mmc, source)
    if found is None:
        return
    image, title = found
    # One own picture makes no histogram, and fifteen photographs hardly one.
    others = (
        source
        if source in OUTSIDE and source not in ("photos", sce.dataset)
        else ("mnist" if sce.dataset == "cifar10" else "cifar10")
    )
    asked = [_ask(card, kind, image, others) for card, kind in zip((sce, mmc), KINDS, strict=True)]
    with right:
        _image(image, title, asked, source not in (OWN, sce.dataset))
    for index, (column, one) in enumerate(zip(st.columns(2, gap="medium"), asked, strict=True)):
        with column:
            _histogram(one, others, index)
    _counterexamples(sce, mmc)
    _areas(sce, mmc)


def _image(image: Tensor, title: str, asked: Sequence[_Asked], stranger: bool) -> None:
    """The image, what both networks answer, and whether a threshold lets it in.

    stranger: it is known to belong to no class.
    """
    sce, mmc = asked
    names = choose.class_names(sce.card)
    picture, first, second = st.columns([0.8, 1, 1], gap="medium")
    side = max(image.shape[-1], 140 // image.shape[-1] * image.shape[-1])
    big = image.repeat_interleave(side // image.shape[-1], 2).repeat_interleave(side // image.shape[-1], 3)
    picture.html(
        f'<img src="{pictures.data_url(big[0])}" alt="{html.escape(title)}" style="width:100%;'
        'max-width:168px;image-rendering:pixelated;border:1px solid var(--ss-frame)">'
    )
    picture.caption(page.plain(title))
    first.markdown(page.linked("**Cross-entropy:** probabilities"))
    first.html(pictures.bars(names, sce.logits))
    second.markdown(page.linked("**MMC:** −(distance to centre)²"))
    squared = -unsure.negative_distances(mmc.model, mmc.logits[None])[0]
    second.html(_distance_bars(names, squared, -mmc.standing.threshold))
    second.caption(f"The bar is the distance; the mark: {100 * KEEP:.0f} % of the test images are nearer.")
    p = float(torch.softmax(sce.logits.double(), 0).max())
    words = {True: "turns it away", False: "lets it in"}
    own = DATASETS[sce.card.dataset].title
    page.tell(
        f"Cross-entropy gives class **{page.plain(names[int(sce.logits.argmax())])}** {100 * p:.2f} %: "
        f"{100 * sce.standing.below:.1f} % of the test images of {own} make it less sure than this. MMC's nearest "
        f"centre is √{-mmc.image:.0f} away; {100 * mmc.standing.below:.1f} % of the test images are farther. A "
        f"threshold that keeps {100 * KEEP:.0f} % of the test images **{words[sce.standing.refused]}** by probability "
        f"and **{words[mmc.standing.refused]}** by distance."
        + (f" {TOLD[sce.standing.refused, mmc.standing.refused]}" if stranger else "")
    )


def _open(source_key: str, row_key: str, source: str, row: int) -> None:
    st.session_state[source_key], st.session_state[row_key] = source, row


def _counterexamples(sce: Card, mmc: Card) -> None:
    """The strangers that the distance lets in, to be clicked: it is no cure."""
    found: list[tuple[str, int]] = []
    by_probability = 0
    for source in OUTSIDE:
        if source != sce.dataset:
            probability, distance = _both_refused(sce, mmc, source)
            found += [(source, int(row)) for row in (~distance).nonzero()[:, 0]]
            by_probability += int((~probability).sum())
    st.markdown("##### Counter-examples: strangers that the distance lets in")
    if not found:
        st.caption(f"None of the pictures that can be clicked above; the probability lets {by_probability} of them in.")
        return
    images = torch.cat([shared.images(source, sce.input_shape)[row : row + 1] for source, row in found])
    keys = [(_source_key(shared.SCOPE, sce), _row_key(shared.SCOPE, source)) for source, _ in found]
    picker.wall(
        images,
        list(range(len(found))),
        [_names(sce, source, row + 1)[row] for source, row in found],
        -1,
        f"{shared.SCOPE}.wall.counterexamples",
        lambda i: _open(*keys[i], *found[i]),
    )
    page.note(
        f"Of the pictures of no class that can be clicked above, the distance lets these {len(found)} in, the "
        f"probability {by_probability}, at thresholds that keep {100 * KEEP:.0f} % of the test images. Click one to "
        "see what both say of it."
    )


def _histogram(asked: _Asked, others: str, index: int) -> None:
    """How one network's score is spread over its test set and over images of no class."""
    inside, outside, image = asked.drawn
    by_probability = asked.kind == KINDS[0]
    low, high = (
        min(float(inside.min()), float(outside.min()), image),
        max(float(inside.max()), float(outside.max()), image),
    )
    st.markdown(f"##### {'Cross-entropy: largest probability' if by_probability else 'MMC: nearest centre'}")
    st.plotly_chart(
        evidence_plots.histogram(
            inside,
            outside,
            image,
            (f"test set of {DATASETS[asked.card.dataset].title}", OUTSIDE[others], "this image"),
            evidence_plots.nines_ticks(high) if by_probability else evidence_plots.distance_ticks(low, high),
            "largest probability →  surer" if by_probability else "−(distance to the nearest centre)² →  surer",
            f"{shared.SCOPE}.histogram",
        ),
        key=f"{shared.SCOPE}.histogram.{index}",
        config=plots.CONFIG,
    )
    area, error = statistics.auroc(asked.inside.numpy(), asked.outside.numpy())
    page.note(
        f"AUROC {area:.4f} ± {error:.4f}: {len(asked.inside):,} test images of the gallery against "
        f"{len(asked.outside):,} of {OUTSIDE[others]}, computed now ({page.plain(asked.card.name)})."
    )


def _areas(sce: Card, mmc: Card) -> None:
    """AUROC on the full test sets, as stored, beside the report's Table 3."""
    st.markdown("##### On the full test sets: which score tells strangers from the classes?")
    found = results.stored(CERTAINTIES)
    if not found:
        return
    results.lacking(found, (sce, mmc), CertaintyRecord.kind)
    titles: dict[tuple[str, Score], str] = {
        (sce.name, "max-probability"): "cross-entropy, probability",
        (mmc.name, "min-distance"): "MMC, distance",
        (mmc.name, "max-probability"): "MMC, its softmax's probability",
    }
    mine = {(r.network.name, r.score): r for r in found if r.network is not None}
    rows = [
        (_stranger(area.outside.name, sce), title, area.auroc, area.standard_error)
        for key, title in titles.items()
        if key in mine
        for area in mine[key].areas
    ]
    if rows:
        left, right = st.columns([1.3, 1], gap="large")
        left.plotly_chart(
            evidence_plots.areas(rows, f"{shared.SCOPE}.areas"), key=f"{shared.SCOPE}.areas", config=plots.CONFIG
        )
        with right:
            claim = claims.DISTANCE_RELIABLE
            verdicts.draw(claim, claim.decide(found, sce.name, mmc.name))
            used = [mine[key] for key in titles if key in mine]
            results.origin(
                used,
                f"{max(record.data.n for record in used):,} test images against as many of each set; bars are two "
                "standard errors. AUROC: 1 always tells them apart, 0.5 is a coin.",
            )
    with st.expander("The report's Table 3, and what these networks say of such images"):
        st.markdown(
            "The report shows one image of no class to each network: a lion to MNIST's, a digit to CIFAR-10's. The "
            "three highest scores:\n\n| network | report, Table 3 |\n|---|---|\n"
            + "\n".join(
                f"| {dataset}, {loss} | {', '.join(f'{value:g}' for value in values)} |"
                for (dataset, loss), values in unsure.PAPER_TOP3.items()
            )
        )
        page.note(
            "The bars above are the same for the image that is chosen. The report's distances are those of its "
            "own ResNet-32, whose features are not bounded either."
        )


def _stranger(name: str, card: Card) -> str:
    """What a set of images of no class is called for a network."""
    return OUTSIDE[name] + (" in grey" if name == "cifar10" and card.input_shape[0] == 1 else "")
