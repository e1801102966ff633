"""Training defences that are networks: `python -m core train-defense`.

They learn in minutes, so that nothing is resumed: a training that is interrupted is begun again.
"""

from __future__ import annotations

import abc
import argparse
import hashlib
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from rich.console import Console
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

import core
from core import models
from core.attacks.fgsm import SignDescent
from core.data import DATASETS, ImageSet, home, load
from core.data.store import check_writable, put
from core.defenses import DEFENSES, MagNet
from core.defenses.networks import VALIDATION, Denoiser, MagNetBody
from core.defenses.trained import CARD, DefenseCard, described
from core.models import Accuracy, Classifier, check_name, logits_of
from core.params import CommandParser, Parameters, Subparsers, add_arguments, from_arguments, options, parameter

_RATE = "The largest of a schedule that rises for 30 % of the run and falls to nothing."


@dataclass(frozen=True)
class DefenseEpoch:
    """What one epoch gave."""

    index: int
    total: int
    loss: float
    """Mean training loss of the epoch."""
    seconds: float


class DefenseRecipe(Parameters, abc.ABC):
    """How a defence is trained: what all have in common."""

    kind: ClassVar[str]
    """Key in core.defenses.DEFENSES."""

    epochs: int = parameter(10, ge=1, le=1000, step=1, unit="epochs", help="Passes over the training set.")
    batch_size: int = parameter(256, ge=1, le=8192, unit="images", help="Images for each step of Adam.")
    learning_rate: float = parameter(
        0.003,
        gt=0,
        le=1,
        log=True,
        symbol="η",
        help=_RATE,
    )
    n: int | None = parameter(
        None, ge=1, le=10_000_000, unit="images", none="all", help="Train on this many images only."
    )
    seed: int = parameter(0, ge=0, le=2**31 - 1, step=1, help="Of weights, order and noise.")

    @abc.abstractmethod
    def build(self, channels: int) -> nn.Module:
        """The untrained network."""

    @abc.abstractmethod
    def loss(self, network: nn.Module, clean: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The scalar to minimise for clean images (N, C, H, W) with their labels (N,)."""


class MagNetRecipe(DefenseRecipe):
    """MagNet's autoencoders: they give back pictures to which Gaussian noise was added.

    Section 5.2 of the paper and its code: mean squared error, noise of standard deviation 0.1, cut off to [0, 1], Adam.
    Departures: the noise is drawn anew in every epoch, not once; 12 epochs of batches of 64 at a rate that rises to
    0.01 and falls, where the paper has 100 of 256 at 0.001; its penalty of 1e-9 on activations, nothing beside the
    error, is left out.
    """

    kind: ClassVar[str] = "magnet"

    epochs: int = parameter(12, ge=1, le=1000, step=1, unit="epochs", help="Passes over the training set.")
    batch_size: int = parameter(64, ge=1, le=8192, unit="images", help="Images for each step of Adam.")
    learning_rate: float = parameter(0.01, gt=0, le=1, log=True, symbol="η", help=_RATE)
    noise: float = parameter(
        0.1, ge=0, le=1, step=0.01, paper="Meng and Chen, section 5.2", help="Standard deviation of what is added."
    )

    def build(self, channels: int) -> nn.Module:
        return MagNetBody(channels)

    def loss(self, network: nn.Module, clean: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        assert isinstance(network, MagNetBody)
        noisy = (clean + self.noise * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
        return F.mse_loss(network.first(noisy), clean) + F.mse_loss(network.second(noisy), clean)


class GuidedRecipe(DefenseRecipe):
    """HGD's denoiser: a fixed network shall answer to what it leaves of an attacked picture as to the clean one.

    Loss: mean |f(D(x*)) - f(x)| over logits (LGD, section 3.3 of Liao et al.). x* is, drawn anew for each batch, clean
    (one in five), or attacked by FGSM or by I-FGSM of 4 steps on one of `sources`, epsilon even between 0 and the
    largest: the paper's attacks, made on the way instead of once.
    """

    kind: ClassVar[str] = "hgd"

    width: int = parameter(8, ge=1, le=256, unit="features", help="Of the first level; the next has twice as many.")
    guide: str = parameter("mnist-c4-ce", help="The network whose logits guide it.")
    sources: str = parameter("mnist-c4-ce,mnist-lenet-ce", help="The networks that are attacked, separated by commas.")
    epsilon: float = parameter(0.3, ge=0, le=1, symbol="ε", help="Largest change of a value.")

    def build(self, channels: int) -> nn.Module:
        return Denoiser(self.width, channels)

    def loss(self, network: nn.Module, clean: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        guide = _network(self.guide)
        with torch.no_grad():
            wanted = guide(clean)
        seen = network(self.attacked(clean, labels, generator)).clamp(0, 1)
        difference: Tensor = (guide(seen) - wanted).abs().mean()
        return difference

    def attacked(self, clean: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """A batch of pictures (N, C, H, W) as the denoiser is shown them."""
        kind = int(torch.randint(5, (1,), generator=generator))
        if kind == 0:
            return clean
        names = self.sources.split(",")
        source = _network(names[int(torch.randint(len(names), (1,), generator=generator))].strip())
        epsilon = self.epsilon * float(torch.rand(1, generator=generator))
        steps = 1 if kind < 3 else 4
        ball, x = SignDescent(epsilon, epsilon if steps == 1 else 1.5 * epsilon / steps), clean
        for _ in range(steps):
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(F.cross_entropy(source(x), labels, reduction="sum"), x)
            x = ball.move(x.detach(), -gradient, clean)
        return x


RECIPES: dict[str, type[DefenseRecipe]] = {cls.kind: cls for cls in (MagNetRecipe, GuidedRecipe)}
_networks: dict[str, Classifier] = {}


def _network(name: str) -> Classifier:
    if name not in _networks:
        _networks[name] = models.load(name, "cpu")
    return _networks[name]


class DefenseTraining:
    """A defence being trained on `dataset`, on the CPU: iterate over its epochs, then `save` it.

    network: the classifier that it is measured with. ValueError in one sentence if the data set is not installed, a
    network is not there or for other pictures, or `name` cannot name a folder.
    """

    def __init__(self, recipe: DefenseRecipe, dataset: str, name: str, network: str) -> None:
        self.recipe, self.dataset, self.name = recipe, dataset, check_name(name)
        whole = load(dataset, "train")
        if len(whole) <= VALIDATION:
            raise ValueError(f"{dataset} must have more than {VALIDATION} training images; it has {len(whole)}.")
        self.kept, self.train = whole[:VALIDATION], whole[VALIDATION:]
        if recipe.n is not None:
            self.train = self.train[: recipe.n]
        self.test = load(dataset, "test")
        shape = tuple(self.train.images.shape[1:])
        named = [network, *(recipe.sources.split(",") if isinstance(recipe, GuidedRecipe) else ())]
        for each in [*named, *([recipe.guide] if isinstance(recipe, GuidedRecipe) else [])]:
            if models.card(each.strip()).input_shape != shape:
                raise ValueError(f"{each.strip()} does not take images of {dataset}; choose another network.")
        self.measured_with = _network(network)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        with torch.random.fork_rng([]):
            torch.manual_seed(recipe.seed)
            self.network = recipe.build(shape[0])

    def __iter__(self) -> Iterator[DefenseEpoch]:
        recipe = self.recipe
        batches = -(-len(self.train) // recipe.batch_size)
        optimiser = torch.optim.Adam(self.network.parameters(), recipe.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, recipe.learning_rate, total_steps=batches * recipe.epochs, cycle_momentum=False
        )
        for index in range(1, recipe.epochs + 1):
            start, total = time.perf_counter(), 0.0
            self.network.train()
            for rows in torch.randperm(len(self.train), generator=self.generator).split(recipe.batch_size):
                clean, labels = self.train.images[rows], self.train.labels[rows]
                loss = recipe.loss(self.network, clean, labels, self.generator)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                total += float(loss.detach()) * len(rows)
            yield DefenseEpoch(index, recipe.epochs, total / len(self.train), time.perf_counter() - start)
        self.network.eval().requires_grad_(False)
        if isinstance(self.network, MagNetBody):
            errors = [self.network.errors_of(x) for x in self.kept.images.split(500)]
            self.network.errors.copy_(torch.cat(errors, 1).sort(1).values)

    def save(self, folder: Path, source: str) -> DefenseCard:
        """Write weights and card into `folder / name`, both or none; the card's numbers are of what is stored."""
        content = save_safetensors({key: value.contiguous() for key, value in self.network.state_dict().items()})
        told = measured(self.network, self.measured_with, self.test)
        found = DefenseCard(
            name=self.name,
            title=f"{DEFENSES[self.recipe.kind].title} for {DATASETS[self.dataset].title}",
            kind=self.recipe.kind,
            arguments=self._arguments(),
            dataset=self.dataset,
            input_shape=tuple(self.train.images.shape[1:]),
            recipe=self.recipe.values(),
            network=self.measured_with.card.name,
            **told,
            sha256=hashlib.sha256(content).hexdigest(),
            versions={
                "smoothscope": core.__version__,
                "torch": torch.__version__.split("+")[0],
                "python": ".".join(map(str, sys.version_info[:2])),
            },
            source=source,
        )
        target = folder / self.name
        files = {target / "weights.safetensors": content, target / CARD: described(found).encode()}
        put(files, "the defence", target)
        return found

    def _arguments(self) -> Mapping[str, int]:
        channels = {"channels": self.train.images.shape[1]}
        return channels | ({"width": self.recipe.width} if isinstance(self.recipe, GuidedRecipe) else {})


@torch.no_grad()
def measured(network: nn.Module, model: Classifier, images: ImageSet) -> dict[str, Any]:
    """What a card says of a defence's `network` in front of `model`, on `images`: `bare`, `accuracy` and `refused`.

    Refused with the drop rate that the defence has by default.
    """

    def share(counted: Tensor) -> Accuracy:
        return Accuracy(value=int(counted.sum()) / len(images), n=len(images), split=images.split)

    batches = images.images.split(500)
    seen = torch.cat([network(x).clamp(0, 1) for x in batches])
    refused = None
    if isinstance(network, MagNetBody):
        refused = share(torch.cat([network.refuses(x, MagNet().drop_rate) for x in batches]))
    return {
        "bare": share(logits_of(model, images.images).argmax(1) == images.labels),
        "accuracy": share(logits_of(model, seen).argmax(1) == images.labels),
        "refused": refused,
    }


def add_command(subparsers: Subparsers) -> None:
    """Register `train-defense` with the options of each kind."""
    told = []
    for kind, cls in RECIPES.items():
        told.append(f"options of {kind}:")
        told += [f"  {line}" for line in options(cls)]
    parser = subparsers.add_parser(
        "train-defense",
        help="train a defence in front of networks: MagNet's autoencoders, HGD's denoiser",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(told),
    )
    parser.add_argument("kind", choices=list(RECIPES))
    parser.add_argument("--dataset", choices=[d for d in DATASETS if d != "photos"], default="mnist")
    parser.add_argument("--name", required=True, help="name of the defence")
    parser.add_argument("--network", default="mnist-c4-ce", help="the network that it is measured with")
    parser.add_argument("--out", type=Path, help="folder that gets it (default: checkpoints in SMOOTHSCOPE_HOME)")
    parser.set_defaults(run=_run, more=True)


def _run(arguments: argparse.Namespace, rest: list[str]) -> int:
    cls = RECIPES[arguments.kind]
    parser = CommandParser(prog=f"python -m core train-defense {arguments.kind}", allow_abbrev=False)
    add_arguments(parser, cls)
    recipe = from_arguments(cls, parser.parse_args(rest))
    out: Path = arguments.out or home() / "checkpoints"
    check_writable(out)
    words = [f"python -m core train-defense {arguments.kind} --dataset {arguments.dataset} --name {arguments.name}"]
    words.append(f"--network {arguments.network}")
    words += [f"--{key.replace('_', '-')} {value}" for key, value in recipe.changed().items()]
    console = Console()
    training = DefenseTraining(recipe, arguments.dataset, arguments.name, arguments.network)
    for epoch in training:
        console.print(f"epoch {epoch.index:3d}/{epoch.total}  loss {epoch.loss:.5f}  {epoch.seconds:.0f} s")
    card = training.save(out, f"trained by: {' '.join(words)}")
    refused = "" if card.refused is None else f"; {100 * card.refused.value:.2f} % are refused"
    console.print(
        f"{out / card.name}: {card.network} names {100 * card.accuracy.value:.2f} % of {card.accuracy.n} test images "
        f"rightly through it, {100 * card.bare.value:.2f} % bare{refused}"
    )
    return 0
