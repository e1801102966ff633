"""Tables 1, 2 and 4 of the MMC report at a CPU's size: training times, optimisers, and the norm C_MM of the centres.

Every number is a record, stored as soon as it is measured, so a command that was interrupted goes on where it stopped,
and one that is given again computes only what is missing.
"""

from __future__ import annotations

import math
import statistics as averages
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import Field

from core.data import DATASETS
from core.evaluate import records
from core.evaluate.records import Collection, Data, Frozen, Record, Setting
from core.losses import CrossEntropy, Loss, MaxMahalanobis
from core.papers.trainings import Trained, TrainingRecord, finished
from core.train import Batch, Recipe, Training, accuracy

K = TypeVar("K")

DATASET = "mnist"
"""That the small runs train on."""

NORMS = (1.0, 5.0, 10.0, 50.0, 100.0)
"""Table 4's, and the 5 of the text above it."""
NORM_PAPER = {1.0: 0.9216, 10.0: 0.9257, 50.0: 0.6892, 100.0: 0.10}
"""Accuracy after 200 epochs of ResNet-32 on CIFAR-10 (MMC report, Table 4)."""

OPTIMISERS: dict[str, float] = {"sgd": 0.003, "adam": 0.001, "rmsprop": 0.0001}
"""Each with its learning rate. The report gives momentum SGD's 0.01 and no other. LeNet has no batch norm, as the
report's network has: with 0.01 and C_MM = 10 two seeds of three ended at 79 and 11 %, so ours is 0.003. Adam's is the
customary thousandth; RMSProp's a tenth of it, for its momentum of 0.9 multiplies a step by ten."""
OPTIMISER_PAPER = {"sgd": (0.9969, 47.7), "adam": (0.9953, 62.7), "rmsprop": (0.9940, 55.9)}
"""Accuracy and minutes after 50 epochs on MNIST (MMC report, Table 2)."""

TIME_PAPER = {
    ("mnist", "none"): (39.8, 48.075),
    ("mnist", "pgd"): (271.14, 280.0),
    ("cifar10", "none"): (54.04, 55.23),
    ("cifar100", "none"): (42.8, 45.55),
}
"""(data set, adversarial training) -> minutes with SCE and with MMC, 50 epochs of ResNet-32 (MMC report, Table 1)."""
PAPER_OVER_STANDARD = TIME_PAPER["mnist", "pgd"][0] / TIME_PAPER["mnist", "none"][0]
"""How many times longer adversarial training takes than standard training, with cross-entropy: "nearly 7"."""
TIMED = (("mnist", "c4", "none"), ("mnist", "c4", "pgd"), ("cifar10", "resnet32", "none"))
"""Data set, network and adversarial training of the rows that are timed. CIFAR-100's pictures are not at hand."""


class NormRecord(TrainingRecord):
    """Table 4: a training with MMC, its centres of one norm."""

    kind: ClassVar[str] = "mmc-norms"

    @property
    def norm(self) -> float:
        """C_MM."""
        return float(self.training.loss.parameters["norm"])


class OptimiserRecord(TrainingRecord):
    """Table 2: a training with MMC by one optimiser."""

    kind: ClassVar[str] = "mmc-optimisers"

    time: float = Field(gt=0)
    """Of a step over one of momentum SGD: the median over the batches, which took turns."""

    @property
    def optimiser(self) -> str:
        """Key in OPTIMISERS."""
        return str(self.training.recipe["optimiser"])


class Timed(Frozen):
    """What was timed for one row of Table 1."""

    dataset: str
    network: str
    """Key in core.models.NETWORKS."""
    adversarial: str
    """What the trainings were against, "none" for standard ones."""
    images: int
    """Of a round."""
    rounds: int
    recipe: dict[str, Any]
    """All values of core.train.Recipe."""

    @property
    def title(self) -> str:
        """Data set and kind of training, as the table has them."""
        return f"{DATASETS[self.dataset].title}, {'standard' if self.adversarial == 'none' else 'adversarial'}"

    @property
    def protocol(self) -> Setting:
        """As a record has it."""
        return Setting(name="steps in turns", parameters=self.model_dump(mode="json"))

    def same(self, other: Timed) -> bool:
        """Whether the same was timed; a parameter that was added since counts as at its default."""
        return self.model_copy(update={"recipe": {}}) == other.model_copy(update={"recipe": {}}) and (
            Recipe(**self.recipe) == Recipe(**other.recipe)
        )


class TimesRecord(Record):
    """Table 1: what a training step with MMC costs. `data` are the training images of a round."""

    kind: ClassVar[str] = "mmc-times"

    ratios: tuple[float, ...] = Field(min_length=1)
    """Of each round: a step with MMC over one with cross-entropy, the median over its batches."""
    over_standard: tuple[float, ...] | None = None
    """Of adversarial training: a step of cross-entropy's over one of its standard training."""

    @property
    def timed(self) -> Timed:
        """What was timed."""
        return Timed.model_validate(self.protocol.parameters)

    @property
    def published(self) -> float | None:
        """The report's ratio of MMC's minutes to cross-entropy's; None where it has no such row."""
        paper = TIME_PAPER.get((self.timed.dataset, self.timed.adversarial))
        return paper and paper[1] / paper[0]


NORM_RECORDS = Collection.shipped(NormRecord)
OPTIMISER_RECORDS = Collection.shipped(OptimiserRecord)
TIMES_RECORDS = Collection.shipped(TimesRecord)


def recipe(n: int, epochs: int, seed: int, **changes: Any) -> Recipe:
    """The report's recipe for MNIST (momentum SGD, batches of 50, steps) on n images, without augmentation, and with
    the learning rate of OPTIMISERS."""
    base = {
        "n": n,
        "epochs": epochs,
        "seed": seed,
        "sample": 0,
        "shift": 0,
        "test_n": 1,
        "precision": "float32",
        "learning_rate": OPTIMISERS["sgd"],
    }
    return Recipe(**(Recipe.presets["paper, MMC report, MNIST"] | base | changes))


def tested(training: Training) -> int:
    """How many of all test images a trained network names rightly; a network of NaNs names none."""
    return round(accuracy(training.model, training.test.images, training.test.labels) * len(training.test))


def norms(
    n: int, epochs: int, seeds: int, network: str, collection: Collection[NormRecord], command: str
) -> Iterator[NormRecord]:
    """Table 4: test accuracy of MMC by the norm of its centres; yields the new records."""
    run = [(MaxMahalanobis(norm=norm, dim=64), recipe(n, epochs, seed)) for seed in range(seeds) for norm in NORMS]
    there = collection.read()
    for loss, how in run:
        if any(other.training.is_of(network, DATASET, loss, how) for other in there):
            continue
        training = Training(network, DATASET, how, "table", loss)
        record = NormRecord(
            loss=finished(training),
            right={"argmax": tested(training)},
            data=Data.of(training.test, None),
            protocol=Trained.of(network, DATASET, loss, how).protocol,
            command=command,
            versions=records.versions(),
        )
        collection.put(record, lambda other: _among(other, run, network))
        yield record


def _among(record: TrainingRecord, run: Sequence[tuple[Loss, Recipe]], network: str) -> bool:
    return any(record.training.is_of(network, DATASET, loss, how) for loss, how in run)


def optimisers(
    n: int, epochs: int, seeds: int, network: str, collection: Collection[OptimiserRecord], command: str
) -> Iterator[OptimiserRecord]:
    """Table 2: test accuracy of MMC by optimiser, and what its steps cost; yields the new records.

    The three trainings of a seed take turns, batch by batch, so that whatever else the machine does hits all alike.
    """
    loss: Loss = MaxMahalanobis(dim=64)
    turned = [
        {name: recipe(n, epochs, seed, optimiser=name, learning_rate=rate) for name, rate in OPTIMISERS.items()}
        for seed in range(seeds)
    ]
    run = [(loss, how) for recipes in turned for how in recipes.values()]
    there = collection.read()
    for recipes in turned:
        if all(any(r.training.is_of(network, DATASET, loss, how) for r in there) for how in recipes.values()):
            continue
        runs = {name: Training(network, DATASET, how, "table", loss) for name, how in recipes.items()}
        seconds = turns(runs)
        for name, training in runs.items():
            record = OptimiserRecord(
                time=averages.median(a / b for a, b in zip(seconds[name], seconds["sgd"], strict=True)),
                loss=training.history[-1].loss if math.isfinite(training.history[-1].loss) else None,
                right={"argmax": tested(training)},
                data=Data.of(training.test, None),
                protocol=Trained.of(network, DATASET, loss, recipes[name]).protocol,
                command=command,
                versions=records.versions(),
            )
            collection.put(record, lambda other: _among(other, run, network))
            yield record


def turns(runs: Mapping[str, Training]) -> dict[str, list[float]]:
    """Train runs of equally many steps to their ends, a batch each in turns; returns the seconds of each one's batches.

    As benchmarks/training.py does it, so that whatever else the machine does hits all alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    going = {name: training.steps() for name, training in runs.items()}
    while going:
        for name, steps in list(going.items()):
            start = time.perf_counter()
            event = next(steps, None)
            if event is None:
                del going[name]
            elif isinstance(event, Batch):
                seconds[name].append(time.perf_counter() - start)
    return seconds


def timings(n: int, rounds: int) -> list[Timed]:
    """The rows of Table 1 that are timed, in rounds of n images, a fifth if attacked."""
    found = []
    for dataset, network, adversarial in TIMED:
        images = n if adversarial == "none" else max(100, n // 5)
        changes = {"adversarial": adversarial, "epsilon": 0.3 if dataset == "mnist" else 8 / 256}
        how = recipe(images, rounds, 0, test_n=1, learning_rate=1e-3, **changes)
        found.append(
            Timed(
                dataset=dataset,
                network=network,
                adversarial=adversarial,
                images=images,
                rounds=rounds,
                recipe=how.values(),
            )
        )
    return found


def times(n: int, rounds: int, collection: Collection[TimesRecord], command: str) -> Iterator[TimesRecord]:
    """Table 1: the time of a training step with MMC over that with SCE; yields the record of each new row.

    Standard and adversarial training (PGD of 10 steps), batches of 50, the losses in turns.
    """
    there, todo = [record.timed for record in collection.read()], timings(n, rounds)
    for timed in todo:
        if any(timed.same(other) for other in there):
            continue
        settings = Recipe(**timed.recipe)
        kinds: dict[str, tuple[Loss, Recipe]] = {
            "sce": (CrossEntropy(), settings),
            "mmc": (MaxMahalanobis(dim=64), settings),
        }
        if timed.adversarial != "none":
            kinds["standard"] = CrossEntropy(), settings.replace(adversarial="none")
        runs = {name: Training(timed.network, timed.dataset, how, "table", loss) for name, (loss, how) in kinds.items()}
        seconds = turns(runs)
        over = tuple(ratios(seconds["sce"], seconds["standard"], rounds)) if "standard" in seconds else None
        record = TimesRecord(
            ratios=tuple(ratios(seconds["mmc"], seconds["sce"], rounds)),
            over_standard=over,
            data=Data.of(runs["mmc"].train, 0),
            protocol=timed.protocol,
            command=command,
            versions=records.versions(),
        )
        collection.put(record, lambda other: any(one.same(other.timed) for one in todo))
        yield record


def ratios(over: Sequence[float], under: Sequence[float], rounds: int) -> list[float]:
    """(rounds,) how much longer one's batches took than the other's: the median, for a batch may be interrupted."""
    pairs = list(zip(over, under, strict=True))
    size = len(pairs) // rounds
    return [averages.median(a / b for a, b in pairs[i * size : (i + 1) * size]) for i in range(rounds)]


@dataclass(frozen=True)
class Group(Generic[K]):
    """The trainings of a table's row: those with one norm, by one optimiser."""

    value: K
    accuracies: tuple[float, ...]
    """0 to 1, by seed."""
    published: float | None

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return averages.fmean(self.accuracies)

    @property
    def deviation(self) -> float:
        """The standard deviation over the seeds; 0 of a single one."""
        return averages.stdev(self.accuracies) if len(self.accuracies) > 1 else 0.0


def by_norm(found: Sequence[NormRecord]) -> list[Group[float]]:
    """Table 4, its rows by rising norm."""
    values = sorted({record.norm for record in found})
    return [Group(v, _accuracies([r for r in found if r.norm == v]), NORM_PAPER.get(v)) for v in values]


def by_optimiser(found: Sequence[OptimiserRecord]) -> list[Group[str]]:
    """Table 2, its rows in the report's order."""
    values = [name for name in OPTIMISERS if any(record.optimiser == name for record in found)]
    return [Group(v, _accuracies([r for r in found if r.optimiser == v]), OPTIMISER_PAPER[v][0]) for v in values]


def _accuracies(found: Sequence[TrainingRecord]) -> tuple[float, ...]:
    return tuple(record.accuracy() for record in sorted(found, key=lambda record: record.seed))
