"""Choosing a network and a picture for it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile
from torch import Tensor

from core import models
from core.attacks import ATTACKS, Attack
from core.data import DATASETS, ImageError, ImageSet, imagenet
from core.defenses import Defense
from core.models import Card, Classifier
from pages.parts.components import picker
from pages.parts.engine.networks import Network
from pages.parts.shell import cache, links, page
from pages.parts.shell.settings import settings

FIRST = "mnist-c4-ce"
"""The network that a page opens with."""
LOSSES = {
    "cross-entropy": "CE",
    "graph-smoothness": "graph",
    "max-mahalanobis": "MMC",
    "mm-lda": "MM-LDA",
    "center-loss": "centre",
    "g-sce": "g-SCE",
    "large-margin": "L-GM",
}
CENTERS = {"random": "MMC (rand)", "hierarchical": "HMMC"}
"""What MMC is called with other centres than the optimal ones."""
HARDENED = {"fgsm": "FGSM", "fast": "fast FGSM", "least-likely": "step l.l.", "pgd": "PGD", "smoothfool": "SAT"}
"""Losses and defences as short as a menu needs them; the others by their names."""
MOST_TOLD = 50
"""Checkpoints that cannot be used of which a page says why not."""
UPLOADS = ("png", "jpg", "jpeg", "webp", "avif", "gif", "bmp", "tif", "tiff", "ppm")
"""Not HEIC, which an iPhone turns into JPEG by itself for a page that does not ask for it."""


@dataclass(frozen=True)
class Choice:
    """A network and one picture that fits it."""

    card: Card
    model: Classifier
    classes: tuple[str, ...]
    image: Tensor
    """(1, C, H, W)."""
    label: int
    """The true class, or -1 where nobody has said."""
    title: str
    logits: Tensor
    """(K,) of the clean picture."""
    index: int | None = None
    """Its place in the official test set; None of a photograph and of an own picture."""
    defense: Defense | None = None
    """What `model` sees pictures through."""

    @property
    def network(self) -> Network:
        """The network, for the way to where it is needed."""
        return Network.of(self.card, self.defense)

    @property
    def attacked(self) -> int:
        """The class that an attack leads away from: the true one, or the network's own answer where none is known."""
        return self.label if self.label >= 0 else int(self.logits.argmax())


def tell_unusable(unusable: Mapping[str, str]) -> None:
    """Say of checkpoints that cannot be used why not, folded away: they are somebody's, and the page works without."""
    if not unusable:
        return
    many = f"{len(unusable)} checkpoints" if len(unusable) > 1 else "1 checkpoint"
    with st.expander(f"{many} cannot be used", icon=":material/error:"):
        for sentence in list(unusable.values())[:MOST_TOLD]:
            st.caption(page.plain(sentence))
        if len(unusable) > MOST_TOLD:
            st.caption("The others: `python -m core models list`.")


def brief(card: Card) -> str:
    """A network among others of its data set, as short as can be: loss, what it was hardened against, architecture."""
    against = card.recipe.get("adversarial") or "none"
    ensemble = " (Ens.)" if card.recipe.get("sources") else ""
    defence = "" if against == "none" else f" + {HARDENED.get(str(against), str(against))}{ensemble}"
    flat = f", {card.embedding}D" if card.embedding in (2, 3) else ""
    loss = LOSSES.get(card.loss, card.loss)
    if card.loss == "max-mahalanobis":
        loss = CENTERS.get(str(card.loss_arguments.get("centers")), loss)
    return f"{loss}{defence}{flat}, {card.title.partition(' on ')[0]}"


def menu(cards: Mapping[str, Card]) -> dict[str, str]:
    """Networks as a narrow box lists them, by data set, a person's own below all: what it cuts off comes last."""

    def told(card: Card) -> str:
        data = DATASETS[card.dataset].title if card.dataset in DATASETS else "ImageNet"
        described = f"{data} {brief(card)}"
        return described if models.is_shipped(card.name) else f"Own: {card.name}, {described}"

    def place(name: str) -> tuple[bool, str, bool, str]:
        loss = cards[name].loss
        return not models.is_shipped(name), cards[name].dataset, loss != "cross-entropy", loss

    labels = {name: told(cards[name]) for name in sorted(cards, key=place)}
    return {n: t if list(labels.values()).count(t) == 1 else f"{t} ({n})" for n, t in labels.items()}


def network(scope: str, first: str = FIRST) -> tuple[Card, Classifier] | None:
    """A select box of all networks; the chosen one loaded, or None after having said what is wrong with it.

    first: the network that the page opens with, where it is there.
    """
    cards, unusable = models.survey()
    titles = menu(cards)
    names = list(titles)
    key = f"{scope}.model"
    first = first if first in names else names[0]
    links.choice("model", key, first, names)
    if st.session_state[key] not in names:  # it was deleted meanwhile, or damaged
        st.session_state[key] = first
    name = st.selectbox("Network", names, key=key, format_func=titles.__getitem__, persist_state="session")
    tell_unusable(unusable)
    card = cards[name]
    try:
        model = cache.model(name, card.sha256)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return None
    facts = [card.title]  # which the menu shortens
    if card.accuracy is not None:
        also = f" ({100 * card.mirrored.value:.2f} % with their mirror images)" if card.mirrored is not None else ""
        facts.append(f"{100 * card.accuracy.value:.2f} % of {card.accuracy.n:,} test images right{also}")
    st.caption(page.plain(", ".join(facts)))
    return card, model


def shelf(card: Card) -> ImageSet | None:
    """The pictures that are always there for a network: its gallery, or photographs; None if there are none."""
    if card.dataset == "imagenet":
        return cache.photographs(card.input_shape, card.crop_fraction)
    if card.dataset in DATASETS and DATASETS[card.dataset].gallery:
        return cache.gallery(card.dataset)
    if card.dataset in DATASETS and DATASETS[card.dataset].installed():
        return cache.images(card.dataset, 1000)
    return None


def class_names(card: Card) -> tuple[str, ...]:
    """The names of a network's classes."""
    return imagenet.classes() if card.dataset == "imagenet" else DATASETS[card.dataset].classes


def _own_key(scope: str) -> str:
    return f"{scope}.own"


def _pick(scope: str, card: Card, row: int) -> None:
    st.session_state[f"{scope}.row.{card.dataset}"] = row
    st.session_state.pop(_own_key(scope), None)


@st.dialog("Pick a picture", width="large")
def _gallery(scope: str, card: Card, images: ImageSet) -> None:
    rows = list(range(len(images)))
    if len(images) > 100:
        names = [str(i) for i in range(len(images.classes))]
        wanted = st.pills("Class", names, default="0", format_func=lambda i: images.classes[int(i)], required=True)
        rows = [i for i in rows if int(images.labels[i]) == int(wanted or 0)]

    def pick(row: int) -> None:
        _pick(scope, card, row)
        st.session_state[f"{scope}.close"] = True

    labels = [_title(images, i) for i in rows]
    selected = st.session_state.get(f"{scope}.row.{card.dataset}", 0)
    picker.wall(images.images[rows], rows, labels, selected, f"{scope}.wall", pick)
    if st.session_state.pop(f"{scope}.close", False):
        st.rerun()


def _name(images: ImageSet, row: int) -> str:
    """What a link calls a picture: its name, or its place in the official test set."""
    return images.names[row] if images.names else str(int(images.indices[row % len(images)]))


def _row(images: ImageSet, name: str) -> int:
    for row in range(len(images)):
        if _name(images, row) == name:
            return row
    raise ValueError("there is no such picture here.")


def _title(images: ImageSet, row: int) -> str:
    if images.names:
        return images.names[row]
    return f"test image {int(images.indices[row])}: {images.classes[int(images.labels[row])]}"


@dataclass(frozen=True)
class Upload:
    """A file that a person brought along."""

    file_id: str
    """Which upload it is."""
    name: str
    content: bytes
    digest: str
    """Of the content."""


def upload(key: str) -> UploadedFile | None:
    """The box for a picture from a person's computer."""
    return st.file_uploader(
        "A picture from this computer",
        UPLOADS,
        key=key,
        help=f"At most {settings().largest_picture} megapixels. HEIC, as iPhones take it, cannot be read: save it as "
        "JPEG first.",
    )


def taken(given: UploadedFile, before: Upload | None) -> Upload:
    """`given` with its digest; `before`, if it is the same upload."""
    if before is not None and before.file_id == given.file_id:
        return before
    content = given.getvalue()
    return Upload(given.file_id, given.name, content, hashlib.sha256(content).hexdigest())


def fitted(own: Upload, card: Card) -> Tensor | None:
    """An own picture as a network takes it, (1, C, H, W); None after having said what is wrong with it."""
    try:
        return cache.picture(own.content, own.digest, card.input_shape, card.crop_fraction)
    except ImageError as error:
        st.error(page.plain(f"{own.name}: {error}"))
        return None


def _upload(scope: str) -> None:
    """Take an own picture: a file or the camera."""
    with st.popover("Own picture", icon=":material/upload:", width="stretch"):
        file = upload(f"{scope}.file")
        shot = None
        if st.toggle("Use the camera", key=f"{scope}.camera"):
            shot = st.camera_input("Camera", key=f"{scope}.shot", label_visibility="collapsed")
    given = file or shot
    seen: Upload | None = st.session_state.get(f"{scope}.seen")
    if given is None:
        if st.session_state.pop(f"{scope}.seen", None):
            st.session_state.pop(_own_key(scope), None)
        return
    new = taken(given, seen)
    if new is not seen:
        st.session_state[f"{scope}.seen"] = st.session_state[_own_key(scope)] = new


def picture(scope: str, card: Card, model: Classifier, first: str = "") -> Choice | None:
    """Buttons and a gallery to choose a picture; None after having said why there is none.

    first: the name of the photograph that the page opens with, where the network sees photographs.
    """
    images = shelf(card)
    key = f"{scope}.row.{card.dataset}"
    if images is not None:
        opening = images.names.index(first) if first in images.names else 0
        links.read("image", key, opening, lambda text: _row(images, text), lambda row: _name(images, row))
        row = int(st.session_state[key]) % len(images)
        moves = st.container(key=f"{scope}.moves").columns(3, gap="small")
        previous, following = (row - 1) % len(images), (row + 1) % len(images)
        other = random.randrange(len(images))
        for column, name, icon, to in zip(
            moves,
            ("Previous", "Next", "Random"),
            ("chevron_left", "chevron_right", "shuffle"),
            (previous, following, other),
            strict=True,
        ):
            column.button(
                f"{name} picture",  # not shown, see style.css
                icon=f":material/{icon}:",
                help=name,
                key=f"{scope}.{name.lower()}",
                on_click=_pick,
                args=(scope, card, to),
                width="stretch",
            )
        if st.button("Gallery", icon=":material/grid_view:", key=f"{scope}.gallery", width="stretch"):
            _gallery(scope, card, images)
    _upload(scope)

    own: Upload | None = st.session_state.get(_own_key(scope))
    image = fitted(own, card) if own is not None else None
    if own is not None and image is not None:
        links.leave_out("Your own picture is not in the link: it opens with one of the gallery's.")
        return _choice(card, model, image, -1, own.name)
    if images is None:
        st.info(page.plain(f"There are no pictures for this network here; run: python -m core data get {card.dataset}"))
        return None
    row = int(st.session_state[key]) % len(images)
    index = None if images.names else int(images.indices[row])
    return _choice(card, model, images.images[row : row + 1], int(images.labels[row]), _title(images, row), index)


def _choice(card: Card, model: Classifier, image: Tensor, label: int, title: str, index: int | None = None) -> Choice:
    return Choice(card, model, class_names(card), image, label, title, cache.answer(model, image), index)


def dataset(label: str, key: str, first: str, names: Sequence[str]) -> str:
    """A select box of data sets, `dataset` in the link."""
    links.choice("dataset", key, first, names)
    chosen: str = st.selectbox(label, names, key=key, format_func=lambda n: DATASETS[n].title, persist_state="session")
    return chosen


def attack(label: str, key: str, first: str, link: str = "attack") -> type[Attack]:
    """A select box of all attacks. link: its name there."""
    links.choice(link, key, first, ATTACKS)
    chosen = st.selectbox(
        label, list(ATTACKS), key=key, format_func=lambda n: ATTACKS[n].title, persist_state="session"
    )
    return ATTACKS[chosen]


def seed(scope: str) -> int:
    """A box for the seed of what is drawn at random."""
    links.whole("seed", f"{scope}.seed", 0, 0, 2**31 - 1)
    return int(st.number_input("Seed", 0, 2**31 - 1, key=f"{scope}.seed", persist_state="session"))
