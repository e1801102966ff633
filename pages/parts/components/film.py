"""The steps of an attack that are kept to be looked at afterwards: few enough to scrub through in a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.attacks import Step
from core.data.files import quantize
from core.metrics import roughness
from pages.parts.components.packing import STEP, Parcel, from_steps, pack_steps, to_steps
from pages.parts.shell.numbers import general

FRAMES = 64
"""Frames kept at most."""
BYTES = 9_000_000
"""Of all strips together at most, packed; where noise makes them larger, fewer frames are kept."""
KEYS = 6
"""Key frames at most, which are kept as pictures too, to be magnified."""
TOP = 3
"""Classes that are kept of an answer."""
IMAGE = "image"
"""The strip of the attack's images, as offsets from the clean one."""


@dataclass(frozen=True)
class Answer:
    """What the network says of a step, before rounding."""

    classes: tuple[int, ...]
    """The most probable, TOP at most, falling."""
    probabilities: tuple[float, ...]
    """Of each of them."""
    truth: float
    """The probability of the true class."""

    @classmethod
    def of(cls, logits: Tensor, label: int) -> Answer:
        """What logits (K,) say; label: the true class."""
        p = logits.detach().cpu().double().softmax(0)
        top = p.topk(min(TOP, len(p)))
        return cls(tuple(top.indices.tolist()), tuple(top.values.tolist()), float(p[label]))


@dataclass(frozen=True)
class Film:
    """The kept steps of an attack on one image: `IMAGE`, and the perturbations that each step says it went through."""

    steps: tuple[int, ...]
    """Their numbers, counting the steps that were made from 1, ascending."""
    best: int
    """Which of them (0 ...) the result is from."""
    strips: Mapping[str, Parcel]
    """(T, C, H, W) each: what was added to the clean image, in multiples of `packing.STEP`, and the perturbations of
    each step, in multiples of a 2047th of the largest value of any of them."""
    notes: Mapping[str, tuple[str, ...]]
    """What is said of each step, for each strip."""
    details: Mapping[str, Tensor]
    """(C, H, W) each: the perturbations of the best step."""
    peaks: tuple[float, ...]
    """Largest absolute value of a detail, at each kept step."""
    roughness: tuple[float, ...]
    """Omega of what was added to the clean image at each kept step, sigma_h = 1 pixel."""
    answers: tuple[Answer, ...] = ()
    """Of each kept step; empty where no network was asked."""
    keys: tuple[int, ...] = ()
    """Which of the kept steps (0 ...) are key frames, ascending: the first, the first that fools, the best, the last,
    and some between them."""
    pictures: Tensor | None = None
    """(K, C, H, W) uint8, the levels of the key frames."""


def stride(n: int, limit: int) -> int:
    """The smallest power of 2 at which n steps, thinned to 0, stride, 2 stride ... and two more, are at most `limit`.

    A power of 2, because then what was kept of fewer steps contains what is kept of more: an attack need not say
    beforehand when it will end.
    """
    s = 1
    while n > limit and -(-n // s) > limit - 2:
        s *= 2
    return s


def chosen(n: int, best: int, limit: int = FRAMES) -> list[int]:
    """Which of n steps (0 ... n - 1) are kept, at most `limit`: evenly spaced ones, the best, and the last."""
    if not 0 <= best < n:
        raise ValueError(f"best must be one of the {n} steps, from 0 to {n - 1}; got {best}.")
    return sorted({*range(0, n, stride(n, limit)), best, n - 1})


def key_frames(steps: Sequence[int], wanted: Sequence[int], limit: int = KEYS) -> tuple[int, ...]:
    """Which of the kept steps are key frames: those `wanted` (0 ...), and others as far from all of them as can be."""
    found = {*wanted}
    while len(found) < min(limit, len(steps)):
        apart = [min(abs(step - steps[i]) for i in found) for step in steps]
        found.add(apart.index(max(apart)))
    return tuple(sorted(found))


@dataclass(frozen=True)
class _Frame:
    pictures: dict[str, NDArray[np.int16]]
    fine: float  # the step of the details
    notes: dict[str, str]
    fools: bool
    logits: Tensor | None  # (K,) of the image, where somebody has heard them


class Recorder:
    """Keeps the `chosen` steps of an attack on one image while it runs."""

    def __init__(
        self,
        clean: Tensor,
        limit: int = FRAMES,
        ask: Callable[[Tensor], Tensor] | None = None,
        heard: Callable[[Tensor], Tensor | None] = lambda image: None,
        label: int = 0,
    ) -> None:
        """clean: (C, H, W), exactly k/255, as every picture from a file is.

        ask: the network, (1, C, H, W) -> logits (1, K), which is asked about every kept step in the end. heard: what it
        has just said of an image (C, H, W), if it was asked about that: logits (K,). label: the true class.
        """
        self._ask, self._heard, self._label = ask, heard, label
        self._clean = clean.detach().cpu()
        self._levels = np.rint(self._clean.numpy() * np.float32(255)).astype(np.int32)
        self._limit = limit
        self._made = 0
        self._kept: dict[int, _Frame] = {}
        self._best: tuple[int, _Frame] | None = None
        self._last: Step | None = None
        self._best_image: Tensor | None = None

    def see(self, step: Step) -> None:
        """Look at a step; it may change afterwards."""
        number, self._made = self._made, self._made + 1
        spacing = stride(self._made, self._limit)
        if number % spacing == 0:
            self._kept = {i: frame for i, frame in self._kept.items() if i % spacing == 0}
            self._kept[number] = self._frame(step, step.images[0])
        best = step.best[0].detach().cpu()
        if self._best_image is None or not torch.equal(best, self._best_image):
            self._best_image = best.clone()
            self._best = number, self._frame(step, best)
        # Nearly every step is the last only until the next: it is rounded when it has turned out to be.
        self._last = replace(
            step,
            images=step.images[:1].clone(),
            detail={name: r[:1].clone() for name, r in step.detail.items()},
            scalars={name: values[:1].clone() for name, values in step.scalars.items()},
        )

    def _frame(self, step: Step, image: Tensor) -> _Frame:
        pictures = {IMAGE: self._offsets(image.detach().cpu())}
        peak = max((float(r[0].abs().max()) for r in step.detail.values()), default=0.0)
        fine = (peak or 1.0) / 2047
        pictures |= {name: to_steps(r[0], fine) for name, r in step.detail.items()}
        margin = step.scalars.get("margin")
        fools = margin is not None and float(margin[0]) > 0
        told = "" if margin is None else "fools the network" if fools else "does not fool the network"
        notes = {}
        for name, r in step.detail.items():
            rough = float(roughness(r[:1], 1.0, normalised=True)[0])
            notes[name] = f"L2 {general(float(r[0].norm()))}, Ω / L2² {general(rough, 2)}"
        plainly = step.scalars.get("clipped_plainly")
        if plainly is not None and float(plainly[0]) == 1:
            notes["clipped"] += ", cut off value by value"
        return _Frame(pictures, fine, {IMAGE: told} | notes, fools, self._heard(image))

    def _offsets(self, image: Tensor) -> NDArray[np.int16]:
        """image - clean, rounded so that clean + offset has the very 8-bit levels of `image`, ties included."""
        target = np.rint(quantize(image).numpy() * np.float32(255)).astype(np.int32)
        middle = 128 * (target - self._levels)
        return to_steps(image - self._clean).astype(np.int32).clip(middle - 63, middle + 63).astype(np.int16)

    def film(self) -> Film | None:
        """What has been kept so far; None before the first step."""
        if self._best is None or self._last is None:
            return None
        last = self._frame(self._last, self._last.images[0])
        frames = {self._made - 1: last} | self._kept | dict([self._best])
        limit = self._limit
        while True:
            film = _film(frames, chosen(self._made, self._best[0], limit), self._best[0])
            if limit <= 4 or sum(len(strip.data) for strip in film.strips.values()) <= BYTES:
                return self._answered(film, [frames[step - 1] for step in film.steps])
            limit //= 2

    def _answered(self, film: Film, frames: Sequence[_Frame]) -> Film:
        """The film with its key frames, and with what the network says of each step."""
        images = [self._clean + from_steps(frame.pictures[IMAGE]) for frame in frames]
        answers: tuple[Answer, ...] = ()
        if self._ask is not None:
            pairs = zip(frames, images, strict=True)
            logits = [self._ask(x[None])[0] if frame.logits is None else frame.logits for frame, x in pairs]
            answers = tuple(Answer.of(each, self._label) for each in logits)
        turning = [i for i, frame in enumerate(frames) if frame.fools][:1]
        keys = key_frames(film.steps, [0, film.best, len(frames) - 1, *turning])
        levels = torch.stack([(quantize(images[i]) * 255).round().byte() for i in keys])
        return replace(film, answers=answers, keys=keys, pictures=levels)


def _film(frames: Mapping[int, _Frame], order: list[int], best: int) -> Film:
    strips = {name: np.stack([frames[i].pictures[name] for i in order]) for name in frames[best].pictures}
    sizes = {name: [STEP if name == IMAGE else frames[i].fine for i in order] for name in strips}
    return Film(
        steps=tuple(i + 1 for i in order),
        best=order.index(best),
        strips={name: pack_steps(strip, sizes[name]) for name, strip in strips.items()},
        notes={name: tuple(frames[i].notes[name] for i in order) for name in strips},
        details={name: from_steps(frames[best].pictures[name], frames[best].fine) for name in strips if name != IMAGE},
        peaks=tuple(2047 * frames[i].fine for i in order),
        roughness=tuple(float(roughness(from_steps(steps)[None], 1.0)[0]) for steps in strips[IMAGE]),
    )
