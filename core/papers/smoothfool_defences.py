"""SmoothFool's Table 4: how often attacks fool a network under defences, of which they know nothing or everything.

The paper's attacks are made on the bare network and know nothing of the defence (gray box here). White box is ours
beside it: made on what defends. Ours is a LeNet on digits where the paper has a ResNet-18 on CIFAR-10, so the colour
shift is left out; "Adv." is step l.l. where no network was trained against FGSM.

Every attack meets the same images: those that all of the networks, defended or not, name rightly when clean, and that
no detector refuses. Under a defence an image is fooled if what is shown is named wrongly and not refused.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from rich.console import Console
from torch import Tensor

from core import models
from core.attacks import Attack, DeepFool, IteratedFGSM, SmoothFool
from core.data import ImageSet
from core.defenses import Defended, Defense, GuidedDenoiser, MagNet, suited
from core.evaluate import records, statistics
from core.evaluate.attacking import attack_many
from core.evaluate.claims import NOT_MEASURED, Claim, Part, Verdict, every
from core.evaluate.records import Collection, Data, Network, Record, Rows, Setting
from core.evaluate.statistics import Estimate
from core.evaluate.tables import Column, percent, show
from core.models import Card, Classifier, logits_of
from core.papers.smooth_curves import pictures
from core.params import Subparsers
from core.train import against

PAPER_NAME = "SmoothFool"
DATASET = "mnist"
Box = Literal["gray", "white"]
GRAY: Box = "gray"
WHITE: Box = "white"
AT_ONCE = 64
"""Images between which those that all name rightly are counted."""

ATTACKS: dict[str, Attack] = {
    "IGSM": IteratedFGSM.preset("paper, MNIST"),
    "DF": DeepFool(relaxation=0.7, push=False, come_back=False, turns=0),
    **{
        f"SF{place}": SmoothFool(sigma_g=sigma, push=False, remember=False, come_back=False)
        for place, sigma in enumerate((1.0, 3.0, 5.0), 1)
    },
}
"""The table's columns by the paper's names, to the first success; SF1 to SF3 have sigma_g 1, 3 and 5. As published, but
for DeepFool's steps, which go 0.7 of the way."""

_COLUMNS = ("IGSM", "DF", "CS", "SF1", "SF2", "SF3")
PAPER: dict[str, dict[str, float]] = {
    name: dict(zip(_COLUMNS, (rate / 100 for rate in rates), strict=True))
    for name, rates in {
        "Adv.": (32.6, 15.6, 64.5, 58.6, 70.7, 78.0),
        "PGD": (21.0, 12.3, 61.4, 57.2, 67.3, 72.8),
        "Ens.": (18.7, 14.0, 62.2, 54.5, 62.8, 73.6),
        "SAT": (22.8, 37.2, 21.0, 11.5, 42.9, 53.4),
        "HGD": (9.3, 11.2, 46.9, 43.7, 57.2, 66.2),
        "MagNet": (10.7, 8.9, 25.1, 46.4, 65.5, 52.6),
    }.items()
}
"""Defence -> attack -> fooling rate: ResNet-18 on CIFAR-10, attacks that know nothing of the defence."""
_ADVERSARIES = {"fgsm": "Adv.", "least-likely": "Adv.", "pgd": "PGD", "smoothfool": "SAT"}
_FRONTS: dict[type[Defense], str] = {GuidedDenoiser: "HGD", MagNet: "MagNet"}


@dataclass(frozen=True)
class Protection:
    """One row of the table: a network that was hardened, or the bare one behind a defence."""

    name: str
    """As the paper calls it; "none" for the bare network."""
    card: Card
    """Of the network that is shown pictures."""
    defense: Defense | None = None

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        hardened = against(self.card.recipe)
        return self.defense.title if self.defense else f"trained against {hardened}" if hardened else "none"

    def load(self) -> Classifier:
        """What a person asks: the network, behind the defence if there is one."""
        model = models.load(self.card.name)
        return Defended(model, self.defense) if self.defense else model

    def refuses(self, images: Tensor) -> Tensor:
        """(N,) whether a detector refuses images (N, C, H, W)."""
        refused = self.defense.refuses(images) if self.defense else None
        return torch.zeros(len(images), dtype=torch.bool) if refused is None else refused.cpu()


def protections(bare: Card) -> list[Protection]:
    """What protects the network `bare`, itself first: the project's networks that differ from it in what they were
    trained against alone, then what can be put in front of it and was trained for it.

    ValueError in one sentence for a network of other pictures than digits: the attacks' parameters are for those.
    """
    if bare.dataset != DATASET:
        raise ValueError(f"model must be of {DATASET}; {bare.name} is of {bare.dataset}.")
    found = [Protection("none", bare)]
    for card in models.cards().values():
        same = all(
            getattr(card, field) == getattr(bare, field) for field in ("dataset", "network", "loss", "embedding")
        )
        adversary = str(card.recipe.get("adversarial") or "none")
        same &= card.network_arguments == bare.network_arguments and models.is_shipped(card.name)
        if same and adversary in _ADVERSARIES:
            name = "Ens." if card.recipe.get("sources") else _ADVERSARIES[adversary]
            found.append(Protection(name, card))
    fronts = [cls for cls in suited(bare.dataset).values() if cls in _FRONTS]
    return found + [Protection(_FRONTS[cls], bare, cls()) for cls in fronts]


class DefenceRecord(Record):
    """One attack under one defence. `network` is the one that is shown pictures.

    Rows: "index", whether it was "fooled", whether what is shown is "refused", and the "l2" of the perturbation.
    """

    kind: ClassVar[str] = "smoothfool-defences"

    attack: str
    """Key in ATTACKS."""
    defence: str
    """Key in PAPER, or "none"."""
    front: Setting | None
    """What pictures are seen through; None where nothing is in front."""
    box: Box
    made_on: Network
    """The network that the attack was made on; in a white box behind what is in front."""
    fooled: int = Field(ge=0)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.rows is None or len(self.rows) != self.data.n or int(self.rows["fooled"].sum()) != self.fooled:
            raise ValueError("fooled must be the number of rows that are")
        return self

    @property
    def key(self) -> tuple[object, ...]:
        """With the defence in front, and the box."""
        return (*super().key, None if self.front is None else self.front.name, self.box)

    @property
    def title(self) -> str:
        """Attack, defence and box in a few words."""
        name = "" if self.network is None else self.network.name
        return f"{name}, {self.attack} under {self.defence}, {self.box} box"

    def is_of(self, one: Protection, box: Box, source: Protection, attack: Attack) -> bool:
        """Whether it is this cell of the table, of the weights that are here."""
        front = None if one.defense is None else Setting.of(one.defense)
        networks = (self.network, self.made_on) == (Network.of(one.card), Network.of(source.card))
        return networks and (self.front, self.box) == (front, box) and self.protocol.is_of(attack)

    @property
    def rate(self) -> Estimate:
        """Share of the images that were fooled, with Wilson's interval."""
        return statistics.wilson(self.fooled, self.data.n)

    @property
    def published(self) -> float | None:
        """The paper's rate, which is of a gray box; None where it gives none."""
        return PAPER.get(self.defence, {}).get(self.attack) if self.box == "gray" else None


DEFENCES = Collection.shipped(DefenceRecord)


def of_bare(found: Sequence[DefenceRecord], bare: Card) -> list[DefenceRecord]:
    """The table of the network `bare`; empty where nothing was made on it with nothing in front."""
    made = {record.made_on.name for record in found if record.defence == "none"}
    if bare.name not in made:
        return []
    names = {one.card.name for one in protections(bare)}
    return [record for record in found if record.network is not None and record.network.name in names]


def common(found: Sequence[Protection], n: int, seed: int) -> ImageSet:
    """The first n of the test images that come with the project, as `seed` draws them, that all name rightly and none
    refuses. ValueError if too few."""
    images, loaded = pictures(found[0].card.dataset, seed), [(one, one.load()) for one in found]
    rows: list[int] = []
    for start in range(0, len(images), AT_ONCE):
        part = images[slice(start, start + AT_ONCE)]
        right = torch.ones(len(part), dtype=torch.bool)
        for one, model in loaded:
            right &= (logits_of(model, part.images).argmax(1) == part.labels) & ~one.refuses(part.images)
        rows += (right.nonzero()[:, 0] + start).tolist()
        if len(rows) >= n:
            return images[torch.tensor(rows[:n])]
    raise ValueError(f"n must be at most {len(rows)}, the images that every network names rightly; got {n}.")


def sweep(
    name: str, n: int, collection: Collection[DefenceRecord], command: str, seed: int = 0
) -> Iterator[DefenceRecord]:
    """The table of the network `name`, put into `collection` where it is not there of these images; yields the new
    records. What is there of the first of them is gone on with.

    ValueError where there are fewer than n images that every network names rightly.
    """
    found = protections(models.card(name))
    images = common(found, n, seed)
    for key in ATTACKS:
        there = collection.read()
        for record in measure(found, key, images, there, command, seed):
            if not any(record is other for other in there):
                collection.put(record)
                yield record


def measure(
    found: Sequence[Protection],
    key: str,
    images: ImageSet,
    known: Sequence[DefenceRecord] = (),
    command: str = "",
    seed: int = 0,
) -> Iterator[DefenceRecord]:
    """One attack of ATTACKS under all that is found (`protections`), knowing nothing of it and all, on `images`
    (`common`), which `seed` drew; where `known` has a record of all of them, that one.

    known: records of the first of them are gone on with.
    """
    attack, bare = ATTACKS[key], found[0]
    made: dict[tuple[str, str, int], tuple[Tensor, Tensor]] = {}
    cells: list[tuple[Protection, Box]] = [*((one, GRAY) for one in found), *((one, WHITE) for one in found[1:])]
    for one, box in cells:
        source = one if box == WHITE else bare
        before = next((r for r in known if r.is_of(one, box, source, attack) and _of_first(r, images, seed)), None)
        done = 0 if before is None else before.data.n
        if before is not None and done == len(images):
            yield before
            continue
        rest, where = images[done:], (source.card.name, source.name, done)
        if where not in made:
            made[where] = _made(attack, source.load(), rest, seed)
        yield _measure(key, one, box, source, made[where], rest, images, before, command, seed)


def _of_first(record: DefenceRecord, images: ImageSet, seed: int) -> bool:
    """Whether a record is of the first of these images."""
    return record.data.n <= len(images) and record.data == Data.of(images[: record.data.n], seed)


def _made(attack: Attack, model: Classifier, images: ImageSet, seed: int) -> tuple[Tensor, Tensor]:
    """Adversarial images (N, C, H, W) and their L2 (N,)."""
    kept: list[Tensor] = []
    outcome = attack_many(attack, model, images, seed=seed, on_result=lambda result: kept.append(result.adversarial))
    return torch.cat(kept), outcome.l2


def _measure(
    key: str,
    one: Protection,
    box: Box,
    source: Protection,
    made: tuple[Tensor, Tensor],
    rest: ImageSet,
    images: ImageSet,
    before: DefenceRecord | None,
    command: str,
    seed: int,
) -> DefenceRecord:
    """rest: those of `images` that `before` is not of; made: what the attack made of them."""
    adversarial, l2 = made
    refused = one.refuses(adversarial)
    fooled = (logits_of(one.load(), adversarial).argmax(1) != rest.labels) & ~refused
    rows = Rows({"index": rest.indices.int(), "fooled": fooled, "refused": refused, "l2": l2.float()})
    if before is not None and before.rows is not None:
        rows = Rows.joined([before.rows, rows])
    return DefenceRecord(
        network=Network.of(one.card),
        data=Data.of(images, seed),
        protocol=Setting.of(ATTACKS[key]),
        command=command,
        versions=records.versions(),
        lacks=records.lacking(before),
        attack=key,
        defence=one.name,
        front=None if one.defense is None else Setting.of(one.defense),
        box=box,
        made_on=Network.of(source.card),
        fooled=int(rows["fooled"].sum()),
        rows=rows,
    )


def _pair(of: str, first: DefenceRecord | None, second: DefenceRecord | None) -> list[Part]:
    """Fooling rate of the first minus that of the second, on the images of both; [] without either."""
    if first is None or second is None or first.rows is None or second.rows is None:
        return []
    mine, theirs = first.rows.common(second.rows)
    return [Part(of, statistics.mcnemar(first.rows["fooled"][mine], second.rows["fooled"][theirs]))]


def pick(found: Sequence[DefenceRecord], defence: str, attack: str, box: Box) -> DefenceRecord | None:
    """The record of one cell of the table; None if it was not measured."""
    return next((r for r in found if (r.defence, r.attack, r.box) == (defence, attack, box)), None)


def _bypasses(found: Sequence[DefenceRecord]) -> Verdict:
    parts: list[Part] = []
    for name in PAPER:
        smooth, least = pick(found, name, "SF3", "gray"), pick(found, name, "SF1", "gray")
        parts += _pair(f"σ_g = 5 minus 1, {name}", smooth, least)
    return every(parts)


BYPASSES = Claim(
    "the smoother the perturbation, the more often it gets past a defence that it does not know",
    PAPER_NAME,
    "section 4.3, Table 4",
    _bypasses,
    {f"{name}, {attack}": rate for name, rates in PAPER.items() for attack, rate in rates.items()},
)
"""decide(records of one bare network and its defences)."""


def _resists(found: Sequence[DefenceRecord]) -> Verdict:
    same = pick(found, "SAT", "SF1", "gray")
    parts = [
        part
        for attack, sigma in (("SF2", 3), ("SF3", 5))
        for part in _pair(f"σ_g = {sigma} minus 1", pick(found, "SAT", attack, "gray"), same)
    ]
    return every(parts) if parts else NOT_MEASURED


RESISTS = Claim(
    "SAT withstands perturbations as smooth as those it was trained on, and not smoother ones",
    PAPER_NAME,
    "section 4.3, Table 4",
    _resists,
    PAPER["SAT"],
)
"""decide(records of one bare network and its defences)."""


def command(name: str, n: int) -> str:
    """What makes the table of the network `name` again."""
    return f"python -m core evaluate {DefenceRecord.kind} --model {name} --n {n}"


def add_verb(verbs: Subparsers) -> None:
    """Register `python -m core evaluate smoothfool-defences`."""
    parser = verbs.add_parser(DefenceRecord.kind, help="SmoothFool's Table 4: fooling rates under defences")
    parser.add_argument("--model", default="mnist-lenet-ce", help="the bare network (default %(default)s)")
    parser.add_argument("--n", type=int, default=100, help="images that all name rightly (default %(default)s)")
    parser.add_argument("--out", type=Path, default=DEFENCES.path, help="(default: what is shipped)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.n < 1:
        raise ValueError(f"n must be at least 1; got {arguments.n}.")
    collection, console = DEFENCES.at(arguments.out), Console()
    for record in sweep(arguments.model, arguments.n, collection, command(arguments.model, arguments.n)):
        console.print(f"{record.title}: {percent(record.rate)}", highlight=False)
    found = collection.read()
    rows = list(dict.fromkeys((record.defence, record.box) for record in found))

    def cell(attack: str, row: tuple[str, Box]) -> str:
        record = pick(found, row[0], attack, row[1])
        if record is None:
            return "-"
        return percent(record.rate) + ("" if record.published is None else f"; {100 * record.published:.1f}")

    columns = [Column[tuple[str, Box]]("", lambda row: f"{row[0]}, {row[1]} box", whole=True)]
    columns += [Column[tuple[str, Box]](attack, partial(cell, attack)) for attack in ATTACKS]
    note = f"n = {arguments.n}; 95 % intervals (Wilson); behind the semicolon the paper's ResNet-18 on CIFAR-10."
    show("SmoothFool, Table 4: fooling rate", columns, rows, note, console)
    return 0
