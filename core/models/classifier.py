"""A frozen network with its card: images in [0, 1] to logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.models.card import Card


class Classifier(nn.Module):
    """Normalisation, network and head in one: `model(x) -> logits (N, K)` for x (N, C, H, W) in [0, 1].

    `model.features(x) -> (N, d)` gives what the head sees: the network's own features, or an embedding of them. Made by
    `core.models.load`, it is in eval mode and its parameters take no gradient; gradients with respect to x flow.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, head: nn.Module, card: Card, embedding: nn.Module | None = None) -> None:
        super().__init__()
        self.network, self.embedding, self.head, self.card = network, embedding or nn.Identity(), head, card
        self.register_buffer("mean", torch.tensor(card.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(card.std).view(1, -1, 1, 1), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where its weights lie, and where images must be brought."""
        return self.mean.device

    def features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] -> (N, d)."""
        features: Tensor = self.embedding(self.network((x - self.mean) / self.std))
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
