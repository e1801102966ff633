"""SmoothFool's Table 2: DeepFool, the iterative smooth attack, colour shift and SmoothFool on the same images."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from rich.console import Console
from rich.progress import Progress, TaskID
from torch import Tensor

from core import models
from core.attacks import ATTACKS, Attack, AttackResult, DeepFool, SmoothFool
from core.data import ImageSet
from core.evaluate import records, statistics
from core.evaluate.attacking import attack_many, correct, own
from core.evaluate.claims import NOT_MEASURED, Claim, Part, Verdict, every
from core.evaluate.records import Collection, Data, Network, Record, Rows, Setting
from core.evaluate.statistics import Estimate
from core.evaluate.tables import Column, mean_and_deviation, show
from core.metrics import roughness
from core.models import Card, Classifier
from core.papers.smooth_curves import shown_to
from core.params import Subparsers

PAPER_NAME = "SmoothFool"
SIGMA_H = 1.0
SIGMA_G = 2.0
"""SmoothFool's in our table, pixels."""
ATTACKED_WITH = {"deepfool": "DF", "iterative_smooth": "IS", "color_shift": "CS", "smoothfool": "SF"}
"""Key in ATTACKS -> what the paper calls it."""


@dataclass(frozen=True)
class Published:
    """A row of the paper's Table 2: means over the fooled images; seconds are Table 1's."""

    n: int
    success: float
    l2: float
    roughness: float
    """Omega, sigma_h = 1."""
    roughness_share: float
    """Omega_n."""
    seconds: float | None


PAPER: dict[str, tuple[str, dict[str, Published]]] = {
    dataset: (
        network,
        {
            short: Published(n, rate / 100, l2, omega / 1e3, share / 1e3, seconds)
            for short, (rate, omega, share, l2, seconds) in rows.items()
        },
    )
    for dataset, (network, n, rows) in {
        "mnist": (
            "LeNet",
            10_000,
            {
                "DF": (99.9, 890, 532, 1.23, 0.02),
                "IS": (94.1, 677, 338, 3.18, 1.94),
                "SF": (99.9, 352, 68, 2.32, None),
            },
        ),
        "cifar10": (
            "ResNet-18",
            10_000,
            {
                "DF": (99.9, 310, 959, 0.21, 0.12),
                "IS": (87.8, 206, 287, 3.63, 10.43),
                "CS": (89.1, 199, 175, 4.93, 0.06),
                "SF": (99.9, 127, 65, 1.60, None),
            },
        ),
        "imagenet": (
            "ResNet-101",
            10_000,
            {
                "DF": (99.9, 108, 827, 0.28, 0.87),
                "IS": (62.6, 83, 300, 4.82, 29.47),
                "CS": (92.7, 95, 207, 7.56, 0.24),
                "SF": (99.9, 16, 36, 0.55, None),
            },
        ),
    }.items()
}
"""By data set: the second network of Table 2 and its rows. Fooling rates of DF and SF are given as "> 99.9"; the times
of SF are for other sigma_g, so they are left out. The magnitude of CS is in HSV."""


class FoolingRecord(Record):
    """One attack of the table. Means and standard deviations are over the fooled images, as eq. 20 of Smooth
    Adversarial Examples and SmoothFool have them; None without a success, the deviation None with only one.

    Rows: "index", whether it was "fooled", and of its perturbation "l2", "roughness" and "roughness_share" (NaN where
    nothing was perturbed).
    """

    kind: ClassVar[str] = "smoothfool-table"

    fooled: int = Field(ge=0)
    l2: tuple[float, float | None] | None
    roughness: tuple[float, float | None] | None
    """Omega, sigma_h = 1."""
    roughness_share: tuple[float, float | None] | None
    """Omega_n."""
    seconds: float = Field(ge=0)
    """An image."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows = self.rows
        if rows is None or len(rows) != self.data.n or int(rows["fooled"].sum()) != self.fooled:
            raise ValueError("fooled must be the number of rows that are")
        return self

    @property
    def attack(self) -> str:
        """What the paper calls it."""
        return ATTACKED_WITH[self.protocol.name]

    @property
    def success(self) -> Estimate:
        """Share of the images that were fooled."""
        return statistics.wilson(self.fooled, self.data.n)

    def mean(self, name: str) -> Estimate | None:
        """Of "l2", "roughness" or "roughness_share" over the fooled images, bootstrapped; None with fewer than two."""
        assert self.rows is not None
        values = self.rows[name][self.rows["fooled"]].astype(float)
        return statistics.bootstrap(values) if len(values) > 1 else None


TABLE2 = Collection.shipped(FoolingRecord)


def attacks(sigma_g: float, colors: bool) -> list[Attack]:
    """Those of the table, unpushed, every round anew, to the first success; SF takes sigma_g, CS needs colours. DF goes
    0.7 of the way with each step, which is shorter than what the original finds.

    Everything else has its declared defaults.
    """
    made: dict[str, Attack] = {
        "deepfool": DeepFool(relaxation=0.7, push=False, come_back=False, turns=0),
        "smoothfool": SmoothFool(sigma_g=sigma_g, push=False, remember=False, come_back=False),
    }
    return [made.get(name) or ATTACKS[name]() for name in ATTACKED_WITH if name != "color_shift" or colors]


def one_of(short: str, colors: bool) -> Attack:
    """The attack that the table calls so, with our sigma_g."""
    return next(attack for attack in attacks(SIGMA_G, colors) if ATTACKED_WITH[attack.name] == short)


def measure(
    model: Classifier,
    images: ImageSet,
    sigma_g: float,
    command: str,
    seed: int = 0,
    on_progress: Callable[[str, float], object] = lambda attack, share: None,
) -> Iterator[FoolingRecord]:
    """The records of Table 2 for correctly classified `images`, which `seed` drew."""
    for attack in attacks(sigma_g, images.images.shape[1] == 3):
        yield attacked(attack, model, images, command, seed, partial(on_progress, ATTACKED_WITH[attack.name]))


def attacked(
    attack: Attack,
    model: Classifier,
    images: ImageSet,
    command: str,
    seed: int = 0,
    on_progress: Callable[[float], object] = lambda share: None,
    known: FoolingRecord | None = None,
) -> FoolingRecord:
    """The record of one of `attacks` for correctly classified `images`, which `seed` drew.

    known: a record of the first of them (`goes_on`), which are not attacked again.
    """
    done = 0 if known is None else known.data.n
    kept: list[Tensor] = []

    def keep(result: AttackResult) -> None:
        r = result.perturbation
        kept.append(torch.stack([roughness(r, SIGMA_H), roughness(r, SIGMA_H, normalised=True)]))

    # What comes later draws anew: of a random attack no two images are to be turned by one draw.
    outcome = attack_many(attack, model, images[done:], seed=seed + done, on_progress=on_progress, on_result=keep)
    omega, omega_n = torch.cat(kept, 1)
    rows = Rows(
        {
            "index": images.indices[done:].int(),
            "fooled": outcome.fooled,
            "l2": outcome.l2.float(),
            "roughness": omega.float(),
            "roughness_share": omega_n.float(),
        }
    )
    seconds = outcome.seconds
    if known is not None and known.rows is not None:
        rows, seconds = Rows.joined([known.rows, rows]), seconds + known.seconds * done
    fooled = torch.tensor(rows["fooled"].copy())
    means = {name: _moments(torch.tensor(rows[name].copy())[fooled]) for name in ("l2", "roughness", "roughness_share")}
    return FoolingRecord(
        network=Network.of(model.card),
        data=Data.of(images, seed),
        protocol=Setting.of(attack),
        command=command,
        versions=records.versions(),
        lacks=records.lacking(known),
        fooled=int(fooled.sum()),
        l2=means["l2"],
        roughness=means["roughness"],
        roughness_share=means["roughness_share"],
        seconds=seconds / len(images),
        rows=rows,
    )


def goes_on(known: FoolingRecord, attack: Attack, card: Card, images: ImageSet) -> bool:
    """Whether `known` is of an attack on the first of these images, and of no more, and of the network as it is."""
    same = known.network == Network.of(card) and known.protocol.is_of(attack) and known.data.n <= len(images)
    return same and known.data == Data.of(images[: known.data.n], known.data.seed)


def command(name: str, n: int, sigma_g: float = SIGMA_G, seed: int = 0) -> str:
    """What makes the table of a network again."""
    return f"python -m core evaluate {FoolingRecord.kind} --model {name} --n {n} --sigma-g {sigma_g} --seed {seed}"


def _moments(values: Tensor) -> tuple[float, float | None] | None:
    """Mean and standard deviation."""
    if not len(values):
        return None
    return float(values.mean()), float(values.std()) if len(values) > 1 else None


def _smoother(found: Sequence[FoolingRecord]) -> Verdict:
    by_attack = {record.attack: record for record in found}
    if not {"DF", "SF"} <= set(by_attack):
        return NOT_MEASURED
    first, second = by_attack["DF"].rows, by_attack["SF"].rows
    if first is None or second is None:
        return NOT_MEASURED
    mine, theirs = first.common(second)
    kept = first["fooled"][mine] & second["fooled"][theirs]
    a, b = first["roughness_share"][mine][kept], second["roughness_share"][theirs][kept]
    if len(a) < 2:
        return NOT_MEASURED
    compared = statistics.signed_ranks(np.log10(a), np.log10(b))
    return every([Part("Ω_n of DeepFool over SmoothFool", compared)], unit="powers of ten")


SMOOTHER = Claim(
    "SmoothFool's perturbations are smoother than DeepFool's",
    PAPER_NAME,
    "section 4, Table 2",
    _smoother,
    {f"{dataset}, {short}": row.roughness_share for dataset, (_, rows) in PAPER.items() for short, row in rows.items()},
)
"""decide(records of one network): by the images that both fool."""


def add_verb(verbs: Subparsers) -> None:
    """Register `python -m core evaluate smoothfool-table`."""
    parser = verbs.add_parser(FoolingRecord.kind, help="SmoothFool's Table 2: DeepFool, IS, CS and SmoothFool")
    parser.add_argument("--model", default="mnist-c4-ce", help="name of a model (default %(default)s)")
    parser.add_argument(
        "--dataset", help="name of a data set, or folder:PATH (default: the model's own, for ImageNet photos)"
    )
    parser.add_argument("--n", type=int, default=200, help="correctly classified images (default %(default)s)")
    parser.add_argument("--sigma-g", type=float, default=SIGMA_G, help="SmoothFool's smoothness (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images")
    parser.add_argument("--out", type=Path, help="put the records here, among other networks', and their rows beside")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    """Print our rows of SmoothFool's Table 2 beside the paper's; returns the exit status."""
    if arguments.n < 1:
        raise ValueError(f"n must be at least 1; got {arguments.n}.")
    model = models.load(arguments.model)
    dataset = arguments.dataset or own(model.card)
    chosen = correct(model, shown_to(model, dataset, arguments.seed), arguments.n)
    told = command(arguments.model, arguments.n, arguments.sigma_g, arguments.seed)
    console = Console()
    with Progress(console=console) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(short: str, share: float) -> None:
            if short not in tasks:
                tasks[short] = bar.add_task(short, total=1.0)
            bar.update(tasks[short], completed=share)

        found = list(measure(model, chosen, arguments.sigma_g, told, arguments.seed, progress))
    network, published = PAPER.get(model.card.dataset, ("", {}))
    lines: list[_Line] = []
    for record in found:
        lines.append(_Line(record.attack, record))
        if record.attack in published:
            lines.append(_Line(f"  paper, {network}", published[record.attack]))
    columns = (
        Column[_Line]("", lambda line: line.title, whole=True),
        Column[_Line]("n", lambda line: f"{line.n:,}"),
        Column[_Line]("success %", lambda line: f"{100 * line.success:.1f}"),
        Column[_Line]("L2", lambda line: mean_and_deviation(line.of("l2"), ".2f")),
        Column[_Line]("Ω × 10³", lambda line: mean_and_deviation(line.of("roughness"), ".0f", 1e3)),
        Column[_Line]("Ωn × 10³", lambda line: mean_and_deviation(line.of("roughness_share"), ".0f", 1e3)),
        Column[_Line]("s / image", lambda line: "" if line.row.seconds is None else f"{line.row.seconds:.3f}"),
    )
    note = (
        f"{arguments.model}, {chosen.note} sigma_g = {arguments.sigma_g:g}, sigma_h = {SIGMA_H:g}. Mean ± standard "
        "deviation over the fooled images. The paper's fooling rates of DF and SF are given as above 99.9; its CS is "
        "measured in HSV."
    )
    show("SmoothFool, Table 2", columns, lines, note, console)
    if arguments.out is not None:
        kept = TABLE2.at(arguments.out)
        for record in found:
            kept.put(record)
        console.print(f"written to {arguments.out}", highlight=False)
    return 0


@dataclass(frozen=True)
class _Line:
    """A row as it is printed: ours, or the paper's."""

    title: str
    row: FoolingRecord | Published

    @property
    def n(self) -> int:
        return self.row.data.n if isinstance(self.row, FoolingRecord) else self.row.n

    @property
    def success(self) -> float:
        return self.row.success.value if isinstance(self.row, FoolingRecord) else self.row.success

    def of(self, name: str) -> tuple[float, float | None] | None:
        value = getattr(self.row, name)
        return (value, None) if isinstance(value, float) else value
