"""SPSA: a gradient attack on a network that only answers questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from core.attacks.adam import Adam
from core.attacks.base import Attack, Step
from core.attacks.fgsm import LargestChange, SignDescent
from core.attacks.gradient import Goal, Search
from core.params import parameter

_AT_ONCE = 512 * 28 * 28
"""Values in one batch of questions."""


class SPSA(Attack, Goal, LargestChange):
    """Simultaneous perturbation stochastic approximation (Uesato et al. 2018), the report's gradient-free attack.

    For random signs v the gradient of the lead is estimated by (lead(x + delta v) - lead(x - delta v)) / (2 delta) v,
    averaged over half of `samples` draws, and Adam follows it inside the Linf ball. Nothing is differentiated. An image
    leaves once it fools. Departure: the questions are clipped to [0, 1] too, since the network is only known there.
    """

    name: ClassVar[str] = "spsa"
    title: ClassVar[str] = "SPSA (black box)"
    formula: ClassVar[str] = (
        r"\hat g = \frac{1}{n}\sum_{i=1}^{n} \frac{\ell(x+\delta v_i)-\ell(x-\delta v_i)}{2\delta}\, v_i ,\qquad "
        r"v_i \in \{-1,1\}^{d}"
    )
    look_for: ClassVar[str] = (
        "It never sees the network from inside, only its answers, and still gets there; the price is thousands of them."
    )
    paper: ClassVar[str] = "MMC reproducibility report, section 3.1, after Uesato et al. (2018)"
    # The report gives the bounds; the rest is its code's.
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "MMC report, 8/256": {"epsilon": 8 / 256, "rounds": 10, "samples": 128, "adam_step": 0.01, "delta": 0.01},
        "MMC report, 8/256, targeted": {
            "epsilon": 8 / 256,
            "rounds": 10,
            "samples": 128,
            "adam_step": 0.01,
            "delta": 0.01,
            "goal": "random",
        },
    }

    rounds: int = parameter(
        20,
        ge=1,
        le=10_000,
        step=1,
        slider=(1, 100),
        unit="steps",
        quick=3,
        help="Steps of Adam. Each asks the network about as many images as there are samples, and one more.",
    )
    samples: int = parameter(
        128,
        ge=2,
        le=100_000,
        step=2,
        slider=(2, 512),
        unit="questions",
        quick=16,
        help="Questions for one estimate of the gradient, two for each random direction.",
    )
    delta: float = parameter(
        0.01,
        gt=0,
        le=1,
        step=0.001,
        slider=(0.001, 0.1),
        log=True,
        symbol="δ",
        unit="colour, 0 to 1",
        advanced=True,
        help="How far from the image the questions are asked: small follows the slope, large sees past ripples.",
    )
    adam_step: float = parameter(
        0.01,
        gt=0,
        le=1,
        step=0.001,
        slider=(0.001, 0.2),
        log=True,
        unit="colour, 0 to 1",
        advanced=True,
        title="Adam step",
        help="About how much every value moves in one step.",
    )

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        search = Search(model, images, labels, self.rounds, self.targets(model, images, labels, generator))
        ball = SignDescent(self.epsilon, self.adam_step)
        x = images.clone()
        adam = Adam(x, self.adam_step)
        for index in range(1, self.rounds + 1):
            with torch.no_grad():
                estimate = self._estimate(search, x, generator)
                sound = estimate.flatten(1).isfinite().all(1)
                adam.step(x, -estimate.nan_to_num(0, 0, 0))
                x = ball.back(x, search.x)
                _, fools, sound = search.record(x, model(x), sound=sound)
            going = sound & ~fools
            if not bool(going.all()):
                search.stay(going)
                adam.keep(going)
                x = x[going]
            yield search.step(index)
            if not len(search.rows):
                return

    def _estimate(self, search: Search, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """The estimated gradient of the lead at `x`, but for a factor that Adam takes out."""
        pairs = max(self.samples // 2, 1)
        together = max(_AT_ONCE // (2 * x.numel()), 1)
        total = torch.zeros_like(x)
        for start in range(0, pairs, together):
            count = min(together, pairs - start)
            shape = (count, *x.shape)
            v = torch.randint(0, 2, shape, generator=generator, device=x.device).to(x) * 2 - 1
            ask = torch.cat([x + self.delta * v, x - self.delta * v]).clamp(0, 1).flatten(0, 1)
            up, down = search.lead(search.model(ask), 2 * count).view(2, count, len(x))
            total += ((up - down).view(count, -1, 1, 1, 1) * v).sum(0)
        return total
