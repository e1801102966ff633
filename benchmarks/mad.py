"""What pyiqa says of MAD, for the tests: python benchmarks/mad.py PEERS --write

PEERS: a folder made by pip install --no-deps --target PEERS pyiqa==0.1.16. Only its file on MAD is imported, none of
the packages that pyiqa brings along. Prints our scores beside pyiqa's; --write keeps pyiqa's in tests/core.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.data import gallery, read_image  # noqa: E402
from core.metrics import mad  # noqa: E402

TARGET = ROOT / "tests" / "core" / "mad_reference.json"


def grey(images: Tensor) -> Tensor:
    """(N, 1, H, W), not rounded: both implementations then see the same picture."""
    if images.shape[1] == 1:
        return images
    return torch.einsum("nchw,c->nhw", images, images.new_tensor([0.299, 0.587, 0.114]))[:, None]


def pairs() -> dict[str, tuple[Tensor, Tensor]]:
    """Real pictures beside distorted ones: (1, 1, H, W) each."""
    kept = ROOT / "tests" / "core" / "mad"
    photo, cw, scw = (grey(read_image(kept / f"{name}.png"))[..., 64:160, 64:160] for name in ("original", "cw", "scw"))
    found = {"photo, cw": (photo, cw), "photo, scw": (photo, scw)}
    pictures = {
        "photo": photo,
        "mnist": gallery.read("mnist").images[:1],
        "cifar10": gallery.read("cifar10").images[:1],
    }
    for name, picture in pictures.items():
        x = grey(picture)
        noise = torch.from_numpy(np.random.RandomState(0).standard_normal(tuple(x.shape)).astype(np.float32))
        for level in (4, 16, 40):
            found[f"{name}, noise {level}"] = x, (x + level / 255 * noise).clamp(0, 1)
        found[f"{name}, blur"] = x, F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
        found[f"{name}, contrast"] = x, 0.5 + 0.7 * (x - 0.5)
    return found


def load(peers: Path) -> types.ModuleType:
    """pyiqa's module on MAD, without running the package's own imports."""
    for name in ("pyiqa", "pyiqa.archs", "pyiqa.utils", "pyiqa.matlab_utils"):
        package = types.ModuleType(name)
        package.__path__ = [str(peers / name.replace(".", "/"))]
        sys.modules[name] = package
    sys.modules["pyiqa.matlab_utils"].math_util = importlib.import_module(  # type: ignore[attr-defined]
        "pyiqa.matlab_utils.math_util"
    )
    return importlib.import_module("pyiqa.archs.mad_arch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    module = load(arguments.peers)
    scores = {}
    for name, (x, y) in pairs().items():
        scores[name] = {
            "mad": float(module.MAD(channels=1)(y, x)),
            "detect": float(module.hi_index(255 * x, 255 * y)),
            "appear": float(module.lo_index(255 * x, 255 * y)),
        }
        print(f"{name:18} pyiqa {scores[name]['mad']:8.3f}   ours {float(mad(x, y)):8.3f}")
    if arguments.write:
        TARGET.write_text(json.dumps({"made by": "pyiqa 0.1.16, benchmarks/mad.py", "pairs": scores}, indent=1) + "\n")


if __name__ == "__main__":
    main()
