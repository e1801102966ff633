r"""DDN, and sDDN: the shortest perturbation in a few dozen passes, every pixel on its own or smooth like the image.

DDN (Rony et al. 2019, "Decoupling direction and norm") keeps direction and norm of r apart. A step along the gradient
turns the direction; then r is rescaled to a norm that shrinks after a success and grows after a failure, so that the
iterates straddle the boundary; the shortest success is kept. There is no penalty and no search for its weight.

sDDN: which step?
-----------------
Let g = -(gradient of the loss) with respect to the image, so a small r gains g.r. What is the steepest r? That depends
on what a unit step is. S = diag(s_alpha(1))^-1 L_alpha^-1 is the matrix of s^_alpha (eq. 9).

- |r| = 1 gives r ~ g: DDN. The condition that r = s^_alpha(z) for some z changes nothing: S is invertible, so *every* r
  is smooth in that sense, and min |r|^2 under it has DDN's solution. sC&W (eq. 18) minimises |s^_alpha(z)|^2 too; its
  results are smooth because Adam walks in z, from z = 0, and stops early, not because its problem asks for it.
- |z| = 1, r = s^_alpha(z): z moves along S'g (eq. 19) and r along S S'g. On the half-space w.r >= b the nearest r is
  b S S'w / |S'w|^2. It is smoothed twice, and costs two solves a pass.
- The smoother has a norm of its own. It is the minimiser of the energy phi_alpha (eqs. 6, 7), and
  phi_alpha(q, 0) = (1 - alpha) q'L_alpha q punishes length and roughness in the proportion alpha asks for. Scaling q =
  s_alpha(1)^{1/2} r to undo the filter's uneven gain, as eq. 9 does, E(r) = r'F^-1 r with

      F = s_alpha(1)^{-1/2} L_alpha^-1 s_alpha(1)^{-1/2},

  the symmetric matrix that is similar to S (F = s_alpha(1)^{1/2} S s_alpha(1)^{-1/2}): the same low-pass filter with
  the same gains, its normalisation split evenly between the two sides. The steepest r for a given E is

      r ~ F g,       and the nearest point of the half-space w.r >= b is       r = b F w / (w.F w),

  which is what sDDN converges to on a linear classifier. F is positive definite, so g.F g > 0: every step lowers the
  loss to first order, which s^_alpha(g), the step of qPGD2 (eq. 12), does not guarantee. One solve a pass.

We take the third, and measured all of them, on MNIST (C4, alpha 0.95, 40 digits, 50 passes, mean L2 and Omega_n at
sigma_h = 1): S S' 1.76 and 0.125; s^_alpha(g) 1.37 and 0.133; F 1.36 and 0.124; sC&W with m = 0 1.27 and 0.210. Along
alpha, F is on the lower edge of all in both numbers: at 0.8 it is at 1.16 and 0.155. `benchmarks/quick.py` compares
F with sC&W again.

The Sobolev norm (rho > 0)
--------------------------
Along F g, but by |r|: rescaled, compared and kept by its length, what is found depends on how long one searches, if far
less than sC&W's. With rho > 0 one norm does it all: |r|_K, K = I + rho (D - W), the Sobolev norm on the pixel graph
(`core.graph.energy`, and `core.attacks.scw` for what is minimised). The steepest direction is K^-1 g, of norm
(g.K^-1 g)^{1/2}; the norm of r that shrinks and grows is |r|_K; the success of the least |r|_K is kept. A fixed point
has r along K^-1 g, which is the condition of the minimum, so r = b K^-1 w / (w.K^-1 w) on a linear classifier. As in
sC&W, r counts as it was before it was clipped: clipped, it would have the clip's edges in it.

The norm
--------
The original starts at norm 1, changes it by a factor 1 +- gamma, and lets the steps shrink from 1 to 0.01: constants
for small pictures. `schedule = "estimated"` (ours, the default) takes the first norm from the linearised boundary,
stretches to it again until the first success, shrinks gamma along with the steps, and measures steps in units of the
norm. Outcomes in a row quicken the norm's change, by 1.3 each up to a factor of 1.7, and a change of outcome halves it,
but to no less than gamma: nothing then rests on where the first norm was. Networks with fixed centres need that. Their
features sit on the class's centre at the clean image, where the slope is nearly zero, and fall off it at a cliff close
by: on CIFAR-10 (MMC, one image) the margin has slope 86 at the clean image and 5900 at its boundary, which is 0.12 away
and looks 2.6 away. A norm that starts 40 times too large needs 75 successes to come down by twentieths (12 images, 50
passes: mean L2 0.90, now 0.14; with cross-entropy nothing changes).

After a quarter of the passes the search follows the lead over one class instead of the log odds, since in the end only
that class's boundary matters. Which class? The one whose boundary the search happens to meet is not the nearest for a
third of all digits (C4), and no number of passes takes it elsewhere: 1000 end 2.6 % longer than the best of nine
searches, one for each class. So after a quarter and after a half of the passes the boundaries of the three classes that
are nearest to being named are linearised at the best success; where another than the one reached looks nearer, the
search goes to the point of it that is nearest to the clean image, and on from there (`core.attacks.nearest`); unless
its norm is still on its way down from a first one that was far too large. Two passes go for each such look, and after
three quarters the search is back at the best that it has. (48 digits, mean L2: 1.248 to 1.224 in 50 passes, 1.243 to
1.224 in 100.) Also ours:
pixels that a step could only push out of [0, 1] take no part in it (most of MNIST is exactly black).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from core.attacks.base import Attack, Seeks, Step
from core.attacks.gradient import Goal, Search, clipped, inward, unit
from core.attacks.metric import Metric, SmoothMetric, SobolevMetric
from core.attacks.nearest import BOUNDARIES, IN_THE_END, Plan, looks, nearest, verdict
from core.attacks.push import Storable
from core.attacks.smoothing import EnergyParameters
from core.params import parameter

_QUICKER, _FASTEST = 1.3, 0.7  # the norm's change: its growth by outcomes in a row, and its largest
_BEHIND = 1.02, 1e-4  # a first norm ends this far behind the linearised boundary: relative, absolute
_FURTHER = 0.3  # the first step's share of the norm, of a search that goes on
_LAST = 0.01  # share of the first step that is left at the last
_SHARP = 1 / 4  # of the passes; after them the search follows one class's boundary
_SETTLED = 2  # the norm's change is at most that many gamma: it is not on its way from where the first norm was


class DecoupledBase(Storable, Attack, Goal):
    """The search that DDN and sDDN share: only the direction of a step differs."""

    seeks: ClassVar[Seeks] = "shortest"

    passes: int = parameter(
        60,
        ge=2,
        le=10_000,
        step=5,
        slider=(10, 300),
        unit="passes",
        paper="Rony et al. (2019), section 4",
        quick=10,
        help="Forward and backward passes through the network in all.",
    )
    gamma: float = parameter(
        0.05,
        gt=0,
        lt=1,
        step=0.01,
        slider=(0.01, 0.3),
        symbol="γ",
        paper="Rony et al. (2019), Algorithm 1",
        help="The norm shrinks by this share after a success and grows by it after a failure; where that repeats "
        "itself, by more and more.",
    )
    schedule: Literal["estimated", "original"] = parameter(
        "estimated",
        advanced=True,
        help="First norm from the slope at the clean image, finer and finer steps of the norm, steps relative to it, "
        "in the end towards the nearest class alone; or as published: first norm 1, always the same γ, steps from 1 "
        "down to 0.01.",
    )

    def metric(self, images: Tensor) -> Metric:
        return Metric()

    def steps(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        steps = self._search(model, images, labels, images, 1.0, generator)
        yield from self.pushed(steps, model, images, labels)

    def further(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        start: Tensor,
        generator: torch.Generator | None = None,
    ) -> Iterator[Step]:
        steps = self._search(model, images, labels, start, _FURTHER, generator)
        yield from self.pushed(steps, model, images, labels)

    def _search(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        start: Tensor,
        longest: float,
        generator: torch.Generator | None,
    ) -> Iterator[Step]:
        """start: (N, C, H, W) the first iterate. longest: the first step, in units of the norm."""
        search = Search(model, images, labels, self.passes, self.targets(model, images, labels, generator))
        metric = self.metric(images)
        r = start - images
        norm = metric.norms(r)
        ever = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        before, pace = ever, torch.full_like(norm, self.gamma)
        ours = self.schedule == "estimated"
        aim = torch.full_like(labels, -1)
        plan = Plan(self.passes, ours and search.targets is None)
        index = 0
        while index < plan.last:
            index += 1
            if plan.returns(index):
                r, norm, aim = self._back(search, metric, r, norm)
                settled = search.tracker.found[search.rows] & (pace.flatten() <= _SETTLED * self.gamma)
                if plan.asks(index):
                    if bool(settled.any()):
                        r, norm, aim = self._nearest(search, metric, r, norm, settled)
                    index += plan.cost  # whoever is asked, so that no image's search depends on who else is there
            last = index == plan.last
            sharp = ours and index > self.passes * _SHARP
            probe = search.probe(self.shown(clipped(search.x, r)), not last, sharp, metric.cost(r), aim)
            ever |= probe.fools
            x = search.x + r
            g = inward(-probe.gradient, x)
            going = probe.sound & (g.flatten(1).any(1) | r.flatten(1).any(1))  # else there is nowhere to go
            if not last and not bool(going.all()):
                search.stay(going)
                metric.stay(going)
                r, norm, ever, g, before, pace, aim = (part[going] for part in (r, norm, ever, g, before, pace, aim))
            yield search.step(index)
            if last or not len(search.rows):
                break

            lead, fools = probe.lead[going].view(-1, 1, 1, 1), probe.fools[going].view(-1, 1, 1, 1)
            cosine = (1 + math.cos(math.pi * (index - 1) / (self.passes - 1))) / 2
            share = _LAST + (longest - _LAST) * cosine
            direction = metric(g)
            if ours:
                # Quicker while outcomes repeat, at half the pace when they change.
                repeats = (fools == before.view(-1, 1, 1, 1)) & ever.view(-1, 1, 1, 1)
                pace = torch.where(repeats, (_QUICKER * pace).clamp_max(_FASTEST), pace / 2).clamp_min(
                    self.gamma * share
                )
                before = fools.flatten()
                factor = torch.where(fools, 1 / (1 + pace), 1 + pace)
                slope = (g * direction).sum((1, 2, 3), keepdim=True)
                way = _BEHIND[0] * -lead.clamp_max(0) * metric.norms(direction) / slope.clamp_min(1e-30) + _BEHIND[1]
                stretched = torch.maximum(metric.norms(r) + way, norm * factor)
                if index > 1:
                    stretched = torch.minimum(stretched, 2 * norm)
                norm = torch.where(ever.view(-1, 1, 1, 1), norm * factor, stretched)
            elif index == 1 and start is images:
                norm = torch.ones_like(norm)
            else:
                norm = norm * torch.where(fools, 1 - self.gamma, 1 + self.gamma)
            norm = torch.minimum(norm, metric.farthest(search.x))
            r = r + share * (norm if ours else 1) * unit(direction, metric.norms(direction))
            r = metric.within(search.x, unit(r, metric.norms(r)) * norm)
        if index < self.passes and len(search.rows):
            at = search.tracker.best[search.rows]
            _, leads, slopes = search.boundaries(self.shown(at), IN_THE_END)
            said = verdict(looks(metric, search.x, at, metric.norms(at - search.x), leads, slopes))
            said = said.of(search.rows, len(images))
            yield search.tracker.step(self.passes, clear=said.clear, stands=said.stands)

    def _back(self, search: Search, metric: Metric, r: Tensor, norm: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(r, its norm, no class to aim at): where the best success is, of the images whose r is longer than that."""
        best = search.tracker.best[search.rows] - search.x
        shorter = search.tracker.found[search.rows].view(-1, 1, 1, 1) & (metric.norms(best) < norm)
        aim = torch.full_like(search.rows, -1)
        return torch.where(shorter, best, r), torch.where(shorter, metric.norms(best), norm), aim

    def _nearest(
        self, search: Search, metric: Metric, r: Tensor, norm: Tensor, settled: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(r, its norm, the class to aim at) from the boundaries linearised at the best success.

        The class is -1, and r as it was, where the one that is reached looks nearest too, and where not `settled` (n,).
        """
        at = search.tracker.best[search.rows]
        path, length, aim = nearest(metric, search.x, at, *search.boundaries(self.shown(at), BOUNDARIES))
        aim = torch.where(settled, aim, -1)
        change = (aim >= 0).view(-1, 1, 1, 1)
        return torch.where(change, path, r), torch.where(change, length, norm), aim


class DDN(DecoupledBase):
    """DDN (Rony et al. 2019): nearly the shortest perturbation in a few dozen passes."""

    name: ClassVar[str] = "ddn"
    title: ClassVar[str] = "DDN"
    formula: ClassVar[str] = (
        r"r \leftarrow \rho\,\frac{r + a\,g/\lVert g\rVert}{\lVert r + a\,g/\lVert g\rVert\rVert},\qquad "
        r"\rho \leftarrow (1 \mp \gamma)\,\rho"
    )
    look_for: ClassVar[str] = "As short as C&W's perturbation or shorter, after a tenth of the passes; just as noisy."
    paper: ClassVar[str] = "Rony et al. (2019), Algorithm 1"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Rony et al.": {"passes": 100, "gamma": 0.05, "schedule": "original", "quantised": True},
        # Ours. As long in 30 passes as in 50 (6 photographs, EfficientNet-Lite0, medians 0.171 and 0.175), in 25 by
        # 0.5 % (12 photographs, median; the worst 4 %) longer than in 30; to round every iterate is shorter than the
        # push, and there is no smoothness to lose (benchmarks/saved.py).
        "photograph": {"quantised": True, "passes": 25},
    }


class SmoothDDN(DecoupledBase, EnergyParameters):
    """sDDN, ours: DDN's search along F g, smooth like the image, the quick mode beside sC&W; or, with rho > 0, along
    K^-1 g in the norm |r|_K. See the module's text."""

    name: ClassVar[str] = "sddn"
    title: ClassVar[str] = "Smooth DDN (sDDN)"
    formula: ClassVar[str] = (
        r"r \leftarrow \rho\,\frac{r + a\,d/\lVert d\rVert}{\lVert r + a\,d/\lVert d\rVert\rVert},\qquad "
        r"d = D_1^{-1/2}\mathcal L_\alpha^{-1} D_1^{-1/2} g,\quad D_1=\mathrm{diag}\,s_\alpha(\mathbf 1),\qquad "
        r"\rho \leftarrow (1 \mp \gamma)\,\rho"
    )
    look_for: ClassVar[str] = (
        "Smooth like the picture, as sC&W's perturbation, but there at once: move α and watch it spread."
    )
    paper: ClassVar[str] = "ours; Smooth Adversarial Examples, section 3, and Rony et al. (2019)"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper, MNIST": {"alpha": 0.95},
        "paper, ImageNet": {"alpha": 0.997},
        # Ours: 8 photographs, all fool saved, 50 passes, medians: Omega_n 0.024 and L2 0.47 with the push, 0.125 and
        # 0.43 where every iterate is rounded (benchmarks/saved.py). Rounded, 30 passes end as long, each within 4 %;
        # 20 by 0.5 % longer than 30 (12 photographs, median; the mean 1.6 %, the worst 10 %).
        "photograph": {"alpha": 0.997, "push": True, "passes": 20},
        "smooth optimum": {"rho": 30.0},
    }

    def metric(self, images: Tensor) -> Metric:
        if self.rho:
            return SobolevMetric(self.energy(images))
        return SmoothMetric(self.smoother(images), images)
