"""What the Training page keeps in the session: its job."""

from __future__ import annotations

from pathlib import Path

from core.data import DATASETS
from core.models import TITLES
from core.train import runs
from pages.parts.shell.jobs import Slot
from pages.parts.shell.settings import settings
from pages.parts.work.trainings import Snapshot, Trained

SCOPE = "train"

slot: Slot[Snapshot, Trained, tuple[str, ...]] = Slot(SCOPE, every=0.5, longest=lambda: settings().longest_training)
"""What a training is for are the classes of its data."""


def describe(path: Path) -> str:
    """One line on the run whose state lies in `path`."""
    run = runs.read(path)
    network, images = TITLES[run.card.network], DATASETS[run.card.dataset].title
    return f"{network} on {images}, {run.loss.title}: {run.done} of {run.recipe.epochs} epochs"


def dataset(path: Path) -> str:
    """Key of the data set of the run whose state lies in `path`. ValueError if it is none."""
    return runs.read(path).card.dataset
