"""What several benchmarks do with attacks of ours and of other libraries: how they are imported, called and told of."""

from __future__ import annotations

import importlib
import importlib.util
import statistics
import sys
from collections.abc import Callable
from types import ModuleType

from rich.console import Console
from torch import Tensor, nn

console = Console(highlight=False, width=120)

Perturb = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""(network, images, labels) -> adversarial images."""


class Counting(nn.Module):
    """A network that counts the images that pass through it, forward and backward."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.card = model, getattr(model, "card", None)
        self.forwards = self.backwards = 0

    def forward(self, x: Tensor) -> Tensor:
        self.forwards += len(x)
        logits: Tensor = self.model(x)
        if logits.requires_grad:
            logits.register_hook(self._back)
        return logits

    def _back(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


def imported(name: str) -> ModuleType | None:
    """A peer's module, or None where it is not installed."""
    from core._torchvision import torchvision  # noqa: F401  # the peers import it, and it may need help

    if "visdom" not in sys.modules and importlib.util.find_spec("visdom") is None:
        sys.modules["visdom"] = ModuleType("visdom")  # adv-lib imports this plotting client without needing it here
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if error.name is None or name.split(".")[0] != error.name.split(".")[0]:
            console.print(f"{name} cannot be imported: {error}")
        return None


def summary(values: list[float]) -> dict[str, float]:
    """Median, range, and how many values."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "n": len(values)}


def said(value: dict[str, float], digits: int = 2) -> str:
    return f"{value['median']:.{digits}f} ({value['low']:.{digits}f} to {value['high']:.{digits}f})"
