"""A comparison as columns of pictures and numbers, for the viewer and for export."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st
import torch
from torch import Tensor

from core.attacks import ADVICE, AttackResult
from core.export.archive import Item, file_name
from core.metrics import ciede2000, l2, psnr, roughness, ssim
from pages.parts.charts import plots
from pages.parts.components.viewer import Panel
from pages.parts.engine.bounded import fingerprint
from pages.parts.inputs.choose import Choice
from pages.parts.shell import cache, page
from pages.parts.shell.numbers import general
from pages.parts.views import display
from pages.parts.views.display import Display
from pages.parts.work.attacks import Finished


@dataclass(frozen=True)
class Column:
    """What stands above each other beside the original: a picture, what was changed, and what is said of both."""

    name: str
    short: str
    """Its name where more has to be said beside it."""
    picture: Tensor
    """(C, H, W) in [0, 1]."""
    perturbation: Tensor
    """(C, H, W)."""
    magnified: Tensor
    """(1, C, H, W) the picture as it is magnified, in 8 bits."""
    note: str
    facts: Sequence[tuple[str, str]]


def made(
    names: Sequence[str], results: Sequence[AttackResult], classes: Sequence[str], sigma_h: float, norm: float | None
) -> list[Column]:
    """A column for each result."""
    return [
        Column(
            name,
            short(name),
            result.adversarial[0],
            result.perturbation[0],
            result.adversarial_8bit,
            _verdict(result, classes, norm),
            facts(result, sigma_h),
        )
        for name, result in zip(names, results, strict=False)
    ]


def panels(
    columns: Sequence[Column],
    coming: Sequence[tuple[str, str]],
    choice: Choice,
    seen: Display,
    perturbations: bool,
    best: tuple[Tensor, str] | None = None,
) -> tuple[list[Panel], int]:
    """The pictures of a comparison for the viewer, and how many stand above each other in a column.

    First the original, then the columns: picture; if asked for, perturbation, all of them on one gain; the magnified
    picture, all on one scale, with the numbers below. coming: names, long and short, of columns that are not there yet;
    best: what the next of them has reached, and a note on it.
    """
    clean = choice.image
    shades = display.magnified(
        ["Original, magnified", *(f"{column.short}, magnified" for column in columns)],
        [clean, *(column.magnified for column in columns)],
        seen.magnify,
    )
    peak = max((float(column.perturbation.abs().max()) for column in columns), default=0.0)
    gain = seen.gain or display.fitting_gain(peak)
    found = [Panel("Original", clean[0], note=f"{choice.title}\n{answer(choice.logits, choice.classes)}")]
    if perturbations:
        found.append(Panel("No perturbation", torch.zeros_like(clean[0]), 1 / gain, note="grey is no change"))
    found.append(shades[0])
    for column, shade in zip(columns, shades[1:], strict=True):
        found.append(Panel(column.name, column.picture, note=column.note))
        if perturbations:
            note = f"amplified ×{general(gain)}, one gain for all"
            found.append(Panel(f"{column.short}, perturbation", column.perturbation, 1 / gain, note=note))
        found.append(replace(shade, note="on the same scale", facts=column.facts))
    for name, brief in coming:
        reached, note = best or (clean[0], "to come\n\N{NO-BREAK SPACE}")  # two lines, as under the others
        best = None
        found.append(Panel(name, reached, note=note))
        empty = torch.zeros_like(clean[0])
        if perturbations:
            found.append(Panel(f"{brief}, perturbation", empty, 1.0, note="to come"))
        found.append(Panel(f"{brief}, magnified", empty, 1.0, note="to come"))
    return found, 3 if perturbations else 2


def short(name: str) -> str:
    """ "sC&W, α = 0.9" of "Smooth C&W (sC&W), α = 0.9"."""
    return re.sub(r"^.*\((\S*[^\d\s]\S*)\)", r"\1", name)


def answer(logits: Tensor, classes: Sequence[str]) -> str:
    """The class that logits (K,) name, and its probability."""
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
    return f"{answer(result.logits[0], classes)}\n{outcome}"


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
        ("MAD", general(float(cache.mad(x, adversarial)[0]))),
        ("CIEDE2000", f"{float(ciede2000(x, adversarial).max()):.2f}"),
        ("Ω × 10³", general(1e3 * float(roughness(r, sigma_h)[0]))),
        ("Ω / L2² × 10³", general(1e3 * float(roughness(r, sigma_h, normalised=True)[0]))),
        ("SSIM", f"{ssim(x, adversarial)[0]:.4f}"),
        ("PSNR", f"{psnr(x, adversarial)[0]:.1f} dB"),
    ]


def spectra(found: Mapping[str, tuple[Tensor, Tensor]], what: str) -> None:
    """The chart of energy by spatial frequency, a curve a column: what `plots.spectra` takes, and what it is of."""
    page.tell(
        f"**{what}:** smooth ones lie on the left.", "compare"
    )  # a chart's own title would not be broken on a phone
    st.plotly_chart(plots.spectra(found), key="compare.spectra", config=plots.CONFIG, alt=what)


def items(
    names: Sequence[str], runs: Sequence[Finished], results: Sequence[AttackResult], sha256: str, norm: float | None
) -> list[Item]:
    """What is exported of a comparison. results: the runs' own, or at one norm."""
    return [
        Item(f"{i}-{file_name(name)}", result, sha256, run.threads, norm)
        for i, (name, run, result) in enumerate(zip(names, runs, results, strict=True), 1)
    ]
