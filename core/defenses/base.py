"""What every defence in front of a network shares, and the network behind one."""

from __future__ import annotations

import abc
from typing import ClassVar

import torch
from torch import Tensor

from core.filters import check_images
from core.models import Classifier
from core.params import Parameters


class Defense(Parameters, abc.ABC):
    """Base of all defences that change a picture before a network sees it: constructor = parameters, call = pictures.

    Nothing is drawn at random: the same picture is changed in the same way every time.
    """

    name: ClassVar[str]
    """Key in DEFENSES."""
    title: ClassVar[str]
    paper: ClassVar[str]
    data: ClassVar[tuple[str, ...]] = ()
    """Keys in core.data.DATASETS: of which pictures it is. Empty for one of all pictures."""
    differentiable: ClassVar[bool] = False
    """Whether `apply` has a gradient that leads an attack; else `Defended` goes past it."""

    @abc.abstractmethod
    def apply(self, images: Tensor) -> Tensor:
        """What the network is shown of `images` (N, C, H, W) in [0, 1]: the same shape, in [0, 1]."""

    def refuses(self, images: Tensor) -> Tensor | None:
        """(N,) whether images (N, C, H, W) in [0, 1] are refused instead of named; None where it refuses nothing."""
        return None

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """`images` (N, C, H, W) in [0, 1] as the network is shown them: same shape, range, device and precision.

        No gradient flows; `Defended` says what an attack gets instead. ValueError for images of another shape, and for
        values outside [0, 1].
        """
        check_images(images)
        if not bool(((images >= 0) & (images <= 1)).all()):  # false for NaN too
            raise ValueError("images must lie in [0, 1]; clamp or rescale them first.")
        return self.apply(images).to(images)


class Defended(Classifier):
    """A classifier behind a defence: `model` of `defense(x)`, logits (N, K) and features (N, d) for x (N, C, H, W).

    Its card is the bare network's. The gradient with respect to x goes through a defence that is differentiable, and
    past any other as if it changed nothing: those have a gradient that is zero almost everywhere, or none, and one that
    is only hidden so protects nobody. So attacks can be made against the defended network as well. What a defence
    refuses, the defended network still names: `defense.refuses` says so apart.

    The identity in the backward pass is BPDA, section 4.1 of Athalye, Carlini and Wagner, "Obfuscated gradients give a
    false sense of security", ICML 2018.
    """

    def __init__(self, model: Classifier, defense: Defense) -> None:
        super().__init__(model.network, model.head, model.card, model.embedding)
        self.behind, self.defense = model, defense
        self.to(model.device).train(model.training)

    def features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] -> (N, d)."""
        if self.defense.differentiable and x.requires_grad:
            return self.behind.features(self.defense.apply(x))
        seen = self.defense(x)
        return self.behind.features(seen + (x - x.detach()) if x.requires_grad else seen)  # what is added is exactly 0
