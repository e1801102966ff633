r"""CS, the colour shift of Hosseini and Poovendran (2018): SmoothFool's third baseline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from skimage.color import rgb2hsv
from torch import Tensor, nn

from core.attacks.base import Attack, Step
from core.attacks.gradient import Search
from core.params import parameter


def to_hsv(images: Tensor) -> Tensor:
    """(N, 3, H, W) red, green, blue in [0, 1] as hue (in turns), saturation and value in [0, 1]."""
    return torch.from_numpy(rgb2hsv(images.cpu().numpy(), channel_axis=1)).to(images)


def from_hsv(hsv: Tensor) -> Tensor:
    """The inverse of `to_hsv`; hues outside [0, 1) wrap around."""
    hue, saturation, value = hsv.unbind(1)
    sector = (hue[:, None] * 6 + torch.tensor([5.0, 3.0, 1.0]).to(hsv).view(1, 3, 1, 1)) % 6
    fall = torch.minimum(sector, 4 - sector).clamp(0, 1)
    return (value[:, None] * (1 - saturation[:, None] * fall)).clamp(0, 1)


class ColorShift(Attack):
    """CS: turn all hues by one random angle and shift all saturations by one random amount, until the network errs.

    As in the authors' code the hue is drawn from the whole circle, and the saturation's shift in trial i from
    [-i, i]/trials, so the first trials change the hue alone. An image leaves with its first success. Scalar
    "distortion_hsv": L2 of the change in hue (the shorter way around), saturation and value, in which SmoothFool's
    Table 2 measures this attack. Needs no gradient.
    """

    name: ClassVar[str] = "color_shift"
    title: ClassVar[str] = "Colour shift (CS)"
    formula: ClassVar[str] = (
        r"h' = (h + \delta_h) \bmod 1,\quad s' = \mathrm{clip}(s + \delta_s),\qquad "
        r"\delta_h \sim U(0,1),\; \delta_s \sim \tfrac{i}{n}\,U(-1,1)"
    )
    look_for: ClassVar[str] = (
        "The shape stays sharp and the colours turn: smooth but for the picture's own edges, long, and often odd, "
        "such as a blue apple or a red lemon."
    )
    paper: ClassVar[str] = "SmoothFool, section 4.1, after Semantic Adversarial Examples (Hosseini, Poovendran 2018)"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"color_trials": 100},
        "authors' code": {"color_trials": 1000},
    }

    color_trials: int = parameter(
        100,
        ge=1,
        le=10_000,
        step=10,
        slider=(10, 1000),
        unit="trials",
        paper="SmoothFool, section 4.1",
        quick=10,
        help="Random colour shifts that are tried at most; each costs one forward pass.",
    )

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        if images.shape[1] != 3:
            raise ValueError(
                f"images must have three colours for a colour shift; got {images.shape[1]}: choose a colour data set."
            )
        search = Search(model, images, labels, self.color_trials)
        hsv = to_hsv(images)
        options: dict[str, Any] = {"generator": generator, "device": images.device, "dtype": images.dtype}
        for trial in range(self.color_trials):
            # Drawn for all images, so that what one gets does not depend on which others have left.
            turn, shift = torch.rand(2, len(images), **options)[:, search.rows]
            shift = (2 * shift - 1) * trial / self.color_trials
            hue, saturation, value = hsv[search.rows].unbind(1)
            shifted = torch.stack(
                [(hue + turn.view(-1, 1, 1)) % 1, (saturation + shift.view(-1, 1, 1)).clamp(0, 1), value], 1
            )
            change = shifted - hsv[search.rows]
            change[:, 0] = (change[:, 0] + 0.5) % 1 - 0.5
            x = from_hsv(shifted)
            with torch.no_grad():
                logits = model(x)
            size = change.flatten(1).norm(dim=1)
            _, fools, sound = search.record(x, logits, hue=turn, saturation=shift, distortion_hsv=size)
            search.stay(sound & ~fools)
            yield search.step(trial + 1)
            if not len(search.rows):
                return
