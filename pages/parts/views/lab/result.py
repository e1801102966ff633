"""What the Attack lab shows: an attack that is running, and what a finished one did, in pictures and numbers."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from core.attacks import ADVICE, ATTACKS, Attack, AttackResult
from core.data import quantize
from core.data.imageset import from_levels
from core.export.archive import Item
from core.magnify import MagnifyParameters
from core.metrics import l2, linf, psnr, radial_power_spectrum, roughness, ssim
from core.params import fields
from pages.parts.charts import plots
from pages.parts.components.film import IMAGE, Answer, Film
from pages.parts.components.packing import LARGEST, STEP, Parcel, pack_steps, rounded, to_steps
from pages.parts.components.viewer import Panel, Trace, viewer
from pages.parts.engine.bounded import fingerprint
from pages.parts.inputs.choose import Choice
from pages.parts.shell import cache, links, page, pictures
from pages.parts.shell.jobs import Look
from pages.parts.shell.numbers import general
from pages.parts.views import attacking, display, export, looking
from pages.parts.views.attacking import Shown
from pages.parts.work.attacks import Finished, Snapshot

SCOPE = "lab"
PINNED = "lab.pinned"
"""Where the session keeps the `Shown` that stays beside the next one."""
FURTHER = "lab.go_on"
"""Where the session keeps that the search is to go on from what is shown."""
TRACES = {
    "loss": "loss",
    "margin": "margin",
    "distortion": "distortion L2",
    "roughness": "roughness Ω",
    "truth": "true class, %",
}
"""Scalars that are drawn, where an attack reports them."""
MAGNIFIED = "magnified"
"""The strip of a film that holds its key frames, magnified."""

_CONVERGED = (
    "It stands at the boundary, or the last third of its budget made it shorter by 1 % at most, and no other boundary "
    "that was looked at seemed nearly as near; no: it may not be the shortest, allow more"
)


@dataclass(frozen=True)
class Wanted:
    """What a job is for."""

    attack: Attack
    choice: Choice
    key: str | None
    """Of what it gives (`attacking.key`); None where it goes on from an earlier run."""
    start: Tensor | None = None
    """(1, C, H, W) where that run stopped."""


def shows(shown: Shown | None, attack: Attack, choice: Choice, seed: int) -> bool:
    """Whether what is shown is of this attack, network, picture and seed."""
    return (
        shown is not None
        and (shown.attack, shown.choice.network, shown.run.result.seed) == (attack, choice.network, seed)
        and shown.choice.image.equal(choice.image)
    )


def traces(trace: Mapping[str, Tensor], film: Film | None = None) -> list[Trace]:
    """The scalars of a run on one image, as in AttackResult.trace; of attacks that do not report it, the film's Ω."""
    drawn = {name: trace[name][:, 0].tolist() for name in TRACES if name in trace}
    if film is not None and "roughness" not in drawn:
        drawn["roughness"] = [math.nan] * len(trace["step"])
        for step, value in zip(film.steps, film.roughness, strict=True):
            drawn["roughness"][step - 1] = value
    if film is not None and film.answers:
        drawn["truth"] = [math.nan] * len(trace["step"])
        for step, answer in zip(film.steps, film.answers, strict=True):
            drawn["truth"][step - 1] = 100 * answer.truth
    return [
        Trace(TRACES[name], values, zero=name == "margin") for name, values in drawn.items() if len(trace["step"]) > 1
    ]


def formula(attack: Attack | None) -> None:
    """What an attack minimises, above the pictures."""
    if attack is not None:
        st.container(key="formula").latex(attack.formula)


def _places() -> tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]:
    """Where what has come of an attack is said, where its pictures are, and where the rest; so on a phone, one below
    the other, elsewhere the first and the last beside the pictures."""
    return st.container(key="verdict"), st.container(key="pictures"), st.container(key="side")


def underway(look: Look[Snapshot], wanted: Wanted) -> None:
    """An attack that is running: the clean picture, the best so far, their difference, the scalars."""
    image, snapshot = wanted.choice.image[0], look.snapshot
    panels, drawn = [Panel("Original", image)], []
    first, left, right = _places()
    if snapshot is None:
        first.progress(0.0, look.standing)
    else:
        remaining = f", about {look.remaining:.0f} s to go at most" if look.remaining is not None else ""
        first.progress(look.fraction, f"Step {snapshot.step} of {snapshot.total}, {look.elapsed:.0f} s{remaining}")
        r = rounded(snapshot.best - image)
        gain = display.fitting_gain(float(r.abs().max()))
        rough, energy = float(roughness(r[None], 1.0)[0]), float(r.square().sum())
        share = rough / energy if energy > 0 else 0.0
        title = "Best so far" if snapshot.found else "Nearest attempt so far"
        note = "fools the network" if snapshot.found else "does not fool the network yet"
        panels.append(Panel(title, quantize(snapshot.best), note=note))
        note = f"amplified ×{general(gain)}, grey is no change; Ω {general(rough)}, Ω / L2² {general(share)}"
        panels.append(Panel("Perturbation", r, 1 / gain, note=note))
        drawn = traces(snapshot.trace)
    with right:
        page.tell(f"**Look for:** {looking.before(wanted.attack)}", SCOPE)
    with left:
        formula(wanted.attack)
        viewer(panels, f"{SCOPE}.underway", traces=drawn, view=SCOPE)


@st.fragment
def show(shown: Shown | None, choice: Choice, current: Attack | None) -> None:
    """What an attack has given, or the picture as it is; a fragment, so that a display slider redraws only this.

    current: the attack as it is set, which may be another than that of `shown`.
    """
    first, left, right = _places()
    if shown is not None and current is not None and current != shown.attack:
        first.info("The settings have changed since this run; press Run to see their effect.", icon=":material/info:")
    if shown is None:
        with left:
            formula(current)
            display.clean(choice.image, choice.title, SCOPE)
        with right:
            if current is not None:
                page.tell(f"**Look for:** {looking.before(current)}", SCOPE)
            probabilities("The network says", choice.logits, choice.classes, choice.attacked)
        links.write()
        return
    result = shown.run.result
    kept: Shown | None = st.session_state.get(PINNED)
    beside = kept if kept is not None and kept.choice.network == choice.network and kept is not shown else None
    beside = beside if beside is not None and beside.choice.image.equal(choice.image) else None
    with left:
        formula(current)
        seen = finished(shown.run, shown.choice.title, shown.choice.classes, beside)
    with first:
        headline(result, shown.choice.classes)
    with right:
        pin(shown, kept)
        if result.status[0] in ("fooled", "failed"):
            page.tell(f"**Look for:** {looking.after(result, shown.choice.card.dataset == 'imagenet')}", SCOPE)
        verdict(result, shown.choice.classes, seen.sigma_h)
        open_ended = result.converged is not None and not bool(result.converged[0])
        if open_ended and result.status[0] in ("fooled", "failed") and attacking.goes_on(shown.attack):
            text = "Search on from here, with the same budget again and what is set as it was."
            if st.button("Keep going", key=f"{SCOPE}.further", icon=":material/fast_forward:", help=text):
                st.session_state[FURTHER] = True
                st.rerun()  # the whole page: it starts the job
    spectrum(result)
    notes = [f"{shown.attack.title} on {shown.choice.card.title}"]
    if shown.choice.defense is not None:
        notes.append(f"behind {shown.choice.defense.title}")
    if result.stopped:
        notes.append("stopped before its end")
    if shown.cached:
        notes.append("kept from an identical run")
    if isinstance(shown.run, attacking.Shipped):
        notes.append(attacking.WHERE)
    if shown.further:
        notes.append("gone on from an earlier run, which no link repeats, but what is taken home does")
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.caption(page.plain(", ".join(notes)) + ".")
    item = Item(
        shown.attack.name, result, shown.choice.card.sha256, shown.run.threads, None, shown.start, shown.choice.defense
    )
    with right:
        export.button([item], shown.choice.classes, seen.magnify, seen.gain, f"{SCOPE}.export")
    links.write()


def pin(shown: Shown, kept: Shown | None) -> None:
    """The button that keeps a result beside the next one, or lets it go."""

    def turn(to: Shown | None) -> None:
        st.session_state[PINNED] = to

    if kept is None:
        text = "Keep this result beside the next ones."
        st.button("Pin", key=f"{SCOPE}.pin", icon=":material/keep:", help=text, on_click=turn, args=(shown,))
    else:
        text = "Let the pinned result go."
        st.button("Unpin", key=f"{SCOPE}.unpin", icon=":material/keep_off:", help=text, on_click=turn, args=(None,))


def differing(one: Attack, other: Attack) -> str:
    """In which attack and values `one` differs from the other, in words."""
    if type(one) is not type(other):
        return one.title
    infos = [info for info in fields(type(one)) if getattr(one, info.name) != getattr(other, info.name)]
    return ", ".join(f"{info.symbol or info.title} = {getattr(one, info.name)}" for info in infos) or "another seed"


def finished(run: Finished, title: str, classes: Sequence[str], pinned: Shown | None = None) -> display.Display:
    """A finished (or stopped) attack on one image: its pictures, the steps it made, and below the display controls.

    pinned: an earlier result on the same image, which is shown beside it, on the same scale and gain.
    """
    result, film = run.result, run.film
    fooled = result.status[0] == "fooled"
    above = st.container()
    seen = display.controls(SCOPE)
    r = result.perturbation[0]
    others = [] if pinned is None else [pinned.run.result]
    peak = max(float(each.perturbation.abs().max()) for each in (result, *others))
    gain = seen.gain or display.fitting_gain(peak)
    name = "Adversarial" if fooled else "Nearest attempt"
    before, after, *shades = display.magnified(
        ["Magnified original", f"Magnified {'adversarial' if fooled else 'attempt'}", "Pinned, magnified"][
            : 2 + len(others)
        ],
        [result.images, result.adversarial_8bit, *(each.adversarial_8bit for each in others)],
        seen.magnify,
    )
    keys = None
    if film is not None:
        keys, film = keyed(after, film, seen.magnify)
    panels = [
        Panel("Original", result.images[0], note=title),
        Panel(name, result.adversarial[0], note=_verdict_note(result), follows=IMAGE, base=result.images[0]),
        Panel(
            "Perturbation",
            r,
            1 / gain,
            note=f"{_rounding(result)}, amplified ×{general(gain)}; grey is no change",
            follows=IMAGE,
        ),
        before,
        replace(after, result=True) if keys is None else keys,
    ]
    if pinned is not None:
        (kept,) = others
        omega = float(roughness(kept.perturbation, seen.sigma_h, normalised=True)[0])
        note = f"{differing(pinned.attack, ATTACKS[result.attack](**result.parameters))}\n{_verdict_note(kept)}"
        numbers = f"L2 {l2(kept.perturbation)[0]:.3f}, Ω / L2² {general(omega, 2)}; amplified ×{general(gain)}"
        panels += [
            Panel("Pinned", kept.adversarial[0], note=note),
            Panel("Pinned, perturbation", kept.perturbation[0], 1 / gain, note=numbers),
            *shades,
        ]
    if film is not None:
        # All details of a step have one gain; from step to step they differ too much for that.
        spans = [1 / display.fitting_gain(peak) for peak in film.peaks]
        panels += [
            Panel(
                step[0].upper() + step[1:],
                values,
                spans[film.best],
                follows=step,
                spans=spans,
                note=f"{film.notes[step][film.best]}, amplified ×{general(1 / spans[film.best])}",
            )
            for step, values in film.details.items()
        ]
    with above:
        told = [] if film is None else [in_words(answer, classes) for answer in film.answers]
        if film is not None and told:  # the result is what is shown, in 8 bits
            told[film.best] = in_words(Answer.of(result.logits_8bit[0], int(result.labels[0])), classes)
        viewer(panels, f"{SCOPE}.finished", film=film, said=told, traces=traces(result.trace, film), view=SCOPE)
    return seen


def keyed(panel: Panel, film: Film, magnify: MagnifyParameters) -> tuple[Panel, Film]:
    """The magnified result, which shows the key frames while steps are looked at, and the film with these magnified."""
    if film.pictures is None:
        return replace(panel, result=True), film
    strips = dict(film.strips) | {MAGNIFIED: _magnified(film.pictures, **magnify.values())}
    return replace(panel, follows=MAGNIFIED, keys=film.keys), replace(film, strips=strips)


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs={Tensor: fingerprint})
def _magnified(levels: Tensor, **settings: float) -> Parcel:
    """Key frames (K, C, H, W) uint8, magnified: to a 32767th of the largest value of each."""
    pictures = from_levels(levels.numpy()).split(1)
    shades = [
        panel.values for panel in display.magnified([""] * len(pictures), pictures, MagnifyParameters(**settings))
    ]
    sizes = [float(shade.abs().max()) / LARGEST or STEP for shade in shades]
    return pack_steps(np.stack([to_steps(shade, size) for shade, size in zip(shades, sizes, strict=True)]), sizes)


def in_words(answer: Answer, names: Sequence[str]) -> str:
    """The most probable classes of a step."""
    pairs = zip(answer.classes, answer.probabilities, strict=True)
    return ", ".join(f"“{names[c]}” {100 * p:.1f} %" for c, p in pairs)


def said(shown: Shown) -> str:
    """What has come of an attack, for who listens; that it has failed is in a box of its own."""
    result = shown.run.result
    if result.status[0] != "fooled":
        return "The attack has ended."
    told = "".join(_headline(result, shown.choice.classes))
    return f"{told}. L2 {l2(result.perturbation)[0]:.3f}."


def _headline(result: AttackResult, names: Sequence[str]) -> tuple[str, ...]:
    """What has become of a picture that fools, of the picture as shown, in 8 bits: (class, words, class ...)."""
    classes = (result.predictions_clean, result.predictions, result.predictions_8bit)
    clean, found, shown = (names[int(at[0])] for at in classes)
    if bool(result.success_8bit[0]):
        return clean, " is now ", shown
    # Of an attack with a target it may be a third class.
    return clean, " was ", found, " before rounding; as shown, in 8 bits, it is " + ("still " * (clean == shown)), shown


def _rounding(result: AttackResult) -> str:
    """Which perturbation it is: what was found, or the 8-bit picture's where the search rounded every iterate."""
    return "in 8 bits" if result.adversarial.equal(result.adversarial_8bit) else "before rounding"


def _verdict_note(result: AttackResult) -> str:
    if result.status[0] != "fooled":
        return "not adversarial"
    return "shown in 8 bits: still fools" if bool(result.success_8bit[0]) else "shown in 8 bits: no longer fools"


def headline(result: AttackResult, names: Sequence[str]) -> None:
    """What has come of an attack, in one sentence."""
    status = result.status[0]
    if status == "fooled":
        words = _headline(result, names)
        told = "".join(f"<b>{html.escape(w)}</b>" if i % 2 == 0 else html.escape(w) for i, w in enumerate(words))
        far = f"L2 {l2(result.perturbation)[0]:.3f}"  # for phones, where the numbers come late
        st.html(f'<p class="ss-verdict">{told}</p><p class="ss-far ss-note">{far}</p>')
    else:
        st.warning(ADVICE[status])


def verdict(result: AttackResult, names: Sequence[str], sigma_h: float) -> None:
    """The probabilities before and after, and the numbers, all from the result's own arrays."""
    status, true = result.status[0], int(result.labels[0])
    probabilities("Before", result.logits_clean[0], names, true)
    if status in ("fooled", "failed"):
        probabilities("After", result.logits_8bit[0], names, true)
        if not bool(result.predictions_8bit.equal(result.predictions)):
            probabilities("Before rounding", result.logits[0], names, true)
        st.html(_table(numbers(result, sigma_h)))


def probabilities(title: str, logits: Tensor, names: Sequence[str], true: int | None) -> None:
    """The most probable classes for one image's logits (K,); the true class has a colour of its own."""
    st.html(f"<b>{html.escape(title)}</b>" + pictures.bars(names, logits, mark=true))


def numbers(result: AttackResult, sigma_h: float) -> list[tuple[str, str, str]]:
    """(name, value, explanation) of everything that is said of a perturbation."""
    r, x, adversarial = result.perturbation, result.images, result.adversarial
    verdict = [] if result.converged is None else [("Converged", "yes" if result.converged[0] else "no", _CONVERGED)]
    return [
        ("L2", f"{l2(r)[0]:.3f}", "Euclidean norm of the perturbation, pixels in [0, 1]"),
        ("L∞", f"{255 * linf(r)[0]:.1f}/255", "Largest change of one value"),
        ("Ω × 10³", general(1e3 * float(roughness(r, sigma_h)[0])), f"Roughness, sigma_h = {sigma_h:g} pixels"),
        ("Ω / L2² × 10³", general(1e3 * float(roughness(r, sigma_h, normalised=True)[0])), "Roughness for unit energy"),
        ("SSIM", f"{ssim(x, adversarial)[0]:.4f}", "Structural similarity, 1 is identical"),
        ("PSNR", f"{psnr(x, adversarial)[0]:.1f} dB", "Peak signal-to-noise ratio"),
        ("MAD", general(float(cache.mad(x, adversarial)[0])), "Most apparent distortion, 0 is invisible"),
        *_push(result),
        ("Fools in 8 bits", "yes" if bool(result.success_8bit[0]) else "no", "After rounding to 256 levels, as a PNG"),
        *verdict,
        ("Steps", f"{len(result.trace.get('step', ()))}", "Steps that were made; images may finish early"),
        ("Time", f"{result.seconds:.1f} s", "On the machine that computed it"),
    ]


def _push(result: AttackResult) -> list[tuple[str, str, str]]:
    """The row of the finishing push, where the attack got to it."""
    factors = result.trace.get("push")
    if factors is None or result.stopped or result.status[0] != "fooled":
        return []
    factor = float(factors[-1, 0])
    why = "The factor by which what was found had to be longer to fool in 8 bits"
    return [("Push", "none helps" if math.isnan(factor) else "not needed" if factor == 1 else f"×{factor:.3f}", why)]


def _table(rows: Sequence[tuple[str, str, str]]) -> str:
    cells = "".join(
        f'<tr title="{html.escape(why)}"><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>'
        for name, value, why in rows
    )
    return f'<table class="ss-table">{cells}</table>'


def spectrum(result: AttackResult) -> None:
    """How the perturbation's energy is spread over spatial frequencies."""
    if result.perturbation.any():
        st.plotly_chart(
            plots.spectrum(*radial_power_spectrum(result.perturbation)),
            key=f"{SCOPE}.spectrum",
            config=plots.CONFIG,
            alt="Energy of the perturbation for each spatial frequency",
        )
