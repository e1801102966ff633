"""Training: recipes as declared parameters, a loop that yields epochs, checkpoints with cards."""

from core.train.checkpoint import accuracy, save
from core.train.loop import Batch, Training, changeable, image_sets, resume, suited
from core.train.recipe import ADVERSARIES, Recipe, against
from core.train.runs import Epoch

__all__ = [
    "ADVERSARIES",
    "Batch",
    "Epoch",
    "Recipe",
    "Training",
    "accuracy",
    "against",
    "changeable",
    "image_sets",
    "resume",
    "save",
    "suited",
]
