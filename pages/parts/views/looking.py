"""What a person should look for: said of what was set, and of what was measured in the picture that they see."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from core.attacks import Attack, AttackResult
from core.metrics import l2, linf, roughness
from pages.parts.shell import page
from pages.parts.shell.numbers import general

NOISE, CLOUDS = 0.4, 0.1
"""Omega_n (sigma_h = 1 pixel) from which on a perturbation is called noise, and below which clouds: of white noise it
is 0.76, of what changes over several pixels next to nothing."""
FAINT = 3
"""8-bit levels; a largest change of so few is seen by nobody who is not shown where."""


def kind(r: Tensor) -> str:
    """ "noise", "patches" or "clouds", by what is measured of the perturbation r (1, C, H, W)."""
    omega = float(roughness(r, 1.0, normalised=True)[0])
    return "noise" if omega >= NOISE else "clouds" if omega < CLOUDS else "patches"


def before(attack: Attack) -> str:
    """What to look for when the attack has run, as far as its settings say."""
    if getattr(attack, "alpha", None) == 0 and getattr(attack, "rho", 0.0) == 0:
        return (
            "With α = 0 nothing is smoothed: every pixel is moved on its own, as by the plain attack. Move α, and "
            "watch the change become even."
        )
    return attack.look_for


def after(result: AttackResult, photograph: bool) -> str:
    """What to look for in the pictures of an attack on one image. photograph: it is one, and no digit or thumbnail."""
    r = result.perturbation
    if not bool(r.any()):
        return "Nothing has changed; the pictures are the same."
    omega, levels = float(roughness(r, 1.0, normalised=True)[0]), 255 * float(linf(r)[0])
    told = {
        "noise": "**Noise:** neighbouring pixels are moved against one another",
        "patches": "**Patches:** even within, with borders, many of them the picture's own",
        "clouds": "**Clouds:** neighbouring pixels move together",
    }[kind(r)] + f" (Ω / L2² = {general(omega, 2)}; white noise has 0.76)."
    if levels <= FAINT:
        told += f" No value changes by more than {levels:.1f} of 255 levels: Blink shows nothing to the eye, "
        told += "magnification does" if photograph else "the perturbation does"
    elif photograph:
        told += f" Up to {levels:.0f} of 255 levels: Blink, then look at flat parts, where it shows first"
    else:
        told += f" Up to {levels:.0f} of 255 levels, on even ground: it is seen at once"
    told += "." if result.status[0] == "fooled" else ", though it does not fool the network."
    return told


def compared(names: Sequence[str], results: Sequence[AttackResult], norm: float | None) -> str:
    """What to look for among finished columns: which is the smoothest, and at equal success the shortest.

    norm: the L2 that all were brought to, None where each is as its attack found it.
    """
    found = [
        (name, float(l2(each.perturbation)[0]), float(roughness(each.perturbation, 1.0, normalised=True)[0]))
        for name, each in zip(names, results, strict=False)
        if each.status[0] == "fooled" and bool(each.perturbation.any())
    ]
    if len(found) < 2:
        return ""
    smoothest, roughest = min(found, key=lambda one: one[2]), max(found, key=lambda one: one[2])
    told = f"{smoothest[0]} is the smoothest (Ω / L2² = {general(smoothest[2], 2)}), "
    told += f"{roughest[0]} the roughest ({general(roughest[2], 2)})"
    if norm is not None:
        return f"All are equally long, L2 = {general(norm)}: what differs is of what kind they are. {told}."
    shortest, longest = min(found, key=lambda one: one[1]), max(found, key=lambda one: one[1])
    lengths = f"{shortest[0]} has L2 = {general(shortest[1])}, {longest[0]} has {general(longest[1])}"
    return f"Each is as short as it came: {lengths}. {told}."


def passed_on(names: Sequence[str], verdicts: Sequence[str]) -> str:
    """Whom an attack's picture fools, in Markdown: names by verdict, the verdicts in the order in which they come."""
    told = {verdict: [n for n, each in zip(names, verdicts, strict=True) if each == verdict] for verdict in verdicts}
    return "; ".join(f"**{verdict}:** {page.plain(' · '.join(who))}" for verdict, who in told.items()) + "."
