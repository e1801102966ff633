"""A model is a checkpoint with a card: what it was trained on and how, how good it is, and the hash of its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Accuracy(BaseModel):
    """A measured accuracy: share of `n` images of `split` that are classified correctly."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: float = Field(ge=0, le=1)
    n: int = Field(ge=1)
    split: str


class Card(BaseModel):
    """Everything that must be known of a checkpoint to load it, to show it and to doubt it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^\w[\w.-]*$")
    """The name of its folder."""
    title: str
    dataset: str
    """Key in core.data.DATASETS, or "imagenet" (not shipped; the photos and any image file serve)."""
    network: str
    """Key in core.models.NETWORKS."""
    network_arguments: dict[str, Any] = {}
    loss: str
    """Key in core.losses.LOSSES."""
    loss_arguments: dict[str, Any] = {}
    """Its declared parameters, where they differ from the defaults."""
    embedding: int | None = Field(None, ge=1)
    """Width d of a linear layer between network and head; none where the head sees the network's features."""
    embedding_norm: Literal["none", "l2", "batch"] = "none"
    head: str = "linear"
    """Key in core.models.HEADS."""
    head_arguments: dict[str, Any] = {}
    input_shape: tuple[int, int, int]
    """(C, H, W)."""
    crop_fraction: float = Field(1.0, gt=0, le=1)
    """Share of the shorter side that the network's own preprocessing keeps of a photograph."""
    classes: int = Field(ge=1)
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Normalisation, per channel, in [0, 1] units; a layer inside the model."""
    recipe: dict[str, Any] = {}
    start: str | None = None
    """The checkpoint whose weights the training began with; none for fresh ones."""
    seed: int | None = None
    accuracy: Accuracy | None = None
    weights: str = "weights.safetensors"
    """File beside the card, or "package:NAME" for weights that an installed package carries."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    versions: dict[str, str] = {}
    source: str = ""
    """Where the weights come from and under which licence."""

    @staticmethod
    def read(path: Path) -> Card:
        """The card in the file `path`; ValueError in one sentence if it cannot be read."""
        try:
            card = Card.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ValueError(f"{path.parent.name}: its card.json cannot be read ({error.strerror}).") from None
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise ValueError(f"{path.parent.name}: its card.json is damaged; get the checkpoint again.") from None
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) or "as a whole"
            raise ValueError(f"{path.parent.name}: card.json has a wrong entry {where!r}; correct it.") from None
        if card.name != path.parent.name:
            raise ValueError(f"{path.parent.name}: its card.json is that of {card.name!r}; put it into its own folder.")
        return card
