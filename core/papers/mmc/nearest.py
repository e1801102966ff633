"""The attacks' table of the MMC report in a way that hidden gradients cannot mask: of every image the shortest
perturbation that any of five searches finds, in L2.

What hides a network's gradient stops an attack and not its boundary, and stops each attack in another way. So: DDN, a
converged C&W (margins of the logits, which of MMC's are differences of squared distances), PGD up the loss that the
network was trained with (the report's adaptive attack), PGD up the log odds from several starts, and what was found on
the network trained with cross-entropy, brought in: along its direction to where this network is fooled. What each
finds is drawn back along its line to where it fools for the first time, so lengths are of boundaries.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from core import models
from core.attacks import DDN, Attack, CarliniWagner, ProjectedGradient, run
from core.data import ImageSet
from core.evaluate import records, shards
from core.evaluate.attacking import at_once
from core.evaluate.cli import check_writable
from core.evaluate.nearest_known import NearestKnown
from core.evaluate.records import Collection, Data, Network, Record, Rows, Setting, identity
from core.evaluate.shards import Engine
from core.evaluate.tables import Column, bars, percent, show
from core.metrics import l2
from core.models import Card, Classifier, logits_of
from core.papers.smooth_curves import pictures
from core.params import Subparsers

DDN_, CW, OWN, ODDS, INTO = "ddn", "cw", "own", "odds", "in"
TITLES = {
    DDN_: "DDN, 200 passes",
    CW: "C&W, 1000 passes",
    OWN: "PGD up its own loss",
    ODDS: "PGD up the log odds, 5 starts",
    INTO: "brought in from cross-entropy",
}
"""The searches, in the order of a table."""
_PGD = ProjectedGradient(radius=8.0, step_length=0.05, updates=120)
ATTACKS: dict[str, Attack] = {
    DDN_: DDN(passes=200, push=False),
    CW: CarliniWagner(margin=0.0, iterations=1000, push=False),
    OWN: _PGD.replace(objective="own loss"),
    ODDS: _PGD,
}
STARTS, START_LENGTH = 5, 1.0
"""Of PGD up the log odds: the clean image and others at this L2 from it, in a random direction."""
STEPS, HALVINGS = 60, 12
"""Along a line: where a network is fooled for the first time is looked for in so many steps, and then halved."""
FARTHEST = 3.0
"""How many times as far as the other network's boundary its direction is followed."""
BOUNDS = {"mnist": 1.0, "cifar10": 0.5}
"""L2, by data set, within which a network is asked to withstand everything."""
SHARD = 50


class NearestRecord(Record):
    """What the searches found of each image of one network. `protocol` has all their parameters.

    Rows: "index", "label", "attacked" (named rightly when clean), and a column a search: L2, NaN where it finds none.
    """

    kind: ClassVar[str] = "mmc-nearest"

    source: Network | None
    """Whose perturbations were brought in; None where it is that network."""
    found: dict[str, int]
    """Images that each search fools."""
    seconds: float = Field(ge=0)
    """Of one thread, for all images."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows = self.rows
        if rows is None or len(rows) != self.data.n or set(rows.columns) != {"index", "label", "attacked", *TITLES}:
            raise ValueError("rows must have a column for every search")
        if self.found != {key: int(np.isfinite(rows[key]).sum()) for key in TITLES}:
            raise ValueError("found must be the numbers of rows with a length")
        return self

    def searches(self) -> tuple[Search, ...]:
        """Each by itself; without what was brought in where it is of that network."""
        return tuple(Search(self, key) for key in TITLES if key != INTO or self.source is not None)

    def nearest(self) -> NearestKnown[Search]:
        """The shortest of all."""
        return NearestKnown(self.searches())


@dataclass(frozen=True)
class Search:
    """What one search found, as `core.evaluate.nearest_known` takes it."""

    record: NearestRecord
    key: str

    @property
    def title(self) -> str:
        """In words."""
        return TITLES[self.key]

    @property
    def attack(self) -> Attack:
        """What it is; of what was brought in the one that was made on the other network."""
        return ATTACKS[DDN_ if self.key == INTO else self.key]

    @property
    def network(self) -> Network | None:
        """The one that was attacked."""
        return self.record.network

    @property
    def data(self) -> Data:
        """Of the images."""
        return self.record.data

    @property
    def attacked(self) -> NDArray[np.bool_]:
        """(N,) bool."""
        return self.column("attacked").astype(bool)

    @property
    def fools(self) -> NDArray[np.bool_]:
        """(N,) bool."""
        return np.asarray(np.isfinite(self.column("l2").astype(float)))

    def column(self, name: str) -> NDArray[np.generic]:
        """(N,): of the record's, with the lengths of this search as "l2"."""
        assert self.record.rows is not None
        return self.record.rows[self.key if name == "l2" else name]


NEAREST = Collection.shipped(NearestRecord)


def first_fooled(model: Classifier, clean: Tensor, ways: Tensor, labels: Tensor, farthest: float = 1.0) -> Tensor:
    """(N,) the least length at which clip(x + t r) fools, t rising from 0 to `farthest`: x `clean`, r `ways`
    (N, C, H, W). NaN where none of the steps does.

    The first of STEPS that does is drawn nearer by halving the step before it, which keeps what fools.
    """

    def at(t: Tensor) -> Tensor:
        return (clean + t[:, None, None, None] * ways).clamp(0, 1)

    def fools(t: Tensor) -> Tensor:
        return logits_of(model, at(t)).argmax(1) != labels

    low, high = torch.zeros(len(clean)), torch.full((len(clean),), torch.nan)
    for step in range(1, STEPS + 1):
        going = high.isnan()
        if not going.any():
            break
        t = torch.full((len(clean),), farthest * step / STEPS)
        hit = going & fools(t)
        high = torch.where(hit, t, high)
        low = torch.where(going & ~hit, t, low)
    known = high.isfinite()
    high = torch.where(known, high, 0.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        hit = known & fools(middle)
        high, low = torch.where(hit, middle, high), torch.where(hit, low, middle)
    return torch.where(known, l2(at(high), clean), torch.nan)


def search(
    model: Classifier,
    images: Tensor,
    labels: Tensor,
    source: Classifier | None,
    seed: int = 0,
    told: Callable[[float], object] = lambda share: None,
) -> dict[str, Tensor]:
    """The L2 (N,) that each search finds for images (N, C, H, W) with labels (N,); NaN where it finds none, and of
    images that the network does not name rightly. source: whose perturbations are brought in."""
    right = logits_of(model, images).argmax(1) == labels
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for place, (key, attack) in enumerate(ATTACKS.items()):
        best = torch.full((len(images),), torch.inf)
        for start in range(STARTS if key == ODDS else 1):
            beginning = images
            if start:
                noise = torch.randn(images.shape, generator=generator)
                noise *= START_LENGTH / noise.flatten(1).norm(dim=1)[:, None, None, None]
                beginning = (images + noise).clamp(0, 1)
            result = run(attack, model, beginning, labels, seed)
            lengths = first_fooled(model, images, result.adversarial - images, labels)
            best = torch.minimum(best, torch.where(lengths.isnan(), torch.inf, lengths))
        found[key] = best
        told((place + 1) / (len(ATTACKS) + 1))
    best = torch.full((len(images),), torch.inf)
    if source is not None:
        ways = run(ATTACKS[DDN_], source, images, labels, seed).adversarial - images
        lengths = first_fooled(model, images, ways, labels, FARTHEST)
        best = torch.where(lengths.isnan(), torch.inf, lengths)
    found[INTO] = best
    kept = {
        key: torch.where(right & values.isfinite() & (values > 0), values, torch.nan) for key, values in found.items()
    }
    return kept | {"attacked": right}


@dataclass(frozen=True)
class NearestShard:
    """A batch of images, the network that is searched and the one whose perturbations are brought in."""

    network: Network
    source: Network | None
    images: ImageSet
    seed: int

    def depends_on(self) -> str:
        """What its rows depend on."""
        images = identity(self.images.images), self.images.indices.tolist(), self.images.labels.tolist()
        networks = self.network.sha256, None if self.source is None else self.source.sha256
        told = [NearestRecord.kind, networks, images, protocol().model_dump(mode="json"), self.seed]
        return json.dumps([*told, records.versions()])

    def compute(self, told: shards.Told = lambda share: None) -> shards.Part:
        """The rows."""
        began = time.perf_counter()
        source = None if self.source is None else _loaded(self.source)
        found = search(_loaded(self.network), self.images.images, self.images.labels, source, self.seed, told)
        rows = {"index": self.images.indices.int(), "label": self.images.labels.short()}
        rows |= {key: values if key == "attacked" else values.float() for key, values in found.items()}
        return shards.Part(Rows(rows), time.perf_counter() - began)


_loaded = lru_cache(maxsize=2)(Network.load)


def protocol() -> Setting:
    """All searches with all their parameters."""
    attacks = {key: attack.values() | {"name": attack.name} for key, attack in ATTACKS.items()}
    along = {"starts": STARTS, "start_length": START_LENGTH, "steps": STEPS, "halvings": HALVINGS, "farthest": FARTHEST}
    return Setting(name="nearest", parameters={**attacks, **along})


def measure(
    card: Card,
    source: Card,
    images: ImageSet,
    known: NearestRecord | None = None,
    seed: int = 0,
    command: str = "",
    on_progress: Callable[[float], object] = lambda share: None,
    engine: Engine = Engine(),  # noqa: B008  # frozen
    parts: Path | None = None,
    batch_size: int | None = None,
) -> NearestRecord:
    """Search `images`, which `seed` drew, for what fools the network of `card`; `source` is whose perturbations are
    brought in.

    known: a record of the first of them, which are not searched again. engine, parts, batch_size: as
    `core.evaluate.front.measure` has them. on_progress hears 0 ... 1.
    """
    network = Network.of(card)
    whose = None if source.name == card.name else Network.of(source)
    size, done = at_once(images, batch_size, SHARD), 0 if known is None else known.data.n
    batches = [
        NearestShard(network, whose, images[start : start + size], seed) for start in range(done, len(images), size)
    ]
    found = shards.gather(batches, parts, engine, on_progress)
    pieces = [part.rows for part in found]
    if known is not None and known.rows is not None:
        pieces.insert(0, known.rows)
    rows = Rows.joined(pieces)
    return NearestRecord(
        network=network,
        data=Data.of(images, seed),
        protocol=protocol(),
        command=command,
        versions=records.versions(),
        source=whose,
        found={key: int(np.isfinite(rows[key]).sum()) for key in TITLES},
        seconds=sum(part.seconds for part in found) + (0.0 if known is None else known.seconds),
        rows=rows,
    )


def add_verb(verbs: Subparsers) -> None:
    """Register `python -m core evaluate mmc-nearest`."""
    parser = verbs.add_parser(
        NearestRecord.kind, help="the MMC report's attacks masking-proof: of each image the shortest of five searches"
    )
    parser.add_argument("--models", nargs="+", metavar="NAME", required=True)
    parser.add_argument(
        "--source", default="mnist-lenet-ce", metavar="NAME", help="whose are brought in (default %(default)s)"
    )
    parser.add_argument("--n", type=int, default=100, help="test images, the first of them (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images and of random starts")
    parser.add_argument(
        "--out", type=Path, default=NEAREST.path, help="(default: the app's); goes on with what is there"
    )
    shards.add_arguments(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.n < 2:
        raise ValueError(f"n must be at least 2; got {arguments.n}.")
    source, engine, kept = models.card(arguments.source), shards.engine_of(arguments), NEAREST.at(arguments.out)
    check_writable(kept.path)
    with bars() as bar:
        for name in arguments.models:
            card = models.card(name)
            if card.dataset != source.dataset:
                raise ValueError(f"models must be of {source.dataset}, as {source.name} is; {name} is not.")
            images = pictures(card.dataset, arguments.seed)[: arguments.n]
            task = bar.add_task(name, total=1.0)
            known = _known(kept.read(), card, images, arguments.seed)
            if known is not None and known.data.n >= len(images):
                bar.update(task, completed=1.0)
                continue

            def told(share: float) -> None:
                bar.update(task, completed=share)  # noqa: B023  # called before the next

            words = f"--models {name} --source {source.name} --n {len(images)} --seed {arguments.seed}"
            parts = kept.path.with_suffix(".parts") / name
            record = measure(
                card,
                source,
                images,
                known,
                arguments.seed,
                f"python -m core evaluate {NearestRecord.kind} {words}",
                told,
                engine,
                parts,
                arguments.batch_size,
            )
            kept.put(record)
            shutil.rmtree(parts, ignore_errors=True)
    shutil.rmtree(kept.path.with_suffix(".parts"), ignore_errors=True)
    _print([r for r in kept.read() if r.network is not None and r.network.name in arguments.models])
    return 0


def _known(found: Sequence[NearestRecord], card: Card, images: ImageSet, seed: int) -> NearestRecord | None:
    """What there is of a network: of the first of `images`, or of more. ValueError in one sentence if of others."""
    network = Network.of(card)
    mine = next((r for r in found if (r.network, r.protocol, r.data.name) == (network, protocol(), images.name)), None)
    if mine is None or mine.data.n > len(images) or mine.data == Data.of(images[: mine.data.n], seed):
        return mine
    raise ValueError(f"{card.name} is there with other images; choose another --out.")


def _print(found: Sequence[NearestRecord]) -> None:
    def median(record: NearestRecord) -> str:
        estimate = record.nearest().median()
        return "-" if estimate is None else f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"

    def alone(key: str) -> Callable[[NearestRecord], str]:
        def told(record: NearestRecord) -> str:
            assert record.rows is not None
            values = record.rows[key][np.isfinite(record.rows[key])]
            return f"{np.median(values):.2f}, {len(values)}" if len(values) else "-"

        return told

    columns = [
        Column[NearestRecord]("network", lambda r: r.network.name if r.network else "", whole=True),
        Column[NearestRecord]("n", lambda r: str(len(r.nearest().shortest))),
        Column[NearestRecord]("shortest, median L2", median),
        Column[NearestRecord]("withstands", lambda r: percent(r.nearest().robust(BOUNDS[r.data.name]))),
        *(Column[NearestRecord](title, alone(key)) for key, title in TITLES.items()),
    ]
    note = f"Withstands: within {BOUNDS}. Of each search by itself the median L2 and how many images it fools."
    show("The nearest known adversarial", columns, found, note)
