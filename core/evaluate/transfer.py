"""What an attack found on one network, shown to others: as it was found, and with every perturbation at one length.

Networks that see pictures of another size are shown the same picture brought to theirs, clean and perturbed, as anybody
would do with a file.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import interpolate

from core.attacks import Attack, run
from core.data import ImageSet
from core.evaluate import records, shards, statistics
from core.evaluate.attacking import at_once
from core.evaluate.comparison import at_linf, at_norm
from core.evaluate.records import Collection, Data, Network, Record, Rows, Setting, identity
from core.evaluate.shards import Engine
from core.evaluate.statistics import Estimate, Floats
from core.evaluate.tables import bars
from core.metrics import roughness
from core.models import logits_of

Norm = Literal["l2", "linf"]
SIGMA_H = 1.0
"""Pixels, of the roughness."""
SHARD = 25
"""Images in a shard at most."""

_NORMS: dict[Norm, Callable[[Tensor, Tensor, float], Tensor]] = {"l2": at_norm, "linf": at_linf}


class TransferRecord(Record):
    """What an attack does to a network, and its perturbations to others. `protocol` is the attack.

    Rows: "index", "label", "attacked" (named rightly when clean), "fools", "l2" and "roughness" (Omega_n) of the
    perturbation, NaN where it does not fool. For each judge NAME also "right NAME" (clean), "wrong NAME" (with the
    perturbation as found) and "at NAME" (with it at `length`); False where nothing was found.
    """

    norm: ClassVar[Norm]
    """In which perturbations are brought to `length`."""

    judges: tuple[Network, ...]
    """Networks that are shown its perturbations, its own among them."""
    length: float = Field(gt=0)
    """By `norm`."""
    fooled: int = Field(ge=0)
    seconds: float = Field(ge=0)
    """Of one thread, for all images."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows = self.rows
        if rows is None or len(rows) != self.data.n or int(rows["fools"].sum()) != self.fooled:
            raise ValueError("fooled must be the number of rows that do")
        expected = {"index", "label", "attacked", "fools", "l2", "roughness"}
        expected |= {f"{what} {judge.name}" for judge in self.judges for what in ("right", "wrong", "at")}
        if set(rows.columns) != expected:
            raise ValueError("rows must have three columns for every judge")
        return self

    def column(self, name: str) -> NDArray[np.generic]:
        """A column of the rows, (N,)."""
        assert self.rows is not None
        return self.rows[name]

    @property
    def lengths(self) -> Floats:
        """(n,) L2 of the images that were attacked, infinite where it does not fool."""
        found = np.where(self.column("fools"), self.column("l2"), np.inf).astype(float)
        return np.asarray(found[self.column("attacked").astype(bool)])

    @property
    def success(self) -> Estimate | None:
        """Share of the images that are fooled, of those that the network names rightly; None without any."""
        return statistics.wilson(self.fooled, len(self.lengths)) if len(self.lengths) else None

    def asked(self, judge: str) -> NDArray[np.bool_]:
        """(N,) images of which a judge is asked: it names them rightly when clean, and the attack fools its own network
        on them."""
        return np.asarray(self.column("fools").astype(bool) & self.column(f"right {judge}").astype(bool))

    def transferred(self, judge: str, at_length: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(N,), (N,) bool: images of which a judge is asked, and those of them that fool it."""
        asked = self.asked(judge)
        return asked, asked & self.column(f"{'at' if at_length else 'wrong'} {judge}").astype(bool)

    def rate(self, judge: str, at_length: bool) -> Estimate | None:
        """How often it fools a judge, with Wilson's interval; None where there is nothing to ask."""
        asked, fooled = self.transferred(judge, at_length)
        return statistics.wilson(int(fooled.sum()), int(asked.sum())) if asked.any() else None


T = TypeVar("T", bound=TransferRecord)


@dataclass(frozen=True)
class Showing:
    """An attack on a network, and who is shown what it finds."""

    network: Network
    judges: tuple[Network, ...]
    attack: Attack
    length: float
    """L2 or Linf, as the record's `norm` says."""
    seed: int = 0
    """Of the order of the images, and of the attack."""

    def is_of(self, record: TransferRecord) -> bool:
        """Whether a record is of this, on whatever images."""
        same = (record.network, record.judges, record.length) == (self.network, self.judges, self.length)
        return same and record.protocol.is_of(self.attack)

    def goes_on(self, known: TransferRecord, images: ImageSet) -> bool:
        """Whether `known` is the same of the first of these images, which `seed` drew."""
        first = images[: known.data.n] if known.data.n <= len(images) else None
        return first is not None and self.is_of(known) and known.data == Data.of(first, self.seed)


@dataclass(frozen=True)
class TransferShard:
    """A batch of images, and what is to be done with them."""

    showing: Showing
    norm: Norm
    images: ImageSet

    def depends_on(self) -> str:
        """What its rows depend on."""
        told, images = self.showing, self.images
        pictures = identity(images.images), images.indices.tolist(), images.labels.tolist()
        networks = told.network.sha256, [(judge.name, judge.sha256) for judge in told.judges]
        setting = Setting.of(told.attack).model_dump(mode="json")
        about = (setting, self.norm, told.length, told.seed, records.versions())
        return json.dumps(["transfer", networks, pictures, about])

    def compute(self, told: shards.Told = lambda share: None) -> shards.Part:
        """Attack the images, and ask everybody."""
        showing = self.showing
        result = run(
            showing.attack,
            loaded(showing.network),
            self.images.images,
            self.images.labels,
            showing.seed,
            lambda step: told(step.index / step.total),
        )
        clean, fools = result.images, result.success
        there = torch.where(fools[:, None, None, None], result.adversarial, clean)
        brought = _NORMS[self.norm](clean, there, showing.length)
        r = there - clean
        rows: dict[str, object] = {"index": self.images.indices.int(), "label": self.images.labels.short()}
        rows["attacked"] = torch.tensor([status != "already misclassified" for status in result.status])
        rows["fools"] = fools
        nothing = torch.full((len(clean),), torch.nan)
        rows["l2"] = torch.where(fools, r.flatten(1).norm(dim=1), nothing).float()
        rows["roughness"] = torch.where(fools, roughness(r, SIGMA_H, normalised=True), nothing).float()
        for judge in showing.judges:
            model = loaded(judge)
            size = model.card.input_shape[1:]
            right, wrong, at = (
                logits_of(model, sized(x, size)).argmax(1) != result.labels for x in (clean, there, brought)
            )
            rows |= {f"right {judge.name}": ~right, f"wrong {judge.name}": wrong & fools}
            rows[f"at {judge.name}"] = at & fools
        return shards.Part(Rows(rows), result.seconds)


loaded = lru_cache(maxsize=16)(Network.load)
"""A network, kept."""


def sized(images: Tensor, size: tuple[int, ...]) -> Tensor:
    """Images (N, C, H, W) in [0, 1] brought to `size` = (height, width), bicubic without aliasing, in [0, 1]."""
    if images.shape[2:] == size:
        return images
    return interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1)


def measure(
    of: type[T],
    showing: Showing,
    images: ImageSet,
    known: T | None = None,
    command: str = "",
    on_progress: Callable[[float], object] = lambda share: None,
    engine: Engine = Engine(),  # noqa: B008  # frozen
    parts: Path | None = None,
    batch_size: int | None = None,
) -> T:
    """A record of the class `of`: the attack on `images`, which `showing.seed` drew, and what others make of it.

    known: a record of the first of them (`Showing.goes_on`), which are not attacked again. engine, parts, batch_size:
    as `core.evaluate.front.measure` has them. on_progress hears 0 ... 1.
    """
    done = 0 if known is None else known.data.n
    size = at_once(images, batch_size, SHARD)
    batches = [
        TransferShard(showing, of.norm, images[start : start + size]) for start in range(done, len(images), size)
    ]
    found = shards.gather(batches, parts, engine, on_progress)
    every = [part.rows for part in found]
    if known is not None and known.rows is not None:
        every.insert(0, known.rows)
    rows = Rows.joined(every)
    return of(
        network=showing.network,
        data=Data.of(images, showing.seed),
        protocol=Setting.of(showing.attack),
        command=command,
        versions=records.versions(),
        lacks=records.lacking(known),
        judges=showing.judges,
        length=showing.length,
        fooled=int(rows["fools"].sum()),
        seconds=sum(part.seconds for part in found) + (0 if known is None else known.seconds),
        rows=rows,
    )


def command(of: type[Record], names: Iterable[str], n: int, seed: int = 0, folder: str = "") -> str:
    """What makes the records of several networks again. folder: "folder:NAME", which does not say where it lies, where
    the images are not of their own data set."""
    words = ["--models", *names, *(["--dataset", folder] if folder else []), "--n", str(n), "--seed", str(seed)]
    return f"python -m core evaluate {of.kind} {shlex.join(words)}"


def before(found: Iterable[T], showing: Showing, images: ImageSet) -> T | None:
    """The one of `found` that is the same of the first of these images, or of more of them that the seed drew."""
    for record in found:
        more = record.data.n > len(images) and (record.data.name, record.data.seed) == (images.name, showing.seed)
        if showing.goes_on(record, images) or (more and showing.is_of(record)):
            return record
    return None


def sweep(
    wanted: Iterable[tuple[str, Showing, ImageSet]],
    kept: Collection[T],
    command: str,
    engine: Engine = Engine(),  # noqa: B008  # frozen
    batch_size: int | None = None,
) -> None:
    """Measure all that is wanted, by its title, with bars on the console, and put it into `kept`.

    What is there is gone on with: only images that are not there are attacked; shards that are done lie in the folder
    NAME.parts until all of theirs are. Records of the same images whose judges are others are dropped.
    """
    parts = kept.path.with_suffix(".parts")
    with bars() as bar:
        for title, showing, images in wanted:
            task, known = bar.add_task(title, total=1.0), before(kept.read(), showing, images)
            if known is not None and known.data.n >= len(images):
                bar.update(task, completed=1.0)
                continue

            def told(share: float) -> None:
                bar.update(task, completed=share)  # noqa: B023  # called before the next

            record = measure(kept.of, showing, images, known, command, told, engine, parts, batch_size)
            name, judges = images.name, showing.judges
            kept.put(record, beside=lambda other: other.data.name != name or other.judges == judges)  # noqa: B023
    shutil.rmtree(parts, ignore_errors=True)
