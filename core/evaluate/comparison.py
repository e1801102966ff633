"""Attacks side by side on one image: what is said of each, and all of them brought to one norm."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from core.attacks import Attack, AttackResult, Status
from core.attacks.base import Quantised
from core.data import quantize
from core.metrics import l2, linf
from core.models import device_of

_HALVINGS = 50
_CORRECTIONS = 8


def unrounded(attack: Attack) -> Attack:
    """`attack` as it has to search for perturbations that are then brought to one norm: in float.

    One that was rounded in every iterate grows in jumps of whole levels, which break a smooth one into islands.
    """
    return attack.replace(quantised=False) if isinstance(attack, Quantised) and attack.quantised else attack


def _check(images: Tensor, adversarial: Tensor, norm: float) -> None:
    if images.shape != adversarial.shape:
        raise ValueError(
            f"adversarial must have the shape of images, {tuple(images.shape)}; got {tuple(adversarial.shape)}."
        )
    if not norm > 0:
        raise ValueError(f"norm must be above 0; got {norm}.")


def at_norm(images: Tensor, adversarial: Tensor, norm: float) -> Tensor:
    """`adversarial` with every perturbation brought to the L2 norm `norm`, (N, C, H, W) in [0, 1].

    The rule: clip(x + t (adversarial - x)) to [0, 1] with the t >= 0 at which the distance to x, after clipping, is
    `norm`. That distance grows with t, so t is found by bisection. Where nothing was perturbed nothing can be scaled,
    and where every pixel ends black or white before the norm is reached, that is where it ends.
    """
    _check(images, adversarial, norm)
    x, r = images.double(), (adversarial - images).double()

    def scaled(t: Tensor) -> Tensor:
        return (x + t[:, None, None, None] * r).clamp(0, 1)

    length = l2(r)
    low = torch.where(length > 0, norm / length, 0.0)  # clipping only shortens
    high = low.clone()
    for _ in range(_HALVINGS):
        short = l2(scaled(high) - x) < norm
        if not short.any():
            break
        high = torch.where(short, 2 * high, high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if bool((middle == high).all()):
            break
        short = l2(scaled(middle) - x) < norm
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    return scaled(high).to(images.dtype)


def at_linf(images: Tensor, adversarial: Tensor, norm: float) -> Tensor:
    """`adversarial` with every perturbation scaled to the largest change `norm`, (N, C, H, W) in [0, 1].

    clip(x + r norm / |r|_inf) to [0, 1], which leaves less where the largest change meets black or white, and nothing
    where nothing was perturbed. ValueError unless both have one shape and norm is above 0.
    """
    _check(images, adversarial, norm)
    r = adversarial - images
    largest = linf(r)
    scale = torch.where(largest > 0, norm / largest, 0.0)
    return (images + r * scale[:, None, None, None]).clamp(0, 1)


def at_norm_8bit(images: Tensor, adversarial: Tensor, norm: float) -> Tensor:
    """As `at_norm`, but so that the distance to `images` is `norm` once rounded to 8 bits, (N, C, H, W).

    What is scaled is corrected until it is `norm` to a thousandth after rounding, or as near as was found: where many
    values reach the next level at once, the distance leaps.
    """
    wanted = images.new_full((len(images),), norm)
    before, nearest, least = wanted, adversarial, torch.full_like(wanted, torch.inf)
    for _ in range(_CORRECTIONS):
        triples = zip(images.split(1), adversarial.split(1), before.tolist(), strict=True)
        found = torch.cat([at_norm(x, a, each) for x, a, each in triples])
        length = l2(quantize(found) - images)
        error = (length - wanted).abs()
        nearest = torch.where((error < least)[:, None, None, None], found, nearest)
        least = torch.minimum(error, least)
        if bool((least <= 1e-3 * wanted).all()):
            break
        before = before * (wanted / length.clamp_min(1e-6)).clamp(0.5, 2)
    return nearest


def asked(result: AttackResult, adversarial: Tensor, model: nn.Module) -> AttackResult:
    """`result` with other adversarial images (N, C, H, W), and what `model` says of them.

    Images that were not attacked, and those given up, stay as they are.
    """
    attacked = torch.tensor([s in ("fooled", "failed") for s in result.status])
    adversarial = torch.where(attacked[:, None, None, None], adversarial.cpu(), result.adversarial)
    device = device_of(model, adversarial)
    with torch.no_grad():
        logits, logits_8bit = (model(x.to(device)).cpu() for x in (adversarial, quantize(adversarial)))
    wanted = logits.argmax(1) != result.labels if result.targets is None else logits.argmax(1) == result.targets
    status: list[Status] = [
        ("fooled" if wanted[i] else "failed") if attacked[i] else s for i, s in enumerate(result.status)
    ]
    return replace(result, adversarial=adversarial, logits=logits, logits_8bit=logits_8bit, status=tuple(status))


def shown_to(result: AttackResult, model: nn.Module) -> AttackResult:
    """`result` as another network sees it, or the same behind a defence: whether it is fooled.

    Images that `model` does not name rightly when they are clean count as misclassified already.
    """
    there = asked(result, result.adversarial, model)
    with torch.no_grad():
        clean = model(result.images.to(device_of(model, result.images))).cpu()
    right = (clean.argmax(1) == result.labels).tolist()
    status: list[Status] = [s if right[i] else "already misclassified" for i, s in enumerate(there.status)]
    return replace(there, logits_clean=clean, status=tuple(status))


def matched(result: AttackResult, model: nn.Module, norm: float) -> AttackResult:
    """`result` with its perturbations at one L2 norm (`at_norm`), and `model` asked anew whether they still fool it."""
    return asked(result, at_norm(result.images, result.adversarial, norm), model)
