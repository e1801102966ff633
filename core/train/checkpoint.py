"""What training leaves behind: a checkpoint, its weights as small as costs no accuracy."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor

import core
from core.data.store import put, remedy
from core.models import EMBEDDINGS, Accuracy, Card, Classifier, logits_of


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
    new: bool = False,
    beside: Mapping[str, bytes] | None = None,
) -> Card:
    """Write `model` as a checkpoint `folder / card.name`; its accuracy on `images` is measured on what is stored.

    Weights are kept in float16 where that costs no accuracy, else in float32. Where the recipe mirrors pictures, so is
    the accuracy with them in view (`Card.mirrored`). embeddings: see EMBEDDINGS. new: nothing
    may have the name yet; of several that want it at once, one gets it. beside: further files of a new one, by name.
    ValueError in one sentence if the disk is full, the folder not writable, or the name taken; nothing half written
    stays behind.
    """
    exact, half = as_stored(model.state_dict(), False), as_stored(model.state_dict(), True)
    full = accuracy(model, images, labels)
    model.load_state_dict({k: v.to(exact[k].dtype) for k, v in half.items()})
    rounded = accuracy(model, images, labels)
    keep_half = rounded >= full
    if not keep_half:
        model.load_state_dict(exact)
    both = accuracy(model, images, labels, mirrored=True) if described.recipe.get("flip") else None
    model.load_state_dict(exact)
    content = save_safetensors(half if keep_half else exact)
    finished = described.model_copy(
        update={
            "sha256": hashlib.sha256(content).hexdigest(),
            "accuracy": Accuracy(value=rounded if keep_half else full, n=len(labels), split="test"),
            "mirrored": None if both is None else Accuracy(value=both, n=len(labels), split="test"),
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
    if new:
        contents = {path.name: content for path, content in files.items()} | dict(beside or {})
        _put_new(contents, target)
        return finished
    put(files, "the checkpoint", target)
    if not embeddings:
        _forget(target / EMBEDDINGS)  # those of another training under the same name
    return finished


def _put_new(contents: Mapping[str, bytes], target: Path) -> None:
    """Make the folder `target` of these files. They are written elsewhere: to rename a folder takes a free name."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=".keeping-"))
    except OSError as error:
        raise _unwritten(target, error) from None
    try:
        put({made / target.name / name: content for name, content in contents.items()}, "the checkpoint", target)
        os.rename(made / target.name, target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise _unwritten(target, error) from None
        raise ValueError(f"There is a checkpoint {target.name} already; choose another name.") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _unwritten(target: Path, error: OSError) -> ValueError:
    return ValueError(f"the checkpoint cannot be written to {target.name} ({error.strerror}); {remedy(error)}.")


def _forget(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(f"{path.name} of an earlier training cannot be deleted ({error.strerror}); do so.") from None


def accuracy(model: Classifier, images: Tensor, labels: Tensor, batch_size: int = 500, mirrored: bool = False) -> float:
    """Share of `images` (N, C, H, W) that `model` assigns to `labels` (N,).

    mirrored: by the sum of the logits of each image and of its mirror image.
    """
    logits = logits_of(model, images, batch_size)
    if mirrored:
        logits = logits + logits_of(model, images.flip(3), batch_size)
    return int((logits.argmax(1) == labels).sum()) / len(labels)
