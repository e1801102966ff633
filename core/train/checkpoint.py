"""What training leaves on the disk: a run's state after every epoch, and the finished checkpoint. Both atomic."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_safetensors
from torch import Tensor

import core
from core.data.store import write_together
from core.models import EMBEDDINGS, Accuracy, Card, Classifier, logits_of


def _write(files: Mapping[Path, bytes], what: str, where: Path) -> None:
    try:
        write_together({path: lambda file, content=content: file.write(content) for path, content in files.items()})  # type: ignore[misc]
    except OSError as error:
        reason = error.strerror or "write failed"
        raise ValueError(f"{what} cannot be written to {where} ({reason}); free some space.") from None


def write_state(path: Path, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    """Put a run's state into the one file `path`, whole or not at all. ValueError in one sentence on a full disk."""
    content = save_safetensors(
        {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()},
        metadata={"run": json.dumps(description)},
    )
    _write({path: content}, "the run's state", path)


def read_description(path: Path) -> dict[str, Any]:
    """What run the state in `path` is of and how far it is. ValueError in one sentence if it cannot be read."""
    return _read(path, weights=False)[1]


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the description that `write_state` put into `path`."""
    return _read(path, weights=True)


def _read(path: Path, weights: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, "pt") as file:
            description: dict[str, Any] = json.loads((file.metadata() or {})["run"])
            return {key: file.get_tensor(key) for key in file.keys()} if weights else {}, description  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError):
        raise ValueError(f"{path} is not the state of a run; delete it and train anew.") from None


def as_stored(state: Mapping[str, Tensor], half: bool) -> dict[str, Tensor]:
    """Copies of a network's state as they are stored: the body's matrices and kernels in float16 if `half`.

    The rest weighs next to nothing and stays as it is: biases, batch norm, and the head with its centres or references.
    """
    return {
        k: v.detach()
        .cpu()
        .to(
            torch.float16 if half and k.startswith("network.") and v.dim() > 1 else v.dtype,
            memory_format=torch.contiguous_format,
            copy=True,
        )
        for k, v in state.items()
    }


def save(
    model: Classifier,
    described: Card,
    folder: Path,
    images: Tensor,
    labels: Tensor,
    embeddings: dict[str, Tensor] | None = None,
) -> Card:
    """Write `model` as a checkpoint `folder / card.name`; its accuracy on `images` is measured on what is stored.

    Weights are kept in float16 where that costs no accuracy, else in float32. embeddings: see EMBEDDINGS. ValueError in
    one sentence if the disk is full or the folder not writable; nothing half written stays behind.
    """
    exact, half = as_stored(model.state_dict(), False), as_stored(model.state_dict(), True)
    full = accuracy(model, images, labels)
    model.load_state_dict({k: v.to(exact[k].dtype) for k, v in half.items()})
    rounded = accuracy(model, images, labels)
    model.load_state_dict(exact)
    keep_half = rounded >= full
    content = save_safetensors(half if keep_half else exact)
    finished = described.model_copy(
        update={
            "sha256": hashlib.sha256(content).hexdigest(),
            "accuracy": Accuracy(value=rounded if keep_half else full, n=len(labels), split="test"),
            "versions": {
                "smoothscope": core.__version__,
                "torch": torch.__version__.split("+")[0],
                "python": ".".join(map(str, sys.version_info[:2])),
            },
        }
    )
    card = json.dumps(json.loads(finished.model_dump_json()), indent=1) + "\n"
    target = folder / described.name
    files = {target / "weights.safetensors": content, target / "card.json": card.encode()}
    if embeddings:
        files[target / EMBEDDINGS] = save_safetensors(embeddings)
    _write(files, "the checkpoint", target)
    if not embeddings and (target / EMBEDDINGS).exists():
        os.unlink(target / EMBEDDINGS)  # those of another training under the same name
    return finished


def accuracy(model: Classifier, images: Tensor, labels: Tensor, batch_size: int = 500) -> float:
    """Share of `images` (N, C, H, W) that `model` assigns to `labels` (N,)."""
    return int((logits_of(model, images, batch_size).argmax(1) == labels).sum()) / len(labels)
