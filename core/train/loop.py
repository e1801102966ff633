"""The training loop: a generator of epochs, and the checkpoint at its end."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save as save_safetensors
from torch import Tensor

import core
from core.data import DATASETS, load
from core.data.store import write_together
from core.models import Accuracy, Card, Classifier, build, check
from core.models.networks import initialise
from core.train.recipe import Recipe


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave."""

    index: int
    total: int
    loss: float
    """Mean training loss of the epoch."""
    accuracy: float
    """Share of test images that are classified correctly."""
    seconds: float


def accuracy(model: torch.nn.Module, images: Tensor, labels: Tensor, batch_size: int = 500) -> float:
    """Share of `images` (N, C, H, W) that `model` assigns to `labels` (N,)."""
    device = next(model.parameters()).device
    right = 0
    with torch.no_grad():
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            right += int((model(x.to(device)).argmax(1).cpu() == y).sum())
    return right / len(labels)


def shifted(images: Tensor, shift: int, generator: torch.Generator) -> Tensor:
    """Each image moved by its own random whole number of pixels, at most `shift`, zeros coming in."""
    if not shift:
        return images
    n, _, h, w = images.shape
    padded = F.pad(images, (shift,) * 4)
    dy, dx = torch.randint(0, 2 * shift + 1, (2, n, 1), generator=generator)
    rows = (torch.arange(h) + dy)[:, None, :, None]
    columns = (torch.arange(w) + dx)[:, None, None, :]
    batch = torch.arange(n)[:, None, None, None]
    channel = torch.arange(images.shape[1])[None, :, None, None]
    return padded[batch, channel, rows, columns]


class Training:
    """A network being trained: iterate over its epochs, then `save` it.

    network: key in core.models.NETWORKS; dataset: key in core.data.DATASETS; name: of the folder that will hold it.
    Raises ValueError in one sentence if the data set is not installed, the network does not take its images, or `name`
    cannot name a folder.
    """

    def __init__(
        self,
        network: str,
        dataset: str,
        recipe: Recipe,
        name: str,
        on_batch: Callable[[int, int], object] | None = None,
    ) -> None:
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(f"name must be letters, digits, '_', '-' and '.', a letter or digit first; got {name!r}.")
        self.recipe, self.on_batch = recipe, on_batch
        self.train = load(dataset, "train", n=recipe.n, seed=recipe.seed)
        self.test = load(dataset, "test")
        self.generator = torch.Generator().manual_seed(recipe.seed)
        flat = self.train.images.transpose(0, 1).flatten(1)
        self.card = Card(
            name=name,
            title=f"{network.upper()} on {DATASETS[dataset].title}, cross-entropy",
            dataset=dataset,
            network=network,
            loss="cross-entropy",
            input_shape=tuple(self.train.images.shape[1:]),
            classes=len(self.train.classes),
            mean=tuple(round(float(v), 4) for v in flat.mean(1)),
            std=tuple(round(float(v), 4) for v in flat.std(1)),
            recipe=recipe.values(),
            seed=recipe.seed,
            sha256="0" * 64,
            source="trained by: " + f"python -m core train --network {network} --dataset {dataset} --name {name}"
            + "".join(f" --{k.replace('_', '-')} {v}" for k, v in recipe.changed().items()),
        )  # fmt: skip
        self.model = build(self.card)
        initialise(self.model, self.generator)
        check(self.model)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate)
        self.batches = -(-len(self.train) // recipe.batch_size)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, recipe.learning_rate, total_steps=self.batches * recipe.epochs
        )
        self.final_accuracy: float | None = None

    def __iter__(self) -> Iterator[Epoch]:
        for index in range(1, self.recipe.epochs + 1):
            start, total_loss = time.perf_counter(), 0.0
            self.model.train()
            order = torch.randperm(len(self.train), generator=self.generator)
            for batch, rows in enumerate(order.split(self.recipe.batch_size)):
                x = shifted(self.train.images[rows], self.recipe.shift, self.generator)
                x = x.to(self.device, memory_format=torch.channels_last)
                y = self.train.labels[rows].to(self.device)
                with torch.autocast(self.device.type, torch.bfloat16):
                    logits = self.model(x)
                loss = F.cross_entropy(logits.float(), y, label_smoothing=self.recipe.label_smoothing)
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                self.schedule.step()
                total_loss += loss.item() * len(rows)
                if self.on_batch is not None:
                    self.on_batch((index - 1) * self.batches + batch + 1, self.batches * self.recipe.epochs)
            self.model.eval()
            self.final_accuracy = accuracy(self.model, self.test.images, self.test.labels)
            seconds = time.perf_counter() - start
            yield Epoch(index, self.recipe.epochs, total_loss / len(self.train), self.final_accuracy, seconds)

    def save(self, folder: Path) -> Card:
        """Write weights and card into `folder / name`, whole or not at all; the card holds the accuracy as stored.

        Weights are kept in float16 where that costs no test accuracy, else in float32.
        """
        return save(self.model, self.card, folder, self.test.images, self.test.labels)


def save(model: Classifier, described: Card, folder: Path, images: Tensor, labels: Tensor) -> Card:
    """Write `model` as a checkpoint `folder / card.name`; its accuracy on `images` is measured on what is stored.

    ValueError in one sentence if the disk is full or the folder not writable; nothing half written stays behind.
    """
    # Cloned: the model is about to hold rounded weights for a moment, and on the CPU its state is not a copy.
    exact = {
        k: v.detach().float().cpu().clone(memory_format=torch.contiguous_format) for k, v in model.state_dict().items()
    }
    full = accuracy(model, images, labels)
    half = {k: v.half() for k, v in exact.items()}
    model.load_state_dict({k: v.float() for k, v in half.items()})
    rounded = accuracy(model, images, labels)
    keep_half = rounded >= full
    model.load_state_dict(exact)
    content = save_safetensors(half if keep_half else exact)
    finished = described.model_copy(
        update={
            "sha256": hashlib.sha256(content).hexdigest(),
            "accuracy": Accuracy(value=rounded if keep_half else full, n=len(labels), split="test"),
            "versions": {"smoothscope": core.__version__, "torch": torch.__version__.split("+")[0],
                         "python": ".".join(map(str, sys.version_info[:2]))},
        }
    )  # fmt: skip
    card = json.dumps(json.loads(finished.model_dump_json()), indent=1) + "\n"
    target = folder / described.name
    try:
        write_together(
            {
                target / "weights.safetensors": lambda file: file.write(content),
                target / "card.json": lambda file: file.write(card.encode()),
            }
        )
    except OSError as error:
        raise ValueError(f"the checkpoint cannot be written to {target} ({error.strerror}); free some space.") from None
    return finished
