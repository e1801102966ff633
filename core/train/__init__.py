"""Training: recipes as declared parameters, a loop that yields epochs, checkpoints with cards."""

from core.train.checkpoint import accuracy, read_description, save
from core.train.loop import Batch, Epoch, Training, image_sets, resume, suited
from core.train.recipe import ADVERSARIES, Recipe

__all__ = [
    "ADVERSARIES",
    "Batch",
    "Epoch",
    "Recipe",
    "Training",
    "accuracy",
    "image_sets",
    "read_description",
    "resume",
    "save",
    "suited",
]
