"""Training: recipes as declared parameters, a loop that yields epochs, checkpoints with cards."""

from core.train.loop import Epoch, Training, accuracy, save
from core.train.recipe import Recipe

__all__ = ["Epoch", "Recipe", "Training", "accuracy", "save"]
