"""torchvision, imported so that it also works beside a PyTorch build it was not compiled against.

Where torchvision's compiled operators do not load (its wheel beside a CPU build of PyTorch), importing it stops
at `operator torchvision::nms does not exist`, although nothing here needs that operator. Then, and only then, the two
operators are declared (a declaration without a kernel: calling one still raises) and the import is tried again. On a
build where they exist, declaring them a second time would abort the process; hence the first try.

>>> from core._torchvision import torchvision
>>> torchvision.__name__
'torchvision'
"""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

# Module-global: a Library that is garbage collected takes its operators with it.
_library: torch.library.Library | None = None


def _import() -> ModuleType:
    global _library
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        _library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision")


torchvision = _import()
