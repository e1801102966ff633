"""A model is a checkpoint with a card: what it was trained on and how, how good it is, and the hash of its weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.data import careful

CARD = "card.json"
"""File in a checkpoint's folder."""
CARD_LIMIT = 64_000
"""Bytes of the largest card that is read; the project's have up to 2,500."""
NAME_LIMIT = 100
"""Bytes of the longest name: with what is added to it while a file is written, it must fit into any file system."""


def check_name(name: str) -> str:
    """`name`, if it can name a checkpoint or a run; else ValueError in one sentence."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(
            f"name must be letters, digits, '_', '-' and '.', a letter or digit first; got {careful.shown(name)}."
        )
    if len(name.encode()) > NAME_LIMIT:
        raise ValueError(f"name must be at most {NAME_LIMIT} letters long; got {careful.shown(name)}.")
    return name


def is_name(name: str) -> bool:
    """Whether `name` can name a checkpoint or a run."""
    try:
        return bool(check_name(name))
    except ValueError:
        return False


Name = Annotated[str, AfterValidator(check_name)]
Line = Annotated[str, Field(max_length=300, pattern=r"^\P{Cc}*$")]
Number = Annotated[int, Field(ge=-(2**53), le=2**53)]
Values = Annotated[dict[Line, bool | Number | float | Line | None], Field(max_length=100)]
"""Parameters by name; flat, so that nothing has to be looked for in them."""
Channel = Annotated[float, Field(ge=-1e6, le=1e6)]


class Accuracy(BaseModel):
    """A measured accuracy: share of `n` images of `split` that are classified correctly."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    value: float = Field(ge=0, le=1)
    n: int = Field(ge=1, le=10**9)
    split: Line


class Change(BaseModel):
    """What was set otherwise while a network was trained: a parameter of its recipe or its loss, from a step on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    step: int = Field(ge=0, le=2**53)
    """Optimiser steps that had been taken by then."""
    parameter: Line
    value: bool | Number | float | Line | None

    def __str__(self) -> str:
        """As the command line has it: "120:learning_rate=0.01"."""
        return f"{self.step}:{self.parameter}={str(self.value).lower() if self.value is None else self.value}"


class Card(BaseModel):
    """Everything that must be known of a checkpoint to load it, to show it and to doubt it.

    Anybody may write one, so every field is bounded; whether they go together, and with the weights, `core.models.card`
    finds out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Name
    """The name of its folder."""
    title: Line
    dataset: Line
    """Key in core.data.DATASETS, or "imagenet" (not shipped; the photos and any image file serve)."""
    network: Line
    """Key in core.models.NETWORKS."""
    network_arguments: Values = {}
    loss: Line
    """Key in core.losses.LOSSES; a network of another loss can be shown and attacked, but not trained on."""
    loss_arguments: Values = {}
    """Its declared parameters, where they differ from the defaults."""
    embedding: int | None = Field(None, ge=1, le=10_000)
    """Width d of a linear layer between network and head; none where the head sees the network's features."""
    embedding_norm: Literal["none", "l2", "batch"] = "none"
    head: Line = "linear"
    """Key in core.models.HEADS."""
    head_arguments: Values = {}
    input_shape: tuple[
        Annotated[int, Field(ge=1, le=4)], Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)]
    ]
    """(C, H, W)."""
    crop_fraction: float = Field(1.0, gt=0, le=1)
    """Share of the shorter side that the network's own preprocessing keeps of a photograph."""
    classes: int = Field(ge=1, le=10_000)
    mean: tuple[Channel, ...] = Field(min_length=1, max_length=4)
    std: tuple[Annotated[Channel, Field(gt=0)], ...] = Field(min_length=1, max_length=4)
    """Normalisation, per channel, in [0, 1] units; a layer inside the model."""
    recipe: Values = {}
    changes: tuple[Change, ...] = Field((), max_length=1000)
    """What of recipe and loss was set otherwise while it was trained, in order; those say how the training began."""
    start: Name | None = None
    """The checkpoint whose weights the training began with; none for fresh ones."""
    seed: int | None = Field(None, ge=0, lt=2**63)
    accuracy: Accuracy | None = None
    mirrored: Accuracy | None = None
    """By the sum of the logits of each picture and of its mirror image, for a network that was trained on both. Only to
    compare with accuracies that are published so; every other answer here is to the picture alone."""
    weights: str = Field("weights.safetensors", max_length=NAME_LIMIT, pattern=r"^(package:)?\w[\w.-]*$")
    """File beside the card, or "package:NAME" for weights that an installed package carries."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    versions: Annotated[dict[Line, Line], Field(max_length=100)] = {}
    source: str = Field("", max_length=CARD_LIMIT)
    """Where the weights come from and under which licence."""

    @field_validator("recipe")
    @classmethod
    def _told(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        """What pages say of a recipe must be what they say it is; the rest is that of some version of Recipe."""
        epochs, n, adversarial = recipe.get("epochs", 0), recipe.get("n"), recipe.get("adversarial", "none")
        if type(epochs) is not int or epochs < 0 or not (n is None or (type(n) is int and n > 0)):
            raise ValueError("epochs and n must be whole numbers.")
        if not isinstance(adversarial, str):
            raise ValueError("adversarial must be a word.")
        return recipe

    @staticmethod
    def read(path: Path) -> Card:
        """The card in the file `path`; ValueError in one sentence if it cannot be read."""
        folder = path.parent.name
        try:
            card = Card.model_validate(careful.parse_json(careful.read_bytes(path, CARD_LIMIT)[0]))
        except careful.Unreadable as why:
            todo = "" if str(why).startswith("cannot") else "; get the checkpoint again"
            raise ValueError(f"{folder}: its {path.name} {why}{todo}.") from None
        except ValidationError as error:
            # Of what a stranger wrote at most two levels: an entry, and a place or a name in it.
            where = ".".join(map(str, error.errors()[0]["loc"][:2])) or "as a whole"
            raise ValueError(f"{folder}: {path.name} has a wrong entry {careful.shown(where)}; correct it.") from None
        if card.name != folder:
            raise ValueError(f"{folder}: its {path.name} is that of {card.name!r}; put it into its own folder.")
        return card
