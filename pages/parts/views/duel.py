"""Attacks side by side on one image: as one job, and as columns of pictures and numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import streamlit as st
import torch
from torch import Tensor

from core.attacks import ADVICE, ATTACKS, Attack, AttackResult
from core.evaluate.comparison import matched
from core.export.archive import Item, file_name
from core.metrics import l2, psnr, roughness, ssim
from core.models import Classifier
from core.params import ParameterInfo, Parameters, fields, parameter
from pages.parts.components.viewer import Panel
from pages.parts.inputs import forms
from pages.parts.inputs.choose import Choice
from pages.parts.shell import cache
from pages.parts.shell.cache import Bounded, fingerprint
from pages.parts.shell.jobs import Progress, Stop
from pages.parts.views import attacking, stage
from pages.parts.views.attacking import Finished, Snapshot

MOST = 6
"""Columns at most."""
_FIRST = ("alpha", "sigma_g", "margin")
_VALUES = {"alpha": "0, 0.9, 0.99, 0.997", "sigma_g": "0.5, 1, 2, 4", "margin": "0, 1, 2, 5"}


class Matching(Parameters):
    """How perturbations of different attacks are made comparable."""

    match: Literal["norm", "success"] = parameter(
        "norm",
        title="Matched on",
        help="“success” shows each attack's least distorted success as it is. “norm” scales every perturbation to one "
        "L2 norm, clips to black and white, and asks the network again.",
    )
    norm: float | None = parameter(
        3.0,
        ge=0.001,
        le=1000,
        log=True,
        slider=(0.1, 20),
        title="Common norm",
        symbol="L2",
        help="Left automatic, that of the longest perturbation, so that none becomes shorter than it is.",
    )


@dataclass(frozen=True)
class Underway:
    """A duel that is being computed: the columns that are done, and the attack that runs."""

    done: tuple[Finished, ...]
    snapshot: Snapshot | None


def work(
    attacks: Sequence[Attack], model: Classifier, images: Tensor, labels: Tensor, seed: int
) -> Generator[Progress[Underway], None, tuple[Finished, ...]]:
    """`attacks` on one image, one after the other; those that have been run before are there at once."""
    done: list[Finished] = []
    for i, attack in enumerate(attacks):
        known = attacking.results.get(attacking.key(attack, model, images, labels, seed))
        if known is None:
            running = attacking.work(attack, model, images, labels, seed)
            try:
                while True:
                    inner = next(running)
                    try:
                        yield Progress((i + inner.fraction) / len(attacks), Underway(tuple(done), inner.snapshot))
                    except Stop as stop:
                        running.throw(stop)
            except StopIteration as end:
                known = end.value
            if known is not None and known.result.stopped:
                return (*done, known)
        assert known is not None
        done.append(known)
        yield Progress((i + 1) / len(attacks), Underway(tuple(done), None))
    return tuple(done)


def titles(attacks: Sequence[Attack]) -> list[str]:
    """What each column is called: its attack, and the values in which it differs from others of its kind.

    Where all are of one kind, the values alone. No two are called the same.
    """
    kinds = Counter(attack.name for attack in attacks)
    found: list[str] = []
    for attack in attacks:
        alike = [other for other in attacks if other.name == attack.name]
        differing = [
            f"{info.symbol or info.title} = {_value(getattr(attack, info.name))}"
            for info in fields(type(attack))
            if len({getattr(other, info.name) for other in alike}) > 1
        ]
        if len(kinds) > 1 or not differing:
            differing.insert(0, attack.title)
        title = ", ".join(differing)
        again = sum(known == title or known.startswith(f"{title} (") for known in found)
        found.append(f"{title} ({again + 1})" if again else title)
    return found


def _value(value: object) -> str:
    return "automatic" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


_scaled: Bounded[AttackResult] = Bounded(64)


def on_one_norm(
    results: Sequence[AttackResult], model: Classifier, matching: Matching
) -> tuple[list[AttackResult], float | None]:
    """`results` as `matching` wants them, and the norm that they were brought to, if any."""
    lengths = [float(result.l2[0]) for result in results]
    if matching.match == "success" or not any(lengths):
        return list(results), None
    norm = max(lengths) if matching.norm is None else matching.norm
    scaled = []
    for result in results:
        key = fingerprint(result.images, result.adversarial, result.status, model.card.sha256, norm)
        known = _scaled.get(key)
        if known is None:
            known = matched(result, model, norm)
            _scaled.put(key, known)
        scaled.append(known)
    return scaled, norm


def panels(
    names: Sequence[str],
    results: Sequence[AttackResult],
    choice: Choice,
    display: stage.Display,
    perturbations: bool,
    norm: float | None,
    best: tuple[Tensor, str] | None = None,
) -> tuple[list[Panel], int]:
    """The pictures of a duel for the viewer, and how many stand above each other in a column.

    First the original, then a column for each result: the adversarial picture; if asked for, the perturbation, all of
    them on one gain; the magnified picture, all on one scale, with the numbers below. Where there are more names than
    results, the other columns are still to come; best: what the next of them has reached, and a note on it.
    """
    clean = choice.image
    shades = stage.magnified(
        ["Original, magnified", *(f"{_short(name)}, magnified" for name in names[: len(results)])],
        [clean, *(result.adversarial_8bit for result in results)],
        display.magnify,
    )
    peak = max((float(result.perturbation.abs().max()) for result in results), default=0.0)
    gain = display.gain or stage.fitting_gain(peak)
    found = [Panel("Original", clean[0], note=f"{choice.title}\n{_answer(choice.logits, choice.classes)}")]
    if perturbations:
        found.append(Panel("No perturbation", torch.zeros_like(clean[0]), 1 / gain, note="grey is no change"))
    found.append(shades[0])
    for name, result, shade in zip(names, results, shades[1:], strict=False):
        found.append(Panel(name, result.adversarial[0], note=_verdict(result, choice.classes, norm)))
        if perturbations:
            note = f"amplified ×{gain:.3g}, one gain for all"
            found.append(Panel(f"{_short(name)}, perturbation", result.perturbation[0], 1 / gain, note=note))
        found.append(replace(shade, note="on the same scale", facts=facts(result, display.sigma_h)))
    for name in names[len(results) :]:
        reached, note = best or (clean[0], "to come\n\N{NO-BREAK SPACE}")  # two lines, as under the others
        best = None
        found.append(Panel(name, reached, note=note))
        empty = torch.zeros_like(clean[0])
        if perturbations:
            found.append(Panel(f"{_short(name)}, perturbation", empty, 1.0, note="to come"))
        found.append(Panel(f"{_short(name)}, magnified", empty, 1.0, note="to come"))
    return found, 3 if perturbations else 2


def _short(name: str) -> str:
    """ "sC&W, α = 0.9" of "Smooth C&W (sC&W), α = 0.9"."""
    return re.sub(r"^.*\((\S*[^\d\s]\S*)\)", r"\1", name)


def _answer(logits: Tensor, classes: Sequence[str]) -> str:
    p = logits.double().softmax(0)
    return f"“{classes[int(p.argmax())]}”, {100 * float(p.max()):.1f} %"


def _verdict(result: AttackResult, classes: Sequence[str], norm: float | None) -> str:
    """Two lines: what the network says, and whether that is a success."""
    status = result.status[0]
    if status not in ("fooled", "failed"):
        return ADVICE[status]
    if status == "fooled":
        outcome = "fools the network" + ("" if bool(result.success_8bit[0]) else ", but not in 8 bits")
    else:
        outcome = "does not fool the network" if norm is None else f"does not fool the network at L2 = {norm:.3g}"
    return f"{_answer(result.logits[0], classes)}\n{outcome}"


def _number(value: float) -> str:
    """Three digits, or all of a larger number."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def facts(result: AttackResult, sigma_h: float) -> list[tuple[str, str]]:
    """(name, value) of what is said below a column's pictures."""
    return [*_distances(result.images, result.adversarial, sigma_h), ("Time", f"{result.seconds:.1f} s")]


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={Tensor: fingerprint})
def _distances(x: Tensor, adversarial: Tensor, sigma_h: float) -> list[tuple[str, str]]:
    r = adversarial - x
    return [
        ("L2", f"{l2(r)[0]:.3f}"),
        ("Ω × 10³", _number(1e3 * float(roughness(r, sigma_h)[0]))),
        ("Ω / L2² × 10³", _number(1e3 * float(roughness(r, sigma_h, normalised=True)[0]))),
        ("MAD", f"{cache.mad(x, adversarial)[0]:.3g}"),
        ("SSIM", f"{ssim(x, adversarial)[0]:.4f}"),
        ("PSNR", f"{psnr(x, adversarial)[0]:.1f} dB"),
    ]


def items(
    names: Sequence[str], runs: Sequence[Finished], results: Sequence[AttackResult], sha256: str, norm: float | None
) -> list[Item]:
    """What a duel gives to take home. results: the runs' own, or at one norm."""
    return [
        Item(f"{i}-{file_name(name)}", result, sha256, run.threads, norm)
        for i, (name, run, result) in enumerate(zip(names, runs, results, strict=True), 1)
    ]


def rebuilt(result: AttackResult) -> Attack:
    """The attack that made `result`."""
    return ATTACKS[result.attack](**result.parameters)


def sweepable(cls: type[Attack]) -> dict[str, ParameterInfo]:
    """The numbers among an attack's parameters; those people ask for first."""
    numbers = {info.name: info for info in fields(cls) if info.kind in ("int", "float")}
    return {name: numbers[name] for name in sorted(numbers, key=lambda n: (n not in _FIRST, numbers[n].advanced))}


def opening_values(info: ParameterInfo) -> str:
    """Four values from one end of a slider to the other."""
    if info.name in _VALUES:
        return _VALUES[info.name]
    low, high = info.slider or (info.low, info.high)
    assert low is not None
    assert high is not None
    stops = forms.logarithmic_stops(low, high, ()) if info.log else [low + (high - low) * i / 60 for i in range(61)]
    chosen = [stops[round(i * (len(stops) - 1) / 3)] for i in range(4)]
    return ", ".join(f"{round(value) if info.kind == 'int' else value:.4g}" for value in chosen)


def parse_values(text: str, info: ParameterInfo) -> list[float]:
    """The numbers in `text`; ValueError in one sentence unless they are 1 to MOST legal values."""
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if not 1 <= len(parts) <= MOST:
        raise ValueError(f"values must be from 1 to {MOST} numbers, with commas between them; got {len(parts)}.")
    return [info.read(part) for part in parts]
