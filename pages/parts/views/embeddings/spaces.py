"""The same images in the spaces of several networks, mapped to the plane: what the Embeddings page draws."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core import models
from core.data import DATASETS, ImageSet
from core.evaluate import maps as shipped_maps
from core.features import projections
from core.features.projections import Distortion, Map, Projection, Space
from core.features.regions import Regions, regions, widened
from core.models import Card, Classifier, features_of
from core.models.heads import CenterHead
from pages.parts.engine.bounded import Bounded, fingerprint
from pages.parts.shell import cache
from pages.parts.work import maps


@dataclass(frozen=True)
class Network:
    """One network's view of the images. epochs: (E,) rising; answers: (E, n) the classes it names."""

    card: Card
    space: Space
    epochs: tuple[int, ...]
    answers: Tensor
    own: Space | None = None
    """With all the images that its checkpoint kept, where it did; rows: those of them that are shown."""
    rows: Tensor | None = None


@dataclass(frozen=True)
class View:
    """The same images (n of them, all of one split) as each network sees them."""

    images: ImageSet
    networks: tuple[Network, ...]


@dataclass(frozen=True)
class Drawn:
    """A network's map, of the shown images alone, with how much to believe it."""

    network: Network
    map: Map
    distortion: Distortion

    @property
    def epochs(self) -> list[int]:
        return [self.network.epochs[row] for row in self.map.epoch_rows]

    @property
    def answers(self) -> Tensor:
        return self.network.answers[list(self.map.epoch_rows)]

    @property
    def flat(self) -> bool:
        """Every place of the plane is that of one feature, of which the network's head can be asked."""
        return self.network.space.dim == 2 and self.map.frame is not None

    def regions(self, extent: tuple[float, float, float, float]) -> Regions | None:
        """What the finished network names where, in and around a part of the plane; None unless the map is `flat`."""
        if not self.flat:
            return None
        card, frame = self.network.card, self.map.frame
        assert frame is not None
        place = fingerprint(card.name, card.sha256, *frame, extent)
        known = _regions.get(place)
        if known is None:
            head = cache.model(card.name, card.sha256).head
            known = regions(head, widened(extent, AROUND), frame)
            _regions.put(place, known)
        return known

    @property
    def note(self) -> str:
        kept = f"{100 * self.distortion.variance:.0f} %"
        score = f"Trustworthiness {self.distortion.trustworthiness:.3f}, variance kept {kept}"
        return f"{self.map.note} {score} (last epoch, n = {self.distortion.n:,})."


KINDS = {"test": "test", "train": "training"}
"""What images of a split are called."""
AROUND = 1.5
"""Sides of what is shaded, in those of the part of the plane that a panel opens with: it can be moved."""

_regions: Bounded[Regions] = Bounded(32)
_views: Bounded[View] = Bounded(16)
_drawn: Bounded[list[Drawn]] = Bounded(32)


def offered(cards: Iterable[Card]) -> dict[str, list[Card]]:
    """Data set -> those of `cards` whose networks can be shown: those whose data set has a gallery."""
    found: dict[str, list[Card]] = {}
    for card in cards:
        if card.dataset in DATASETS and DATASETS[card.dataset].gallery:
            found.setdefault(card.dataset, []).append(card)
    return found


def view(cards: Sequence[Card]) -> View:
    """The gallery's images that all of `cards` kept, with their features over the epochs.

    A network that kept none is shown as it is now, on the same images. ValueError in one sentence if a checkpoint is
    damaged or no image is common to all.
    """
    networks = fingerprint(*[(card.name, card.sha256) for card in cards])
    known = _views.get(networks)
    if known is None:
        known = _view(cards, cache.gallery(cards[0].dataset))
        _views.put(networks, known)
    return known


def _view(cards: Sequence[Card], images: ImageSet) -> View:
    kept = {card.name: models.kept_features(card.name) for card in cards}
    common = set(images.indices.tolist())
    for past in kept.values():
        if past is not None:
            common &= set(past.indices.tolist())
    shown = images[[row for row, index in enumerate(images.indices.tolist()) if index in common]] if common else None
    if shown is None or len(shown) < 3:
        names = ", ".join(card.name for card in cards)
        raise ValueError(f"{names} kept no images in common; train them with the same seed and --sample.")
    networks = []
    for card in cards:
        past = kept[card.name]
        if past is None:
            networks.append(_now(card, shown))
            continue
        place = {index: row for row, index in enumerate(past.indices.tolist())}
        rows = torch.tensor([place[index] for index in shown.indices.tolist()])
        centers = _centers(cache.model(card.name, card.sha256))
        networks.append(
            Network(
                card,
                Space(past.features[:, rows], shown.labels, centers),
                past.epochs,
                past.predictions[:, rows],
                Space(past.features, past.labels, centers),
                rows,
            )
        )
    return View(shown, tuple(networks))


def _centers(model: Classifier) -> Tensor | None:
    return model.head.centers.cpu() if isinstance(model.head, CenterHead) else None


def _now(card: Card, images: ImageSet, z: Tensor | None = None) -> Network:
    """A network as it is, without its past. z: (n, d) its features of the images, if they are there already."""
    model = cache.model(card.name, card.sha256)
    if z is None:
        z = features_of(model, images.images)
    with torch.no_grad():
        answers = model.head(z.to(model.device)).argmax(1).cpu()
    epoch = int(card.recipe.get("epochs") or 0)
    return Network(card, Space(z[None], images.labels, _centers(model)), (epoch,), answers[None])


def at_once(cards: Sequence[Card], projection: Projection) -> list[Drawn] | None:
    """The maps of a view that need no waiting: linear ones, shipped ones, and those made before; None if some do."""
    shown = view(cards)
    known = _drawn.get(key(cards, projection))
    if known is not None:
        return known
    if projection.quick:
        found = projections.fitted(projection, [network.space for network in shown.networks])
    else:
        found = []
        for network in shown.networks:
            shipped = None if network.own is None else shipped_maps.read(network.card, projection, network.own)
            if shipped is None:
                return None
            found.append(_restricted(shipped, network))
    return keep(cards, projection, _with_distortion(found, shown.networks))


def _restricted(whole: Map, network: Network) -> Map:
    """A map of all the images that a checkpoint kept, with those alone that are shown."""
    return Map(whole.epoch_rows, whole.points[:, network.rows], whole.note, known=network.space.features[-1])


def key(cards: Sequence[Card], projection: Projection) -> str:
    """A word for the maps of a view, equal exactly when they are."""
    return fingerprint(*[(c.name, c.sha256) for c in cards], projection.name, projection.values())


def keep(cards: Sequence[Card], projection: Projection, made: Sequence[tuple[Map, Distortion]]) -> list[Drawn]:
    """Keep the maps of a view, which are those of a finished `maps.fit` too: `at_once` has them then."""
    shown = view(cards)
    drawn = [Drawn(network, *each) for network, each in zip(shown.networks, made, strict=True)]
    _drawn.put(key(cards, projection), drawn)
    return drawn


_now_kept: Bounded[View] = Bounded(4)


def seen_now(cards: Sequence[Card], split: str) -> View | None:
    """The view of all test images ("test") or the gallery's training images ("train"), if made (`keep_seen`)."""
    return _now_kept.get(fingerprint(split, *[(card.name, card.sha256) for card in cards]))


def keep_seen(cards: Sequence[Card], split: str, features: Sequence[Tensor]) -> None:
    """Keep such a view, of a finished `maps.features`: `seen_now` has it then."""
    dataset = cards[0].dataset
    images = cache.images(dataset) if split == "test" else cache.gallery(dataset, split)
    made = View(images, tuple(_now(card, images, z) for card, z in zip(cards, features, strict=True)))
    _now_kept.put(fingerprint(split, *[(card.name, card.sha256) for card in cards]), made)


def drawn_of(shown: View, projection: Projection) -> list[Drawn]:
    """A view mapped linearly."""
    found = projections.fitted(projection, [network.space for network in shown.networks])
    made = _with_distortion(found, shown.networks)
    return [Drawn(network, *each) for network, each in zip(shown.networks, made, strict=True)]


def _with_distortion(found: Sequence[Map], networks: Sequence[Network]) -> list[tuple[Map, Distortion]]:
    return [(made, maps.distortion(made, network.space)) for made, network in zip(found, networks, strict=True)]


def table(drawn: Sequence[Drawn], images: ImageSet) -> bytes:
    """The coordinates as CSV: a line for each network, epoch and image, with the class and the network's answer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "epoch", f"{KINDS[images.split]}_image", "class", "answer", "x", "y"])
    for each in drawn:
        for drawn_row, epoch in enumerate(each.epochs):
            for row, (x, y) in enumerate(each.map.points[drawn_row].tolist()):
                writer.writerow(
                    [
                        each.network.card.name,
                        epoch,
                        int(images.indices[row]),
                        images.classes[int(images.labels[row])],
                        images.classes[int(each.answers[drawn_row, row])],
                        f"{x:.7g}",
                        f"{y:.7g}",
                    ]
                )
    return text.getvalue().encode()
