"""What an attack did, on the page: pictures, their magnification, labels before and after, numbers."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from torch import Tensor

from core.attacks import ADVICE, AttackResult
from core.magnify import MagnifyParameters, display_scale, to_display
from core.metrics import l2, linf, psnr, radial_power_spectrum, roughness, ssim
from core.params import fields
from pages.parts import cache, forms, pictures, plots
from pages.parts.attacking import Frame
from pages.parts.pictures import Picture

GAINS: dict[str, float | None] = {"fit": None, "×1": 1.0, "×5": 5.0, "×20": 20.0, "×100": 100.0}
SIGMAS = (0.5, 1.0, 2.0, 5.0)
PANELS = {
    "loss": ("loss", plots.ORANGE),
    "distortion": ("distortion (L2)", plots.BLUE),
    "margin": ("margin (above 0: fooled)", plots.RED),
    "roughness": ("roughness Ω", plots.PURPLE),
}
"""Scalars that have a chart, where an attack reports them."""
TWO_AND_CONTROLS = [465, 226]
"""Widths of a row of two pictures with the display controls where the third would be."""
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
    values = {
        name: forms.widget(_MAGNIFY[name], forms.widget_key(_MAGNIFY[name], scope), start.get(name))
        for name in ("beta", "sigma_domain", "sigma_range")
    }
    left, right = st.columns(2, gap="small")
    st.session_state.setdefault(f"{scope}.gain", "fit")
    gain = left.selectbox(
        "Gain", list(GAINS), key=f"{scope}.gain", persist_state="session",
        help="How much the perturbation is amplified for display. “fit” takes the largest gain that clips nothing.",
    )  # fmt: skip
    st.session_state.setdefault(f"{scope}.sigma_h", 1.0)
    sigma_h = right.selectbox(
        "Detail $σ_h$", SIGMAS, key=f"{scope}.sigma_h", persist_state="session", format_func=lambda s: f"{s:g}",
        help="Roughness Ω is what a Gaussian of this many pixels takes away from the perturbation: "
        "|r − r∗h|².\n\n*SmoothFool, eq. 4*",
    )  # fmt: skip
    try:
        magnify = MagnifyParameters(**values)
    except ValueError as error:
        st.error(str(error))
        magnify = MagnifyParameters(**start)
    return Display(magnify, GAINS[gain], sigma_h)


def _magnified(images: Sequence[Tensor], magnify: MagnifyParameters) -> tuple[list[Tensor], str]:
    """Magnified pictures (1, C, H, W) each, on one common scale, and a note that says which."""
    statistics = [cache.statistics(x, magnify.sigma_domain, magnify.sigma_range) for x in images]
    magnified = [s.magnify(magnify.beta) for s in statistics]
    scale = display_scale(magnified)
    note = f"one scale: grey 0, white +{scale.limit:.1f} σ"
    if scale.clipped:
        note += f"; {100 * scale.clipped:.1f} % clipped"
    return [picture[0] for picture in to_display(magnified, scale)], note


def clean(image: Tensor, title: str, scope: str) -> None:
    """A picture (1, C, H, W) that has not been attacked, its magnification, and the display controls."""
    left, right = st.columns(TWO_AND_CONTROLS, gap="small")
    with right:
        magnify = display_controls(scope).magnify
    with left:
        (shown,), note = _magnified([image], magnify)
        pictures.grid([Picture(image[0], "Original", title), Picture(shown, "Magnified original", note)], columns=2)


def underway(image: Tensor, best: Tensor, found: bool) -> None:
    """An attack that is running: the clean picture (C, H, W), the best so far, their difference."""
    r = best - image
    shown, gain = pictures.perturbation(r)
    rough = float(roughness(r[None], 1.0, normalised=True)[0])
    title = "Best so far" if found else "Nearest attempt so far"
    pictures.grid(
        [
            Picture(image, "Original"),
            Picture(best, title, "fools the network" if found else "does not fool the network yet"),
            Picture(shown, "Perturbation", f"amplified ×{gain:.3g}, grey is no change; roughness {rough:.3g}"),
        ],
        columns=3,
    )


def finished(result: AttackResult, title: str, scope: str) -> Display:
    """The five pictures of a finished (or stopped) attack on one image, and the display controls beside them."""
    fooled = result.status[0] == "fooled"
    above = st.container()
    left, right = st.columns(TWO_AND_CONTROLS, gap="small")
    with right:
        display = display_controls(scope)
    adversarial = result.adversarial_8bit
    shown, gain = pictures.perturbation(result.perturbation[0], display.gain)
    with above:
        pictures.grid(
            [
                Picture(result.images[0], "Original", title),
                Picture(adversarial[0], "Adversarial" if fooled else "Nearest attempt", _verdict_note(result)),
                Picture(shown, "Perturbation", f"before rounding, amplified ×{gain:.3g}; grey is no change"),
            ],
            columns=3,
        )
    with left:
        (before, after), note = _magnified([result.images, adversarial], display.magnify)
        pictures.grid(
            [
                Picture(before, "Magnified original", note),
                Picture(after, "Magnified adversarial" if fooled else "Magnified attempt", note),
            ],
            columns=2,
        )
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


def charts(result: AttackResult, key: str) -> None:
    """The scalars at every step, and how the perturbation's energy is spread over spatial frequencies."""
    panels = {name: panel for name, panel in PANELS.items() if len(result.trace.get(name, ())) > 1}
    spectrum = radial_power_spectrum(result.perturbation) if result.perturbation.any() else None
    if panels or spectrum:
        st.plotly_chart(
            plots.traces(result.trace, panels, spectrum=spectrum), key=f"{key}.charts", config=plots.CONFIG,
            alt=f"At every step of the attack: {', '.join(title for title, _ in panels.values())}; "
            "energy of the perturbation for each spatial frequency",
        )  # fmt: skip


def watch(frames: Sequence[Frame], scope: str) -> None:
    """The steps of an attack, one at a time: the perturbations it went through, on one gain."""
    st.subheader("Step by step", anchor=False)
    steps = [frame.step for frame in frames]
    key = f"{scope}.frame"
    if st.session_state.get(key) not in steps:
        st.session_state[key] = steps[0]
    at = st.select_slider("Step", steps, key=key) if len(steps) > 1 else steps[0]
    detail = frames[steps.index(at)].detail
    peak = max(float(r.abs().max()) for r in detail.values())
    gain = 0.5 / peak if peak > 0 else 1.0
    shown = [Picture(pictures.perturbation(r, gain)[0], name, f"L2 {r.norm():.3f}") for name, r in detail.items()]
    pictures.grid(shown)
    st.caption(f"All amplified ×{gain:.3g}, grey is no change.")
