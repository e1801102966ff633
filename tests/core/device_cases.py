"""What of core is run on another device: by name, functions of a device, whose numbers are the CPU's.

    python -m tests.core.device_cases          on the one of tests/elsewhere.py
    python -m tests.core.device_cases cuda     on a GPU

prints as JSON what went wrong with each, "" where nothing did.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core import data, magnify, metrics, models
from core.attacks import ATTACKS, Attack, Run, Universal, run
from core.attacks.universal import apply_universal, fit_universal, fooling_rate
from core.evaluate.attacking import attack_many, correct
from core.evaluate.comparison import matched
from core.features import density, projections, trails
from core.features.projections import Space
from core.filters import bilateral, kernel, low_pass
from core.graph import PixelGraph, Smoother
from core.losses import CLASSIFIERS, LOSSES, classify, graph_smoothness, trained_with
from core.losses.playground import Playground, play
from core.models import Classifier, features_of, logits_of
from core.models.heads import KernelHead
from core.papers.graph_smoothness import errors as graph_errors
from core.papers.mmc import attacks as mmc_attacks
from core.params import fields, quick
from core.train import ADVERSARIES, Recipe, Training, loop
from tests import elsewhere
from tests.problems import trained_for, uniform

Numbers = list[Tensor]
Case = Callable[[torch.device], Numbers]

CPU = torch.device("cpu")
CLASSES, SIZE = 3, 8
SHORT = {"deepfool_steps": 2, "projections": 2, "clip_steps": 3, "set_passes": 1}
"""Budgets that are shorter still: every operation is watched, and the first steps show all that there are."""
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    def register(function: Case) -> Case:
        CASES[name] = function
        return function

    return register


@functools.cache
def network(name: str, device: torch.device) -> Classifier:
    return models.load(name, device)


def digits(n: int = 2) -> data.ImageSet:
    return data.gallery.read("mnist")[:n]


# Attacks. Images and labels lie on the CPU, as a page or a command has them: `Run` must bring them to the network.


def variants(cls: type[Attack]) -> Iterator[tuple[str, Attack]]:
    """The attack on a small budget, and so with every option off its default."""
    budget = quick(cls) | {name: value for name, value in SHORT.items() if name in cls.model_fields}
    yield "", cls(**budget)
    for info in fields(cls):
        if info.kind in ("bool", "choice"):
            for value in info.choices or (False, True):
                if value != info.default:
                    yield f" {info.name}={value}", cls(**budget | {info.name: value})
    if "search_steps" in cls.model_fields:
        yield " search_steps=2", cls(**budget | {"search_steps": 2})
    if "alpha" in cls.model_fields:
        yield " alpha=0", cls(**budget | {"alpha": 0.0})


def attacked(attack: Attack, model: str, images: Tensor, labels: Tensor, device: torch.device) -> Numbers:
    labels = labels.clone()
    labels[0] = (labels[0] + 1) % 10  # one that is named wrongly already, so left out
    driver = Run(attack, network(model, device), images, labels, seed=3)
    for step in itertools.islice(driver, 3):
        assert step.images.device == step.best.device == step.found.device == network(model, device).device
    result = driver.result()
    assert {t.device for t in (result.adversarial, result.logits, result.l2, *result.trace.values())} == {CPU}
    return [torch.tensor([s == "fooled" for s in result.status])]


for _name, _cls in ATTACKS.items():
    for _label, _attack in variants(_cls):

        def _attacked(device: torch.device, attack: Attack = _attack) -> Numbers:
            if attack.name == "color_shift":
                images, model = data.gallery.read("cifar10")[:2], "cifar10-resnet32-ce"
            else:
                images, model = digits(), "mnist-c4-mmc"
            return attacked(attack, model, images.images, images.labels, device)

        CASES[f"attack {_name}{_label}"] = _attacked


@case("attack universal, fitted and applied")
def _universal(device: torch.device) -> Numbers:
    model, shelf = network("mnist-c4-ce", device), digits(4)
    x, y = shelf.images.to(device), shelf.labels.to(device)
    r = fit_universal(Universal(**quick(Universal)), model, x, y)
    fooling_rate(model, r, x, y)
    return [apply_universal(r, x).isfinite().all()[None]]


# Networks, losses and heads.

for _name in ("mnist-fc2-ce", "mnist-lenet-graph-2d", "cifar10-preactresnet18-mmc", "cifar10-resnet32-ce"):

    def _network(device: torch.device, name: str = _name) -> Numbers:
        model = network(name, device)
        x = uniform(3, *model.card.input_shape)
        assert model.device == device
        return [features_of(model, x, 2), logits_of(model, x, 2)]

    CASES[f"network {_name}"] = _network


def fresh(loss_name: str, device: torch.device) -> tuple[Classifier, Tensor, Tensor]:
    """A small network as training would make it for a loss, with a batch for it."""
    arguments = {"references": 30} if loss_name == "graph-smoothness" else {}
    model = trained_for(LOSSES[loss_name](**arguments), CLASSES, SIZE)
    return model.to(device), uniform(30, 1, SIZE, SIZE).to(device), (torch.arange(30) % CLASSES).to(device)


for _name in LOSSES:

    def _loss(device: torch.device, name: str = _name) -> Numbers:
        model, x, y = fresh(name, device)
        loss = trained_with(model.card)
        if isinstance(model.head, KernelHead):
            model.head.refer(model.features(x).detach(), y)
        z = model.features(x)
        value = loss(model.head, z, y)
        slopes = torch.autograd.grad(value + loss.attack(model.head, z, y).sum(), list(model.network.parameters()))
        return [value[None], model(x), *slopes]

    def _classified(device: torch.device, name: str = _name) -> Numbers:
        """Features on the CPU, where `features_of` brings them, whatever the head's device; and on it."""
        model, x, y = fresh(name, device)
        if isinstance(model.head, KernelHead):
            model.head.refer(model.features(x).detach(), y)
        z = features_of(model, x)
        names = [n for n in CLASSIFIERS if n != "nearest-center" or hasattr(model.head, "centers")]
        found = [classify(n, model.head, z, y.cpu(), z) for n in names]
        assert all(f.device == CPU for f in found)
        return [*found, *(classify(n, model.head, z.to(device), y, z.to(device)) for n in names)]

    CASES[f"loss {_name}"] = _loss
    CASES[f"loss {_name}, classifiers"] = _classified


@case("loss graph smoothness, neighbours")
def _graph_loss(device: torch.device) -> Numbers:
    z = uniform(12, 4).to(device).requires_grad_(True)
    value = graph_smoothness(z, (torch.arange(12) % 3).to(device), 2.0, k=3)
    return [value[None], *torch.autograd.grad(value, z)]


@case("features, projections")
def _projected(device: torch.device) -> Numbers:
    """Maps are made on the CPU, from what checkpoints kept and `features_of` gives: nothing else is taken."""
    model, shelf = network("mnist-c4-mmc", device), digits(30)
    centers = model.head.centers.cpu()
    space = Space(features_of(model, shelf.images)[None], shelf.labels, centers)
    if device.type != "cpu":
        with pytest.raises(ValueError, match="must lie on the CPU"):
            Space(space.features.to(device), shelf.labels)
    return [projections.fitted(cls(), [space])[0].points for cls in (projections.Linear, projections.Circle)]


@case("loss playground")
def _playground(device: torch.device) -> Numbers:
    shelf = digits(30)
    found = []
    for mover in ("points", "network"):
        for loss in ("max-mahalanobis", "cross-entropy", "center-loss"):
            motion = play(
                LOSSES[loss](), Playground(steps=10, mover=mover), shelf.images.to(device), shelf.labels.to(device), 10
            )
            found += [motion.positions, motion.losses]
    return found


# Smoothing, filters, metrics, magnification.

for _solver in ("dense", "direct", "cg"):
    for _colors in ("joint", "per-channel"):

        def _smoothed(device: torch.device, solver: str = _solver, colors: str = _colors) -> Numbers:
            graph = PixelGraph(uniform(2, 3, 9, 7).to(device), bandwidth=0.1, color_distance=colors)
            smoother = Smoother(graph, 0.95, solver)
            z = uniform(2, 3, 9, 7, seed=1).to(device).requires_grad_(True)
            r = smoother(z)
            (slope,) = torch.autograd.grad(r.square().sum(), z)
            smoother.report  # noqa: B018  # it is computed when asked for
            return [r.detach(), slope, smoother.raw(z.detach()), smoother[torch.tensor([1])](z.detach()[1:])]

        CASES[f"smoothing {_solver}, {_colors}"] = _smoothed


@case("smoothing a signal on another device than the graph")
def _apart(device: torch.device) -> Numbers:
    smoother = Smoother(PixelGraph(uniform(1, 1, 6, 6).to(device), bandwidth=0.1), 0.9)
    return [smoother(uniform(1, 1, 6, 6, seed=1))]


@case("filters")
def _filtered(device: torch.device) -> Numbers:
    x = uniform(2, 3, 12, 10).to(device)
    g = kernel("gaussian", 1.5, dtype=x.dtype, device=device)
    return [
        *(low_pass(x, g, boundary) for boundary in ("zero", "reflect")),
        bilateral(x, sigma_domain=2.0, sigma_range=0.1),
    ]


@case("magnification")
def _magnified(device: torch.device) -> Numbers:
    x = uniform(2, 3, 12, 10).to(device)
    large = magnify.magnify(x, beta=0.8, sigma_domain=2.0, sigma_range=0.1)
    return [large, *magnify.to_display([large, x])]


@case("metrics")
def _measured(device: torch.device) -> Numbers:
    x, y = uniform(2, 3, 24, 20).to(device), uniform(2, 3, 24, 20, seed=1).to(device)
    numbers = [metrics.l2(x, y), metrics.linf(x - y), metrics.roughness(x - y, 1.0), metrics.ssim(x, y)]
    return [*numbers, metrics.psnr(x, y), metrics.mad(x, y), *metrics.radial_power_spectrum(x - y)]


# Features, evaluation, training.


@case("features, densities and distances")
def _densities(device: torch.device) -> Numbers:
    model, shelf = network("mnist-c4-mmc", device), digits(200)
    z, loss = features_of(model, shelf.images), trained_with(model.card)
    there, labels = z.to(device), shelf.labels.to(device)
    found = density.sample_density(loss, model.head, z, shelf.labels, shells=2, draws=100, neighbours=3)
    density.sample_density(loss, model.head, there, labels, shells=2, draws=100, neighbours=3)
    means = density.class_means(there, labels, 10)
    return [
        found.by_neighbours,
        means,
        density.class_means(z, shelf.labels, 10),
        *density.own_and_nearest(there, labels, means),
        density.neighbour_density(there[:50], 3),
        density.pointwise_loss(loss, model.head, there[:4], 3),
        density.deciding_axes(model.head).abs(),
    ]


@case("features, trails")
def _trailed(device: torch.device) -> Numbers:
    model, shelf = network("mnist-c4-ce", device), digits(1)
    attack = ATTACKS["ifgsm"](epsilon=0.3)
    following = trails.follow(attack, model, shelf.images, int(shelf.labels[0]))
    with contextlib.suppress(StopIteration):
        while True:
            last = next(following)
    assert last <= 1
    seen = trails.seen_by(model, shelf.images)
    return [seen.features, seen.answers]


@case("evaluation of many images")
def _many(device: torch.device) -> Numbers:
    model, shelf = network("mnist-c4-ce", device), digits(8)
    right = correct(model, shelf, 5, batch_size=3)
    outcome = attack_many(ATTACKS["ifgsm"](epsilon=0.3), model, right, batch_size=2)
    result = run(ATTACKS["ifgsm"](epsilon=0.3), model, right.images, right.labels)
    side_by_side = matched(result, model, 2.0)
    return [outcome.predictions_clean, side_by_side.logits_clean.argmax(1)]


@case("papers, MMC's attacks")
def _mmc_attacks(device: torch.device) -> Numbers:
    model, shelf = network("mnist-c4-mmc", device), digits(4)
    for trial in mmc_attacks.trials("mnist"):
        if trial.is_pgd or trial.key == "noise":
            record = mmc_attacks.measure(trial, model, shelf, shelf, "")
    return [torch.tensor([record.right])]


@case("papers, graph smoothness's errors")
def _errors(device: torch.device) -> Numbers:
    model, shelf = network("mnist-lenet-graph-2d", device), digits(60)
    return [torch.tensor([record.wrong]) for record in graph_errors.measure(model, shelf[:40], shelf[40:], "")]


def trained(device: torch.device, loss: str, **recipe: object) -> Numbers:
    """Two steps and an epoch's end, the network saved and read again."""
    shelf = data.gallery.read("mnist")

    def load(name: str, split: str = "test", n: int | None = None, seed: int = 0) -> data.ImageSet:
        return shelf[:40] if split == "train" else shelf[40:70]

    settings = {"epochs": 1, "batch_size": 20, "sample": 10, "precision": "float32", "attack_steps": 2} | recipe
    arguments = {"references": 20} if loss == "graph-smoothness" else {}
    kept = loop.load, models.default_device
    loop.load, models.default_device = load, lambda: device  # type: ignore[assignment]
    try:
        network_name = "resnet32" if "first_size" in recipe else "lenet"
        training = Training(network_name, "mnist", Recipe(**settings), "toy", LOSSES[loss](**arguments))
        epochs = list(training)
        assert training.model.device == device
        with tempfile.TemporaryDirectory() as folder:
            card = training.save(Path(folder))
        embeddings = training.embeddings()
    finally:
        loop.load, models.default_device = kept  # type: ignore[assignment]
    assert {t.device for t in embeddings.values()} == {CPU}
    assert card.accuracy is not None
    return [torch.tensor([epochs[0].loss])]


TRAININGS: dict[str, dict[str, object]] = {
    **{f"loss {name}": {"loss": name} for name in LOSSES},
    **{f"against {name}": {"adversarial": name, "epsilon": 0.1} for name in ADVERSARIES},
    "augmented": {"shift": 2, "flip": True, "first_size": 20},
    "sgd in steps": {"optimiser": "sgd", "schedule": "steps"},
    "rmsprop": {"optimiser": "rmsprop", "schedule": "constant"},
    "bfloat16": {"precision": "bfloat16"},
}
for _name, _settings in TRAININGS.items():

    def _trained(device: torch.device, settings: dict[str, object] = _settings) -> Numbers:
        return trained(device, **{"loss": "max-mahalanobis"} | settings)  # type: ignore[arg-type]

    CASES[f"training {_name}"] = _trained


# What must be found out: each of these mixes devices, as core would without bringing things together.


@case("planted: images on the CPU")
def _planted_images(device: torch.device) -> Numbers:
    return [network("mnist-c4-ce", device)(digits().images)]


@case("planted: labels on the CPU")
def _planted_labels(device: torch.device) -> Numbers:
    z = torch.zeros(3, 10).to(device)
    return [z.gather(1, torch.arange(3)[:, None])]


@case("planted: an index that lies farther than what it indexes")
def _planted_index(device: torch.device) -> Numbers:
    return [torch.zeros(3)[torch.arange(2).to(device)]]


@case("planted: a generator of the CPU")
def _planted_generator(device: torch.device) -> Numbers:
    return [torch.rand(3, generator=torch.Generator(), device=device)]


@case("planted: straight to NumPy")
def _planted_numpy(device: torch.device) -> Numbers:
    return [torch.from_numpy(torch.zeros(3).to(device).numpy())]


@case("planted: what no GPU does")
def _planted_histogram(device: torch.device) -> Numbers:
    return [torch.histogram(torch.zeros(3).to(device), 2).hist]


def complaint(name: str, device: torch.device, watched: Callable[[], contextlib.AbstractContextManager[None]]) -> str:
    """What is wrong with the case `name` on `device`."""
    try:
        with watched():
            found = [t.detach().cpu() for t in CASES[name](device)]
        if name.startswith("planted") or "=" in name:  # options of attacks: their numbers are compared without them
            return ""
        for a, b in zip(found, CASES[name](CPU), strict=True):
            if a.is_floating_point():
                torch.testing.assert_close(a, b.detach(), rtol=1e-2, atol=1e-3, equal_nan=True)
            else:
                assert torch.equal(a, b), "another answer than on the CPU"
    except Exception:
        return traceback.format_exc(limit=-6)
    return ""


def main(kind: str | None) -> None:
    device = torch.device("cuda", 0) if kind == "cuda" else elsewhere.install()
    watched = contextlib.nullcontext if kind == "cuda" else elsewhere.elsewhere
    print(json.dumps({name: complaint(name, device, watched) for name in CASES}))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
