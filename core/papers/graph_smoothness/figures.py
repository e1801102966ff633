"""Figures 2, 3 and 4 of the graph smoothness paper: accuracy against neighbours k, dimensions d, kernel alpha.

One of the three moves at a time; the others stay at k = all, d = classes, alpha = 2 (section 4.3). The paper trains
PreActResNet-18 on CIFAR-10, CIFAR-100 and SVHN for 200 epochs; `Study` declares a run that a CPU does in minutes. Each
training is stored as soon as it ends, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import ClassVar

from core.evaluate import records
from core.evaluate.records import Collection, Data
from core.losses import CrossEntropy, GraphSmoothness, Loss, classify
from core.models import features_of
from core.papers.trainings import Trained, TrainingRecord
from core.params import Parameters, parameter
from core.train import Recipe, Training

SWEEPS: dict[str, tuple[float | None, ...]] = {
    "k": (1, 2, 5, 10, 20, 50, None),
    "dim": (2, 3, 5, 10, 20, 50, 200),
    "alpha": (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0),
}
"""Parameter of the loss -> what it is set to: Figures 2, 3 and 4, in this order. k = None connects all of a batch."""

CLASSES = 10
CLASSIFIERS = ("10-nn", "argmax")
"""On the features, as the paper has it, and of the head's own logits."""


class Study(Parameters):
    """What is trained for one point of the figures.

    Departures from the paper: its network and its 200 epochs are out of a CPU's reach; AdamW instead of SGD, because
    the size of the loss, and with it SGD's step, changes with k and alpha by orders of magnitude, and the figures shall
    show the loss rather than the step; the outputs lie on the unit sphere for every d, also for d = 2.
    """

    dataset: str = parameter("fashion_mnist", help="Data set; its full training set must be installed.")
    network: str = parameter("lenet", help="Network body.")
    n: int = parameter(2500, ge=200, le=60_000, step=100, unit="images", help="Training images, drawn by the seed.")
    test_n: int = parameter(2000, ge=100, le=10_000, step=100, unit="images", help="Test images, the same for all.")
    epochs: int = parameter(15, ge=1, le=1000, step=1, unit="epochs", help="Passes over the training images.")
    batch_size: int = parameter(100, ge=2, le=8192, unit="images", help="Images of one graph.", paper="section 4.1")
    learning_rate: float = parameter(0.01, gt=0, le=10, help="The largest of the one-cycle schedule.")
    seeds: int = parameter(2, ge=1, le=100, step=1, help="Trainings of each point; the seed also draws the images.")

    def recipe(self, seed: int) -> Recipe:
        """How each network is trained."""
        return Recipe(
            epochs=self.epochs,
            n=self.n,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            shift=1,
            precision="float32",
            sample=0,
            test_n=100,
            seed=seed,
        )


class FigureRecord(TrainingRecord):
    """One training of a point of the figures."""

    kind: ClassVar[str] = "graph-figures"

    def is_of(self, loss: Loss) -> bool:
        """Whether it is a training with `loss`."""
        return self.training.loss.is_of(loss)


FIGURES = Collection.shipped(FigureRecord)


@dataclass(frozen=True)
class Series:
    """One curve of a figure; every tuple has an entry for each value of the parameter."""

    values: tuple[float | None, ...]
    mean: tuple[float, ...]
    """Mean accuracy over the seeds, 0 to 1."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Smallest and largest over the seeds."""
    seeds: tuple[int, ...]
    """How many trainings each mean is of."""


def point(name: str, value: float | None) -> GraphSmoothness:
    """The loss with one parameter at `value`, the others where the paper keeps them."""
    return GraphSmoothness(**{"norm": "l2", "dim": CLASSES, "references": 200} | {name: value})


def losses() -> list[Loss]:
    """Everything that is trained for each seed: the points of all three figures, and cross-entropy to compare with."""
    points = [point(name, value) for name, values in SWEEPS.items() for value in values]
    return [CrossEntropy(), *dict.fromkeys(points)]


def measure(study: Study, loss: Loss, seed: int, command: str) -> FigureRecord:
    """Train once: the record of a point, the head's logits and 10-NN on the features asked for the test images."""
    training = Training(study.network, study.dataset, study.recipe(seed), "point", loss)
    last = list(training)[-1]
    test = training.test[: study.test_n]
    known, asked = features_of(training.model, training.train.images), features_of(training.model, test.images)
    head = training.model.head.cpu()
    right = {
        name: int((classify(name, head, known, training.train.labels, asked) == test.labels).sum())
        for name in CLASSIFIERS
    }
    return FigureRecord(
        data=Data.of(test, None),
        protocol=Trained.of(study.network, study.dataset, loss, study.recipe(seed)).protocol,
        command=command,
        versions=records.versions(),
        right=right,
        loss=last.loss,
    )


def run(
    study: Study,
    collection: Collection[FigureRecord],
    command: str,
    on_point: Callable[[int, int], object] = lambda *_: None,
) -> None:
    """Train what is still missing in `collection` and store it there after every point. on_point(done, of how many).

    ValueError in one sentence if it holds a run of other settings, or cannot be written.
    """
    there = collection.read()
    wanted = [(loss, seed) for seed in range(study.seeds) for loss in losses()]
    if any(not _of_study(study, record) for record in there):
        raise ValueError(f"{collection.path} holds a run with other settings; delete it or choose another --out.")
    missing = [(loss, seed) for loss, seed in wanted if not any(r.is_of(loss) and r.seed == seed for r in there)]
    on_point(len(wanted) - len(missing), len(wanted))
    for number, (loss, seed) in enumerate(missing, 1):
        collection.put(measure(study, loss, seed, command))
        on_point(len(wanted) - len(missing) + number, len(wanted))


def _of_study(study: Study, record: FigureRecord) -> bool:
    training = record.training
    return (training.network, training.dataset, record.data.n) == (study.network, study.dataset, study.test_n) and (
        Recipe(**training.recipe) == study.recipe(record.seed)
    )


def study_of(found: Sequence[FigureRecord]) -> Study:
    """What the stored trainings were made with; ValueError if there are none."""
    if not found:
        raise ValueError("found must hold a record; got none.")
    training = found[0].training
    how = {name: training.recipe[name] for name in ("n", "epochs", "batch_size", "learning_rate")}
    seeds = len({record.seed for record in found})
    return Study(dataset=training.dataset, network=training.network, test_n=found[0].data.n, seeds=seeds, **how)


def reached(found: Sequence[FigureRecord], loss: Loss, classifier: str = "10-nn") -> tuple[float, ...]:
    """Accuracies of the trainings with `loss`, by seed."""
    mine = sorted((record for record in found if record.is_of(loss)), key=lambda record: record.seed)
    return tuple(record.accuracy(classifier) for record in mine)


def series(found: Sequence[FigureRecord], name: str, classifier: str = "10-nn") -> Series:
    """The curve of a figure: accuracy of `classifier` against the parameter `name`, k, dim or alpha, of a stored run.

    Values of which no training is stored are left out. ValueError for another name or classifier.
    """
    if name not in SWEEPS or classifier not in CLASSIFIERS:
        raise ValueError(
            f"there is no curve of {classifier!r} against {name!r}; take 10-nn or argmax, k, dim or alpha."
        )
    rows = [(value, seen) for value in SWEEPS[name] if (seen := reached(found, point(name, value), classifier))]
    return _series(rows)


def cross_entropy(found: Sequence[FigureRecord]) -> Series:
    """What the same network reaches with cross-entropy (argmax): one entry, its value None. Empty if not stored."""
    seen = reached(found, CrossEntropy(), "argmax")
    return _series([(None, seen)] if seen else [])


def _series(rows: Sequence[tuple[float | None, tuple[float, ...]]]) -> Series:
    return Series(
        tuple(value for value, _ in rows),
        tuple(mean(seen) for _, seen in rows),
        tuple(min(seen) for _, seen in rows),
        tuple(max(seen) for _, seen in rows),
        tuple(len(seen) for _, seen in rows),
    )
