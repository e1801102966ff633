"""Smooth Adversarial Examples (Zhang, Avrithis, Furon, Amsaleg): its published numbers, and what it claims of sC&W.

The paper compares C&W with sC&W at equal success and finds sC&W shorter (Table 1) and less visible (section 5.2: a
lower MAD for 93 % of ImageNet's images). Its C&W starts at c = 100 and has not converged. Our records are of converged
ones, and of a second comparison at equal length (`core.evaluate.visibility`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from core import data, models
from core.attacks import ATTACKS
from core.evaluate import statistics
from core.evaluate.claims import NOT_MEASURED, Claim, Finding, Part, Verdict, every
from core.evaluate.records import Rows
from core.evaluate.tables import Column, percent, show
from core.evaluate.visibility import COMPARED, COSTS, FIGURES, LENGTH, NORM, SUCCESS, CostRecord, compared, measure
from core.params import Subparsers

PAPER_NAME = "Smooth Adversarial Examples"


@dataclass(frozen=True)
class Published:
    """A cell of the paper's Table 1 or 2: N images that the network names rightly."""

    success: float
    """P_suc."""
    l2: float
    """The conditional average distortion (eq. 20 and below)."""


def _row(*cells: tuple[float, float]) -> tuple[Published, ...]:
    return tuple(Published(*cell) for cell in cells)


COLUMNS = (("mnist", "C4"), ("imagenet", "InceptionV3"), ("imagenet", "ResNetV2"))
"""Data set and network of the columns of Table 1; Table 2 has the first two."""
TABLE1 = {
    "FGSM": _row((0.89, 5.02), (0.97, 5.92), (0.92, 8.20)),
    "I-FGSM": _row((1.00, 2.69), (1.00, 5.54), (0.99, 7.58)),
    "PGD2": _row((1.00, 1.71), (1.00, 1.80), (1.00, 3.63)),
    "C&W": _row((1.00, 2.49), (0.99, 4.91), (0.99, 9.84)),
    "qPGD2": _row((0.97, 3.36), (0.96, 2.10), (0.93, 4.80)),
    "sC&W": _row((1.00, 1.97), (0.99, 3.00), (0.98, 5.99)),
}
TABLE2 = {
    "FGSM": _row((0.15, 4.53), (0.06, 6.40)),
    "I-FGSM": _row((1.00, 3.48), (0.97, 29.94)),
    "PGD2": _row((1.00, 2.52), (1.00, 3.89)),
    "C&W": _row((0.93, 3.03), (0.95, 6.43)),
    "qPGD2": _row((0.99, 2.94), (0.69, 7.86)),
    "sC&W": _row((0.99, 2.39), (0.75, 6.22)),
}
"""Networks that were trained against FGSM."""
TABLE3 = {
    "FGSM": _row((0.77, 5.13), (0.04, 10.20)),
    "I-FGSM": _row((0.82, 5.12), (0.02, 10.10)),
    "PGD2": _row((1.00, 5.14), (0.12, 10.26)),
    "C&W": _row((0.82, 4.75), (0.02, 10.21)),
    "qPGD2": _row((0.95, 5.13), (0.01, 10.17)),
    "sC&W": _row((0.68, 2.91), (0.01, 4.63)),
}
"""Made on InceptionV3; judged by it behind a bilateral filter, and by one that was trained against FGSM."""


def _pairs(plain: CostRecord | None, smooth: CostRecord | None, name: str, unit: str) -> tuple[list[Part], Rows | None]:
    """sC&W less C&W in one column, over the images that fool under both, and those of C&W; nothing if too few do."""
    if plain is None or smooth is None or plain.network != smooth.network:
        return [], None
    if plain.rows is None or smooth.rows is None:
        return [], None
    mine, theirs = smooth.rows.common(plain.rows)
    kept = smooth.rows["success_fools"][mine] & plain.rows["success_fools"][theirs]
    if int(kept.sum()) < 2:
        return [], None
    a, b = smooth.rows[name][mine][kept].astype(float), plain.rows[name][theirs][kept].astype(float)
    of = f"sC&W less C&W, median {unit}, n = {len(a)}"
    return [Part(of, statistics.signed_ranks(a, b), expected=-1)], Rows({"smooth": a, "plain": b})


def _shorter(plain: CostRecord | None, smooth: CostRecord | None) -> Verdict:
    return every(_pairs(plain, smooth, "success_l2", "L2")[0], unit="plain")


def _less_visible(plain: CostRecord | None, smooth: CostRecord | None) -> Verdict:
    parts, pairs = _pairs(plain, smooth, "success_mad", "MAD")
    if pairs is None:
        return NOT_MEASURED
    verdict = every(parts, unit="plain")
    lower, equal = pairs["smooth"] < pairs["plain"], pairs["smooth"] == pairs["plain"]
    shares = [
        Finding(of=of, unit="share", estimate=statistics.wilson(int(which.sum()), len(pairs)))
        for of, which in (("images with a lower MAD", lower), ("with the same, most of them 0", equal))
    ]
    return verdict.model_copy(update={"findings": (*verdict.findings, *shares)})


def _hidden(plain: CostRecord | None, smooth: CostRecord | None) -> Verdict:
    return every(_pairs(plain, smooth, "length_mad", "MAD")[0], unit="plain")


SHORTER = Claim(
    "at equal success, sC&W's perturbations are shorter than C&W's",
    PAPER_NAME,
    "section 5.3, Table 1",
    _shorter,
    {
        f"{network}, {attack}": TABLE1[attack][i].l2
        for i, (_, network) in enumerate(COLUMNS)
        for attack in ("C&W", "sC&W")
    },
)
"""decide(C&W's record, sC&W's)."""
LESS_VISIBLE = Claim(
    "at equal success, sC&W's images have a lower MAD than C&W's",
    PAPER_NAME,
    "section 5.2",
    _less_visible,
    {"share of images": 0.93},
)
"""decide(C&W's record, sC&W's)."""
HIDDEN = Claim(
    "at equal length, sC&W's images have a lower MAD than C&W's",
    "Smoothscope",
    "our own question",
    _hidden,
)
"""decide(C&W's record, sC&W's)."""
CLAIMS = (SHORTER, LESS_VISIBLE, HIDDEN)


def add_verb(verbs: Subparsers) -> None:
    """Register the command."""
    parser = verbs.add_parser(COSTS.of.kind, help="C&W and sC&W on photographs: at equal success, and at equal length")
    parser.add_argument("--model", default="imagenet-efficientnet-lite0", help="(default %(default)s)")
    parser.add_argument("--dataset", default="photos", help="or folder:PATH (default %(default)s)")
    parser.add_argument("--norm", type=float, default=NORM, help="L2 of the second comparison (default %(default)s)")
    parser.add_argument("--out", type=Path, default=COSTS.path, help="(default: what is shipped)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if not arguments.norm > 0:
        raise ValueError(f"norm must be above 0; got {arguments.norm:g}.")
    model, images = models.load(arguments.model), data.load(arguments.dataset)
    collection = COSTS.at(arguments.out)
    command = f"python -m core evaluate {COSTS.of.kind} --dataset {arguments.dataset} --norm {arguments.norm:g}"
    with Progress() as bar:
        for name in COMPARED:
            task = bar.add_task(ATTACKS[name].title, total=len(images))

            def advance() -> None:
                bar.update(task, advance=1)  # noqa: B023

            collection.put(measure(name, model, images, arguments.norm, command, advance))
    _print(collection.read())
    return 0


Line = tuple[CostRecord, str]
"""A record, and which of its two comparisons."""


def _print(found: tuple[CostRecord, ...]) -> None:
    def cell(figure: str) -> Callable[[Line], str]:
        def told(line: Line) -> str:
            e = line[0].median(f"{line[1]}_{figure}")
            return f"{e.value:.3g} ({e.low:.3g} to {e.high:.3g})"

        return told

    def columns() -> Iterator[Column[Line]]:
        yield Column("attack", lambda line: line[0].protocol.name, whole=True)
        yield Column("images", lambda line: f"{line[0].data.name}, {line[0].data.n}")
        yield Column("equal", lambda line: line[1])
        yield Column("fool as found", lambda line: percent(line[0].success, 0))
        for figure in FIGURES[1:]:
            yield Column(figure, cell(figure))

    lines = [(record, held) for held in (SUCCESS, LENGTH) for record in found]
    show("What smoothness costs: medians, and their 95 % intervals", tuple(columns()), lines)
    for dataset in dict.fromkeys(record.data.name for record in found):
        for claim in CLAIMS:
            verdict = claim.decide(*compared(found, dataset))
            p = "" if verdict.p is None else f" ({verdict.test}, p = {verdict.p:.2g})"
            print(f"{dataset}: {verdict.outcome}: {claim.statement}{p}")
