"""What smoothness costs: the protocol of Smooth Adversarial Examples (section 5), with the budget as a dimension.

Two kinds of entries. Those of the paper's Table 1, with its parameters; attacks with a target distortion have `TARGETS`
of them, below the one that the paper names, for it does not say which it tried. And families of attacks that look for
the shortest perturbation (margin 0), each with several budgets: the plain C&W and DDN, their smooth versions as
published, whose smoothness is early stopping, and with a smooth optimum. Distortions are in float, as the paper's.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from core import models
from core.attacks import (
    DDN,
    FGSM,
    Attack,
    CarliniWagner,
    IteratedFGSM,
    ProjectedGradient,
    SmoothCarliniWagner,
    SmoothDDN,
    SmoothFool,
    SmoothProjectedGradient,
)
from core.attacks.gradient import IteratedGradient
from core.data import DATASETS, DataError, ImageSet, gallery, photos
from core.data.imageset import draw
from core.defenses import Bilateral, Defense
from core.evaluate import curves, records, statistics
from core.evaluate.attacking import drawn, own
from core.evaluate.claims import NOT_MEASURED, Claim, Finding, Verdict, both, every, within
from core.evaluate.claims import Part as Compared
from core.evaluate.cli import check_writable
from core.evaluate.curves import CurveRecord, Entry, Wanted
from core.evaluate.records import Collection, Network
from core.evaluate.shards import add_arguments, engine_of
from core.evaluate.statistics import Estimate
from core.evaluate.tables import Column, bars, percent, show
from core.models import Card, Classifier, logits_of
from core.papers import smoothfool_curves
from core.papers.smooth_adversarial_examples import COLUMNS, PAPER_NAME, TABLE1, TABLE2, TABLE3, Published
from core.params import Subparsers

FOLDER = records.RESULTS / "curves"
"""Where the records lie that come with the project, a file a network."""

BUDGETS = (10, 30, 100, 300, 1000)
"""Passes of the families' attacks."""
RHO = 30.0
"""Pixels squared, of the attacks with a smooth optimum."""
ROUGHLY = 0.05
"""Shares that differ by less are "roughly the same"."""
_DIGITS, _PICTURES = "paper, MNIST", "paper, ImageNet"
_NORMS = {"mnist": 2.0, "cifar10": 1.0}
_PHOTOGRAPH = 3.0
_SIZES = {_DIGITS: 2**0.5, _PICTURES: 2.0}
"""From one target distortion to the next."""
TARGETS = {_DIGITS: 8, _PICTURES: 6}

TITLES = {
    "published-cw": "C&W, published",
    "published-scw": "sC&W, published",
    "cw": "C&W",
    "ddn": "DDN",
    "scw": "sC&W",
    "sddn": "sDDN",
    "scw-rho": "sC&W, smooth optimum",
    "sddn-rho": "sDDN, smooth optimum",
    "smoothfool": "SmoothFool",
    "fgsm": "FGSM",
    "ifgsm": "I-FGSM",
    "pgd2": "PGD₂",
    "qpgd2": "qPGD₂",
}
"""Keys of entries, in the order of a legend."""
IN_TABLE1 = {
    "fgsm": "FGSM",
    "ifgsm": "I-FGSM",
    "pgd2": "PGD2",
    "published-cw": "C&W",
    "qpgd2": "qPGD2",
    "published-scw": "sC&W",
}
"""What the paper's Table 1 calls them, in its order."""
FILTERED, HARDENED = "bilateral-", "hardened-"
"""What stands before the keys of Table 3's entries: made on the network, they are judged by it behind a bilateral
filter, or by one of its kind that was trained against FGSM."""
JUDGES = {FILTERED: "Bilateral filter in front", HARDENED: "Trained against FGSM"}
TRANSFERRED = {
    f"{judge}{key}": f"{title}, {words}"
    for judge, words in ((FILTERED, "through the filter"), (HARDENED, "transferred"))
    for key, title in TITLES.items()
    if key in IN_TABLE1
}
KEYS = (*TITLES, *TRANSFERRED, *smoothfool_curves.KEYS)
"""Of all entries."""
SMOOTH = frozenset({"published-scw", "scw", "sddn", "scw-rho", "sddn-rho", "smoothfool", "qpgd2"})


def norm(card: Card) -> float:
    """The L2 at which perturbations are compared at equal length: about what the smooth ones need on digits, and where
    both kinds begin to be seen on pictures."""
    return _NORMS.get(card.dataset, _PHOTOGRAPH)


def entries(card: Card, budgets: Sequence[int] = BUDGETS) -> list[Entry]:
    """All entries for a network: Table 1 with the paper's parameters, ImageNet's for all that are no digits; the
    families, with each of `budgets`; and SmoothFool by its smoothness (`core.papers.smoothfool_curves`)."""
    name = _DIGITS if card.dataset == "mnist" else _PICTURES
    shrunk = [_SIZES[name] ** -k for k in reversed(range(TARGETS[name]))]
    alpha: float = SmoothCarliniWagner.preset(name).alpha

    def targets(attack: Attack, size: str) -> tuple[Attack, ...]:
        return tuple(attack.replace(**{size: float(f"{share * getattr(attack, size):.3g}")}) for share in shrunk)

    published = [
        Entry("published-cw", (found := CarliniWagner.preset(name),), _passes(found)),
        Entry("published-scw", (smooth := SmoothCarliniWagner.preset(name),), _passes(smooth)),
        Entry("fgsm", targets(FGSM.preset(name), "epsilon")),
        Entry("ifgsm", targets(IteratedFGSM.preset(name), "epsilon")),
        Entry("pgd2", targets(ProjectedGradient.preset(name), "radius")),
        Entry("qpgd2", targets(SmoothProjectedGradient.preset(name), "radius")),
    ]
    families: dict[str, Callable[[int], Attack]] = {
        "cw": lambda b: CarliniWagner(margin=0.0, iterations=b),
        "ddn": lambda b: DDN(passes=b),
        "scw": lambda b: SmoothCarliniWagner(alpha=alpha, margin=0.0, iterations=b),
        "sddn": lambda b: SmoothDDN(alpha=alpha, passes=b),
        "scw-rho": lambda b: SmoothCarliniWagner(rho=RHO, margin=0.0, iterations=b),
        "sddn-rho": lambda b: SmoothDDN(rho=RHO, passes=b),
    }
    with_budgets = [Entry(key, (make(b),), b) for b in budgets for key, make in families.items()]
    alone = Entry("smoothfool", (SmoothFool(push=False),))
    widths = smoothfool_curves.entries(card)
    return [*published, alone, *with_budgets, *_transferred(card, published), *widths]


def _transferred(card: Card, published: Sequence[Entry]) -> Iterator[Entry]:
    """The entries of Table 3 (section 5.5): one target distortion alone, and all of the steps that lead to it."""
    judges: dict[str, Defense | Network] = {FILTERED: Bilateral()}
    if (other := hardened(card)) is not None:
        judges[HARDENED] = Network.of(other)
    for judge, who in judges.items():
        for entry in published:
            attack = entry.attacks[-1]
            attack = attack.replace(keep="last") if isinstance(attack, IteratedGradient) else attack
            yield Entry(f"{judge}{entry.key}", (attack,), entry.budget, who)


def hardened(card: Card) -> Card | None:
    """The network of the same kind that was trained against FGSM; None where there is none, or it is that one."""
    name = f"{card.name}-fgsm"
    with suppress(ValueError):  # it cannot be used
        return models.card(name) if name in models.MODELS else None
    return None


def _passes(attack: CarliniWagner | SmoothCarliniWagner) -> int:
    return attack.iterations * (attack.search_steps or 1)


def collection(name: str) -> Collection[CurveRecord]:
    """The records of a network that come with the project."""
    return Collection(CurveRecord, FOLDER / f"{name}.json")


def pictures(name: str, seed: int, full: bool = False) -> ImageSet:
    """All test images of a data set in an order drawn by `seed`: those that come with the project where they do.

    full: of the full set instead, where it is installed.
    """
    if not full and name in DATASETS and DATASETS[name].gallery:
        return gallery.read(name)[draw(gallery.SIZE, gallery.SIZE, seed)]
    return drawn(name, seed)


def shown_to(model: Classifier, name: str, seed: int, full: bool = False) -> ImageSet:
    """`pictures` as a network is shown them: photographs in its size, and with what it names them where nobody has said
    what is on them, for an attack leads away from that."""
    if name != "photos":
        return pictures(name, seed, full)
    card = model.card
    found = photos.load((card.input_shape[1], card.input_shape[2]), len(photos.PHOTOS), seed, card.crop_fraction)
    named = logits_of(model, found.images).argmax(1)
    return replace(found, labels=torch.where(found.labels < 0, named, found.labels))


def right(model: Classifier, images: ImageSet, n: int | None) -> ImageSet:
    """The first `n` that `model` names rightly; all of them if there are no more. ValueError if there are none."""
    rows: list[int] = []
    for start in range(0, len(images), 64):
        part = slice(start, start + 64)
        found = logits_of(model, images.images[part], 64).argmax(1) == images.labels[part]
        rows += (found.nonzero()[:, 0] + start).tolist()
        if n is not None and len(rows) >= n:
            break
    if not rows:
        raise DataError(f"{model.card.name} names none of the images of {images.name} rightly.")
    return images[torch.tensor(rows[:n])]


def pick(found: Sequence[CurveRecord], key: str, budget: int | None = None) -> CurveRecord | None:
    """The record of an entry with the largest budget, `budget` at most; None if there is none."""
    mine = [r for r in found if r.protocol.name == key and (budget is None or (r.budget or 0) <= budget)]
    return max(mine, key=lambda record: record.budget or 0, default=None)


def trained_against_fgsm(card: Card) -> bool:
    """Whether a network is one of those of the paper's Table 2 (section 5.4).

    Its caption says "against FGSM" and its text with the "step l.l." adversary: either will do.
    """
    return card.recipe.get("adversarial") in ("fgsm", "least-likely") and not card.recipe.get("sources")


def published(card: Card, key: str) -> dict[str, Published]:
    """The paper's numbers of an entry for the data set of a network, by the network that it attacked: those of Table 1,
    or of Table 2 for a network that was trained against FGSM; of Table 3 for what was transferred."""
    for judge in JUDGES:
        if key.startswith(judge) and card.dataset == "imagenet":
            return {"InceptionV3": TABLE3[IN_TABLE1[key.removeprefix(judge)]][list(JUDGES).index(judge)]}
    row = IN_TABLE1.get(key)
    if row is None:
        return {}
    numbers = TABLE2[row] if trained_against_fgsm(card) else TABLE1[row]
    pairs = zip(COLUMNS, numbers, strict=False)
    return {network: number for (dataset, network), number in pairs if dataset == card.dataset}


Found = Sequence[CurveRecord]
"""Of one network."""


def _compare(
    found: Found, smooth: str, plain: str, metric: str, expected: int, norm: float | None = None
) -> tuple[list[Compared], tuple[np.ndarray, np.ndarray] | None]:
    """The smooth entry less the plain one, at the largest budget that both have, image by image."""
    a, b = _alike(found, smooth, plain)
    if a is None or b is None:
        return [], None
    comparison, pair = curves.compared(a, b, metric, norm), curves.values(a, b, metric, norm)
    if comparison is None:
        return [], None
    of = f"{_named(a)} less {_named(b)}, median {_UNITS[metric]}, n = {comparison.difference.n}"
    return [Compared(of, comparison, 1 if expected > 0 else -1)], pair


_UNITS = {"l2": "L2", "mad": "MAD", "roughness": "Ω_n"}


def titled(record: CurveRecord) -> str:
    """An entry in words."""
    return {**TITLES, **TRANSFERRED, **smoothfool_curves.KEYS}.get(record.protocol.name, record.protocol.name)


def _named(record: CurveRecord) -> str:
    title = titled(record)
    return title if record.budget is None else f"{title} ({record.budget} passes)"


def _alike(found: Found, one: str, other: str) -> tuple[CurveRecord | None, CurveRecord | None]:
    """The records of two entries at the largest budget that both have."""
    budgets = [{r.budget for r in found if r.protocol.name == key} for key in (one, other)]
    if budgets[0] & budgets[1]:
        budget = max(budgets[0] & budgets[1], key=lambda b: b or 0)
        return pick(found, one, budget), pick(found, other, budget)
    return pick(found, one), pick(found, other)


def _differs(smooth: str, plain: str, metric: str, expected: int) -> Callable[[Found], Verdict]:
    def decide(found: Found) -> Verdict:
        return every(_compare(found, smooth, plain, metric, expected)[0], unit="plain")

    return decide


def _lower_mad(at_length: bool) -> Callable[[Found], Verdict]:
    def decide(found: Found) -> Verdict:
        length = found[0].norms[0] if at_length and found and found[0].norms else None
        parts, pair = _compare(found, "published-scw", "published-cw", "mad", -1, length)
        if pair is None:
            return NOT_MEASURED
        verdict = every(parts, unit="plain")
        told = (("images with a lower MAD", pair[0] < pair[1]), ("with the same", pair[0] == pair[1]))
        found_shares = [
            Finding(of=of, unit="share", estimate=statistics.wilson(int(which.sum()), len(which))) for of, which in told
        ]
        return verdict.model_copy(update={"findings": (*verdict.findings, *found_shares)})

    return decide


def _as_often(found: Found) -> Verdict:
    a, b = pick(found, "published-scw"), pick(found, "published-cw")
    difference = None if a is None or b is None else curves.shares(a, b)
    if difference is None:
        return NOT_MEASURED
    of = f"success of sC&W less that of C&W, n = {difference.difference.n}"
    return within((-ROUGHLY, ROUGHLY), [Finding(of=of, unit="points", estimate=difference.difference, p=difference.p)])


def _still(found: Found) -> Verdict:
    a, b = pick(found, "published-scw"), pick(found, "published-cw")
    difference = None if a is None or b is None else curves.shares(a, b)
    if difference is None:
        return NOT_MEASURED
    of = f"success of sC&W less that of C&W, n = {difference.difference.n}"
    return every([Compared(of, difference, 1)], unit="points")


def _through(smooth: str, plain: str, judge: str) -> Callable[[Found], Verdict]:
    def decide(found: Found) -> Verdict:
        a, b = pick(found, f"{judge}{smooth}"), pick(found, f"{judge}{plain}")
        difference = None if a is None or b is None else curves.shares(a, b)
        if difference is None:
            return NOT_MEASURED
        of = f"success of sC&W less that of C&W, n = {difference.difference.n}"
        return every([Compared(of, difference, -1)], unit="points")

    return decide


def _withstands(judge: str, bounds: tuple[float, float], *keys: str) -> Callable[[Found], Verdict]:
    def decide(found: Found) -> Verdict:
        records_of = [pick(found, f"{judge}{key}") for key in keys]
        shares = [r.success for r in records_of if r is not None]
        findings = [
            Finding(of=f"success of {IN_TABLE1[key]}, n = {share.n}", unit="share", estimate=share)
            for key, share in zip(keys, shares, strict=False)
            if share is not None
        ]
        return within(bounds, findings) if len(findings) == len(keys) else NOT_MEASURED

    return decide


def _costs(found: Found) -> Verdict:
    longer = _compare(found, "scw-rho", "cw", "l2", 1)[0]
    smoother = _compare(found, "scw-rho", "cw", "roughness", -1)[0]
    return both(every(longer, unit="plain"), every(smoother, unit="plain"))


def _table(*keys: str) -> dict[str, float]:
    return {
        f"{network}, {IN_TABLE1[key]}": TABLE1[IN_TABLE1[key]][i].l2
        for i, (_, network) in enumerate(COLUMNS)
        for key in keys
    }


SHORTER = Claim(
    "with the published search, sC&W's perturbations are shorter than C&W's",
    PAPER_NAME,
    "section 5.3, Table 1",
    _differs("published-scw", "published-cw", "l2", -1),
    _table("published-cw", "published-scw"),
)
AS_OFTEN = Claim(
    "sC&W succeeds roughly as often as C&W",
    PAPER_NAME,
    "section 5.3, Table 1",
    _as_often,
    {f"{network}, {row}": TABLE1[row][i].success for i, (_, network) in enumerate(COLUMNS) for row in ("C&W", "sC&W")},
)
FREE = Claim(
    "smoothness comes for free: given as many passes, the most there are here, sC&W is shorter than C&W or as short",
    PAPER_NAME,
    "section 6, with attacks that search in a single run",
    _differs("scw", "cw", "l2", -1),
)
PGD = Claim(
    "PGD2 with several target distortions is shorter than C&W as published",
    PAPER_NAME,
    "section 5.3, Table 1",
    _differs("pgd2", "published-cw", "l2", -1),
    _table("pgd2", "published-cw"),
)
QUICK = Claim(
    "to smooth PGD2's steps afterwards (qPGD2) makes its perturbations longer",
    PAPER_NAME,
    "section 5.3, Table 1",
    _differs("qpgd2", "pgd2", "l2", 1),
    _table("pgd2", "qpgd2"),
)
LESS_VISIBLE = Claim(
    "at equal success, sC&W's images have a lower MAD than C&W's, both as published",
    PAPER_NAME,
    "section 5.3, Figure 4, of ImageNet",
    _lower_mad(at_length=False),
    {"share of images": 0.93},
)
HIDDEN = Claim(
    "at equal length, sC&W's images have a lower MAD than C&W's, both as published",
    "Smoothscope",
    "our own question",
    _lower_mad(at_length=True),
)
COSTS = Claim(
    "a perturbation that is smooth at its optimum is longer than C&W's, and smoother",
    "Smoothscope",
    "our own question",
    _costs,
)
STILL = Claim(
    "where the network was trained against FGSM, sC&W succeeds more often than C&W",
    PAPER_NAME,
    "section 5.4, Table 2 on MNIST",
    _still,
    {row: TABLE2[row][0].success for row in ("C&W", "sC&W")},
)
"""decide(records of one network that was trained so)."""
NO_PROTECTION = Claim(
    "a bilateral filter in front does not really prevent the attacks: half of C&W's images and of PGD2's still fool",
    PAPER_NAME,
    "section 5.5, Table 3, of ImageNet",
    _withstands(FILTERED, (0.5, 1.0), "published-cw", "pgd2"),
    {row: TABLE3[row][0].success for row in TABLE3},
)
WEAKER = Claim(
    "through a bilateral filter, sC&W fools less often than C&W",
    PAPER_NAME,
    "section 5.5, Table 3, of ImageNet",
    _through("published-scw", "published-cw", FILTERED),
    {row: TABLE3[row][0].success for row in ("C&W", "sC&W")},
)
EFFICIENT = Claim(
    "training against FGSM protects from what was made on the plain network: at most 12 % are fooled",
    PAPER_NAME,
    "section 5.5, Table 3, of ImageNet",
    _withstands(HARDENED, (0.0, 0.12), *IN_TABLE1),
    {row: TABLE3[row][1].success for row in TABLE3},
)
OF_TABLE3 = {FILTERED: (NO_PROTECTION, WEAKER), HARDENED: (EFFICIENT,)}
"""decide(records of one network), by who judges."""
CLAIMS = (SHORTER, AS_OFTEN, FREE, PGD, QUICK, LESS_VISIBLE, HIDDEN, COSTS)
"""decide(records of one network), each at the largest budget that both attacks have."""


def add_verb(verbs: Subparsers) -> None:
    """Register `python -m core evaluate curves`."""
    parser = verbs.add_parser(
        CurveRecord.kind, help="Smooth Adversarial Examples' Table 1 and P(D), and what smoothness costs by budget"
    )
    parser.add_argument("--model", default="mnist-c4-ce", help="name of a model (default %(default)s)")
    parser.add_argument(
        "--dataset", help="name of a data set, or folder:PATH (default: the model's own, for ImageNet photos)"
    )
    parser.add_argument("--full", action="store_true", help="draw from the full set, where it is installed")
    parser.add_argument("--n", type=int, help="correctly classified images, the first of them (default: all)")
    parser.add_argument("--entries", nargs="+", default=list(KEYS), metavar="ENTRY", help=f"some of {', '.join(KEYS)}")
    parser.add_argument(
        "--budgets", nargs="+", type=int, default=list(BUDGETS), metavar="PASSES", help="(default: %(default)s)"
    )
    add_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images and of the attacks")
    parser.add_argument(
        "--out",
        type=Path,
        help="(default: what is shipped for the model). What is there is gone on with: of an entry with fewer images "
        "only the others are attacked; shards that are done lie in the folder NAME.parts until all of their entry are",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.n is not None and arguments.n < 1:
        raise ValueError(f"n must be at least 1; got {arguments.n}.")
    unknown = [key for key in arguments.entries if key not in KEYS]
    if unknown:
        raise ValueError(f"entries must be some of {', '.join(KEYS)}; got {unknown[0]!r}.")
    if any(budget < 2 for budget in arguments.budgets):
        raise ValueError(f"budgets must be at least 2 passes; got {min(arguments.budgets)}.")
    engine = engine_of(arguments)
    card = models.card(arguments.model)
    kept = collection(card.name) if arguments.out is None else Collection(CurveRecord, arguments.out)
    check_writable(kept.path)
    model = models.load(card.name)
    images = right(model, shown_to(model, arguments.dataset or own(card), arguments.seed, arguments.full), arguments.n)
    wanted = Wanted(model, images, (norm(card),), arguments.seed, arguments.batch_size)
    with bars() as bar:
        bar.console.print(
            f"The first {len(images)} that {card.name} classifies correctly. {images.note}", highlight=False
        )
        for entry in entries(card, arguments.budgets):
            if entry.key not in arguments.entries:
                continue
            task = bar.add_task(f"{entry.key} {entry.budget or ''}", total=1.0)
            known = before(kept.read(), entry, wanted)
            if known is not None and known.data.n >= len(images):
                bar.update(task, completed=1.0)
                continue

            def advance(share: float) -> None:
                bar.update(task, completed=share)  # noqa: B023  # called before the next entry

            parts = kept.path.with_suffix(".parts") / f"{entry.key}-{entry.budget or 0}"
            record = curves.measure(
                entry, wanted, known, command(entry, wanted, arguments.full), advance, engine, parts
            )
            kept.put(record)
            shutil.rmtree(parts, ignore_errors=True)
    with suppress(OSError):
        kept.path.with_suffix(".parts").rmdir()  # unless another run's are there
    found = [record for record in kept.read() if record.network is not None and record.network.name == card.name]
    _print(found, card)
    Console().print(f"written to {kept.path} and {records.beside(kept.path).name}", highlight=False)
    return 0


def before(found: Sequence[CurveRecord], entry: Entry, wanted: Wanted) -> CurveRecord | None:
    """What is known of an entry: of the first of the images that are wanted, or of more of them.

    ValueError in one sentence if it is of others: two drawings of images cannot lie in one file.
    """
    known = next((record for record in found if record.is_of(entry)), None)
    if known is None or known.data.n > len(wanted.images) or wanted.goes_on(known):
        return known
    raise ValueError(
        f"{entry.key} is there of other images, or measured by another network or norm; choose another --out."
    )


def command(entry: Entry, wanted: Wanted, full: bool = False) -> str:
    """What makes the record again. A folder is named without where it lies."""
    words = ["--model", wanted.model.card.name, "--dataset", wanted.images.name, "--n", str(len(wanted.images))]
    words += ["--entries", entry.key, *([] if entry.budget is None else ["--budgets", str(entry.budget)])]
    words += ["--seed", str(wanted.seed)]
    return f"python -m core evaluate {CurveRecord.kind} {shlex.join(words)}" + " --full" * full


def commands(found: Found) -> list[str]:
    """What makes all of these again, in as few lines as those of one n and one list of budgets take."""
    groups: dict[tuple[str, ...], dict[str, list[int]]] = {}
    for record in found:
        words = shlex.split(record.command)
        about = tuple(_without(words, "--entries", "--budgets"))
        budgets = groups.setdefault(about, {}).setdefault(record.protocol.name, [])
        if "--budgets" in words and not record.protocol.name.startswith("published"):
            budgets.append(record.budget or 0)
    told = []
    for about, by_entry in groups.items():
        for several in dict.fromkeys(tuple(each) for each in by_entry.values()):
            keys = [key for key, each in by_entry.items() if tuple(each) == several]
            line = [*about, "--entries", *keys, *(["--budgets", *map(str, several)] if several else [])]
            told.append(shlex.join(line))
    return told


def _without(words: Sequence[str], *options: str) -> Iterator[str]:
    """A command's words without some options and what follows them."""
    left_out = False
    for word in words:
        left_out = word in options if word.startswith("--") else left_out
        if not left_out:
            yield word


@dataclass(frozen=True)
class _Line:
    """A row as it is printed."""

    title: str
    record: CurveRecord | Published


def _print(found: Found, card: Card) -> None:
    def number(estimate: Estimate | None) -> str:
        return "-" if estimate is None else f"{estimate.value:.3g} ({estimate.low:.3g} to {estimate.high:.3g})"

    def success(line: _Line) -> str:
        if isinstance(line.record, Published):
            return f"{100 * line.record.success:.0f} %"
        return "-" if line.record.success is None else percent(line.record.success, 0)

    def distortion(line: _Line) -> str:
        return f"{line.record.l2:.2f}" if isinstance(line.record, Published) else number(line.record.mean("l2"))

    def of(metric: str) -> Callable[[_Line], str]:
        def told(line: _Line) -> str:
            mean = None if isinstance(line.record, Published) else line.record.mean(metric)
            return "" if mean is None else f"{mean.value:.3g}"

        return told

    def lines() -> Iterator[_Line]:
        for record in sorted(found, key=lambda r: (KEYS.index(r.protocol.name), r.budget or 0)):
            yield _Line(_named(record), record)
            for network, row in published(card, record.protocol.name).items():
                yield _Line(f"  paper, {network}", row)

    columns = (
        Column[_Line]("", lambda line: line.title, whole=True),
        Column[_Line]("n", lambda line: "" if isinstance(line.record, Published) else f"{line.record.n}"),
        Column[_Line]("P_suc", success),
        Column[_Line]("mean D (L2)", distortion),
        Column[_Line]("Ω_n", of("roughness")),
        Column[_Line]("MAD", of("mad")),
        Column[_Line]("passes", lambda line: "" if isinstance(line.record, Published) else f"{line.record.passes:.0f}"),
        Column[_Line](
            "s / image",
            lambda line: (
                ""
                if isinstance(line.record, Published) or line.record.seconds_per_image is None
                else f"{line.record.seconds_per_image:.2f}"
            ),
        ),
    )
    note = "Means over the fooled images, in float, with their bootstrapped 95 % intervals; of shares Wilson's."
    show(f"What smoothness costs: {card.name}", columns, list(lines()), note)
    shown: list[Claim[[Found]]] = [*CLAIMS, *(claim for several in OF_TABLE3.values() for claim in several)]
    shown += smoothfool_curves.claims(smoothfool_curves.OURS)
    for claim in shown + [STILL] * trained_against_fgsm(card):
        print(claim.told(found))
