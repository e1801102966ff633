"""A comparison as columns of pictures and numbers, for the viewer and for export."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st
import torch
from torch import Tensor

from core.attacks import ADVICE, AttackResult
from core.export.archive import Item, file_name
from core.metrics import ciede2000, l2, psnr, roughness, ssim
from pages.parts.components.viewer import Panel
from pages.parts.engine.bounded import fingerprint
from pages.parts.inputs.choose import Choice
from pages.parts.shell import cache
from pages.parts.views import display
from pages.parts.views.display import Display
from pages.parts.work.attacks import Finished


def panels(
    names: Sequence[str],
    results: Sequence[AttackResult],
    choice: Choice,
    seen: Display,
    perturbations: bool,
    norm: float | None,
    best: tuple[Tensor, str] | None = None,
) -> tuple[list[Panel], int]:
    """The pictures of a comparison for the viewer, and how many stand above each other in a column.

    First the original, then a column for each result: the adversarial picture; if asked for, the perturbation, all of
    them on one gain; the magnified picture, all on one scale, with the numbers below. Where there are more names than
    results, the other columns are still to come; best: what the next of them has reached, and a note on it.
    """
    clean = choice.image
    shades = display.magnified(
        ["Original, magnified", *(f"{_short(name)}, magnified" for name in names[: len(results)])],
        [clean, *(result.adversarial_8bit for result in results)],
        seen.magnify,
    )
    peak = max((float(result.perturbation.abs().max()) for result in results), default=0.0)
    gain = seen.gain or display.fitting_gain(peak)
    found = [Panel("Original", clean[0], note=f"{choice.title}\n{_answer(choice.logits, choice.classes)}")]
    if perturbations:
        found.append(Panel("No perturbation", torch.zeros_like(clean[0]), 1 / gain, note="grey is no change"))
    found.append(shades[0])
    for name, result, shade in zip(names, results, shades[1:], strict=False):
        found.append(Panel(name, result.adversarial[0], note=_verdict(result, choice.classes, norm)))
        if perturbations:
            note = f"amplified ×{gain:.3g}, one gain for all"
            found.append(Panel(f"{_short(name)}, perturbation", result.perturbation[0], 1 / gain, note=note))
        found.append(replace(shade, note="on the same scale", facts=facts(result, seen.sigma_h)))
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
    found = _distances(result.images, result.adversarial, sigma_h)
    if result.converged is not None:
        found.append(("Converged", "yes" if bool(result.converged[0]) else "no"))
    return [*found, ("Time", f"{result.seconds:.1f} s")]


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={Tensor: fingerprint})
def _distances(x: Tensor, adversarial: Tensor, sigma_h: float) -> list[tuple[str, str]]:
    r = adversarial - x
    return [
        ("L2", f"{l2(r)[0]:.3f}"),
        ("MAD", f"{cache.mad(x, adversarial)[0]:.3g}"),
        ("CIEDE2000", f"{float(ciede2000(x, adversarial).max()):.2f}"),
        ("Ω × 10³", _number(1e3 * float(roughness(r, sigma_h)[0]))),
        ("Ω / L2² × 10³", _number(1e3 * float(roughness(r, sigma_h, normalised=True)[0]))),
        ("SSIM", f"{ssim(x, adversarial)[0]:.4f}"),
        ("PSNR", f"{psnr(x, adversarial)[0]:.1f} dB"),
    ]


def items(
    names: Sequence[str], runs: Sequence[Finished], results: Sequence[AttackResult], sha256: str, norm: float | None
) -> list[Item]:
    """What is exported of a comparison. results: the runs' own, or at one norm."""
    return [
        Item(f"{i}-{file_name(name)}", result, sha256, run.threads, norm)
        for i, (name, run, result) in enumerate(zip(names, runs, results, strict=True), 1)
    ]
