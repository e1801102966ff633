r"""What the attacks share that follow a gradient, or that only ask the network: goals, the loss, and the bookkeeping.

The loss is the log odds of the true class, z_t - log sum_{i != t} exp z_i = log(p_t / (1 - p_t)), which the attack
lowers, unless its `objective` says otherwise. It falls exactly when cross-entropy rises, and for each image its
gradient is cross-entropy's times -1/(1 - p_t) < 0: the attacks here use the gradient's sign or direction, so they take
cross-entropy's steps. But it does not vanish where the network is sure: cross-entropy's gradient is exactly zero in
float32 once the true class leads by about 100, as Max-Mahalanobis logits do. The true class is masked with -inf, so
logits may all be negative.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.attacks.base import Attack, Step, Tracker, gradient, margin
from core.losses import trained_with
from core.metrics import l2
from core.params import Parameters, parameter

Keep = Literal["least distorted", "strongest", "last"]
Raised = Literal["log odds", "cross-entropy", "own loss"]
_ROUNDING = 1e-6  # a lead this small, beside the logits, may be gone in a batch of another size


def log_odds(logits: Tensor, classes: Tensor) -> Tensor:
    """log(p / (1 - p)) of `classes`: (N, K), (N,) -> (N,)."""
    others = logits.scatter(1, classes[:, None], -torch.inf).logsumexp(1)
    return logits.gather(1, classes[:, None])[:, 0] - others


def raised(objective: Raised, model: nn.Module, x: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, K) of images x (N, C, H, W), and J (N,): what an attack raises for the true `classes` (N,), or lowers
    for those it aims at. "log odds": -log(p / (1 - p)); "own loss": `Loss.attack` of the network's loss.

    ValueError in one sentence where the network does not say what its loss is.
    """
    if objective == "own loss":
        card = getattr(model, "card", None)
        if card is None:
            raise ValueError("objective 'own loss' needs a network with a card, which names its loss; choose log odds.")
        features: Tensor = model.features(x)  # type: ignore[operator]
        return model.head(features), trained_with(card).attack(model.head, features, classes)  # type: ignore
    logits = model(x)
    if objective == "cross-entropy":
        return logits, F.cross_entropy(logits, classes, reduction="none")
    return logits, -log_odds(logits, classes)


class Objective(Parameters):
    """What an attack that follows the gradient raises, or lowers for a target."""

    objective: Raised = parameter(
        "log odds",
        symbol="ℓ",
        advanced=True,
        paper="MMC reproducibility report, section 4.1",
        help="The log odds against the class rise with its cross-entropy and keep their slope where the network is "
        "sure; cross-entropy itself does not. Own loss: the adaptive attack on what the network was trained with, for "
        "Max-Mahalanobis centres the squared distance to the class's centre.",
    )


class Goal(Parameters):
    """Away from the true class, or towards a chosen one."""

    goal: Literal["untargeted", "random", "least-likely", "next"] = parameter(
        "untargeted",
        paper="MMC reproducibility report, section 4.1",
        help="Away from the true class to any other; or to one target: drawn at random, the one the network finds "
        "least likely, or the next in the list. A targeted attack succeeds only if the network names the target.",
    )

    def targets(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None
    ) -> Tensor | None:
        """The class (N,) that each image is to be taken for, never its own; None for an untargeted attack."""
        if self.goal == "untargeted":
            return None
        with torch.no_grad():
            logits: Tensor = model(images)
        classes = logits.shape[1]
        if self.goal == "least-likely":
            return logits.scatter(1, labels[:, None], torch.inf).argmin(1)
        shift = (
            torch.ones_like(labels)
            if self.goal == "next"
            else torch.randint(1, classes, labels.shape, generator=generator, device=labels.device)
        )
        return (labels + shift) % classes


def boundaries(model: nn.Module, x: Tensor, labels: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """As `Search.boundaries`, of the images x (n, C, H, W) with `labels` (n,)."""
    own, x = labels[:, None], x.detach().requires_grad_()
    with torch.enable_grad():
        logits = model(x)
        classes = logits.detach().scatter(1, own, -torch.inf).topk(min(most, logits.shape[1] - 1)).indices
        leads = (logits.gather(1, classes) - logits.gather(1, own)).T
        slopes = [gradient(lead, x, keep=True) for lead in leads]
    return classes.T, leads.detach(), torch.stack(slopes)


@dataclass(frozen=True)
class Probe:
    """What the network said of the images under attack. Per image (n,); the gradient is (n, C, H, W)."""

    gradient: Tensor
    """Of the loss with respect to the image; zero where the loss does not depend on it, or if not asked for."""
    lead: Tensor
    """How far the attack leads: > 0 is success."""
    fools: Tensor
    sound: Tensor
    """Logits and gradient are finite."""


class Search:
    """N images under attack: which are still in the batch, what the network says of them, and a Tracker of it all.

    x: the clean images still under attack, in the order of `rows`, their numbers. Images leave through `stay`.
    keep: "least distorted" keeps the success of the smallest cost (the L2 distortion, unless `record` is told another),
    and the iterate nearest to success where there is none; "strongest" keeps the largest lead, "last" the last iterate.
    objective: what `probe` gives the gradient of.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        total: int,
        targets: Tensor | None = None,
        keep: Keep = "least distorted",
        objective: Raised = "log odds",
    ) -> None:
        self.model, self.targets, self.keep, self.objective = model, targets, keep, objective
        self.tracker = Tracker(images, total, ("loss", "distortion", "margin"))
        self.x, self.rows = images, torch.arange(len(images), device=images.device)
        self._class = labels if targets is None else targets
        self._sign = 1 if targets is None else -1

    def lead(self, logits: Tensor, count: int = 1) -> Tensor:
        """How far the attack leads (count * n,), for the logits of `count` copies of the batch, one after the other."""
        return self._sign * margin(logits, self._class[self.rows].repeat(count))

    def probe(
        self,
        x: Tensor,
        backward: bool = True,
        sharp: bool = False,
        cost: Tensor | None = None,
        aim: Tensor | None = None,
    ) -> Probe:
        """Ask the network about the iterates `x` (n, C, H, W) and record them.

        backward: the gradient is needed. sharp: of minus the lead, which is normal to the boundary of the one class
        that is nearest to being named, instead of the objective, to which all classes contribute. cost: as of `record`.
        aim: (n,) with `sharp`, the class whose lead it is; -1 for the nearest to being named.
        """
        classes = self._class[self.rows]
        x = x.detach().requires_grad_(backward)
        with torch.set_grad_enabled(backward):
            logits, j = raised(self.objective, self.model, x, classes)
            loss = -self._sign * (margin(logits, classes) if sharp else j)
            if sharp and aim is not None:
                behind = (logits.gather(1, classes[:, None]) - logits.gather(1, aim.clamp_min(0)[:, None]))[:, 0]
                loss = torch.where(aim < 0, loss, behind)
        slope = gradient(loss, x) if backward else torch.zeros_like(x)
        sound = slope.flatten(1).isfinite().all(1)
        lead, fools, sound = self.record(x.detach(), logits.detach(), cost, sound, loss=-self._sign * j.detach())
        return Probe(slope, lead, fools, sound)

    def boundaries(self, x: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
        """The classes nearest to being named at x (n, C, H, W), `most` of them if there are so many, the nearest first:
        (classes (k, n), their leads over the true class (k, n), the gradients of these (k, n, C, H, W)).
        """
        return boundaries(self.model, x, self._class[self.rows], most)

    def record(
        self,
        x: Tensor,
        logits: Tensor,
        cost: Tensor | None = None,
        sound: Tensor | None = None,
        loss: Tensor | None = None,
        **scalars: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Take note of the iterates `x` and of what the network says of them; returns (lead, fools, sound), (n,) each.

        sound: what else must be finite. loss: the log odds if left out. scalars: more of them for the trace.
        """
        finite = logits.isfinite().all(1)
        sound = finite if sound is None else sound & finite
        lead = self.lead(logits)
        fools = finite & (lead > _ROUNDING * logits.abs().amax(1))
        loss = self._sign * log_odds(logits, self._class[self.rows]) if loss is None else loss
        cost, newest = -lead if self.keep == "strongest" else cost, self.keep == "last"
        self.tracker.record(self.rows, x, lead, fools, cost, sound, newest, loss=loss, **scalars)
        return lead, fools, sound

    def stay(self, going: Tensor) -> None:
        """Go on with the images of the mask `going` (n,) only."""
        self.x, self.rows = self.x[going], self.rows[going]

    def step(self, index: int) -> Step:
        """The Step to yield: the last one where no image is left."""
        return self.tracker.step(index, last=not len(self.rows), targets=self.targets)


def scaled(values: Tensor, pictures: Tensor) -> Tensor:
    """Each of the pictures (N, C, H, W) times its value (N,)."""
    return values.view(-1, 1, 1, 1) * pictures


def inward(slopes: Tensor, x: Tensor) -> Tensor:
    """Slopes (N, C, H, W) without those that would only lead a pixel of x, which is black or white, out of [0, 1]."""
    return torch.where(((x >= 1) & (slopes > 0)) | ((x <= 0) & (slopes < 0)), 0, slopes)


def norms(x: Tensor) -> Tensor:
    """L2 norm per image of (N, C, H, W), as (N, 1, 1, 1)."""
    return l2(x).view(-1, 1, 1, 1)


def unit(x: Tensor, length: Tensor | None = None) -> Tensor:
    """x (N, C, H, W) at norm 1 per image; what is zero stays zero. length: (N, 1, 1, 1) its norm, if not the L2."""
    length = norms(x) if length is None else length
    return x / torch.where(length > 0, length, 1)


def clipped(images: Tensor, r: Tensor) -> Tensor:
    """c(x_o + r): in [0, 1]. Clipping never lengthens r, since x_o lies in [0, 1]."""
    return (images + r).clamp(0, 1)


class Descent(abc.ABC):
    """The rule by which iterates move against the gradient, n(g) and c(x) of eq. 11, for the images in the batch."""

    def start(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """Where to start from, (N, C, H, W)."""
        return images

    @abc.abstractmethod
    def move(self, x: Tensor, gradient: Tensor, images: Tensor) -> Tensor:
        """The next iterates; `images` are the clean ones."""

    def stay(self, going: Tensor) -> None:  # noqa: B027  # nothing to do for a rule without state
        """Go on with these images only."""


class IteratedGradient(Attack, Goal, Objective):
    """Eqs. 10 and 11 of Smooth Adversarial Examples: x <- c(x - n(gradient of the loss)), for a target distortion.

    Images leave at their first success (unless the strongest or the last iterate is wanted), and where the gradient is
    zero or not finite.
    """

    updates: int = parameter(
        20,
        ge=1,
        le=10_000,
        step=1,
        slider=(1, 100),
        unit="steps",
        quick=5,
        help="Steps along the gradient. Each costs one forward and one backward pass.",
    )
    keep: Keep = parameter(
        "least distorted",
        advanced=True,
        help="Stop at an image's first success and keep the least distorted; or make all steps and keep the one that "
        "fools with the largest lead, which other networks are likelier to fall for too, or just the last one, as PGD "
        "is published.",
    )

    def descent(self, images: Tensor) -> Descent:
        raise TypeError(f"{type(self).__name__} does not say how it descends")

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        yield from iterate(
            self.descent(images),
            self.updates,
            self.keep,
            self.objective,
            model,
            images,
            labels,
            self.targets(model, images, labels, generator),
            generator,
        )


def iterate(
    descent: Descent,
    updates: int,
    keep: Keep,
    objective: Raised,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    generator: torch.Generator | None,
) -> Iterator[Step]:
    """The loop of eqs. 10 and 11. Yields the iterates after each move, not the start."""
    search = Search(model, images, labels, updates, targets, keep, objective)
    x = descent.start(images, generator)
    for index in range(updates + 1):
        probe = search.probe(x, backward=index < updates)
        going = probe.sound & probe.gradient.flatten(1).any(1)
        if keep == "least distorted":
            going &= ~probe.fools
        if index < updates and not bool(going.all()):
            search.stay(going)
            descent.stay(going)
            x = x[going]
        if index or not len(search.rows):
            yield search.step(index)
        if index == updates or not len(search.rows):
            return
        x = descent.move(x, probe.gradient[going], search.x)
