"""Training: recipes as declared parameters, a loop that yields epochs, checkpoints with cards."""

from core.train.checkpoint import EMBEDDINGS, accuracy, save
from core.train.loop import Batch, Epoch, Training, resume
from core.train.recipe import Recipe

__all__ = ["EMBEDDINGS", "Batch", "Epoch", "Recipe", "Training", "accuracy", "resume", "save"]
