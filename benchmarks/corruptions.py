"""Our common corruptions beside a library's: python benchmarks/corruptions.py PEERS

PEERS: a folder made by pip install --no-deps --target PEERS -r requirements-bench.txt opencv-python-headless. The
library, imagecorruptions-imaug, has ImageNet-C's strengths and no others, so ours are given these: compared are the
operations, at what differs between the two by most, in levels of 255, on pictures of 32 pixels and with the same random
numbers. Frost differs by its pictures' scale alone, and noise by the order of its random numbers; they are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np

from core.data import corruptions, gallery

NUMBER = 20
"""Pictures."""


class Dice:
    """numpy's older generator, with the names of the newer one's methods."""

    def __init__(self, seed: int) -> None:
        self.state = np.random.RandomState(seed)
        self.uniform, self.normal = self.state.uniform, self.state.normal
        self.integers = self.state.randint


def ours(make: Any, strength: Any, picture: np.ndarray, seed: int) -> np.ndarray:
    """(H, W, 3) levels."""
    x = picture.transpose(2, 0, 1)[None] / 255
    made = make(x, strength, [Dice(seed)])
    return np.asarray(corruptions._cut(made)[0].transpose(1, 2, 0))


def cases(peer: Any, picture: np.ndarray, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(ours, the library's) by name, levels (H, W, 3)."""
    from PIL import Image

    asked = Image.fromarray(picture)

    def theirs(name: str, severity: int) -> np.ndarray:
        np.random.seed(seed)  # the library's
        with contextlib.redirect_stdout(io.StringIO()):
            return np.floor(np.asarray(getattr(peer, name)(asked, severity), np.float64) + 1e-3)

    strengths = {
        "defocus_blur": (3, 0.1),
        "motion_blur": (10, 3),
        "contrast": 0.4,
        "brightness": 0.1,
        "pixelate": 0.6,
        "jpeg_compression": 25,
        "zoom_blur": (1.11, 0.01),
        "fog": (1.5, 2),
    }
    return {
        name: (ours(getattr(corruptions, name), strength, picture, seed), theirs(name, 1))
        for name, strength in strengths.items()
    }


def main() -> None:
    """Print the largest difference and the mean one, of all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("peers", type=Path)
    sys.path[:0] = [str(parser.parse_args().peers)]
    from imagecorruptions import corruptions as peer

    pictures = (255 * gallery.read("cifar10").images[:NUMBER]).round().byte().permute(0, 2, 3, 1).numpy()
    found: dict[str, list[np.ndarray]] = {}
    for seed, picture in enumerate(pictures):
        for name, (one, other) in cases(peer, picture, seed).items():
            found.setdefault(name, []).append(np.abs(one - other))
    for name, differences in found.items():
        print(f"{name}: {np.max(differences):.0f} at most, {np.mean(differences):.4f} on average")


if __name__ == "__main__":
    main()
