"""JPEG as a defence: what a picture's file throws away, a fine perturbation is lost with."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.data import to_png
from core.data.imageset import from_levels
from core.defenses.base import Defense
from core.params import parameter


class JPEG(Defense):
    """Pictures saved as a JPEG file and opened again, by Pillow's libjpeg; rounded to 8 bits before and after.

    Every 8 x 8 block's cosine coefficients are rounded to multiples of a table's entries, which grow with the frequency
    and shrink with the quality.
    """

    name = "jpeg"
    title = "JPEG"
    paper = "Dziugaite, Ghahramani and Roy, A study of the effect of JPG compression on adversarial images, 2016"

    quality: int = parameter(
        75,
        ge=1,
        le=95,
        title="Quality",
        help="Libjpeg's scale: 50 takes the standard's table as it is, 75 is what programs save with, 95 keeps nearly "
        "everything.",
        paper="ISO/IEC 10918-1, Annex K; quality 75 in Guo et al., Countering adversarial images using input "
        "transformations, ICLR 2018",
        first=True,
        telling=(10, 30, 50, 75, 95),
    )
    chroma: Literal["4:2:0", "4:4:4"] = parameter(
        "4:2:0",
        title="Colour",
        help="4:2:0 keeps one colour for four pixels, as cameras do; 4:4:4 keeps all. Nothing to a grey picture.",
        advanced=True,
    )

    def apply(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1], C 1 or 3, exactly k/255. ValueError for other numbers of channels."""
        return torch.cat([from_levels(self._opened(image)[None]) for image in images])

    def _opened(self, image: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Levels (C, H, W) of an image (C, H, W) as its JPEG file has them."""
        file = io.BytesIO()
        with Image.open(io.BytesIO(to_png(image))) as picture:
            picture.save(file, "JPEG", quality=self.quality, subsampling=self.chroma)
        with Image.open(file) as saved:
            levels = np.asarray(saved)
        return levels[None] if levels.ndim == 2 else levels.transpose(2, 0, 1)
