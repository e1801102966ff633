"""Finished attacks of the lessons' stops, so that a class sees them at once; what made them is in their records.

A stop on the Attack lab, or on the Compare page with attacks side by side or along a parameter, shows attacks that
take a while. `make` runs them as the page would and keeps the adversarial picture and the scalars of every step;
`find` gives such a run where exactly that attack is asked for on exactly that picture and network. What a network says
of the picture is never kept: it is asked anew.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import IO, ClassVar

import numpy as np
import torch
from torch import Tensor

from core import data, examples, models
from core.attacks import ATTACKS, Attack, AttackResult, SmoothCarliniWagner, run
from core.data import ImageSet
from core.data.store import write_together
from core.evaluate import records
from core.evaluate.comparison import asked, unrounded
from core.evaluate.records import Collection, Data, Network, Record, Setting, Sha256
from core.layout import ASSETS
from core.lessons import Lesson, Stop
from core.models import Card, Classifier, logits_of
from core.params import fields

PATH = ASSETS / "lessons" / "runs.json"
ARRAYS = "runs.npz"
COMPARED = ("cw", "scw", "smoothfool", "sddn", "ddn", "deepfool")
"""What the columns of the Compare page open with."""
FIRST = {"Attack_lab": "mnist-c4-ce", "Compare": "imagenet-efficientnet-lite0"}
"""The network that a page opens with."""


EARLY, RHO = (10, 50, 1000), 30.0
EARLY_MODEL = "mnist-c4-ce"
LIVE = {
    "model": EARLY_MODEL,
    "compare": "along",
    "attack": "scw",
    "margin": "0.0",
    "parameter": "iterations",
    "values": ",".join(map(str, EARLY)),
}
"""The Compare page's link to the same attacks, without the smooth optimum."""


class KeptRun(Record):
    """One attack on one picture."""

    kind: ClassVar[str] = "lesson-runs"

    label: int
    """The class that it leads away from."""
    seed: int
    seconds: float
    converged: bool | None
    fooled: bool
    array: str
    """What its arrays are called in the file beside it: the adversarial picture, and after a dot each scalar."""
    sha256: Sha256
    """Of the adversarial picture, float32 (1, C, H, W)."""

    @property
    def key(self) -> tuple[object, ...]:
        return (*super().key, self.data.sha256, self.seed, self.label)


RUNS = Collection(KeptRun, PATH)


@dataclass(frozen=True)
class Wanted:
    """An attack as a stop shows it."""

    attack: Attack
    model: str
    images: ImageSet
    """One."""
    seed: int


def wanted(stop: Stop) -> list[Wanted]:
    """The attacks that a stop shows, as its link sets them; none of a page that attacks nothing by itself.

    ValueError in one sentence where the link cannot be followed.
    """
    given = stop.parameters
    if stop.page not in FIRST or given.get("compare") == "networks":
        return []
    if stop.page == "Compare" and all(name.startswith("view.") for name in given):
        return []  # the page's own example (`core.examples`)
    name = given.get("model", FIRST[stop.page])
    opening = examples.comparison().photo if name == FIRST["Compare"] == FIRST[stop.page] else ""
    images = _picture(models.card(name), given.get("image", opening))
    seed = int(given.get("seed", "0"))
    photographs = models.card(name).dataset == "imagenet"
    if stop.page == "Attack_lab":
        found = [_attack(given.get("attack", "scw"), given, "", photographs)]
    elif given.get("compare") == "along":
        found = _along(given, photographs)
    else:
        count = int(given.get("columns", "3"))
        columns = [(i + 1, given.get(f"{i + 1}.attack", COMPARED[i])) for i in range(count)]
        found = [_attack(kind, given, f"{i}.", photographs) for i, kind in columns]
    if given.get("view.match") == "norm":
        found = [unrounded(each) for each in found]
    return [Wanted(each, name, images, seed) for each in found]


def early() -> dict[str, Wanted]:
    """Title -> the same smooth attack with more and more steps, and with a smooth optimum; on the first digit."""
    digit = _picture(models.card(EARLY_MODEL), "")
    found: dict[str, Attack] = {f"{n} steps": SmoothCarliniWagner(margin=0.0, iterations=n) for n in EARLY}
    found[f"{EARLY[-1]} steps, ρ = {RHO:g}"] = SmoothCarliniWagner(rho=RHO, margin=0.0, iterations=EARLY[-1])
    return {title: Wanted(attack, EARLY_MODEL, digit, 0) for title, attack in found.items()}


def result_of(each: Wanted, model: Classifier) -> AttackResult | None:
    """The finished run of what was wanted, asked anew of `model`; None if none is kept. ValueError as `find`."""
    return find(each.attack, model, each.images.images, _label(each.images, model), each.seed)


def _attack(kind: str, given: Mapping[str, str], prefix: str, photographs: bool) -> Attack:
    cls = ATTACKS[kind]
    values = dict(cls.presets.get("photograph", {})) if photographs else {}
    for info in fields(cls):
        if (text := given.get(f"{prefix}{info.name}")) is not None:
            values[info.name] = info.read(text)
    return cls(**values)


def _along(given: Mapping[str, str], photographs: bool) -> list[Attack]:
    cls = ATTACKS[given.get("attack", "scw")]
    numbers = {info.name: info for info in fields(cls)}
    if "parameter" not in given or "values" not in given:
        return []  # the page's own opening values are the page's to know
    info = numbers[given["parameter"]]
    base = _attack(cls.name, given, "", photographs)
    parts = [part for part in given["values"].replace(",", " ").replace(";", " ").split() if part]
    return [base.replace(**{info.name: info.read(part)}) for part in parts]


def _picture(card: Card, name: str) -> ImageSet:
    shelf = data.load("photos") if card.dataset == "imagenet" else data.gallery.read(card.dataset)
    if not name:
        return shelf[:1]
    row = shelf.names.index(name) if shelf.names else shelf.indices.tolist().index(int(name))
    return shelf[row : row + 1]


def make(
    lessons: Iterable[Lesson], path: Path = PATH, also: Mapping[str, Wanted] = MappingProxyType({})
) -> Iterator[str]:
    """Run what the stops of `lessons` and `also` show and is not kept yet, and write all of it; a line for each.

    What no stop shows any more is dropped. ValueError in one sentence if the disk is full, or for a link that cannot be
    followed.
    """
    kept, arrays = _read(path)
    found: dict[tuple[object, ...], KeptRun] = {}
    held: dict[str, np.ndarray] = {}
    stops = [(f"{lesson.name}, {stop.title}", stop) for lesson in lessons for stop in lesson.stops]
    every = [(title, each) for title, stop in stops for each in wanted(stop)]
    for title, each in [*every, *((f"Smoothing, {title}", each) for title, each in also.items())]:
        model = models.load(each.model)
        label = _label(each.images, model)
        known = _among(kept, each.attack, model.card, each.images.images, label, each.seed)
        if known is None:
            record, more = _run(each, model, label)
            yield f"{title}: {each.attack.name}, {record.seconds:.1f} s"
        else:
            record = known
            more = {n: a for n, a in arrays.items() if n == known.array or n.startswith(f"{known.array}.")}
        found[record.key] = record
        held |= more
    file = io.BytesIO()
    np.savez_compressed(file, **held)  # type: ignore[arg-type]
    files = records.contents(path, list(found.values())) | {path.with_name(ARRAYS): file.getvalue()}
    write_together({name: partial(_put, content) for name, content in files.items()})
    _read.cache_clear()


def _put(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _label(images: ImageSet, model: Classifier) -> int:
    label = int(images.labels[0])
    return label if label >= 0 else int(logits_of(model, images.images).argmax())


def _run(each: Wanted, model: Classifier, label: int) -> tuple[KeptRun, dict[str, np.ndarray]]:
    result = run(each.attack, model, each.images.images, torch.tensor([label]), each.seed)
    content = result.adversarial.float().numpy()
    name = hashlib.sha256(content.tobytes() + repr(each.attack).encode()).hexdigest()[:16]
    arrays = {name: content}
    arrays |= {f"{name}.{key}": values.numpy() for key, values in result.trace.items()}
    record = KeptRun(
        network=Network.of(model.card),
        data=Data.of(each.images, None),
        protocol=Setting.of(each.attack),
        command="python -m core lessons runs",
        versions=records.versions(),
        label=label,
        seed=each.seed,
        seconds=round(result.seconds, 2),
        converged=None if result.converged is None else bool(result.converged[0]),
        fooled=result.status[0] == "fooled",
        array=name,
        sha256=hashlib.sha256(content.tobytes()).hexdigest(),
    )
    return record, arrays


@cache
def _read(path: Path) -> tuple[tuple[KeptRun, ...], dict[str, np.ndarray]]:
    """All records, and the arrays beside them."""
    kept = RUNS.at(path).read()
    if not kept:
        return (), {}
    try:
        with np.load(path.with_name(ARRAYS)) as file:
            return kept, {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError):
        raise ValueError(f"{ARRAYS} is damaged; make it again with: python -m core lessons runs") from None


def _among(
    kept: Iterable[KeptRun], attack: Attack, card: Card, images: Tensor, label: int, seed: int
) -> KeptRun | None:
    picture = records.identity(images)
    for each in kept:
        same = each.network == Network.of(card) and each.data.sha256 == picture
        if same and (each.label, each.seed) == (label, seed) and each.protocol.is_of(attack):
            return each
    return None


def find(
    attack: Attack, model: Classifier, images: Tensor, label: int, seed: int, path: Path = PATH
) -> AttackResult | None:
    """The finished run of exactly this attack on images (1, C, H, W), asked anew of `model`; None if none is kept.

    ValueError in one sentence if what is kept is not what was computed.
    """
    kept, arrays = _read(path)
    record = _among(kept, attack, model.card, images, label, seed)
    if record is None:
        return None
    content = arrays.get(record.array)
    if content is None or hashlib.sha256(content.tobytes()).hexdigest() != record.sha256:
        raise ValueError(f"{ARRAYS} is not what was computed; make it again with: {record.command}")
    before = f"{record.array}."
    logits = logits_of(model, images)
    result = AttackResult(
        attack=attack.name,
        parameters=attack.values(),
        model=model.card.name,
        seed=seed,
        seconds=record.seconds,
        stopped=False,
        images=images,
        labels=torch.tensor([label]),
        adversarial=images,
        status=("fooled" if record.fooled else "failed",),
        logits_clean=logits,
        logits=logits,
        logits_8bit=logits,
        trace={n.removeprefix(before): torch.from_numpy(a) for n, a in arrays.items() if n.startswith(before)},
        targets=None if attack.aim is None else torch.tensor([attack.aim]),
        converged=None if record.converged is None else torch.tensor([record.converged]),
    )
    return asked(result, torch.from_numpy(content.copy()), model)
