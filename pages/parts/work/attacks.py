"""Attacks on one image, as jobs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from core.attacks import Attack, AttackResult, Run
from core.defenses import Defense
from core.features import trails
from core.features.trails import AttackTrail, FeatureTrail
from core.models import Classifier, logits_of
from pages.parts.components.film import Film, Recorder
from pages.parts.engine import networks
from pages.parts.engine.networks import Network
from pages.parts.engine.progress import Progress, Stop

EVERY = 0.25
"""Seconds between two snapshots: making one copies the pictures and the whole trace."""


@dataclass(frozen=True)
class Finished:
    """An attack that has ended, and the steps of it that can be looked at (None if it made none)."""

    result: AttackResult
    film: Film | None
    threads: int = field(default_factory=torch.get_num_threads)
    """Of the worker that made it: sums in another order end in other last digits."""


@dataclass(frozen=True)
class Snapshot:
    """An attack on one image, under way."""

    best: Tensor
    """(C, H, W)."""
    found: bool
    trace: dict[str, Tensor]
    step: int
    """Steps that were made, as the result and the film count them."""
    total: int
    """Steps that may be made at most; some are skipped where an attack finds its end early."""


class _Overheard(Classifier):
    """A network that knows what it was asked last, so that nobody has to ask it again about the steps of an attack."""

    def __init__(self, model: Classifier) -> None:
        super().__init__(model.network, model.head, model.card, model.embedding)
        self.behind, self.mean, self.std = model, model.mean, model.std
        self.train(model.training)
        self._last: deque[tuple[Tensor, Tensor]] = deque(maxlen=4)

    def features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] -> (N, d)."""
        found = self.behind.features(x)
        if len(x) == 1:
            self._last.append((x.detach().clone(), found.detach()))  # attacks change theirs in place
        return found

    @torch.no_grad()
    def heard(self, image: Tensor) -> Tensor | None:
        """Logits (K,) of an image (C, H, W), if that was asked about a moment ago; else None."""
        for x, features in reversed(self._last):
            if torch.equal(x[0], image.to(x)):
                logits: Tensor = self.head(features)[0]
                return logits
        return None


def attack(
    attack: Attack, network: Network, images: Tensor, labels: Tensor, seed: int, start: Tensor | None = None
) -> Generator[Progress[Snapshot], None, Finished]:
    """`attack` on one image (1, C, H, W). start: the adversarial image of an earlier run, to go on from."""
    model = _Overheard(networks.load(network))
    run = Run(attack, model, images, labels, seed, start)
    progress: Progress[Snapshot] | None = None
    shown = 0.0
    recorder = Recorder(images[0], ask=partial(logits_of, model), heard=model.heard, label=int(labels[0]))
    try:
        for made, step in enumerate(run, 1):
            recorder.see(step)
            if progress is None or time.monotonic() - shown > EVERY:
                snapshot = Snapshot(run.best()[0], bool(step.found[0]), run.trace(), made, step.total)
                progress, shown = Progress(step.index / step.total, snapshot), time.monotonic()
            yield progress
    except Stop:
        pass
    return Finished(run.result(), recorder.film())


def several(
    attacks: Sequence[Attack], network: Network, images: Tensor, labels: Tensor, seed: int
) -> Generator[Progress[Snapshot | None], None, tuple[Finished, ...]]:
    """`attacks` on one image, one after the other; each that has come to its end is a part of the result."""
    for i, each in enumerate(attacks):
        running = attack(each, network, images, labels, seed)
        finished = yield from _within(running, i / len(attacks), 1 / len(attacks))
        if finished.result.stopped:
            return (finished,)
        try:
            yield Progress((i + 1) / len(attacks), None, part=finished)
        except Stop:
            break
    return ()


def _within(
    running: Generator[Progress[Snapshot], None, Finished], begin: float, share: float
) -> Generator[Progress[Snapshot | None], None, Finished]:
    """An attack as a share of a longer job, which begins at a fraction of it; stopped, it gives what it has."""
    try:
        while True:
            inner = next(running)
            try:
                yield Progress(begin + share * inner.fraction, inner.snapshot)
            except Stop as stop:
                running.throw(stop)
    except StopIteration as end:
        finished: Finished = end.value
        return finished


@dataclass(frozen=True)
class Asker:
    """A network that is shown pictures through a defence, or as they are."""

    network: Network
    defense: Defense | None


@dataclass(frozen=True)
class Asked:
    """What a network was shown of a clean picture and of an attacked one, and what it says of them."""

    clean: Tensor
    """(1, C, H, W), as the network was shown it."""
    adversarial: Tensor
    """The same of the attacked picture."""
    logits_clean: Tensor
    """(K,)."""
    logits: Tensor
    """(K,)."""


def ask(asker: Asker, clean: Tensor, adversarial: Tensor) -> Asked:
    """Show a network a clean and an attacked picture, (1, C, H, W) each, in [0, 1]."""
    model, defense = networks.load(asker.network), asker.defense
    pictures = (clean, adversarial) if defense is None else (defense(clean), defense(adversarial))
    before, after = (logits_of(model, picture)[0] for picture in pictures)  # one at a time, as everywhere else
    return Asked(*pictures, before, after)


_ATTACKING = 0.9
"""Of making an attack and asking others about it, roughly."""


def transfer(
    making: Attack,
    network: Network,
    askers: Sequence[Asker],
    images: Tensor,
    labels: Tensor,
    seed: int,
    made: Tensor | None = None,
) -> Generator[Progress[Snapshot | None], None, tuple[Finished | Asked, ...]]:
    """An attack on one image, made on `network`, and what others say of its picture as a file keeps it, in 8 bits.

    made: that picture (1, C, H, W), where it is known; else the result's first part is the attack. The others follow in
    the order of `askers`. An attack that is stopped is shown to them as far as it came.
    """
    begin = 0.0
    if made is None:
        finished = yield from _within(attack(making, network, images, labels, seed), 0.0, _ATTACKING)
        begin, made = _ATTACKING, finished.result.adversarial_8bit
        if finished.result.stopped:
            return (finished, *(ask(asker, images, made) for asker in askers))
        try:
            yield Progress(begin, None, part=finished)
        except Stop:
            return ()
    for i, asker in enumerate(askers, 1):
        asked = ask(asker, images, made)
        try:
            yield Progress(begin + (1 - begin) * i / len(askers), None, part=asked)
        except Stop:
            break
    return ()


class _Enough(trails.StopFollowing):
    """The person has pressed stop."""


def trail(
    attack: Attack, network: Network, viewers: Sequence[Network], image: Tensor, label: int, seed: int
) -> Generator[Progress[str], None, tuple[AttackTrail, dict[str, FeatureTrail]]]:
    """Attack `network` on image (1, C, H, W), and send the attack's path through all of `viewers`, by their names."""
    going = trails.follow(attack, networks.load(network), image, label, seed)
    try:
        share = next(going)
        while True:
            try:
                yield Progress(share, "Attacking")
            except Stop:
                going.throw(_Enough())
            share = next(going)
    except StopIteration as end:
        path: AttackTrail = end.value
    return path, {viewer.name: trails.seen_by(networks.load(viewer), path.images) for viewer in viewers}
