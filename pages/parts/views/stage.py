"""What an attack did, on the page: pictures, their magnification, labels before and after, numbers."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st
from torch import Tensor

from core.attacks import ADVICE, AttackResult
from core.data.files import quantize
from core.magnify import MagnifyParameters, display_scale
from core.metrics import l2, linf, psnr, radial_power_spectrum, roughness, ssim
from core.params import fields
from pages.parts.charts import plots
from pages.parts.components.film import IMAGE, Film
from pages.parts.components.packing import rounded
from pages.parts.components.viewer import Panel, Trace, viewer
from pages.parts.inputs import forms
from pages.parts.shell import cache, links, page, pictures
from pages.parts.views.attacking import Finished

GAINS: dict[str, float | None] = {"fit": None, "×1": 1.0, "×5": 5.0, "×20": 20.0, "×100": 100.0}
SIGMAS = (0.5, 1.0, 2.0, 5.0)
TRACES = {"loss": "loss", "margin": "margin", "distortion": "distortion L2", "roughness": "roughness Ω"}
"""Scalars that are drawn, where an attack reports them."""
_MAGNIFY = {info.name: info for info in fields(MagnifyParameters)}


@dataclass(frozen=True)
class Display:
    """How a result is looked at. gain: of the perturbation, None fits it; sigma_h: of the roughness, in pixels."""

    magnify: MagnifyParameters
    gain: float | None
    sigma_h: float


def display_controls(scope: str) -> Display:
    """Widgets of what is only display; they never rerun an attack.

    They start from the authors' code rather than the paper's text: its wide range kernel keeps flat areas calm, so that
    a perturbation stands out from what any photograph shows when magnified.
    """
    start = MagnifyParameters.presets["authors' code"]
    values = {}
    beta, domain, width, gains, detail = st.columns([1.2, 1, 1, 0.8, 0.8], gap="small")
    for column, name in ((beta, "beta"), (domain, "sigma_domain"), (width, "sigma_range")):
        with column:
            values[name] = forms.widget(
                _MAGNIFY[name], forms.widget_key(_MAGNIFY[name], scope), start.get(name), f"view.{name}"
            )
    links.choice("view.gain", f"{scope}.gain", "fit", GAINS)
    gain = gains.selectbox(
        "Gain",
        list(GAINS),
        key=f"{scope}.gain",
        persist_state="session",
        help="How much the perturbation is amplified for display. “fit” takes the largest gain that clips nothing.",
    )
    links.choice("view.sigma_h", f"{scope}.sigma_h", 1.0, SIGMAS)
    sigma_h = detail.selectbox(
        "Detail $σ_h$",
        SIGMAS,
        key=f"{scope}.sigma_h",
        persist_state="session",
        format_func=lambda s: f"{s:g}",
        help="Roughness Ω is what a Gaussian of this many pixels takes away from the perturbation: "
        "|r − r∗h|².\n\n*SmoothFool, eq. 4*",
    )
    try:
        magnify = MagnifyParameters(**values)
    except ValueError as error:
        st.error(page.plain(str(error)))
        magnify = MagnifyParameters(**start)
    return Display(magnify, GAINS[gain], sigma_h)


def magnified(titles: Sequence[str], images: Sequence[Tensor], magnify: MagnifyParameters) -> list[Panel]:
    """Panels of magnified pictures (1, C, H, W), all on one scale, and a note that says which."""
    statistics = [cache.statistics(x, magnify.sigma_domain, magnify.sigma_range) for x in images]
    pictures = [s.magnify(magnify.beta)[0] for s in statistics]
    scale = display_scale(pictures)
    note = f"one scale: grey 0, white +{scale.limit:.1f} σ"
    if scale.clipped:
        note += f"; {100 * scale.clipped:.1f} % clipped"
    return [Panel(title, picture, 2 * scale.limit, "σ", note) for title, picture in zip(titles, pictures, strict=True)]


def fitting_gain(peak: float) -> float:
    """The largest gain at which values up to `peak` are not clipped around mid-grey."""
    return 0.5 / peak if peak > 0 else 1.0


def traces(trace: Mapping[str, Tensor], film: Film | None = None) -> list[Trace]:
    """The scalars of a run on one image, as in AttackResult.trace; of attacks that do not report it, the film's Ω."""
    drawn = {name: trace[name][:, 0].tolist() for name in TRACES if name in trace}
    if film is not None and "roughness" not in drawn:
        drawn["roughness"] = [math.nan] * len(trace["step"])
        for step, value in zip(film.steps, film.roughness, strict=True):
            drawn["roughness"][step - 1] = value
    return [
        Trace(TRACES[name], values, zero=name == "margin") for name, values in drawn.items() if len(trace["step"]) > 1
    ]


def clean(image: Tensor, title: str, scope: str) -> None:
    """A picture (1, C, H, W) that has not been attacked, its magnification, and the display controls."""
    above = st.container()
    magnify = display_controls(scope).magnify
    with above:
        panels = [Panel("Original", image[0], note=title), *magnified(["Magnified original"], [image], magnify)]
        viewer(panels, f"{scope}.clean", view=scope)


def about_to_start(image: Tensor, scope: str) -> None:
    """The clean picture (C, H, W), where the running attack will be shown."""
    viewer([Panel("Original", image)], f"{scope}.underway", columns=4, view=scope)


def underway(image: Tensor, best: Tensor, found: bool, trace: Mapping[str, Tensor], scope: str) -> None:
    """An attack that is running: the clean picture (C, H, W), the best so far, their difference, the scalars."""
    r = rounded(best - image)
    gain = fitting_gain(float(r.abs().max()))
    rough, share = (float(roughness(r[None], 1.0, normalised=n)[0]) for n in (False, True))
    title = "Best so far" if found else "Nearest attempt so far"
    panels = [
        Panel("Original", image),
        Panel(title, quantize(best), note="fools the network" if found else "does not fool the network yet"),
        Panel(
            "Perturbation",
            r,
            1 / gain,
            note=f"amplified ×{gain:.3g}, grey is no change; Ω {rough:.3g}, Ω / L2² {share:.3g}",
        ),
    ]
    viewer(panels, f"{scope}.underway", columns=4, traces=traces(trace), view=scope)


def finished(run: Finished, title: str, scope: str) -> Display:
    """A finished (or stopped) attack on one image: its pictures, the steps it made, and below the display controls."""
    result, film = run.result, run.film
    fooled = result.status[0] == "fooled"
    above = st.container()
    display = display_controls(scope)
    r = result.perturbation[0]
    gain = display.gain or fitting_gain(float(r.abs().max()))
    name = "Adversarial" if fooled else "Nearest attempt"
    before, after = magnified(
        ["Magnified original", f"Magnified {'adversarial' if fooled else 'attempt'}"],
        [result.images, result.adversarial_8bit],
        display.magnify,
    )
    panels = [
        Panel("Original", result.images[0], note=title),
        Panel(name, result.adversarial[0], note=_verdict_note(result), follows=IMAGE, base=result.images[0]),
        Panel(
            "Perturbation",
            r,
            1 / gain,
            note=f"before rounding, amplified ×{gain:.3g}; grey is no change",
            follows=IMAGE,
        ),
        before,
        replace(after, result=True),
    ]
    if film is not None:
        # All details of a step have one gain; from step to step they differ too much for that.
        spans = [1 / fitting_gain(peak) for peak in film.peaks]
        panels += [
            Panel(
                step[0].upper() + step[1:],
                values,
                spans[film.best],
                follows=step,
                spans=spans,
                note=f"{film.notes[step][film.best]}, amplified ×{1 / spans[film.best]:.3g}",
            )
            for step, values in film.details.items()
        ]
    with above:
        viewer(panels, f"{scope}.finished", film=film, traces=traces(result.trace, film), view=scope)
    return display


def _verdict_note(result: AttackResult) -> str:
    if result.status[0] != "fooled":
        return "not adversarial"
    return "shown in 8 bits: still fools" if bool(result.success_8bit[0]) else "shown in 8 bits: no longer fools"


def verdict(result: AttackResult, names: Sequence[str], sigma_h: float) -> None:
    """The headline, the probabilities before and after, and the numbers, all from the result's own arrays."""
    status = result.status[0]
    before, after = names[int(result.predictions_clean[0])], names[int(result.predictions[0])]
    if status == "fooled":
        st.html(f'<p class="ss-verdict"><b>{html.escape(before)}</b> is now <b>{html.escape(after)}</b></p>')
    else:
        st.warning(ADVICE[status])
    true = int(result.labels[0])
    probabilities("Before", result.logits_clean[0], names, true)
    if status in ("fooled", "failed"):
        probabilities("After", result.logits[0], names, true)
        st.html(_table(numbers(result, sigma_h)))


def probabilities(title: str, logits: Tensor, names: Sequence[str], true: int | None) -> None:
    """The most probable classes for one image's logits (K,); the true class has a colour of its own."""
    st.html(f"<b>{html.escape(title)}</b>" + pictures.bars(names, logits, mark=true))


def numbers(result: AttackResult, sigma_h: float) -> list[tuple[str, str, str]]:
    """(name, value, explanation) of everything that is said of a perturbation."""
    r, x, adversarial = result.perturbation, result.images, result.adversarial
    return [
        ("L2", f"{l2(r)[0]:.3f}", "Euclidean norm of the perturbation, pixels in [0, 1]"),
        ("L∞", f"{255 * linf(r)[0]:.1f}/255", "Largest change of one value"),
        ("Ω × 10³", f"{1e3 * roughness(r, sigma_h)[0]:.3g}", f"Roughness, sigma_h = {sigma_h:g} pixels"),
        ("Ω / L2² × 10³", f"{1e3 * roughness(r, sigma_h, normalised=True)[0]:.3g}", "Roughness for unit energy"),
        ("SSIM", f"{ssim(x, adversarial)[0]:.4f}", "Structural similarity, 1 is identical"),
        ("PSNR", f"{psnr(x, adversarial)[0]:.1f} dB", "Peak signal-to-noise ratio"),
        ("MAD", f"{cache.mad(x, adversarial)[0]:.3g}", "Most apparent distortion, 0 is invisible"),
        ("Fools in 8 bits", "yes" if bool(result.success_8bit[0]) else "no", "After rounding to 256 levels, as a PNG"),
        ("Steps", f"{len(result.trace.get('step', ()))}", "Steps that were made; images may finish early"),
        ("Time", f"{result.seconds:.1f} s", "On the machine that computed it"),
    ]


def _table(rows: Sequence[tuple[str, str, str]]) -> str:
    cells = "".join(
        f'<tr title="{html.escape(why)}"><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>'
        for name, value, why in rows
    )
    return f'<table class="ss-table">{cells}</table>'


def spectrum(result: AttackResult, key: str) -> None:
    """How the perturbation's energy is spread over spatial frequencies."""
    if result.perturbation.any():
        st.plotly_chart(
            plots.spectrum(*radial_power_spectrum(result.perturbation)),
            key=f"{key}.spectrum",
            config=plots.CONFIG,
            alt="Energy of the perturbation for each spatial frequency",
        )
