"""What every attack shares: steps, the run that drives them, the result that is checked anew.

An attack is a frozen set of declared parameters with one method, `steps`, a generator. The caller pulls, so the
attack knows no user interface, and to stop pulling is to cancel. `Run` drives a generator, keeps the trace and, at any
moment, can say what has been reached so far; `run` drains it.
"""

from __future__ import annotations

import abc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from core.data.files import quantize
from core.metrics import l2, linf
from core.models.batches import device_of
from core.params import Parameters, parameter

Status = Literal["fooled", "failed", "already misclassified", "not finite"]

_ROUNDING = 1e-6  # a lead this small, beside the logits, may be gone in a batch of another size
_SHORTENED = 0.01  # in the last third of the budget; more is a search that has not converged

ADVICE: dict[Status, str] = {
    "fooled": "The network now names another class.",
    "failed": "No adversarial image was found within the budget; allow more iterations or search steps.",
    "already misclassified": "The network is wrong on the clean image, so there is nothing to attack; pick another.",
    "not finite": "The network returned NaN or infinity, so this image was given up; check the checkpoint.",
}
"""One sentence for a person, for every way an image can end."""


@dataclass(frozen=True)
class Step:
    """One step of an attack on N images.

    The tensors are the attack's own and may change with the next step: clone what is to be kept.
    """

    index: int
    """Number of this step, 1 ... total; steps may be skipped where images finish early, the last is always yielded."""
    total: int
    images: Tensor
    """(N, C, H, W) the current iterates, in [0, 1]."""
    best: Tensor
    """(N, C, H, W) the best so far: the least distorted success, or else the iterate nearest to success."""
    found: Tensor
    """(N,) bool: `best` fools the network."""
    scalars: dict[str, Tensor]
    """(N,) each: "loss", "distortion" (L2), "margin" (how far the attack leads, > 0 is success: the largest other logit
    minus the true one, or the target's minus the largest other), ..."""
    finite: Tensor
    """(N,) bool: False where the network or its gradient was not finite and the image was given up."""
    detail: dict[str, Tensor] = field(default_factory=dict)
    """(N, C, H, W) each: the perturbations that this step went through, by name, for attacks that can be watched."""
    targets: Tensor | None = None
    """(N,) the class that each image is to be taken for, of a targeted attack."""
    converged: Tensor | None = None
    """(N,) bool, of the last step: `best` fools, the last third of the steps shortened it by 1 % at most, and what else
    the attack knows does not speak against it, or for it although they did (`core.attacks.nearest`)."""


Seeks = Literal["success", "first success", "shortest"]


class Attack(Parameters, abc.ABC):
    """Base of all attacks: constructor = hyper-parameters, `steps` = data."""

    name: ClassVar[str]
    """Key in ATTACKS."""
    title: ClassVar[str]
    formula: ClassVar[str]
    """What is minimised, in LaTeX."""
    look_for: ClassVar[str]
    """One line: what a person should look for."""
    paper: ClassVar[str]
    seeks: ClassVar[Seeks] = "success"
    """What its budget is for: a success within bounds; the first success on a short way, where it ends; the shortest
    perturbation, or the least of what it minimises instead of the length."""

    @abc.abstractmethod
    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        """Attack `images` (N, C, H, W) in [0, 1], which `model` assigns to `labels` (N,), step by step.

        `generator` is the only source of randomness. Raises nothing for a failed image: `Step.found` says so.
        """

    @property
    def aim(self) -> int | None:
        """The class that every image is to be taken for; None of an attack that has no such, or chooses by itself."""
        return None

    def posed(self, model: nn.Module, labels: Tensor) -> tuple[nn.Module, Tensor]:
        """The network and the labels (N,) as the search is to see them."""
        return model, labels

    def begin(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        generator: torch.Generator | None = None,
        start: Tensor | None = None,
    ) -> Iterator[Step]:
        """`steps`, or `further` from `start`, for images (N, C, H, W) none of which is of the class `aim`."""
        model, seen = self.posed(model, labels)
        if start is None:
            steps = self.steps(model, images, seen, generator)
        else:
            steps = self.further(model, images, seen, start, generator)
        if self.aim is None:
            return steps
        aims = torch.full_like(labels, self.aim)
        return (replace(step, targets=aims) for step in steps)

    def further(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        start: Tensor,
        generator: torch.Generator | None = None,
    ) -> Iterator[Step]:
        """As `steps`, with a budget of its own, from `start` (N, C, H, W) in [0, 1], where an earlier search stopped.

        The first Step is `start` itself, so what is found is never worse. ValueError of attacks that have nothing to go
        on with.
        """
        raise ValueError(f"{self.title} cannot go on from where it stopped; C&W, DDN and the versions of both can.")


class Tracker:
    """What is known of N images under attack, for every Step to tell: the current iterates, the best so far, scalars.

    An iterate is better than another if it fools and the other does not (or fools with a higher `rank`), and among
    equals if it costs less; one that does not fool costs how far it is from fooling, one that does its distortion,
    unless the attack says otherwise.
    """

    def __init__(self, images: Tensor, total: int, scalars: Sequence[str] = (), pictures: Sequence[str] = ()) -> None:
        """images: (N, C, H, W), clean. scalars, pictures: names that the Steps have from the first on."""
        n = len(images)
        self.images, self.total = images, total
        self.current, self.best = images.clone(), images.clone()
        self.rank = torch.zeros(n, dtype=torch.int8, device=images.device)
        self.finite = torch.ones(n, dtype=torch.bool, device=images.device)
        self._cost = images.new_full((n,), torch.inf)
        self._earlier = self.rank, self._cost  # of the best when two thirds of the steps were made
        self._scalars = {name: torch.full_like(self._cost, torch.nan) for name in scalars}
        self._pictures = {name: torch.zeros_like(images) for name in pictures}

    @property
    def found(self) -> Tensor:
        """(N,) bool: the best so far fools."""
        return self.rank > 0

    def record(
        self,
        rows: Tensor,
        x: Tensor,
        lead: Tensor,
        rank: Tensor,
        cost: Tensor | None = None,
        sound: Tensor | None = None,
        newest: bool = False,
        **scalars: Tensor,
    ) -> None:
        """Take note of the iterates x (n, C, H, W) of the images `rows` (n,); what is said of them is (n,) each.

        lead: how far the attack leads, the scalar "margin". rank: 0 or False where x does not fool, 1 or True where it
        does, more for better ways to do so. cost: of one that fools, the distortion if left out. sound: where it is
        False the iterate is not kept and the image given up. newest: these iterates are kept, whatever was before.
        """
        distortion, rank = l2(x, self.images[rows]), rank.to(torch.int8)
        cost = torch.where(rank > 0, distortion if cost is None else cost, -lead)
        before = self.rank[rows]
        better = (rank > before) | (rank == before) & (cost < self._cost[rows]) | newest
        if sound is not None:
            better &= sound
            self.give_up(rows, ~sound)
        won = rows[better]
        self.best[won], self.rank[won], self._cost[won] = x[better], rank[better], cost[better]
        self.current[rows] = x
        self.note(rows, distortion=distortion, margin=lead, **scalars)

    def note(self, rows: Tensor, **scalars: Tensor) -> None:
        """Set scalars (n,) of the images `rows`; NaN stands for those that were never set."""
        for name, values in scalars.items():
            if name not in self._scalars:
                self._scalars[name] = torch.full_like(self._cost, torch.nan)
            self._scalars[name][rows] = values

    def show(self, rows: Tensor, pictures: dict[str, Tensor]) -> None:
        """Set perturbations (n, C, H, W) of the images `rows`, for those who watch."""
        for name, values in pictures.items():
            self._pictures[name][rows] = values

    def give_up(self, rows: Tensor, where: Tensor) -> None:
        """Of the images `rows` (n,) those where (n,) the network or its gradient was not finite are given up."""
        self.finite[rows] &= ~where

    def step(
        self,
        index: int,
        last: bool = False,
        targets: Tensor | None = None,
        clear: Tensor | None = None,
        stands: Tensor | None = None,
    ) -> Step:
        """The Step to yield: number `index`, or the last one. clear, stands: (N,) bool, where nothing speaks against
        convergence, and where what is found cannot be shortened whatever the last steps did."""
        if 3 * index <= 2 * self.total:
            self._earlier = self.rank.clone(), self._cost.clone()
        converged = None
        if last or index == self.total:
            rank, cost = self._earlier
            converged = (self.rank == rank) & (self._cost >= (1 - _SHORTENED) * cost)
            converged = self.found & (converged if stands is None else converged | stands)
            converged = converged if clear is None else converged & clear
        return Step(
            self.total if last else index,
            self.total,
            self.current,
            self.best,
            self.found,
            dict(self._scalars),
            self.finite,
            dict(self._pictures),
            targets,
            converged,
        )


class Quantised(Parameters):
    """Attacks that can work on pictures as a file holds them."""

    quantised: bool = parameter(
        False,
        title="Round to 8 bits",
        paper="Rony et al. (2019), Algorithm 1",
        help="Round every iterate to the 256 levels of a picture file before the network sees it, so that what is "
        "found survives being saved. On photographs it breaks a smooth perturbation into islands; the finishing push "
        "does not.",
    )

    def shown(self, images: Tensor) -> Tensor:
        """The iterates (any shape) in [0, 1] as the network is to see them."""
        return quantize(images) if self.quantised else images


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Largest other logit minus the logit of `labels`: (N, K), (N,) -> (N,); positive where the label is not named.

    The negative of the bracket of eq. 3 of Smooth Adversarial Examples without its margin m. The label is masked with
    -inf rather than multiplied with zero, because logits may all be negative (those of Max-Mahalanobis centres are).
    """
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1)
    return others - logits.gather(1, labels[:, None])[:, 0]


def hinge(logits: Tensor, labels: Tensor, m: float) -> Tensor:
    """Classification loss of eq. 3 of Smooth Adversarial Examples: [y_t - max_{i != t} y_i + m]_+, (N,)."""
    return (m - margin(logits, labels)).clamp_min(0)


def ahead(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """(N,) by how much another class leads `labels`, or the target all others, beyond rounding, so that a fresh forward
    pass will agree on what is above zero; -1 where logits are not finite. logits: (N, K); labels, targets: (N,)."""
    lead = margin(logits, labels) if targets is None else -margin(logits, targets)
    return torch.where(logits.isfinite().all(1), lead - _ROUNDING * logits.abs().amax(1), -1)


def crosses(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """(N,) bool: whether the attack is `ahead`."""
    return ahead(logits, labels, targets) > 0


def gradient(values: Tensor, x: Tensor, keep: bool = False) -> Tensor:
    """d values.sum() / dx, zero where values do not depend on x at all. keep: the graph will be used again."""
    if not values.requires_grad:
        return torch.zeros_like(x)
    return torch.autograd.grad(values.sum(), x, retain_graph=keep, materialize_grads=True)[0]


def check_batch(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """ValueError in one sentence unless images are (N, C, H, W) floats in [0, 1] and labels (N,) integers."""
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(f"images must be a float tensor (N, C, H, W); got {tuple(images.shape)} {images.dtype}.")
    if not len(images):
        raise ValueError("images is empty; give at least one image.")
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise ValueError(
            f"images must lie in [0, 1]; got values from {images.min().item():g} to {images.max().item():g}."
        )
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(f"labels must be {len(images)} integers, one per image; got {tuple(labels.shape)}.")
    card = getattr(model, "card", None)
    if card is not None and tuple(images.shape[1:]) != tuple(card.input_shape):
        raise ValueError(
            f"{card.name} takes images of shape {tuple(card.input_shape)}; got {tuple(images.shape[1:])}: resize them."
        )


@dataclass(frozen=True)
class AttackResult:
    """What an attack did to N images, re-checked by a fresh forward pass, in float and after rounding to 8 bits."""

    attack: str
    parameters: dict[str, Any]
    model: str
    seed: int
    seconds: float
    stopped: bool
    """True if the attack was stopped before its last step."""
    images: Tensor
    """(N, C, H, W) the clean images."""
    labels: Tensor
    """(N,) the true classes."""
    adversarial: Tensor
    """(N, C, H, W) in [0, 1]. Only where `success` is True is it adversarial; elsewhere it is the nearest attempt."""
    status: tuple[Status, ...]
    logits_clean: Tensor
    logits: Tensor
    """(N, K) of `adversarial` in float."""
    logits_8bit: Tensor
    """(N, K) of `adversarial_8bit`."""
    trace: dict[str, Tensor] = field(repr=False)
    """(T, N) each scalar at every step; "step" (T,) the steps' numbers."""
    targets: Tensor | None = None
    """(N,) the classes of a targeted attack, which "fooled" then requires; -1 for an image that was not attacked."""
    converged: Tensor | None = None
    """(N,) bool: it fools, and the last third of the budget shortened it (or lessened what the attack minimises) by 1 %
    at most, or it stands where its boundary is nearest; and where the search asked in the end, no other class's looked
    nearly as near (`core.attacks.nearest`). False where the attack was stopped, and of attacks that end at their first
    success; None of those that seek no shortest perturbation. Of what is out of its sight a search cannot know."""

    @property
    def adversarial_8bit(self) -> Tensor:
        """`adversarial` rounded to the 256 levels that a PNG keeps."""
        return quantize(self.adversarial)

    @property
    def perturbation(self) -> Tensor:
        return self.adversarial - self.images

    @property
    def predictions_clean(self) -> Tensor:
        return self.logits_clean.argmax(1)

    @property
    def predictions(self) -> Tensor:
        return self.logits.argmax(1)

    @property
    def predictions_8bit(self) -> Tensor:
        return self.logits_8bit.argmax(1)

    @property
    def success(self) -> Tensor:
        """(N,) bool: correctly classified when clean; perturbed, in float, not so, or as the target if there is one."""
        return torch.tensor([s == "fooled" for s in self.status])

    @property
    def success_8bit(self) -> Tensor:
        """(N,) bool: still fooled after rounding to 8 bits."""
        return self.success & _named(self.predictions_8bit, self.labels, self.targets)

    @property
    def l2(self) -> Tensor:
        """(N,) L2 norm of the perturbation."""
        return l2(self.perturbation)

    @property
    def linf(self) -> Tensor:
        """(N,) largest change of one value."""
        return linf(self.perturbation)


def _named(predictions: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """(N,) bool: the prediction is what the attack wanted."""
    return predictions != labels if targets is None else predictions == targets


class Run:
    """An attack under way on N images: iterate to advance, ask `result()` at any time for what was reached.

    Images that the network already gets wrong, and those on which it is not finite, are left out of the attack and
    reported by their status.
    """

    def __init__(
        self,
        attack: Attack,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        seed: int = 0,
        start: Tensor | None = None,
    ) -> None:
        """start: the adversarial images (N, C, H, W) of an earlier result, from which the attack goes on.

        ValueError for images, labels or a start that do not fit, and for attacks that cannot go on.
        """
        check_batch(model, images, labels)
        if start is not None:
            check_batch(model, start, labels)
            if start.shape != images.shape:
                raise ValueError(
                    f"start must have the shape {tuple(images.shape)} of images; got {tuple(start.shape)}."
                )
        self.attack, self.model, self.images, self.labels, self.seed = attack, model, images, labels, seed
        device = device_of(model, images)
        self._x, self._y = images.to(device), labels.to(device)
        with torch.no_grad():
            self._logits_clean = model(self._x)
        classes = self._logits_clean.shape[1]
        if classes < 2:
            raise ValueError(f"model must tell at least 2 classes apart; got {classes}: nothing can be mistaken.")
        if int(labels.min()) < 0 or int(labels.max()) >= classes:
            raise ValueError(f"labels must be between 0 and {classes - 1}; got {labels.tolist()[:8]}.")
        finite = self._logits_clean.isfinite().all(1)
        right = self._logits_clean.argmax(1) == self._y
        if attack.aim is not None and attack.aim >= classes:
            raise ValueError(f"target must be below {classes}, the number of classes; got {attack.aim}.")
        astray = torch.ones_like(right) if attack.aim is None else self._y != attack.aim
        self._right = finite & right
        self._attacked = (self._right & astray).nonzero()[:, 0]
        self._finite = finite.clone()
        self._best = self._x.clone()
        self._trace: dict[str, list[Tensor]] = {"step": []}
        self.seconds = 0.0
        self.step: Step | None = None
        self.done = not len(self._attacked)
        generator = torch.Generator(device=device).manual_seed(seed)
        attacked = self._x[self._attacked], self._y[self._attacked]
        self._steps: Iterator[Step] = iter(())
        if not self.done:
            further = None if start is None else start.to(self._x)[self._attacked]
            self._steps = attack.begin(model, *attacked, generator, further)

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        start = time.perf_counter()
        try:
            step = next(self._steps)
        except StopIteration:
            self.done = True
            raise
        finally:
            self.seconds += time.perf_counter() - start
        self.step = step
        self._trace["step"].append(torch.tensor(float(step.index)))
        for name, values in step.scalars.items():
            row = torch.full((len(self._x),), torch.nan)
            row[self._attacked.cpu()] = values.detach().float().cpu()
            self._trace.setdefault(name, []).append(row)
        return step

    def trace(self) -> dict[str, Tensor]:
        """(T, N) every scalar so far; "step" is (T,)."""
        return {name: torch.stack(rows) for name, rows in self._trace.items() if rows}

    def best(self) -> Tensor:
        """(N, C, H, W) a copy of the best images so far."""
        if self.step is not None:
            self._best[self._attacked] = self.step.best.detach()
            self._finite[self._attacked] = self.step.finite
        return self._best.clone()

    def result(self) -> AttackResult:
        """What has been reached so far, checked by fresh forward passes."""
        claimed = self.best()
        valid = (claimed >= 0) & (claimed <= 1)  # False for NaN too
        adversarial = torch.where(valid, claimed, self._x)
        targets = None
        if self.step is not None and self.step.targets is not None:
            targets = torch.full_like(self._y, -1)
            targets[self._attacked] = self.step.targets
        with torch.no_grad():
            logits, logits_8bit = self.model(adversarial), self.model(quantize(adversarial))
        attacked = torch.zeros(len(self._x), dtype=torch.bool)
        attacked[self._attacked.cpu()] = True
        fooled = _named(logits.argmax(1), self._y, targets) & logits.isfinite().all(1) & valid.flatten(1).all(1)
        converged = None if self.attack.seeks == "success" else torch.zeros_like(fooled)
        if self.attack.seeks == "shortest" and self.done and self.step is not None:
            assert converged is not None
            assert self.step.converged is not None
            converged[self._attacked] = self.step.converged & fooled[self._attacked]
        status: list[Status] = []
        for i in range(len(self._x)):
            if attacked[i]:
                status.append("fooled" if fooled[i] else "failed" if self._finite[i] else "not finite")
            elif self._right[i]:
                status.append("failed")  # of the target class itself
            else:
                status.append("already misclassified" if self._finite[i] else "not finite")
        card = getattr(self.model, "card", None)
        return AttackResult(
            attack=self.attack.name,
            parameters=self.attack.values(),
            model=card.name if card is not None else type(self.model).__name__,
            seed=self.seed,
            seconds=self.seconds,
            stopped=not self.done,
            images=self.images.cpu(),
            labels=self.labels.cpu(),
            adversarial=adversarial.cpu(),
            status=tuple(status),
            logits_clean=self._logits_clean.cpu(),
            logits=logits.cpu(),
            logits_8bit=logits_8bit.cpu(),
            trace=self.trace(),
            targets=None if targets is None else targets.cpu(),
            converged=None if converged is None else converged.cpu(),
        )


def run(
    attack: Attack,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    seed: int = 0,
    on_step: Callable[[Step], object] | None = None,
    start: Tensor | None = None,
) -> AttackResult:
    """Run `attack` to its end and check what it claims.

    images: (N, C, H, W) float in [0, 1]; labels: (N,) the true classes; seed: of all randomness; on_step: called after
    every step (for a progress bar); start: (N, C, H, W) the adversarial images of an earlier result, to go on from.
    Raises ValueError in one sentence for images, labels or a start that do not fit, and if the attack cannot go on.
    """
    driver = Run(attack, model, images, labels, seed, start)
    for step in driver:
        if on_step is not None:
            on_step(step)
    return driver.result()
