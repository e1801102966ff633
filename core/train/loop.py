"""The training loop: a generator of batches and epochs, resumable after every epoch."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from core import models
from core.data import DATASETS, ImageSet, gallery, load
from core.data.imageset import draw
from core.data.store import remedy
from core.losses import CrossEntropy, Loss, choose_references, trained_with
from core.losses.max_mahalanobis import FixedCenters
from core.models import NETWORKS, TITLES, TRAINABLE, Card, Change, Classifier, build, check, features_of, header
from core.models.heads import KernelHead
from core.models.networks import initialise
from core.models.whitened import IMAGES, WhitenedCNN
from core.train import checkpoint, ranks, runs
from core.train.augment import (
    alternating,
    attacked,
    features,
    flipped,
    mirrored,
    precision,
    scaled,
    shifted,
    size_in,
)
from core.train.muon import Muon
from core.train.recipe import Recipe, against
from core.train.runs import Epoch


@dataclass(frozen=True)
class Batch:
    """One optimiser step was taken."""

    done: int
    """Steps since the run began."""
    total: int
    loss: float


OWN = ("name", "source", "sha256", "versions", "title", "changes", "mirrored")
"""Entries of a run's card that may differ where it is continued, or are kept apart."""
MOST = 1000
"""Changes in one training: what a card holds."""


def changeable(loss: Loss) -> tuple[str, ...]:
    """What can be set otherwise while a network is trained with `loss`."""
    return ("learning_rate", *loss.changeable)


class Objective(nn.Module):
    """Images and labels to the loss, as one module, which is what distributed data parallel wraps."""

    def __init__(self, model: nn.Module, loss: Loss, recipe: Recipe) -> None:
        super().__init__()
        self.model, self.loss, self.recipe = model, loss, recipe

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.loss(self.model.head, features(self.model, images, self.recipe), labels)  # type: ignore[arg-type]


def network_arguments(network: str, shape: tuple[int, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given`, with the channels and the size of the images where the network asks for them and its default differs."""
    declared = inspect.signature(NETWORKS[network]).parameters
    wanted = {"channels": shape[0], "size": shape[1]}
    found = {k: v for k, v in wanted.items() if k in declared and declared[k].default != v}
    return found | dict(given)


GALLERY_TRAIN = 800
"""Images of a gallery that may be trained on where the full set is not installed; the other 200 test."""


def image_sets(dataset: str, recipe: Recipe) -> tuple[ImageSet, ImageSet]:
    """What to train on and what to test on: the official splits.

    Where the full set is not installed and the recipe asks for at most GALLERY_TRAIN images, both come from the
    thousand images of the gallery, and their notes say so. DataError if there is neither.
    """
    small = recipe.n is not None and recipe.n <= GALLERY_TRAIN
    if dataset in DATASETS and DATASETS[dataset].gallery and not DATASETS[dataset].installed() and small:
        images = gallery.read(dataset)  # classes take turns, so both parts are balanced
        train = images[:GALLERY_TRAIN]
        return train[draw(recipe.n, len(train), recipe.seed)], images[GALLERY_TRAIN:]
    return load(dataset, "train", n=recipe.n, seed=recipe.seed), load(dataset, "test")


def suited(shape: tuple[int, ...]) -> list[str]:
    """Keys of the networks that take images of `shape` (C, H, W) and can be trained."""
    found = []
    for name in TRAINABLE:
        cls = NETWORKS[name]
        try:
            with torch.no_grad():
                network = cls(**network_arguments(name, shape, {})).eval()
                fits = network(torch.full((1, *shape), 0.5)).shape == (1, network.features)
        except RuntimeError:
            fits = False
        found += [name] * fits
    return found


class Training:
    """A network being trained: iterate over its epochs (or pull `steps`), then `save` it.

    network: key in core.models.NETWORKS; dataset: key in core.data.DATASETS; name: of the folder that will hold it;
    loss: cross-entropy if left out; arguments: of the network's constructor. state: a file that holds the run's state
    after every epoch; if it exists already, the run continues from there, and on the CPU the result has the same bits
    as if it had never been interrupted. start: a checkpoint of the same network and head whose weights to begin with (a
    warm restart; a network that is to stand attacks); the epochs of which it kept features go before those of this run.
    changes: what is to be set otherwise on the way, as the card of a run that `change` was called on has it.
    Under `torchrun` every process makes the same Training, takes its share of every batch, and the first one measures
    and writes.

    Raises ValueError in one sentence if the data set is not installed, the network does not take its images, `name`
    cannot name a folder, `start` is another network, or the state is that of another run.
    """

    def __init__(
        self,
        network: str,
        dataset: str,
        recipe: Recipe,
        name: str,
        loss: Loss | None = None,
        arguments: Mapping[str, Any] | None = None,
        state: Path | None = None,
        start: str | None = None,
        changes: Sequence[Change] = (),
    ) -> None:
        models.check_name(name)
        self.recipe, self.loss, self.state = recipe, loss or CrossEntropy(), state
        self.train, self.test = image_sets(dataset, recipe)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        shape, classes = tuple(self.train.images.shape[1:]), len(self.train.classes)
        flat = self.train.images.transpose(0, 1).flatten(1)
        self._told = _command(network, dataset, name, recipe, self.loss, arguments or {})
        self._told += f" --start {start}" if start else ""
        self.card = Card(
            name=name,
            title=_title(network, dataset, recipe, self.loss),
            dataset=dataset,
            network=network,
            network_arguments=network_arguments(network, shape, arguments or {}),
            input_shape=shape,
            classes=classes,
            mean=tuple(round(float(v), 4) for v in flat.mean(1)),
            std=tuple(round(float(v), 4) for v in flat.std(1)),
            recipe=recipe.values(),
            seed=recipe.seed,
            sha256="0" * 64,
            source=f"trained by: {self._told}" + (" (on the gallery)" if self.train.source == "gallery" else ""),
            loss=self.loss.name,
            start=start,
        )
        width = build(self.card).network.features
        self.card = self.card.model_copy(update=self.loss.entries(classes, int(width)))  # type: ignore[arg-type]
        self.before: dict[int, tuple[Tensor, Tensor]] = {}
        """What the network that this run begins with kept of the same images, as `kept`."""
        self.sample = self.test[draw(max(1, min(recipe.sample, len(self.test))), len(self.test), recipe.seed)]
        began = self._began(start) if start else None
        self.model = build(self.card)
        initialise(self.model, self.generator)
        self.loss.prepare(self.model.head, self.generator, DATASETS[dataset].groups)
        if began is not None:
            self.model.load_state_dict(began)
        elif isinstance(self.model.network, WhitenedCNN):
            self.model.network.whiten((self.train.images[:IMAGES] - self.model.mean) / self.model.std)
        check(self.model.eval())
        self._check_small()
        self.device = models.default_device()
        self.model.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.sources = self._sources()
        """The networks that adversaries are made on besides the one in training, with the losses that trained them."""
        self._objective = Objective(self.model, self.loss, recipe)
        self.objective = ranks.parallel(self._objective)
        self.references = (
            choose_references(self.train.labels, self.loss.wanted_references, self.generator)
            if self.loss.wanted_references
            else torch.empty(0, dtype=torch.long)
        )
        self.kept = dict(self.before)
        """Epoch -> features (n, d) and predictions (n,) of `sample`, 0 being before training."""
        self.heads: dict[int, dict[str, Tensor]] = {}
        """Epoch of `kept` -> the head's state then, where features have two dimensions, over which its answers can be
        drawn; of the epochs since this object was made."""
        self.optimiser = _optimiser(self.model, recipe)
        self.batches = max(1, len(self.train) // recipe.batch_size + (self._last_batch() > 0))
        self.schedule = _schedule(self.optimiser, recipe, self.batches)
        self.rate = recipe.learning_rate
        """The largest learning rate of the schedule, as it is now."""
        self.taken = 0
        """Optimiser steps since the run began."""
        self._planned = list(changes)
        self.history: list[Epoch] = []
        if state is not None and os.path.lexists(state):
            self._resume(state)
        elif recipe.sample and not self.kept:
            self._keep_start()

    @property
    def done(self) -> int:
        """Epochs that are finished."""
        return len(self.history)

    def change(self, parameter: str, value: Any) -> Change:
        """Set the learning rate, or a parameter that the loss calls `changeable`, otherwise from the next step on.

        The schedule goes on from where it is, all its rates being larger or smaller by one factor. The card notes it,
        and the command in its source does it again. ValueError in one sentence for what cannot be changed, or not so.
        """
        self._apply(Change(step=self.taken, parameter=parameter, value=value))
        return self.card.changes[-1]

    def _apply(self, change: Change) -> None:
        if len(self.card.changes) >= MOST:
            raise ValueError(f"changes must be at most {MOST} in one training.")
        if change.parameter == "learning_rate":
            rate = self.recipe.replace(learning_rate=change.value).learning_rate
            factor, self.rate = rate / self.rate, rate
            for group in self.optimiser.param_groups:
                group |= {key: factor * group[key] for key in runs.RATES if key in group}
            self.schedule.base_lrs = [factor * base for base in self.schedule.base_lrs]
        elif change.parameter in self.loss.changeable:
            self.loss = self._objective.loss = self.loss.replace(**{change.parameter: change.value})
        else:
            able = " and ".join(changeable(self.loss))
            raise ValueError(f"while it is trained {able} can be changed; {change.parameter} cannot.")
        before = "".join(f" --change {each}" for each in self.card.changes)
        source = self.card.source.replace(self._told + before, f"{self._told}{before} --change {change}", 1)
        self.card = self.card.model_copy(update={"changes": (*self.card.changes, change), "source": source})

    def __iter__(self) -> Iterator[Epoch]:
        return (event for event in self.steps() if isinstance(event, Epoch))

    def steps(self) -> Iterator[Batch | Epoch]:
        """Train on from where the run is: every optimiser step, and after its last one the epoch they made.

        To stop pulling is to stop; the state on the disk is that of the last whole epoch. ValueError in one sentence if
        another process is training this run, or the disk is full.
        """
        if self.state is None or ranks.rank() > 0:
            yield from self._steps()
            return
        lock = FileLock(self.state.with_suffix(".lock"))
        try:
            self.state.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(f"the run {self.card.name} is under way already; choose another name.") from None
        except OSError as error:
            reason = error.strerror or "it cannot be locked"
            raise ValueError(f"the run {self.card.name} cannot be kept ({reason}); {remedy(error)}.") from None
        try:
            yield from self._steps()
        finally:
            lock.release()

    def _steps(self) -> Iterator[Batch | Epoch]:
        for index in range(self.done + 1, self.recipe.epochs + 1):
            start, total_loss, seen = time.perf_counter(), 0.0, 0
            noise = torch.Generator(self.device).manual_seed(
                hash((self.recipe.seed, index, ranks.rank())) % 2**63
            )  # of the attacks of adversarial training; its own, for ranks may draw unequal shares
            size = size_in(index, self.recipe, self.train.images.shape[-1])
            sides = alternating(len(self.train), index, self.recipe.seed)
            self.model.train()
            order = torch.randperm(len(self.train), generator=self.generator).split(self.recipe.batch_size)
            for batch, rows in enumerate(order[: self.batches], 1):
                self.taken = (index - 1) * self.batches + batch - 1
                while self._planned and self._planned[0].step <= self.taken:
                    self._apply(self._planned.pop(0))
                x = shifted(self.train.images[rows], self.recipe.shift, self.generator, self.recipe.border)
                if self.recipe.flip:
                    x = mirrored(x, sides[rows]) if self.recipe.alternate else flipped(x, self.generator)
                mine = slice(ranks.rank(), None, ranks.world())
                x = scaled(x[mine].to(self.device), size).to(memory_format=torch.channels_last)
                y = self.train.labels[rows][mine].to(self.device)
                x = attacked(self.model, self.loss, self.recipe, x, y, noise, self.sources)
                loss = self.objective(x, y)
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                self.schedule.step()
                value = float(ranks.mean(loss.detach()))
                total_loss, seen = total_loss + value * len(rows), seen + len(rows)
                self.taken += 1
                yield Batch(self.taken, self.batches * self.recipe.epochs, value)
            self.model.eval()
            if ranks.rank() == 0:
                self._refer()
                right = self._accuracy()
                if self.recipe.sample and (index % self.recipe.sample_every == 0 or index == self.recipe.epochs):
                    self._keep(index)
            else:
                right = float("nan")
            epoch = Epoch(index, self.recipe.epochs, total_loss / seen, right, time.perf_counter() - start)
            self.history.append(epoch)
            if self.state is not None and ranks.rank() == 0:
                self._store(self.state)
            yield epoch

    def save(
        self, folder: Path, name: str | None = None, new: bool = False, beside: Mapping[str, bytes] | None = None
    ) -> Card:
        """Write weights, card and kept features into `folder / name`, whole or not at all.

        name: that of the run if left out. new, beside: see `checkpoint.save`. The card holds the accuracy as stored;
        weights are kept in float16 where that costs no test accuracy, else in float32.
        """
        described = self.card.model_copy(update={"name": models.check_name(name or self.card.name)})
        return checkpoint.save(
            self.model, described, folder, self.test.images, self.test.labels, self.embeddings(), new, beside
        )

    def embeddings(self) -> dict[str, Tensor]:
        """What `core.models.EMBEDDINGS` describes, of the epochs so far; empty if the recipe keeps none."""
        if not self.kept:
            return {}
        return {
            "epochs": torch.tensor(sorted(self.kept)),
            "features": torch.stack([self.kept[e][0] for e in sorted(self.kept)]).half(),
            "predictions": torch.stack([self.kept[e][1] for e in sorted(self.kept)]).to(torch.int16),
            "indices": self.sample.indices,
            "labels": self.sample.labels,
        }

    def _began(self, start: str) -> dict[str, Tensor]:
        """The weights of the checkpoint `start`; its normalisation and its past become those of this run."""
        began = models.load(start, "cpu")
        same = (
            "network",
            "network_arguments",
            "input_shape",
            "classes",
            "embedding",
            "embedding_norm",
            "head",
            "head_arguments",
        )
        if other := [field for field in same if getattr(began.card, field) != getattr(self.card, field)]:
            raise ValueError(f"{start} cannot be begun with: {' and '.join(other).replace('_', ' ')} must be the same.")
        self.card = self.card.model_copy(
            update={
                "mean": began.card.mean,
                "std": began.card.std,
                "source": f"{self.card.source}; {start}: {began.card.source}",
            }
        )
        past = models.kept_features(start)
        if past is not None and len(past.indices) == self.recipe.sample:
            place = {int(index): row for row, index in enumerate(self.test.indices)}
            rows = [place.get(int(index)) for index in past.indices]
            if None not in rows:  # the film goes on with the same images, whatever this run's seed would draw
                self.sample = self.test[torch.tensor(rows)]
                self.before = dict(zip(past.epochs, zip(past.features, past.predictions, strict=True), strict=True))
        return began.state_dict()

    def _sources(self) -> list[tuple[Classifier, Loss]]:
        """Those that the recipe names. ValueError in one sentence for one that is not of the same images."""
        found = []
        size = size_in(1, self.recipe, self.train.images.shape[-1])
        for name in self.recipe.named_sources:
            model = models.load(name, self.device)
            if (model.card.dataset, model.card.input_shape) != (self.card.dataset, self.card.input_shape):
                raise ValueError(
                    f"sources must be networks for {self.card.dataset}; {name} is for {model.card.dataset}."
                )
            if size != self.train.images.shape[-1] and not _takes(model, size):
                raise ValueError(f"first_size must be left out: {name} takes no pictures of {size} pixels.")
            found.append((model, trained_with(model.card)))
        return found

    def _features(self, images: Tensor) -> Tensor:
        with precision(self.recipe, self.device):
            return features_of(self.model, images).to(self.device)

    def _refer(self) -> None:
        """Let the head store today's features of its references (of the kernel head, graph smoothness)."""
        if isinstance(self.model.head, KernelHead):
            rows = self.references
            self.model.head.refer(self._features(self.train.images[rows]), self.train.labels[rows].to(self.device))

    def _accuracy(self) -> float:
        with torch.no_grad():
            logits: Tensor = self.model.head(self._features(self.test.images[: self.recipe.test_n]))
        return float((logits.argmax(1).cpu() == self.test.labels[: self.recipe.test_n]).double().mean())

    def _keep(self, epoch: int) -> None:
        z = self._features(self.sample.images)
        with torch.no_grad():
            self.kept[max(self.before, default=0) + epoch] = z.cpu(), self.model.head(z).argmax(1).cpu()
        if z.shape[1] == 2:
            state = self.model.head.state_dict()
            self.heads[max(self.before, default=0) + epoch] = {k: v.detach().cpu().clone() for k, v in state.items()}

    def _keep_start(self) -> None:
        """Keep the features of before training; their batch norms as if they had seen the sample, for they saw none."""
        trained, self.model = self.model, copy.deepcopy(self.model).train()
        for layer in self.model.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.momentum = 1.0
        if len(self.sample) > 1:
            with torch.no_grad():
                self.model(self.sample.images[:500].to(self.device))
        self.model.eval()
        self._keep(0)
        if isinstance(self.model.head, KernelHead):  # it stores no features yet, and names nothing
            self.heads.clear()
        self.model = trained.eval()

    def _last_batch(self) -> int:
        """Images of the last, smaller batch; 0 if there is none or a batch norm could not take it."""
        size = len(self.train) % self.recipe.batch_size
        return size if size >= 2 * ranks.world() or size == len(self.train) else 0

    def _check_small(self) -> None:
        """ValueError if the network does not take the scaled-down pictures it is to begin with."""
        size = size_in(1, self.recipe, self.train.images.shape[-1])
        if not _takes(self.model, size):
            raise ValueError(f"first_size must be left out: {self.card.network} takes no pictures of {size} pixels.")

    def _description(self) -> dict[str, Any]:
        """What must be the same for a run to be continued; the name only says where it ends up."""
        kept = self.card.model_dump(mode="json", exclude=set(OWN))
        return {"card": kept, "world": ranks.world()}

    def _store(self, path: Path) -> None:
        optimiser = self.optimiser.state_dict()
        tensors = self._fixed()
        scalars: dict[str, dict[str, Any]] = {}
        for number, entries in optimiser["state"].items():
            for key, value in entries.items():
                if isinstance(value, Tensor):
                    tensors[f"optimiser.{number}.{key}"] = value
                else:
                    scalars.setdefault(str(number), {})[key] = value
        for epoch, (z, named) in self.kept.items():
            tensors |= {f"kept.{epoch}.features": z, f"kept.{epoch}.predictions": named}
        runs.write(
            path,
            tensors,
            self._description()
            | {
                "history": [dataclasses.asdict(epoch) for epoch in self.history],
                "optimiser": scalars,
                "groups": optimiser["param_groups"],
                "schedule": self._schedule_state(),
                "changes": [change.model_dump() for change in self.card.changes],
            },
        )

    def _fixed(self) -> dict[str, Tensor]:
        """What every state holds."""
        model = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        return model | {"generator": self.generator.get_state()}

    def _schedule_state(self) -> dict[str, Any]:
        return {k: v for k, v in self.schedule.state_dict().items() if isinstance(v, int | float | list)}

    def _resume(self, path: Path) -> None:
        run = runs.read(path)
        # A parameter that was added to recipes since counts as at its default.
        began = run.description.card | {"recipe": run.recipe.values()}
        if {"card": began, "world": run.description.world} != self._description():
            raise _other_settings(path)
        self.taken = run.done * self.batches
        self._repeat(run.description.changes, path)
        n, width = len(self.sample), self.card.embedding or int(self.model.network.features)  # type: ignore[arg-type]
        kept = {"features": ((n, width), True), "predictions": ((n,), False)}
        fixed = header.shapes(self._fixed())
        groups = self.optimiser.state_dict()["param_groups"]
        parameters = [tuple(p.shape) for group in self.optimiser.param_groups for p in group["params"]]
        steps = run.done * self.batches
        if not (
            runs.has_tensors(run.shapes, fixed, parameters, kept)
            and runs.has_schedule(run.description, groups, self._schedule_state(), steps)
        ):
            raise runs.refusal(path)
        try:
            self._restore(runs.read_tensors(path, run.shapes), run.description)
        except (RuntimeError, TypeError):  # the generator's, of which any bytes have the right shape
            raise runs.refusal(path) from None

    def _repeat(self, made: Sequence[Change], path: Path) -> None:
        """Do the changes again that the state in `path` was made with; what is planned after them is still to come."""
        planned = self._planned
        self._planned = planned[len(made) :]
        if planned and (planned[: len(made)] != list(made) or any(one.step < self.taken for one in self._planned)):
            raise _other_settings(path)
        try:
            if any(one.step > self.taken for one in made):
                raise ValueError
            for one in made:
                self._apply(one)
        except ValueError:
            raise runs.refusal(path) from None

    def _restore(self, tensors: Mapping[str, Tensor], description: runs.Description) -> None:
        self.model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        entries: dict[int, dict[str, Any]] = {int(k): dict(v) for k, v in description.optimiser.items()}
        for key, value in tensors.items():
            if key.startswith("optimiser."):
                _, number, entry = key.split(".")
                entries.setdefault(int(number), {})[entry] = value
        self.optimiser.load_state_dict({"state": entries, "param_groups": description.groups})
        self.schedule.load_state_dict(self.schedule.state_dict() | description.schedule)
        self.generator.set_state(tensors["generator"])
        self.history = list(description.history)
        epochs = {int(key.split(".")[1]) for key in tensors if key.startswith("kept.")}
        self.kept = {e: (tensors[f"kept.{e}.features"], tensors[f"kept.{e}.predictions"]) for e in epochs}
        self.model.eval()


def _takes(model: Classifier, size: int) -> bool:
    """Whether a network takes pictures of `size` x `size` pixels."""
    try:
        with torch.no_grad():
            model(torch.full((1, model.card.input_shape[0], size, size), 0.5, device=model.device))
    except RuntimeError:
        return False
    return True


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    named = list(model.named_parameters())
    kernels = []
    if recipe.optimiser == "muon":
        kernels = [p for _, p in named if p.ndim == 4]
        named = [(name, p) for name, p in named if p.ndim != 4]
    free = [p.ndim <= 1 or name.endswith(("centers", "log_precision")) for name, p in named]
    groups = [
        {
            "params": [p for (_, p), f in zip(named, free, strict=True) if f is exempt],
            "weight_decay": 0.0 if exempt else recipe.weight_decay,
        }
        for exempt in (False, True)
    ]
    match recipe.optimiser:
        case "adamw":
            return torch.optim.AdamW(groups, lr=recipe.learning_rate)
        case "adam":
            return torch.optim.Adam(groups, lr=recipe.learning_rate)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
        case "muon":
            turned = {"params": kernels, "lr": recipe.learning_rate, "kernels": True}
            dtype = torch.bfloat16 if recipe.precision == "bfloat16" else torch.float32
            return Muon([turned, *groups], lr=recipe.other_rate, momentum=recipe.momentum, dtype=dtype)
        case "sgd":
            nesterov = recipe.momentum > 0
            return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=nesterov)


def _schedule(optimiser: torch.optim.Optimizer, recipe: Recipe, batches: int) -> torch.optim.lr_scheduler.LRScheduler:
    steps = batches * recipe.epochs
    match recipe.schedule:
        case "one-cycle":
            # Only Adam's momentum goes against the rate: that of the others is a declared parameter.
            cycled = recipe.optimiser in ("adam", "adamw")
            rates = [group["lr"] for group in optimiser.param_groups]
            return torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=steps, cycle_momentum=cycled)
        case "steps":
            return torch.optim.lr_scheduler.MultiStepLR(optimiser, sorted({steps // 2, 3 * steps // 4}))
        case "constant":
            return torch.optim.lr_scheduler.ConstantLR(optimiser, 1.0)


def _other_settings(path: Path) -> ValueError:
    return ValueError(
        f"{path.name} is the state of a run with other settings; choose another name, or delete it to start anew."
    )


def _title(network: str, dataset: str, recipe: Recipe, loss: Loss) -> str:
    words = [f"{TITLES[network]} on {DATASETS[dataset].title}", loss.title]
    if getattr(loss, "dim", None) == 2:
        words.append("in two dimensions")
    if isinstance(loss, FixedCenters) and loss.centers != "optimal":
        words.append(f"{loss.centers} centres")
    if recipe.adversarial != "none":
        words.append(f"adversarially trained ({against(recipe.values())})")
    return ", ".join(words)


def _command(network: str, dataset: str, name: str, recipe: Recipe, loss: Loss, arguments: Mapping[str, Any]) -> str:
    """The command line that trains this."""
    words = [f"python -m core train --network {network} --dataset {dataset} --name {name}"]
    words += [f"--network-argument {key}={value}" for key, value in arguments.items()]
    words += [f"--loss {loss.name}"] * (loss.name != CrossEntropy.name)
    words += [f"--loss-{k.replace('_', '-')} {v}" for k, v in loss.changed().items()]
    words += [f"--{k.replace('_', '-')} {v}" for k, v in recipe.changed().items()]
    return " ".join(words)


def resume(path: Path, name: str) -> Training:
    """The run whose state lies in `path`, to be continued; it will be saved as `name`. ValueError if it is none."""
    run = runs.read(path)
    card = run.card
    return Training(card.network, card.dataset, run.recipe, name, run.loss, card.network_arguments, path, card.start)
