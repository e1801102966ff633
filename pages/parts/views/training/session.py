"""What the Training page keeps in the session: its job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.data import DATASETS
from core.losses import Loss
from core.models import TITLES, Change
from core.train import Recipe, runs
from pages.parts.shell.jobs import Slot
from pages.parts.shell.settings import settings
from pages.parts.work.trainings import Plan, Snapshot, Trained

SCOPE = "train"


@dataclass(frozen=True)
class About:
    """What a training under way is: the classes of its data, its loss and its recipe as they were when it began.

    changes: what had been set otherwise before, where it goes on.
    """

    classes: tuple[str, ...]
    loss: Loss
    recipe: Recipe
    changes: tuple[Change, ...] = ()


slot: Slot[Snapshot, Trained, About] = Slot(SCOPE, every=0.75, longest=lambda: settings().longest_training)


def describe(path: Path) -> str:
    """One line on the run whose state lies in `path`."""
    run = runs.read(path)
    network, images = TITLES[run.card.network], DATASETS[run.card.dataset].title
    words = f"{network} on {images}, {run.loss.title}: {run.done} of {run.recipe.epochs} epochs"
    return ", ".join([words, *map(said, run.description.changes)])


def about(plan: Plan | Path) -> About:
    """What is to be trained. ValueError in one sentence if a path is that of no run."""
    if isinstance(plan, Plan):
        return About(DATASETS[plan.dataset].classes, plan.loss, plan.recipe)
    run = runs.read(plan)
    return About(DATASETS[run.card.dataset].classes, run.loss, run.recipe, run.description.changes)


def setting(change: Change) -> str:
    """What a change has set."""
    value = f"{change.value:g}" if isinstance(change.value, float) else change.value
    return f"{change.parameter.replace('_', ' ')} {value}"


def said(change: Change) -> str:
    """A change in words."""
    return f"{setting(change)} from step {change.step:,} on"
