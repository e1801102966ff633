"""Defences that were trained: a folder with weights.safetensors and defense.json, beside the networks' checkpoints.

As with networks (`core.models`), nothing is unpickled, and what card and weights say is verified before it is used.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from core.data import careful, store
from core.defenses.base import Defense
from core.defenses.networks import BODIES
from core.layout import CHECKPOINTS
from core.models import Accuracy, header, is_name
from core.models.card import CARD_LIMIT, Line, Name, Values
from core.params import parameter

CARD = "defense.json"
"""File in the folder of a trained defence."""
LIMIT = 10**8
"""Bytes of the largest weights that are read; the project's have 0.1 million."""


class DefenseCard(BaseModel):
    """Everything that must be known of a trained defence to load it and to doubt it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Name
    """The name of its folder."""
    title: Line
    kind: Literal["magnet", "hgd"]
    """Key in core.defenses.DEFENSES."""
    arguments: Values = {}
    """Of the network's constructor."""
    dataset: Line
    """Key in core.data.DATASETS: of which pictures it is."""
    input_shape: tuple[int, int, int]
    """(C, H, W)."""
    recipe: Values
    network: Name
    """The classifier that it was measured with."""
    bare: Accuracy
    """That network's accuracy on clean test images."""
    accuracy: Accuracy
    """Its accuracy on the same images seen through the defence."""
    refused: Accuracy | None = None
    """Share of those images that the detector refuses; None where there is none."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the weights."""
    versions: dict[Line, Line] = {}
    source: str = Field("", max_length=CARD_LIMIT)


def _folders() -> Iterator[Path]:
    """Those of all trained defences, the user's own last, which cannot hide the project's."""
    for folders in (careful.listing(CHECKPOINTS), store.listing("checkpoints")):
        yield from (folder for folder in folders if is_name(folder.name) and os.path.lexists(folder / CARD))


def names() -> list[str]:
    """The trained defences there are."""
    return list(dict.fromkeys(folder.name for folder in _folders()))


def _folder(name: str) -> Path:
    found = next((folder for folder in _folders() if folder.name == name), None)
    if found is None:
        raise ValueError(
            f"there is no trained defence {careful.shown(name)}; there are {', '.join(names()) or 'none'}."
        )
    return found


def card(name: str) -> DefenseCard:
    """The card of the trained defence `name`. ValueError in one sentence if there is none, or it is damaged."""
    path = _folder(name) / CARD
    try:
        found = DefenseCard.model_validate(careful.parse_json(careful.read_bytes(path, CARD_LIMIT)[0]))
    except careful.Unreadable as why:
        raise ValueError(f"{name}: its {CARD} {why}; get the defence again.") from None
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"][:2])) or "as a whole"
        raise ValueError(f"{name}: {CARD} has a wrong entry {careful.shown(where)}; correct it.") from None
    if found.name != name:
        raise ValueError(f"{name}: its {CARD} is that of {found.name!r}; put it into its own folder.")
    return found


def load(name: str) -> nn.Module:
    """The frozen network of the trained defence `name`, on the CPU; the same object again while its weights are the
    same. ValueError in one sentence if it is not there, damaged, or other than its card says."""
    return _loaded(name, card(name).sha256)


@functools.lru_cache(8)
def _loaded(name: str, sha256: str) -> nn.Module:
    described = card(name)
    try:
        content, _ = careful.read_bytes(_folder(name) / "weights.safetensors", LIMIT)
    except careful.Unreadable as why:
        raise ValueError(f"{name}: weights.safetensors {why}; get the defence again.") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{name}: weights.safetensors is not the file its card describes; get the defence again.")
    try:
        state = load_safetensors(content)
        network = BODIES[described.kind](**described.arguments)
    except (SafetensorError, TypeError, RuntimeError, ValueError):
        raise ValueError(
            f"{name}: its card and its weights are of no {described.kind}; get the defence again."
        ) from None
    expected = network.state_dict()
    if header.shapes(state) != header.shapes(expected):
        raise ValueError(f"{name}: its card and its weights do not belong together; get the defence again.")
    network.load_state_dict({key: value.to(expected[key].dtype) for key, value in state.items()})
    return network.eval().requires_grad_(False)


def described(text: DefenseCard) -> str:
    """A card as the file has it."""
    return json.dumps(json.loads(text.model_dump_json()), indent=1) + "\n"


class TrainedDefense(Defense):
    """What defences that are networks share: which trained one it is, and that gradients flow through it."""

    differentiable: ClassVar[bool] = True

    weights: str = parameter(
        "",
        title="Trained as",
        advanced=True,
        help="Name of the trained defence, a folder with defense.json among the checkpoints.",
    )

    def apply(self, images: Tensor) -> Tensor:
        """What the network makes of (N, C, H, W) in [0, 1]. ValueError for images of another shape than it was trained
        for."""
        found: Tensor = self.network(images)(images)
        return found.clamp(0, 1)

    def network(self, images: Tensor) -> Any:
        """The network, where `images` (N, C, H, W) lie and as precise. ValueError if they are not of its shape."""
        described = card(self.weights)
        if described.kind != self.name:
            raise ValueError(
                f"weights must name a defence of the kind {self.name}; {self.weights} is {described.kind}."
            )
        if images.shape[1:] != described.input_shape:
            raise ValueError(
                f"{self.title} was trained for images of shape {described.input_shape}; got {tuple(images.shape[1:])}."
            )
        return _placed(self.weights, described.sha256, images.device, images.dtype)


@functools.lru_cache(8)
def _placed(name: str, sha256: str, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A copy of a network for images there and of that precision."""
    network = _loaded(name, sha256)
    if (device, dtype) == (torch.device("cpu"), torch.float32):
        return network
    described = card(name)
    copy = BODIES[described.kind](**described.arguments)
    copy.load_state_dict(network.state_dict())
    return copy.eval().requires_grad_(False).to(device, dtype)
